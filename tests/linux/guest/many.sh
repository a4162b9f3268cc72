# Many disks: each appears, has its own serial, and keeps what is written to it.
count=$(arg count)
i=0
while [ "$(ls -d /sys/block/vd* 2>/dev/null | wc -l)" -lt "$count" ]; do
    i=$((i + 1))
    [ $i -lt 100 ] || fail "$(ls -d /sys/block/vd* | wc -l) disks of $count after 10 seconds"
    sleep 0.1
done
for disk in /sys/block/vd*; do
    cat "$disk/serial"
    echo
done | grep . | sort >/tmp/serials
[ "$(uniq /tmp/serials | wc -l)" = "$count" ] || fail "the serials are $(tr '\n' ' ' </tmp/serials)"
for disk in /sys/block/vd*; do
    /tools/hammer fill "/dev/${disk##*/}" 0 65536 4096 >"/tmp/${disk##*/}" 2>&1 &
done
wait
say filled "$(cat /tmp/vd* | grep -c '^hammer done')"
for disk in /sys/block/vd*; do
    /tools/hammer check "/dev/${disk##*/}" 0 65536 4096 >/tmp/out || fail "check ${disk##*/}"
    # The disk's own mark, which no other may have.
    dd if="$disk/serial" of="/dev/${disk##*/}" bs=512 seek=256 conv=fsync 2>/dev/null ||
        fail "mark ${disk##*/}"
done
echo 3 >/proc/sys/vm/drop_caches
for disk in /sys/block/vd*; do
    dd if="/dev/${disk##*/}" bs=512 skip=256 count=1 2>/dev/null | head -c 6 >/tmp/mark
    head -c 6 "$disk/serial" | cmp - /tmp/mark || fail "${disk##*/} has another disk's mark"
done
say interrupts "$(grep -c virtio /proc/interrupts)"
pass
