/*
 * faulty_disk.c: the disk of faulty_disk.h, as a channel (its threads end what is pending in random
 * order) and as plain functions (called by the pool).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "faulty_disk.h"

enum { SECTOR = 512, MOST = 64 * SECTOR };

struct tenon_channel {
    struct faulty_disk *faulty;
};

/* With the lock held. */
static uint32_t dice(struct faulty_disk *f, uint32_t sides)
{
    f->random = f->random * 1664525u + 1013904223u;
    return (f->random >> 8) % sides;
}

static int some_errno(struct faulty_disk *f)
{
    static const int errors[] = { -EIO, -ENOSPC, -ETIMEDOUT, -EREMOTEIO, -ENOMEM };
    return errors[dice(f, 5)];
}

static uint64_t gather(const struct iovec *iov, unsigned count, uint8_t *to)
{
    uint64_t done = 0;
    for (unsigned i = 0; i < count && done + iov[i].iov_len <= MOST; i++) {
        memcpy(to + done, iov[i].iov_base, iov[i].iov_len);
        done += iov[i].iov_len;
    }
    return done;
}

static void copy_out(const struct iovec *iov, unsigned count, const uint8_t *from, uint64_t bytes)
{
    uint64_t done = 0;
    for (unsigned i = 0; i < count && done < bytes; i++) {
        uint64_t n = iov[i].iov_len < bytes - done ? iov[i].iov_len : bytes - done;
        memcpy(iov[i].iov_base, from + done, n);
        done += n;
    }
}

/* Neighbours may come as one operation; what was failed comes again by itself. */
static void note_write(struct faulty_disk *f, const uint8_t *data, uint64_t bytes, int result)
{
    for (uint64_t at = 0; at < bytes; at += SECTOR) {
        uint64_t id;
        memcpy(&id, data + at, sizeof(id));
        if (id < FAULTY_IDS) {
            __atomic_store_n(&f->result[id], result, __ATOMIC_RELEASE);
        }
    }
}

/* ---- asynchronous ---- */

static bool is_write(const struct tenon_io *io)
{
    return io->op == TENON_IO_WRITE || io->op == TENON_IO_ZEROES || io->op == TENON_IO_DISCARD;
}

static bool overlap(const struct tenon_io *a, const struct tenon_io *b)
{
    return is_write(a) && is_write(b) && a->offset < b->offset + b->bytes &&
           b->offset < a->offset + a->bytes;
}

static void note_overlaps(struct faulty_disk *f, const struct tenon_io *io)
{
    for (unsigned i = 0; i < f->count; i++) {
        f->overlapping += overlap(f->pending[i], io);
    }
    for (unsigned i = 0; i < FAULTY_THREADS; i++) {
        f->overlapping += f->running[i] && overlap(f->running[i], io);
    }
}

/* A failed write may have changed the first sectors of its range. */
static int do_write(struct faulty_disk *f, struct tenon_io *io, int result)
{
    uint8_t data[MOST] = { 0 };
    uint64_t bytes = io->bytes;

    if (result != 0) {
        bytes = dice(f, (uint32_t)(bytes / SECTOR) + 1) * (uint64_t)SECTOR;
    }
    if (io->op == TENON_IO_WRITE) {
        gather(io->iov, io->iov_count, data);
        note_write(f, data, io->bytes, result);
    }
    memcpy(f->cache + io->offset, data, bytes);
    return result;
}

static int run(struct faulty_disk *f, struct tenon_io *io)
{
    int result = dice(f, 1000) < f->permille ? some_errno(f) : 0;

    f->failed_others += result != 0 && io->op != TENON_IO_WRITE;
    if (is_write(io)) {
        return do_write(f, io, result);
    }
    if (io->op == TENON_IO_FLUSH && result == 0) {
        memcpy(f->media, f->cache, FAULTY_BYTES);
    } else if (io->op == TENON_IO_READ) {
        /* A failed one may have written some of it, too. */
        uint64_t bytes = result ? dice(f, (uint32_t)io->bytes) : io->bytes;
        copy_out(io->iov, io->iov_count, f->cache + io->offset, bytes);
    }
    return result;
}

