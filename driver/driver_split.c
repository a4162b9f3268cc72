/*
 * driver_split.c: a split ring as an honest driver uses it (VIRTIO 1.4 section 2.7.13 and 2.7.14).
 *
 *   add ──> descriptors and ring entry written ──> publish (avail.idx) ──> kick? ... used.idx ──>
 *   take
 *
 * What the driver believes (free descriptors, links, positions) is kept in private memory, so that
 * raw writes of a test (driver_raw.c) never confuse it. One thread per ring.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/shared.h"
#include "ring_areas.h"
#include "spec/vring.h"
#include "tenon_driver.h"

struct tnd_chain {
    bool busy;
    uint16_t descriptors;
    void *token;
    uint64_t table_gpa;
    uint64_t table_bytes; /* 0: no table */
};

void tnd_ring_clear(struct tnd_ring *ring)
{
    memset(tnd_desc(ring), 0, TN_DESC_BYTES(ring->size));
    memset(tnd_avail(ring), 0, TN_AVAIL_BYTES(ring->size));
    memset(tnd_used(ring), 0, TN_USED_BYTES(ring->size));
    for (uint32_t i = 0; i < ring->size; i++) {
        if (ring->chains[i].busy && ring->chains[i].table_bytes) {
            tnd_ram_release(ring->ram, ring->chains[i].table_gpa, ring->chains[i].table_bytes);
        }
        ring->next[i] = (uint16_t)(i + 1);
        ring->chains[i] = (struct tnd_chain){ .busy = false };
    }
    ring->free_head = 0;
    ring->free_count = ring->size;
    ring->in_flight = 0;
    ring->next_avail = ring->published = ring->next_used = ring->start;
    tn_shared_store16(&tnd_avail(ring)->idx, ring->start);
    tn_shared_store16(&tnd_used(ring)->idx, ring->start);
    tn_shared_store16(tnd_used_event(ring), ring->start);
}

int tnd_ring_place(struct tnd_ram *ram, uint32_t size, uint64_t desc_gpa, uint64_t avail_gpa,
                   uint64_t used_gpa, uint16_t start, struct tnd_ring **out)
{
    if (!tnd_ram_at(ram, desc_gpa, TN_DESC_BYTES(size)) ||
        !tnd_ram_at(ram, avail_gpa, TN_AVAIL_BYTES(size)) ||
        !tnd_ram_at(ram, used_gpa, TN_USED_BYTES(size))) {
        return -EFAULT;
    }
    struct tnd_ring *ring = calloc(1, sizeof(*ring));
    if (!ring) {
        return -ENOMEM;
    }
    ring->ram = ram;
    ring->size = size;
    ring->desc_gpa = desc_gpa;
    ring->avail_gpa = avail_gpa;
    ring->used_gpa = used_gpa;
    ring->start = start;
    ring->mixed_direct = 1;
    ring->next = calloc(size, sizeof(*ring->next));
    ring->chains = calloc(size, sizeof(*ring->chains));
    if (!ring->next || !ring->chains) {
        tnd_ring_free(ring);
        return -ENOMEM;
    }
    tnd_ring_clear(ring);
    *out = ring;
    return 0;
}

static uint64_t area(struct tnd_ram *ram, unsigned region, uint64_t bytes, uint64_t align)
{
    return region == 0 ? tnd_ram_alloc(ram, bytes) : tnd_ram_alloc_in(ram, region, bytes, align);
}

int tnd_ring_new(struct tnd_ram *ram, unsigned region, uint32_t size, uint16_t start,
                 struct tnd_ring **out)
{
    uint64_t desc = area(ram, region, TN_DESC_BYTES(size), TN_DESC_ALIGN);
    uint64_t avail = area(ram, region, TN_AVAIL_BYTES(size), TN_AVAIL_ALIGN);
    uint64_t used = area(ram, region, TN_USED_BYTES(size), TN_USED_ALIGN);
    int error = tnd_ring_place(ram, size, desc, avail, used, start, out);
    if (!error) {
        (*out)->owns_areas = region == 0;
    }
    return error;
}

void tnd_ring_free(struct tnd_ring *ring)
{
    if (!ring) {
        return;
    }
    if (ring->owns_areas) {
        tnd_ram_release(ring->ram, ring->desc_gpa, TN_DESC_BYTES(ring->size));
        tnd_ram_release(ring->ram, ring->avail_gpa, TN_AVAIL_BYTES(ring->size));
        tnd_ram_release(ring->ram, ring->used_gpa, TN_USED_BYTES(ring->size));
    }
    free(ring->next);
    free(ring->chains);
    free(ring);
}

static void write_desc(struct tn_desc *at, const struct tnd_seg *seg, uint16_t more, uint16_t next)
{
    uint16_t flags = (uint16_t)(seg->flags | more | (seg->write ? TN_DESC_F_WRITE : 0));
    *at = (struct tn_desc){ .addr = tn_to_le64(seg->gpa),
                            .len = tn_to_le32(seg->bytes),
                            .flags = tn_to_le16(flags),
                            .next = tn_to_le16(next) };
}

/* Where the i-th segment stands in a table: in order, or back to front behind the first. */
static unsigned table_place(const struct tnd_ring *ring, unsigned i, unsigned count)
{
    return ring->shuffle && i != 0 ? count - i : i;
}

