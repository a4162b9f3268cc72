/*
 * mem.h: the door of mem/: how the library reads guest addresses.
 *
 *   tenon_mem ──current──> table (unchanging, sorted, counted): a change makes a new one, and
 *      │                                                         tells every view
 *      └─ views, one per queue: each holds the table of its last refresh; requests pin the one
 *                               that they were translated with
 *
 * Only translate.c turns a guest address into a pointer. Pinning costs a plain increment: atomics
 * are touched only when the table changes.
 *
 * Threads: a view belongs to one worker. tn_mem_* are for any thread.
 */
#ifndef TN_MEM_MEM_H
#define TN_MEM_MEM_H

#include <stdbool.h>
#include <sys/uio.h>

#include "base/list.h"
#include "tenon/mem.h"

struct tn_table;

/* A copy of what a region is, for who looks there again; no bytes: of none. */
struct tn_hit {
    uint64_t gpa, bytes;
    uint8_t *host;
    bool read_only;
};

struct tn_view {
    struct tenon_mem *mem;
    struct tn_table *table; /* as of the last refresh; holds one reference */
    struct tn_hit last;     /* buffers that follow each other mostly lie in one region of it */
    /* requests that pin `table`; becomes part of its count when the view moves on */
    uint64_t pinned;
    /* any thread, with mem's lock held: only post from here */
    void (*changed)(struct tn_view *view);
    struct tn_list link; /* in mem's list of views */
};

/* Registers a view; keeps `mem` alive until tn_view_close. 0, or -ENOMEM. */
int tn_view_open(struct tn_view *view, struct tenon_mem *mem,
                 void (*changed)(struct tn_view *view));
/* Every pin has been given back. No `changed` call is running or comes when it returns. */
void tn_view_close(struct tn_view *view);

/*
 * Takes the current table, so that the one before can go when its pins are gone. True when it was
 * another one. On the view's worker.
 */
bool tn_view_refresh(struct tn_view *view);

/* A request that was translated through the view pins its table until it has ended. */
static inline struct tn_table *tn_view_pin(struct tn_view *view)
{
    view->pinned++;
    return view->table;
}
void tn_view_unpin_old(struct tn_table *table); /* the view has moved on since */
static inline void tn_view_unpin(struct tn_view *view, struct tn_table *table)
{
    if (table == view->table) {
        view->pinned--;
    } else {
        tn_view_unpin_old(table);
    }
}
/*
 * A request that waits long holds up nobody who removes memory: its pin moves on to the view's
 * table. False, and nothing changes, when a byte of its iovecs is not there any more.
 */
bool tn_view_repin(struct tn_view *view, struct tn_table **pinned, const struct iovec *iov,
                   unsigned count);

/* Whether a region of the view's table was hit by SIGBUS: somebody truncated the file under it. */
bool tn_view_poisoned(const struct tn_view *view);

/*
 * Translates [gpa, gpa + bytes) into at most `room` iovecs. Returns how many it took (0 for 0
 * bytes); -EFAULT when a byte of it is outside memory, or read-only and `write` is set; -ENOBUFS
 * when `room` is too small.
 */
int tn_translate(struct tn_view *view, uint64_t gpa, uint64_t bytes, bool write, struct iovec *iov,
                 unsigned room);

/*
 * The same for what lies in one piece where the last translation ended, without a call; NULL: it
 * does not, or is empty, and may all the same be in memory.
 */
static inline void *tn_translate_again(const struct tn_view *view, uint64_t gpa, uint64_t bytes,
                                       bool write)
{
    const struct tn_hit *last = &view->last;
    uint64_t offset = gpa - last->gpa;

    if (bytes == 0 || offset >= last->bytes || bytes > last->bytes - offset ||
        (write && last->read_only)) {
        return NULL;
    }
    return last->host + offset;
}

/* The same for memory that must lie in one piece (rings, indirect tables): the pointer, or NULL. */
void *tn_translate_flat(struct tn_view *view, uint64_t gpa, uint64_t bytes, bool write);

/*
 * The guest address behind a pointer that tn_translate gave; false when it is in no region of the
 * table.
 */
bool tn_translate_back(const struct tn_table *table, const void *host, uint64_t *gpa);

/* Whether [gpa, gpa + bytes) lies in memory in one piece now. Any thread; takes mem's lock. */
bool tn_mem_has(struct tenon_mem *mem, uint64_t gpa, uint64_t bytes, bool write);

/*
 * One more user of the memory object itself; given back with tn_mem_put (which, unlike
 * tenon_mem_free, removes no region).
 */
struct tenon_mem *tn_mem_get(struct tenon_mem *mem);
void tn_mem_put(struct tenon_mem *mem);

/*
 * ---- sigbus.c: also for mappings that are not guest memory (an inflight region, a mapped image)
 * ----
 */

struct tn_guard; /* one registered mapping */

/*
 * Registers a mapping for tenon_sigbus. -ENOSPC when there is no free place (then a fault there is
 * not survived). Any thread.
 */
int tn_guard_add(void *base, size_t bytes, struct tn_guard **out);
void tn_guard_remove(struct tn_guard *guard);
bool tn_guard_hit(const struct tn_guard *guard);
/* Whether somebody said that faults there are handled (tenon_sigbus_installed). */
bool tn_sigbus_is_handled(void);

#endif
