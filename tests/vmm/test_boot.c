/*
 * test_boot.c: what a kernel finds in memory when it begins: itself, its command line, its initrd,
 * the map of memory, and page tables; by Linux's 64-bit boot protocol and by PVH, and read by the
 * offsets that those documents give.
 */
#include "kernel_files.h"
#include "vmm/x86.h"

#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

enum { RAM = 1, RESERVED = 2 };

struct map {
    unsigned count;
    struct {
        uint64_t base, bytes;
        unsigned type;
    } ranges[4];
};

static const struct {
    uint64_t memory;
    struct map map;
} machines[] = {
    { 64 * MIB,
      { 3,
        { { 0, 0x9fc00, RAM },
          { 0x9fc00, 0x100000 - 0x9fc00, RESERVED },
          { MIB, 63 * MIB, RAM } } } },
    { 3 * GIB,
      { 3,
        { { 0, 0x9fc00, RAM },
          { 0x9fc00, 0x100000 - 0x9fc00, RESERVED },
          { MIB, 3 * GIB - MIB, RAM } } } },
    { 3 * GIB + MIB,
      { 4,
        { { 0, 0x9fc00, RAM },
          { 0x9fc00, 0x100000 - 0x9fc00, RESERVED },
          { MIB, 3 * GIB - MIB, RAM },
          { 4 * GIB, MIB, RAM } } } },
    { 8 * GIB,
      { 4,
        { { 0, 0x9fc00, RAM },
          { 0x9fc00, 0x100000 - 0x9fc00, RESERVED },
          { MIB, 3 * GIB - MIB, RAM },
          { 4 * GIB, 5 * GIB, RAM } } } },
};

enum { MACHINES = sizeof(machines) / sizeof(machines[0]) };

/* Guest memory; all of what is asked for has to be there. */
static uint64_t peek(const struct vmm *vmm, uint64_t gpa, unsigned bytes)
{
    const void *at = memory_at(vmm, gpa, bytes);
    uint64_t value = 0;

    assert_non_null(at);
    memcpy(&value, at, bytes);
    return value;
}

static void expect_bytes(const struct vmm *vmm, uint64_t gpa, uint8_t value, uint64_t count)
{
    const uint8_t *at = memory_at(vmm, gpa, count);

    assert_non_null(at);
    for (uint64_t i = 0; i < count; i++) {
        if (at[i] != value) {
            fail_msg("0x%llx holds %02x and not %02x", (unsigned long long)(gpa + i), at[i], value);
        }
    }
}

/* ---- Linux's protocol ---- */

enum { PARAMS = X86_BOOT_PARAMS };

static void check_e820(const struct vmm *vmm, const struct map *map)
{
    assert_int_equal(peek(vmm, PARAMS + 0x1e8, 1), map->count);
    for (unsigned i = 0; i < map->count; i++) {
        uint64_t at = PARAMS + 0x2d0 + 20 * i;
        assert_int_equal(peek(vmm, at, 8), map->ranges[i].base);
        assert_int_equal(peek(vmm, at + 8, 8), map->ranges[i].bytes);
        assert_int_equal(peek(vmm, at + 16, 4), map->ranges[i].type);
    }
}

static void check_boot_params(const struct vmm *vmm, const struct map *map)
{
    assert_int_equal(vmm->start.argument, PARAMS);
    assert_int_equal(vmm->start.protocol, X86_LINUX_64);
    assert_int_equal(peek(vmm, PARAMS + 0x1fe, 2), 0xaa55);
    assert_int_equal(peek(vmm, PARAMS + 0x202, 4), 0x53726448);
    assert_int_equal(peek(vmm, PARAMS + 0x210, 1), 0xff); /* a loader without a number */
    assert_int_equal(peek(vmm, PARAMS + 0x228, 4), 0x20000);
    assert_string_equal((char *)vmm->ram + 0x20000, "console=ttyS0");
    assert_int_equal(peek(vmm, PARAMS + 0x70, 8), 0xe0000);
    assert_int_equal(peek(vmm, 0xe0000, 8), 0x2052545020445352); /* RSD PTR */
    assert_int_equal(peek(vmm, PARAMS + 0x1ef, 1), 0);           /* the sentinel: all is ours */
    /* where a reset by the BIOS ends: mov dx, 0xcf9; mov al, 6; out dx, al */
    assert_memory_equal(memory_at(vmm, 0xffff0, 6), "\xba\xf9\x0c\xb0\x06\xee", 6);
    check_e820(vmm, map);
}