struct self {
    struct faulty_disk *faulty;
    unsigned index;
};

static void *work(void *opaque)
{
    struct self self = *(struct self *)opaque;
    struct faulty_disk *f = self.faulty;

    free(opaque);
    pthread_mutex_lock(&f->lock);
    while (!f->stop || f->count) {
        if (f->count == 0) {
            pthread_cond_wait(&f->more, &f->lock);
            continue;
        }
        unsigned which = dice(f, f->count);
        unsigned delay = dice(f, 3) ? 0 : dice(f, 300);
        struct tenon_io *io = f->pending[which];
        f->pending[which] = f->pending[--f->count];
        f->running[self.index] = io;
        pthread_mutex_unlock(&f->lock);
        usleep(delay);
        pthread_mutex_lock(&f->lock);
        int result = run(f, io);
        f->running[self.index] = NULL;
        pthread_mutex_unlock(&f->lock);
        tenon_io_done(io, result);
        pthread_mutex_lock(&f->lock);
    }
    pthread_mutex_unlock(&f->lock);
    return NULL;
}

static int faulty_submit(struct tenon_channel *channel, struct tenon_io *io)
{
    struct faulty_disk *f = channel->faulty;
    int result = 0;

    pthread_mutex_lock(&f->lock);
    if (f->count == FAULTY_DEPTH || dice(f, 12) == 0) {
        f->full++;
        result = -EAGAIN;
    } else if (dice(f, 2000) < f->permille) { /* refused at the door */
        result = some_errno(f);
        f->failed_others += io->op != TENON_IO_WRITE;
        if (io->op == TENON_IO_WRITE) {
            uint8_t data[MOST] = { 0 };
            gather(io->iov, io->iov_count, data);
            note_write(f, data, io->bytes, result);
        }
    } else {
        note_overlaps(f, io);
        f->pending[f->count++] = io;
        pthread_cond_signal(&f->more);
    }
    pthread_mutex_unlock(&f->lock);
    return result;
}

static int faulty_channel(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    struct tenon_channel *channel = calloc(1, sizeof(*channel));
    (void)worker;
    if (!channel) {
        return -ENOMEM;
    }
    channel->faulty = disk;
    *out = channel;
    return 0;
}

static void faulty_close(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    free(channel);
    done(opaque);
}

static int faulty_info(void *disk, struct tenon_disk_info *info)
{
    (void)disk;
    *info = (struct tenon_disk_info){ .size = sizeof(*info),
                                      .bytes = FAULTY_BYTES,
                                      .block_bytes = SECTOR,
                                      .can_flush = true,
                                      .can_zero = true };
    return 0;
}

/* ---- plain functions ---- */

/* -errno, or how many bytes are moved now: often fewer than asked for, and no whole sectors. */
static ssize_t allowance(struct faulty_disk *f, const struct iovec *iov, int count)
{
    uint64_t total = 0;
    for (int i = 0; i < count; i++) {
        total += iov[i].iov_len;
    }
    if (dice(f, 6) == 0) {
        return -EINTR;
    }
    if (dice(f, 1000) < f->permille) {
        return some_errno(f);
    }
    return (ssize_t)(total > 1 && dice(f, 2) ? 1 + dice(f, (uint32_t)total - 1) : total);
}

static ssize_t simple_read(void *disk, const struct iovec *iov, int count, uint64_t offset)
{
    struct faulty_disk *f = disk;

    pthread_mutex_lock(&f->lock);
    ssize_t bytes = allowance(f, iov, count);
    if (bytes > 0) {
        copy_out(iov, (unsigned)count, f->cache + offset, (uint64_t)bytes);
    }
    pthread_mutex_unlock(&f->lock);
    return bytes;
}

