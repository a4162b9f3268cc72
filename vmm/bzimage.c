/*
 * bzimage.c: a kernel as Linux distributions ship it: a bzImage, which unpacks itself. Nothing is
 * unpacked here: the loader puts the packed kernel into memory and enters it by the 64-bit boot
 * protocol (Documentation/x86/boot.rst of Linux).
 *
 *   | boot sector and real-mode code: (setup_sects + 1) sectors | the packed kernel, to the end |
 *                                                                 entry: 0x200 behind its begin
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "arch.h"
#include "error.h"
#include "kernel.h"
#include "machine.h"

enum {
    HEADER_AT = 0x1f1,
    SECTOR = 512,
    SETUP_SECTS_DEFAULT = 4,
    ENTRY_64 = 0x200,
    BOOT_FLAG = 0xaa55,
    VERSION_64 = 0x20c, /* the first with xloadflags */
    LENGTH_AT = 0x201,  /* how long the header is: that byte and what follows 0x202 */
    LENGTH_BASE = 0x202,
};

static const char magic[] = "HdrS";

_Static_assert(sizeof(struct setup_header) <= KERNEL_HEADER_BYTES, "the header fits");

bool bzimage_matches(const struct image *image)
{
    char found[4];

    return image->bytes >= LENGTH_BASE + sizeof(found) &&
           image_read(image, LENGTH_BASE, found, sizeof(found)) == 0 &&
           memcmp(found, magic, sizeof(found)) == 0;
}

/* As much of the header as this kernel has; the rest is zero. */
static int read_header(const struct image *image, struct setup_header *header)
{
    uint8_t length;

    memset(header, 0, sizeof(*header));
    if (image_read(image, LENGTH_AT, &length, 1) < 0) {
        return -EINVAL;
    }
    uint64_t bytes = LENGTH_BASE + (uint64_t)length - HEADER_AT;
    return image_read(image, HEADER_AT, header, bytes < sizeof(*header) ? bytes : sizeof(*header));
}

static int check_header(const struct image *image, const struct setup_header *header)
{
    if (header->boot_flag != BOOT_FLAG || header->version < VERSION_64 ||
        !(header->xloadflags & XLF_KERNEL_64)) {
        return vmm_fail(-EINVAL,
                        "the kernel %s has no 64-bit entry (boot protocol %u.%u); use a kernel for "
                        "x86-64 of Linux 3.8 or later",
                        image->path, header->version >> 8, header->version & 0xff);
    }
    return 0;
}

/* The kernel unpacks itself to its preferred address and needs init_size bytes there, and it is
 * unpacked from where we put it. */
static uint64_t end_of_need(const struct setup_header *header, uint64_t packed_end)
{
    uint64_t wanted =
        header->pref_address > arch_map.kernel_base ? header->pref_address : arch_map.kernel_base;
    uint64_t end = wanted + header->init_size;

    end = end < wanted ? UINT64_MAX : end;
    return end > packed_end ? end : packed_end;
}

static int check_need(const struct image *image, const struct vmm *vmm, uint64_t end)
{
    if (end > arch_map.hole_base) {
        return vmm_fail(-EINVAL,
                        "the kernel %s is damaged: it wants to unpack itself to addresses up to "
                        "0x%llx, where no guest has memory",
                        image->path, (unsigned long long)end);
    }
    if (!memory_at(vmm, arch_map.kernel_base, end - arch_map.kernel_base)) {
        return vmm_fail(
            -ENOMEM,
            "the kernel %s needs at least %llu MiB of memory to unpack itself; give the "
            "guest more, with --memory",
            image->path, (unsigned long long)((end + 0xfffff) >> 20));
    }
    return 0;
}

int bzimage_load(const struct image *image, const struct vmm *vmm, struct kernel *out)
{
    struct setup_header header;
    int error = read_header(image, &header);

    *out = (struct kernel){ 0 };
    if (error == 0) {
        error = check_header(image, &header);
    }
    if (error < 0) {
        return error;
    }
    uint64_t sects = header.setup_sects ? header.setup_sects : SETUP_SECTS_DEFAULT;
    uint64_t offset = (sects + 1) * SECTOR;
    if (offset >= image->bytes || image->bytes - offset <= ENTRY_64) {
        return vmm_fail(-EINVAL, "the kernel %s is cut off: nothing follows its setup code",
                        image->path);
    }
    uint64_t bytes = image->bytes - offset;
    error = image_load(image, vmm, offset, bytes, arch_map.kernel_base);
    if (error < 0) {
        return error;
    }
    out->entry = arch_map.kernel_base + ENTRY_64;
    out->end = end_of_need(&header, arch_map.kernel_base + bytes);
    out->initrd_limit = (uint64_t)header.initrd_addr_max + 1;
    out->command_line_limit = header.cmdline_size;
    memcpy(out->header, &header, sizeof(header));
    return check_need(image, vmm, out->end);
}
