# shellcheck shell=bash
# The cases that test_microvm.sh, test_q35.sh and test_uml.sh run, each over its own kind of guest.
# A case is a function that returns 0 or says with a comment line what went wrong. GS_MACHINE names
# the kind of guest. For bash; sourced after lib.sh.

gs_image() { # name size
    truncate -s "$2" "$GS_WORK/$1.img"
}

# One disk in the simplest form of the command line.
gs_one() { # image argument...
    local image=$1
    shift
    GS_SOCKET=$GS_WORK/$image.sock
    gs_daemon "$GS_SOCKET" blk "--socket-path=$GS_SOCKET" "--blk-file=$GS_WORK/$image.img" "$@"
}

# Disks with keys, in one daemon. Sets GS_SOCKETS, and GS_SOCKET to the first.
gs_disks() { # image[,keys]...
    local disk image disks=()
    GS_SOCKETS=()
    for disk; do
        image=$GS_WORK/${disk%%,*}
        GS_SOCKETS+=("$image.sock")
        disks+=("--disk=file=$image.img,socket=$image.sock${disk#"${disk%%,*}"}")
    done
    GS_SOCKET=${GS_SOCKETS[0]}
    gs_daemon "${GS_SOCKETS[*]}" blk "${disks[@]}"
}

# The host's own look at what files_write left: the file system is clean, and each file read out
# of the image has its checksum.
gs_check_image() { # image digest
    local offset=$((2048 * 512)) out=$GS_WORK/out
    e2fsck -fn "$1?offset=$offset" >"$GS_LOGS/e2fsck" 2>&1 ||
        { sed 's/^/# e2fsck: /' "$GS_LOGS/e2fsck"; return 1; }
    rm -rf "$out"
    mkdir "$out"
    debugfs -R "rdump / $out" "$1?offset=$offset" >"$GS_LOGS/debugfs" 2>&1
    [ "$(gs_sum "$out/SUMS")" = "$2" ] ||
        { echo "# the list of checksums on the disk is not the one the guest wrote"; return 1; }
    (cd "$out" && sha256sum -c SUMS) >"$GS_LOGS/sums" 2>&1 ||
        { grep -v ': OK$' "$GS_LOGS/sums" | sed 's/^/# /' | head; return 1; }
    rm -rf "$out"
}

case_files() {
    local digest full
    gs_image files 512M
    gs_one files || return 1
    gs_guest "$GS_MACHINE" files_write 256 1 t.files=75 "$GS_SOCKET"
    gs_guest_step 60 filled || { gs_guest_end 1; return 1; }
    full=$(gs_used "$GS_WORK/files.img")
    gs_guest_go
    gs_guest_end 60 || return 1
    digest=$(gs_guest_said digest)
    echo "# $full KiB before the trim, $(gs_used "$GS_WORK/files.img") KiB after"
    [ $((full - 2000)) -gt "$(gs_used "$GS_WORK/files.img")" ] ||
        { echo "# the trim gave nothing back"; return 1; }
    gs_guest "$GS_MACHINE" files_verify 256 1 "" "$GS_SOCKET"
    gs_guest_end 60 || return 1
    [ "$(gs_guest_said verified)" = 50 ] && [ "$(gs_guest_said digest)" = "$digest" ] ||
        { echo "# the second boot found other files"; return 1; }
    gs_daemon_end || return 1
    gs_check_image "$GS_WORK/files.img" "$digest"
}

case_fio() { # queues
    gs_image fio 64M
    gs_one fio || return 1
    GS_INITRD=$GS_KIND-fio GS_QUEUES=$1 \
        gs_guest "$GS_MACHINE" fio 768 "$1" t.queues="$1" "$GS_SOCKET"
    gs_guest_end 110 && gs_daemon_end
}

