/*
 * test_ctrl_filter.c: what the commands change that are about which frames are wanted, at the edges
 * of their ranges, and how long that lasts (NET-53..61).
 */
#include "ctrl_rig.h"

enum { TABLE_BYTES = 2 + 2 * (4 + 6 * 10000) };

static const struct net_filter *filter_of(const struct rig *rig)
{
    return &rig->net->rules.filter;
}

static void put32(uint8_t *at, uint32_t value)
{
    le32 wire = tn_to_le32(value);
    memcpy(at, &wire, sizeof(wire));
}

static void rx_modes(void **state)
{
    struct rig *rig = rig_live(1);
    const struct net_filter *filter = filter_of(rig);
    const bool *const modes[] = { &filter->promiscuous, &filter->all_multi, &filter->all_uni,
                                  &filter->no_multi,    &filter->no_uni,    &filter->no_broadcast };
    (void)state;

    for (uint8_t mode = 0; mode < 6; mode++) {
        for (uint8_t other = 0; other < 6; other++) {
            assert_false(*modes[other]);
        }
        assert_int_equal(RIG_COMMAND(rig, 0, mode, 2), TN_NET_ERR);
        assert_int_equal(RIG_COMMAND(rig, 0, mode, 1), TN_NET_OK);
        assert_true(*modes[mode]);
        assert_int_equal(RIG_COMMAND(rig, 0, mode, 0), TN_NET_OK);
    }
    rig_end(rig);
}

/* So many of each kind, numbered in their last bytes. */
static uint32_t make_table(uint8_t *bytes, uint32_t unicast, uint32_t multicast)
{
    uint32_t at = 2;

    bytes[0] = TN_NET_CTRL_MAC;
    bytes[1] = TN_NET_CTRL_MAC_TABLE_SET;
    for (unsigned kind = 0; kind < 2; kind++) {
        uint32_t count = kind ? multicast : unicast;
        put32(bytes + at, count);
        at += 4;
        for (uint32_t i = 0; i < count; i++, at += 6) {
            const uint8_t mac[6] = { kind ? 0x33 : 0x52, 0, 0, 0, (uint8_t)(i >> 8), (uint8_t)i };
            memcpy(bytes + at, mac, 6);
        }
    }
    return at;
}

/* NET-57: none, some, all that fit, one more, and many. */
static void tables_of_addresses(void **state)
{
    static const uint32_t counts[] = { 0, 1, 63, 64, 65, 10000, 0 };
    uint8_t *bytes = malloc(TABLE_BYTES);
    struct rig *rig = rig_live(1);
    const struct net_filter *filter = filter_of(rig);
    (void)state;

    for (unsigned u = 0; u < 7; u++) {
        for (unsigned m = 0; m < 7; m++) {
            uint32_t count = make_table(bytes, counts[u], counts[m]);
            assert_int_equal(rig_command(rig, bytes, count), TN_NET_OK);
            assert_int_equal(filter->unicast.all, counts[u] > NET_FILTER_MACS);
            assert_int_equal(filter->multicast.all, counts[m] > NET_FILTER_MACS);
            assert_int_equal(filter->unicast.count, counts[u] > NET_FILTER_MACS ? 0 : counts[u]);
            assert_int_equal(filter->multicast.count, counts[m] > NET_FILTER_MACS ? 0 : counts[m]);
            assert_memory_equal(filter->unicast.macs, bytes + 6, 6u * filter->unicast.count);
            assert_memory_equal(filter->multicast.macs, bytes + 10 + 6 * counts[u],
                                6u * filter->multicast.count);
        }
    }
    free(bytes);
    rig_end(rig);
}

/* Numbers whose product with 6 is small again, or just not there. */
static void tables_that_lie(void **state)
{
    static const uint32_t lies[] = { 4,          UINT32_MAX, 0x2aaaaaab, 0x55555556,
                                     0x80000000, 0x15555556, 65,         0x10000 };
    struct rig *rig = rig_live(1);
    uint8_t bytes[2 + 4 + 12 + 4 + 6];
    (void)state;

    for (unsigned i = 0; i < sizeof(lies) / sizeof(*lies); i++) {
        for (unsigned kind = 0; kind < 2; kind++) {
            uint32_t count = make_table(bytes, 2, 1);
            put32(bytes + (kind ? 18 : 2), lies[i]);
            assert_int_equal(rig_command(rig, bytes, count), TN_NET_ERR);
            assert_int_equal(filter_of(rig)->unicast.count, 0);
            assert_false(filter_of(rig)->unicast.all || filter_of(rig)->multicast.all);
        }
    }
    /* a long one, of which a part that is not even read lies outside of memory */
    rig_put(rig, bytes, make_table(bytes, 2, 1));
    put32(rig_at(rig, OUT_GPA + 2), 1000);
    rig_desc(rig, OUT_GPA, 100, false);
    rig_desc(rig, NOWHERE, 6000 - 94, false);
    rig_desc(rig, OUT_GPA + 18, 10, false);
    rig_desc(rig, IN_GPA, 1, true);
    rig_offer(rig);
    rig_run(rig);
    assert_true(rig_answered(rig));
    assert_int_equal(*rig_at(rig, IN_GPA), TN_NET_ERR);
    rig_end(rig);
}

