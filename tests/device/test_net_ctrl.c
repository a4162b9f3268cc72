/*
 * test_net_ctrl.c: config space and the control queue: items 49, 50 and 58 of the conformance list,
 * NET-01, NET-02, NET-08..12, NET-16 and NET-50..64.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>

#include "net_rig.h"
#include "spec/virtio.h"

enum { OK = TN_NET_OK, ERR = TN_NET_ERR, ROOM = NET_ROOM };

static const uint8_t other_mac[6] = { 0x52, 0x54, 0x00, 0x77, 0x77, 0x77 };
static const uint8_t group_mac[6] = { 0x01, 0x00, 0x5e, 0x00, 0x00, 0x09 };
static const uint8_t other_group[6] = { 0x33, 0x33, 0x00, 0x00, 0x00, 0x01 };
static const uint8_t everyone[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static uint64_t bit(unsigned number)
{
    return (uint64_t)1 << number;
}

static int one_byte(struct rig *rig, uint8_t class_, uint8_t command, uint8_t value)
{
    return tnd_net_command(rig->driver, class_, command, &value, 1);
}

static int two_bytes(struct rig *rig, uint8_t class_, uint8_t command, uint16_t value)
{
    le16 wire = tn_to_le16(value);
    return tnd_net_command(rig->driver, class_, command, &wire, 2);
}

/* ---- does a frame arrive? ---- */

static uint32_t serial;

static void deliver_to(struct rig *rig, unsigned pair, const uint8_t mac[6], int vlan)
{
    uint8_t frame[NET_PLAIN + 4];

    net_frame(frame, NET_PLAIN + 4, ++serial, true);
    memcpy(frame, mac, 6);
    if (vlan >= 0) {
        frame[12] = 0x81;
        frame[13] = 0;
        frame[14] = (uint8_t)(vlan >> 8);
        frame[15] = (uint8_t)vlan;
    }
    fake_link_deliver(rig->link, pair, frame, sizeof(frame), NULL);
}

/* Sent to this address, it does or does not arrive; one behind it that does is what we wait for. */
static bool arrives(struct rig *rig, const uint8_t mac[6], int vlan)
{
    static struct tnd_net_frame got;
    uint8_t now[6];
    bool came = false;

    assert_int_equal(tenon_net_mac(rig->device, now), 0);
    while (rig->driver->queues[0].ring->in_flight < 3) {
        assert_int_equal(tnd_net_fill(rig->driver, 0, ROOM, 1), 0);
    }
    deliver_to(rig, 0, mac, vlan);
    uint8_t last[NET_FULL];
    net_frame(last, NET_FULL, ++serial, true);
    memcpy(last, now, 6);
    fake_link_deliver(rig->link, 0, last, NET_FULL, NULL);
    for (;;) {
        assert_int_equal(tnd_net_receive(rig->driver, 0, &got), 0);
        if (got.bytes == NET_FULL) {
            return came;
        }
        assert_int_equal(got.bytes, NET_PLAIN + 4);
        assert_memory_equal(got.data, mac, 6);
        came = true;
    }
}

static bool comes_to(struct rig *rig, const uint8_t mac[6])
{
    return arrives(rig, mac, -1);
}

/* ---- item 49: config space ---- */

static void item49_config_space_NET_08(void **state)
{
    struct net_options options = { .net = { .pairs = 3, .mtu = 1400, .speed = 25000 } };
    struct rig *rig = net_rig_new(state, &options);
    uint8_t raw[0x20] = { 0 };

    assert_int_equal(tnd_config_read(rig->driver, 0, raw, 0x1c), 0);
    assert_memory_equal(raw, net_mac, 6);
    assert_int_equal(raw[6] | raw[7] << 8, TN_NET_S_LINK_UP);
    assert_int_equal(raw[8] | raw[9] << 8, 3);
    assert_int_equal(raw[10] | raw[11] << 8, 1400); /* B17 */
    assert_int_equal(raw[12] | raw[13] << 8 | raw[14] << 16, 25000);
    assert_int_equal(raw[16], TN_NET_DUPLEX_FULL);
    /* Field by field, too. */
    for (uint32_t i = 0; i < 0x1c; i++) {
        uint8_t one = 0;
        assert_int_equal(tnd_config_read(rig->driver, i, &one, 1), 0);
        assert_int_equal(one, raw[i]);
    }
}

