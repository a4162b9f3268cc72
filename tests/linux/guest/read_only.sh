# A read-only disk: Linux sees that it is, reads it, and a write fails.
COMPLAINTS='not a head|WARNING: CPU|BUG:|Oops|Call Trace|blocked for more than'
wait_disk vda
[ "$(cat /sys/block/vda/ro)" = 1 ] || fail "the disk does not say that it is read-only"
say sum "$(dd if=/dev/vda bs=1M 2>/dev/null | sha256sum | cut -d' ' -f1)"
dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync 2>/dev/null && fail "a write succeeded"
blockdev --setrw /dev/vda 2>/dev/null
dd if=/dev/zero of=/dev/vda bs=4096 count=1 conv=fsync 2>/dev/null &&
    fail "a forced write succeeded"
pass
