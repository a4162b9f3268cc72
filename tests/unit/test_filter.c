/*
 * test_filter.c: which frames pass (NET-53..60): the table of NET-55 in full, lists, and VLANs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "net/net.h"

static const uint8_t own[6] = { 0x52, 0x54, 0, 1, 2, 3 };
static const uint8_t other[6] = { 0x52, 0x54, 0, 1, 2, 4 };
static const uint8_t group[6] = { 0x33, 0x33, 0, 0, 0, 1 };
static const uint8_t everyone[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static bool passes_tagged(const struct net_filter *filter, const uint8_t to[6], uint16_t type,
                          uint16_t tag)
{
    uint8_t frame[60] = { 0 };

    memcpy(frame, to, 6);
    frame[12] = (uint8_t)(type >> 8);
    frame[13] = (uint8_t)type;
    frame[14] = (uint8_t)(tag >> 8);
    frame[15] = (uint8_t)tag;
    return net_filter_passes(filter, frame, sizeof(frame));
}

static bool passes(const struct net_filter *filter, const uint8_t to[6])
{
    return passes_tagged(filter, to, 0x0800, 0);
}

static void after_a_reset(void **state)
{
    struct net_filter filter;
    (void)state;

    memset(&filter, 0xa5, sizeof(filter)); /* of an earlier life */
    net_filter_reset(&filter, own, true, true);
    assert_true(passes(&filter, own));
    assert_true(passes(&filter, everyone));
    assert_false(passes(&filter, other));
    assert_false(passes(&filter, group)); /* NET-56 */
    for (unsigned id = 0; id < NET_VLANS; id++) {
        assert_false(passes_tagged(&filter, own, 0x8100, (uint16_t)id));
    }
}

/* It cannot ask for anything, so it gets everything; but what VLANs it has it can say. */
static void a_driver_without_rx_modes(void **state)
{
    struct net_filter filter;
    (void)state;

    net_filter_reset(&filter, own, false, false);
    assert_true(passes(&filter, own) && passes(&filter, other));
    assert_true(passes(&filter, group) && passes(&filter, everyone));
    assert_true(passes_tagged(&filter, other, 0x8100, 7));
    net_filter_reset(&filter, own, false, true);
    assert_true(passes(&filter, other));
    assert_false(passes_tagged(&filter, other, 0x8100, 7));
}

/* It did not take the address that we have, so which one is its own nobody knows. */
static void a_driver_with_an_address_of_its_own(void **state)
{
    struct net_filter filter;
    (void)state;

    net_filter_reset(&filter, own, true, false);
    filter.mac_unknown = true;
    assert_true(passes(&filter, other) && passes(&filter, own));
    assert_false(passes(&filter, group));
    filter.no_uni = true;
    assert_false(passes(&filter, other));
}

/* NET-55 as its sentences say it, one after another. */
static bool expected(unsigned modes, const uint8_t *to)
{
    bool promisc = modes & 1, allmulti = modes & 2, alluni = modes & 4, nomulti = modes & 8;
    bool nouni = modes & 16, nobcast = modes & 32;

    if (promisc) {
        return true;
    }
    if (to == everyone) {
        return !nobcast;
    }
    if (to == group) {
        return nomulti ? false : allmulti;
    }
    return nouni ? false : to == own || alluni;
}

static void every_mode_with_every_kind(void **state)
{
    const uint8_t *const kinds[] = { own, other, group, everyone };
    (void)state;

    for (unsigned modes = 0; modes < 64; modes++) {
        struct net_filter filter;
        net_filter_reset(&filter, own, true, false);
        filter.promiscuous = modes & 1;
        filter.all_multi = modes & 2;
        filter.all_uni = modes & 4;
        filter.no_multi = modes & 8;
        filter.no_uni = modes & 16;
        filter.no_broadcast = modes & 32;
        for (unsigned kind = 0; kind < 4; kind++) {
            assert_int_equal(passes(&filter, kinds[kind]), expected(modes, kinds[kind]));
        }
    }
}

