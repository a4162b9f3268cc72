/*
 * test_ctrl_queues.c: what the commands change that are about queues, at the edges of their ranges,
 * and how long that lasts (NET-01, NET-62..79).
 */
#include "ctrl_rig.h"

static void put32(uint8_t *at, uint32_t value)
{
    le32 wire = tn_to_le32(value);
    memcpy(at, &wire, sizeof(wire));
}

/* ---- pairs and hashes ---- */

/* NET-62: 0, 1, all, one more. NET-63: after a reset one. */
static void pairs_that_receive(void **state)
{
    struct rig *rig = rig_live(1);
    (void)state;

    assert_int_equal(rig->net->rules.pairs, 1);
    assert_int_equal(rig->use_pairs, 1);
    assert_int_equal(RIG_COMMAND(rig, 4, 0, 0, 0), TN_NET_ERR);
    assert_int_equal(RIG_COMMAND(rig, 4, 0, PAIRS, 0), TN_NET_OK);
    assert_int_equal(rig->use_pairs, PAIRS);
    assert_int_equal(RIG_COMMAND(rig, 4, 0, PAIRS + 1, 0), TN_NET_ERR);
    assert_int_equal(RIG_COMMAND(rig, 4, 0, 1, 1), TN_NET_ERR);
    assert_int_equal(RIG_COMMAND(rig, 4, 0, 0, 0x80), TN_NET_ERR);
    assert_int_equal(rig->net->rules.pairs, PAIRS);
    assert_int_equal(rig->net->open[3]->rules.pairs, PAIRS);
    assert_int_equal(RIG_COMMAND(rig, 4, 0, 2, 0), TN_NET_OK);
    assert_int_equal(rig->use_pairs, 2);
    assert_int_equal(rig->net->open[3]->rules.pairs, 2);
    rig->use_pairs_error = -EIO; /* the link cannot: it is said */
    assert_int_equal(RIG_COMMAND(rig, 4, 0, 3, 0), TN_NET_ERR);
    rig->use_pairs_error = 0;
    rig_quiet(rig);
    assert_int_equal(rig->net->rules.pairs, PAIRS); /* nothing is negotiated */
    uint64_t features[2];
    tenon_bus_features(rig->device, features);
    rig_negotiate(rig, features[0] & ~rig_bit(TN_F_EVENT_IDX));
    assert_int_equal(rig->net->rules.pairs, 1);
    rig_end(rig);
}

/* A front-end that answers the control queue itself starts those pairs that shall receive. */
static void pairs_without_a_control_queue(void **state)
{
    struct rig *rig = rig_new(1);
    (void)state;

    rig_negotiate(rig, rig_bit(TN_NET_F_MAC));
    rig->device->features[0] |= rig_bit(TN_NET_F_MQ); /* as QEMU hands it on to a back-end */
    rig->ctrl = UINT32_MAX;
    for (unsigned queue = 0; queue < 6; queue++) {
        assert_int_equal(rig_start(rig, queue), 0);
        rig_run(rig);
        assert_int_equal(rig->use_pairs, queue / 2 + 1);
    }
    assert_int_equal(rig->net->open[2]->rules.pairs, PAIRS);
    unsigned calls = rig->use_pairs_calls;
    rig_quiet(rig);
    assert_int_equal(rig->use_pairs_calls, calls); /* the first has gone: there is none to use */
    rig_end(rig);
}

/* RSS_CONFIG with types, a table of `length` entries, and so many bytes of key. */
static uint32_t make_rss(uint8_t *bytes, uint32_t types, uint16_t mask, uint16_t unclassified,
                         uint16_t max_tx, uint8_t key_bytes)
{
    uint32_t at = 10;

    bytes[0] = TN_NET_CTRL_MQ;
    bytes[1] = TN_NET_CTRL_MQ_RSS_CONFIG;
    put32(bytes + 2, types);
    put32(bytes + 6, mask | (uint32_t)unclassified << 16);
    for (unsigned i = 0; i <= mask && i < 300; i++) {
        bytes[at++] = (uint8_t)(i % 3);
        bytes[at++] = 0;
    }
    bytes[at++] = (uint8_t)max_tx;
    bytes[at++] = (uint8_t)(max_tx >> 8);
    bytes[at++] = key_bytes;
    for (unsigned i = 0; i < key_bytes; i++) {
        bytes[at++] = (uint8_t)(i + 1);
    }
    return at;
}

