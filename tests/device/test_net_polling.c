/*
 * test_net_polling.c: a network device that looks before it sleeps: frames are found in ring and
 * link without a kick and without a wake, none is kept waiting however the gaps fall, an idle
 * device sleeps, and nobody looks while the device is paused, stopped or held by a limit, or where
 * polling is off.
 */
#include <time.h>
#include <unistd.h>

#include "net_rig.h"
#include "untouched.h"

enum {
    RX = 0,
    TX = 1,
    ENOUGH = 50,
    WINDOW_US = 2000,
    LONG_US = 1000000,
    GAPS = 800,
    IDLE_MS = 600,
    IDLE_MOST_MS = 30, /* of a processor's time meanwhile */
    PATIENCE_MS = 20000
};

static uint32_t number;

static struct rig *rig_with(void **state, int poll_us)
{
    struct net_options options = { .net = { .poll_us = poll_us }, .info = { .cheap = true } };
    struct rig *rig = net_rig_new(state, &options);

    number = 0;
    assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, 100), 0);
    return rig;
}

/* One frame to the driver, by interrupts, and a new buffer for it. */
static void receive(struct rig *rig)
{
    net_deliver(rig, 0, NET_PLAIN, ++number);
    net_expect(rig, 0, NET_PLAIN, number);
    assert_true(tnd_net_post(rig->driver, RX, NET_ROOM, NULL) >= 0);
    tnd_kick(rig->driver, RX);
}

static void transmit(struct rig *rig)
{
    net_transmit(rig, 0, NET_PLAIN, ++number);
    net_expect_sent(rig, NET_PLAIN, number);
}

/* The device looks, both ways: it has found frames so. Where there is one processor nobody does. */
static void until_it_looks(struct rig *rig)
{
    uint64_t end = tnd_now_ms() + PATIENCE_MS;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        skip();
    }
    while (rig_stat(rig, "polled", RX) < ENOUGH || rig_stat(rig, "polled", TX) < ENOUGH) {
        assert_true(tnd_now_ms() < end);
        receive(rig);
        transmit(rig);
    }
}

static void frames_are_found_without_a_kick_or_a_wake(void **state)
{
    struct rig *rig = rig_with(state, WINDOW_US);

    until_it_looks(rig);
    assert_true(rig_stat(rig, "kicks", TX) < rig_stat(rig, "frames", TX));
    net_check_alive(rig, 0);
}

/* A link for which a look is a system call is looked at more seldom. */
static void a_link_that_is_not_cheap_is_looked_at_too(void **state)
{
    struct net_options options = { .net = { .poll_us = WINDOW_US } };
    struct rig *rig = net_rig_new(state, &options);

    assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, 100), 0);
    until_it_looks(rig);
    net_check_alive(rig, 0);
}

static void a_device_that_is_told_not_to_never_polls(void **state)
{
    struct rig *rig = rig_with(state, TENON_POLL_OFF);

    for (unsigned i = 0; i < 200; i++) {
        receive(rig);
        transmit(rig);
    }
    for (unsigned queue = 0; queue < 2; queue++) {
        assert_int_equal(rig_stat(rig, "polled", (int)queue), 0);
        assert_int_equal(rig_stat(rig, "polled_in_vain", (int)queue), 0);
    }
}

static void an_embedders_loop_is_never_spun_in(void **state)
{
    struct rig *rig = rig_with(state, WINDOW_US);

    for (unsigned i = 0; i < 200; i++) {
        receive(rig);
        transmit(rig);
    }
    assert_int_equal(rig_stat(rig, "polled", RX) + rig_stat(rig, "polled", TX), 0);
}

static void wait_us(unsigned us)
{
    struct timespec now, begin;

    clock_gettime(CLOCK_MONOTONIC, &begin);
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while ((now.tv_sec - begin.tv_sec) * 1000000000 + now.tv_nsec - begin.tv_nsec <
             (long)us * 1000);
}

