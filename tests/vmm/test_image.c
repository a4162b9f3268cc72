/*
 * test_image.c: what the user names and it is no kernel, no initrd, or does not fit: each with the
 * sentence that tells what to do. What is wrong inside of a kernel: test_kernel.c.
 */
#include <errno.h>

#include "kernel_files.h"

enum { MEMORY = 64 << 20 };

static struct file good_elf, good_bz;
static char place[] = "/tmp/tn.XXXXXX";

static int enter_directory(void **state)
{
    (void)state;
    elf_make(&good_elf);
    bz_make(&good_bz);
    return mkdtemp(place) && chdir(place) == 0 ? 0 : -1;
}

static int leave_directory(void **state)
{
    (void)state;
    return system("rm -rf \"$PWD\"");
}

static void save(const char *name, const void *bytes, size_t count)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, count), (ssize_t)count);
    close(fd);
}

static void expect(int result, int error, const char *says, const char *also)
{
    const char *sentence = vmm_error();

    assert_int_equal(result, error);
    if (!strstr(sentence, says) || !strstr(sentence, also)) {
        fail_msg("'%s' and '%s' are not in: %s", says, also, sentence);
    }
}

/* Each is tried as kernel and as initrd. */
static void files_that_are_none(void **state)
{
    static const struct {
        const char *name, *says;
        int error;
    } table[] = {
        { "missing", "No such file", -ENOENT },         { "empty", "is empty", -EINVAL },
        { "directory", "is a directory", -EINVAL },     { "fifo", "is no regular file", -EINVAL },
        { "/dev/null", "is no regular file", -EINVAL }, { "", "No such file", -ENOENT },
    };
    struct vmm vmm;
    (void)state;

    save("empty", "", 0);
    mkdir("directory", 0700);
    mkfifo("fifo", 0600);
    save("kernel", good_elf.bytes, good_elf.count);
    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        guest_open(&vmm, MEMORY);
        vmm.options.kernel = table[i].name;
        expect(arch_load(&vmm), table[i].error, table[i].says, "kernel");
        vmm.options.kernel = "kernel";
        vmm.options.initrd = table[i].name;
        expect(arch_load(&vmm), table[i].error, table[i].says, "initrd");
        assert_non_null(strstr(vmm_error(), table[i].name));
        guest_close(&vmm);
    }
}

static void files_of_another_kind(void **state)
{
    struct vmm vmm;
    (void)state;

    guest_open(&vmm, MEMORY);
    save("text", "#!/bin/sh\n", 10);
    save("short", "EL", 2);
    vmm.options.kernel = "text";
    expect(arch_load(&vmm), -EINVAL, "text is no kernel", "vmlinuz");
    vmm.options.kernel = "short";
    expect(arch_load(&vmm), -EINVAL, "short is no kernel", "vmlinuz");
    guest_close(&vmm);
}

static void no_descriptor_is_left_open(void **state)
{
    struct vmm vmm;
    (void)state;

    save("kernel", good_elf.bytes, good_elf.count);
    int before = dup(0);
    guest_open(&vmm, MEMORY);
    for (unsigned i = 0; i < 4; i++) {
        static const char *const kernels[] = { "kernel", "text", "empty", "directory" };
        vmm.options.kernel = kernels[i];
        vmm.options.initrd = i % 2 ? NULL : "directory";
        assert_true(arch_load(&vmm) < 0);
    }
    vmm.options.kernel = "kernel";
    vmm.options.initrd = "kernel";
    assert_int_equal(arch_load(&vmm), 0);
    guest_close(&vmm);
    int after = dup(0);
    assert_int_equal(after, before + 1);
    close(before);
    close(after);
}

static void memory_too_small_for_anything(void **state)
{
    struct vmm vmm;
    (void)state;

    save("kernel", good_elf.bytes, good_elf.count);
    guest_open(&vmm, 0xff000);
    vmm.options.kernel = "kernel";
    expect(arch_load(&vmm), -ENOMEM, "1020 KiB", "--memory");
    guest_close(&vmm);
}

/* ---- the initrd ---- */

