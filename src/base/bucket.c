/*
 * bucket.c: see bucket.h. Here is the arithmetic; who waits for what is device/limit.c's business.
 * All of it in whole numbers: products stay within 64 bits since rates and steps are bounded.
 */
#include "base/bucket.h"

#include "base/num.h"

#define BILLION INT64_C(1000000000)
#define BURST_MAX (INT64_MAX / 4) /* of nanoseconds: 73 years */
/* Debts are looked at up to so many tokens at a time: billionths of them fit into 63 bits. */
#define TOKENS_MOST UINT64_C(8000000000)

static int64_t min_of(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t max_of(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

/* a * b / c, or the most there is; exact unless a * b does not fit into 64 bits. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t product;

    while (!tn_mul_u64(a, b, &product)) {
        b >>= 1;
        c >>= 1;
        if (c == 0) {
            return UINT64_MAX;
        }
    }
    return product / c;
}

struct tn_rate tn_rate_make(uint64_t tokens, uint64_t burst)
{
    struct tn_rate rate = { .tokens = tokens, .burst_ns = BILLION / 10 };

    if (tokens != 0 && burst != 0) {
        rate.burst_ns = (int64_t)tn_min_u64(scale((uint64_t)BILLION, burst, tokens), BURST_MAX);
    }
    return rate;
}

void tn_bucket_fill(struct tn_bucket *bucket, const struct tn_rate *rate, uint64_t once,
                    int64_t now)
{
    __atomic_store_n(&bucket->given, now - rate->burst_ns, __ATOMIC_RELAXED);
    __atomic_store_n(&bucket->once, once, __ATOMIC_RELAXED);
}

void tn_bucket_change(struct tn_bucket *bucket, const struct tn_rate *from,
                      const struct tn_rate *to, int64_t now)
{
    int64_t given = __atomic_load_n(&bucket->given, __ATOMIC_RELAXED);
    int64_t next;

    do {
        next = max_of(given, now - from->burst_ns);
        if (from->tokens == 0 || to->tokens == 0) {
            next = now - to->burst_ns;
        } else if (from->tokens != to->tokens) {
            uint64_t unused = scale((uint64_t)max_of(now - next, 0), from->tokens, to->tokens);
            next = now - (int64_t)tn_min_u64(unused, (uint64_t)to->burst_ns);
        } /* else slices that are yet to come stay given out */
    } while (!__atomic_compare_exchange_n(&bucket->given, &given, next, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
}

/* `billionths` is how many there are in the time that was gained. */
static void add(struct tn_purse *purse, uint64_t billionths)
{
    billionths += purse->billionths;
    purse->tokens += (int64_t)(billionths / BILLION);
    purse->billionths = (uint32_t)(billionths % BILLION);
}

/* What has come of the slice becomes tokens. */
static void ripen(struct tn_purse *purse, const struct tn_rate *rate, int64_t now)
{
    int64_t until = min_of(now, purse->end);

    if (until > purse->start) {
        add(purse, (uint64_t)(until - purse->start) * rate->tokens);
        purse->start = until;
    }
}

/* How long it takes to earn what the purse owes and `more`, or a good part of it. */
static int64_t time_of_debt(const struct tn_purse *purse, const struct tn_rate *rate, uint64_t more)
{
    uint64_t tokens = (uint64_t)-purse->tokens;
    uint64_t owed = tn_min_u64(tokens + tn_min_u64(more, TOKENS_MOST), TOKENS_MOST) * BILLION;

    owed -= purse->billionths;
    return (int64_t)((owed + rate->tokens - 1) / rate->tokens);
}

/* Tokens of the one-time burst, as many as are owed. */
static bool draw_once(struct tn_purse *purse, struct tn_bucket *bucket)
{
    uint64_t left = __atomic_load_n(&bucket->once, __ATOMIC_RELAXED);
    uint64_t taken;

    do {
        taken = tn_min_u64(left, (uint64_t)-purse->tokens);
    } while (taken != 0 && !__atomic_compare_exchange_n(&bucket->once, &left, left - taken, true,
                                                        __ATOMIC_RELAXED, __ATOMIC_RELAXED));
    purse->tokens += (int64_t)taken;
    return taken != 0;
}

/*
 * The next slice of the bucket's time. What is there is taken as needed, and a little more, so that
 * the next request needs no atomic. What is yet to come is taken in steps, so that others get
 * theirs in between.
 */
static void draw(struct tn_purse *purse, struct tn_bucket *bucket, const struct tn_rate *rate,
                 uint64_t more, int64_t now)
{
    int64_t step = max_of(TN_LEASE_NS, (int64_t)((uint64_t)BILLION / rate->tokens) + 1);
    int64_t given = __atomic_load_n(&bucket->given, __ATOMIC_RELAXED);
    int64_t start, end;

    do {
        start = max_of(given, purse->since);
        end = start + time_of_debt(purse, rate, 0);
        if (end <= now) {
            end = min_of(now, end + TN_LEASE_NS);
        } else {
            end = min_of(start + time_of_debt(purse, rate, more), max_of(start, now) + step);
        }
    } while (!__atomic_compare_exchange_n(&bucket->given, &given, end, true, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED));
    purse->start = start;
    purse->end = end;
}

bool tn_purse_pays(struct tn_purse *purse, struct tn_bucket *bucket, const struct tn_rate *rate,
                   uint64_t more, int64_t now)
{
    ripen(purse, rate, now);
    while (purse->tokens < 0) {
        int64_t there = now - __atomic_load_n(&bucket->given, __ATOMIC_RELAXED);
        bool waits = purse->end > now;
        if ((waits || there < time_of_debt(purse, rate, 0)) && draw_once(purse, bucket)) {
            continue;
        }
        if (waits) {
            return false;
        }
        draw(purse, bucket, rate, more, now);
        ripen(purse, rate, now);
    }
    return true;
}

uint64_t tn_purse_has(struct tn_purse *purse, const struct tn_bucket *bucket,
                      const struct tn_rate *rate, int64_t now)
{
    tn_purse_charge(purse, rate, 0, now, now); /* what is too old counts no more */
    if (purse->tokens < 0) {
        return 0;
    }
    int64_t from = max_of(__atomic_load_n(&bucket->given, __ATOMIC_RELAXED), purse->since);
    uint64_t there = scale((uint64_t)max_of(now - from, 0), rate->tokens, (uint64_t)BILLION);
    return (uint64_t)purse->tokens + tn_min_u64(there, TOKENS_MOST) +
           __atomic_load_n(&bucket->once, __ATOMIC_RELAXED);
}

int64_t tn_purse_when(const struct tn_purse *purse, const struct tn_rate *rate, bool *last)
{
    int64_t paid = purse->start + time_of_debt(purse, rate, 0);

    *last = paid <= purse->end;
    return min_of(paid, purse->end);
}

/*
 * What is left of a slice is good for as long as the bucket itself would have kept it. There is
 * never more than a step of it.
 */
static void forgo(struct tn_purse *purse, const struct tn_rate *rate, int64_t oldest)
{
    int64_t kept = purse->start - oldest;

    if (kept >= TN_LEASE_NS) {
        return;
    }
    struct tn_purse most = { 0 };
    add(&most, (uint64_t)max_of(kept, 0) * rate->tokens);
    if (purse->tokens > most.tokens ||
        (purse->tokens == most.tokens && purse->billionths > most.billionths)) {
        purse->tokens = most.tokens;
        purse->billionths = most.billionths;
    }
}

void tn_purse_charge(struct tn_purse *purse, const struct tn_rate *rate, uint64_t cost, int64_t due,
                     int64_t now)
{
    ripen(purse, rate, now);
    if (purse->tokens >= 0) {
        purse->since = due - rate->burst_ns;
        forgo(purse, rate, purse->since);
    } /* else it claims what it did before */
    purse->tokens -= (int64_t)cost;
}

void tn_purse_forget(struct tn_purse *purse, uint64_t cost)
{
    purse->tokens += (int64_t)cost;
    if (purse->tokens >= 0) {
        purse->tokens = 0;
        purse->billionths = 0;
    }
}

void tn_purse_unreserve(struct tn_purse *purse, const struct tn_rate *rate, int64_t now)
{
    ripen(purse, rate, now);
    purse->end = min_of(purse->end, purse->start);
}
