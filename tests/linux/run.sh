# shellcheck shell=bash
# The machine "run": a guest in `tenon run`, on the disks of that one process. What cases.sh says
# of a daemon and its sockets is said here of the machine and its options, so that cases.sh serves
# both. The cases that only this machine has are in run_cases.sh. For bash; sourced after cases.sh.

# A guest of this machine. What follows the command line's words are options of `tenon run`.
#   GS_ENTER=file (the kernel)  GS_INITRD=file  GS_LIMIT=s  GS_STDERR=file  GS_REBOOT_BY=word
gs_guest_run() { # megabytes cpus "words" option...
    local mb=$1 cpus=$2 append=$3
    shift 3
    timeout -k 3 $((${GS_LIMIT:-120} * GS_SLOW)) "$TENON" run --kernel "${GS_ENTER:-$GS_KERNEL}" \
        --initrd "${GS_INITRD:-$GS_WORK/initrd.mmio}" --memory "${mb}M" --cpus "$cpus" \
        --cmdline "console=ttyS0 quiet panic=-1 ${GS_REBOOT_BY-reboot=t} $append" "$@" \
        <"$GS_FIFO" >"$GS_CONSOLE" 2>>"$GS_LOGS/daemon.log" 7<&- 8>&- &
    GS_GUEST_PID=$!
    gs_pids+=("$GS_GUEST_PID")
}

# Disks are options here. Sets GS_SOCKETS, and GS_SOCKET to the first.
gs_disks() { # image[,keys]...
    local disk
    GS_SOCKETS=()
    for disk; do
        GS_SOCKETS+=("--disk=file=$GS_WORK/${disk%%,*}.img${disk#"${disk%%,*}"}")
    done
    GS_SOCKET=${GS_SOCKETS[0]}
}

gs_one() { # image [--read-only]
    gs_disks "$1${2:+,${2#--}=on}"
}

# So are network devices.
gs_nets() { # name,link...
    local net
    GS_SOCKETS=()
    for net; do
        GS_SOCKETS+=("--net=${net#*,},id=${net%%,*}")
    done
}

# The process of the disks is the machine, which has ended; gs_guest_end looked at its status.
gs_daemon_end() { :; }

# A guest that ended without a word is not tried again: here its machine is what is tested.
gs_never_came() { return 1; }

# The sum over all queues of a counter that `--stats` wrote, or a counter of the machine.
gs_stat() { # name
    awk -v name="$1" '$1 == name { sum += $2 } $1 == "device" && $5 == name { sum += $6 }
        END { print sum + 0 }' "$GS_WORK/stats"
}
