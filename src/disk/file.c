/*
 * file.c: a file or a block device becomes a disk.
 *
 *   descriptor (file_open.c) -> kind and size -> the part that is served -> direct I/O -> lock
 *   -> engine
 *
 * Always raw: the bytes of the file are the bytes of the disk, and nothing is guessed from them.
 * How operations run is in file_io.c and file_ranges.c, which engine suits in file_engine.c.
 */
#include "disk/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/num.h"

enum { SECTOR = 512, BLOCK_MAX = 65536 };

/* ---- what the disk says of itself ---- */

/* The size may change while we serve: a file grows, a volume is extended. */
static int file_bytes(const struct tn_file *file, uint64_t *bytes)
{
    struct stat st;

    if (file->block) {
        return tn_host_block_bytes(file->fd, bytes);
    }
    if (fstat(file->fd, &st) != 0) {
        return -errno;
    }
    *bytes = (uint64_t)st.st_size;
    return 0;
}

static int info(void *body, struct tenon_disk_info *out)
{
    const struct tn_file *file = body;
    bool unmaps = !file->no_discard && !atomic_load(&file->cannot_unmap);
    uint64_t whole = 0;
    int r = file_bytes(file, &whole);

    if (r != 0) {
        return r;
    }
    if (file->part != 0) {
        out->bytes = file->part;
    } else {
        out->bytes = whole > file->start ? whole - file->start : 0;
    }
    if (file->direct && file->part == 0) {
        out->bytes -= out->bytes % file->bounce.offset_align;
    }
    out->block_bytes = file->block_bytes;
    out->physical_bytes = file->block ? file->limits.physical_bytes : file->preferred;
    out->optimal_bytes = file->limits.optimal_bytes;
    out->read_only = file->read_only;
    out->can_flush = true;
    out->can_discard = !file->no_discard && !atomic_load(&file->cannot_discard);
    out->can_zero = true;
    out->zero_unmaps = unmaps;
    out->discard_granularity =
        file->limits.discard_granularity != 0 ? file->limits.discard_granularity : file->preferred;
    return 0;
}

static void free_file(void *body)
{
    struct tn_file *file = body;

    if (file->direct) {
        tn_bounce_destroy(&file->bounce);
        tn_blocklock_destroy(&file->blocklock);
    }
    if (file->locked) {
        /* Closing is not enough where the descriptor is a duplicate of one that lives on. */
        tn_host_unlock(file->fd, file->start, file->lock_bytes);
    }
    if (file->fd >= 0) {
        close(file->fd);
    }
    free(file);
}

/* ---- opening, step by step: each leaves a sentence when it fails ---- */

static int find_kind(struct tn_file *file, const char *name)
{
    struct stat st;

    if (fstat(file->fd, &st) != 0) {
        return tn_error(-errno, "%s: cannot be looked at (%s)", name, strerror(errno));
    }
    if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
        return tn_error(-EINVAL, "%s: is neither a file nor a block device; give it one of these",
                        name);
    }
    file->block = S_ISBLK(st.st_mode);
    file->range_align = 1;
    if (file->block) {
        file->limits.logical_bytes = SECTOR;
        tn_host_block_limits(file->fd, &file->limits);
        file->range_align = file->limits.logical_bytes;
    } else if (tn_is_power_of_2((uint64_t)st.st_blksize) && st.st_blksize <= BLOCK_MAX) {
        file->preferred = (uint32_t)st.st_blksize;
    }
    return 0;
}

static int find_part(struct tn_file *file, const struct tenon_file_opts *opts, const char *name)
{
    uint64_t whole = 0;
    int r = file_bytes(file, &whole);

    if (r != 0) {
        return tn_error(r, "%s: its size cannot be found out (%s)", name, strerror(-r));
    }
    if (!tn_range_within(opts->offset, opts->bytes, whole)) {
        return tn_error(-EINVAL,
                        "%s: the part at offset %llu with %llu bytes is not inside its %llu bytes; "
                        "make the part smaller or the file larger",
                        name, (unsigned long long)opts->offset, (unsigned long long)opts->bytes,
                        (unsigned long long)whole);
    }
    file->start = opts->offset;
    file->part = opts->bytes;
    file->lock_bytes = opts->bytes != 0 ? opts->bytes : whole - opts->offset;
    if (file->lock_bytes < SECTOR) {
        return tn_error(
            -EINVAL,
            "%s: %llu bytes are less than one sector of 512, there is nothing to serve; "
            "make the file larger, for example with truncate -s 1G",
            name, (unsigned long long)file->lock_bytes);
    }
    return 0;
}

