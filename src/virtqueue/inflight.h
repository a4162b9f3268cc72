/*
 * inflight.h: the record of what is in flight, kept in memory that outlives this process
 * (VU-73..77).
 *
 *   fetch ──> ... ──> batch, batch, batch ──> (used index moves) ──> commit
 *
 * The region belongs to the front-end too, so it may hold anything: it is read once, when it is
 * opened, and only written after that. Each of the small functions below may be the last thing that
 * this process does; the stores are in the order that makes the next process able to go on (VU-76).
 */
#ifndef TN_VIRTQUEUE_INFLIGHT_H
#define TN_VIRTQUEUE_INFLIGHT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/shared.h"
#include "spec/vhost_user.h"

struct tn_inflight {
    struct tn_inflight_split *region;
    uint64_t counter; /* of the next chain that is fetched */
    uint16_t
        *batch; /* heads pushed and not published: ours, the links in the region are not trusted */
    uint16_t batched;
    uint16_t last_batch_head; /* as we wrote it to the region */
    uint16_t *again;          /* heads that an earlier back-end left in flight, in their order */
    uint16_t again_count;
    bool fresh; /* the region was never used: there is no earlier back-end */
};

/*
 * Opens one queue's part of a region and recovers what it says (VU-77); used_idx is the used index
 * in the ring. -EPROTO: it is not the record of such a queue. -ENOMEM.
 */
int tn_inflight_open(struct tn_inflight *inflight, void *region, size_t bytes, uint32_t size,
                     uint16_t used_idx);
void tn_inflight_close(struct tn_inflight *inflight);

/* A chain was taken from the ring. */
static inline void tn_inflight_fetch(struct tn_inflight *inflight, uint16_t head)
{
    struct tn_inflight_desc *desc = &inflight->region->desc[head];

    __atomic_store_n(&desc->counter, inflight->counter++, __ATOMIC_RELAXED);
    __atomic_store_n(&desc->inflight, 1, __ATOMIC_RELEASE);
}

/* A chain goes back unserved, or ends without a used entry. */
static inline void tn_inflight_drop(struct tn_inflight *inflight, uint16_t head)
{
    tn_shared_store8(&inflight->region->desc[head].inflight, 0);
}

/* A chain is in the used ring, before the index moves. */
static inline void tn_inflight_batch(struct tn_inflight *inflight, uint16_t head)
{
    struct tn_inflight_desc *desc = &inflight->region->desc[head];

    __atomic_store_n(&desc->next, inflight->last_batch_head, __ATOMIC_RELAXED);
    __atomic_store_n(&inflight->region->last_batch_head, head, __ATOMIC_RELEASE);
    inflight->last_batch_head = head;
    inflight->batch[inflight->batched++] = head;
}

/* The used index in the ring is `used_idx` now. */
void tn_inflight_commit(struct tn_inflight *inflight, uint16_t used_idx);

#endif
