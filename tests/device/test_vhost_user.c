/*
 * test_vhost_user.c: messages of a whole session that concern no ring in motion: features, queue
 * number, acknowledgements, configuration, status, reset, memory slots, the back-end's channel, and
 * malformed messages of every class. Rings in motion: test_vhost_rings.c. Front-ends that come and
 * go: test_vhost_sessions.c. VU-01..20, VU-26..29, VU-46, VU-50, VU-51, VU-55..60, VU-89..103.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "needs.h"
#include "vhost_tools.h"

/* Connected and asked for its features, no more. */
static struct rig *greeted_rig(void **state, unsigned queues)
{
    struct rig_options o = { .no_start = true, .blk = { .queues = queues } };
    struct rig *rig = rig_new(state, &o);
    assert_int_equal(rig->driver->ops->offered(rig->driver, rig->driver->offered), 0);
    return rig;
}

/* ---- features, queue number, acknowledgements ---- */

static void protocol_features_come_first_VU_14_15(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    uint64_t protocol = 0, features = 0;

    /* The first messages of the connection; bit 30 was not acknowledged. */
    assert_int_equal(tnd_vhost_ask(rig->driver, TN_VU_GET_PROTOCOL_FEATURES, &protocol), 0);
    uint64_t should = 1 << TN_VU_PF_MQ | 1 << TN_VU_PF_REPLY_ACK | 1 << TN_VU_PF_BACKEND_REQ |
                      1 << TN_VU_PF_CONFIG | 1 << TN_VU_PF_INFLIGHT_SHMFD |
                      1 << TN_VU_PF_RESET_DEVICE | 1 << TN_VU_PF_CONFIGURE_MEM_SLOTS |
                      1 << TN_VU_PF_STATUS;
    assert_true(protocol == should);
    assert_int_equal(tnd_vhost_ask(rig->driver, TN_VU_GET_FEATURES, &features), 0);
    assert_true(features >> TN_VU_F_PROTOCOL_FEATURES & 1);
    assert_true(features >> TN_F_VERSION_1 & 1);
    assert_false(features >> TN_VU_F_LOG_ALL & 1);
}

static void queue_number_VU_46(void **state)
{
    struct rig *rig = greeted_rig(state, 7);
    uint64_t queues = 0;

    assert_int_equal(tnd_vhost_ask(rig->driver, TN_VU_GET_QUEUE_NUM, &queues), 0);
    assert_true(queues == 7);
    assert_int_equal(say_state(rig->driver, TN_VU_SET_VRING_NUM, 6, 64), 0);
    send_only(rig->driver, TN_VU_SET_VRING_NUM, TN_VU_VERSION | TN_VU_NEED_REPLY,
              &(struct tn_vu_vring_state){ 7, 64 }, 8, -1);
    expect_hang_up(rig->driver);
}

/* VU-03, VU-07, VU-08, VU-09: who is answered, and with which flags. */
static void acknowledgements_VU_03_07_08_09(void **state)
{
    struct rig *rig = greeted_rig(state, 1);
    struct tenon_driver *d = rig->driver;
    struct tnd_vhost_message m;
    uint64_t mq = 1 << TN_VU_PF_MQ;

    /* Own reply: one, whether or not an acknowledgement is asked for; need_reply is not echoed. */
    for (unsigned asked = 0; asked < 2; asked++) {
        send_only(d, TN_VU_GET_FEATURES, TN_VU_VERSION | (asked ? TN_VU_NEED_REPLY : 0), NULL, 0,
                  -1);
        assert_int_equal(tnd_vhost_receive(d, &m, d->timeout_ms), 0);
        assert_int_equal(m.request, TN_VU_GET_FEATURES);
        assert_int_equal(m.flags, 0x5);
        expect_silence(d);
    }
    /* Not asked for: none. */
    send_only(d, TN_VU_SET_OWNER, TN_VU_VERSION, NULL, 0, -1);
    expect_silence(d);
    /* A refusal that was asked for is a number that is not 0, and the session goes on. */
    send_only(d, TN_VU_REM_MEM_REG, TN_VU_VERSION | TN_VU_NEED_REPLY, &(struct tn_vu_mem_reg){ 0 },
              sizeof(struct tn_vu_mem_reg), -1);
    assert_int_equal(tnd_vhost_receive(d, &m, d->timeout_ms), 0);
    assert_int_equal(m.flags, 0x5);
    assert_int_equal(m.size, 8);
    assert_true(answer_u64(&m) != 0);
    /* Without REPLY_ACK the same bit asks for nothing. */
    send_only(d, TN_VU_SET_PROTOCOL_FEATURES, TN_VU_VERSION, &mq, sizeof(mq), -1);
    send_only(d, TN_VU_SET_OWNER, TN_VU_VERSION | TN_VU_NEED_REPLY, NULL, 0, -1);
    expect_silence(d);
}

static void reply_ack_without_asking_first_VU_09(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    uint64_t acked = 1 << TN_VU_PF_REPLY_ACK;

    send_only(rig->driver, TN_VU_SET_PROTOCOL_FEATURES, TN_VU_VERSION, &acked, 8, -1);
    send_only(rig->driver, TN_VU_SET_OWNER, TN_VU_VERSION | TN_VU_NEED_REPLY, NULL, 0, -1);
    expect_ack(rig->driver);
}

