/*
 * uring_open.c: disks over io_uring and their channels: made, watched, and ended when nothing of
 * them is in the kernel's hands any more. The way of operations is in uring.c. Disks on any thread,
 * channels on their worker.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "disk/uring.h"
#include "loop/loop.h"

/* ---- the end of a channel ---- */

static void free_channel(struct tenon_channel *channel)
{
    tenon_watch_remove(channel->watch);
    tenon_timer_free(channel->retry);
    if (channel->has_ring) {
        tn_ring_close(&channel->ring);
    }
    free(channel);
}

/* Whoever closed the channel while operations were under way hears of it after the last one. */
static void close_if_idle(struct tenon_channel *channel)
{
    struct tn_aside_channel aside = channel->aside;
    void (*closed)(void *opaque) = channel->closed;
    void *opaque = channel->closed_opaque;

    if (closed && channel->accepted == 0) {
        free_channel(channel);
        tn_aside_leave(&aside, closed, opaque);
    }
}

static void close_channel(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    channel->closed = done;
    channel->closed_opaque = opaque;
    tn_uring_commit(channel);
    close_if_idle(channel);
}

/* ---- its beginning ---- */

static void on_ready(void *opaque, int fd, unsigned events)
{
    (void)fd, (void)events;
    tn_uring_poll(opaque);
    close_if_idle(opaque);
}

static void on_retry(void *opaque)
{
    tn_uring_commit(opaque);
    close_if_idle(opaque);
}

static int open_ring(struct tenon_channel *channel, struct tenon_worker *worker)
{
    bool one_thread = tn_worker_has_thread(worker) && tenon_worker_here(worker);
    const struct tn_uring *uring = channel->uring;
    int r = tn_ring_open(&channel->ring, uring->fd, one_thread, uring->kernel_threads);

    if (r != 0 && uring->or_threads) {
        tn_log(TENON_LOG_WARNING, "no ring of io_uring could be made (%s): threads take its place",
               strerror(-r));
        return 0;
    }
    if (r != 0) {
        return tn_error(r, "a ring of io_uring could not be made (%s); use engine=threads",
                        strerror(-r));
    }
    channel->has_ring = true;
    r = tenon_timer_new(worker, on_retry, channel, &channel->retry);
    if (r == 0) {
        r = tenon_watch_add(worker, channel->ring.io.ring_fd, TENON_READABLE, on_ready, channel,
                            &channel->watch);
    }
    return r;
}

static int open_channel(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    struct tenon_channel *channel = calloc(1, sizeof(*channel));
    struct tn_uring *uring = disk;
    int r;

    if (!channel) {
        return tn_error(-ENOMEM, "no memory for a channel to the disk");
    }
    channel->uring = uring;
    channel->aside = (struct tn_aside_channel){ .aside = &uring->aside, .worker = worker };
    tn_list_init(&channel->waiting);
    r = open_ring(channel, worker);
    if (r != 0) {
        free_channel(channel);
        return r;
    }
    *out = channel;
    return 0;
}

/* ---- the disk ---- */

static int info(void *disk, struct tenon_disk_info *out)
{
    struct tn_uring *uring = disk;

    return uring->ops->info(uring->body, out);
}

static void free_disk(void *disk)
{
    struct tn_uring *uring = disk;

    tn_aside_close(&uring->aside);
    if (uring->ops->free) {
        uring->ops->free(uring->body);
    }
    free(uring);
}

int tn_uring_open(const struct tn_body_ops *ops, void *body, int fd, unsigned threads,
                  bool or_threads, const struct tn_disk_label *label, struct tenon_disk **out)
{
    struct tenon_disk_ops uring_ops = {
        .size = sizeof(uring_ops),
        .open = open_channel,
        .submit = tn_uring_submit,
        .commit = tn_uring_commit,
        .poll = tn_uring_poll,
        .cancel = tn_uring_cancel,
        .close = close_channel,
        .info = info,
        .free = free_disk,
    };
    struct tn_uring *uring = calloc(1, sizeof(*uring));
    int r;

    if (!uring) {
        return tn_error(-ENOMEM, "%s: no memory for the disk", label->name);
    }
    *uring = (struct tn_uring){ .ops = ops, .body = body, .fd = fd, .or_threads = or_threads };
    uring->kernel_threads = threads != 0 ? threads : TN_THREADS_DEFAULT;
    r = tn_aside_open(&uring->aside, ops, body, threads, label);
    if (r == 0) {
        uring_ops.io_bytes = uring->aside.io_bytes + tn_uring_item_bytes();
        r = tn_disk_make(&uring_ops, uring, label, out);
    }
    if (r != 0) {
        tn_aside_close(&uring->aside);
        free(uring);
    }
    return r;
}
