# Two disks of one daemon at the same time; which is which is told by the serial.
wait_disk vda
wait_disk vdb
for disk in vda vdb; do
    serial=$(cat /sys/block/$disk/serial)
    case $serial in
    first) first=$disk ;;
    second) second=$disk ;;
    *) fail "$disk has the serial '$serial'" ;;
    esac
done
/tools/hammer fill /dev/$first 0 $((4 << 20)) 4096 &
one=$!
/tools/hammer fill /dev/$second $((4 << 20)) $((4 << 20)) 4096 &
two=$!
wait $one || fail "fill $first"
wait $two || fail "fill $second"
/tools/hammer check /dev/$first 0 $((4 << 20)) 4096 || fail "check $first"
/tools/hammer check /dev/$second $((4 << 20)) $((4 << 20)) 4096 || fail "check $second"
say first "$(dd if=/dev/$first bs=1M count=8 2>/dev/null | sha256sum | cut -d' ' -f1)"
say second "$(dd if=/dev/$second bs=1M count=8 2>/dev/null | sha256sum | cut -d' ' -f1)"
pass
