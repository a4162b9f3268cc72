/*
 * blk_oracle.h: what a block request must come to, by a second reading of section 5.2.6; and the
 * request as fuzz_blk keeps it.
 *
 *   readable stream  [ header 16 ][ data ]        writable stream  [ data ][ status 1 ]
 *
 * Shares no code with src/blk.
 */
#ifndef TN_FUZZ_BLK_ORACLE_H
#define TN_FUZZ_BLK_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/le.h"

enum {
    ORACLE_BROKEN = 0x100, /* no place for a status: the queue has to break */
    REQUEST_STREAM = 1100, /* most bytes of either stream */
    REQUEST_RANGES = 10
};

struct oracle_range {
    le64 sector;
    le32 sectors, flags;
};

/* Bytes [from, end) of a stream that lie outside guest memory. */
struct hole {
    uint32_t from, end;
};

struct request {
    bool busy;
    uint64_t number; /* in the order of the available ring */
    uint32_t type;
    uint64_t sector;
    uint32_t readable, writable; /* bytes of each stream */
    uint8_t out[REQUEST_STREAM]; /* the readable stream */
    struct hole out_hole, in_hole;
    /* Foretold. */
    unsigned status;
    bool disk;   /* the disk takes part */
    bool stable; /* a write of it carries FUA */
    /* Seen. */
    const void *io;       /* the operation that the disk has for it; NULL: none */
    uint64_t since;       /* sectors that the disk had overwritten when it was made available */
    uint32_t ranges_done; /* DISCARD, WRITE_ZEROES */
    bool ended;           /* the disk has nothing more to do with it */
    bool failed;          /* the disk reported an error */
};

struct oracle_device {
    uint64_t features, sectors;
    bool read_only, unsafe, writeback;
};

/* Fills in what is foretold. */
void blk_oracle(const struct oracle_device *device, struct request *request);
/* Ranges of a DISCARD or WRITE_ZEROES that passed. */
uint32_t blk_oracle_ranges(const struct request *request);
struct oracle_range blk_oracle_range(const struct request *request, uint32_t which);
/* The used length of a request that ended with this status. */
uint32_t blk_oracle_used(const struct request *request, unsigned status);

#endif