static ssize_t simple_write(void *disk, const struct iovec *iov, int count, uint64_t offset)
{
    uint8_t data[MOST];
    struct faulty_disk *f = disk;

    pthread_mutex_lock(&f->lock);
    ssize_t bytes = allowance(f, iov, count);
    if (bytes > 0) {
        gather(iov, (unsigned)count, data);
        memcpy(f->cache + offset, data, (size_t)bytes);
    }
    pthread_mutex_unlock(&f->lock);
    return bytes;
}

static int simple_flush(void *disk)
{
    struct faulty_disk *f = disk;

    pthread_mutex_lock(&f->lock);
    int result = dice(f, 1000) < f->permille ? some_errno(f) : 0;
    if (result == 0) {
        memcpy(f->media, f->cache, FAULTY_BYTES);
    }
    pthread_mutex_unlock(&f->lock);
    return result;
}

static int simple_zero(void *disk, uint64_t offset, uint64_t bytes, bool may_unmap)
{
    struct faulty_disk *f = disk;

    (void)may_unmap;
    pthread_mutex_lock(&f->lock);
    int result = dice(f, 1000) < f->permille ? some_errno(f) : 0;
    memset(f->cache + offset, 0, result ? 0 : bytes);
    pthread_mutex_unlock(&f->lock);
    return result;
}

/* ---- the object ---- */

struct faulty_disk *faulty_new(unsigned seed)
{
    struct faulty_disk *f = calloc(1, sizeof(*f));
    if (!f) {
        return NULL;
    }
    f->random = seed;
    for (unsigned i = 0; i < FAULTY_IDS; i++) {
        f->result[i] = FAULTY_UNKNOWN;
    }
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->more, NULL);
    return f;
}

int faulty_open(struct faulty_disk *faulty, struct tenon_disk **out)
{
    struct tenon_disk_ops ops = { .size = sizeof(ops),
                                  .open = faulty_channel,
                                  .submit = faulty_submit,
                                  .close = faulty_close,
                                  .info = faulty_info };
    for (unsigned i = 0; i < FAULTY_THREADS; i++) {
        struct self *self = malloc(sizeof(*self));
        if (!self) {
            return -ENOMEM;
        }
        *self = (struct self){ faulty, i };
        if (pthread_create(&faulty->threads[i], NULL, work, self) != 0) {
            free(self);
            return -EAGAIN;
        }
    }
    return tenon_disk_open_custom(&ops, faulty, out);
}

int faulty_open_simple(struct faulty_disk *faulty, struct tenon_disk **out)
{
    struct tenon_disk_simple_ops ops = { .size = sizeof(ops),
                                         .preadv = simple_read,
                                         .pwritev = simple_write,
                                         .flush = simple_flush,
                                         .zero = simple_zero,
                                         .info = faulty_info };
    return tenon_disk_open_simple(&ops, faulty, FAULTY_THREADS, out);
}

void faulty_copy(struct faulty_disk *faulty, bool media, uint64_t offset, void *to, uint64_t bytes)
{
    pthread_mutex_lock(&faulty->lock);
    memcpy(to, (media ? faulty->media : faulty->cache) + offset, bytes);
    pthread_mutex_unlock(&faulty->lock);
}

void faulty_free(struct faulty_disk *faulty)
{
    pthread_mutex_lock(&faulty->lock);
    faulty->stop = true;
    pthread_cond_broadcast(&faulty->more);
    pthread_mutex_unlock(&faulty->lock);
    for (unsigned i = 0; i < FAULTY_THREADS; i++) {
        if (faulty->threads[i]) {
            pthread_join(faulty->threads[i], NULL);
        }
    }
    pthread_cond_destroy(&faulty->more);
    pthread_mutex_destroy(&faulty->lock);
    free(faulty);
}
