/*
 * ring_world.c: see ring_world.h. Slow and simple on purpose: it is what the library is compared
 * with.
 */
#include "ring_world.h"

#include <string.h>

#include "input.h"
#include "spec/vring.h"

static void changed(struct tn_view *view)
{
    (void)view;
}

/* Called by the library, once, when nothing can touch the block any more. */
static void released(void *opaque)
{
    struct block *block = opaque;
    struct block **link = &block->world->blocks;

    while (*link != block) {
        FUZZ_CHECK(*link != NULL);
        link = &(*link)->next;
    }
    *link = block->next;
    FUZZ_CHECK(memcmp(block->host, block->shadow, block->bytes) == 0);
    free(block->host);
    free(block->shadow);
    free(block);
}

void world_add(struct world *world, enum area_name name)
{
    struct area *area = &world->areas[name];
    struct block *block = calloc(1, sizeof(*block)), *old = area->block;

    *block = (struct block){ .next = world->blocks,
                             .world = world,
                             .host = malloc(area->bytes),
                             .shadow = malloc(area->bytes),
                             .bytes = area->bytes,
                             .rom = name == AREA_ROM };
    if (old && old->bytes == block->bytes) {
        memcpy(block->host, old->host, block->bytes);
    } else {
        memset(block->host, 0, block->bytes);
    }
    memcpy(block->shadow, block->host, block->bytes);
    world->blocks = block;
    if (old) {
        world_remove(world, name);
    }
    area->block = block;
    struct tenon_region region = { .size = sizeof(region),
                                   .gpa = area->gpa,
                                   .bytes = area->bytes,
                                   .host = block->host,
                                   .flags = block->rom ? TENON_REGION_READ_ONLY : 0,
                                   .released = released,
                                   .opaque = block };
    FUZZ_CHECK(tenon_mem_add(world->mem, &region) == 0);
}

void world_remove(struct world *world, enum area_name name)
{
    struct area *area = &world->areas[name];

    area->block = NULL;
    FUZZ_CHECK(tenon_mem_remove(world->mem, area->gpa, area->bytes) == 0);
}

void world_open(struct world *world)
{
    static const struct area places[AREAS] = {
        [AREA_ZERO] = { .gpa = 0, .bytes = 1536 },
        [AREA_NEXT] = { .gpa = 1536, .bytes = 700 },
        [AREA_ROM] = { .gpa = 2236, .bytes = 612 },
        [AREA_TABLE] = { .gpa = 0x80000000, .bytes = 2048 },
        [AREA_LAST] = { .gpa = UINT64_MAX - 512, .bytes = 512 },
    };

    memset(world, 0, sizeof(*world));
    memcpy(world->areas, places, sizeof(places));
    FUZZ_CHECK(tenon_mem_new(&world->mem) == 0);
    FUZZ_CHECK(tn_view_open(&world->view, world->mem, changed) == 0);
    for (unsigned i = AREA_ZERO; i < AREAS; i++) {
        world_add(world, i);
    }
}

void world_rings(struct world *world, uint32_t size)
{
    const struct area rings[] = {
        [AREA_DESC] = { .gpa = 0x10000, .bytes = TN_DESC_BYTES(size) },
        [AREA_AVAIL] = { .gpa = 0x20000, .bytes = TN_AVAIL_BYTES(size) },
        [AREA_USED] = { .gpa = 0x30000, .bytes = TN_USED_BYTES(size) },
    };

    for (unsigned i = AREA_DESC; i <= AREA_USED; i++) {
        if (world->areas[i].block) {
            world_remove(world, i);
        }
        world->areas[i] = rings[i];
        world_add(world, i);
    }
    tn_view_refresh(&world->view);
}

void world_close(struct world *world)
{
    tn_view_close(&world->view);
    tenon_mem_free(world->mem);
    FUZZ_CHECK(world->blocks == NULL);
}

void world_check(const struct world *world)
{
    for (const struct block *block = world->blocks; block; block = block->next) {
        FUZZ_CHECK(memcmp(block->host, block->shadow, block->bytes) == 0);
    }
}

struct block *world_find(struct world *world, uint64_t gpa, uint32_t *offset)
{
    for (unsigned i = 0; i < AREAS; i++) {
        const struct area *area = &world->areas[i];
        if (area->block && gpa >= area->gpa && gpa - area->gpa < area->bytes) {
            *offset = (uint32_t)(gpa - area->gpa);
            return area->block;
        }
    }
    return NULL;
}

struct block *world_block(struct world *world, const void *host, uint64_t bytes)
{
    for (struct block *block = world->blocks; block; block = block->next) {
        uint64_t offset = (uintptr_t)host - (uintptr_t)block->host;
        if (offset < block->bytes && bytes <= block->bytes - offset) {
            return block;
        }
    }
    return NULL;
}

bool world_read(struct world *world, uint64_t gpa, void *to, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        uint32_t offset;
        struct block *block = gpa + i >= gpa ? world_find(world, gpa + i, &offset) : NULL;
        if (!block) {
            return false;
        }
        ((uint8_t *)to)[i] = block->host[offset];
    }
    return true;
}

void world_write(struct world *world, uint64_t gpa, const void *from, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        uint32_t offset;
        struct block *block = world_find(world, gpa + i, &offset);
        if (block) {
            block->host[offset] = block->shadow[offset] = ((const uint8_t *)from)[i];
        }
    }
}

void world_expect(struct world *world, uint64_t gpa, const void *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        uint32_t offset;
        struct block *block = world_find(world, gpa + i, &offset);
        FUZZ_CHECK(block != NULL && !block->rom);
        block->shadow[offset] = ((const uint8_t *)bytes)[i];
    }
}

void world_accept(struct world *world, enum area_name name)
{
    struct block *block = world->areas[name].block;

    if (block) {
        memcpy(block->shadow, block->host, block->bytes);
    }
}
