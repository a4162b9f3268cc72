/*
 * rx_lend.c: frames that are somewhere already, and are copied into receive chains: as many chains
 * as the frame takes, and no more. Most are simpler than that, and are copied in rx_plain.c.
 *
 *   peek ──> frame ──inspect──> which queue (RSS) ──> finished, if it has to be ──copy──> chains
 *
 * The frame is shown again until it is taken, so one that finds no room is not lost. On the worker
 * of the pair, which is that of all pairs where RSS is on.
 */
#include "net/rx.h"

#include "base/num.h"
#include "base/shared.h"

enum outcome {
    DONE,     /* delivered, or dropped: the frame is gone */
    NO_BUFFER /* the driver has given no room for it */
};

static enum outcome drop(struct net_pair *pair, unsigned counter)
{
    tn_queue_count(pair->rx, counter, 1);
    return DONE;
}

/*
 * How many chains of the stock hold so many bytes, and more are taken for it. 0: there is no room
 * now. A driver that has given all that it can waits for us, and no longer frame ever fits.
 */
static uint32_t gather(struct net_pair *pair, uint64_t bytes, bool *hopeless)
{
    struct net_stock *stock = &pair->stock;
    uint64_t room = 0;
    uint32_t chains = 0;

    *hopeless = false;
    while (room < bytes) {
        if (chains == stock->count && !net_stock_more(pair)) {
            *hopeless = net_stock_is_all(pair);
            return 0;
        }
        room += net_stock_at(pair, chains++)->slot.chain.writable_bytes;
        if (!pair->net->mergeable && room < bytes) {
            *hopeless = true;
            return 0;
        }
    }
    return chains;
}

static void fill(struct net_pair *pair, uint32_t chains, const struct iovec *iov, uint32_t bytes)
{
    struct net_cursor from = { .iov = iov };
    uint64_t header = pair->net->header_bytes;

    for (uint32_t i = 0; i < chains; i++) {
        const struct net_slot *slot = net_stock_at(pair, i);
        struct net_cursor to = { .iov = net_room(slot) };
        uint64_t part = tn_min_u64(slot->slot.chain.writable_bytes - header, bytes);

        net_frame_skip(&to, header);
        net_frame_copy(&to, &from, part);
        bytes -= (uint32_t)part;
        header = 0;
    }
}

static enum outcome put(struct net_pair *pair, const struct iovec *iov, uint32_t bytes,
                        const struct tenon_offload *offload, const struct net_look *look)
{
    bool hopeless;
    uint32_t chains = gather(pair, (uint64_t)pair->net->header_bytes + bytes, &hopeless);

    if (chains == 0) {
        return hopeless ? drop(pair, NET_COUNT_TOO_LONG) : NO_BUFFER;
    }
    fill(pair, chains, iov, bytes);
    net_rx_hand_over(pair, chains, bytes, offload, look);
    return DONE;
}

/* The pair that the frame is for: this one, or where RSS says (NET-70). NULL: it does not run. */
static struct net_pair *target(struct net_pair *pair, const struct net_look *look)
{
    if (!pair->rules.rss.on) {
        return pair;
    }
    struct net_pair *other =
        pair->net->open[net_rss_queue(&pair->rules.rss, look->report, look->hash)];
    return other && other->rx && other->rx->state == TN_QUEUE_RUNNING && !other->rx->broken ? other
                                                                                            : NULL;
}

/* The same for another pair, whose driver may have no room: it waits for the kick of that one. */
static enum outcome put_to(struct net_pair *pair, struct net_pair *to, const struct iovec *iov,
                           uint32_t bytes, const struct tenon_offload *offload,
                           const struct net_look *look)
{
    enum outcome outcome = put(to, iov, bytes, offload, look);

    if (outcome == NO_BUFFER && to != pair) {
        pair->waits_for_other = to->wanted = true;
        tn_queue_look(to->rx);
    }
    return outcome;
}

/*
 * Of a frame that the guest does not take unfinished: the segments, one after another. NO_BUFFER:
 * the rest waits, and all frames behind it.
 */
static enum outcome put_segments(struct net_pair *pair)
{
    struct net_cut *cut = &pair->rx_cut;
    struct iovec iov = { .iov_base = cut->memory };
    const struct tenon_offload none = { 0 };

    for (;;) {
        if (cut->bytes == 0) {
            cut->bytes = net_segments_next(&cut->segments, cut->memory);
        }
        if (cut->bytes == 0) {
            cut->active = false;
            return DONE;
        }
        iov.iov_len = cut->bytes;
        struct net_pair *to = target(pair, &cut->look);
        enum outcome outcome = to ? put_to(pair, to, &iov, cut->bytes, &none, &cut->look)
                                  : drop(pair, NET_COUNT_LINK_DOWN);
        if (outcome == NO_BUFFER) {
            return outcome;
        }
        cut->bytes = 0;
    }
}

/* The same for one that lacks its checksum alone. */
static enum outcome put_summed(struct net_pair *pair, const struct tenon_frame *frame,
                               const struct net_look *look)
{
    struct iovec iov = { .iov_base = pair->rx_cut.memory };
    struct tenon_offload offload = frame->offload;

    iov.iov_len = net_frame_look(frame, pair->rx_cut.memory, frame->bytes);
    net_checksum_finish(&iov, 1, frame->bytes, &offload);
    enum outcome outcome = put_to(pair, target(pair, look), &iov, frame->bytes, &offload, look);
    tn_queue_count(pair->rx, NET_COUNT_SUMMED, outcome == DONE);
    return outcome;
}

