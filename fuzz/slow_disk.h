/*
 * slow_disk.h: a disk whose operations end when, in which order, and how the fuzz target says.
 *
 *   device ──submit──> waiting ──slow_finish (any of them, 0 or an error)──> done
 *
 * Data moves when an operation ends, and only when it ends well. Every sector's earlier contents
 * are kept for a while, so that a read can be compared with all that it may have seen.
 */
#ifndef TN_FUZZ_SLOW_DISK_H
#define TN_FUZZ_SLOW_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include <tenon/disk.h>

enum {
    SLOW_SECTORS = 16,
    SLOW_SECTOR = 512,
    SLOW_WAITING = 64,
    SLOW_OLD = 128,
    SLOW_DISCARDED = 0xdd
};

struct slow_old {
    uint32_t sector;
    uint8_t bytes[SLOW_SECTOR];
};

struct slow_disk {
    uint8_t bytes[SLOW_SECTORS * SLOW_SECTOR];
    struct tenon_io *waiting[SLOW_WAITING];
    unsigned count;
    bool full;      /* takes a new operation only when none is waiting */
    int refuse;     /* the next submit is refused with this error */
    uint64_t moved; /* sectors overwritten so far */
    struct slow_old old[SLOW_OLD];
    bool open;
    /* Accepted or refused; ended. */
    void (*submitted)(void *opaque, const struct tenon_io *io);
    void (*finished)(void *opaque, const struct tenon_io *io, int result);
    void *opaque;
};

struct tenon_disk *slow_disk_open(struct slow_disk *slow);
void slow_finish(struct slow_disk *slow, unsigned which, int result);
/* Whether these bytes are the sector's now, or were at some time since `moved` was `since`. */
bool slow_was(const struct slow_disk *slow, uint32_t sector, const uint8_t *bytes, uint64_t since);

#endif
