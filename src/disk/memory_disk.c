/*
 * memory_disk.c: a disk in memory: for tests, for benches of everything but the disk, and for
 * scratch.
 *
 * Copies run on the submitting worker. Two workers may copy over one another where the guest asks
 * for it; the words are then old or new ones, so both sides are accessed atomically, like the
 * guest's memory.
 */
#include "disk/body.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "base/iov.h"
#include "base/num.h"
#include "base/shared.h"
#include "disk/host.h"

struct memory {
    uint8_t *base;
    uint64_t bytes;
    bool ours; /* allocated here: may be given back page by page */
    bool read_only;
};

/* ---- copies ---- */

/*
 * Both sides may be written meanwhile. Words where both allow it: guest buffers and sectors nearly
 * always do.
 */
static void copy(void *target, const void *source, size_t bytes)
{
    uint8_t *to = target;
    const uint8_t *from = source;

    if (tn_is_aligned((uintptr_t)to | (uintptr_t)from, sizeof(uint64_t))) {
        for (; bytes >= 8; bytes -= 8, to += 8, from += 8) {
            uint64_t word = __atomic_load_n((const uint64_t *)(const void *)from, __ATOMIC_RELAXED);
            __atomic_store_n((uint64_t *)(void *)to, word, __ATOMIC_RELAXED);
        }
    } else if (tn_is_aligned((uintptr_t)to | (uintptr_t)from, sizeof(uint32_t))) {
        for (; bytes >= 4; bytes -= 4, to += 4, from += 4) {
            uint32_t word = __atomic_load_n((const uint32_t *)(const void *)from, __ATOMIC_RELAXED);
            __atomic_store_n((uint32_t *)(void *)to, word, __ATOMIC_RELAXED);
        }
    }
    for (; bytes != 0; bytes--) {
        __atomic_store_n(to++, __atomic_load_n(from++, __ATOMIC_RELAXED), __ATOMIC_RELAXED);
    }
}

static int move(struct memory *memory, const struct tenon_io *io)
{
    if (tn_iov_bytes(io->iov, io->iov_count) != io->bytes) {
        return -EINVAL;
    }
    if (tn_iov_has_hole(io->iov, io->iov_count, 0, io->bytes)) {
        return -EFAULT;
    }
    tn_io_move(io, memory->base + io->offset, copy);
    return 0;
}

/* Whole pages are given back when they are ours; the rest is overwritten. */
static void zero(struct memory *memory, uint64_t offset, uint64_t bytes, bool unmap)
{
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t first = tn_round_up(offset, page), end = tn_round_down(offset + bytes, page);

    if (!unmap || !memory->ours || first >= end ||
        tn_host_release_memory(memory->base + first, end - first) != 0) {
        tn_shared_zero(memory->base + offset, bytes);
        return;
    }
    tn_shared_zero(memory->base + offset, first - offset);
    tn_shared_zero(memory->base + end, offset + bytes - end);
}

/* ---- the body ---- */

static int run(void *body, struct tenon_io *io)
{
    struct memory *memory = body;

    switch (io->op) {
    case TENON_IO_READ:
    case TENON_IO_WRITE:
        return move(memory, io);
    case TENON_IO_FLUSH:
        return 0;
    case TENON_IO_DISCARD:
        if (!memory->ours) {
            return -ENOTSUP;
        }
        zero(memory, io->offset, io->bytes, true);
        return 0;
    case TENON_IO_ZEROES:
        zero(memory, io->offset, io->bytes, (io->flags & TENON_IO_UNMAP) != 0);
        return 0;
    default:
        return -EINVAL;
    }
}

static int info(void *body, struct tenon_disk_info *out)
{
    const struct memory *memory = body;

    out->bytes = memory->bytes;
    out->read_only = memory->read_only;
    out->can_discard = memory->ours;
    out->can_zero = true;
    out->zero_unmaps = memory->ours;
    out->discard_granularity = (uint32_t)sysconf(_SC_PAGESIZE);
    return 0;
}

static void free_memory(void *body)
{
    struct memory *memory = body;

    if (memory->ours) {
        munmap(memory->base, memory->bytes);
    }
    free(memory);
}

static int allocate(uint64_t bytes, uint8_t **out)
{
    void *base = MAP_FAILED;
    int flags = MAP_PRIVATE | MAP_ANONYMOUS;

#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE; /* a large and mostly empty disk is what people ask for */
#endif
    if (bytes <= SIZE_MAX) {
        base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, flags, -1, 0);
    }
    if (base == MAP_FAILED) {
        return tn_error(-ENOMEM,
                        "a memory disk of %llu bytes does not fit into memory; make it smaller",
                        (unsigned long long)bytes);
    }
    *out = base;
    return 0;
}

int tenon_disk_open_memory(void *base, uint64_t bytes, bool read_only, struct tenon_disk **out)
{
    static const struct tn_body_ops ops = { .run = run, .info = info, .free = free_memory };
    const struct tn_disk_label label = { "memory disk", "memory",
                                         "copies in memory never block, so they run at once" };
    struct memory *memory;
    int r = 0;

    if (bytes < 512) {
        return tn_error(-EINVAL,
                        "a memory disk of %llu bytes has no whole sector; make it 512 or more",
                        (unsigned long long)bytes);
    }
    memory = calloc(1, sizeof(*memory));
    if (!memory) {
        return tn_error(-ENOMEM, "no memory for a memory disk");
    }
    memory->base = base;
    memory->bytes = bytes;
    memory->read_only = read_only;
    if (!base) {
        r = allocate(bytes, &memory->base);
        memory->ours = r == 0;
    }
    if (r == 0) {
        r = tn_inline_open(&ops, memory, &label, out);
    }
    if (r != 0) {
        free_memory(memory);
    }
    return r;
}
