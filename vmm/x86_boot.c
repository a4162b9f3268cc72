/*
 * x86_boot.c: what a kernel is handed when it begins: by Linux's 64-bit boot protocol (boot_params,
 * long mode) or by Xen's PVH protocol (start_info, 32-bit mode). Both say where memory, command
 * line, initrd and ACPI tables are.
 */
#include <asm/bootparam.h>
#include <errno.h>
#include <string.h>

#include "arch.h"
#include "error.h"
#include "kernel.h"
#include "machine.h"
#include "x86.h"

enum { TYPE_RAM = 1, TYPE_RESERVED = 2, RANGES_MAX = 4, LOADER_UNDEFINED = 0xff };

/* ---- the map of memory ---- */

struct range {
    uint64_t base, bytes;
    uint32_t type;
};

static unsigned memory_map(const struct vmm *vmm, struct range ranges[RANGES_MAX])
{
    unsigned count = 0;

    ranges[count++] = (struct range){ 0, X86_LOW_END, TYPE_RAM };
    ranges[count++] = (struct range){ X86_LOW_END, X86_KERNEL - X86_LOW_END, TYPE_RESERVED };
    ranges[count++] = (struct range){ X86_KERNEL, vmm->parts[0].bytes - X86_KERNEL, TYPE_RAM };
    if (vmm->part_count > 1) {
        ranges[count++] = (struct range){ vmm->parts[1].gpa, vmm->parts[1].bytes, TYPE_RAM };
    }
    return count;
}

/* ---- Linux's 64-bit boot protocol ---- */

/* The first 4 GiB at their own addresses, in pages of 2 MiB. */
static void write_page_tables(struct vmm *vmm)
{
    enum { ENTRIES = 512, GIBS = 4, TABLE = 4096, PRESENT_WRITE = 3, LARGE = 0x80 };
    uint64_t *tables = memory_at(vmm, X86_PAGE_TABLES, (2 + GIBS) * TABLE);
    uint64_t *top = tables, *gibs = tables + ENTRIES, *pages = tables + 2 * ENTRIES;

    memset(tables, 0, (2 + GIBS) * TABLE);
    top[0] = (X86_PAGE_TABLES + TABLE) | PRESENT_WRITE;
    for (unsigned i = 0; i < GIBS; i++) {
        gibs[i] = (X86_PAGE_TABLES + (2 + i) * (uint64_t)TABLE) | PRESENT_WRITE;
    }
    for (uint64_t i = 0; i < GIBS * ENTRIES; i++) {
        pages[i] = i << 21 | LARGE | PRESENT_WRITE;
    }
}

int x86_boot_linux(struct vmm *vmm, const struct kernel *kernel, const struct x86_initrd *initrd)
{
    struct boot_params *params = memory_at(vmm, X86_BOOT_PARAMS, sizeof(*params));
    struct range ranges[RANGES_MAX];
    unsigned count = memory_map(vmm, ranges);

    memset(params, 0, sizeof(*params));
    memcpy(&params->hdr, kernel->header, sizeof(params->hdr));
    params->hdr.type_of_loader = LOADER_UNDEFINED;
    params->hdr.boot_flag = 0xaa55;
    memcpy(&params->hdr.header, "HdrS", 4);
    params->hdr.cmd_line_ptr = X86_COMMAND_LINE;
    params->hdr.ramdisk_image = (uint32_t)initrd->gpa; /* below 4 GiB: in the first part */
    params->hdr.ramdisk_size = (uint32_t)initrd->bytes;
    params->acpi_rsdp_addr = X86_ACPI;
    params->e820_entries = (uint8_t)count;
    for (unsigned i = 0; i < count; i++) {
        params->e820_table[i].addr = ranges[i].base;
        params->e820_table[i].size = ranges[i].bytes;
        params->e820_table[i].type = ranges[i].type;
    }
    write_page_tables(vmm);
    vmm->start = (struct vmm_start_state){ .entry = kernel->entry,
                                           .argument = X86_BOOT_PARAMS,
                                           .protocol = X86_LINUX_64 };
    return 0;
}

/* ---- Xen's PVH protocol: xen/include/public/arch-x86/hvm/start_info.h ---- */

struct pvh_info {
    uint32_t magic, version, flags, module_count;
    uint64_t modules, command_line, rsdp, memory_map;
    uint32_t memory_map_count, reserved;
};

struct pvh_module {
    uint64_t base, bytes, command_line, reserved;
};

struct pvh_range {
    uint64_t base, bytes;
    uint32_t type, reserved;
};

/* All of it in one page: the info, the one module, the ranges. */
struct pvh_page {
    struct pvh_info info;
    struct pvh_module initrd;
    struct pvh_range ranges[RANGES_MAX];
};

_Static_assert(sizeof(struct pvh_info) == 56, "start_info as version 1 lays it out");
_Static_assert(X86_PVH_INFO + sizeof(struct pvh_page) <= X86_BOOT_PARAMS, "it fits");

int x86_boot_pvh(struct vmm *vmm, const struct kernel *kernel, const struct x86_initrd *initrd)
{
    enum { MAGIC = 0x336ec578, VERSION = 1 };
    struct pvh_page *page = memory_at(vmm, X86_PVH_INFO, sizeof(*page));
    struct range ranges[RANGES_MAX];

    memset(page, 0, sizeof(*page));
    page->info.magic = MAGIC;
    page->info.version = VERSION;
    page->info.command_line = X86_COMMAND_LINE;
    page->info.rsdp = X86_ACPI;
    if (initrd->bytes > 0) {
        page->info.module_count = 1;
        page->info.modules = X86_PVH_INFO + offsetof(struct pvh_page, initrd);
        page->initrd.base = initrd->gpa;
        page->initrd.bytes = initrd->bytes;
    }
    page->info.memory_map = X86_PVH_INFO + offsetof(struct pvh_page, ranges);
    page->info.memory_map_count = memory_map(vmm, ranges);
    for (unsigned i = 0; i < page->info.memory_map_count; i++) {
        page->ranges[i] = (struct pvh_range){ ranges[i].base, ranges[i].bytes, ranges[i].type, 0 };
    }
    vmm->start = (struct vmm_start_state){ .entry = kernel->pvh_entry,
                                           .argument = X86_PVH_INFO,
                                           .protocol = X86_PVH };
    return 0;
}
