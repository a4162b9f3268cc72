#!/bin/bash
# A bare-metal guest of our own on `tenon run`: every register of the MMIO transport, interrupts,
# the console, and the ways in which a machine ends. Needs /dev/kvm; a paravirtual one will do.
#
#   guest (*.c, start.S) ──> guest.elf ──> tenon run ──> the guest's cases on the console
#
# The guest's lines of TAP are numbered anew and printed; what the host sees of a run (exit status,
# counters, images) are cases of their own. GS_ONLY=REGEX runs the groups whose name matches.
set -uo pipefail
. "$(dirname "$0")/../linux/lib.sh"
here=$(cd "$(dirname "$0")" && pwd)

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

[ "$(uname -m)" = x86_64 ] || skip_all "the guest is for x86-64"
[ -e /dev/kvm ] || skip_all "no /dev/kvm"
(exec 9<>/dev/kvm) 2>/dev/null || skip_all "/dev/kvm cannot be opened"
[ -x "$TENON" ] || gs_die "$TENON is not there; run make first"

gs_init bare
kernel=$GS_WORK/guest.elf
writable=$GS_WORK/writable.disk
read_only=$GS_WORK/read_only.disk
LOG=$GS_LOGS/tenon.log
: >"$LOG"
run=("$TENON" run --no-kvm-probe --memory 64M)

# ---- what the runs are made of ----------------------------------------------------------------

compile_guest() {
    local sources=()
    mapfile -t sources < <(find "$here" -name '*.c' ! -name hang.c -o -name '*.S' | sort)
    ${CC:-cc} -std=gnu17 -O2 -Wall -Wextra -Wshadow -Wmissing-prototypes -Werror -ffreestanding \
        -fno-tree-loop-distribute-patterns -mno-red-zone -mgeneral-regs-only -fno-pic \
        -fno-stack-protector -fno-asynchronous-unwind-tables -I "$GS_ROOT/src" -nostdlib -static \
        -no-pie -Wl,--build-id=none,-z,noexecstack,-T,"$here/guest.ld" "${sources[@]}" -o "$kernel"
}

# Sectors as the guest knows them: "sector N" and spaces, to the line's end.
sectors() { # first count
    local i
    for ((i = $1; i < $1 + $2; i++)); do
        printf 'sector %-504d\n' "$i"
    done
}

fresh_disks() {
    cp "$GS_WORK/pattern" "$writable"
    head -c $((128 * 512)) "$GS_WORK/pattern" >"$read_only"
}

disks=(--disk "file=$writable,name=d0,queues=2,queue-size=256,serial=bare disk 0"
    --disk "file=$read_only,read-only=on,queue-size=256,serial=bare disk 1")

# Runs a guest to its end. The console is in $console, the status in $status, counters in $stats.
console=$GS_LOGS/console
stats=$GS_LOGS/stats
machine() { # "words..." argument...
    local words=$1
    shift
    status=0
    echo "== $words $*" >>"$LOG"
    timeout -k 10 60 "${run[@]}" --kernel "$kernel" --cmdline "$words" --stats "$stats" "$@" \
        >"$console" 2>>"$LOG" 7<&- 8>&- || status=$?
}

# The same in the background, in $pid. What is written to 7 is its input, unless another is named.
machine_begin() { # "words..." argument...     input=FILE  output=FILE
    local words=$1
    shift
    rm -f "$GS_WORK/input"
    mkfifo "$GS_WORK/input"
    exec 7<>"$GS_WORK/input"
    echo "== $words $* &" >>"$LOG"
    : >"$console"
    "${run[@]}" --kernel "$kernel" --cmdline "$words" "$@" \
        <"${input:-$GS_WORK/input}" >"${output:-$console}" 2>>"$LOG" 7<&- 8>&- &
    pid=$!
    gs_pids+=("$pid")
}

machine_says() { # text
    gs_wait 20 "the guest does not say '$1'" grep -qaF "$1" "$console"
}