static int set_up_direct(struct tn_file *file, const struct tenon_file_opts *opts, const char *name)
{
    unsigned buffers = opts->threads != 0 ? opts->threads : TN_THREADS_DEFAULT;
    size_t memory = 0, offset = 0;
    int r = tn_host_direct_align(file->fd, file->block, &memory, &offset);

    if (r != 0 || !tn_is_power_of_2(memory) || !tn_is_power_of_2(offset)) {
        return tn_error(-EINVAL, "%s: direct I/O does not work on this file system; use direct=off",
                        name);
    }
    if (!tn_is_aligned(file->start | file->lock_bytes, offset)) {
        return tn_error(
            -EINVAL,
            "%s: direct I/O works in blocks of %zu bytes here, but the disk begins at %llu "
            "and has %llu bytes; use multiples (offset=, size=, or extend the file), or "
            "direct=off",
            name, offset, (unsigned long long)file->start, (unsigned long long)file->lock_bytes);
    }
    if (tn_bounce_init(&file->bounce, memory, offset, buffers) != 0) {
        return tn_error(-ENOMEM, "%s: no memory for the buffers of direct I/O", name);
    }
    tn_blocklock_init(&file->blocklock);
    file->direct = true;
    if (file->block_bytes == 0) {
        file->block_bytes = (uint32_t)tn_min_u64(tn_max_u64(offset, SECTOR), BLOCK_MAX);
    } else if (file->block_bytes < offset) {
        tn_log(TENON_LOG_WARNING,
               "%s: direct I/O works in blocks of %zu bytes here, smaller writes are slow; "
               "block-size=%zu avoids them",
               name, offset, offset);
    }
    return 0;
}

static int lock_part(struct tn_file *file, const char *name)
{
    uint64_t until = 0;
    int r;

    do {
        r = tn_host_lock(file->fd, !file->read_only, file->start, file->lock_bytes);
    } while (r == -EBUSY && tn_file_busy_wait(&until));
    if (r == -EBUSY) {
        return tn_error(
            r,
            file->read_only
                ? "%s: somebody else has it open for writing; stop that one first, or "
                  "use lock=off if you are sure"
                : "%s: is in use elsewhere (locked), and two at once would destroy it; stop "
                  "the other one first, or use read-only=on for all of them",
            name);
    }
    if (r != 0) {
        return tn_error(r,
                        "%s: cannot be locked against a second writer here (%s); use lock=off if "
                        "nobody else writes to it",
                        name, strerror(-r));
    }
    file->locked = true;
    return 0;
}

/*
 * The system reads twice as far ahead of whoever reads in order (of each stream, if there are
 * several), and so before a request asks for it. Measured, from storage: 1.3 to 2 times the rate;
 * windows of our own (readahead) gave no more for one request at a time and less for several.
 * Random reads are not touched by it.
 */
static void ask_for_read_ahead(const struct tn_file *file)
{
    (void)file; /* where there is no such call */
#ifdef POSIX_FADV_SEQUENTIAL
    posix_fadvise(file->fd, 0, 0, POSIX_FADV_SEQUENTIAL); /* only advice: if it fails, so be it */
#endif
}

int tn_file_open_over(int fd, const struct tenon_file_opts *opts, const char *name,
                      struct tenon_disk **out)
{
    static const struct tn_body_ops ops = { .run = tn_file_run,
                                            .info = info,
                                            .free = free_file,
                                            .at_once = tn_file_at_once,
                                            .begin = tn_file_begin,
                                            .next = tn_file_next };
    struct tn_file *file = calloc(1, sizeof(*file));
    int r;

    if (!file) {
        close(fd);
        return tn_error(-ENOMEM, "%s: no memory for the disk", name);
    }
    file->fd = fd;
    file->read_only = opts->read_only;
    file->no_discard = opts->no_discard;
    file->block_bytes = opts->block_bytes;
    r = find_kind(file, name);
    if (r == 0) {
        r = find_part(file, opts, name);
    }
    if (r == 0 && opts->direct) {
        r = set_up_direct(file, opts, name);
    }
    if (r == 0 && !opts->no_lock) {
        r = lock_part(file, name);
    }
    if (r == 0 && !file->read_only && !file->no_discard) {
        bool can = file->block ? file->limits.can_discard
                               : tn_host_can_punch(fd, file->start + file->lock_bytes);
        atomic_store(&file->cannot_discard, !can);
        atomic_store(&file->cannot_unmap, !can);
    }
    if (r == 0) {
        ask_for_read_ahead(file);
        r = tn_file_start_engine(file, &ops, opts, name, out);
    }
    if (r != 0) {
        free_file(file);
    }
    return r;
}
