/*
 * ring_oracle.h: what a split ring must do next, told from guest memory by a second reading of the
 * standard (section 2.7): straightforward, and sharing no code with src/virtqueue.
 *
 * It keeps the device's own indexes, as the device has to. What it foretells: the result of a pop
 * and every buffer of it, each byte of the used ring, whether an interrupt is due.
 */
#ifndef TN_FUZZ_RING_ORACLE_H
#define TN_FUZZ_RING_ORACLE_H

#include "ring_world.h"
#include "virtqueue/virtqueue.h"

enum { ORACLE_SIZE_MAX = 64, ORACLE_SEGS_MAX = ORACLE_SIZE_MAX + TN_CHAIN_MAX };

struct seg {
    uint64_t gpa;
    uint32_t bytes;
    bool write;
};

struct oracle {
    struct world *world;
    uint32_t size;
    bool event_idx, indirect;
    /* The device's indexes. */
    uint16_t next_avail, avail_seen, used_idx, published;
    bool in_flight[ORACLE_SIZE_MAX];
    uint32_t in_flight_count;
    bool broken;
    /* The inflight record: heads fetched and not published, in their order. */
    uint16_t order[4 * ORACLE_SIZE_MAX];
    uint32_t order_count;
    uint16_t pushed[ORACLE_SIZE_MAX]; /* and not published */
    uint32_t pushed_count;
    bool blurred; /* the driver offered a head again too early: the record cannot hold it twice */
    uint32_t
        again; /* the first `again` of them come again; those already popped again are counted */
    uint32_t again_next;
    bool popped_again;
    /* The chain popped last. */
    struct seg segs[ORACLE_SEGS_MAX];
    uint32_t seg_count;
    uint16_t head;
};

/* A queue starts at this position in both rings, whatever it was before; flags are cleared. */
void oracle_start(struct oracle *oracle, uint16_t position);
/* The next back-end goes on from the inflight record. */
void oracle_recover(struct oracle *oracle);
enum tn_pop oracle_pop(struct oracle *oracle);
void oracle_unpop(struct oracle *oracle);
void oracle_push(struct oracle *oracle, uint16_t head, uint32_t written);
bool oracle_publish(struct oracle *oracle);
void oracle_kicks_off(struct oracle *oracle);
bool oracle_kicks_on(struct oracle *oracle);

/* Compares the chain with the foretold one, byte by byte of address. */
void oracle_check_chain(struct oracle *oracle, const struct tn_chain *chain);

#endif
