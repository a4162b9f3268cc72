/*
 * serve.c: one turn of one request queue.
 *
 *   ring --take--> slot --parse--> check --> limit --> order --> merge, submit --> disk
 *                                     |
 *                                     | answered at once                               done
 *                                     v                                                  |
 *   ring <--return------------------ answer <--------------------------------------------'
 *
 * A request is in the ring, in its turn, held by a limit (device/limit.c), behind others (order.c),
 * in front of a full disk, in the disk, parked (park.c), or answered; each arrow has one function.
 * Here: the order of the steps. Not here: what is legal (check.c), what a request looks like in
 * memory (parse.c), who goes before whom (order.c), which of them go as one (merge.c). Runs on the
 * queue's worker; takes no lock, allocates nothing.
 */
#include "blk/blk.h"

#include <errno.h>

static void end(struct blk_request *request);

/* What the disk has to move, or to zero. */
static uint64_t cost(const struct blk_request *request)
{
    uint64_t bytes = request->type == TN_BLK_T_IN ? request->data_bytes : 0;

    for (unsigned i = 0; i < request->range_count; i++) {
        bytes += request->ranges[i].bytes;
    }
    return bytes;
}

/*
 * Whether the limits let it go on now (which count what: <tenon/limits.h>). If not it comes back
 * through blk_release.
 */
static bool admitted(struct blk_request *request)
{
    switch (request->type) {
    case TN_BLK_T_IN:
        return tn_limit_admits(&request->slot, TN_LINE_READ, request->data_bytes);
    case TN_BLK_T_FLUSH:
        return tn_limit_admits(&request->slot, TN_LINE_FLUSH, 0);
    case TN_BLK_T_DISCARD:
        return tn_limit_admits(&request->slot, TN_LINE_WRITE, 0);
    default:
        return tn_limit_admits(&request->slot, TN_LINE_WRITE, cost(request));
    }
}

/* The first of the list goes to the disk, with those neighbours that can go along. */
static void submit_first(struct tn_list *list)
{
    if (!blk_merge_submit(list)) {
        blk_submit(TN_CONTAINER_OF(tn_list_take_first(list), struct blk_request, link));
    }
}

/* Those of the turn go to the disk. What the queue breathes meanwhile may end it (blk_submit). */
static void submit_turn(struct tn_queue *queue, struct tn_list *turn)
{
    blk_merge_order(turn);
    while (!tn_list_empty(turn)) {
        submit_first(turn);
        tn_queue_breathe(queue);
    }
    tn_channel_commit(blk_of(queue)->disk, blk_queue_of(queue)->lane->channel);
    tn_queue_breathe(queue); /* what the commit has ended is answered in this turn */
}

/*
 * Serves at most `budget` requests; returns how many it took, or `budget` when it stopped for their
 * size. What has ended is published at the end of the turn.
 */
unsigned blk_serve(struct tn_queue *queue, unsigned budget)
{
    struct blk *blk = blk_of(queue);
    struct blk_queue *own = blk_queue_of(queue);
    struct tn_list turn;
    unsigned served = 0;
    uint64_t bytes = 0;

    tn_list_init(&turn);
    while (served < budget && bytes < BLK_TURN_BYTES) {
        struct tn_slot *slot = tn_queue_take(queue);
        if (!slot) {
            break; /* ring empty, slots or iovecs used up, or ring broken */
        }
        struct blk_request *request = blk_request_of(slot);
        served++;
        if (!blk_parse(request)) {
            tn_queue_break(queue, "a request has no place for its status");
            tn_queue_return(slot, 0);
            break;
        }
        if (!blk_check(blk, request) || !blk_needs_disk(blk, request)) {
            blk_answer(request);
            continue;
        }
        if (!admitted(request)) {
            TN_PROBE(hold, queue->device_name, queue->index, request, request->data_bytes);
            continue;
        }
        bytes += cost(request);
        if (blk_order_enter(own, request)) {
            tn_list_append(&turn, &request->link);
        } /* else it waits behind others, and goes on from blk_order_leave */
    }
    submit_turn(queue, &turn);
    return bytes < BLK_TURN_BYTES ? served : budget;
}

