# shellcheck shell=bash
# The cases of network devices, over every kind of guest (GS_MACHINE). What is on the other side:
# net_peer, which is 10.0.0.1 and needs no privilege; another guest; or this machine's kernel, by a
# tap in a network namespace of its own. Each returns 0 or says with a comment line what went wrong.
# For bash; sourced after cases.sh, before run.sh.

# Network devices in one daemon, with a control socket. Sets GS_SOCKETS.
gs_nets() { # name,link...
    local net socket links=() paths=()
    GS_SOCKETS=()
    GS_CONTROL=$GS_WORK/control.sock
    for net; do
        socket=$GS_WORK/${net%%,*}.sock
        paths+=("$socket")
        GS_SOCKETS+=("net=$socket")
        links+=("--link=${net#*,},id=${net%%,*},socket=$socket")
    done
    gs_daemon "${paths[*]}" net "${links[@]}" --control "$GS_CONTROL"
}

# ---- net_peer on the other side ----

# Starts it, with a file to fetch. Sets GS_LINK, and GS_FILES, its directory.
gs_peer() { # stream|dgram
    local own=$GS_WORK/peer.sock link=$GS_WORK/link.sock
    GS_FILES=$GS_WORK/files
    rm -rf "$GS_FILES"
    mkdir "$GS_FILES"
    head -c 3000000 /dev/urandom >"$GS_FILES/big"
    gs_compile "$GS_ROOT/tests/linux/net_peer.c" -static
    case $1 in
    stream) set -- stream "$own" && GS_LINK=stream,path=$own ;;
    dgram) set -- dgram "$own" "$link" && GS_LINK=dgram,path=$link,peer=$own ;;
    esac
    touch "$GS_LOGS/peer.log"
    GS_ANNOUNCED=$(grep -c 'says where it is' "$GS_LOGS/peer.log") # by guests of before
    "$GS_CACHE/net_peer" "$@" "$GS_FILES" </dev/null 2>>"$GS_LOGS/peer.log" 7<&- 8>&- &
    GS_PEER=$!
    gs_pids+=("$GS_PEER")
    gs_wait 10 "net_peer makes no socket" test -S "$own"
}

# Ends it; false when it has seen a wrong checksum.
gs_peer_end() {
    local status=0
    kill "$GS_PEER" 2>/dev/null
    wait "$GS_PEER" || status=$?
    tail -n 1 "$GS_LOGS/peer.log" | sed 's/^/# /'
    [ $status = 0 ] || { echo "# net_peer saw what is wrong; see $GS_LOGS/peer.log"; return 1; }
}

# One question to the daemon's control socket; false where its answer is an error.
gs_ask() { # question
    timeout 10 python3 - "$GS_CONTROL" "$1" <<'PYTHON'
import json, socket, sys
control = socket.socket(socket.AF_UNIX)
control.connect(sys.argv[1])
control.sendall(sys.argv[2].encode() + b'\n')
answer = json.loads(control.makefile().readline())
if not answer.get('ok'):
    sys.exit('# %s: %s' % (sys.argv[2], answer))
PYTHON
}

# How many commands of the control queue were done; false when one was refused.
gs_commands() {
    timeout 10 "$TENON" stat --json "$GS_CONTROL" >"$GS_LOGS/stat.json" &&
        python3 - "$GS_LOGS/stat.json" <<'PYTHON'
import json, sys
queues = [q for n in json.load(open(sys.argv[1]))['nets'] for q in n['queues']]
print(sum(q.get('commands', 0) for q in queues))
sys.exit(sum(q.get('refused', 0) for q in queues) != 0)
PYTHON
}

gs_commands_are() { # number
    [ "$(gs_commands)" = "$1" ]
}

gs_announcements() { # number
    [ "$(grep -c 'says where it is' "$GS_LOGS/peer.log")" = "$1" ]
}

# The guest is asked to tell the network where it is, twice: it does, and says that it has heard.
# Behind QEMU, which keeps the control queue and the status to itself, no device can ask for that.
gs_announce() {
    local commands
    gs_guest_step 60 announce || return 1
    gs_announcements "$GS_ANNOUNCED" || { echo "# the guest was not asked yet"; return 1; }
    for _ in 1 2; do
        commands=$(gs_commands) && gs_ask '{"command":"announce"}' || return 1
        GS_ANNOUNCED=$((GS_ANNOUNCED + 1))
        gs_wait 10 "the guest does not say where it is" gs_announcements "$GS_ANNOUNCED" &&
            gs_wait 10 "the guest does not acknowledge" gs_commands_are $((commands + 1)) ||
            return 1
    done
    gs_guest_go
}

