# The first level of test_nested.sh: a machine with KVM that has the tests, `tenon` and what guests
# boot, and runs test_run.sh. Its results go out over the console. The disk is Debian's.
COMPLAINTS='WARNING: CPU|BUG:|Oops|Call Trace'
wait_disk vda
[ -c /dev/kvm ] || fail "this kernel makes no /dev/kvm here"
mount -t tmpfs -o size=90% tmp /tmp || fail "tmpfs"
mount -t debugfs debug /sys/kernel/debug
ln -s /tools/bash /bin/bash
export PATH=/tools:$PATH TENON=/tools/tenon GS_DEBIAN=/dev/vda GS_SLOW=6 HOME=/tmp
while sleep 10; do
    say alive "$(cut -d' ' -f1 /proc/uptime) s, $(cut -d' ' -f1 /proc/loadavg)," \
        "$(sed -n 's/MemAvailable: *//p' /proc/meminfo)"
done &
GS_FIRST=$(arg first) ROUNDS=$(arg rounds) REQUESTS=$(arg requests) GS_ONLY=$(arg only | tr _ ' ') \
    bash /tenon/tests/linux/test_run.sh
say status $?
pass