static void item49_config_is_read_only_NET_09(void **state)
{
    struct net_options options = { .net = { .mtu = 1400 } };
    struct rig *rig = net_rig_new(state, &options);
    uint8_t before[0x1c], after[0x1c], junk = 0x5a;

    assert_int_equal(tnd_config_read(rig->driver, 0, before, sizeof(before)), 0);
    for (uint32_t i = 0; i < sizeof(before); i++) {
        tnd_config_write(rig->driver, i, &junk, 1);
    }
    assert_int_equal(tnd_config_read(rig->driver, 0, after, sizeof(after)), 0);
    assert_memory_equal(before, after, sizeof(before));
    net_check_alive(rig, 0);
}

static void what_is_not_known_is_not_offered(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    assert_false(tnd_has(rig->driver, TN_NET_F_MTU));
    assert_false(tnd_has(rig->driver, TN_NET_F_SPEED_DUPLEX));
    assert_false(tnd_has(rig->driver, TN_NET_F_MQ)); /* one pair */
    assert_false(tnd_has(rig->driver, TN_NET_F_RSS));
    assert_true(tnd_has(rig->driver, TN_NET_F_MAC));
    assert_true(tnd_has(rig->driver, TN_NET_F_STATUS));
    assert_true(tnd_has(rig->driver, TN_NET_F_MRG_RXBUF));
}

struct status_wait {
    struct rig *rig;
    uint16_t mask, value;
};

static bool has_status(void *opaque)
{
    struct status_wait *w = opaque;
    struct tnd_net_config config;

    assert_int_equal(tnd_net_config(w->rig->driver, &config), 0);
    return (config.status & w->mask) == w->value;
}

static void await_status(struct rig *rig, uint16_t mask, uint16_t value)
{
    struct status_wait wait = { rig, mask, value };
    assert_true(tnd_until(rig->driver, has_status, &wait));
}

struct irq_wait {
    struct rig *rig;
    uint64_t more_than;
};

static bool has_irq(void *opaque)
{
    struct irq_wait *w = opaque;
    return tnd_config_irqs(w->rig->driver) > w->more_than;
}

static void await_config_irq(struct rig *rig, uint64_t more_than)
{
    struct irq_wait wait = { rig, more_than };
    assert_true(tnd_until(rig->driver, has_irq, &wait));
}

/* The cable, by whoever pulls it: status and a config interrupt; both have to be in (NET-10). */
static void item49_the_carrier_NET_10(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint64_t irqs = tnd_config_irqs(rig->driver);

    assert_int_equal(tnd_net_fill(rig->driver, 0, ROOM, 8), 0);
    assert_int_equal(tenon_net_set_carrier(rig->device, false), 0);
    await_config_irq(rig, irqs);
    await_status(rig, TN_NET_S_LINK_UP, 0);
    net_deliver(rig, 0, NET_PLAIN, 1); /* dropped */
    net_await_received(rig, 0);
    net_await_stat(rig, "link_down", 0, 1);
    fake_link_set_down(rig->link, true);
    assert_int_equal(tenon_net_set_carrier(rig->device, true), 0);
    tnd_settle(rig->driver, 10);
    await_status(rig, TN_NET_S_LINK_UP, 0); /* the link is down still */
    irqs = tnd_config_irqs(rig->driver);
    fake_link_set_down(rig->link, false);
    await_config_irq(rig, irqs);
    await_status(rig, TN_NET_S_LINK_UP, TN_NET_S_LINK_UP);
    net_deliver(rig, 0, NET_PLAIN, 2);
    net_expect(rig, 0, NET_PLAIN, 2);
}

