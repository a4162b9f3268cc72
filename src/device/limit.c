/*
 * limit.c: requests of one queue that wait for their limits.
 *
 *   admits ──pays──> goes on
 *      └─────────> line.held ──timer, its turn, it has paid──> type->release
 *                     │ pause, stop, memory changed ──────────> type->release, and is owed
 *                     └ reset ────────────────────────────────> returned unreported
 *
 * The first of a line is charged in all purses of the line at once, and goes when none of them owes
 * any more; those behind it are charged when it is their turn. Purses draw from buckets that other
 * queues share, without a lock (base/bucket.h). No thread sleeps, and nothing is allocated once the
 * queue runs. On the queue's worker; what was set, and when it changes, is limit_set.c's.
 */
#include "device/within.h"

enum {
    ACCOUNTS = TN_LIMIT_OWNERS * TN_LINE_LIMITS,
    RELEASES = TN_TURN_BUDGET / TN_LINES,
    LATE_MOST_NS = 100000000 /* a timer that comes later was stopped, and not only late */
};

static const uint8_t line_limits[TN_LINES][TN_LINE_LIMITS] = {
    [TN_LINE_READ] = { TN_LIMIT_OPS, TN_LIMIT_OPS_READ, TN_LIMIT_BYTES, TN_LIMIT_BYTES_READ },
    [TN_LINE_WRITE] = { TN_LIMIT_OPS, TN_LIMIT_OPS_WRITE, TN_LIMIT_BYTES, TN_LIMIT_BYTES_WRITE },
    [TN_LINE_FLUSH] = { TN_LIMIT_OPS, TN_LIMIT_OPS_WRITE, TN_LIMIT_BYTES, TN_LIMIT_BYTES_WRITE },
};

/* One limit that a line counts against. */
struct account {
    struct tn_purse *purse;
    const struct tn_rate *rate;
    struct tn_bucket *bucket;
    bool bytes; /* it counts bytes; else operations */
};

/* False: there is no such limit now. */
static bool account_at(struct tn_queue *queue, unsigned line, unsigned number, struct account *out)
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

static int64_t turn_time(const struct tn_queue *queue)
{
    return (int64_t)tn_worker_turn_time(queue->worker);
}

static struct tn_held *held_at(struct tn_list *link)
{
    return TN_CONTAINER_OF(link, struct tn_held, link);
}

struct tn_slot *tn_limit_slot(struct tn_list *link)
{
    return TN_CONTAINER_OF(held_at(link), struct tn_slot, held);
}

static void charge(struct tn_queue *queue, unsigned line, const struct tn_held *held, int64_t due)
{
    struct account a;

    for (unsigned n = 0; n < ACCOUNTS; n++) {
        if (account_at(queue, line, n, &a)) {
            tn_purse_charge(a.purse, a.rate, a.bytes ? held->bytes : 1, due, turn_time(queue));
        }
    }
}

/* All draw at the same time: who waits for two limits does not wait for one after the other. */
static bool pays(struct tn_queue *queue, unsigned line)
{
    const struct tn_limit_line *own = &queue->limit.lines[line];
    bool paid = true;
    struct account a;

    for (unsigned n = 0; n < ACCOUNTS; n++) {
        if (account_at(queue, line, n, &a)) {
            uint64_t more = a.bytes ? own->held_bytes : own->held_ops;
            paid &= tn_purse_pays(a.purse, a.bucket, a.rate, more, turn_time(queue));
        }
    }
    return paid;
}

static bool owes(struct tn_queue *queue, unsigned line)
{
    struct account a;

    for (unsigned n = 0; n < ACCOUNTS; n++) {
        if (account_at(queue, line, n, &a) && a.purse->tokens < 0) {
            return true;
        }
    }
    return false;
}

/* When it is worth while to look at the line again: somebody has to draw, or all have paid. */
static int64_t when(struct tn_queue *queue, unsigned line)
{
    int64_t draws = INT64_MAX, paid = turn_time(queue);
    struct account a;

    for (unsigned n = 0; n < ACCOUNTS; n++) {
        if (account_at(queue, line, n, &a) && a.purse->tokens < 0) {
            bool last;
            int64_t next = tn_purse_when(a.purse, a.rate, &last);
            int64_t *to = last ? &paid : &draws;
            *to = last == (next > *to) ? next : *to; /* the last payment, or the first draw */
        }
    }
    return draws != INT64_MAX ? draws : paid;
}

