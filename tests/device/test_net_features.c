/*
 * test_net_features.c: what a network device offers and says of itself (NET-06, NET-07, NET-11,
 * NET-12, NET-15, NET-17); flags that no driver and no link makes it pass on (NET-25, NET-46); and
 * filters before steering (NET-83). More of it is in test_net_ctrl.c and test_net_offload.c.
 */
#include <errno.h>

#include "net_packet.h"
#include "net_rig.h"

enum { RX = 0, TX = 1, ONCE = RIG_INLINE | RIG_LINKS | RIG_TRANSPORTS | RIG_EPOLL };

static uint64_t bit(unsigned number)
{
    return UINT64_C(1) << number;
}

/* Of all that may be asked for: nothing that needs another transport, and nothing unknown. */
static void only_what_is_known_is_offered_NET_07(void **state)
{
    static const unsigned known[] = {
        TN_NET_F_CSUM,        TN_NET_F_GUEST_CSUM,    TN_NET_F_CTRL_GUEST_OFFLOADS,
        TN_NET_F_MTU,         TN_NET_F_MAC,           TN_NET_F_GUEST_TSO4,
        TN_NET_F_GUEST_TSO6,  TN_NET_F_GUEST_ECN,     TN_NET_F_HOST_TSO4,
        TN_NET_F_HOST_TSO6,   TN_NET_F_HOST_ECN,      TN_NET_F_MRG_RXBUF,
        TN_NET_F_STATUS,      TN_NET_F_CTRL_VQ,       TN_NET_F_CTRL_RX,
        TN_NET_F_CTRL_VLAN,   TN_NET_F_CTRL_RX_EXTRA, TN_NET_F_GUEST_ANNOUNCE,
        TN_NET_F_MQ,          TN_NET_F_CTRL_MAC_ADDR, TN_NET_F_VQ_NOTF_COAL,
        TN_NET_F_NOTF_COAL,   TN_NET_F_GUEST_USO4,    TN_NET_F_GUEST_USO6,
        TN_NET_F_HOST_USO,    TN_NET_F_HASH_REPORT,   TN_NET_F_RSS,
        TN_NET_F_SPEED_DUPLEX
    };
    struct net_options options = { .net = { .pairs = 2, .rss = true, .mtu = 9000, .speed = 1000 },
                                   .info = { .send_can = TENON_CAN_ALL,
                                             .recv_can = TENON_CAN_ALL } };
    struct rig *rig = net_rig_new(state, &options);
    uint64_t own = (bit(24) - 1) | ~(bit(50) - 1); /* of this kind of device */
    uint64_t allowed = 0;

    for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
        allowed |= bit(known[i]);
    }
    assert_int_equal(rig->driver->offered[0] & own, allowed);
    assert_int_equal(rig->driver->offered[1], 0);
}

static void nothing_that_needs_control_without_it_NET_06(void **state)
{
    struct net_options options = { .net = { .pairs = 1, .no_ctrl = true },
                                   .info = { .recv_can = TENON_CAN_ALL } };
    struct rig *rig = net_rig_new(state, &options);
    struct tenon_net_opts with_rss = {
        .size = sizeof(with_rss), .link = rig->opened_link, .no_ctrl = true, .rss = true
    };
    struct tenon_device *device = NULL;
    uint64_t needs = bit(TN_NET_F_CTRL_VQ) | bit(TN_NET_F_CTRL_RX) | bit(TN_NET_F_CTRL_RX_EXTRA) |
                     bit(TN_NET_F_CTRL_VLAN) | bit(TN_NET_F_CTRL_MAC_ADDR) | bit(TN_NET_F_MQ) |
                     bit(TN_NET_F_GUEST_ANNOUNCE) | bit(TN_NET_F_NOTF_COAL) |
                     bit(TN_NET_F_VQ_NOTF_COAL) | bit(TN_NET_F_RSS) | bit(TN_NET_F_HASH_REPORT) |
                     bit(TN_NET_F_CTRL_GUEST_OFFLOADS);

    assert_int_equal(rig->driver->offered[0] & needs, 0);
    net_check_alive(rig, 0);
    assert_int_equal(tenon_net_new(&with_rss, &device), -EINVAL);
    assert_non_null(strstr(tenon_error(), "control queue"));
}

static int try_new(struct rig *rig, unsigned pairs, uint16_t mtu)
{
    struct tenon_net_opts opts = {
        .size = sizeof(opts), .link = rig->opened_link, .pairs = pairs, .mtu = mtu
    };
    struct tenon_device *device = NULL;
    int error = tenon_net_new(&opts, &device);

    tenon_device_free(device);
    return error;
}

static void sizes_are_checked_when_it_is_made_NET_11_12(void **state)
{
    struct net_options options = { .info = { .pairs = FAKE_PAIRS } };
    struct rig *rig = net_rig_new(state, &options);

    assert_int_equal(try_new(rig, FAKE_PAIRS, 68), 0);
    assert_int_equal(try_new(rig, FAKE_PAIRS + 1, 0), -EINVAL); /* than the link has */
    assert_int_equal(try_new(rig, TENON_NET_PAIRS_MAX + 1, 0), -EINVAL);
    assert_int_equal(try_new(rig, 1, 67), -EINVAL);
    assert_int_equal(try_new(rig, 1, 65535), 0);
}