static void features_that_were_not_offered_VU_13_60(void **state)
{
    struct rig *rig = greeted_rig(state, 1);
    struct tenon_driver *d = rig->driver;
    uint64_t status = 0, good = d->offered[0] | 1ull << TN_VU_F_PROTOCOL_FEATURES;

    assert_int_equal(say_u64(d, TN_VU_SET_STATUS, 3), 0);
    assert_int_equal(say_u64(d, TN_VU_SET_FEATURES, good | 1ull << 59), -EREMOTEIO);
    assert_int_equal(say_u64(d, TN_VU_SET_STATUS, 11), 0);
    assert_int_equal(tnd_vhost_ask(d, TN_VU_GET_STATUS, &status), 0);
    assert_int_equal(status, 3); /* not FEATURES_OK */
    assert_int_equal(say_u64(d, TN_VU_SET_FEATURES, good), 0);
    assert_int_equal(tnd_vhost_ask(d, TN_VU_GET_STATUS, &status), 0);
    assert_int_equal(status, 11);
}

/* VU-17: each message that belongs to a protocol feature, without it. */
static void messages_without_their_feature_VU_17(void **state)
{
    static const struct {
        uint32_t request, bytes;
        bool fd;
    } gated[] = {
        { TN_VU_GET_QUEUE_NUM, 0, false },    { TN_VU_SET_BACKEND_REQ_FD, 0, true },
        { TN_VU_GET_CONFIG, 20, false },      { TN_VU_SET_CONFIG, 13, false },
        { TN_VU_GET_INFLIGHT_FD, 24, false }, { TN_VU_SET_INFLIGHT_FD, 24, true },
        { TN_VU_RESET_DEVICE, 0, false },     { TN_VU_GET_MAX_MEM_SLOTS, 0, false },
        { TN_VU_ADD_MEM_REG, 40, true },      { TN_VU_REM_MEM_REG, 40, false },
        { TN_VU_SET_STATUS, 8, false },       { TN_VU_GET_STATUS, 0, false },
    };
    uint8_t zeroes[64] = { 0 };
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    uint64_t features;

    assert_int_equal(tnd_vhost_ask(rig->driver, TN_VU_GET_FEATURES, &features), 0);
    unsigned before = count_fds();
    for (unsigned i = 0; i < sizeof(gated) / sizeof(gated[0]); i++) {
        int fd = gated[i].fd ? memfd_create("x", MFD_CLOEXEC) : -1;
        send_only(rig->driver, gated[i].request, TN_VU_VERSION, zeroes, gated[i].bytes, fd);
        expect_hang_up(rig->driver);
        if (fd >= 0) {
            close(fd);
        }
        tnd_vhost_reconnect(rig->driver, rig_connect(rig));
    }
    assert_int_equal(tnd_vhost_ask(rig->driver, TN_VU_GET_FEATURES, &features), 0);
    await_fds(rig, before);
}

/* ---- configuration ---- */

static int get_config(struct rig *rig, uint32_t offset, uint32_t size, uint32_t payload,
                      struct tnd_vhost_message *answer)
{
    uint8_t bytes[600] = { 0 };
    struct tn_vu_config head = { .offset = offset, .size = size };

    memcpy(bytes, &head, sizeof(head));
    send_only(rig->driver, TN_VU_GET_CONFIG, TN_VU_VERSION, bytes, payload, -1);
    return tnd_vhost_receive(rig->driver, answer, rig->driver->timeout_ms);
}

/* VU-55: any part of the 256 bytes; beyond what the device has, zeroes. */
static void get_config_partial_and_over_long_VU_55(void **state)
{
    static const struct {
        uint32_t offset, size;
    } ranges[] = { { 0, 8 },  { 0, 60 }, { 0, 96 },  { 0, 256 },  { 8, 4 },   { 20, 4 },
                   { 32, 1 }, { 3, 9 },  { 59, 50 }, { 200, 56 }, { 255, 1 }, { 0, 1 } };
    struct rig *rig = rig_new(state, NULL);
    struct tnd_vhost_message whole, m;

    assert_int_equal(get_config(rig, 0, 256, 12 + 256, &whole), 0);
    assert_int_equal(whole.size, 12 + 256);
    assert_true(whole.payload[12] != 0 || whole.payload[13] != 0);
    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        uint32_t offset = ranges[i].offset, size = ranges[i].size;
        assert_int_equal(get_config(rig, offset, size, 12 + size, &m), 0);
        assert_int_equal(m.size, 12 + size);
        struct tn_vu_config head;
        memcpy(&head, m.payload, sizeof(head));
        assert_int_equal(head.offset, offset);
        assert_int_equal(head.size, size);
        assert_memory_equal(m.payload + 12, whole.payload + 12 + offset, size);
    }
    rig_check_alive(rig, 0);
}

static void get_config_out_of_range_VU_55(void **state)
{
    static const struct {
        uint32_t offset, size;
    } ranges[] = { { 256, 1 }, { 200, 57 }, { 0xfffffff0u, 0x20 }, { 1, 256 } };
    struct rig *rig = greeted_rig(state, 1);
    struct tnd_vhost_message m;

    for (unsigned i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
        assert_int_equal(get_config(rig, ranges[i].offset, ranges[i].size, 12 + ranges[i].size, &m),
                         0);
        assert_int_equal(m.size, 0); /* an empty reply: no */
    }
    /* The size within does not fit the size of the message. */
    struct tn_vu_config odd[2] = { { .size = 60 } };
    send_only(rig->driver, TN_VU_GET_CONFIG, TN_VU_VERSION, odd, 20, -1);
    expect_hang_up(rig->driver);
}

