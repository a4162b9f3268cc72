/*
 * driver_raw.c: hands on every field of a ring, for tests that play a broken or hostile driver, and
 * eyes on what the device wrote. Nothing is checked and nothing of the ring's own records changes,
 * except by tnd_raw_offer.
 */
#include "base/shared.h"
#include "ring_areas.h"
#include "tenon_driver.h"

static struct tn_desc make_desc(uint64_t gpa, uint32_t bytes, uint16_t flags, uint16_t next)
{
    return (struct tn_desc){ .addr = tn_to_le64(gpa),
                             .len = tn_to_le32(bytes),
                             .flags = tn_to_le16(flags),
                             .next = tn_to_le16(next) };
}

void tnd_raw_desc(struct tnd_ring *ring, uint32_t index, uint64_t gpa, uint32_t bytes,
                  uint16_t flags, uint16_t next)
{
    tnd_desc(ring)[index] = make_desc(gpa, bytes, flags, next);
}

void tnd_raw_table(struct tnd_ram *ram, uint64_t table, uint32_t index, uint64_t gpa,
                   uint32_t bytes, uint16_t flags, uint16_t next)
{
    struct tn_desc desc = make_desc(gpa, bytes, flags, next);
    tnd_ram_put(ram, table + (uint64_t)index * sizeof(desc), &desc, sizeof(desc));
}

void tnd_raw_avail(struct tnd_ring *ring, uint16_t position, uint16_t head)
{
    tn_shared_store16(&tnd_avail(ring)->ring[position % ring->size], head);
}

void tnd_raw_avail_idx(struct tnd_ring *ring, uint16_t idx)
{
    tn_shared_store16_release(&tnd_avail(ring)->idx, idx);
}

void tnd_raw_avail_flags(struct tnd_ring *ring, uint16_t flags)
{
    tn_shared_store16(&tnd_avail(ring)->flags, flags);
}

void tnd_raw_used_event(struct tnd_ring *ring, uint16_t event)
{
    tn_shared_store16(tnd_used_event(ring), event);
}

uint16_t tnd_raw_used_idx(const struct tnd_ring *ring)
{
    return tn_shared_load16_acquire(&tnd_used(ring)->idx);
}

uint16_t tnd_raw_used_flags(const struct tnd_ring *ring)
{
    return tn_shared_load16(&tnd_used(ring)->flags);
}

uint16_t tnd_raw_avail_event(const struct tnd_ring *ring)
{
    return tn_shared_load16(tnd_avail_event_at(ring));
}

void tnd_raw_used(const struct tnd_ring *ring, uint16_t position, uint32_t *id, uint32_t *bytes)
{
    const struct tn_used_elem *elem = &tnd_used(ring)->ring[position % ring->size];
    *id = tn_from_le32(elem->id);
    *bytes = tn_from_le32(elem->len);
}

void tnd_raw_offer(struct tnd_ring *ring, uint16_t head)
{
    tnd_raw_avail(ring, ring->next_avail, head);
    ring->next_avail++;
    ring->published = ring->next_avail;
    tnd_raw_avail_idx(ring, ring->next_avail);
}
