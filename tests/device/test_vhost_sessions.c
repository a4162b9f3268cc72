/*
 * test_vhost_sessions.c: front-ends that come, go, stop in the middle, hang up at any moment, cut
 * off the memory that they share, or do not read; one after another, and beside each other in one
 * process. Nobody else waits for them, and nothing of them is left. VU-05, VU-73..79, VU-101,
 * VU-103.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "needs.h"
#include "vhost_tools.h"

static struct rig *disk_rig(void **state, enum rig_disk disk)
{
    struct rig_options o = { .disk = disk };
    return rig_new(state, &o);
}

static void await_held(struct rig *rig, unsigned count)
{
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (fake_held(rig->fake) < count && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    assert_int_equal(fake_held(rig->fake), count);
}

/* ---- one front-end holds up no other ---- */

static void half_a_message_blocks_nobody(void **state)
{
    struct rig *rig = disk_rig(state, RIG_DISK_FILE);
    struct neighbour *n = neighbour_new(rig, true);
    struct tn_vu_header header = { TN_VU_SET_MEM_TABLE, TN_VU_VERSION, 40 };
    uint8_t bytes[52] = { 0 };

    memcpy(bytes, &header, sizeof(header));
    for (unsigned cut = 1; cut < sizeof(bytes); cut += 5) {
        assert_int_equal(tnd_vhost_send_bytes(rig->driver, bytes, cut, NULL, 0), 0);
        tnd_settle(rig->driver, 2);
        for (unsigned i = 0; i < 3; i++) {
            neighbour_check(n);
            assert_true(tnd_blk_capacity(n->driver) == sizeof(n->image) / 512);
        }
        /* Hung up in the middle: ready for the next one. */
        tnd_vhost_reconnect(rig->driver, rig_connect(rig));
        assert_int_equal(tnd_vhost_resume(rig->driver), 0);
        rig_check_alive(rig, 0);
    }
    neighbour_free(n);
}

/* VU-38 over a hung disk: the session that waits is not read from, and that is all. */
static void a_drain_over_a_hung_disk_blocks_nobody(void **state)
{
    struct rig *rig = disk_rig(state, RIG_DISK_FAKE);
    struct neighbour *n = neighbour_new(rig, true);
    struct tn_vu_vring_state s = { .index = 0 };
    struct tnd_vhost_message m;

    fake_hold(rig->fake, true);
    put_chain(rig, 0, 1, TN_BLK_T_IN, 0);
    await_held(rig, 1);
    send_only(rig->driver, TN_VU_GET_VRING_BASE, TN_VU_VERSION, &s, sizeof(s), -1);
    send_only(rig->driver, TN_VU_GET_STATUS, TN_VU_VERSION, NULL, 0, -1);
    for (unsigned i = 0; i < 10; i++) {
        neighbour_check(n);
        assert_true(tnd_blk_capacity(n->driver) == sizeof(n->image) / 512);
        tnd_vhost_reconnect(n->driver, neighbour_connect(n));
        assert_int_equal(tnd_vhost_resume(n->driver), 0);
    }
    expect_silence(rig->driver);
    fake_release_all(rig->fake);
    assert_int_equal(tnd_vhost_receive(rig->driver, &m, rig->driver->timeout_ms), 0);
    assert_int_equal(m.request, TN_VU_GET_VRING_BASE);
    assert_int_equal(tnd_vhost_receive(rig->driver, &m, rig->driver->timeout_ms), 0);
    assert_int_equal(m.request, TN_VU_GET_STATUS);
    neighbour_free(n);
}

