# 4096-byte blocks, the serial, and a file system on them.
wait_disk vda
size=$(cat /sys/block/vda/queue/logical_block_size)
[ "$size" = 4096 ] || fail "blocks of $size bytes"
[ -z "$(arg serial)" ] || [ "$(cat /sys/block/vda/serial)" = "$(arg serial)" ] ||
    fail "the serial is '$(cat /sys/block/vda/serial)'"
/tools/hammer fill /dev/vda 0 $((4 << 20)) 4096 || fail "fill"
/tools/hammer check /dev/vda 0 $((4 << 20)) 4096 || fail "check"
/tools/mke2fs -q -t ext4 -F /dev/vda || fail "mkfs.ext4"
mount -t ext4 /dev/vda /mnt || fail "mount"
head -c 5000000 /dev/urandom >/mnt/file
sum=$(sha256sum </mnt/file)
umount /mnt
mount -t ext4 /dev/vda /mnt || fail "mount again"
[ "$sum" = "$(sha256sum </mnt/file)" ] || fail "the file differs"
umount /mnt
pass