static void a_link_that_begins_without_a_carrier(void **state)
{
    struct net_options options = { .info = { .down = true } };
    struct rig *rig = net_rig_new(state, &options);

    await_status(rig, TN_NET_S_LINK_UP, 0);
    fake_link_set_down(rig->link, false);
    await_status(rig, TN_NET_S_LINK_UP, TN_NET_S_LINK_UP);
    net_check_alive(rig, 0);
}

/* ---- where the control queue is ---- */

static void with_and_without_mq_NET_01(void **state)
{
    struct net_options options = { .net = { .pairs = 3 } };
    struct rig *rig = net_rig_new(state, &options);

    assert_int_equal(tnd_net_control(rig->driver), 6);
    assert_int_equal(one_byte(rig, TN_NET_CTRL_RX, TN_NET_CTRL_RX_PROMISC, 1), OK);
    rig_end(state);
    options.setup.without[0] = bit(TN_NET_F_MQ);
    rig = net_rig_new(state, &options);
    assert_int_equal(tnd_net_control(rig->driver), 2);
    assert_int_equal(one_byte(rig, TN_NET_CTRL_RX, TN_NET_CTRL_RX_PROMISC, 1), OK);
    net_check_alive(rig, 0);
}

static void no_control_queue_NET_02(void **state)
{
    struct net_options options = { .net = { .no_ctrl = true } };
    struct rig *rig = net_rig_new(state, &options);

    for (unsigned f = TN_NET_F_CTRL_VQ; f <= TN_NET_F_CTRL_MAC_ADDR; f++) {
        assert_false(tnd_has(rig->driver, f));
    }
    assert_false(tnd_has(rig->driver, TN_NET_F_NOTF_COAL));
    assert_false(tnd_has(rig->driver, TN_NET_F_CTRL_GUEST_OFFLOADS));
    /* Nobody filters then. */
    assert_true(comes_to(rig, other_mac));
    assert_true(comes_to(rig, group_mac));
}

/* ---- item 50: commands ---- */

static bool uses_two_pairs(void *opaque)
{
    struct rig *rig = opaque;
    return fake_link_count(rig->link, &rig->link->used_pairs) == 2;
}

static void item50_pairs_NET_62(void **state)
{
    struct net_options options = { .net = { .pairs = 4 } };
    struct rig *rig = net_rig_new(state, &options);
    static const struct {
        uint16_t pairs;
        int ack;
    } tries[] = { { 0, ERR },      { 1, OK },       { 4, OK }, { 5, ERR },
                  { 0x8000, ERR }, { 0xffff, ERR }, { 2, OK } };

    for (unsigned i = 0; i < sizeof(tries) / sizeof(tries[0]); i++) {
        assert_int_equal(
            two_bytes(rig, TN_NET_CTRL_MQ, TN_NET_CTRL_MQ_VQ_PAIRS_SET, tries[i].pairs),
            tries[i].ack);
    }
    assert_true(tnd_until(rig->driver, uses_two_pairs, rig)); /* when both are open */
    assert_int_equal(rig_stat(rig, "commands", 8), 3);
    assert_int_equal(rig_stat(rig, "refused", 8), 4);
}

