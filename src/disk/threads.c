/*
 * threads.c: the engine with a small pool of threads: for bodies that block.
 *
 *   worker:  submit -> at once, if that needs no waiting
 *            submit -> the channel's batch     commit -> the pool's queue (one lock), threads woken
 *   thread:  queue -> body->run -> tenon_io_done (posts to the io's worker) -> queue ...
 *
 * The threads start with the first channel and end with the last one: a disk that nobody uses costs
 * none. They take operations in the order of the queue, but these may end in any order. The link of
 * an operation lies in its scratch, so nothing is allocated on the way.
 */
#include "disk/body.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/list.h"
#include "base/signals.h"
#include "disk/host.h"

struct pool {
    const struct tn_body_ops *ops;
    void *body;
    pthread_mutex_t mutex;
    pthread_cond_t work;  /* there is something in the queue, or the end has come */
    pthread_cond_t left;  /* a thread has left an operation for good */
    struct tn_list queue; /* struct item */
    pthread_mutex_t crew; /* held while threads are started or ended; before `mutex` */
    unsigned channels;    /* open; under `crew` */
    unsigned wanted, started, idle;
    bool stopping;
    pthread_t threads[TN_THREADS_MAX];
};

struct tenon_channel {
    struct pool *pool;
    struct tn_list batch; /* submitted, not yet committed: the worker's alone */
    unsigned batched;
    unsigned running; /* operations in the hands of a thread; under the pool's mutex */
};

/*
 * The scratch of an operation. Linked: in the batch or in the queue; not linked: a thread has it.
 */
struct item {
    struct tn_list link;
    struct tenon_channel *channel;
    bool committed;
};

static struct tenon_io *io_of(struct item *item)
{
    return (struct tenon_io *)(void *)((char *)item -
                                       ((sizeof(struct tenon_io) + 15) & ~(size_t)15));
}

/* ---- the threads ---- */

/*
 * The thread counts as inside the operation until tenon_io_done has returned: as soon as done() has
 * run, the channel may be closed and its worker freed, and the thread may still be about to ring
 * that worker. close_channel waits for that moment.
 */
static void run_one(struct pool *pool, struct item *item)
{
    struct tenon_channel *channel = item->channel;
    struct tenon_io *io = io_of(item);

    channel->running++;
    pthread_mutex_unlock(&pool->mutex);
    tenon_io_done(io, pool->ops->run(pool->body, io));
    pthread_mutex_lock(&pool->mutex);
    if (--channel->running == 0) {
        pthread_cond_broadcast(&pool->left);
    }
}

static void *thread_main(void *opaque)
{
    struct pool *pool = opaque;

    tn_host_name_thread("tenon-disk");
    pthread_mutex_lock(&pool->mutex);
    while (!pool->stopping) {
        struct tn_list *first = tn_list_take_first(&pool->queue);
        if (first) {
            run_one(pool, TN_CONTAINER_OF(first, struct item, link));
            continue;
        }
        pool->idle++;
        pthread_cond_wait(&pool->work, &pool->mutex);
        pool->idle--;
    }
    pthread_mutex_unlock(&pool->mutex);
    return NULL;
}

