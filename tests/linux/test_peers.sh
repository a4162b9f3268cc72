#!/bin/bash
# Network devices with programs of others at the other side: iperf3 on this machine's kernel, by a
# tap in a network namespace of its own, and passt, which brings a guest into the host's network
# without any right. What a guest reaches through passt is a namespace, too, made for the test.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/net_cases.sh"

# A case that is left out, as something is missing; the others are run.
gs_skip() { # description why
    gs_test=$((gs_test + 1))
    echo "ok $gs_test - $1 # SKIP $2"
}

# TCP there and back, and datagrams.
case_iperf() { # offload
    local status=0
    gs_netns || { echo "# no network namespace could be made"; return 1; }
    gs_iperf "$1" || status=1
    gs_end_all
    ip netns del "$GS_NETNS"
    return $status
}

gs_iperf() { # offload
    local program=$TENON said
    gs_in_netns ip tuntap add tap0 mode tap vnet_hdr &&
        gs_in_netns ip addr add 10.0.0.1/24 dev tap0 && gs_in_netns ip link set tap0 up || return 1
    printf '#!/bin/sh\nexec ip netns exec %s %s "$@"\n' "$GS_NETNS" "$program" >"$GS_WORK/tenon"
    chmod +x "$GS_WORK/tenon"
    TENON=$GS_WORK/tenon gs_nets "one,tap,name=tap0,offload=$1" || return 1
    gs_serve_in_netns iperf3 -s -B 10.0.0.1
    GS_INITRD=$GS_KIND-iperf3 gs_guest "$GS_MACHINE" net_iperf 256 1 \
        "t.own=10.0.0.2 t.other=10.0.0.1" "${GS_SOCKETS[@]}"
    gs_guest_end 100 || return 1
    for said in there back there_of_4 back_of_4 datagrams_there datagrams_back; do
        echo "# $said: $(gs_guest_said $said)"
    done
    echo "# datagrams lost: $(gs_guest_said not_read) as the guest's iperf3 was late," \
        "$(gs_in_netns awk '/^Udp: [0-9]/ { print $6 }' /proc/net/snmp) as the host's was," \
        "$(gs_in_netns cat /sys/class/net/tap0/statistics/tx_dropped) in the tap's queue"
    gs_queues_used one 1 && gs_daemon_end
}

# An address by DHCP, and a file each way, over the stream that passt listens at.
case_passt() {
    local status=0
    gs_netns || { echo "# no network namespace could be made"; return 1; }
    gs_passt || status=1
    gs_end_all
    ip netns del "$GS_NETNS"
    return $status
}

gs_passt() {
    local tool=$GS_CACHE/busybox-static/bin/busybox socket=$GS_WORK/passt.sock sum
    # passt takes the address of the interface that the default route goes through; what the guest
    # sends to the gateway comes to the loopback address.
    gs_in_netns ip link add outside type bridge && gs_in_netns ip link set outside up &&
        gs_in_netns ip addr add 192.0.2.50/24 dev outside &&
        gs_in_netns ip route add default via 192.0.2.1 || return 1
    head -c 20000000 /dev/urandom >"$GS_WORK/there"
    sum=$(gs_sum "$GS_WORK/there")
    gs_serve_in_netns "$tool" nc -ll -p 7001 -e "$tool" sh -c "head -c 20000000 | sha256sum"
    gs_serve_in_netns "$tool" nc -ll -p 7002 -e "$tool" cat "$GS_WORK/there"
    gs_serve_in_netns passt --foreground --stderr --runas 0 --ipv4-only --no-dhcp-dns \
        --no-dhcp-search --socket "$socket"
    gs_wait 10 "passt makes no socket" test -S "$socket" || return 1
    gs_nets "one,stream,path=$socket" || return 1
    gs_guest "$GS_MACHINE" net_dhcp 256 1 "" "${GS_SOCKETS[@]}"
    gs_guest_end 100 || { tail -n 5 "$GS_LOGS/passt.log" | sed 's/^/# passt: /'; return 1; }
    echo "# the lease: $(gs_guest_said lease)"
    [ "$(gs_guest_said sum)" = "$sum" ] || { echo "# the guest fetched something else"; return 1; }
    [ "$(gs_guest_said back)" = "$sum" ] || { echo "# the guest sent something else"; return 1; }
    gs_daemon_end
}

gs_init peers
if [ "$(id -u)" != 0 ]; then
    echo "1..0 # SKIP taps and network namespaces need root"
    exit 0
fi
get="scripts/install-deps peers installs it"
for GS_MACHINE in microvm uml; do
    if [ $GS_MACHINE = uml ]; then
        GS_KIND=uml GS_ACCEL=none
        if ! command -v linux.uml >/dev/null; then
            gs_skip "uml" "there is no linux.uml; scripts/install-deps check installs it"
            continue
        fi
        GS_MODULES=$(echo /usr/lib/uml/modules/*/kernel)
    else
        GS_KIND=mmio
        gs_kernel
    fi
    mkdir -p "$GS_CACHE"
    gs_initrd_base $GS_KIND
    [ $GS_MACHINE = uml ] || gs_accel
    if command -v iperf3 >/dev/null; then
        gs_initrd_with $GS_KIND iperf3
        for offload in auto off; do
            gs_case "$GS_MACHINE: iperf3 over a tap, offload=$offload" case_iperf $offload
        done
    else
        gs_skip "$GS_MACHINE: iperf3 over a tap" "there is no iperf3; $get"
    fi
    if command -v passt >/dev/null; then
        gs_case "$GS_MACHINE: an address and files through passt" case_passt
    else
        gs_skip "$GS_MACHINE: an address and files through passt" "there is no passt; $get"
    fi
done
gs_finish
