/*
 * test_net_irq.c: when a network driver is interrupted: alone at once, in a flood seldom, and never
 * too late; NO_INTERRUPT and EVENT_IDX to the letter; and what NOTF_COAL sets (NET-76..79).
 *
 * Where time matters the clock stands, and there is no thread: what comes does not depend on the
 * machine.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>

#include "moved_clock.h"
#include "net_rig.h"
#include "spec/virtio.h"

enum { RX = 0, TX = 1, US = 1000, LONG_US = 1000 * 1000, BOUND_MS = 10000 };

static uint32_t number;

static struct tnd_ring *ring_of(struct rig *rig)
{
    return rig->driver->queues[RX].ring;
}

static void turn(struct rig *rig)
{
    while (rig_crank(rig) != 0) {
    }
}

/* So many frames come at this moment. */
static void come(struct rig *rig, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++) {
        net_deliver(rig, 0, NET_PLAIN, ++number);
    }
    turn(rig);
}

static unsigned irqs(struct rig *rig)
{
    unsigned n = 0;
    while (tnd_irq_take(rig->driver, RX)) {
        n++;
    }
    return n;
}

static unsigned take_all(struct rig *rig)
{
    static struct tnd_net_frame frame;
    unsigned n = 0;
    int taken;

    while ((taken = tnd_net_take(rig->driver, RX, &frame)) != 0) {
        assert_int_equal(taken, 1);
        n++;
    }
    return n;
}

static void fill(struct rig *rig, unsigned count)
{
    assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, count), 0);
    turn(rig);
}

static struct rig *quiet_rig(void **state, const struct net_options *options)
{
    struct rig *rig = net_rig_new(state, options);

    fill(rig, 200);
    clock_stop();
    clock_move(LONG_US * (uint64_t)US);
    turn(rig);
    irqs(rig);
    assert_false(tnd_ring_irq_on(ring_of(rig)));
    return rig;
}

/* ---- by itself ---- */

/* No time passes between frame and interrupt, as often as one comes alone (A22, B24). */
static void a_lone_frame_is_told_at_once(void **state)
{
    struct rig *rig = quiet_rig(state, NULL);

    for (unsigned i = 0; i < 100; i++) {
        come(rig, 1);
        assert_int_equal(irqs(rig), 1);
        assert_int_equal(take_all(rig), 1);
        assert_false(tnd_ring_irq_on(ring_of(rig)));
        clock_move((100 + i) * (uint64_t)US);
        turn(rig);
        assert_int_equal(irqs(rig), 0);
    }
    clock_go();
}

/* Those behind it are told together, 50 us later at most. */
static void what_follows_is_told_in_time(void **state)
{
    struct rig *rig = quiet_rig(state, NULL);

    come(rig, 1);
    assert_int_equal(irqs(rig), 1);
    assert_int_equal(take_all(rig), 1);
    assert_false(tnd_ring_irq_on(ring_of(rig)));
    for (unsigned i = 0; i < 10; i++) {
        clock_move(US);
        come(rig, 1);
    }
    assert_int_equal(irqs(rig), 0);
    clock_move(50 * (uint64_t)US);
    turn(rig);
    assert_int_equal(irqs(rig), 1);
    assert_int_equal(take_all(rig), 10);
    clock_go();
}

/* The driver's mark was passed in a turn that told nobody: it is told all the same (A19). */
static void a19_the_window_reaches_back_to_what_was_told(void **state)
{
    struct rig *rig = quiet_rig(state, NULL);

    come(rig, 1);
    assert_int_equal(irqs(rig), 1);
    take_all(rig);
    assert_false(tnd_ring_irq_on(ring_of(rig))); /* for the next one */
    come(rig, 1);                                /* which passes the mark, and is held */
    assert_int_equal(irqs(rig), 0);
    clock_move(US);
    come(rig, 1);
    clock_move(50 * (uint64_t)US);
    turn(rig);
    assert_int_equal(irqs(rig), 1);
    assert_int_equal(take_all(rig), 2);
    clock_go();
}

/* 5 million frames a second: under 10 interrupts for each thousand. */
static void a_flood_costs_few_interrupts(void **state)
{
    enum { FRAMES = 20000 };
    struct net_options options = { .setup = { .queue_size = 256 } };
    struct rig *rig = quiet_rig(state, &options);
    unsigned told = 0, got = 0;

    for (unsigned sent = 0; sent < FRAMES; sent += 20) {
        come(rig, 20);
        clock_move(4 * (uint64_t)US);
        turn(rig);
        /* The driver works only when it is told. */
        unsigned now = irqs(rig);
        if (now != 0) {
            told += now;
            do {
                unsigned n = take_all(rig);
                got += n;
                fill(rig, n);
            } while (tnd_ring_irq_on(ring_of(rig)));
        }
    }
    clock_move(100 * (uint64_t)US);
    turn(rig);
    told += irqs(rig);
    got += take_all(rig);
    assert_int_equal(got, FRAMES);
    assert_in_range(told, 1, FRAMES / 100);
    clock_go();
}

