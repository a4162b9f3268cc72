/*
 * timer.c: the timers of a worker, in a binary heap with the earliest on top.
 *
 * The heap has room for every timer that exists, so that setting one never fails. A timer that is
 * set while timers run, to a time that has passed already, waits for the next turn: it cannot keep
 * the others waiting. Runs on the worker.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/num.h"
#include "loop/parts.h"

enum { FIRST_ROOM = 16 };

static bool is_before(const struct tenon_timer *a, const struct tenon_timer *b)
{
    return a->deadline != b->deadline ? a->deadline < b->deadline : a->order < b->order;
}

static void put(struct tn_timers *timers, unsigned place, struct tenon_timer *timer)
{
    timers->heap[place] = timer;
    timer->place = place;
}

static void sift_up(struct tn_timers *timers, unsigned place, struct tenon_timer *timer)
{
    while (place != 0) {
        unsigned parent = (place - 1) / 2;
        if (!is_before(timer, timers->heap[parent])) {
            break;
        }
        put(timers, place, timers->heap[parent]);
        place = parent;
    }
    put(timers, place, timer);
}

static void sift_down(struct tn_timers *timers, unsigned place, struct tenon_timer *timer)
{
    for (;;) {
        unsigned child = 2 * place + 1;
        if (child >= timers->armed) {
            break;
        }
        if (child + 1 < timers->armed && is_before(timers->heap[child + 1], timers->heap[child])) {
            child++;
        }
        if (!is_before(timers->heap[child], timer)) {
            break;
        }
        put(timers, place, timers->heap[child]);
        place = child;
    }
    put(timers, place, timer);
}

static void take_out(struct tn_timers *timers, struct tenon_timer *timer)
{
    unsigned place = timer->place;
    struct tenon_timer *last = timers->heap[--timers->armed];

    timer->place = TN_TIMER_IDLE;
    if (last == timer) {
        return;
    }
    if (place != 0 && is_before(last, timers->heap[(place - 1) / 2])) {
        sift_up(timers, place, last);
    } else {
        sift_down(timers, place, last);
    }
}

uint64_t tn_timers_next(const struct tn_timers *timers)
{
    return timers->armed != 0 ? timers->heap[0]->deadline : TN_FOREVER;
}

int tn_timers_run(struct tenon_worker *worker)
{
    struct tn_timers *timers = &worker->timers;
    int handled = 0;

    timers->running = true;
    while (timers->armed != 0 && timers->heap[0]->deadline <= worker->turn_time) {
        struct tenon_timer *timer = timers->heap[0];
        take_out(timers, timer);
        timer->fn(timer->opaque);
        handled++;
    }
    timers->running = false;
    return handled;
}

int tenon_timer_new(struct tenon_worker *worker, tenon_timer_fn *fn, void *opaque,
                    struct tenon_timer **out)
{
    struct tn_timers *timers = &worker->timers;
    struct tenon_timer *timer = calloc(1, sizeof(*timer));

    if (!timer) {
        goto fail;
    }
    if (timers->made == timers->room) {
        unsigned room = timers->room != 0 ? 2 * timers->room : FIRST_ROOM;
        struct tenon_timer **heap = realloc(timers->heap, room * sizeof(*heap));
        if (!heap) {
            goto fail;
        }
        timers->heap = heap;
        timers->room = room;
    }
    timers->made++;
    timer->worker = worker;
    timer->fn = fn;
    timer->opaque = opaque;
    timer->place = TN_TIMER_IDLE;
    *out = timer;
    return 0;
fail:
    free(timer);
    return tn_error(-ENOMEM, "worker %s: no memory for a timer", worker->name);
}

void tenon_timer_set(struct tenon_timer *timer, uint64_t deadline_ns)
{
    struct tenon_worker *worker = timer->worker;
    struct tn_timers *timers = &worker->timers;

    tenon_timer_cancel(timer);
    timer->deadline =
        timers->running ? tn_max_u64(deadline_ns, worker->turn_time + 1) : deadline_ns;
    timer->order = timers->order++;
    sift_up(timers, timers->armed++, timer);
    if (worker->fd_asked && !tenon_worker_here(worker)) {
        tn_worker_settle(worker);
    }
}

void tenon_timer_cancel(struct tenon_timer *timer)
{
    if (timer->place != TN_TIMER_IDLE) {
        take_out(&timer->worker->timers, timer);
    }
}

void tenon_timer_free(struct tenon_timer *timer)
{
    if (!timer) {
        return;
    }
    tenon_timer_cancel(timer);
    timer->worker->timers.made--;
    free(timer);
}