/* One pair after a reset; as many as were asked for, and no frame above (NET-63, NET-64). */
static void item50_pairs_take_effect(void **state)
{
    struct net_options options = { .net = { .pairs = 3 } };
    struct rig *rig = net_rig_new(state, &options);

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned pair = 0; pair < 3; pair++) {
            assert_int_equal(tnd_net_fill(rig->driver, tnd_net_rx(pair), ROOM, 16), 0);
        }
        net_deliver(rig, 1, NET_PLAIN, 7);
        net_deliver(rig, 0, NET_PLAIN, 1);
        net_expect(rig, 0, NET_PLAIN, 1);
        tnd_settle(rig->driver, 10);
        assert_int_equal(tnd_raw_used_idx(rig->driver->queues[2].ring), 0);
        assert_int_equal(two_bytes(rig, TN_NET_CTRL_MQ, 0, 3), OK);
        net_expect(rig, 1, NET_PLAIN, 7); /* it was not lost */
        net_deliver(rig, 2, NET_PLAIN, 8);
        net_expect(rig, 2, NET_PLAIN, 8);
        net_transmit(rig, 2, NET_PLAIN, 9);
        assert_int_equal(two_bytes(rig, TN_NET_CTRL_MQ, 0, 1), OK);
        uint16_t used = tnd_raw_used_idx(rig->driver->queues[2].ring);
        net_deliver(rig, 1, NET_PLAIN, 10);
        tnd_settle(rig->driver, 20);
        assert_int_equal(tnd_raw_used_idx(rig->driver->queues[2].ring), used);
        assert_int_equal(tnd_reset(rig->driver), 0);
        while (fake_link_waiting(rig->link, 1)) { /* what no guest has taken */
            net_rig_start(rig, &options);
            assert_int_equal(two_bytes(rig, TN_NET_CTRL_MQ, 0, 3), OK);
            assert_int_equal(tnd_net_fill(rig->driver, 2, ROOM, 1), 0);
            net_expect(rig, 1, NET_PLAIN, 10);
            assert_int_equal(tnd_reset(rig->driver), 0);
        }
        net_rig_start(rig, &options);
    }
}

static void item50_unknown_commands_NET_52(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint8_t data[8] = { 0 };

    assert_int_equal(tnd_net_command(rig->driver, 77, 0, data, 8), ERR);
    assert_int_equal(tnd_net_command(rig->driver, 255, 255, NULL, 0), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_RX, 6, data, 1), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MAC, 2, data, 6), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_VLAN, 2, data, 2), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MQ, 0, data, 2), ERR); /* one pair */
    /* Too short, too long, nothing at all. */
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_RX, 0, NULL, 0), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MAC, 1, other_mac, 5), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_VLAN, 0, data, 1), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MAC, 0, data, 7), ERR);
    assert_true(comes_to(rig, net_mac));
    assert_false(comes_to(rig, other_mac)); /* nothing of it was done */
    assert_int_equal(rig_stat(rig, "refused", 2), 10);
}

/* What the driver did not take is not there. */
static void item50_not_negotiated(void **state)
{
    struct net_options options = {
        .setup = { .without = { bit(TN_NET_F_CTRL_RX) | bit(TN_NET_F_CTRL_RX_EXTRA) |
                                bit(TN_NET_F_CTRL_VLAN) | bit(TN_NET_F_CTRL_MAC_ADDR) |
                                bit(TN_NET_F_GUEST_ANNOUNCE) | bit(TN_NET_F_NOTF_COAL) |
                                bit(TN_NET_F_VQ_NOTF_COAL) | bit(TN_NET_F_CTRL_GUEST_OFFLOADS) } }
    };
    struct rig *rig = net_rig_new(state, &options);
    uint8_t data[16] = { 0 };

    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_RX, 0, data, 1), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_VLAN, 0, data, 2), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MAC, 1, other_mac, 6), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_ANNOUNCE, 0, NULL, 0), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_GUEST_OFFLOADS, 0, data, 8), ERR);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_NOTF_COAL, 0, data, 8), ERR);
    /* Without CTRL_RX and CTRL_VLAN all passes (NET-60). */
    assert_true(comes_to(rig, other_mac));
    assert_true(comes_to(rig, group_mac));
    assert_true(arrives(rig, net_mac, 100));
}

