/*
 * test_blk_order.c: who goes before whom: flushes, overlapping writes, cache modes, a disk that is
 * full, fails, answers out of order, or hangs. Items 32 to 34 of the conformance list, BLK-17..22,
 * BLK-37, BLK-61. Over a fake disk that holds what it is told to hold.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>

#include "harness.h"

static struct rig *fake_rig(void **state, unsigned queues)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE,
                             .blk = { .queues = queues },
                             .setup = { .queues = queues } };
    return rig_new(state, &o);
}

/* Waits until the disk has been given `count` operations in all. */
static void await_submitted(struct rig *rig, unsigned count)
{
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (fake_submitted(rig->fake) < count) {
        if (tnd_now_ms() > end) {
            fail_msg("the disk has been given %u operations, not %u", fake_submitted(rig->fake),
                     count);
        }
        tnd_pass(rig->driver);
    }
}

/* ... and no more come. */
static void only_submitted(struct rig *rig, unsigned count)
{
    await_submitted(rig, count);
    tnd_settle(rig->driver, 10);
    assert_int_equal(fake_submitted(rig->fake), count);
}

static void add_write(struct rig *rig, unsigned queue, struct tnd_blk_request *r, uint64_t sector,
                      const void *data, uint32_t bytes)
{
    *r = (struct tnd_blk_request){
        .type = TN_BLK_T_OUT, .sector = sector, .out = data, .out_bytes = bytes
    };
    assert_int_equal(tnd_blk_add(rig->driver, queue, r), 0);
}

static void add_flush(struct rig *rig, unsigned queue, struct tnd_blk_request *r)
{
    *r = (struct tnd_blk_request){ .type = TN_BLK_T_FLUSH };
    assert_int_equal(tnd_blk_add(rig->driver, queue, r), 0);
}

static void finish(struct rig *rig, unsigned queue, struct tnd_blk_request *r, uint8_t status)
{
    assert_int_equal(tnd_blk_wait(rig->driver, queue, r), 0);
    assert_int_equal(r->status, status);
}

static uint8_t zeroes[16 * 512];

/* ---- item 32 ---- */

static void item32_flush_follows_the_writes_before_it(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    struct tnd_blk_request a, b, f, c;
    fake_hold(rig->fake, true);
    add_write(rig, 0, &a, 0, zeroes, 512);
    add_write(rig, 0, &b, 10, zeroes, 512);
    add_flush(rig, 0, &f);
    add_write(rig, 0, &c, 20, zeroes, 512);
    tnd_kick(rig->driver, 0);
    only_submitted(rig, 3); /* a, b, c: a later write need not wait */
    assert_int_equal(fake_count(rig->fake, TENON_IO_FLUSH), 0);
    assert_true(fake_release(rig->fake, 1));
    only_submitted(rig, 3);
    assert_true(fake_release(rig->fake, 0));
    only_submitted(rig, 4);
    assert_int_equal(fake_op(rig->fake, 3).op, TENON_IO_FLUSH);
    assert_true(fake_release(rig->fake, 3));
    finish(rig, 0, &f, TN_BLK_S_OK);
    assert_true(a.done && b.done && !c.done);
    assert_true(a.order < f.order && b.order < f.order);
    fake_release_all(rig->fake);
    finish(rig, 0, &c, TN_BLK_S_OK);
}

static void item32_flush_waits_for_no_other_queue(void **state)
{
    struct rig *rig = fake_rig(state, 2);
    struct tnd_blk_request w, f;
    fake_hold(rig->fake, true);
    add_write(rig, 1, &w, 0, zeroes, 512);
    tnd_kick(rig->driver, 1);
    await_submitted(rig, 1);
    add_flush(rig, 0, &f);
    tnd_kick(rig->driver, 0);
    await_submitted(rig, 2);
    assert_true(fake_release(rig->fake, 1));
    finish(rig, 0, &f, TN_BLK_S_OK);
    tnd_blk_reap(rig->driver, 1);
    assert_false(w.done);
    fake_release_all(rig->fake);
    finish(rig, 1, &w, TN_BLK_S_OK);
}

/* BLK-21: the disk hears of the flush after the writes of the other queue that were complete. */
static void item32_flush_covers_other_queues_BLK_21(void **state)
{
    struct rig *rig = fake_rig(state, 2);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(tnd_blk_write(rig->driver, 1, i, zeroes, 512), TN_BLK_S_OK);
    }
    unsigned before = fake_submitted(rig->fake);
    assert_int_equal(before, 10);
    assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_OK);
    assert_int_equal(fake_op(rig->fake, before).op, TENON_IO_FLUSH);
}

