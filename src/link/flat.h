/*
 * flat.h: frames as one run of private memory: short ones, because the kernel takes longer over an
 * iovec than we over a copy, and those in more pieces than a system call takes. A guest may write
 * such frames, and nobody does; so those are correct, not fast.
 *
 * Nobody looks at the bytes that are copied here.
 */
#ifndef TN_LINK_FLAT_H
#define TN_LINK_FLAT_H

#include <errno.h>

#include "base/num.h"
#include "base/shared.h"
#include "tenon/link.h"

enum {
    TN_FLAT_IOVECS = 1024, /* that a system call takes (IOV_MAX) */
    TN_FLAT_BYTES = TENON_FRAME_BYTES_MAX,
    TN_FLAT_SHORT = 2048 /* up to this length a copy is worth it */
};

static inline void tn_flat_copy_from(uint8_t *to, const struct tenon_frame *frame)
{
    size_t left = frame->bytes;

    for (unsigned i = 0; i < frame->iov_count && left != 0; i++) {
        size_t part = tn_min_u64(frame->iov[i].iov_len, left);

        if (part != 0) { /* else it may lie nowhere */
            tn_shared_move(to, frame->iov[i].iov_base, part);
        }
        to += part;
        left -= part;
    }
}

static inline void tn_flat_copy_to(const struct tenon_frame *frame, const uint8_t *from)
{
    size_t left = frame->bytes;

    for (unsigned i = 0; i < frame->iov_count && left != 0; i++) {
        size_t part = tn_min_u64(frame->iov[i].iov_len, left);

        if (part != 0) {
            tn_shared_move(frame->iov[i].iov_base, from, part);
        }
        from += part;
        left -= part;
    }
}

/* ---- where iovecs are what is asked for ---- */

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
static inline void tn_flat_scatter(const struct tn_flat *flat, const struct tenon_frame *to)
{
    if (to->result == 0) {
        tn_flat_copy_to(to, flat->bytes);
    }
}

/* The frame to be sent, in one piece; NULL, with its result: it cannot be. */
static inline const struct iovec *tn_flat_gather(struct tn_flat *flat, struct tenon_frame *from)
{
    if (from->bytes > sizeof(flat->bytes)) {
        from->result = -EMSGSIZE;
        return NULL;
    }
    tn_flat_copy_from(flat->bytes, from);
    flat->iov.iov_base = flat->bytes;
    flat->iov.iov_len = from->bytes;
    return &flat->iov;
}

#endif
