# The network device eth0, with iperf3 waiting at the other side: TCP there and back, one flow and
# four, and datagrams.
other=$(arg other)
wait_net eth0
ip addr add "$(arg own)/24" dev eth0
ip link set lo up
ip link set eth0 up
i=0
while ! ping -c 1 -W 1 "$other" >/tmp/ping 2>&1; do
    i=$((i + 1))
    [ $i -lt 60 ] || fail "no answer to ping"
done

# What the receiving side has got, as iperf3 sums it up.
measure() { # name option...
    name=$1
    shift
    /tools/iperf3 -c "$other" -t 3 --connect-timeout 10000 "$@" >/tmp/iperf 2>&1 ||
        { cat /tmp/iperf; fail "iperf3 $*"; }
    got=$(grep receiver /tmp/iperf | tail -n 1 | sed 's/.* sec *//')
    case $got in
    "" | 0.00\ Bytes*) cat /tmp/iperf && fail "$name: nothing came" ;;
    esac
    say "$name" "$got"
}

measure there
measure back -R
measure there_of_4 -P 4
measure back_of_4 -P 4 -R
measure datagrams_there -u -b 50M -l 1400
measure datagrams_back -u -b 50M -l 1400 -R
# Datagrams that came, and then found iperf3's own buffer full.
say not_read "$(awk '/^Udp: [0-9]/ { print $6 }' /proc/net/snmp)"
pass
