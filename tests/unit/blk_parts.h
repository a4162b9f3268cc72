/*
 * blk_parts.h: a block request by itself, for tests of one step of the way: its chain lies in
 * buffers of the test, its queue only counts.
 */
#ifndef TESTS_UNIT_BLK_PARTS_H
#define TESTS_UNIT_BLK_PARTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "blk/blk.h"

enum { PART_IOVECS = 64, PART_SECTORS = 1000, PART_BYTES = 4096 };

struct part {
    struct blk blk;
    struct tn_queue queue;
    struct blk_request request;
    struct iovec iov[PART_IOVECS];
    uint8_t in[PART_BYTES], out[PART_BYTES]; /* what the driver reads, what it wrote */
};

static inline uint64_t part_bit(unsigned feature)
{
    return (uint64_t)1 << feature;
}

/* A disk of PART_SECTORS that can do everything, and a driver that accepted it. */
static inline struct part *part_new(void)
{
    struct part *p = calloc(1, sizeof(*p));

    assert_non_null(p);
    p->blk.capacity_sectors = PART_SECTORS;
    p->blk.writeback = 1;
    p->blk.device.features[0] = part_bit(TN_BLK_F_FLUSH) | part_bit(TN_BLK_F_CONFIG_WCE) |
                                part_bit(TN_BLK_F_DISCARD) | part_bit(TN_BLK_F_WRITE_ZEROES);
    p->queue.device = &p->blk.device;
    p->request.slot.queue = &p->queue;
    return p;
}

static inline void part_header(struct part *p, uint32_t type, uint64_t sector)
{
    struct tn_blk_header header = { .type = tn_to_le32(type), .sector = tn_to_le64(sector) };
    memcpy(p->out, &header, sizeof(header));
}

/*
 * The chain: `readable` bytes of out and `writable` bytes of in, each cut into pieces of at most
 * `piece` bytes.
 */
static inline void part_chain(struct part *p, uint64_t readable, uint64_t writable, uint64_t piece)
{
    struct tn_chain *chain = &p->request.slot.chain;
    unsigned n = 0;

    for (uint64_t at = 0; at < readable; at += piece) {
        uint64_t left = readable - at;
        p->iov[n++] = (struct iovec){ p->out + at, left < piece ? left : piece };
    }
    *chain = (struct tn_chain){ .iov = p->iov, .readable = n };
    for (uint64_t at = 0; at < writable; at += piece) {
        uint64_t left = writable - at;
        p->iov[n++] = (struct iovec){ p->in + at, left < piece ? left : piece };
    }
    assert_true(n <= PART_IOVECS);
    chain->writable = n - chain->readable;
    chain->readable_bytes = readable;
    chain->writable_bytes = writable;
}

#endif
