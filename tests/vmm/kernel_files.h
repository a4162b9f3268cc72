/*
 * kernel_files.h: files that look like kernels, made by the tests: an ELF file with two segments
 * and notes, and a bzImage. They are good; a test spoils what it wants to see refused.
 */
#ifndef KERNEL_FILES_H
#define KERNEL_FILES_H

#include <asm/bootparam.h>
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest.h"

enum {
    FILE_MAX = 0x20000,
    ELF_NOTES = 0x200,
    ELF_BYTES = 0x3000,
    ELF_FIRST = 0x200000,  /* where its first segment goes: 0x1000 bytes of 0x11, 0x5000 in all */
    ELF_SECOND = 0x300000, /* 0x800 bytes of 0x22 */
    ELF_ENTRY = ELF_FIRST + 0x40,
    ELF_PVH = ELF_FIRST + 0x80,
    BZ_SETUP = 0x400, /* one sector, and the boot sector */
    BZ_PACKED = 0x1000,
    BZ_BYTES = BZ_SETUP + BZ_PACKED,
    BZ_INIT_SIZE = 0x100000,
    BZ_PREFERRED = 0x1000000,
    BZ_COMMAND_LINE = 2047,
};

struct file {
    uint8_t bytes[FILE_MAX];
    size_t count;
};

/* Fields of the headers, by their offsets. */
#define EHDR(field) offsetof(Elf64_Ehdr, field)
#define PHDR(index, field)                                                                         \
    (sizeof(Elf64_Ehdr) + (index) * sizeof(Elf64_Phdr) + offsetof(Elf64_Phdr, field))
#define SETUP(field) (0x1f1 + offsetof(struct setup_header, field))

static inline void file_put(struct file *file, size_t at, uint64_t value, unsigned bytes)
{
    memcpy(file->bytes + at, &value, bytes);
}

/* One note at `at`; where the next one goes. */
static inline size_t elf_put_note(struct file *file, size_t at, const char *name, uint32_t type,
                                  const void *value, uint32_t bytes)
{
    uint32_t name_bytes = (uint32_t)strlen(name) + 1;
    Elf64_Nhdr note = { name_bytes, bytes, type };

    memcpy(file->bytes + at, &note, sizeof(note));
    at += sizeof(note);
    memcpy(file->bytes + at, name, name_bytes);
    at += (name_bytes + 3) & ~3u;
    memcpy(file->bytes + at, value, bytes);
    return at + ((bytes + 3) & ~3u);
}

static inline void elf_make(struct file *file)
{
    static const uint32_t pvh = ELF_PVH;
    Elf64_Ehdr header = {
        .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
        .e_type = ET_EXEC,
        .e_machine = EM_X86_64,
        .e_version = EV_CURRENT,
        .e_entry = ELF_ENTRY,
        .e_phoff = sizeof(header),
        .e_ehsize = sizeof(header),
        .e_phentsize = sizeof(Elf64_Phdr),
        .e_phnum = 3,
    };
    Elf64_Phdr segments[3] = {
        { .p_type = PT_LOAD,
          .p_offset = 0x1000,
          .p_paddr = ELF_FIRST,
          .p_filesz = 0x1000,
          .p_memsz = 0x5000 },
        { .p_type = PT_LOAD,
          .p_offset = 0x2000,
          .p_paddr = ELF_SECOND,
          .p_filesz = 0x800,
          .p_memsz = 0x800 },
        { .p_type = PT_NOTE, .p_offset = ELF_NOTES },
    };

    memset(file, 0, sizeof(*file));
    size_t at = elf_put_note(file, ELF_NOTES, "GNU", 3, "an id", 5);
    at = elf_put_note(file, at, "Xen", 5, "linux", 6);
    at = elf_put_note(file, at, "Xen", 18, &pvh, sizeof(pvh));
    at = elf_put_note(file, at, "Xen", 6, "2.6", 4);
    segments[2].p_filesz = segments[2].p_memsz = at - ELF_NOTES;
    memcpy(file->bytes, &header, sizeof(header));
    memcpy(file->bytes + sizeof(header), segments, sizeof(segments));
    memset(file->bytes + 0x1000, 0x11, 0x1000);
    memset(file->bytes + 0x2000, 0x22, 0x800);
    file->count = ELF_BYTES;
}

static inline void bz_make(struct file *file)
{
    struct setup_header header = {
        .setup_sects = 1,
        .boot_flag = 0xaa55,
        .jump = 0x66eb,       /* the header ends 0x66 bytes behind this instruction's end */
        .header = 0x53726448, /* HdrS */
        .version = 0x20f,
        .xloadflags = XLF_KERNEL_64,
        .initrd_addr_max = 0x7fffffff,
        .kernel_alignment = 0x200000,
        .relocatable_kernel = 1,
        .cmdline_size = BZ_COMMAND_LINE,
        .pref_address = BZ_PREFERRED,
        .init_size = BZ_INIT_SIZE,
    };

    memset(file, 0, sizeof(*file));
    memcpy(file->bytes + 0x1f1, &header, sizeof(header));
    memset(file->bytes + BZ_SETUP, 0x33, BZ_PACKED);
    file->count = BZ_BYTES;
}

/* A file without a name, and the name by which it can be opened all the same. */
static inline int file_open(const struct file *file, char path[32])
{
    int fd = memfd_create("kernel", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(write(fd, file->bytes, file->count), (ssize_t)file->count);
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

/* Loads as the machine would: 0 or an error with its sentence. */
static inline int file_load(const struct file *file, struct vmm *vmm)
{
    char path[32];
    int fd = file_open(file, path);

    vmm->options.kernel = path;
    int result = arch_load(vmm);
    vmm->options.kernel = NULL;
    close(fd);
    return result;
}

#endif
