/*
 * test_net_limits.c: how many frames and bytes a network device may carry, each way. A frame may go
 * while nothing is owed, and is paid for then: so what was saved up passes, and one frame that is
 * owed. What has to wait does so in the link and in the ring; nothing is lost or overtaken.
 *
 * How fast is asked of a device without threads, by a clock that the test moves. All else is asked
 * of all devices, with limits of one byte per second: the next frame would come in half an hour.
 *
 * Long because: one kind of traffic, and all that may happen to it while it waits.
 */
#include <stddef.h>

#include "moved_clock.h"
#include "net_packet.h"
#include "net_rig.h"
#include "untouched.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define US UINT64_C(1000)

enum { RX = 0, TX = 1, MOST = 100, BOUND_MS = 10000, SAVED = 3, AT_ONCE = SAVED + 1 };

/* Numbered frames of NET_FULL bytes, each way. */
static struct traffic {
    struct rig *rig;
    unsigned delivered, received, submitted, sent;
    struct tnd_net_packet packets[MOST];
    uint8_t frames[MOST][NET_FULL];
} traffic;

static struct rig *rig_with(void **state, const struct tenon_limits *limits, bool clock)
{
    struct net_options options = { .net = { .limits = limits } };

    if (clock) {
        clock_stop();
    } else {
        clock_go();
    }
    memset(&traffic, 0, sizeof(traffic));
    traffic.rig = net_rig_new(state, &options);
    return traffic.rig;
}

static struct tenon_limits limits_of(size_t at, uint64_t rate, uint64_t burst)
{
    struct tenon_limits limits = { .size = sizeof(limits) };
    struct tenon_limit limit = { .rate = rate, .burst = burst };

    memcpy((char *)&limits + at, &limit, sizeof(limit));
    return limits;
}
#define LIMITS_OF(what, rate, burst) limits_of(offsetof(struct tenon_limits, what), rate, burst)

static void give_buffers(void)
{
    struct tnd_ring *ring = traffic.rig->driver->queues[RX].ring;

    while (ring->in_flight < MOST) {
        assert_true(tnd_net_post(traffic.rig->driver, RX, NET_ROOM, NULL) >= 0);
    }
    tnd_kick(traffic.rig->driver, RX);
}

static void deliver(unsigned count)
{
    for (; count > 0; count--) {
        net_deliver(traffic.rig, 0, NET_FULL, traffic.delivered++);
    }
}

static void submit(unsigned count)
{
    for (; count > 0; count--) {
        unsigned i = traffic.submitted % MOST;
        struct tnd_net_packet *packet = &traffic.packets[i];
        net_frame(traffic.frames[i], NET_FULL, traffic.submitted++, false);
        *packet = (struct tnd_net_packet){ .frame = traffic.frames[i], .bytes = NET_FULL };
        assert_int_equal(tnd_net_add(traffic.rig->driver, TX, packet), 0);
    }
    tnd_kick(traffic.rig->driver, TX);
}

/* What is there, each way, is checked and counted. */
static void reap(void)
{
    static struct tnd_net_frame got;
    int taken;

    while ((taken = tnd_net_take(traffic.rig->driver, RX, &got)) != 0) {
        assert_int_equal(taken, 1);
        assert_false(got.unused);
        net_check_frame(got.data, got.bytes, NET_FULL, traffic.received++, true);
    }
    tnd_net_reap(traffic.rig->driver, TX);
    for (struct fake_frame *f; (f = fake_link_take_sent(traffic.rig->link)); free(f)) {
        net_check_frame(f->data, f->bytes, NET_FULL, traffic.sent++, false);
    }
}

struct wanted {
    unsigned received, sent;
};

/* The last one may be owed for a while. */
static bool have_come(void *opaque)
{
    struct wanted *wanted = opaque;
    struct rig *rig = traffic.rig;

    reap();
    return traffic.received >= wanted->received && traffic.sent >= wanted->sent &&
           rig_stat(rig, "throttled_now", RX) == (traffic.delivered > wanted->received) &&
           rig_stat(rig, "throttled_now", TX) == (traffic.submitted > wanted->sent);
}

