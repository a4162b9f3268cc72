/*
 * tx.c: one turn of one transmit queue.
 *
 *   ring ──take──> open (header) ──> waiting ──send, many at once──> the link ──> used, length 0
 *                     │                  │ full: they are held, and go on when it says so
 *                     │ malformed        │ the link cannot take them unfinished: cut.c
 *                     v                  │ no carrier: dropped
 *                   used, counted        └ kept: the link reads them a while longer (net_tx_sent)
 *
 * Frames leave in their order (NET-32). What is held or kept when the queue pauses or stops goes
 * back to the ring, if the link lets go of it; so what the link accepted is sent, and what it did
 * not is not lost. On the pair's worker; takes no lock, allocates nothing.
 */
#include "net/net.h"

#include <errno.h>
#include <string.h>

/* The frame is over: sent, or dropped for the reason that the counter names. */
void net_tx_end(struct tn_queue *queue, struct net_slot *slot, unsigned counter)
{
    tn_queue_count(queue, counter, 1);
    if (counter == NET_COUNT_FRAMES) {
        tn_queue_count(queue, NET_COUNT_BYTES, slot->frame.bytes);
    }
    tn_queue_return(&slot->slot, 0); /* NET-31 */
}

static struct net_slot *slot_of(struct tenon_frame *frame)
{
    return TN_CONTAINER_OF(frame, struct net_slot, frame);
}

unsigned net_tx_outcome(int result)
{
    return result == 0           ? NET_COUNT_FRAMES
           : result == -EMSGSIZE ? NET_COUNT_TOO_LONG
           : result == -ENETDOWN ? NET_COUNT_LINK_DOWN
                                 : NET_COUNT_LINK_ERROR;
}

static struct tenon_frame *waiting_at(const struct net_pair *pair, unsigned i)
{
    return pair->waiting[(pair->waiting_first + i) % NET_BATCH];
}

static void take_waiting(struct net_pair *pair, unsigned count)
{
    pair->waiting_first = (pair->waiting_first + count) % NET_BATCH;
    pair->waiting_count -= count;
}

static void drop_waiting(struct net_pair *pair, unsigned counter)
{
    while (pair->waiting_count > 0) {
        struct tenon_frame *frame = waiting_at(pair, 0);
        take_waiting(pair, 1);
        net_tx_end(pair->tx, slot_of(frame), counter);
    }
}

/* ---- to the link ---- */

void net_tx_keep(struct net_pair *pair, struct tenon_frame *frame)
{
    pair->kept[(pair->kept_first + pair->kept_count++) & pair->kept_mask] = frame;
}

/* What the link takes without us. */
static unsigned link_can(const struct net_pair *pair)
{
    const struct tenon_link_ops *ops = pair->net->link_ops;

    return ops->send_can ? ops->send_can(pair->port) : pair->net->info.send_can;
}

/* Those at the head which go as they are, in a row. */
static unsigned run_length(const struct net_pair *pair, unsigned can)
{
    unsigned run = 0, wrap = NET_BATCH - pair->waiting_first;

    while (run < pair->waiting_count && run < wrap) {
        const struct tenon_offload *offload = &waiting_at(pair, run)->offload;
        if (!net_offload_is_none(offload) && (net_offload_needs(offload) & ~can) != 0) {
            break;
        }
        run++;
    }
    return run;
}

/* How many the link took. */
static unsigned send_run(struct net_pair *pair, unsigned run)
{
    struct tenon_frame **frames = &pair->waiting[pair->waiting_first];
    unsigned kept = run;
    unsigned taken = pair->net->link_ops->send(pair->port, frames, run, &kept);

    for (unsigned i = 0; i < taken; i++) {
        if (i >= kept) {
            net_tx_keep(pair, frames[i]);
        } else {
            net_tx_end(pair->tx, slot_of(frames[i]), net_tx_outcome(frames[i]->result));
        }
    }
    take_waiting(pair, taken);
    return taken;
}

/* All that waits. False: the link is full. */
static bool drain(struct net_pair *pair)
{
    unsigned can = link_can(pair);

    if (!net_pair_up(pair)) {
        drop_waiting(pair, NET_COUNT_LINK_DOWN);
    }
    while (pair->tx_cut.active || pair->waiting_count > 0) {
        if (pair->tx_cut.active) {
            if (!net_cut_go_on(pair)) {
                return false;
            }
            continue;
        }
        unsigned run = run_length(pair, can);
        if (run > 0) {
            if (send_run(pair, run) < run) {
                return false;
            }
            continue;
        }
        struct net_slot *slot = slot_of(waiting_at(pair, 0));
        take_waiting(pair, 1);
        if (!net_cut_begin(pair, slot)) {
            net_tx_end(pair->tx, slot, NET_COUNT_BAD_HEADER);
        }
    }
    return true;
}

/* ---- the turn ---- */

/*
 * A source address of its own makes it one that others may be led astray by. Behind QEMU, which has
 * an address of its own for its guest, nobody knows.
 */