/* A flush ends although the other queue never rests (A9). */
static void item32_flush_under_load_of_another_queue(void **state)
{
    struct rig *rig = fake_rig(state, 2);
    struct tnd_blk_request load[16], f;
    unsigned rounds = 0;
    for (unsigned i = 0; i < 16; i++) {
        add_write(rig, 1, &load[i], i * 2, zeroes, 512);
    }
    tnd_kick(rig->driver, 1);
    add_flush(rig, 0, &f);
    tnd_kick(rig->driver, 0);
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (!f.done) {
        assert_true(tnd_now_ms() < end && rounds++ < 100);
        for (unsigned i = 0; i < 16; i++) {
            finish(rig, 1, &load[i], TN_BLK_S_OK);
            add_write(rig, 1, &load[i], i * 2, zeroes, 512);
        }
        tnd_kick(rig->driver, 1);
        tnd_pass(rig->driver);
        tnd_blk_reap(rig->driver, 0);
    }
    for (unsigned i = 0; i < 16; i++) {
        finish(rig, 1, &load[i], TN_BLK_S_OK);
    }
}

static int fail_flush(void *opaque, const struct fake_op *op)
{
    (void)opaque;
    return op->op == TENON_IO_FLUSH ? -EIO : 0;
}

static void a_flush_that_fails_says_so(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    fake_set_fault(rig->fake, fail_flush, NULL);
    assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_IOERR);
    rig_check_alive(rig, 0);
}

/* ---- cache modes ---- */

static struct fake_op last_op(struct rig *rig)
{
    return fake_op(rig->fake, fake_submitted(rig->fake) - 1);
}

static uint8_t last_flags(struct rig *rig)
{
    return last_op(rig).flags & TENON_IO_FUA;
}

static uint8_t writeback(struct rig *rig)
{
    uint8_t value = 7;
    tnd_config_read(rig->driver, offsetof(struct tn_blk_config, writeback), &value, 1);
    return value;
}

/* A write, a discard and zeroes: whether each is stable before it is answered. */
static void expect_through(struct rig *rig, bool through)
{
    uint8_t expected = through ? TENON_IO_FUA : 0;
    struct tnd_range range = { 8, 8, 0 };
    assert_int_equal(tnd_blk_write(rig->driver, 0, 0, zeroes, 512), TN_BLK_S_OK);
    assert_int_equal(last_flags(rig), expected);
    if (tnd_has(rig->driver, TN_BLK_F_DISCARD)) { /* BLK-61 */
        assert_int_equal(tnd_blk_discard(rig->driver, 0, &range, 1), TN_BLK_S_OK);
        assert_int_equal(last_flags(rig), expected);
        assert_int_equal(last_op(rig).op, TENON_IO_DISCARD);
        for (range.flags = 0; range.flags < 2; range.flags++) { /* BLK-54, BLK-55 */
            assert_int_equal(tnd_blk_write_zeroes(rig->driver, 0, &range, 1), TN_BLK_S_OK);
            assert_int_equal(last_flags(rig), expected);
            assert_int_equal(last_op(rig).op, TENON_IO_ZEROES);
            assert_int_equal(last_op(rig).flags & TENON_IO_UNMAP, range.flags ? TENON_IO_UNMAP : 0);
        }
    }
}

static void write_through_without_flush_BLK_19(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE,
                             .setup = { .without = { 1ull << TN_BLK_F_FLUSH |
                                                     1ull << TN_BLK_F_CONFIG_WCE } } };
    struct rig *rig = rig_new(state, &o);
    expect_through(rig, true);
}

static void config_wce_without_flush_BLK_17(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE,
                             .setup = { .without = { 1ull << TN_BLK_F_FLUSH } } };
    struct rig *rig = rig_new(state, &o);
    assert_int_equal(writeback(rig), 0);
    expect_through(rig, true);
}

static void writeback_switches_live_BLK_09_20_22(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    const uint32_t at = offsetof(struct tn_blk_config, writeback);
    assert_int_equal(writeback(rig), 1);
    expect_through(rig, false);
    for (uint8_t i = 0; i < 6; i++) {
        uint8_t value = i & 1;
        assert_int_equal(tnd_config_write(rig->driver, at, &value, 1), 0);
        assert_int_equal(writeback(rig), value);
        expect_through(rig, value == 0);
    }
}