static void set_timer(struct tn_queue *queue)
{
    struct tn_limit *limit = &queue->limit;
    int64_t next = INT64_MAX;

    if (!limit->timer) { /* the queue could not begin */
        return;
    }
    for (unsigned line = 0; line < TN_LINES; line++) {
        if (!tn_list_empty(&limit->lines[line].held) || (limit->barred && owes(queue, line))) {
            int64_t at = when(queue, line);
            next = at < next ? at : next;
        }
    }
    if (next == INT64_MAX) {
        tenon_timer_cancel(limit->timer);
        limit->due = INT64_MAX;
    } else {
        tenon_timer_set(limit->timer, (uint64_t)next);
        limit->due = next;
    }
}

bool tn_limit_admits(struct tn_slot *slot, enum tn_line line, uint64_t bytes)
{
    struct tn_queue *queue = slot->queue;
    struct tn_limit_line *own = &queue->limit.lines[line];
    bool first = tn_list_empty(&own->held);

    if (!queue->limit.active) {
        return true;
    }
    slot->held.bytes = bytes;
    if (first) {
        charge(queue, line, &slot->held, turn_time(queue));
        if (pays(queue, line)) {
            return true;
        }
    } else {
        own->held_ops++;
        own->held_bytes += bytes;
    }
    tn_spans_step(slot, TN_SPAN_WAITING);
    tn_list_append(&own->held, &slot->held.link);
    tn_queue_count(queue, TN_COUNT_THROTTLED, 1);
    tn_queue_count(queue, TN_COUNT_THROTTLED_NOW, 1);
    if (first) {
        set_timer(queue);
    }
    return false;
}

/* Takes the first of the line out, which has been charged; so is the next one then. */
static struct tn_list *take_first(struct tn_queue *queue, unsigned line, int64_t due)
{
    struct tn_limit_line *own = &queue->limit.lines[line];
    struct tn_list *link = tn_list_take_first(&own->held);

    if (link) {
        tn_spans_step(tn_limit_slot(link), TN_SPAN_HELD);
        tn_queue_count(queue, TN_COUNT_THROTTLED_NOW, (uint64_t)-1);
    }
    if (!tn_list_empty(&own->held)) {
        const struct tn_held *next = held_at(own->held.next);
        own->held_ops--;
        own->held_bytes -= next->bytes;
        charge(queue, line, next, due);
    }
    return link;
}

static void pass_on(struct tn_queue *queue, struct tn_list *slots)
{
    if (!tn_list_empty(slots)) {
        queue->device->type->release(queue, slots);
    }
}

/* Those of a line that have paid go on: some of them, so that a turn stays short. */
static bool run_line(struct tn_queue *queue, unsigned line, int64_t due, struct tn_list *slots)
{
    const struct tn_limit_line *own = &queue->limit.lines[line];

    for (unsigned n = 0; !tn_list_empty(&own->held) && pays(queue, line); n++) {
        if (n == RELEASES) {
            return true; /* there are more */
        }
        tn_list_append(slots, take_first(queue, line, due));
    }
    return false;
}

/* What the queue owes is paid whether it runs or not. True: it may take requests again. */
static bool unbar(struct tn_queue *queue)
{
    bool paid = true;

    for (unsigned line = 0; line < TN_LINES; line++) {
        paid &= pays(queue, line);
    }
    queue->limit.barred = !paid;
    return paid;
}

static void run(struct tn_queue *queue)
{
    struct tn_limit *limit = &queue->limit;
    int64_t now = turn_time(queue);
    int64_t due = limit->due > now ? now : limit->due;
    bool more = false;
    struct tn_list slots;

    due = due < now - LATE_MOST_NS ? now - LATE_MOST_NS : due;
    tn_list_init(&slots);
    for (unsigned line = 0; line < TN_LINES; line++) {
        more |= run_line(queue, line, due, &slots);
    }
    pass_on(queue, &slots);
    if (limit->barred && unbar(queue)) {
        tn_queue_look(queue);
    }
    set_timer(queue);
    if (more) {
        limit->due = due;
    }
}

