/*
 * test_hostile.c: random chains, most of them bent (item 56 of the conformance list), and what a
 * broken queue does to its neighbour and to the log.
 *
 *   a batch: valid chains ──mutations──> ring ──> each is used truthfully, or NEEDS_RESET
 *                                                  no byte changes but where a descriptor allows
 */
#include <errno.h>

#include "harness.h"

enum { RING = 256, BATCHES = 16, CHAINS = 16, LONGEST = 200, ARENA = 2 << 20, IN_DISK = 64 };

struct chain {
    uint16_t head;
    bool bent;
    uint8_t expected; /* status of one that is not bent */
    uint64_t status_gpa;
    uint64_t room; /* bytes that a used length may speak of */
};

struct batch {
    struct rig *rig;
    uint32_t *random;
    uint64_t arena, at;
    unsigned descs, count;
    struct chain chains[CHAINS];
};

static uint32_t dice(struct batch *b, uint32_t sides)
{
    *b->random = *b->random * 1664525u + 1013904223u;
    return (*b->random >> 8) % sides;
}

static uint64_t take(struct batch *b, uint32_t bytes)
{
    uint64_t gpa = b->arena + b->at;
    b->at += (bytes + 15u) & ~15u;
    assert_true(b->at <= ARENA);
    return gpa;
}

/* ---- one valid chain ---- */

static uint32_t piece(struct batch *b, unsigned pieces)
{
    static const uint32_t lengths[] = { 512, 1024, 4096, 0 };
    return pieces > 16 ? 512 : lengths[dice(b, 4)];
}

static unsigned make_segs(struct batch *b, struct chain *c, struct tnd_seg *segs)
{
    static const uint32_t types[] = { TN_BLK_T_IN,     TN_BLK_T_OUT,     TN_BLK_T_FLUSH,
                                      TN_BLK_T_GET_ID, TN_BLK_T_DISCARD, 77 };
    unsigned data = dice(b, 8) == 0 ? dice(b, LONGEST - 2) : dice(b, 5);
    uint32_t type = types[dice(b, 3) ? dice(b, 2) : dice(b, 6)];
    bool into = type == TN_BLK_T_IN || type == TN_BLK_T_GET_ID;
    struct tn_blk_header header = { .type = tn_to_le32(type),
                                    .sector = tn_to_le64(dice(b, IN_DISK)) };
    uint8_t untouched = TND_BLK_UNTOUCHED;

    c->expected = type <= TN_BLK_T_FLUSH ? TN_BLK_S_OK : 0xff;
    c->room = 1;
    segs[0] = (struct tnd_seg){ .gpa = take(b, 16), .bytes = 16 };
    tnd_ram_put(b->rig->ram, segs[0].gpa, &header, sizeof(header));
    for (unsigned i = 1; i <= data; i++) {
        uint32_t bytes = piece(b, data);
        segs[i] = (struct tnd_seg){ .gpa = take(b, bytes), .bytes = bytes, .write = into };
        c->room += into ? bytes : 0;
    }
    c->status_gpa = take(b, 1);
    tnd_ram_put(b->rig->ram, c->status_gpa, &untouched, 1);
    segs[data + 1] = (struct tnd_seg){ .gpa = c->status_gpa, .bytes = 1, .write = true };
    return data + 2;
}

/* ---- and what a hostile driver makes of it ---- */

struct wire {
    uint64_t gpa;
    uint32_t bytes;
    uint16_t flags, next;
};

static void bend(struct batch *b, struct wire *w, unsigned count)
{
    static const uint32_t lengths[] = { 0, 1, 15, 17, 511, 513, 65536, 0x7fffffff, 0xffffffff };
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
        victim->flags |= TN_DESC_F_NEXT; /* on and on, where it should have ended */
        break;
    }
}

static void link_up(const struct tnd_seg *segs, struct wire *w, unsigned count, unsigned first)
{
    for (unsigned i = 0; i < count; i++) {
        w[i] = (struct wire){ .gpa = segs[i].gpa,
                              .bytes = segs[i].bytes,
                              .flags = (uint16_t)((segs[i].write ? TN_DESC_F_WRITE : 0) |
                                                  (i + 1 < count ? TN_DESC_F_NEXT : 0)),
                              .next = (uint16_t)(i + 1 < count ? first + i + 1 : 0) };
    }
}

static struct tnd_ring *ring_of(struct batch *b)
{
    return b->rig->driver->queues[0].ring;
}

