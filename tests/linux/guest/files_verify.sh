# The second boot: every file that files_write left is there and says what it said.
wait_disk vda1
mount -t ext4 -o ro /dev/vda1 /mnt || fail "mount"
cd /mnt
say digest "$(sha256sum <SUMS | cut -d' ' -f1)"
sha256sum -c SUMS >/tmp/sums || { grep -v ': OK' /tmp/sums; fail "files differ"; }
say verified "$(grep -c ': OK' /tmp/sums)"
find d* -type f | sort >/tmp/have
cut -c 67- SUMS | cmp - /tmp/have || fail "the names differ"
cd /
umount /mnt
pass
