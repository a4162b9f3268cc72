/*
 * os_poll.c: the portable body of os.h: poll(2) and pipes, nothing that POSIX does not have. Times
 * are in milliseconds, rounded up, and the cost of a sleep grows with the number of watches: for
 * systems without epoll, and as a second opinion in tests.
 *
 *   fds[0] is the bell; fds[n] belongs to watches[n], whose `place` is n. A silent watch has
 *   fd -1 there.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "loop/parts.h"

enum { FIRST_ROOM = 16 };

#define NS_PER_MS UINT64_C(1000000)

struct tn_os {
    struct pollfd *fds;
    struct tenon_watch **watches;
    unsigned count, room; /* with the bell */
    unsigned
        start; /* where the next look begins, so that all have their turn when many are ready */
    uint64_t rings;
    struct tn_notifier bell;
};

static int prepare(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
        fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
        return -errno;
    }
    return 0;
}

static int notifier_open(struct tn_notifier *notifier)
{
    struct tn_notifier made;
    int fds[2];
    int error;

    if (pipe(fds) < 0) {
        return -errno;
    }
    made.read_fd = fds[0];
    made.write_fd = fds[1];
    error = prepare(fds[0]);
    if (error == 0) {
        error = prepare(fds[1]);
    }
    if (error != 0) {
        tn_notifier_close(&made);
        return error;
    }
    *notifier = made;
    return 0;
}

static void close_os(struct tn_os *os)
{
    tn_notifier_close(&os->bell);
    free(os->fds);
    free(os->watches);
    free(os);
}

static int grow(struct tn_os *os)
{
    unsigned room = os->room != 0 ? 2 * os->room : FIRST_ROOM;
    struct pollfd *fds = realloc(os->fds, room * sizeof(*fds));
    struct tenon_watch **watches;

    if (!fds) {
        return -ENOMEM;
    }
    os->fds = fds;
    watches = realloc(os->watches, room * sizeof(struct tenon_watch *));
    if (!watches) {
        return -ENOMEM;
    }
    os->watches = watches;
    os->room = room;
    return 0;
}

static int open_os(struct tn_os **out)
{
    struct tn_os *os = calloc(1, sizeof(*os));
    int error;

    if (!os) {
        return -ENOMEM;
    }
    os->bell.read_fd = os->bell.write_fd = -1;
    error = grow(os);
    if (error == 0) {
        error = notifier_open(&os->bell);
    }
    if (error != 0) {
        close_os(os);
        return error;
    }
    os->fds[0] = (struct pollfd){ .fd = os->bell.read_fd, .events = POLLIN };
    os->watches[0] = NULL;
    os->count = 1;
    *out = os;
    return 0;
}

static int set(struct tn_os *os, struct tenon_watch *watch, unsigned events)
{
    struct pollfd *entry = &os->fds[watch->place];

    entry->fd = events != 0 ? watch->fd : -1;
    entry->events =
        (short)((events & TENON_READABLE ? POLLIN : 0) | (events & TENON_WRITABLE ? POLLOUT : 0));
    entry->revents = 0;
    return 0;
}

static int add(struct tn_os *os, struct tenon_watch *watch, unsigned events)
{
    struct stat stat;

    if (fstat(watch->fd, &stat) < 0) {
        return -errno;
    }
    /* poll(2) calls them ready for ever; epoll refuses them. */
    if (S_ISREG(stat.st_mode) || S_ISDIR(stat.st_mode) || S_ISBLK(stat.st_mode)) {
        return -EPERM;
    }
    if (os->count == os->room) {
        int error = grow(os);
        if (error != 0) {
            return error;
        }
    }
    watch->place = os->count++;
    os->watches[watch->place] = watch;
    return set(os, watch, events);
}

static void remove_watch(struct tn_os *os, struct tenon_watch *watch)
{
    unsigned last = --os->count;

    os->fds[watch->place] = os->fds[last];
    os->watches[watch->place] = os->watches[last];
    os->watches[watch->place]->place = watch->place;
}

static int wait_os(struct tn_os *os, uint64_t limit_ns, struct tn_ready *ready, unsigned room)
{
    uint64_t ms = limit_ns / NS_PER_MS + (limit_ns % NS_PER_MS != 0);
    int limit = limit_ns == TN_FOREVER ? -1 : ms < INT_MAX ? (int)ms : INT_MAX;
    unsigned watches = os->count - 1;
    unsigned found = 0;
    unsigned i;

    if (poll(os->fds, os->count, limit) < 0) {
        return -errno;
    }
    if (os->fds[0].revents != 0) {
        os->rings += tn_notifier_take(&os->bell);
    }
    for (i = 0; i < watches && found < room; i++) {
        unsigned place = 1 + (os->start + i) % watches;
        short got = os->fds[place].revents;
        if (got != 0) {
            ready[found].watch = os->watches[place];
            ready[found].events =
                (got & POLLIN ? TENON_READABLE : 0u) | (got & POLLOUT ? TENON_WRITABLE : 0u);
            ready[found].broken = (got & (POLLHUP | POLLERR | POLLNVAL)) != 0;
            found++;
        }
    }
    os->start = watches != 0 ? (os->start + i) % watches : 0;
    return (int)found;
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
    (void)os;
    return -ENOTSUP;
}

static void alarm_at(struct tn_os *os, uint64_t deadline_ns, uint64_t now_ns)
{
    (void)os;
    (void)deadline_ns;
    (void)now_ns;
}

const struct tn_os_ops tn_os_poll = {
    .loop = TENON_LOOP_POLL,
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
