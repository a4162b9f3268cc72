/*
 * bounce.h: direct I/O for requests that it does not fit: memory, offset or length that is no
 * multiple of what O_DIRECT wants.
 *
 *   request        |   ....xxxxxxxxxx|xxxxxxxxxxxxxxx|xxxx.........   |
 *   buffer         |aligned: read edges, lay the request over them, write whole blocks|
 *
 * The number of buffers is fixed when the disk is opened; who finds none waits. Whoever writes
 * parts of blocks holds the blocklock.
 */
#ifndef TN_DISK_BOUNCE_H
#define TN_DISK_BOUNCE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "disk/transfer.h"

enum { TN_BOUNCE_BUFFERS_MAX = 8, TN_BOUNCE_BYTES = 256 * 1024 };

struct tn_bounce {
    size_t memory_align, offset_align; /* powers of 2 */
    size_t buffer_bytes;
    unsigned count, free_count;
    void *free[TN_BOUNCE_BUFFERS_MAX];
    pthread_mutex_t mutex;
    pthread_cond_t returned;
};

/* -ENOMEM; nothing is left behind then. */
int tn_bounce_init(struct tn_bounce *bounce, size_t memory_align, size_t offset_align,
                   unsigned count);
void tn_bounce_destroy(struct tn_bounce *bounce);

/* Whether direct I/O takes the request as it is. */
bool tn_bounce_fits(const struct tn_bounce *bounce, const struct iovec *iov, unsigned count,
                    uint64_t start, uint64_t bytes);

/* `start` counts from the beginning of the file. The movers do the direct I/O. */
int tn_bounce_read(struct tn_bounce *bounce, const struct tn_mover *read, const struct iovec *iov,
                   unsigned count, uint64_t start, uint64_t bytes);
int tn_bounce_write(struct tn_bounce *bounce, const struct tn_mover *read,
                    const struct tn_mover *write, const struct iovec *iov, unsigned count,
                    uint64_t start, uint64_t bytes);

#endif
