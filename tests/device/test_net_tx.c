/*
 * test_net_tx.c: frames out of transmit chains: items 45 and 46 of the conformance list, NET-14,
 * NET-31 and NET-32; what a link is given, and what becomes of it when the link cannot.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>

#include "net_rig.h"
#include "spec/virtio.h"

enum { TX = 1, HEADER = TN_NET_HEADER_BYTES };

struct many {
    struct tnd_net_packet packets[256];
    uint8_t frames[256][NET_FULL];
    unsigned count;
};

static struct many many;

static uint32_t length_of(unsigned number)
{
    return NET_PLAIN + number * 37 % (NET_FULL - NET_PLAIN);
}

/* Adds `count` packets, numbered on from `first`, and kicks once. */
static void submit_many(struct rig *rig, unsigned first, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        unsigned n = first + i;
        net_frame(many.frames[i], length_of(n), n, false);
        many.packets[i] = (struct tnd_net_packet){ .frame = many.frames[i], .bytes = length_of(n) };
        assert_int_equal(tnd_net_add(rig->driver, TX, &many.packets[i]), 0);
    }
    many.count = count;
    tnd_kick(rig->driver, TX);
}

/* How many of them are done; those are the first ones, with a used length of 0 (NET-31, A26). */
static unsigned done_many(struct rig *rig)
{
    unsigned done = 0;

    tnd_net_reap(rig->driver, TX);
    for (unsigned i = 0; i < many.count; i++) {
        if (many.packets[i].done) {
            assert_int_equal(many.packets[i].used_bytes, 0);
            assert_int_equal(done, i);
            done++;
        }
    }
    return done;
}

static void finish_many(struct rig *rig)
{
    for (unsigned i = 0; i < many.count; i++) {
        assert_int_equal(tnd_net_wait(rig->driver, TX, &many.packets[i]), 0);
    }
    assert_int_equal(done_many(rig), many.count);
}

static void expect_many(struct rig *rig, unsigned first, unsigned count)
{
    for (unsigned n = first; n < first + count; n++) {
        net_expect_sent(rig, length_of(n), n);
    }
}

/* ---- item 45: chains ---- */

