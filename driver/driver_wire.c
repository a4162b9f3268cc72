/*
 * driver_wire.c: vhost-user messages from the front-end's side: sent and received as they are, with
 * their descriptors.
 *
 *   header {request, flags, size} + payload + descriptors (on the first byte)
 *
 * Nothing is checked here before it is sent: hostile front-ends use the same functions. Whoever
 * waits for an answer turns the crank of a back-end without threads.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vhost_driver.h"

int tnd_vhost_send_bytes(struct tenon_driver *driver, const void *bytes, size_t count,
                         const int *fds, unsigned fd_count)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(TND_VHOST_FDS * sizeof(int))];
    } control = { .room = { 0 } };
    struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = count };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd_count > TND_VHOST_FDS) {
        return -EINVAL;
    }
    if (fd_count > 0) {
        msg.msg_control = control.room;
        msg.msg_controllen = (socklen_t)CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = (socklen_t)CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    ssize_t sent = sendmsg(tnd_vhost_of(driver)->socket, &msg, MSG_NOSIGNAL);
    if (sent < 0) {
        return errno == EPIPE ? -ECONNRESET : -errno;
    }
    return (size_t)sent == count ? 0 : -EIO;
}

int tnd_vhost_send(struct tenon_driver *driver, uint32_t request, uint32_t flags,
                   const void *payload, uint32_t size, const int *fds, unsigned fd_count)
{
    uint8_t bytes[sizeof(struct tn_vu_header) + TND_VHOST_PAYLOAD];
    struct tn_vu_header header = { .request = request, .flags = flags, .size = size };

    if (size > TND_VHOST_PAYLOAD) {
        return -EINVAL;
    }
    memcpy(bytes, &header, sizeof(header));
    if (size > 0) {
        memcpy(bytes + sizeof(header), payload, size);
    }
    return tnd_vhost_send_bytes(driver, bytes, sizeof(header) + size, fds, fd_count);
}

static void keep_fds(struct msghdr *msg, struct tnd_vhost_message *message)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS) {
            continue;
        }
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n && message->fd_count < TND_VHOST_FDS; i++) {
            memcpy(&message->fds[message->fd_count++], CMSG_DATA(c) + i * sizeof(int), sizeof(int));
        }
    }
}

/* Receives exactly `count` bytes. */
static int receive_all(struct tenon_driver *driver, void *to, size_t count, uint64_t end,
                       struct tnd_vhost_message *message)
{
    union {
        struct cmsghdr align;
        char room[CMSG_SPACE(TND_VHOST_FDS * sizeof(int))];
    } control;
    size_t done = 0;

    while (done < count) {
        struct iovec iov = { .iov_base = (uint8_t *)to + done, .iov_len = count - done };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control.room,
                              .msg_controllen = sizeof(control.room) };
        ssize_t n = recvmsg(tnd_vhost_of(driver)->socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n > 0) {
            keep_fds(&msg, message);
            done += (size_t)n;
            continue;
        }
        if (n == 0) {
            return -ECONNRESET;
        }
        if (errno != EAGAIN && errno != EINTR) {
            return -errno;
        }
        if (tnd_now_ms() > end) {
            return -ETIMEDOUT;
        }
        tnd_pass(driver);
    }
    return 0;
}

int tnd_vhost_receive(struct tenon_driver *driver, struct tnd_vhost_message *message,
                      unsigned timeout_ms)
{
    uint64_t end = tnd_now_ms() + timeout_ms;
    struct tn_vu_header header;

    message->fd_count = 0;
    int error = receive_all(driver, &header, sizeof(header), end, message);
    if (error) {
        return error;
    }
    message->request = header.request;
    message->flags = header.flags;
    message->size = header.size;
    if (header.size > TND_VHOST_PAYLOAD) {
        return -EPROTO;
    }
    return receive_all(driver, message->payload, header.size, end, message);
}

/* The answer to `request`: its number, and flags that are exactly version 1 and reply (VU-03). */
static int receive_answer(struct tenon_driver *driver, uint32_t request,
                          struct tnd_vhost_message *message)
{
    int error = tnd_vhost_receive(driver, message, driver->timeout_ms);
    if (error) {
        return error;
    }
    if (message->request != request || message->flags != (TN_VU_VERSION | TN_VU_REPLY)) {
        return -EPROTO;
    }
    return 0;
}

int tnd_vhost_tell(struct tenon_driver *driver, uint32_t request, const void *payload,
                   uint32_t size, const int *fds, unsigned fd_count)
{
    bool acked = tnd_vhost_has_protocol(driver, TN_VU_PF_REPLY_ACK);
    uint32_t flags = TN_VU_VERSION | (acked ? TN_VU_NEED_REPLY : 0);
    struct tnd_vhost_message answer;
    uint64_t result = 0;

    int error = tnd_vhost_send(driver, request, flags, payload, size, fds, fd_count);
    if (error || !acked) {
        return error;
    }
    error = receive_answer(driver, request, &answer);
    if (error) {
        return error;
    }
    if (answer.size != sizeof(result)) {
        return -EPROTO;
    }
    memcpy(&result, answer.payload, sizeof(result));
    return result == 0 ? 0 : -EREMOTEIO;
}

int tnd_vhost_query(struct tenon_driver *driver, uint32_t request, const void *payload,
                    uint32_t size, struct tnd_vhost_message *answer)
{
    int error = tnd_vhost_send(driver, request, TN_VU_VERSION, payload, size, NULL, 0);
    return error ? error : receive_answer(driver, request, answer);
}

int tnd_vhost_ask(struct tenon_driver *driver, uint32_t request, uint64_t *answer)
{
    struct tnd_vhost_message message;
    int error = tnd_vhost_query(driver, request, NULL, 0, &message);
    if (error) {
        return error;
    }
    if (message.size != sizeof(*answer)) {
        return -EPROTO;
    }
    memcpy(answer, message.payload, sizeof(*answer));
    return 0;
}
