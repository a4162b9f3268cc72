/*
 * order.c: who goes before whom on one queue. A list holds, in order of arrival, the writes
 * (WRITE_ZEROES and DISCARD too) that have not ended and the flushes that wait for them:
 *
 *   write A   write B   flush F   write C       F goes when A and B have ended; C need not wait for
 *   F
 *
 *   - A flush follows the writes that were popped before it on its own queue. Being an operation on
 *     the whole disk it covers what
 *     completed before on any queue (BLK-21), and it waits for no other queue.
 *   - Writes that overlap keep their order of arrival: the later one is held back until the earlier
 *     ones have ended.
 *
 * Reads are not ordered: drivers do not read what they are writing, and the standard promises
 * nothing (BLK-37).
 */
#include "blk/blk.h"

#include "base/num.h"

static bool is_flush(const struct blk_request *request)
{
    return request->type == TN_BLK_T_FLUSH;
}

static bool overlap(const struct blk_request *a, const struct blk_request *b)
{
    for (unsigned i = 0; i < a->range_count; i++) {
        for (unsigned j = 0; j < b->range_count; j++) {
            if (tn_range_overlaps(a->ranges[i].offset, a->ranges[i].bytes, b->ranges[j].offset,
                                  b->ranges[j].bytes)) {
                return true;
            }
        }
    }
    return false;
}

static struct blk_request *at(struct tn_list *link)
{
    return TN_CONTAINER_OF(link, struct blk_request, order);
}

bool blk_order_enter(struct blk_queue *queue, struct blk_request *request)
{
    if (request->type == TN_BLK_T_IN) {
        return true;
    }
    if (is_flush(request)) {
        if (tn_list_empty(&queue->order)) {
            return true;
        }
    } else {
        for (struct tn_list *link = queue->order.next; link != &queue->order; link = link->next) {
            request->blockers += !is_flush(at(link)) && overlap(at(link), request);
        }
        queue->blocked += request->blockers != 0;
    }
    request->ordered = true;
    tn_list_append(&queue->order, &request->order);
    blk_rest(request, is_flush(request) || request->blockers != 0);
    return !request->dormant;
}

static void make_ready(struct blk_request *request, struct tn_list *ready)
{
    blk_rest(request, false);
    tn_list_append(ready, &request->link);
}

/*
 * A write has ended: `ready` gets the links of those that may go to the disk now, in order of
 * arrival. Also for one that ends while it waits itself.
 */
void blk_order_leave(struct blk_queue *queue, struct blk_request *request, struct tn_list *ready)
{
    struct tn_list *link = request->order.next;

    for (; queue->blocked != 0 && link != &queue->order; link = link->next) {
        struct blk_request *later = at(link);
        if (later->blockers != 0 && overlap(request, later) && --later->blockers == 0) {
            queue->blocked--;
            make_ready(later, ready);
        }
    }
    tn_list_remove(&request->order);
    request->ordered = false;
    queue->blocked -= request->blockers != 0;
    blk_rest(request, false);
    while (!tn_list_empty(&queue->order) && is_flush(at(queue->order.next))) {
        struct blk_request *flush = at(queue->order.next);
        tn_list_remove(&flush->order);
        flush->ordered = false;
        make_ready(flush, ready);
    }
}
