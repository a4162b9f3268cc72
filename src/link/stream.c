/*
 * stream.c: a link over a UNIX stream, as QEMU's -netdev stream, passt and gvproxy speak it: who is
 * at the other end, and what happens when nobody is any more. Frames in it are framing.c's.
 *
 *   path         connects; while nobody listens, and when the peer has gone, again after a while
 *   path listen  binds; one peer at a time is accepted, the next one waits until it has gone
 *   fd           connected by whoever made it; nobody follows that one
 *
 * The one port is the link itself, so that half a frame outlives it. On the worker, but for
 * opening, `up` and counts.
 */
#include "link/stream.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

static void set_up(struct tenon_port *port, bool up)
{
    if (atomic_exchange(&port->up, up) != up) {
        tn_port_changed(&port->common);
    }
}

/* ---- a connection begins ---- */

static void connected(struct tenon_port *port, int fd)
{
    port->fd = fd;
    tn_unix_buffers(fd);
    tn_count_add(&port->counts[STREAM_CONNECTS], 1);
    set_up(port, true);
}

int tn_stream_connect(struct tenon_port *port)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int r;

    if (fd < 0) {
        return -errno;
    }
    if (connect(fd, (const struct sockaddr *)&port->peer, sizeof(port->peer)) != 0) {
        r = -errno;
        close(fd);
        return r;
    }
    connected(port, fd);
    return 0;
}

static int accept_peer(struct tenon_port *port)
{
    int fd = accept4(port->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0) {
        return -errno;
    }
    connected(port, fd);
    return 0;
}

/*
 * Watches the connection; or, as long as there is none, what tells of the next one. Where nothing
 * does, or there is no memory for a watch, it is tried again after a while.
 */
static int follow(struct tenon_port *port)
{
    int fd = port->fd >= 0 ? port->fd : port->listen_fd;
    unsigned own = port->fd < 0                       ? TENON_READABLE
                   : tn_outbox_pending(&port->outbox) ? TENON_WRITABLE
                                                      : 0;
    int r;

    tn_port_wait_for(&port->common, own);
    r = tn_port_set_fd(&port->common, fd);
    if (r != 0 || (port->fd < 0 && port->by_path)) {
        tn_port_retry(&port->common);
    }
    return r;
}

static void retry(struct tn_port *common)
{
    struct tenon_port *port = TN_CONTAINER_OF(common, struct tenon_port, common);

    if (port->fd < 0 && port->by_path) {
        tn_stream_connect(port);
    }
    follow(port);
}

/* ---- a connection ends ---- */

/* What the peer had sent before it went is still good. */
static void read_last(struct tenon_port *port)
{
    while (tn_inbox_read(&port->inbox, port->fd) > 0) {
    }
}

static void lost(struct tenon_port *port, const char *why)
{
    bool cut = tn_outbox_drop(&port->outbox);

    read_last(port);
    cut = tn_inbox_cut(&port->inbox) || cut;
    tn_count_add(&port->counts[STREAM_LOST], 1);
    tn_count_add(&port->counts[STREAM_CUT], cut ? 1 : 0);
    if (!port->said) {
        port->said = true;
        tn_log(TENON_LOG_WARNING, "%s: %s; %s", port->who, why,
               port->by_path          ? "connecting again"
               : port->listen_fd >= 0 ? "waiting for the next one"
                                      : "the link stays down");
    }
    tn_port_set_fd(&port->common, -1);
    close(port->fd);
    port->fd = -1;
    set_up(port, false);
    follow(port);
}

static void lost_by(struct tenon_port *port, int error)
{
    lost(port, error == 0 || error == -EPIPE || error == -ECONNRESET
                   ? "the peer has closed the connection"
                   : strerror(-error));
}

static void drop_garbage(struct tenon_port *port)
{
    char why[128];

    snprintf(why, sizeof(why),
             "the peer says that a frame has %u bytes; it does not speak this "
             "protocol (4 bytes of length, big-endian, then the frame)",
             port->inbox.length);
    tn_count_add(&port->counts[STREAM_GARBAGE], 1);
    lost(port, why);
}

/* ---- receive ---- */

static unsigned peek(struct tenon_port *port, struct tenon_frame **frames, unsigned count)
{
    unsigned n = tn_inbox_peek(&port->inbox, frames, count);
    ssize_t r;

    if (n == 0 && count != 0 && port->fd >= 0) {
        r = port->inbox.garbage ? 0 : tn_inbox_read(&port->inbox, port->fd);
        if (port->inbox.garbage) {
            drop_garbage(port);
        } else if (r > 0) {
            tn_port_worked(&port->common);
        } else if (r != -EAGAIN && r != -EINTR) {
            lost_by(port, (int)r);
        }
        n = tn_inbox_peek(&port->inbox, frames, count);
        if (n != 0) {
            port->said = false;
        }
    }
    tn_port_again(&port->common, n != 0 || port->inbox.garbage);
    return n;
}

