/*
 * tenon_driver_ring.h: the part of tenon_driver.h that knows no transport: guest memory with guard
 * pages and snapshots, and a split ring as the driver sees it. Include tenon_driver.h.
 */
#ifndef TENON_DRIVER_RING_H
#define TENON_DRIVER_RING_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenon/mem.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- guest memory (ram.c, ram_diff.c) ---- */

/*
 * A region is a memfd that is mapped twice, each time between two pages that may not be touched:
 * `guest` is the driver's view, `device` the one that a device in this process is given. Taking
 * rights away from the second shows who writes.
 */
struct tnd_region {
    uint64_t gpa, bytes;
    int fd;
    uint8_t *guest, *device;
    uint64_t bump; /* next byte never handed out */
};

struct tnd_place {
    uint64_t gpa, bytes; /* multiples of 4096 */
};

enum { TND_MAX_REGIONS = 600, TND_SIZE_CLASSES = 32, TND_NO_GPA = -1 };

struct tnd_free_block {
    struct tnd_free_block *next;
    uint64_t gpa;
};

struct tnd_ram {
    struct tnd_region regions[TND_MAX_REGIONS]; /* guest == NULL: a place that is empty */
    unsigned count;
    struct tnd_free_block *free_blocks[TND_SIZE_CLASSES];
    pthread_mutex_t lock;
};

/* The regions in order: allocations come from the first that has room. */
int tnd_ram_new(const struct tnd_place *places, unsigned count, struct tnd_ram **out);
void tnd_ram_free(struct tnd_ram *ram);
/* One more region. Returns its index. */
int tnd_ram_add(struct tnd_ram *ram, uint64_t gpa, uint64_t bytes);
/* Unmaps both views of a region; the device must not know it any more. */
void tnd_ram_drop(struct tnd_ram *ram, unsigned region);
/* Adds every region to a device's memory, by pointer (the `device` view). */
int tnd_ram_share(struct tnd_ram *ram, struct tenon_mem *mem);

/*
 * Guest memory for `bytes`, filled with 0xa5; aligned to the next power of 2 up to 4096.
 * (uint64_t)TND_NO_GPA: none left. Any thread.
 */
uint64_t tnd_ram_alloc(struct tnd_ram *ram, uint64_t bytes);
/*
 * The same in one region, aligned as asked and never given back: for rings, and for areas that must
 * end where the region ends.
 */
uint64_t tnd_ram_alloc_in(struct tnd_ram *ram, unsigned region, uint64_t bytes, uint64_t align);
void tnd_ram_release(struct tnd_ram *ram, uint64_t gpa, uint64_t bytes);

/* The driver's pointer to guest memory that lies in one region; NULL when it does not. */
void *tnd_ram_at(struct tnd_ram *ram, uint64_t gpa, uint64_t bytes);
/*
 * Copies; also across regions that are neighbours. False, and nothing is promised, when a byte lies
 * outside.
 */
bool tnd_ram_put(struct tnd_ram *ram, uint64_t gpa, const void *from, uint64_t bytes);
bool tnd_ram_get(struct tnd_ram *ram, uint64_t gpa, void *to, uint64_t bytes);
bool tnd_ram_fill(struct tnd_ram *ram, uint64_t gpa, uint8_t byte, uint64_t bytes);
bool tnd_ram_is(struct tnd_ram *ram, uint64_t gpa, uint8_t byte, uint64_t bytes);
/*
 * Rights of the device's view of whole pages: PROT_READ, PROT_NONE, PROT_READ | PROT_WRITE. Not
 * seen by another process.
 */
int tnd_ram_protect(struct tnd_ram *ram, uint64_t gpa, uint64_t bytes, int rights);

/*
 * A copy of all guest memory. Then say what the device may write, and ask whether anything else has
 * changed.
 */
struct tnd_snapshot;
struct tnd_snapshot *tnd_ram_snapshot(struct tnd_ram *ram);
void tnd_snapshot_allow(struct tnd_snapshot *snapshot, uint64_t gpa, uint64_t bytes);
/* True when all that was not allowed is as it was. Else *gpa is the first byte that changed. */
bool tnd_snapshot_holds(struct tnd_snapshot *snapshot, uint64_t *gpa);
void tnd_snapshot_free(struct tnd_snapshot *snapshot);

/* ---- a split ring, the driver's side (driver_split.c, driver_raw.c) ---- */

struct tnd_seg {
    uint64_t gpa;
    uint32_t bytes;
    bool write;     /* the device writes here */
    uint16_t flags; /* more descriptor flags, as they are */
};

