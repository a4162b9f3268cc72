/*
 * mapping.c: see mapping.h. Takes no lock; mapping anew is the only thing that costs more than the
 * copy itself.
 */
#include "disk/mapping.h"

#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "base/iov.h"
#include "base/num.h"
#include "disk/host.h"

void tn_mapped_init(struct tn_mapped *mapped, const struct tn_body_ops *ops, void *body,
                    const struct tn_mapped_file *file)
{
    struct stat st;

    mapped->ops = ops;
    mapped->body = body;
    mapped->file = *file;
    mapped->block = fstat(file->fd, &st) == 0 && S_ISBLK(st.st_mode);
}

void tn_mapping_end(struct tn_mapping *mapping)
{
    if (mapping->base) {
        tn_guard_remove(mapping->guard);
        munmap(mapping->base, mapping->bytes);
        mapping->base = NULL;
    }
}

int tn_mapping_renew(struct tn_mapping *mapping)
{
    const struct tn_mapped *mapped = mapping->mapped;
    struct tenon_disk_info info = { .size = sizeof(info) };
    int flags = MAP_SHARED;
    int r = mapped->ops->info(mapped->body, &info);
    uint64_t bytes = tn_round_up(mapped->file.start + info.bytes, mapped->file.granule);
    void *base;

    tn_mapping_end(mapping);
    mapping->end = 0;
    if (r != 0 || bytes == 0 || bytes > SIZE_MAX) {
        return r != 0 ? r : -ENOMEM;
    }
#ifdef MAP_NORESERVE
    flags |= MAP_NORESERVE; /* huge pages come when they are touched, or the request fails */
#endif
    base = mmap(NULL, bytes, mapping->writable ? PROT_READ | PROT_WRITE : PROT_READ, flags,
                mapped->file.fd, 0);
    if (base == MAP_FAILED) {
        return -errno;
    }
    r = tn_guard_add(base, bytes, &mapping->guard);
    if (r != 0) {
        munmap(base, bytes);
        return r;
    }
    mapping->base = base;
    mapping->bytes = bytes;
    return 0;
}

/* What lies behind the end within the last page is mapped all the same, and is no fault. */
static bool reaches(const struct tn_mapped *mapped, uint64_t end)
{
    uint64_t bytes = 0;
    struct stat st;

    if (mapped->block) {
        return tn_host_block_bytes(mapped->file.fd, &bytes) == 0 && bytes >= end;
    }
    return fstat(mapped->file.fd, &st) == 0 && (uint64_t)st.st_size >= end;
}

bool tn_mapping_sound(struct tn_mapping *mapping)
{
    uint64_t end = mapping->end;

    mapping->end = 0;
    return !tn_guard_hit(mapping->guard) && reaches(mapping->mapped, end);
}

bool tn_mapping_copy(struct tn_mapping *mapping, const struct tenon_io *io)
{
    uint64_t start = mapping->mapped->file.start + io->offset;

    if (tn_iov_bytes(io->iov, io->iov_count) != io->bytes ||
        tn_iov_has_hole(io->iov, io->iov_count, 0, io->bytes)) {
        return false;
    }
    tn_io_move(io, mapping->base + start, tn_shared_move);
    mapping->end = tn_max_u64(mapping->end, start + io->bytes);
    return true;
}