/* So many in all, and no more, however long one waits. The others are where they were. */
static void expect(unsigned received, unsigned sent)
{
    struct wanted wanted = { received, sent };
    struct rig *rig = traffic.rig;

    assert_true(tnd_until(rig->driver, have_come, &wanted));
    tnd_settle(rig->driver, 10);
    reap();
    assert_int_equal(traffic.received, received);
    assert_int_equal(traffic.sent, sent);
    assert_int_equal(fake_link_waiting(rig->link, 0), traffic.delivered - received);
    assert_int_equal(rig_stat(rig, "frames", RX), received);
    assert_int_equal(rig_stat(rig, "frames", TX), sent);
    assert_int_equal(rig_stat(rig, "in_flight_now", TX), 0);
    assert_int_equal(rig_stat(rig, "throttled_now", RX), traffic.delivered > received);
    assert_int_equal(rig_stat(rig, "throttled_now", TX), traffic.submitted > sent);
    assert_true(rig_stat(rig, "throttled", RX) > 0 || traffic.delivered == received);
    assert_true(rig_stat(rig, "throttled", TX) > 0 || traffic.submitted == sent);
}

/* Of a ring that is no more. */
static void lose_packets(void)
{
    for (unsigned i = 0; i < MOST; i++) {
        if (traffic.packets[i].frame && !traffic.packets[i].done) {
            tnd_net_forget_packet(traffic.rig->driver, &traffic.packets[i]);
        }
    }
}

static void set(const struct tenon_limits *limits)
{
    assert_int_equal(tenon_device_set_limits(traffic.rig->device, limits), 0);
}

/* ---- how much, and what counts: by the clock ---- */

static const struct {
    size_t at;
    uint64_t unit;
    bool rx, tx;
} all[] = {
    { offsetof(struct tenon_limits, ops), 1, true, true },
    { offsetof(struct tenon_limits, ops_read), 1, true, false },
    { offsetof(struct tenon_limits, ops_write), 1, false, true },
    { offsetof(struct tenon_limits, bytes), NET_FULL, true, true },
    { offsetof(struct tenon_limits, bytes_read), NET_FULL, true, false },
    { offsetof(struct tenon_limits, bytes_write), NET_FULL, false, true },
};

static void settle(void)
{
    unsigned before;

    do {
        before = traffic.received + traffic.sent;
        clock_move(1);
        tnd_settle(traffic.rig->driver, 0);
        reap();
    } while (traffic.received + traffic.sent != before);
}

/* What was saved up passes at once, then one each second: of what is limited, and only of that. */
static void each_limit_counts_what_it_says(void **state)
{
    rig_with(state, NULL, true);
    for (unsigned i = 0; i < 2 * sizeof(all) / sizeof(all[0]); i++) {
        unsigned kind = i / 2, received = traffic.received, sent = traffic.sent;
        bool limited = i % 2 ? all[kind].tx : all[kind].rx;
        struct tenon_limits limits =
            limits_of(all[kind].at, all[kind].unit, SAVED * all[kind].unit);
        set(&limits);
        give_buffers();
        settle();
        if (i % 2) {
            submit(20);
        } else {
            deliver(20);
        }
        for (unsigned second = 0; second < 5; second++) {
            unsigned passed = limited ? AT_ONCE + second : 20;
            settle();
            assert_int_equal(traffic.received - received, i % 2 ? 0 : passed);
            assert_int_equal(traffic.sent - sent, i % 2 ? passed : 0);
            clock_move(S);
        }
        set(NULL);
        settle();
        expect(traffic.delivered, traffic.submitted);
    }
    clock_go();
}

static void run_at(void **state, uint64_t rate, uint64_t ns, uint64_t step)
{
    struct tenon_limits limits = LIMITS_OF(ops, rate, 0); /* of both together */
    struct rig *rig = rig_with(state, &limits, true);
    uint64_t ahead = 1 + rate / 1000;

    while (clock_moved() < ns) {
        give_buffers();
        deliver(MOST - fake_link_waiting(rig->link, 0));
        submit(MOST - (traffic.submitted - traffic.sent));
        settle();
        uint64_t passed = traffic.received + traffic.sent;
        uint64_t saved = (rate * clock_moved() + rate * S / 10) / S;
        assert_true(passed <= saved + 2 * ahead); /* two queues, which may both owe */
        assert_true(passed >= saved || passed % (2 * (uint64_t)MOST) == 0);
        clock_move(step);
    }
    assert_true(traffic.received > traffic.sent / 2 && traffic.sent > traffic.received / 2);
    clock_go();
    assert_int_equal(tnd_reset(rig->driver), 0);
    lose_packets();
    rig_end(state);
}

static void the_rate_is_exact(void **state)
{
    run_at(state, 1, 200 * S, 100 * MS);
    run_at(state, 7, 30 * S, 31 * MS);
    run_at(state, 1000, 2 * S, MS);
    run_at(state, 1000, S / 10, 30 * US);
    run_at(state, 100000, 10 * MS, 100 * US);
}