/* With no buffers left nothing is held: the driver is what everybody waits for. */
static void the_last_buffer_is_told_at_once(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    fill(rig, 5);
    clock_stop();
    clock_move(LONG_US * (uint64_t)US);
    come(rig, 1);
    assert_int_equal(irqs(rig), 1);
    take_all(rig);
    assert_false(tnd_ring_irq_on(ring_of(rig)));
    come(rig, 10); /* four of them fit */
    assert_int_equal(irqs(rig), 1);
    assert_int_equal(take_all(rig), 4);
    clock_go();
}

/* What is held is told before a pause is complete (BASIC-30). */
static void a_held_interrupt_comes_before_a_pause_is_complete(void **state)
{
    struct rig *rig = quiet_rig(state, NULL);

    come(rig, 1);
    assert_int_equal(irqs(rig), 1);
    take_all(rig);
    assert_false(tnd_ring_irq_on(ring_of(rig)));
    come(rig, 5);
    assert_int_equal(irqs(rig), 0);
    clock_go(); /* a pause waits by the clock; it does not need to */
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    assert_int_equal(irqs(rig), 1);
    assert_int_equal(take_all(rig), 5);
}

/* And before GET_VRING_BASE is answered. */
static void a_held_interrupt_comes_before_a_stop_is_complete(void **state)
{
    struct net_options options = { .net = { .coalesce_frames = 100, .coalesce_us = LONG_US } };
    struct rig *rig = net_rig_new(state, &options);
    uint16_t base;

    fill(rig, 20);
    assert_false(tnd_ring_irq_on(ring_of(rig)));
    come(rig, 7);
    irqs(rig);
    assert_int_equal(take_all(rig), 7);
    assert_false(tnd_ring_irq_on(ring_of(rig)));
    come(rig, 5);
    assert_int_equal(irqs(rig), 0);
    assert_int_equal(rig->driver->ops->queue_stop(rig->driver, RX, &base), 0);
    assert_int_equal(irqs(rig), 1);
    assert_int_equal(take_all(rig), 5);
    assert_int_equal(base, 12);
}

/* ---- to the letter: nothing is held here ---- */

static const struct net_options each = { .net = { .coalesce_frames = TENON_NET_COALESCE_OFF,
                                                  .coalesce_us = TENON_NET_COALESCE_OFF } };

static void with_no_coalescing_each_turn_tells(void **state)
{
    struct rig *rig = quiet_rig(state, &each);

    for (unsigned i = 0; i < 50; i++) {
        come(rig, 1 + i % 3);
        assert_int_equal(irqs(rig), 1);
        assert_int_equal(take_all(rig), 1 + i % 3);
        assert_false(tnd_ring_irq_on(ring_of(rig)));
    }
    clock_go();
}

static void event_idx_to_the_letter(void **state)
{
    struct rig *rig = quiet_rig(state, &each);

    assert_true(tnd_has(rig->driver, TN_F_EVENT_IDX));
    for (uint16_t after = 1; after < 20; after += 3) {
        assert_false(tnd_ring_irq_after(ring_of(rig), after));
        for (unsigned i = 0; i < after; i++) {
            come(rig, 1);
            assert_int_equal(irqs(rig), 0);
        }
        come(rig, 1);
        assert_int_equal(irqs(rig), 1);
        come(rig, 1); /* the mark stays behind */
        assert_int_equal(irqs(rig), 0);
        assert_int_equal(take_all(rig), after + 2);
    }
    /* Off: a mark that is never reached. */
    tnd_ring_irq_off(ring_of(rig));
    come(rig, 30);
    assert_int_equal(irqs(rig), 0);
    assert_true(tnd_ring_irq_on(ring_of(rig))); /* and there they are */
    clock_go();
}

static void no_interrupt_to_the_letter(void **state)
{
    struct net_options options = each;
    options.net.no_event_idx = true;
    struct rig *rig = quiet_rig(state, &options);

    assert_false(tnd_has(rig->driver, TN_F_EVENT_IDX));
    tnd_raw_avail_flags(ring_of(rig), TN_AVAIL_F_NO_INTERRUPT);
    tnd_raw_used_event(ring_of(rig), ring_of(rig)->next_used); /* means nothing (A18) */
    come(rig, 10);
    assert_int_equal(irqs(rig), 0);
    tnd_raw_avail_flags(ring_of(rig), 0);
    come(rig, 1);
    assert_int_equal(irqs(rig), 1);
    assert_int_equal(take_all(rig), 11);
    clock_go();
}