static int set_config(struct rig *rig, uint32_t offset, uint32_t flags, const void *from,
                      uint32_t size)
{
    uint8_t bytes[300] = { 0 };
    struct tn_vu_config head = { .offset = offset, .size = size, .flags = flags };

    memcpy(bytes, &head, sizeof(head));
    memcpy(bytes + sizeof(head), from, size);
    return say(rig->driver, TN_VU_SET_CONFIG, bytes, 12 + size, -1);
}

/* VU-56: flags 0 for what is writable, 1 for a migrated device's whole space. */
static void set_config_flags_VU_56(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t capacity = tnd_blk_capacity(rig->driver), wrong = 1;
    uint8_t off = 0, on = 1, odd = 2, now = 9;

    assert_int_equal(set_config(rig, 0x20, 0, &off, 1), 0);
    assert_int_equal(tnd_config_read(rig->driver, 0x20, &now, 1), 0);
    assert_int_equal(now, 0);
    assert_int_equal(set_config(rig, 0x20, 0, &on, 1), 0);
    assert_int_equal(set_config(rig, 0x20, 0, &odd, 1), -EREMOTEIO);
    assert_int_equal(set_config(rig, 0, 0, &wrong, 8), -EREMOTEIO);
    assert_int_equal(set_config(rig, 0, 1, &wrong, 8), 0); /* migration: taken, changes nothing */
    assert_true(tnd_blk_capacity(rig->driver) == capacity);
    rig_check_alive(rig, 0);

    struct tn_vu_config unknown[2] = { { .offset = 0x20, .size = 1, .flags = 2 } };
    send_only(rig->driver, TN_VU_SET_CONFIG, TN_VU_VERSION, unknown, 13, -1);
    expect_hang_up(rig->driver);
}

static void set_config_out_of_bounds_VU_56(void **state)
{
    static const struct tn_vu_config heads[] = {
        { 256, 1, 0 }, { 255, 2, 0 }, { 0xffffffff, 1, 0 }, { 0, 2, 0 }
    };
    struct rig *rig = rig_new(state, NULL);

    for (unsigned i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        uint8_t bytes[14] = { 0 };
        memcpy(bytes, &heads[i], 12);
        send_only(rig->driver, TN_VU_SET_CONFIG, TN_VU_VERSION, bytes, i == 1 ? 14 : 13, -1);
        expect_hang_up(rig->driver);
        tnd_vhost_reconnect(rig->driver, rig_connect(rig));
        assert_int_equal(tnd_vhost_resume(rig->driver), 0);
    }
    rig_check_alive(rig, 0);
}

/* ---- the back-end's channel ---- */

static void grow(struct rig *rig)
{
    rig->image_bytes += 1 << 20;
    assert_int_equal(ftruncate(rig->image_fd, (off_t)rig->image_bytes), 0);
    assert_int_equal(tenon_blk_resized(rig->device), 0);
}

