/*
 * rx_fill.c: frames that the link reads straight into receive chains.
 *
 *   stock ──room for the longest frame, each──> recv, many at once ──inspect──> chains leave it
 *
 * A frame that is not wanted leaves its chain in the stock, and those behind it move up, since
 * chains are used in their order. Where one chain does not hold the longest frame, frames come one
 * at a time into as many chains as that takes. On the pair's worker.
 */
#include "net/rx.h"

#include "base/num.h"

/* The checksum is put where the frame now lies. */
static void finish_sum(struct net_pair *pair, const struct iovec *iov, unsigned count,
                       uint32_t bytes, struct tenon_offload *offload)
{
    if (net_checksum_finish(iov, count, bytes, offload)) {
        tn_queue_count(pair->rx, NET_COUNT_SUMMED, 1);
    }
}

/* Frames may come that are longer than any MTU. */
static bool takes_segments(const struct net_pair *pair)
{
    return (pair->rules.guest_can & TN_CAN_SEGMENTS) != 0;
}

static uint32_t with_header(const struct net *net, uint32_t mtu)
{
    return net->header_bytes + mtu + TENON_FRAME_HEADER_BYTES + 2 * NET_VLAN_TAG_BYTES;
}

/* What a frame may be, with its header: longer ones are not for this guest. */
static uint32_t longest(const struct net_pair *pair)
{
    const struct net *net = pair->net;
    uint32_t mtu = net->mtu ? net->mtu : net->info.mtu;
    uint32_t most = net->header_bytes + (takes_segments(pair) ? (uint32_t)TENON_FRAME_BYTES_MAX
                                                              : net->info.frame_bytes);

    return mtu == 0 || takes_segments(pair) || with_header(net, mtu) > most ? most
                                                                            : with_header(net, mtu);
}

/*
 * Nobody knows the MTU, so frames may be of any length, but most are ordinary, and for those the
 * chain will do: what is left of a longer one comes into memory of ours.
 */
static bool may_spill(const struct net_pair *pair, unsigned i, uint64_t room)
{
    return !takes_segments(pair) && i < pair->bounce.frames &&
           room >= with_header(pair->net, NET_MTU_DEFAULT) - 2 * NET_VLAN_TAG_BYTES;
}

/* Room for one frame in one chain, behind its header. False: not so simple. */
static bool place_in_chain(struct net_pair *pair, unsigned i, uint32_t most)
{
    const struct net_slot *slot = net_stock_at(pair, i);
    struct tenon_frame *frame = &pair->places[i];
    const struct iovec *iov = net_room(slot);
    struct iovec *own = pair->place_iov[i];
    unsigned count = slot->slot.chain.writable, header = pair->net->header_bytes, n = 0;
    uint64_t room = slot->slot.chain.writable_bytes;
    bool spills = pair->net->mergeable && room < most;

    if (count >= NET_PLACE_IOVECS || iov->iov_len < header ||
        (spills && !may_spill(pair, i, room))) {
        return false;
    }
    if (iov->iov_len > header) {
        own[n].iov_base = (uint8_t *)iov->iov_base + header;
        own[n++].iov_len = iov->iov_len - header;
    }
    for (unsigned k = 1; k < count; k++) {
        own[n++] = iov[k];
    }
    pair->rooms[i] = (uint32_t)tn_min_u64(room, most) - header;
    if (spills) {
        own[n] = pair->bounce.iov[i];
        own[n].iov_base = (uint8_t *)own[n].iov_base + pair->rooms[i];
        own[n++].iov_len -= pair->rooms[i];
    }
    frame->iov = own;
    frame->iov_count = n;
    frame->bytes = spills ? most - header : pair->rooms[i];
    return true;
}

/* Room for one frame in as many chains as it takes. False: there is not enough. */
static bool place_in_window(struct net_pair *pair, uint32_t most)
{
    struct tenon_frame *frame = &pair->places[0];
    uint64_t room = 0, header = pair->net->header_bytes;
    unsigned count = 0;

    for (uint32_t i = 0; room < most && (i == 0 || pair->net->mergeable); i++) {
        if (i == pair->stock.count && !net_stock_more(pair)) {
            if (!net_stock_is_all(pair)) {
                return false;
            }
            break; /* longer ones will not fit */
        }
        const struct net_slot *slot = net_stock_at(pair, i);
        unsigned pieces = slot->slot.chain.writable;
        struct net_cursor at = { .iov = net_room(slot) };
        const struct iovec *end = at.iov + pieces;
        if (count + pieces > NET_WINDOW) {
            break;
        }
        net_frame_skip(&at, i == 0 ? header : 0);
        for (; at.iov < end; at.iov++, at.skip = 0) {
            pair->window[count].iov_base = (uint8_t *)at.iov->iov_base + at.skip;
            pair->window[count++].iov_len = at.iov->iov_len - at.skip;
        }
        room += slot->slot.chain.writable_bytes;
    }
    frame->iov = pair->window;
    frame->iov_count = count;
    frame->bytes = (uint32_t)(tn_min_u64(room, most) - tn_min_u64(room, header));
    pair->rooms[0] = frame->bytes;
    return frame->bytes > 0;
}

