# Writes and flushes one part, then starts another kernel in the middle of writing another part,
# twice. The new kernel finds the device as the old one left it, resets it, and must find what was
# flushed. The second disk has the kernel and the initramfs.
wait_disk vda
wait_disk vdb
part=$((8 << 20))
boot=$(arg boot)
boot=${boot:-0}
step "boot$boot"
if [ "$boot" = 0 ]; then
    /tools/hammer fill /dev/vda 0 $part 4096 || fail "fill"
else
    /tools/hammer check /dev/vda 0 $part 4096 || fail "what was flushed is lost after kexec $boot"
fi
if [ "$boot" = 2 ]; then
    /tools/hammer fill /dev/vda $part $part 4096 || fail "fill after kexec"
    /tools/hammer check /dev/vda $part $part 4096 || fail "check after kexec"
    pass
fi
mount -t ext4 -o ro /dev/vdb /mnt || fail "mount"
/tools/kexec load /mnt/kernel /mnt/initrd "$(cat /proc/cmdline) t.boot=$((boot + 1))" ||
    fail "kexec load"
umount /mnt
sync
# Only writers: a read that is under way would land in the new kernel, which is Linux's own trouble.
for i in 1 2 3 4; do
    while :; do
        dd if=/dev/zero of=/dev/vda bs=64k seek=$((part / 65536 + i * 16)) count=16 oflag=direct
    done 2>/dev/null &
done
sleep 1
step jump
/tools/kexec jump
fail "kexec jump"
