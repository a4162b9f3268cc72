/*
 * table.h: inside mem/: one region of guest memory, and the sorted table that holds regions.
 *
 *   table ──> region <── table        both are counted; neither changes once it is made
 *
 * Changing guest memory makes a new table. The old one lives until its last user is gone, and with
 * the last table of a region goes the region: unmapped, then its owner told. Any thread.
 */
#ifndef TN_MEM_TABLE_H
#define TN_MEM_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include "mem/mem.h"

struct tn_region {
    uint64_t gpa, bytes; /* gpa + bytes does not wrap */
    uint8_t *host;
    bool read_only;
    struct tn_guard *guard; /* NULL: not mapped by us */
    void *mapping;          /* NULL: not mapped by us; else what to unmap, whole pages */
    size_t mapping_bytes;
    void (*released)(void *opaque);
    void *opaque;
    uint64_t refs; /* tables that hold it */
};

struct tn_table {
    uint64_t refs;         /* the memory, views, and pins of views that moved on */
    uint64_t hits_checked; /* tn_guard_hits() when the guards were last looked at */
    bool poisoned;         /* never cleared: memory that was gone does not come back */
    unsigned count;
    struct tn_region *regions[]; /* by guest address, no overlap */
};

/* ---- region.c ---- */

/* Checks the options and maps the file if there is one. One reference for the caller. -errno. */
int tn_region_new(const struct tenon_region *options, struct tn_region **out);
/* Frees a region that no table ever held: its owner is not told. */
void tn_region_discard(struct tn_region *region);
void tn_region_get(struct tn_region *region);
/* The last one unmaps the region and tells its owner. */
void tn_region_put(struct tn_region *region);

/* ---- table.c ---- */

struct tn_table *tn_table_new_empty(void);
/*
 * A new table: the old one and `region` (the new table takes over the caller's reference). -EEXIST
 * when they overlap, -ENOMEM; the reference is the caller's then.
 */
int tn_table_with(const struct tn_table *old, struct tn_region *region, struct tn_table **out);
/* A new table: the old one without the region of exactly this place. -ENOENT, -ENOMEM. */
int tn_table_without(const struct tn_table *old, uint64_t gpa, uint64_t bytes,
                     struct tn_table **out);
void tn_table_get(struct tn_table *table, uint64_t references);
void tn_table_put(struct tn_table *table);

/* The region that holds this byte, or NULL. */
const struct tn_region *tn_table_find(const struct tn_table *table, uint64_t gpa);
bool tn_table_poisoned(struct tn_table *table);

/* ---- translate.c ---- */

bool tn_table_has(const struct tn_table *table, uint64_t gpa, uint64_t bytes, bool write);

/* ---- sigbus.c ---- */

/* How often tenon_sigbus put a page in place, in the whole process. */
uint64_t tn_guard_hits(void);

#endif
