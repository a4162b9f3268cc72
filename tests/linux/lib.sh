# shellcheck shell=bash
# Real Linux guests on disks that Tenon serves: what scripts/demo and the tests here share.
#
#   daemon <---- vhost-user socket ----> QEMU or User-mode Linux <---- console ----> this shell
#
# The kernel and busybox are Debian's own packages, unpacked into build/linux and never installed;
# the root file system is an initramfs made here, with the scripts of guest/. A guest never sees
# the host's file system nor a host block device. Every run is bounded in time, and everything that
# was started is ended by its process number when the script ends. For bash; sourced, not run.

GS_ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
GS_CACHE=$GS_ROOT/build/linux
GS_GUEST=$GS_ROOT/tests/linux/guest
TENON=${TENON:-$GS_ROOT/build/tenon}
PATH=$PATH:/usr/sbin:/sbin
GS_SLOW=${GS_SLOW:-1} # how many times longer to wait for guests, where all is emulated twice
export LC_ALL=C

# shellcheck source=initrd.sh
. "$GS_ROOT/tests/linux/initrd.sh"

gs_pids=()      # processes to end when the script ends
gs_test=0       # the number of the last test
gs_failed=0     # how many failed
GS_WORK=        # images, sockets and consoles of this run
GS_LOGS=        # where consoles are kept

gs_die() {
    echo "$*" >&2
    exit 1
}

