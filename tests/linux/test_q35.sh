#!/bin/bash
# Debian's cloud kernel in QEMU's q35 (virtio over PCI, message interrupts) against `tenon blk`.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cases.sh"
. "$(dirname "$0")/net_cases.sh"
GS_MACHINE=q35 GS_KIND=pci

gs_init q35
gs_kernel
gs_initrd_base mmio
gs_initrd_base pci
gs_initrd_with pci fio
gs_accel
echo "# acceleration: $GS_ACCEL ($GS_WHY)"
gs_case "q35: partition, mkfs, fill, trim, boot again, verify, e2fsck" case_files
gs_case "q35: fio --verify over 4 queues" case_fio 4
gs_case "q35: the daemon is ended by TERM in mid-I/O and started again" case_restart TERM 1
gs_case "q35: the daemon is killed in mid-I/O and started again" case_restart KILL 2
gs_case "q35: the guest is reset in mid-I/O, twice" case_reset
gs_case "q35: two disks in one daemon" case_two_disks
gs_case "q35: a read-only disk" case_read_only
gs_case "q35: blocks of 4096 bytes, and the serial" case_blocks
gs_case "q35: discard and write-zeroes" case_discard
gs_case "q35: a network over a stream: ping, a file there and back" case_net_peer stream
gs_case "q35: a tap, 2 pairs of queues: TCP both ways, offloads on and off" case_net_tap 2
gs_finish
