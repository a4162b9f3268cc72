/*
 * test_offload.c: what a header may ask for (NET-22 to NET-28), and that a device offers a legal
 * set (NET-05) whatever the user asks and the link can, as a second reading of the standard has it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/net.h"

enum { CAN = TENON_CAN_ALL, NEEDS = TENON_OFFLOAD_NEEDS_CSUM, FRAME = 100 };

static bool allowed(uint8_t flags, uint8_t gso, uint16_t gso_bytes, uint16_t start, uint16_t offset,
                    unsigned can)
{
    struct tenon_offload offload = { flags, gso, 0, gso_bytes, start, offset };

    /* A hint is a hint, whatever it says (NET-26). */
    bool result = net_offload_check(&offload, FRAME, can);
    for (unsigned hint = 1; hint <= 0xffff; hint += 0x7fff) {
        offload.header_bytes = (uint16_t)hint;
        assert_true(net_offload_check(&offload, FRAME, can) == result);
    }
    return result;
}

static void checksums_lie_in_the_frame_NET_28(void **state)
{
    (void)state;
    assert_true(allowed(NEEDS, 0, 0, 34, 16, CAN));
    assert_true(allowed(NEEDS, 0, 0, 14, 0, CAN));
    assert_true(allowed(NEEDS, 0, 0, 82, 16, CAN));
    assert_false(allowed(NEEDS, 0, 0, 83, 16, CAN));
    assert_false(allowed(NEEDS, 0, 0, 99, 0, CAN));
    assert_false(allowed(NEEDS, 0, 0, 100, 0, CAN));
    assert_false(allowed(NEEDS, 0, 0, 13, 16, CAN));
    assert_false(allowed(NEEDS, 0, 0, 65535, 65535, CAN));
    assert_false(allowed(NEEDS, 0, 0, 65535, 3, CAN));
    assert_false(allowed(NEEDS, 0, 0, 34, 65535, CAN));
}

static void fields_mean_nothing_without_the_flag_NET_22_23(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags <= 0xff; flags++) {
        bool needs = flags & NEEDS;
        assert_int_equal(allowed((uint8_t)flags, 0, 0, 65535, 65535, CAN), !needs);
        assert_int_equal(allowed((uint8_t)flags, 0, 0, 34, 16, 0), !needs);
        assert_true(allowed((uint8_t)flags, 0, 0xffff, 34, 16, CAN));
    }
}

static void segments_as_negotiated_NET_28(void **state)
{
    (void)state;
    for (unsigned gso = 1; gso <= 0xff; gso++) {
        for (unsigned can = 0; can <= CAN; can++) {
            bool want = false;
            switch (gso) {
            case 1:
                want = can & TENON_CAN_TSO4;
                break;
            case 0x81:
                want = can & TENON_CAN_TSO4 && can & TENON_CAN_ECN;
                break;
            case 4:
                want = can & TENON_CAN_TSO6;
                break;
            case 0x84:
                want = can & TENON_CAN_TSO6 && can & TENON_CAN_ECN;
                break;
            case 5:
                want = can & TENON_CAN_USO4 || can & TENON_CAN_USO6;
                break;
            default:
                break;
            }
            want = want && can & TENON_CAN_CSUM;
            struct tenon_offload offload = { NEEDS, (uint8_t)gso, 0, 1, 34, 16 };
            assert_int_equal(net_offload_check(&offload, FRAME, can), want);
            offload.gso_bytes = 0;
            assert_false(net_offload_check(&offload, FRAME, can));
            offload.gso_bytes = 1;
            offload.flags = TENON_OFFLOAD_DATA_VALID;
            assert_false(net_offload_check(&offload, FRAME, can));
        }
    }
}

static unsigned needs(uint8_t flags, uint8_t gso)
{
    return net_offload_needs(&(struct tenon_offload){ .flags = flags, .gso = gso });
}

static void what_sending_takes(void **state)
{
    (void)state;
    assert_int_equal(needs(0, 0), 0);
    assert_int_equal(needs(TENON_OFFLOAD_DATA_VALID, 0), 0);
    assert_int_equal(needs(NEEDS, 0), TENON_CAN_CSUM);
    assert_int_equal(needs(NEEDS, 1), TENON_CAN_CSUM | TENON_CAN_TSO4);
    assert_int_equal(needs(NEEDS, 4), TENON_CAN_CSUM | TENON_CAN_TSO6);
    assert_int_equal(needs(NEEDS, 0x81), TENON_CAN_CSUM | TENON_CAN_TSO4 | TENON_CAN_ECN);
    assert_int_equal(needs(NEEDS, 5), TENON_CAN_CSUM | TENON_CAN_USO4 | TENON_CAN_USO6);
}

/* ---- features ---- */

static bool has(uint64_t features, unsigned bit)
{
    return features >> bit & 1;
}

/* NET-05 in its own words. */
static bool is_legal(uint64_t f)
{
    bool guest_tso = has(f, TN_NET_F_GUEST_TSO4) || has(f, TN_NET_F_GUEST_TSO6);
    bool host_tso = has(f, TN_NET_F_HOST_TSO4) || has(f, TN_NET_F_HOST_TSO6);
    bool guest_uso = has(f, TN_NET_F_GUEST_USO4) || has(f, TN_NET_F_GUEST_USO6);

    return (!(guest_tso || guest_uso) || has(f, TN_NET_F_GUEST_CSUM)) &&
           (!(host_tso || has(f, TN_NET_F_HOST_USO)) || has(f, TN_NET_F_CSUM)) &&
           (!has(f, TN_NET_F_GUEST_ECN) || guest_tso) && (!has(f, TN_NET_F_HOST_ECN) || host_tso);
}

