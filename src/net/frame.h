/*
 * frame.h: a frame in guest memory: one request of a network device, the header in front of the
 * frame, and moving its bytes. Knows chains, and no queue; a part of the door of net/ (net.h
 * includes it). On the queue's worker.
 */
#ifndef TN_NET_FRAME_H
#define TN_NET_FRAME_H

#include <string.h>

#include "device/device.h"
#include "tenon/link.h"

/* One request: a chain that a frame is to come into, or one that is to be sent. */
struct net_slot {
    struct tn_slot slot; /* first */
    struct tenon_frame frame;
};

static inline struct net_slot *net_slot_of(struct tn_slot *slot)
{
    return (struct net_slot *)(void *)slot;
}

/*
 * Reads the header of a chain that is to be sent, and makes it a frame. False: it is none; the
 * counter of the reason is in `*why`.
 */
bool net_frame_open(struct net_slot *slot, unsigned header_bytes, unsigned host_can, unsigned *why);

/* The writable part of a receive chain. */
static inline struct iovec *net_room(const struct net_slot *slot)
{
    return slot->slot.chain.iov + slot->slot.chain.readable;
}

/* Writes the whole header in front of a received frame (NET-33, NET-34, NET-49). */
void net_frame_put_header(const struct iovec *iov, unsigned count, unsigned header_bytes,
                          const struct tenon_offload *offload, unsigned buffers, uint32_t hash,
                          uint16_t report);

/* A place in a list of iovecs, none of which is empty. */
struct net_cursor {
    const struct iovec *iov;
    size_t skip;
};
/* Moves so many bytes, which both have; both go on behind them. */
void net_frame_copy(struct net_cursor *to, struct net_cursor *from, uint64_t bytes);
void net_frame_skip(struct net_cursor *cursor, uint64_t bytes);

/* Its first bytes, at most `room`: how many. */
uint32_t net_frame_look(const struct tenon_frame *frame, uint8_t *to, uint32_t room);

/* Of its beginning, enough for the addresses and a VLAN tag; enough for hashes, too. */
enum { NET_LOOK_SHORT = 24, NET_LOOK_BYTES = 128 };

/* The short look that is taken at each frame: as words, without a call. */
static inline uint32_t net_frame_glance(const struct tenon_frame *frame, uint8_t to[NET_LOOK_SHORT])
{
    if (frame->iov->iov_len < NET_LOOK_SHORT) {
        return net_frame_look(frame, to, NET_LOOK_SHORT);
    }
    memcpy(to, frame->iov->iov_base, NET_LOOK_SHORT);
    return NET_LOOK_SHORT;
}

#endif