# Waits for the end of what machine_begin started, with a status; bounded in seconds.
machine_ends() { # status seconds
    local i got=0
    for ((i = 0; i < $2 * 10; i++)); do
        gs_lives "$pid" || break
        sleep 0.1
    done
    if gs_lives "$pid"; then
        echo "# it still runs after $2 s"
        gs_end "$pid" KILL
        return 1
    fi
    wait "$pid" || got=$?
    want "the status" "$got" "$1"
}

# ---- results ----------------------------------------------------------------------------------

want() { # what got wanted
    [ "$2" = "$3" ] || { echo "# $1 is '$2', not '$3'"; return 1; }
}

said() { # key: the number that the guest printed under it
    sed -n "s/^# $1 //p" "$console" | tail -n 1
}

counter() { # name
    sed -n "s/^$1 //p" "$stats"
}

result() { # name status
    gs_test=$((gs_test + 1))
    if [ "$2" = 0 ]; then
        echo "ok $gs_test - $1"
    else
        echo "not ok $gs_test - $1"
        tail -n 5 "$LOG" | cut -c 1-160 | sed 's/^/# log: /'
        gs_failed=$((gs_failed + 1))
    fi
}

asked_for() { [ -z "${GS_ONLY:-}" ] || [[ $1 =~ $GS_ONLY ]]; }

# One case: a function, and whatever it started is ended afterwards.
expect() { # name function argument...
    local name=$1
    shift
    asked_for "$name" || return 0
    fresh_disks
    "$@"
    result "$name" $?
    gs_end_all
}

# The cases of a guest, each as one of ours; then that it came to its end, and what it left.
guest_cases() { # name "words..." argument...
    local name=$1 line cases=0 plan=
    shift
    asked_for "$name" || return 0
    fresh_disks
    machine "$@" </dev/null
    while read -r line; do
        case $line in
        "ok "*) cases=$((cases + 1)) && result "$name: ${line#* - }" 0 ;;
        "not ok "*) cases=$((cases + 1)) && result "$name: ${line#* - }" 1 ;;
        1..*) plan=${line#1..} ;;
        *) echo "# ${line#\# }" ;;
        esac
    done <"$console"
    want "the guest's plan" "$plan" $cases && want "the status" $status 0 && [ $cases -gt 0 ]
    result "$name: the guest comes to its end" $?
    [[ $1 = checks* ]] || return 0
    want "kicks_by_exit" "$(counter kicks_by_exit)" "$(said kicks_by_exit)"
    result "$name: kicks of queues that run do not leave the kernel" $?
    content
    result "$name: the images hold what the guest wrote" $?
}

# ---- cases ------------------------------------------------------------------------------------

content() { # the checks turn sectors 1000 to 1007 into 5000 to 5007
    {
        sectors 0 1000
        sectors 5000 8
        sectors 1008 1040
    } | cmp - "$writable" && head -c $((128 * 512)) "$GS_WORK/pattern" | cmp - "$read_only"
}

kicks() { # words wanted
    machine "$1" "${disks[@]}" </dev/null
    want "the status" $status 0 && want "kicks_by_exit" "$(counter kicks_by_exit)" "$2" &&
        want "good requests" "$(said good)" 20 &&
        want "kicks of the device" "$(counter 'device d0 queue 0 kicks')" 10
}

ends_with() { # word status text
    machine "$1" "${disks[@]}" </dev/null
    want "the status" $status "$2" && grep -qaE "$3" "$console"
}

cmdline_devices() {
    local words=virtio_mmio.device=4K@0xd000
    machine cmdline --devices cmdline "${disks[@]}" </dev/null
    want "the status" $status 0 &&
        want "the words" "$(cat "$console")" "cmdline ${words}0000:5 ${words}1000:6"
}

