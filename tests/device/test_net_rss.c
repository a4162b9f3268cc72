/*
 * test_net_rss.c: hashes in headers, and queues chosen by them: NET-20 and NET-67..72. What is
 * hashed is for tests/unit/test_rss.c; here is what becomes of it.
 */
#include <errno.h>

#include "net_packet.h"
#include "net_rig.h"
#include "spec/virtio.h"

enum { OK = TN_NET_OK, ERR = TN_NET_ERR, PAIRS = 2, TABLE = 8, FLOWS = 64, HEADER = 20 };

static const uint32_t all_types = TN_NET_HASH_IPV4 | TN_NET_HASH_TCPV4 | TN_NET_HASH_UDPV4;
static const struct net_options with_rss = { .net = { .pairs = PAIRS, .rss = true } };

struct config {
    uint32_t types;
    uint16_t mask, unclassified, max_tx;
    uint16_t table[256];
    unsigned entries; /* that are sent */
    uint8_t key_bytes;
};

static struct config good_config(void)
{
    struct config config = { .types = all_types,
                             .mask = TABLE - 1,
                             .unclassified = 1,
                             .max_tx = PAIRS,
                             .entries = TABLE,
                             .key_bytes = TN_NET_RSS_KEY_BYTES };

    for (unsigned i = 0; i < TABLE; i++) {
        config.table[i] = (uint16_t)(i * 5 / 3 % PAIRS);
    }
    return config;
}

static uint32_t put_le(uint8_t *to, uint32_t value, uint32_t bytes)
{
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(value >> 8 * i);
    }
    return bytes;
}

static int send_config(struct rig *rig, const struct config *config, uint32_t less)
{
    uint8_t data[8 + 512 + 3 + 255];
    uint32_t n = put_le(data, config->types, 4);

    n += put_le(data + n, config->mask, 2);
    n += put_le(data + n, config->unclassified, 2);
    for (unsigned i = 0; i < config->entries; i++) {
        n += put_le(data + n, config->table[i], 2);
    }
    n += put_le(data + n, config->max_tx, 2);
    data[n++] = config->key_bytes;
    rig_pattern(data + n, config->key_bytes, 1);
    n += config->key_bytes;
    return tnd_net_command(rig->driver, TN_NET_CTRL_MQ, TN_NET_CTRL_MQ_RSS_CONFIG, data, n - less);
}

static void fill(struct rig *rig)
{
    for (unsigned pair = 0; pair < PAIRS; pair++) {
        unsigned queue = tnd_net_rx(pair);
        while (rig->driver->queues[queue].ring->in_flight < 100) {
            assert_int_equal(tnd_net_fill(rig->driver, queue, NET_ROOM, 1), 0);
        }
    }
}

static struct tnd_net_frame got;

struct look {
    struct rig *rig;
    unsigned pair;
};

static bool has_come(void *opaque)
{
    struct look *look = opaque;

    for (look->pair = 0; look->pair < PAIRS; look->pair++) {
        int taken = tnd_net_take(look->rig->driver, tnd_net_rx(look->pair), &got);
        assert_true(taken >= 0);
        if (taken > 0) {
            return true;
        }
    }
    return false;
}

/* Where the next frame comes. */
static unsigned await_anywhere(struct rig *rig)
{
    struct look look = { .rig = rig };
    assert_true(tnd_until(rig->driver, has_come, &look));
    return look.pair;
}

/* ---- the cases ---- */

