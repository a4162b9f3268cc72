/*
 * uring.c: the engine over io_uring: one ring per channel, one system call per turn.
 *
 *   submit -> body->begin -> waiting --commit--> kernel -> body->next -> (waiting again) -> done
 *                   \-> aside (a pool): what only body->run can do, since it may block
 *
 * Here: where each operation is, and who owns it. What an operation consists of is the body's
 * affair (file_steps.c); channels and disks are made and ended in uring_open.c, rings in
 * uring_ring.c. Runs on the channel's worker; no lock, no allocation.
 */
#include "disk/uring.h"

#include <errno.h>

enum { RETRY_NS = 1000000, FEW = 3, DIRECT_TOGETHER = 8 };

enum place { WAITING, IN_KERNEL, ASIDE, OVER, TAKEN_BACK };

/* The scratch of an operation, behind the pool's. */
struct item {
    struct tn_list link; /* WAITING: in channel->waiting */
    struct tenon_io *io;
    enum place place;
    bool fresh;      /* no call of it was made */
    bool cancelling; /* within cancel() */
    bool on_thread;  /* IN_KERNEL: a thread makes the call */
    struct tn_step step;
    struct tn_ring_call call;
};

static struct item *item_of(const struct tenon_channel *channel, struct tenon_io *io)
{
    return (struct item *)(void *)((char *)tenon_io_scratch(io) + channel->uring->aside.io_bytes);
}

size_t tn_uring_item_bytes(void)
{
    return sizeof(struct item);
}

/* ---- the way of an operation ---- */

static void end(struct tenon_channel *channel, struct item *item)
{
    item->place = OVER;
    channel->accepted--;
    tenon_io_done(item->io, item->step.result);
}

/* The pool takes it over, from its beginning; the ring has nothing more to do with it. */
static int hand_over(struct tenon_channel *channel, struct item *item)
{
    int r = tn_aside_submit(&channel->aside, item->io);

    if (r == 0) {
        item->place = ASIDE;
        channel->accepted--;
    }
    return r;
}

/* 1: the call has to be made; else what came of it without. */
static int start_call(struct item *item)
{
    const struct tenon_io *io = item->io;

    if (tn_is_transfer(item->step.call)) {
        return tn_progress_begin(&item->call.progress, io->iov, io->iov_count, item->step.at,
                                 item->step.bytes);
    }
    item->call.progress.interruptions = 0;
    return 1;
}

/* Goes on with what the body said. 0, or the errno of a pool that takes nothing. */
static int go_on(struct tenon_channel *channel, struct item *item, enum tn_next next)
{
    const struct tn_uring *uring = channel->uring;

    while (next == TN_NEXT_CALL) {
        int r = start_call(item);
        if (r > 0) {
            item->place = WAITING;
            tn_list_append(&channel->waiting, &item->link);
            return 0;
        }
        next = uring->ops->next(uring->body, item->io, &item->step, r);
    }
    if (next == TN_NEXT_RUN) {
        return hand_over(channel, item);
    }
    end(channel, item);
    return 0;
}

/* Nothing of it is in the kernel's hands, and done() will not come. */
static void take_back(struct tenon_channel *channel, struct item *item)
{
    const struct tn_uring *uring = channel->uring;

    uring->ops->next(uring->body, item->io, &item->step, -ECANCELED);
    item->place = TAKEN_BACK;
    channel->accepted--;
}

/* A call is over, with this result. */
static void proceed(struct tenon_channel *channel, struct item *item, int result)
{
    const struct tn_uring *uring = channel->uring;
    int r = go_on(channel, item, uring->ops->next(uring->body, item->io, &item->step, result));

    if (r != 0) {
        item->step.result = r;
        end(channel, item);
    }
}

/*
 * A call has ended. What was interrupted, or ended with the thread that had submitted it, is made
 * again; what cannot be had at once, on a thread of the kernel's.
 */
static void call_ended(struct tenon_channel *channel, struct item *item, int result)
{
    if (result == -ECANCELED && item->cancelling) {
        take_back(channel, item);
        return;
    }
    if (result == -EAGAIN || result == -ECANCELED) {
        item->call.blocking = true;
        result = -EINTR;
    }
    if (tn_is_transfer(item->step.call) || result == -EINTR) {
        result = tn_progress_moved(&item->call.progress, result, item->step.grain);
    }
    if (result > 0) {
        item->place = WAITING;
        tn_list_append(&channel->waiting, &item->link);
        return;
    }
    proceed(channel, item, result);
}

/* ---- between here and the kernel ---- */

/* Whether the kernel makes the call on a thread of its own: all but reads and direct writes. */
static bool needs_thread(const struct tn_ring_call *call)
{
    return call->blocking || !tn_is_transfer(call->step->call) ||
           (call->step->call != TN_CALL_READ && call->step->grain == 1);
}

/*
 * One submission of what waits. Of direct I/O only a few: the device begins with them while the
 * others are on their way (measured: 8 give up to a sixth more than all 32 of a turn in one call).
 * False: the kernel takes nothing now.
 */