static void cache_options_BLK_16_18(void **state)
{
    struct rig_options through = { .disk = RIG_DISK_FAKE,
                                   .blk = { .cache = TENON_CACHE_WRITETHROUGH } };
    struct rig_options unsafe = { .disk = RIG_DISK_FAKE, .blk = { .cache = TENON_CACHE_UNSAFE } };
    struct rig *rig = rig_new(state, &through);
    assert_int_equal(writeback(rig), 0);
    assert_true(tnd_has(rig->driver, TN_BLK_F_FLUSH));
    expect_through(rig, true);
    rig_end(state);
    rig = rig_new(state, &unsafe);
    assert_true(tnd_has(rig->driver, TN_BLK_F_FLUSH));
    expect_through(rig, false);
    assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_OK);
    assert_int_equal(fake_count(rig->fake, TENON_IO_FLUSH), 0);
}

/* ---- item 33 ---- */

static void item33_overlapping_writes_keep_their_order(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    static uint8_t data[4][8 * 512], expected[16 * 512];
    struct tnd_blk_request r[4];
    for (unsigned i = 0; i < 4; i++) {
        rig_pattern(data[i], sizeof(data[i]), i + 1);
    }
    memcpy(expected, data[0], 4096);
    memcpy(expected + 4 * 512, data[1], 4096);
    memcpy(expected + 8 * 512, data[2], 4096);
    fake_hold(rig->fake, true);
    add_write(rig, 0, &r[0], 0, data[0], 4096);
    add_write(rig, 0, &r[1], 4, data[1], 4096); /* over the end of the first */
    add_write(rig, 0, &r[2], 8, data[2], 4096); /* over the end of the second, beside the first */
    add_write(rig, 0, &r[3], 100, data[3], 4096);
    tnd_kick(rig->driver, 0);
    only_submitted(rig, 2); /* the first and the last */
    assert_true(fake_op(rig->fake, 0).offset == 0 && fake_op(rig->fake, 1).offset == 100 * 512);
    fake_release(rig->fake, 0);
    only_submitted(rig, 3);
    assert_int_equal(fake_op(rig->fake, 2).offset, 4 * 512);
    fake_release(rig->fake, 2);
    only_submitted(rig, 4);
    fake_release(rig->fake, 3);
    finish(rig, 0, &r[2], TN_BLK_S_OK);
    assert_memory_equal(rig->image, expected, sizeof(expected));
    fake_release_all(rig->fake);
    finish(rig, 0, &r[3], TN_BLK_S_OK);
}

/*
 * Random writes, zeroes and flushes over a few sectors, ended in random order: the disk is as if
 * they had run one by one.
 */
static void item33_random_overlaps_against_a_model(void **state)
{
    enum { REQUESTS = 24, SECTORS = 32 };
    struct rig *rig = fake_rig(state, 1);
    static uint8_t data[REQUESTS][SECTORS * 512], model[SECTORS * 512];
    struct tnd_blk_request r[REQUESTS];
    uint32_t x = 7;

    memset(model, 0, sizeof(model));
    for (unsigned round = 0; round < 30; round++) {
        struct tn_blk_range ranges[REQUESTS];
        unsigned first = fake_submitted(rig->fake);
        fake_hold(rig->fake, true);
        for (unsigned i = 0; i < REQUESTS; i++) {
            x = x * 1664525u + 1013904223u;
            uint32_t sector = (x >> 8) % SECTORS, n = 1 + (x >> 16) % (SECTORS - sector);
            n = n > 6 ? 6 : n;
            if (x >> 28 == 0) {
                add_flush(rig, 0, &r[i]);
            } else if (x >> 28 < 4) {
                ranges[i] =
                    (struct tn_blk_range){ tn_to_le64(sector), tn_to_le32(n), tn_to_le32(0) };
                r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_WRITE_ZEROES,
                                                 .out = &ranges[i],
                                                 .out_bytes = 16 };
                assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
                memset(model + sector * 512, 0, n * 512);
            } else {
                rig_pattern(data[i], n * 512, x);
                add_write(rig, 0, &r[i], sector, data[i], n * 512);
                memcpy(model + sector * 512, data[i], n * 512);
            }
        }
        tnd_kick(rig->driver, 0);
        uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
        for (unsigned left = REQUESTS; left > 0;) {
            x = x * 1664525u + 1013904223u;
            unsigned count = fake_submitted(rig->fake);
            if (count > first) {
                fake_release(rig->fake, first + (x >> 8) % (count - first));
            }
            tnd_pass(rig->driver);
            left -= tnd_blk_reap(rig->driver, 0);
            assert_true(tnd_now_ms() < end);
        }
        for (unsigned i = 0; i < REQUESTS; i++) {
            finish(rig, 0, &r[i], TN_BLK_S_OK);
        }
        assert_memory_equal(rig->image, model, sizeof(model));
    }
    assert_int_equal(rig->driver->queues[0].ring->bad_used, 0);
}

