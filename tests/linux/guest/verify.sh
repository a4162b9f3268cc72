# The shortest life of a disk: mkfs, files, every cache dropped, and each file is what it was.
wait_disk vda
/tools/mke2fs -q -t ext4 -F /dev/vda || fail "mkfs.ext4"
mount -t ext4 /dev/vda /mnt || fail "mount"
for i in 1 2 3 4 5 6 7 8; do
    mkdir /mnt/d$i
    head -c $((i * 400000 + i)) /dev/urandom >/mnt/d$i/large || fail "write"
    head -c $((i * 513)) /dev/urandom >/mnt/d$i/small || fail "write"
done
find /mnt/d* -type f | xargs sha256sum >/tmp/sums || fail "sha256sum"
[ "$(wc -l </tmp/sums)" = 16 ] || fail "there are not 16 files"
for i in 1 2; do
    sync
    echo 3 >/proc/sys/vm/drop_caches
    sha256sum -c /tmp/sums >/tmp/found || { grep -v ': OK' /tmp/found; fail "files differ"; }
    umount /mnt || fail "umount"
    mount -t ext4 /dev/vda /mnt || fail "mount again"
done
umount /mnt || fail "umount"
pass