static int write_table(struct tnd_ring *ring, struct tnd_chain *chain, const struct tnd_seg *segs,
                       unsigned count)
{
    uint64_t bytes = TN_DESC_BYTES((uint64_t)count);
    uint64_t gpa = tnd_ram_alloc(ring->ram, bytes);
    struct tn_desc *table = tnd_ram_at(ring->ram, gpa, bytes);
    if (!table) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < count; i++) {
        bool last = i + 1 == count;
        unsigned next = last ? 0 : table_place(ring, i + 1, count);
        write_desc(&table[table_place(ring, i, count)], &segs[i], last ? 0 : TN_DESC_F_NEXT,
                   (uint16_t)next);
    }
    chain->table_gpa = gpa;
    chain->table_bytes = bytes;
    return 0;
}

/*
 * Links `count` direct segments from the free list, and a pointer to the chain's table behind them
 * if it has one.
 */
static void write_direct(struct tnd_ring *ring, struct tnd_chain *chain, const struct tnd_seg *segs,
                         unsigned count)
{
    struct tn_desc *desc = tnd_desc(ring);
    struct tnd_seg table = { .gpa = chain->table_gpa,
                             .bytes = (uint32_t)chain->table_bytes,
                             .write = ring->indirect_write,
                             .flags = TN_DESC_F_INDIRECT };
    uint16_t at = ring->free_head;

    for (unsigned i = 0; i < chain->descriptors; i++) {
        bool last = i + 1 == chain->descriptors;
        write_desc(&desc[at], i < count ? &segs[i] : &table, last ? 0 : TN_DESC_F_NEXT,
                   last ? 0 : ring->next[at]);
        at = ring->next[at];
    }
    ring->free_head = at;
    ring->free_count -= chain->descriptors;
}

int tnd_ring_add(struct tnd_ring *ring, const struct tnd_seg *segs, unsigned count,
                 enum tnd_form form, void *token)
{
    unsigned direct = form == TND_DIRECT ? count : form == TND_INDIRECT ? 0 : ring->mixed_direct;
    if (direct > count) {
        direct = count;
    }
    unsigned needed = direct + (direct < count ? 1 : 0);
    if (needed == 0 || needed > ring->free_count) {
        return -ENOSPC;
    }
    uint16_t head = ring->free_head;
    struct tnd_chain *chain = &ring->chains[head];
    *chain = (struct tnd_chain){ .descriptors = (uint16_t)needed, .token = token };
    if (direct < count) {
        int error = write_table(ring, chain, segs + direct, count - direct);
        if (error) {
            return error;
        }
    }
    chain->busy = true;
    write_direct(ring, chain, segs, direct);
    tn_shared_store16(&tnd_avail(ring)->ring[ring->next_avail % ring->size], head);
    ring->next_avail++;
    ring->in_flight++;
    return head;
}

bool tnd_ring_publish(struct tnd_ring *ring)
{
    uint16_t old = ring->published;
    uint16_t new = ring->next_avail;

    tn_shared_store16_release(&tnd_avail(ring)->idx, new);
    ring->published = new;
    tn_full_barrier();
    if (ring->event_idx) {
        uint16_t event = tn_shared_load16(tnd_avail_event_at(ring));
        return (uint16_t)(new - event - 1) < (uint16_t)(new - old);
    }
    return new != old && !(tn_shared_load16(&tnd_used(ring)->flags) & TN_USED_F_NO_NOTIFY);
}

static void free_chain(struct tnd_ring *ring, uint16_t head)
{
    struct tnd_chain *chain = &ring->chains[head];
    uint16_t last = head;

    for (unsigned i = 1; i < chain->descriptors; i++) {
        last = ring->next[last];
    }
    ring->next[last] = ring->free_head;
    ring->free_head = head;
    ring->free_count += chain->descriptors;
    if (chain->table_bytes) {
        tnd_ram_release(ring->ram, chain->table_gpa, chain->table_bytes);
    }
    chain->busy = false;
    ring->in_flight--;
}

bool tnd_ring_take(struct tnd_ring *ring, struct tnd_used *used)
{
    if (tn_shared_load16_acquire(&tnd_used(ring)->idx) == ring->next_used) {
        return false;
    }
    const struct tn_used_elem *elem = &tnd_used(ring)->ring[ring->next_used % ring->size];
    *used = (struct tnd_used){ .head = tn_from_le32(elem->id), .bytes = tn_from_le32(elem->len) };
    ring->next_used++;
    if (used->head >= ring->size || !ring->chains[used->head].busy) {
        ring->bad_used++;
        return true;
    }
    used->token = ring->chains[used->head].token;
    free_chain(ring, (uint16_t)used->head);
    return true;
}

bool tnd_ring_irq_after(struct tnd_ring *ring, uint16_t after)
{
    tn_shared_store16(tnd_used_event(ring), (uint16_t)(ring->next_used + after));
    if (!ring->event_idx) {
        tn_shared_store16(&tnd_avail(ring)->flags, 0);
    }
    tn_full_barrier();
    uint16_t ready = (uint16_t)(tn_shared_load16_acquire(&tnd_used(ring)->idx) - ring->next_used);
    return ready > after;
}

bool tnd_ring_irq_on(struct tnd_ring *ring)
{
    return tnd_ring_irq_after(ring, 0);
}

void tnd_ring_irq_off(struct tnd_ring *ring)
{
    if (ring->event_idx) {
        tn_shared_store16(tnd_used_event(ring), (uint16_t)(ring->next_used - 1));
    } else {
        tn_shared_store16(&tnd_avail(ring)->flags, TN_AVAIL_F_NO_INTERRUPT);
    }
}

void tnd_ring_forget(struct tnd_ring *ring, const void *token)
{
    for (uint32_t i = 0; i < ring->size; i++) {
        if (ring->chains[i].busy && ring->chains[i].token == token) {
            ring->chains[i].token = NULL;
        }
    }
}
