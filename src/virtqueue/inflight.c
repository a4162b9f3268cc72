/*
 * inflight.c: opening, recovering and committing the inflight record of a split queue (VU-73..77).
 *
 *   killed between             the record says                    so recovery
 *   fetch and batch            in flight                          pops it again
 *   batch and used index       in flight, used_idx is the ring's  pops it again
 *   used index and the end     in flight, used_idx is behind      clears the batch: as many heads
 *   of commit                                                     as the index moved
 *
 * Everything that the region says is copied once, then checked. On the queue's worker, before it
 * takes its first chain.
 */
#include "virtqueue/inflight.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/num.h"
#include "virtqueue/virtqueue.h"

enum { RECORD_VERSION = 1, RECORD_ALIGN = 64 };

/* One entry of the region, copied. */
struct entry {
    uint64_t counter;
    uint16_t head;
    uint16_t next;
    bool inflight;
};

/* Two queues never share a cache line of the region. */
size_t tn_inflight_bytes(uint16_t size)
{
    size_t bytes = sizeof(struct tn_inflight_split) + size * sizeof(struct tn_inflight_desc);

    return tn_round_up(bytes, RECORD_ALIGN);
}

static uint16_t load16(const uint16_t *p)
{
    return __atomic_load_n(p, __ATOMIC_RELAXED);
}
static void store16(uint16_t *p, uint16_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELAXED);
}
/* Everything stored before it is there first. */
static void store16_last(uint16_t *p, uint16_t v)
{
    __atomic_store_n(p, v, __ATOMIC_RELEASE);
}

static struct entry *copy_entries(const struct tn_inflight_split *region, uint32_t size,
                                  uint32_t *in_flight)
{
    struct entry *entries = calloc(size, sizeof(*entries));

    *in_flight = 0;
    if (entries == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < size; i++) {
        const struct tn_inflight_desc *desc = &region->desc[i];
        entries[i] = (struct entry){
            .counter = __atomic_load_n(&desc->counter, __ATOMIC_RELAXED),
            .head = (uint16_t)i,
            .next = load16(&desc->next),
            .inflight = __atomic_load_n(&desc->inflight, __ATOMIC_RELAXED) != 0,
        };
        *in_flight += entries[i].inflight;
    }
    return entries;
}

/*
 * The index moved by `moved` and we were killed before all of that batch was cleared: those heads
 * are not in flight. False: not a list. The region is not touched yet, so that a bad one stays as
 * it was.
 */
static bool finish_batch(const struct tn_inflight_split *region, struct entry *entries,
                         uint32_t size, uint16_t moved)
{
    uint16_t head = load16(&region->last_batch_head);

    for (; moved != 0; moved--) {
        if (head >= size) {
            return false;
        }
        entries[head].inflight = false;
        head = entries[head].next;
    }
    return true;
}

/* Clears what finish_batch found; an entry that was clear already stays so. */
static void clear_flags(struct tn_inflight_split *region, const struct entry *entries,
                        uint32_t size)
{
    for (uint32_t i = 0; i < size; i++) {
        if (!entries[i].inflight) {
            tn_shared_store8(&region->desc[i].inflight, 0);
        }
    }
}

static int by_counter(const void *left, const void *right)
{
    const struct entry *a = left;
    const struct entry *b = right;

    if (a->counter != b->counter) {
        return a->counter < b->counter ? -1 : 1;
    }
    return (int)a->head - (int)b->head;
}

/* Reorders the entries: those in flight first, sorted. */
static void collect_again(struct tn_inflight *inflight, struct entry *entries, uint32_t size)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < size; i++) {
        if (entries[i].inflight) {
            entries[count++] = entries[i];
        }
    }
    qsort(entries, count, sizeof(*entries), by_counter);
    for (uint32_t i = 0; i < count; i++) {
        inflight->again[i] = entries[i].head;
        inflight->counter = entries[i].counter + 1;
    }
    inflight->again_count = (uint16_t)count;
}

