# shellcheck shell=bash
# What a guest boots: Debian's kernel and busybox, and an initramfs made of them.
#
#   apt-get download ──> build/linux/PACKAGE ──> initrd.KIND in the work directory of a run
#
# Packages are unpacked, not installed, and kept for later runs. Two runs may want the same at the
# same time: what is kept is made under a lock (gs_once). For bash; sourced by lib.sh.

# Runs a command that makes something in build/linux, while no other run makes that.
gs_once() { # what command...
    local what=$1 status=0
    shift
    mkdir -p "$GS_CACHE"
    exec 6>"$GS_CACHE/$what.lock"
    flock 6
    "$@" || status=$?
    exec 6>&-
    return $status
}

# ---- Debian's packages, unpacked --------------------------------------------------------------

gs_update() {
    if [ "$(id -u)" = 0 ]; then
        apt-get -qq update >&2
    elif command -v sudo >/dev/null; then
        sudo apt-get -qq update >&2
    fi
}

# Downloads a package and unpacks it into build/linux/PACKAGE, once. Under gs_once.
gs_package() { # package
    local into=$GS_CACHE/$1 get="apt-get -qq -o APT::Sandbox::User=root download"
    [ ! -d "$into" ] || return 0
    rm -rf "$into.new"
    mkdir -p "$into.new"
    (
        cd "$into.new"
        $get "$1" >/dev/null 2>&1 || { gs_update && $get "$1" >/dev/null; }
    ) || gs_die "the package $1 could not be downloaded; does apt-get download $1 work?"
    dpkg-deb -x "$into.new"/*.deb "$into.new" || gs_die "the package $1 could not be unpacked"
    rm "$into.new"/*.deb
    mv "$into.new" "$into"
}

# The uncompressed kernel inside a bzImage: QEMU enters it directly, which saves half a second.
gs_vmlinux() { # bzImage out
    local sects offset length
    sects=$(od -An -tu1 -j 497 -N 1 "$1")
    offset=$(od -An -tu4 -j 584 -N 4 "$1")
    length=$(od -An -tu4 -j 588 -N 4 "$1")
    tail -c +$(((sects + 1) * 512 + offset + 1)) "$1" | head -c $((length - 4)) |
        lz4 -dc >"$2" 2>/dev/null || true
    [ "$(head -c 4 "$2" | tail -c 3)" = ELF ]
}

# Sets GS_KERNEL, GS_BZIMAGE and GS_MODULES.
gs_kernel() { gs_once pieces gs_kernel_kept; }
gs_kernel_kept() {
    local meta name
    name=$(cd "$GS_CACHE" && echo linux-image-*-cloud-amd64)
    if ! [ -d "$GS_CACHE/$name" ]; then
        meta=linux-image-cloud-amd64
        apt-cache show $meta >/dev/null 2>&1 || gs_update
        name=$(apt-cache depends $meta | awk '/Depends: linux-image/ { print $2; exit }')
        [ -n "$name" ] || gs_die "apt knows no package $meta; guests boot Debian's cloud kernel"
        gs_package "$name"
    fi
    GS_BZIMAGE=$(echo "$GS_CACHE/$name"/boot/vmlinuz-*)
    GS_MODULES=$(echo "$GS_CACHE/$name"/lib/modules/*/kernel)
    GS_KERNEL=$GS_CACHE/$name/vmlinux
    if ! [ -f "$GS_KERNEL" ]; then
        if gs_vmlinux "$GS_BZIMAGE" "$GS_KERNEL.new"; then
            mv "$GS_KERNEL.new" "$GS_KERNEL"
        else
            GS_KERNEL=$GS_BZIMAGE
        fi
    fi
}

# ---- the initramfs ----------------------------------------------------------------------------

# Copies a program of this machine, with the libraries it needs, into a tree.
gs_copy_program() { # program tree
    local file
    install -D "$1" "$2/tools/$(basename "$1")"
    ldd "$1" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | sort -u |
        while read -r file; do
            [ -f "$2$file" ] || install -D "$file" "$2$file"
        done
}

# The initramfs of one kind of guest: mmio, pci, uml, or nested, which runs guests itself.
gs_initrd_base() { # kind
    local tree=$GS_WORK/tree module modules=() program
    local net=(../net/core/failover net/net_failover net/virtio_net)
    [ -x "$TENON" ] || gs_die "$TENON is not there; run make first"
    rm -rf "$tree"
    mkdir -p "$tree"/{bin,modules,guest,tools}
    gs_once pieces gs_package busybox-static
    install "$GS_CACHE/busybox-static/bin/busybox" "$tree/bin/busybox"
    install "$GS_GUEST/init" "$tree/init"
    install -m 644 "$GS_GUEST"/*.sh "$tree/guest"
    for program in mke2fs blkdiscard ethtool; do # the last one is nothing that the demo needs
        ! command -v $program >/dev/null || gs_copy_program "$(command -v $program)" "$tree"
    done
    case $1 in
    mmio)
        modules=(virtio/virtio_ring virtio/virtio virtio/virtio_mmio block/virtio_blk "${net[@]}")
        ;;
    nested)
        modules=(virtio/virtio_ring virtio/virtio virtio/virtio_mmio block/virtio_blk block/loop
            ../virt/lib/irqbypass ../arch/x86/kvm/kvm ../arch/x86/kvm/kvm-amd)
        ;;
    pci)
        modules=(virtio/virtio_ring virtio/virtio virtio/virtio_pci_modern_dev
            virtio/virtio_pci_legacy_dev virtio/virtio_pci block/virtio_blk "${net[@]}")
        ;;
    uml) modules=(block/virtio_blk "${net[@]}") ;;
    esac
    for module in "${modules[@]}"; do
        install -m 644 "$GS_MODULES/drivers/$module.ko" "$tree/modules/" ||
            gs_die "the kernel in $GS_CACHE is incomplete; remove it, and it is fetched anew"
        echo "$(basename "$module").ko"
    done >"$tree/modules/order"
    [ "$1" = uml ] || install -m 644 "$GS_MODULES"/drivers/misc/pvpanic/*.ko "$tree/modules/"
    gs_compile "$GS_GUEST/hammer.c" -static -pthread
    gs_compile "$GS_GUEST/kexec.c" -static
    install "$GS_CACHE/hammer" "$GS_CACHE/kexec" "$tree/tools/"
    (cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet) >"$GS_WORK/initrd.$1"
    rm -rf "$tree"
}

# Compiles a small program of the tests into build/linux, when it changed.
gs_compile() { gs_once pieces gs_compile_kept "$@"; } # source flag...
gs_compile_kept() {
    local source=$1 out
    out=$GS_CACHE/$(basename "$1" .c)
    shift
    [ "$out" -nt "$source" ] && return
    ${CC:-cc} -std=gnu17 -D_GNU_SOURCE -O2 "$source" -o "$out.new" "$@" && mv "$out.new" "$out"
}

# The same with one program more, as initrd.KIND-PROGRAM: only for the guests that run it, as fio
# brings some 80 MB of libraries.
gs_initrd_with() { # kind program
    local tree=$GS_WORK/tree
    rm -rf "$tree"
    mkdir -p "$tree"
    gs_copy_program "$(command -v "$2")" "$tree"
    cp "$GS_WORK/initrd.$1" "$GS_WORK/initrd.$1-$2"
    (cd "$tree" && find . | cpio -o -H newc -R 0:0 --quiet) >>"$GS_WORK/initrd.$1-$2"
    rm -rf "$tree"
}