/* CVE-2023-6693: 20 bytes, both ways, however they are cut. */
static void a_header_of_20_bytes_NET_20(void **state)
{
    static const uint32_t ones[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
    struct rig *rig = net_rig_new(state, &with_rss);
    struct tnd_shape shape = { .cuts = ones, .cut_count = HEADER, .scatter = true };
    uint8_t frame[NET_PLAIN];
    struct tnd_net_packet packet = { .frame = frame, .bytes = NET_PLAIN, .shape = shape };

    assert_int_equal(tnd_net_header_bytes(rig->driver), HEADER);
    net_frame(frame, NET_PLAIN, 1, false);
    assert_int_equal(tnd_net_submit(rig->driver, 1, &packet), 0);
    assert_int_equal(tnd_net_wait(rig->driver, 1, &packet), 0);
    net_await_sent(rig, 1);
    net_expect_sent(rig, NET_PLAIN, 1);
    packet.only = HEADER + 13;
    assert_int_equal(tnd_net_submit(rig->driver, 1, &packet), 0);
    assert_int_equal(tnd_net_wait(rig->driver, 1, &packet), 0);
    assert_int_equal(rig_stat(rig, "malformed", 1), 1);
    assert_true(tnd_net_post(rig->driver, 0, NET_ROOM, &shape) >= 0);
    tnd_kick(rig->driver, 0);
    net_deliver(rig, 0, NET_PLAIN, 2);
    assert_int_equal(tnd_net_receive(rig->driver, 0, &got), 0);
    net_check_frame(got.data, got.bytes, NET_PLAIN, 2, true);
    assert_int_equal(got.header.hash_value, 0); /* nobody has asked for one (NET-67) */
    assert_int_equal(got.header.hash_report, TN_NET_HASH_REPORT_NONE);
}

/* Every flow to the queue of its hash, and what cannot be hashed to the one that is named. */
static void frames_go_where_the_table_says_NET_70_72(void **state)
{
    struct rig *rig = net_rig_new(state, &with_rss);
    struct config config = good_config();
    unsigned came[PAIRS] = { 0 };
    uint8_t frame[200];

    assert_int_equal(send_config(rig, &config, 0), OK);
    fill(rig);
    for (unsigned i = 0; i < 2 * FLOWS; i++) { /* each flow twice */
        static uint32_t hashes[FLOWS];
        struct net_packet packet = { .payload = 60, .udp = i % 2, .to_device = true };
        uint32_t bytes = net_packet_make(frame, &packet);
        frame[34] = (uint8_t)(i % FLOWS); /* the source port; nobody looks at the checksum */
        fake_link_deliver(rig->link, i % PAIRS, frame, bytes, NULL);
        unsigned pair = await_anywhere(rig);
        assert_int_equal(got.bytes, bytes);
        assert_memory_equal(got.data, frame, bytes);
        assert_int_equal(got.header.hash_report,
                         packet.udp ? TN_NET_HASH_REPORT_UDPV4 : TN_NET_HASH_REPORT_TCPV4);
        assert_int_equal(pair, config.table[got.header.hash_value & config.mask]);
        assert_true(i < FLOWS || hashes[i % FLOWS] == got.header.hash_value);
        hashes[i % FLOWS] = got.header.hash_value;
        came[pair]++;
        fill(rig);
    }
    assert_true(came[0] > FLOWS / 4 && came[1] > FLOWS / 4);
    net_deliver(rig, 0, NET_PLAIN, 7);
    assert_int_equal(await_anywhere(rig), config.unclassified);
    net_check_frame(got.data, got.bytes, NET_PLAIN, 7, true);
    assert_int_equal(got.header.hash_report, TN_NET_HASH_REPORT_NONE);
}

/* Refused as a whole, and nothing changes (NET-69; CVE-2024-6505). */
static void what_is_refused_NET_69(void **state)
{
    struct rig *rig = net_rig_new(state, &with_rss);
    struct config config = good_config(), bad;

    assert_int_equal(send_config(rig, &config, 0), OK);
    bad = config;
    bad.mask = 6; /* 7 entries */
    bad.entries = 7;
    assert_int_equal(send_config(rig, &bad, 0), ERR);
    bad = config;
    bad.mask = 255; /* more than there may be */
    bad.entries = 256;
    assert_int_equal(send_config(rig, &bad, 0), ERR);
    bad = config;
    bad.mask = 127; /* more than were sent */
    assert_int_equal(send_config(rig, &bad, 0), ERR);
    bad = config;
    bad.table[3] = PAIRS; /* no such queue */
    assert_int_equal(send_config(rig, &bad, 0), ERR);
    bad = config;
    bad.unclassified = PAIRS;
    assert_int_equal(send_config(rig, &bad, 0), ERR);
    bad = config;
    bad.types |= 1u << 20;
    assert_int_equal(send_config(rig, &bad, 0), ERR);
    bad = config;
    bad.key_bytes = TN_NET_RSS_KEY_BYTES + 1;
    assert_int_equal(send_config(rig, &bad, 0), ERR);
    bad = config;
    bad.max_tx = PAIRS + 1;
    assert_int_equal(send_config(rig, &bad, 0), ERR);
    assert_int_equal(send_config(rig, &config, 1), ERR);
    fill(rig);
    net_deliver(rig, 0, NET_PLAIN, 7);
    assert_int_equal(await_anywhere(rig), config.unclassified); /* as it was */
}

/* The queue that is chosen has no buffers: the frame waits for them, and is not lost. */
static void the_chosen_queue_has_no_buffers(void **state)
{
    struct rig *rig = net_rig_new(state, &with_rss);
    struct config config = good_config();

    assert_int_equal(send_config(rig, &config, 0), OK);
    assert_int_equal(tnd_net_fill(rig->driver, 0, NET_ROOM, 10), 0);
    for (unsigned i = 0; i < 20; i++) { /* for queue 2 */
        net_deliver(rig, i % PAIRS, NET_PLAIN, i / PAIRS * PAIRS + i % PAIRS);
    }
    tnd_settle(rig->driver, 10);
    assert_int_equal(tnd_net_fill(rig->driver, 2, NET_ROOM, 40), 0);
    bool seen[20] = { false };
    for (unsigned i = 0; i < 20; i++) { /* the ports are read one after another: any order */
        assert_int_equal(await_anywhere(rig), 1);
        uint32_t number = net_number(got.data);
        assert_true(number < 20 && !seen[number]);
        seen[number] = true;
    }
}

static const struct rig_case cases[] = {
    RIG_TEST(a_header_of_20_bytes_NET_20),
    RIG_TEST(frames_go_where_the_table_says_NET_70_72),
    RIG_TEST(what_is_refused_NET_69),
    RIG_TEST(the_chosen_queue_has_no_buffers),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
