/*
 * chain.h: a chain grows by one descriptor at a time. Knows directions, totals and holes; knows no
 * ring format.
 */
#ifndef TN_VIRTQUEUE_CHAIN_H
#define TN_VIRTQUEUE_CHAIN_H

#include "virtqueue/virtqueue.h"

/* Drivers may not go beyond it (2.7.5.2, SPLIT-17); a used length could not say it either. */
#define TN_CHAIN_BYTES_MAX (UINT64_C(1) << 32)

/*
 * A chain while it grows: from a small place, which most are content with, into the scratch, which
 * every chain has room in. `spare` is how many iovecs the scratch holds beyond one for each
 * descriptor: what crossings of regions use up.
 */
struct tn_growth {
    struct tn_chain *chain;
    struct tn_view *view;
    struct iovec *scratch;
    uint32_t room; /* of the place where it is */
    uint32_t spare;
};

/* No iovecs yet; they will go to `iov`. */
static inline void tn_chain_begin(struct tn_chain *chain, struct iovec *iov, uint16_t head)
{
    *chain = (struct tn_chain){ .iov = iov, .head = head };
}

/* Any buffer; the chain is in the scratch then. */
const char *tn_chain_add_any(struct tn_growth *growth, uint64_t gpa, uint32_t bytes, bool write);

static inline void tn_chain_count(struct tn_chain *chain, uint32_t iovecs, uint32_t bytes,
                                  bool write)
{
    if (write) {
        chain->writable += iovecs;
        chain->writable_bytes += bytes;
    } else {
        chain->readable += iovecs;
        chain->readable_bytes += bytes;
    }
}

/*
 * Adds the buffer of one descriptor. A buffer that is not wholly in memory (or, with `write`, not
 * wholly writable), or that crosses more regions than `spare` allows, becomes one hole of its
 * length: the device above fails that request, the ring is not at fault. NULL, or the sentence that
 * says how the driver broke the rules.
 */
static inline const char *tn_chain_add(struct tn_growth *growth, uint64_t gpa, uint32_t bytes,
                                       bool write)
{
    struct tn_chain *chain = growth->chain;
    uint32_t count = chain->readable + chain->writable;
    void *base = tn_translate_again(growth->view, gpa, bytes, write);

    if (!base || count >= growth->room || (!write && chain->writable != 0) ||
        chain->readable_bytes + chain->writable_bytes + bytes > TN_CHAIN_BYTES_MAX) {
        return tn_chain_add_any(growth, gpa, bytes, write);
    }
    chain->iov[count].iov_base = base;
    chain->iov[count].iov_len = bytes;
    tn_chain_count(chain, 1, bytes, write);
    return NULL;
}

#endif
