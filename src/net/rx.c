/*
 * rx.c: one turn of one receive queue.
 *
 *   a link that fills    room in popped chains ──recv──> frame ──inspect──> header, used entries
 *   a link that lends    peek ──> frame ──inspect──> room in popped chains ──copy──> the same
 *
 * No room: the frame stays where it is, in the kernel or with the peer, and the link is not asked
 * again before the driver has kicked. No frame: the link is watched, or looked at for a while.
 * Either way the queue waits for one thing, and a new turn follows it: it cannot wait for both. A
 * frame is delivered whole or dropped whole, and counted.
 *
 * Here: the order of the steps. Not here: what is wanted (filter.c), what is legal (offload.c), how
 * chains are kept (stock.c). On the pair's worker; takes no lock, allocates nothing.
 */
#include "net/rx.h"

enum { TPID_AT = 12 };

static bool is_tagged(const uint8_t *head)
{
    return (head[TPID_AT] == 0x81 && head[TPID_AT + 1] == 0x00) ||
           (head[TPID_AT] == 0x88 && head[TPID_AT + 1] == 0xa8);
}

/* NET-13: what is longer than the guest was told is not for it; what will be cut up is. */
static bool is_too_long(const struct net_pair *pair, const struct tenon_frame *frame,
                        const uint8_t *head)
{
    uint32_t most = (uint32_t)pair->net->mtu + TENON_FRAME_HEADER_BYTES;

    return pair->net->mtu_negotiated && (frame->offload.gso & ~TENON_GSO_ECN) == TENON_GSO_NONE &&
           frame->bytes > most && frame->bytes > most + (is_tagged(head) ? NET_VLAN_TAG_BYTES : 0);
}

/* The steps of NET-83: filters, then the queue. 0, or the counter of the reason to drop it. */
unsigned net_rx_inspect(struct net_pair *pair, const struct tenon_frame *frame,
                        struct net_look *look)
{
    const struct net_rules *rules = &pair->rules;
    bool deep = rules->rss.on || rules->rss.report;
    uint8_t head[NET_LOOK_BYTES];

    if (frame->bytes < TENON_FRAME_HEADER_BYTES) {
        return NET_COUNT_MALFORMED;
    }
    if (!net_pair_up(pair)) {
        return NET_COUNT_LINK_DOWN;
    }
    *look = (struct net_look){ 0 };
    if (!deep && !pair->net->mtu_negotiated && net_filter_is_open(&rules->filter)) {
        return 0; /* as over QEMU, which has kept the control queue for itself */
    }
    uint32_t seen =
        deep ? net_frame_look(frame, head, NET_LOOK_BYTES) : net_frame_glance(frame, head);
    if (is_too_long(pair, frame, head)) {
        return NET_COUNT_TOO_LONG;
    }
    if (!net_filter_passes(&rules->filter, head, seen)) {
        return NET_COUNT_FILTERED;
    }
    if (deep) {
        look->report = net_rss_hash(&rules->rss, head, seen, &look->hash);
    }
    return 0;
}

/* The header that the driver gets says only what it can understand (NET-40..46). */
static inline struct tenon_offload shown(const struct net_pair *pair,
                                         const struct tenon_offload *offload)
{
    struct tenon_offload known = *offload;

    known.flags &= TENON_OFFLOAD_NEEDS_CSUM | TENON_OFFLOAD_DATA_VALID;
    if (!(pair->rules.guest_can & TENON_CAN_CSUM)) {
        return (struct tenon_offload){ 0 };
    }
    if (!(known.flags & TENON_OFFLOAD_NEEDS_CSUM)) {
        return (struct tenon_offload){ .flags = known.flags };
    }
    return known;
}

void net_rx_hand_over(struct net_pair *pair, uint32_t chains, uint32_t bytes,
                      const struct tenon_offload *offload, const struct net_look *look)
{
    const struct net_slot *first = net_stock_at(pair, 0);
    struct net_header header = {
        .offload = shown(pair, offload),
        .buffers = (uint16_t)chains,
        .hash = look->hash,
        .report = pair->rules.rss.report ? look->report : TN_NET_HASH_REPORT_NONE,
    };

    net_frame_put_header(net_room(first), first->slot.chain.writable, pair->net->header_bytes,
                         header);
    net_stock_use(pair, chains, (uint64_t)pair->net->header_bytes + bytes);
    tn_queue_count(pair->rx, NET_COUNT_FRAMES, 1);
    tn_queue_count(pair->rx, NET_COUNT_BYTES, bytes);
    pair->rx->irq.frames++;
}

/* ---- the turn ---- */

static bool receives(const struct net_pair *pair)
{
    return pair->index < pair->rules.pairs;
}

static enum net_rx_end serve(struct net_pair *pair, unsigned budget, unsigned *served)
{
    enum net_rx_end end;

