/*
 * limit_pay.c: which limits a line of one queue counts against, and paying for them: purses draw
 * from buckets that other queues share, without a lock (base/bucket.h). On the queue's worker.
 */
#include "device/within.h"

#include "base/num.h"

static int64_t turn_time(const struct tn_queue *queue)
{
    return (int64_t)tn_worker_turn_time(queue->worker);
}

static const uint8_t line_limits[TN_LINES][TN_LINE_LIMITS] = {
    [TN_LINE_READ] = { TN_LIMIT_OPS, TN_LIMIT_OPS_READ, TN_LIMIT_BYTES, TN_LIMIT_BYTES_READ },
    [TN_LINE_WRITE] = { TN_LIMIT_OPS, TN_LIMIT_OPS_WRITE, TN_LIMIT_BYTES, TN_LIMIT_BYTES_WRITE },
    [TN_LINE_FLUSH] = { TN_LIMIT_OPS, TN_LIMIT_OPS_WRITE, TN_LIMIT_BYTES, TN_LIMIT_BYTES_WRITE },
};

bool tn_limit_account(struct tn_queue *queue, unsigned line, unsigned number,
                      struct tn_account *out)
{
    struct tn_limit *limit = &queue->limit;
    unsigned owner = number / TN_LINE_LIMITS, place = number % TN_LINE_LIMITS;
    unsigned kind = line_limits[line][place];

    out->rate = &limit->rates[owner][kind];
    if (out->rate->tokens == 0) {
        return false;
    }
    struct tn_limit_set *set =
        owner == TN_LIMIT_DEVICE ? &queue->device->limits : &queue->device->limit_group->set;
    out->purse = &limit->lines[line].purses[owner][place];
    out->bucket = &set->buckets[kind];
    out->bytes = kind >= TN_LIMIT_BYTES;
    return true;
}

void tn_limit_charge(struct tn_queue *queue, unsigned line, uint64_t ops, uint64_t bytes,
                     int64_t due)
{
    struct tn_account a;

    for (unsigned n = 0; n < TN_LIMIT_ACCOUNTS; n++) {
        if (tn_limit_account(queue, line, n, &a)) {
            tn_purse_charge(a.purse, a.rate, a.bytes ? bytes : ops, due, turn_time(queue));
        }
    }
}

bool tn_limit_pays(struct tn_queue *queue, unsigned line)
{
    const struct tn_limit_line *own = &queue->limit.lines[line];
    bool paid = true;
    struct tn_account a;

    for (unsigned n = 0; n < TN_LIMIT_ACCOUNTS; n++) {
        if (tn_limit_account(queue, line, n, &a)) {
            uint64_t more = a.bytes ? own->held_bytes : own->held_ops;
            paid &= tn_purse_pays(a.purse, a.bucket, a.rate, more, turn_time(queue));
        }
    }
    return paid;
}

unsigned tn_limit_room(struct tn_queue *queue, enum tn_line line, unsigned most, uint64_t bytes)
{
    enum { AHEAD_PER_SECOND = 1000000000 / TN_LEASE_NS };
    uint64_t room = most;
    struct tn_account a;

    for (unsigned n = 0; queue->limit.active && n < TN_LIMIT_ACCOUNTS; n++) {
        if (tn_limit_account(queue, line, n, &a)) {
            uint64_t has = tn_purse_has(a.purse, a.bucket, a.rate, turn_time(queue)) +
                           a.rate->tokens / AHEAD_PER_SECOND;
            room = tn_min_u64(room, a.bytes ? has / bytes : has);
        }
    }
    return room > 0 ? (unsigned)room : 1;
}

bool tn_limit_owes(struct tn_queue *queue, unsigned line)
{
    struct tn_account a;

    for (unsigned n = 0; n < TN_LIMIT_ACCOUNTS; n++) {
        if (tn_limit_account(queue, line, n, &a) && a.purse->tokens < 0) {
            return true;
        }
    }
    return false;
}

int64_t tn_limit_when(struct tn_queue *queue, unsigned line)
{
    int64_t draws = INT64_MAX, paid = turn_time(queue);
    struct tn_account a;

    for (unsigned n = 0; n < TN_LIMIT_ACCOUNTS; n++) {
        if (tn_limit_account(queue, line, n, &a) && a.purse->tokens < 0) {
            bool last;
            int64_t next = tn_purse_when(a.purse, a.rate, &last);
            int64_t *to = last ? &paid : &draws;
            *to = last == (next > *to) ? next : *to; /* the last payment, or the first draw */
        }
    }
    return draws != INT64_MAX ? draws : paid;
}

void tn_limit_refresh(struct tn_queue *queue)
{
    struct tn_limit *limit = &queue->limit;
    struct tn_rate rates[TN_LIMIT_OWNERS][TN_LIMITS];
    bool active = tn_limit_copy(queue->device, rates);

    for (unsigned line = 0; line < TN_LINES; line++) {
        for (unsigned n = 0; n < TN_LIMIT_ACCOUNTS; n++) {
            struct tn_account a;
            unsigned owner = n / TN_LINE_LIMITS;
            const struct tn_rate *now = &rates[owner][line_limits[line][n % TN_LINE_LIMITS]];
            if (!tn_limit_account(queue, line, n, &a)) {
                continue;
            }
            if (now->tokens == 0) {
                *a.purse = (struct tn_purse){ 0 };
            } else if (now->tokens != a.rate->tokens) {
                tn_purse_unreserve(a.purse, a.rate, turn_time(queue));
            }
        }
    }
    for (unsigned owner = 0; owner < TN_LIMIT_OWNERS; owner++) {
        for (unsigned kind = 0; kind < TN_LIMITS; kind++) {
            limit->rates[owner][kind] = rates[owner][kind];
        }
    }
    limit->active = active;
}
