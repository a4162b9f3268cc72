/*
 * slots.c: the requests that can be in flight on one queue, and the iovecs of their chains. Made
 * when the queue starts, so that nothing is allocated between kick and interrupt.
 *
 *   slots   ring size + 1 of them, in a last-in first-out list: a quiet queue keeps touching the
 *           same few cache lines
 *   iovecs  four for each slot, which most chains are content with, and for longer ones an arena
 *           per queue in granules of four; first fit. Used up: the chain stays on the ring until
 *           some come back.
 *           A free arena always has room for the longest chain, so every chain is taken in the end.
 */
#include "device/within.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

enum { GRANULE = TN_SLOT_IOVECS, WORD_BITS = 64 };

int tn_slots_init(struct tn_slots *slots, struct tn_queue *queue, uint32_t count, size_t slot_bytes,
                  uint32_t iovecs)
{
    memset(slots, 0, sizeof(*slots));
    slots->count = count;
    slots->slot_bytes = tn_round_up(slot_bytes, 16);
    slots->granules = (iovecs + GRANULE - 1) / GRANULE;
    slots->arena = (size_t)count * GRANULE;
    slots->words = (slots->granules + WORD_BITS - 1) / WORD_BITS;
    slots->memory = calloc(count, slots->slot_bytes);
    slots->iovecs =
        calloc(slots->arena + (size_t)slots->granules * GRANULE, sizeof(*slots->iovecs));
    slots->taken = calloc(slots->words, sizeof(*slots->taken));
    if (!slots->memory || !slots->iovecs || !slots->taken) {
        tn_slots_fini(slots);
        return -ENOMEM;
    }
    for (uint32_t i = count; i-- > 0;) {
        struct tn_slot *slot = tn_slots_at(slots, i);
        slot->queue = queue;
        slot->iovecs = slots->iovecs + (size_t)i * GRANULE;
        slot->next_free = slots->free;
        slots->free = slot;
    }
    return 0;
}

void tn_slots_fini(struct tn_slots *slots)
{
    free(slots->memory);
    free(slots->iovecs);
    free(slots->taken);
    memset(slots, 0, sizeof(*slots));
}

static bool is_taken(const struct tn_slots *slots, uint32_t granule)
{
    return (slots->taken[granule / WORD_BITS] >> (granule % WORD_BITS)) & 1;
}

static void mark(struct tn_slots *slots, uint32_t first, uint32_t count, bool taken)
{
    for (uint32_t i = first; i < first + count; i++) {
        uint64_t bit = (uint64_t)1 << (i % WORD_BITS);
        if (taken) {
            slots->taken[i / WORD_BITS] |= bit;
        } else {
            slots->taken[i / WORD_BITS] &= ~bit;
        }
    }
}

/* Where `count` free granules lie in a row, or `granules` when they do nowhere. */
static uint32_t find_free(const struct tn_slots *slots, uint32_t count)
{
    uint32_t run = 0;

    for (uint32_t i = 0; i < slots->granules; i++) {
        if (run == 0 && i % WORD_BITS == 0 && slots->taken[i / WORD_BITS] == UINT64_MAX) {
            i += WORD_BITS - 1; /* a full word, in one step */
            continue;
        }
        run = is_taken(slots, i) ? 0 : run + 1;
        if (run == count) {
            return i + 1 - count;
        }
    }
    return slots->granules;
}

bool tn_slots_take_iovecs(struct tn_slots *slots, struct tn_slot *slot, uint32_t count,
                          struct iovec **out)
{
    if (count <= GRANULE) {
        *out = slot->iovecs;
        return true;
    }
    uint32_t granules = (count + GRANULE - 1) / GRANULE, first = find_free(slots, granules);
    if (first == slots->granules) {
        return false;
    }
    mark(slots, first, granules, true);
    slot->arena_first = first;
    slot->arena_count = granules;
    *out = slots->iovecs + slots->arena + (size_t)first * GRANULE;
    return true;
}

void tn_slots_give_iovecs(struct tn_slots *slots, struct tn_slot *slot)
{
    mark(slots, slot->arena_first, slot->arena_count, false);
    slot->arena_count = 0;
}
