/*
 * merge.c: neighbours on the disk go there as one operation.
 *
 *   turn   read 8   write 0   read 0   read 16       in their order of arrival
 *     | blk_merge_order                              a run stands where its first to arrive stood
 *   turn   read 0   read 8   read 16   write 0
 *     | blk_merge_submit
 *   disk   read 0 to 24   write 0                    done: each part is answered
 *                                                    failed: each part goes again, by itself
 *
 * Who may go is decided before (order.c); what becomes of a request afterwards is serve.c's. On the
 * queue's worker; an operation and its list of iovecs come from a store that each queue has, and
 * when that is empty, requests go one by one.
 */
#include "blk/blk.h"

#include <string.h>

#include "base/num.h"

enum { WINDOW = TN_TURN_BUDGET, PLACES = 4 * WINDOW };
_Static_assert(WINDOW < UINT8_MAX, "a number in the window, and 0 for none, is a byte");

/* Several requests on their way through the disk. */
struct blk_merge {
    struct tn_slot slot;             /* first; its iovecs are those of all parts */
    struct tn_list parts;            /* requests, in the order of their sectors */
    _Alignas(16) struct tenon_io io; /* last: the disk's scratch lies behind it */
};

static struct blk_request *at(struct tn_list *link)
{
    return TN_CONTAINER_OF(link, struct blk_request, link);
}

static bool is_transfer(const struct blk_request *request)
{
    return request->type == TN_BLK_T_IN || request->type == TN_BLK_T_OUT;
}

static uint64_t end_of(const struct blk_request *request)
{
    return request->sector + request->data_bytes / TN_BLK_SECTOR_BYTES;
}

/* Whether `b` goes on where `a` ends, and one operation can be both. */
static bool follows(const struct blk_request *a, const struct blk_request *b)
{
    return a->type == b->type && is_transfer(a) && end_of(a) == b->sector &&
           a->stable == b->stable && !a->alone && !b->alone && a->slot.queue == b->slot.queue;
}

/* ---- neighbours are brought together ---- */

/* A part of a turn. Requests have numbers from 1, in their order of arrival; 0 is none. */
struct window {
    uint8_t next[WINDOW + 1], before[WINDOW + 1]; /* its neighbours on the disk */
    uint8_t starts[PLACES];                       /* transfers, by the sector where they start */
    bool reads, changes;
    unsigned count;
    struct blk_request *at[WINDOW + 1]; /* the first `count` */
};

static unsigned place_of(uint64_t sector)
{
    return (unsigned)((sector * 0x9e3779b97f4a7c15u) >> 32) % PLACES;
}

static void add(struct window *window, struct blk_request *request)
{
    unsigned place = place_of(request->sector);

    window->at[++window->count] = request;
    window->reads |= request->type == TN_BLK_T_IN;
    window->changes |= request->range_count != 0;
    if (!is_transfer(request)) {
        return;
    }
    while (window->starts[place] != 0) {
        place = (place + 1) % PLACES;
    }
    window->starts[place] = (uint8_t)window->count;
}

/* Finds who goes on where who ends. Whether there are any. */
static bool find_neighbours(struct window *window)
{
    bool found = false;

    for (unsigned i = 1; i <= window->count; i++) {
        unsigned place = place_of(end_of(window->at[i]));
        unsigned next;
        while ((next = window->starts[place]) != 0 &&
               (window->before[next] != 0 || !follows(window->at[i], window->at[next]))) {
            place = (place + 1) % PLACES;
        }
        if (next != 0) {
            window->next[i] = (uint8_t)next;
            window->before[next] = (uint8_t)i;
            found = true;
        }
    }
    return found;
}

static bool overlap(const struct blk_request *read, const struct blk_request *change)
{
    for (unsigned i = 0; i < change->range_count; i++) {
        if (tn_range_overlaps(change->ranges[i].offset, change->ranges[i].bytes,
                              read->sector * TN_BLK_SECTOR_BYTES, read->data_bytes)) {
            return true;
        }
    }
    return false;
}

/*
 * Whether it matters who comes first: a read of what another request changes. (Of changes that
 * overlap only one is in a turn, see order.c.)
 */
static bool reads_what_changes(const struct window *window)
{
    if (!window->reads || !window->changes) {
        return false;
    }
    for (unsigned i = 1; i <= window->count; i++) {
        for (unsigned j = 1; window->at[i]->type == TN_BLK_T_IN && j <= window->count; j++) {
            if (overlap(window->at[i], window->at[j])) {
                return true;
            }
        }
    }
    return false;
}

/* Lets each run stand where its first one to arrive stood; `end` is behind the window. */
static void put_together(const struct window *window, struct tn_list *end)
{
    bool placed[WINDOW + 1] = { false };

    for (unsigned i = 1; i <= window->count; i++) {
        unsigned part = placed[i] ? 0 : i;
        while (window->before[part] != 0) {
            part = window->before[part];
        }
        for (; part != 0; part = window->next[part]) {
            tn_list_remove(&window->at[part]->link);
            tn_list_insert_before(end, &window->at[part]->link);
            placed[part] = true;
        }
    }
}

void blk_merge_order(struct tn_list *turn)
{
    struct tn_list *link = turn->next;

    while (link != turn && link->next != turn) {
        struct window window;
        memset(&window, 0, offsetof(struct window, at));
        for (; link != turn && window.count < WINDOW; link = link->next) {
            add(&window, at(link));
        }
        if (find_neighbours(&window) && !reads_what_changes(&window)) {
            put_together(&window, link);
        }
    }
}

/* ---- the operation ---- */