/* What is dropped costs nothing: not for the guest, or no frame. */
static void what_is_refused_costs_nothing(void **state)
{
    struct tenon_limits limits = LIMITS_OF(ops, 1, SAVED);
    struct rig *rig = rig_with(state, &limits, true);
    struct tnd_net_packet bad[20];
    uint8_t frame[NET_PLAIN];

    give_buffers();
    net_frame(frame, NET_PLAIN, 0, true);
    frame[5] ^= 1; /* somebody else's */
    for (unsigned i = 0; i < 20; i++) {
        fake_link_deliver(rig->link, 0, frame, NET_PLAIN, NULL);
        bad[i] = (struct tnd_net_packet){ .frame = frame, .bytes = NET_PLAIN, .only = 5 };
        assert_int_equal(tnd_net_add(rig->driver, TX, &bad[i]), 0);
    }
    tnd_kick(rig->driver, TX);
    settle();
    assert_int_equal(rig_stat(rig, "filtered", RX), 20);
    assert_int_equal(rig_stat(rig, "malformed", TX), 20);
    deliver(20);
    settle();
    assert_int_equal(traffic.received, AT_ONCE);
    clock_go();
}

/* Frames that RSS gives to the queue of another pair are paid for like all others. */
static void rss_is_no_way_around_it(void **state)
{
    struct tenon_limits limits = LIMITS_OF(bytes_read, NET_FULL, SAVED * NET_FULL);
    struct net_options options = { .net = { .pairs = 2, .rss = true, .limits = &limits } };
    uint8_t config[8 + 2 + 3] = { 0 };
    unsigned got = 0;
    static struct tnd_net_frame frame;

    config[6] = 1; /* all that cannot be hashed goes to pair 1, and so does the only entry */
    config[8] = 1;
    config[10] = 2; /* max_tx_vq */
    clock_stop();
    struct rig *rig = net_rig_new(state, &options);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MQ, TN_NET_CTRL_MQ_RSS_CONFIG, config,
                                     sizeof(config)),
                     TN_NET_OK);
    for (unsigned pair = 0; pair < 2; pair++) {
        assert_int_equal(tnd_net_fill(rig->driver, tnd_net_rx(pair), NET_ROOM, 50), 0);
    }
    for (unsigned i = 0; i < 30; i++) {
        net_deliver(rig, 0, NET_FULL, i);
    }
    for (unsigned second = 0; second < 5; second++) {
        for (unsigned i = 0; i < 50; i++) {
            clock_move(1);
            tnd_settle(rig->driver, 0);
        }
        while (tnd_net_take(rig->driver, tnd_net_rx(1), &frame) == 1) {
            net_check_frame(frame.data, frame.bytes, NET_FULL, got++, true);
        }
        assert_int_equal(got, AT_ONCE + second);
        clock_move(S);
    }
    clock_go();
}

/* ---- what happens meanwhile: of all devices ---- */

static struct tenon_limits slow(bool rx, bool tx)
{
    struct tenon_limit limit = { .rate = 1, .burst = SAVED * NET_FULL };
    struct tenon_limits limits = { .size = sizeof(limits) };

    limits.bytes_read = rx ? limit : limits.bytes_read;
    limits.bytes_write = tx ? limit : limits.bytes_write;
    return limits;
}

/* A burst each way, of which as much passes as may. */
static void begin(void **state)
{
    struct tenon_limits limits = slow(true, true);

    rig_with(state, &limits, false);
    give_buffers();
    deliver(MOST / 2);
    submit(MOST / 2);
    expect(AT_ONCE, AT_ONCE);
}

/* All of it comes in the end, and the device does its work. */
static void end(void)
{
    set(NULL);
    expect(traffic.delivered, traffic.submitted);
    deliver(MOST / 2);
    submit(MOST / 4);
    give_buffers();
    expect(traffic.delivered, traffic.submitted);
}

/* The rest waits in the link and in the ring, and nobody looks at it again and again. */
static void what_waits_is_not_lost(void **state)
{
    begin(state);
    struct rig *rig = traffic.rig;
    unsigned calls = fake_link_count(rig->link, &rig->link->recv_calls);
    uint64_t turns = rig_stat(rig, "turns", RX) + rig_stat(rig, "turns", TX);

    for (unsigned i = 0; i < 20; i++) {
        deliver(1);
        submit(1);
        give_buffers();
        tnd_notify(rig->driver, TX);
        tnd_settle(rig->driver, 2);
    }
    expect(AT_ONCE, AT_ONCE);
    assert_int_equal(fake_link_count(rig->link, &rig->link->recv_calls), calls);
    assert_int_equal(rig_stat(rig, "turns", RX) + rig_stat(rig, "turns", TX), turns);
    end();
}

