/*
 * blocklock.h: keeps a read-modify-write of a disk block apart from other changes to that block.
 *
 *   write of whole blocks        goes along with any other such write
 *   write of a part of a block   alone with its blocks: what it read would else be written back
 *                                over a newer neighbour
 *
 * First come, first served among those that collide; those that do not are never held up. The
 * entries are the callers'.
 */
#ifndef TN_DISK_BLOCKLOCK_H
#define TN_DISK_BLOCKLOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"

struct tn_blocklock {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    struct tn_list entries; /* in the order of arrival, under way or waiting */
    unsigned alone;         /* how many of them are */
};

struct tn_blocklock_entry {
    struct tn_list link;
    uint64_t start, bytes;
    bool alone;
};

void tn_blocklock_init(struct tn_blocklock *lock);
void tn_blocklock_destroy(struct tn_blocklock *lock);

/* [start, start + bytes) are whole blocks. May block until those that came before have ended. */
void tn_blocklock_take(struct tn_blocklock *lock, struct tn_blocklock_entry *entry, uint64_t start,
                       uint64_t bytes, bool alone);
/* False where the other one would block: nothing is held then. */
bool tn_blocklock_try(struct tn_blocklock *lock, struct tn_blocklock_entry *entry, uint64_t start,
                      uint64_t bytes, bool alone);
void tn_blocklock_give(struct tn_blocklock *lock, struct tn_blocklock_entry *entry);

#endif
