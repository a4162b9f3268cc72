/*
 * dgram.c: a link over UNIX datagrams: one frame each, many in one system call.
 *
 *   recv --recvmmsg--> straight into the frames            send --sendmmsg--> from the frames
 *
 * How the other side is found (dgram_peer.c) and what a socket says of its troubles is here; the
 * one port is the link itself, so that what lies in the socket outlives it. On the worker, but for
 * opening, `up` and counts.
 */
#include "link/dgram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

/* ---- receive ---- */

static unsigned prepare_recv(struct tenon_port *port, struct tenon_frame *const *frames,
                             unsigned count)
{
    unsigned n = 0;

    for (; n < count && n < DGRAM_BATCH; n++) {
        struct msghdr *message = &port->in[n].msg_hdr;
        const struct tenon_frame *frame = frames[n];

        message->msg_iov = (struct iovec *)frame->iov;
        message->msg_iovlen = frame->iov_count;
        message->msg_flags = 0;
        if (port->names) {
            message->msg_name = &port->names[n];
            message->msg_namelen = sizeof(port->names[n]);
        }
        if (frame->iov_count > TN_FLAT_IOVECS) {
            if (n != 0) {
                break;
            }
            message->msg_iov = (struct iovec *)tn_flat_room(&port->flat, frame);
            message->msg_iovlen = 1;
            return 1;
        }
    }
    return n;
}

static void finish_recv(struct tenon_port *port, unsigned n, struct tenon_frame *frame)
{
    const struct mmsghdr *got = &port->in[n];

    frame->bytes = got->msg_len;
    frame->result = 0;
    frame->offload = (struct tenon_offload){ 0 };
    if ((got->msg_hdr.msg_flags & MSG_TRUNC) != 0) {
        frame->result = -EMSGSIZE;
        tn_count_add(&port->counts[DGRAM_TOO_LONG], 1);
    } else if (got->msg_len < TENON_FRAME_HEADER_BYTES) {
        frame->result = -EINVAL;
        tn_count_add(&port->counts[DGRAM_RUNTS], 1);
    }
    if (got->msg_hdr.msg_iov != frame->iov) {
        tn_flat_scatter(&port->flat, frame);
    }
}

static int recv_frames(struct tenon_port *port, struct tenon_frame *const *frames, unsigned count)
{
    unsigned done = 0, errors = 0;

    while (done < count) {
        unsigned batch = prepare_recv(port, frames + done, count - done);
        int n = recvmmsg(port->fd, port->in, batch, MSG_DONTWAIT, NULL);

        if (n <= 0) {
            /* Another datagram may lie behind an error that is told once. */
            if (n == 0 || errno == EAGAIN || errno == EINTR || errors++ != 0) {
                break;
            }
            tn_count_add(&port->counts[DGRAM_RECV_ERRORS], 1);
            continue;
        }
        for (int i = 0; i < n; i++) {
            finish_recv(port, (unsigned)i, frames[done + (unsigned)i]);
        }
        tn_dgram_heard(port, (unsigned)n);
        done += (unsigned)n;
        if ((unsigned)n < batch) {
            break;
        }
    }
    return (int)done;
}

/* ---- send ---- */

/* 0: the first frame cannot be sent, and has its result. */
static unsigned prepare_send(struct tenon_port *port, struct tenon_frame *const *frames,
                             unsigned count)
{
    unsigned n = 0;

    for (; n < count && n < DGRAM_BATCH; n++) {
        struct msghdr *message = &port->out[n].msg_hdr;
        struct tenon_frame *frame = frames[n];

        message->msg_iov = (struct iovec *)frame->iov;
        message->msg_iovlen = frame->iov_count;
        message->msg_name = port->names ? &port->peer.address : NULL;
        message->msg_namelen = port->names ? port->peer.bytes : 0;
        if (frame->iov_count > TN_FLAT_IOVECS) {
            if (n != 0) {
                break;
            }
            message->msg_iov = (struct iovec *)tn_flat_gather(&port->flat, frame);
            message->msg_iovlen = 1;
            return message->msg_iov ? 1 : 0;
        }
    }
    return n;
}

enum verdict { NEXT, AGAIN, FULL };

