/*
 * test_kernel.c: kernels as files: good ones, and each thing that can be wrong with one, with the
 * sentence that says so. What a good one becomes in memory: test_boot.c.
 */
#include <errno.h>

#include "kernel_files.h"
#include "vmm/kernel.h"

enum { MEMORY = 64 << 20 };

/* A field with a value that makes the file bad. */
struct wrong {
    size_t at;
    unsigned bytes;
    uint64_t value;
    const char *says;
};

/* One line that names the file and says what is expected of it. */
static void expect_sentence(const char *says)
{
    const char *sentence = vmm_error();

    if (!strstr(sentence, says)) {
        fail_msg("'%s' is not in: %s", says, sentence);
    }
    assert_non_null(strstr(sentence, "/proc/self/fd/"));
    assert_null(strchr(sentence, '\n'));
    assert_true(strlen(sentence) > 20);
}

static void expect_all_refused(void (*make)(struct file *), const struct wrong *table, size_t count)
{
    static struct file file;

    for (size_t i = 0; i < count; i++) {
        struct vmm vmm;
        guest_open(&vmm, MEMORY);
        make(&file);
        file_put(&file, table[i].at, table[i].value, table[i].bytes);
        if (file_load(&file, &vmm) >= 0) {
            fail_msg("number %zu was taken, and should be: %s", i, table[i].says);
        }
        expect_sentence(table[i].says);
        guest_close(&vmm);
    }
}

/* ---- ELF ---- */

static void elf_header_fields(void **state)
{
    static const struct wrong table[] = {
        { EI_CLASS, 1, ELFCLASS32, "another machine" },
        { EI_DATA, 1, ELFDATA2MSB, "another machine" },
        { EHDR(e_machine), 2, EM_AARCH64, "another machine" },
        { EHDR(e_type), 2, ET_REL, "none that can be run" },
        { EHDR(e_type), 2, ET_CORE, "none that can be run" },
        { EHDR(e_phentsize), 2, 55, "3 program headers of 55 bytes" },
        { EHDR(e_phnum), 2, 0, "0 program headers" },
        { EHDR(e_phnum), 2, 65, "65 program headers" },
        { EHDR(e_phnum), 2, 0xffff, "65535 program headers" },
        { EHDR(e_phoff), 8, UINT64_MAX, "cut off" },
        { EHDR(e_phoff), 8, UINT64_MAX - 56, "cut off" },
        { EHDR(e_phoff), 8, ELF_BYTES - 3 * 56 + 1, "cut off" },
        { EHDR(e_phoff), 8, 1ULL << 63, "cut off" },
    };
    (void)state;

    expect_all_refused(elf_make, table, sizeof(table) / sizeof(table[0]));
}

static void elf_segment_fields(void **state)
{
    static const struct wrong table[] = {
        { PHDR(0, p_offset), 8, UINT64_MAX, "cut off" },
        { PHDR(0, p_offset), 8, UINT64_MAX - 0xfff, "cut off" },
        { PHDR(0, p_offset), 8, ELF_BYTES, "cut off" },
        { PHDR(1, p_offset), 8, ELF_BYTES - 0x7ff, "cut off" },
        { PHDR(0, p_filesz), 8, 0x5001, "damaged" }, /* more than in memory */
        { PHDR(0, p_filesz), 8, UINT64_MAX, "damaged" },
        { PHDR(0, p_memsz), 8, 0xfff, "damaged" },
        { PHDR(0, p_memsz), 8, UINT64_MAX, "not free memory" },
        { PHDR(0, p_memsz), 8, MEMORY - ELF_FIRST + 1, "not free memory" },
        { PHDR(0, p_paddr), 8, 0, "not free memory" },
        { PHDR(0, p_paddr), 8, 0xfffff, "not free memory" },
        { PHDR(0, p_paddr), 8, MEMORY - 0x4fff, "not free memory" },
        { PHDR(0, p_paddr), 8, UINT64_MAX - 0xfff, "not free memory" },
        { PHDR(0, p_paddr), 8, 0xd0000000, "not free memory" },
        { PHDR(2, p_offset), 8, UINT64_MAX, "cut off" },
        { PHDR(2, p_offset), 8, ELF_BYTES - 4, "cut off" },
        { PHDR(2, p_filesz), 8, ELF_BYTES, "cut off" },
    };
    (void)state;

    expect_all_refused(elf_make, table, sizeof(table) / sizeof(table[0]));
}

static void elf_without_anything_to_load(void **state)
{
    static struct file file;
    struct vmm vmm;
    (void)state;

    guest_open(&vmm, MEMORY);
    elf_make(&file);
    file_put(&file, PHDR(0, p_type), PT_NULL, 4);
    file_put(&file, PHDR(1, p_memsz), 0, 8); /* and this one is empty */
    assert_int_equal(file_load(&file, &vmm), -EINVAL);
    expect_sentence("without anything to load");
    guest_close(&vmm);
}