/* Their limits let these go on, in this order, or the queue is stopping. */
void blk_release(struct tn_queue *queue, struct tn_list *slots)
{
    struct tn_list turn;
    struct tn_list *link;

    tn_list_init(&turn);
    while ((link = tn_list_take_first(slots)) != NULL) {
        struct blk_request *request = blk_request_of(tn_limit_slot(link));
        if (blk_order_enter(blk_queue_of(queue), request)) {
            tn_list_append(&turn, &request->link);
        }
    }
    submit_turn(queue, &turn);
}

/* The disk's view of what the request, or its next range, asks for. */
void blk_prepare_io(struct blk_request *request)
{
    struct tenon_io *io = &request->io;

    io->worker = request->slot.queue->worker;
    io->done = blk_done;
    io->flags = request->stable ? TENON_IO_FUA : 0;
    io->iov = request->data;
    io->iov_count = request->data_iovecs;
    io->offset = request->sector * TN_BLK_SECTOR_BYTES;
    io->bytes = request->data_bytes;
    switch (request->type) {
    case TN_BLK_T_IN:
        io->op = TENON_IO_READ;
        break;
    case TN_BLK_T_OUT:
        io->op = TENON_IO_WRITE;
        break;
    case TN_BLK_T_FLUSH:
        io->op = TENON_IO_FLUSH;
        io->offset = io->bytes = 0;
        io->iov_count = 0;
        break;
    default:
        blk_ranges_next(request);
        break;
    }
}

/* Gives the request to the disk, or lets it wait in front of a full one. */
void blk_submit(struct blk_request *request)
{
    struct tn_queue *queue = request->slot.queue;
    struct blk_lane *lane = blk_queue_of(queue)->lane;

    if (queue->dropping) { /* reset in the middle of its turn, see tn_queue_breathe */
        end(request);
        return;
    }
    if (!tn_list_empty(&lane->full)) {
        tn_list_append(&lane->full, &request->link);
        return;
    }
    blk_prepare_io(request);
    tn_spans_step(&request->slot, TN_SPAN_WAITING);
    request->in_disk = true;
    TN_PROBE(submit, queue->device_name, queue->index, request, request->type, request->io.offset,
             request->io.bytes);
    int error = tn_channel_submit(blk_of(queue)->disk, lane->channel, &request->io);
    if (error == -EAGAIN) {
        request->in_disk = false;
        tn_queue_count(queue, BLK_COUNT_DISK_BUSY, 1);
        blk_ranges_again(request);
        tn_list_append(&lane->full, &request->link);
        tenon_timer_set(lane->retry, tenon_now() + BLK_RETRY_NS);
    } else if (error < 0) {
        request->in_disk = false; /* a reset that comes first must not ask the disk to cancel it */
        tenon_io_done(&request->io,
                      error); /* refused: ends as if the disk had taken and failed it */
    }
}

/* Room may have come: those that wait go first, in their order. */
void blk_resubmit_full(struct blk_lane *lane)
{
    struct tn_list waiting;

    if (tn_list_empty(&lane->full)) {
        return;
    }
    tn_list_init(&waiting);
    tn_list_splice(&waiting, &lane->full);
    while (tn_list_empty(&lane->full) && !tn_list_empty(&waiting)) {
        submit_first(&waiting);
    }
    tn_list_splice(&lane->full,
                   &waiting); /* the refused one is first in `full`; the rest goes behind it */
    tn_channel_commit(lane->blk->disk, lane->channel);
}

/*
 * The request is over: it is answered, and whoever waited for it may go. When the queue is reset
 * those end as well, one after another, without ever reaching the disk.
 */