static void take(struct tenon_port *port, unsigned count)
{
    tn_inbox_take(&port->inbox, count);
    tn_port_again(&port->common, tn_inbox_any(&port->inbox) || port->inbox.garbage);
}

/* ---- send ---- */

/* What the outbox says: the socket is full, has no memory, or is broken. */
static void settle(struct tenon_port *port, int error)
{
    if (error == -ENOBUFS || error == -ENOMEM) {
        tn_count_add(&port->counts[STREAM_NO_MEMORY], 1);
        tn_port_stall(&port->common);
    } else if (error != 0 && error != -EAGAIN) {
        lost_by(port, error);
        return;
    }
    tn_port_wait_for(&port->common, tn_outbox_pending(&port->outbox) ? TENON_WRITABLE : 0);
}

static unsigned send_frames(struct tenon_port *port, struct tenon_frame *const *frames,
                            unsigned count, unsigned *kept)
{
    unsigned done = 0;
    int error = 0;

    if (port->fd >= 0) {
        done = tn_outbox_send(&port->outbox, port->fd, frames, count, &error);
        settle(port, error);
    }
    if (port->fd < 0) {
        tn_count_add(&port->counts[STREAM_NO_PEER], count - done);
        while (done < count) {
            frames[done++]->result = -ENETDOWN;
        }
    }
    *kept = done;
    return done;
}

static unsigned look(struct tn_port *common, unsigned events)
{
    struct tenon_port *port = TN_CONTAINER_OF(common, struct tenon_port, common);
    int error;

    if (port->fd < 0) {
        error = accept_peer(port);
        if (error == -EMFILE || error == -ENFILE || error == -ENOMEM || error == -ENOBUFS) {
            tn_port_set_fd(common, -1); /* it stays readable, and we stay unable */
            tn_port_retry(common);
        } else {
            follow(port);
        }
        return 0;
    }
    if ((events & TENON_WRITABLE) != 0 && tn_outbox_pending(&port->outbox)) {
        tn_outbox_send(&port->outbox, port->fd, NULL, 0, &error);
        settle(port, error);
        if (port->fd < 0 || tn_outbox_pending(&port->outbox)) {
            events &= ~(unsigned)TENON_WRITABLE;
        }
    }
    return events;
}

/* ---- the port ---- */

static int open_port(void *link, unsigned pair, struct tenon_worker *worker,
                     const struct tenon_port_events *events, void *opaque, struct tenon_port **out)
{
    static const struct tn_port_kind kind = { .look = look, .retry = retry };
    struct tenon_port *port = link;
    int r = tn_port_begin(&port->common, &kind, worker, events, opaque);

    (void)pair;
    if (r != 0) {
        return r;
    }
    r = follow(port);
    if (r != 0) {
        tn_port_end(&port->common);
        return r;
    }
    *out = port;
    return 0;
}

static void close_port(struct tenon_port *port)
{
    tn_port_end(&port->common);
}

static void watch(struct tenon_port *port, unsigned events)
{
    tn_port_want(&port->common, events);
    tn_port_again(&port->common, tn_inbox_any(&port->inbox) || port->inbox.garbage);
}

static int info(void *link, struct tenon_link_info *info)
{
    const struct tenon_port *port = link;

    info->recv_batch = TN_INBOX_FRAMES;
    info->down = !atomic_load(&port->up);
    return 0;
}

static bool up(void *link)
{
    return atomic_load(&((struct tenon_port *)link)->up);
}

static void stats(void *link, void (*fn)(void *opaque, const char *name, uint64_t value),
                  void *opaque)
{
    static const char *const names[STREAM_COUNTS] = {
        [STREAM_CONNECTS] = "connects", [STREAM_LOST] = "peers_lost",
        [STREAM_CUT] = "frames_cut",    [STREAM_NO_PEER] = "no_peer",
        [STREAM_GARBAGE] = "garbage",   [STREAM_NO_MEMORY] = "no_memory",
    };
    struct tenon_port *port = link;

    for (unsigned i = 0; i < STREAM_COUNTS; i++) {
        fn(opaque, names[i], tn_count_read(&port->counts[i]));
    }
    fn(opaque, "too_short", tn_count_read(&port->inbox.runts));
}

const struct tenon_link_ops tn_stream_ops = {
    .size = sizeof(tn_stream_ops),
    .open = open_port,
    .peek = peek,
    .take = take,
    .send = send_frames,
    .watch = watch,
    .close = close_port,
    .info = info,
    .up = up,
    .stats = stats,
    .free = tn_stream_free,
};