/* Where a segment of zeroes alone would lie in the file means nothing: linkers put anything. */
static void elf_segment_that_is_not_in_the_file(void **state)
{
    static struct file file;
    struct vmm vmm;
    (void)state;

    guest_open(&vmm, MEMORY);
    elf_make(&file);
    file_put(&file, PHDR(1, p_filesz), 0, 8);
    file_put(&file, PHDR(1, p_offset), ELF_BYTES + 0x1000, 8);
    assert_int_equal(file_load(&file, &vmm), 0);
    guest_close(&vmm);
}

/* Linux's entry is virtual in some builds, and a note may say anything. */
static void elf_entry_outside_of_what_is_loaded(void **state)
{
    static const uint64_t entries[] = { 0, 0xfffff, ELF_SECOND + 0x800, 0xffffffff81000000 };
    static struct file file;
    (void)state;

    for (size_t i = 0; i < 2 * sizeof(entries) / sizeof(entries[0]); i++) {
        bool pvh = i % 2;
        struct vmm vmm;
        guest_open(&vmm, MEMORY);
        elf_make(&file);
        elf_put_note(&file, ELF_NOTES, "Xen", 18, &entries[i / 2], 8);
        file_put(&file, EHDR(e_entry), pvh ? ELF_ENTRY : entries[i / 2], 8);
        vmm.options.boot = pvh ? VMM_BOOT_AUTO : VMM_BOOT_LINUX;
        if (pvh && entries[i / 2] == 0) {
            assert_int_equal(file_load(&file, &vmm), 0); /* that means that there is none */
        } else {
            assert_int_equal(file_load(&file, &vmm), -EINVAL);
            expect_sentence("where nothing of it is loaded");
        }
        guest_close(&vmm);
    }
}

/* However short the file is: an error, and nothing of it behind the kernel's place. */
static void elf_cut_off_anywhere(void **state)
{
    static struct file file;
    struct vmm vmm;
    (void)state;

    guest_open(&vmm, MEMORY);
    elf_make(&file);
    for (size_t count = 1; count < 0x2800; count += count < 0x400 ? 1 : 0x7f) {
        file.count = count;
        assert_true(file_load(&file, &vmm) < 0);
        expect_sentence(count < 4 ? "no kernel" : "cut off");
    }
    file.count = 0x2800;
    assert_int_equal(file_load(&file, &vmm), 0);
    guest_close(&vmm);
}

/* ---- notes ---- */

static int load_elf(struct file *file, struct kernel *kernel)
{
    struct image image;
    struct vmm vmm;
    char path[32];
    int fd = file_open(file, path);

    guest_open(&vmm, MEMORY);
    assert_int_equal(image_open(&image, "kernel", path), 0);
    int result = elf_load(&image, &vmm, EM_X86_64, kernel);
    image_close(&image);
    guest_close(&vmm);
    close(fd);
    return result;
}

static void notes_are_found_and_bad_ones_passed_over(void **state)
{
    enum { GNU = ELF_NOTES, XEN = GNU + 24, PVH = XEN + 24, PVH_NAME = PVH + 12 };
    static const struct {
        size_t at;
        unsigned bytes;
        uint64_t value, entry;
    } table[] = {
        { 0, 0, 0, ELF_PVH },
        { PVH + 8, 4, 17, 0 },              /* another type */
        { PVH, 4, 3, 0 },                   /* another name */
        { PVH_NAME, 4, 0x6e6558, ELF_PVH }, /* the same one */
        { PVH_NAME, 4, 0x6f6558, 0 },
        { PVH + 4, 4, 3, 0 }, /* too short for an address */
        { PVH + 4, 4, 9, 0 }, /* too long */
        { PVH + 4, 4, UINT32_MAX, 0 },
        { PVH + 4, 4, UINT32_MAX - 3, 0 },
        { PVH, 4, UINT32_MAX, 0 },
        { GNU, 4, UINT32_MAX, 0 }, /* one before it leads nowhere */
        { GNU + 4, 4, UINT32_MAX, 0 },
        { GNU + 4, 4, 1000, 0 },
        { PHDR(2, p_filesz), 8, 0, 0 },
        { PHDR(2, p_filesz), 8, 11, 0 },
        { PHDR(2, p_filesz), 8, 21, 0 }, /* the first one, without what fills it up */
        { PHDR(2, p_filesz), 8, PVH + 12 - ELF_NOTES, 0 }, /* cut off within it */
        { PHDR(2, p_filesz), 8, PVH + 19 - ELF_NOTES, 0 },
        { PHDR(2, p_filesz), 8, PVH + 20 - ELF_NOTES, ELF_PVH }, /* just behind it */
        { PHDR(2, p_filesz), 8, 0x10001, 0 },                    /* absurdly many */
        { PHDR(2, p_type), 4, PT_NULL, 0 },
    };
    static struct file file;
    struct kernel kernel;
    (void)state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        elf_make(&file);
        file_put(&file, table[i].at, table[i].value, table[i].bytes);
        assert_int_equal(load_elf(&file, &kernel), 0);
        if (kernel.pvh_entry != table[i].entry) {
            fail_msg("number %zu has the entry 0x%llx", i, (unsigned long long)kernel.pvh_entry);
        }
        assert_int_equal(kernel.entry, ELF_ENTRY);
        assert_int_equal(kernel.end, ELF_SECOND + 0x800);
        assert_int_equal(kernel.initrd_limit, UINT64_MAX);
    }
}

