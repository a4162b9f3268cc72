/*
 * test_net_rx.c: frames into receive buffers: items 42 to 44 of the conformance list, NET-13 and
 * NET-33..40.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>

#include "net_rig.h"
#include "spec/virtio.h"

enum { HEADER = TN_NET_HEADER_BYTES, BIG_ROOM = HEADER + TND_NET_FRAME_MAX };

static uint64_t bit(unsigned number)
{
    return (uint64_t)1 << number;
}

static const struct net_options one_chain = { .setup = { .without = { (uint64_t)1
                                                                      << TN_NET_F_MRG_RXBUF } } };

static unsigned posted(struct rig *rig)
{
    return rig->driver->queues[0].ring->in_flight;
}

static int post(struct rig *rig, uint32_t room, const struct tnd_shape *shape)
{
    int head = tnd_net_post(rig->driver, 0, room, shape);
    assert_true(head >= 0);
    tnd_kick(rig->driver, 0);
    return head;
}

static void fill(struct rig *rig, uint32_t room, unsigned count)
{
    assert_int_equal(tnd_net_fill(rig->driver, 0, room, count), 0);
}

/* The next chain of the queue comes back with nothing in it, and untouched. */
static void expect_unused(struct rig *rig)
{
    static struct tnd_net_frame frame;

    assert_int_equal(tnd_net_receive(rig->driver, 0, &frame), 0);
    assert_true(frame.unused);
    assert_int_equal(frame.stray, 0);
}

/* ---- item 42: no buffers ---- */

/* Waits until the device has found that there is no room, and looks no more. */
static unsigned await_no_more_calls(struct rig *rig)
{
    unsigned before, now = fake_link_count(rig->link, &rig->link->recv_calls);

    while (rig_stat(rig, "no_buffer", 0) == 0) {
        tnd_pass(rig->driver);
    }
    do {
        before = now;
        tnd_settle(rig->driver, 20); /* without a thread: it ends, for nothing is left to do */
        now = fake_link_count(rig->link, &rig->link->recv_calls);
    } while (now != before);
    return now;
}

/* Frames stay where they are, and nobody looks at them again and again (A21, B15, NET-38). */
static void item42_no_buffers_then_buffers_and_a_kick(void **state)
{
    enum { FRAMES = 100 };
    struct rig *rig = net_rig_new(state, NULL);

    for (unsigned i = 0; i < FRAMES; i++) {
        net_deliver(rig, 0, NET_PLAIN + i, i);
    }
    unsigned calls = await_no_more_calls(rig);
    assert_int_equal(fake_link_waiting(rig->link, 0), FRAMES);
    tnd_settle(rig->driver, 50);
    assert_int_equal(fake_link_count(rig->link, &rig->link->recv_calls), calls);
    fill(rig, NET_ROOM, FRAMES);
    for (unsigned i = 0; i < FRAMES; i++) {
        net_expect(rig, 0, NET_PLAIN + i, i);
    }
    assert_int_equal(rig_stat(rig, "frames", 0), FRAMES);
    assert_int_equal(rig_stat(rig, "too_long", 0), 0);
    assert_int_equal(fake_link_count(rig->link, &rig->link->dropped), 0);
}

/* Every stall ends with the kick, whatever the device was about (CVE-2020-16843, A19). */
static void item42_starved_again_and_again(void **state)
{
    enum { ROUNDS = 300 };
    struct rig *rig = net_rig_new(state, NULL);
    unsigned got = 0;

    for (unsigned i = 0; i < 3; i++) {
        net_deliver(rig, 0, NET_FULL, i);
    }
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned some = 1 + i % 3;
        for (unsigned j = 0; j < some; j++) {
            net_deliver(rig, 0, NET_FULL, 3 + got + j);
        }
        if (i % 7 == 0) {
            tnd_settle(rig->driver, 1);
        }
        fill(rig, NET_ROOM, some);
        for (unsigned j = 0; j < some; j++) {
            net_expect(rig, 0, NET_FULL, got++);
        }
    }
    assert_int_equal(fake_link_waiting(rig->link, 0), 3);
}

/* Buffers are there first, and no kick follows any more (B14). */
static void frames_come_without_a_kick(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    fill(rig, NET_ROOM, 64);
    tnd_settle(rig->driver, 10);
    for (unsigned i = 0; i < 64; i++) {
        net_deliver(rig, 0, NET_PLAIN, i);
        net_expect(rig, 0, NET_PLAIN, i);
    }
    assert_in_range(rig->driver->queues[0].kicks, 0, 1);
}

