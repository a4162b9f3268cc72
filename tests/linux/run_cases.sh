# shellcheck shell=bash
# The cases of test_run.sh that only `tenon run` has: kernels and their entries, processors,
# interrupts, counters, kexec, stalls, and the ways in which a machine ends. Each returns 0 or says
# with a comment line what went wrong. For bash; sourced after run.sh.

# mkfs, files, caches dropped, verified; then the host's own look at the file system.
case_verify() { # option...
    gs_image verify 64M
    gs_one verify
    gs_guest run verify 256 1 "" "$GS_SOCKET" "$@"
    gs_guest_end 60 || return 1
    e2fsck -fn "$GS_WORK/verify.img" >"$GS_LOGS/e2fsck" 2>&1 ||
        { sed 's/^/# e2fsck: /' "$GS_LOGS/e2fsck"; return 1; }
}

case_bzimage() { GS_ENTER=$GS_BZIMAGE case_verify; }

case_huge_pages() {
    local before pages=/proc/sys/vm/nr_hugepages status=0
    before=$(cat $pages)
    echo $((before + 128)) >$pages
    case_verify --huge-pages 2M || status=1
    echo "$before" >$pages
    return $status
}

# Concurrent writers over as many queues as the guest has processors, of four.
case_smp() { # cpus option...
    local cpus=$1
    shift
    gs_image smp 64M
    gs_disks smp,queues=4
    gs_guest run hammer 512 "$cpus" "t.bytes=$((64 << 20))" "$GS_SOCKET" "$@"
    gs_hammer_until 1 60 || { gs_guest_end 1; return 1; }
    sleep 5
    gs_guest_go
    gs_guest_end 60 || return 1
    echo "# $(tr -d '\r' <"$GS_CONSOLE" | grep -a '^hammer done')"
    [ "$(gs_guest_said queues)" = "$cpus" ] ||
        { echo "# the guest uses $(gs_guest_said queues) queues"; return 1; }
}

# Waits until the guest's writers have done so many requests.
gs_hammer_until() { # requests seconds
    gs_wait "$2" "the guest did not do $1 requests" gs_hammer_at_least "$1" &&
        gs_guest_lives && ! grep -qaE '^TENON fail|^hammer:' "$GS_CONSOLE"
}

gs_hammer_at_least() { # requests
    ! gs_guest_lives || grep -qaE '^TENON fail|^hammer:' "$GS_CONSOLE" || [ "$(gs_ops)" -ge "$1" ]
}

declare -A gs_counted # interrupts for 1000 requests, with EVENT_IDX on and off

# Counts kicks, interrupts and exits over many requests. No kick may come to user space.
case_counts() { # on|off requests
    local requests kicks interrupts registers name
    gs_image counts 64M
    gs_disks "counts,event-idx=$1"
    GS_LIMIT=240 gs_guest run hammer 256 1 "t.bytes=$((64 << 20)) t.block=512" "$GS_SOCKET" \
        --stats "$GS_WORK/stats"
    gs_hammer_until "$2" 150 || { gs_guest_end 1; return 1; }
    grep -H . /sys/kernel/debug/kvm/{exits,io_exits,mmio_exits,halt_exits,irq_injections} \
        2>/dev/null | sed 's|.*/|# kvm: |'
    gs_guest_go
    gs_guest_end 60 || return 1
    requests=$(gs_stat requests) kicks=$(gs_stat kicks) interrupts=$(gs_stat interrupts)
    echo "# $requests requests; for each 1000: $((kicks * 1000 / requests)) kicks," \
        "$((interrupts * 1000 / requests)) interrupts"
    for name in exits exits_io exits_mmio exits_other kicks_by_exit mmio_reads mmio_writes; do
        echo "# $name $(gs_stat $name)"
    done
    [ "$requests" -ge "$2" ] || { echo "# fewer requests than the guest did"; return 1; }
    [ "$(gs_stat kicks_by_exit)" = 0 ] || { echo "# kicks came to user space"; return 1; }
    [ "$kicks" -gt 0 ] && [ "$interrupts" -gt 0 ] && [ "$interrupts" -le "$requests" ] ||
        { echo "# these numbers cannot be"; return 1; }
    # Linux reads and writes one register for each interrupt; a kick would be one exit more.
    registers=$(($(gs_stat exits_mmio) - 2 * interrupts))
    [ "$registers" -lt 1000 ] || { echo "# $registers exits are not for interrupts"; return 1; }
    gs_counted[$1]=$((interrupts * 1000 / requests))
    [ $((${gs_counted[on]:-0} * 2)) -le $((${gs_counted[off]:-1000} * 3)) ] ||
        { echo "# EVENT_IDX makes more interrupts than there are without"; return 1; }
}

