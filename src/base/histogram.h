/*
 * histogram.h: how often a value was how large, in powers of two. One thread adds, any thread
 * reads; adding is one relaxed store, as for a counter.
 *
 *   bucket 0   the value 0
 *   bucket i   from 2^(i-1) up to, but not including, 2^i; the last one: all that is above, too
 */
#ifndef TN_BASE_HISTOGRAM_H
#define TN_BASE_HISTOGRAM_H

#include "base/count.h"

enum { TN_HISTOGRAM_BUCKETS = 44 }; /* of nanoseconds: up to some two hours */

struct tn_histogram {
    struct tn_count buckets[TN_HISTOGRAM_BUCKETS];
};

static inline unsigned tn_histogram_bucket(uint64_t value)
{
    unsigned bucket = value == 0 ? 0 : 64 - (unsigned)__builtin_clzll(value);

    return bucket < TN_HISTOGRAM_BUCKETS ? bucket : TN_HISTOGRAM_BUCKETS - 1;
}

static inline void tn_histogram_add(struct tn_histogram *histogram, uint64_t value)
{
    tn_count_add(&histogram->buckets[tn_histogram_bucket(value)], 1);
}

#endif
