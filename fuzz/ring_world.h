/*
 * ring_world.h: guest memory for fuzz_rings: a few small areas, each with a shadow of what must be
 * in it.
 *
 *   driver writes ──> host and shadow          device may write ──> shadow, when it is foretold
 *   after every action: host == shadow, in every block, also in those that only a pin keeps alive
 *
 * Each area is an allocation of its own and of exact size: one byte beyond it is an error that the
 * address sanitizer sees.
 */
#ifndef TN_FUZZ_RING_WORLD_H
#define TN_FUZZ_RING_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/mem.h"

enum area_name {
    AREA_DESC,
    AREA_AVAIL,
    AREA_USED,
    AREA_ZERO, /* at guest address 0 */
    AREA_NEXT, /* its neighbour in the guest, not in the host */
    AREA_ROM,  /* the neighbour after that */
    AREA_TABLE,
    AREA_LAST, /* at the end of the address space */
    AREAS
};

struct block {
    struct block *next;
    struct world *world;
    uint8_t *host, *shadow;
    uint32_t bytes;
    bool rom;
};

struct area {
    uint64_t gpa;
    uint32_t bytes;
    struct block *block; /* NULL: not in guest memory now */
};

struct world {
    struct tenon_mem *mem;
    struct tn_view view;
    struct area areas[AREAS];
    struct block *blocks; /* all that are not released */
};

/* All areas but the rings, whose size comes with world_rings. */
void world_open(struct world *world);
void world_close(struct world *world);
void world_rings(struct world *world, uint32_t size);
/* Adds the area, in a new block with the contents of the old one; or removes it. Not yet seen by
 * the view. */
void world_add(struct world *world, enum area_name name);
void world_remove(struct world *world, enum area_name name);
void world_check(const struct world *world);

/* The block that holds this guest byte, the simple way. */
struct block *world_find(struct world *world, uint64_t gpa, uint32_t *offset);
/* The block that a pointer lies in, with `bytes` of room; NULL when it is in none. */
struct block *world_block(struct world *world, const void *host, uint64_t bytes);
bool world_read(struct world *world, uint64_t gpa, void *to, uint32_t bytes);
/* The driver writes; what lies outside is left out. */
void world_write(struct world *world, uint64_t gpa, const void *from, uint32_t bytes);
/* The device is to write this here, or we, as the device, do. */
void world_expect(struct world *world, uint64_t gpa, const void *bytes, uint32_t count);
/* Takes what is in the area as right. */
void world_accept(struct world *world, enum area_name name);

#endif