static void on_timer(void *opaque)
{
    run(opaque);
}

bool tn_limit_bars(struct tn_queue *queue)
{
    if (queue->limit.barred) {
        unbar(queue);
        set_timer(queue);
    }
    return queue->limit.barred;
}

/* In all lines, all of them, paid or not. */
static void take_all(struct tn_queue *queue, struct tn_list *slots)
{
    for (unsigned line = 0; line < TN_LINES; line++) {
        struct tn_list *link;
        while ((link = take_first(queue, line, turn_time(queue))) != NULL) {
            tn_list_append(slots, link);
        }
    }
}

void tn_limit_let_through(struct tn_queue *queue)
{
    struct tn_list slots;

    tn_list_init(&slots);
    take_all(queue, &slots);
    set_timer(queue);
    pass_on(queue, &slots);
}

static bool owes_any(struct tn_queue *queue)
{
    return owes(queue, TN_LINE_READ) || owes(queue, TN_LINE_WRITE) || owes(queue, TN_LINE_FLUSH);
}

/*
 * From now on the queue takes nothing before it has paid: else a guest that makes its front-end
 * stop the ring, or move memory, again and again would be let through each time.
 */
void tn_limit_let_go_of_memory(struct tn_queue *queue)
{
    bool any = false;

    for (unsigned line = 0; line < TN_LINES; line++) {
        any |= !tn_list_empty(&queue->limit.lines[line].held);
    }
    if (any) {
        tn_limit_let_through(queue);
        queue->limit.barred = owes_any(queue);
        set_timer(queue);
    }
}

void tn_limit_drop(struct tn_queue *queue)
{
    struct tn_limit *limit = &queue->limit;
    struct account a;

    for (unsigned line = 0; line < TN_LINES; line++) {
        struct tn_limit_line *own = &limit->lines[line];
        if (tn_list_empty(&own->held)) {
            continue;
        }
        for (unsigned n = 0; n < ACCOUNTS; n++) {
            if (account_at(queue, line, n, &a)) {
                tn_purse_forget(a.purse, a.bytes ? held_at(own->held.next)->bytes : 1);
            }
        }
        struct tn_list *link;
        while ((link = tn_list_take_first(&own->held)) != NULL) {
            tn_queue_count(queue, TN_COUNT_THROTTLED_NOW, (uint64_t)-1);
            tn_queue_return(tn_limit_slot(link), 0);
        }
        own->held_ops = own->held_bytes = 0;
    }
    set_timer(queue);
}

/* Takes over what is set now. Who waits goes on waiting; what it has paid in tokens stays paid. */
static void refresh(struct tn_queue *queue)
{
    struct tn_limit *limit = &queue->limit;
    struct tn_rate rates[TN_LIMIT_OWNERS][TN_LIMITS];
    bool active = tn_limit_copy(queue->device, rates);

    for (unsigned line = 0; line < TN_LINES; line++) {
        for (unsigned n = 0; n < ACCOUNTS; n++) {
            struct account a;
            unsigned owner = n / TN_LINE_LIMITS;
            const struct tn_rate *now = &rates[owner][line_limits[line][n % TN_LINE_LIMITS]];
            if (!account_at(queue, line, n, &a)) {
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

static void on_changed(struct tenon_post *post)
{
    struct tn_queue *queue = TN_CONTAINER_OF(post, struct tn_queue, limit.changed);

    if (queue->limit.timer) { /* else it finds out when it starts */
        refresh(queue);
        run(queue);
    }
}

void tn_limit_init(struct tn_queue *queue)
{
    for (unsigned line = 0; line < TN_LINES; line++) {
        tn_list_init(&queue->limit.lines[line].held);
    }
    queue->limit.due = INT64_MAX;
    queue->limit.changed.fn = on_changed;
}

int tn_limit_begin(struct tn_queue *queue)
{
    int error = tenon_timer_new(queue->worker, on_timer, queue, &queue->limit.timer);

    if (error >= 0) {
        refresh(queue);
        queue->limit.barred = owes_any(queue);
    }
    return error;
}

void tn_limit_end(struct tn_queue *queue)
{
    tenon_timer_free(queue->limit.timer);
    queue->limit.timer = NULL;
}