static int fail_sector_8(void *opaque, const struct fake_op *op)
{
    (void)opaque;
    return op->offset <= 8 * 512 && op->offset + op->bytes > 8 * 512 ? -EIO : 0;
}

/* Neighbours in one batch; one of them fails, and the others do not (A4, A29). */
static void item33_a_failure_is_of_one_request(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    struct tnd_blk_request r[16];
    uint8_t in[16][512];
    rig_pattern(rig->image, 16 * 512, 3);
    fake_set_fault(rig->fake, fail_sector_8, NULL);
    for (unsigned i = 0; i < 16; i++) {
        r[i] = (struct tnd_blk_request){
            .type = TN_BLK_T_IN, .sector = i, .in = in[i], .in_bytes = 512
        };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
    tnd_kick(rig->driver, 0);
    for (unsigned i = 0; i < 16; i++) {
        finish(rig, 0, &r[i], i == 8 ? TN_BLK_S_IOERR : TN_BLK_S_OK);
        if (i != 8) {
            assert_memory_equal(in[i], rig->image + i * 512, 512);
        }
    }
}

/* More iovecs than one system call takes (IOV_MAX), by one request and by neighbours. */
static void item33_more_pieces_than_iov_max(void **state)
{
    enum { PIECES = 1021 };
    struct rig_options o = { .disk = RIG_DISK_FILE };
    struct rig *rig = rig_new(state, &o);
    static uint8_t out[2][PIECES * 512], in[PIECES * 512];
    uint32_t cuts[PIECES + 1];
    struct tnd_blk_request w[2];
    cuts[0] = 16;
    for (unsigned i = 1; i <= PIECES; i++) {
        cuts[i] = 512;
    }
    for (unsigned i = 0; i < 2; i++) {
        rig_pattern(out[i], sizeof(out[i]), i);
        w[i] = (struct tnd_blk_request){ .type = TN_BLK_T_OUT,
                                         .sector = i * PIECES,
                                         .out = out[i],
                                         .out_bytes = PIECES * 512,
                                         .form = TND_INDIRECT,
                                         .out_cuts = cuts,
                                         .out_cut_count = PIECES + 1,
                                         .scatter = true };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &w[i]), 0);
    }
    tnd_kick(rig->driver, 0);
    finish(rig, 0, &w[0], TN_BLK_S_OK);
    finish(rig, 0, &w[1], TN_BLK_S_OK);
    assert_memory_equal(rig->image, out[0], sizeof(out[0]));
    assert_memory_equal(rig->image + sizeof(out[0]), out[1], sizeof(out[1]));
    struct tnd_blk_request r = { .type = TN_BLK_T_IN,
                                 .sector = 1,
                                 .in = in,
                                 .in_bytes = PIECES * 512,
                                 .form = TND_INDIRECT,
                                 .in_cuts = cuts + 1,
                                 .in_cut_count = PIECES,
                                 .scatter = true };
    assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
    assert_memory_equal(in, rig->image + 512, sizeof(in));
}

