# The network device eth0, with a kernel on the other side, ours (a guest that waits) or the host's:
# files over TCP both ways and several at a time, with the offloads that were negotiated and without
# any. The one that waits sends at port 7002 what it is asked for, and sums up at 7001 what it gets.
pairs=$(arg pairs) other=$(arg other) sum=$(arg sum)
wait_net eth0
say features "$(cat /sys/class/net/eth0/device/features)"
queues=$(ls -d /sys/class/net/eth0/queues/rx-* | wc -l)
[ "$queues" = "$pairs" ] || fail "$queues receive queues instead of $pairs"
ip addr add "$(arg own)/24" dev eth0
ip link set lo up
ip link set eth0 up
if [ -n "$(arg wait)" ]; then
    # Both guests make the same file.
    seq 1 1000000 >/tmp/there
    nc -ll -p 7001 -e sha256sum &
    nc -ll -p 7002 -e cat /tmp/there &
    step waiting
    # The other one says that it is done. We say nothing, but not that we have nothing to say: who
    # hears that first goes, and has not spoken.
    mkfifo /tmp/silence
    nc -l -p 7003 <>/tmp/silence >/tmp/done || fail "nobody said that it is done"
    [ "$(cat /tmp/done)" = done ] || fail "the other guest is not content"
    pass
fi
seq 1 1000000 >/tmp/here
here=$(sha256sum </tmp/here | cut -d' ' -f1)
sum=${sum:-$here}
i=0
while ! ping -c 1 -W 1 "$other" >/tmp/ping 2>&1; do
    i=$((i + 1))
    [ $i -lt 60 ] || fail "no answer to ping"
done
ping -c 3 -s 8000 "$other" >/tmp/ping || { cat /tmp/ping; fail "no answer to long pings"; }
say ping "$(tail -n 1 /tmp/ping)"

# A file in each direction, from this processor.
both_ways() { # processor
    # nc goes on sending when it hears no more, and ends when the other side does.
    taskset $((1 << $1)) nc "$other" 7002 </dev/null | sha256sum | cut -d' ' -f1 >/tmp/got.$1
    taskset $((1 << $1)) nc "$other" 7001 </tmp/here | cut -d' ' -f1 >/tmp/sent.$1
}

# On all processors at a time.
exchange() { # words
    cpu=0
    while [ $cpu -lt "$pairs" ]; do
        both_ways $cpu &
        cpu=$((cpu + 1))
    done
    wait
    for file in /tmp/got.*; do
        [ "$(cat $file)" = "$sum" ] || fail "$1: another file came ($file: $(cat $file))"
    done
    for file in /tmp/sent.*; do
        [ "$(cat $file)" = "$here" ] || fail "$1: another file went ($file: $(cat $file))"
    done
    rm /tmp/got.* /tmp/sent.*
    say done "$1"
}

# What can be seen of them.
offloads() {
    /tools/ethtool -k eth0 |
        awk -F': ' '/^(rx|tx)-check|^tcp-segm|^generic-(seg|rec)/ { printf "%s=%s ", $1, $2 }'
}

[ -x /tools/ethtool ] || fail "there is no ethtool in this guest"
say negotiated "$(offloads)"
exchange "offloads as negotiated"
for feature in gro gso tso tx rx; do
    /tools/ethtool -K eth0 $feature off >/dev/null 2>&1
done
say off "$(offloads)"
exchange "offloads off"
for feature in rx tx tso gso gro; do
    /tools/ethtool -K eth0 $feature on >/dev/null 2>&1
done
say on "$(offloads)"
exchange "offloads on again"
[ -n "$(arg sum)" ] || echo done | nc "$other" 7003
pass
