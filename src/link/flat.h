/*
 * flat.h: frames in more pieces than a system call takes, by way of one run of private memory. A
 * guest may write such frames, and nobody does; so they are correct, not fast.
 */
#ifndef TN_LINK_FLAT_H
#define TN_LINK_FLAT_H

#include <errno.h>

#include "base/iov.h"
#include "base/num.h"
#include "tenon/link.h"

enum {
    TN_FLAT_IOVECS = 1024, /* that a system call takes (IOV_MAX) */
    TN_FLAT_BYTES = TENON_FRAME_BYTES_MAX
};

struct tn_flat {
    struct iovec iov;
    uint8_t bytes[TN_FLAT_BYTES];
};

/* Room for a frame that is to be received. */
static inline const struct iovec *tn_flat_room(struct tn_flat *flat, const struct tenon_frame *to)
{
    flat->iov.iov_base = flat->bytes;
    flat->iov.iov_len = tn_min_u64(to->bytes, sizeof(flat->bytes));
    return &flat->iov;
}

/* What came into that room goes where it belongs. */
static inline void tn_flat_scatter(const struct tn_flat *flat, struct tenon_frame *to)
{
    if (to->result == 0 && !tn_iov_copy_to(to->iov, to->iov_count, 0, flat->bytes, to->bytes)) {
        to->result = -EFAULT;
    }
}

/* The frame to be sent, in one piece; NULL, with its result: it cannot be. */
static inline const struct iovec *tn_flat_gather(struct tn_flat *flat, struct tenon_frame *from)
{
    if (from->bytes > sizeof(flat->bytes)) {
        from->result = -EMSGSIZE;
        return NULL;
    }
    if (!tn_iov_copy_from(flat->bytes, from->iov, from->iov_count, 0, from->bytes)) {
        from->result = -EFAULT;
        return NULL;
    }
    flat->iov.iov_base = flat->bytes;
    flat->iov.iov_len = from->bytes;
    return &flat->iov;
}

#endif
