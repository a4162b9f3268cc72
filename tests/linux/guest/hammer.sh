# Writes, flushes and checks until the host writes a line; the host meanwhile kills the daemon.
wait_disk vda
[ ! -d /sys/block/vda/mq ] || say queues "$(ls /sys/block/vda/mq | wc -l)"
step hammer
/tools/hammer run /dev/vda 0 "$(arg bytes)" 8 4096 || fail "hammer"
pass