static void check_page_tables(const struct vmm *vmm)
{
    uint64_t top = X86_PAGE_TABLES;

    for (uint64_t address = 0; address < 4 * GIB; address += 0x1fffff) {
        uint64_t entry = peek(vmm, top + 8 * (address >> 39 & 511), 8);
        assert_int_equal(entry & 0xfff, 3);
        entry = peek(vmm, (entry & ~0xfffULL) + 8 * (address >> 30 & 511), 8);
        assert_int_equal(entry & 0xfff, 3);
        entry = peek(vmm, (entry & ~0xfffULL) + 8 * (address >> 21 & 511), 8);
        assert_int_equal(entry & 0xfff, 0x83); /* a page of 2 MiB */
        assert_int_equal((entry & ~0x1fffffULL) + (address & 0x1fffff), address);
    }
    for (unsigned i = 1; i < 512; i++) {
        assert_int_equal(peek(vmm, top + 8 * i, 8), 0);
    }
}

static void elf_by_linux_protocol(void **state)
{
    static struct file file;
    (void)state;

    elf_make(&file);
    for (unsigned i = 0; i < MACHINES; i++) {
        struct vmm vmm;
        guest_open(&vmm, machines[i].memory);
        vmm.options.boot = VMM_BOOT_LINUX;
        assert_int_equal(file_load(&file, &vmm), 0);
        assert_int_equal(vmm.start.entry, ELF_ENTRY);
        check_boot_params(&vmm, &machines[i].map);
        check_page_tables(&vmm);
        assert_int_equal(peek(&vmm, PARAMS + 0x218, 8), 0); /* no initrd */
        guest_close(&vmm);
    }
}

static void elf_segments_are_where_they_belong(void **state)
{
    static struct file file;
    struct vmm vmm;
    (void)state;

    elf_make(&file);
    guest_open(&vmm, 64 * MIB);
    assert_int_equal(file_load(&file, &vmm), 0);
    expect_bytes(&vmm, X86_KERNEL, 0, ELF_FIRST - X86_KERNEL);
    expect_bytes(&vmm, ELF_FIRST, 0x11, 0x1000);
    expect_bytes(&vmm, ELF_FIRST + 0x1000, 0, ELF_SECOND - ELF_FIRST - 0x1000);
    expect_bytes(&vmm, ELF_SECOND, 0x22, 0x800);
    expect_bytes(&vmm, ELF_SECOND + 0x800, 0, 64 * MIB - ELF_SECOND - 0x800);
    guest_close(&vmm);
}

/* A segment above 4 GiB is memory like any other. */
static void elf_segment_in_high_memory(void **state)
{
    static struct file file;
    struct vmm vmm;
    (void)state;

    elf_make(&file);
    file_put(&file, PHDR(1, p_paddr), 5 * GIB, 8);
    guest_open(&vmm, 8 * GIB);
    assert_int_equal(file_load(&file, &vmm), 0);
    expect_bytes(&vmm, 5 * GIB, 0x22, 0x800);
    guest_close(&vmm);
}

static void bzimage_by_linux_protocol(void **state)
{
    static struct file file;
    (void)state;

    bz_make(&file);
    for (unsigned i = 0; i < MACHINES; i++) {
        struct vmm vmm;
        guest_open(&vmm, machines[i].memory);
        assert_int_equal(file_load(&file, &vmm), 0);
        assert_int_equal(vmm.start.entry, 0x100200);
        check_boot_params(&vmm, &machines[i].map);
        expect_bytes(&vmm, 0x100000, 0x33, BZ_PACKED);
        /* what the kernel says of itself, it finds again */
        assert_int_equal(peek(&vmm, PARAMS + 0x206, 2), 0x20f);
        assert_int_equal(peek(&vmm, PARAMS + 0x230, 4), 0x200000);
        assert_int_equal(peek(&vmm, PARAMS + 0x238, 4), BZ_COMMAND_LINE);
        assert_int_equal(peek(&vmm, PARAMS + 0x258, 8), BZ_PREFERRED);
        assert_int_equal(peek(&vmm, PARAMS + 0x260, 4), BZ_INIT_SIZE);
        guest_close(&vmm);
    }
}

/* Of a header longer than ours nothing gets behind its place: the rest of the page is e820. */
static void bzimage_with_a_header_of_the_future(void **state)
{
    static struct file file;
    struct vmm vmm;
    (void)state;

    bz_make(&file);
    file.bytes[0x201] = 0xff;
    memset(file.bytes + 0x1f1 + sizeof(struct setup_header), 0xee, 0x80);
    guest_open(&vmm, 64 * MIB);
    assert_int_equal(file_load(&file, &vmm), 0);
    check_boot_params(&vmm, &machines[0].map);
    expect_bytes(&vmm, PARAMS + 0x1f1 + sizeof(struct setup_header), 0,
                 0x290 - 0x1f1 - sizeof(struct setup_header));
    guest_close(&vmm);
}

/* ---- PVH ---- */

