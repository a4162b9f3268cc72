/*
 * test_net_hostile.c: a guest that plays foul with frames: empty descriptors in every place (K16),
 * chains that are bent at random (item 56), and rings that change while they are read (item 59).
 * Each frame arrives whole or not at all, each chain comes back once, and no byte changes but where
 * a descriptor allows it.
 *
 * Long because: three kinds of foul play that have little to do with each other.
 */
#include <errno.h>

#include "net_rig.h"
#include "scribbler.h"
#include "spec/virtio.h"

enum {
    RX = 0,
    TX = 1,
    HEADER = TN_NET_HEADER_BYTES,
    RING = 256,
    BATCHES = 24,
    CHAINS = 12,
    LONGEST = 60,
    ARENA = 1 << 20,
    RUN_MS = 500
};

/* ---- K16 ---- */

/* A header of single bytes with `n` empty descriptors in front of byte `at` of it. */
static struct tnd_shape with_empties(uint32_t *cuts, unsigned at, unsigned n, enum tnd_form form)
{
    unsigned count = 0;

    for (unsigned i = 0; i <= HEADER; i++) {
        for (unsigned j = 0; i == at && j < n; j++) {
            cuts[count++] = 0;
        }
        if (i < HEADER) {
            cuts[count++] = 1;
        }
    }
    return (struct tnd_shape){ .cuts = cuts, .cut_count = count, .form = form, .scatter = true };
}

static void k16_in_every_place(void **state)
{
    static const unsigned counts[] = { 1, 12, 13, 40 };
    struct rig *rig = net_rig_new(state, NULL);
    uint32_t cuts[100];
    uint8_t frame[NET_PLAIN];
    unsigned number = 0;

    for (unsigned at = 0; at <= HEADER; at++) {
        for (unsigned i = 0; i < 4; i++) {
            struct tnd_shape shape =
                with_empties(cuts, at, counts[i], number % 2 ? TND_INDIRECT : TND_DIRECT);
            struct tnd_net_packet packet = { .frame = frame, .bytes = NET_PLAIN, .shape = shape };
            assert_true(tnd_net_post(rig->driver, RX, NET_ROOM, &shape) >= 0);
            tnd_kick(rig->driver, RX);
            net_deliver(rig, 0, NET_PLAIN, ++number);
            net_expect(rig, 0, NET_PLAIN, number);
            net_frame(frame, NET_PLAIN, number, false);
            assert_int_equal(tnd_net_submit(rig->driver, TX, &packet), 0);
            assert_int_equal(tnd_net_wait(rig->driver, TX, &packet), 0);
            net_await_sent(rig, number);
            net_expect_sent(rig, NET_PLAIN, number);
        }
    }
    assert_int_equal(rig_event(&rig->broken), 0);
}

/* Nothing but empty ones: given back, or a broken queue; never a stall, never the end. */
static void k16_nothing_but_empties(void **state)
{
    static const unsigned counts[] = { 1, 12, 13, 64, 200 };
    struct rig *rig = net_rig_new(state, NULL);
    struct tnd_seg segs[200];

    for (unsigned i = 0; i < 5; i++) {
        net_deliver(rig, 0, NET_PLAIN, i); /* or nobody would look for buffers */
        for (unsigned queue = RX; queue <= TX; queue++) {
            for (unsigned j = 0; j < counts[i]; j++) {
                segs[j] = (struct tnd_seg){ .gpa = j % 3 ? RIG_NOWHERE_GPA : 0x1000,
                                            .write = queue == RX };
            }
            int head = tnd_add(rig->driver, queue, segs, counts[i],
                               i % 2 ? TND_INDIRECT : TND_DIRECT, segs);
            tnd_kick(rig->driver, queue);
            assert_int_equal(net_await_used(rig, queue, head), 0);
        }
        assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, 1), 0);
        net_expect(rig, 0, NET_PLAIN, i);
    }
    net_check_alive(rig, 0);
}

/* And between the pieces of a frame, too, with mergeable buffers that are mostly empty. */
static void k16_between_the_pieces(void **state)
{
    static const uint32_t cuts[] = { 0, 0, 12, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 30, 0, 0, 50, 0 };
    struct tnd_shape shape = { .cuts = cuts, .cut_count = 19, .scatter = true };
    struct rig *rig = net_rig_new(state, NULL);

    for (unsigned i = 0; i < 40; i++) {
        shape.form = i % 2 ? TND_INDIRECT : TND_DIRECT;
        for (unsigned j = 0; j < 10; j++) {
            assert_true(tnd_net_post(rig->driver, RX, 93, &shape) >= 0);
        }
        tnd_kick(rig->driver, RX);
        net_deliver(rig, 0, 93 * 9 + 5, i);
        net_expect(rig, 0, 93 * 9 + 5, i);
    }
}

