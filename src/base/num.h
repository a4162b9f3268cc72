/*
 * num.h: arithmetic on numbers that somebody else chose. Every sum and product of a value from the
 * guest, the front-end or the user goes through here; each function says whether the result exists.
 */
#ifndef TN_BASE_NUM_H
#define TN_BASE_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool tn_add_u64(uint64_t a, uint64_t b, uint64_t *sum)
{
    return !__builtin_add_overflow(a, b, sum);
}

static inline bool tn_mul_u64(uint64_t a, uint64_t b, uint64_t *product)
{
    return !__builtin_mul_overflow(a, b, product);
}

/*
 * Whether [start, start + bytes) lies within [0, limit), without ever forming a sum that could
 * wrap.
 */
static inline bool tn_range_within(uint64_t start, uint64_t bytes, uint64_t limit)
{
    return start <= limit && bytes <= limit - start;
}

/* Whether [a, a + a_bytes) and [b, b + b_bytes) share a byte. Both ranges are known not to wrap. */
static inline bool tn_range_overlaps(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
    return a_bytes != 0 && b_bytes != 0 && a < b + b_bytes && b < a + a_bytes;
}

static inline bool tn_is_power_of_2(uint64_t v)
{
    return v != 0 && (v & (v - 1)) == 0;
}

static inline uint64_t tn_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t tn_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

/* `align` is a power of 2. Rounding up assumes that the result fits: check the range first. */
static inline uint64_t tn_round_down(uint64_t v, uint64_t align)
{
    return v & ~(align - 1);
}
static inline uint64_t tn_round_up(uint64_t v, uint64_t align)
{
    return tn_round_down(v + align - 1, align);
}
static inline bool tn_is_aligned(uint64_t v, uint64_t align)
{
    return (v & (align - 1)) == 0;
}

/* The compiler keeps what is done then out of the way. */
static inline bool tn_unlikely(bool condition)
{
    return __builtin_expect(condition, 0);
}

#endif
