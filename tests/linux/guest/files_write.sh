# Partitions and formats the disk, fills it with t.files files of all sizes, waits for the host to
# measure, then deletes every third file and trims. SUMS, on the disk, has what must be left; its
# own checksum goes out over the console, where the disk cannot change it.
wait_disk vda
files=$(arg files)
printf 'o\nn\np\n1\n2048\n\nw\n' | fdisk -u /dev/vda >/tmp/fdisk 2>&1 || fail "fdisk"
partprobe /dev/vda 2>/dev/null
wait_disk vda1
/tools/mke2fs -q -t ext4 -F /dev/vda1 || fail "mkfs.ext4"
mount -t ext4 /dev/vda1 /mnt || fail "mount"
step formatted

size_of() {
    case $(($1 % 25)) in
    0) echo 0 ;; 1) echo 1 ;; 2) echo 511 ;; 3) echo 512 ;; 4) echo 513 ;; 5) echo 4095 ;;
    6) echo 4096 ;; 7) echo 4097 ;; 8) echo 65535 ;; 9) echo 65536 ;; 10) echo 65537 ;;
    11) echo $(($1 * 3571 % 200000)) ;; 12) echo $(($1 * 104729 % 1000000)) ;;
    13) echo 1048576 ;; 14) echo $((1048576 + $1)) ;;
    15) if [ "$1" -lt 100 ]; then echo $((6000000 + $1)); else echo 70000; fi ;;
    *) echo $(($1 * 7919 % 40000)) ;;
    esac
}

i=0
while [ $i -lt "$files" ]; do
    dir=/mnt/d$((i % 16))
    [ -d $dir ] || mkdir $dir
    head -c "$(size_of $i)" /dev/urandom >$dir/f$i || fail "write f$i"
    i=$((i + 1))
    [ $((i % 100)) != 0 ] || say wrote $i
done
cd /mnt
find d* -type f | sort | xargs sha256sum >SUMS || fail "sha256sum"
sync
step filled
wait_host

i=0
while [ $i -lt "$files" ]; do
    rm d$((i % 16))/f$i
    i=$((i + 3))
done
while read -r sum name; do
    [ ! -f "$name" ] || echo "$sum  $name"
done <SUMS >SUMS.left
mv SUMS.left SUMS
sync
say left "$(wc -l <SUMS)"
say trimmed "$(fstrim -v /mnt | sed 's/.*: //; s/ .*//')"
say digest "$(sha256sum <SUMS | cut -d' ' -f1)"
cd /
umount /mnt || fail "umount"
pass
