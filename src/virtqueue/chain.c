/*
 * chain.c: from descriptors, already copied to private memory, to iovecs.
 *
 *   descriptor ──> direction order ──> tn_translate ──> iovec, iovec ...  [readable][writable]
 *                                           └── not in memory ──> a hole: base NULL, its length
 *
 * Here: what makes a list of buffers a legal chain, whatever ring it came from. Not here: how
 * descriptors are linked (split.c). On the queue's worker.
 */
#include "virtqueue/chain.h"

/* Drivers may not go beyond it (2.7.5.2, SPLIT-17); a used length could not say it either. */
static const uint64_t CHAIN_BYTES_MAX = UINT64_C(1) << 32;

const char *tn_chain_add(struct tn_chain *chain, struct tn_view *view, uint32_t *spare,
                         uint64_t gpa, uint32_t bytes, bool write)
{
    struct iovec *iov = chain->iov + chain->readable + chain->writable;
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
    if (chain->readable_bytes + chain->writable_bytes + bytes > CHAIN_BYTES_MAX) {
        return "a chain is longer than 2^32 bytes";
    }

    took = tn_translate(view, gpa, bytes, write, iov, 1 + *spare);
    if (__builtin_expect(took <= 0, 0)) {
        *iov = (struct iovec){ .iov_base = NULL, .iov_len = bytes };
        chain->holes = true;
        took = 1;
    }
    *spare -= (uint32_t)took - 1;
    if (write) {
        chain->writable += (uint32_t)took;
        chain->writable_bytes += bytes;
    } else {
        chain->readable += (uint32_t)took;
        chain->readable_bytes += bytes;
    }
    return NULL;
}