/* Limits for one way leave the other one alone. */
static void each_way_by_itself(void **state)
{
    struct tenon_limits limits = slow(true, false);

    rig_with(state, &limits, false);
    give_buffers();
    deliver(30);
    submit(30);
    expect(AT_ONCE, 30);
    limits = slow(false, true);
    set(&limits);
    submit(30);
    expect(30, 30 + AT_ONCE);
    end();
}

/* Nobody kicks: what waits is looked at anew when limits change. */
static void limits_change_while_frames_wait(void **state)
{
    struct tenon_limits limits = slow(true, true);

    begin(state);
    set(&limits); /* the same: nothing is refilled */
    expect(AT_ONCE, AT_ONCE);
    limits.bytes_read.rate = limits.bytes_write.rate = 100 * NET_FULL;
    set(&limits);
    expect(MOST / 2, MOST / 2);
    set(NULL);
    limits = slow(true, true);
    set(&limits); /* new ones are full */
    give_buffers();
    deliver(20);
    submit(20);
    expect(MOST / 2 + AT_ONCE, MOST / 2 + AT_ONCE);
    end();
}

static void pause_while_frames_wait(void **state)
{
    begin(state);
    struct rig *rig = traffic.rig;

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
        struct untouched check = untouched_from_here(rig);
        deliver(1);
        tnd_notify(rig->driver, RX);
        tnd_notify(rig->driver, TX);
        set(i == 2 ? NULL
                   : &(struct tenon_limits){ .size = sizeof(struct tenon_limits),
                                             .bytes_read = slow(true, true).bytes_read,
                                             .bytes_write = slow(true, true).bytes_write });
        untouched_till_here(&check);
        assert_int_equal(rig_stat(rig, "in_flight_now", RX), 0);
        assert_int_equal(rig_stat(rig, "in_flight_now", TX), 0);
        assert_int_equal(tenon_device_resume(rig->device), 0);
        if (i != 2) {
            expect(AT_ONCE, AT_ONCE);
        }
    }
    end();
}

/* A guest that resets gets no more than one that does not. */
static void a_reset_refills_nothing(void **state)
{
    begin(state);
    struct rig *rig = traffic.rig;

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tnd_reset(rig->driver), 0);
        tnd_net_forget(rig->driver, RX);
        lose_packets();
        traffic.submitted = traffic.sent; /* the others are gone with the ring */
        net_rig_start(rig, NULL);
        give_buffers();
        submit(10);
        expect(AT_ONCE, AT_ONCE);
    }
    end();
}

static void restart(unsigned queue)
{
    struct rig *rig = traffic.rig;
    struct tnd_ring *ring = rig->driver->queues[queue].ring;
    uint16_t base;

    assert_int_equal(rig->driver->ops->queue_stop(rig->driver, queue, &base), 0);
    reap();
    if (rig->mmio) { /* what is in it is lost */
        if (queue == RX) {
            tnd_net_forget(rig->driver, RX);
        } else {
            lose_packets();
        }
        ring->start = 0;
        tnd_ring_clear(ring);
    } else {
        ring->start = base;
    }
    assert_int_equal(rig->driver->ops->queue_start(rig->driver, queue), 0);
}

/* Nor does one that stops a queue. */
static void a_stop_refills_nothing(void **state)
{
    begin(state);
    struct rig *rig = traffic.rig;

    for (unsigned i = 0; i < 3; i++) {
        restart(RX);
        give_buffers();
        expect(AT_ONCE, AT_ONCE);
    }
    set(NULL);
    expect(traffic.delivered, traffic.submitted);
    struct tenon_limits limits = slow(true, true);
    set(&limits);
    submit(20);
    unsigned sent = traffic.submitted - 20 + AT_ONCE;
    expect(traffic.received, sent);
    for (unsigned i = 0; i < 3; i++) {
        restart(TX);
        if (rig->mmio) {
            traffic.submitted = traffic.sent;
            submit(5);
        }
        expect(traffic.received, sent);
    }
    give_buffers();
    end();
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(each_limit_counts_what_it_says, RIG_INLINE),
    RIG_TEST_ON(the_rate_is_exact, RIG_INLINE),
    RIG_TEST_ON(what_is_refused_costs_nothing, RIG_INLINE),
    RIG_TEST_ON(rss_is_no_way_around_it, RIG_INLINE),
    RIG_TEST(what_waits_is_not_lost),
    RIG_TEST(each_way_by_itself),
    RIG_TEST(limits_change_while_frames_wait),
    RIG_TEST(pause_while_frames_wait),
    RIG_TEST(a_reset_refills_nothing),
    RIG_TEST(a_stop_refills_nothing),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