static void answers_in_any_order_BLK_37(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    static const unsigned order[] = { 5, 0, 7, 3, 1, 6, 2, 4 };
    struct tnd_blk_request r[8];
    uint8_t in[8][512];
    rig_pattern(rig->image, 16 * 512, 9);
    fake_hold(rig->fake, true);
    for (unsigned i = 0; i < 8; i++) {
        r[i] = (struct tnd_blk_request){
            .type = TN_BLK_T_IN, .sector = 2 * i, .in = in[i], .in_bytes = 512
        };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
    tnd_kick(rig->driver, 0);
    await_submitted(rig, 8);
    for (unsigned i = 0; i < 8; i++) {
        struct tnd_blk_request *next = &r[order[i]];
        assert_true(fake_release(rig->fake, order[i]));
        finish(rig, 0, next, TN_BLK_S_OK);
        assert_int_equal(next->order, i);
        assert_memory_equal(in[order[i]], rig->image + order[i] * 1024, 512);
    }
}

/* A disk with room for two: all requests end, and go to the disk in their order. */
static void a_full_disk_is_asked_again(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    struct tnd_blk_request r[40];
    rig->fake->depth = 2;
    fake_hold(rig->fake, true);
    for (unsigned i = 0; i < 40; i++) {
        add_write(rig, 0, &r[i], 2 * i, zeroes, 512);
    }
    tnd_kick(rig->driver, 0);
    for (unsigned i = 0; i < 40; i++) {
        await_submitted(rig, i + 1);
        assert_int_equal(fake_op(rig->fake, i).offset, i * 1024);
        assert_true(fake_held(rig->fake) <= 2);
        assert_true(fake_release(rig->fake, i));
    }
    for (unsigned i = 0; i < 40; i++) {
        finish(rig, 0, &r[i], TN_BLK_S_OK);
    }
}

static void one_commit_for_a_batch(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    struct tnd_blk_request r[32];
    for (unsigned i = 0; i < 32; i++) {
        add_write(rig, 0, &r[i], 2 * i, zeroes, 512);
    }
    unsigned first = fake_submitted(rig->fake);
    tnd_kick(rig->driver, 0);
    for (unsigned i = 0; i < 32; i++) {
        finish(rig, 0, &r[i], TN_BLK_S_OK);
    }
    assert_int_equal(fake_op(rig->fake, first).batch, fake_op(rig->fake, first + 31).batch);
}

/* ---- item 34 ---- */

static void item34_a_hung_disk_holds_nobody_else(void **state)
{
    struct rig *rig = fake_rig(state, 2);
    struct tnd_blk_request w;
    fake_hold(rig->fake, true);
    add_write(rig, 0, &w, 0, zeroes, 512);
    uint64_t before = tnd_now_ms();
    tnd_kick(rig->driver, 0);
    tnd_notify(rig->driver, 0);
    assert_true(tnd_now_ms() - before < 1000); /* the call of a vCPU */
    await_submitted(rig, 1);
    char id[20];
    assert_int_equal(tnd_blk_get_id(rig->driver, 0, id), TN_BLK_S_OK); /* also on the same queue */
    fake_hold(rig->fake, false);
    rig_check_alive(rig, 1);
    assert_false(w.done);
    fake_release_all(rig->fake);
    finish(rig, 0, &w, TN_BLK_S_OK);
}

/* Asks for a reset without waiting for its end. */
static void begin_reset(struct rig *rig)
{
    if (rig->mmio) {
        tnd_mmio_set(rig->driver, TN_MMIO_STATUS, 0);
    } else {
        assert_int_equal(tnd_vhost_send(rig->driver, 34 /* RESET_DEVICE */, 0x9, NULL, 0, NULL, 0),
                         0);
    }
}

static bool reset_is_over(struct rig *rig)
{
    if (rig->mmio) {
        return tnd_mmio_get(rig->driver, TN_MMIO_STATUS) == 0;
    }
    static struct tnd_vhost_message answer;
    return tnd_vhost_receive(rig->driver, &answer, 20) == 0;
}

static void item34_reset_over_a_hung_disk_BASIC_30_31(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in_bytes = 512 };
    struct tnd_ring *ring = rig->driver->queues[0].ring;
    uint64_t where;

    fake_hold(rig->fake, true);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
    await_submitted(rig, 1);
    uint64_t before = tnd_now_ms();
    begin_reset(rig);
    assert_true(tnd_now_ms() - before < 3000); /* bounded: 500 ms, and what a busy machine adds */
    tnd_settle(rig->driver, 20);
    assert_false(reset_is_over(rig)); /* the disk may still write there */
    fake_release_all(rig->fake);
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (!reset_is_over(rig)) {
        assert_true(tnd_now_ms() < end);
        tnd_pass(rig->driver);
    }
    assert_int_equal(tnd_raw_used_idx(ring), 0); /* it ended without a used entry */
    struct tnd_snapshot *memory = tnd_ram_snapshot(rig->ram);
    tnd_settle(rig->driver, 20);
    assert_true(tnd_snapshot_holds(memory, &where));
    tnd_snapshot_free(memory);
    tnd_blk_forget(rig->driver, &r);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* A disk that can let go: the reset need not wait. */
static void item34_reset_over_a_disk_that_cancels(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    struct tnd_blk_request r[5];
    rig->fake->can_cancel = true;
    fake_hold(rig->fake, true);
    for (unsigned i = 0; i < 5; i++) { /* two of them wait behind others */
        add_write(rig, 0, &r[i], i < 3 ? 2 * i : 0, zeroes, 512);
    }
    tnd_kick(rig->driver, 0);
    only_submitted(rig, 3);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(rig->fake->cancelled, 3);
    for (unsigned i = 0; i < 5; i++) {
        tnd_blk_forget(rig->driver, &r[i]);
    }
    fake_hold(rig->fake, false);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

static void item34_reset_with_requests_waiting_for_others(void **state)
{
    struct rig *rig = fake_rig(state, 1);
    struct tnd_blk_request r[6];
    rig->fake->depth = 2;
    fake_hold(rig->fake, true);
    add_write(rig, 0, &r[0], 0, zeroes, 512);
    add_write(rig, 0, &r[1], 0, zeroes, 512); /* behind the first */
    add_flush(rig, 0, &r[2]);                 /* behind both */
    add_write(rig, 0, &r[3], 2, zeroes, 512);
    add_write(rig, 0, &r[4], 4, zeroes, 512); /* the disk is full */
    add_write(rig, 0, &r[5], 6, zeroes, 512);
    tnd_kick(rig->driver, 0);
    rig_await_stat(rig, "requests", 0, 6);
    only_submitted(rig, 2);
    begin_reset(rig);
    rig_await_stat(rig, "dropped", 0, 2); /* it was heard: those ended that had no place */
    fake_release(rig->fake, 0);
    fake_release(rig->fake, 1);
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (!reset_is_over(rig)) {
        assert_true(tnd_now_ms() < end);
        tnd_pass(rig->driver);
    }
    assert_int_equal(fake_submitted(rig->fake), 2); /* the rest never reached the disk (BASIC-42) */
    assert_int_equal(tnd_raw_used_idx(rig->driver->queues[0].ring), 0);
    for (unsigned i = 0; i < 6; i++) {
        tnd_blk_forget(rig->driver, &r[i]);
    }
    fake_hold(rig->fake, false);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* ---- neighbours on the same worker ---- */

/* Where the disk works within submit, a turn is as long as what is asked for: it is cut. */
static void large_requests_share_the_worker(void **state)
{
    enum { COUNT = 6, BYTES = 32 << 20 };
    struct rig_options options = { .disk = RIG_DISK_MEMORY, .disk_bytes = BYTES };
    struct rig *rig = rig_new(state, &options);
    const struct tn_blk_range range = { tn_to_le64(0), tn_to_le32(BYTES / 512), tn_to_le32(0) };
    struct tnd_blk_request large[COUNT];
    uint64_t turns = rig_stat(rig, "turns", 0);

    for (unsigned i = 0; i < COUNT; i++) {
        large[i] = (struct tnd_blk_request){ .type = TN_BLK_T_WRITE_ZEROES,
                                             .out = &range,
                                             .out_bytes = sizeof(range) };
        assert_int_equal(tnd_blk_submit(rig->driver, 0, &large[i]), 0);
    }
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &large[i]), 0);
        assert_int_equal(large[i].status, TN_BLK_S_OK);
    }
    assert_true(rig_stat(rig, "turns", 0) - turns >= COUNT);
}

