# Writes and flushes one part, then is reset twice (t.resets) in the middle of writing another part;
# what was flushed must be there after each. The counter of boots lives in the last sectors of the
# disk. With t.stay the host ends the first boot.
wait_disk vda
resets=$(arg resets)
touch /tmp/stay
last=$(($(cat /sys/block/vda/size) - 8))
boot=$(dd if=/dev/vda bs=512 skip=$last count=1 2>/dev/null | sed -n 's/^boot \([0-9]\) .*/\1/p')
boot=${boot:-0}
part=$((8 << 20))
step "boot$boot"
if [ "$boot" = 0 ]; then
    /tools/hammer fill /dev/vda 0 $part 4096 || fail "fill"
else
    /tools/hammer check /dev/vda 0 $part 4096 || fail "what was flushed is lost after reset $boot"
fi
if [ "$boot" = "${resets:-2}" ]; then
    rm /tmp/stay
    pass
fi
{ echo "boot $((boot + 1)) "; head -c 4000 /dev/zero; } >/tmp/counter
dd if=/tmp/counter of=/dev/vda bs=512 seek=$last conv=fsync 2>/dev/null || fail "counter"
sleep 100 | /tools/hammer run /dev/vda $part $part 8 4096 &
sleep 1.$((boot * 3))
step writing
[ -z "$(arg stay)" ] || sleep 100
echo b >/proc/sysrq-trigger
sleep 100
