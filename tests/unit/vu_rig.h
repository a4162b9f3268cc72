/*
 * vu_rig.h: for the tests of src/vhost_user: a front-end made by hand, a real server, and behind it
 * a device that only writes down what it is asked for.
 *
 *   test ──socket──> server (src/vhost_user) ──tenon_bus_*──> the device of vu_fake.h
 *
 * Everything runs on one thread: the test turns the crank of the server's worker.
 *
 * Long because: it is all helpers of a few lines, which each of these tests needs.
 */
#ifndef TN_TEST_VU_RIG_H
#define TN_TEST_VU_RIG_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "spec/virtio.h"
#include "vhost_user/vhost_user.h"
#include "vu_fake.h"

/* ---- the rig ---- */

enum { RIG_RAM = 1 << 20, RIG_MESSAGE = 4096 };

static const uint64_t RIG_GPA = 0x100000, RIG_USER = 0x7f0000000000;
static const uint64_t BIT_30 = UINT64_C(1) << 30;

struct rig {
    struct tenon_worker *worker;
    struct tenon_device device;
    struct tenon_vhost_user *server;
    int listen_fd;
    int socket; /* the front-end's end; -1 */
    int ram_fd;
    int fds_before, maps_before;
    unsigned connected, disconnected;
    char detail[256];
    bool closed;
    unsigned warnings;
    char log[512]; /* the last line */
};

struct answer {
    struct tn_vu_header header;
    union {
        uint64_t u64;
        struct tn_vu_vring_state state;
        struct tn_vu_inflight inflight;
        uint8_t bytes[RIG_MESSAGE];
    } payload;
    int fd;
};

static inline int rig_count_fds(void)
{
    DIR *dir = opendir("/proc/self/fd");
    int count = 0;

    assert_non_null(dir);
    while (readdir(dir)) {
        count++;
    }
    closedir(dir);
    return count;
}

static inline int rig_count_maps(void)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    char line[512];
    int count = 0;

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        count += strstr(line, "memfd:") != NULL;
    }
    fclose(maps);
    return count;
}

static inline void rig_log(void *opaque, enum tenon_log_level level, const char *line)
{
    struct rig *rig = opaque;

    if (level <= TENON_LOG_WARNING) {
        rig->warnings++;
        snprintf(rig->log, sizeof(rig->log), "%s", line);
    }
}

static inline void rig_event(void *opaque, struct tenon_vhost_user *server,
                             enum tenon_vhost_user_event event, const char *detail)
{
    struct rig *rig = opaque;

    (void)server;
    if (event == TENON_VHOST_USER_CONNECTED) {
        rig->connected++;
    } else {
        rig->disconnected++;
        snprintf(rig->detail, sizeof(rig->detail), "%s", detail);
    }
}

static inline void rig_closed(void *opaque)
{
    ((struct rig *)opaque)->closed = true;
}

/* Until nothing more happens by itself. */
static inline void rig_crank(struct rig *rig)
{
    for (int i = 0; i < 1000; i++) {
        int n = tenon_worker_run(rig->worker, 0);
        assert_true(n >= 0);
        if (n == 0) {
            return;
        }
    }
    fail_msg("the worker never comes to rest");
}

static inline int rig_memfd(size_t bytes)
{
    int fd = memfd_create("rig", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    return fd;
}

static inline void rig_connect(struct rig *rig)
{
    struct sockaddr_storage name;
    socklen_t length = sizeof(name);

    assert_int_equal(getsockname(rig->listen_fd, (struct sockaddr *)&name, &length), 0);
    rig->socket = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(rig->socket >= 0);
    assert_int_equal(connect(rig->socket, (struct sockaddr *)&name, length), 0);
    rig_crank(rig);
}

static inline void rig_open(struct rig *rig)
{
    struct tenon_worker_opts worker = { .size = sizeof(worker) };
    sa_family_t family = AF_UNIX;

    memset(rig, 0, sizeof(*rig));
    rig->socket = -1;
    rig->fds_before = rig_count_fds();
    rig->maps_before = rig_count_maps();
    tenon_set_log(rig_log, rig);
    assert_int_equal(tenon_worker_new(&worker, &rig->worker), 0);
    rig->device.worker = rig->worker;
    rig->device.offered = UINT64_C(1) << TN_F_VERSION_1 | UINT64_C(1) << TN_F_EVENT_IDX |
                          UINT64_C(1) << TN_F_RING_RESET | 0x240;
    for (unsigned i = 0; i < FAKE_CONFIG; i++) {
        rig->device.config[i] = (uint8_t)(i + 1);
    }
    /* Bound to a name of its own that is in no directory. */
    rig->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(rig->listen_fd, (struct sockaddr *)&family, sizeof(family)), 0);
    assert_int_equal(listen(rig->listen_fd, 8), 0);
    struct tenon_vhost_user_opts opts = { .size = sizeof(opts),
                                          .device = &rig->device,
                                          .worker = rig->worker,
                                          .listen_fd = rig->listen_fd,
                                          .connected_fd = -1,
                                          .event = rig_event,
                                          .opaque = rig };
    assert_int_equal(tenon_vhost_user_new(&opts, &rig->server), 0);
    rig->ram_fd = rig_memfd(RIG_RAM);
    rig_connect(rig);
    assert_int_equal(rig->connected, 1);
}

