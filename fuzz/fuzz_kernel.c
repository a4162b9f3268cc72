/*
 * fuzz_kernel.c: kernel files for `tenon run`, from the file to what the first processor would be
 * given: everything in them is from somebody else.
 *
 *   input: one byte of choices, the file ──memfd──> arch_load ──> guest memory, in two parts
 *
 * Claims: nothing outside of guest memory is touched (each part stands between guard pages), and
 * below 1 MiB nothing but the tables that the machine writes; an error has one sentence; after
 * success the entry lies in the kernel's memory, and the initrd lies whole, page by page, behind
 * the kernel, and holds what its file holds.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "input.h"
#include "vmm/arch.h"
#include "vmm/machine.h"
#include "vmm/x86.h"

enum { PAGE = 4096, LOW_BYTES = 4 << 20, HIGH_BYTES = 64 * PAGE, INITRD_BYTES = 5000 };
enum { CHOICE_BOOT = 3, CHOICE_INITRD = 4, CHOICE_HIGH = 8 };

/*
 * Memory between pages that have to stay zero, and behind those pages that cannot be touched at
 * all: to a system call that fills memory these are no crash but an error, which could pass.
 */
static uint8_t *guarded(size_t bytes)
{
    uint8_t *at = mmap(NULL, bytes + 4 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    FUZZ_CHECK(at != MAP_FAILED);
    FUZZ_CHECK(mprotect(at + PAGE, bytes + 2 * PAGE, PROT_READ | PROT_WRITE) == 0);
    return at + 2 * PAGE;
}

static void expect_zero_at(const uint8_t *at, uint64_t bytes)
{
    static const uint8_t zeroes[PAGE];

    FUZZ_CHECK(memcmp(at, zeroes, bytes) == 0);
}

static void check_guards(const struct vmm *vmm)
{
    for (unsigned i = 0; i < vmm->part_count; i++) {
        expect_zero_at(vmm->parts[i].host - PAGE, PAGE);
        expect_zero_at(vmm->parts[i].host + vmm->parts[i].bytes, PAGE);
    }
}

static void expect_zero(const struct vmm *vmm, uint64_t from, uint64_t to)
{
    for (; from < to; from += PAGE) {
        expect_zero_at(vmm->parts[0].host + from, to - from < PAGE ? to - from : PAGE);
    }
}

/* What no table of the machine lies in. */
static void check_low_memory(const struct vmm *vmm)
{
    expect_zero(vmm, 0, X86_PVH_INFO);
    expect_zero(vmm, X86_BOOT_PARAMS + PAGE, X86_PAGE_TABLES);
    expect_zero(vmm, X86_PAGE_TABLES + 6 * PAGE, X86_COMMAND_LINE);
    expect_zero(vmm, X86_COMMAND_LINE + PAGE, X86_ACPI);
    expect_zero(vmm, X86_ACPI + PAGE, X86_ACPI_END);
}

static uint64_t peek(const struct vmm *vmm, uint64_t gpa, unsigned bytes)
{
    uint64_t value = 0;
    const void *at = memory_at(vmm, gpa, bytes);

    FUZZ_CHECK(at);
    memcpy(&value, at, bytes);
    return value;
}

static void check_initrd(const struct vmm *vmm)
{
    bool pvh = vmm->start.protocol == X86_PVH;
    uint64_t module = pvh ? peek(vmm, X86_PVH_INFO + 16, 8) : 0;
    uint64_t gpa = pvh ? peek(vmm, module, 8) : peek(vmm, X86_BOOT_PARAMS + 0x218, 4);
    uint64_t bytes = pvh ? peek(vmm, module + 8, 8) : peek(vmm, X86_BOOT_PARAMS + 0x21c, 4);
    const uint8_t *at = memory_at(vmm, gpa, bytes);

    FUZZ_CHECK(bytes == INITRD_BYTES && at && gpa % PAGE == 0 && gpa >= X86_KERNEL);
    FUZZ_CHECK(gpa > vmm->start.entry);
    for (uint64_t i = 0; i < bytes; i++) {
        FUZZ_CHECK(at[i] == 0x77);
    }
}

static void check_result(const struct vmm *vmm, int result)
{
    const char *sentence = vmm_error();

    check_guards(vmm);
    check_low_memory(vmm);
    if (result < 0) {
        FUZZ_CHECK(result > -4096 && strlen(sentence) > 10 && !strchr(sentence, '\n'));
        return;
    }
    FUZZ_CHECK(result == 0 && vmm->start.entry >= X86_KERNEL);
    FUZZ_CHECK(peek(vmm, X86_ACPI, 4) == 0x20445352); /* "RSD " */
    if (vmm->options.initrd) {
        check_initrd(vmm);
    }
}

/* A file without a name; `path` is how to open it. */
static int make_file(const void *bytes, size_t count, char path[32])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    FUZZ_CHECK(fd >= 0 && write(fd, bytes, count) == (ssize_t)count);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static const enum vmm_boot boots[] = { VMM_BOOT_AUTO, VMM_BOOT_PVH, VMM_BOOT_LINUX,
                                           VMM_BOOT_AUTO };
    static uint8_t *low, *high, initrd[INITRD_BYTES];
    static char line[] = "console=ttyS0";
    char kernel_path[32], initrd_path[32];
    struct vmm vmm = { .command_line = line };

    if (bytes == 0) {
        return 0;
    }
    low = low ? low : guarded(LOW_BYTES);
    high = high ? high : guarded(HIGH_BYTES);
    vmm.parts[vmm.part_count++] = (struct vmm_ram){ 0, LOW_BYTES, low };
    if (data[0] & CHOICE_HIGH) {
        vmm.parts[vmm.part_count++] = (struct vmm_ram){ arch_map.hole_end, HIGH_BYTES, high };
    }
    memset(initrd, 0x77, sizeof(initrd));
    int kernel_fd = make_file(data + 1, bytes - 1, kernel_path);
    int initrd_fd = make_file(initrd, sizeof(initrd), initrd_path);
    vmm.options = (struct vmm_options){ .kernel = kernel_path,
                                        .initrd = data[0] & CHOICE_INITRD ? initrd_path : NULL,
                                        .command_line = line,
                                        .boot = boots[data[0] & CHOICE_BOOT],
                                        .memory_bytes = LOW_BYTES,
                                        .cpus = 1 };
    check_result(&vmm, arch_load(&vmm));
    close(kernel_fd);
    close(initrd_fd);
    madvise(low, LOW_BYTES, MADV_DONTNEED);
    madvise(high, HIGH_BYTES, MADV_DONTNEED);
    return 0;
}
