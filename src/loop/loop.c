/*
 * loop.c: one turn of a worker, and what the embedder calls for it.
 *
 *   poll, sleep -> clock -> timers -> watches -> posts -> ready tasks -> finish tasks -> (again)
 *
 * Each step runs what was there when it began, and what is asked for meanwhile makes the next sleep
 * a short look: so nobody who asks again and again keeps the others from their turn. An idle worker
 * is in the kernel; a kick is one return from there.
 *
 * Runs on the worker. No lock and no allocation in a turn.
 */
#include <errno.h>
#include <time.h>

#include "base/err.h"
#include "base/num.h"
#include "loop/parts.h"

enum { FINISH_ROUNDS = 8 };

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

/* The innermost worker whose loop this thread is in. */
static _Thread_local struct tenon_worker *current;

bool tenon_worker_here(const struct tenon_worker *worker)
{
    for (const struct tenon_worker *at = current; at; at = at->outer) {
        if (at == worker) {
            return true;
        }
    }
    return false;
}

void tn_worker_enter(struct tenon_worker *worker)
{
    worker->outer = current;
    current = worker;
}

void tn_worker_leave(struct tenon_worker *worker)
{
    current = worker->outer;
    worker->outer = NULL;
}

uint64_t tenon_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * NS_PER_S + (uint64_t)now.tv_nsec;
}

uint64_t tn_worker_turn_time(const struct tenon_worker *worker)
{
    return worker->turn_time;
}

uint64_t tn_worker_late_time(const struct tenon_worker *worker)
{
    return worker->late_time;
}

void tn_task_init(struct tn_task *task, void (*fn)(struct tn_task *task))
{
    tn_list_init(&task->link);
    task->fn = fn;
}

static void ask(struct tenon_worker *worker, struct tn_list *list, struct tn_task *task)
{
    if (!tn_list_unlinked(&task->link)) {
        return;
    }
    tn_list_append(list, &task->link);
    if (worker->fd_asked && !tenon_worker_here(worker)) {
        tn_worker_settle(worker);
    }
}

void tn_task_ready(struct tenon_worker *worker, struct tn_task *task)
{
    ask(worker, &worker->ready, task);
}

void tn_task_finish(struct tenon_worker *worker, struct tn_task *task)
{
    ask(worker, &worker->finish, task);
}

void tn_task_cancel(struct tn_task *task)
{
    tn_list_remove(&task->link);
}

/* Runs the tasks that are on the list now; those that ask again wait for the next round. */
static int run_tasks(struct tn_list *list)
{
    struct tn_list batch;
    struct tn_list *link;
    int handled = 0;

    tn_list_init(&batch);
    tn_list_splice(&batch, list);
    while ((link = tn_list_take_first(&batch))) {
        struct tn_task *task = TN_CONTAINER_OF(link, struct tn_task, link);
        task->fn(task);
        handled++;
    }
    return handled;
}

/* What a finish task asks for runs at once, but one that never stops asking must not stop the
 * loop. */
static void run_finish(struct tenon_worker *worker)
{
    for (int i = 0; i < FINISH_ROUNDS && !tn_list_empty(&worker->finish); i++) {
        run_tasks(&worker->finish);
    }
}

bool tn_worker_pending(const struct tenon_worker *worker)
{
    return worker->posts.first || !tn_list_empty(&worker->ready) || !tn_list_empty(&worker->finish);
}

static uint64_t sleep_time(struct tenon_worker *worker, uint64_t limit)
{
    uint64_t deadline = tn_timers_next(&worker->timers);

    if (limit == 0 || tn_worker_pending(worker)) {
        return 0;
    }
    if (deadline != TN_FOREVER) {
        uint64_t now = tenon_now();
        limit = deadline > now ? tn_min_u64(limit, deadline - now) : 0;
    }
    return limit != 0 && tn_posts_may_sleep(worker) ? limit : 0;
}

/* Until there is something to do. What wait() says. */
static int rest(struct tenon_worker *worker, uint64_t limit_ns)
{
    if (!tn_list_empty(&worker->pollers) && limit_ns != 0 && !tn_worker_pending(worker)) {
        return tn_pollers_spin(worker); /* its own thread, which has no other limit */
    }
    return worker->ops->wait(worker->os, sleep_time(worker, limit_ns), worker->events,
                             TN_READY_ROOM);
}