/* One byte for each descriptor, empty ones between, tables; the used length is 1 (NET-50, 51). */
static void item50_any_framing(void **state)
{
    static const uint32_t ones[] = { 1, 1, 1 };
    static const uint32_t empties[] = { 0, 1, 0, 0, 1, 0 };
    static const uint32_t empty[] = { 0 };
    static const struct tnd_shape shapes[] = {
        { .cuts = NULL },
        { .cuts = ones, .cut_count = 3, .scatter = true },
        { .cuts = empties, .cut_count = 6 },
        { .cuts = empties, .cut_count = 6, .form = TND_INDIRECT, .scatter = true },
        { .cuts = ones, .cut_count = 2, .form = TND_MIXED },
    };
    struct rig *rig = net_rig_new(state, NULL);

    for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        uint8_t on = i % 2 == 0;
        struct tnd_net_request request = { .class_ = TN_NET_CTRL_RX,
                                           .command = TN_NET_CTRL_RX_PROMISC,
                                           .data = &on,
                                           .bytes = 1,
                                           .out = shapes[i],
                                           .in = { .cuts = empty, .cut_count = i % 2 } };
        assert_int_equal(tnd_net_request(rig->driver, &request), OK);
        assert_int_equal(request.used_bytes, 1);
        assert_int_equal(comes_to(rig, other_mac), on);
    }
}

/* A chain by hand on the control queue. What becomes of it: its used length. */
static uint32_t run_chain(struct rig *rig, const struct tnd_seg *segs, unsigned count)
{
    unsigned queue = tnd_net_control(rig->driver);
    int head = tnd_add(rig->driver, queue, segs, count, TND_DIRECT, (void *)(uintptr_t)segs);

    tnd_kick(rig->driver, queue);
    return net_await_used(rig, queue, head);
}

/* No place for an ack, or none that is memory: given back with 0, and not done. */
static void item50_no_place_for_an_ack(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint64_t gpa = tnd_ram_alloc(rig->ram, 64);
    const uint8_t promisc_on[] = { TN_NET_CTRL_RX, TN_NET_CTRL_RX_PROMISC, 1 };
    struct tnd_seg segs[] = { { .gpa = gpa, .bytes = 3 },
                              { .gpa = RIG_NOWHERE_GPA, .bytes = 1, .write = true } };

    tnd_ram_put(rig->ram, gpa, promisc_on, 3);
    assert_int_equal(run_chain(rig, segs, 1), 0);
    assert_int_equal(run_chain(rig, segs, 2), 0);
    segs[1] = (struct tnd_seg){ .gpa = gpa + 16, .bytes = 0, .write = true };
    assert_int_equal(run_chain(rig, segs, 2), 0);
    assert_false(comes_to(rig, other_mac));
    /* A command in memory that is not there: the ack says so. */
    segs[0] = (struct tnd_seg){ .gpa = RIG_NOWHERE_GPA, .bytes = 3 };
    segs[1] = (struct tnd_seg){ .gpa = gpa + 16, .bytes = 1, .write = true };
    tnd_ram_fill(rig->ram, gpa + 16, 0xee, 1);
    assert_int_equal(run_chain(rig, segs, 2), 1);
    assert_true(tnd_ram_is(rig->ram, gpa + 16, ERR, 1));
    assert_int_equal(rig_event(&rig->broken), 0);
}

static void item50_short_commands(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint64_t gpa = tnd_ram_alloc(rig->ram, 64);

    for (uint32_t bytes = 0; bytes < 3; bytes++) {
        struct tnd_seg segs[] = { { .gpa = gpa, .bytes = bytes },
                                  { .gpa = gpa + 16, .bytes = 1, .write = true } };
        tnd_ram_fill(rig->ram, gpa, 0, 3);
        tnd_ram_fill(rig->ram, gpa + 16, 0xee, 1);
        assert_int_equal(run_chain(rig, segs, 2), 1);
        assert_true(tnd_ram_is(rig->ram, gpa + 16, ERR, 1));
    }
    net_check_alive(rig, 0);
}

/* ---- filters ---- */

enum { PROMISC = 1, ALLMULTI = 2, ALLUNI = 4, NOMULTI = 8, NOUNI = 16, NOBCAST = 32 };

