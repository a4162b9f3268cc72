/*
 * translate.c: the only file that turns a guest address into a pointer.
 *
 *   gpa, bytes ──last hit, else search──> region ──> iovec ──(bytes left)──> next region ──> ...
 *
 * What a translation gives is valid while the table is pinned. Regions that are neighbours both in
 * guest memory and in this process give one iovec, and count as one piece for rings: an embedder
 * may hand over one mapping in several regions. Nothing here takes a lock, allocates, or logs: the
 * addresses are the guest's, and it may be wrong as often as it likes.
 */
#include <errno.h>

#include "base/num.h"
#include "mem/table.h"

static inline bool find(const struct tn_table *table, struct tn_hit *last, uint64_t gpa)
{
    if (gpa - last->gpa < last->bytes) {
        return true;
    }
    const struct tn_region *region = tn_table_find(table, gpa);
    if (!region) {
        return false;
    }
    *last = (struct tn_hit){
        .gpa = region->gpa,
        .bytes = region->bytes,
        .host = region->host,
        .read_only = region->read_only,
    };
    return true;
}

static int translate(const struct tn_table *table, struct tn_hit *last, uint64_t gpa,
                     uint64_t bytes, bool write, struct iovec *iov, unsigned room)
{
    unsigned used = 0;
    uint64_t end;

    if (!tn_add_u64(gpa, bytes, &end)) {
        return -EFAULT;
    }
    while (gpa < end) {
        if (!find(table, last, gpa) || (write && last->read_only)) {
            return -EFAULT;
        }
        uint64_t offset = gpa - last->gpa;
        uint64_t part = tn_min_u64(end - gpa, last->bytes - offset);
        uint8_t *host = last->host + offset;
        if (used != 0 && (uint8_t *)iov[used - 1].iov_base + iov[used - 1].iov_len == host) {
            iov[used - 1].iov_len += part;
        } else if (used == room) {
            return -ENOBUFS;
        } else {
            iov[used].iov_base = host;
            iov[used].iov_len = part;
            used++;
        }
        gpa += part;
    }
    return (int)used;
}

int tn_translate(struct tn_view *view, uint64_t gpa, uint64_t bytes, bool write, struct iovec *iov,
                 unsigned room)
{
    return translate(view->table, &view->last, gpa, bytes, write, iov, room);
}

void *tn_translate_flat(struct tn_view *view, uint64_t gpa, uint64_t bytes, bool write)
{
    struct iovec whole;
    int pieces = translate(view->table, &view->last, gpa, bytes, write, &whole, 1);

    return pieces == 1 ? whole.iov_base : NULL;
}

bool tn_table_has(const struct tn_table *table, uint64_t gpa, uint64_t bytes, bool write)
{
    struct tn_hit none = { 0 };
    struct iovec whole;

    return translate(table, &none, gpa, bytes, write, &whole, 1) == 1;
}

/*
 * A walk, since the table is sorted by guest address, and an embedder may show the same memory at
 * two of them (the lower one is the answer then).
 */
bool tn_translate_back(const struct tn_table *table, const void *host, uint64_t *gpa)
{
    for (unsigned i = 0; i < table->count; i++) {
        const struct tn_region *region = table->regions[i];
        uint64_t offset = (uintptr_t)host - (uintptr_t)region->host;
        if (offset < region->bytes) {
            *gpa = region->gpa + offset;
            return true;
        }
    }
    return false;
}