static void plan(unsigned asked, unsigned recv_can, unsigned send_can, unsigned *host,
                 unsigned *guest)
{
    struct tenon_link_info info = { .recv_can = recv_can, .send_can = send_can };

    *host = *guest = ~0U;
    net_offload_plan(asked, &info, host, guest);
}

static void every_plan_is_legal_NET_05(void **state)
{
    (void)state;
    for (unsigned asked = 0; asked <= CAN; asked++) {
        for (unsigned link = 0; link <= CAN; link++) {
            unsigned host, guest, wanted = asked == 0 ? CAN : asked;
            plan(asked, link, link, &host, &guest);
            uint64_t features = net_offload_host_features(host);
            assert_true(is_legal(features));
            assert_true(is_legal(net_offload_guest_features(guest)));
            /* Never more than was asked for and can be kept; and what is promised is a feature. */
            assert_int_equal(host & ~wanted, 0);
            assert_int_equal(guest & ~(wanted & link), 0);
            assert_int_equal(net_offload_host_can(features), host);
            assert_int_equal(net_offload_guest_can(net_offload_guest_features(guest)), guest);
        }
    }
}

static void plans(void **state)
{
    enum { CSUM = TENON_CAN_CSUM, TSO4 = TENON_CAN_TSO4, ECN = TENON_CAN_ECN };
    static const struct {
        unsigned asked, link, host, guest;
    } table[] = {
        /* AUTO: all is finished here; the guest is given what the link delivers */
        { 0, 0, CAN, 0 },
        { 0, CAN, CAN, CAN },
        { 0, CSUM | TSO4, CAN, CSUM | TSO4 },
        { 0, CAN & ~CSUM, CAN, 0 },
        { 0, CAN & ~TENON_CAN_USO6, CAN, CAN & ~(TENON_CAN_USO4 | TENON_CAN_USO6) },
        { 0, CSUM | ECN, CAN, CSUM },
        { TENON_NET_OFFLOAD_OFF, CAN, 0, 0 },
        { TENON_NET_OFFLOAD_OFF | CAN, CAN, 0, 0 },
        /* in words of the user: what lacks something goes */
        { CAN, CAN, CAN, CAN },
        { CSUM, CAN, CSUM, CSUM },
        { TSO4, CAN, 0, 0 },
        { CSUM | ECN, CAN, CSUM, CSUM },
        { CSUM | TSO4 | ECN, CAN, CSUM | TSO4 | ECN, CSUM | TSO4 | ECN },
        { CSUM | TENON_CAN_USO4, CAN, CSUM, CSUM },
        { CAN & ~CSUM, CAN, 0, 0 },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        for (unsigned send = 0; send <= CAN; send += CAN) {
            unsigned host, guest;
            plan(table[i].asked, table[i].link, send, &host, &guest);
            assert_int_equal(host, table[i].host);
            assert_int_equal(guest, table[i].guest);
        }
    }
}

/* What a driver took: illegal sets do not come back from a mask as they were. */
static void closure_shows_in_the_way_back_NET_05(void **state)
{
    static const unsigned host[] = { TN_NET_F_CSUM, TN_NET_F_HOST_TSO4, TN_NET_F_HOST_TSO6,
                                     TN_NET_F_HOST_ECN, TN_NET_F_HOST_USO };
    static const unsigned guest[] = {
        TN_NET_F_GUEST_CSUM, TN_NET_F_GUEST_TSO4, TN_NET_F_GUEST_TSO6,
        TN_NET_F_GUEST_ECN,  TN_NET_F_GUEST_USO4, TN_NET_F_GUEST_USO6
    };

    (void)state;
    for (unsigned mask = 0; mask < 1U << 5; mask++) {
        uint64_t f = 0;
        for (unsigned i = 0; i < 5; i++) {
            f |= (uint64_t)(mask >> i & 1) << host[i];
        }
        assert_int_equal(net_offload_host_features(net_offload_host_can(f)) == f, is_legal(f));
        assert_int_equal(net_offload_guest_can(f), 0);
        assert_int_equal(net_offload_host_can(f | 1ULL << TN_NET_F_MAC | 1ULL << 32),
                         net_offload_host_can(f));
    }
    for (unsigned mask = 0; mask < 1U << 6; mask++) {
        uint64_t f = 0;
        for (unsigned i = 0; i < 6; i++) {
            f |= (uint64_t)(mask >> i & 1) << guest[i];
        }
        assert_int_equal(net_offload_guest_features(net_offload_guest_can(f)) == f, is_legal(f));
        assert_int_equal(net_offload_host_can(f), 0);
    }
}

static void bits_NET_03_04(void **state)
{
    (void)state;
    assert_true(net_offload_host_features(CAN) ==
                (1ULL << 0 | 1ULL << 11 | 1ULL << 12 | 1ULL << 13 | 1ULL << 56));
    assert_true(net_offload_guest_features(CAN) ==
                (1ULL << 1 | 1ULL << 7 | 1ULL << 8 | 1ULL << 9 | 1ULL << 54 | 1ULL << 55));
    /* One bit for both IPs, and not for one of them. */
    assert_true(net_offload_host_features(TENON_CAN_CSUM | TENON_CAN_USO4) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_lie_in_the_frame_NET_28),
        cmocka_unit_test(fields_mean_nothing_without_the_flag_NET_22_23),
        cmocka_unit_test(segments_as_negotiated_NET_28),
        cmocka_unit_test(what_sending_takes),
        cmocka_unit_test(every_plan_is_legal_NET_05),
        cmocka_unit_test(plans),
        cmocka_unit_test(closure_shows_in_the_way_back_NET_05),
        cmocka_unit_test(bits_NET_03_04),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
