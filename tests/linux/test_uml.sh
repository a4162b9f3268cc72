#!/bin/bash
# User-mode Linux, which speaks vhost-user by itself, against `tenon blk`. It has one processor and
# no reconnect, so queues and restarts are left to the QEMU guests; it needs neither KVM nor root.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cases.sh"
. "$(dirname "$0")/net_cases.sh"
GS_MACHINE=uml GS_KIND=uml GS_ACCEL=none

gs_init uml
if ! command -v linux.uml >/dev/null; then
    echo "1..0 # SKIP there is no linux.uml; scripts/install-deps check installs it"
    exit 0
fi
GS_MODULES=$(echo /usr/lib/uml/modules/*/kernel)
mkdir -p "$GS_CACHE"
gs_initrd_base uml
gs_initrd_with uml fio
gs_case "uml: partition, mkfs, fill, trim, boot again, verify, e2fsck" case_files
gs_case "uml: fio --verify" case_fio 1
gs_case "uml: two disks in one daemon" case_two_disks
gs_case "uml: a read-only disk" case_read_only
gs_case "uml: blocks of 4096 bytes, and the serial" case_blocks
gs_case "uml: discard and write-zeroes" case_discard
gs_case "uml: a network over a stream: ping, a file there and back" case_net_peer stream
gs_case "uml: a network over datagrams: ping, a file there and back" case_net_peer dgram
gs_case "uml: two guests back to back: TCP both ways, offloads on and off" case_net_pair 1
gs_finish
