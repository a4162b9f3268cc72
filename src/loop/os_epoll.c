/*
 * os_epoll.c: the Linux body of os.h: epoll for descriptors, an eventfd as the bell, a timerfd for
 * embedders. The only file of loop/ with Linux headers.
 *
 *   epoll <-- watches (level-triggered; data.ptr is the watch)
 *         <-- bell, timerfd (edge-triggered; data.ptr is NULL): never read, since each write and
 *                         each alarm is a new edge
 *
 * A worker's own thread sleeps with a time limit in the call itself. The timerfd exists only where
 * the embedder sleeps on our epoll descriptor and so cannot know the limit.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <linux/time_types.h>

#include "loop/parts.h"

#define NS_PER_MS UINT64_C(1000000)
#define NS_PER_S UINT64_C(1000000000)

struct tn_os {
    int epoll_fd;
    int timer_fd;
    uint64_t armed; /* what timer_fd was set to */
    bool no_pwait2; /* a kernel before 5.11, or a sandbox that does not know the call */
    uint64_t rings;
    struct tn_notifier bell;
};

static int notifier_open(struct tn_notifier *notifier)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

    if (fd < 0) {
        return -errno;
    }
    notifier->read_fd = notifier->write_fd = fd;
    return 0;
}

static void close_os(struct tn_os *os)
{
    tn_notifier_close(&os->bell);
    if (os->timer_fd >= 0) {
        close(os->timer_fd);
    }
    if (os->epoll_fd >= 0) {
        close(os->epoll_fd);
    }
    free(os);
}

static int add_edge(struct tn_os *os, int fd)
{
    struct epoll_event event = { .events = EPOLLIN | EPOLLET };

    return epoll_ctl(os->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : -errno;
}

static int open_os(struct tn_os **out)
{
    struct tn_os *os = calloc(1, sizeof(*os));
    int error;

    if (!os) {
        return -ENOMEM;
    }
    os->timer_fd = os->bell.read_fd = os->bell.write_fd = -1;
    os->armed = TN_FOREVER;
    os->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    error = os->epoll_fd >= 0 ? notifier_open(&os->bell) : -errno;
    if (error == 0) {
        error = add_edge(os, os->bell.read_fd);
    }
    if (error != 0) {
        close_os(os);
        return error;
    }
    *out = os;
    return 0;
}

static int control(struct tn_os *os, int action, struct tenon_watch *watch, unsigned events)
{
    struct epoll_event event = { .data = { .ptr = watch } };

    event.events =
        (events & TENON_READABLE ? EPOLLIN : 0u) | (events & TENON_WRITABLE ? EPOLLOUT : 0u);
    return epoll_ctl(os->epoll_fd, action, watch->fd, &event) == 0 ? 0 : -errno;
}

/*
 * epoll reports hang-ups also to those who asked for nothing. So a silent watch is out of the set,
 * but it went in first: a descriptor that cannot be watched is refused at once.
 */
static int add(struct tn_os *os, struct tenon_watch *watch, unsigned events)
{
    int error = control(os, EPOLL_CTL_ADD, watch, events);

    return error != 0 || events != 0 ? error : control(os, EPOLL_CTL_DEL, watch, 0);
}

static int set(struct tn_os *os, struct tenon_watch *watch, unsigned events)
{
    if (events == 0) {
        return control(os, EPOLL_CTL_DEL, watch, 0);
    }
    return control(os, watch->events != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch, events);
}

static void remove_watch(struct tn_os *os, struct tenon_watch *watch)
{
    if (watch->events != 0) {
        control(os, EPOLL_CTL_DEL, watch, 0);
    }
}

/* In nanoseconds where the kernel can, else in milliseconds rounded up. */
static int wait_events(struct tn_os *os, uint64_t limit, struct epoll_event *events, int room)
{
    uint64_t ms = limit / NS_PER_MS + (limit % NS_PER_MS != 0);

    if (limit == TN_FOREVER) {
        return epoll_wait(os->epoll_fd, events, room, -1);
    }
#ifdef SYS_epoll_pwait2
    if (limit % NS_PER_MS != 0 && !os->no_pwait2) {
        struct __kernel_timespec time = { .tv_sec = (long long)(limit / NS_PER_S),
                                          .tv_nsec = (long long)(limit % NS_PER_S) };
        long n = syscall(SYS_epoll_pwait2, os->epoll_fd, events, room, &time, NULL, (size_t)0);
        if (n >= 0 || (errno != ENOSYS && errno != EPERM)) {
            return (int)n;
        }
        os->no_pwait2 = true;
    }
#endif
    return epoll_wait(os->epoll_fd, events, room, ms < INT_MAX ? (int)ms : INT_MAX);
}

static int wait_os(struct tn_os *os, uint64_t limit_ns, struct tn_ready *ready, unsigned room)
{
    struct epoll_event events[TN_READY_ROOM];
    int n = wait_events(os, limit_ns, events, room < TN_READY_ROOM ? (int)room : TN_READY_ROOM);
    int found = 0;

    if (n < 0) {
        return -errno;
    }
    for (int i = 0; i < n; i++) {
        uint32_t got = events[i].events;
        if (!events[i].data.ptr) {
            continue;
        }
        ready[found].watch = events[i].data.ptr;
        ready[found].events =
            (got & EPOLLIN ? TENON_READABLE : 0u) | (got & EPOLLOUT ? TENON_WRITABLE : 0u);
        ready[found].broken = (got & (EPOLLHUP | EPOLLERR)) != 0;
        found++;
    }
    return found;
}

static void ring(struct tn_os *os)
{
    tn_notifier_ring(&os->bell);
}

static uint64_t rings(struct tn_os *os, int limit_ms)
{
    struct pollfd bell = { .fd = os->bell.read_fd, .events = POLLIN };

    if (poll(&bell, 1, limit_ms) == 1) {
        os->rings += tn_notifier_take(&os->bell);
    }
    return os->rings;
}

static int fd_of(struct tn_os *os)
{
    int error;

    if (os->timer_fd >= 0) {
        return os->epoll_fd;
    }
    os->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    error = os->timer_fd >= 0 ? add_edge(os, os->timer_fd) : -errno;
    if (error != 0) {
        if (os->timer_fd >= 0) {
            close(os->timer_fd);
        }
        os->timer_fd = -1;
        return error;
    }
    return os->epoll_fd;
}

/* An alarm that is too early stays: one turn for nothing at most, against a system call whenever a
 * timer is moved back. */
static void alarm_at(struct tn_os *os, uint64_t deadline_ns, uint64_t now_ns)
{
    struct itimerspec at = { 0 };

    if (deadline_ns == TN_FOREVER || (os->armed > now_ns && os->armed <= deadline_ns)) {
        return;
    }
    os->armed = deadline_ns;
    at.it_value.tv_sec = (time_t)(deadline_ns / NS_PER_S);
    at.it_value.tv_nsec = (long)(deadline_ns % NS_PER_S);
    if (deadline_ns == 0) {
        at.it_value.tv_nsec = 1; /* zero would mean no alarm */
    }
    timerfd_settime(os->timer_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

const struct tn_os_ops tn_os_epoll = {
    .loop = TENON_LOOP_EPOLL,
    .open = open_os,
    .close = close_os,
    .add = add,
    .set = set,
    .remove = remove_watch,
    .wait = wait_os,
    .ring = ring,
    .rings = rings,
    .fd = fd_of,
    .alarm = alarm_at,
    .notifier_open = notifier_open,
};
