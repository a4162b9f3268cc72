/*
 * chain.c: from descriptors, already copied to private memory, to iovecs.
 *
 *   descriptor ──> direction order ──> tn_translate ──> iovec, iovec ...  [readable][writable]
 *                                           └── not in memory ──> a hole: base NULL, its length
 *
 * Here: what makes a list of buffers a legal chain, whatever ring it came from. Not here: how
 * descriptors are linked (split_walk.c). On the queue's worker.
 */
#include "virtqueue/chain.h"

#include <string.h>

const char *tn_chain_add_any(struct tn_growth *growth, uint64_t gpa, uint32_t bytes, bool write)
{
    struct tn_chain *chain = growth->chain;
    uint32_t count = chain->readable + chain->writable;
    int took;

    /*
     * An empty buffer is nothing at all: it has no direction that could be in the wrong place
     * (SPLIT-18).
     */
    if (bytes == 0) {
        return NULL;
    }
    if (!write && chain->writable != 0) {
        return "a device-readable descriptor follows a device-writable one"; /* SPLIT-12 */
    }
    if (chain->readable_bytes + chain->writable_bytes + bytes > TN_CHAIN_BYTES_MAX) {
        return "a chain is longer than 2^32 bytes";
    }

    if (chain->iov != growth->scratch) {
        memcpy(growth->scratch, chain->iov, count * sizeof(*chain->iov));
        chain->iov = growth->scratch;
        growth->room = UINT32_MAX;
    }
    struct iovec *iov = chain->iov + count;
    took = tn_translate(growth->view, gpa, bytes, write, iov, 1 + growth->spare);
    if (__builtin_expect(took <= 0, 0)) {
        *iov = (struct iovec){ .iov_base = NULL, .iov_len = bytes };
        chain->holes = true;
        took = 1;
    }
    growth->spare -= (uint32_t)took - 1;
    tn_chain_count(chain, (uint32_t)took, bytes, write);
    return NULL;
}