    if (pair->net->link_ops->peek) {
        end = net_rx_lent(pair, budget, served);
    } else if (pair->rules.rss.on || pair->bounce.count > 0) {
        end = net_rx_bounced(pair, budget, served);
    } else {
        end = net_rx_filled(pair, budget, served);
    }
    pair->rx->starved = false; /* we wait for the driver as if the ring were empty */
    return end;
}

static uint64_t count_of(const struct net_pair *pair, unsigned counter)
{
    return pair && pair->rx ? tn_count_read(&pair->rx->counts[counter]) : 0;
}

/* What this pair's turns deliver: with RSS to any queue. */
static uint64_t delivered(const struct net_pair *pair, unsigned counter)
{
    uint64_t sum = 0;

    if (!pair->rules.rss.on) {
        return count_of(pair, counter);
    }
    for (unsigned i = 0; i < pair->net->pairs; i++) {
        sum += count_of(pair->net->open[i], counter);
    }
    return sum;
}

/* And pays for what came. False: the queue owes, and waits. */
static bool serve_paid(struct net_pair *pair, unsigned budget, unsigned *served,
                       enum net_rx_end *end)
{
    struct tn_queue *queue = pair->rx;

    if (!queue->limit.active) {
        *end = serve(pair, budget, served);
        return true;
    }
    uint64_t frames = delivered(pair, NET_COUNT_FRAMES);
    uint64_t bytes = delivered(pair, NET_COUNT_BYTES);
    unsigned can = pair->net->link_ops->peek ? pair->net->info.recv_can : pair->rules.guest_can;
    budget = tn_limit_room(queue, TN_LINE_READ, budget, net_frame_most(pair->net, can));
    *end = serve(pair, budget, served);
    return tn_limit_spend(queue, TN_LINE_READ, delivered(pair, NET_COUNT_FRAMES) - frames,
                          delivered(pair, NET_COUNT_BYTES) - bytes);
}

/* Those that have frames for this pair may try again. */
static void is_wanted_no_more(struct net_pair *pair)
{
    const struct net *net = pair->net;

    pair->wanted = false;
    for (unsigned i = 0; i < net->pairs; i++) {
        struct net_pair *other = net->open[i];
        if (other && other->waits_for_other && other->rx) {
            other->waits_for_other = false;
            tn_queue_look(other->rx);
        }
    }
}

unsigned net_rx_serve(struct tn_queue *queue, unsigned budget)
{
    struct net_pair *pair = net_pair_of(queue);
    unsigned served = 0;
    enum net_rx_end end;

    pair->waits_for_other = false;
    if (!receives(pair)) {
        net_pair_unwatch(pair, TENON_READABLE);
        return TN_SERVE_WAITS;
    }
    if (pair->wanted && tn_vq_has_more(queue->vq)) {
        is_wanted_no_more(pair);
    }
    if (!serve_paid(pair, budget, &served, &end)) {
        net_pair_unwatch(pair, TENON_READABLE);
        return TN_SERVE_WAITS;
    }
    switch (end) {
    case NET_RX_EMPTY:
        if (pair->wanted) { /* it waits for both: a kick comes as well */
            net_pair_watch(pair, TENON_READABLE);
            tn_queue_tell(queue);
            return served;
        }
        if (!tn_queue_wait(queue)) {
            net_pair_watch(pair, TENON_READABLE);
        }
        return TN_SERVE_WAITS;
    case NET_RX_STARVED:
        net_pair_unwatch(pair, TENON_READABLE);
        if (pair->waits_for_other) {
            return TN_SERVE_WAITS;
        }
        tn_queue_count(queue, NET_COUNT_NO_BUFFER, 1);
        tn_queue_tell(queue); /* it has frames to take, and then buffers to give */
        return served;
    default:
        return budget;
    }
}

/*
 * Instead of being told. To ask the kernel takes long, and holds up who wants to send meanwhile:
 * not each time.
 */
bool net_rx_look(struct tn_queue *queue)
{
    enum { SELDOM = 32 };
    struct net_pair *pair = net_pair_of(queue);
    unsigned served = 0;
    enum net_rx_end end;

    if (!pair->net->info.cheap && ++pair->looks % SELDOM != 0) {
        return false;
    }
    if (pair->net->link_ops->peek) {
        return pair->net->link_ops->peek(pair->port, pair->frames, 1) > 0;
    }
    return !serve_paid(pair, NET_BATCH, &served, &end) || end != NET_RX_EMPTY || served > 0;
}

void net_rx_settle(struct tn_queue *queue)
{
    struct net_pair *pair = net_pair_of(queue);

    net_pair_unwatch(pair, TENON_READABLE);
    net_stock_return(pair);
    if (pair->wanted) {
        is_wanted_no_more(pair); /* they find that it does not run */
    }
}