# A process of this number lives and this shell started it: numbers are used again, and a stranger
# may have it by now.
gs_lives() { # pid
    local line
    # One short line, read in one piece: the longer files of /proc change between two reads.
    { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
    line=${line##*) }
    line=${line#* }
    [ "${line%% *}" = $$ ]
}

# Ends one process: politely, then not.
gs_end() { # pid [signal]
    local pid=$1 i
    gs_lives "$pid" || return 0
    kill "-${2:-TERM}" "$pid" 2>/dev/null || true
    for ((i = 0; i < 50; i++)); do
        gs_lives "$pid" || return 0
        sleep 0.1
    done
    kill -KILL "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
}

gs_end_all() {
    local pid
    for pid in "${gs_pids[@]}"; do
        gs_end "$pid"
    done
    gs_pids=()
}

gs_cleanup() {
    gs_end_all
    [ -z "$GS_WORK" ] || rm -rf "$GS_WORK"
}

gs_init() { # name
    GS_WORK=$(mktemp -d /tmp/tenon-XXXXXX)
    GS_LOGS=$GS_CACHE/logs/$1
    mkdir -p "$GS_CACHE/logs"
    # A second run of the same test at the same time keeps its consoles elsewhere.
    exec 8>"$GS_LOGS.lock"
    flock -n 8 || GS_LOGS+=.$$
    rm -rf "$GS_LOGS"
    mkdir -p "$GS_LOGS"
    trap gs_cleanup EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
}

# ---- the daemon -------------------------------------------------------------------------------

# Starts the daemon with the arguments given, blk or net the first, and waits for the sockets.
gs_daemon() { # "socket..." command argument...
    local sockets=$1 socket
    shift
    GS_DAEMON_ARGS=("$@")
    gs_daemon_again
    for socket in $sockets; do
        gs_wait 10 "the daemon makes no socket $socket" test -S "$socket" || return 1
    done
}

gs_daemon_again() {
    "$TENON" "${GS_DAEMON_ARGS[@]}" </dev/null >>"$GS_LOGS/daemon.log" 2>&1 7<&- 8>&- &
    GS_DAEMON=$!
    gs_pids+=("$GS_DAEMON")
}

# Ends the daemon. After TERM it must go within some seconds, and with a good status.
gs_daemon_end() { # [signal]
    local i status=0
    gs_lives "$GS_DAEMON" || { echo "# the daemon is gone"; return 1; }
    kill "-${1:-TERM}" "$GS_DAEMON"
    if [ "${1:-TERM}" = KILL ]; then
        wait "$GS_DAEMON" 2>/dev/null || true
        return 0
    fi
    for ((i = 0; i < 100; i++)); do
        gs_lives "$GS_DAEMON" || break
        sleep 0.05
    done
    if [ "$i" = 100 ]; then
        echo "# the daemon is still there 5 seconds after TERM"
        gs_end "$GS_DAEMON" KILL
        return 1
    fi
    wait "$GS_DAEMON" || status=$?
    if [ $status != 0 ]; then
        echo "# the daemon ended with status $status after TERM"
        return 1
    fi
}

# Waits until a command succeeds.
gs_wait() { # seconds complaint command...
    local i seconds=$1 complaint=$2
    shift 2
    for ((i = 0; i < seconds * 10 * GS_SLOW; i++)); do
        if "$@" >/dev/null 2>&1; then
            return 0
        fi
        sleep 0.1
    done
    echo "# $complaint within $seconds seconds"
    return 1
}

# ---- the guests -------------------------------------------------------------------------------

# Sets GS_ACCEL: kvm where a stock kernel boots on it, tcg elsewhere, with the reason in GS_WHY.
gs_accel() {
    local probe=$GS_CACHE/kvm_probe
    GS_ACCEL=tcg
    if ! [ -e /dev/kvm ]; then
        GS_WHY="no /dev/kvm"
    elif ! [ -w /dev/kvm ]; then
        GS_WHY="/dev/kvm may not be opened"
    elif ! gs_compile "$GS_ROOT/tests/linux/kvm_probe.c"; then
        GS_WHY="the probe did not compile"
    elif ! GS_WHY=$(timeout -k 1 5 "$probe"); then
        GS_WHY="/dev/kvm cannot run a stock kernel: ${GS_WHY:-the probe hangs}"
    else
        GS_ACCEL=kvm
        gs_guest microvm up 256 1
        if ! gs_guest_end 10; then
            GS_ACCEL=tcg
            GS_WHY="a trial boot on /dev/kvm failed"
        fi
    fi
}

# Boots a guest that runs guest/NAME.sh. Machines: microvm, q35, uml, and run (of run.sh).
# A socket of a network device has net= in front.
#   GS_QUEUES=n (of a disk)  GS_PAIRS=n (of a network device)  GS_RECONNECT=1
#   GS_REBOOT=1 (a reset boots again)  GS_INITRD=mmio-fio  GS_LIMIT=s
#   GS_TWIN=word (of its console's name)
#   GS_CPU=model  GS_MONITOR=path (QEMU's monitor, at the pipes path.in and path.out)
gs_guest() { # machine script megabytes cpus "t.key=value..." socket...
    local machine=$1 script=$2 mb=$3 cpus=$4 append=${5:-} kind n=0 socket device net more=()
    shift $(($# < 5 ? $# : 5))
    GS_CONSOLE=$GS_LOGS/$machine-$script${GS_TWIN:-}.console
    GS_FIFO=$GS_WORK/stdin.$RANDOM
    mkfifo "$GS_FIFO"
    exec 7<>"$GS_FIFO"
    : >"$GS_CONSOLE"
    append="t.run=$script $append"
    if [ "$machine" = run ]; then
        gs_guest_run "$mb" "$cpus" "$append" "$@"
        return
    fi
    if [ "$machine" = uml ]; then
        # Its console ends with its input, which others need not keep open.
        # The environment of all programs in the guest: no AVX registers; uml_run.c says why.
        more=("GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX512F,-AVX512VL,-AVX512BW,-AVX2,-AVX")
        more[0]+=",-AVX_Fast_Unaligned_Load"
        gs_compile "$GS_ROOT/tests/linux/uml_run.c"
        for socket in "$@"; do
            case $socket in
            net=*) more+=("virtio_uml.device=${socket#net=}:1") ;;
            *) more+=("virtio_uml.device=$socket:2") ;;
            esac
        done
        HOME=$GS_WORK timeout -k 3 "${GS_LIMIT:-120}" "$GS_CACHE/uml_run" linux.uml mem="${mb}M" \
            initrd="$GS_WORK/initrd.${GS_INITRD:-uml}" root=/dev/ram0 con=null con0=fd:0,fd:1 \
            quiet panic=-1 $append "${more[@]}" <>"$GS_FIFO" >"$GS_CONSOLE" 2>&1 7<&- 8>&- &
        GS_GUEST_PID=$!
        gs_pids+=("$GS_GUEST_PID")
        return
    fi
    case $machine in
    microvm)
        kind=mmio device=vhost-user-blk,queue-size=1024 net=virtio-net-device
        more=(-M "microvm,acpi=on,memory-backend=m" -global virtio-mmio.force-legacy=false)
        ;;
    q35)
        # Without message interrupts for network devices: with them QEMU 7.2, emulating in software,
        # dies by SIGSEGV while the driver starts, whatever its back-end is (testpmd's, too).
        net=virtio-net-pci,vectors=0
        kind=pci device=vhost-user-blk-pci more=(-M "q35,memory-backend=m")
        ;;
    esac
    if [ "$GS_ACCEL" = kvm ]; then
        more+=(-accel kvm -cpu host)
    else
        # Without tsc_early_khz a software-emulated microvm now and then hangs early in its boot.
        more+=(-accel "tcg,thread=multi" ${GS_CPU:+-cpu "$GS_CPU"})
        append+=" no_timer_check tsc_early_khz=$(awk -F: '/cpu MHz/ { printf "%d", $2 * 1000; exit }
            ' /proc/cpuinfo | grep . || echo 2600000)"
    fi
    for socket in "$@"; do
        n=$((n + 1))
        more+=(-chardev "socket,id=c$n,path=${socket#net=}${GS_RECONNECT:+,reconnect=1}")
        if [ "$socket" != "${socket#net=}" ]; then
            more+=(-netdev "vhost-user,id=n$n,chardev=c$n,queues=${GS_PAIRS:-1}"
                -device "$net,netdev=n$n,mac=52:54:00:00:01:0$n${GS_PAIRS:+,mq=on}")
            continue
        fi
        more+=(-device "$device,chardev=c$n${GS_QUEUES:+,num-queues=$GS_QUEUES}")
    done
    [ -n "${GS_REBOOT:-}" ] || more+=(-no-reboot)
    [ -z "${GS_MONITOR:-}" ] || more+=(-monitor "pipe:$GS_MONITOR")
    timeout -k 3 "${GS_LIMIT:-120}" qemu-system-x86_64 -nodefaults -no-user-config -display none \
        -serial stdio -m "$mb" -smp "$cpus" \
        -object "memory-backend-memfd,id=m,size=${mb}M,share=on" "${more[@]}" \
        -kernel "$GS_KERNEL" -initrd "$GS_WORK/initrd.${GS_INITRD:-$kind}" \
        -append "console=ttyS0 quiet panic=-1 reboot=t $append" \
        <"$GS_FIFO" >"$GS_CONSOLE" 2>&1 7<&- 8>&- &
    GS_GUEST_PID=$!
    gs_pids+=("$GS_GUEST_PID")
}

gs_guest_lives() { gs_lives "$GS_GUEST_PID"; }

# Waits for a line on the console; fails when the guest failed or ended before.
gs_guest_wait() { # seconds pattern
    local i
    for ((i = 0; i < $1 * 10 * GS_SLOW; i++)); do
        if grep -qaE "$2" "$GS_CONSOLE"; then
            return 0
        fi
        if grep -qaE "^TENON fail" "$GS_CONSOLE" || ! gs_guest_lives; then
            break
        fi
        sleep 0.1
    done
    grep -qaE "$2" "$GS_CONSOLE"
}

# Waits until a step is reached.
gs_guest_step() { # seconds step
    gs_guest_wait "$1" "^TENON step $2" || { echo "# the guest never came to '$2'"; return 1; }
}

# Lets a guest go on that waits for the host.
gs_guest_go() { echo >&7; }

# What the guest said last under a key.
gs_guest_said() { tr -d '\r' <"$GS_CONSOLE" | sed -n "s/^TENON say $1 //p" | tail -n 1; }

# Waits for the end of the guest; good if it said that it passed, and if its machine ended with the
# status GS_WANT, where that is set. The console is shown if not.
gs_guest_end() { # seconds
    local i status=0 ended=0
    for ((i = 0; i < $1 * 10 * GS_SLOW; i++)); do
        gs_guest_lives || break
        sleep 0.1
    done
    if gs_guest_lives; then
        echo "# the guest did not end within $1 seconds"
        gs_end "$GS_GUEST_PID"
        status=1
    fi
    wait "$GS_GUEST_PID" 2>/dev/null || ended=$?
    exec 7>&-
    rm -f "$GS_FIFO"
    if [ -n "${GS_WANT:-}" ] && [ $ended != "$GS_WANT" ]; then
        echo "# the machine ended with status $ended, not $GS_WANT"
        status=1
    fi
    if [ $status != 0 ] || ! grep -qaE "^TENON ${GS_LAST:-pass}" "$GS_CONSOLE"; then
        gs_guest_show
        return 1
    fi
}

gs_guest_show() { tail -n 25 "$GS_CONSOLE" | tr -d '\r' | cut -c 1-160 | sed 's/^/# | /'; }

# ---- the results ------------------------------------------------------------------------------

# Whether the last guest hung before it said its first word, which emulators do now and then under
# load. Cleans up, so that the case can be tried once more; the log tells.
gs_never_came() {
    ! grep -qa '^TENON' "$GS_CONSOLE" || return 1
    echo "# the guest never came up; once more"
    gs_end_all
    rm -f "$GS_WORK"/*.sock "$GS_WORK"/*.img
}

# Runs a function as one test, and says so in TAP. Whatever it started is ended afterwards.
gs_case() { # description function arguments...
    local what=$1 start=$SECONDS
    shift
    gs_test=$((gs_test + 1))
    [ "$gs_test" -ge "${GS_FIRST:-1}" ] || return 0
    if [ -n "${GS_ONLY:-}" ] && ! [[ $what =~ $GS_ONLY ]]; then
        echo "ok $gs_test - $what # SKIP not asked for"
        return
    fi
    echo "# $gs_test: $what"
    if "$@" || { gs_never_came && "$@"; }; then
        echo "ok $gs_test - $what"
    else
        echo "not ok $gs_test - $what"
        gs_failed=$((gs_failed + 1))
        tail -n 5 "$GS_LOGS/daemon.log" 2>/dev/null | sed 's/^/# daemon: /'
    fi
    echo "# took $((SECONDS - start)) s"
    gs_end_all
    rm -f "$GS_WORK"/*.sock "$GS_WORK"/*.img
}

gs_finish() {
    echo "1..$gs_test"
    [ $gs_failed = 0 ]
}

# Space that a file really takes, in KiB.
gs_used() { du -k "$1" | cut -f 1; }

gs_sum() { sha256sum <"$1" | cut -d' ' -f1; }