/* Gaps around the windows: frames come while it looks, while it stops, and after it. */
static void no_frame_waits_however_the_gaps_fall(void **state)
{
    struct rig *rig = rig_with(state, 40);
    uint32_t random = 12345;
    uint64_t begin = tnd_now_ms();

    for (unsigned i = 0; i < GAPS && tnd_now_ms() - begin < PATIENCE_MS; i++) {
        random = random * 1664525u + 1013904223u;
        wait_us((random >> 16) % 64);
        if (random >> 30 & 1) { /* ten seconds, else it fails */
            receive(rig);
        } else {
            transmit(rig);
        }
    }
    net_check_alive(rig, 0);
}

/* ---- asleep ---- */

static bool is_watched(void *opaque)
{
    struct fake_link *link = ((struct rig *)opaque)->link;
    return fake_link_count(link, &link->ports[0].watched) & TENON_READABLE;
}

/* The driver is told to kick again. A frame that finds it looking makes it look once more. */
static bool wants_a_kick(void *opaque)
{
    struct rig *rig = opaque;
    uint64_t kicks = rig_stat(rig, "kicks", TX);

    tnd_settle(rig->driver, 20);
    transmit(rig);
    return rig_stat(rig, "kicks", TX) > kicks;
}

static void what_is_idle_sleeps(void **state)
{
    struct rig *rig = rig_with(state, WINDOW_US);

    until_it_looks(rig);
    assert_int_equal(tenon_device_pause(rig->device, PATIENCE_MS), 0);
    assert_false(is_watched(rig));
    assert_int_equal(tenon_device_resume(rig->device), 0); /* it looks before it watches */
    assert_true(tnd_until(rig->driver, is_watched, rig));
    assert_true(tnd_until(rig->driver, wants_a_kick, rig));
    receive(rig);
    net_check_alive(rig, 0);
}

static uint64_t cpu_ms(void)
{
    struct timespec spent;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (uint64_t)spent.tv_sec * 1000 + (uint64_t)spent.tv_nsec / 1000000;
}

static void idle_pairs_cost_nothing(void **state)
{
    struct net_options options = { .net = { .pairs = FAKE_PAIRS, .poll_us = WINDOW_US },
                                   .info = { .cheap = true } };
    struct rig *rig = net_rig_new(state, &options);
    uint8_t pairs[2] = { FAKE_PAIRS, 0 };

    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MQ, TN_NET_CTRL_MQ_VQ_PAIRS_SET,
                                     pairs, sizeof(pairs)),
                     TN_NET_OK);
    for (unsigned i = 0; i < 3 * FAKE_PAIRS; i++) {
        net_check_alive(rig, i % FAKE_PAIRS);
    }
    usleep(100 * 1000); /* whoever still looks stops */
    uint64_t before = cpu_ms();
    usleep(IDLE_MS * 1000);
    assert_true(cpu_ms() - before <= IDLE_MOST_MS);
}

/* ---- windows of a second, in which something else happens ---- */

static void nobody_looks_while_it_is_paused(void **state)
{
    struct rig *rig = rig_with(state, LONG_US);

    until_it_looks(rig);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(tenon_device_pause(rig->device, PATIENCE_MS), 0);
        struct untouched check = untouched_from_here(rig);
        net_deliver(rig, 0, NET_PLAIN, ++number);
        tnd_settle(rig->driver, 5);
        untouched_till_here(&check);
        assert_int_equal(fake_link_waiting(rig->link, 0), 1);
        assert_int_equal(tenon_device_resume(rig->device), 0);
        net_expect(rig, 0, NET_PLAIN, number);
        transmit(rig);
        receive(rig);
        net_check_alive(rig, 0);
    }
}

static void nobody_looks_after_a_reset(void **state)
{
    struct rig *rig = rig_with(state, LONG_US);

    until_it_looks(rig);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(tnd_reset(rig->driver), 0);
        struct untouched check = untouched_from_here(rig);
        net_deliver(rig, 0, NET_PLAIN, ++number);
        tnd_settle(rig->driver, 5);
        untouched_till_here(&check);
        net_rig_start(rig, NULL);
        assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, 50), 0);
        net_expect(rig, 0, NET_PLAIN, number);
        transmit(rig);
        receive(rig);
        transmit(rig);
    }
    net_check_alive(rig, 0);
}