/* A flag that is set while something is held: no interrupt; taken back: the next one tells. */
static void no_interrupt_while_held(void **state)
{
    struct net_options options = { .net = { .no_event_idx = true } };
    struct rig *rig = quiet_rig(state, &options);

    come(rig, 1);
    assert_int_equal(irqs(rig), 1);
    come(rig, 3);
    assert_int_equal(irqs(rig), 0);
    tnd_raw_avail_flags(ring_of(rig), TN_AVAIL_F_NO_INTERRUPT);
    clock_move(100 * (uint64_t)US);
    turn(rig);
    assert_int_equal(irqs(rig), 0);
    assert_int_equal(take_all(rig), 4);
    tnd_raw_avail_flags(ring_of(rig), 0);
    clock_move(100 * (uint64_t)US);
    come(rig, 1);
    assert_int_equal(irqs(rig), 1);
    clock_go();
}

/* ---- NOTF_COAL ---- */

enum { OK = TN_NET_OK, ERR = TN_NET_ERR };

static int set_all(struct rig *rig, uint8_t command, uint32_t packets, uint32_t usecs)
{
    struct tn_net_coal coal = { tn_to_le32(packets), tn_to_le32(usecs) };
    return tnd_net_command(rig->driver, TN_NET_CTRL_NOTF_COAL, command, &coal, sizeof(coal));
}

static int set_one(struct rig *rig, uint16_t queue, uint32_t packets, uint32_t usecs)
{
    struct tn_net_coal_vq coal = { tn_to_le16(queue),
                                   tn_to_le16(0x5a5a), /* reserved: means nothing */
                                   { tn_to_le32(packets), tn_to_le32(usecs) } };
    return tnd_net_command(rig->driver, TN_NET_CTRL_NOTF_COAL, TN_NET_CTRL_NOTF_COAL_VQ_SET, &coal,
                           sizeof(coal));
}

struct coal {
    int ack;
    uint32_t packets, usecs;
};

static struct coal get_one(struct rig *rig, uint16_t queue)
{
    struct {
        le16 queue, reserved;
    } ask = { tn_to_le16(queue), { 0 } };
    struct tn_net_coal coal = { { 0 }, { 0 } };
    struct tnd_net_request request = { .class_ = TN_NET_CTRL_NOTF_COAL,
                                       .command = TN_NET_CTRL_NOTF_COAL_VQ_GET,
                                       .data = &ask,
                                       .bytes = sizeof(ask),
                                       .result = &coal,
                                       .result_bytes = sizeof(coal) };
    int ack = tnd_net_request(rig->driver, &request);
    assert_int_equal(request.used_bytes, ack == OK ? 9 : 1);
    return (struct coal){ ack, tn_from_le32(coal.max_packets), tn_from_le32(coal.max_usecs) };
}

static void expect_coal(struct rig *rig, uint16_t queue, uint32_t packets, uint32_t usecs)
{
    struct coal coal = get_one(rig, queue);
    assert_int_equal(coal.ack, OK);
    assert_int_equal(coal.packets, packets);
    assert_int_equal(coal.usecs, usecs);
}

/* Six commands: what was said last of a queue holds (NET-76). */
static void the_last_setting_of_a_queue_holds_NET_76(void **state)
{
    struct net_options options = { .net = { .pairs = 2 } };
    struct rig *rig = net_rig_new(state, &options);
    le16 two = tn_to_le16(2);

    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MQ, 0, &two, 2), OK);
    assert_int_equal(set_one(rig, 2, 20, 100), OK);
    expect_coal(rig, 2, 20, 100);
    assert_int_equal(set_all(rig, TN_NET_CTRL_NOTF_COAL_TX_SET, 15, 1000), OK);
    expect_coal(rig, 2, 20, 100);
    expect_coal(rig, 1, 15, 1000);
    expect_coal(rig, 3, 15, 1000);
    assert_int_equal(set_one(rig, 1, 5, 7), OK);
    expect_coal(rig, 1, 5, 7);
    expect_coal(rig, 3, 15, 1000);
    assert_int_equal(set_all(rig, TN_NET_CTRL_NOTF_COAL_RX_SET, 30, 300), OK);
    expect_coal(rig, 0, 30, 300);
    expect_coal(rig, 2, 30, 300);
    expect_coal(rig, 1, 5, 7);
    assert_int_equal(set_one(rig, 0, 1, 0), OK);
    expect_coal(rig, 0, 1, 0);
    assert_int_equal(set_all(rig, TN_NET_CTRL_NOTF_COAL_TX_SET, 16, 17), OK);
    expect_coal(rig, 1, 16, 17);
    expect_coal(rig, 3, 16, 17);
}