/* Buffers that lie over each other, and a frame that moves up between them: seen by a sanitizer. */
static void buffers_that_overlap(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint64_t gpa = tnd_ram_alloc(rig->ram, 3000);
    struct tnd_seg segs[2] = { { .gpa = gpa, .bytes = NET_ROOM, .write = true },
                               { .gpa = gpa + 100, .bytes = NET_ROOM, .write = true } };
    uint8_t other[NET_PLAIN];

    net_frame(other, NET_PLAIN, 0, true);
    other[5] ^= 1; /* not for us */
    for (unsigned i = 0; i < 20; i++) {
        fake_link_deliver(rig->link, 0, other, NET_PLAIN, NULL);
        net_deliver(rig, 0, NET_FULL, i);
        int first = tnd_add(rig->driver, RX, &segs[0], 1, TND_DIRECT, segs);
        int second = tnd_add(rig->driver, RX, &segs[1], 1, TND_DIRECT, segs);
        tnd_kick(rig->driver, RX);
        assert_int_equal(net_await_used(rig, RX, first), HEADER + NET_FULL);
        net_check_frame(tnd_ram_at(rig->ram, gpa + HEADER, NET_FULL), NET_FULL, NET_FULL, i, true);
        net_deliver(rig, 0, NET_PLAIN, i);
        assert_int_equal(net_await_used(rig, RX, second), HEADER + NET_PLAIN);
    }
}

/* ---- item 56 ---- */

struct wire {
    uint64_t gpa;
    uint32_t bytes;
    uint16_t flags, next;
};

struct chain {
    uint16_t head;
    bool bent;
    uint64_t room;
};

struct batch {
    struct rig *rig;
    unsigned queue;
    uint32_t *random;
    uint64_t arena, at;
    unsigned descs, count;
    uint64_t starved; /* how often, before */
    struct chain chains[CHAINS];
};

static uint32_t dice(struct batch *b, uint32_t sides)
{
    return scribbler_random(b->random) % sides;
}

static uint64_t take(struct batch *b, uint32_t bytes)
{
    uint64_t gpa = b->arena + b->at;
    b->at += (bytes + 15u) & ~15u;
    assert_true(b->at <= ARENA);
    return gpa;
}

static struct tnd_ring *ring_of(struct batch *b)
{
    return b->rig->driver->queues[b->queue].ring;
}

/* A chain that is right: room for a frame, or a frame. */
static unsigned make_wires(struct batch *b, struct chain *c, struct wire *w, unsigned first)
{
    unsigned count = 1 + dice(b, dice(b, 4) ? 4 : LONGEST - 1);
    uint16_t write = b->queue == RX ? TN_DESC_F_WRITE : 0;

    c->room = 0;
    for (unsigned i = 0; i < count; i++) {
        uint32_t bytes = i == 0 && count > 1 && dice(b, 2) ? HEADER : 40 + dice(b, 400);
        w[i] = (struct wire){ .gpa = take(b, bytes),
                              .bytes = bytes,
                              .flags = write | (i + 1 < count ? TN_DESC_F_NEXT : 0),
                              .next = (uint16_t)(i + 1 < count ? first + i + 1 : 0) };
        tnd_ram_fill(b->rig->ram, w[i].gpa, b->queue == RX ? 0xa5 : 0, bytes);
        c->room += bytes;
    }
    return count;
}

static void bend(struct batch *b, struct wire *w, unsigned count)
{
    static const uint32_t lengths[] = { 0, 1, 11, 12, 13, 26, 65536, 0x7fffffff, 0xffffffff };
    const uint64_t places[] = { RIG_NOWHERE_GPA,           UINT64_MAX - 3,
                                RIG_NEIGHBOURS_EDGE - 10,  RIG_HIGH_GPA + 0x100000 - 8,
                                b->arena + dice(b, ARENA), 0 };
    struct wire *victim = &w[dice(b, count)];

    switch (dice(b, 6)) {
    case 0:
        victim->flags = (uint16_t)dice(b, 8);
        break;
    case 1:
        victim->bytes = lengths[dice(b, 9)];
        break;
    case 2:
        victim->gpa = places[dice(b, 6)];
        break;
    case 3:
        victim->next = (uint16_t)dice(b, 2 * RING);
        break;
    case 4:
        victim->flags ^= TN_DESC_F_WRITE;
        break;
    default:
        victim->flags |= TN_DESC_F_NEXT;
        break;
    }
}