# What the guest made of its input, against the same sum over the file.
input_is() { # file
    local sum
    sum=$(od -An -v -w1 -tu1 "$1" | awk '{ sum = (sum * 3 + $1) % 4294967296 }
        END { printf "%.0f", sum }')
    want "the number of bytes" "$(said bytes)" "$(stat -c %s "$1")" &&
        want "the sum" "$(said sum)" "$sum"
}

input_file() { # word
    machine "$1" <"$GS_WORK/input.bytes"
    want "the status" $status 0 && input_is "$GS_WORK/input.bytes"
}

input_pipe() { # word
    machine "$1" < <(cat "$GS_WORK/input.bytes")
    want "the status" $status 0 && input_is "$GS_WORK/input.bytes"
}

input_later() { # word
    machine_begin "$1"
    machine_says "reading" || return 1
    printf 'a line\n' >&7
    sleep 0.3
    printf 'end\n' >&7
    machine_ends 0 10 && printf 'a line\nend\n' >"$GS_WORK/later" && input_is "$GS_WORK/later"
}

# Input that has ended is input that does not come.
no_input() { # word
    input=/dev/null machine_begin "$1"
    machine_says "reading" || return 1
    sleep 0.3
    kill -TERM "$pid"
    machine_ends 0 5
}

stopped() { # signal words
    machine_begin "$2" "${disks[@]}"
    machine_says "${2##* }" || return 1
    sleep 0.3
    kill "-$1" "$pid"
    machine_ends 0 5
}

# Nobody reads the console: the guest waits, and the program does not.
stopped_unread() {
    mkfifo "$GS_WORK/unread"
    { head -c 10 >"$GS_WORK/first" && exec sleep 60; } <"$GS_WORK/unread" &
    gs_pids+=($!)
    output=$GS_WORK/unread machine_begin flood
    gs_wait 20 "the guest says nothing" test -s "$GS_WORK/first" || return 1
    sleep 3 # until the pipe is full
    kill -TERM "$pid"
    machine_ends 0 10
}

log_says() { # first-line text
    tail -n +"$1" "$LOG" | grep -q "$2"
}

# A guest that has a write under way which never ends. It does what the word says only after that:
# before, the write might not even have begun.
machine_hangs() { # engine word; sets `log`, the first line of it in LOG
    log=$(($(wc -l <"$LOG") + 1))
    LD_PRELOAD=$GS_WORK/hang.so machine_begin "write input $2" \
        --disk "file=$writable,name=d0,queues=2,engine=$1"
    gs_wait 20 "the write does not begin" log_says "$log" "a write hangs" || return 1
    printf 'end\n' >&7
}

# A write to the image never ends: the program says so, and goes without it.
hangs() { # engine word [signal]
    machine_hangs "$1" "$2" || return 1
    [ -z "${3:-}" ] || kill "-$3" "$pid"
    machine_ends 3 20 && log_says "$log" "disk 'd0'"
}

# Two signals at once are one: timeout(1) sends to the process and to its group. A later one means
# that somebody is in a hurry.
hangs_twice() { # seconds between text
    machine_hangs threads sleep || return 1
    kill -TERM "$pid"
    sleep "$1"
    kill -TERM "$pid"
    machine_ends 3 20 && log_says "$log" "$2"
}

# A file that is no kernel: one line that names it, and an exit status for the user's mistake.
refused() { # file
    local before after
    before=$(wc -l <"$LOG")
    status=0
    timeout -k 10 20 "${run[@]}" --kernel "$1" </dev/null >"$console" 2>>"$LOG" || status=$?
    after=$(wc -l <"$LOG")
    [ $status = 1 ] || [ $status = 2 ] || { echo "# status $status"; return 1; }
    want "the number of lines" $((after - before)) 1 && tail -n 1 "$LOG" | grep -qF "$1" &&
        want "what is on standard output" "$(wc -c <"$console")" 0
}

no_kernels() {
    local bad=0 file=$GS_WORK/no-kernel
    : >"$file-empty"
    head -c 40 "$kernel" >"$file-header"
    head -c 100 "$kernel" >"$file-program-headers"
    head -c 8000 "$kernel" >"$file-half"
    echo "What a kernel is, nobody knows." >"$file-text"
    head -c 100000 /dev/zero >"$file-zeroes"
    { head -c 4 "$kernel" && printf '\1' && tail -c +6 "$kernel"; } >"$file-32-bits"
    # The header of a bzImage, cut off within, and with nothing behind it.
    { head -c 510 /dev/zero && printf '\x55\xaa\xeb\x66HdrS'; } >"$file-bzimage-cut"
    { cat "$file-bzimage-cut" && printf '\x0f\x02' && head -c 5000 /dev/zero; } >"$file-bzimage"
    mkdir -p "$file-directory"
    [ -p "$file-fifo" ] || mkfifo "$file-fifo"
    for file in "$file"-* /dev/null /nonexistent/vmlinuz; do
        refused "$file" || { echo "# that was $file"; bad=1; }
    done
    return $bad
}

mutants() {
    cp "$kernel" "$GS_LOGS/mutant"
    "$here/mutate.py" "$TENON" "$GS_LOGS/mutant" "${MUTANTS:-200}" "${SEED:-1}"
}

# ---- all of it --------------------------------------------------------------------------------

compile_guest || gs_die "the guest does not compile"
${CC:-cc} -D_GNU_SOURCE -O2 -Wall -Wextra -Werror -shared -fPIC "$here/hang.c" \
    -o "$GS_WORK/hang.so" || gs_die "hang.c does not compile"
sectors 0 2048 >"$GS_WORK/pattern"
{ head -c 10000 "$kernel" && printf 'end\n'; } >"$GS_WORK/input.bytes"
many=()
for ((i = 0; i < 24; i++)); do
    many+=(--disk "memory=64K,queue-size=256")
done

guest_cases edge checks "${disks[@]}"
guest_cases level "checks level" --interrupts level "${disks[@]}"
guest_cases shared shared "${many[@]}"
guest_cases second second --cpus 2 "${disks[@]}"
guest_cases workers second --cpus 2 --disk "${disks[1]},workers=2,cpus=0" \
    --disk "${disks[3]},cpus=0"
guest_cases pool second --cpus 2 --workers 2 --worker-cpus 0 \
    --disk "${disks[1]},queue-workers=1:0" --disk "${disks[3]},queue-workers=1"
expect "kicks: none leaves the kernel" kicks kicks 0
expect "kicks: those of no queue do" kicks "kicks absent" 5
expect "end: ACPI power off" ends_with off 0 '^# off'
expect "end: the reset register" ends_with reset 5 '^# reset'
expect "end: the keyboard controller's reset" ends_with keyboard 5 '^# keyboard'
expect "end: a triple fault" ends_with triple 5 '^# triple'
expect "end: a panic" ends_with panic 6 '^# panic'
expect "end: an exception of the guest's" ends_with fault 5 '^Bail out! exception 14 error 0x2 '
expect "the command line names the windows where asked to" cmdline_devices
for word in input input-irq input-slow; do
    expect "console: $word from a file" input_file $word
    expect "console: $word from a pipe" input_pipe $word
    expect "console: $word that comes later" input_later $word
    expect "console: $word that does not come" no_input $word
done
expect "stop: TERM, halted" stopped TERM sleep
expect "stop: TERM, in a loop without interrupts" stopped TERM spin
expect "stop: INT, with requests under way" stopped INT busy
expect "stop: TERM, with requests under way" stopped TERM busy
expect "stop: TERM, and nobody reads the console" stopped_unread
for engine in inline threads; do
    expect "hang: TERM, $engine" hangs $engine sleep TERM
    expect "hang: power off, $engine" hangs $engine off
done
expect "hang: TERM twice at once" hangs_twice 0.1 "disk 'd0' did not finish"
expect "hang: TERM a second time" hangs_twice 1 "a second time"
expect "files that are no kernel are refused with one line" no_kernels
expect "damaged kernels hurt nobody but themselves" mutants
gs_finish