int tn_worker_turn(struct tenon_worker *worker, uint64_t limit_ns)
{
    int ready = rest(worker, limit_ns);
    int handled;

    worker->turn_time = worker->late_time = tenon_now();
    worker->rung_self = false;
    worker->dispatching = true;
    /* First of all, so that what this thread posted before it came in stays before what it posts
     * from now on. */
    tn_posts_collect(worker);
    handled = tn_timers_run(worker);
    handled += tn_watches_run(worker, ready);
    handled += tn_posts_run(worker);
    if (!tn_list_empty(&worker->pollers)) {
        tn_pollers_look(worker);
    }
    handled += run_tasks(&worker->ready);
    run_finish(worker);
    if (atomic_load_explicit(&worker->waiters, memory_order_relaxed) != 0) {
        tn_worker_tell(worker);
    }
    return handled == 0 && ready < 0 ? ready : handled;
}

int tn_worker_crank(struct tenon_worker *worker, uint64_t limit_ns)
{
    uint64_t end = TN_FOREVER;
    int handled;

    if (limit_ns != TN_FOREVER && limit_ns != 0) {
        end = tenon_now() + limit_ns;
    }
    tn_worker_enter(worker);
    for (;;) {
        handled = tn_worker_turn(worker, limit_ns);
        if (handled != 0 || limit_ns == 0 || worker->turn_time >= end) {
            break;
        }
        if (end != TN_FOREVER) {
            limit_ns = end - worker->turn_time;
        }
    }
    tn_worker_leave(worker);
    tn_worker_settle(worker);
    return handled == -EINTR ? 0 : handled;
}

int tenon_worker_run(struct tenon_worker *worker, int timeout_ms)
{
    uint64_t limit = timeout_ms < 0 ? TN_FOREVER : (uint64_t)timeout_ms * NS_PER_MS;
    int handled;

    if (tenon_worker_here(worker)) {
        return tn_error(-EDEADLK,
                        "worker %s: run from one of its own callbacks; return from there first",
                        worker->name);
    }
    pthread_mutex_lock(&worker->run_lock);
    if (tn_worker_has_thread(worker)) {
        handled = tn_error(-EBUSY, "worker %s has a thread of its own; do not run it yourself",
                           worker->name);
    } else {
        handled = tn_worker_crank(worker, limit);
    }
    pthread_mutex_unlock(&worker->run_lock);
    return handled;
}

bool tn_worker_run_pending(struct tenon_worker *worker)
{
    int handled;

    worker->turn_time = worker->late_time = tenon_now();
    handled = tn_posts_run(worker);
    handled += run_tasks(&worker->ready);
    if (!tn_list_empty(&worker->finish)) {
        run_finish(worker);
        handled++;
    }
    return handled != 0;
}

void tn_worker_settle(struct tenon_worker *worker)
{
    if (!worker->fd_asked) {
        return;
    }
    if (tn_worker_pending(worker) || !tn_posts_may_sleep(worker)) {
        tn_worker_ring_self(worker);
    } else {
        worker->ops->alarm(worker->os, tn_timers_next(&worker->timers), tenon_now());
    }
}

int tenon_worker_fd(struct tenon_worker *worker)
{
    bool here = tenon_worker_here(worker);
    int fd;

    if (!here) {
        pthread_mutex_lock(&worker->run_lock);
    }
    if (tn_worker_has_thread(worker)) {
        fd = tn_error(-EBUSY, "worker %s has a thread of its own; it has no descriptor to wait for",
                      worker->name);
    } else {
        fd = worker->ops->fd(worker->os);
        worker->fd_asked = fd >= 0;
    }
    if (fd == -ENOTSUP) {
        tn_error(fd, "worker %s: poll(2) has no descriptor to wait for; run it with a timeout",
                 worker->name);
    }
    if (!here) {
        tn_worker_settle(worker);
        pthread_mutex_unlock(&worker->run_lock);
    }
    return fd;
}