static void queues_that_are_none_NET_77(void **state)
{
    struct net_options options = { .net = { .pairs = 2 } };
    struct rig *rig = net_rig_new(state, &options);
    static const uint16_t none[] = { 4, 5, 100, 0xffff }; /* 4 is the control queue */

    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(set_one(rig, none[i], 1, 1), ERR);
        assert_int_equal(get_one(rig, none[i]).ack, ERR);
    }
}

static void expect_none(struct rig *rig)
{
    expect_coal(rig, RX, 0, 0);
    expect_coal(rig, TX, 0, 0);
}

/*
 * All parameters are 0 until the driver sets them, and after a reset, whatever the device does of
 * itself and was told by its user to do. And 0 that was set is another thing: it is kept to.
 */
static void a_reset_forgets_NET_78(void **state)
{
    static const uint32_t frames[] = { 0, 16, TENON_NET_COALESCE_OFF };

    for (unsigned i = 0; i < 3; i++) {
        struct net_options options = { .net = { .coalesce_frames = frames[i] } };
        struct rig *rig = net_rig_new(state, &options);
        bool holds = frames[i] != TENON_NET_COALESCE_OFF;
        expect_none(rig);
        for (unsigned round = 0; round < 2; round++) {
            fill(rig, 100);
            clock_stop();
            irqs(rig);
            come(rig, 1);
            assert_int_equal(irqs(rig), 1);
            take_all(rig);
            assert_false(tnd_ring_irq_on(ring_of(rig)));
            come(rig, 1);
            assert_int_equal(irqs(rig), holds ? 0 : 1);
            clock_go();
            assert_int_equal(set_all(rig, TN_NET_CTRL_NOTF_COAL_RX_SET, 33, 44), OK);
            assert_int_equal(set_all(rig, TN_NET_CTRL_NOTF_COAL_TX_SET, 55, 66), OK);
            expect_coal(rig, RX, 33, 44);
            expect_coal(rig, TX, 55, 66);
            assert_int_equal(tnd_reset(rig->driver), 0);
            net_rig_start(rig, NULL);
            expect_none(rig);
        }
        rig_end(state);
    }
}

static void restart(struct rig *rig, unsigned queue)
{
    struct tnd_ring *ring = rig->driver->queues[queue].ring;
    uint16_t base;

    assert_int_equal(rig->driver->ops->queue_stop(rig->driver, queue, &base), 0);
    ring->start = 0;
    tnd_ring_clear(ring);
    assert_int_equal(rig->driver->ops->queue_start(rig->driver, queue), 0);
    turn(rig);
}

/* A queue that is disabled and enabled again: what was set for all of its kind, or else 0. */
static void a_queue_that_comes_back_NET_78(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    for (unsigned queue = RX; queue <= TX; queue++) {
        unsigned command =
            queue == RX ? TN_NET_CTRL_NOTF_COAL_RX_SET : TN_NET_CTRL_NOTF_COAL_TX_SET;
        assert_int_equal(set_one(rig, (uint16_t)queue, 9, 99), OK);
        restart(rig, queue);
        expect_coal(rig, (uint16_t)queue, 0, 0);
        assert_int_equal(set_all(rig, (uint8_t)command, 7, 77), OK);
        assert_int_equal(set_one(rig, (uint16_t)queue, 9, 99), OK);
        restart(rig, queue);
        expect_coal(rig, (uint16_t)queue, 7, 77);
    }
}

/* Ten are held; from now on eight are enough: told at once (NET-79). */
static void a_smaller_number_is_looked_at_at_once_NET_79(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    fill(rig, 100);
    assert_int_equal(set_all(rig, TN_NET_CTRL_NOTF_COAL_RX_SET, 50, 20 * LONG_US), OK);
    assert_false(tnd_ring_irq_on(ring_of(rig)));
    clock_stop();
    turn(rig);
    irqs(rig);
    come(rig, 10);
    assert_int_equal(irqs(rig), 0);
    clock_go(); /* the command is waited for by the clock */
    /* By its counter: with mmio the control queue's interrupt looks the same. */
    uint64_t before = rig_stat(rig, "interrupts", RX);
    assert_int_equal(set_one(rig, 0, 11, 20 * LONG_US), OK);
    assert_int_equal(rig_stat(rig, "interrupts", RX), before);
    assert_int_equal(set_one(rig, 0, 8, 20 * LONG_US), OK);
    assert_int_equal(rig_stat(rig, "interrupts", RX), before + 1);
    assert_int_equal(take_all(rig), 10);
}

