/*
 * file_io.c: the body of a file: one operation from beginning to end, on whichever thread the
 * engine gives it.
 *
 *   fits direct I/O, or not direct:   preadv / pwritev, continued until all is done
 *   else:                             bounce buffers, and the blocklock where a part of a block
 *                                     is changed
 */
#include "disk/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/num.h"

/* ---- movers ---- */

static ssize_t read_some(void *opaque, const struct iovec *iov, int count, uint64_t at)
{
    const struct tn_file *file = opaque;
    ssize_t n = preadv(file->fd, iov, count, (off_t)at);

    return n >= 0 ? n : -errno;
}

static ssize_t write_some(void *opaque, const struct iovec *iov, int count, uint64_t at)
{
    const struct tn_file *file = opaque;
    ssize_t n = pwritev(file->fd, iov, count, (off_t)at);

    return n >= 0 ? n : -errno;
}

static ssize_t write_stable(void *opaque, const struct iovec *iov, int count, uint64_t at)
{
    const struct tn_file *file = opaque;

    return tn_host_pwritev_stable(file->fd, iov, count, at);
}

static struct tn_mover mover_of(struct tn_file *file,
                                ssize_t (*move)(void *, const struct iovec *, int, uint64_t))
{
    return (struct tn_mover){ .move = move,
                              .opaque = file,
                              .grain = file->direct ? (uint32_t)file->bounce.offset_align : 1 };
}

/* ---- reading, writing, flushing ---- */

static int file_read(struct tn_file *file, const struct iovec *iov, unsigned count, uint64_t at,
                     uint64_t bytes)
{
    struct tn_mover read = mover_of(file, read_some);

    if (file->direct && !tn_bounce_fits(&file->bounce, iov, count, at, bytes)) {
        return tn_bounce_read(&file->bounce, &read, iov, count, at, bytes);
    }
    return tn_transfer(&read, iov, count, at, bytes);
}

static int write_with(struct tn_file *file,
                      ssize_t (*move)(void *, const struct iovec *, int, uint64_t),
                      const struct iovec *iov, unsigned count, uint64_t at, uint64_t bytes)
{
    struct tn_mover read = mover_of(file, read_some);
    struct tn_mover write = mover_of(file, move);

    if (file->direct && !tn_bounce_fits(&file->bounce, iov, count, at, bytes)) {
        return tn_bounce_write(&file->bounce, &read, &write, iov, count, at, bytes);
    }
    return tn_transfer(&write, iov, count, at, bytes);
}

/*
 * Stable writes in one call only past the page cache: in it, that call would also collect, and so
 * hide from the next flush, the error of an older write which could not be written back.
 */
int tn_file_write(struct tn_file *file, const struct iovec *iov, unsigned count, uint64_t at,
                  uint64_t bytes, bool stable)
{
    int r;

    if (stable && file->direct && !atomic_load(&file->cannot_stable)) {
        r = write_with(file, write_stable, iov, count, at, bytes);
        if (r != -ENOTSUP) {
            return r;
        }
        atomic_store(&file->cannot_stable, true);
    }
    r = write_with(file, write_some, iov, count, at, bytes);
    if (r == 0 && stable) {
        r = tn_file_flush(file);
    }
    return r;
}

static int sync_once(int fd)
{
#ifdef F_FULLFSYNC /* where fsync only reaches the drive's cache */
    if (fcntl(fd, F_FULLFSYNC) == 0) {
        return 0;
    }
#endif
    return fdatasync(fd) == 0 ? 0 : -errno;
}

/*
 * After a failed sync the system may have dropped the pages that it could not write, and tells only
 * one caller. From then on every flush fails: a yes could be a lie, to this guest queue or to
 * another one. Direct I/O has no such pages, and a sync that was not made has dropped none.
 */
int tn_file_flushed(struct tn_file *file, int result)
{
    if (result == 0 || result == -EINTR || result == -ECANCELED || file->direct) {
        return result;
    }
    if (atomic_exchange(&file->flush_failed, result) == 0) {
        tn_log(TENON_LOG_ERROR,
               "a flush failed (%s): written data may be lost, all further flushes fail too; "
               "check the storage and open the disk again",
               strerror(-result));
    }
    return result;
}

int tn_file_flush(struct tn_file *file)
{
    int failed = atomic_load(&file->flush_failed);
    int r = -EINTR;

    if (failed != 0) {
        return failed;
    }
    if (file->read_only) {
        return 0;
    }
    for (unsigned i = 0; i < TN_INTERRUPTIONS_MAX && r == -EINTR; i++) {
        r = sync_once(file->fd);
    }
    return tn_file_flushed(file, r);
}

/* ---- the operation ---- */

static int run(struct tn_file *file, struct tenon_io *io)
{
    uint64_t at = file->start + io->offset;
    bool stable = (io->flags & TENON_IO_FUA) != 0;
    int r;

    switch (io->op) {
    case TENON_IO_READ:
        return file_read(file, io->iov, io->iov_count, at, io->bytes);
    case TENON_IO_WRITE:
        return tn_file_write(file, io->iov, io->iov_count, at, io->bytes, stable);
    case TENON_IO_FLUSH:
        return tn_file_flush(file);
    case TENON_IO_DISCARD:
        r = tn_file_discard(file, at, io->bytes);
        break;
    case TENON_IO_ZEROES:
        r = tn_file_zero(file, at, io->bytes, (io->flags & TENON_IO_UNMAP) != 0);
        break;
    default:
        return -EINVAL;
    }
    return r == 0 && stable ? tn_file_flush(file) : r;
}

/* A part that was read is read again by whoever waits for the rest. */
int tn_file_at_once(void *body, const struct tenon_io *io)
{
    struct tn_file *file = body;
    ssize_t n;

    if (io->op != TENON_IO_READ || file->direct || io->iov_count > IOV_MAX ||
        atomic_load_explicit(&file->cannot_nowait, memory_order_relaxed)) {
        return -EAGAIN;
    }
    n = tn_host_preadv_nowait(file->fd, io->iov, (int)io->iov_count, file->start + io->offset);
    if (n == -ENOTSUP) {
        atomic_store(&file->cannot_nowait, true);
    }
    return n >= 0 && (uint64_t)n == io->bytes ? 0 : -EAGAIN;
}

/*
 * Where direct I/O works in blocks of more than a sector, a change may have to read and write back
 * a block's other sectors.
 */
int tn_file_run(void *body, struct tenon_io *io)
{
    struct tn_file *file = body;
    uint64_t block = file->direct ? file->bounce.offset_align : 1;
    uint64_t first = tn_round_down(file->start + io->offset, block);
    uint64_t end = tn_round_up(file->start + io->offset + io->bytes, block);
    struct tn_blocklock_entry entry;
    int r;

    if (block <= 512 || io->op == TENON_IO_READ || io->op == TENON_IO_FLUSH) {
        return run(file, io);
    }
    tn_blocklock_take(&file->blocklock, &entry, first, end - first,
                      io->op != TENON_IO_DISCARD && end - first != io->bytes);
    r = run(file, io);
    tn_blocklock_give(&file->blocklock, &entry);
    return r;
}
