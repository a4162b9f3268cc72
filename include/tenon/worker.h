/*
 * tenon/worker.h: threads and time. A worker is an event loop: it watches file descriptors, runs
 * timers, and takes work that other threads post to it. Devices live on workers; disks and links of
 * your own may use them too.
 *
 *   own thread        tenon_worker_new, tenon_worker_start
 *   your loop         tenon_worker_new; watch tenon_worker_fd for reading; call
 *                     tenon_worker_run(worker, 0) when it is readable
 *
 * Without tenon_worker_start the library starts no thread for this worker, and everything on it is
 * deterministic. "On the worker" below means: in a callback of it, in tenon_worker_run, or before
 * it first ran.
 */
#ifndef TENON_WORKER_H
#define TENON_WORKER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenon/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenon_worker;
struct tenon_watch;
struct tenon_timer;

enum tenon_loop {
    TENON_LOOP_AUTO = 0,  /* the best that this system has */
    TENON_LOOP_EPOLL = 1, /* Linux: epoll, eventfd, timerfd */
    TENON_LOOP_POLL = 2   /* any POSIX system: poll(2) and a pipe */
};

struct tenon_worker_opts {
    size_t size;
    const char *name; /* thread name, at most 15 characters are shown; default "tenon" */
    /* CPU numbers that the thread is bound to; NULL: wherever the system likes */
    const int *cpus;
    unsigned cpu_count;
    enum tenon_loop loop;
};

/*
 * Makes a worker, without a thread. -EINVAL (also for a CPU that does not exist, or that this
 * process may not use), -ENOMEM, -EMFILE, -ENOTSUP (the loop asked for does not exist here). Any
 * thread.
 */
TENON_API int tenon_worker_new(const struct tenon_worker_opts *opts, struct tenon_worker **out);

/*
 * Starts the worker's own thread, named and bound as asked. Errors are the system's: -EAGAIN (no
 * thread to be had), -EINVAL (its CPUs are gone); -EALREADY the second time. Any thread, once.
 */
TENON_API int tenon_worker_start(struct tenon_worker *worker);

/* Binds the worker's thread to CPUs, now or when it starts; cpu_count 0: to none. -EINVAL. Any
 * thread. */
TENON_API int tenon_worker_pin(struct tenon_worker *worker, const int *cpus, unsigned cpu_count);

/* The name of its thread, as long as it lives. Any thread. */
TENON_API const char *tenon_worker_name(const struct tenon_worker *worker);

/*
 * The CPUs that it was bound to: how many there are (0: it is not bound), of which the first `room`
 * are stored. Any thread.
 */
TENON_API unsigned tenon_worker_cpus(struct tenon_worker *worker, int *cpus, unsigned room);

/*
 * A descriptor that becomes readable when tenon_worker_run has something to do, for a worker
 * without a thread. It belongs to the worker. -ENOTSUP over poll(2): call tenon_worker_run with a
 * timeout instead.
 */
TENON_API int tenon_worker_fd(struct tenon_worker *worker);

/*
 * One turn: waits at most `timeout_ms` milliseconds (0: not at all, -1: without limit) for
 * something to do, and does it. Returns the number of events handled, or a negative errno: -EBUSY
 * when the worker has a thread of its own, -EDEADLK from within one of its own callbacks. One
 * thread at a time (a second caller waits). A signal ends the wait with 0.
 */
TENON_API int tenon_worker_run(struct tenon_worker *worker, int timeout_ms);

/*
 * Stops the thread, if there is one, and frees the worker. Whatever was put on it (devices,
 * watches, timers) must be gone. Accepts NULL. Not on the worker itself.
 */
TENON_API void tenon_worker_free(struct tenon_worker *worker);

/* ---- work from other threads ---- */

/*
 * A piece of work that can be posted: part of a struct of yours, so that posting never allocates
 * and never fails. Set `fn`, zero the rest.
 */
struct tenon_post {
    void (*fn)(struct tenon_post *post);
    struct tenon_post *next; /* the library's */
    uint32_t queued;         /* the library's */
};

/*
 * Runs post->fn on the worker, soon and once. Posting what is queued already does nothing; it may
 * be posted again, or freed, from the moment fn is entered. Posts of one thread run in their order.
 * Any thread, also the worker's own.
 */
TENON_API void tenon_worker_post(struct tenon_worker *worker, struct tenon_post *post);

/* Whether the calling thread is inside this worker's loop at this moment. Any thread. */
TENON_API bool tenon_worker_here(const struct tenon_worker *worker);

/* ---- file descriptors: on the worker ---- */

enum { TENON_READABLE = 1, TENON_WRITABLE = 2 };

/* `events` is what the descriptor is ready for; hang-up and error are reported as both, so that
 * read or write finds out. */
typedef void tenon_watch_fn(void *opaque, int fd, unsigned events);

/*
 * Calls fn whenever fd is ready (level-triggered). The descriptor stays yours: remove the watch
 * before you close it. -ENOMEM, -EEXIST (fd is watched already), -EPERM (a plain file cannot be
 * watched), -EBADF.
 */
TENON_API int tenon_watch_add(struct tenon_worker *worker, int fd, unsigned events,
                              tenon_watch_fn *fn, void *opaque, struct tenon_watch **out);
/* Changes what is watched for; 0 silences the watch. */
TENON_API int tenon_watch_set(struct tenon_watch *watch, unsigned events);
/* Ends and frees the watch: fn is not called any more, also not for what is ready already. Accepts
 * NULL. */
TENON_API void tenon_watch_remove(struct tenon_watch *watch);

/* ---- time: on the worker ---- */

/* Nanoseconds of the monotonic clock, read afresh. Any thread. */
TENON_API uint64_t tenon_now(void);

typedef void tenon_timer_fn(void *opaque);

/* Makes a timer, not armed. -ENOMEM. */
TENON_API int tenon_timer_new(struct tenon_worker *worker, tenon_timer_fn *fn, void *opaque,
                              struct tenon_timer **out);
/* Calls fn once, when the monotonic clock has reached `deadline_ns`. Replaces an earlier deadline.
 * Never fails. */
TENON_API void tenon_timer_set(struct tenon_timer *timer, uint64_t deadline_ns);
/* fn is not called any more, until set again. */
TENON_API void tenon_timer_cancel(struct tenon_timer *timer);
TENON_API void tenon_timer_free(struct tenon_timer *timer);

#ifdef __cplusplus
}
#endif

#endif
