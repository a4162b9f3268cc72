/*
 * file_steps.c: an operation on a file as a few calls of the kernel, for engines that do not wait.
 *
 *   READ, WRITE   one call, when direct I/O takes the request as it is
 *   stable WRITE  one call past the page cache; in it, a write and a sync (see file_io.c)
 *   FLUSH         a sync
 *   DISCARD       a hole (files; block devices discard by ioctl only)
 *   ZEROES        a hole, or zeroes that stay allocated
 *
 * Everything else (bounce buffers, parts of blocks, what the file system cannot) is left to
 * tn_file_run, which may block. Both remember in the same flags what is not possible here.
 */
#include "disk/file.h"

#include <errno.h>

#include "base/num.h"

/* The blocks that a change touches, as in tn_file_run. False: somebody else is at them. */
static bool lock_blocks(struct tn_file *file, const struct tenon_io *io, struct tn_step *step)
{
    uint64_t block = file->direct ? file->bounce.offset_align : 1;
    uint64_t first = tn_round_down(file->start + io->offset, block);
    uint64_t end = tn_round_up(file->start + io->offset + io->bytes, block);

    if (block <= 512 || io->op == TENON_IO_READ || io->op == TENON_IO_FLUSH) {
        return true;
    }
    step->locked = tn_blocklock_try(&file->blocklock, &step->entry, first, end - first,
                                    io->op != TENON_IO_DISCARD && end - first != io->bytes);
    return step->locked;
}

/* ---- what may come next ---- */

static void unlock(struct tn_file *file, struct tn_step *step)
{
    if (step->locked) {
        step->locked = false;
        tn_blocklock_give(&file->blocklock, &step->entry);
    }
}

static enum tn_next over(struct tn_file *file, struct tn_step *step, int result)
{
    unlock(file, step);
    step->result = result;
    return TN_NEXT_OVER;
}

static enum tn_next run_it(struct tn_file *file, struct tn_step *step)
{
    unlock(file, step);
    return TN_NEXT_RUN;
}

static enum tn_next call(struct tn_step *step, enum tn_call call)
{
    step->call = call;
    return TN_NEXT_CALL;
}

/* The change is made; it may have to be stable as well. */
static enum tn_next changed(struct tn_file *file, const struct tenon_io *io, struct tn_step *step)
{
    int failed = atomic_load(&file->flush_failed);

    if ((io->flags & TENON_IO_FUA) == 0) {
        return over(file, step, 0);
    }
    return failed != 0 ? over(file, step, failed) : call(step, TN_CALL_SYNC);
}

/* ---- the first call ---- */

static enum tn_next begin_transfer(struct tn_file *file, const struct tenon_io *io,
                                   struct tn_step *step)
{
    bool stable = (io->flags & TENON_IO_FUA) != 0;

    if (file->direct &&
        !tn_bounce_fits(&file->bounce, io->iov, io->iov_count, step->at, step->bytes)) {
        return run_it(file, step);
    }
    if (io->op == TENON_IO_READ) {
        return call(step, TN_CALL_READ);
    }
    return call(step, stable && file->direct && !atomic_load(&file->cannot_stable)
                          ? TN_CALL_WRITE_STABLE
                          : TN_CALL_WRITE);
}

static enum tn_next begin_discard(struct tn_file *file, const struct tenon_io *io,
                                  struct tn_step *step)
{
    if (file->no_discard) {
        return over(file, step, -ENOTSUP);
    }
    if (atomic_load(&file->cannot_discard) || step->bytes == 0) {
        return changed(file, io, step);
    }
    return file->block ? run_it(file, step) : call(step, TN_CALL_PUNCH);
}

static enum tn_next begin_zeroes(struct tn_file *file, const struct tenon_io *io,
                                 struct tn_step *step)
{
    if (step->bytes == 0) {
        return changed(file, io, step);
    }
    if (!tn_is_aligned(step->at | step->bytes, file->range_align)) {
        return run_it(file, step);
    }
    if ((io->flags & TENON_IO_UNMAP) != 0 && !file->no_discard &&
        !atomic_load(&file->cannot_unmap)) {
        return call(step, TN_CALL_PUNCH);
    }
    return atomic_load(&file->cannot_zero) ? run_it(file, step) : call(step, TN_CALL_ZERO);
}

enum tn_next tn_file_begin(void *body, const struct tenon_io *io, struct tn_step *step)
{
    struct tn_file *file = body;
    int failed = atomic_load(&file->flush_failed);

    step->at = file->start + io->offset;
    step->bytes = io->bytes;
    step->grain = file->direct ? (uint32_t)file->bounce.offset_align : 1;
    step->locked = false;
    if (!lock_blocks(file, io, step)) {
        return TN_NEXT_RUN;
    }
    switch (io->op) {
    case TENON_IO_READ:
    case TENON_IO_WRITE:
        return begin_transfer(file, io, step);
    case TENON_IO_FLUSH:
        return failed != 0 || file->read_only ? over(file, step, failed) : call(step, TN_CALL_SYNC);
    case TENON_IO_DISCARD:
        return begin_discard(file, io, step);
    case TENON_IO_ZEROES:
        return begin_zeroes(file, io, step);
    default:
        return over(file, step, -EINVAL);
    }
}

/* ---- the calls after it ---- */

/* A hole could not be made: a discard was only advice, zeroes are made in another way. */
static enum tn_next cannot_punch(struct tn_file *file, const struct tenon_io *io,
                                 struct tn_step *step)
{
    if (io->op == TENON_IO_DISCARD) {
        atomic_store(&file->cannot_discard, true);
        return changed(file, io, step);
    }
    atomic_store(&file->cannot_unmap, true);
    return begin_zeroes(file, io, step);
}

static enum tn_next cannot(struct tn_file *file, const struct tenon_io *io, struct tn_step *step)
{
    switch (step->call) {
    case TN_CALL_WRITE_STABLE:
        atomic_store(&file->cannot_stable, true);
        return call(step, TN_CALL_WRITE);
    case TN_CALL_PUNCH:
        return cannot_punch(file, io, step);
    case TN_CALL_ZERO:
        atomic_store(&file->cannot_zero, true);
        return run_it(file, step);
    default:
        return over(file, step, -ENOTSUP);
    }
}

enum tn_next tn_file_next(void *body, const struct tenon_io *io, struct tn_step *step, int result)
{
    struct tn_file *file = body;

    if (step->call == TN_CALL_SYNC) {
        return over(file, step, tn_file_flushed(file, result));
    }
    if (result == -ENOTSUP) {
        return cannot(file, io, step);
    }
    if (result != 0 || step->call == TN_CALL_READ || step->call == TN_CALL_WRITE_STABLE) {
        return over(file, step, result);
    }
    return changed(file, io, step);
}