static void exactly_so_many_or_so_long_NET_79(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    fill(rig, 200);
    assert_int_equal(set_all(rig, TN_NET_CTRL_NOTF_COAL_RX_SET, 8, 500), OK);
    clock_stop();
    clock_move(LONG_US * (uint64_t)US);
    turn(rig);
    irqs(rig);
    for (unsigned i = 0; i < 5; i++) { /* by number */
        assert_false(tnd_ring_irq_on(ring_of(rig)));
        for (unsigned j = 0; j < 7; j++) {
            come(rig, 1);
            assert_int_equal(irqs(rig), 0);
        }
        come(rig, 1);
        assert_int_equal(irqs(rig), 1);
        assert_int_equal(take_all(rig), 8);
    }
    for (unsigned i = 0; i < 5; i++) { /* by time */
        assert_false(tnd_ring_irq_on(ring_of(rig)));
        come(rig, 2);
        clock_move(499 * (uint64_t)US);
        turn(rig);
        assert_int_equal(irqs(rig), 0);
        clock_move(2 * (uint64_t)US);
        turn(rig);
        assert_int_equal(irqs(rig), 1);
        assert_int_equal(take_all(rig), 2);
    }
    clock_go();
}

static void either_of_them_0_tells_each_time_NET_79(void **state)
{
    static const uint32_t pairs[][2] = { { 0, 0 }, { 0, 1000 }, { 100, 0 } };
    struct rig *rig = net_rig_new(state, NULL);

    fill(rig, 200);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(set_all(rig, TN_NET_CTRL_NOTF_COAL_RX_SET, pairs[i][0], pairs[i][1]), OK);
        irqs(rig);
        for (unsigned j = 0; j < 10; j++) {
            assert_false(tnd_ring_irq_on(ring_of(rig)));
            come(rig, 1);
            assert_int_equal(irqs(rig), 1);
            assert_int_equal(take_all(rig), 1);
        }
    }
}

/* ---- with threads, by the clock ---- */

/* Whatever is held comes, and nobody has to ask. */
static void nothing_is_held_for_ever(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, 200), 0);
    for (unsigned i = 0; i < 100; i++) {
        unsigned some = 1 + i % 9;
        for (unsigned j = 0; j < some; j++) {
            net_deliver(rig, 0, NET_PLAIN, i * 10 + j);
        }
        for (unsigned j = 0; j < some; j++) {
            net_expect(rig, 0, NET_PLAIN, i * 10 + j);
        }
        assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, some), 0);
    }
}

enum { STILL = RIG_INLINE };

static const struct rig_case cases[] = {
    RIG_TEST_ON(a_lone_frame_is_told_at_once, STILL),
    RIG_TEST_ON(what_follows_is_told_in_time, STILL),
    RIG_TEST_ON(a19_the_window_reaches_back_to_what_was_told, STILL),
    RIG_TEST_ON(a_flood_costs_few_interrupts, STILL),
    RIG_TEST_ON(the_last_buffer_is_told_at_once, STILL),
    RIG_TEST_ON(a_held_interrupt_comes_before_a_pause_is_complete, STILL),
    RIG_TEST_ON(a_held_interrupt_comes_before_a_stop_is_complete, STILL | RIG_VHOST),
    RIG_TEST_ON(with_no_coalescing_each_turn_tells, STILL),
    RIG_TEST_ON(event_idx_to_the_letter, STILL),
    RIG_TEST_ON(no_interrupt_to_the_letter, STILL),
    RIG_TEST_ON(no_interrupt_while_held, STILL),
    RIG_TEST_ON(the_last_setting_of_a_queue_holds_NET_76, STILL),
    RIG_TEST_ON(queues_that_are_none_NET_77, STILL),
    RIG_TEST_ON(a_reset_forgets_NET_78, STILL),
    RIG_TEST_ON(a_queue_that_comes_back_NET_78, STILL),
    RIG_TEST_ON(a_smaller_number_is_looked_at_at_once_NET_79, STILL),
    RIG_TEST_ON(exactly_so_many_or_so_long_NET_79, STILL),
    RIG_TEST_ON(either_of_them_0_tells_each_time_NET_79, STILL),
    RIG_TEST(nothing_is_held_for_ever),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
