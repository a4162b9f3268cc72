/*
 * custom.c: disks that the embedder wrote.
 *
 *   tenon_disk_open_custom   the channel contract, asynchronous: handed through as it is
 *   tenon_disk_open_simple   blocking functions: a body for the pool of threads. Short counts are
 *                            continued here, and the functions that there are not are filled in
 */
#include "disk/body.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/opts.h"
#include "disk/transfer.h"

/* ---- the channel contract ---- */

int tenon_disk_open_custom(const struct tenon_disk_ops *ops, void *disk, struct tenon_disk **out)
{
    const struct tn_disk_label label = { "custom disk", "custom",
                                         "the disk brings its own way of running operations" };
    struct tenon_disk_ops copy;
    int r = tn_opts_copy(&copy, sizeof(copy), ops, "custom disk");

    if (r != 0) {
        return r;
    }
    if (!copy.open || !copy.submit || !copy.close || !copy.info) {
        return tn_error(-EINVAL,
                        "custom disk: open, submit, close and info are needed; fill in all four");
    }
    return tn_disk_make(&copy, disk, &label, out);
}

/* ---- blocking functions ---- */

struct simple {
    struct tenon_disk_simple_ops ops;
    void *disk;
};

static ssize_t read_some(void *opaque, const struct iovec *iov, int count, uint64_t offset)
{
    struct simple *simple = opaque;

    return simple->ops.preadv(simple->disk, iov, count, offset);
}

static ssize_t write_some(void *opaque, const struct iovec *iov, int count, uint64_t offset)
{
    struct simple *simple = opaque;

    return simple->ops.pwritev(simple->disk, iov, count, offset);
}

static int flush(struct simple *simple)
{
    return simple->ops.flush ? simple->ops.flush(simple->disk) : 0;
}

static int run_once(struct simple *simple, struct tenon_io *io)
{
    const struct tenon_disk_simple_ops *ops = &simple->ops;
    struct tn_mover mover = { .opaque = simple, .grain = 1 };

    switch (io->op) {
    case TENON_IO_READ:
        mover.move = read_some;
        return tn_transfer(&mover, io->iov, io->iov_count, io->offset, io->bytes);
    case TENON_IO_WRITE:
        mover.move = write_some;
        return ops->pwritev ? tn_transfer(&mover, io->iov, io->iov_count, io->offset, io->bytes)
                            : -EROFS;
    case TENON_IO_FLUSH:
        return flush(simple);
    case TENON_IO_DISCARD:
        return ops->discard ? ops->discard(simple->disk, io->offset, io->bytes) : -ENOTSUP;
    case TENON_IO_ZEROES:
        return ops->zero ? ops->zero(simple->disk, io->offset, io->bytes,
                                     (io->flags & TENON_IO_UNMAP) != 0)
                         : -ENOTSUP;
    default:
        return -EINVAL;
    }
}

static int run(void *body, struct tenon_io *io)
{
    struct simple *simple = body;
    int r = run_once(simple, io);

    if (r > 0) {
        return -EIO; /* what a positive number means, nobody said */
    }
    if (r == 0 && io->op != TENON_IO_READ && (io->flags & TENON_IO_FUA) != 0) {
        r = flush(simple);
    }
    return r;
}

/* What can be done follows from the functions that there are; the disk adds sizes and limits. */
static int info(void *body, struct tenon_disk_info *out)
{
    struct simple *simple = body;
    int r = simple->ops.info(simple->disk, out);

    if (r != 0) {
        return r;
    }
    out->read_only = out->read_only || !simple->ops.pwritev;
    out->can_flush = simple->ops.flush != NULL;
    out->can_discard = simple->ops.discard != NULL;
    out->can_zero = simple->ops.zero != NULL;
    return 0;
}

static void free_simple(void *body)
{
    struct simple *simple = body;

    if (simple->ops.free) {
        simple->ops.free(simple->disk);
    }
    free(simple);
}

int tenon_disk_open_simple(const struct tenon_disk_simple_ops *ops, void *disk, unsigned threads,
                           struct tenon_disk **out)
{
    static const struct tn_body_ops body_ops = { .run = run, .info = info, .free = free_simple };
    const struct tn_disk_label label = { "custom disk", "threads",
                                         "the functions of a simple disk may block" };
    struct simple *simple = calloc(1, sizeof(*simple));
    int r;

    if (!simple) {
        return tn_error(-ENOMEM, "no memory for a custom disk");
    }
    simple->disk = disk;
    r = tn_opts_copy(&simple->ops, sizeof(simple->ops), ops, "simple disk");
    if (r == 0 && (!simple->ops.preadv || !simple->ops.info)) {
        r = tn_error(-EINVAL, "simple disk: preadv and info are needed; fill in both");
    }
    if (r == 0) {
        r = tn_threads_open(&body_ops, simple, threads, &label, out);
    }
    if (r != 0) {
        free(simple);
    }
    return r;
}
