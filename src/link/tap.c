/*
 * tap.c: a link over a tap of Linux: one system call for each frame, behind a header that says what
 * is left to be done to it; straight from or into its pieces, or by a copy where it is short.
 *
 * A tap that is full drops without a word, and one that is down refuses; so there is no waiting for
 * room, but for the kernel's memory. On the port's worker, but for info, `up` and counts.
 */
#include "link/tap.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

enum {
    AROUND = 2, /* the iovecs in front of and behind those of the frame */
    /*
     * How long the next frame is nobody knows, and to copy a long one costs as much as is saved by
     * forty short ones: so many of these in a row, and the next one is believed to be short.
     */
    SHORTS = 64
};

/* ---- receive ---- */

static void read_header(const struct tap_header *from, struct tenon_offload *to)
{
    to->flags = from->flags;
    to->gso = from->gso;
    to->header_bytes = tn_from_le16(from->header_bytes);
    to->gso_bytes = tn_from_le16(from->gso_bytes);
    to->csum_start = tn_from_le16(from->csum_start);
    to->csum_offset = tn_from_le16(from->csum_offset);
}

static void finish_recv(struct tenon_port *port, struct tenon_frame *frame, size_t got, bool flat)
{
    const uint32_t room = frame->bytes;

    if (flat) {
        memcpy(&port->header, port->flat, sizeof(port->header));
    }
    frame->result = 0;
    frame->bytes = (uint32_t)(got < TN_TAP_HEADER_BYTES ? 0 : got - TN_TAP_HEADER_BYTES);
    read_header(&port->header, &frame->offload);
    port->shorts = frame->bytes <= TN_FLAT_SHORT ? port->shorts + 1 : 0;
    if (frame->bytes > room) {
        frame->result = -EMSGSIZE;
        tn_count_add(&port->counts[TAP_TOO_LONG], 1);
    } else if (frame->bytes < TENON_FRAME_HEADER_BYTES) {
        frame->result = -EINVAL;
        tn_count_add(&port->counts[TAP_RUNTS], 1);
    } else if (flat) {
        tn_flat_copy_to(frame, port->flat + sizeof(port->header));
    }
}

static ssize_t read_frame(struct tenon_port *port, const struct tenon_frame *frame, bool flat)
{
    unsigned count = frame->iov_count;

    if (flat) {
        return read(port->fd, port->flat, sizeof(port->flat));
    }
    port->iov[0] = (struct iovec){ &port->header, sizeof(port->header) };
    memcpy(&port->iov[1], frame->iov, count * sizeof(*frame->iov));
    port->iov[1 + count] = (struct iovec){ &port->spill, 1 };
    return readv(port->fd, port->iov, (int)count + AROUND);
}

/* Whether the frame was filled. */
static bool recv_one(struct tenon_port *port, struct tenon_frame *frame)
{
    bool flat = port->shorts >= SHORTS || frame->iov_count > TN_FLAT_IOVECS - AROUND;
    ssize_t n = read_frame(port, frame, flat);

    if (n >= 0) {
        finish_recv(port, frame, (size_t)n, flat);
        return true;
    }
    if (errno == EFAULT) { /* the guest's memory is gone, and so is the frame */
        frame->result = -EFAULT;
        frame->bytes = 0;
        tn_count_add(&port->counts[TAP_RECV_ERRORS], 1);
        return true;
    }
    if (errno != EAGAIN && errno != EINTR) {
        tn_count_add(&port->counts[TAP_RECV_ERRORS], 1);
        tn_tap_is_down(port);
    }
    return false;
}

static int recv_frames(struct tenon_port *port, struct tenon_frame *const *frames, unsigned count)
{
    unsigned done = 0;

    while (done < count && port->state != TN_TAP_AWAY && recv_one(port, frames[done])) {
        done++;
    }
    return (int)done;
}

/* ---- send ---- */

static void write_header(struct tap_header *to, const struct tenon_frame *frame)
{
    const struct tenon_offload *from = &frame->offload;

    to->flags = from->flags;
    to->gso = from->gso;
    /* A hint, but the kernel refuses one that is too large. */
    to->header_bytes = tn_to_le16((uint16_t)tn_min_u64(from->header_bytes, frame->bytes));
    to->gso_bytes = tn_to_le16(from->gso_bytes);
    to->csum_start = tn_to_le16(from->csum_start);
    to->csum_offset = tn_to_le16(from->csum_offset);
    to->buffers = tn_to_le16(0);
}

