/*
 * iov.c: see iov.h. All of it is a walk with a skip; nothing here allocates or takes a lock.
 */
#include "base/iov.h"

#include "base/num.h"
#include "base/shared.h"

uint64_t tn_iov_bytes(const struct iovec *iov, unsigned count)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < count; i++) {
        bytes += iov[i].iov_len;
    }
    return bytes;
}

bool tn_iov_has_hole(const struct iovec *iov, unsigned count, uint64_t offset, uint64_t bytes)
{
    for (unsigned i = 0; i < count && bytes != 0; i++) {
        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        if (!iov[i].iov_base) {
            return true;
        }
        bytes -= tn_min_u64(bytes, iov[i].iov_len - offset);
        offset = 0;
    }
    return bytes != 0;
}

bool tn_iov_copy_from(void *to, const struct iovec *iov, unsigned count, uint64_t offset,
                      uint64_t bytes)
{
    uint8_t *out = to;

    if (tn_iov_has_hole(iov, count, offset, bytes)) {
        return false;
    }
    for (unsigned i = 0; bytes != 0; i++) {
        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        uint64_t part = tn_min_u64(bytes, iov[i].iov_len - offset);
        tn_shared_copy_from(out, (const uint8_t *)iov[i].iov_base + offset, part);
        out += part;
        bytes -= part;
        offset = 0;
    }
    return true;
}

bool tn_iov_copy_to(const struct iovec *iov, unsigned count, uint64_t offset, const void *from,
                    uint64_t bytes)
{
    const uint8_t *in = from;

    if (tn_iov_has_hole(iov, count, offset, bytes)) {
        return false;
    }
    for (unsigned i = 0; bytes != 0; i++) {
        if (offset >= iov[i].iov_len) {
            offset -= iov[i].iov_len;
            continue;
        }
        uint64_t part = tn_min_u64(bytes, iov[i].iov_len - offset);
        tn_shared_copy_to((uint8_t *)iov[i].iov_base + offset, in, part);
        in += part;
        bytes -= part;
        offset = 0;
    }
    return true;
}

void tn_iov_cut(struct iovec **iov, unsigned *count, uint64_t offset, uint64_t bytes)
{
    struct iovec *first = *iov;
    unsigned left = *count;

    while (left != 0 && offset >= first->iov_len) {
        offset -= first->iov_len;
        first++;
        left--;
    }
    if (left != 0 && offset != 0) {
        first->iov_base = first->iov_base ? (uint8_t *)first->iov_base + offset : NULL;
        first->iov_len -= offset;
    }

    unsigned kept = 0;
    while (kept < left && bytes != 0) {
        first[kept].iov_len = tn_min_u64(first[kept].iov_len, bytes);
        bytes -= first[kept].iov_len;
        kept++;
    }
    *iov = first;
    *count = kept;
}
