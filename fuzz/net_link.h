/*
 * net_link.h: inside fuzz_net: a link that fills or lends, may be full, and may keep what it is
 * given; it hands out frames that say who they are.
 */
#ifndef TN_FUZZ_NET_LINK_H
#define TN_FUZZ_NET_LINK_H

#include <stdbool.h>
#include <stdint.h>

#include <tenon/link.h>

enum { LINK_FRAMES = 32, LINK_KEPT = 64, LINK_FRAME_MAX = 1400, LINK_FRAME_MIN = 18 };

struct link_frame {
    struct tenon_frame frame;
    struct iovec iov;
    uint32_t number, bytes;
    uint8_t data[LINK_FRAME_MAX];
};

struct net_link {
    bool lends, open, keep, freed;
    unsigned room; /* frames that it still takes */
    /* Told of each frame that is sent, when nobody reads it any more. */
    void (*sent)(void *opaque, const uint8_t *data, uint32_t bytes);
    void *opaque;
    const struct tenon_port_events *events;
    void *events_opaque;
    unsigned watched;
    struct link_frame waiting[LINK_FRAMES]; /* a ring */
    unsigned first, count;
    struct tenon_frame *kept[LINK_KEPT];
    unsigned kept_count;
};

struct tenon_link *net_link_open(struct net_link *link);
/* What a frame with this number contains. */
void net_link_frame(uint8_t *data, uint32_t bytes, uint32_t number);
/* One more has come. False: there is no room for it. */
bool net_link_deliver(struct net_link *link, uint32_t bytes, uint32_t number);
/* The first `count` of those that it keeps are done. */
void net_link_let_go(struct net_link *link, unsigned count);
/* Calls `ready` for what is watched for, and is so. */
void net_link_ready(struct net_link *link);

#endif