static void end(struct blk_request *request)
{
    struct tn_queue *queue = request->slot.queue;
    struct blk_queue *own = blk_queue_of(queue);
    struct tn_list ended, ready;
    struct tn_list *link;

    tn_list_init(&ended);
    tn_list_init(&ready);
    tn_list_append(&ended, &request->link);
    while ((link = tn_list_take_first(&ended)) != NULL) {
        request = TN_CONTAINER_OF(link, struct blk_request, link);
        if (request->ordered) {
            blk_order_leave(own, request, queue->dropping ? &ended : &ready);
        }
        blk_answer(request);
    }
    if (!tn_list_empty(&ready)) {
        while ((link = tn_list_take_first(&ready)) != NULL) {
            blk_submit(TN_CONTAINER_OF(link, struct blk_request, link));
        }
        tn_channel_commit(own->lane->blk->disk, own->lane->channel);
    }
    blk_resubmit_full(own->lane);
}

static void count_error(struct tn_queue *queue, int error)
{
    tn_queue_count(queue,
                   error == -ENOSPC || error == -EDQUOT ? BLK_COUNT_ERRORS_NO_SPACE
                   : error == -EIO                      ? BLK_COUNT_ERRORS_IO
                                                        : BLK_COUNT_ERRORS_OTHER,
                   !queue->dropping); /* then it may have been cancelled */
}

/*
 * A disk that turns out not to be able to: the driver hears it in the standard's words, and nothing
 * is lost.
 */
void blk_fail(struct blk_request *request)
{
    request->verdict = TN_BLK_S_IOERR;
    tn_queue_count(request->slot.queue, BLK_COUNT_ERRORS, !request->slot.queue->dropping);
    tn_spans_count(&request->slot);
    end(request);
}

/* The disk has finished with one request, on this worker. */
void blk_done(struct tenon_io *io, int result)
{
    struct blk_request *request = TN_CONTAINER_OF(io, struct blk_request, io);
    struct blk_lane *lane = blk_queue_of(request->slot.queue)->lane;

    TN_PROBE(done, request->slot.queue->device_name, request->slot.queue->index, request, result);
    request->in_disk = false;
    tn_spans_step(&request->slot, TN_SPAN_DISK);
    if (result < 0) {
        count_error(request->slot.queue, result);
        if (blk_park(request, result)) {
            blk_resubmit_full(lane);
        } else {
            blk_fail(request);
        }
        return;
    }
    if (request->range_next < request->range_count && !request->slot.queue->dropping) {
        blk_submit(request);
        tn_channel_commit(lane->blk->disk, lane->channel);
        blk_resubmit_full(lane); /* what has ended left a place, maybe for others */
        return;
    }
    tn_spans_count(&request->slot);
    end(request);
}

/* Ends those of the queue that wait in front of the disk. */
static void drop_full(struct tn_queue *queue, struct blk_lane *lane)
{
    struct tn_list mine, others;
    struct tn_list *link;

    tn_list_init(&mine);
    tn_list_init(&others);
    while ((link = tn_list_take_first(&lane->full)) != NULL) {
        struct blk_request *request = TN_CONTAINER_OF(link, struct blk_request, link);
        tn_list_append(request->slot.queue == queue ? &mine : &others, link);
    }
    tn_list_splice(&lane->full, &others);
    while ((link = tn_list_take_first(&mine)) != NULL) {
        end(TN_CONTAINER_OF(link, struct blk_request, link));
    }
}

/*
 * The queue is reset: what waits in front of a full disk ends here, and what the disk can let go of
 * too. The rest ends when the disk says so; its buffers stay pinned until then.
 */
void blk_drop(struct tn_queue *queue)
{
    struct blk_lane *lane = blk_queue_of(queue)->lane;

    drop_full(queue, lane); /* first: a place that a cancelled one leaves is not for them */
    for (uint32_t i = 0; i < queue->slots.count; i++) {
        struct blk_request *request = blk_request_of(tn_slots_at(&queue->slots, i));
        if (request->in_disk && request->merge) {
            blk_merge_cancel(request);
        } else if (request->in_disk &&
                   tn_channel_cancel(lane->blk->disk, lane->channel, &request->io) == 0) {
            request->in_disk = false;
            end(request);
        }
    }
}
