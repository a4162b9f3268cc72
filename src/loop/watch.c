/*
 * watch.c: descriptors that a worker watches.
 *
 * A turn's ready events name their watches by pointer, and any callback may remove any watch. So a
 * watch that is removed between the sleep and the last callback stays in memory, without its
 * function, until all of them are through. Runs on the worker.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "loop/parts.h"

int tn_watches_run(struct tenon_worker *worker, int ready)
{
    struct tn_list *link;
    int handled = 0;

    for (int i = 0; i < ready; i++) {
        const struct tn_ready *now = &worker->events[i];
        struct tenon_watch *watch = now->watch;
        /* As of now: a callback before this one may have removed, changed or silenced it. */
        unsigned events = now->events & watch->events;

        if (now->broken && watch->events != 0) {
            events = TENON_READABLE | TENON_WRITABLE;
        }
        if (watch->fn && events != 0) {
            watch->fn(watch->opaque, watch->fd, events);
            handled++;
        }
    }
    worker->dispatching = false;
    while ((link = tn_list_take_first(&worker->removed))) {
        free(TN_CONTAINER_OF(link, struct tenon_watch, link));
    }
    return handled;
}

static bool is_watched(const struct tenon_worker *worker, int fd)
{
    for (const struct tn_list *at = worker->watches.next; at != &worker->watches; at = at->next) {
        if (TN_CONTAINER_OF(at, struct tenon_watch, link)->fd == fd) {
            return true;
        }
    }
    return false;
}

static int watch_error(const struct tenon_worker *worker, int fd, int error)
{
    if (error == -EPERM) {
        return tn_error(
            error,
            "worker %s: descriptor %d is a plain file, which is always ready; do not watch it",
            worker->name, fd);
    }
    return tn_error(error, "worker %s: descriptor %d cannot be watched: %s", worker->name, fd,
                    strerror(-error));
}

int tenon_watch_add(struct tenon_worker *worker, int fd, unsigned events, tenon_watch_fn *fn,
                    void *opaque, struct tenon_watch **out)
{
    struct tenon_watch *watch;
    int error;

    if (!fn || (events & ~(unsigned)(TENON_READABLE | TENON_WRITABLE)) != 0) {
        return tn_error(-EINVAL,
                        "worker %s: a watch needs a function, and readable or writable as events",
                        worker->name);
    }
    if (is_watched(worker, fd)) {
        return watch_error(worker, fd, -EEXIST);
    }
    watch = calloc(1, sizeof(*watch));
    if (!watch) {
        return watch_error(worker, fd, -ENOMEM);
    }
    watch->worker = worker;
    watch->fn = fn;
    watch->opaque = opaque;
    watch->fd = fd;
    watch->events = events;
    error = worker->ops->add(worker->os, watch, events);
    if (error != 0) {
        free(watch);
        return watch_error(worker, fd, error);
    }
    tn_list_append(&worker->watches, &watch->link);
    *out = watch;
    return 0;
}

int tenon_watch_set(struct tenon_watch *watch, unsigned events)
{
    int error;

    if (events == watch->events) {
        return 0;
    }
    if ((events & ~(unsigned)(TENON_READABLE | TENON_WRITABLE)) != 0) {
        return watch_error(watch->worker, watch->fd, -EINVAL);
    }
    error = watch->worker->ops->set(watch->worker->os, watch, events);
    if (error != 0) {
        return watch_error(watch->worker, watch->fd, error);
    }
    watch->events = events;
    return 0;
}

void tenon_watch_remove(struct tenon_watch *watch)
{
    struct tenon_worker *worker;

    if (!watch) {
        return;
    }
    worker = watch->worker;
    worker->ops->remove(worker->os, watch);
    tn_list_remove(&watch->link);
    if (!worker->dispatching) {
        free(watch);
        return;
    }
    watch->fn = NULL;
    tn_list_append(&worker->removed, &watch->link);
}
