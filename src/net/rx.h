/*
 * rx.h: between the files that receive: rx.c (the turn, and what becomes of a frame), rx_lend.c and
 * rx_fill.c (the two ways in which links give frames).
 */
#ifndef TN_NET_RX_H
#define TN_NET_RX_H

#include "net/net.h"

enum { NET_VLAN_TAG_BYTES = 4 };

/* How a turn ends. */
enum net_rx_end {
    NET_RX_MORE,   /* there may be more: the budget is used up */
    NET_RX_EMPTY,  /* the link has no more now */
    NET_RX_STARVED /* the driver has given no room for the next frame */
};

/* 0: the guest wants it. Else the counter of the reason to drop it. */
unsigned net_rx_inspect(struct net_pair *pair, const struct tenon_frame *frame,
                        struct net_look *look);
/* The frame lies in the first `chains` of the stock: the driver gets it. */
void net_rx_hand_over(struct net_pair *pair, uint32_t chains, uint32_t bytes,
                      const struct tenon_offload *offload, const struct net_look *look);
/*
 * The first of these frames that are plain (rx_plain.c), and have room, are delivered: how many.
 * The next one needs a closer look.
 */
unsigned net_rx_plain(struct net_pair *pair, struct tenon_frame *const *frames, unsigned count);

/* Frames that the link has at hand: how many are done with. */
unsigned net_rx_deliver(struct net_pair *pair, struct tenon_frame *const *frames, unsigned count);
/* At most `budget` frames; `*served` goes up by how many came, also those that were dropped. */
enum net_rx_end net_rx_lent(struct net_pair *pair, unsigned budget, unsigned *served);
enum net_rx_end net_rx_filled(struct net_pair *pair, unsigned budget, unsigned *served);
/*
 * A link that fills, but memory of ours: for frames whose queue, or whether there is room for them,
 * shows only when they have come.
 */
enum net_rx_end net_rx_bounced(struct net_pair *pair, unsigned budget, unsigned *served);

#endif
