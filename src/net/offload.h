/*
 * offload.h: frames that are not finished: what may be asked for, and doing it. Knows frames, and
 * no queue; a part of the door of net/ (net.h includes it).
 */
#ifndef TN_NET_OFFLOAD_H
#define TN_NET_OFFLOAD_H

#include <stdbool.h>

#include "tenon/link.h"

/* ---- offload.c: what a header may ask for ---- */

/* Nothing is left to be done, as with most frames: needs nothing, and passes every check. */
static inline bool net_offload_is_none(const struct tenon_offload *offload)
{
    return (offload->flags & TENON_OFFLOAD_NEEDS_CSUM) == 0 && offload->gso == TENON_GSO_NONE;
}
/*
 * Whether what is left to be done makes sense for a frame of so many bytes, and was negotiated
 * (`can`: TENON_CAN_*) (NET-22..28). A frame shorter than an Ethernet header is the caller's.
 */
bool net_offload_check(const struct tenon_offload *offload, uint32_t frame_bytes, unsigned can);
/*
 * What it takes to send it on unfinished: TENON_CAN_*; 0: it is finished. USO of both IPs, since
 * the header does not tell which one it is.
 */
unsigned net_offload_needs(const struct tenon_offload *offload);
/*
 * The features that a device offers, as masks of TENON_CAN_*: what the user asked for, what the
 * link can, and what can be finished here; always a legal set (NET-05).
 */
void net_offload_plan(unsigned asked, const struct tenon_link_info *link, unsigned *host,
                      unsigned *guest);
/*
 * Between masks and feature bits. What lacks what it needs is left out of a mask, so features are
 * legal exactly if they come back when they are turned into a mask and back again (NET-05).
 */
uint64_t net_offload_host_features(unsigned can);
uint64_t net_offload_guest_features(unsigned can);
unsigned net_offload_host_can(uint64_t features);
unsigned net_offload_guest_can(uint64_t features);

/* ---- checksum.c, segment.c: a frame is finished; what they read may change meanwhile ---- */

/*
 * The ones' complement sum of bytes that go on from others (`odd`: an odd number of them). It
 * becomes a number, not complemented yet, by net_sum_fold only.
 */
uint32_t net_sum(uint32_t sum, const void *bytes, size_t count, bool odd);
uint16_t net_sum_fold(uint32_t sum);
/*
 * The checksum that finishes a frame with NEEDS_CSUM: over csum_start to the end (NET-24). A number
 * of this machine; it goes into the frame in big-endian (tn_put_be16).
 */
uint16_t net_checksum(const struct iovec *iov, unsigned count, uint32_t bytes,
                      const struct tenon_offload *offload);
/*
 * Writes it into a received frame, for a guest that does not do checksums; `offload`, which
 * net_offload_check has passed, then says that nothing is left, and promises nothing (NET-40).
 * False: the place is not in the iovecs.
 */
bool net_checksum_finish(const struct iovec *iov, unsigned count, uint32_t bytes,
                         struct tenon_offload *offload);

enum {
    NET_HEADERS_MAX = 256,  /* Ethernet, VLAN tags, IP with options, TCP with options */
    NET_SEGMENTS_MAX = 2048 /* of one frame: 64 KiB in pieces of 32 bytes */
};

/* Cuts one frame into segments, one after another (NET-27). */
struct net_segments {
    const struct iovec *iov; /* what is not taken yet, from `skip` on */
    unsigned iov_count;
    size_t skip;
    struct tenon_offload offload;
    uint8_t headers[NET_HEADERS_MAX]; /* a copy */
    uint16_t header_bytes, network, transport;
    uint32_t payload, done; /* bytes */
    uint32_t number;
};
/* 0, or -EINVAL: its headers are not what the offload says. */
int net_segments_begin(struct net_segments *segments, const struct iovec *iov, unsigned count,
                       uint32_t bytes, const struct tenon_offload *offload);
/*
 * The next one, finished, put together in `to`, which holds NET_HEADERS_MAX + gso_bytes: its
 * length, or 0 after the last one.
 */
uint32_t net_segments_next(struct net_segments *segments, uint8_t *to);

#endif
