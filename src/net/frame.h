/*
 * frame.h: a frame in guest memory: one request of a network device, the header in front of the
 * frame, and moving its bytes. Knows chains, and no queue; a part of the door of net/ (net.h
 * includes it). On the queue's worker.
 */
#ifndef TN_NET_FRAME_H
#define TN_NET_FRAME_H

#include <string.h>

#include "base/shared.h"
#include "device/device.h"
#include "spec/virtio_net.h"
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

/* The header that all framings begin with, as three words: most say nothing, which one shows. */
struct net_words {
    uint32_t what; /* flags, gso_type, hdr_len */
    uint32_t size; /* gso_size, csum_start */
    uint32_t sum;  /* csum_offset, num_buffers */
};
enum { NET_WORD_ASKS = TN_NET_HDR_F_NEEDS_CSUM | 0xff00 }; /* of `what`: for a checksum, for GSO */

static inline struct net_words net_frame_words(const le32 *at)
{
    return (struct net_words){ tn_shared_load32_once(&at[0]), tn_shared_load32_once(&at[1]),
                               tn_shared_load32_once(&at[2]) };
}

/* The same for any chain; `header`: what was read of it already, or NULL. */
unsigned net_frame_open_any(struct net_slot *slot, unsigned header_bytes, unsigned host_can,
                            const struct net_words *header);

/*
 * Reads the header of a chain that is to be sent, and makes it a frame: 0, or the counter of the
 * reason why it is none. In one piece, and asking for nothing: nothing else has to be looked at.
 */
static inline unsigned net_frame_open(struct net_slot *slot, unsigned header_bytes,
                                      unsigned host_can)
{
    struct tn_chain *chain = &slot->slot.chain;
    struct iovec *iov = chain->iov;

    if (chain->readable != 1 || chain->holes ||
        iov->iov_len < header_bytes + TENON_FRAME_HEADER_BYTES ||
        iov->iov_len > header_bytes + TENON_FRAME_BYTES_MAX ||
        (uintptr_t)iov->iov_base % sizeof(le32) != 0) {
        return net_frame_open_any(slot, header_bytes, host_can, NULL);
    }
    struct net_words header = net_frame_words(iov->iov_base);
    if ((header.what & NET_WORD_ASKS) != 0) {
        return net_frame_open_any(slot, header_bytes, host_can, &header);
    }
    iov->iov_base = (uint8_t *)iov->iov_base + header_bytes;
    iov->iov_len -= header_bytes;
    slot->frame.iov = iov;
    slot->frame.iov_count = 1;
    slot->frame.bytes = (uint32_t)iov->iov_len;
    slot->frame.result = 0;
    slot->frame.offload = (struct tenon_offload){ 0 };
    return 0;
}

/* The writable part of a receive chain. */
static inline struct iovec *net_room(const struct net_slot *slot)
{
    return slot->slot.chain.iov + slot->slot.chain.readable;
}

/* What a header says: offload, and how many buffers the frame takes, and its hash. */
struct net_header {
    struct tenon_offload offload;
    uint16_t buffers, report;
    uint32_t hash;
};
void net_frame_write_header(const struct iovec *iov, unsigned count, const le32 *header,
                            unsigned bytes);
/*
 * Writes the whole header in front of a received frame (NET-33, NET-34, NET-49). As words, and
 * inline: what is put together of bytes in memory is waited for when it is read again.
 */
static inline void net_frame_put_header(const struct iovec *iov, unsigned count, unsigned bytes,
                                        struct net_header what)
{
    const struct tenon_offload *offload = &what.offload;
    const le32 header[] = {
        tn_to_le32(offload->flags | (uint32_t)offload->gso << 8 |
                   (uint32_t)offload->header_bytes << 16),
        tn_to_le32(offload->gso_bytes | (uint32_t)offload->csum_start << 16),
        tn_to_le32(offload->csum_offset | (uint32_t)what.buffers << 16),
        tn_to_le32(what.hash),
        tn_to_le32(what.report),
    };

    if (iov->iov_len >= TN_NET_HEADER_BYTES && bytes == TN_NET_HEADER_BYTES) {
        memcpy(iov->iov_base, header, TN_NET_HEADER_BYTES);
    } else {
        net_frame_write_header(iov, count, header, bytes);
    }
}

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
