/*
 * transfer.c: see transfer.h. The caller's list is never changed: where a call stopped inside an
 * iovec, the next few are copied to the stack with the first one cut.
 */
#include "disk/transfer.h"

#include <errno.h>

#include "base/iov.h"
#include "base/num.h"

enum { PART_MAX = 32 };

static void advance(struct tn_progress *at, uint64_t bytes)
{
    at->offset += bytes;
    at->bytes -= bytes;
    while (at->count != 0 && bytes >= at->iov->iov_len - at->skip) {
        bytes -= at->iov->iov_len - at->skip;
        at->iov++;
        at->count--;
        at->skip = 0;
    }
    at->skip += bytes;
}

int tn_progress_begin(struct tn_progress *progress, const struct iovec *iov, unsigned count,
                      uint64_t offset, uint64_t bytes)
{
    *progress =
        (struct tn_progress){ .iov = iov, .count = count, .offset = offset, .bytes = bytes };
    if (tn_iov_bytes(iov, count) != bytes) {
        return -EINVAL;
    }
    /* Over the empty iovecs in front: a call that can only move nothing would look like the end. */
    advance(progress, 0);
    return bytes != 0;
}

int tn_progress_moved(struct tn_progress *progress, ssize_t moved, uint32_t grain)
{
    if (moved == -EINTR && ++progress->interruptions < TN_INTERRUPTIONS_MAX) {
        return 1;
    }
    if (moved < 0) {
        return (int)moved;
    }
    uint64_t done = tn_round_down((uint64_t)moved, grain);
    if (done == 0 || done > progress->bytes) {
        return -EIO;
    }
    progress->interruptions = 0;
    advance(progress, done);
    return progress->bytes != 0;
}

static ssize_t move_some(const struct tn_mover *mover, const struct tn_progress *at)
{
    struct iovec part[PART_MAX];
    unsigned count;

    if (at->skip == 0) {
        count = (unsigned)tn_min_u64(at->count, IOV_MAX);
        return mover->move(mover->opaque, at->iov, (int)count, at->offset);
    }
    count = (unsigned)tn_min_u64(at->count, PART_MAX);
    for (unsigned i = 0; i < count; i++) {
        part[i] = at->iov[i];
    }
    /* Bytes are left, so count is not 0. */
    /* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult) */
    part[0].iov_base = (char *)part[0].iov_base + at->skip;
    part[0].iov_len -= at->skip;
    return mover->move(mover->opaque, part, (int)count, at->offset);
}

int tn_transfer(const struct tn_mover *mover, const struct iovec *iov, unsigned count,
                uint64_t offset, uint64_t bytes)
{
    struct tn_progress progress;
    int r = tn_progress_begin(&progress, iov, count, offset, bytes);

    while (r > 0) {
        r = tn_progress_moved(&progress, move_some(mover, &progress), mover->grain);
    }
    return r;
}
