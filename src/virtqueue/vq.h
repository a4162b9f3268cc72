/*
 * vq.h: what a queue is made of. For virtqueue.c and the file of its ring format, nobody else.
 *
 * The fields that each pop and push touch come first, in one cache line; what a chain needs to grow
 * comes second; what only start and remap look at comes last.
 */
#ifndef TN_VIRTQUEUE_VQ_H
#define TN_VIRTQUEUE_VQ_H

#include "spec/vring.h"
#include "virtqueue/inflight.h"
#include "virtqueue/virtqueue.h"

enum { TN_VQ_LINE = 64 };

struct tn_vq {
    /* The rings, as pointers: valid for the table that the view holds. */
    const struct tn_desc *desc;
    const struct tn_avail *avail;
    struct tn_used *used;
    const char *broken;           /* NULL, or how the ring was broken */
    uint64_t *heads;              /* one bit for each head that is in flight */
    struct tn_inflight *inflight; /* NULL: no record is kept */
    uint16_t mask;                /* size - 1 */
    uint16_t next_avail;          /* the next chain to take */
    uint16_t avail_seen;          /* the available index as last read, and found good */
    uint16_t used_idx;            /* the next used element to fill */
    uint16_t published;           /* the used index as the driver sees it */
    uint16_t told;                /* where it was when an interrupt was last thought of */
    uint16_t in_flight;           /* popped, and neither pushed nor forgotten */
    uint16_t again_next;          /* heads of inflight->again that were popped already ... */
    uint16_t again_count;         /* ... of so many */

    struct tn_view *view;
    struct iovec *iov;     /* the scratch that chain->iov points to */
    struct tn_desc *table; /* private copy of an indirect table; NULL when not negotiated */
    uint32_t size;
    uint32_t limit; /* descriptors of a direct chain */
    uint32_t max_iovecs;
    bool event_idx;

    uint64_t desc_gpa, driver_gpa, device_gpa;
    struct tn_inflight record; /* where `inflight` points when there is one */
};

/* The first reason is the one that stays. */
static inline void tn_vq_break_once(struct tn_vq *vq, const char *why)
{
    if (vq->broken == NULL) {
        vq->broken = why;
    }
}

static inline uint64_t *tn_vq_head_word(struct tn_vq *vq, uint16_t head)
{
    return &vq->heads[head / 64];
}

static inline uint64_t tn_vq_head_bit(uint16_t head)
{
    return UINT64_C(1) << (head % 64);
}

#endif