/* NET-55, by a second reading. */
static bool wanted(unsigned modes, unsigned kind) /* 0: own, 1: other, 2: group, 3: broadcast */
{
    if (modes & PROMISC) {
        return true;
    }
    if (kind == 3) {
        return !(modes & NOBCAST);
    }
    if (kind == 2) {
        return (modes & ALLMULTI) && !(modes & NOMULTI);
    }
    if (modes & NOUNI) {
        return false;
    }
    return kind == 0 || (modes & ALLUNI);
}

/* The way to wait for what does not come: another frame that does, so promiscuous at the end. */
static bool seen_in(struct rig *rig, unsigned modes, const uint8_t mac[6])
{
    uint64_t before = rig_stat(rig, "filtered", 0), frames = rig_stat(rig, "frames", 0);
    static struct tnd_net_frame got;

    (void)modes;
    while (rig->driver->queues[0].ring->in_flight < 2) {
        assert_int_equal(tnd_net_fill(rig->driver, 0, ROOM, 1), 0);
    }
    deliver_to(rig, 0, mac, -1);
    net_await_received(rig, 0);
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (rig_stat(rig, "filtered", 0) == before && rig_stat(rig, "frames", 0) == frames &&
           tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    if (rig_stat(rig, "frames", 0) == frames) {
        assert_int_equal(rig_stat(rig, "filtered", 0), before + 1);
        return false;
    }
    assert_int_equal(tnd_net_receive(rig->driver, 0, &got), 0);
    assert_memory_equal(got.data, mac, 6);
    return true;
}

static void modes_of_receiving_NET_53_54_55(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    const uint8_t *const kinds[] = { net_mac, other_mac, group_mac, everyone };

    for (unsigned modes = 0; modes < 64; modes++) {
        for (uint8_t command = 0; command < 6; command++) {
            assert_int_equal(one_byte(rig, TN_NET_CTRL_RX, command, modes >> command & 1), OK);
        }
        for (unsigned kind = 0; kind < 4; kind++) {
            if (seen_in(rig, modes, kinds[kind]) != wanted(modes, kind)) {
                fail_msg("modes %#x, kind %u: %s", modes, kind,
                         wanted(modes, kind) ? "did not come" : "came");
            }
        }
    }
}

static int set_table(struct rig *rig, const uint8_t *unicast, uint32_t n, const uint8_t *group,
                     uint32_t m)
{
    uint8_t *data = calloc(1, 8 + 6 * (n + m));
    le32 count = tn_to_le32(n);

    memcpy(data, &count, 4);
    for (uint32_t i = 0; i < n; i++) { /* the last one is asked for */
        memcpy(data + 4 + 6 * i, unicast, 6);
        data[4 + 6 * i + 4] = i + 1 == n ? unicast[4] : (uint8_t)(i >> 8);
        data[4 + 6 * i + 5] = i + 1 == n ? unicast[5] : (uint8_t)i;
    }
    count = tn_to_le32(m);
    memcpy(data + 4 + 6 * n, &count, 4);
    for (uint32_t i = 0; i < m; i++) {
        memcpy(data + 8 + 6 * (n + i), group, 6);
        data[8 + 6 * (n + i) + 4] = i + 1 == m ? group[4] : (uint8_t)(i >> 8);
    }
    int ack = tnd_net_command(rig->driver, TN_NET_CTRL_MAC, TN_NET_CTRL_MAC_TABLE_SET, data,
                              8 + 6 * (n + m));
    free(data);
    return ack;
}

/* In force when the command is answered; too many widen it (NET-56, NET-57, NET-59). */
static void the_table_of_addresses(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint8_t overflow[12] = { 0xab, 0xaa, 0xaa, 0x2a }; /* 6 n wraps to 2 */

    assert_false(comes_to(rig, group_mac));
    assert_int_equal(set_table(rig, other_mac, 1, group_mac, 1), OK);
    assert_true(comes_to(rig, other_mac));
    assert_true(comes_to(rig, group_mac));
    assert_false(comes_to(rig, other_group));
    assert_true(comes_to(rig, net_mac));
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MAC, 0, overflow, 12), ERR);
    assert_true(comes_to(rig, other_mac));
    assert_int_equal(set_table(rig, other_mac, 0, group_mac, 0), OK);
    assert_false(comes_to(rig, other_mac));
    assert_false(comes_to(rig, group_mac));
    assert_int_equal(set_table(rig, other_mac, 64, group_mac, 64), OK);
    assert_true(comes_to(rig, other_mac));
    assert_true(comes_to(rig, group_mac));
    assert_int_equal(set_table(rig, other_mac, 10000, group_mac, 100), OK);
    assert_true(comes_to(rig, other_mac));
    assert_true(comes_to(rig, group_mac));
    assert_int_equal(tnd_reset(rig->driver), 0);
    net_rig_start(rig, NULL);
    assert_false(comes_to(rig, other_mac));
    assert_false(comes_to(rig, group_mac));
}