static void rss_of_every_length(void **state)
{
    struct rig *rig = rig_live(1);
    const struct net_rss *rss = &rig->net->open[2]->rules.rss; /* what a pair knows of it */
    uint8_t bytes[1000];
    (void)state;

    assert_int_equal(RIG_COMMAND(rig, 4, 0, PAIRS, 0), TN_NET_OK);
    for (unsigned length = 1; length <= 257; length++) {
        uint32_t count = make_rss(bytes, TN_NET_HASH_ALL, (uint16_t)(length - 1), 1, PAIRS, 40);
        bool legal = (length & (length - 1)) == 0 && length <= 128;
        assert_int_equal(rig_command(rig, bytes, count), legal ? TN_NET_OK : TN_NET_ERR);
        if (legal) {
            assert_true(rss->on);
            assert_int_equal(rss->mask, length - 1);
            assert_int_equal(rss->table[length - 1], (length - 1) % 3);
            assert_int_equal(rig->net->rules.pairs, length < 3 ? 2 : 3);
            assert_int_equal(rig->use_pairs, rig->net->rules.pairs);
        }
    }
    assert_int_equal(rss->key[39], 40);
    assert_int_equal(RIG_COMMAND(rig, 4, 0, 2, 0), TN_NET_OK);
    assert_false(rss->on); /* the last one decides */
    rig_end(rig);
}

/* NET-69, one after another. */
static void rss_that_is_wrong(void **state)
{
    struct rig *rig = rig_live(1);
    uint8_t bytes[1000];
    uint32_t count;
    (void)state;

    count = make_rss(bytes, TN_NET_HASH_ALL, 3, PAIRS, 1, 40); /* unclassified_queue */
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    count = make_rss(bytes, TN_NET_HASH_ALL, 3, 3, 1, 40);
    bytes[12] = PAIRS; /* in the table */
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    bytes[12] = 3;
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_OK);
    bytes[13] = 1;
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    count = make_rss(bytes, TN_NET_HASH_ALL + 1, 3, 0, 1, 40);
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    count = make_rss(bytes, 1u << 31, 3, 0, 1, 40);
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    count = make_rss(bytes, 1, 3, 0, 0, 40); /* max_tx_vq */
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    count = make_rss(bytes, 1, 3, 0, PAIRS + 1, 40);
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    count = make_rss(bytes, 1, 3, 0, PAIRS, 41);
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    count = make_rss(bytes, 1, 3, 0, PAIRS, 0); /* nothing to hash with */
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    count = make_rss(bytes, 0, 0xffff, 0, 1, 40);
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    count = make_rss(bytes, 0, 0, 0, 1, 0); /* no types, no key: all to one queue */
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_OK);
    rig_end(rig);
}

static void hash_reports(void **state)
{
    struct rig *rig = rig_live(1);
    const struct net_rss *rss = &rig->net->rules.rss;
    (void)state;

    assert_true(rss->report && rss->types == 0); /* NET-67 */
    assert_int_equal(RIG_COMMAND(rig, 4, 2, 3, 1, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 1, 7), TN_NET_OK);
    assert_int_equal(rss->types, 0x103);
    assert_int_equal(rss->key[0], 7);
    assert_false(rss->on);
    assert_int_equal(RIG_COMMAND(rig, 4, 2, 0, 2, 0, 0, 9, 9, 9, 9, 9, 9, 9, 9, 1, 7), TN_NET_ERR);
    assert_int_equal(rss->types, 0x103);
    rig_quiet(rig);
    assert_int_equal(rss->types, 0);
    rig_end(rig);
}

/* ---- offloads and interrupts ---- */