/* What becomes of the first frame, which the socket has refused. `losses`: in this call. */
static enum verdict refused(struct tenon_port *port, int error, struct tenon_frame *frame,
                            unsigned *losses)
{
    switch (error) {
    case EINTR:
        return AGAIN;
    case EAGAIN:
        if (port->names) {
            tn_port_stall(&port->common); /* nobody tells when a queue that is not ours has room */
        }
        return FULL;
    case ENOBUFS:
    case ENOMEM:
        tn_count_add(&port->counts[DGRAM_NO_MEMORY], 1);
        tn_port_stall(&port->common);
        return FULL;
    case ECONNREFUSED:
    case ECONNRESET:
    case ENOTCONN:
    case EDESTADDRREQ:
    case ENOENT:
    case EPIPE:
    case EPERM: /* it is connected to somebody else */
        tn_dgram_lost(port, (*losses)++ == 0);
        return AGAIN;
    default:
        frame->result = -error;
        tn_count_add(&port->counts[error == EMSGSIZE ? DGRAM_TOO_LONG : DGRAM_SEND_ERRORS], 1);
        return NEXT;
    }
}

static unsigned send_frames(struct tenon_port *port, struct tenon_frame *const *frames,
                            unsigned count, unsigned *kept)
{
    enum verdict verdict = NEXT;
    unsigned done = 0, losses = 0;

    while (done < count && verdict != FULL) {
        unsigned batch = prepare_send(port, frames + done, count - done);
        int n = 0;

        if (batch == 0) {
            done++;
            continue;
        }
        if (!atomic_load_explicit(&port->up, memory_order_relaxed)) {
            frames[done++]->result = -ENETDOWN;
            tn_count_add(&port->counts[DGRAM_NO_PEER], 1);
            continue;
        }
        n = sendmmsg(port->fd, port->out, batch, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) {
            verdict = refused(port, errno, frames[done], &losses);
            done += verdict == NEXT ? 1 : 0;
            continue;
        }
        for (int i = 0; i < n; i++) {
            frames[done + (unsigned)i]->result = 0;
        }
        done += (unsigned)n;
        tn_port_worked(&port->common);
        /* Why it stopped it says when asked again, which is mostly that it is full. */
        verdict = (unsigned)n < batch ? FULL : NEXT;
    }
    *kept = done;
    return done;
}

/* ---- the port ---- */

static int open_port(void *link, unsigned pair, struct tenon_worker *worker,
                     const struct tenon_port_events *events, void *opaque, struct tenon_port **out)
{
    static const struct tn_port_kind kind = { .retry = tn_dgram_retry };
    struct tenon_port *port = link;
    int r = tn_port_begin(&port->common, &kind, worker, events, opaque);

    (void)pair;
    if (r != 0) {
        return r;
    }
    r = tn_port_set_fd(&port->common, port->fd);
    if (r != 0) {
        tn_port_end(&port->common);
        return r;
    }
    if (port->by_path) {
        tn_dgram_retry(&port->common);
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
}

static int info(void *link, struct tenon_link_info *info)
{
    const struct tenon_port *port = link;

    info->recv_batch = DGRAM_BATCH;
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
    static const char *const names[DGRAM_COUNTS] = {
        [DGRAM_CONNECTS] = "connects",       [DGRAM_LOST] = "peers_lost",
        [DGRAM_NO_PEER] = "no_peer",         [DGRAM_NO_MEMORY] = "no_memory",
        [DGRAM_TOO_LONG] = "too_long",       [DGRAM_RUNTS] = "too_short",
        [DGRAM_RECV_ERRORS] = "recv_errors", [DGRAM_SEND_ERRORS] = "send_errors",
    };
    const struct tenon_port *port = link;

    for (unsigned i = 0; i < DGRAM_COUNTS; i++) {
        fn(opaque, names[i], tn_count_read(&port->counts[i]));
    }
}

static void free_link(void *link)
{
    struct tenon_port *port = link;

    tn_unix_unbind(&port->bound);
    if (port->fd >= 0) {
        close(port->fd);
    }
    free(port->names);
    free(port);
}

const struct tenon_link_ops tn_dgram_ops = {
    .size = sizeof(tn_dgram_ops),
    .open = open_port,
    .recv = recv_frames,
    .send = send_frames,
    .watch = watch,
    .close = close_port,
    .info = info,
    .up = up,
    .stats = stats,
    .free = free_link,
};
