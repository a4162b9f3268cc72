/*
 * bucket.h: a token bucket that many may draw from, without a lock and without losing a fraction.
 *
 *      forgone      given out            not given out yet
 *   ───────────┼──slice──┼─slice─┼──────────────────────────┼──> time
 *            now - burst       given                       now
 *
 * What a bucket gives out is time: each nanosecond of it is worth `tokens` billionths of a token.
 * So the bucket is one number, the moment up to which its time is given out; a slice is taken by
 * one atomic step, and turns into tokens in the purse of who took it: whole numbers, exactly. Who
 * finds no time left takes the next that comes and waits for it: in order of arrival.
 *
 * Pure functions of their arguments: the time is one of them. Buckets are for any threads, a purse
 * for one.
 */
#ifndef TN_BASE_BUCKET_H
#define TN_BASE_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

#define TN_RATE_MAX ((uint64_t)1 << 42) /* tokens per second: 4 TiB/s, where they are bytes */

enum {
    /* A purse takes at most so much time beyond what it needs. Who needs more than there is takes
     * what is to come in steps of as much (or of one token, where that takes longer). */
    TN_LEASE_NS = 1000000
};

struct tn_rate {
    uint64_t tokens;  /* per second, at most TN_RATE_MAX; 0: no limit */
    int64_t burst_ns; /* unused time is kept for so long */
};

struct tn_bucket {
    int64_t given; /* atomic */
    uint64_t once; /* atomic: tokens of the one-time burst that are left */
};

/* tokens + billionths / 10^9 is what is in it, below zero: owed; and the time from start to end. */
struct tn_purse {
    int64_t tokens;
    uint32_t billionths;
    int64_t start, end; /* the newest slice, as far as it was not turned into tokens */
    int64_t since;      /* who owes claims all that nobody has taken since then */
};

/* burst: in tokens; 0: a tenth of a second of the rate. */
struct tn_rate tn_rate_make(uint64_t tokens, uint64_t burst);

/* A new bucket is full. */
void tn_bucket_fill(struct tn_bucket *bucket, const struct tn_rate *rate, uint64_t once,
                    int64_t now);
/*
 * The rate or the burst changes: what the bucket holds stays, as tokens, up to the new burst. With
 * another rate, slices that are yet to come are nobody's any more (tn_purse_unreserve).
 */
void tn_bucket_change(struct tn_bucket *bucket, const struct tn_rate *from,
                      const struct tn_rate *to, int64_t now);

/*
 * Takes `cost` from the purse, which may then owe. Time that was unspent for longer than the burst
 * is forgone, as of `due`: now, or when we should have come; for being late is not being idle.
 */
void tn_purse_charge(struct tn_purse *purse, const struct tn_rate *rate, uint64_t cost, int64_t due,
                     int64_t now);
/*
 * Whether the purse owes nothing, after drawing what it can. `more` is what those behind will be
 * charged, so that a slice of time to come is no smaller than that of others who wait.
 */
bool tn_purse_pays(struct tn_purse *purse, struct tn_bucket *bucket, const struct tn_rate *rate,
                   uint64_t more, int64_t now);
/* How much it could pay for now: what is in the purse, the bucket and the one-time burst. */
uint64_t tn_purse_has(struct tn_purse *purse, const struct tn_bucket *bucket,
                      const struct tn_rate *rate, int64_t now);
/* It does not: when to ask again. last: it will pay then; else it has to draw once more. */
int64_t tn_purse_when(const struct tn_purse *purse, const struct tn_rate *rate, bool *last);
/* What was charged will not happen: the rest of the price is not owed; what was paid is lost. */
void tn_purse_forget(struct tn_purse *purse, uint64_t cost);
/* The rate changes: time that is yet to come is given up. */
void tn_purse_unreserve(struct tn_purse *purse, const struct tn_rate *rate, int64_t now);

#endif