/* A ring that is smaller than what comes, refilled as Linux does it. */
static void a_flood_through_a_small_ring(void **state)
{
    enum { FRAMES = 3000, RING = 32 };
    struct net_options options = { .setup = { .queue_size = RING } };
    struct rig *rig = net_rig_new(state, &options);
    static struct tnd_net_frame frame;

    fill(rig, NET_ROOM, RING);
    for (unsigned sent = 0, got = 0; got < FRAMES;) {
        for (; sent < FRAMES && sent - got < 3 * RING; sent++) {
            net_deliver(rig, 0, NET_SMALLEST + 10 + sent % 1400, sent);
        }
        assert_int_equal(tnd_net_receive(rig->driver, 0, &frame), 0);
        net_check_frame(frame.data, frame.bytes, NET_SMALLEST + 10 + got % 1400, got, true);
        got++;
        if (posted(rig) <= RING / 2) {
            fill(rig, NET_ROOM, RING - posted(rig));
        }
    }
    assert_int_equal(rig_stat(rig, "frames", 0), FRAMES);
}

/*
 * A driver that gives new buffers only when half of its ring is free, as Linux does: what is posted
 * may hold less than the longest frame for long, and ordinary ones come all the same.
 */
static void item42_refilled_at_half(void **state)
{
    enum { FRAMES = 600 };
    struct net_options options = { .info = { .recv_can = TENON_CAN_ALL },
                                   .setup = { .queue_size = 64 } };
    struct rig *rig = net_rig_new(state, &options);

    for (unsigned round = 0; round < 2; round++) {
        fill(rig, 1536, 64);
        for (unsigned i = 0; i < FRAMES; i++) {
            net_deliver(rig, 0, NET_FULL, i);
            net_expect(rig, 0, NET_FULL, i);
            if (rig->driver->queues[0].ring->free_count > 32) {
                fill(rig, 1536, 64 - posted(rig));
            }
        }
        assert_int_equal(tnd_reset(rig->driver), 0);
        options.setup.without[0] = bit(TN_NET_F_GUEST_TSO4) | bit(TN_NET_F_GUEST_TSO6) |
                                   bit(TN_NET_F_GUEST_ECN) | bit(TN_NET_F_GUEST_USO4) |
                                   bit(TN_NET_F_GUEST_USO6);
        net_rig_start(rig, &options);
    }
}

/* ---- item 43: one chain ---- */

static const uint32_t header_apart[] = { HEADER };
static const uint32_t header_bytewise[] = { 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 };
static const uint32_t header_torn[] = { 5, 20, 1, 700 };
static const uint32_t empties[] = { 0, 0, 5, 0, 7, 0, 0, 1, 0, 13, 0, 0, 0, 100, 0 };
static const uint32_t empty_first[] = { 0 };
static const uint32_t sixteen_empty[] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, HEADER };

