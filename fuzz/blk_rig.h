/*
 * blk_rig.h: inside fuzz_blk: the whole setting, and where things lie in guest memory.
 */
#ifndef TN_FUZZ_BLK_RIG_H
#define TN_FUZZ_BLK_RIG_H

#include "blk_oracle.h"
#include "guest.h"
#include "input.h"
#include "slow_disk.h"

enum {
    SIZE = 64,
    SLOTS = 12,
    SLOT_DESCS = 5,  /* of the descriptor table */
    TABLE_DESCS = 9, /* of the slot's own table */
    DESC_GPA = GUEST_BASE,
    AVAIL_GPA = GUEST_BASE + 0x400,
    USED_GPA = GUEST_BASE + 0x500,
    TABLES_GPA = GUEST_BASE + 0x710,
    SLOTS_GPA = GUEST_BASE + 0xe00,
    SLOT_BYTES = 2 * REQUEST_STREAM,
    INPUT_MAX = 4096,
    WAITS_MAX = 2000,
    UNTOUCHED = 0xee
};
_Static_assert(SLOTS_GPA + SLOTS * SLOT_BYTES <= GUEST_BASE + GUEST_BYTES, "all slots fit");

struct blk_rig {
    struct guest guest;
    struct slow_disk slow;
    struct input in;
    struct oracle_device device;
    bool event_idx, indirect, broken;
    struct request requests[SLOTS];
    uint64_t number; /* of the next request */
    uint16_t avail_idx, used_seen;
    unsigned irqs_seen;
    /* What the disk has to hold when all is quiet. */
    uint8_t model[SLOW_SECTORS][SLOW_SECTOR];
    uint64_t owner[SLOW_SECTORS];   /* the request that wrote it last */
    uint64_t unclear[SLOW_SECTORS]; /* a request that failed half way may have written it */
};

static inline uint32_t blk_slot_gpa(unsigned slot)
{
    return SLOTS_GPA + slot * SLOT_BYTES;
}

/* blk_watch.c: hooks for slow_disk, and the model of the disk's content */
void blk_watch_submitted(void *rig, const struct tenon_io *io);
void blk_watch_finished(void *rig, const struct tenon_io *io, int result);
/* The request was answered. */
void blk_watch_answered(struct blk_rig *rig, const struct request *request);
/* The request's memory is as it must be when it was answered with this status. */
void blk_watch_memory(struct blk_rig *rig, const struct request *request, unsigned slot,
                      unsigned status);
/* All is quiet: the disk holds what it must. */
void blk_watch_quiet(struct blk_rig *rig);

#endif
