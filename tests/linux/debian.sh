# shellcheck shell=bash
# Debian's own file system: made as a user would make it, and booted with the kernel and the
# initramfs that are in it, until somebody has logged in. For bash; sourced after run.sh.

# Makes build/linux/debian.img, once: a minimal Debian with systemd and a kernel, no password. The
# second mount leaves /proc out, which mmdebstrap has mounted on the tree.
gs_debian() { gs_once debian gs_debian_kept; }
gs_debian_kept() {
    local image=$GS_CACHE/debian.img
    [ ! -f "$image" ] || return 0
    mmdebstrap --variant=minbase --include=systemd-sysv,udev,linux-image-cloud-amd64 \
        --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
        --dpkgopt='path-exclude=/usr/share/locale/*' \
        --customize-hook='chroot "$1" passwd -qd root; echo tenon >"$1/etc/hostname"' \
        --customize-hook='mkdir "$1.flat" && mount --bind "$1" "$1.flat"' \
        --customize-hook="mke2fs -q -t ext4 -F -d \"\$1.flat\" '$image.new' 640M" \
        --customize-hook='umount "$1.flat" && rmdir "$1.flat"' \
        --format=null bookworm /dev/null >"$GS_LOGS/mmdebstrap" 2>&1 ||
        { tail "$GS_LOGS/mmdebstrap" >&2; gs_die "mmdebstrap made no Debian"; }
    mv "$image.new" "$image"
}

# GS_DEBIAN is the image, which is changed.
case_debian() {
    local boot=$GS_WORK/boot start=$SECONDS
    mkdir "$boot"
    debugfs -R "rdump /boot $boot" "$GS_DEBIAN" >"$GS_LOGS/debugfs" 2>&1
    [ -f "$(echo "$boot"/boot/vmlinuz-*)" ] || { cat "$GS_LOGS/debugfs"; return 1; }
    GS_ENTER=$(echo "$boot"/boot/vmlinuz-*) GS_INITRD=$(echo "$boot"/boot/initrd.img-*) \
        GS_LIMIT=240 gs_guest run debian 512 2 "root=/dev/vda rw" "--disk=file=$GS_DEBIAN"
    gs_guest_wait 150 '^tenon login:' || { echo "# no login"; GS_WANT='' gs_guest_end 1; return 1; }
    echo "# a login prompt after $((SECONDS - start)) s"
    echo root >&7
    gs_guest_wait 60 'root@tenon' || { echo "# no shell"; GS_WANT='' gs_guest_end 1; return 1; }
    # An empty line first: the shell's control characters stand before the answer.
    echo 'echo; echo "TENON say root" $(findmnt -no SOURCE,FSTYPE /); systemctl poweroff' >&7
    GS_LAST="say root /dev/vda ext4" gs_guest_end 60 || return 1
    rm -r "$boot"
    e2fsck -fn "$GS_DEBIAN" >"$GS_LOGS/e2fsck" 2>&1 ||
        { sed 's/^/# e2fsck: /' "$GS_LOGS/e2fsck"; return 1; }
}
