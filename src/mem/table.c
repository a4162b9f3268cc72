/*
 * table.c: the table of regions, sorted by guest address. A table never changes once it is made, so
 * that any number of threads can search it without a lock; see table.h.
 *
 * Here: making one table from another, counting its users, the search. Not here: who uses which
 * table when (memory.c), and what becomes of the region that was found (translate.c).
 */
#include "mem/table.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/num.h"

static struct tn_table *table_alloc(unsigned count)
{
    struct tn_table *table = calloc(1, sizeof(*table) + count * sizeof(table->regions[0]));

    if (table) {
        table->refs = 1;
        table->count = count;
    }
    return table;
}

struct tn_table *tn_table_new_empty(void)
{
    return table_alloc(0);
}

/* The first region that begins after `gpa`: an index from 0 to count. */
static unsigned table_after(const struct tn_table *table, uint64_t gpa)
{
    unsigned low = 0, high = table->count;

    while (low < high) {
        unsigned middle = low + (high - low) / 2;
        if (table->regions[middle]->gpa <= gpa) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

const struct tn_region *tn_table_find(const struct tn_table *table, uint64_t gpa)
{
    unsigned after = table_after(table, gpa);

    if (after == 0) {
        return NULL;
    }
    const struct tn_region *region = table->regions[after - 1];
    return gpa - region->gpa < region->bytes ? region : NULL;
}

static void table_copy(struct tn_table *to, unsigned at, const struct tn_table *from,
                       unsigned first, unsigned end)
{
    for (unsigned i = first; i < end; i++) {
        to->regions[at++] = from->regions[i];
        tn_region_get(from->regions[i]);
    }
}

static bool region_overlaps(const struct tn_region *a, const struct tn_region *b)
{
    return tn_range_overlaps(a->gpa, a->bytes, b->gpa, b->bytes);
}

int tn_table_with(const struct tn_table *old, struct tn_region *region, struct tn_table **out)
{
    unsigned at = table_after(old, region->gpa);

    /* The neighbours do not overlap each other, so only these two can reach into the new one. */
    if ((at > 0 && region_overlaps(old->regions[at - 1], region)) ||
        (at < old->count && region_overlaps(old->regions[at], region))) {
        return tn_error(-EEXIST,
                        "the memory region at guest address 0x%llx, 0x%llx bytes long, overlaps "
                        "another one: remove that one first",
                        (unsigned long long)region->gpa, (unsigned long long)region->bytes);
    }
    struct tn_table *table = table_alloc(old->count + 1);
    if (!table) {
        return tn_error(-ENOMEM, "no memory for a table of %u memory regions", old->count + 1);
    }
    table_copy(table, 0, old, 0, at);
    table->regions[at] = region;
    table_copy(table, at + 1, old, at, old->count);
    *out = table;
    return 0;
}

int tn_table_without(const struct tn_table *old, uint64_t gpa, uint64_t bytes,
                     struct tn_table **out)
{
    unsigned after = table_after(old, gpa);

    if (after == 0 || old->regions[after - 1]->gpa != gpa ||
        old->regions[after - 1]->bytes != bytes) {
        return tn_error(-ENOENT,
                        "there is no memory region at guest address 0x%llx that is 0x%llx bytes "
                        "long: a region is removed as a whole, as it was added",
                        (unsigned long long)gpa, (unsigned long long)bytes);
    }
    struct tn_table *table = table_alloc(old->count - 1);
    if (!table) {
        return tn_error(-ENOMEM, "no memory for a table of %u memory regions", old->count - 1);
    }
    table_copy(table, 0, old, 0, after - 1);
    table_copy(table, after - 1, old, after, old->count);
    *out = table;
    return 0;
}

void tn_table_get(struct tn_table *table, uint64_t references)
{
    __atomic_fetch_add(&table->refs, references, __ATOMIC_RELAXED);
}

void tn_table_put(struct tn_table *table)
{
    if (__atomic_sub_fetch(&table->refs, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    for (unsigned i = 0; i < table->count; i++) {
        tn_region_put(table->regions[i]);
    }
    free(table);
}

/*
 * The count of hits in the process is compared first: as long as nothing was hit since the last
 * look (as a rule: ever), two loads are all.
 */
bool tn_table_poisoned(struct tn_table *table)
{
    uint64_t hits = tn_guard_hits();

    if (__atomic_load_n(&table->hits_checked, __ATOMIC_ACQUIRE) != hits) {
        for (unsigned i = 0; i < table->count; i++) {
            const struct tn_guard *guard = table->regions[i]->guard;
            if (guard && tn_guard_hit(guard)) {
                __atomic_store_n(&table->poisoned, true, __ATOMIC_RELAXED);
            }
        }
        __atomic_store_n(&table->hits_checked, hits, __ATOMIC_RELEASE);
    }
    return __atomic_load_n(&table->poisoned, __ATOMIC_RELAXED);
}