static void offer(struct batch *b)
{
    struct chain *c = &b->chains[b->count++];
    struct wire w[LONGEST];
    bool table = dice(b, 3) == 0;
    unsigned first = b->descs, count = make_wires(b, c, w, table ? 0 : first);

    c->bent = dice(b, 5) == 0;
    for (unsigned i = 0; c->bent && i <= dice(b, 2); i++) {
        bend(b, w, count);
    }
    c->head = (uint16_t)first;
    uint64_t gpa = table ? take(b, 16 * count) : 0;
    for (unsigned i = 0; i < count; i++) {
        if (table) {
            tnd_raw_table(b->rig->ram, gpa, i, w[i].gpa, w[i].bytes, w[i].flags, w[i].next);
        } else {
            tnd_raw_desc(ring_of(b), first + i, w[i].gpa, w[i].bytes, w[i].flags, w[i].next);
        }
    }
    if (table) {
        tnd_raw_desc(ring_of(b), first, gpa, 16 * count, TN_DESC_F_INDIRECT, 0);
    }
    b->descs += table ? 1 : count;
    tnd_raw_avail(ring_of(b), (uint16_t)(ring_of(b)->next_avail++), c->head);
}

static void allow_one(struct tnd_snapshot *s, const struct tn_desc *desc)
{
    if (tn_from_le16(desc->flags) & TN_DESC_F_WRITE) {
        uint64_t gpa = tn_from_le64(desc->addr), bytes = tn_from_le32(desc->len);
        tnd_snapshot_allow(s, gpa, gpa + bytes < gpa ? UINT64_MAX - gpa : bytes);
    }
}

static void allow(struct batch *b, struct tnd_snapshot *s)
{
    for (unsigned q = 0; q < b->rig->driver->queue_count; q++) {
        const struct tnd_ring *ring = b->rig->driver->queues[q].ring;
        tnd_snapshot_allow(s, ring->used_gpa, TN_USED_BYTES((uint64_t)ring->size));
    }
    tnd_snapshot_allow(s, ring_of(b)->avail_gpa, 4); /* what the guest itself writes */
    for (unsigned i = 0; i < RING; i++) {
        struct tn_desc desc, entry;
        tnd_ram_get(b->rig->ram, ring_of(b)->desc_gpa + 16 * i, &desc, sizeof(desc));
        allow_one(s, &desc);
        uint64_t entries = tn_from_le32(desc.len) / 16;
        for (unsigned j = 0; tn_from_le16(desc.flags) & TN_DESC_F_INDIRECT && j < entries; j++) {
            if (j == 1024 || !tnd_ram_get(b->rig->ram, tn_from_le64(desc.addr) + 16 * j, &entry,
                                          sizeof(entry))) {
                break;
            }
            allow_one(s, &entry);
        }
    }
}

static bool is_starved(void *opaque)
{
    struct batch *b = opaque;
    return rig_stat(b->rig, "no_buffer", RX) > b->starved;
}

/*
 * Every chain is used, or the queue is broken; or a receive queue has no frame left, or waits for
 * more buffers.
 */
static bool is_over(void *opaque)
{
    struct batch *b = opaque;
    return tnd_raw_used_idx(ring_of(b)) == ring_of(b)->published ||
           tnd_broken(b->rig->driver, b->queue) ||
           (b->queue == RX && (fake_link_waiting(b->rig->link, 0) == 0 || is_starved(b)));
}

static void check_used(struct batch *b, uint16_t from)
{
    uint16_t until = tnd_raw_used_idx(ring_of(b));

    assert_true((uint16_t)(until - from) <= b->count);
    for (uint16_t i = from; i != until; i++) {
        uint32_t id = 0, bytes = 0;
        unsigned j = 0;
        tnd_raw_used(ring_of(b), i, &id, &bytes);
        while (j < b->count && b->chains[j].head != id) {
            j++;
        }
        if (j == b->count) {
            fail_msg("used entry %u names the chain %u that was not offered", i, id);
        }
        struct chain *c = &b->chains[j];
        c->head = UINT16_MAX; /* once */
        if (b->queue == TX) {
            assert_int_equal(bytes, 0);
        } else if (!c->bent) {
            assert_true(bytes <= c->room);
        }
    }
}

