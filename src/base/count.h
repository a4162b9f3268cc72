/*
 * count.h: counters that one thread writes and any thread reads. A relaxed load and store is all
 * that a single writer needs: no lock, no atomic read-modify-write, readable while anything hangs.
 */
#ifndef TN_BASE_COUNT_H
#define TN_BASE_COUNT_H

#include <stdint.h>

struct tn_count {
    uint64_t value;
};

static inline void tn_count_add(struct tn_count *count, uint64_t n)
{
    uint64_t now = __atomic_load_n(&count->value, __ATOMIC_RELAXED);
    __atomic_store_n(&count->value, now + n, __ATOMIC_RELAXED);
}

/* A gauge, which goes down as well. */
static inline void tn_count_set(struct tn_count *count, uint64_t value)
{
    __atomic_store_n(&count->value, value, __ATOMIC_RELAXED);
}

static inline uint64_t tn_count_read(const struct tn_count *count)
{
    return __atomic_load_n(&count->value, __ATOMIC_RELAXED);
}

#endif