static void ask_without_reading(struct rig *rig, struct tenon_driver *driver, struct neighbour *n)
{
    uint8_t ask[12 + 12 + 256] = { 0 };
    struct tn_vu_header header = { TN_VU_GET_CONFIG, TN_VU_VERSION, 12 + 256 };
    struct tn_vu_config head = { .size = 256 };
    struct tnd_vhost_message m;
    unsigned sent = 0, idle = 0;

    memcpy(ask, &header, sizeof(header));
    memcpy(ask + 12, &head, sizeof(head));
    for (; sent < 20000 && idle < 20; sent++) {
        ssize_t bytes =
            send(tnd_vhost_socket(driver), ask, sizeof(ask), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (bytes < 0) {
            tnd_settle(driver, 1);
            idle++;
            sent--;
        } else {
            assert_int_equal(bytes, sizeof(ask));
            idle = 0;
        }
    }
    assert_true(sent > 100 && sent < 20000);
    if (driver == n->driver) {
        rig_check_alive(rig, 0);
        assert_true(tnd_blk_capacity(rig->driver) == rig->image_bytes / 512);
    } else {
        neighbour_check(n);
        assert_true(tnd_blk_capacity(n->driver) == sizeof(n->image) / 512);
    }
    for (unsigned i = 0; i < sent; i++) {
        assert_int_equal(tnd_vhost_receive(driver, &m, driver->timeout_ms), 0);
        assert_int_equal(m.request, TN_VU_GET_CONFIG);
        assert_int_equal(m.size, 12 + 256);
    }
}

/*
 * A front-end that asks and does not read the answers: its own session stands still. One whose
 * socket was handed over may have left it blocking.
 */
static void answers_that_nobody_reads_block_nobody(void **state)
{
    struct rig *rig = disk_rig(state, RIG_DISK_FILE);
    struct neighbour *n = neighbour_new(rig, false);

    ask_without_reading(rig, rig->driver, n);
    ask_without_reading(rig, n->driver, n);
    rig_check_alive(rig, 0);
    neighbour_check(n);
    neighbour_free(n);
}

/* VU-103: gone before its answer: no SIGPIPE, and ready for the next. */
static void hung_up_before_the_answer_VU_103(void **state)
{
    struct rig *rig = disk_rig(state, RIG_DISK_FILE);

    for (unsigned i = 0; i < 50; i++) {
        send_only(rig->driver, TN_VU_GET_FEATURES, TN_VU_VERSION, NULL, 0, -1);
        send_only(rig->driver, TN_VU_GET_PROTOCOL_FEATURES, TN_VU_VERSION, NULL, 0, -1);
        tnd_vhost_reconnect(rig->driver, rig_connect(rig));
        if (i % 4 == 3) {
            tnd_settle(rig->driver, 1); /* the backlog is short */
        }
    }
    assert_int_equal(tnd_vhost_resume(rig->driver), 0);
    rig_check_alive(rig, 0);
}

static void two_devices_in_one_process(void **state)
{
    struct rig *rig = disk_rig(state, RIG_DISK_FILE);
    struct neighbour *n = neighbour_new(rig, true);
    char id[20] = { 0 };

    for (unsigned i = 0; i < 30; i++) {
        rig_check_alive(rig, 0);
        neighbour_check(n);
    }
    assert_int_equal(tnd_blk_get_id(n->driver, 0, id), TN_BLK_S_OK);
    assert_memory_equal(id, "neighbour", 9);
    assert_int_equal(tnd_blk_get_id(rig->driver, 0, id), TN_BLK_S_OK);
    assert_memory_not_equal(id, "neighbour", 9);
    neighbour_free(n);
    rig_check_alive(rig, 0);
}

/* ---- the end of a connection, and the next one ---- */

/* Hung up with writes under way: the next front-end is not heard before they have ended. */
static void the_next_one_waits_for_what_is_under_way(void **state)
{
    struct rig *rig = disk_rig(state, RIG_DISK_FAKE);
    struct tenon_driver *d = rig->driver;
    struct tnd_vhost_message m;
    struct tnd_used used;

    fake_hold(rig->fake, true);
    struct chain c[2];
    for (unsigned i = 0; i < 2; i++) {
        c[i] = put_chain(rig, 0, 1, TN_BLK_T_OUT, 5);
        tnd_ram_fill(rig->ram, c[i].data, (uint8_t)(i + 1), 512);
    }
    /* Both are taken off the ring: one that is not is the next front-end's. */
    rig_await_stat(rig, "requests", 0, 2);
    await_held(rig, 1); /* the second waits for the first: they overlap */
    tnd_vhost_reconnect(d, rig_connect(rig));
    send_only(d, TN_VU_GET_FEATURES, TN_VU_VERSION, NULL, 0, -1);
    expect_silence(d);
    assert_true(fake_release(rig->fake, 0));
    await_held(rig, 1);
    expect_silence(d);
    fake_release_all(rig->fake);
    assert_int_equal(tnd_vhost_receive(d, &m, d->timeout_ms), 0);
    assert_int_equal(m.request, TN_VU_GET_FEATURES);
    assert_int_equal(rig->image[5 * 512], 2);
    /* They were finished and reported; the same driver goes on, each is answered once. */
    assert_int_equal(tnd_vhost_resume(d), 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(tnd_wait_used(d, 0, &used), 0);
        assert_int_equal(chain_status(rig, &c[i]), TN_BLK_S_OK);
    }
    rig_check_alive(rig, 0);
    assert_int_equal(d->queues[0].ring->bad_used, 0);
}

/* VU-102, VU-103: hung up after the n-th message of the way to a running ring. */
static void hung_up_after_each_message_VU_103(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct tenon_driver *d = rig->driver;
    unsigned fds = 0;

    for (unsigned cut = 0; cut < 24; cut++) {
        unsigned step = 0;
        uint64_t number;
        int error = d->ops->offered(d, d->offered);
        d->features[0] = d->offered[0];
        assert_int_equal(error, 0);
        make_ring(rig, 0, 64, 0);
        if (cut == 0) {
            fds = count_fds();
        }
        while (step < cut && !error) {
            unsigned k = step++;
            error = k == 0    ? say_u64(d, TN_VU_SET_STATUS, 3)
                    : k == 1  ? say_u64(d, TN_VU_SET_FEATURES, d->features[0] | 1ull << 30)
                    : k == 2  ? say_u64(d, TN_VU_SET_STATUS, 11)
                    : k < 7   ? tnd_vhost_add_region(d, k - 3)
                    : k == 7  ? tell_num(rig, 0)
                    : k == 8  ? tell_base(rig, 0, 0)
                    : k == 9  ? tell_addr(rig, 0)
                    : k == 10 ? tell_call(rig, 0)
                    : k == 11 ? tell_kick(rig, 0)
                    : k == 12 ? tell_enable(rig, 0, true)
                    : k == 13 ? tnd_vhost_ask(d, TN_VU_GET_QUEUE_NUM, &number)
                    : k == 14 ? tell_enable(rig, 0, false)
                    : k == 15 ? tell_enable(rig, 0, true)
                    : k == 16 ? tell_call(rig, 0)
                    : k == 17 ? say_u64(d, TN_VU_SET_STATUS, 15)
                              : tnd_vhost_ask(d, TN_VU_GET_STATUS, &number);
        }
        assert_int_equal(error, 0);
        tnd_vhost_reconnect(d, rig_connect(rig));
        tnd_ring_free(d->queues[0].ring);
        d->queues[0].ring = NULL;
        d->queue_count = 0;
    }
    assert_int_equal(tnd_start(d, NULL), 0);
    rig_check_alive(rig, 0);
    /* kick, call, err of the driver, and its copy of the inflight file; ours are: kick, copies */
    assert_true(count_fds() <= fds + 9);
}

/* VU-79 */
static void a_thousand_connections_VU_79(void **state)
{
    struct rig *rig = disk_rig(state, RIG_DISK_FILE);
    struct tenon_driver *d = rig->driver;
    unsigned rounds = rig->inline_ && !rig->poll_loop ? 1000 : 150;
    unsigned fds = 0, mappings = 0;

    for (unsigned i = 0; i < rounds; i++) {
        tnd_vhost_reconnect(d, rig_connect(rig));
        assert_int_equal(tnd_vhost_resume(d), 0);
        assert_int_equal(tnd_blk_flush(d, 0), TN_BLK_S_OK);
        if (i == 2) {
            fds = count_fds();
            mappings = count_mappings();
        }
    }
    await_fds(rig, fds);
    assert_int_equal(count_mappings(), mappings);
    rig_check_alive(rig, 0);
}

/* VU-77: with the record of what was in flight, over ends of all kinds, each is answered once. */
static void the_record_over_many_ends_VU_77(void **state)
{
    struct rig *rig = disk_rig(state, RIG_DISK_FILE);
    struct batch *batch = calloc(1, sizeof(*batch));

    for (unsigned i = 0; i < 60; i++) {
        batch_begin(rig, batch, 0, i);
        if (i % 3 == 0) { /* an end by mistake */
            send_only(rig->driver, TN_VU_SET_FEATURES, 0, NULL, 0, -1);
            expect_hang_up(rig->driver);
        } else if (i % 3 == 1) {
            tnd_settle(rig->driver, 1);
        }
        tnd_vhost_reconnect(rig->driver, rig_connect(rig));
        assert_int_equal(tnd_vhost_resume(rig->driver), 0);
        batch_end(rig, batch);
    }
    tnd_settle(rig->driver, 10);
    tnd_blk_reap(rig->driver, 0);
    assert_int_equal(rig->driver->queues[0].ring->bad_used, 0);
    free(batch);
}

/* VU-05: one connection, handed over: it is served, its end is told, and no other comes. */
static void a_connection_handed_over_VU_05(void **state)
{
    struct rig *rig = disk_rig(state, RIG_DISK_FILE);
    struct neighbour *n = neighbour_new(rig, false);

    neighbour_check(n);
    assert_int_equal(rig_event(&n->connected), 1);
    assert_int_equal(rig_event(&n->disconnected), 0);
    send_only(n->driver, TN_VU_GET_FEATURES, 0, NULL, 0, -1);
    expect_hang_up(n->driver);
    rig_await_event(rig, &n->disconnected, 1);
    rig_check_alive(rig, 0);
    neighbour_free(n);
}

/* The server is closed with requests under way: it drains, then calls back. */
static void closing_the_server_drains(void **state)
{
    static const uint8_t zeroes[512];
    struct rig *rig = disk_rig(state, RIG_DISK_FILE);

    for (unsigned i = 0; i < 10; i++) {
        struct neighbour *n = neighbour_new(rig, i % 2);
        struct tnd_blk_request r[20];
        for (unsigned k = 0; k < 20; k++) {
            r[k] = (struct tnd_blk_request){
                .type = TN_BLK_T_OUT, .sector = k, .out = zeroes, .out_bytes = 512
            };
            assert_int_equal(tnd_blk_add(n->driver, 0, &r[k]), 0);
        }
        tnd_kick(n->driver, 0);
        neighbour_close_server(n);
        expect_hang_up(n->driver);
        unsigned used = tnd_raw_used_idx(n->driver->queues[0].ring);
        tnd_blk_reap(n->driver, 0);
        for (unsigned k = 0; k < 20; k++) { /* those that it took, it answered */
            assert_int_equal(r[k].done, k < used);
            assert_int_equal(r[k].done ? r[k].status : TN_BLK_S_OK, TN_BLK_S_OK);
            if (!r[k].done) {
                tnd_ring_forget(n->driver->queues[0].ring, &r[k]);
                tnd_blk_forget(n->driver, &r[k]);
            }
        }
        neighbour_free(n);
    }
    rig_check_alive(rig, 0);
}

/* ---- a front-end that cuts off memory which it shares: VU-103 ---- */

static void on_sigbus(int number, siginfo_t *info, void *context)
{
    (void)context;
    if (!tenon_sigbus(info)) {
        signal(number, SIG_DFL); /* a fault of the test itself: let it be seen */
    }
}

/* In the test itself: cmocka puts its own handlers in place before it. */
static void survive_sigbus(void)
{
    struct sigaction action = { .sa_sigaction = on_sigbus, .sa_flags = SA_SIGINFO };
    need_fault_address();
    assert_int_equal(sigaction(SIGBUS, &action, NULL), 0);
}

/* What the session ended with; the neighbour and the next front-end notice nothing. */
static void check_cut_off(struct rig *rig, struct neighbour *n)
{
    struct tenon_driver *d = rig->driver;
    expect_hang_up(d);
    assert_true(log_has("cut off memory"));
    for (unsigned i = 0; i < 5; i++) {
        neighbour_check(n);
    }
    struct tenon_driver *next = new_front_end(rig, n->ram);
    assert_int_equal(tnd_start(next, NULL), 0);
    assert_int_equal(tnd_blk_flush(next, 0), TN_BLK_S_OK);
    tnd_free(next);
}

static void buffers_cut_off_VU_103(void **state)
{
    static uint8_t image[1 << 20];
    struct tenon_disk *disk = NULL;
    assert_int_equal(tenon_disk_open_memory(image, sizeof(image), false, &disk), 0);
    struct rig_options o = { .other = disk, .disk_bytes = sizeof(image) };
    struct rig *rig = rig_new(state, &o);
    struct neighbour *n = neighbour_new(rig, true);
    int r = tnd_ram_add(rig->ram, 0x10000000, 0x4000);

    survive_sigbus();
    log_begin();
    assert_int_equal(tnd_vhost_add_region(rig->driver, (unsigned)r), 0);
    assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_OK);
    uint64_t buffer = rig->ram->regions[r].gpa;
    assert_int_equal(ftruncate(rig->ram->regions[r].fd, 0), 0);
    /* Header and status where memory still is, the data where it is not. */
    struct tnd_seg segs[] = {
        { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_IN, 0), .bytes = 16 },
        { .gpa = buffer, .bytes = 512, .write = true },
        { .gpa = tnd_ram_alloc(rig->ram, 1), .bytes = 1, .write = true },
    };
    assert_true(tnd_add(rig->driver, 0, segs, 3, TND_DIRECT, NULL) >= 0);
    tnd_kick(rig->driver, 0);
    check_cut_off(rig, n);
    neighbour_free(n);
}