static int load_with_initrd(const struct file *kernel, uint64_t memory, uint64_t bytes)
{
    struct vmm vmm;

    save("kernel", kernel->bytes, kernel->count);
    save("initrd", "x", 1);
    assert_int_equal(truncate("initrd", (off_t)bytes), 0);
    guest_open(&vmm, memory);
    vmm.options.kernel = "kernel";
    vmm.options.initrd = "initrd";
    int result = arch_load(&vmm);
    guest_close(&vmm);
    return result;
}

static void initrd_that_does_not_fit(void **state)
{
    /* from the page behind the kernel's last segment to the end of memory */
    const uint64_t most = MEMORY - (ELF_SECOND + 0x1000);
    struct file low = good_bz;
    (void)state;

    assert_int_equal(load_with_initrd(&good_elf, MEMORY, most), 0);
    expect(load_with_initrd(&good_elf, MEMORY, most + 1), -ENOMEM, "60 MiB", "--memory");
    expect(load_with_initrd(&good_elf, MEMORY, 1ULL << 40), -ENOMEM, "1048576 MiB", "--memory");
    /* a kernel that wants its initrd below an address */
    file_put(&low, SETUP(initrd_addr_max), BZ_PREFERRED + BZ_INIT_SIZE + 0xfff, 4);
    assert_int_equal(load_with_initrd(&low, MEMORY, 0x1000), 0);
    expect(load_with_initrd(&low, MEMORY, 0x1001), -ENOMEM, "initrd", "0 MiB");
    file_put(&low, SETUP(initrd_addr_max), 0, 4);
    expect(load_with_initrd(&low, MEMORY, 1), -ENOMEM, "initrd", "0 MiB");
}

/* ---- the command line ---- */

static int load_with_line(const struct file *kernel, size_t bytes)
{
    char *line = malloc(bytes + 1);
    struct vmm vmm;

    memset(line, 'x', bytes);
    line[bytes] = 0;
    save("kernel", kernel->bytes, kernel->count);
    guest_open(&vmm, MEMORY);
    guest_set_command_line(&vmm, line);
    vmm.options.kernel = "kernel";
    int result = arch_load(&vmm);
    if (result == 0) {
        assert_string_equal((char *)vmm.ram + 0x20000, line);
    }
    guest_close(&vmm);
    free(line);
    return result;
}

static void command_line_that_is_too_long(void **state)
{
    struct file other = good_bz;
    (void)state;

    assert_int_equal(load_with_line(&good_elf, 0), 0);
    assert_int_equal(load_with_line(&good_elf, 2047), 0);
    expect(load_with_line(&good_elf, 2048), -EINVAL, "2048", "2047");
    assert_int_equal(load_with_line(&good_bz, BZ_COMMAND_LINE), 0);
    expect(load_with_line(&good_bz, BZ_COMMAND_LINE + 1), -EINVAL, "2048", "2047");
    file_put(&other, SETUP(cmdline_size), 99, 4);
    assert_int_equal(load_with_line(&other, 99), 0);
    expect(load_with_line(&other, 100), -EINVAL, "100", "99");
    /* a kernel that takes any: what is behind the line must stay what it is */
    file_put(&other, SETUP(cmdline_size), UINT32_MAX, 4);
    assert_int_equal(load_with_line(&other, 70000), 0);
}

/* The user has typed a short one, and does not know what was added. */
static void command_line_that_the_windows_make_too_long(void **state)
{
    char line[3000];
    struct vmm vmm;
    (void)state;

    memset(line, 'x', sizeof(line));
    line[sizeof(line) - 1] = 0;
    save("kernel", good_elf.bytes, good_elf.count);
    guest_open(&vmm, MEMORY);
    guest_set_command_line(&vmm, line);
    vmm.options.windows_in_command_line = true;
    vmm.options.kernel = "kernel";
    expect(arch_load(&vmm), -EINVAL, "words for the disks", "--devices acpi");
    guest_close(&vmm);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(files_of_another_kind),
        cmocka_unit_test(no_descriptor_is_left_open),
        cmocka_unit_test(memory_too_small_for_anything),
        cmocka_unit_test(initrd_that_does_not_fit),
        cmocka_unit_test(command_line_that_is_too_long),
        cmocka_unit_test(command_line_that_the_windows_make_too_long),
    };
    return cmocka_run_group_tests(tests, enter_directory, leave_directory);
}
