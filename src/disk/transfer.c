/*
 * transfer.c: see transfer.h. The caller's list is never changed: where a call stopped inside an
 * iovec, the next few are copied to the stack with the first one cut.
 */
#include "disk/transfer.h"

#include <errno.h>
#include <limits.h>

#include "base/iov.h"
#include "base/num.h"

#ifndef IOV_MAX
#define IOV_MAX 1024
#endif

enum { PART_MAX = 32 };

/* Where the next byte goes. */
struct place {
    const struct iovec *iov;
    unsigned count; /* iovecs from here on */
    size_t skip;    /* bytes of the first one that are done */
};

static void advance(struct place *at, uint64_t bytes)
{
    while (at->count != 0 && bytes >= at->iov->iov_len - at->skip) {
        bytes -= at->iov->iov_len - at->skip;
        at->iov++;
        at->count--;
        at->skip = 0;
    }
    at->skip += bytes;
}

static ssize_t move_some(const struct tn_mover *mover, const struct place *at, uint64_t offset)
{
    struct iovec part[PART_MAX];
    unsigned count;

    if (at->skip == 0) {
        count = (unsigned)tn_min_u64(at->count, IOV_MAX);
        return mover->move(mover->opaque, at->iov, (int)count, offset);
    }
    count = (unsigned)tn_min_u64(at->count, PART_MAX);
    for (unsigned i = 0; i < count; i++) {
        part[i] = at->iov[i];
    }
    /* Bytes are left, so count is not 0. */
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    part[0].iov_base = (char *)part[0].iov_base + at->skip;
    part[0].iov_len -= at->skip;
    return mover->move(mover->opaque, part, (int)count, offset);
}

int tn_transfer(const struct tn_mover *mover, const struct iovec *iov, unsigned count,
                uint64_t offset, uint64_t bytes)
{
    struct place at = { .iov = iov, .count = count };
    unsigned interruptions = 0;

    if (tn_iov_bytes(iov, count) != bytes) {
        return -EINVAL;
    }
    /* Over the empty iovecs in front: a call that can only move nothing would look like the end. */
    advance(&at, 0);
    while (bytes != 0) {
        ssize_t moved = move_some(mover, &at, offset);

        if (moved == -EINTR && ++interruptions < TN_INTERRUPTIONS_MAX) {
            continue;
        }
        if (moved < 0) {
            return (int)moved;
        }
        uint64_t done = tn_round_down((uint64_t)moved, mover->grain);
        if (done == 0 || done > bytes) {
            return -EIO;
        }
        interruptions = 0;
        bytes -= done;
        offset += done;
        advance(&at, done);
    }
    return 0;
}