static void await_notices(struct rig *rig, uint64_t count)
{
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (tnd_config_irqs(rig->driver) < count && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    tnd_settle(rig->driver, 10);
    assert_int_equal(tnd_config_irqs(rig->driver), count);
}

static void resize_is_told_VU_57(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t before = tnd_blk_capacity(rig->driver), mapped = rig->image_bytes;

    for (uint64_t i = 1; i <= 3; i++) {
        grow(rig);
        await_notices(rig, i);
        assert_true(tnd_blk_capacity(rig->driver) == before + 2048 * i);
    }
    uint8_t data[512];
    assert_int_equal(tnd_blk_read(rig->driver, 0, before + 2048 * 3 - 1, data, 512), TN_BLK_S_OK);
    rig_check_alive(rig, 0);
    rig->image_bytes = mapped; /* what is mapped of it */
}

/* VU-51: while no ring runs nothing is said; it is owed until one does. */
static void resize_while_stopped_VU_51(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t mapped = rig->image_bytes;
    uint16_t base;

    assert_int_equal(rig->driver->ops->queue_stop(rig->driver, 0, &base), 0);
    grow(rig);
    tnd_settle(rig->driver, 30);
    assert_int_equal(tnd_config_irqs(rig->driver), 0);
    rig->driver->queues[0].ring->start = base;
    assert_int_equal(rig->driver->ops->queue_start(rig->driver, 0), 0);
    await_notices(rig, 1);
    rig_check_alive(rig, 0);
    rig->image_bytes = mapped;
}

/* VU-89, VU-91: replaced, closed by the front-end, full: nothing of that hurts. */
static void channel_replaced_closed_and_full_VU_89_91(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t mapped = rig->image_bytes;
    int ends[2], kind = 0;

    rig_check_alive(rig, 0); /* now the queue has all its descriptors */
    unsigned before = count_fds();

    for (kind = 0; kind < 3; kind++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        assert_int_equal(say(rig->driver, TN_VU_SET_BACKEND_REQ_FD, NULL, 0, ends[1]), 0);
        if (kind == 0) { /* full: nobody reads */
            char junk[256] = { 0 };
            while (send(ends[1], junk, sizeof(junk), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
            }
        }
        close(ends[1]);
        if (kind == 1) {
            close(ends[0]);
        }
        grow(rig);
        rig_check_alive(rig, 0);
        if (kind != 1) {
            close(ends[0]);
        }
    }
    grow(rig);
    rig_check_alive(rig, 0);
    assert_true(count_fds() <= before + 1);
    rig->image_bytes = mapped;
}

/* ---- reset and status ---- */

/* VU-58: what is in flight ends unanswered, before the acknowledgement; the session stays. */
static void reset_device_with_io_under_way_VU_58(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &o);
    struct tenon_driver *d = rig->driver;

    tnd_irq_take(d, 0);
    fake_hold(rig->fake, true);
    struct chain read = put_chain(rig, 0, 1, TN_BLK_T_IN, 3);
    while (fake_submitted(rig->fake) == 0) {
        tnd_pass(d);
    }
    send_only(d, TN_VU_RESET_DEVICE, TN_VU_VERSION | TN_VU_NEED_REPLY, NULL, 0, -1);
    expect_silence(d); /* the disk may still write to guest memory */
    fake_release_all(rig->fake);
    expect_ack(d);
    assert_int_equal(chain_status(rig, &read), TND_BLK_UNTOUCHED);
    assert_int_equal(tnd_raw_used_idx(d->queues[0].ring), 0);

    /* The same connection, all over again; memory is still known. */
    assert_int_equal(tnd_reset(d), 0);
    assert_int_equal(tnd_start(d, NULL), 0);
    rig_check_alive(rig, 0);
}

static void status_walk_VU_59_60(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tenon_driver *d = rig->driver;
    uint64_t status = 0;

    assert_int_equal(tnd_vhost_ask(d, TN_VU_GET_STATUS, &status), 0);
    assert_int_equal(status, 15);
    /* 0 resets: the ring does not run any more, whatever is kicked. */
    assert_int_equal(say_u64(d, TN_VU_SET_STATUS, 0), 0);
    assert_int_equal(tnd_vhost_ask(d, TN_VU_GET_STATUS, &status), 0);
    assert_int_equal(status, 0);
    struct chain c = put_chain(rig, 0, 1, TN_BLK_T_IN, 0);
    tnd_notify(d, 0);
    tnd_settle(d, 20);
    assert_int_equal(chain_status(rig, &c), TND_BLK_UNTOUCHED);
    assert_int_equal(tnd_reset(d), 0);
    assert_int_equal(tnd_start(d, NULL), 0);
    rig_check_alive(rig, 0);
}

/* ---- memory slots ---- */

static void allow_many_fds(void)
{
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max < 4096 ? limit.rlim_max : 4096;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* VU-26..29: as many regions as are offered, and 509 at least; each is used, and goes again. */
static void hundreds_of_memory_regions_VU_26_27_28(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tenon_driver *d = rig->driver;
    uint64_t slots = 0;
    int regions[600];

    allow_many_fds();
    assert_int_equal(tnd_vhost_ask(d, TN_VU_GET_MAX_MEM_SLOTS, &slots), 0);
    assert_true(slots >= 509 && slots <= 580);
    unsigned more = (unsigned)slots - d->ram->count;
    for (unsigned i = 0; i < more; i++) {
        regions[i] = tnd_ram_add(rig->ram, 0x10000000 + (uint64_t)i * 8192, 4096);
        assert_true(regions[i] >= 0);
        assert_int_equal(tnd_vhost_add_region(d, (unsigned)regions[i]), 0);
    }
    for (unsigned i = 0; i < more; i += 37) {
        struct chain c = put_chain(rig, 0, (unsigned)regions[i], TN_BLK_T_IN, 0);
        struct tnd_used used;
        assert_int_equal(tnd_wait_used(d, 0, &used), 0);
        assert_int_equal(chain_status(rig, &c), TN_BLK_S_OK);
    }
    /* One too many is refused, and nothing else happens. */
    int last = tnd_ram_add(rig->ram, 0x20000000, 4096);
    assert_int_equal(tnd_vhost_add_region(d, (unsigned)last), -EREMOTEIO);
    rig_check_alive(rig, 0);
    for (unsigned i = 0; i < more; i++) {
        unsigned k = i % 2 ? more - 1 - i / 2 : i / 2;
        assert_int_equal(tnd_vhost_remove_region(d, (unsigned)regions[k]), 0);
        assert_int_equal(tnd_vhost_remove_region(d, (unsigned)regions[k]), -EREMOTEIO);
    }
    rig_check_alive(rig, 0);
}

/* VU-28, VU-29: the offset does not count, an extra descriptor is closed. */
static void remove_region_matches_without_the_offset_VU_28_29(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tenon_driver *d = rig->driver;
    int r = tnd_ram_add(rig->ram, 0x10000000, 8192);
    struct tn_vu_mem_reg m = { .region = { .gpa = 0x10000000,
                                           .bytes = 8192,
                                           .user = (uintptr_t)rig->ram->regions[r].guest,
                                           .mmap_offset = 4096 } };

    assert_int_equal(tnd_vhost_add_region(d, (unsigned)r), 0);
    rig_check_alive(rig, 0); /* now the queue has all its descriptors */
    unsigned before = count_fds();
    m.region.user += 4096;
    assert_int_equal(say(d, TN_VU_REM_MEM_REG, &m, sizeof(m), -1), -EREMOTEIO);
    m.region.user -= 4096;
    assert_int_equal(say(d, TN_VU_REM_MEM_REG, &m, sizeof(m), rig->ram->regions[r].fd), 0);
    await_fds(rig, before);
    rig_check_alive(rig, 0);
}

/* QEMU before 8.0 adds each region once for each pair of queues, and removes it as often. */
static void regions_that_are_added_again_are_counted(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tenon_driver *d = rig->driver;
    int r = tnd_ram_add(rig->ram, 0x10000000, 4096);
    struct tnd_used used;

    rig_check_alive(rig, 0); /* now the queue has all its descriptors */
    unsigned before = count_fds();
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tnd_vhost_add_region(d, (unsigned)r), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(tnd_vhost_remove_region(d, (unsigned)r), 0);
        struct chain c = put_chain(rig, 0, (unsigned)r, TN_BLK_T_IN, 0);
        assert_int_equal(tnd_wait_used(d, 0, &used), 0);
        assert_int_equal(chain_status(rig, &c), TN_BLK_S_OK);
    }
    assert_int_equal(tnd_vhost_remove_region(d, (unsigned)r), 0);
    assert_int_equal(tnd_vhost_remove_region(d, (unsigned)r), -EREMOTEIO);
    await_fds(rig, before);
    rig_check_alive(rig, 0);
}

/* ---- enable rules ---- */

/* VU-50: without bit 30 all rings are enabled; bits that look like the number 30 fool nobody. */
static void enabled_without_protocol_features_VU_50(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);

    tnd_vhost_protocol(rig->driver, 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    assert_true((rig->driver->features[0] & 30) != 0); /* 30 is a bit's number, not a mask */
    rig_check_alive(rig, 0);
}

static void bit_30_alone_enables_nothing_VU_50(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    /* None of the bits 1 to 4 (SIZE_MAX, SEG_MAX, ...). */
    struct tnd_setup setup = { .only = { 1ull << TN_F_VERSION_1 } };

    assert_int_equal(tnd_negotiate(rig->driver, &setup), 0);
    make_ring(rig, 0, 64, 0);
    assert_int_equal(tell_num(rig, 0), 0);
    assert_int_equal(tell_base(rig, 0, 0), 0);
    assert_int_equal(tell_addr(rig, 0), 0);
    assert_int_equal(tell_kick(rig, 0), 0);
    assert_int_equal(tell_call(rig, 0), 0);
    struct chain c = put_chain(rig, 0, 1, TN_BLK_T_IN, 0);
    tnd_notify(rig->driver, 0);
    tnd_settle(rig->driver, 20);
    assert_int_equal(chain_status(rig, &c), TND_BLK_UNTOUCHED);
    assert_int_equal(tell_enable(rig, 0, true), 0);
    struct tnd_used used;
    assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
    assert_int_equal(chain_status(rig, &c), TN_BLK_S_OK);
}

static void enable_and_disable_VU_47_48(void **state)
{
    struct rig_options o = { .blk = { .queues = 2 }, .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &o);
    struct tnd_used used;

    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(tell_enable(rig, 1, false), 0);
        struct chain c = put_chain(rig, 1, 1, TN_BLK_T_IN, 0);
        tnd_notify(rig->driver, 1);
        tnd_settle(rig->driver, 5);
        assert_int_equal(chain_status(rig, &c), TND_BLK_UNTOUCHED);
        rig_check_alive(rig, 0);
        assert_int_equal(tell_enable(rig, 1, true), 0);
        assert_int_equal(tnd_wait_used(rig->driver, 1, &used), 0);
        assert_int_equal(chain_status(rig, &c), TN_BLK_S_OK);
        rig_check_alive(rig, 1);
    }
    /* Only 0 and 1 mean something. */
    send_only(rig->driver, TN_VU_SET_VRING_ENABLE, TN_VU_VERSION,
              &(struct tn_vu_vring_state){ 1, 2 }, 8, -1);
    expect_hang_up(rig->driver);
}