static void offer(struct batch *b)
{
    struct chain *c = &b->chains[b->count++];
    struct tnd_seg segs[LONGEST];
    struct wire w[LONGEST];
    unsigned count = make_segs(b, c, segs);
    bool table = dice(b, 3) == 0;
    unsigned first = b->descs;

    link_up(segs, w, count, table ? 0 : first);
    c->bent = dice(b, 4) == 0;
    for (unsigned i = 0; c->bent && i <= dice(b, 3); i++) {
        bend(b, w, count);
    }
    c->head = (uint16_t)first;
    if (table) {
        uint64_t gpa = take(b, 16 * count);
        for (unsigned i = 0; i < count; i++) {
            tnd_raw_table(b->rig->ram, gpa, i, w[i].gpa, w[i].bytes, w[i].flags, w[i].next);
        }
        struct wire head = { gpa, 16 * count, TN_DESC_F_INDIRECT, 0 };
        if (c->bent && dice(b, 2)) {
            bend(b, &head, 1);
        }
        tnd_raw_desc(ring_of(b), first, head.gpa, head.bytes, head.flags, head.next);
        b->descs++;
    } else {
        for (unsigned i = 0; i < count; i++) {
            tnd_raw_desc(ring_of(b), first + i, w[i].gpa, w[i].bytes, w[i].flags, w[i].next);
        }
        b->descs += count;
    }
    /* Now and then a head that is in flight already, or none at all. */
    if (c->bent && dice(b, 8) == 0) {
        c->head = (uint16_t)dice(b, RING + 4);
    }
    tnd_raw_avail(ring_of(b), (uint16_t)(ring_of(b)->next_avail++), c->head);
}

/* ---- what the device may do with it ---- */

static void allow_one(struct tnd_snapshot *s, const struct tn_desc *desc)
{
    if (tn_from_le16(desc->flags) & TN_DESC_F_WRITE) {
        uint64_t gpa = tn_from_le64(desc->addr);
        uint64_t bytes = tn_from_le32(desc->len);
        tnd_snapshot_allow(s, gpa, gpa + bytes < gpa ? UINT64_MAX - gpa : bytes);
    }
}

