/*
 * fuzz_vhost_user.c: a front-end that says anything, with any descriptors, to a real session with a
 * block device over a memory disk behind it; and a guest that uses the rings meanwhile.
 *
 *   input ──> messages, good and bad ──socket──> session ──> device ──> disk     one thread, by crank
 *             requests in the rings  ──memfd──────────────────┘
 *
 * Claims: nothing crashes; every reply has the flags of a reply and a length that fits; when the
 * server was closed, every descriptor is closed; no descriptor that came is left over.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "input.h"
#include "spec/vhost_user.h"
#include "spec/virtio.h"
#include "spec/vring.h"
#include "tenon/blk.h"
#include "tenon/disk.h"
#include "tenon/mem.h"
#include "tenon/vhost_user.h"
#include "tenon/worker.h"

enum {
    QUEUES = 2,
    ENTRIES = 16,
    RAM = 1 << 17,
    RING_BYTES = 0x3000, /* of each queue: descriptors, available, used: a page each */
    BUFFERS = 0x8000,    /* from here on: headers and data */
    DISK_BYTES = 1 << 16,
    STEPS_MAX = 300,
    MESSAGE_MAX = 512
};

static const uint64_t GPA = 0x10000, USER = 0x7f1200000000;

struct front {
    struct input in;
    struct tenon_worker *worker;
    struct tenon_disk *disk;
    struct tenon_device *device;
    struct tenon_vhost_user *server;
    int listen_fd, socket;
    int ram_fd, inflight_fd;
    uint8_t *ram;
    bool cut; /* the memory file was cut off: do not touch it ourselves */
    bool closed;
    struct tn_vu_inflight inflight;
    uint16_t avail[QUEUES];
};

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (!tenon_sigbus(info)) {
        abort();
    }
}

static unsigned count_fds(void)
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

static void crank(struct front *front)
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
    crank(front);
}

static void redial(struct front *front)
{
    close(front->socket);
    crank(front);
    dial(front);
}

/* Everything that the server has sent. It may have hung up: then the next connection is made. */
static void listen_to(struct front *front)
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
            redial(front);
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