static const struct tnd_shape shapes[] = {
    { .cuts = NULL },
    { .cuts = header_apart, .cut_count = 1 },
    { .cuts = header_apart, .cut_count = 1, .scatter = true },
    { .cuts = header_bytewise, .cut_count = 12 },
    { .cuts = header_bytewise, .cut_count = 12, .scatter = true, .form = TND_INDIRECT },
    { .cuts = header_torn, .cut_count = 4, .scatter = true },
    { .cuts = header_torn, .cut_count = 4, .scatter = true, .form = TND_MIXED },
    { .cuts = empties, .cut_count = 15 },
    { .cuts = empties, .cut_count = 15, .form = TND_INDIRECT },
    { .cuts = empty_first, .cut_count = 1 },
    { .cuts = sixteen_empty, .cut_count = 17, .form = TND_INDIRECT },
    { .cuts = sixteen_empty, .cut_count = 17 },
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

static void check_shapes(struct rig *rig, uint32_t room)
{
    static const uint32_t lengths[] = { NET_SMALLEST, NET_PLAIN, 713, NET_FULL };
    unsigned number = 0;

    for (unsigned s = 0; s < SHAPES; s++) {
        for (unsigned l = 0; l < 4; l++) {
            post(rig, room, &shapes[s]);
            net_deliver(rig, 0, lengths[l], ++number);
            net_expect(rig, 0, lengths[l], number);
        }
    }
    /* And all of them at once. */
    for (unsigned s = 0; s < SHAPES; s++) {
        post(rig, room, &shapes[s]);
    }
    for (unsigned s = 0; s < SHAPES; s++) {
        net_deliver(rig, 0, 100 + s, 1000 + s);
    }
    for (unsigned s = 0; s < SHAPES; s++) {
        net_expect(rig, 0, 100 + s, 1000 + s);
    }
}

static void item43_any_framing(void **state)
{
    struct rig *rig = net_rig_new(state, &one_chain);

    check_shapes(rig, NET_ROOM);
    assert_int_equal(rig_stat(rig, "malformed", 0), 0);
}

static void item43_any_framing_mergeable(void **state)
{
    check_shapes(net_rig_new(state, NULL), NET_ROOM);
}

/* One byte for each descriptor, all of it. */
static void item43_one_byte_each(void **state)
{
    enum { BYTES = 100 };
    struct rig *rig = net_rig_new(state, &one_chain);
    uint32_t ones[HEADER + BYTES];
    struct tnd_shape shape = { .cuts = ones, .cut_count = HEADER + BYTES, .scatter = true };

    for (unsigned i = 0; i < HEADER + BYTES; i++) {
        ones[i] = 1;
    }
    post(rig, HEADER + BYTES, &shape);
    net_deliver(rig, 0, BYTES, 7);
    net_expect(rig, 0, BYTES, 7);
    shape.form = TND_INDIRECT;
    post(rig, HEADER + BYTES, &shape);
    net_deliver(rig, 0, BYTES, 8);
    net_expect(rig, 0, BYTES, 8);
}

/* Never cut: dropped and counted, and the chain is there for the next one (A24, K17, NET-38). */
static void item43_too_small_for_this_frame(void **state)
{
    struct rig *rig = net_rig_new(state, &one_chain);

    post(rig, HEADER + 100, NULL);
    post(rig, HEADER + 100, NULL);
    net_deliver(rig, 0, NET_FULL, 1);
    net_deliver(rig, 0, 101, 2);
    net_deliver(rig, 0, 100, 3);
    net_expect(rig, 0, 100, 3);
    assert_int_equal(rig_stat(rig, "too_long", 0), 2);
    assert_int_equal(rig_stat(rig, "frames", 0), 1);
    assert_int_equal(posted(rig), 1);
    net_deliver(rig, 0, NET_PLAIN, 4);
    net_expect(rig, 0, NET_PLAIN, 4);
}

/* The same for the first frame, which finds no buffer that was looked at before. */
static void item43_too_small_by_one(void **state)
{
    struct rig *rig = net_rig_new(state, &one_chain);

    post(rig, HEADER + 100, NULL);
    net_deliver(rig, 0, 101, 1);
    net_deliver(rig, 0, 100, 2);
    net_expect(rig, 0, 100, 2);
    assert_int_equal(rig_stat(rig, "too_long", 0), 1);
}

/* No room for a header: given back at once (A20: or it would be in everybody's way). */
static void item43_no_room_for_a_header(void **state)
{
    struct rig *rig = net_rig_new(state, &one_chain);
    uint64_t malformed = 0;

    for (uint32_t room = 1; room < HEADER; room += 5) {
        post(rig, room, NULL);
        post(rig, NET_ROOM, NULL);
        net_deliver(rig, 0, NET_PLAIN, room);
        expect_unused(rig);
        net_expect(rig, 0, NET_PLAIN, room);
        assert_int_equal(rig_stat(rig, "malformed", 0), ++malformed);
    }
    assert_int_equal(rig_event(&rig->broken), 0);
}

static void item43_no_room_for_a_header_mergeable(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    post(rig, HEADER - 1, NULL);
    post(rig, NET_ROOM, NULL);
    net_deliver(rig, 0, NET_PLAIN, 1);
    expect_unused(rig);
    net_expect(rig, 0, NET_PLAIN, 1);
}

/* Only readable: the device must not write there, nor wait for ever. */
static void item43_wrong_direction(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint64_t gpa = tnd_ram_alloc(rig->ram, NET_ROOM);
    uint64_t other = tnd_ram_alloc(rig->ram, 64);
    struct tnd_seg readable = { .gpa = gpa, .bytes = NET_ROOM };
    struct tnd_seg both[] = { { .gpa = other, .bytes = 64 },
                              { .gpa = gpa, .bytes = NET_ROOM, .write = true } };

    int head = tnd_add(rig->driver, 0, &readable, 1, TND_DIRECT, &readable);
    tnd_kick(rig->driver, 0);
    net_deliver(rig, 0, NET_PLAIN, 1);
    assert_int_equal(net_await_used(rig, 0, head), 0);
    assert_true(tnd_ram_is(rig->ram, gpa, TND_NET_POISON, NET_ROOM));
    /* A readable part in front is passed over. */
    head = tnd_add(rig->driver, 0, both, 2, TND_DIRECT, both);
    tnd_kick(rig->driver, 0);
    assert_int_equal(net_await_used(rig, 0, head), HEADER + NET_PLAIN);
    assert_true(tnd_ram_is(rig->ram, other, TND_NET_POISON, 64));
    net_check_frame(tnd_ram_at(rig->ram, gpa + HEADER, NET_PLAIN), NET_PLAIN, NET_PLAIN, 1, true);
    net_check_alive(rig, 0);
}

/* A piece that is nowhere: given back with nothing in it, and the next ones are used. */
static void item43_a_piece_outside_memory(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint64_t gpa = tnd_ram_alloc(rig->ram, NET_ROOM);

    for (unsigned where = 0; where < 3; where++) {
        struct tnd_seg segs[3];
        for (unsigned i = 0; i < 3; i++) {
            segs[i] = (struct tnd_seg){ .gpa = i == where ? RIG_NOWHERE_GPA : gpa + 500 * i,
                                        .bytes = 500,
                                        .write = true };
        }
        int head = tnd_add(rig->driver, 0, segs, 3, TND_DIRECT, segs);
        post(rig, NET_ROOM, NULL);
        net_deliver(rig, 0, NET_FULL, where);
        assert_int_equal(net_await_used(rig, 0, head), 0);
        net_expect(rig, 0, NET_FULL, where);
        assert_int_equal(rig_stat(rig, "malformed", 0), where + 1);
    }
    assert_true(tnd_ram_is(rig->ram, gpa, TND_NET_POISON, NET_ROOM));
}

/* Used bytes are written, the header whole, and nothing else (NET-37, NET-49, NET-33). */
static void nothing_but_the_used_bytes_is_written(void **state)
{
    struct rig *rig = net_rig_new(state, &one_chain);
    static struct tnd_net_frame frame;

    for (unsigned s = 0; s < SHAPES; s++) {
        post(rig, NET_ROOM, &shapes[s]);
        net_deliver(rig, 0, 333, s);
        assert_int_equal(tnd_net_receive(rig->driver, 0, &frame), 0);
        net_check_frame(frame.data, frame.bytes, 333, s, true);
        assert_int_equal(frame.stray, 0);
        assert_int_equal(frame.header.num_buffers, 1);
    }
}

/* ---- lengths ---- */

/* The largest frame in the smallest buffer for it; one byte more is dropped (NET-39). */
static void the_longest_frame(void **state)
{
    struct net_options options = one_chain;
    options.info.recv_can = TENON_CAN_ALL; /* else none would be that long */
    struct rig *rig = net_rig_new(state, &options);
    static uint8_t longer[TND_NET_FRAME_MAX + 1];

    for (unsigned i = 0; i < 3; i++) {
        post(rig, BIG_ROOM, NULL);
    }
    net_deliver(rig, 0, TND_NET_FRAME_MAX, 1);
    net_expect(rig, 0, TND_NET_FRAME_MAX, 1);
    net_frame(longer, sizeof(longer), 2, true);
    fake_link_deliver(rig->link, 0, longer, sizeof(longer), NULL);
    net_deliver(rig, 0, TND_NET_FRAME_MAX - 1, 3);
    net_expect(rig, 0, TND_NET_FRAME_MAX - 1, 3);
    assert_int_equal(rig_stat(rig, "too_long", 0), 1);
}

static void the_mtu_is_kept_NET_13(void **state)
{
    struct net_options options = { .net = { .mtu = 1400 },
                                   .setup = { .without = { bit(TN_NET_F_CTRL_VLAN) } } };
    struct rig *rig = net_rig_new(state, &options);
    static const uint8_t tag[4] = { 0x81, 0x00, 0x00, 0x07 };
    uint8_t tagged[1419];

    fill(rig, NET_ROOM + 100, 8);
    net_deliver(rig, 0, 1414, 1);
    net_expect(rig, 0, 1414, 1);
    net_deliver(rig, 0, 1415, 2);
    net_frame(tagged, sizeof(tagged), 3, true);
    memcpy(tagged + 12, tag, sizeof(tag));
    fake_link_deliver(rig->link, 0, tagged, 1418, NULL);
    static struct tnd_net_frame frame;
    assert_int_equal(tnd_net_receive(rig->driver, 0, &frame), 0);
    assert_int_equal(frame.bytes, 1418);
    assert_memory_equal(frame.data, tagged, 1418);
    fake_link_deliver(rig->link, 0, tagged, 1419, NULL);
    net_deliver(rig, 0, NET_PLAIN, 4);
    net_expect(rig, 0, NET_PLAIN, 4);
    assert_int_equal(rig_stat(rig, "too_long", 0), 2);
}

/* ---- item 44: mergeable buffers ---- */

/* Over a link whose frames are just so long that they may take so many buffers. */
static void check_spread(void **state, uint32_t room, unsigned buffers)
{
    struct net_options options = { .info = { .mtu = (uint16_t)(room * buffers - HEADER - 22) } };
    struct rig *rig = net_rig_new(state, &options);
    uint32_t bytes = options.info.mtu + 14u;
    static struct tnd_net_frame frame;

    fill(rig, room, buffers);
    net_deliver(rig, 0, bytes, buffers);
    assert_int_equal(tnd_net_receive(rig->driver, 0, &frame), 0);
    net_check_frame(frame.data, frame.bytes, bytes, buffers, true);
    assert_int_equal(frame.buffers, buffers);
    assert_int_equal(frame.stray, 0);
    assert_int_equal(posted(rig), 0);
    rig_end(state);
}

/* num_buffers is right, only the first has a header, each but the last is full (NET-34, NET-35). */
static void item44_1_2_16_and_many_buffers(void **state)
{
    static const unsigned counts[] = { 1, 2, 3, 15, 16, 17, 64, 65 };

    for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        check_spread(state, 1000, counts[i]);
    }
    check_spread(state, 257, 255); /* 65535 bytes with the header */
}