/* Every byte that a descriptor, or an entry of its table, lets the device write. */
static void allow(struct batch *b, struct tnd_snapshot *s)
{
    struct tnd_ring *ring = ring_of(b);

    tnd_snapshot_allow(s, ring->used_gpa, TN_USED_BYTES(RING));
    tnd_snapshot_allow(s, ring->avail_gpa, 4); /* what the guest itself writes */
    for (unsigned i = 0; i < RING; i++) {
        struct tn_desc desc, entry;
        tnd_ram_get(b->rig->ram, ring->desc_gpa + 16 * i, &desc, sizeof(desc));
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

static bool is_over(void *opaque)
{
    struct batch *b = opaque;
    return tnd_raw_used_idx(ring_of(b)) == ring_of(b)->published || tnd_broken(b->rig->driver, 0);
}

static void check_used(struct batch *b, uint16_t from)
{
    uint16_t until = tnd_raw_used_idx(ring_of(b));

    assert_true((uint16_t)(until - from) <= b->count);
    for (uint16_t i = from; i != until; i++) {
        struct chain *c = NULL;
        uint32_t id = 0, bytes = 0;
        uint8_t status = 0;
        tnd_raw_used(ring_of(b), i, &id, &bytes);
        for (unsigned j = 0; j < b->count; j++) {
            c = !c && b->chains[j].head == id ? &b->chains[j] : c;
        }
        if (!c) {
            fail_msg("used entry %u names the chain %u that was not offered", i, id);
        }
        if (!c->bent) {
            tnd_ram_get(b->rig->ram, c->status_gpa, &status, 1);
            assert_true(c->expected == 0xff ? status <= TN_BLK_S_UNSUPP : status == c->expected);
            assert_in_range(bytes, 1, c->room);
        }
    }
}

static void run_batch(struct rig *rig, uint64_t arena, uint32_t *random)
{
    struct batch b = { .rig = rig, .random = random, .arena = arena };
    struct tnd_ring *ring = ring_of(&b);
    uint16_t from = tnd_raw_used_idx(ring);
    uint64_t requests = rig_stat(rig, "requests", 0), where = 0;

    tnd_ram_fill(rig->ram, ring->desc_gpa, 0, TN_DESC_BYTES(RING));
    while (b.count < CHAINS && b.descs + LONGEST <= RING) {
        offer(&b);
    }
    struct tnd_snapshot *s = tnd_ram_snapshot(rig->ram);
    allow(&b, s);
    ring->published = ring->next_avail;
    tnd_raw_avail_idx(ring, ring->next_avail);
    tnd_notify(rig->driver, 0);
    assert_true(tnd_until(rig->driver, is_over, &b));
    bool broken = tnd_broken(rig->driver, 0);
    check_used(&b, from);
    assert_true(rig_stat(rig, "requests", 0) >= requests);
    if (broken) {
        /* To the end of what is in flight, or it would be seen too early. */
        assert_int_equal(rig->driver->ops->reset(rig->driver), 0);
    }
    if (!tnd_snapshot_holds(s, &where)) {
        fail_msg("a byte at 0x%llx changed, where no descriptor allows it",
                 (unsigned long long)where);
    }
    tnd_snapshot_free(s);
    if (broken) {
        assert_int_equal(tnd_reset(rig->driver), 0);
        assert_int_equal(tnd_start(rig->driver, NULL), 0);
    }
}

static void item56_random_chains(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_MEMORY };
    struct rig *rig = rig_new(state, &options);
    uint64_t arena = tnd_ram_alloc_in(rig->ram, 1, ARENA, 4096);
    uint32_t random = 12345;

    for (const char *c = rig->combination; *c; c++) { /* each its own chains */
        random = random * 31 + (uint32_t)*c;
    }
    for (unsigned i = 0; i < BATCHES; i++) {
        run_batch(rig, arena, &random);
    }
    assert_true(rig_event(&rig->broken) > 2);       /* mutations did bite, */
    assert_true(rig_event(&rig->broken) < BATCHES); /* and not always */
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* ---- told once, counted once, logged once; and the other queue goes on ---- */

static unsigned lines;

static void count_line(void *opaque, enum tenon_log_level level, const char *line)
{
    (void)opaque;
    (void)level;
    if (strstr(line, "queue 0 stopped")) {
        __atomic_fetch_add(&lines, 1, __ATOMIC_SEQ_CST);
    }
}

struct read {
    struct rig *rig;
    struct tnd_blk_request r;
};

static bool is_read(void *opaque)
{
    struct read *read = opaque;
    tnd_blk_reap(read->rig->driver, 1);
    return read->r.done;
}

/* By looking at the ring: a driver that waits for interrupts gives up when it sees NEEDS_RESET. */
static void queue_1_serves(struct rig *rig)
{
    struct read read = { .rig = rig, .r = { .type = TN_BLK_T_IN, .in_bytes = 512 } };

    assert_int_equal(tnd_blk_submit(rig->driver, 1, &read.r), 0);
    assert_true(tnd_until(rig->driver, is_read, &read));
    assert_int_equal(read.r.status, TN_BLK_S_OK);
}

static void a_broken_queue_is_told_once_and_breaks_no_other(void **state)
{
    struct rig_options options = { .blk = { .queues = 2 }, .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);
    uint64_t irqs = tnd_config_irqs(rig->driver);

    for (unsigned round = 1; round <= 3; round++) {
        __atomic_store_n(&lines, 0, __ATOMIC_SEQ_CST);
        struct tnd_ring *ring = rig->driver->queues[0].ring;
        for (unsigned i = 0; i < 5; i++) {
            tnd_raw_offer(ring, (uint16_t)ring->size); /* no such descriptor */
            tnd_notify(rig->driver, 0);
            tnd_settle(rig->driver, 2);
        }
        assert_true(tnd_wait_broken(rig->driver, 0));
        rig_await_event(rig, &rig->broken, round);
        queue_1_serves(rig);
        queue_1_serves(rig);
        tnd_notify(rig->driver, 0);
        tnd_settle(rig->driver, 2);
        assert_int_equal(rig_stat(rig, "broken", 0), round);
        assert_int_equal(rig_stat(rig, "broken", 1), 0);
        assert_int_equal(__atomic_load_n(&lines, __ATOMIC_SEQ_CST), 1);
        if (rig->mmio) {
            assert_int_equal(tnd_config_irqs(rig->driver), ++irqs);
        }
        assert_int_equal(tnd_reset(rig->driver), 0);
        assert_int_equal(tnd_start(rig->driver, &options.setup), 0);
        rig_check_alive(rig, 0);
    }
}

/* A guest that resets and breaks its device for ever does not fill the host's log. */
static void the_log_does_not_grow_with_the_resets(void **state)
{
    enum { ROUNDS = 60, BURST = 16 };
    struct rig *rig = rig_new(state, NULL);
    uint64_t begin = tnd_now_ms();

    __atomic_store_n(&lines, 0, __ATOMIC_SEQ_CST);
    for (unsigned round = 1; round <= ROUNDS; round++) {
        tnd_raw_offer(rig->driver->queues[0].ring, (uint16_t)rig->driver->queues[0].ring->size);
        tnd_notify(rig->driver, 0);
        assert_true(tnd_wait_broken(rig->driver, 0));
        assert_int_equal(tnd_reset(rig->driver), 0);
        assert_int_equal(tnd_start(rig->driver, NULL), 0);
    }
    assert_int_equal(rig_stat(rig, "broken", 0), ROUNDS);
    assert_true(__atomic_load_n(&lines, __ATOMIC_SEQ_CST) >= BURST);
    assert_true(__atomic_load_n(&lines, __ATOMIC_SEQ_CST) <=
                BURST + 1 + (tnd_now_ms() - begin) / 1000);
    rig_check_alive(rig, 0);
}

static const struct rig_case cases[] = {
    RIG_TEST(item56_random_chains),
    RIG_TEST(a_broken_queue_is_told_once_and_breaks_no_other),
    RIG_TEST(the_log_does_not_grow_with_the_resets),
};

int main(int argc, char **argv)
{
    tenon_set_log(count_line, NULL);
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
