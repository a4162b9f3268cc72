/*
 * test_net_steering.c: which queue a frame comes to, where the driver uses several pairs: that of
 * the pair which its link chose (NET-65), and what becomes of frames while a receive queue is being
 * reset (NET-66, NET-70). How many pairs there are is for test_net_ctrl.c, RSS for test_net_rss.c,
 * and that a tap remembers flows for tests/unit/test_tap_port.c.
 */
#include "net_rig.h"

enum { PAIRS = 4, FRAMES = 40 };

static struct rig *rig_of(void **state, unsigned pairs, bool rss)
{
    struct net_options options = { .net = { .pairs = pairs, .rss = rss } };
    struct rig *rig = net_rig_new(state, &options);
    le16 wanted = tn_to_le16((uint16_t)pairs);

    for (unsigned pair = 0; pair < pairs; pair++) {
        assert_int_equal(tnd_net_fill(rig->driver, tnd_net_rx(pair), NET_ROOM, 60), 0);
    }
    if (!rss) {
        assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MQ, TN_NET_CTRL_MQ_VQ_PAIRS_SET,
                                         &wanted, sizeof(wanted)),
                         TN_NET_OK);
    }
    return rig;
}

/* What is sent by a pair leaves by that pair of the link, and what comes there comes back to it. */
static void answers_come_to_the_pair_that_asked_NET_65(void **state)
{
    struct rig *rig = rig_of(state, PAIRS, false);

    for (unsigned i = 0; i < FRAMES; i++) {
        unsigned pair = i * 7 % PAIRS;
        net_transmit(rig, pair, NET_PLAIN, i);
        net_await_sent(rig, i + 1);
        struct fake_frame *f = fake_link_take_sent(rig->link);
        assert_non_null(f);
        assert_int_equal(f->pair, pair);
        net_deliver(rig, f->pair, NET_PLAIN, 1000 + i);
        free(f);
        net_expect(rig, pair, NET_PLAIN, 1000 + i);
    }
}

/* ---- queues that are reset ---- */

static void stop(struct rig *rig, unsigned pair)
{
    uint16_t base;

    assert_int_equal(rig->driver->ops->queue_stop(rig->driver, tnd_net_rx(pair), &base), 0);
    tnd_net_forget(rig->driver, tnd_net_rx(pair));
}

static void start(struct rig *rig, unsigned pair)
{
    struct tnd_ring *ring = rig->driver->queues[tnd_net_rx(pair)].ring;

    ring->start = 0;
    tnd_ring_clear(ring);
    assert_int_equal(rig->driver->ops->queue_start(rig->driver, tnd_net_rx(pair)), 0);
    assert_int_equal(tnd_net_fill(rig->driver, tnd_net_rx(pair), NET_ROOM, 60), 0);
}

/*
 * Its frames wait in the link, as if there were no buffer; so long as the link has room none is
 * lost. The other queues, and its transmit queue, go on.
 */
static void frames_of_a_queue_in_reset_wait_NET_66(void **state)
{
    struct rig *rig = rig_of(state, 2, false);

    for (unsigned round = 0; round < 4; round++) {
        unsigned down = round % 2, other = 1 - down;
        stop(rig, down);
        for (unsigned i = 0; i < FRAMES; i++) {
            net_deliver(rig, down, NET_PLAIN, i);
            net_deliver(rig, other, NET_PLAIN, 100 + i);
        }
        for (unsigned i = 0; i < FRAMES; i++) {
            net_expect(rig, other, NET_PLAIN, 100 + i);
        }
        net_transmit(rig, down, NET_PLAIN, 7);
        assert_int_equal(fake_link_waiting(rig->link, down), FRAMES);
        start(rig, down);
        for (unsigned i = 0; i < FRAMES; i++) {
            net_expect(rig, down, NET_PLAIN, i);
        }
        for (unsigned pair = 0; pair < 2; pair++) {
            assert_int_equal(tnd_net_fill(rig->driver, tnd_net_rx(pair), NET_ROOM, FRAMES), 0);
        }
    }
}

static void all_of_them_in_reset_NET_66(void **state)
{
    struct rig *rig = rig_of(state, 2, false);

    stop(rig, 0);
    stop(rig, 1);
    for (unsigned i = 0; i < FRAMES; i++) {
        net_deliver(rig, i % 2, NET_PLAIN, i);
    }
    net_transmit(rig, 0, NET_PLAIN, 7);
    net_transmit(rig, 1, NET_PLAIN, 8);
    assert_int_equal(fake_link_waiting(rig->link, 0) + fake_link_waiting(rig->link, 1), FRAMES);
    start(rig, 1);
    start(rig, 0);
    for (unsigned i = 0; i < FRAMES; i++) {
        net_expect(rig, i % 2, NET_PLAIN, i);
    }
}

/* Where RSS has chosen it there is no other: dropped, and counted (NET-70). */
static void rss_drops_for_a_queue_in_reset_NET_70(void **state)
{
    struct rig *rig = rig_of(state, 2, true);
    uint8_t config[8 + 2 + 3] = { 0 };

    config[6] = 1; /* all to pair 1 */
    config[8] = 1;
    config[10] = 2;
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MQ, TN_NET_CTRL_MQ_RSS_CONFIG, config,
                                     sizeof(config)),
                     TN_NET_OK);
    net_deliver(rig, 0, NET_PLAIN, 1);
    net_expect(rig, 1, NET_PLAIN, 1);
    stop(rig, 1);
    for (unsigned i = 0; i < FRAMES; i++) {
        net_deliver(rig, 0, NET_PLAIN, i);
    }
    net_await_stat(rig, "link_down", (int)tnd_net_rx(0), FRAMES);
    uint64_t turns = rig_stat(rig, "turns", (int)tnd_net_rx(1));
    start(rig, 1);
    rig_await_stat(rig, "turns", (int)tnd_net_rx(1), turns + 1); /* it runs again */
    net_deliver(rig, 0, NET_PLAIN, 2);
    net_expect(rig, 1, NET_PLAIN, 2);
    assert_int_equal(rig_stat(rig, "frames", (int)tnd_net_rx(0)), 0);
}

static const struct rig_case cases[] = {
    RIG_TEST(answers_come_to_the_pair_that_asked_NET_65),
    RIG_TEST(frames_of_a_queue_in_reset_wait_NET_66),
    RIG_TEST(all_of_them_in_reset_NET_66),
    RIG_TEST(rss_drops_for_a_queue_in_reset_NET_70),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
