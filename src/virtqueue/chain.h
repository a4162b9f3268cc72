/*
 * chain.h: a chain grows by one descriptor at a time. Knows directions, totals and holes; knows no
 * ring format.
 */
#ifndef TN_VIRTQUEUE_CHAIN_H
#define TN_VIRTQUEUE_CHAIN_H

#include "virtqueue/virtqueue.h"

/* Ready for tn_chain_add: no iovecs yet, and `iov` is where they will go. */
static inline void tn_chain_begin(struct tn_chain *chain, struct iovec *iov, uint16_t head)
{
    *chain = (struct tn_chain){ .iov = iov, .head = head };
}

/*
 * Adds the buffer of one descriptor. `spare` is how many iovecs the scratch holds beyond one for
 * each descriptor: what crossings of regions use up. A buffer that is not wholly in memory (or,
 * with `write`, not wholly writable), or that crosses more regions than `spare` allows, becomes one
 * hole of its length: the device above fails that request, the ring is not at fault. NULL, or the
 * sentence that says how the driver broke the rules.
 */
const char *tn_chain_add(struct tn_chain *chain, struct tn_view *view, uint32_t *spare,
                         uint64_t gpa, uint32_t bytes, bool write);

#endif
