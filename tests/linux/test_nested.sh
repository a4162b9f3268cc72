#!/bin/bash
# The cases of test_run.sh, where this machine's KVM cannot run a stock kernel: QEMU emulates a
# machine with KVM in software, and in it `tenon run` boots the guests.
#
#   this shell ── console ── QEMU, Linux, kvm-amd: test_run.sh ── console ── tenon run: Linux
#
# Results come over the console. A machine that is lost takes only the case that ran in it: the
# others are run in a new one. ROUNDS=n repeats the first case only; GS_ONLY=pattern runs some.
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
    top=$tree/tenon/build/linux
    mkdir -p "$top" "$tree/tenon/tests/linux/guest"
    cp -p "$GS_ROOT"/tests/linux/*.{sh,c} "$tree/tenon/tests/linux/"
    cp -p "$GS_CACHE/kvm_probe" "$top/"
    cp "$GS_WORK/initrd.mmio" "$top/initrd.ready"
    (cd "$GS_CACHE" && cp --parents linux-image-*/boot/vmlinuz-* linux-image-*/vmlinux "$top/")
    for program in "$TENON" "$(command -v bash)" "$(command -v flock)" "$(command -v e2fsck)" \
        "$(command -v debugfs)"; do
        gs_copy_program "$program" "$tree"
    done
    (cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet) >>"$GS_WORK/initrd.nested"
    rm -rf "$tree"
}

# Prints results as they come, until the machine ends or has nothing to say for ten minutes. The
# times are this machine's: the clock of the other one goes slow when much is done here.
nested_follow() {
    local seen=0 lines quiet=0 lives=1 line last=$SECONDS
    while [ $lives = 1 ] && [ $quiet -lt 1200 ]; do
        gs_guest_lives || lives=0
        lines=$(wc -l <"$GS_CONSOLE")
        quiet=$((quiet + 1))
        if [ "$lines" -gt $seen ]; then
            while read -r line; do
                echo "$line"
                [[ $line == "# "* || $line == *"# SKIP"* ]] && continue
                echo "# took $((SECONDS - last)) s"
                last=$SECONDS
            done < <(sed -n "$((seen + 1)),${lines}p" "$GS_CONSOLE" | tr -d '\r' |
                grep -aE '^(ok |not ok |# )' | grep -v '^# took')
            seen=$lines quiet=0
        fi
        [ $lives = 0 ] || sleep 0.5
    done
}

# Runs the cases from a number on. Sets gs_test to the last that has a result.
nested_run() { # first
    gs_image debian 640M
    cp --sparse=always "$GS_CACHE/debian.img" "$GS_WORK/debian.img"
    gs_one debian || return 1
    GS_INITRD=nested GS_LIMIT=$((3600 + ${ROUNDS:-0} * 20)) gs_guest microvm nested 3072 2 \
        "t.first=$1 t.rounds=${ROUNDS:-} t.only=${GS_ONLY// /_}" "$GS_SOCKET"
    nested_follow
    gs_guest_end 1 >"$GS_LOGS/end"
    gs_daemon_end >>"$GS_LOGS/end"
    cp "$GS_CONSOLE" "$GS_LOGS/level1.$1"
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
first=1 silent=0
while nested_run $first; ! grep -qa '^1\.\.' "$GS_CONSOLE"; do
    cat "$GS_LOGS/end"
    if ! grep -qa '^TENON' "$GS_CONSOLE" && [ $silent -lt 2 ]; then
        silent=$((silent + 1))
        echo "# the machine itself never came up; once more"
        continue
    fi
    gs_test=$((gs_test + 1)) gs_failed=$((gs_failed + 1))
    echo "not ok $gs_test - the machine was lost in: $(nested_name)"
    [ -n "$(nested_name)" ] || break
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
