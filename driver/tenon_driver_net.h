/*
 * tenon_driver_net.h: the network part of tenon_driver.h: what a guest's network driver does, with
 * chains in any framing, and an eye on each promise that the device makes about used buffers.
 *
 *   receive     tnd_net_post ... tnd_net_take: a frame out of as many chains as it came in
 *   transmit    tnd_net_submit ... tnd_net_reap
 *   control     tnd_net_command: class, command, data; ack
 *
 * One thread per driver, as ever.
 */
#ifndef TENON_DRIVER_NET_H
#define TENON_DRIVER_NET_H

#include "tenon_driver.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    TND_NET_FRAME_MAX = 65550,    /* the longest frame there is */
    TND_NET_ALL = TND_MAX_QUEUES, /* for tnd_net_forget: all queues */
    TND_NET_POISON = 0xa5         /* what receive buffers are filled with */
};

/* The header in front of a frame, in the processor's byte order. */
struct tnd_net_header {
    uint8_t flags, gso_type;
    uint16_t hdr_len, gso_size, csum_start, csum_offset, num_buffers;
    uint32_t hash_value;
    uint16_t hash_report;
};

/*
 * How a chain is made: `cuts` are the lengths of its pieces; what they leave over is one more
 * piece. A 0 is an empty descriptor. `scatter`: each piece in memory of its own.
 */
struct tnd_shape {
    enum tnd_form form;
    const uint32_t *cuts;
    unsigned cut_count;
    bool scatter;
};

/* 12, or 20 with HASH_REPORT. */
uint32_t tnd_net_header_bytes(const struct tenon_driver *driver);
/* The queues of a pair; and where the control queue is, as negotiated (NET-01). */
unsigned tnd_net_rx(unsigned pair);
unsigned tnd_net_tx(unsigned pair);
unsigned tnd_net_control(struct tenon_driver *driver);

/* ---- config space ---- */

struct tnd_net_config {
    uint8_t mac[6];
    uint16_t status, pairs, mtu;
    uint32_t speed;
    uint8_t duplex, rss_key_bytes;
    uint16_t rss_table;
    uint32_t hash_types, tunnel_types;
};
int tnd_net_config(struct tenon_driver *driver, struct tnd_net_config *config);

/* ---- receive ---- */

/* Adds one buffer of `room` bytes, the header included. Not yet visible. `shape` may be NULL. */
int tnd_net_post(struct tenon_driver *driver, unsigned queue, uint32_t room,
                 const struct tnd_shape *shape);
/* Adds `count` plain ones, publishes, and kicks when the device wants it. */
int tnd_net_fill(struct tenon_driver *driver, unsigned queue, uint32_t room, unsigned count);

struct tnd_net_frame {
    struct tnd_net_header header;
    uint32_t bytes;   /* of the frame, without the header */
    unsigned buffers; /* chains that it came in */
    bool unused;      /* a chain that was given back with nothing in it */
    /* bytes of these chains that were written though they are behind the used length */
    uint32_t stray;
    const char *wrong; /* which promise the device has broken: -EBADMSG */
    uint8_t data[TND_NET_FRAME_MAX + 64];
};

/*
 * Takes one frame, without waiting: 1, or 0: none is there. -EBADMSG: what is there is not what a
 * device may do; frame->wrong says what. Looked at are num_buffers (NET-33, NET-34), that all
 * buffers of a frame are there at once (NET-36), that all but the last are full (NET-35), that the
 * used lengths are possible (NET-37), and that each chain comes back once.
 */
int tnd_net_take(struct tenon_driver *driver, unsigned queue, struct tnd_net_frame *frame);
/* Waits for one, by interrupts. 0, -EBADMSG, -ETIMEDOUT, -EPIPE. */
int tnd_net_receive(struct tenon_driver *driver, unsigned queue, struct tnd_net_frame *frame);
/*
 * Forgets what is posted, and frees it: only when the device does not touch it any more. tnd_reset
 * does so for all queues.
 */
void tnd_net_forget(struct tenon_driver *driver, unsigned queue);

/* ---- transmit ---- */

struct tnd_net_packet {
    struct tnd_net_header header;
    const void *frame;
    uint32_t bytes;
    struct tnd_shape shape;
    uint32_t only; /* so many bytes of header and frame go into the chain; 0: all */
    /* Result. */
    bool done;
    uint32_t used_bytes;
    uint16_t order; /* position of its used entry in the ring, and one */
    /* The library's. */
    struct tnd_seg *segs;
    unsigned seg_count;
    uint32_t total;
    uint64_t gpa;
};

/* Adds a packet, without publishing. It stays where it is until it is done. -ENOSPC, -ENOMEM. */
int tnd_net_add(struct tenon_driver *driver, unsigned queue, struct tnd_net_packet *packet);
/* Adds, publishes and kicks. */
int tnd_net_submit(struct tenon_driver *driver, unsigned queue, struct tnd_net_packet *packet);
/* Takes what is done, without waiting; returns how many that were. */
unsigned tnd_net_reap(struct tenon_driver *driver, unsigned queue);
/* Waits for this one, by interrupts. 0, -ETIMEDOUT, -EPIPE. */
int tnd_net_wait(struct tenon_driver *driver, unsigned queue, struct tnd_net_packet *packet);
/* A frame with a header of zeroes: submit and wait. 0, or a negative errno. */
int tnd_net_send(struct tenon_driver *driver, unsigned queue, const void *frame, uint32_t bytes);
/* Gives back the guest memory of a packet that will never be done (after a reset). */
void tnd_net_forget_packet(struct tenon_driver *driver, struct tnd_net_packet *packet);

/* ---- control ---- */

enum { TND_NET_NO_ACK = 0xee }; /* the device has not written it */

struct tnd_net_request {
    uint8_t class_, command;
    const void *data;
    uint32_t bytes;
    void *result; /* what comes behind the ack */
    uint32_t result_bytes;
    struct tnd_shape out, in; /* of both parts; the chain has the form of `out` */
    /* Result. */
    bool done;
    uint8_t ack;
    uint32_t used_bytes;
};

/* Submits and waits: the ack (0, 1, TND_NET_NO_ACK), or a negative errno. */
int tnd_net_request(struct tenon_driver *driver, struct tnd_net_request *request);
/* A plain command. */
int tnd_net_command(struct tenon_driver *driver, uint8_t class_, uint8_t command, const void *data,
                    uint32_t bytes);

#ifdef __cplusplus
}
#endif

#endif