static const struct rig_case cases[] = {
    RIG_TEST(item32_flush_follows_the_writes_before_it),
    RIG_TEST(item32_flush_waits_for_no_other_queue),
    RIG_TEST(item32_flush_covers_other_queues_BLK_21),
    RIG_TEST(item32_flush_under_load_of_another_queue),
    RIG_TEST(a_flush_that_fails_says_so),
    RIG_TEST(write_through_without_flush_BLK_19),
    RIG_TEST(config_wce_without_flush_BLK_17),
    RIG_TEST(writeback_switches_live_BLK_09_20_22),
    RIG_TEST(cache_options_BLK_16_18),
    RIG_TEST(item33_overlapping_writes_keep_their_order),
    RIG_TEST(item33_random_overlaps_against_a_model),
    RIG_TEST(item33_a_failure_is_of_one_request),
    RIG_TEST(item33_more_pieces_than_iov_max),
    RIG_TEST(answers_in_any_order_BLK_37),
    RIG_TEST(a_full_disk_is_asked_again),
    RIG_TEST(one_commit_for_a_batch),
    RIG_TEST(item34_a_hung_disk_holds_nobody_else),
    RIG_TEST(item34_reset_over_a_hung_disk_BASIC_30_31),
    RIG_TEST(item34_reset_over_a_disk_that_cancels),
    RIG_TEST(item34_reset_with_requests_waiting_for_others),
    RIG_TEST_ON(large_requests_share_the_worker, RIG_INLINE),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
