# The host stalls vda. A write to it must wait, and meanwhile the clock goes on and vdb serves; the
# host lets go when it has seen enough, and then everything written is there.
wait_disk vda
wait_disk vdb
part=$((1 << 20))
/tools/hammer fill /dev/vda 0 $part 4096 || fail "fill"
step ready
wait_host
(/tools/hammer fill /dev/vda $part $part 4096 && touch /tmp/filled) &
start=$(cut -d. -f1 /proc/uptime)
ticks=0
while ! [ -f /tmp/filled ]; do
    /tools/hammer fill /dev/vdb $((ticks % 8 * 65536)) 65536 4096 >/tmp/out || fail "write to vdb"
    /tools/hammer check /dev/vdb $((ticks % 8 * 65536)) 65536 4096 >/tmp/out || fail "vdb differs"
    ticks=$((ticks + 1))
    say served $ticks
    [ $ticks -lt 1000 ] || fail "the stalled write never ended"
    sleep 0.1
done
say stalled $(($(cut -d. -f1 /proc/uptime) - start))
/tools/hammer check /dev/vda 0 $part 4096 || fail "what was written before the stall differs"
/tools/hammer check /dev/vda $part $part 4096 || fail "what was written in the stall differs"
pass
