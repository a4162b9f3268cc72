/*
 * os.h: what a worker asks of the operating system, as one table of functions with two bodies.
 *
 *   os_epoll.c   Linux: epoll, eventfd, timerfd
 *   os_poll.c    any POSIX system: poll(2) and a pipe
 *
 * Nothing outside those two files knows which one it talks to. A body also owns the worker's bell:
 * the notifier that gets the worker out of its sleep. Its rings are counted, because
 * tenon_worker_free has to know that none is still on its way (see post.c).
 */
#ifndef TN_LOOP_OS_H
#define TN_LOOP_OS_H

#include <stdint.h>

#include "loop/loop.h"

/* A time that never comes, and a sleep without limit. */
#define TN_FOREVER UINT64_MAX

/* The body's own state; each body has its own struct inside. */
struct tn_os;

/* One watch that is ready, as TENON_READABLE and TENON_WRITABLE. */
struct tn_ready {
    struct tenon_watch *watch;
    unsigned events;
    bool broken; /* hung up or in error: reported whatever was asked for */
};

struct tn_os_ops {
    enum tenon_loop loop;

    /* Makes the state and its bell. 0 or a negative errno. */
    int (*open)(struct tn_os **out);
    void (*close)(struct tn_os *os);

    /* Starts, changes and ends the watching of watch->fd. `events` 0: nothing is reported, not even
     * errors. */
    int (*add)(struct tn_os *os, struct tenon_watch *watch, unsigned events);
    int (*set)(struct tn_os *os, struct tenon_watch *watch, unsigned events);
    void (*remove)(struct tn_os *os, struct tenon_watch *watch);

    /*
     * Sleeps at most `limit_ns` (0: not at all) until a watch is ready or the bell rings. The
     * number of places filled in `ready`, or a negative errno (-EINTR: a signal came). What found
     * no place comes next time.
     */
    int (*wait)(struct tn_os *os, uint64_t limit_ns, struct tn_ready *ready, unsigned room);

    /* Any thread. */
    void (*ring)(struct tn_os *os);
    /* How often the bell has rung since it was made, waiting at most `limit_ms` for another
     * ring. */
    uint64_t (*rings)(struct tn_os *os, int limit_ms);

    /* A descriptor that is readable whenever `wait` would return, or -ENOTSUP. Once asked for,
     * `alarm` makes it readable at `deadline_ns`, too. */
    int (*fd)(struct tn_os *os);
    void (*alarm)(struct tn_os *os, uint64_t deadline_ns, uint64_t now_ns);

    int (*notifier_open)(struct tn_notifier *notifier);
};

/* The body for a kind of loop, NULL where this system has none. */
const struct tn_os_ops *tn_os_find(enum tenon_loop loop);

extern const struct tn_os_ops tn_os_poll;
#ifdef __linux__
extern const struct tn_os_ops tn_os_epoll;
#endif

#endif
