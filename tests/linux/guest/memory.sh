# More memory than fits below the devices: Linux sees it all, and the disk reaches the part above.
wait_disk vda
total=$(awk '/^MemTotal/ { print $2 }' /proc/meminfo)
say memory "$total"
[ "$total" -ge "$(arg least)" ] || fail "$total KiB of memory"
/tools/hammer fill /dev/vda 0 $((8 << 20)) 4096 || fail "fill"
/tools/hammer check /dev/vda 0 $((8 << 20)) 4096 || fail "check"
say above "$(awk '/^Node/ { zone = $4 } /present/ && zone == "Normal" { print $2; exit }' \
    /proc/zoneinfo)"
pass
