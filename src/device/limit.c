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
    RELEASES = TN_TURN_BUDGET / TN_LINES,
    LATE_MOST_NS = 100000000 /* a timer that comes later was stopped, and not only late */
};

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

static void set_timer(struct tn_queue *queue)
{
    struct tn_limit *limit = &queue->limit;
    int64_t next = INT64_MAX;

    if (!limit->timer) { /* the queue could not begin */
        return;
    }
    for (unsigned line = 0; line < TN_LINES; line++) {
        if (!tn_list_empty(&limit->lines[line].held) ||
            (limit->barred && tn_limit_owes(queue, line))) {
            int64_t at = tn_limit_when(queue, line);
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
        tn_limit_charge(queue, line, 1, bytes, turn_time(queue));
        if (tn_limit_pays(queue, line)) {
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
        tn_limit_charge(queue, line, 1, next->bytes, due);
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

    for (unsigned n = 0; !tn_list_empty(&own->held) && tn_limit_pays(queue, line); n++) {
        if (n == RELEASES) {
            return true; /* there are more */
        }
        tn_list_append(slots, take_first(queue, line, due));
    }
    return false;
}

/* Where no requests are held it counts itself: how many wait in ring or link nobody knows. */
static void set_barred(struct tn_queue *queue, bool barred)
{
    bool changes = queue->limit.barred != barred;

    queue->limit.barred = barred;
    if (changes && !queue->device->type->release) {
        tn_queue_count(queue, TN_COUNT_THROTTLED_NOW, barred ? 1 : (uint64_t)-1);
    }
}

/* What the queue owes is paid whether it runs or not. True: it may take requests again. */
static bool unbar(struct tn_queue *queue)
{
    bool paid = true;

    for (unsigned line = 0; line < TN_LINES; line++) {
        paid &= tn_limit_pays(queue, line);
    }
    set_barred(queue, !paid);
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

bool tn_limit_spend(struct tn_queue *queue, enum tn_line line, uint64_t ops, uint64_t bytes)
{
    if (!queue->limit.active) {
        return true;
    }
    tn_limit_charge(queue, line, ops, bytes, turn_time(queue));
    if (tn_limit_pays(queue, line)) {
        return true;
    }
    set_barred(queue, true);
    tn_queue_count(queue, TN_COUNT_THROTTLED, 1);
    set_timer(queue);
    return false;
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
    return tn_limit_owes(queue, TN_LINE_READ) || tn_limit_owes(queue, TN_LINE_WRITE) ||
           tn_limit_owes(queue, TN_LINE_FLUSH);
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
        set_barred(queue, owes_any(queue));
        set_timer(queue);
    }
}

void tn_limit_drop(struct tn_queue *queue)
{
    struct tn_limit *limit = &queue->limit;
    struct tn_account a;

    for (unsigned line = 0; line < TN_LINES; line++) {
        struct tn_limit_line *own = &limit->lines[line];
        if (tn_list_empty(&own->held)) {
            continue;
        }
        for (unsigned n = 0; n < TN_LIMIT_ACCOUNTS; n++) {
            if (tn_limit_account(queue, line, n, &a)) {
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

static void on_changed(struct tenon_post *post)
{
    struct tn_queue *queue = TN_CONTAINER_OF(post, struct tn_queue, limit.changed);

    if (queue->limit.timer) { /* else it finds out when it starts */
        tn_limit_refresh(queue);
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
        tn_limit_refresh(queue);
        set_barred(queue, owes_any(queue));
    }
    return error;
}

void tn_limit_end(struct tn_queue *queue)
{
    set_barred(queue, false); /* what it owes it still does when it begins */
    tenon_timer_free(queue->limit.timer);
    queue->limit.timer = NULL;
}