# ping, and a file there and back, over a link that can only carry finished frames.
case_net_peer() { # stream|dgram [words [name,link...]]
    local sum status=0 words=${2:-}
    gs_peer "$1" && shift $(($# < 2 ? $# : 2)) && gs_nets "net0,$GS_LINK" "$@" || return 1
    [ "$GS_MACHINE" != uml ] || words+=" t.announce=1"
    gs_guest "$GS_MACHINE" net 256 1 "$words" "${GS_SOCKETS[@]}"
    [ "$GS_MACHINE" != uml ] || gs_announce || { gs_guest_end 1; return 1; }
    gs_guest_end 100 && gs_daemon_end || status=1
    gs_peer_end || status=1
    [ $status = 0 ] || return 1
    sum=$(gs_sum "$GS_FILES/big")
    [ "$(gs_guest_said sum)" = "$sum" ] || { echo "# the guest fetched something else"; return 1; }
    [ "$(gs_sum "$GS_FILES/back")" = "$sum" ] || { echo "# what came back differs"; return 1; }
}

# The daemon is ended and started again; QEMU connects anew, and its guest goes on.
case_net_restart() { # signal
    local status=0
    gs_peer stream && gs_nets "net0,$GS_LINK" || return 1
    GS_RECONNECT=1 gs_guest "$GS_MACHINE" net 256 1 t.restart=1 "${GS_SOCKETS[@]}"
    gs_guest_step 60 ready || { gs_guest_end 1; return 1; }
    gs_daemon_end "$1" || return 1
    gs_daemon_again
    gs_guest_go
    gs_guest_end 100 && gs_daemon_end || status=1
    gs_peer_end && [ $status = 0 ] || return 1
    [ "$(gs_sum "$GS_FILES/back")" = "$(gs_sum "$GS_FILES/big")" ] ||
        { echo "# what came back differs"; return 1; }
}

# ---- another guest on the other side ----

# Two guests of one daemon, back to back: TCP both ways, with offloads and without.
case_net_pair() { # pairs
    local one two console status=0
    gs_nets "one,pair=cable,pairs=$1" "two,pair=cable,pairs=$1" || return 1
    GS_TWIN=.one GS_PAIRS=$1 gs_guest "$GS_MACHINE" net_tcp 256 "$1" \
        "t.own=10.0.0.1 t.wait=1 t.pairs=$1" "${GS_SOCKETS[0]}"
    one=$GS_GUEST_PID console=$GS_CONSOLE
    GS_PAIRS=$1 gs_guest "$GS_MACHINE" net_tcp 256 "$1" \
        "t.own=10.0.0.2 t.other=10.0.0.1 t.pairs=$1" "${GS_SOCKETS[1]}"
    gs_guest_end 150 || status=1
    two=$GS_CONSOLE
    GS_GUEST_PID=$one GS_CONSOLE=$console
    gs_guest_end 20 || status=1
    GS_CONSOLE=$two
    [ $status = 0 ] && gs_queues_used one "$1" && gs_daemon_end
}

# Every pair of queues has carried frames, both ways.
gs_queues_used() { # name pairs
    timeout 10 "$TENON" stat --json "$GS_CONTROL" >"$GS_LOGS/stat.json" &&
        python3 - "$GS_LOGS/stat.json" "$1" "$2" <<'PYTHON'
import json, sys
stats = json.load(open(sys.argv[1]))
(net,) = [n for n in stats['nets'] if n['name'] == sys.argv[2]]
frames = {q['queue']: q['frames'] for q in net['queues']}
print('# frames by queue:', frames, 'for each 1000: %d interrupts' %
      (net['received']['interrupts'] * 1000 // max(1, net['received']['frames'])))
idle = [q for q in range(2 * int(sys.argv[3])) if frames.get(q, 0) == 0]
if idle:
    sys.exit('# queues %s have carried nothing' % idle)
PYTHON
}

# ---- this machine's kernel on the other side ----

# A network namespace, which goes with the case. Sets GS_NETNS.
gs_netns() {
    GS_NETNS=tenon-$$
    ip netns add "$GS_NETNS" && ip -n "$GS_NETNS" link set lo up
}

gs_in_netns() { ip netns exec "$GS_NETNS" "$@"; }

# A process in there that ends with the case. A function that is put in the background is a shell of
# its own, which would be ended in place of what it runs.
gs_serve_in_netns() { # program argument...
    ip netns exec "$GS_NETNS" "$@" </dev/null >>"$GS_LOGS/$(basename "$1").log" 2>&1 7<&- 8>&- &
    gs_pids+=($!)
}

# A tap is made where its maker is, so the daemon runs in the namespace, too.
case_net_tap() { # pairs
    local status=0
    [ "$(id -u)" = 0 ] || { echo "# needs root, for a tap"; return 1; }
    gs_netns || { echo "# no network namespace could be made"; return 1; }
    gs_tap "$1" || status=1
    gs_end_all
    ip netns del "$GS_NETNS"
    return $status
}

gs_tap() { # pairs
    local multi="" tool=$GS_CACHE/busybox-static/bin/busybox program=$TENON
    [ "$1" = 1 ] || multi=multi_queue
    gs_in_netns ip tuntap add tap0 mode tap vnet_hdr $multi &&
        gs_in_netns ip addr add 10.0.0.1/24 dev tap0 && gs_in_netns ip link set tap0 up || return 1
    printf '#!/bin/sh\nexec ip netns exec %s %s "$@"\n' "$GS_NETNS" "$program" >"$GS_WORK/tenon"
    chmod +x "$GS_WORK/tenon"
    TENON=$GS_WORK/tenon gs_nets "one,tap,name=tap0,pairs=$1" || return 1
    head -c 8000000 /dev/urandom >"$GS_WORK/there"
    gs_serve_in_netns "$tool" nc -ll -p 7001 -e "$tool" sha256sum
    gs_serve_in_netns "$tool" nc -ll -p 7002 -e "$tool" cat "$GS_WORK/there"
    GS_PAIRS=$1 gs_guest "$GS_MACHINE" net_tcp 256 "$1" \
        "t.own=10.0.0.2 t.other=10.0.0.1 t.pairs=$1 t.sum=$(gs_sum "$GS_WORK/there")" \
        "${GS_SOCKETS[@]}"
    gs_guest_end 150 && gs_queues_used one "$1" && gs_daemon_end
}
