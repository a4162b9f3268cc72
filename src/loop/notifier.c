/*
 * notifier.c: ringing and draining, the same for an eventfd and a pipe: a ring is a write of eight
 * bytes. Opening one is the bodies' (os_epoll.c, os_poll.c). Everything here may be called on any
 * thread.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "loop/parts.h"

enum {
    RING_BYTES = 8,
    DRAIN_BYTES = 512, /* an eventfd gives 8 at most, so one read is enough there */
    DRAIN_ROUNDS = 256 /* a pipe that somebody fills as fast as we read is left for the next turn */
};

int tn_notifier_open(struct tn_notifier *notifier, enum tenon_loop loop)
{
    const struct tn_os_ops *ops = tn_os_find(loop);
    int error;

    if (!ops) {
        return tn_error(-ENOTSUP, "a notifier: this system has no loop of kind %d", (int)loop);
    }
    error = ops->notifier_open(notifier);
    if (error != 0) {
        return tn_error(error, "a notifier cannot be made: %s; raise the limit of open files",
                        strerror(-error));
    }
    return 0;
}

void tn_notifier_close(struct tn_notifier *notifier)
{
    if (notifier->read_fd >= 0) {
        close(notifier->read_fd);
    }
    if (notifier->write_fd >= 0 && notifier->write_fd != notifier->read_fd) {
        close(notifier->write_fd);
    }
    notifier->read_fd = notifier->write_fd = -1;
}

int tn_notify_fd(int fd)
{
    const uint64_t one = 1;
    int before = errno;
    int error = 0;
    ssize_t n;

    do {
        n = write(fd, &one, sizeof(one));
    } while (n < 0 && errno == EINTR);
    /* A full pipe or counter: the other side has not looked yet at the rings before, one of which
     * tells it all. */
    if (n < 0 && errno != EAGAIN) {
        error = -errno;
    }
    errno = before;
    return error;
}

void tn_notifier_ring(const struct tn_notifier *notifier)
{
    tn_notify_fd(notifier->write_fd);
}

static ssize_t read_some(int fd, void *to, size_t bytes)
{
    ssize_t n;

    do {
        n = read(fd, to, bytes);
    } while (n < 0 && errno == EINTR);
    return n;
}

int tn_notifier_drain(int fd)
{
    char bytes[DRAIN_BYTES];
    bool any = false;
    int error = 0;

    for (int i = 0; i < DRAIN_ROUNDS; i++) {
        struct pollfd more = { .fd = fd, .events = POLLIN };
        ssize_t n = read_some(fd, bytes, sizeof(bytes));

        any = any || n > 0;
        error = n > 0 ? 0 : n == 0 ? -EPIPE : -errno;
        /* Not every descriptor is non-blocking: read again only when there is something. */
        if (n != DRAIN_BYTES || poll(&more, 1, 0) != 1 || !(more.revents & POLLIN)) {
            break;
        }
    }
    if (any) {
        return 1;
    }
    return error == -EAGAIN ? 0 : error;
}

uint64_t tn_notifier_take(const struct tn_notifier *notifier)
{
    uint64_t words[DRAIN_BYTES / RING_BYTES];
    ssize_t n = read_some(notifier->read_fd, words, sizeof(words));

    if (n < RING_BYTES) {
        return 0;
    }
    return notifier->read_fd == notifier->write_fd ? words[0] : (uint64_t)n / RING_BYTES;
}