/* ---- malformed: VU-96..103, each leaves the server ready, with one line of log ---- */

struct bad {
    uint32_t request, flags, size; /* size as the header says it */
    uint32_t sent;                 /* bytes of payload that follow */
    uint64_t words[5];
    unsigned fds;
    bool after_start; /* with a ring that runs */
};

enum { ONE = TN_VU_VERSION };

/* The word in which two numbers of 32 bits follow one another in memory, or two of 16. */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define PAIR(first, second) ((uint64_t)(first) << 32 | (second))
#define SHORTS(first, second) ((uint64_t)(first) << 48 | (uint64_t)(second) << 32)
#else
#define PAIR(first, second) ((uint64_t)(second) << 32 | (first))
#define SHORTS(first, second) ((uint64_t)(second) << 16 | (first))
#endif

static const struct bad bads[] = {
    /* VU-02, VU-100: version, reply */
    { TN_VU_GET_FEATURES, 0, 0, 0, { 0 }, 0, false },
    { TN_VU_GET_FEATURES, 2, 0, 0, { 0 }, 0, false },
    { TN_VU_GET_FEATURES, 3, 0, 0, { 0 }, 0, false },
    { TN_VU_GET_FEATURES, ONE | TN_VU_REPLY, 0, 0, { 0 }, 0, false },
    /* VU-96: sizes */
    { TN_VU_SET_FEATURES, ONE, 7, 7, { 0 }, 0, false },
    { TN_VU_SET_FEATURES, ONE, 9, 9, { 0 }, 0, false },
    { TN_VU_SET_FEATURES, ONE, 0xffffffff, 8, { 0 }, 0, false },
    { TN_VU_GET_FEATURES, ONE, 8, 8, { 0 }, 0, false },
    { 99, ONE, 0x80000000, 0, { 0 }, 0, false },
    { TN_VU_SET_MEM_TABLE, ONE, 12, 12, { PAIR(1, 0) }, 1, false },
    { TN_VU_SET_MEM_TABLE, ONE, 40, 40, { PAIR(2, 0) }, 2, false },
    { TN_VU_SET_MEM_TABLE, ONE, 8, 8, { PAIR(9, 0) }, 0, false },
    /* VU-98: indexes, with all their bits */
    { TN_VU_SET_VRING_NUM, ONE, 8, 8, { PAIR(255, 64) }, 0, false },
    { TN_VU_SET_VRING_NUM, ONE, 8, 8, { PAIR(0x80000000, 64) }, 0, false },
    { TN_VU_SET_VRING_NUM, ONE, 8, 8, { PAIR(0x10000, 64) }, 0, false },
    { TN_VU_SET_VRING_BASE, ONE, 8, 8, { PAIR(0x10000, 0) }, 0, false },
    { TN_VU_GET_VRING_BASE, ONE, 8, 8, { PAIR(0x10000, 0) }, 0, false },
    { TN_VU_SET_VRING_ENABLE, ONE, 8, 8, { PAIR(0x10000, 1) }, 0, false },
    { TN_VU_SET_VRING_ADDR, ONE, 40, 40, { PAIR(0x10000, 0) }, 0, false },
    { TN_VU_SET_VRING_KICK, ONE, 8, 8, { 0x1ff }, 0, false },
    { TN_VU_SET_VRING_CALL, ONE, 8, 8, { 0x10000000000 }, 1, false },
    { TN_VU_SET_VRING_ERR, ONE, 8, 8, { 0xff }, 1, false },
    /* VU-33, VU-37: values */
    { TN_VU_SET_VRING_NUM, ONE, 8, 8, { 0 }, 0, false },
    { TN_VU_SET_VRING_NUM, ONE, 8, 8, { PAIR(0, 3) }, 0, false },
    { TN_VU_SET_VRING_NUM, ONE, 8, 8, { PAIR(0, 65536) }, 0, false },
    { TN_VU_SET_VRING_BASE, ONE, 8, 8, { PAIR(0, 65536) }, 0, false },
    /* VU-22: regions: empty, wrapping, longer than the file, a descriptor too few */
    { TN_VU_SET_MEM_TABLE, ONE, 40, 40, { PAIR(1, 0), 0, 0, 0x1000, 0 }, 1, false },
    { TN_VU_SET_MEM_TABLE,
      ONE,
      40,
      40,
      { PAIR(1, 0), 0xfffffffffffff000, 0x2000, 0x1000, 0 },
      1,
      false },
    { TN_VU_SET_MEM_TABLE,
      ONE,
      40,
      40,
      { PAIR(1, 0), 0, 0x1000, 0xfffffffffffff800, 0 },
      1,
      false },
    { TN_VU_SET_MEM_TABLE,
      ONE,
      40,
      40,
      { PAIR(1, 0), 0, 0x1000, 0x1000, 0xfffffffffffff800 },
      1,
      false },
    { TN_VU_SET_MEM_TABLE, ONE, 40, 40, { PAIR(1, 0), 0, 0x100000, 0x1000, 0 }, 1, false },
    { TN_VU_SET_MEM_TABLE, ONE, 40, 40, { PAIR(1, 0), 0, 0x1000, 0x1000, 0 }, 0, false },
    { TN_VU_SET_MEM_TABLE, ONE, 40, 40, { PAIR(1, 0), 0, 0x1000, 0x1000, 0 }, 2, false },
    { TN_VU_ADD_MEM_REG, ONE, 40, 40, { 0, 0, 0x1000, 0x1000, 0 }, 0, false },
    { TN_VU_ADD_MEM_REG, ONE, 40, 40, { 0, 0, 0x1000, 0x1000, 0 }, 2, false },
    { TN_VU_ADD_MEM_REG, ONE, 40, 40, { 0, 0, 0x1000, 0x1000, 0xfffffffffffff800 }, 1, false },
    { TN_VU_ADD_MEM_REG, ONE, 40, 40, { 0, 0, 0x1000, 0x1000, 0 }, 1, true }, /* overlap */
    /* VU-99: descriptors: none, too many, more than 8 */
    { TN_VU_SET_VRING_KICK, ONE, 8, 8, { 0 }, 0, false },
    { TN_VU_SET_VRING_KICK, ONE, 8, 8, { 0x100 }, 1, false },
    { TN_VU_SET_VRING_CALL, ONE, 8, 8, { 0 }, 2, false },
    { TN_VU_SET_VRING_CALL, ONE, 8, 8, { 0 }, 1, false }, /* of the wrong kind: a file */
    { TN_VU_SET_BACKEND_REQ_FD, ONE, 0, 0, { 0 }, 0, false },
    { TN_VU_SET_BACKEND_REQ_FD, ONE, 0, 0, { 0 }, 2, false },
    { TN_VU_SET_BACKEND_REQ_FD, ONE, 0, 0, { 0 }, 1, false }, /* no socket */
    { TN_VU_GET_FEATURES, ONE, 0, 0, { 0 }, 1, false },
    { TN_VU_SET_MEM_TABLE, ONE, 40, 40, { PAIR(1, 0), 0, 0x1000, 0x1000, 0 }, 9, false },
    { TN_VU_SET_MEM_TABLE, ONE, 40, 40, { PAIR(1, 0), 0, 0x1000, 0x1000, 0 }, 30, false },
    /* VU-74: records */
    { TN_VU_GET_INFLIGHT_FD, ONE, 24, 24, { 0, 0, 0 }, 0, false },
    { TN_VU_GET_INFLIGHT_FD, ONE, 24, 24, { 0, 0, SHORTS(2, 64) }, 0, false },
    { TN_VU_SET_INFLIGHT_FD, ONE, 24, 24, { 64, 0, SHORTS(1, 64) }, 1, false },
    { TN_VU_SET_INFLIGHT_FD, ONE, 24, 24, { 0x10000, 0, SHORTS(1, 64) }, 1, false },
    { TN_VU_SET_INFLIGHT_FD, ONE, 24, 24, { 0x800, 0xfffffffffffff800, SHORTS(1, 64) }, 1, false },
    { TN_VU_SET_INFLIGHT_FD, ONE, 24, 24, { 0x1000, 0, SHORTS(1, 64) }, 0, false },
    { TN_VU_SET_INFLIGHT_FD, ONE, 24, 24, { 0x1000, 0, SHORTS(1, 64) }, 3, false },
    /* VU-102: what a running ring does not let happen */
    { TN_VU_SET_VRING_NUM, ONE, 8, 8, { PAIR(0, 32) }, 0, true },
    { TN_VU_SET_VRING_BASE, ONE, 8, 8, { PAIR(0, 5) }, 0, true },
    { TN_VU_SET_VRING_ADDR, ONE, 40, 40, { 0, 0x1000, 0x2000, 0x3000, 0 }, 0, true },
    { TN_VU_GET_INFLIGHT_FD, ONE, 24, 24, { 0, 0, SHORTS(1, 64) }, 0, true },
    { TN_VU_SET_FEATURES, ONE, 8, 8, { 1ull << 32 | 1ull << 30 }, 0, true },
    { TN_VU_SET_STATUS, ONE, 8, 8, { 256 }, 0, false },
};

