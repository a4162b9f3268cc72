/*
 * memory.c: guest memory that changes while queues run.
 *
 *   add, remove ──> new table ──> mem->current ──> changed() of each view ~~post~~> its worker:
 *                                                                          tn_view_refresh  │
 *        old table: + the view's pins, - the view's own reference  <────────────────────────┘
 *
 * Here: the object, its views, and who holds which table. The lock guards `current` and the list of
 * views; no region is ever released under it, since `released` is the embedder's code.
 */
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/num.h"
#include "base/opts.h"
#include "mem/table.h"

struct tenon_mem {
    pthread_mutex_t lock;
    struct tn_table *current; /* written under the lock */
    struct tn_table *empty;   /* made early, so that tenon_mem_free cannot fail */
    struct tn_list views;
    uint64_t users; /* the owner, views, tn_mem_get */
};

int tenon_mem_new(struct tenon_mem **out)
{
    struct tenon_mem *mem = calloc(1, sizeof(*mem));
    struct tn_table *empty = tn_table_new_empty();

    if (!mem || !empty || pthread_mutex_init(&mem->lock, NULL) != 0) {
        free(mem);
        free(empty);
        return tn_error(-ENOMEM, "no memory for a guest memory object");
    }
    tn_table_get(empty, 1);
    mem->current = mem->empty = empty;
    tn_list_init(&mem->views);
    mem->users = 1;
    *out = mem;
    return 0;
}

/* With the lock held. The caller puts the table that is returned, after it has let the lock go. */
static struct tn_table *mem_switch(struct tenon_mem *mem, struct tn_table *table)
{
    struct tn_table *old = mem->current;

    __atomic_store_n(&mem->current, table, __ATOMIC_RELEASE);
    for (struct tn_list *link = mem->views.next; link != &mem->views; link = link->next) {
        struct tn_view *view = TN_CONTAINER_OF(link, struct tn_view, link);
        view->changed(view);
    }
    return old;
}

int tenon_mem_add(struct tenon_mem *mem, const struct tenon_region *options)
{
    struct tenon_region known = { 0 };
    struct tn_region *region;
    struct tn_table *table, *old = NULL;
    int error = tn_opts_copy(&known, sizeof(known), options, "struct tenon_region");

    if (error < 0) {
        return error;
    }
    error = tn_region_new(&known, &region);
    if (error < 0) {
        return error;
    }
    pthread_mutex_lock(&mem->lock);
    error = tn_table_with(mem->current, region, &table);
    if (error == 0) {
        old = mem_switch(mem, table);
    }
    pthread_mutex_unlock(&mem->lock);
    if (error < 0) {
        tn_region_discard(region);
        return error;
    }
    tn_table_put(old);
    return 0;
}

int tenon_mem_remove(struct tenon_mem *mem, uint64_t gpa, uint64_t bytes)
{
    struct tn_table *table, *old = NULL;

    pthread_mutex_lock(&mem->lock);
    int error = tn_table_without(mem->current, gpa, bytes, &table);
    if (error == 0) {
        old = mem_switch(mem, table);
    }
    pthread_mutex_unlock(&mem->lock);
    if (error == 0) {
        tn_table_put(old);
    }
    return error;
}

void tenon_mem_free(struct tenon_mem *mem)
{
    if (!mem) {
        return;
    }
    pthread_mutex_lock(&mem->lock);
    tn_table_get(mem->empty, 1);
    struct tn_table *old = mem_switch(mem, mem->empty);
    pthread_mutex_unlock(&mem->lock);
    tn_table_put(old);
    tn_mem_put(mem);
}

struct tenon_mem *tn_mem_get(struct tenon_mem *mem)
{
    __atomic_fetch_add(&mem->users, 1, __ATOMIC_RELAXED);
    return mem;
}

void tn_mem_put(struct tenon_mem *mem)
{
    if (__atomic_sub_fetch(&mem->users, 1, __ATOMIC_ACQ_REL) != 0) {
        return;
    }
    tn_table_put(mem->current);
    tn_table_put(mem->empty);
    pthread_mutex_destroy(&mem->lock);
    free(mem);
}

bool tn_mem_has(struct tenon_mem *mem, uint64_t gpa, uint64_t bytes, bool write)
{
    pthread_mutex_lock(&mem->lock);
    bool has = tn_table_has(mem->current, gpa, bytes, write);
    pthread_mutex_unlock(&mem->lock);
    return has;
}

int tn_view_open(struct tn_view *view, struct tenon_mem *mem, void (*changed)(struct tn_view *view))
{
    view->mem = tn_mem_get(mem);
    view->last = (struct tn_hit){ 0 };
    view->pinned = 0;
    view->changed = changed;
    pthread_mutex_lock(&mem->lock);
    view->table = mem->current;
    tn_table_get(view->table, 1);
    tn_list_append(&mem->views, &view->link);
    pthread_mutex_unlock(&mem->lock);
    return 0;
}

/*
 * The view goes on to another table (or to none). From here on the pins of the old one are given
 * back one by one, by tn_table_put, so they join its count before the view's own reference leaves
 * it.
 */
static void view_move(struct tn_view *view, struct tn_table *table)
{
    struct tn_table *old = view->table;

    tn_table_get(old, view->pinned);
    view->pinned = 0;
    view->table = table;
    view->last = (struct tn_hit){ 0 };
    tn_table_put(old);
}

void tn_view_close(struct tn_view *view)
{
    struct tenon_mem *mem = view->mem;

    pthread_mutex_lock(&mem->lock);
    tn_list_remove(&view->link);
    pthread_mutex_unlock(&mem->lock);
    view_move(view, NULL);
    view->mem = NULL;
    tn_mem_put(mem);
}

bool tn_view_refresh(struct tn_view *view)
{
    struct tenon_mem *mem = view->mem;

    /* Only compared: the view's own table is alive, so no other one can be at its address. */
    if (__atomic_load_n(&mem->current, __ATOMIC_ACQUIRE) == view->table) {
        return false;
    }
    pthread_mutex_lock(&mem->lock);
    struct tn_table *table = mem->current;
    tn_table_get(table, 1);
    pthread_mutex_unlock(&mem->lock);
    view_move(view, table);
    return true;
}

void tn_view_unpin_old(struct tn_table *table)
{
    tn_table_put(table);
}

/* Iovecs may reach over several regions, where these are neighbours in our memory, too. */
static bool still_there(const struct tn_table *table, const struct iovec *iov)
{
    const uint8_t *at = iov->iov_base;
    size_t left = at ? iov->iov_len : 0; /* else it is a hole, which touches nothing */

    while (left != 0) {
        const struct tn_region *region = NULL;
        for (unsigned i = 0; i < table->count && !region; i++) {
            const struct tn_region *r = table->regions[i];
            region = at >= r->host && (uint64_t)(at - r->host) < r->bytes ? r : NULL;
        }
        if (!region) {
            return false;
        }
        size_t step = (size_t)tn_min_u64(left, region->bytes - (uint64_t)(at - region->host));
        at += step;
        left -= step;
    }
    return true;
}

bool tn_view_repin(struct tn_view *view, struct tn_table **pinned, const struct iovec *iov,
                   unsigned count)
{
    struct tn_table *old = *pinned;

    for (unsigned i = 0; i < count && old != view->table; i++) {
        if (!still_there(view->table, &iov[i])) {
            return false;
        }
    }
    *pinned = tn_view_pin(view);
    tn_view_unpin(view, old);
    return true;
}

bool tn_view_poisoned(const struct tn_view *view)
{
    return tn_table_poisoned(view->table);
}