static ssize_t write_frame(struct tenon_port *port, const struct tenon_frame *frame)
{
    unsigned count = frame->iov_count;

    write_header(&port->header, frame);
    if (frame->bytes <= TN_FLAT_SHORT || count > TN_FLAT_IOVECS - AROUND) {
        if (frame->bytes > TN_FLAT_BYTES) {
            errno = EMSGSIZE;
            return -1;
        }
        memcpy(port->flat, &port->header, sizeof(port->header));
        tn_flat_copy_from(port->flat + sizeof(port->header), frame);
        return write(port->fd, port->flat, sizeof(port->header) + frame->bytes);
    }
    port->iov[0] = (struct iovec){ &port->header, sizeof(port->header) };
    memcpy(&port->iov[1], frame->iov, count * sizeof(*frame->iov));
    return writev(port->fd, port->iov, (int)count + 1);
}

/* Whether the frame is done with, sent or not; else the tap takes nothing now. */
static bool send_one(struct tenon_port *port, struct tenon_frame *frame)
{
    int error;

    do {
        error = write_frame(port, frame) >= 0 ? 0 : errno;
    } while (error == EINTR);
    switch (error) {
    case 0:
        frame->result = 0;
        return true;
    case EAGAIN:
        return false;
    case ENOBUFS:
    case ENOMEM:
        tn_count_add(&port->counts[TAP_NO_MEMORY], 1);
        tn_port_stall(&port->common);
        return false;
    case EIO:
    case ENETDOWN:
    case EBADFD:
        if (tn_tap_is_down(port)) {
            frame->result = -ENETDOWN;
            tn_count_add(&port->counts[TAP_NO_CARRIER], 1);
            return true;
        }
        break;
    default:
        break;
    }
    frame->result = -error;
    tn_count_add(&port->counts[TAP_SEND_ERRORS], 1);
    return true;
}

static unsigned send_frames(struct tenon_port *port, struct tenon_frame *const *frames,
                            unsigned count, unsigned *kept)
{
    unsigned done = 0;

    for (; done < count; done++) {
        if (port->state != TN_TAP_UP) {
            frames[done]->result = -ENETDOWN;
            tn_count_add(&port->counts[TAP_NO_CARRIER], 1);
        } else if (!send_one(port, frames[done])) {
            break;
        }
    }
    *kept = done;
    return done;
}

/* ---- the link ---- */

static void watch(struct tenon_port *port, unsigned events)
{
    tn_port_want(&port->common, events);
}

static int recv_set(struct tenon_port *port, unsigned can)
{
    if ((can & ~port->tap->can) != 0) {
        return -EINVAL;
    }
    port->recv_can = can;
    return port->state == TN_TAP_AWAY ? 0 : tn_tap_offload(port->fd, can);
}

static int info(void *link, struct tenon_link_info *info)
{
    const struct tap *tap = link;

    info->pairs = tap->pairs;
    info->send_can = info->recv_can = tap->can;
    info->mtu = tn_tap_mtu(tap->ports[0].fd, tap->name);
    info->down = tn_tap_state(tap->ports[0].fd) != TN_TAP_UP;
    return 0;
}

static bool up(void *link)
{
    return tn_tap_state(((struct tap *)link)->ports[0].fd) == TN_TAP_UP;
}

static void stats(void *link, void (*fn)(void *opaque, const char *name, uint64_t value),
                  void *opaque)
{
    static const char *const names[TAP_COUNTS] = {
        [TAP_DOWN] = "down",
        [TAP_AWAY] = "away",
        [TAP_NO_CARRIER] = "no_peer",
        [TAP_NO_MEMORY] = "no_memory",
        [TAP_TOO_LONG] = "too_long",
        [TAP_RUNTS] = "too_short",
        [TAP_RECV_ERRORS] = "recv_errors",
        [TAP_SEND_ERRORS] = "send_errors",
    };
    const struct tap *tap = link;

    for (unsigned i = 0; i < TAP_COUNTS; i++) {
        uint64_t sum = 0;

        for (unsigned pair = 0; pair < tap->pairs; pair++) {
            sum += tn_count_read(&tap->ports[pair].counts[i]);
        }
        fn(opaque, names[i], sum);
    }
}

const struct tenon_link_ops tn_tap_ops = {
    .size = sizeof(tn_tap_ops),
    .open = tn_tap_port_open,
    .recv = recv_frames,
    .send = send_frames,
    .watch = watch,
    .recv_set = recv_set,
    .use_pairs = tn_tap_use_pairs,
    .close = tn_tap_port_close,
    .info = info,
    .up = up,
    .stats = stats,
    .free = tn_tap_free,
};