/*
 * A ring that is full of buffers which do not hold the longest frame: nobody waits for more of
 * them. What fits comes, what does not is dropped.
 */
static void item44_a_ring_full_of_small_buffers(void **state)
{
    struct net_options options = { .setup = { .queue_size = 8 } };
    struct rig *rig = net_rig_new(state, &options);

    for (unsigned i = 0; i < 20; i++) {
        fill(rig, 100, 8 - posted(rig));
        net_deliver(rig, 0, i % 2 ? NET_FULL : 300, i);
        net_deliver(rig, 0, NET_PLAIN, 100 + i);
        if (i % 2 == 0) {
            net_expect(rig, 0, 300, i);
            fill(rig, 100, 8 - posted(rig));
        }
        net_expect(rig, 0, NET_PLAIN, 100 + i);
        net_await_stat(rig, "too_long", 0, (i + 1) / 2);
    }
}

/* One byte more than fits into n buffers takes n + 1; one less leaves the last one short. */
static void item44_at_the_edges_of_buffers(void **state)
{
    struct net_options options = { .info = { .mtu = 1000 } };
    struct rig *rig = net_rig_new(state, &options);
    static struct tnd_net_frame frame;

    for (unsigned n = 1; n < 5; n++) {
        for (int more = -1; more <= 1; more++) {
            uint32_t bytes = (uint32_t)((int)(n * 200 - HEADER) + more);
            unsigned buffers = more > 0 ? n + 1 : n;
            while (posted(rig) < 6) {
                fill(rig, 200, 1);
            }
            net_deliver(rig, 0, bytes, n);
            assert_int_equal(tnd_net_receive(rig->driver, 0, &frame), 0);
            net_check_frame(frame.data, frame.bytes, bytes, n, true);
            assert_int_equal(frame.buffers, buffers);
            assert_int_equal(posted(rig), 6 - buffers);
        }
    }
}