static void stop_threads(struct pool *pool)
{
    unsigned started;

    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    started = pool->started;
    pthread_cond_broadcast(&pool->work);
    pthread_mutex_unlock(&pool->mutex);
    for (unsigned i = 0; i < started; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    pool->started = 0;
    pool->stopping = false;
}

/*
 * Starts what is missing. A pool with fewer threads than were asked for works, but slower than it
 * says: that is an error.
 */
static int start_threads(struct pool *pool)
{
    sigset_t blocked, before;
    int r = 0;

    tn_signals_of_others(&blocked);
    pthread_mutex_lock(&pool->mutex);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    while (r == 0 && pool->started < pool->wanted) {
        r = pthread_create(&pool->threads[pool->started], NULL, thread_main, pool);
        if (r == 0) {
            pool->started++;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_mutex_unlock(&pool->mutex);
    if (r != 0) {
        return tn_error(-r,
                        "a thread of the disk could not be started (%s); raise the limit of "
                        "threads, or use engine=inline",
                        strerror(r));
    }
    return 0;
}

/* ---- the channel: on its worker ---- */

static int open_channel(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    struct pool *pool = disk;
    struct tenon_channel *channel;
    int r;

    (void)worker;
    channel = calloc(1, sizeof(*channel));
    if (!channel) {
        return tn_error(-ENOMEM, "no memory for a channel to the disk");
    }
    channel->pool = pool;
    tn_list_init(&channel->batch);
    pthread_mutex_lock(&pool->crew);
    r = start_threads(pool);
    pool->channels += r == 0;
    pthread_mutex_unlock(&pool->crew);
    if (r != 0) {
        free(channel);
        return r;
    }
    *out = channel;
    return 0;
}

static int submit(struct tenon_channel *channel, struct tenon_io *io)
{
    const struct pool *pool = channel->pool;
    struct item *item = tenon_io_scratch(io);
    int r = pool->ops->at_once ? pool->ops->at_once(pool->body, io) : -EAGAIN;

    tn_list_init(&item->link);
    if (r != -EAGAIN) {
        tenon_io_done(io, r);
        return 0;
    }
    item->channel = channel;
    item->committed = false;
    tn_list_append(&channel->batch, &item->link);
    channel->batched++;
    return 0;
}

static void commit(struct tenon_channel *channel)
{
    struct pool *pool = channel->pool;
    unsigned wake = channel->batched;

    if (wake == 0) {
        return;
    }
    for (struct tn_list *link = channel->batch.next; link != &channel->batch; link = link->next) {
        TN_CONTAINER_OF(link, struct item, link)->committed = true;
    }
    channel->batched = 0;
    pthread_mutex_lock(&pool->mutex);
    tn_list_splice(&pool->queue, &channel->batch);
    if (wake >= pool->idle) {
        pthread_cond_broadcast(&pool->work);
    } else {
        for (; wake != 0; wake--) {
            pthread_cond_signal(&pool->work);
        }
    }
    pthread_mutex_unlock(&pool->mutex);
}

/* What no thread has taken yet can be taken back; what the kernel has in its hands cannot. */
static int cancel(struct tenon_channel *channel, struct tenon_io *io)
{
    struct pool *pool = channel->pool;
    struct item *item = tenon_io_scratch(io);
    int r = -EBUSY;

    pthread_mutex_lock(&pool->mutex);
    if (!tn_list_unlinked(&item->link)) {
        tn_list_remove(&item->link);
        channel->batched -= item->committed ? 0 : 1;
        r = 0;
    }
    pthread_mutex_unlock(&pool->mutex);
    return r;
}

static void close_channel(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    struct pool *pool = channel->pool;

    pthread_mutex_lock(&pool->mutex);
    while (channel->running != 0) {
        pthread_cond_wait(&pool->left, &pool->mutex);
    }
    pthread_mutex_unlock(&pool->mutex);
    pthread_mutex_lock(&pool->crew);
    if (--pool->channels == 0) {
        stop_threads(pool);
    }
    pthread_mutex_unlock(&pool->crew);
    free(channel);
    done(opaque);
}

/* ---- the disk ---- */

static int info(void *disk, struct tenon_disk_info *out)
{
    struct pool *pool = disk;

    return pool->ops->info(pool->body, out);
}

static void free_pool(struct pool *pool)
{
    stop_threads(pool);
    pthread_cond_destroy(&pool->left);
    pthread_cond_destroy(&pool->work);
    pthread_mutex_destroy(&pool->mutex);
    pthread_mutex_destroy(&pool->crew);
    free(pool);
}

static void free_disk(void *disk)
{
    struct pool *pool = disk;
    const struct tn_body_ops *ops = pool->ops;
    void *body = pool->body;

    free_pool(pool);
    if (ops->free) {
        ops->free(body);
    }
}

int tn_threads_open(const struct tn_body_ops *ops, void *body, unsigned threads,
                    const struct tn_disk_label *label, struct tenon_disk **out)
{
    static const struct tenon_disk_ops threads_ops = {
        .size = sizeof(threads_ops),
        .io_bytes = sizeof(struct item),
        .open = open_channel,
        .submit = submit,
        .commit = commit,
        .cancel = cancel,
        .close = close_channel,
        .info = info,
        .free = free_disk,
    };
    struct pool *pool;
    int r;

    if (threads > TN_THREADS_MAX) {
        return tn_error(-EINVAL, "%s: %u threads are too many; the pool has 1 to %d", label->name,
                        threads, TN_THREADS_MAX);
    }
    pool = calloc(1, sizeof(*pool));
    if (!pool) {
        return tn_error(-ENOMEM, "%s: no memory for the disk", label->name);
    }
    pool->ops = ops;
    pool->body = body;
    pool->wanted = threads != 0 ? threads : TN_THREADS_DEFAULT;
    tn_list_init(&pool->queue);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_mutex_init(&pool->crew, NULL);
    pthread_cond_init(&pool->work, NULL);
    pthread_cond_init(&pool->left, NULL);
    r = tn_disk_make(&threads_ops, pool, label, out);
    if (r != 0) {
        free_pool(pool);
    }
    return r;
}