static void send_bad(struct rig *rig, const struct bad *bad)
{
    struct {
        struct tn_vu_header header;
        uint8_t payload[64];
    } bytes = { .header = { bad->request, bad->flags, bad->size } };
    int fds[TND_VHOST_FDS];

    memcpy(bytes.payload, bad->words, sizeof(bad->words));
    for (unsigned i = 0; i < bad->fds; i++) {
        fds[i] = memfd_create("bad", MFD_CLOEXEC);
        assert_true(fds[i] >= 0);
        assert_int_equal(ftruncate(fds[i], 0x4000), 0);
    }
    assert_int_equal(
        tnd_vhost_send_bytes(rig->driver, &bytes, sizeof(bytes.header) + bad->sent, fds, bad->fds),
        0);
    for (unsigned i = 0; i < bad->fds; i++) {
        close(fds[i]);
    }
}

static void bads_end_the_session(void **state, bool too_many_fds)
{
    struct rig *rig = rig_new(state, NULL);
    struct tenon_driver *d = rig->driver;

    rig_check_alive(rig, 0);
    unsigned fds = count_fds(), mappings = count_mappings();
    for (unsigned i = 0; i < sizeof(bads) / sizeof(bads[0]); i++) {
        if ((bads[i].fds > TN_VU_MAX_FDS) != too_many_fds) {
            continue;
        }
        if (!bads[i].after_start) {
            tnd_vhost_reconnect(d, rig_connect(rig));
            assert_int_equal(d->ops->offered(d, d->offered), 0);
        }
        log_begin();
        send_bad(rig, &bads[i]);
        expect_hang_up(d);
        if (log_lines() != 1 || !log_has("the connection ends")) {
            fail_msg("message %u (request %u): %u lines of log", i, bads[i].request, log_lines());
        }
        tnd_vhost_reconnect(d, rig_connect(rig));
        if (tnd_vhost_resume(d) != 0) {
            fail_msg("after message %u (request %u) there is no new session", i, bads[i].request);
        }
        rig_check_alive(rig, 0);
    }
    await_fds(rig, fds);
    assert_int_equal(count_mappings(), mappings);
}

