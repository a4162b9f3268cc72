# The kernel panics; a device of the machine tells the host.
wait_disk vda
insmod /modules/pvpanic.ko || fail "insmod pvpanic"
insmod /modules/pvpanic-mmio.ko || fail "insmod pvpanic-mmio"
step panic
echo c >/proc/sysrq-trigger
fail "no panic"