static void offloads(void **state)
{
    struct rig *rig = rig_live(1);
    (void)state;

    assert_int_equal(rig->net->rules.guest_can, TENON_CAN_ALL);
    assert_int_equal(rig->recv_can[2], TENON_CAN_ALL);
    assert_int_equal(RIG_COMMAND(rig, 5, 0, 0x82, 0, 0, 0, 0, 0, 0, 0), TN_NET_OK);
    assert_int_equal(rig->recv_can[2], TENON_CAN_CSUM | TENON_CAN_TSO4);
    assert_int_equal(rig->net->open[2]->rules.guest_can, TENON_CAN_CSUM | TENON_CAN_TSO4);
    assert_int_equal(RIG_COMMAND(rig, 5, 0, 0x80, 0, 0, 0, 0, 0, 0, 0), TN_NET_OK);
    assert_int_equal(rig->recv_can[2], 0); /* segments without checksums are no segments */
    assert_int_equal(RIG_COMMAND(rig, 5, 0, 0x82, 3, 0, 0, 0, 0, 0xc0, 0), TN_NET_OK);
    assert_int_equal(rig->recv_can[0], TENON_CAN_ALL);
    assert_int_equal(RIG_COMMAND(rig, 5, 0, 0x82, 7, 0, 0, 0, 0, 0xc0, 0), TN_NET_ERR); /* UFO */
    assert_int_equal(RIG_COMMAND(rig, 5, 0, 0x83, 0, 0, 0, 0, 0, 0, 0),
                     TN_NET_ERR); /* no guest's */
    assert_int_equal(RIG_COMMAND(rig, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0x80), TN_NET_ERR);
    assert_int_equal(rig->recv_can[0], TENON_CAN_ALL);
    rig->recv_error = -EINVAL;
    assert_int_equal(RIG_COMMAND(rig, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0), TN_NET_ERR);
    assert_int_equal(RIG_COMMAND(rig, 6, 3, 0, 0, 0, 0), TN_NET_OK); /* of the one before */
    rig_quiet(rig);
    rig_negotiate(rig, rig_bit(TN_NET_F_CTRL_VQ) | rig_bit(TN_NET_F_CTRL_GUEST_OFFLOADS) |
                           rig_bit(TN_NET_F_GUEST_CSUM) | rig_bit(TN_NET_F_GUEST_TSO4));
    rig->recv_error = 0;
    assert_int_equal(rig_start(rig, rig->ctrl), 0);
    rig_run(rig);
    assert_int_equal(RIG_COMMAND(rig, 5, 0, 2, 1, 0, 0, 0, 0, 0, 0), TN_NET_ERR); /* not TSO6 */
    assert_int_equal(RIG_COMMAND(rig, 5, 0, 2, 0, 0, 0, 0, 0, 0, 0), TN_NET_OK);
    rig_end(rig);
}

static void check_coalesce(struct rig *rig, uint8_t index, uint8_t frames, uint8_t us)
{
    const struct tn_queue *queue = rig->device->queues[index];

    assert_int_equal(RIG_COMMAND(rig, 6, 3, index, 0, 0xff, 0xff), TN_NET_OK);
    assert_memory_equal(rig_at(rig, IN_GPA), ((const uint8_t[]){ 0, frames, 0, 0, 0, us, 0, 0, 0 }),
                        9);
    if (frames != 0) {
        assert_int_equal(queue->irq.coalesce.frames, frames);
        assert_int_equal(queue->irq.coalesce.ns, us * 1000);
        assert_false(queue->irq.coalesce.adaptive);
    }
}

/* NET-76 to NET-78: the last one counts, of each queue. */
static void holding_interrupts(void **state)
{
    struct rig *rig = rig_live(1);
    (void)state;

    check_coalesce(rig, 0, 0, 0);
    assert_true(rig->device->queues[0]->irq.coalesce.adaptive); /* ours */
    assert_int_equal(RIG_COMMAND(rig, 6, 1, 8, 0, 0, 0, 80, 0, 0, 0), TN_NET_OK);
    assert_int_equal(RIG_COMMAND(rig, 6, 0, 9, 0, 0, 0, 90, 0, 0, 0), TN_NET_OK);
    assert_int_equal(RIG_COMMAND(rig, 6, 2, 2, 0, 0, 0, 5, 0, 0, 0, 50, 0, 0, 0), TN_NET_OK);
    check_coalesce(rig, 0, 8, 80);
    check_coalesce(rig, 1, 9, 90);
    check_coalesce(rig, 2, 5, 50);
    check_coalesce(rig, 7, 9, 90);
    assert_int_equal(RIG_COMMAND(rig, 6, 1, 7, 0, 0, 0, 70, 0, 0, 0), TN_NET_OK);
    check_coalesce(rig, 2, 7, 70);
    check_coalesce(rig, 1, 9, 90);
    for (unsigned way = 2; way < 4; way++) { /* the control queue, and none */
        for (unsigned index = 2 * PAIRS; index < 256; index++) {
            uint8_t command[] = {
                6, (uint8_t)way, (uint8_t)index, index == 20, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0
            };
            assert_int_equal(rig_command(rig, command, way == 2 ? 14 : 6), TN_NET_ERR);
        }
    }
    rig_quiet(rig);
    assert_true(rig->net->coalesce[0].adaptive && rig->net->coalesce_queue[1].frames == 0);
    rig_end(rig);
}

