# The network device eth0, with passt at the other side: an address by DHCP, then a file from the
# host, which is where the route to everywhere leads; and one to it.
if [ -n "${interface:-}" ]; then
    # udhcpc runs this script itself, with what it was told.
    [ "$1" = bound ] || exit 0
    ip addr add "$ip/${mask:-24}" dev "$interface"
    ip route add default via "$router" dev "$interface"
    echo "$ip $router" >/tmp/lease
    exit 0
fi
wait_net eth0
ip link set lo up
ip link set eth0 up
printf '#!/bin/sh\n. /guest/net_dhcp.sh\n' >/tmp/leased
chmod +x /tmp/leased
udhcpc -i eth0 -n -q -t 20 -s /tmp/leased >/tmp/dhcp 2>&1 || { cat /tmp/dhcp; fail "no address"; }
[ -s /tmp/lease ] || { cat /tmp/dhcp; fail "the lease has no address"; }
say lease "$(cat /tmp/lease)"
read -r _ router </tmp/lease
# The passt of 2023 waits forever, or counts wrong, where a guest closes its half of a connection
# with much on its way, also behind QEMU's own stream. So the half stays open, by a pipe.
mkfifo /tmp/open
nc -w 20 "$router" 7002 0<>/tmp/open >/tmp/there || fail "nobody sends at $router"
say sum "$(sha256sum </tmp/there | cut -d' ' -f1)"
nc -w 20 "$router" 7001 0<>/tmp/open >/tmp/back &
cat /tmp/there >/tmp/open
wait $! || fail "nobody listens at $router"
say back "$(cut -d' ' -f1 /tmp/back)"
pass
