/*
 * disk.h: a driver of a block device: split rings of a fixed size, and requests on them.
 *
 *   request_add ... ring_publish, disk_kick, ring_wait       several at a time
 *   disk_run                                                 one, to its end
 *
 * Interrupts are the concern of line_set and disk_interrupt; waiting here is by the used index.
 */
#ifndef BARE_DISK_H
#define BARE_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/le.h"
#include "interrupts.h"
#include "spec/virtio_blk.h"
#include "spec/vring.h"
#include "window.h"

enum { RING_ENTRIES = 16, QUEUES = 2, DISKS = 24 };
enum {
    REQUESTS = RING_ENTRIES / 3
}; /* at once on one ring: each has three descriptors of its own */
enum { SECTOR = TN_BLK_SECTOR_BYTES, UNANSWERED = 0xff };

/* With a fixed size the event words have their places. */
struct ring {
    struct tn_desc desc[RING_ENTRIES] __attribute__((aligned(TN_DESC_ALIGN)));
    struct {
        le16 flags, idx, ring[RING_ENTRIES], used_event;
    } avail __attribute__((aligned(TN_AVAIL_ALIGN)));
    struct {
        le16 flags, idx;
        struct tn_used_elem ring[RING_ENTRIES];
        le16 avail_event;
    } used __attribute__((aligned(TN_USED_ALIGN)));
    uint16_t added; /* chains that were put on the ring so far */
};

struct request {
    struct tn_blk_header header;
    void *data;
    uint32_t bytes;
    volatile uint8_t status; /* UNANSWERED until the device writes it */
};

struct disk {
    unsigned window;
    struct ring rings[QUEUES];
    unsigned interrupts; /* that found a bit set in InterruptStatus: disk_heard */
    uint32_t events;     /* the bits that were found so far */
    unsigned unacked;    /* this many interrupts are left without acknowledgement */
};

extern struct disk disks[DISKS];

/* The features that the checks of requests run with. */
uint64_t disk_features(void);

/* Resets, negotiates, clears the rings of QUEUES queues and starts them, up to DRIVER_OK. */
bool disk_start(unsigned window, uint64_t features);
bool disk_prepare(unsigned window, uint64_t features); /* the same without DRIVER_OK */

/* Tells the registers where a ring is, without QueueReady. */
void disk_place(unsigned window, unsigned queue);

void request_set(struct request *request, uint32_t type, uint64_t sector, void *data,
                 uint32_t bytes);
/* Puts it on the ring, in one of REQUESTS slots; not yet seen by the device. */
void request_add(struct ring *ring, unsigned slot, struct request *request);

void ring_publish(struct ring *ring);
uint16_t ring_used(struct ring *ring); /* the device's index */
bool ring_wait(struct ring *ring);     /* until everything added was used */
uint32_t ring_last_length(struct ring *ring);

static inline void disk_kick(unsigned window, uint32_t queue)
{
    window_set(window, TN_MMIO_QUEUE_NOTIFY, queue);
}

/* One request from beginning to end; its status, or UNANSWERED. */
uint8_t disk_run(unsigned window, unsigned queue, struct request *request);
uint8_t disk_do(unsigned window, unsigned queue, uint32_t type, uint64_t sector, void *data,
                uint32_t bytes);

/* For line_set: notes and acknowledges what the windows of this line have to say. */
void disk_interrupt(unsigned gsi);

/* Sets the line of a window; what was counted before is forgotten. */
void disk_listen(unsigned window, enum line_mode mode);

/*
 * Interrupts since disk_listen that found a bit set. Those of the line may be more: a
 * level-triggered line is shared, and some hypervisors deliver such an interrupt twice.
 */
unsigned disk_heard(unsigned window);
bool disk_hears(unsigned window, unsigned count); /* waits until there were as many */

/* A sector as the test's images have it: "sector N", then spaces to the line's end. */
void sector_fill(uint8_t *sector, uint64_t number);
bool sector_is(const uint8_t *sector, uint64_t number);

#endif