static inline void rig_hang_up(struct rig *rig)
{
    if (rig->socket >= 0) {
        close(rig->socket);
    }
    rig->socket = -1;
    rig_crank(rig);
}

/* Ends everything, and proves that nothing was left open or mapped. */
static inline void rig_close(struct rig *rig)
{
    tenon_vhost_user_close(rig->server, rig_closed, rig);
    rig_crank(rig);
    assert_true(rig->closed);
    assert_null(rig->device.mem);
    if (rig->socket >= 0) {
        close(rig->socket);
    }
    close(rig->ram_fd);
    tenon_worker_free(rig->worker);
    tenon_set_log(NULL, NULL);
    assert_int_equal(rig_count_fds(), rig->fds_before);
    assert_int_equal(rig_count_maps(), rig->maps_before);
}

/* ---- messages ---- */

/* Any bytes, with any descriptors at the first of them. False when the server has hung up. */
static inline bool rig_send_bytes(struct rig *rig, const void *bytes, size_t count, const int *fds,
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
    return sendmsg(rig->socket, &msg, MSG_NOSIGNAL) == (ssize_t)count;
}

static inline void rig_send(struct rig *rig, uint32_t request, uint32_t flags, const void *payload,
                            uint32_t bytes, const int *fds, unsigned fd_count)
{
    uint8_t message[RIG_MESSAGE];
    struct tn_vu_header header = { request, flags, bytes };

    assert_true(sizeof(header) + bytes <= sizeof(message));
    memcpy(message, &header, sizeof(header));
    if (bytes != 0) {
        memcpy(message + sizeof(header), payload, bytes);
    }
    (void)rig_send_bytes(rig, message, sizeof(header) + bytes, fds, fd_count);
    rig_crank(rig);
}

/* What the server sent: 1; nothing: 0; it hung up: -1. */
static inline int rig_receive(struct rig *rig, struct answer *answer)
{
    char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = { &answer->header, sizeof(answer->header) };
    struct msghdr msg = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)
    };

    answer->fd = -1;
    ssize_t n = recvmsg(rig->socket, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == EAGAIN) {
        return 0;
    }
    if (n <= 0) {
        return -1;
    }
    struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
    if (c) {
        memcpy(&answer->fd, CMSG_DATA(c), sizeof(int));
    }
    assert_int_equal(n, sizeof(answer->header));
    assert_true(answer->header.size <= sizeof(answer->payload));
    if (answer->header.size != 0) {
        n = recv(rig->socket, &answer->payload, answer->header.size, MSG_DONTWAIT);
        assert_int_equal(n, answer->header.size);
    }
    return 1;
}

static inline bool rig_alive(struct rig *rig)
{
    return rig->server->state == TN_VU_OPEN;
}

/* The answer, exactly one, with exactly the flags of a reply (VU-03). */
static inline void rig_expect(struct rig *rig, uint32_t request, struct answer *answer)
{
    struct answer more;

    assert_int_equal(rig_receive(rig, answer), 1);
    assert_int_equal(answer->header.request, request);
    assert_int_equal(answer->header.flags, 0x5);
    assert_int_equal(rig_receive(rig, &more), 0);
}

static inline uint64_t rig_ask(struct rig *rig, uint32_t request, const void *payload,
                               uint32_t bytes)
{
    struct answer answer;

    rig_send(rig, request, 0x1, payload, bytes, NULL, 0);
    rig_expect(rig, request, &answer);
    assert_int_equal(answer.header.size, sizeof(uint64_t));
    return answer.payload.u64;
}

/* With need_reply: the acknowledgement. REPLY_ACK has been negotiated. */
static inline uint64_t rig_tell_fds(struct rig *rig, uint32_t request, const void *payload,
                                    uint32_t bytes, const int *fds, unsigned fd_count)
{
    struct answer answer;

    rig_send(rig, request, 0x9, payload, bytes, fds, fd_count);
    rig_expect(rig, request, &answer);
    assert_int_equal(answer.header.size, sizeof(uint64_t));
    return answer.payload.u64;
}

