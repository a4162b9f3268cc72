# fio writes the whole disk at random and verifies it, over t.queues queues.
wait_disk vda
queues=$(ls /sys/block/vda/mq | wc -l)
[ "$queues" = "$(arg queues)" ] || fail "$queues queues, not $(arg queues)"
say queues "$queues"
each=$(($(cat /sys/block/vda/size) * 512 / 4))
step fio
block=$(cat /sys/block/vda/queue/logical_block_size)
/tools/fio --output=/tmp/fio --name=verify --filename=/dev/vda --direct=1 --ioengine=libaio \
    --iodepth=16 --rw=randwrite --bsrange="$block"-64k --numjobs=4 --size=$each \
    --offset_increment=$each --verify=crc32c --verify_fatal=1 --do_verify=1 --fsync=64 --thread \
    --group_reporting ||
    { tail -n 20 /tmp/fio; fail "fio"; }
grep -E 'read|write' /tmp/fio | head -n 2
pass
