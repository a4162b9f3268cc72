/*
 * ring_rig.h: inside fuzz_rings: the whole setting, and the driver's part of it.
 */
#ifndef TN_FUZZ_RING_RIG_H
#define TN_FUZZ_RING_RIG_H

#include "input.h"
#include "ring_oracle.h"

enum { HELD_PIECES = 4, CHAIN_DESCS = 8, INPUT_MAX = 8192 };

struct held {
    uint16_t head;
    struct tn_table *table;
    struct iovec pieces[HELD_PIECES]; /* writable ones */
    uint32_t piece_count;
};

struct ring_rig {
    struct input in;
    struct world world;
    struct oracle oracle;
    struct tn_vq *vq;
    uint8_t *record; /* NULL: no inflight record */
    struct held held[ORACLE_SIZE_MAX];
    uint32_t held_count;
    /* The driver's own knowledge. */
    uint16_t avail_idx;
    uint8_t owner[ORACLE_SIZE_MAX]; /* of each descriptor: head + 1 of its chain, 0: free */
    uint32_t table_next, table_last;
};

uint64_t ring_gpa(struct ring_rig *ring, enum area_name name);
void ring_write16(struct ring_rig *ring, enum area_name name, uint32_t byte, uint16_t value);
/* A chain of the driver's, by the rules, with its entry; not shown yet. */
void ring_offer(struct ring_rig *ring, bool indirect);
/* Breaks one of the rules that a driver has, with a value that is nearly right. */
void ring_spoil(struct ring_rig *ring);

#endif