/* Config space shows it when the command is answered (NET-58). */
static void an_address_of_its_own(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    struct tnd_net_config config;
    uint8_t now[6];

    assert_int_equal(
        tnd_net_command(rig->driver, TN_NET_CTRL_MAC, TN_NET_CTRL_MAC_ADDR_SET, other_mac, 6), OK);
    assert_int_equal(tnd_net_config(rig->driver, &config), 0);
    assert_memory_equal(config.mac, other_mac, 6);
    assert_int_equal(tenon_net_mac(rig->device, now), 0);
    assert_memory_equal(now, other_mac, 6);
    assert_true(comes_to(rig, other_mac));
    assert_false(comes_to(rig, net_mac));
    assert_int_equal(tnd_reset(rig->driver), 0);
    net_rig_start(rig, NULL);
    assert_int_equal(tnd_net_config(rig->driver, &config), 0);
    assert_memory_equal(config.mac, net_mac, 6);
}

static void vlans_NET_60(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    static const uint16_t ids[] = { 0, 1, 100, 4094, 4095 };

    for (unsigned i = 0; i < 5; i++) {
        assert_false(arrives(rig, net_mac, ids[i]));
        assert_int_equal(two_bytes(rig, TN_NET_CTRL_VLAN, TN_NET_CTRL_VLAN_ADD, ids[i]), OK);
        assert_true(arrives(rig, net_mac, ids[i]));
        assert_true(arrives(rig, net_mac, ids[i] | 0xe000)); /* its priority means nothing */
    }
    assert_int_equal(two_bytes(rig, TN_NET_CTRL_VLAN, TN_NET_CTRL_VLAN_DEL, 100), OK);
    assert_false(arrives(rig, net_mac, 100));
    assert_int_equal(two_bytes(rig, TN_NET_CTRL_VLAN, TN_NET_CTRL_VLAN_ADD, 4096), ERR);
    assert_true(arrives(rig, net_mac, -1));
    assert_int_equal(tnd_reset(rig->driver), 0);
    net_rig_start(rig, NULL);
    assert_false(arrives(rig, net_mac, 1));
}

static void announcements_NET_61(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint64_t irqs = tnd_config_irqs(rig->driver);
    struct tnd_net_config config;

    assert_int_equal(tenon_net_announce(rig->device), 0);
    await_config_irq(rig, irqs);
    await_status(rig, TN_NET_S_ANNOUNCE, TN_NET_S_ANNOUNCE);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_ANNOUNCE, 0, NULL, 0), OK);
    assert_int_equal(tnd_net_config(rig->driver, &config), 0);
    assert_int_equal(config.status, TN_NET_S_LINK_UP);
}