static void check_start_info(const struct vmm *vmm, const struct map *map)
{
    uint64_t info = vmm->start.argument, ranges = peek(vmm, info + 40, 8);

    assert_int_equal(vmm->start.protocol, X86_PVH);
    assert_int_equal(vmm->start.entry, ELF_PVH);
    assert_int_equal(peek(vmm, info, 4), 0x336ec578);
    assert_int_equal(peek(vmm, info + 4, 4), 1);
    assert_int_equal(peek(vmm, info + 8, 4), 0);
    assert_int_equal(peek(vmm, info + 24, 8), 0x20000);
    assert_int_equal(peek(vmm, info + 32, 8), 0xe0000);
    assert_int_equal(peek(vmm, info + 48, 4), map->count);
    for (unsigned i = 0; i < map->count; i++) {
        assert_int_equal(peek(vmm, ranges + 24 * i, 8), map->ranges[i].base);
        assert_int_equal(peek(vmm, ranges + 24 * i + 8, 8), map->ranges[i].bytes);
        assert_int_equal(peek(vmm, ranges + 24 * i + 16, 8), map->ranges[i].type);
    }
    assert_string_equal((char *)vmm->ram + 0x20000, "console=ttyS0");
}

static void elf_by_pvh(void **state)
{
    static const enum vmm_boot boots[] = { VMM_BOOT_AUTO, VMM_BOOT_PVH };
    static struct file file;
    (void)state;

    elf_make(&file);
    for (unsigned i = 0; i < 2 * MACHINES; i++) {
        struct vmm vmm;
        guest_open(&vmm, machines[i / 2].memory);
        vmm.options.boot = boots[i % 2];
        assert_int_equal(file_load(&file, &vmm), 0);
        check_start_info(&vmm, &machines[i / 2].map);
        assert_int_equal(peek(&vmm, vmm.start.argument + 12, 4), 0); /* no initrd */
        assert_int_equal(peek(&vmm, vmm.start.argument + 16, 8), 0);
        guest_close(&vmm);
    }
}

static void without_that_entry_pvh_is_left_out_or_refused(void **state)
{
    static struct file elf, bz;
    struct vmm vmm;
    (void)state;

    elf_make(&elf);
    bz_make(&bz);
    file_put(&elf, PHDR(2, p_type), PT_NULL, 4);
    guest_open(&vmm, 64 * MIB);
    assert_int_equal(file_load(&elf, &vmm), 0);
    assert_int_equal(vmm.start.protocol, X86_LINUX_64);
    vmm.options.boot = VMM_BOOT_PVH;
    assert_int_equal(file_load(&elf, &vmm), -22);
    assert_non_null(strstr(vmm_error(), "no PVH entry"));
    assert_int_equal(file_load(&bz, &vmm), -22);
    assert_non_null(strstr(vmm_error(), "no PVH entry"));
    guest_close(&vmm);
}

/* ---- the initrd ---- */

/* Where it came to lie, by either protocol. */
static void check_initrd(const struct vmm *vmm, uint64_t gpa, uint64_t bytes)
{
    if (vmm->start.protocol == X86_PVH) {
        uint64_t info = vmm->start.argument, module = peek(vmm, info + 16, 8);
        assert_int_equal(peek(vmm, info + 12, 4), 1);
        assert_int_equal(peek(vmm, module, 8), gpa);
        assert_int_equal(peek(vmm, module + 8, 8), bytes);
        assert_int_equal(peek(vmm, module + 16, 8), 0);
    } else {
        assert_int_equal(peek(vmm, PARAMS + 0x218, 4), gpa);
        assert_int_equal(peek(vmm, PARAMS + 0x21c, 4), bytes);
    }
    assert_int_equal(gpa % 4096, 0);
    expect_bytes(vmm, gpa, 0x77, bytes);
}

static void initrd_lies_as_high_as_it_may(void **state)
{
    enum { BYTES = 0x2345 };
    static struct file initrd, kernel;
    (void)state;

    initrd.count = BYTES;
    memset(initrd.bytes, 0x77, BYTES);
    for (unsigned i = 0; i < 3 * MACHINES; i++) {
        uint64_t memory = machines[i / 3].memory, top = memory < 3 * GIB ? memory : 3 * GIB;
        char path[32];
        int fd = file_open(&initrd, path);
        struct vmm vmm;
        guest_open(&vmm, memory);
        vmm.options.initrd = path;
        vmm.options.boot = i % 3 == 1 ? VMM_BOOT_LINUX : VMM_BOOT_AUTO;
        if (i % 3 == 2) {
            bz_make(&kernel);
            top = top < 2 * GIB ? top : 2 * GIB; /* its initrd_addr_max */
        } else {
            elf_make(&kernel);
        }
        assert_int_equal(file_load(&kernel, &vmm), 0);
        check_initrd(&vmm, (top - BYTES) & ~4095ULL, BYTES);
        guest_close(&vmm);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elf_by_linux_protocol),
        cmocka_unit_test(elf_segments_are_where_they_belong),
        cmocka_unit_test(elf_segment_in_high_memory),
        cmocka_unit_test(bzimage_by_linux_protocol),
        cmocka_unit_test(bzimage_with_a_header_of_the_future),
        cmocka_unit_test(elf_by_pvh),
        cmocka_unit_test(without_that_entry_pvh_is_left_out_or_refused),
        cmocka_unit_test(initrd_lies_as_high_as_it_may),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