# Ends the daemon in the middle of writes and starts it again; QEMU connects anew, and the guest
# must not see more than a pause.
case_restart() { # signal rounds
    local round before ops
    gs_image restart 64M
    gs_one restart || return 1
    GS_RECONNECT=1 GS_QUEUES=4 GS_LIMIT=$((60 + $2 * 20)) \
        gs_guest "$GS_MACHINE" hammer 256 4 "t.bytes=$((64 << 20))" "$GS_SOCKET"
    gs_guest_wait 30 '^hammer ops' || { gs_guest_end 1; return 1; }
    for ((round = 1; round <= $2; round++)); do
        sleep "0.$((RANDOM % 900 + 100))"
        gs_daemon_end "$1" || return 1
        gs_daemon_again
        before=$(grep -ac '^hammer ops' "$GS_CONSOLE")
        ops=$(gs_ops)
        if ! gs_wait 30 "the guest writes no more after round $round" \
            gs_ops_beyond "$ops" "$before"; then
            gs_guest_end 1
            return 1
        fi
    done
    gs_guest_go
    gs_guest_end 60 && gs_daemon_end
}

gs_ops() { tr -d '\r' <"$GS_CONSOLE" | awk '/^hammer ops/ { n = $3 } END { print n + 0 }'; }

# Two more lines have come since, and they count higher: requests are being answered again.
gs_ops_beyond() { # ops lines
    gs_guest_lives || return 0
    [ "$(grep -ac '^hammer ops' "$GS_CONSOLE")" -ge $(($2 + 2)) ] && [ "$(gs_ops)" -gt "$1" ]
}

case_reset() {
    gs_image reset 64M
    gs_one reset || return 1
    GS_REBOOT=1 gs_guest "$GS_MACHINE" reset 256 2 "" "$GS_SOCKET"
    gs_guest_wait 90 '^TENON pass' && gs_guest_end 10 && gs_daemon_end
}

case_two_disks() {
    local one=$GS_WORK/one two=$GS_WORK/two half=$((8 << 20))
    gs_image one 16M
    gs_image two 16M
    gs_disks one,serial=first two,serial=second || return 1
    gs_guest "$GS_MACHINE" two_disks 256 1 "" "${GS_SOCKETS[@]}"
    gs_guest_end 60 && gs_daemon_end || return 1
    [ "$(head -c $half "$one.img" | sha256sum)" = "$(gs_guest_said first)  -" ] &&
        [ "$(head -c $half "$two.img" | sha256sum)" = "$(gs_guest_said second)  -" ] ||
        { echo "# the images hold something else than the guest wrote"; return 1; }
}

case_read_only() {
    local sum
    head -c $((4 << 20)) /dev/urandom >"$GS_WORK/ro.img"
    sum=$(gs_sum "$GS_WORK/ro.img")
    gs_one ro --read-only || return 1
    gs_guest "$GS_MACHINE" read_only 256 1 "" "$GS_SOCKET"
    gs_guest_end 60 && gs_daemon_end || return 1
    [ "$(gs_guest_said sum)" = "$sum" ] || { echo "# the guest read something else"; return 1; }
    [ "$(gs_sum "$GS_WORK/ro.img")" = "$sum" ] || { echo "# the image was changed"; return 1; }
}

case_blocks() {
    gs_image blocks 64M
    gs_disks blocks,block-size=4096,serial=tenon-4k-serial-0001 || return 1
    gs_guest "$GS_MACHINE" blocks 256 1 t.serial=tenon-4k-serial-0001 "$GS_SOCKET"
    gs_guest_end 60 && gs_daemon_end && e2fsck -fn "$GS_WORK/blocks.img" >/dev/null 2>&1
}

case_discard() {
    local full after
    gs_image discard 64M
    gs_one discard || return 1
    gs_guest "$GS_MACHINE" discard 256 1 "" "$GS_SOCKET"
    gs_guest_step 60 filled || { gs_guest_end 1; return 1; }
    full=$(gs_used "$GS_WORK/discard.img")
    gs_guest_go
    gs_guest_end 60 && gs_daemon_end || return 1
    after=$(gs_used "$GS_WORK/discard.img")
    echo "# $full KiB before, $after KiB after the discard of half"
    [ "$full" -ge 32000 ] && [ "$after" -le 17000 ] || { echo "# that is not half"; return 1; }
}