static inline uint64_t rig_tell(struct rig *rig, uint32_t request, const void *payload,
                                uint32_t bytes)
{
    return rig_tell_fds(rig, request, payload, bytes, NULL, 0);
}

static inline uint64_t rig_tell_u64(struct rig *rig, uint32_t request, uint64_t value)
{
    return rig_tell(rig, request, &value, sizeof(value));
}

static inline uint64_t rig_state(struct rig *rig, uint32_t request, uint32_t index, uint32_t num)
{
    struct tn_vu_vring_state state = { index, num };

    return rig_tell(rig, request, &state, sizeof(state));
}

static inline void rig_protocol(struct rig *rig)
{
    uint64_t offered = rig_ask(rig, TN_VU_GET_PROTOCOL_FEATURES, NULL, 0);

    rig_send(rig, TN_VU_SET_PROTOCOL_FEATURES, 0x1, &offered, sizeof(offered), NULL, 0);
    assert_true(rig_alive(rig));
}

static inline void rig_features(struct rig *rig)
{
    uint64_t features = rig_ask(rig, TN_VU_GET_FEATURES, NULL, 0);

    assert_int_equal(rig_tell_u64(rig, TN_VU_SET_FEATURES, features), 0);
}

/* One region: all of the RAM. */
static inline struct tn_vu_mem_table rig_table(void)
{
    struct tn_vu_mem_table table = { .count = 1 };

    table.regions[0] = (struct tn_vu_region){ RIG_GPA, RIG_RAM, RIG_USER, 0 };
    return table;
}

static inline uint32_t rig_table_bytes(unsigned count)
{
    return (uint32_t)(8 + count * sizeof(struct tn_vu_region));
}

static inline void rig_memory(struct rig *rig)
{
    struct tn_vu_mem_table table = rig_table();

    assert_int_equal(
        rig_tell_fds(rig, TN_VU_SET_MEM_TABLE, &table, rig_table_bytes(1), &rig->ram_fd, 1), 0);
}

static inline uint64_t rig_addr(struct rig *rig, uint32_t index, uint64_t at)
{
    struct tn_vu_vring_addr addr = {
        .index = index, .desc_user = at, .avail_user = at + 0x1000, .used_user = at + 0x2000
    };

    return rig_tell(rig, TN_VU_SET_VRING_ADDR, &addr, sizeof(addr));
}

/* KICK, CALL or ERR with a descriptor, which is then ours no more. */
static inline uint64_t rig_give_fd(struct rig *rig, uint32_t request, uint64_t index, int fd)
{
    uint64_t ack = rig_tell_fds(rig, request, &index, sizeof(index), &fd, 1);

    close(fd);
    return ack;
}

/* All that a ring needs but the kick, in the order of QEMU. */
static inline void rig_ring(struct rig *rig, uint32_t index)
{
    assert_int_equal(rig_state(rig, TN_VU_SET_VRING_NUM, index, 64), 0);
    assert_int_equal(rig_state(rig, TN_VU_SET_VRING_BASE, index, 0), 0);
    assert_int_equal(rig_addr(rig, index, RIG_USER + index * 0x4000), 0);
}

static inline void rig_start(struct rig *rig, uint32_t index)
{
    rig_ring(rig, index);
    assert_int_equal(rig_give_fd(rig, TN_VU_SET_VRING_KICK, index, eventfd(0, EFD_CLOEXEC)), 0);
    assert_int_equal(rig_state(rig, TN_VU_SET_VRING_ENABLE, index, 1), 0);
    assert_true(rig->device.queues[index].running);
}

/* A connection as QEMU makes it, up to the rings. */
static inline void rig_ready(struct rig *rig)
{
    rig_open(rig);
    rig_protocol(rig);
    rig_features(rig);
    rig_memory(rig);
}

/* The connection ended with one line of log that says this, and the server takes the next one. */
static inline void rig_expect_end(struct rig *rig, const char *says)
{
    struct answer answer;
    unsigned before = rig->disconnected;

    assert_false(rig_alive(rig));
    assert_int_equal(rig->server->state, TN_VU_IDLE);
    assert_int_equal(rig_receive(rig, &answer), -1);
    if (!strstr(rig->detail, says)) {
        fail_msg("'%s' does not say '%s'", rig->detail, says);
    }
    assert_non_null(strstr(rig->log, says));
    rig_hang_up(rig);
    rig_connect(rig);
    assert_true(rig_alive(rig));
    assert_int_equal(rig->disconnected, before);
}

#endif
