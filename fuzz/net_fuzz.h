/*
 * net_fuzz.h: inside fuzz_net: the whole setting, and where things lie in guest memory.
 */
#ifndef TN_FUZZ_NET_FUZZ_H
#define TN_FUZZ_NET_FUZZ_H

#include "guest.h"
#include "input.h"
#include "net_link.h"
#include "spec/virtio_mmio.h"
#include "spec/virtio_net.h"
#include "spec/vring.h"

enum {
    RX,
    TX,
    QUEUES,
    SIZE = 64,
    SLOTS = 7,
    SLOT_DESCS = 8,
    SLOT_BYTES = 0x600,
    HEADER = TN_NET_HEADER_BYTES,
    RING_BYTES = 0x800, /* descriptors 0x400, then avail, then used */
    TABLES_GPA = GUEST_BASE + QUEUES * RING_BYTES,
    SLOTS_GPA = TABLES_GPA + QUEUES * SLOTS * SLOT_DESCS * 16,
    EXPECTED = 256,
    INPUT_MAX = 4096,
    TURNS_MAX = 200
};
_Static_assert(SLOTS_GPA + QUEUES * SLOTS * SLOT_BYTES <= GUEST_BASE + GUEST_BYTES, "all fits");

struct chain {
    bool busy, usable;
    struct {
        uint32_t gpa, bytes;
    } pieces[SLOT_DESCS]; /* in the direction of its queue */
    unsigned count;
    uint32_t room;
};

struct expected {
    uint32_t bytes;
    uint8_t data[SLOT_BYTES];
};

struct rig {
    struct guest guest;
    struct net_link link;
    struct input in;
    bool event_idx, indirect, mergeable, broken, paused_once;
    struct chain chains[QUEUES][SLOTS];
    uint16_t avail_idx[QUEUES], used_seen[QUEUES];
    unsigned irqs_seen;
    uint32_t delivered, received, missed;
    uint32_t lengths[INPUT_MAX];        /* of delivered frames, by number */
    uint64_t dropped_rx, dropped_tx;    /* counters at the last reset */
    struct expected expected[EXPECTED]; /* a ring: good transmit chains that were not sent yet */
    unsigned expected_first, expected_count;
    uint32_t skipped;
};

/* One at a time: what is in it is as large as guest memory. */
extern struct rig rig;

static inline uint32_t desc_gpa(unsigned queue)
{
    return GUEST_BASE + queue * (uint32_t)RING_BYTES;
}

static inline uint32_t avail_gpa(unsigned queue)
{
    return desc_gpa(queue) + SIZE * 16;
}

static inline uint32_t used_gpa(unsigned queue)
{
    return avail_gpa(queue) + 0x100;
}

static inline uint32_t slot_gpa(unsigned queue, unsigned slot)
{
    return SLOTS_GPA + (queue * SLOTS + slot) * (uint32_t)SLOT_BYTES;
}

void net_put16(uint64_t gpa, uint16_t value);

/* ---- net_watch.c: what comes back ---- */

/* The link got a frame: the next one that is good, or one behind those that were dropped. */
void net_watch_sent(void *opaque, const uint8_t *data, uint32_t bytes);
/* Lets the device do what it has to do, and looks at what it has done. */
void net_watch_turn(void);

#endif