enum tnd_form {
    TND_DIRECT = 0,
    TND_INDIRECT = 1,
    TND_MIXED = 2 /* the first `mixed_direct` segments direct, the rest in a table (SPLIT-21) */
};

struct tnd_ring {
    struct tnd_ram *ram;
    uint32_t size;
    uint64_t desc_gpa, avail_gpa, used_gpa;
    bool event_idx;
    bool owns_areas;       /* they go back to the allocator with the ring */
    bool indirect_write;   /* sets WRITE on descriptors that point to a table (SPLIT-20) */
    bool shuffle;          /* tables are linked back to front (SPLIT-22) */
    unsigned mixed_direct; /* default 1 */
    uint16_t start;        /* position of a new ring (vhost-user only) */
    uint16_t next_avail;   /* where the next head goes */
    uint16_t published;    /* avail.idx as the device sees it */
    uint16_t next_used;    /* used entries before it were taken */
    uint16_t free_head;    /* free descriptors: a list through `next` */
    uint32_t free_count;
    unsigned in_flight;
    unsigned
        bad_used;   /* used entries that no chain in flight stands behind: a fault of the device */
    uint16_t *next; /* our own copy of the links */
    struct tnd_chain *chains; /* by head */
};

/*
 * A ring in new guest memory of `region`; 0: of the first region with room, given back with the
 * ring.
 */
int tnd_ring_new(struct tnd_ram *ram, unsigned region, uint32_t size, uint16_t start,
                 struct tnd_ring **out);
/* The same over areas that the caller chose, zeroed here. */
int tnd_ring_place(struct tnd_ram *ram, uint32_t size, uint64_t desc_gpa, uint64_t avail_gpa,
                   uint64_t used_gpa, uint16_t start, struct tnd_ring **out);
void tnd_ring_free(struct tnd_ring *ring);
/* All empty, at `start` again: what a driver does after a reset. */
void tnd_ring_clear(struct tnd_ring *ring);

/* Writes a chain and its place in the avail ring. Not yet visible. Returns its head; -ENOSPC. */
int tnd_ring_add(struct tnd_ring *ring, const struct tnd_seg *segs, unsigned count,
                 enum tnd_form form, void *token);
/* Makes what was added visible. True when the device asked for a kick (SPLIT-38..40; pair D). */
bool tnd_ring_publish(struct tnd_ring *ring);

struct tnd_used {
    uint32_t head, bytes;
    void *token;
};
/*
 * Takes one used entry and frees its descriptors. False: there is none. A wrong id is counted in
 * bad_used and has token NULL.
 */
bool tnd_ring_take(struct tnd_ring *ring, struct tnd_used *used);
/*
 * Asks for an interrupt for the next used entry. True when there is one already (then take it: pair
 * C).
 */
bool tnd_ring_irq_on(struct tnd_ring *ring);
/* With EVENT_IDX: for the used entry `after` places on from here (0: the next). */
bool tnd_ring_irq_after(struct tnd_ring *ring, uint16_t after);
void tnd_ring_irq_off(struct tnd_ring *ring);
/* A chain whose owner goes: its used entry, when it comes, has token NULL. */
void tnd_ring_forget(struct tnd_ring *ring, const void *token);

/* Raw access, whatever the ring's own records say. */
void tnd_raw_desc(struct tnd_ring *ring, uint32_t index, uint64_t gpa, uint32_t bytes,
                  uint16_t flags, uint16_t next);
void tnd_raw_table(struct tnd_ram *ram, uint64_t table, uint32_t index, uint64_t gpa,
                   uint32_t bytes, uint16_t flags, uint16_t next);
void tnd_raw_avail(struct tnd_ring *ring, uint16_t position, uint16_t head);
void tnd_raw_avail_idx(struct tnd_ring *ring, uint16_t idx);
void tnd_raw_avail_flags(struct tnd_ring *ring, uint16_t flags);
void tnd_raw_used_event(struct tnd_ring *ring, uint16_t event);
uint16_t tnd_raw_used_idx(const struct tnd_ring *ring);
uint16_t tnd_raw_used_flags(const struct tnd_ring *ring);
uint16_t tnd_raw_avail_event(const struct tnd_ring *ring);
void tnd_raw_used(const struct tnd_ring *ring, uint16_t position, uint32_t *id, uint32_t *bytes);
/* Offers `head` as the next chain and makes it visible: the descriptors are the caller's own. */
void tnd_raw_offer(struct tnd_ring *ring, uint16_t head);

#ifdef __cplusplus
}
#endif

#endif
