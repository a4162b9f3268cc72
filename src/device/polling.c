/*
 * polling.c: a queue that looks at its ring, and at its disk or link, for a while before it asks to
 * be kicked. How long is learned (loop/poll.c); while it looks, the driver need not kick. Nothing
 * can be missed: when the while is over, kicks are on again before the ring is looked at once more
 * (pair D in base/shared.h). On the queue's worker.
 */
#include "device/within.h"

enum { SMALL_BURST = 8 };

static bool may_look(const struct tn_queue *queue)
{
    return queue->state == TN_QUEUE_RUNNING && !queue->broken;
}

/* Whether there is something in the ring. What has ended in the disk makes its own tasks. */
static bool look(struct tn_poller *poller)
{
    struct tn_queue *queue = poller->opaque;

    if (!may_look(queue)) {
        return false;
    }
    if (queue->in_flight != 0 && queue->device->type->poll) {
        queue->device->type->poll(queue);
    }
    if (queue->waiting ? !queue->device->type->look(queue) : !tn_vq_has_more(queue->vq)) {
        return false;
    }
    if (tn_list_unlinked(&queue->serve_task.link)) {
        tn_queue_count(queue, TN_COUNT_POLLED, 1);
        tn_queue_look(queue);
    }
    return true;
}

/* Asks for kicks. What came before the driver could see that is served now. */
static void ask(struct tn_queue *queue)
{
    queue->kicks_on = true;
    if (tn_vq_kicks_on(queue->vq)) {
        tn_queue_look(queue);
    }
}

static void over(struct tn_poller *poller)
{
    struct tn_queue *queue = poller->opaque;

    if (may_look(queue)) {
        tn_queue_count(queue, TN_COUNT_POLLED_IN_VAIN, 1);
        if (queue->waiting) {
            queue->device->type->rest(queue);
        } else if (!queue->kicks_on) {
            ask(queue);
        }
    }
}

/*
 * To look costs the processor that threads may need to finish what is in flight; not so where a
 * device does it. And who looks takes the first request of many as soon as it is there: threads are
 * then woken for it alone, and for the others again.
 */
static bool pays(struct tn_queue *queue, unsigned served)
{
    const struct tn_device_type *type = queue->device->type;

    if (type->look) {
        return true; /* no threads are at work for it */
    }
    if (served != 0) {
        queue->burst = served > queue->burst ? served : queue->burst - queue->burst / 8;
        queue->by_threads = false;
    }
    if (queue->in_flight == 0) {
        return !queue->by_threads || queue->burst <= SMALL_BURST;
    }
    queue->by_threads = !type->poll || !type->poll(queue);
    return !queue->by_threads;
}

void tn_queue_rest(struct tn_queue *queue, unsigned served)
{
    struct tn_poller *poller =
        &queue->pollers[queue->in_flight == 0 ? TN_POLL_DRIVER : TN_POLL_DISK];

    queue->resting = true;
    if (queue->device->poll_ns != 0 && pays(queue, served) &&
        tn_poll_begin(queue->worker, poller)) {
        if (queue->kicks_on) {
            queue->kicks_on = false;
            tn_vq_kicks_back(queue->vq);
        }
    } else if (!queue->kicks_on) {
        ask(queue);
    }
}

bool tn_queue_wait(struct tn_queue *queue)
{
    queue->waiting = true;
    return queue->device->poll_ns != 0 &&
           tn_poll_begin(queue->worker, &queue->pollers[TN_POLL_DRIVER]);
}

void tn_queue_poll_end(struct tn_queue *queue)
{
    for (unsigned i = 0; i < TN_QUEUE_POLLERS; i++) {
        tn_poll_end(queue->worker, &queue->pollers[i]);
    }
}

void tn_queue_poll_cancel(struct tn_queue *queue)
{
    for (unsigned i = 0; i < TN_QUEUE_POLLERS; i++) {
        tn_poll_cancel(&queue->pollers[i]);
    }
}

/*
 * For a disk half as long: while many requests are under way it takes long until the first of them
 * ends, and a wake is a small part of that.
 */
void tn_queue_poll_init(struct tn_queue *queue)
{
    const uint64_t longest[] = {
        [TN_POLL_DRIVER] = queue->device->poll_ns, [TN_POLL_DISK] = queue->device->poll_ns / 2
    };

    for (unsigned i = 0; i < TN_QUEUE_POLLERS; i++) {
        tn_poller_init(&queue->pollers[i], look, over, queue);
        queue->pollers[i].longest_ns = longest[i];
    }
}