static void item44_buffers_of_mixed_sizes(void **state)
{
    static const uint32_t rooms[] = { 12, 13, 1, 2, 700, 40, 12, 3000, 64, 1526, 5, 999 };
    struct net_options options = { .info = { .mtu = 4000 } };
    struct rig *rig = net_rig_new(state, &options);

    for (unsigned i = 0; i < 60; i++) {
        /* A first buffer has room for a header at least (NET-39). */
        for (unsigned j = 0; j < 12; j++) {
            uint32_t room = rooms[(i + j) % 12];
            post(rig, room < HEADER ? HEADER : room, &shapes[(i + j) % 4 == 3 ? 9 : (i + j) % 4]);
        }
        net_deliver(rig, 0, 3000 + i, i);
        net_expect(rig, 0, 3000 + i, i);
        assert_int_equal(tnd_reset(rig->driver), 0);
        net_rig_start(rig, &options);
    }
}

/* Nothing is consumed before all of a frame fits. */
static void item44_not_enough_buffers(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    static struct tnd_net_frame frame;

    fill(rig, 400, 3);
    net_deliver(rig, 0, NET_FULL, 1);
    tnd_settle(rig->driver, 20);
    assert_int_equal(tnd_net_take(rig->driver, 0, &frame), 0);
    fill(rig, 400, 1);
    net_expect(rig, 0, NET_FULL, 1);
    assert_int_equal(posted(rig), 0);
    fill(rig, 400, 2);
    net_deliver(rig, 0, NET_FULL, 2);
    net_deliver(rig, 0, NET_PLAIN, 3);
    tnd_settle(rig->driver, 20);
    fill(rig, 400, 8);
    net_expect(rig, 0, NET_FULL, 2);
    net_expect(rig, 0, NET_PLAIN, 3);
}