static void malformed_messages_end_the_session_VU_96_to_103(void **state)
{
    bads_end_the_session(state, false);
}

static void more_descriptors_than_any_message_takes_VU_04_99(void **state)
{
    need_lost_fds();
    bads_end_the_session(state, true);
}

/* VU-97: drained, descriptors closed, "no" when asked; and the session goes on. */
static void unknown_messages_VU_63_97(void **state)
{
    static const uint32_t ids[] = { 0,
                                    TN_VU_SET_LOG_BASE,
                                    TN_VU_SEND_RARP,
                                    TN_VU_NET_SET_MTU,
                                    TN_VU_IOTLB_MSG,
                                    TN_VU_SET_VRING_ENDIAN,
                                    TN_VU_CREATE_CRYPTO_SESSION,
                                    TN_VU_POSTCOPY_ADVISE,
                                    TN_VU_GPU_SET_SOCKET,
                                    TN_VU_VRING_KICK,
                                    41,
                                    42,
                                    44,
                                    45,
                                    46,
                                    99,
                                    0x80000000,
                                    0xffffffff };
    struct rig *rig = rig_new(state, NULL);
    uint8_t payload[4096] = { 0 };

    rig_check_alive(rig, 0); /* now the queue has all its descriptors */
    unsigned before = count_fds();
    log_begin();
    for (unsigned i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        int fd = eventfd(0, EFD_CLOEXEC);
        assert_int_equal(say(rig->driver, ids[i], payload, i * 200, fd), -EREMOTEIO);
        send_only(rig->driver, ids[i], TN_VU_VERSION, payload, 16, fd);
        close(fd);
        rig_check_alive(rig, 0);
    }
    await_fds(rig, before);
    assert_int_equal(log_lines(), 1); /* once a connection: it could be repeated for ever */
}

