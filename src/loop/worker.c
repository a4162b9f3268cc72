/*
 * worker.c: the worker as an object: made, given a thread, waited for, freed. What it does in a
 * turn is in loop.c.
 *
 *   new --> run, run, run ... (the embedder's thread) --> free
 *   new --> start --> (its own thread turns until the stop post) --> free
 *
 * Called on any thread, except for thread_main.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/num.h"
#include "base/opts.h"
#include "base/signals.h"
#include "loop/parts.h"

enum {
    FREE_ROUNDS = 1000,  /* of posts that post again, before free gives up on them */
    LATE_RING_MS = 1000, /* that free waits for a thread between its push and its ring */
    WAIT_SLICE_MS =
        20, /* after which a waiter looks by itself: `done` may be another thread's doing */
    ERROR_SLEEP_MS = 10
};

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

const struct tn_os_ops *tn_os_find(enum tenon_loop loop)
{
#ifdef __linux__
    if (loop == TENON_LOOP_AUTO || loop == TENON_LOOP_EPOLL) {
        return &tn_os_epoll;
    }
#endif
    return loop == TENON_LOOP_AUTO || loop == TENON_LOOP_POLL ? &tn_os_poll : NULL;
}

enum tenon_loop tn_worker_loop(const struct tenon_worker *worker)
{
    return worker->ops->loop;
}

const char *tenon_worker_name(const struct tenon_worker *worker)
{
    return worker->name;
}

bool tn_worker_has_thread(const struct tenon_worker *worker)
{
    return atomic_load(&worker->has_thread);
}

static void stop_now(struct tenon_post *post)
{
    TN_CONTAINER_OF(post, struct tenon_worker, stop)->stopping = true;
}

/* Its turn is all that it is for. */
static void wake_up(struct tenon_post *post)
{
    (void)post;
}

static int copy_cpus(const int *cpus, unsigned count, int **out)
{
    int *copy = NULL;
    int error;

    if (count != 0 && !cpus) {
        return tn_error(-EINVAL, "a worker's cpu_count is %u, but cpus is NULL", count);
    }
    error = tn_place_check(cpus, count);
    if (error != 0) {
        return error;
    }
    if (count != 0) {
        copy = malloc(count * sizeof(*copy));
        if (!copy) {
            return tn_error(-ENOMEM, "no memory for a worker's list of CPUs");
        }
        memcpy(copy, cpus, count * sizeof(*copy));
    }
    *out = copy;
    return 0;
}

