/*
 * checksum.c: the ones' complement sum (RFC 1071), and the checksum that is left to be done in a
 * frame.
 *
 * Sums are of words in this machine's byte order, which is as good as any other until a sum becomes
 * a number: only net_sum adds to one, only net_sum_fold looks at it. Guest memory is read while the
 * guest may write it: the sum is then of some old bytes and some new ones, and nothing is decided
 * by it. These reads are not recorded (base/shared.h): whoever sends the frame reads the same bytes
 * once more. Any thread.
 */
#include <string.h>

#include "base/be.h"
#include "base/iov.h"
#include "base/num.h"
#include "net/net.h"
#include "spec/inet.h"

/* Vectors that every machine has, or its compiler makes of what there is: 64 bytes a turn. */
typedef uint64_t lanes __attribute__((vector_size(16)));
enum { BLOCK = 4 * sizeof(lanes) };

static uint64_t sum_blocks(const uint8_t *at, size_t blocks)
{
    lanes low = { 0 }, high = { 0 };

    for (; blocks != 0; blocks--, at += BLOCK) {
        lanes a, b, c, d;
        memcpy(&a, at, sizeof(a));
        memcpy(&b, at + sizeof(a), sizeof(b));
        memcpy(&c, at + 2 * sizeof(a), sizeof(c));
        memcpy(&d, at + 3 * sizeof(a), sizeof(d));
        low += (a & UINT32_MAX) + (b & UINT32_MAX) + ((c & UINT32_MAX) + (d & UINT32_MAX));
        high += (a >> 32) + (b >> 32) + ((c >> 32) + (d >> 32));
    }
    low += high;
    return low[0] + low[1];
}

/* The sum of words of 32 bits, the last one filled up with zeroes; no carry is lost in 4 GiB. */
static uint64_t sum_words(const uint8_t *at, size_t count)
{
    uint64_t sum = sum_blocks(at, count / BLOCK), word = 0;

    at += tn_round_down(count, BLOCK);
    for (count %= BLOCK; count >= sizeof(word); count -= sizeof(word), at += sizeof(word)) {
        memcpy(&word, at, sizeof(word));
        sum += (word & UINT32_MAX) + (word >> 32);
    }
    word = 0;
    memcpy(&word, at, count);
    return sum + (word & UINT32_MAX) + (word >> 32);
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)((sum & UINT16_MAX) + (sum >> 16));
}

uint32_t net_sum(uint32_t sum, const void *bytes, size_t count, bool odd)
{
    uint16_t part = fold(sum_words(bytes, count));

    return fold(sum) + (uint32_t)(odd ? __builtin_bswap16(part) : part);
}

uint16_t net_sum_fold(uint32_t sum)
{
    /* Swapping is its own reverse: from the machine's order to little-endian, then to big. */
    return __builtin_bswap16(TN_LE16(fold(sum)));
}

uint16_t net_checksum(const struct iovec *iov, unsigned count, uint32_t bytes,
                      const struct tenon_offload *offload)
{
    uint64_t skip = offload->csum_start, left = bytes - tn_min_u64(bytes, skip);
    uint32_t sum = 0;
    bool odd = false;

    for (unsigned i = 0; i < count && left != 0; i++) {
        if (skip >= iov[i].iov_len) {
            skip -= iov[i].iov_len;
            continue;
        }
        uint64_t part = tn_min_u64(left, iov[i].iov_len - skip);
        if (iov[i].iov_base) {
            sum = net_sum(sum, (const uint8_t *)iov[i].iov_base + skip, part, odd);
        }
        odd ^= part & 1;
        left -= part;
        skip = 0;
    }
    uint16_t checksum = (uint16_t)~net_sum_fold(sum);
    /* To UDP 0 means that there is none; to the sum both are zero (NET-24). */
    return checksum == 0 && offload->csum_offset == TN_UDP_CHECKSUM ? UINT16_MAX : checksum;
}

bool net_checksum_finish(const struct iovec *iov, unsigned count, uint32_t bytes,
                         struct tenon_offload *offload)
{
    uint8_t field[2];

    tn_put_be16(field, net_checksum(iov, count, bytes, offload));
    if (!tn_iov_copy_to(iov, count, (uint64_t)offload->csum_start + offload->csum_offset, field,
                        sizeof(field))) {
        return false;
    }
    offload->flags = 0;
    offload->csum_start = offload->csum_offset = 0;
    return true;
}
