/*
 * vu_front.c: the front-end's side of fuzz_vhost_user.c, and the claims about what comes back:
 * flags, lengths, descriptors. See vu_front.h.
 */
#include "vu_front.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tenon/blk.h"
#include "tenon/disk.h"

unsigned front_count_fds(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    FUZZ_CHECK(directory);
    while (readdir(directory)) {
        count++;
    }
    closedir(directory);
    return count;
}

void front_crank(struct front *front)
{
    for (int i = 0; i < 200; i++) {
        int handled = tenon_worker_run(front->worker, 0);
        FUZZ_CHECK(handled >= 0);
        if (handled == 0) {
            return;
        }
    } /* a ring without kicks is polled for ever: enough of it */
}

/* ---- the socket ---- */

static void dial(struct front *front)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof(name);

    front->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(getsockname(front->listen_fd, (struct sockaddr *)&name, &length) == 0);
    FUZZ_CHECK(connect(front->socket, (struct sockaddr *)&name, length) == 0);
    front_crank(front);
}

void front_redial(struct front *front)
{
    close(front->socket);
    front_crank(front);
    dial(front);
}

void front_listen(struct front *front)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct {
        struct tn_vu_header header;
        uint8_t payload[MESSAGE_MAX];
    } reply;

    for (;;) {
        struct iovec iov = { &reply.header, sizeof(reply.header) };
        struct msghdr msg = { .msg_iov = &iov,
                              .msg_iovlen = 1,
                              .msg_control = control,
                              .msg_controllen = sizeof(control) };
        ssize_t n = recvmsg(front->socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
        if (n < 0 && errno == EAGAIN) {
            return;
        }
        if (n <= 0) {
            front_redial(front);
            return;
        }
        FUZZ_CHECK(n == sizeof(reply.header));
        FUZZ_CHECK(reply.header.flags == 5);
        FUZZ_CHECK(reply.header.size <= 12 + TN_VU_CONFIG_MAX);
        n = reply.header.size;
        FUZZ_CHECK(n == 0 || recv(front->socket, reply.payload, (size_t)n, MSG_DONTWAIT) == n);
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        if (c) {
            FUZZ_CHECK(reply.header.request == TN_VU_GET_INFLIGHT_FD);
            if (front->inflight_fd >= 0) {
                close(front->inflight_fd);
            }
            memcpy(&front->inflight_fd, CMSG_DATA(c), sizeof(int));
            memcpy(&front->inflight, reply.payload, sizeof(front->inflight));
        }
    }
}

void front_send(struct front *front, const void *bytes, size_t count, const int *fds,
                unsigned fd_count)
{
    char control[CMSG_SPACE(16 * sizeof(int))] = { 0 };
    struct iovec iov = { (void *)(uintptr_t)bytes, count };
    struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };

    if (fd_count != 0) {
        msg.msg_control = control;
        msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(c), fds, fd_count * sizeof(int));
    }
    (void)sendmsg(front->socket, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* ---- descriptors of all kinds ---- */

int front_new_fd(struct front *front, uint8_t kind)
{
    int ends[2];

    switch (kind % 8) {
    case 0:
        return dup(front->ram_fd);
    case 1:
        return eventfd(0, EFD_CLOEXEC);
    case 2:
    case 3:
        FUZZ_CHECK(pipe2(ends, O_CLOEXEC) == 0);
        close(ends[kind % 8 - 2]);
        return ends[3 - kind % 8];
    case 4:
        FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
        close(ends[0]);
        return ends[1];
    case 5:
        return front->inflight_fd >= 0 ? dup(front->inflight_fd) : eventfd(1, EFD_CLOEXEC);
    case 6:
        return open("/dev/null", O_RDWR | O_CLOEXEC);
    default:
        return memfd_create("fuzz", MFD_CLOEXEC);
    }
}

static void on_closed(void *opaque)
{
    ((struct front *)opaque)->closed = true;
}

void front_open(struct front *front)
{
    sa_family_t family = AF_UNIX;
    struct tenon_worker_opts worker = { .size = sizeof(worker) };

    FUZZ_CHECK(tenon_worker_new(&worker, &front->worker) == 0);
    FUZZ_CHECK(tenon_disk_open_memory(NULL, DISK_BYTES, false, &front->disk) == 0);
    struct tenon_blk_opts blk = { .size = sizeof(blk),
                                  .disk = front->disk,
                                  .workers = &front->worker,
                                  .worker_count = 1,
                                  .queues = QUEUES };
    FUZZ_CHECK(tenon_blk_new(&blk, &front->device) == 0);
    front->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    FUZZ_CHECK(bind(front->listen_fd, (struct sockaddr *)&family, sizeof(family)) == 0);
    FUZZ_CHECK(listen(front->listen_fd, 4) == 0);
    struct tenon_vhost_user_opts opts = { .size = sizeof(opts),
                                          .device = front->device,
                                          .worker = front->worker,
                                          .listen_fd = front->listen_fd,
                                          .connected_fd = -1 };
    FUZZ_CHECK(tenon_vhost_user_new(&opts, &front->server) == 0);
    front->ram_fd = memfd_create("ram", MFD_CLOEXEC);
    FUZZ_CHECK(front->ram_fd >= 0 && ftruncate(front->ram_fd, RAM) == 0);
    front->ram = mmap(NULL, RAM, PROT_READ | PROT_WRITE, MAP_SHARED, front->ram_fd, 0);
    FUZZ_CHECK(front->ram != MAP_FAILED);
    front->inflight_fd = -1;
    dial(front);
}

void front_close(struct front *front)
{
    tenon_vhost_user_close(front->server, on_closed, front);
    for (int i = 0; i < 1000 && !front->closed; i++) {
        front_crank(front);
    }
    FUZZ_CHECK(front->closed);
    tenon_device_free(front->device);
    tenon_disk_close(front->disk);
    tenon_worker_free(front->worker);
    close(front->socket);
    close(front->ram_fd);
    if (front->inflight_fd >= 0) {
        close(front->inflight_fd);
    }
    munmap(front->ram, RAM);
}