static void rings_cut_off_VU_103(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct neighbour *n = neighbour_new(rig, true);
    struct tenon_driver *d = rig->driver;
    int r = tnd_ram_add(rig->ram, 0x10000000, 0x4000);

    survive_sigbus();
    log_begin();
    assert_int_equal(tnd_negotiate(d, NULL), 0);
    assert_int_equal(tnd_ring_new(rig->ram, (unsigned)r, 64, 0, &d->queues[0].ring), 0);
    assert_int_equal(tnd_queues(d, NULL), 0);
    rig_check_alive(rig, 0);
    assert_int_equal(ftruncate(rig->ram->regions[r].fd, 0), 0);
    tnd_notify(d, 0);
    check_cut_off(rig, n);
    tnd_ring_free(d->queues[0].ring); /* touches nothing of it */
    d->queues[0].ring = NULL;
    d->queue_count = 0;
    neighbour_free(n);
}

/* A record in a file of the front-end's own, that cannot be sealed. */
static void record_cut_off_VU_103(void **state)
{
    struct rig *rig = disk_rig(state, RIG_DISK_FILE);
    struct neighbour *n = neighbour_new(rig, true);
    struct tenon_driver *d = rig->driver;
    struct tn_vu_inflight record = { .mmap_size = 0x4000, .queues = 1, .queue_size = 256 };
    uint16_t base;

    survive_sigbus();
    log_begin();
    int fd = memfd_create("record", MFD_CLOEXEC);
    assert_int_equal(ftruncate(fd, 0x4000), 0);
    assert_int_equal(d->ops->queue_stop(d, 0, &base), 0);
    assert_int_equal(say(d, TN_VU_SET_INFLIGHT_FD, &record, sizeof(record), fd), 0);
    d->queues[0].ring->start = base;
    assert_int_equal(tell_base(rig, 0, base), 0);
    assert_int_equal(tell_call(rig, 0), 0);
    assert_int_equal(tell_kick(rig, 0), 0);
    rig_check_alive(rig, 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    struct tnd_used used;
    put_chain(rig, 0, 1, TN_BLK_T_IN, 0);
    /* Whether that request still is answered does not matter: the next message finds it out. */
    (void)tnd_wait_used(d, 0, &used);
    uint64_t ask = 0;
    (void)tnd_vhost_ask(d, TN_VU_GET_STATUS, &ask);
    check_cut_off(rig, n);
    close(fd);
    neighbour_free(n);
}

/* Ours is sealed: it cannot be cut off at all. */
static void our_own_record_is_sealed_VU_73(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct tn_vu_inflight ask = { .queues = 1, .queue_size = 64 };
    struct tnd_vhost_message m;

    assert_int_equal(rig->driver->ops->offered(rig->driver, rig->driver->offered), 0);
    send_only(rig->driver, TN_VU_GET_INFLIGHT_FD, TN_VU_VERSION, &ask, sizeof(ask), -1);
    assert_int_equal(tnd_vhost_receive(rig->driver, &m, rig->driver->timeout_ms), 0);
    assert_int_equal(m.fd_count, 1);
    assert_int_equal(ftruncate(m.fds[0], 0), -1);
    close(m.fds[0]);
}

static const struct rig_case cases[] = {
    VHOST_TEST(half_a_message_blocks_nobody),
    VHOST_TEST(a_drain_over_a_hung_disk_blocks_nobody),
    VHOST_TEST(answers_that_nobody_reads_block_nobody),
    VHOST_TEST(hung_up_before_the_answer_VU_103),
    VHOST_TEST(two_devices_in_one_process),
    VHOST_TEST(the_next_one_waits_for_what_is_under_way),
    VHOST_TEST(hung_up_after_each_message_VU_103),
    VHOST_TEST(a_thousand_connections_VU_79),
    VHOST_TEST(the_record_over_many_ends_VU_77),
    VHOST_TEST(a_connection_handed_over_VU_05),
    VHOST_TEST(closing_the_server_drains),
    VHOST_TEST(buffers_cut_off_VU_103),
    VHOST_TEST(rings_cut_off_VU_103),
    VHOST_TEST(record_cut_off_VU_103),
    VHOST_TEST(our_own_record_is_sealed_VU_73),
};

int main(int argc, char **argv)
{
    return vhost_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
