# The network device eth0, with net_peer on the other side: ping, a file there and back by TFTP.
# With t.twins=1 there are eth1 and eth2, too, back to back: who asks on one for the other's address
# is answered.
wait_net eth0
ip addr add 10.0.0.2/24 dev eth0
ip link set eth0 up
ping -c 5 -W 10 10.0.0.1 >/tmp/ping || { cat /tmp/ping; fail "no answer to ping"; }
say ping "$(tail -n 1 /tmp/ping)"
if [ -n "$(arg announce)" ]; then
    step announce
    wait_host
fi
if [ -n "$(arg restart)" ]; then
    step ready
    wait_host
    # The link is back when somebody answers again.
    i=0
    while ! ping -c 1 -W 1 10.0.0.1 >/tmp/ping 2>&1; do
        i=$((i + 1))
        [ $i -lt 60 ] || fail "no answer after the daemon was started again"
    done
fi
tftp -g -b 1468 -r big -l /tmp/big 10.0.0.1 || fail "the file could not be fetched"
say sum "$(sha256sum </tmp/big | cut -d' ' -f1)"
tftp -p -b 1468 -r back -l /tmp/big 10.0.0.1 || fail "the file could not be sent"
if [ -n "$(arg twins)" ]; then
    wait_net eth2
    [ "$(cat /sys/class/net/eth2/mtu)" = 1300 ] || fail "eth2 was not told of its MTU"
    ip addr add 10.1.0.2/32 dev eth2
    ip link set eth1 up
    ip link set eth2 up
    # It looks for others that have the address, and fails when there is one.
    ! arping -D -w 20 -c 3 -I eth1 10.1.0.2 >/tmp/arping || { cat /tmp/arping; fail "no answer"; }
    say twins "$(grep -c "$(cat /sys/class/net/eth2/address | tr a-f A-F)\|reply" /tmp/arping)"
fi
pass
