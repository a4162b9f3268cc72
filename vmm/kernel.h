/*
 * kernel.h: a kernel that has been put into guest memory, whatever its file looks like.
 */
#ifndef VMM_KERNEL_H
#define VMM_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "image.h"

struct vmm;

enum { KERNEL_HEADER_BYTES = 128 };

struct kernel {
    uint64_t entry;     /* guest address of its first instruction */
    uint64_t pvh_entry; /* ELF with that note: its 32-bit entry; 0: none */
    uint64_t end;       /* the first address behind all that it needs before it knows its memory */
    /* bzImage: its setup header, from offset 0x1f1 of the file; else zeroes */
    uint8_t header[KERNEL_HEADER_BYTES];
    uint64_t initrd_limit;       /* the initrd has to end below */
    uint64_t command_line_limit; /* bytes, without the zero at the end */
};

bool elf_matches(const uint8_t magic[4]);
int elf_load(const struct image *image, const struct vmm *vmm, unsigned machine,
             struct kernel *out);

bool bzimage_matches(const struct image *image);
int bzimage_load(const struct image *image, const struct vmm *vmm, struct kernel *out);

#endif
