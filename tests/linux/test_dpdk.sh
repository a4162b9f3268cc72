#!/bin/bash
# DPDK's virtio-user port as the driver: dpdk_frames sends FRAMES (a million if not told) each way
# between two devices of one `tenon net`, and looks that each arrives whole, once and in order. It
# needs Debian's libdpdk-dev and no huge pages; the case with taps needs root, and is skipped
# without.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net_cases.sh"
frames=${FRAMES:-1000000}

# There is no guest that could not come up: nothing is tried twice.
gs_never_came() { return 1; }

# Runs it over two links. The daemon has to have moved what was sent, and dropped nothing.
case_dpdk() { # frames "ports' keys" argument link link
    local count=$1 keys=$2 argument=$3 i ports=()
    gs_nets "one,$4" "two,$5" || return 1
    for i in 0 1; do
        ports+=("--vdev=net_virtio_user$i,path=${GS_SOCKETS[i]#net=},queue_size=256$keys")
    done
    # It polls on one processor. Without huge pages its memory is a memfd, which can be shared.
    timeout -k 3 $((60 + count / 5000)) "$GS_CACHE/dpdk_frames" --no-huge -m 128 --no-pci -l 0 \
        --file-prefix="tenon-$$" --no-telemetry --log-level=warning "${ports[@]}" -- \
        frames="$count" ${argument:+"$argument"} </dev/null >"$GS_LOGS/frames.log" 2>&1 7<&- 8>&- ||
        { sed 's/^/# dpdk_frames: /' "$GS_LOGS/frames.log"; return 1; }
    echo "# $(tail -n 1 "$GS_LOGS/frames.log")"
    gs_all_moved "$count" && gs_daemon_end
}

# Both devices tell of so many frames each way, or of more where others are on the link.
gs_all_moved() { # frames
    timeout 10 "$TENON" stat --json "$GS_CONTROL" >"$GS_LOGS/stat.json" &&
        python3 - "$GS_LOGS/stat.json" "$1" <<'PYTHON'
import json, sys
for net in json.load(open(sys.argv[1]))['nets']:
    for way in 'received', 'sent':
        if net[way]['frames'] < int(sys.argv[2]) or net[way]['dropped']:
            sys.exit('# %s %s: %s' % (net['name'], way, net[way]))
PYTHON
}

# Two taps in a bridge. A tap's queue drops what does not fit, so less is on the way at a time.
case_dpdk_tap() { # frames
    local name program=$TENON status=0
    gs_netns || { echo "# no network namespace could be made"; return 1; }
    gs_in_netns ip link add bridge type bridge && gs_in_netns ip link set bridge up || status=1
    for name in tap0 tap1; do
        gs_in_netns ip tuntap add $name mode tap vnet_hdr &&
            gs_in_netns ip link set $name mtu 1500 master bridge up || status=1
    done
    printf '#!/bin/sh\nexec ip netns exec %s %s "$@"\n' "$GS_NETNS" "$program" >"$GS_WORK/tenon"
    chmod +x "$GS_WORK/tenon"
    [ $status != 0 ] ||
        TENON=$GS_WORK/tenon case_dpdk "$1" "" window=256 tap,name=tap0 tap,name=tap1 || status=1
    gs_end_all
    ip netns del "$GS_NETNS"
    return $status
}

if ! pkg-config --exists libdpdk; then
    echo "1..0 # SKIP there is no libdpdk; scripts/install-deps peers installs it"
    exit 0
fi
gs_init dpdk
[ -x "$TENON" ] || gs_die "$TENON is not there; run make first"
mkdir -p "$GS_CACHE"
read -ra flags <<<"$(pkg-config --cflags --libs libdpdk)"
gs_compile "$GS_ROOT/tests/linux/dpdk_frames.c" "${flags[@]}" || gs_die "no dpdk_frames"
echo "# DPDK $(pkg-config --modversion libdpdk)"
few=$((frames / 10))
gs_case "dpdk: $frames frames each way, back to back" \
    case_dpdk "$frames" "" "" pair=cable pair=cable
gs_case "dpdk: buffers of one descriptor each, without MRG_RXBUF" \
    case_dpdk "$few" ,mrg_rxbuf=0 "" pair=cable pair=cable
gs_case "dpdk: a driver that asks for packed rings, and gets split ones" \
    case_dpdk "$few" ,packed_vq=1 "" pair=cable pair=cable
gs_case "dpdk: frames up to 9000 bytes, over several buffers" \
    case_dpdk "$few" "" longest=9000 pair=cable pair=cable
gs_case "dpdk: few frames on their way at a time" \
    case_dpdk $((few / 5)) "" window=3 pair=cable pair=cable
gs_case "dpdk: a link of datagrams between the devices" case_dpdk "$frames" "" "" \
    "dgram,path=$GS_WORK/p.link,peer=$GS_WORK/q.link" \
    "dgram,path=$GS_WORK/q.link,peer=$GS_WORK/p.link"
gs_case "dpdk: a stream between the devices" case_dpdk "$frames" "" "" \
    "stream,path=$GS_WORK/s.link,listen=on" "stream,path=$GS_WORK/s.link"
if [ "$(id -u)" = 0 ]; then
    gs_case "dpdk: two taps in a bridge" case_dpdk_tap "$few"
else
    gs_test=$((gs_test + 1))
    echo "ok $gs_test - dpdk: two taps in a bridge # SKIP taps need root"
fi
gs_finish
