#!/bin/bash
# kill -9 of the daemon at random moments under a guest that writes, flushes and reads: ROUNDS times
# (20 if not told) in one life of the guest. QEMU keeps the records of what was in flight and hands
# them to the next daemon. The guest holds a model of the disk: a lost write, a write done late over
# a newer one, a request answered twice (Linux says "not a head") or never (the guest stands still)
# fail the test. VU-73..77.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cases.sh"
GS_MACHINE=microvm GS_KIND=mmio

gs_init kill9
gs_kernel
gs_initrd_base mmio
gs_accel
echo "# acceleration: $GS_ACCEL ($GS_WHY)"
rounds=${ROUNDS:-20}
gs_case "kill -9 of the daemon, $rounds times under one guest" case_restart KILL "$rounds"
echo "# $(tr -d '\r' <"$GS_CONSOLE" | grep -a '^hammer' | tail -n 1)"
gs_finish
