/*
 * tap.h: a tap as its files see it: tap.c moves frames, tap_port.c keeps each pair's descriptor,
 * tap_open.c makes the link; tap_host.h is the kernel. Not a door.
 */
#ifndef TN_LINK_TAP_H
#define TN_LINK_TAP_H

#include <pthread.h>

#include "base/count.h"
#include "base/le.h"
#include "link/flat.h"
#include "link/port.h"
#include "link/tap_host.h"

enum {
    TAP_DOWN,
    TAP_AWAY,
    TAP_NO_CARRIER,
    TAP_NO_MEMORY,
    TAP_TOO_LONG,
    TAP_RUNTS,
    TAP_RECV_ERRORS,
    TAP_SEND_ERRORS,
    TAP_COUNTS
};

/* In front of each frame, little-endian since tn_tap_set_up: struct virtio_net_hdr_v1. */
struct tap_header {
    uint8_t flags, gso;
    le16 header_bytes, gso_bytes, csum_start, csum_offset, buffers;
};

struct tap;

/* One pair. On its worker. */
struct tenon_port {
    struct tn_port common;
    struct tap *tap;
    unsigned pair;
    int fd;
    enum tn_tap_state state; /* as last seen, while the port is open */
    bool in_use;             /* false: use_pairs has detached it; under the tap's lock */
    unsigned recv_can;
    int news_fd; /* of the first pair: interfaces have changed */
    struct tenon_watch *news_watch;
    struct tn_count counts[TAP_COUNTS];
    unsigned shorts; /* that were received since the last longer one */
    struct tap_header header;
    uint8_t spill; /* behind the room there is: whether a frame is longer */
    struct iovec iov[TN_FLAT_IOVECS];
    uint8_t flat[TN_TAP_HEADER_BYTES + TN_FLAT_BYTES + 1]; /* header, frame, and the same */
};

struct tap {
    char name[TN_TAP_NAME_BYTES];
    bool by_name; /* it may be connected again when it was away */
    bool multi;
    unsigned pairs, can;
    pthread_mutex_t lock;
    struct tenon_port ports[];
};

extern const struct tenon_link_ops tn_tap_ops;

/* tap_port.c */
int tn_tap_port_open(void *link, unsigned pair, struct tenon_worker *worker,
                     const struct tenon_port_events *events, void *opaque, struct tenon_port **out);
void tn_tap_port_close(struct tenon_port *port);
int tn_tap_use_pairs(void *link, unsigned count);
/* Something has failed as it does when the interface is not up: looks, and says if that is it. */
bool tn_tap_is_down(struct tenon_port *port);

/* tap_open.c */
void tn_tap_free(void *link);

#endif
