/*
 * loop.h: the door of loop/: what the library itself needs of a worker beyond <tenon/worker.h>.
 *
 *   one turn:   poll, or wait for events -> clock read once -> timers -> watches -> posts
 *               -> ready list -> end-of-turn list -> (again)
 *
 * Knows no virtio. os_epoll.c and os_poll.c are the only files that know what a worker sleeps in.
 */
#ifndef TN_LOOP_LOOP_H
#define TN_LOOP_LOOP_H

#include <stdbool.h>

#include "base/list.h"
#include "tenon/worker.h"

/* The time of this turn, read once when it began. On the worker. */
uint64_t tn_worker_turn_time(const struct tenon_worker *worker);
/* The latest that was read in this turn. On the worker. */
uint64_t tn_worker_late_time(const struct tenon_worker *worker);

/*
 * Work that is called within the worker's turns; part of a struct of the caller's. Initialise with
 * tn_task_init.
 *
 *   tn_task_ready   fn runs in this turn or the next, without the loop going to sleep in between: a
 *                   queue that still has work asks for its next slice this way, and others get
 *                   theirs first
 *   tn_task_finish  fn runs once at the end of this turn, after everything else: the place to
 *                   publish, to commit, to interrupt. What is asked for there runs before
 *                   the loop sleeps
 *
 * A task is for one of the two. Asking twice is asking once. On the worker.
 */
struct tn_task {
    struct tn_list link;
    void (*fn)(struct tn_task *task);
};

void tn_task_init(struct tn_task *task, void (*fn)(struct tn_task *task));
void tn_task_ready(struct tenon_worker *worker, struct tn_task *task);
void tn_task_finish(struct tenon_worker *worker, struct tn_task *task);
void tn_task_cancel(struct tn_task *task);

/*
 * A poller looks for work for a while instead of being told of it; part of a struct of the
 * caller's, initialised with tn_poller_init. The while is learned from the gaps between begin and
 * end. `look`: whether there is work, which it then asks to be run (tn_task_ready); called very
 * often. `over`: nobody looks any more, so ask to be told.
 *
 *   tn_poll_begin   the work has run out. False: it does not pay now, ask to be told
 *   tn_poll_end     there is work again, whoever found it
 *
 * Nobody polls on a worker without a thread of its own. On the worker.
 */
struct tn_poller {
    struct tn_list link;
    bool (*look)(struct tn_poller *poller);
    void (*over)(struct tn_poller *poller);
    void *opaque;        /* the caller's */
    uint64_t longest_ns; /* the caller's: 0, never */
    uint64_t window_ns;
    uint64_t since; /* when the work ran out; 0: it did not */
};

void tn_poller_init(struct tn_poller *poller, bool (*look)(struct tn_poller *poller),
                    void (*over)(struct tn_poller *poller), void *opaque);
bool tn_poll_begin(struct tenon_worker *worker, struct tn_poller *poller);
void tn_poll_end(struct tenon_worker *worker, struct tn_poller *poller);
/* Neither does it poll nor remember anything. */
void tn_poll_cancel(struct tn_poller *poller);

/*
 * Runs, now, the posts that have come to this worker so far: completions of a disk that answers at
 * once need not wait for the end of a long slice. False: there are none. Else the clock was read,
 * for them and for the caller (tn_worker_late_time). On the worker; not from within a post of the
 * same kind (a second level does nothing).
 */
bool tn_worker_run_posts(struct tenon_worker *worker);

/*
 * A notifier: a descriptor that any thread, a guest's ioeventfd, or a signal handler can ring.
 * eventfd where there is one, else a pipe.
 */
struct tn_notifier {
    int read_fd, write_fd; /* the same one for an eventfd; -1 each when closed */
};

int tn_notifier_open(struct tn_notifier *notifier, enum tenon_loop loop);
void tn_notifier_close(struct tn_notifier *notifier);
/* Any thread; async-signal-safe; never blocks. */
void tn_notifier_ring(const struct tn_notifier *notifier);
/* Forgets what was rung so far. Also serves descriptors made by others (a front-end's kick fd,
 * eventfd or pipe): never blocks on a non-blocking one. 1 when something was read, 0 when nothing
 * was there, -EPIPE when the other end of a pipe is closed, or the error of read. */
int tn_notifier_drain(int fd);
/* Writes the 8 bytes of a notification to somebody else's eventfd or pipe. Never blocks on a
 * non-blocking one. 0 or -errno. */
int tn_notify_fd(int fd);

/* The loop kind that the worker runs on, so that notifiers of the same kind are made for it. Any
 * thread. */
enum tenon_loop tn_worker_loop(const struct tenon_worker *worker);

/*
 * For the synchronous wrappers: waits until done() says true or `timeout_ms` is over; turns the
 * crank when the worker has no thread (from the calling thread). True when done. Not on the worker.
 */
bool tn_worker_wait(struct tenon_worker *worker, bool (*done)(void *opaque), void *opaque,
                    unsigned timeout_ms);

/* place.c: whether threads of this process can be bound to these CPUs. -EINVAL. Any thread. */
int tn_place_check(const int *cpus, unsigned count);

/* Whether a thread of its own runs it (tenon_worker_start). */
bool tn_worker_has_thread(const struct tenon_worker *worker);

#endif
