# Writes, flushes and checks until the host writes a line; the host meanwhile kills the daemon, or
# counts. t.block is the smallest request's size.
wait_disk vda
[ ! -d /sys/block/vda/mq ] || say queues "$(ls /sys/block/vda/mq | wc -l)"
block=$(arg block)
step hammer
/tools/hammer run /dev/vda 0 "$(arg bytes)" 8 "${block:-4096}" || fail "hammer"
pass
