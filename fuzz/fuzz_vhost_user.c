/*
 * fuzz_vhost_user.c: a front-end that says anything, with any descriptors, to a real session with a
 * block device over a memory disk behind it; and a guest that uses the rings meanwhile.
 *
 *   input ──> messages, good and bad ──socket──> session ──> device     (one thread)
 *             requests in the rings  ──memfd──────────────────┘
 *
 * Claims: nothing crashes; every reply has the flags of a reply and a length that fits; when the
 * server was closed, every descriptor is closed; no descriptor that came is left over.
 */
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "kernel.h"
#include "spec/virtio.h"
#include "spec/vring.h"
#include "tenon/blk.h"
#include "tenon/mem.h"
#include "vu_front.h"

enum { STEPS_MAX = 300 };

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)number;
    (void)context;
    if (!tenon_sigbus(info)) {
        abort();
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
        if (fd_count > TN_VU_MAX_FDS && !kernel_tells_lost_fds()) {
            fd_count = TN_VU_MAX_FDS;
        }
    }
    for (unsigned i = 0; i < fd_count; i++) {
        fds[i] = front_new_fd(front, kind);
        FUZZ_CHECK(fds[i] >= 0);
    }
    memcpy(message, &header, sizeof(header));
    if (bytes != 0) {
        memcpy(message + sizeof(header), payload, bytes);
    }
    size_t first = (twist & 0xc0) == 0xc0 ? 1 + input_u8(in) % count : count;
    front_send(front, message, first, fds, fd_count);
    if (first < count) {
        front_crank(front);
        front_send(front, message + first, count - first, NULL, 0);
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

    for (size_t i = 0; i < sizeof(payload); i++) {
        payload[i] = i < bytes ? input_u8(in) : 0;
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
    if (input_u8(&front->in) == FUZZ_RARE && kernel_tells_fault_address()) {
        front->cut = true;
        FUZZ_CHECK(ftruncate(front->ram_fd, input_u8(&front->in) & 1 ? 0 : 0x4000) == 0);
    }
}

/* ---- a run ---- */

/* Long because: it is a table, one line for each thing that may happen. */
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
        front_redial(front);
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
    struct front front = { .in = { data, bytes } };

    (void)kernel_tells_lost_fds(); /* asked here first, before descriptors are counted */
    unsigned fds = front_count_fds();
    signal(SIGPIPE,
           SIG_IGN); /* as a program does: a call descriptor may be a pipe without reader */
    sigaction(SIGBUS, &action, NULL);
    front_open(&front);
    if (input_u8(&front.in) & 1) { /* half of all inputs begin where a good front-end is */
        agree(&front);
        memory(&front);
        ring_whole(&front);
    }
    for (unsigned i = 0; i < STEPS_MAX && front.in.left != 0; i++) {
        step(&front);
        front_crank(&front);
        front_listen(&front);
    }
    front_close(&front);
    FUZZ_CHECK(front_count_fds() == fds);
    return 0;
}