case_many() { # disks
    local i disks=()
    for ((i = 0; i < $1; i++)); do
        gs_image "many$i" 1M
        disks+=("many$i,serial=$(printf 'disk%02d' "$i")")
    done
    gs_disks "${disks[@]}"
    gs_guest run many 256 2 "t.count=$1" "${GS_SOCKETS[@]}"
    gs_guest_end 60 || return 1
    for ((i = 0; i < $1; i++)); do
        [ "$(tail -c +$((256 * 512 + 1)) "$GS_WORK/many$i.img" | head -c 6)" = \
            "$(printf 'disk%02d' "$i")" ] ||
            { echo "# the image of disk $i has not its mark"; return 1; }
    done
}

# One to net_peer, and two that the guest itself is at both ends of.
case_run_nets() {
    case_net_peer dgram t.twins=1 one,pair=cable,queue-size=64 two,pair=cable,mtu=1300
}

case_memory() {
    gs_image memory 64M
    gs_one memory
    gs_guest run memory 4096 1 t.least=3800000 "$GS_SOCKET"
    gs_guest_end 90
    echo "# the guest has $(gs_guest_said memory) KiB"
    grep -qa '^TENON pass' "$GS_CONSOLE"
}

case_unbind() { # rounds
    gs_image unbind 64M
    gs_disks unbind,queues=2
    gs_guest run unbind 256 2 "t.rounds=$1" "$GS_SOCKET"
    gs_guest_end 90 || return 1
    [ "$(gs_guest_said round | cut -d' ' -f1)" = "$1" ]
}

case_kexec() {
    local tree=$GS_WORK/kexec
    gs_image kexec 64M
    mkdir "$tree"
    cp "$GS_BZIMAGE" "$tree/kernel"
    cp "$GS_WORK/initrd.mmio" "$tree/initrd"
    gs_image kernel 64M
    mke2fs -q -t ext4 -F -d "$tree" "$GS_WORK/kernel.img" || return 1
    rm -r "$tree"
    gs_disks kexec,queues=2 kernel,read-only=on
    gs_guest run kexec 512 2 "" "${GS_SOCKETS[@]}"
    gs_guest_end 110
}

# The image lies on a file system that is frozen for a while: nobody can write to it.
case_stall() { # seconds
    local below=$GS_WORK/below status=0
    gs_image slow 64M
    gs_image other 16M
    mke2fs -q -t ext4 -F "$GS_WORK/slow.img" && mkdir "$below" &&
        mount -o loop "$GS_WORK/slow.img" "$below" || return 1
    truncate -s 32M "$below/disk.img"
    ln -sf "$below/disk.img" "$GS_WORK/stalled.img"
    gs_disks stalled other
    gs_guest run stall 256 1 "" "${GS_SOCKETS[@]}"
    gs_stalled "$1" "$below" || status=1
    gs_end_all
    umount "$below"
    rmdir "$below"
    return $status
}

gs_stalled() { # seconds directory
    local before during status=0
    gs_guest_step 60 ready || { gs_guest_end 1; return 1; }
    fsfreeze --freeze "$2" || return 1
    gs_guest_go
    gs_guest_wait 20 '^TENON say served' || status=1
    before=$(gs_guest_said served)
    [ $status != 0 ] || sleep "$1"
    during=$(gs_guest_said served)
    ! grep -qa '^TENON say stalled' "$GS_CONSOLE" || { echo "# nothing stalled"; status=1; }
    fsfreeze --unfreeze "$2" || return 1
    gs_guest_end 60 && [ $status = 0 ] || return 1
    echo "# while one disk stalled for $1 s the other served $before to $during rounds;" \
        "by the guest's clock it took $(gs_guest_said stalled) s"
    [ $((during - before)) -ge "$1" ] || { echo "# the guest hardly went on"; return 1; }
    [ "$(gs_guest_said stalled)" -ge "$1" ] || { echo "# the guest's clock stood still"; return 1; }
}

# A reset in the middle of writes: by a triple fault, by the register that ACPI names, and by
# whatever Linux takes when nobody tells it.
case_run_reset() {
    local by
    gs_image reset 64M
    gs_disks reset,queues=2
    for by in reboot=t reboot=a ""; do
        GS_REBOOT_BY=$by gs_guest run reset 256 2 t.resets=3 "$GS_SOCKET"
        GS_WANT=5 GS_LAST="step writing" gs_guest_end 60 || return 1
    done
    gs_guest run reset 256 1 t.resets=3 "$GS_SOCKET"
    gs_guest_end 60 || return 1
    gs_guest_step 1 boot3
}

case_panic() {
    gs_image panic 16M
    gs_one panic
    gs_guest run panic 256 1 "" "$GS_SOCKET"
    GS_WANT=6 GS_LAST="step panic" gs_guest_end 60
}

# SIGTERM in the middle of writes: the machine ends well, and what was flushed is there.
case_term() {
    gs_image term 64M
    gs_disks term,queues=2
    gs_guest run reset 256 2 t.stay=1 "$GS_SOCKET"
    gs_guest_step 60 writing || { gs_guest_end 1; return 1; }
    kill "$GS_GUEST_PID"
    GS_LAST="step writing" gs_guest_end 20 || return 1
    gs_guest run reset 256 1 t.resets=1 "$GS_SOCKET"
    gs_guest_end 60
}