static enum outcome put_finished(struct net_pair *pair, const struct tenon_frame *frame,
                                 const struct net_look *look)
{
    struct net_cut *cut = &pair->rx_cut;

    if (cut->memory && frame->offload.gso == TENON_GSO_NONE) {
        return put_summed(pair, frame, look);
    }
    if (!cut->memory) {
        return drop(pair, NET_COUNT_BAD_HEADER);
    }
    /* A copy: its sender may take a frame back that is not taken, and the cut may have to wait. */
    cut->whole = (struct iovec){ .iov_base = cut->memory + NET_CUT_SEGMENT };
    cut->whole.iov_len = net_frame_look(frame, cut->whole.iov_base, frame->bytes);
    if (net_segments_begin(&cut->segments, &cut->whole, 1, frame->bytes, &frame->offload) < 0) {
        return drop(pair, NET_COUNT_BAD_HEADER);
    }
    cut->active = true;
    cut->bytes = 0;
    cut->look = *look;
    tn_queue_count(pair->rx, NET_COUNT_SEGMENTED, 1);
    put_segments(pair);
    return DONE;
}

static enum outcome place(struct net_pair *pair, const struct tenon_frame *frame)
{
    struct net_look look;
    unsigned why = net_rx_inspect(pair, frame, &look);

    if (why != 0) {
        return drop(pair, why);
    }
    struct net_pair *to = target(pair, &look);
    if (!to) {
        return drop(pair, NET_COUNT_LINK_DOWN);
    }
    if (!net_offload_is_none(&frame->offload)) {
        if (!net_offload_check(&frame->offload, frame->bytes, TENON_CAN_ALL)) {
            return drop(pair, NET_COUNT_BAD_HEADER);
        }
        if ((net_offload_needs(&frame->offload) & ~pair->rules.guest_can) != 0) {
            return put_finished(pair, frame, &look);
        }
    }
    return put_to(pair, to, frame->iov, frame->bytes, &frame->offload, &look);
}

/* How many are done with. */
static unsigned place_some(struct net_pair *pair, struct tenon_frame *const *frames, unsigned count)
{
    unsigned done = net_rx_plain(pair, frames, count);

    while (done < count && !pair->rx_cut.active && place(pair, frames[done]) == DONE) {
        frames[done++]->result = 0;
        done += net_rx_plain(pair, frames + done, count - done);
    }
    return done;
}

enum net_rx_end net_rx_lent(struct net_pair *pair, unsigned budget, unsigned *served)
{
    const struct tenon_link_ops *ops = pair->net->link_ops;

    while (*served < budget) {
        if (pair->rx_cut.active && put_segments(pair) == NO_BUFFER) {
            return NET_RX_STARVED;
        }
        unsigned want = budget - *served < NET_BATCH ? budget - *served : NET_BATCH;
        unsigned count = ops->peek(pair->port, pair->frames, want);
        if (count == 0) {
            return NET_RX_EMPTY;
        }
        unsigned done = place_some(pair, pair->frames, count);
        ops->take(pair->port, done);
        *served += done;
        if (done < count) {
            return NET_RX_STARVED;
        }
    }
    return NET_RX_MORE;
}

/*
 * Without a turn of the queue's own, so only where that would do nothing else. What is left over
 * is shown in such a turn, which then says why.
 */
unsigned net_rx_deliver(struct net_pair *pair, struct tenon_frame *const *frames, unsigned count)
{
    struct tn_queue *queue = pair->rx;

    if (!queue || queue->state != TN_QUEUE_RUNNING || queue->broken || queue->limit.active ||
        pair->waits_for_other || pair->wanted || pair->index >= pair->rules.pairs) {
        return 0;
    }
    unsigned done = place_some(pair, frames, count);
    queue->starved = false;
    return done;
}

/* ---- memory of ours between the two ---- */

static int refill(struct net_pair *pair)
{
    struct net_bounce *bounce = &pair->bounce;
    const struct net *net = pair->net;
    unsigned room = pair->rules.rss.on ? bounce->frames : 1;

    for (unsigned i = 0; i < room; i++) {
        pair->places[i] = (struct tenon_frame){ .iov = &bounce->iov[i],
                                                .iov_count = 1,
                                                .bytes = TENON_FRAME_BYTES_MAX };
        pair->frames[i] = &pair->places[i];
    }
    return net->link_ops->recv(pair->port, pair->frames, room);
}

enum net_rx_end net_rx_bounced(struct net_pair *pair, unsigned budget, unsigned *served)
{
    struct net_bounce *bounce = &pair->bounce;
    bool again = true;

    while (*served < budget) {
        if (bounce->count == 0) {
            if (!again) {
                return NET_RX_MORE; /* the next ones maybe straight into guest memory */
            }
            int count = refill(pair);
            again = pair->rules.rss.on;
            if (count <= 0) {
                return NET_RX_EMPTY;
            }
            bounce->first = 0;
            bounce->count = (unsigned)count;
        }
        const struct tenon_frame *frame = &pair->places[bounce->first];
        if (frame->result < 0) {
            drop(pair, NET_COUNT_TOO_LONG);
        } else if (place(pair, frame) == NO_BUFFER) {
            return NET_RX_STARVED;
        }
        bounce->first++;
        bounce->count--;
        ++*served;
    }
    return NET_RX_MORE;
}
