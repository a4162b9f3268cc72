# Fills 32 MiB, lets the host measure, discards the second half, and finds zeroes there.
wait_disk vda
most=$(cat /sys/block/vda/queue/discard_max_bytes)
[ "$most" -gt 0 ] || fail "the disk does not offer discard"
zeroes=$(cat /sys/block/vda/queue/write_zeroes_max_bytes)
say zeroes "$zeroes"
/tools/hammer fill /dev/vda 0 $((32 << 20)) 4096 || fail "fill"
step filled
wait_host
/tools/blkdiscard -o $((16 << 20)) -l $((16 << 20)) /dev/vda || fail "blkdiscard"
/tools/hammer check /dev/vda 0 $((16 << 20)) 4096 || fail "the half that was kept differs"
if [ "$zeroes" -gt 0 ]; then
    /tools/blkdiscard -z -o $((8 << 20)) -l $((4 << 20)) /dev/vda || fail "blkdiscard -z"
    dd if=/dev/vda bs=1M skip=8 count=4 2>/dev/null | cmp -n $((4 << 20)) - /dev/zero ||
        fail "zeroed blocks are not zero"
    /tools/hammer check /dev/vda 0 $((8 << 20)) 4096 || fail "the part before the zeroes differs"
fi
pass