static void run_batch(struct rig *rig, unsigned queue, uint64_t arena, uint32_t *random)
{
    struct batch b = { .rig = rig, .queue = queue, .random = random, .arena = arena };
    struct tnd_ring *ring = ring_of(&b);
    uint64_t where = 0;

    tnd_ram_fill(rig->ram, ring->desc_gpa, 0, TN_DESC_BYTES(RING));
    while (b.count < CHAINS && b.descs + LONGEST <= RING) {
        offer(&b);
    }
    for (unsigned i = 0; queue == RX && i < 20; i++) {
        net_deliver(rig, 0, NET_PLAIN + 60 * i, i);
    }
    tnd_settle(rig->driver, 1);
    b.starved = rig_stat(rig, "no_buffer", RX);
    uint16_t from = tnd_raw_used_idx(ring);
    struct tnd_snapshot *s = tnd_ram_snapshot(rig->ram);
    allow(&b, s);
    ring->published = ring->next_avail;
    tnd_raw_avail_idx(ring, ring->next_avail);
    tnd_notify(rig->driver, queue);
    assert_true(tnd_until(rig->driver, is_over, &b));
    /* To the end of what is in flight, or it would be seen too early. */
    assert_int_equal(rig->driver->ops->reset(rig->driver), 0);
    check_used(&b, from);
    if (!tnd_snapshot_holds(s, &where)) {
        fail_msg("a byte at 0x%llx changed, where no descriptor allows it",
                 (unsigned long long)where);
    }
    tnd_snapshot_free(s);
    assert_int_equal(tnd_reset(rig->driver), 0);
    fake_link_forget(rig->link, 0);
    net_rig_start(rig, NULL);
}

static void item56_random_chains(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint64_t arena = tnd_ram_alloc_in(rig->ram, 1, ARENA, 4096);
    uint32_t random = 12345;

    for (const char *c = rig->combination; *c; c++) { /* each its own chains */
        random = random * 31 + (uint32_t)*c;
    }
    for (unsigned i = 0; i < BATCHES; i++) {
        run_batch(rig, i % 2 ? TX : RX, arena, &random);
    }
    assert_true(rig_event(&rig->broken) > 0);       /* mutations did bite, */
    assert_true(rig_event(&rig->broken) < BATCHES); /* and not always */
    net_check_alive(rig, 0);
}

/* ---- item 59 ---- */

static void start_again(struct rig *rig, const struct net_options *options)
{
    assert_int_equal(tnd_reset(rig->driver), 0);
    net_rig_start(rig, options);
}

static void offer_live(struct rig *rig, unsigned queue, uint32_t *random)
{
    struct tnd_ring *ring = rig->driver->queues[queue].ring;
    uint16_t head = (uint16_t)(scribbler_random(random) % (ring->size - 3));
    uint16_t write = queue == RX ? TN_DESC_F_WRITE : 0;

    tnd_raw_desc(ring, head, 0x8000, HEADER, TN_DESC_F_NEXT | write, (uint16_t)(head + 1));
    tnd_raw_desc(ring, head + 1u, RIG_NEIGHBOURS_GPA + 0x10000, 700, TN_DESC_F_NEXT | write,
                 (uint16_t)(head + 2));
    tnd_raw_desc(ring, head + 2u, RIG_NEIGHBOURS_GPA + 0x20000, 900, write, 0);
    if (scribbler_random(random) % 8 == 0) {
        tnd_raw_desc(ring, head, 0x4000, 16 * (scribbler_random(random) % 40), TN_DESC_F_INDIRECT,
                     0);
    }
    tnd_raw_offer(ring, head);
    tnd_notify(rig->driver, queue);
}

static void item59_rings_change_while_they_are_read(void **state)
{
    struct net_options options = { .net = { .queue_size = 64 }, .setup = { .queue_size = 64 } };
    struct rig *rig = net_rig_new(state, &options);
    struct scribbler scribbler;
    uint32_t random = 4711;
    unsigned resets = 0, offers = 0;

    scribbler_start(&scribbler, rig);
    for (uint64_t end = tnd_now_ms() + RUN_MS; tnd_now_ms() < end; offers++) {
        if (fake_link_waiting(rig->link, 0) < 50) {
            net_deliver(rig, 0, NET_PLAIN + offers % 1400, offers);
        }
        offer_live(rig, offers % 3, &random);
        tnd_pass(rig->driver);
        if (tnd_broken(rig->driver, 0) || tnd_broken(rig->driver, 1) ||
            tnd_broken(rig->driver, 2)) {
            start_again(rig, &options);
            resets++;
        }
    }
    scribbler_stop(&scribbler);
    assert_true(resets > 0);
    assert_int_equal(tnd_reset(rig->driver), 0);
    fake_link_forget(rig->link, 0);
    net_rig_start(rig, &options);
    net_check_alive(rig, 0);
}

static const struct rig_case cases[] = {
    RIG_TEST(k16_in_every_place),     RIG_TEST(k16_nothing_but_empties),
    RIG_TEST(k16_between_the_pieces), RIG_TEST(buffers_that_overlap),
    RIG_TEST(item56_random_chains),   RIG_TEST(item59_rings_change_while_they_are_read),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
