#!/bin/bash
# The cases of test_run.sh, where this machine's KVM cannot run a stock kernel: QEMU emulates a
# machine with KVM in software, and in it `tenon run` boots the guests.
#
#   this shell ── console ── QEMU, Linux, kvm-amd: test_run.sh ── console ── tenon run: Linux
#
# Results come over the console, and a sign of life every ten seconds. A machine that is lost (QEMU
# ended, or its Linux says nothing more) takes only the case that ran in it: that one is run once
# more in a new machine, and is a failure if that is lost too; then come the others. This hides no
# fault of `tenon run`: whatever a process does, by mistake or ill will, it neither stops a kernel
# nor an emulator that is free of bugs, and all that goes wrong within the case (a guest that hangs,
# a crash, a wrong answer) is seen, timed and told in there, by a machine that goes on.
#
# ROUNDS=n repeats the first case only; GS_ONLY=pattern runs some; REQUESTS=n: as test_run.sh says.
set -uo pipefail
. "$(dirname "$0")/lib.sh"
. "$(dirname "$0")/cases.sh"
. "$(dirname "$0")/debian.sh"
# Without xsave: there the guest's kernel finds a size in CPUID that is not the one after its
# XSETBV. Most likely the emulated SVM does not pass that instruction on to KVM.
GS_ACCEL=tcg GS_CPU=EPYC,-xsave

# What the first level needs beyond an ordinary guest.
nested_initrd() {
    local tree=$GS_WORK/tree top program
    gs_initrd_base mmio
    gs_initrd_base nested
    gs_compile "$GS_ROOT/tests/linux/kvm_probe.c"
    gs_compile "$GS_ROOT/tests/linux/net_peer.c" -static
    top=$tree/tenon/build/linux
    mkdir -p "$top" "$tree/tenon/tests/linux/guest"
    cp -p "$GS_ROOT"/tests/linux/*.{sh,c} "$tree/tenon/tests/linux/"
    cp -p "$GS_CACHE/kvm_probe" "$GS_CACHE/net_peer" "$top/"
    cp "$GS_WORK/initrd.mmio" "$top/initrd.ready"
    (cd "$GS_CACHE" && cp --parents linux-image-*/boot/vmlinuz-* linux-image-*/vmlinux "$top/")
    for program in "$TENON" "$(command -v bash)" "$(command -v flock)" "$(command -v e2fsck)" \
        "$(command -v debugfs)"; do
        gs_copy_program "$program" "$tree"
    done
    (cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet) >>"$GS_WORK/initrd.nested"
    rm -rf "$tree"
}

# Prints results as they come, until the machine ends or gives no sign of life for five minutes.
nested_follow() {
    local seen=0 lines heard=$SECONDS lives=1 line last=$SECONDS
    while [ $lives = 1 ] && [ $((SECONDS - heard)) -lt 300 ]; do
        gs_guest_lives || lives=0
        lines=$(wc -l <"$GS_CONSOLE")
        if [ "$lines" -gt $seen ]; then
            while read -r line; do
                echo "$line"
                [[ $line == "# "* || $line == *"# SKIP"* ]] && continue
                echo "# took $((SECONDS - last)) s"
                last=$SECONDS
            done < <(sed -n "$((seen + 1)),${lines}p" "$GS_CONSOLE" | tr -d '\r' |
                grep -aE '^(ok |not ok |# )' | grep -v '^# took')
            seen=$lines heard=$SECONDS
        fi
        [ $lives = 0 ] || sleep 0.5
    done
}