/* Whoever looks at the ring all the time never sees a part of a frame (NET-36). */
static void item44_all_buffers_come_together(void **state)
{
    enum { FRAMES = 1500 };
    struct rig *rig = net_rig_new(state, NULL);
    static struct tnd_net_frame frame;
    unsigned got = 0, sent = 0;
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;

    fill(rig, 128, 250);
    while (got < FRAMES && tnd_now_ms() < end) {
        for (; sent < FRAMES && sent - got < 40; sent++) {
            net_deliver(rig, 0, NET_FULL, sent);
        }
        int taken = tnd_net_take(rig->driver, 0, &frame);
        if (taken == 0) {
            if (rig->inline_) {
                rig_crank(rig);
            }
            continue;
        }
        if (taken < 0) {
            fail_msg("frame %u: %s", got, frame.wrong);
        }
        net_check_frame(frame.data, frame.bytes, NET_FULL, got++, true);
        fill(rig, 128, frame.buffers);
    }
    assert_int_equal(got, FRAMES);
}

/* ---- what does not reach the guest ---- */

/* Shorter than an Ethernet header is no frame. */
static void a_runt_is_dropped(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint8_t runt[14];

    fill(rig, NET_ROOM, 4);
    net_frame(runt, sizeof(runt), 0, true);
    for (uint32_t bytes = 1; bytes < 14; bytes += 4) {
        fake_link_deliver(rig->link, 0, runt, bytes, NULL);
    }
    net_deliver(rig, 0, NET_SMALLEST, 0);
    net_expect(rig, 0, NET_SMALLEST, 0);
    assert_int_equal(posted(rig), 3);
}

static const struct rig_case cases[] = {
    RIG_TEST(item42_no_buffers_then_buffers_and_a_kick),
    RIG_TEST(item42_starved_again_and_again),
    RIG_TEST(frames_come_without_a_kick),
    RIG_TEST(a_flood_through_a_small_ring),
    RIG_TEST(item42_refilled_at_half),
    RIG_TEST(item43_any_framing),
    RIG_TEST(item43_any_framing_mergeable),
    RIG_TEST(item43_one_byte_each),
    RIG_TEST(item43_too_small_for_this_frame),
    RIG_TEST(item43_too_small_by_one),
    RIG_TEST(item43_no_room_for_a_header),
    RIG_TEST(item43_no_room_for_a_header_mergeable),
    RIG_TEST(item43_wrong_direction),
    RIG_TEST(item43_a_piece_outside_memory),
    RIG_TEST(nothing_but_the_used_bytes_is_written),
    RIG_TEST(the_longest_frame),
    RIG_TEST(the_mtu_is_kept_NET_13),
    RIG_TEST(item44_1_2_16_and_many_buffers),
    RIG_TEST(item44_a_ring_full_of_small_buffers),
    RIG_TEST(item44_at_the_edges_of_buffers),
    RIG_TEST(item44_buffers_of_mixed_sizes),
    RIG_TEST(item44_not_enough_buffers),
    RIG_TEST(item44_all_buffers_come_together),
    RIG_TEST(a_runt_is_dropped),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
