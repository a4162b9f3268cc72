/*
 * transfer.h: all of a read or a write out of calls that may do less: short transfers,
 * interruptions, lists that are too long for one call. What is reported is the truth about the
 * whole: 0, or the reason why some of it was not done.
 */
#ifndef TN_DISK_TRANSFER_H
#define TN_DISK_TRANSFER_H

#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

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

#endif
