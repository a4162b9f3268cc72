/*
 * blocklock.c: see blocklock.h. The list is simply walked, and only where parts of blocks are
 * written. Each waits only for entries in front of its own: no circle is possible.
 */
#include "disk/blocklock.h"

#include "base/num.h"

void tn_blocklock_init(struct tn_blocklock *lock)
{
    pthread_mutex_init(&lock->mutex, NULL);
    pthread_cond_init(&lock->changed, NULL);
    tn_list_init(&lock->entries);
    lock->alone = 0;
}

void tn_blocklock_destroy(struct tn_blocklock *lock)
{
    pthread_cond_destroy(&lock->changed);
    pthread_mutex_destroy(&lock->mutex);
}

static bool must_wait(const struct tn_blocklock *lock, const struct tn_blocklock_entry *entry)
{
    if (lock->alone == 0) {
        return false;
    }
    for (struct tn_list *link = entry->link.prev; link != &lock->entries; link = link->prev) {
        const struct tn_blocklock_entry *other =
            TN_CONTAINER_OF(link, struct tn_blocklock_entry, link);

        if ((entry->alone || other->alone) &&
            tn_range_overlaps(entry->start, entry->bytes, other->start, other->bytes)) {
            return true;
        }
    }
    return false;
}

static void enter(struct tn_blocklock *lock, struct tn_blocklock_entry *entry, uint64_t start,
                  uint64_t bytes, bool alone)
{
    entry->start = start;
    entry->bytes = bytes;
    entry->alone = alone;
    lock->alone += alone;
    tn_list_append(&lock->entries, &entry->link);
}

static void leave(struct tn_blocklock *lock, struct tn_blocklock_entry *entry)
{
    lock->alone -= entry->alone;
    tn_list_remove(&entry->link);
}

void tn_blocklock_take(struct tn_blocklock *lock, struct tn_blocklock_entry *entry, uint64_t start,
                       uint64_t bytes, bool alone)
{
    pthread_mutex_lock(&lock->mutex);
    enter(lock, entry, start, bytes, alone);
    while (must_wait(lock, entry)) {
        pthread_cond_wait(&lock->changed, &lock->mutex);
    }
    pthread_mutex_unlock(&lock->mutex);
}

bool tn_blocklock_try(struct tn_blocklock *lock, struct tn_blocklock_entry *entry, uint64_t start,
                      uint64_t bytes, bool alone)
{
    bool taken;

    pthread_mutex_lock(&lock->mutex);
    enter(lock, entry, start, bytes, alone);
    taken = !must_wait(lock, entry);
    if (!taken) {
        leave(lock, entry);
    }
    pthread_mutex_unlock(&lock->mutex);
    return taken;
}

void tn_blocklock_give(struct tn_blocklock *lock, struct tn_blocklock_entry *entry)
{
    pthread_mutex_lock(&lock->mutex);
    leave(lock, entry);
    pthread_cond_broadcast(&lock->changed);
    pthread_mutex_unlock(&lock->mutex);
}