static void stopped(void *opaque, unsigned queue, uint16_t next_avail)
{
    (void)queue;
    (void)next_avail;
    (*(unsigned *)opaque)++;
}

/* Of a queue that is disabled nothing can be set; enabled again it has what all were set to. */
static void a_queue_that_is_reset(void **state)
{
    struct rig *rig = rig_live(1);
    uint8_t bytes[1000];
    unsigned stops = 0;
    (void)state;

    assert_int_equal(RIG_COMMAND(rig, 6, 1, 8, 0, 0, 0, 80, 0, 0, 0), TN_NET_OK);
    assert_int_equal(RIG_COMMAND(rig, 6, 2, 4, 0, 0, 0, 5, 0, 0, 0, 50, 0, 0, 0), TN_NET_OK);
    check_coalesce(rig, 4, 5, 50);
    assert_int_equal(tenon_bus_queue_stop(rig->device, 4, true, stopped, &stops), 0);
    rig_run(rig);
    assert_int_equal(stops, 1);
    assert_int_equal(RIG_COMMAND(rig, 6, 3, 4, 0, 0, 0), TN_NET_ERR);
    assert_int_equal(RIG_COMMAND(rig, 6, 2, 4, 0, 0, 0, 5, 0, 0, 0, 50, 0, 0, 0), TN_NET_ERR);
    uint32_t count = make_rss(bytes, 1, 3, 0, PAIRS, 40); /* its table has pair 2 */
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
    assert_int_equal(rig_start(rig, 4), 0);
    rig_run(rig);
    check_coalesce(rig, 4, 8, 80);
    assert_int_equal(rig_command(rig, bytes, count), TN_NET_OK);
    rig_end(rig);
}

/* NET-01, NET-02. */
static void where_the_control_queue_is(void **state)
{
    struct rig *rig = rig_new(1);
    (void)state;

    rig_negotiate(rig, rig_bit(TN_NET_F_CTRL_VQ) | rig_bit(TN_NET_F_CTRL_VLAN));
    assert_int_equal(rig->ctrl, 2);
    assert_int_equal(rig_start(rig, 2), 0);
    rig_run(rig);
    assert_int_equal(RIG_COMMAND(rig, 2, 0, 1, 0), TN_NET_OK);
    assert_int_equal(RIG_COMMAND(rig, 6, 1, 1, 0, 0, 0, 1, 0, 0, 0), TN_NET_ERR);
    rig_quiet(rig);
    rig_negotiate(rig, rig_bit(TN_NET_F_CTRL_VQ) | rig_bit(TN_NET_F_MQ));
    assert_int_equal(rig->ctrl, 2 * PAIRS);
    rig_quiet(rig);
    rig_negotiate(rig, rig_bit(TN_NET_F_CTRL_VQ) | rig_bit(TN_NET_F_RSS));
    assert_int_equal(rig->ctrl, 2 * PAIRS);
    rig_end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pairs_that_receive),
        cmocka_unit_test(pairs_without_a_control_queue),
        cmocka_unit_test(rss_of_every_length),
        cmocka_unit_test(rss_that_is_wrong),
        cmocka_unit_test(hash_reports),
        cmocka_unit_test(offloads),
        cmocka_unit_test(holding_interrupts),
        cmocka_unit_test(a_queue_that_is_reset),
        cmocka_unit_test(where_the_control_queue_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