static void send_bytes(struct front *front, const void *bytes, size_t count, const int *fds,
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

static int new_fd(struct front *front, uint8_t kind)
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

/*
 * A message that is well formed but for what the input wants otherwise: its flags, its length, how
 * it is cut into pieces, and the kinds of its descriptors (`kind` where all is well).
 */
static void say(struct front *front, uint32_t request, const void *payload, uint32_t bytes,
                uint8_t kind, unsigned fd_count)
{
    struct input *in = &front->in;
    uint8_t message[sizeof(struct tn_vu_header) + MESSAGE_MAX] = { 0 };
    struct tn_vu_header header = { request, 1, bytes };
    uint8_t twist = input_u8(in);
    size_t count = sizeof(header) + bytes;
    int fds[16];

    header.flags |= twist & 1 ? TN_VU_NEED_REPLY : 0;
    if (twist == FUZZ_RARE) {
        header.flags = input_u8(in);
        header.size = input_u8(in) & 1 ? bytes + input_u8(in) - 8 : input_u32(in);
    }
    if ((twist & 0x3e) == 0x3e) {
        kind = input_u8(in);
        fd_count = input_u8(in) % 10;
    }
    for (unsigned i = 0; i < fd_count; i++) {
        fds[i] = new_fd(front, kind);
        FUZZ_CHECK(fds[i] >= 0);
    }
    memcpy(message, &header, sizeof(header));
    if (bytes != 0) {
        memcpy(message + sizeof(header), payload, bytes);
    }
    size_t first = (twist & 0xc0) == 0xc0 ? 1 + input_u8(in) % count : count;
    send_bytes(front, message, first, fds, fd_count);
    if (first < count) {
        crank(front);
        send_bytes(front, message + first, count - first, NULL, 0);
    }
    for (unsigned i = 0; i < fd_count; i++) {
        close(fds[i]);
    }
}

static void say_u64(struct front *front, uint32_t request, uint64_t value)
{
    say(front, request, &value, sizeof(value), 0, 0);
}

static void say_state(struct front *front, uint32_t request, uint32_t num)
{
    uint8_t index = input_u8(&front->in);
    struct tn_vu_vring_state state = { index == FUZZ_RARE ? input_u32(&front->in) : index % QUEUES,
                                       num };

    say(front, request, &state, sizeof(state), 0, 0);
}

/* ---- messages ---- */

static void agree(struct front *front)
{
    uint8_t which = input_u8(&front->in);
    const uint64_t protocol =
        UINT64_C(1) << TN_VU_PF_MQ | UINT64_C(1) << TN_VU_PF_REPLY_ACK |
        UINT64_C(1) << TN_VU_PF_BACKEND_REQ | UINT64_C(1) << TN_VU_PF_CONFIG |
        UINT64_C(1) << TN_VU_PF_INFLIGHT_SHMFD | UINT64_C(1) << TN_VU_PF_RESET_DEVICE |
        UINT64_C(1) << TN_VU_PF_CONFIGURE_MEM_SLOTS | UINT64_C(1) << TN_VU_PF_STATUS;
    uint64_t features = UINT64_C(1) << TN_F_VERSION_1;

    features |= which & 1 ? UINT64_C(1) << TN_F_EVENT_IDX : 0;
    features |= which & 2 ? UINT64_C(1) << TN_F_INDIRECT_DESC : 0;
    features |= which & 4 ? 0 : UINT64_C(1) << TN_VU_F_PROTOCOL_FEATURES;
    features |= which & 8 ? UINT64_C(1) << (which >> 3) : 0;
    say_u64(front, TN_VU_SET_PROTOCOL_FEATURES, protocol);
    say_u64(front, TN_VU_SET_FEATURES, features);
}

static struct tn_vu_region pick_region(struct front *front)
{
    struct input *in = &front->in;
    uint8_t which = input_u8(in);
    struct tn_vu_region region = { GPA, RAM, USER, 0 };

    if (which & 0x80) { /* a part of it, elsewhere, or nonsense */
        uint64_t page = (which & 15) * 0x1000u;
        region = (struct tn_vu_region){ GPA + RAM + page, 0x2000, USER + RAM + page, page };
    }
    if (which == FUZZ_RARE) {
        region.gpa = input_u64(in);
        region.bytes = input_u64(in);
        region.user = input_u64(in);
        region.mmap_offset = input_u64(in);
    }
    return region;
}

static void memory(struct front *front)
{
    struct tn_vu_mem_table table = { .count = 1 + input_u8(&front->in) % 3 };

    for (unsigned i = 0; i < table.count; i++) {
        table.regions[i] = pick_region(front);
    }
    say(front, TN_VU_SET_MEM_TABLE, &table, (uint32_t)(8 + table.count * sizeof(table.regions[0])),
        0, table.count);
}

static void one_region(struct front *front, uint32_t request)
{
    struct tn_vu_mem_reg message = { .region = pick_region(front) };

    say(front, request, &message, sizeof(message), 0, request == TN_VU_ADD_MEM_REG);
}

static void ring_addr(struct front *front)
{
    struct input *in = &front->in;
    uint8_t index = input_u8(in) % QUEUES;
    uint64_t at = USER + index * RING_BYTES;
    struct tn_vu_vring_addr addr = {
        .index = index, .desc_user = at, .avail_user = at + 0x1000, .used_user = at + 0x2000
    };

    if (input_rare(in)) {
        addr.flags = input_u8(in);
        addr.desc_user += input_u32(in);
        addr.used_user = input_u64(in);
    }
    say(front, TN_VU_SET_VRING_ADDR, &addr, sizeof(addr), 0, 0);
}

static void ring_fd(struct front *front, uint32_t request)
{
    uint64_t word = input_u8(&front->in) % QUEUES;
    bool none = input_u8(&front->in) % 8 == 7;

    word |= none ? TN_VU_VRING_NO_FD : 0;
    say(front, request, &word, sizeof(word), 1, none ? 0 : 1);
}

static void ring_whole(struct front *front)
{
    uint32_t index = input_u8(&front->in) % QUEUES;
    uint64_t at = USER + index * RING_BYTES, word = index;
    const struct tn_vu_vring_state num = { index, ENTRIES }, on = { index, 1 },
                                   base = { index, front->avail[index] };
    const struct tn_vu_vring_addr addr = {
        .index = index, .desc_user = at, .avail_user = at + 0x1000, .used_user = at + 0x2000
    };

    say(front, TN_VU_SET_VRING_NUM, &num, sizeof(num), 0, 0);
    say(front, TN_VU_SET_VRING_BASE, &base, sizeof(base), 0, 0);
    say(front, TN_VU_SET_VRING_ADDR, &addr, sizeof(addr), 0, 0);
    say(front, TN_VU_SET_VRING_KICK, &word, sizeof(word), 1, 1);
    say(front, TN_VU_SET_VRING_CALL, &word, sizeof(word), 1, 1);
    say(front, TN_VU_SET_VRING_ENABLE, &on, sizeof(on), 0, 0);
}

static void config(struct front *front, uint32_t request)
{
    struct input *in = &front->in;
    uint8_t payload[12 + TN_VU_CONFIG_MAX] = { 0 };
    struct tn_vu_config head = { input_u8(in), input_u8(in), input_u8(in) & 1 };

    if (input_rare(in)) {
        head.offset = input_u32(in);
        head.size = input_u32(in);
    }
    memcpy(payload, &head, sizeof(head));
    say(front, request, payload, 12 + (head.size & 0xff), 0, 0);
}

static void inflight(struct front *front, uint32_t request)
{
    struct input *in = &front->in;
    struct tn_vu_inflight message = { .queues = 1 + input_u8(in) % QUEUES, .queue_size = ENTRIES };

    if (request == TN_VU_SET_INFLIGHT_FD) {
        message = front->inflight;
    }
    if (input_rare(in)) {
        message.mmap_size = input_u32(in);
        message.mmap_offset = input_u32(in);
        message.queues = input_u8(in);
        message.queue_size = input_u16(in);
    }
    say(front, request, &message, input_u8(in) & 1 ? 20 : 24, 5, request == TN_VU_SET_INFLIGHT_FD);
}

/* Anything at all. */
static void noise(struct front *front)
{
    struct input *in = &front->in;
    uint8_t payload[64];
    uint32_t request = input_u8(in), bytes = input_u8(in) % sizeof(payload);

    for (uint32_t i = 0; i < bytes; i++) {
        payload[i] = input_u8(in);
    }
    say(front, request, payload, bytes, input_u8(in), 0);
}

/* ---- the guest ---- */

static void request(struct front *front)
{
    struct input *in = &front->in;
    uint8_t index = input_u8(in) % QUEUES, type = input_u8(in);
    uint8_t *ring = front->ram + index * RING_BYTES;
    struct tn_desc *desc = (void *)ring;
    struct tn_avail *avail = (void *)(ring + 0x1000);
    uint16_t slot = front->avail[index] % (ENTRIES / 4), head = (uint16_t)(slot * 4);
    uint64_t at = GPA + BUFFERS + index * 0x4000u + slot * 0x400u;

    if (front->cut) {
        return;
    }
    uint32_t header[4] = { type & 1, 0, input_u8(in), 0 };
    memcpy(front->ram + (at - GPA), header, sizeof(header));
    desc[head] = (struct tn_desc){ tn_to_le64(at), tn_to_le32(16), tn_to_le16(TN_DESC_F_NEXT),
                                   tn_to_le16((uint16_t)(head + 1)) };
    desc[head + 1] = (struct tn_desc){ tn_to_le64(at + 16), tn_to_le32(512),
                                       tn_to_le16(TN_DESC_F_NEXT | (type & 1 ? 0 : 2)),
                                       tn_to_le16((uint16_t)(head + 2)) };
    desc[head + 2] = (struct tn_desc){ tn_to_le64(at + 600), tn_to_le32(1),
                                       tn_to_le16(TN_DESC_F_WRITE), tn_to_le16(0) };
    if (type == FUZZ_RARE) { /* a broken chain */
        desc[input_u8(in) % ENTRIES].next = tn_to_le16(input_u16(in));
        desc[input_u8(in) % ENTRIES].addr = tn_to_le64(input_u64(in));
    }
    avail->ring[front->avail[index] % ENTRIES] = tn_to_le16(head);
    front->avail[index]++;
    avail->idx = tn_to_le16(front->avail[index]);
}

static void cut_off(struct front *front)
{
    if (input_u8(&front->in) == FUZZ_RARE) {
        front->cut = true;
        FUZZ_CHECK(ftruncate(front->ram_fd, input_u8(&front->in) & 1 ? 0 : 0x4000) == 0);
    }
}

/* ---- a run ---- */

static void step(struct front *front)
{
    switch (input_u8(&front->in) % 28) {
    case 0:
        agree(front);
        break;
    case 1:
        memory(front);
        break;
    case 2:
        one_region(front, TN_VU_ADD_MEM_REG);
        break;
    case 3:
        one_region(front, TN_VU_REM_MEM_REG);
        break;
    case 4:
        ring_addr(front);
        break;
    case 5:
        say_state(front, TN_VU_SET_VRING_NUM, 1u << input_u8(&front->in) % 10);
        break;
    case 6:
        say_state(front, TN_VU_SET_VRING_BASE, input_u16(&front->in));
        break;
    case 7:
        say_state(front, TN_VU_GET_VRING_BASE, 0);
        break;
    case 8:
        say_state(front, TN_VU_SET_VRING_ENABLE, input_u8(&front->in) & 1);
        break;
    case 9:
        ring_fd(front, TN_VU_SET_VRING_KICK);
        break;
    case 10:
        ring_fd(front, TN_VU_SET_VRING_CALL);
        break;
    case 11:
        ring_fd(front, TN_VU_SET_VRING_ERR);
        break;
    case 12:
        say(front, TN_VU_RESET_DEVICE, NULL, 0, 0, 0);
        break;
    case 13:
        say_u64(front, TN_VU_SET_STATUS, input_u8(&front->in) & 0x8f);
        break;
    case 14:
        say(front, TN_VU_GET_STATUS, NULL, 0, 0, 0);
        break;
    case 15:
        inflight(front, TN_VU_GET_INFLIGHT_FD);
        break;
    case 16:
        inflight(front, TN_VU_SET_INFLIGHT_FD);
        break;
    case 17:
        config(front, TN_VU_GET_CONFIG);
        break;
    case 18:
        config(front, TN_VU_SET_CONFIG);
        break;
    case 19:
        say(front, TN_VU_SET_BACKEND_REQ_FD, NULL, 0, 4, 1);
        break;
    case 20:
        say(front, TN_VU_GET_QUEUE_NUM, NULL, 0, 0, 0);
        break;
    case 21:
        (void)tenon_blk_resized(front->device);
        break;
    case 22:
        redial(front);
        break;
    case 23:
        noise(front);
        break;
    case 24:
        cut_off(front);
        break;
    case 25:
        ring_whole(front);
        break;
    default:
        request(front);
        break;
    }
}

static void on_closed(void *opaque)
{
    ((struct front *)opaque)->closed = true;
}

static void open_front(struct front *front)
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

static void close_front(struct front *front)
{
    tenon_vhost_user_close(front->server, on_closed, front);
    for (int i = 0; i < 1000 && !front->closed; i++) {
        crank(front);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
    struct front front = { .in = { data, bytes } };
    unsigned fds = count_fds();

    signal(SIGPIPE,
           SIG_IGN); /* as a program does: a call descriptor may be a pipe without reader */
    sigaction(SIGBUS, &action, NULL);
    open_front(&front);
    if (input_u8(&front.in) & 1) { /* half of all inputs begin where a good front-end is */
        agree(&front);
        memory(&front);
        ring_whole(&front);
    }
    for (unsigned i = 0; i < STEPS_MAX && front.in.left != 0; i++) {
        step(&front);
        crank(&front);
        listen_to(&front);
    }
    close_front(&front);
    FUZZ_CHECK(count_fds() == fds);
    return 0;
}
