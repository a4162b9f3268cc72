#!/bin/bash
# Debian's cloud kernel in `tenon run`, on this machine's KVM. Where KVM cannot run a stock kernel,
# test_nested.sh runs this same file in an emulated machine that has one. ROUNDS=n repeats the
# first case and leaves out the others; GS_ONLY=pattern runs some; REQUESTS=n is how many requests
# are counted, 100000 for a figure to be told. Needs root: it mounts a loop device and asks for huge
# pages.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cases.sh"
. "$(dirname "$0")/net_cases.sh"
. "$(dirname "$0")/run.sh"
. "$(dirname "$0")/run_cases.sh"
. "$(dirname "$0")/debian.sh"
GS_MACHINE=run GS_WANT=0
requests=${REQUESTS:-30000}

gs_init run
gs_kernel
if [ -f "$GS_CACHE/initrd.ready" ]; then
    ln -s "$GS_CACHE/initrd.ready" "$GS_WORK/initrd.mmio"
else
    gs_initrd_base mmio
fi
gs_compile "$GS_ROOT/tests/linux/kvm_probe.c"
if ! why=$(timeout -k 1 5 "$GS_CACHE/kvm_probe"); then
    echo "1..0 # SKIP no usable KVM: ${why:-the probe hangs}; test_nested.sh brings its own"
    exit 0
fi
echo "# KVM: $why"
for ((round = 1; round <= ${ROUNDS:-3}; round++)); do
    gs_case "run: mkfs, write, drop caches, verify, e2fsck (round $round)" case_verify
done
if [ -n "${ROUNDS:-}" ]; then
    gs_finish
    exit
fi
gs_case "run: the same, an ELF kernel by the 64-bit boot protocol" case_verify --boot linux
gs_case "run: the same, a bzImage" case_bzimage
gs_case "run: the same, in huge pages" case_huge_pages
gs_case "run: partition, mkfs, fill, trim, boot again, verify, e2fsck" case_files
gs_case "run: 2 processors, concurrent writers" case_smp 2
gs_case "run: 4 processors, 4 queues, concurrent writers" case_smp 4
gs_case "run: 2 processors, level-triggered interrupts" case_smp 2 --interrupts level
gs_case "run: unbind and bind of the drivers in mid-I/O, 6 times" case_unbind 6
gs_case "run: kexec in mid-I/O, twice" case_kexec
gs_case "run: a disk that stalls for 10 s beside one that serves" case_stall 10
gs_case "run: reset in mid-I/O by a triple fault, by register, by default" case_run_reset
gs_case "run: SIGTERM in mid-I/O" case_term
gs_case "run: a panic is told by the exit status" case_panic
gs_case "run: two disks" case_two_disks
gs_case "run: 28 disks, some of which share interrupt lines" case_many 28
gs_case "run: a read-only disk" case_read_only
gs_case "run: blocks of 4096 bytes, and the serial" case_blocks
gs_case "run: discard and write-zeroes" case_discard
gs_case "run: a network over a stream: ping, a file there and back" case_net_peer stream
gs_case "run: three network devices, one over datagrams, two back to back" case_run_nets
gs_case "run: 4 GiB of memory" case_memory
gs_case "run: many requests without EVENT_IDX" case_counts off $((requests / 3))
gs_case "run: $requests requests with EVENT_IDX and no exit for a kick" case_counts on "$requests"
if [ -z "${GS_DEBIAN:-}" ]; then
    gs_debian
    GS_DEBIAN=$GS_WORK/debian
    cp --sparse=always "$GS_CACHE/debian.img" "$GS_DEBIAN"
fi
gs_case "run: Debian's own file system, kernel and initramfs to a login" case_debian
gs_finish