/* Off: the link is told, and nothing unfinished comes (NET-75). */
static void guest_offloads_NET_75(void **state)
{
    struct net_options options = { .info = { .send_can = TENON_CAN_ALL,
                                             .recv_can = TENON_CAN_ALL } };
    struct rig *rig = net_rig_new(state, &options);
    le64 none = tn_to_le64(0), csum = tn_to_le64(bit(TN_NET_F_GUEST_CSUM)),
         bad = tn_to_le64(bit(TN_NET_F_GUEST_CSUM) | bit(46));

    net_check_alive(rig, 0);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_GUEST_OFFLOADS, 0, &csum, 8), OK);
    assert_int_equal(fake_link_count(rig->link, &rig->link->ports[0].can), TENON_CAN_CSUM);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_GUEST_OFFLOADS, 0, &bad, 8), ERR);
    assert_int_equal(fake_link_count(rig->link, &rig->link->ports[0].can), TENON_CAN_CSUM);
    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_GUEST_OFFLOADS, 0, &none, 8), OK);
    assert_int_equal(fake_link_count(rig->link, &rig->link->ports[0].can), 0);
    net_check_alive(rig, 0);
}

/* ---- item 58 ---- */

static void item58_random_commands(void **state)
{
    enum { COMMANDS = 1500 };
    struct net_options options = { .net = { .pairs = 2 } };
    struct rig *rig = net_rig_new(state, &options);
    uint32_t random = 99;
    uint8_t data[300];

    for (unsigned i = 0; i < COMMANDS; i++) {
        static const uint32_t lengths[] = { 0, 1, 2, 6, 8, 12, 16, 20, 33, 300 };
        uint32_t cuts[6];
        random = random * 1664525u + 1013904223u;
        uint32_t r = random >> 8;
        for (unsigned j = 0; j < sizeof(data); j++) {
            random = random * 1664525u + 1013904223u;
            data[j] = random >> 30 ? 0 : (uint8_t)(random >> 8);
        }
        for (unsigned j = 0; j < 6; j++) {
            cuts[j] = data[j] % 5;
        }
        struct tnd_net_request request = {
            .class_ = (uint8_t)(r % 9),
            .command = (uint8_t)(r / 9 % 6),
            .data = data,
            .bytes = lengths[r / 54 % 10],
            .result_bytes = r / 540 % 20,
            .out = { .cuts = cuts, .cut_count = r / 7 % 7, .form = r / 3 % 2 }
        };
        int ack = tnd_net_request(rig->driver, &request);
        assert_true(ack == OK || ack == ERR);
        assert_true(request.used_bytes >= 1 && request.used_bytes <= 1 + request.result_bytes);
    }
    unsigned control = tnd_net_control(rig->driver);
    assert_int_equal(
        rig_stat(rig, "commands", (int)control) + rig_stat(rig, "refused", (int)control), COMMANDS);
    assert_true(rig_stat(rig, "commands", (int)control) > 20);
    assert_int_equal(rig_event(&rig->broken), 0);
    assert_int_equal(tnd_reset(rig->driver), 0);
    net_rig_start(rig, &options);
    net_check_alive(rig, 0);
}

static const struct rig_case cases[] = {
    RIG_TEST(item49_config_space_NET_08),
    RIG_TEST(item49_config_is_read_only_NET_09),
    RIG_TEST(what_is_not_known_is_not_offered),
    RIG_TEST(item49_the_carrier_NET_10),
    RIG_TEST(a_link_that_begins_without_a_carrier),
    RIG_TEST(with_and_without_mq_NET_01),
    RIG_TEST(no_control_queue_NET_02),
    RIG_TEST(item50_pairs_NET_62),
    RIG_TEST(item50_pairs_take_effect),
    RIG_TEST(item50_unknown_commands_NET_52),
    RIG_TEST(item50_not_negotiated),
    RIG_TEST(item50_any_framing),
    RIG_TEST(item50_no_place_for_an_ack),
    RIG_TEST(item50_short_commands),
    RIG_TEST(modes_of_receiving_NET_53_54_55),
    RIG_TEST(the_table_of_addresses),
    RIG_TEST(an_address_of_its_own),
    RIG_TEST(vlans_NET_60),
    RIG_TEST(announcements_NET_61),
    RIG_TEST(guest_offloads_NET_75),
    RIG_TEST(item58_random_commands),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