/* Each of the two queues, while the other one goes on. */
static void nobody_looks_at_a_queue_that_stopped(void **state)
{
    struct rig *rig = rig_with(state, LONG_US);
    uint16_t base;

    until_it_looks(rig);
    for (unsigned i = 0; i < 6; i++) {
        unsigned queue = i % 2 ? TX : RX;
        struct tnd_ring *ring = rig->driver->queues[queue].ring;
        assert_int_equal(rig->driver->ops->queue_stop(rig->driver, queue, &base), 0);
        if (queue == RX) {
            net_deliver(rig, 0, NET_PLAIN, ++number);
            transmit(rig); /* it goes on */
            assert_int_equal(fake_link_waiting(rig->link, 0), 1);
        } else {
            receive(rig);
        }
        if (queue == RX) {
            tnd_net_forget(rig->driver, RX);
        }
        ring->start = 0;
        tnd_ring_clear(ring);
        assert_int_equal(rig->driver->ops->queue_start(rig->driver, queue), 0);
        if (queue == RX) {
            assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, 60), 0);
            net_expect(rig, 0, NET_PLAIN, number - 1);
        }
        receive(rig);
        transmit(rig);
    }
    net_check_alive(rig, 0);
}

static void ends_while_it_looks(void **state)
{
    struct rig *rig = rig_with(state, LONG_US);

    until_it_looks(rig);
    rig_end(state); /* which looks at what is touched after it */
}

/* What a look finds is paid for as what a turn finds. */
static void a_look_is_no_way_around_a_limit(void **state)
{
    struct rig *rig = rig_with(state, LONG_US);
    struct tenon_limits limits = { .size = sizeof(limits),
                                   .bytes_read = { .rate = 1, .burst = ENOUGH * NET_PLAIN } };

    until_it_looks(rig);
    uint64_t frames = rig_stat(rig, "frames", RX);
    assert_int_equal(tenon_device_set_limits(rig->device, &limits), 0);
    tnd_settle(rig->driver, 5);
    for (unsigned i = 0; i < ENOUGH; i++) {
        receive(rig);
    }
    receive(rig); /* which is owed */
    net_deliver(rig, 0, NET_PLAIN, ++number);
    tnd_settle(rig->driver, 20);
    assert_int_equal(rig_stat(rig, "frames", RX), frames + ENOUGH + 1);
    assert_int_equal(rig_stat(rig, "throttled_now", RX), 1);
    assert_int_equal(tenon_device_set_limits(rig->device, NULL), 0);
    net_expect(rig, 0, NET_PLAIN, number);
    net_check_alive(rig, 0);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(frames_are_found_without_a_kick_or_a_wake, RIG_THREADS),
    RIG_TEST_ON(a_link_that_is_not_cheap_is_looked_at_too, RIG_THREADS),
    RIG_TEST(a_device_that_is_told_not_to_never_polls),
    RIG_TEST_ON(an_embedders_loop_is_never_spun_in, RIG_INLINE),
    RIG_TEST_ON(no_frame_waits_however_the_gaps_fall, RIG_THREADS),
    RIG_TEST_ON(what_is_idle_sleeps, RIG_THREADS),
    RIG_TEST_ON(idle_pairs_cost_nothing, RIG_THREADS),
    RIG_TEST_ON(nobody_looks_while_it_is_paused, RIG_THREADS),
    RIG_TEST_ON(nobody_looks_after_a_reset, RIG_THREADS),
    RIG_TEST_ON(nobody_looks_at_a_queue_that_stopped, RIG_THREADS),
    RIG_TEST_ON(ends_while_it_looks, RIG_THREADS),
    RIG_TEST_ON(a_look_is_no_way_around_a_limit, RIG_THREADS),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
