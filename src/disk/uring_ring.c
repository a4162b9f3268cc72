/*
 * uring_ring.c: makes rings, with the best that this kernel has, and fills in what goes into them.
 *
 *   6.0, 5.19   one thread alone submits, and what has ended does not interrupt it
 *   5.18        one bad entry does not hold up those behind it
 *
 * Completions that are deferred until we ask for them (6.1) were tried and measured as no faster
 * here: they need an eventfd, since the ring's own descriptor does not tell of them, and so one
 * more system call for each wake. Any thread; a ring itself belongs to its channel's worker.
 */
#include "disk/uring.h"

#include <errno.h>
#include <linux/falloc.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

enum { TRANSFER_MAX = 1 << 30 };

/* ---- rings ---- */

/* From the best to what every kernel has. */
static const struct {
    unsigned flags;
    bool one_thread; /* only for rings that one thread alone uses */
} setups[] = {
    { IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG |
          IORING_SETUP_SUBMIT_ALL,
      true },
    { IORING_SETUP_SUBMIT_ALL, false },
    { 0, false },
};

static int set_up(struct tn_ring *ring, unsigned flags)
{
    struct io_uring_params params = { .flags = flags | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
                                      .cq_entries = TN_RING_DONE_MAX };

    return io_uring_queue_init_params(TN_RING_SUBMIT_MAX, &ring->io, &params);
}

int tn_ring_open(struct tn_ring *ring, int fd, bool one_thread, unsigned kernel_threads)
{
    unsigned most[2] = { kernel_threads, kernel_threads };
    int r = -EINVAL;

    memset(ring, 0, sizeof(*ring));
    ring->fd = fd;
    for (size_t i = 0; i < sizeof(setups) / sizeof(setups[0]) && r == -EINVAL; i++) {
        if (one_thread || !setups[i].one_thread) {
            r = set_up(ring, setups[i].flags);
        }
    }
    if (r != 0) {
        return r;
    }
    ring->fixed = io_uring_register_files(&ring->io, &fd, 1) == 0;
    /* Kernels before 5.15 have a bound of their own. */
    io_uring_register_iowq_max_workers(&ring->io, most);
    return 0;
}

void tn_ring_close(struct tn_ring *ring)
{
    int fd = ring->io.ring_fd;

    /* The rest of a ring goes later, on a thread of the kernel's; the file must not. */
    if (ring->fixed) {
        io_uring_unregister_files(&ring->io);
    }
    /* liburing closes without the C library; the thread sanitizer would not see that the number is
     * somebody else's next time, and take that one's use of it for a race. */
    ring->io.ring_fd = -1;
    io_uring_queue_exit(&ring->io);
    close(fd);
}

/* ---- calls ---- */

/* One iovec, or the rest of one, goes without a list. */
static void prepare_transfer(struct io_uring_sqe *sqe, int fd, const struct tn_ring_call *call)
{
    const struct tn_progress *at = &call->progress;
    unsigned count = (unsigned)tn_min_u64(at->count, IOV_MAX);
    bool read = call->step->call == TN_CALL_READ;

    if (count == 1 || at->skip != 0) {
        uint8_t *first = at->iov->iov_base;
        uint8_t *base = first ? first + at->skip : NULL; /* a hole: the kernel refuses it */
        unsigned bytes = (unsigned)tn_min_u64(at->iov->iov_len - at->skip, TRANSFER_MAX);
        if (read) {
            io_uring_prep_read(sqe, fd, base, bytes, at->offset);
        } else {
            io_uring_prep_write(sqe, fd, base, bytes, at->offset);
        }
    } else if (read) {
        io_uring_prep_readv(sqe, fd, at->iov, count, at->offset);
    } else {
        io_uring_prep_writev(sqe, fd, at->iov, count, at->offset);
    }
    sqe->rw_flags = call->step->call == TN_CALL_WRITE_STABLE ? RWF_DSYNC : 0;
}

void tn_ring_prepare(const struct tn_ring *ring, struct io_uring_sqe *sqe,
                     const struct tn_ring_call *call)
{
    const struct tn_step *step = call->step;
    int fd = ring->fixed ? 0 : ring->fd;
    int mode = step->call == TN_CALL_PUNCH ? FALLOC_FL_PUNCH_HOLE : FALLOC_FL_ZERO_RANGE;

    if (tn_is_transfer(step->call)) {
        prepare_transfer(sqe, fd, call);
    } else if (step->call == TN_CALL_SYNC) {
        io_uring_prep_fsync(sqe, fd, IORING_FSYNC_DATASYNC);
    } else {
        io_uring_prep_fallocate(sqe, fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)step->at,
                                (off_t)step->bytes);
    }
    io_uring_sqe_set_flags(sqe, (ring->fixed ? IOSQE_FIXED_FILE : 0U) |
                                    (call->blocking ? IOSQE_ASYNC : 0U));
}