static const uint32_t header_apart[] = { HEADER };
static const uint32_t header_bytewise[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
static const uint32_t torn[] = { 5, 20, 1, 7 };
static const uint32_t empties[] = { 0, 0, 5, 0, 7, 0, 0, 1, 0, 13, 0, 0, 0, 20, 0 };
static const uint32_t sixteen_empty[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, HEADER };
static const struct tnd_shape shapes[] = {
    { .cuts = NULL },
    { .cuts = header_apart, .cut_count = 1, .scatter = true },
    { .cuts = header_bytewise, .cut_count = 12, .scatter = true },
    { .cuts = header_bytewise, .cut_count = 12, .form = TND_INDIRECT },
    { .cuts = torn, .cut_count = 4, .scatter = true },
    { .cuts = torn, .cut_count = 4, .scatter = true, .form = TND_MIXED },
    { .cuts = empties, .cut_count = 15 },
    { .cuts = empties, .cut_count = 15, .form = TND_INDIRECT },
    { .cuts = sixteen_empty, .cut_count = 17 },
};

static void item45_any_framing(void **state)
{
    static const uint32_t lengths[] = { NET_SMALLEST, 41, NET_PLAIN, NET_FULL };
    struct rig *rig = net_rig_new(state, NULL);
    uint8_t frame[NET_FULL];
    unsigned number = 0;

    for (unsigned s = 0; s < sizeof(shapes) / sizeof(shapes[0]); s++) {
        for (unsigned l = 0; l < 4; l++) {
            struct tnd_net_packet packet = { .frame = frame,
                                             .bytes = lengths[l],
                                             .shape = shapes[s] };
            net_frame(frame, lengths[l], ++number, false);
            assert_int_equal(tnd_net_submit(rig->driver, TX, &packet), 0);
            assert_int_equal(tnd_net_wait(rig->driver, TX, &packet), 0);
            assert_int_equal(packet.used_bytes, 0);
            net_await_sent(rig, number);
            net_expect_sent(rig, lengths[l], number);
        }
    }
    assert_int_equal(rig_stat(rig, "frames", TX), number);
    assert_int_equal(rig_stat(rig, "malformed", TX), 0);
}

static void item45_one_byte_each(void **state)
{
    enum { BYTES = 120 };
    struct rig *rig = net_rig_new(state, NULL);
    uint32_t ones[HEADER + BYTES];
    uint8_t frame[BYTES];
    struct tnd_net_packet packet = { .frame = frame, .bytes = BYTES };

    for (unsigned i = 0; i < HEADER + BYTES; i++) {
        ones[i] = 1;
    }
    packet.shape = (struct tnd_shape){ .cuts = ones, .cut_count = HEADER + BYTES, .scatter = true };
    net_frame(frame, BYTES, 1, false);
    assert_int_equal(tnd_net_submit(rig->driver, TX, &packet), 0);
    assert_int_equal(tnd_net_wait(rig->driver, TX, &packet), 0);
    net_expect_sent(rig, BYTES, 1);
}

/* No whole header, or no whole Ethernet header behind it: completed, counted, not sent (B16). */
static void item45_too_short(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint8_t frame[NET_PLAIN];
    uint64_t malformed = 0;

    net_frame(frame, sizeof(frame), 1, false);
    for (uint32_t only = 1; only < HEADER + NET_SMALLEST; only++) {
        struct tnd_net_packet packet = { .frame = frame, .bytes = NET_PLAIN, .only = only };
        assert_int_equal(tnd_net_submit(rig->driver, TX, &packet), 0);
        assert_int_equal(tnd_net_wait(rig->driver, TX, &packet), 0);
        assert_int_equal(packet.used_bytes, 0);
        assert_int_equal(rig_stat(rig, "malformed", TX), ++malformed);
    }
    assert_int_equal(fake_link_sent(rig->link), 0);
    assert_int_equal(rig_stat(rig, "frames", TX), 0);
    net_transmit(rig, 0, NET_SMALLEST, 2);
    net_await_sent(rig, 1);
    net_expect_sent(rig, NET_SMALLEST, 2);
}

/* A chain by hand: comes back with a used length of 0. */
static void check_chain(struct rig *rig, const struct tnd_seg *segs, unsigned count)
{
    int head = tnd_add(rig->driver, TX, segs, count, TND_DIRECT, (void *)(uintptr_t)segs);

    tnd_kick(rig->driver, TX);
    assert_int_equal(net_await_used(rig, TX, head), 0);
}

static void item45_empty_write_only_and_mixed(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint64_t gpa = tnd_ram_alloc(rig->ram, 4096);
    struct tnd_seg empty = { .gpa = gpa, .bytes = 0 };
    struct tnd_seg writable = { .gpa = gpa, .bytes = 1000, .write = true };
    struct tnd_seg mixed[] = { { .gpa = gpa, .bytes = HEADER + NET_PLAIN },
                               { .gpa = gpa + 2000, .bytes = 500, .write = true } };

    check_chain(rig, &empty, 1);
    check_chain(rig, &writable, 1);
    assert_true(tnd_ram_is(rig->ram, gpa, TND_NET_POISON, 4096));
    assert_int_equal(rig_stat(rig, "malformed", TX), 2);
    assert_int_equal(fake_link_sent(rig->link), 0);
    /* What is writable behind a good frame is passed over. */
    tnd_ram_fill(rig->ram, gpa, 0, HEADER);
    net_frame(tnd_ram_at(rig->ram, gpa + HEADER, NET_PLAIN), NET_PLAIN, 5, false);
    check_chain(rig, mixed, 2);
    net_await_sent(rig, 1);
    net_expect_sent(rig, NET_PLAIN, 5);
    assert_true(tnd_ram_is(rig->ram, gpa + 2000, TND_NET_POISON, 500));
}

/* A piece that is nowhere: dropped as a whole, never closed up (A4, B16). */
static void item45_a_piece_outside_memory(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint64_t gpa = tnd_ram_alloc(rig->ram, 4096);

    tnd_ram_fill(rig->ram, gpa, 0, 4096);
    for (unsigned where = 0; where < 4; where++) {
        struct tnd_seg segs[4];
        for (unsigned i = 0; i < 4; i++) {
            segs[i] = (struct tnd_seg){ .gpa = i == where ? RIG_NOWHERE_GPA : gpa + 100 * i,
                                        .bytes = 40 };
        }
        check_chain(rig, segs, 4);
        net_transmit(rig, 0, NET_PLAIN, where);
        assert_int_equal(rig_stat(rig, "malformed", TX), where + 1);
    }
    net_await_sent(rig, 4);
    for (unsigned i = 0; i < 4; i++) {
        net_expect_sent(rig, NET_PLAIN, i);
    }
}

static void item45_the_longest_frame(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    static uint8_t frame[TND_NET_FRAME_MAX + 1];

    net_transmit(rig, 0, TND_NET_FRAME_MAX, 1);
    net_await_sent(rig, 1);
    net_expect_sent(rig, TND_NET_FRAME_MAX, 1);
    net_frame(frame, sizeof(frame), 2, false);
    assert_int_equal(tnd_net_send(rig->driver, TX, frame, sizeof(frame)), 0);
    /* And far too long: 3 GiB in pieces of the same memory. */
    uint64_t gpa = tnd_ram_alloc(rig->ram, 1 << 20);
    struct tnd_seg segs[200];
    for (unsigned i = 0; i < 200; i++) {
        segs[i] = (struct tnd_seg){ .gpa = gpa, .bytes = 1 << 20 };
    }
    check_chain(rig, segs, 200);
    assert_int_equal(fake_link_sent(rig->link), 1);
    assert_int_equal(rig_stat(rig, "malformed", TX) + rig_stat(rig, "too_long", TX), 2);
    net_check_alive(rig, 0);
}

/* A link that carries less than the guest sends: dropped, counted as too long. */
static void longer_than_the_link_can_carry(void **state)
{
    struct net_options options = { .info = { .frame_bytes = 1514 } };
    struct rig *rig = net_rig_new(state, &options);

    net_transmit(rig, 0, 1514, 1);
    net_transmit(rig, 0, 1515, 2);
    net_transmit(rig, 0, 1514, 3);
    net_await_sent(rig, 2);
    net_expect_sent(rig, 1514, 1);
    net_expect_sent(rig, 1514, 3);
    assert_int_equal(rig_stat(rig, "too_long", TX), 1);
}

/* In order, all of them, by few calls of the link (NET-32). */
static void many_at_once_in_order(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    for (unsigned round = 0; round < 10; round++) {
        unsigned calls = fake_link_count(rig->link, &rig->link->send_calls);
        submit_many(rig, round * 200, 200);
        finish_many(rig);
        net_await_sent(rig, (round + 1) * 200);
        expect_many(rig, round * 200, 200);
        if (rig->inline_) { /* a batch is 64 */
            assert_in_range(fake_link_count(rig->link, &rig->link->send_calls) - calls, 1, 8);
        }
    }
    assert_int_equal(rig_stat(rig, "frames", TX), 2000);
}

/* ---- item 46: the link is full ---- */

static void item46_a_full_link_is_waited_for(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    fake_link_set_room(rig->link, 5);
    submit_many(rig, 0, 20);
    net_await_sent(rig, 5);
    tnd_settle(rig->driver, 20); /* without a thread: it ends, so nothing spins */
    unsigned calls = fake_link_count(rig->link, &rig->link->send_calls);
    tnd_settle(rig->driver, 50);
    assert_int_equal(fake_link_count(rig->link, &rig->link->send_calls), calls);
    assert_int_equal(done_many(rig), 5);
    assert_true(rig_stat(rig, "link_full", TX) >= 1);
    fake_link_set_room(rig->link, 3);
    net_await_sent(rig, 8);
    tnd_settle(rig->driver, 10);
    assert_int_equal(fake_link_sent(rig->link), 8);
    fake_link_set_room(rig->link, UINT32_MAX);
    finish_many(rig);
    net_await_sent(rig, 20);
    expect_many(rig, 0, 20);
    assert_int_equal(rig_stat(rig, "dropped_full", TX), 0);
    assert_int_equal(rig_stat(rig, "frames", TX), 20);
}

/* More than the device takes off the ring at once, while nothing passes; then all in order. */
static void item46_full_for_long(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    fake_link_set_room(rig->link, 0);
    submit_many(rig, 0, 250);
    tnd_settle(rig->driver, 20);
    assert_int_equal(done_many(rig), 0);
    assert_int_equal(fake_link_sent(rig->link), 0);
    /* The other direction goes on. */
    assert_int_equal(tnd_net_fill(rig->driver, 0, NET_ROOM, 4), 0);
    net_deliver(rig, 0, NET_PLAIN, 1);
    net_expect(rig, 0, NET_PLAIN, 1);
    for (unsigned i = 0; i < 250; i += 10) {
        fake_link_set_room(rig->link, 10);
        net_await_sent(rig, i + 10);
    }
    finish_many(rig);
    expect_many(rig, 0, 250);
}

static void item46_or_dropped_where_that_is_wanted(void **state)
{
    struct net_options options = { .net = { .drop_when_full = true } };
    struct rig *rig = net_rig_new(state, &options);

    fake_link_set_room(rig->link, 5);
    submit_many(rig, 0, 20);
    finish_many(rig);
    assert_int_equal(fake_link_sent(rig->link), 5);
    assert_int_equal(rig_stat(rig, "dropped_full", TX), 15);
    assert_int_equal(rig_stat(rig, "frames", TX), 5);
    expect_many(rig, 0, 5);
    fake_link_set_room(rig->link, UINT32_MAX);
    submit_many(rig, 20, 20);
    finish_many(rig);
    net_await_sent(rig, 25);
    expect_many(rig, 20, 20);
}

/* ---- links that keep frames ---- */

/* A chain is the link's until it says that it has done with it. */
static void kept_frames_come_back_when_the_link_is_done(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    fake_link_set_keep(rig->link, true);
    submit_many(rig, 0, 50);
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (fake_link_kept(rig->link, 0) < 50 && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    assert_int_equal(fake_link_kept(rig->link, 0), 50);
    tnd_settle(rig->driver, 10);
    assert_int_equal(done_many(rig), 0);
    fake_link_let_go(rig->link, 0, 20);
    net_await_sent(rig, 20);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(tnd_net_wait(rig->driver, TX, &many.packets[i]), 0);
    }
    tnd_settle(rig->driver, 10);
    assert_int_equal(done_many(rig), 20);
    fake_link_let_go(rig->link, 0, 30);
    finish_many(rig);
    expect_many(rig, 0, 50);
    fake_link_set_keep(rig->link, false);
    net_transmit(rig, 0, NET_PLAIN, 60);
}

/* ---- links that fail ---- */

static void a_failing_link_ends_nothing(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    fake_link_set_error(rig->link, -EIO);
    submit_many(rig, 0, 100);
    finish_many(rig);
    assert_int_equal(rig_stat(rig, "link_error", TX), 100);
    assert_int_equal(rig_stat(rig, "frames", TX), 0);
    assert_int_equal(rig_event(&rig->broken), 0);
    fake_link_set_error(rig->link, 0);
    net_check_alive(rig, 0);
}

/* Without a carrier frames go nowhere, and are given back. */
static void no_carrier(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    struct tnd_net_config config;

    fake_link_set_down(rig->link, true);
    do {
        tnd_settle(rig->driver, 5);
        assert_int_equal(tnd_net_config(rig->driver, &config), 0);
    } while (config.status & TN_NET_S_LINK_UP);
    submit_many(rig, 0, 100);
    finish_many(rig);
    assert_int_equal(fake_link_sent(rig->link), 0);
    assert_int_equal(rig_stat(rig, "link_down", TX), 100);
    fake_link_set_down(rig->link, false);
    do {
        tnd_settle(rig->driver, 5);
        assert_int_equal(tnd_net_config(rig->driver, &config), 0);
    } while (!(config.status & TN_NET_S_LINK_UP));
    net_check_alive(rig, 0);
}

/* Its own address or another: sent, but counted. */
static void strays_are_counted(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint8_t frame[NET_PLAIN];

    net_frame(frame, NET_PLAIN, 1, false);
    frame[7] ^= 0x40;
    assert_int_equal(tnd_net_send(rig->driver, TX, frame, NET_PLAIN), 0);
    net_await_sent(rig, 1);
    assert_int_equal(rig_stat(rig, "stray", TX), 1);
    net_transmit(rig, 0, NET_PLAIN, 2);
    assert_int_equal(rig_stat(rig, "stray", TX), 1);
}

/* A driver that has not taken our address, such as QEMU's guests, may have any. */
static void nobody_strays_without_an_address(void **state)
{
    struct net_options options = { .setup = { .without = { 1ull << TN_NET_F_MAC } } };
    struct rig *rig = net_rig_new(state, &options);
    uint8_t frame[NET_PLAIN];

    net_frame(frame, NET_PLAIN, 1, false);
    frame[7] ^= 0x40;
    assert_int_equal(tnd_net_send(rig->driver, TX, frame, NET_PLAIN), 0);
    net_await_sent(rig, 1);
    assert_int_equal(rig_stat(rig, "stray", TX), 0);
}

static void the_mtu_passes_whole_NET_14(void **state)
{
    struct net_options options = { .net = { .mtu = 9000 } };
    struct rig *rig = net_rig_new(state, &options);

    net_transmit(rig, 0, 9014, 1);
    net_await_sent(rig, 1);
    net_expect_sent(rig, 9014, 1);
}

static const struct rig_case cases[] = {
    RIG_TEST(item45_any_framing),
    RIG_TEST(item45_one_byte_each),
    RIG_TEST(item45_too_short),
    RIG_TEST(item45_empty_write_only_and_mixed),
    RIG_TEST(item45_a_piece_outside_memory),
    RIG_TEST(item45_the_longest_frame),
    RIG_TEST(longer_than_the_link_can_carry),
    RIG_TEST(many_at_once_in_order),
    RIG_TEST(item46_a_full_link_is_waited_for),
    RIG_TEST(item46_full_for_long),
    RIG_TEST(item46_or_dropped_where_that_is_wanted),
    RIG_TEST(kept_frames_come_back_when_the_link_is_done),
    RIG_TEST(a_failing_link_ends_nothing),
    RIG_TEST(no_carrier),
    RIG_TEST(strays_are_counted),
    RIG_TEST(nobody_strays_without_an_address),
    RIG_TEST(the_mtu_passes_whole_NET_14),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
