#!/bin/bash
# Debian's cloud kernel in QEMU's microvm (virtio over MMIO registers) against `tenon blk`.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cases.sh"
. "$(dirname "$0")/net_cases.sh"
GS_MACHINE=microvm GS_KIND=mmio

gs_init microvm
gs_kernel
gs_initrd_base mmio
gs_initrd_with mmio fio
gs_accel
echo "# acceleration: $GS_ACCEL ($GS_WHY)"
gs_case "microvm: partition, mkfs, fill, trim, boot again, verify, e2fsck" case_files
gs_case "microvm: fio --verify over 4 queues" case_fio 4
gs_case "microvm: the daemon is ended by TERM in mid-I/O and started again" case_restart TERM 2
gs_case "microvm: the daemon is killed in mid-I/O and started again" case_restart KILL 3
gs_case "microvm: the guest is reset in mid-I/O, twice" case_reset
gs_case "microvm: two disks in one daemon" case_two_disks
gs_case "microvm: a read-only disk" case_read_only
gs_case "microvm: blocks of 4096 bytes, and the serial" case_blocks
gs_case "microvm: discard and write-zeroes" case_discard
gs_case "microvm: a network over a stream: ping, a file there and back" case_net_peer stream
gs_case "microvm: a network over datagrams: ping, a file there and back" case_net_peer dgram
gs_case "microvm: the daemon of a network is ended by TERM and started again" case_net_restart TERM
gs_case "microvm: the daemon of a network is killed and started again" case_net_restart KILL
gs_case "microvm: two guests back to back: TCP both ways, offloads on and off" case_net_pair 1
gs_case "microvm: the same over 2 pairs of queues" case_net_pair 2
gs_case "microvm: a tap: TCP both ways, offloads on and off" case_net_tap 1
gs_case "microvm: the same over 2 pairs of queues" case_net_tap 2
gs_finish