/* VU-01: any pieces. */
static void messages_byte_by_byte_VU_01(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t features = rig->driver->features[0] | 1ull << TN_VU_F_PROTOCOL_FEATURES;
    struct tn_vu_header header = { TN_VU_SET_FEATURES, TN_VU_VERSION | TN_VU_NEED_REPLY, 8 };
    uint8_t bytes[20];

    memcpy(bytes, &header, sizeof(header));
    memcpy(bytes + sizeof(header), &features, sizeof(features));

    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(tnd_vhost_send_bytes(rig->driver, bytes + i, 1, NULL, 0), 0);
        tnd_settle(rig->driver, 1);
    }
    expect_ack(rig->driver);
    rig_check_alive(rig, 0);
}

/* VU-73: both lengths; shared memory that is all zero; again and again without a leak
 * (CVE-2020-10726, CVE-2022-0669). */
static void get_inflight_again_and_again_VU_73(void **state)
{
    struct rig *rig = greeted_rig(state, 4);
    unsigned fds = count_fds(), mappings = count_mappings();

    for (unsigned i = 0; i < 50; i++) {
        struct tn_vu_inflight ask = { .queues = 4, .queue_size = 128 };
        struct tnd_vhost_message m;
        uint32_t bytes = i % 2 ? 20 : 24;
        send_only(rig->driver, TN_VU_GET_INFLIGHT_FD, TN_VU_VERSION, &ask, bytes, -1);
        assert_int_equal(tnd_vhost_receive(rig->driver, &m, rig->driver->timeout_ms), 0);
        assert_int_equal(m.size, bytes);
        assert_int_equal(m.fd_count, 1);
        memcpy(&ask, m.payload, bytes);
        assert_true(ask.mmap_size >= 4 * (16 + 128 * 16) && ask.queues == 4);
        uint8_t first[64], zero[64] = { 0 };
        assert_int_equal(pread(m.fds[0], first, 64, (off_t)ask.mmap_offset), 64);
        assert_memory_equal(first, zero, 64);
        assert_int_equal(say(rig->driver, TN_VU_SET_INFLIGHT_FD, &ask, bytes, m.fds[0]), 0);
        close(m.fds[0]);
    }
    await_fds(rig, fds);
    assert_true(count_mappings() <= mappings + 1);
}

/* Everything that may be said again, said again: nothing piles up (CVE-2019-14818). */
static void repeated_setup_leaks_nothing_VU_102(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    unsigned fds = 0;

    assert_int_equal(tnd_negotiate(rig->driver, NULL), 0);
    make_ring(rig, 0, 64, 0);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(tell_num(rig, 0), 0);
        assert_int_equal(tell_base(rig, 0, 0), 0);
        assert_int_equal(tell_addr(rig, 0), 0);
        assert_int_equal(tell_call(rig, 0), 0);
        assert_int_equal(tell_kick(rig, 0), 0);
        assert_int_equal(
            say_fd(rig->driver, TN_VU_SET_VRING_ERR, 0, rig->driver->queues[0].call_fd), 0);
        fds = i == 0 ? count_fds() : fds;
    }
    await_fds(rig, fds);
    assert_int_equal(tell_enable(rig, 0, true), 0);
    rig_check_alive(rig, 0);
}

static const struct rig_case cases[] = {
    VHOST_TEST(protocol_features_come_first_VU_14_15),
    VHOST_TEST(queue_number_VU_46),
    VHOST_TEST(acknowledgements_VU_03_07_08_09),
    VHOST_TEST(reply_ack_without_asking_first_VU_09),
    VHOST_TEST(features_that_were_not_offered_VU_13_60),
    VHOST_TEST(messages_without_their_feature_VU_17),
    VHOST_TEST(get_config_partial_and_over_long_VU_55),
    VHOST_TEST(get_config_out_of_range_VU_55),
    VHOST_TEST(set_config_flags_VU_56),
    VHOST_TEST(set_config_out_of_bounds_VU_56),
    VHOST_TEST(resize_is_told_VU_57),
    VHOST_TEST(resize_while_stopped_VU_51),
    VHOST_TEST(channel_replaced_closed_and_full_VU_89_91),
    VHOST_TEST(reset_device_with_io_under_way_VU_58),
    VHOST_TEST(status_walk_VU_59_60),
    VHOST_TEST(hundreds_of_memory_regions_VU_26_27_28),
    VHOST_TEST(remove_region_matches_without_the_offset_VU_28_29),
    VHOST_TEST(regions_that_are_added_again_are_counted),
    VHOST_TEST(enabled_without_protocol_features_VU_50),
    VHOST_TEST(bit_30_alone_enables_nothing_VU_50),
    VHOST_TEST(enable_and_disable_VU_47_48),
    VHOST_TEST(malformed_messages_end_the_session_VU_96_to_103),
    VHOST_TEST(more_descriptors_than_any_message_takes_VU_04_99),
    VHOST_TEST(unknown_messages_VU_63_97),
    VHOST_TEST(messages_byte_by_byte_VU_01),
    VHOST_TEST(get_inflight_again_and_again_VU_73),
    VHOST_TEST(repeated_setup_leaks_nothing_VU_102),
};

int main(int argc, char **argv)
{
    return vhost_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
