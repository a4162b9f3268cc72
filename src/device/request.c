/*
 * request.c: one request between the ring and its device type: the chain it came in, in a slot.
 *
 *   ring ──take──> slot ──return──> used entry, which the end of the turn publishes (queue.c)
 *     ^              └───untake───> as if it had not been taken
 *
 * Here: what all requests go through, so what each of them costs. Not here: where slots come from
 * (slots.c). On the queue's worker; takes no lock, allocates nothing.
 */
#include "device/within.h"

#include <string.h>

#include "base/num.h"

/* A chain that is longer than the slot's own place. False: there is none for it now. */
static bool keep_iovecs(struct tn_queue *queue, struct tn_slot *slot)
{
    struct tn_chain *chain = &slot->chain;
    uint32_t count = chain->readable + chain->writable;
    struct iovec *iovecs;

    if (!tn_slots_take_iovecs(&queue->slots, slot, count, &iovecs)) {
        return false;
    }
    memcpy(iovecs, chain->iov, count * sizeof(*iovecs));
    chain->iov = iovecs;
    return true;
}

static bool pop(struct tn_queue *queue, struct tn_chain *chain, struct iovec *iov, uint32_t room)
{
    enum tn_pop pop = tn_vq_pop_into(queue->vq, chain, iov, room);

    if (pop == TN_POP_BROKEN) {
        tn_queue_break(queue, tn_vq_broken(queue->vq));
    }
    return pop == TN_POP_CHAIN;
}

struct tn_slot *tn_queue_take(struct tn_queue *queue)
{
    struct tn_slot *slot = queue->broken ? NULL : queue->slots.free;

    if (!slot) {
        queue->starved = true;
        return NULL;
    }
    if (!pop(queue, &slot->chain, slot->iovecs, TN_SLOT_IOVECS)) {
        return NULL;
    }
    if (slot->chain.iov != slot->iovecs && !keep_iovecs(queue, slot)) {
        tn_vq_unpop(queue->vq, &slot->chain);
        tn_queue_count(queue, TN_COUNT_STARVED, 1);
        queue->starved = true;
        return NULL;
    }
    tn_slots_take(&queue->slots);
    slot->table = tn_view_pin(&queue->view);
    slot->number = ++queue->taken;
    tn_count_set(&queue->counts[TN_COUNT_IN_FLIGHT], ++queue->in_flight);
    if (queue->timed) {
        tn_spans_begin(slot);
    }
    tn_queue_count(queue, TN_COUNT_REQUESTS, 1);
    TN_PROBE(take, queue->device_name, queue->index, slot);
    return slot;
}

/* Its used entry, which the end of the turn publishes. */
static void give_back(struct tn_queue *queue, uint16_t head, uint32_t written)
{
    if (queue->broken || queue->dropping) {
        tn_vq_forget(queue->vq, head);
        tn_queue_count(queue, TN_COUNT_DROPPED, 1);
        tn_queue_finish(queue);
    } else if (tn_vq_push(queue->vq, head, written)) {
        queue->unpublished_since = tn_worker_turn_time(queue->worker);
        tn_queue_finish(queue); /* the others of the turn need it no more */
    }
}

void tn_queue_return(struct tn_slot *slot, uint32_t written)
{
    struct tn_queue *queue = slot->queue;

    queue->returned = tn_max_u64(queue->returned, slot->number);
    give_back(queue, slot->chain.head, written);
    tn_view_unpin(&queue->view, slot->table);
    tn_slots_give(&queue->slots, slot);
    tn_count_set(&queue->counts[TN_COUNT_IN_FLIGHT], --queue->in_flight);
    if (queue->starved) {
        tn_queue_look(queue);
    }
}

bool tn_queue_untake(struct tn_slot *slot)
{
    struct tn_queue *queue = slot->queue;

    if (slot->number < queue->returned) {
        return false;
    }
    tn_vq_unpop(queue->vq, &slot->chain);
    tn_view_unpin(&queue->view, slot->table);
    tn_slots_give(&queue->slots, slot);
    tn_count_set(&queue->counts[TN_COUNT_IN_FLIGHT], --queue->in_flight);
    tn_queue_count(queue, TN_COUNT_REQUESTS, (uint64_t)-1);
    tn_queue_finish(queue);
    return true;
}

bool tn_queue_pass(struct tn_queue *queue, struct tn_chain *chain, struct iovec *iov, uint32_t room)
{
    return !queue->broken && pop(queue, chain, iov, room);
}

void tn_queue_pass_back(struct tn_queue *queue, const struct tn_chain *chain, uint32_t written)
{
    queue->returned = ++queue->taken; /* what was taken before it has no way back any more */
    tn_queue_count(queue, TN_COUNT_REQUESTS, 1);
    give_back(queue, chain->head, written);
}

void tn_queue_unpass(struct tn_queue *queue, const struct tn_chain *chain)
{
    tn_vq_unpop(queue->vq, chain);
}