static void limits_of_rss_NET_15(void **state)
{
    struct net_options options = { .net = { .pairs = 2, .rss = true } };
    struct rig *rig = net_rig_new(state, &options);
    struct tnd_net_config config;

    assert_int_equal(tnd_net_config(rig->driver, &config), 0);
    assert_true(config.rss_key_bytes >= 40);
    assert_true(config.rss_table >= 128);
    assert_int_equal(config.tunnel_types, 0);
}

/* MTU and speed are as they were, whatever else changes. */
static void what_never_changes_NET_12_17(void **state)
{
    struct net_options options = { .net = { .mtu = 1400, .speed = 25000 } };
    struct rig *rig = net_rig_new(state, &options);
    struct tnd_net_config config;

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tenon_net_set_carrier(rig->device, i % 2), 0);
        assert_int_equal(tnd_net_config(rig->driver, &config), 0);
        assert_int_equal(config.mtu, 1400);
        assert_int_equal(config.speed, 25000);
        assert_int_equal(tnd_reset(rig->driver), 0);
        net_rig_start(rig, &options);
    }
}

/* ---- flags ---- */

/* A driver cannot say for others that a checksum is good, nor anything else. */
static void flags_of_the_driver_go_nowhere_NET_25(void **state)
{
    struct net_options options = { .info = { .send_can = TENON_CAN_ALL } };
    struct rig *rig = net_rig_new(state, &options);
    struct net_packet content = { .payload = 500 };
    struct tenon_offload offload;
    uint8_t frame[1000];
    uint32_t bytes = net_packet_make(frame, &content);

    net_packet_leave(frame, &content, &offload);
    for (unsigned flags = 0; flags < 256; flags++) { /* its checksum is not good */
        struct tnd_net_packet packet = { .header = { .flags = (uint8_t)flags,
                                                     .csum_start = offload.csum_start,
                                                     .csum_offset = offload.csum_offset },
                                         .frame = frame,
                                         .bytes = bytes };
        assert_int_equal(tnd_net_submit(rig->driver, TX, &packet), 0);
        assert_int_equal(tnd_net_wait(rig->driver, TX, &packet), 0);
        net_await_sent(rig, flags + 1);
        struct fake_frame *f = fake_link_take_sent(rig->link);
        assert_int_equal(f->offload.flags, flags & TN_NET_HDR_F_NEEDS_CSUM);
        free(f);
    }
}

/* Nor does a link make it say what was not negotiated, such as RSC_INFO. */
static void flags_of_the_link_that_are_none_NET_46(void **state)
{
    enum { ASKED = TN_NET_HDR_F_NEEDS_CSUM | TN_NET_HDR_F_DATA_VALID };
    struct net_options options = { .info = { .recv_can = TENON_CAN_ALL } };
    struct rig *rig = net_rig_new(state, &options);
    static struct tnd_net_frame got;
    uint8_t frame[1000];

    assert_int_equal(tnd_net_fill(rig->driver, RX, TN_NET_HEADER_BYTES + TND_NET_FRAME_MAX, 8), 0);
    for (unsigned flags = 0; flags < 8; flags++) {
        struct net_packet content = { .payload = 500, .to_device = true };
        struct tenon_offload offload = { 0 };
        uint32_t bytes = net_packet_make(frame, &content);
        if (flags & TN_NET_HDR_F_NEEDS_CSUM) {
            net_packet_leave(frame, &content, &offload);
        }
        offload.flags = (uint8_t)(flags | 0xf8);
        fake_link_deliver(rig->link, 0, frame, bytes, &offload);
        assert_int_equal(tnd_net_receive(rig->driver, RX, &got), 0);
        assert_int_equal(got.header.flags, flags & ASKED);
    }
}

/* ---- the order of things ---- */

/* What is not wanted is neither hashed nor given to a queue. */
static void filters_come_before_steering_NET_83(void **state)
{
    struct net_options options = { .net = { .pairs = 2, .rss = true } };
    struct rig *rig = net_rig_new(state, &options);
    uint8_t frame[NET_PLAIN], config[8 + 2 + 3] = { [6] = 1, [8] = 1, [10] = 2 };

    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_MQ, TN_NET_CTRL_MQ_RSS_CONFIG, config,
                                     sizeof(config)),
                     TN_NET_OK); /* all to pair 1, which has no buffers */
    net_frame(frame, NET_PLAIN, 0, true);
    frame[5] ^= 1;
    for (unsigned i = 0; i < 20; i++) {
        fake_link_deliver(rig->link, 0, frame, NET_PLAIN, NULL);
    }
    net_await_stat(rig, "filtered", RX, 20);
    assert_int_equal(rig_stat(rig, "frames", RX) + rig_stat(rig, "frames", (int)tnd_net_rx(1)), 0);
    assert_int_equal(rig_stat(rig, "no_buffer", (int)tnd_net_rx(1)), 0);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(only_what_is_known_is_offered_NET_07, ONCE),
    RIG_TEST_ON(nothing_that_needs_control_without_it_NET_06, ONCE),
    RIG_TEST_ON(sizes_are_checked_when_it_is_made_NET_11_12, ONCE),
    RIG_TEST_ON(limits_of_rss_NET_15, ONCE),
    RIG_TEST(what_never_changes_NET_12_17),
    RIG_TEST(flags_of_the_driver_go_nowhere_NET_25),
    RIG_TEST(flags_of_the_link_that_are_none_NET_46),
    RIG_TEST(filters_come_before_steering_NET_83),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