static void init_locks(struct tenon_worker *worker)
{
    pthread_condattr_t monotonic;

    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&worker->run_lock, NULL);
    pthread_mutex_init(&worker->lock, NULL);
    pthread_cond_init(&worker->turned, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void destroy(struct tenon_worker *worker)
{
    if (worker->os) {
        worker->ops->close(worker->os);
    }
    pthread_cond_destroy(&worker->turned);
    pthread_mutex_destroy(&worker->lock);
    pthread_mutex_destroy(&worker->run_lock);
    free(worker->timers.heap);
    free(worker->cpus);
    free(worker);
}

int tenon_worker_new(const struct tenon_worker_opts *given, struct tenon_worker **out)
{
    struct tenon_worker_opts opts;
    struct tenon_worker *worker;
    const struct tn_os_ops *ops;
    int error = tn_opts_copy(&opts, sizeof(opts), given, "tenon_worker_new");

    if (error != 0) {
        return error;
    }
    ops = tn_os_find(opts.loop);
    if (!ops) {
        return tn_error(-ENOTSUP, "worker: this system has no loop of kind %d; use TENON_LOOP_AUTO",
                        (int)opts.loop);
    }
    worker = aligned_alloc(alignof(struct tenon_worker), sizeof(*worker));
    if (!worker) {
        return tn_error(-ENOMEM, "no memory for a worker");
    }
    memset(worker, 0, sizeof(*worker));
    worker->ops = ops;
    strncpy(worker->name, opts.name ? opts.name : "tenon", sizeof(worker->name) - 1);
    worker->stop.fn = stop_now;
    worker->wake.fn = wake_up;
    tn_list_init(&worker->ready);
    tn_list_init(&worker->finish);
    tn_list_init(&worker->pollers);
    tn_list_init(&worker->watches);
    tn_list_init(&worker->removed);
    init_locks(worker);
    worker->turn_time = worker->late_time = tenon_now();
    error = copy_cpus(opts.cpus, opts.cpu_count, &worker->cpus);
    if (error != 0) {
        goto fail;
    }
    worker->cpu_count = opts.cpu_count;
    error = ops->open(&worker->os);
    if (error != 0) {
        tn_error(error,
                 "worker %s: its descriptors cannot be made: %s; raise the limit of open files",
                 worker->name, strerror(-error));
        goto fail;
    }
    *out = worker;
    return 0;
fail:
    destroy(worker);
    return error;
}

static void *thread_main(void *arg)
{
    struct tenon_worker *worker = arg;
    int last_error = 0;

    tn_place_name(worker->name);
    worker->may_poll = sysconf(_SC_NPROCESSORS_ONLN) > 1;
    tn_worker_enter(worker);
    while (!worker->stopping) {
        int handled = tn_worker_turn(worker, TN_FOREVER);
        if (handled < 0 && handled != -EINTR) {
            const struct timespec pause = { .tv_nsec = ERROR_SLEEP_MS * NS_PER_MS };
            if (handled != last_error) {
                tn_log(TENON_LOG_ERROR, "worker %s cannot wait for events: %s", worker->name,
                       strerror(-handled));
            }
            last_error = handled;
            nanosleep(&pause, NULL);
        }
    }
    tn_worker_leave(worker);
    return NULL;
}

static int create_thread(struct tenon_worker *worker)
{
    sigset_t blocked, before;
    int error;

    tn_signals_of_others(&blocked);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    error = tn_place_create(&worker->thread, worker->cpus, worker->cpu_count, thread_main, worker);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return error;
}

int tenon_worker_start(struct tenon_worker *worker)
{
    int error;

    pthread_mutex_lock(&worker->run_lock);
    pthread_mutex_lock(&worker->lock);
    if (tn_worker_has_thread(worker)) {
        error =
            tn_error(-EALREADY, "worker %s has its thread already; start it once", worker->name);
        goto out;
    }
    /* The thread sees it from its first callback on. */
    atomic_store(&worker->has_thread, true);
    error = create_thread(worker);
    if (error != 0) {
        atomic_store(&worker->has_thread, false);
        tn_error(error,
                 "worker %s: its thread cannot be started: %s; look at the limit of processes",
                 worker->name, strerror(-error));
    }
out:
    pthread_mutex_unlock(&worker->lock);
    pthread_mutex_unlock(&worker->run_lock);
    return error;
}

int tenon_worker_pin(struct tenon_worker *worker, const int *cpus, unsigned cpu_count)
{
    int *copy = NULL;
    int error = copy_cpus(cpus, cpu_count, &copy);

    if (error != 0) {
        return error;
    }
    pthread_mutex_lock(&worker->lock);
    if (tn_worker_has_thread(worker)) {
        error = tn_place_move(worker->thread, copy, cpu_count);
    }
    if (error == 0) {
        int *old = worker->cpus;
        worker->cpus = copy;
        worker->cpu_count = cpu_count;
        copy = old;
    } else {
        tn_error(error,
                 "worker %s cannot be bound to these CPUs: %s; look at what this process may use",
                 worker->name, strerror(-error));
    }
    pthread_mutex_unlock(&worker->lock);
    free(copy);
    return error;
}

unsigned tenon_worker_cpus(struct tenon_worker *worker, int *cpus, unsigned room)
{
    pthread_mutex_lock(&worker->lock);
    unsigned count = worker->cpu_count;
    for (unsigned i = 0; i < count && i < room; i++) {
        cpus[i] = worker->cpus[i];
    }
    pthread_mutex_unlock(&worker->lock);
    return count;
}

void tenon_worker_free(struct tenon_worker *worker)
{
    if (!worker) {
        return;
    }
    if (tn_worker_has_thread(worker)) {
        tenon_worker_post(worker, &worker->stop);
        pthread_join(worker->thread, NULL);
    }
    tn_worker_enter(worker);
    for (int i = 0; i < FREE_ROUNDS && tn_worker_run_pending(worker); i++) {
    }
    tn_worker_leave(worker);
    /* Whoever posted last may be about to ring (post.c); a thread that was killed just there is not
     * waited for. */
    for (int ms = 0; worker->ops->rings(worker->os, 0) < worker->rings_owed && ms < LATE_RING_MS;
         ms++) {
        worker->ops->rings(worker->os, 1);
    }
    destroy(worker);
}

void tn_worker_tell(struct tenon_worker *worker)
{
    pthread_mutex_lock(&worker->lock);
    worker->turns_told++;
    pthread_cond_broadcast(&worker->turned);
    pthread_mutex_unlock(&worker->lock);
}

/* Until a turn that is not counted in `seen` has ended, or `until` has come. */
static void wait_for_turn(struct tenon_worker *worker, uint64_t seen, uint64_t until)
{
    const struct timespec at = { .tv_sec = (time_t)(until / NS_PER_S),
                                 .tv_nsec = (long)(until % NS_PER_S) };

    pthread_mutex_lock(&worker->lock);
    if (worker->turns_told == seen) {
        pthread_cond_timedwait(&worker->turned, &worker->lock, &at);
    }
    pthread_mutex_unlock(&worker->lock);
}

static uint64_t turns_told(struct tenon_worker *worker)
{
    uint64_t told;

    pthread_mutex_lock(&worker->lock);
    told = worker->turns_told;
    pthread_mutex_unlock(&worker->lock);
    return told;
}

bool tn_worker_wait(struct tenon_worker *worker, bool (*done)(void *opaque), void *opaque,
                    unsigned timeout_ms)
{
    uint64_t end = tenon_now() + timeout_ms * NS_PER_MS;
    bool woken = false;
    bool over;

    if (tenon_worker_here(worker)) {
        return done(opaque);
    }
    atomic_fetch_add(&worker->waiters, 1);
    for (;;) {
        uint64_t told = turns_told(worker);
        uint64_t now = tenon_now();
        uint64_t left;

        over = done(opaque);
        if (over || now >= end) {
            break;
        }
        left = tn_min_u64(end - now, WAIT_SLICE_MS * NS_PER_MS);
        if (!tn_worker_has_thread(worker) && pthread_mutex_trylock(&worker->run_lock) == 0) {
            tn_worker_crank(worker, left);
            pthread_mutex_unlock(&worker->run_lock);
            continue;
        }
        /* One turn that begins after we were counted: whatever made it true before that is then
         * told, too. */
        if (!woken) {
            tenon_worker_post(worker, &worker->wake);
            woken = true;
        }
        wait_for_turn(worker, told, now + left);
    }
    atomic_fetch_sub(&worker->waiters, 1);
    return over;
}
