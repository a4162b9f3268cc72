/*
 * wire.c: the socket of one connection: bytes and descriptors in, replies out. Knows how long a
 * message is, and nothing about what it means.
 *
 *   [ header 12 bytes | payload `size` bytes ]   descriptors ride with the first byte (VU-04)
 *
 * Bytes may come in any pieces (VU-01). Nothing here ever blocks: what has not come yet is waited
 * for by the session's watch, and a reply that the socket does not take stays in `out` until it
 * does. The session reads no further message meanwhile, so one reply's room is enough. On the
 * server's worker.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost_user/vhost_user.h"

void tn_wire_open(struct tn_wire *wire, int fd)
{
    wire->fd = fd;
    wire->have = 0;
    wire->message.fd_count = 0;
    wire->out_bytes = wire->out_sent = 0;
    wire->out_fd = -1;
}

static void drop_fds(struct tn_vu_message *message)
{
    for (unsigned i = 0; i < message->fd_count; i++) {
        if (message->fds[i] >= 0) {
            close(message->fds[i]);
        }
    }
    message->fd_count = 0;
}

void tn_wire_next(struct tn_wire *wire)
{
    drop_fds(&wire->message);
    wire->have = 0;
}

static void drop_out_fd(struct tn_wire *wire)
{
    if (wire->out_fd >= 0) {
        close(wire->out_fd);
        wire->out_fd = -1;
    }
}

void tn_wire_close(struct tn_wire *wire)
{
    tn_wire_next(wire);
    drop_out_fd(wire);
    wire->out_bytes = wire->out_sent = 0;
    if (wire->fd >= 0) {
        close(wire->fd);
        wire->fd = -1;
    }
}

int tn_message_take_fd(struct tn_vu_message *message, unsigned i)
{
    int fd = message->fds[i];

    message->fds[i] = -1;
    return fd;
}

/* Takes over what came with recvmsg, so that it is closed with the message whatever happens. */
static const char *keep_fds(struct tn_vu_message *message, struct msghdr *msg)
{
    const char *why = NULL;

    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < count; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
            if (message->fd_count == TN_VU_MAX_FDS) {
                close(fd);
                why = "more than 8 descriptors";
            } else {
                message->fds[message->fd_count++] = fd;
            }
        }
    }
    if (msg->msg_flags & MSG_CTRUNC) {
        why = "more descriptors than fit, or none left in this process";
    }
    return why;
}

/*
 * Reads at most `bytes`. > 0: that many; 0: nothing for now; < 0: *event and *why say what is the
 * matter.
 */
static ssize_t read_some(struct tn_wire *wire, void *to, size_t bytes, enum tn_wire_event *event,
                         const char **why)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(TN_VU_MAX_FDS * sizeof(int))];
    } control;
    struct iovec iov = { to, bytes };
    struct msghdr msg = {
        .msg_iov = &iov,
        .msg_iovlen = 1,
        .msg_control = control.bytes,
        .msg_controllen = sizeof(control.bytes),
    };
    bool first = wire->have == 0;
    unsigned had = wire->message.fd_count;
    ssize_t got;

    do {
        got = recvmsg(wire->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    } while (got < 0 && errno == EINTR);
    if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
        return 0;
    }
    if (got <= 0) {
        *event = TN_WIRE_CLOSED;
        *why = first ? "the front-end hung up" : "the front-end hung up in the middle of a message";
        return -1;
    }
    wire->have += (size_t)got;
    *why = keep_fds(&wire->message, &msg);
    if (!*why && !first && wire->message.fd_count != had) {
        *why = "descriptors in the middle of a message";
    }
    if (*why) {
        *event = TN_WIRE_BROKEN;
        return -1;
    }
    return got;
}

static const char *check_header(const struct tn_vu_header *header, tn_wire_judge *judge)
{
    if ((header->flags & TN_VU_VERSION_MASK) != TN_VU_VERSION) {
        return "the protocol version is not 1"; /* VU-02 */
    }
    if (header->flags & TN_VU_REPLY) {
        return "a reply where a request belongs"; /* VU-100 */
    }
    if (header->size > TN_VU_PAYLOAD_ROOM) {
        return "a payload longer than any message has"; /* VU-96 */
    }
    return judge ? judge(header) : NULL;
}

enum tn_wire_event tn_wire_receive(struct tn_wire *wire, tn_wire_judge *judge, const char **why)
{
    const size_t head = sizeof(wire->message.header);
    enum tn_wire_event event = TN_WIRE_AGAIN;

    while (wire->have < head) {
        uint8_t *to = (uint8_t *)&wire->message.header + wire->have;
        ssize_t got = read_some(wire, to, head - wire->have, &event, why);
        if (got <= 0) {
            return event;
        }
        if (wire->have == head) {
            /* What a short payload does not fill must not be left from the message before. */
            memset(&wire->message.payload, 0, sizeof(wire->message.payload));
            *why = check_header(&wire->message.header, judge);
            if (*why) {
                return TN_WIRE_BROKEN;
            }
        }
    }
    size_t whole = head + wire->message.header.size;
    while (wire->have < whole) {
        uint8_t *to = wire->message.payload.bytes + (wire->have - head);
        ssize_t got = read_some(wire, to, whole - wire->have, &event, why);
        if (got <= 0) {
            return event;
        }
    }
    return TN_WIRE_MESSAGE;
}

bool tn_wire_sending(const struct tn_wire *wire)
{
    return wire->out_sent < wire->out_bytes;
}

int tn_wire_flush(struct tn_wire *wire)
{
    union {
        struct cmsghdr align;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;

    while (tn_wire_sending(wire)) {
        struct iovec iov = { wire->out + wire->out_sent, wire->out_bytes - wire->out_sent };
        struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
        if (wire->out_fd >= 0) {
            memset(&control, 0, sizeof(control));
            msg.msg_control = control.bytes;
            msg.msg_controllen = sizeof(control.bytes);
            struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
            c->cmsg_level = SOL_SOCKET;
            c->cmsg_type = SCM_RIGHTS;
            c->cmsg_len = CMSG_LEN(sizeof(int));
            memcpy(CMSG_DATA(c), &wire->out_fd, sizeof(int));
        }
        ssize_t sent = sendmsg(wire->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent < 0) {
            return errno == EAGAIN || errno == EWOULDBLOCK ? 0 : -errno;
        }
        drop_out_fd(wire);
        wire->out_sent += (size_t)sent;
    }
    return 0;
}

int tn_wire_reply(struct tn_wire *wire, uint32_t request, const void *payload, uint32_t bytes,
                  int fd)
{
    /* Version and reply bit, and nothing else: need_reply is not echoed (VU-03). */
    struct tn_vu_header header = { request, TN_VU_VERSION | TN_VU_REPLY, bytes };

    if (tn_wire_sending(wire) || bytes > sizeof(wire->out) - sizeof(header)) {
        if (fd >= 0) {
            close(fd);
        }
        return -ENOBUFS;
    }
    wire->out_fd = fd;
    memcpy(wire->out, &header, sizeof(header));
    if (bytes != 0) {
        memcpy(wire->out + sizeof(header), payload, bytes);
    }
    wire->out_bytes = sizeof(header) + bytes;
    wire->out_sent = 0;
    return tn_wire_flush(wire);
}