static void the_address(void **state)
{
    static const uint8_t old[6] = { 0x52, 0x54, 0, 1, 2, 3 }, new[6] = { 2, 9, 9, 9, 9, 9 };
    struct rig *rig = rig_live(1);
    uint8_t mac[6];
    (void)state;

    uint32_t generation = tenon_bus_config_generation(rig->device);
    assert_int_equal(RIG_COMMAND(rig, 1, 1, 2, 9, 9, 9, 9, 9), TN_NET_OK);
    tenon_bus_config_read(rig->device, 0, mac, 6); /* NET-58 */
    assert_memory_equal(mac, new, 6);
    assert_int_equal(tenon_net_mac(rig->device, mac), 0);
    assert_memory_equal(mac, new, 6);
    assert_int_equal(rig->config_irqs, 1);
    assert_int_not_equal(tenon_bus_config_generation(rig->device), generation);
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        assert_memory_equal(rig->net->open[pair]->rules.filter.mac, new, 6);
    }
    rig_quiet(rig);
    tenon_bus_config_read(rig->device, 0, mac, 6);
    assert_memory_equal(mac, old, 6);
    rig_end(rig);
}

/* Either of two features is enough (NET-58); the table has one alone. */
static void the_features_of_addresses(void **state)
{
    static const unsigned features[] = { TN_NET_F_CTRL_RX, TN_NET_F_CTRL_MAC_ADDR };
    (void)state;

    for (unsigned i = 0; i < 2; i++) {
        struct rig *rig = rig_new(1);
        rig_negotiate(rig, rig_bit(TN_NET_F_CTRL_VQ) | rig_bit(features[i]));
        assert_int_equal(rig_start(rig, rig->ctrl), 0);
        rig_run(rig);
        assert_int_equal(RIG_COMMAND(rig, 1, 1, 2, 9, 9, 9, 9, 9), TN_NET_OK);
        assert_int_equal(RIG_COMMAND(rig, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0), i == 0 ? 0 : 1);
        rig_end(rig);
    }
}

/* A driver that has taken no address from us gets unicast of all, until it names one. */
static void a_driver_that_did_not_take_our_address(void **state)
{
    struct rig *rig = rig_new(1);
    (void)state;

    rig_negotiate(rig, rig_bit(TN_NET_F_CTRL_VQ) | rig_bit(TN_NET_F_CTRL_RX));
    assert_int_equal(rig_start(rig, rig->ctrl), 0);
    rig_run(rig);
    assert_int_equal(RIG_COMMAND(rig, 1, 1, 2, 9, 9, 9, 9), TN_NET_ERR);
    assert_true(filter_of(rig)->mac_unknown);
    assert_int_equal(RIG_COMMAND(rig, 1, 1, 2, 9, 9, 9, 9, 9), TN_NET_OK);
    assert_false(filter_of(rig)->mac_unknown);
    rig_end(rig);
}

static void vlans(void **state)
{
    struct rig *rig = rig_live(1);
    const uint64_t *words = filter_of(rig)->vlans;
    (void)state;

    assert_int_equal(RIG_COMMAND(rig, 2, 0, 0, 0), TN_NET_OK);
    assert_int_equal(RIG_COMMAND(rig, 2, 0, 1, 0), TN_NET_OK);
    assert_int_equal(RIG_COMMAND(rig, 2, 0, 0xff, 0x0f), TN_NET_OK);
    assert_int_equal(words[0], 3);
    assert_int_equal(words[63] >> 63, 1);
    assert_int_equal(RIG_COMMAND(rig, 2, 0, 0, 0x10), TN_NET_ERR);
    assert_int_equal(RIG_COMMAND(rig, 2, 1, 0, 0x10), TN_NET_ERR);
    assert_int_equal(RIG_COMMAND(rig, 2, 0, 0xff, 0xff), TN_NET_ERR);
    assert_int_equal(RIG_COMMAND(rig, 2, 2, 2, 0), TN_NET_ERR);
    assert_int_equal(RIG_COMMAND(rig, 2, 1, 2, 0), TN_NET_OK); /* was never there */
    assert_int_equal(RIG_COMMAND(rig, 2, 1, 1, 0), TN_NET_OK);
    assert_int_equal(words[0], 1);
    rig_end(rig);
}

static void announcing(void **state)
{
    struct rig *rig = rig_live(1);
    uint8_t status[2];
    (void)state;

    assert_int_equal(RIG_COMMAND(rig, 3, 0), TN_NET_OK); /* nobody had asked */
    assert_int_equal(tenon_net_announce(rig->device), 0);
    tenon_bus_config_read(rig->device, 6, status, 2);
    assert_int_equal(status[0] & TN_NET_S_ANNOUNCE, TN_NET_S_ANNOUNCE);
    assert_int_equal(RIG_COMMAND(rig, 0, 0, 1), TN_NET_OK); /* another command is no answer */
    assert_true(rig->net->announce);
    uint32_t generation = tenon_bus_config_generation(rig->device);
    assert_int_equal(RIG_COMMAND(rig, 3, 0), TN_NET_OK);
    assert_int_not_equal(tenon_bus_config_generation(rig->device), generation);
    tenon_bus_config_read(rig->device, 6, status, 2);
    assert_int_equal(status[0] & TN_NET_S_ANNOUNCE, 0); /* NET-61 */
    rig_end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rx_modes),
        cmocka_unit_test(tables_of_addresses),
        cmocka_unit_test(tables_that_lie),
        cmocka_unit_test(the_address),
        cmocka_unit_test(the_features_of_addresses),
        cmocka_unit_test(a_driver_that_did_not_take_our_address),
        cmocka_unit_test(vlans),
        cmocka_unit_test(announcing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