static bool push(struct tenon_channel *channel)
{
    struct io_uring *io = &channel->ring.io;
    struct io_uring_sqe *sqe;
    unsigned direct = 0;

    while (direct < DIRECT_TOGETHER && !tn_list_empty(&channel->waiting) &&
           (sqe = io_uring_get_sqe(io)) != NULL) {
        struct tn_list *link = tn_list_take_first(&channel->waiting);
        struct item *item = TN_CONTAINER_OF(link, struct item, link);
        tn_ring_prepare(&channel->ring, sqe, &item->call);
        io_uring_sqe_set_data(sqe, item);
        direct += item->step.grain > 1;
        item->place = IN_KERNEL;
        item->on_thread = needs_thread(&item->call);
        channel->on_threads += item->on_thread;
    }
    return io_uring_submit_and_get_events(io) > 0;
}

static unsigned reap(struct tenon_channel *channel)
{
    struct io_uring *io = &channel->ring.io;
    struct io_uring_cqe *cqe;
    unsigned head, count = 0;

    io_uring_for_each_cqe(io, head, cqe)
    {
        struct item *item = io_uring_cqe_get_data(cqe);
        count++;
        if (item) { /* else the end of a cancel */
            channel->on_threads -= item->on_thread;
            call_ended(channel, item, cqe->res);
        }
    }
    io_uring_cq_advance(io, count);
    return count;
}

/*
 * A few reads are had faster without the ring, if they need no waiting; for many the ring costs
 * less (measured: from four on).
 */
static void try_at_once(struct tenon_channel *channel)
{
    const struct tn_uring *uring = channel->uring;
    struct tn_list *link = channel->waiting.next, *following;
    unsigned count = 0;

    for (const struct tn_list *at = link; at != &channel->waiting && count <= FEW; at = at->next) {
        count++;
    }
    for (; count <= FEW && link != &channel->waiting; link = following) {
        struct item *item = TN_CONTAINER_OF(link, struct item, link);
        following = link->next;
        int r = item->fresh ? uring->ops->at_once(uring->body, item->io) : -EAGAIN;
        if (r != -EAGAIN) {
            tn_list_remove(link);
            proceed(channel, item, r);
        }
        item->fresh = false;
    }
}

/* What is to be said to the kernel; without a ring there never is anything. */
static bool has_more(const struct tenon_channel *channel)
{
    return !tn_list_empty(&channel->waiting) ||
           (channel->has_ring && io_uring_sq_ready(&channel->ring.io) != 0);
}

void tn_uring_commit(struct tenon_channel *channel)
{
    bool taken = true;

    try_at_once(channel);
    while (taken && has_more(channel)) {
        taken = push(channel);
        reap(channel);
    }
    if (!taken) {
        tenon_timer_set(channel->retry, tenon_now() + RETRY_NS);
    }
    tn_aside_commit(&channel->aside);
}

/* ---- what the channel is asked ---- */

int tn_uring_poll(struct tenon_channel *channel)
{
    struct io_uring *io = &channel->ring.io;
    unsigned count;

    if (!channel->has_ring) {
        return -EAGAIN;
    }
    /* The ring says when the kernel has something to finish on this thread, or to put here. */
    if ((IO_URING_READ_ONCE(*io->sq.kflags) & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0) {
        io_uring_get_events(io);
    }
    count = io_uring_cq_ready(io) != 0 ? reap(channel) : 0;
    if (count != 0) {
        tn_uring_commit(channel);
    }
    return channel->on_threads != 0 || channel->accepted == 0 ? -EAGAIN : (int)count;
}

int tn_uring_submit(struct tenon_channel *channel, struct tenon_io *io)
{
    const struct tn_uring *uring = channel->uring;
    struct item *item = item_of(channel, io);
    int r;

    if (channel->accepted == TN_RING_FLIGHT_MAX) {
        return -EAGAIN;
    }
    item->io = io;
    item->fresh = uring->ops->at_once != NULL;
    item->cancelling = false;
    item->call = (struct tn_ring_call){ .step = &item->step };
    tn_list_init(&item->link);
    channel->accepted++;
    r = channel->has_ring ? go_on(channel, item, uring->ops->begin(uring->body, io, &item->step))
                          : hand_over(channel, item);
    if (r != 0) {
        channel->accepted--;
    }
    return r;
}

/* Asks the kernel, and looks at once what came of it: done() comes, or the operation is ours. */
static void ask_to_cancel(struct tenon_channel *channel, struct item *item)
{
    struct io_uring *io = &channel->ring.io;
    struct io_uring_sqe *sqe;

    item->cancelling = true;
    push(channel);
    sqe = io_uring_get_sqe(io);
    if (sqe) {
        io_uring_prep_cancel(sqe, item, 0);
        io_uring_sqe_set_data(sqe, NULL);
        push(channel);
    }
    reap(channel);
    item->cancelling = false;
}

int tn_uring_cancel(struct tenon_channel *channel, struct tenon_io *io)
{
    struct item *item = item_of(channel, io);

    if (item->place == ASIDE) {
        return tn_aside_cancel(&channel->aside, io);
    }
    if (item->place == IN_KERNEL) {
        ask_to_cancel(channel, item);
    }
    if (item->place == WAITING) {
        tn_list_remove(&item->link);
        take_back(channel, item);
    }
    tn_uring_commit(channel);
    return item->place == TAKEN_BACK ? 0 : -EBUSY;
}
