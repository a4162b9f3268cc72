/*
 * parts.h: the worker as the files of loop/ see it, and what they call on one another. Not a door:
 * only loop/ includes it.
 *
 *   loop.c    one turn, the task lists        worker.c   the object, its thread, waiting for it
 *   watch.c   descriptors                     post.c     work from other threads
 *   timer.c   heap of timers                  poll.c     looking for work instead of sleeping
 *
 * Everything but `inbox`, `waiters` and `has_thread` belongs to the thread that is inside the loop.
 */
#ifndef TN_LOOP_PARTS_H
#define TN_LOOP_PARTS_H

#include <limits.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>

#include "base/list.h"
#include "loop/loop.h"
#include "loop/os.h"

enum {
    TN_NAME_BYTES = 16, /* what a thread name holds on Linux, with its final zero */
    TN_READY_ROOM = 64, /* watches that are served in one turn */
    TN_CACHE_LINE = 64
};

struct tenon_watch {
    struct tn_list link; /* in worker->watches, or in worker->removed */
    struct tenon_worker *worker;
    tenon_watch_fn *fn; /* NULL: removed, to be freed when this turn's events are through */
    void *opaque;
    int fd;
    unsigned events;
    unsigned place; /* the body's */
};

struct tenon_timer {
    struct tenon_worker *worker;
    tenon_timer_fn *fn;
    void *opaque;
    uint64_t deadline;
    uint64_t order; /* among equal deadlines: who was set first */
    unsigned place; /* in the heap; TN_TIMER_IDLE when not armed */
};

#define TN_TIMER_IDLE UINT_MAX

struct tn_timers {
    struct tenon_timer **heap;
    unsigned armed; /* in the heap */
    unsigned made;  /* timers that exist: the heap has room for all of them */
    unsigned room;
    uint64_t order;
    bool running;
};

struct tn_posts {
    struct tenon_post *first, *last;
};

struct tenon_worker {
    const struct tn_os_ops *ops;
    struct tn_os *os;
    struct tenon_worker *outer; /* the worker whose callback runs this one, on the same thread */

    uint64_t turn_time, late_time;
    struct tn_list ready, finish;
    struct tn_list pollers;
    uint64_t polls_from;   /* nobody polls before this time; see poll.c */
    struct tn_posts posts; /* in order, to be run */
    struct tn_timers timers;
    struct tn_list watches, removed;
    struct tn_ready events[TN_READY_ROOM];
    bool dispatching; /* `events` holds pointers to watches */
    bool in_posts;
    bool asleep;    /* the inbox was marked; see post.c */
    bool fd_asked;  /* the embedder sleeps on our descriptor */
    bool rung_self; /* and it is readable already */
    bool stopping;
    bool may_poll; /* it has a thread of its own, and there is another CPU for those who ask */
    uint64_t rings_owed; /* rings that were or will be made; see post.c */

    /* Other threads write here. */
    alignas(TN_CACHE_LINE) _Atomic(struct tenon_post *) inbox;

    /* Cold. */
    alignas(TN_CACHE_LINE)
        pthread_mutex_t run_lock; /* held in tenon_worker_run, never by our own thread */
    pthread_mutex_t lock;         /* the fields below */
    pthread_cond_t turned;
    uint64_t turns_told;
    atomic_uint waiters;
    atomic_bool has_thread;
    pthread_t thread;
    struct tenon_post stop, wake;
    int *cpus;
    unsigned cpu_count;
    char name[TN_NAME_BYTES];
};

/* loop.c: from enter to leave the calling thread is "here". */
void tn_worker_enter(struct tenon_worker *worker);
void tn_worker_leave(struct tenon_worker *worker);
/* One turn that sleeps at most `limit_ns`. Events handled; a negative errno when there were none
 * and the sleep failed. */
int tn_worker_turn(struct tenon_worker *worker, uint64_t limit_ns);
/* Turns until something was handled, a signal came or the time is over. The caller holds
 * run_lock. */
int tn_worker_crank(struct tenon_worker *worker, uint64_t limit_ns);
/* Whether something is to be done that no descriptor tells of; but for the inbox. */
bool tn_worker_pending(const struct tenon_worker *worker);
/* Runs what is pending, without looking at descriptors or timers. Whether there was any. */
bool tn_worker_run_pending(struct tenon_worker *worker);
/* Nobody is in the loop any more: sees that the embedder's descriptor tells of what is left. */
void tn_worker_settle(struct tenon_worker *worker);

/* timer.c */
uint64_t tn_timers_next(const struct tn_timers *timers);
int tn_timers_run(struct tenon_worker *worker);

/* post.c */
void tn_posts_collect(struct tenon_worker *worker);
int tn_posts_run(struct tenon_worker *worker);
bool tn_posts_may_sleep(struct tenon_worker *worker);
void tn_worker_ring_self(struct tenon_worker *worker);

/* poll.c: all pollers look once. */
void tn_pollers_look(struct tenon_worker *worker);
/* Looks until something is there, nobody polls any more, or a timer is due. What wait() says. */
int tn_pollers_spin(struct tenon_worker *worker);

/* watch.c */
int tn_watches_run(struct tenon_worker *worker, int ready);

/* worker.c: a turn is over, for those in tn_worker_wait. */
void tn_worker_tell(struct tenon_worker *worker);

/* notifier.c: how many rings were waiting; for our own notifiers, which are non-blocking. */
uint64_t tn_notifier_take(const struct tn_notifier *notifier);

/* place.c: names and CPUs of threads, where the system has them. */
void tn_place_name(const char *name);
int tn_place_move(pthread_t thread, const int *cpus, unsigned count);
int tn_place_create(pthread_t *thread, const int *cpus, unsigned count, void *(*run)(void *),
                    void *opaque);

#endif
