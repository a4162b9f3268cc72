/*
 * latency.c: latencies without keeping each: buckets whose width is a sixteenth of their value, so
 * a percentile is right within some six percent.
 */
#include "load.h"

static unsigned bucket_of(uint64_t ns)
{
    if (ns < LATENCY_STEPS) {
        return (unsigned)ns;
    }
    unsigned power = 63 - (unsigned)__builtin_clzll(ns); /* 4 or more */
    unsigned step = (unsigned)(ns >> (power - 4)) & (LATENCY_STEPS - 1);
    unsigned bucket = (power - 3) * LATENCY_STEPS + step;
    return bucket < LATENCY_BUCKETS ? bucket : LATENCY_BUCKETS - 1;
}

/* The middle of a bucket. */
static uint64_t value_of(unsigned bucket)
{
    if (bucket < LATENCY_STEPS) {
        return bucket;
    }
    unsigned power = bucket / LATENCY_STEPS + 3, step = bucket % LATENCY_STEPS;
    uint64_t width = (uint64_t)1 << (power - 4);
    return (LATENCY_STEPS + step) * width + width / 2;
}

void latency_add(struct latencies *latencies, uint64_t ns)
{
    latencies->counts[bucket_of(ns)]++;
    latencies->total++;
}

uint64_t latency_at(const struct latencies *latencies, unsigned percent)
{
    uint64_t wanted = latencies->total * percent / 100, seen = 0;

    for (unsigned i = 0; i < LATENCY_BUCKETS; i++) {
        seen += latencies->counts[i];
        if (seen > wanted) {
            return value_of(i);
        }
    }
    return 0;
}
