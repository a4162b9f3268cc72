/*
 * stock.c: receive chains that are popped and wait for frames.
 *
 *   ring ──more──> [oldest ... newest] ──use──> back to the driver, with a frame
 *                                  \────return──> the ring, untouched: the queue pauses or stops
 *
 * They are used in the order in which they were popped, without a gap, so that what is left can be
 * put back; but for those before a chain that was of no use. On the pair's worker.
 */
#include "net/net.h"

/* Whether frames, or the next parts of one, can go there. */
static bool is_usable(const struct net_pair *pair, const struct tn_chain *chain)
{
    return chain->writable_bytes >= pair->net->header_bytes && !chain->holes;
}

bool net_stock_more(struct net_pair *pair)
{
    struct net_stock *stock = &pair->stock;
    struct tn_slot *slot;

    while ((slot = tn_queue_take(pair->rx)) != NULL) {
        if (is_usable(pair, &slot->chain)) {
            stock->slots[(stock->first + stock->count++) & stock->mask] = net_slot_of(slot);
            stock->descriptors += slot->chain.descriptors;
            return true;
        }
        tn_queue_count(pair->rx, NET_COUNT_MALFORMED, 1);
        tn_queue_return(slot, 0);
    }
    return false;
}

bool net_stock_is_all(struct net_pair *pair)
{
    const struct net_stock *stock = &pair->stock;
    uint32_t entries = pair->rx->slots.count - 1;

    return stock->count > 0 && (pair->rx->starved || stock->descriptors >= entries);
}

void net_stock_use(struct net_pair *pair, uint32_t count, uint64_t bytes)
{
    struct net_stock *stock = &pair->stock;

    while (count-- > 0) {
        struct tn_slot *slot = &net_stock_at(pair, 0)->slot;
        uint64_t part = slot->chain.writable_bytes < bytes ? slot->chain.writable_bytes : bytes;

        stock->first++;
        stock->count--;
        stock->descriptors -= slot->chain.descriptors;
        bytes -= part;
        tn_queue_return(slot, (uint32_t)part);
    }
}

void net_stock_return(struct net_pair *pair)
{
    struct net_stock *stock = &pair->stock;

    while (stock->count > 0) {
        struct tn_slot *slot = &net_stock_at(pair, --stock->count)->slot;
        if (!tn_queue_untake(slot)) {
            tn_queue_return(slot, 0); /* a bad one was taken after it */
        }
    }
    stock->descriptors = 0;
}