static void watch_source(struct net_pair *pair, const struct tenon_frame *frame)
{
    uint8_t head[NET_LOOK_SHORT];

    if (pair->rules.filter.mac_unknown) {
        return;
    }
    net_frame_glance(frame, head);
    if (memcmp(head + 6, pair->rules.filter.mac, 6) != 0) {
        tn_queue_count(pair->tx, NET_COUNT_STRAY, 1);
    }
}

/* Takes frames from the ring until there are enough for one send. How many it took. */
static unsigned collect(struct net_pair *pair, unsigned budget, uint64_t *bytes)
{
    struct net *net = pair->net;
    unsigned served = 0;

    while (served < budget && pair->waiting_count < NET_BATCH) {
        struct tn_slot *taken = tn_queue_take(pair->tx);
        if (!taken) {
            break;
        }
        struct net_slot *slot = net_slot_of(taken);
        served++;
        unsigned why = net_frame_open(slot, net->header_bytes, net->host_can);
        if (why != 0) {
            net_tx_end(pair->tx, slot, why);
            continue;
        }
        if (slot->frame.bytes > net->info.frame_bytes && slot->frame.offload.gso == 0) {
            net_tx_end(pair->tx, slot, NET_COUNT_TOO_LONG);
            continue;
        }
        watch_source(pair, &slot->frame);
        *bytes += slot->frame.bytes;
        pair->waiting[(pair->waiting_first + pair->waiting_count++) % NET_BATCH] = &slot->frame;
    }
    return served;
}

static unsigned wait_for_link(struct net_pair *pair)
{
    if (pair->tx_cut.active && pair->tx_cut.yields) {
        return TN_SERVE_WAITS;
    }
    tn_queue_count(pair->tx, NET_COUNT_LINK_FULL, 1);
    if (pair->tx_cut.kept == 0) { /* else it is not the link's fault, and net_tx_sent goes on */
        net_pair_watch(pair, TENON_WRITABLE);
    }
    return TN_SERVE_WAITS;
}

unsigned net_tx_serve(struct tn_queue *queue, unsigned budget)
{
    struct net_pair *pair = net_pair_of(queue);
    uint64_t bytes = 0;

    if ((pair->waiting_count > 0 || pair->tx_cut.active) && !drain(pair)) {
        return wait_for_link(pair);
    }
    unsigned room =
        tn_limit_room(queue, TN_LINE_WRITE, budget, net_frame_most(pair->net, pair->net->host_can));
    unsigned served = collect(pair, room, &bytes);
    if (served == 0) {
        return 0;
    }
    bool paid = tn_limit_spend(queue, TN_LINE_WRITE, pair->waiting_count, bytes);
    if (!drain(pair)) {
        if (!pair->net->drop_when_full || pair->tx_cut.active) {
            return wait_for_link(pair);
        }
        drop_waiting(pair, NET_COUNT_DROPPED_FULL);
    }
    return !paid ? TN_SERVE_WAITS : served == room ? budget : served;
}

/* ---- what the link kept ---- */

void net_tx_sent(struct net_pair *pair, struct tenon_frame *frames)
{
    while (frames) {
        struct tenon_frame *frame = frames;
        frames = frame->next;
        pair->kept_first++;
        pair->kept_count--;
        if (net_cut_has(pair, frame)) {
            net_cut_sent(pair, frame);
        } else {
            net_tx_end(pair->tx, slot_of(frame), net_tx_outcome(frame->result));
        }
    }
    if (pair->tx && pair->tx_cut.active) {
        tn_queue_look(pair->tx);
    }
}

/* Back to the ring, if it has a way back: it has none where a later one was bad. */
static void untake(struct tn_queue *queue, struct net_slot *slot)
{
    if (!tn_queue_untake(&slot->slot)) {
        net_tx_end(queue, slot, NET_COUNT_DROPPED_FULL);
    }
}

/* Those that the link lets go of, the last ones first. */
static void take_back_kept(struct net_pair *pair, bool cutting)
{
    const struct tenon_link_ops *ops = pair->net->link_ops;
    unsigned count =
        pair->kept_count > 0 && ops->cancel ? ops->cancel(pair->port, pair->kept_count) : 0;

    for (; count > 0; count--) {
        struct tenon_frame *frame =
            pair->kept[(pair->kept_first + --pair->kept_count) & pair->kept_mask];
        if (net_cut_has(pair, frame)) {
            net_cut_sent(pair, frame);
        } else if (cutting) {
            net_tx_end(pair->tx, slot_of(frame), NET_COUNT_DROPPED_FULL);
        } else {
            untake(pair->tx, slot_of(frame));
        }
    }
}

/*
 * A frame that is being cut has been sent in part, and cannot go back; so neither can those that
 * were taken before it.
 */
void net_tx_settle(struct tn_queue *queue)
{
    struct net_pair *pair = net_pair_of(queue);
    bool cutting = pair->tx_cut.active;

    net_pair_unwatch(pair, TENON_WRITABLE);
    while (pair->waiting_count > 0) {
        untake(queue, slot_of(waiting_at(pair, --pair->waiting_count)));
    }
    take_back_kept(pair, cutting);
    net_cut_drop(pair);
}