static void pvh_entry_may_have_eight_bytes(void **state)
{
    static const uint64_t entry = ELF_PVH;
    static struct file file;
    struct kernel kernel;
    (void)state;

    elf_make(&file);
    size_t end = elf_put_note(&file, ELF_NOTES, "Xen", 18, &entry, sizeof(entry));
    file_put(&file, PHDR(2, p_filesz), end - ELF_NOTES, 8);
    assert_int_equal(load_elf(&file, &kernel), 0);
    assert_int_equal(kernel.pvh_entry, ELF_PVH);
}

/* ---- bzImage ---- */

static void bzimage_fields(void **state)
{
    static const struct wrong table[] = {
        { SETUP(boot_flag), 2, 0x55aa, "64-bit entry" },
        { SETUP(version), 2, 0x20b, "boot protocol 2.11" },
        { SETUP(version), 2, 0, "64-bit entry" },
        { SETUP(xloadflags), 2, 0xfffe, "64-bit entry" },
        { 0x201, 1, 0, "64-bit entry" }, /* a header so short that it has none of this */
        { 0x201, 1, 0x30, "64-bit entry" },
        { SETUP(setup_sects), 1, 255, "cut off" },
        { SETUP(setup_sects), 1, 9, "cut off" }, /* nothing behind it */
        { SETUP(setup_sects), 1, 8, "cut off" }, /* too little for an entry */
        { SETUP(init_size), 4, UINT32_MAX, "damaged" },
        { SETUP(init_size), 4, MEMORY - BZ_PREFERRED + 1, "at least 65 MiB" },
        { SETUP(pref_address), 8, MEMORY, "at least 65 MiB" },
        { SETUP(pref_address), 8, UINT64_MAX - BZ_INIT_SIZE, "damaged" },
        { SETUP(pref_address), 8, UINT64_MAX, "damaged" },
    };
    (void)state;

    expect_all_refused(bz_make, table, sizeof(table) / sizeof(table[0]));
}

static void bzimage_fields_that_are_taken(void **state)
{
    static const struct wrong table[] = {
        { 0x201, 1, 0xff, NULL },           /* a header longer than any we know */
        { SETUP(setup_sects), 1, 0, NULL }, /* means 4 */
        { SETUP(init_size), 4, 0, NULL },
        { SETUP(pref_address), 8, 0, NULL },
        { SETUP(init_size), 4, MEMORY - BZ_PREFERRED, NULL },
        { SETUP(version), 2, 0xffff, NULL }, /* of the future */
    };
    static struct file file;
    (void)state;

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        struct vmm vmm;
        guest_open(&vmm, MEMORY);
        bz_make(&file);
        file_put(&file, table[i].at, table[i].value, table[i].bytes);
        assert_int_equal(file_load(&file, &vmm), 0);
        assert_int_equal(vmm.start.entry, 0x100200);
        assert_int_equal(vmm.ram[0x100000], 0x33);
        guest_close(&vmm);
    }
}

static void bzimage_cut_off_anywhere(void **state)
{
    static struct file file;
    struct vmm vmm;
    (void)state;

    guest_open(&vmm, MEMORY);
    bz_make(&file);
    for (size_t count = 0x1f0; count <= BZ_SETUP + 0x200; count++) {
        file.count = count;
        assert_true(file_load(&file, &vmm) < 0);
        expect_sentence(count < 0x206 ? "no kernel" : "cut off");
    }
    file.count = BZ_SETUP + 0x201;
    assert_int_equal(file_load(&file, &vmm), 0);
    guest_close(&vmm);
}

static void bzimage_larger_than_memory(void **state)
{
    static struct file file;
    struct vmm vmm;
    (void)state;

    guest_open(&vmm, (1 << 20) + BZ_PACKED);
    bz_make(&file);
    file_put(&file, SETUP(pref_address), 0, 8);
    file_put(&file, SETUP(init_size), 0, 4);
    assert_int_equal(file_load(&file, &vmm), 0);
    file.count += 1;
    assert_int_equal(file_load(&file, &vmm), -ENOMEM);
    expect_sentence("--memory");
    guest_close(&vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elf_header_fields),
        cmocka_unit_test(elf_segment_fields),
        cmocka_unit_test(elf_without_anything_to_load),
        cmocka_unit_test(elf_segment_that_is_not_in_the_file),
        cmocka_unit_test(elf_entry_outside_of_what_is_loaded),
        cmocka_unit_test(elf_cut_off_anywhere),
        cmocka_unit_test(notes_are_found_and_bad_ones_passed_over),
        cmocka_unit_test(pvh_entry_may_have_eight_bytes),
        cmocka_unit_test(bzimage_fields),
        cmocka_unit_test(bzimage_fields_that_are_taken),
        cmocka_unit_test(bzimage_cut_off_anywhere),
        cmocka_unit_test(bzimage_larger_than_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
