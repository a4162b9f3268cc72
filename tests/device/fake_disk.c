/*
 * fake_disk.c: the disks of fake_disk.h. Their functions run on the device's worker, on the pool's
 * threads, and (ends of held operations) on the thread of the test; one lock each.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "fake_disk.h"

struct tenon_channel {
    struct fake_disk *fake;
    struct tenon_worker *worker;
};

static void copy_iov(const struct tenon_io *io, uint8_t *bytes, bool to_disk)
{
    uint64_t done = 0;
    for (unsigned i = 0; i < io->iov_count; i++) {
        if (to_disk) {
            memcpy(bytes + io->offset + done, io->iov[i].iov_base, io->iov[i].iov_len);
        } else {
            memcpy(io->iov[i].iov_base, bytes + io->offset + done, io->iov[i].iov_len);
        }
        done += io->iov[i].iov_len;
    }
}

/*
 * Does the operation and says its result. With the lock held; the caller calls tenon_io_done
 * without it.
 */
static struct tenon_io *end_op(struct fake_disk *fake, struct fake_op *op)
{
    struct tenon_io *io = op->io;
    op->result = fake->fault ? fake->fault(fake->fault_opaque, op) : 0;
    if (op->result == 0 && (io->op == TENON_IO_READ || io->op == TENON_IO_WRITE)) {
        copy_iov(io, fake->bytes, io->op == TENON_IO_WRITE);
    } else if (op->result == 0 && io->op != TENON_IO_FLUSH) {
        memset(fake->bytes + io->offset, 0, io->bytes);
    }
    op->io = NULL;
    op->ended = ++fake->ended;
    return io;
}

static int fake_submit(struct tenon_channel *channel, struct tenon_io *io)
{
    struct fake_disk *fake = channel->fake;
    int result = 0;
    bool now = false;

    pthread_mutex_lock(&fake->lock);
    if (fake->depth && fake->count - fake->ended >= fake->depth) {
        pthread_mutex_unlock(&fake->lock);
        return -EAGAIN;
    }
    if (fake->count == FAKE_LOG) {
        pthread_mutex_unlock(&fake->lock);
        return -ENOSPC;
    }
    struct fake_op *op = &fake->log[fake->count++];
    *op = (struct fake_op){ .io = io,
                            .op = io->op,
                            .flags = io->flags,
                            .iov_count = io->iov_count,
                            .offset = io->offset,
                            .bytes = io->bytes,
                            .batch = fake->commits };
    if (!fake->hold) {
        end_op(fake, op);
        result = op->result;
        now = true;
    }
    pthread_mutex_unlock(&fake->lock);
    if (now) {
        tenon_io_done(io, result);
    }
    return 0;
}

static void fake_commit(struct tenon_channel *channel)
{
    pthread_mutex_lock(&channel->fake->lock);
    channel->fake->commits++;
    pthread_mutex_unlock(&channel->fake->lock);
}

static int fake_cancel(struct tenon_channel *channel, struct tenon_io *io)
{
    struct fake_disk *fake = channel->fake;
    int result = -EBUSY;

    pthread_mutex_lock(&fake->lock);
    for (unsigned i = 0; fake->can_cancel && i < fake->count; i++) {
        if (fake->log[i].io == io) {
            fake->log[i].io = NULL;
            fake->log[i].ended = ++fake->ended;
            fake->log[i].result = -ECANCELED;
            fake->cancelled++;
            result = 0;
        }
    }
    pthread_mutex_unlock(&fake->lock);
    return result;
}

static int fake_channel(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    struct fake_disk *fake = disk;
    struct tenon_channel *channel = calloc(1, sizeof(*channel));
    if (!channel) {
        return -ENOMEM;
    }
    channel->fake = fake;
    channel->worker = worker;
    pthread_mutex_lock(&fake->lock);
    fake->channels++;
    pthread_mutex_unlock(&fake->lock);
    *out = channel;
    return 0;
}

static void fake_close(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&channel->fake->lock);
    channel->fake->channels--;
    pthread_mutex_unlock(&channel->fake->lock);
    free(channel);
    done(opaque);
}

static int fake_info(void *disk, struct tenon_disk_info *info)
{
    struct fake_disk *fake = disk;
    pthread_mutex_lock(&fake->lock);
    *info = fake->info;
    pthread_mutex_unlock(&fake->lock);
    return 0;
}

static void fake_freed(void *disk)
{
    ((struct fake_disk *)disk)->freed = true;
}

struct fake_disk *fake_new(uint64_t bytes)
{
    struct fake_disk *fake = calloc(1, sizeof(*fake));
    if (!fake) {
        return NULL;
    }
    fake->bytes = calloc(1, bytes);
    fake->info = (struct tenon_disk_info){ .size = sizeof(fake->info),
                                           .bytes = bytes,
                                           .block_bytes = 512,
                                           .can_flush = true,
                                           .can_discard = true,
                                           .can_zero = true,
                                           .zero_unmaps = true };
    pthread_mutex_init(&fake->lock, NULL);
    return fake;
}

int fake_open(struct fake_disk *fake, struct tenon_disk **out)
{
    struct tenon_disk_ops ops = { .size = sizeof(ops),
                                  .open = fake_channel,
                                  .submit = fake_submit,
                                  .commit = fake_commit,
                                  .cancel = fake_cancel,
                                  .close = fake_close,
                                  .info = fake_info,
                                  .free = fake_freed };
    return tenon_disk_open_custom(&ops, fake, out);
}

