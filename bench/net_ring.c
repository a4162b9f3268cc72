/*
 * net_ring.c: a driver's ring at as little cost as there can be, so that what is measured is the
 * back-end: descriptors are written once, and a buffer is its descriptor for ever. Interrupts are
 * off while somebody looks.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/shared.h"
#include "net_load.h"
#include "spec/virtio.h"

static le16 *used_event(const struct net_ring *ring)
{
    return &ring->avail->ring[ring->size];
}

static const le16 *avail_event(const struct net_ring *ring)
{
    return (const le16 *)(const void *)&ring->used->ring[ring->size];
}

static void publish(struct net_ring *ring)
{
    uint16_t old = ring->published, now = ring->next;
    bool wanted;

    if (old == now) {
        return;
    }
    tn_shared_store16_release(&ring->avail->idx, now);
    ring->published = now;
    tn_full_barrier();
    if (ring->event_idx) {
        uint16_t event = tn_shared_load16(avail_event(ring));
        wanted = (uint16_t)(now - event - 1) < (uint16_t)(now - old);
    } else {
        wanted = (tn_shared_load16(&ring->used->flags) & TN_USED_F_NO_NOTIFY) == 0;
    }
    if (wanted) {
        const uint64_t one = 1;
        ssize_t r = write(ring->driver->queues[ring->queue].kick_fd, &one, sizeof(one));
        ring->errors += r != sizeof(one);
        ring->kicks++;
    }
}

static void give(struct net_ring *ring, uint16_t slot)
{
    tn_shared_store16(&ring->avail->ring[ring->next % ring->size], slot);
    ring->next++;
}

int net_ring_open(struct net_ring *ring, struct tenon_driver *driver, unsigned queue, uint32_t room,
                  const uint8_t *frame)
{
    struct tnd_ring *from = driver->queues[queue].ring;
    struct tnd_ram *ram = driver->ram;
    uint32_t stride = (room + 63) & ~63u;

    *ring = (struct net_ring){
        .driver = driver, .queue = queue, .size = (uint16_t)from->size, .event_idx = from->event_idx
    };
    uint64_t gpa = tnd_ram_alloc_in(ram, 0, (uint64_t)stride * from->size, 4096);
    ring->memory = tnd_ram_at(ram, gpa, (uint64_t)stride * from->size);
    ring->desc = tnd_ram_at(ram, from->desc_gpa, TN_DESC_BYTES(from->size));
    ring->avail = tnd_ram_at(ram, from->avail_gpa, TN_AVAIL_BYTES(from->size));
    ring->used = tnd_ram_at(ram, from->used_gpa, TN_USED_BYTES(from->size));
    ring->idle = calloc(ring->size, sizeof(*ring->idle));
    if (!ring->memory || !ring->desc || !ring->avail || !ring->used || !ring->idle) {
        return -ENOMEM;
    }
    for (uint16_t i = 0; i < ring->size; i++) {
        uint8_t *buffer = ring->memory + (size_t)stride * i;
        ring->desc[i] = (struct tn_desc){ .addr = tn_to_le64(gpa + (uint64_t)stride * i),
                                          .len = tn_to_le32(room),
                                          .flags = tn_to_le16(frame ? 0 : TN_DESC_F_WRITE) };
        memset(buffer, 0, room);
        if (frame) {
            memcpy(buffer, frame, room);
            ring->idle[ring->idle_last++] = i;
        } else {
            give(ring, i);
        }
    }
    net_ring_no_wait(ring);
    publish(ring);
    return 0;
}

void net_ring_close(struct net_ring *ring)
{
    free(ring->idle);
}

/* What is done, up to `most`; transmit slots become idle, receive buffers are given again. */
static unsigned take(struct net_ring *ring, unsigned most, bool again)
{
    uint16_t idx = tn_shared_load16_acquire(&ring->used->idx);
    unsigned count = (uint16_t)(idx - ring->seen);

    count = count < most ? count : most;
    for (unsigned i = 0; i < count; i++) {
        const struct tn_used_elem *elem = &ring->used->ring[ring->seen++ % ring->size];
        uint16_t slot = (uint16_t)tn_from_le32(elem->id);
        if (again) {
            ring->errors += slot >= ring->size || tn_from_le32(elem->len) != ring->used_bytes;
            give(ring, slot);
        } else {
            ring->idle[ring->idle_last++ % ring->size] = slot;
        }
    }
    return count;
}

unsigned net_ring_send(struct net_ring *ring, unsigned count)
{
    unsigned room;

    take(ring, ring->size, false);
    room = (uint16_t)(ring->idle_last - ring->idle_first);
    count = count < room ? count : room;
    for (unsigned i = 0; i < count; i++) {
        give(ring, ring->idle[ring->idle_first++ % ring->size]);
    }
    publish(ring);
    return count;
}

unsigned net_ring_receive(struct net_ring *ring, unsigned most)
{
    unsigned count = take(ring, most, true);

    publish(ring);
    return count;
}

uint16_t net_ring_flying(const struct net_ring *ring)
{
    return (uint16_t)(ring->next - ring->seen);
}

bool net_ring_wait(struct net_ring *ring, uint16_t after)
{
    if (ring->event_idx) {
        tn_shared_store16(used_event(ring), (uint16_t)(ring->seen + after));
    } else {
        tn_shared_store16(&ring->avail->flags, 0);
        after = 0;
    }
    tn_full_barrier();
    return (uint16_t)(tn_shared_load16(&ring->used->idx) - ring->seen) > after;
}

void net_ring_no_wait(struct net_ring *ring)
{
    if (ring->event_idx) {
        tn_shared_store16(used_event(ring), (uint16_t)(ring->seen - 1));
    } else {
        tn_shared_store16(&ring->avail->flags, TN_AVAIL_F_NO_INTERRUPT);
    }
}

int net_ring_fd(const struct net_ring *ring)
{
    return ring->driver->queues[ring->queue].call_fd;
}

void net_ring_drain(struct net_ring *ring)
{
    uint64_t count = 0;

    if (read(net_ring_fd(ring), &count, sizeof(count)) == sizeof(count)) {
        ring->interrupts += count;
    }
}