/* Makes room for at most `want` frames: for how many. */
static unsigned make_room(struct net_pair *pair, unsigned want)
{
    uint32_t most = longest(pair);
    unsigned count = 0;

    while (count < want && (count < pair->stock.count || net_stock_more(pair)) &&
           place_in_chain(pair, count, most)) {
        count++;
    }
    if (count == 0 && (pair->stock.count > 0 || net_stock_more(pair))) {
        return place_in_window(pair, most);
    }
    return count;
}

/* It lies where another one was dropped: moves up, if there is room. */
static bool move_up(struct net_pair *pair, unsigned from, unsigned to)
{
    struct tenon_frame *a = &pair->places[from], *b = &pair->places[to];
    struct net_cursor source = { .iov = a->iov }, target_at = { .iov = b->iov };
    uint64_t room = 0;

    for (unsigned i = 0; i < b->iov_count; i++) {
        room += b->iov[i].iov_len;
    }
    if (room < a->bytes) {
        return false;
    }
    net_frame_copy(&target_at, &source, a->bytes);
    return true;
}

static uint32_t chains_for(const struct net_pair *pair, uint64_t bytes)
{
    uint32_t chains = 0;

    for (uint64_t room = 0; room < bytes; chains++) {
        room += net_stock_at(pair, chains)->slot.chain.writable_bytes;
    }
    return chains;
}

/* Frame i, in the chains that begin with the first of the stock after `moved` others were used. */
static void receive(struct net_pair *pair, unsigned i, unsigned *gone)
{
    struct tenon_frame *frame = &pair->places[i];
    struct net *net = pair->net;
    struct net_look look = { 0 };
    unsigned why = frame->result < 0 ? NET_COUNT_TOO_LONG : net_rx_inspect(pair, frame, &look);

    if (why == 0 && !net_offload_check(&frame->offload, frame->bytes, TENON_CAN_ALL)) {
        why = NET_COUNT_BAD_HEADER;
    }
    unsigned needs = why == 0 ? net_offload_needs(&frame->offload) & ~pair->rules.guest_can : 0;
    if ((needs & ~(unsigned)TENON_CAN_CSUM) != 0) {
        why = NET_COUNT_BAD_HEADER; /* the link was told not to, and did */
    }
    if (why == 0 && *gone != i && !move_up(pair, i, *gone)) {
        why = NET_COUNT_TOO_LONG;
    }
    if (why != 0) {
        tn_queue_count(pair->rx, why, 1);
        return;
    }
    if (needs != 0) {
        struct tenon_frame *at = &pair->places[*gone];
        finish_sum(pair, at->iov, at->iov_count, frame->bytes, &frame->offload);
    }
    net_rx_hand_over(pair, chains_for(pair, (uint64_t)net->header_bytes + frame->bytes),
                     frame->bytes, &frame->offload, &look);
    ++*gone;
}

static bool has_spilled(const struct net_pair *pair, unsigned i)
{
    return pair->places[i].result == 0 && pair->places[i].bytes > pair->rooms[i];
}

/* From there on all of them: what is in chains joins the rest in memory of ours. */
static void take_out(struct net_pair *pair, unsigned from, unsigned count)
{
    for (unsigned i = from; i < count; i++) {
        struct tenon_frame *frame = &pair->places[i];
        struct net_cursor to = { .iov = &pair->bounce.iov[i] }, at = { .iov = frame->iov };

        if (frame->result == 0) {
            net_frame_copy(&to, &at, tn_min_u64(frame->bytes, pair->rooms[i]));
            frame->iov = &pair->bounce.iov[i];
            frame->iov_count = 1;
        }
    }
    pair->bounce.first = from;
    pair->bounce.count = count - from;
}

enum net_rx_end net_rx_filled(struct net_pair *pair, unsigned budget, unsigned *served)
{
    const struct net *net = pair->net;

    for (unsigned i = 0; i < NET_BATCH; i++) {
        pair->frames[i] = &pair->places[i];
    }
    while (*served < budget) {
        unsigned want = budget - *served, gone = 0;
        want = want < net->info.recv_batch ? want : net->info.recv_batch;
        want = make_room(pair, want < NET_BATCH ? want : NET_BATCH);
        if (want == 0) { /* how long the next frame is shows only when it is here */
            return pair->stock.count == 0 ? NET_RX_STARVED : net_rx_bounced(pair, budget, served);
        }
        int count = net->link_ops->recv(pair->port, pair->frames, want);
        for (int i = 0; i < count; i++) {
            if (has_spilled(pair, (unsigned)i)) {
                take_out(pair, (unsigned)i, (unsigned)count);
                return net_rx_bounced(pair, budget, served);
            }
            receive(pair, (unsigned)i, &gone);
            ++*served;
        }
        if (count <= 0 || ((unsigned)count < want && want > 1)) {
            return NET_RX_EMPTY;
        }
    }
    return NET_RX_MORE;
}