# Ends the machine, and tells what is known if it did not end as it should: how QEMU ended, or, of
# one that is silent, what its processors do; then what it said last.
nested_end() {
    local status=0 alive silent=0
    if gs_guest_lives; then
        silent=1
        echo "# QEMU runs, but its machine is silent; where its processors are:"
        echo "info registers -a" >"$GS_WORK/monitor.in"
        sleep 2
        timeout 1 cat "$GS_WORK/monitor.out" | tr -d '\r' |
            grep -aE '^(CPU#|[RE]IP=|CR[03]=)' | sed 's/^/# | /'
        gs_end "$GS_GUEST_PID"
    fi
    wait "$GS_GUEST_PID" 2>/dev/null || status=$?
    exec 7>&-
    rm -f "$GS_FIFO"
    case $silent.$status in
    0.0)
        ! grep -qa '^TENON pass' "$GS_CONSOLE" || return
        echo "# QEMU ended by itself with status 0: its machine was turned off, or reset"
        ;;
    0.124) echo "# QEMU was ended: the time was over" ;;
    0.*) echo "# QEMU ended by itself with status $status; 128 and more: by a signal" ;;
    esac
    alive=$(gs_guest_said alive)
    echo "# the last sign of life, with uptime, load and free memory: ${alive:-none}"
    echo "# what the console said last:"
    grep -avE '^TENON say alive|^qemu-.* warning: TCG' "$GS_CONSOLE" | tail -n 25 | tr -d '\r' |
        cut -c 1-160 | sed 's/^/# | /'
}

# Runs the cases from a number on. Sets gs_test to the last that has a result.
#
# One processor: with two, QEMU's emulation of SVM now and then delivered an interrupt where none
# may be, right behind VMRUN, and that machine's kernel died of it; guests died too, without a word.
# A clock by the TSC, and a regular tick: a clock that counts ticks loses many where the emulator
# gets little time, and makes all that is bounded in time in there take twice as long; a regular
# tick makes good for an interrupt that the emulator has lost. nowatchdog and stall_suppress: that
# the processor got no time for long is not a fault of that machine's kernel.
nested_run() { # first
    local append
    gs_image debian 640M
    cp --sparse=always "$GS_CACHE/debian.img" "$GS_WORK/debian.img"
    gs_one debian || return 1
    rm -f "$GS_WORK"/monitor.*
    mkfifo "$GS_WORK"/monitor.{in,out}
    append="tsc=reliable nohz=off highres=off nowatchdog rcupdate.rcu_cpu_stall_suppress=1"
    append+=" t.first=$1 t.rounds=${ROUNDS:-} t.only=${GS_ONLY// /_}"
    append+=" t.requests=${REQUESTS:-}"
    GS_INITRD=nested GS_LIMIT=$((5400 + ${ROUNDS:-0} * 20)) GS_MONITOR=$GS_WORK/monitor \
        gs_guest microvm nested 3072 1 "$append" "$GS_SOCKET"
    nested_follow
    nested_end >"$GS_LOGS/end"
    gs_daemon_end >>"$GS_LOGS/end"
    cp "$GS_CONSOLE" "$GS_LOGS/level1.$1.$SECONDS"
    gs_failed=$((gs_failed + $(grep -ac '^not ok ' "$GS_CONSOLE")))
    gs_test=$(tr -d '\r' <"$GS_CONSOLE" | sed -nE 's/^(not )?ok ([0-9]+) .*/\2/p' | tail -n 1)
    gs_test=${gs_test:-$(($1 - 1))}
}

# The name of the case that ran last.
nested_name() { tr -d '\r' <"$GS_CONSOLE" | sed -nE 's/^# [0-9]+: //p' | tail -n 1; }

GS_ONLY=${GS_ONLY:-}
gs_init nested
gs_kernel
gs_debian
nested_initrd
echo "# the machine is emulated: QEMU with -cpu $GS_CPU, Linux with kvm-amd"
first=1 early=0 lost=0
while nested_run $first; ! grep -qa '^1\.\.' "$GS_CONSOLE"; do
    cat "$GS_LOGS/end"
    first=$((gs_test + 1)) name=$(nested_name)
    if [ -z "$name" ] && [ $early -lt 2 ]; then
        early=$((early + 1))
        echo "# the machine was lost before it ran a case; once more"
        continue
    fi
    if [ -n "$name" ] && [ $lost != $first ]; then
        lost=$first
        echo "# the machine was lost in: $name; once more, in a new one"
        continue
    fi
    gs_test=$first gs_failed=$((gs_failed + 1))
    echo "not ok $gs_test - the machine was lost again, in: ${name:-its boot}"
    [ -n "$name" ] || break
    first=$((gs_test + 1))
done
gs_end_all
if [ -s "$GS_LOGS/end" ]; then
    echo "# the machine around the guests did not end well:"
    cat "$GS_LOGS/end"
    gs_failed=$((gs_failed + 1))
fi
echo "# it took $SECONDS s"
gs_finish
