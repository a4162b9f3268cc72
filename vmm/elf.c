/*
 * elf.c: a kernel as an ELF file (vmlinux): its segments go where they want to be, and a note may
 * name the entry by which Xen's PVH protocol starts it.
 */
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "arch.h"
#include "error.h"
#include "kernel.h"
#include "machine.h"

enum {
    SEGMENTS_MAX = 64,
    NOTES_MAX = 64 * 1024,
    NOTE_PVH_ENTRY = 18, /* XEN_ELFNOTE_PHYS32_ENTRY */
    NOTE_ALIGN = 4,
};

bool elf_matches(const uint8_t magic[4])
{
    return memcmp(magic, ELFMAG, SELFMAG) == 0;
}

static int check_header(const struct image *image, const Elf64_Ehdr *header, unsigned machine)
{
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != machine) {
        return vmm_fail(-EINVAL, "the kernel %s is an ELF file for another machine than this guest",
                        image->path);
    }
    if (header->e_type != ET_EXEC && header->e_type != ET_DYN) {
        return vmm_fail(-EINVAL, "the kernel %s is an ELF file, but none that can be run",
                        image->path);
    }
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
        header->e_phnum > SEGMENTS_MAX) {
        return vmm_fail(-EINVAL,
                        "the kernel %s has %u program headers of %u bytes; 1 to %d of %zu "
                        "are possible",
                        image->path, header->e_phnum, header->e_phentsize, SEGMENTS_MAX,
                        sizeof(Elf64_Phdr));
    }
    return 0;
}

static int load_segment(const struct image *image, const struct vmm *vmm, const Elf64_Phdr *segment,
                        struct kernel *out)
{
    if (segment->p_memsz == 0) {
        return 0;
    }
    if (segment->p_filesz > segment->p_memsz) {
        return vmm_fail(-EINVAL,
                        "the kernel %s is damaged: %llu bytes of it are to be put into %llu bytes "
                        "of memory",
                        image->path, (unsigned long long)segment->p_filesz,
                        (unsigned long long)segment->p_memsz);
    }
    if (segment->p_paddr < arch_map.kernel_base ||
        !memory_at(vmm, segment->p_paddr, segment->p_memsz)) {
        return vmm_fail(
            -ENOMEM,
            "the kernel %s wants %llu KiB at address 0x%llx, which is not free memory of "
            "this guest; give it more, with --memory, or another kernel",
            image->path, (unsigned long long)(segment->p_memsz >> 10),
            (unsigned long long)segment->p_paddr);
    }
    if (segment->p_paddr + segment->p_memsz > out->end) {
        out->end = segment->p_paddr + segment->p_memsz;
    }
    if (segment->p_filesz == 0) {
        return 0; /* its place in the file means nothing, and may be behind the end */
    }
    /* What the file does not fill is zero: guest memory is new. */
    return image_load(image, vmm, segment->p_offset, segment->p_filesz, segment->p_paddr);
}

static uint64_t note_align(uint64_t bytes)
{
    return (bytes + NOTE_ALIGN - 1) & ~(uint64_t)(NOTE_ALIGN - 1);
}

/* Walks over the notes of one segment; everything in them is from the file. */
static void find_pvh(const uint8_t *notes, uint64_t bytes, struct kernel *out)
{
    uint64_t at = 0;

    while (bytes - at >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof(note));
        uint64_t name = at + sizeof(note);
        uint64_t value = name + note_align(note.n_namesz);
        uint64_t next = value + note_align(note.n_descsz);
        if (value > bytes || note.n_descsz > bytes - value) {
            return;
        }
        if (note.n_type == NOTE_PVH_ENTRY && note.n_namesz == sizeof("Xen") &&
            memcmp(notes + name, "Xen", sizeof("Xen")) == 0 && note.n_descsz >= 4 &&
            note.n_descsz <= sizeof(out->pvh_entry)) {
            memcpy(&out->pvh_entry, notes + value, note.n_descsz);
            return;
        }
        if (next > bytes) {
            return;
        }
        at = next;
    }
}

static int read_notes(const struct image *image, const Elf64_Phdr *segment, struct kernel *out)
{
    static uint8_t notes[NOTES_MAX]; /* one machine is made at a time */

    if (segment->p_filesz > sizeof(notes)) {
        return 0; /* no kernel has so many; whatever it is, it is not for us */
    }
    int error = image_read(image, segment->p_offset, notes, segment->p_filesz);
    if (error == 0) {
        find_pvh(notes, segment->p_filesz, out);
    }
    return error;
}

int elf_load(const struct image *image, const struct vmm *vmm, unsigned machine, struct kernel *out)
{
    Elf64_Ehdr header;
    Elf64_Phdr segments[SEGMENTS_MAX];
    int error = image_read(image, 0, &header, sizeof(header));

    *out = (struct kernel){ .initrd_limit = UINT64_MAX };
    if (error == 0) {
        error = check_header(image, &header, machine);
    }
    if (error == 0) {
        error = image_read(image, header.e_phoff, segments, header.e_phnum * sizeof(segments[0]));
    }
    for (unsigned i = 0; error == 0 && i < header.e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD) {
            error = load_segment(image, vmm, &segments[i], out);
        } else if (segments[i].p_type == PT_NOTE && out->pvh_entry == 0) {
            error = read_notes(image, &segments[i], out);
        }
    }
    if (error == 0 && out->end == 0) {
        error =
            vmm_fail(-EINVAL, "the kernel %s is an ELF file without anything to load", image->path);
    }
    out->entry = header.e_entry;
    return error;
}