static void lists_of_addresses(void **state)
{
    struct net_filter filter;
    (void)state;

    net_filter_reset(&filter, own, true, false);
    for (unsigned i = 0; i < NET_FILTER_MACS; i++) {
        memcpy(filter.unicast.macs[i], other, 6);
        memcpy(filter.multicast.macs[i], group, 6);
        filter.unicast.macs[i][3] = filter.multicast.macs[i][3] = (uint8_t)(100 + i);
    }
    filter.unicast.count = filter.multicast.count = NET_FILTER_MACS;
    for (unsigned i = 0; i < NET_FILTER_MACS; i++) {
        assert_true(passes(&filter, filter.unicast.macs[i]));
        assert_true(passes(&filter, filter.multicast.macs[i]));
    }
    assert_false(passes(&filter, other));
    assert_false(passes(&filter, group));
    filter.unicast.count = filter.multicast.count = 3; /* what is behind is no part of it */
    assert_false(passes(&filter, filter.unicast.macs[3]));
    assert_false(passes(&filter, filter.multicast.macs[3]));
    filter.no_uni = filter.no_multi = true; /* beats the lists, too */
    assert_false(passes(&filter, filter.unicast.macs[0]));
    assert_false(passes(&filter, filter.multicast.macs[0]));
    filter.no_uni = filter.no_multi = false;
    filter.unicast.all = true; /* NET-57: there were too many */
    assert_true(passes(&filter, other));
    assert_false(passes(&filter, group));
    filter.multicast.all = true;
    assert_true(passes(&filter, group));
}

static void vlans(void **state)
{
    static const uint16_t listed[] = { 0, 1, 63, 64, 4095 };
    struct net_filter filter;
    (void)state;

    net_filter_reset(&filter, own, true, true);
    for (unsigned i = 0; i < sizeof(listed) / sizeof(*listed); i++) {
        filter.vlans[listed[i] / 64] |= (uint64_t)1 << listed[i] % 64;
        assert_true(passes_tagged(&filter, own, 0x8100, listed[i]));
        assert_true(passes_tagged(&filter, own, 0x8100, listed[i] | 0xf000)); /* priority */
        assert_false(passes_tagged(&filter, other, 0x8100, listed[i]));       /* not its address */
    }
    assert_false(passes_tagged(&filter, own, 0x8100, 2));
    assert_false(passes_tagged(&filter, own, 0x8100, 65));
    assert_false(passes_tagged(&filter, everyone, 0x8100, 4094));
    assert_true(passes_tagged(&filter, own, 0x0800, 2)); /* no tag, whatever stands there */
    assert_true(passes_tagged(&filter, own, 0x88a8, 2)); /* a service tag is none of 802.1Q */
    filter.promiscuous = true;                           /* beats them */
    assert_true(passes_tagged(&filter, other, 0x8100, 2));
    net_filter_reset(&filter, own, true, false);
    assert_true(passes_tagged(&filter, own, 0x8100, 2)); /* NET-60: not negotiated */
}

static void frames_that_are_none(void **state)
{
    uint8_t frame[16] = { 0 };
    struct net_filter filter;
    (void)state;

    net_filter_reset(&filter, own, false, true);
    memcpy(frame, own, 6);
    for (uint32_t bytes = 0; bytes < 14; bytes++) {
        assert_false(net_filter_passes(&filter, frame, bytes));
    }
    assert_true(net_filter_passes(&filter, frame, 14));
    frame[12] = 0x81;
    assert_true(net_filter_passes(&filter, frame, 14)); /* there is no tag to look at */
    assert_true(net_filter_passes(&filter, frame, 15));
    assert_false(net_filter_passes(&filter, frame, 16));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(after_a_reset),
        cmocka_unit_test(a_driver_without_rx_modes),
        cmocka_unit_test(a_driver_with_an_address_of_its_own),
        cmocka_unit_test(every_mode_with_every_kind),
        cmocka_unit_test(lists_of_addresses),
        cmocka_unit_test(vlans),
        cmocka_unit_test(frames_that_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
