/*
 * rx_plain.c: the way of most received frames: wanted, finished, in one piece, and there is one
 * buffer that holds it.
 *
 *   frame ──> chain ──copy──> header, used entry      no stock, no slot, nothing kept
 *
 * Nothing is refused or dropped here, nor is any other case dealt with: at the first frame that is
 * not so it ends, and rx_lend.c takes its longer way. On the pair's worker; takes no lock,
 * allocates nothing.
 */
#include "base/shared.h"
#include "net/rx.h"

/* Whether it may be so for any frame now. */
static bool can_be_plain(struct net_pair *pair)
{
    const struct net_rss *rss = &pair->rules.rss;

    return pair->stock.count == 0 && !pair->rx_cut.active && !rss->on && !rss->report &&
           !pair->net->mtu_negotiated && pair->net->header_bytes == TN_NET_HEADER_BYTES &&
           net_pair_up(pair);
}

static inline bool is_wanted(const struct net_filter *filter, const struct tenon_frame *frame)
{
    uint8_t head[NET_LOOK_SHORT];
    uint32_t seen = net_frame_glance(frame, head);

    return net_filter_passes(filter, head, seen);
}

/* False: nothing was done. */
static inline bool deliver(struct tn_queue *queue, const struct tenon_frame *frame, uint8_t flags)
{
    const struct net_header header = { .offload.flags = flags, .buffers = 1 };
    uint32_t bytes = TN_NET_HEADER_BYTES + frame->bytes;
    struct iovec place[TN_SLOT_IOVECS];
    struct tn_chain chain;

    if (!tn_queue_pass(queue, &chain, place, TN_SLOT_IOVECS)) {
        return false;
    }
    const struct iovec *room = chain.iov + chain.readable;
    if (chain.writable == 0 || chain.holes || room->iov_len < bytes) {
        tn_queue_unpass(queue, &chain);
        return false;
    }
    tn_shared_move((uint8_t *)room->iov_base + TN_NET_HEADER_BYTES, frame->iov->iov_base,
                   frame->bytes);
    net_frame_put_header(room, 1, TN_NET_HEADER_BYTES, header);
    tn_queue_pass_back(queue, &chain, bytes);
    return true;
}

unsigned net_rx_plain(struct net_pair *pair, struct tenon_frame *const *frames, unsigned count)
{
    const struct net_filter *filter = &pair->rules.filter;
    uint8_t says = pair->rules.guest_can & TENON_CAN_CSUM ? TENON_OFFLOAD_DATA_VALID : 0;
    bool open = net_filter_is_open(filter);
    uint64_t bytes = 0;
    unsigned done = 0;

    if (!can_be_plain(pair)) {
        return 0;
    }
    for (; done < count; done++) {
        struct tenon_frame *frame = frames[done];
        if (frame->iov_count != 1 || frame->iov->iov_len != frame->bytes ||
            frame->bytes < TENON_FRAME_HEADER_BYTES || frame->bytes > TENON_FRAME_BYTES_MAX ||
            !net_offload_is_none(&frame->offload) || (!open && !is_wanted(filter, frame)) ||
            !deliver(pair->rx, frame, frame->offload.flags & says)) {
            break;
        }
        frame->result = 0;
        bytes += frame->bytes;
    }
    tn_queue_count(pair->rx, NET_COUNT_FRAMES, done);
    tn_queue_count(pair->rx, NET_COUNT_BYTES, bytes);
    pair->rx->irq.frames += done;
    return done;
}
