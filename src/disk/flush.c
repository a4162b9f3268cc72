/*
 * flush.c: a flush for whoever has no worker: a thread of its own opens a channel, flushes, and
 * closes it, while the caller waits no longer than it wants to.
 *
 *   tenon_disk_flush ──> thread: a worker, a channel, one FLUSH ──> ended ──> the caller
 *
 * When the caller has given up, the thread goes on alone and cleans up when the disk has answered.
 */
#include "disk/disk.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"

enum { RETRY_MS = 1 };

/* The operation, with the disk's scratch behind it, and whose it is. */
struct own_io {
    struct flush *flush;
    struct tenon_io io;
};

struct flush {
    struct own_io *own;
    struct tenon_disk *disk;
    struct tenon_worker *worker;
    struct tenon_channel *channel;
    bool flushed, closed; /* on the thread, as is the answer */
    int answer;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* under lock */
    bool over;
    int result;
    unsigned holders; /* the caller and the thread */
};

static void put(struct flush *flush)
{
    pthread_mutex_lock(&flush->lock);
    bool last = --flush->holders == 0;
    pthread_mutex_unlock(&flush->lock);
    if (last) {
        pthread_cond_destroy(&flush->changed);
        pthread_mutex_destroy(&flush->lock);
        free(flush->own);
        free(flush);
    }
}

static void flushed(struct tenon_io *io, int result)
{
    struct own_io *own = (struct own_io *)(void *)((char *)io - offsetof(struct own_io, io));

    own->flush->flushed = true;
    own->flush->answer = result;
}

static struct flush *new_flush(struct tenon_disk *disk)
{
    struct flush *flush = calloc(1, sizeof(*flush));
    struct own_io *own = calloc(1, offsetof(struct own_io, io) + tn_disk_io_size(disk));
    pthread_condattr_t attributes;

    if (!flush || !own) {
        free(flush);
        free(own);
        return NULL;
    }
    flush->disk = tn_disk_get(disk);
    flush->own = own;
    own->flush = flush;
    own->io = (struct tenon_io){ .op = TENON_IO_FLUSH, .done = flushed };
    flush->holders = 2;
    pthread_mutex_init(&flush->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&flush->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return flush;
}

/* ---- on the thread ---- */

static void closed(void *opaque)
{
    struct flush *flush = opaque;

    flush->closed = true;
}

/* A disk that is full takes it a little later. */
static int submit(struct flush *flush)
{
    int result = tn_channel_submit(flush->disk, flush->channel, &flush->own->io);

    while (result == -EAGAIN) {
        tenon_worker_run(flush->worker, RETRY_MS);
        result = tn_channel_submit(flush->disk, flush->channel, &flush->own->io);
    }
    return result;
}

static int run_flush(struct flush *flush)
{
    int result = tn_channel_open(flush->disk, flush->worker, &flush->channel);

    if (result < 0) {
        return result;
    }
    result = submit(flush);
    if (result == 0) {
        tn_channel_commit(flush->disk, flush->channel);
        while (!flush->flushed) {
            tenon_worker_run(flush->worker, -1);
        }
        result = flush->answer;
    }
    tn_channel_close(flush->disk, flush->channel, closed, flush);
    while (!flush->closed) {
        tenon_worker_run(flush->worker, -1);
    }
    return result;
}

static void *flush_thread(void *opaque)
{
    struct flush *flush = opaque;
    int result = run_flush(flush);

    tenon_worker_free(flush->worker);
    /* Before the caller hears of it, who may close the disk then and want its lock to be gone. */
    tenon_disk_close(flush->disk);
    pthread_mutex_lock(&flush->lock);
    flush->over = true;
    flush->result = result;
    pthread_cond_signal(&flush->changed);
    pthread_mutex_unlock(&flush->lock);
    put(flush);
    return NULL;
}

/* ---- on the caller's ---- */

static int start_thread(struct flush *flush)
{
    struct tenon_worker_opts opts = { .size = sizeof(opts), .name = "tenon-flush" };
    pthread_attr_t attributes;
    pthread_t thread;
    int error = tenon_worker_new(&opts, &flush->worker);

    if (error < 0) {
        return error;
    }
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    flush->own->io.worker = flush->worker;
    error = pthread_create(&thread, &attributes, flush_thread, flush);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        tenon_worker_free(flush->worker);
        return tn_error(-error, "no thread for a flush: %s", strerror(error));
    }
    return 0;
}

static int wait_over(struct flush *flush, unsigned timeout_ms)
{
    uint64_t deadline = tenon_now() + (uint64_t)timeout_ms * 1000000u;
    struct timespec until = { .tv_sec = (time_t)(deadline / 1000000000u),
                              .tv_nsec = (long)(deadline % 1000000000u) };
    int result = 0;

    pthread_mutex_lock(&flush->lock);
    while (!flush->over && result != ETIMEDOUT) {
        result = pthread_cond_timedwait(&flush->changed, &flush->lock, &until);
    }
    result = flush->over ? flush->result : -ETIMEDOUT;
    pthread_mutex_unlock(&flush->lock);
    return result;
}

int tenon_disk_flush(struct tenon_disk *disk, unsigned timeout_ms)
{
    struct tenon_disk_info info = { .size = sizeof(info) };
    int result = tenon_disk_info(disk, &info);

    if (result < 0 || !info.can_flush) {
        return result; /* without a flush, what was written is stable already */
    }
    struct flush *flush = new_flush(disk);
    if (!flush) {
        return tn_error(-ENOMEM, "no memory for a flush");
    }
    result = start_thread(flush);
    if (result < 0) {
        tenon_disk_close(flush->disk);
        put(flush);
        put(flush);
        return result;
    }
    result = wait_over(flush, timeout_ms);
    put(flush);
    if (result < 0) {
        return tn_error(result, "the disk was not flushed: %s",
                        result == -ETIMEDOUT ? "it did not answer in time" : strerror(-result));
    }
    return 0;
}
