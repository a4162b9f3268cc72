/*
 * transfer.h: all of a read or a write out of calls that may do less: short transfers,
 * interruptions, lists that are too long for one call. What is reported is the truth about the
 * whole: 0, or the reason why some of it was not done.
 *
 *   tn_transfer                  calls and waits, again and again
 *   tn_progress_begin, _moved    the same for whoever calls without waiting: where the next call
 *                                goes on, after each one that has ended
 */
#ifndef TN_DISK_TRANSFER_H
#define TN_DISK_TRANSFER_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

/* How often in a row a call may be interrupted without having moved a byte. */
enum { TN_INTERRUPTIONS_MAX = 16 };

struct tn_mover {
    /* The number of bytes moved, or a negative errno. */
    ssize_t (*move)(void *opaque, const struct iovec *iov, int count, uint64_t offset);
    void *opaque;
    uint32_t grain; /* only whole multiples of it count as moved (direct I/O); 1: each byte */
};

/* `bytes` is the sum of the list. -EIO when the mover says 0: the file ends inside the disk. */
int tn_transfer(const struct tn_mover *mover, const struct iovec *iov, unsigned count,
                uint64_t offset, uint64_t bytes);

/* What is left of a transfer. The caller's list is never changed. */
struct tn_progress {
    const struct iovec *iov; /* the next byte is here */
    unsigned count;          /* iovecs from here on */
    size_t skip;             /* bytes of the first one that are done */
    uint64_t offset, bytes;
    unsigned interruptions; /* in a row */
};

/* 1: a call has to be made; 0: there is nothing to move; -EINVAL: `bytes` is not the sum. */
int tn_progress_begin(struct tn_progress *progress, const struct iovec *iov, unsigned count,
                      uint64_t offset, uint64_t bytes);

/*
 * A call has moved that many bytes (0: the file ended) or failed. 1: one more has to be made; else
 * what came of the whole.
 */
int tn_progress_moved(struct tn_progress *progress, ssize_t moved, uint32_t grain);

#endif