/* The operation is over: its parts are requests again. */
static void take_apart(struct blk_merge *merge, struct tn_list *parts)
{
    tn_list_splice(parts, &merge->parts);
    for (struct tn_list *link = parts->next; link != parts; link = link->next) {
        at(link)->merge = NULL;
    }
    tn_slots_give(&blk_queue_of(merge->slot.queue)->merges, &merge->slot);
}

/* Each goes to the disk by itself, and so hears the truth about itself; in a reset each ends. */
static void submit_apart(struct blk_merge *merge)
{
    struct blk_lane *lane = blk_queue_of(merge->slot.queue)->lane;
    struct tn_list parts;
    struct tn_list *link;

    tn_list_init(&parts);
    take_apart(merge, &parts);
    while ((link = tn_list_take_first(&parts)) != NULL) {
        struct blk_request *part = at(link);
        part->in_disk = false;
        part->alone = true;
        tn_spans_step(&part->slot, TN_SPAN_DISK);
        blk_submit(part);
    }
    tn_channel_commit(lane->blk->disk, lane->channel);
}

static void merge_done(struct tenon_io *io, int result)
{
    struct blk_merge *merge = TN_CONTAINER_OF(io, struct blk_merge, io);
    struct tn_list parts;
    struct tn_list *link;

    if (result < 0) {
        submit_apart(merge);
        return;
    }
    tn_list_init(&parts);
    take_apart(merge, &parts);
    while ((link = tn_list_take_first(&parts)) != NULL) {
        struct blk_request *part = at(link);
        tn_queue_count(part->slot.queue, BLK_COUNT_MERGED, !tn_list_empty(&parts));
        blk_done(&part->io, 0);
    }
}

/* How many at the front of the list can be one operation, and of how many iovecs it is. */
static unsigned count_parts(struct tn_list *list, unsigned *iovecs)
{
    const struct blk_request *last = at(list->next);
    uint64_t most = last->type == TN_BLK_T_IN ? BLK_MERGE_READ_BYTES : BLK_MERGE_BYTES;
    uint64_t bytes = last->data_bytes;
    unsigned count = 1;

    *iovecs = last->data_iovecs;
    for (struct tn_list *link = list->next->next; link != list; link = link->next) {
        const struct blk_request *next = at(link);
        bytes += next->data_bytes;
        if (!follows(last, next) || bytes > most ||
            *iovecs + next->data_iovecs > BLK_MERGE_IOVECS) {
            break;
        }
        *iovecs += next->data_iovecs;
        last = next;
        count++;
    }
    return count;
}

/* An operation of the first `count` requests of the list; NULL: no room. */
static struct blk_merge *make(struct tn_list *list, unsigned count, unsigned iovecs)
{
    struct blk_request *first = at(list->next);
    struct tn_slots *store = &blk_queue_of(first->slot.queue)->merges;
    struct tn_slot *slot = tn_slots_take(store);
    struct tn_list *link = list->next;
    struct iovec *to;

    if (!slot || !tn_slots_take_iovecs(store, slot, iovecs, &to)) {
        if (slot) {
            tn_slots_give(store, slot);
        }
        return NULL;
    }
    struct blk_merge *merge = (struct blk_merge *)(void *)slot;
    struct tenon_io *io = &merge->io;
    tn_list_init(&merge->parts);
    blk_prepare_io(first);
    *io = first->io;
    io->done = merge_done;
    io->iov = to;
    io->iov_count = iovecs;
    io->bytes = 0;
    for (unsigned i = 0; i < count; i++, link = link->next) {
        const struct blk_request *part = at(link);
        memcpy(to, part->data, part->data_iovecs * sizeof(*to));
        to += part->data_iovecs;
        io->bytes += part->data_bytes;
    }
    return merge;
}

bool blk_merge_submit(struct tn_list *list)
{
    struct tn_queue *queue = at(list->next)->slot.queue;
    struct blk_lane *lane = blk_queue_of(queue)->lane;
    unsigned iovecs;
    unsigned count = count_parts(list, &iovecs);

    if (count == 1 || queue->dropping || !tn_list_empty(&lane->full)) {
        return false;
    }
    struct blk_merge *merge = make(list, count, iovecs);
    if (!merge) {
        return false;
    }
    if (tn_channel_submit(lane->blk->disk, lane->channel, &merge->io) < 0) {
        tn_slots_give(&blk_queue_of(queue)->merges, &merge->slot);
        return false; /* full, or refused: what that means for each, each hears for itself */
    }
    for (unsigned i = 0; i < count; i++) {
        struct blk_request *part = at(tn_list_take_first(list));
        tn_list_append(&merge->parts, &part->link);
        tn_spans_step(&part->slot, TN_SPAN_WAITING);
        part->merge = merge;
        part->in_disk = true;
        TN_PROBE(submit, queue->device_name, queue->index, part, part->type,
                 part->sector * TN_BLK_SECTOR_BYTES, part->data_bytes);
    }
    return true;
}

/* A reset: if the disk can let go of it, all of its parts end. Asked once, for the first part. */
void blk_merge_cancel(struct blk_request *part)
{
    struct blk_merge *merge = part->merge;
    const struct blk_lane *lane = blk_queue_of(part->slot.queue)->lane;

    if (merge->parts.next == &part->link &&
        tn_channel_cancel(lane->blk->disk, lane->channel, &merge->io) == 0) {
        submit_apart(merge);
    }
}

/* ---- the store ---- */

int blk_merge_begin(struct blk_queue *own, struct tn_queue *queue)
{
    size_t bytes = offsetof(struct blk_merge, io) + tn_disk_io_size(blk_of(queue)->disk);

    return tn_slots_init(&own->merges, queue, BLK_MERGES, bytes, BLK_MERGE_IOVECS);
}

void blk_merge_end(struct blk_queue *own)
{
    tn_slots_fini(&own->merges);
}
