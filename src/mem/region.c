/*
 * region.c: one region of guest memory from the embedder's options to its end.
 *
 *   options ──checked──> mapped, or taken as it is ──> in tables ──last──> unmapped ──> released()
 *
 * Two sources of numbers that nobody vouches for come through here: a vhost-user front-end chooses
 * guest address, length and offset, and its file may be anything. Any thread.
 */
#include "mem/table.h"

#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"

static int check_place(const struct tenon_region *options)
{
    uint64_t end;
    unsigned long long gpa = options->gpa, bytes = options->bytes;

    if (options->bytes == 0) {
        return tn_error(-EINVAL, "the memory region at guest address 0x%llx is empty", gpa);
    }
    if (!tn_add_u64(options->gpa, options->bytes, &end)) {
        return tn_error(-EINVAL,
                        "the memory region at guest address 0x%llx, 0x%llx bytes long, goes past "
                        "the last guest address",
                        gpa, bytes);
    }
    if ((options->flags & ~(unsigned)TENON_REGION_READ_ONLY) != 0) {
        return tn_error(-EINVAL, "a memory region has unknown flags 0x%x: use a newer library",
                        options->flags);
    }
    if (options->bytes > PTRDIFF_MAX) {
        return tn_error(-EINVAL, "a memory region of 0x%llx bytes is larger than this process",
                        bytes);
    }
    if (options->host && !tn_add_u64((uintptr_t)options->host, options->bytes, &end)) {
        return tn_error(-EINVAL,
                        "the memory region at guest address 0x%llx, 0x%llx bytes long, begins at "
                        "%p of this process, which leaves no room for it",
                        gpa, bytes, options->host);
    }
    return 0;
}

/* Checks the file against the region, and tells which boundaries its mappings must keep. */
static int check_file(const struct tenon_region *options, uint64_t *align)
{
    struct stat file;
    uint64_t end;

    if (options->fd < 0) {
        return tn_error(-EINVAL, "a memory region needs `host` or `fd`: neither was given");
    }
    if (fstat(options->fd, &file) != 0) {
        int error = errno;
        return tn_error(-error, "cannot look at file descriptor %d of a memory region: %s",
                        options->fd, strerror(error));
    }
    if (!tn_add_u64(options->fd_offset, options->bytes, &end) || end > INT64_MAX) {
        return tn_error(-EINVAL, "a memory region's file offset 0x%llx and length 0x%llx wrap",
                        (unsigned long long)options->fd_offset, (unsigned long long)options->bytes);
    }
    if (S_ISREG(file.st_mode) && end > (uint64_t)file.st_size) {
        return tn_error(-EINVAL,
                        "the memory region's file is too short: 0x%llx bytes, and the region ends "
                        "at 0x%llx: enlarge the file first",
                        (unsigned long long)file.st_size, (unsigned long long)end);
    }
    long page = sysconf(_SC_PAGESIZE);
    *align = page > 0 ? (uint64_t)page : 4096;
    /* Huge pages are mapped and unmapped only as a whole; elsewhere a larger unit does no harm. */
    if (tn_is_power_of_2((uint64_t)file.st_blksize) && (uint64_t)file.st_blksize > *align) {
        *align = (uint64_t)file.st_blksize;
    }
    return 0;
}

/*
 * Maps whole pages around the region (VU-24: its offset need not be aligned). A ROM is mapped
 * read-only: its file may be open for reading only, and a write by mistake is then a fault and not
 * a damage.
 */
static int map_file(struct tn_region *region, const struct tenon_region *options)
{
    uint64_t align = 0;
    int error = check_file(options, &align);

    if (error < 0) {
        return error;
    }
    uint64_t first = tn_round_down(options->fd_offset, align);
    uint64_t end = tn_round_up(options->fd_offset + options->bytes, align);
    int protection = region->read_only ? PROT_READ : PROT_READ | PROT_WRITE;
    void *mapping =
        mmap(NULL, end - first, protection, MAP_SHARED | MAP_NORESERVE, options->fd, (off_t)first);
    if (mapping == MAP_FAILED) {
        error = errno;
        return tn_error(-error, "cannot map 0x%llx bytes of a memory region's file: %s",
                        (unsigned long long)(end - first), strerror(error));
    }
    error = tn_guard_add(mapping, end - first, &region->guard);
    if (error < 0) {
        munmap(mapping, end - first);
        return tn_error(error, "too many mapped memory regions: no place is left in the table that "
                               "keeps a truncated file from ending this process");
    }
    region->mapping = mapping;
    region->mapping_bytes = end - first;
    region->host = (uint8_t *)mapping + (options->fd_offset - first);
    return 0;
}

int tn_region_new(const struct tenon_region *options, struct tn_region **out)
{
    int error = check_place(options);

    if (error < 0) {
        return error;
    }
    struct tn_region *region = calloc(1, sizeof(*region));
    if (!region) {
        return tn_error(-ENOMEM, "no memory for a memory region's record");
    }
    region->gpa = options->gpa;
    region->bytes = options->bytes;
    region->host = options->host;
    region->read_only = (options->flags & TENON_REGION_READ_ONLY) != 0;
    region->released = options->released;
    region->opaque = options->opaque;
    region->refs = 1;
    if (!options->host) {
        error = map_file(region, options);
        if (error < 0) {
            free(region);
            return error;
        }
    }
    *out = region;
    return 0;
}

static void region_unmap(struct tn_region *region)
{
    if (!region->mapping) {
        return;
    }
    /* The guard goes first: after munmap these addresses may be somebody else's at once. */
    tn_guard_remove(region->guard);
    munmap(region->mapping, region->mapping_bytes);
}

void tn_region_discard(struct tn_region *region)
{
    region_unmap(region);
    free(region);
}

void tn_region_get(struct tn_region *region)
{
    __atomic_fetch_add(&region->refs, 1, __ATOMIC_RELAXED);
}

void tn_region_put(struct tn_region *region)
{
    if (__atomic_sub_fetch(&region->refs, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    void (*released)(void *) = region->released;
    void *opaque = region->opaque;

    tn_region_discard(region);
    if (released) {
        released(opaque);
    }
}