void fake_free(struct fake_disk *fake)
{
    if (fake) {
        pthread_mutex_destroy(&fake->lock);
        free(fake->bytes);
        free(fake);
    }
}

void fake_hold(struct fake_disk *fake, bool on)
{
    pthread_mutex_lock(&fake->lock);
    fake->hold = on;
    pthread_mutex_unlock(&fake->lock);
}

void fake_set_fault(struct fake_disk *fake, int (*fault)(void *opaque, const struct fake_op *op),
                    void *opaque)
{
    pthread_mutex_lock(&fake->lock);
    fake->fault = fault;
    fake->fault_opaque = opaque;
    pthread_mutex_unlock(&fake->lock);
}

unsigned fake_submitted(struct fake_disk *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned count = fake->count;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

unsigned fake_held(struct fake_disk *fake)
{
    pthread_mutex_lock(&fake->lock);
    unsigned count = fake->count - fake->ended;
    pthread_mutex_unlock(&fake->lock);
    return count;
}

struct fake_op fake_op(struct fake_disk *fake, unsigned index)
{
    pthread_mutex_lock(&fake->lock);
    struct fake_op op = fake->log[index];
    pthread_mutex_unlock(&fake->lock);
    return op;
}

unsigned fake_count(struct fake_disk *fake, uint8_t op)
{
    unsigned n = 0;
    pthread_mutex_lock(&fake->lock);
    for (unsigned i = 0; i < fake->count; i++) {
        n += fake->log[i].op == op;
    }
    pthread_mutex_unlock(&fake->lock);
    return n;
}

bool fake_release(struct fake_disk *fake, unsigned index)
{
    struct tenon_io *io = NULL;
    int result = 0;

    pthread_mutex_lock(&fake->lock);
    if (index < fake->count && fake->log[index].io) {
        io = end_op(fake, &fake->log[index]);
        result = fake->log[index].result;
    }
    pthread_mutex_unlock(&fake->lock);
    if (io) {
        tenon_io_done(io, result);
    }
    return io != NULL;
}

void fake_release_all(struct fake_disk *fake)
{
    fake_hold(fake, false);
    unsigned count = fake_submitted(fake);
    for (unsigned i = 0; i < count; i++) {
        fake_release(fake, i);
    }
}

/* ---- short_disk ---- */

/* What one call does before it moves anything: a negative errno, or how many bytes it may move. */
static ssize_t short_limit(struct short_disk *d, const struct iovec *iov, int count)
{
    uint64_t total = 0;
    __atomic_fetch_add(&d->calls, 1, __ATOMIC_RELAXED);
    int error = __atomic_load_n(&d->error, __ATOMIC_ACQUIRE);
    int interrupts = __atomic_load_n(&d->interrupts, __ATOMIC_ACQUIRE);
    if (error) {
        return error;
    }
    if (interrupts != 0) {
        __atomic_store_n(&d->interrupts, interrupts > 0 ? interrupts - 1 : -1, __ATOMIC_RELEASE);
        return -EINTR;
    }
    for (int i = 0; i < count; i++) {
        total += iov[i].iov_len;
    }
    return (ssize_t)(d->most && total > d->most ? d->most : total);
}

static ssize_t short_move(struct short_disk *d, const struct iovec *iov, int count, uint64_t offset,
                          uint64_t limit, bool write)
{
    uint64_t done = 0;
    for (int i = 0; i < count && done < limit; i++) {
        uint64_t n = iov[i].iov_len < limit - done ? iov[i].iov_len : limit - done;
        if (write) {
            memcpy(d->bytes + offset + done, iov[i].iov_base, n);
        } else {
            memcpy(iov[i].iov_base, d->bytes + offset + done, n);
        }
        done += n;
    }
    return (ssize_t)done;
}

static ssize_t short_read(void *disk, const struct iovec *iov, int count, uint64_t offset)
{
    struct short_disk *d = disk;
    uint64_t end = d->end ? d->end : d->size;
    ssize_t limit = short_limit(d, iov, count);
    if (limit < 0) {
        return limit;
    }
    uint64_t left = offset < end ? end - offset : 0;
    return short_move(d, iov, count, offset, (uint64_t)limit < left ? (uint64_t)limit : left,
                      false);
}

static ssize_t short_write(void *disk, const struct iovec *iov, int count, uint64_t offset)
{
    struct short_disk *d = disk;
    ssize_t limit = short_limit(d, iov, count);
    if (limit < 0 || d->no_progress) {
        return limit < 0 ? limit : 0;
    }
    if (d->error_from && offset >= d->error_from) {
        return -ENOSPC;
    }
    if (d->error_from && offset + (uint64_t)limit > d->error_from) {
        limit = (ssize_t)(d->error_from - offset);
    }
    return short_move(d, iov, count, offset, (uint64_t)limit, true);
}

static int short_flush(void *disk)
{
    (void)disk;
    return 0;
}

static int short_info(void *disk, struct tenon_disk_info *info)
{
    struct short_disk *d = disk;
    *info = (struct tenon_disk_info){
        .size = sizeof(*info), .bytes = d->size, .block_bytes = 512, .can_flush = true
    };
    return 0;
}

int short_open(struct short_disk *disk, struct tenon_disk **out)
{
    struct tenon_disk_simple_ops ops = { .size = sizeof(ops),
                                         .preadv = short_read,
                                         .pwritev = short_write,
                                         .flush = short_flush,
                                         .info = short_info };
    return tenon_disk_open_simple(&ops, disk, 1, out);
}