/* A record that was used before. */
static int recover(struct tn_inflight *inflight, uint32_t size, uint16_t used_idx)
{
    struct tn_inflight_split *region = inflight->region;
    uint16_t moved = (uint16_t)(used_idx - load16(&region->used_idx));
    uint16_t desc_num = load16(&region->desc_num);
    uint32_t in_flight;
    struct entry *entries = copy_entries(region, size, &in_flight);
    int error = 0;

    if (entries == NULL) {
        return tn_error(-ENOMEM, "no memory to recover an inflight record of %u entries", size);
    }
    /*
     * With nothing in flight the record has nothing to say, whatever ring it was of: a driver may
     * have reset its ring, even to another size, and the front-end kept the region.
     */
    if (in_flight != 0 && desc_num != size) {
        error = tn_error(-EPROTO,
                         "the inflight record is of a queue of %u entries, not %u: "
                         "the front-end has to pass the region that belongs to this queue",
                         desc_num, size);
    } else if (in_flight != 0 && (moved > size || !finish_batch(region, entries, size, moved))) {
        error = tn_error(-EPROTO,
                         "the last batch of the inflight record does not fit the used "
                         "ring: the front-end has to pass the region that belongs to this queue");
    } else {
        clear_flags(region, entries, size);
        collect_again(inflight, entries, size);
        store16(&region->desc_num, (uint16_t)size);
        store16_last(&region->used_idx, used_idx);
    }
    free(entries);
    return error;
}

/* The version goes last: until it is there, the record counts as never used. */
static void begin_fresh(struct tn_inflight_split *region, uint32_t size, uint16_t used_idx)
{
    for (uint32_t i = 0; i < size; i++) {
        tn_shared_store8(&region->desc[i].inflight, 0);
    }
    store16(&region->desc_num, (uint16_t)size);
    store16(&region->last_batch_head, 0);
    store16(&region->used_idx, used_idx);
    store16_last(&region->version, RECORD_VERSION);
}

int tn_inflight_open(struct tn_inflight *inflight, void *region, size_t bytes, uint32_t size,
                     uint16_t used_idx)
{
    struct tn_inflight_split *split = region;
    size_t need = sizeof(*split) + size * sizeof(split->desc[0]);
    uint16_t version;
    int error = 0;

    *inflight = (struct tn_inflight){ .region = split };
    if (bytes < need || !tn_is_aligned((uintptr_t)region, sizeof(uint64_t))) {
        return tn_error(-EPROTO,
                        "the inflight record has %zu bytes for a queue of %u entries, which "
                        "takes %zu, aligned to 8: the region is too small",
                        bytes, size, need);
    }
    version = load16(&split->version);
    if (version > RECORD_VERSION || __atomic_load_n(&split->features, __ATOMIC_RELAXED) != 0) {
        return tn_error(-EPROTO,
                        "the inflight record has version %u or features that are not known "
                        "here: it was written by a newer back-end",
                        version);
    }

    inflight->batch = calloc(size, sizeof(*inflight->batch));
    inflight->again = calloc(size, sizeof(*inflight->again));
    if (inflight->batch == NULL || inflight->again == NULL) {
        error =
            tn_error(-ENOMEM, "no memory for the inflight record of a queue of %u entries", size);
    } else if (version == 0) {
        begin_fresh(split, size, used_idx);
        inflight->fresh = true;
    } else {
        error = recover(inflight, size, used_idx);
    }
    if (error != 0) {
        tn_inflight_close(inflight);
    }
    return error;
}

void tn_inflight_close(struct tn_inflight *inflight)
{
    free(inflight->batch);
    free(inflight->again);
    *inflight = (struct tn_inflight){ 0 };
}

/*
 * Each flag is cleared after the ring's index moved, and the record's index follows the last flag.
 */
void tn_inflight_commit(struct tn_inflight *inflight, uint16_t used_idx)
{
    for (uint16_t i = 0; i < inflight->batched; i++) {
        struct tn_inflight_desc *desc = &inflight->region->desc[inflight->batch[i]];
        __atomic_store_n(&desc->inflight, 0, __ATOMIC_RELEASE);
    }
    inflight->batched = 0;
    store16_last(&inflight->region->used_idx, used_idx);
}
