# Takes the driver away from the disk in the middle of writes and gives it back: the driver of the
# disk, then that of the transport, in turns. What was flushed is there after each.
COMPLAINTS='not a head|WARNING: CPU|BUG:|Oops|Call Trace|blocked for more than'
part=$((4 << 20))
wait_disk vda
/tools/hammer fill /dev/vda 0 $part 4096 || fail "fill"
round=1
while [ $round -le "$(arg rounds)" ]; do
    path=$(readlink -f /sys/block/vda/device)
    [ $((round % 2)) = 1 ] || path=${path%/*}
    driver=$(readlink -f "$path/driver")
    device=${path##*/}
    sleep 1000 | /tools/hammer run /dev/vda $part $part 8 4096 >/tmp/hammer &
    sleep 0.$((3 + round))
    echo "$device" >"$driver/unbind" || fail "unbind $device"
    # hammer ends by the error that it now gets; what it reads from does not.
    i=0
    while pidof hammer >/tmp/left; do
        i=$((i + 1))
        [ $i -lt 100 ] || fail "a request hangs after unbind $device"
        sleep 0.1
    done
    grep -q '^hammer: .*\(Input/output error\|No such device\|No space\)' /tmp/hammer ||
        fail "hammer ended without an error: $(cat /tmp/hammer)"
    killall sleep
    [ ! -b /dev/vda ] || fail "the disk is still there after unbind $device"
    echo "$device" >"$driver/bind" || fail "bind $device"
    wait_disk vda
    /tools/hammer check /dev/vda 0 $part 4096 || fail "what was flushed is lost after $device"
    say round "$round" "$device"
    round=$((round + 1))
done
/tools/hammer fill /dev/vda $part $part 4096 || fail "fill again"
/tools/hammer check /dev/vda $part $part 4096 || fail "check again"
pass
