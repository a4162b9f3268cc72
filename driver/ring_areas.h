/*
 * ring_areas.h: pointers to the three areas of a ring, in the driver's view of guest memory. For
 * driver_split.c and driver_raw.c alone.
 */
#ifndef TND_RING_AREAS_H
#define TND_RING_AREAS_H

#include "spec/vring.h"
#include "tenon_driver.h"

static inline struct tn_desc *tnd_desc(const struct tnd_ring *ring)
{
    return tnd_ram_at(ring->ram, ring->desc_gpa, TN_DESC_BYTES(ring->size));
}

static inline struct tn_avail *tnd_avail(const struct tnd_ring *ring)
{
    return tnd_ram_at(ring->ram, ring->avail_gpa, TN_AVAIL_BYTES(ring->size));
}

static inline struct tn_used *tnd_used(const struct tnd_ring *ring)
{
    return tnd_ram_at(ring->ram, ring->used_gpa, TN_USED_BYTES(ring->size));
}

static inline le16 *tnd_used_event(const struct tnd_ring *ring)
{
    return &tnd_avail(ring)->ring[ring->size];
}

static inline le16 *tnd_avail_event_at(const struct tnd_ring *ring)
{
    return (le16 *)(void *)&tnd_used(ring)->ring[ring->size];
}

#endif
