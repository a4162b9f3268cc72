/*
 * test_blk_merge.c: neighbours of one turn go to the disk as one operation, and are requests of
 * their own all the same: each has its bytes, its answer, its failure; what must keep its order
 * keeps it. Over a fake disk that logs what it is asked for; random mixes over all engines.
 *
 * Long because: a list of short cases that share one small frame.
 */
#include <errno.h>

#include "harness.h"

enum { MOST = 80, BOUND_MS = 5000, HUNG_MS = 50, SHARE = 64 };

struct turn {
    struct rig *rig;
    unsigned count;
    struct tnd_blk_request r[MOST];
    struct tn_blk_range ranges[MOST];
    uint8_t data[MOST][8 * 512];
};

static struct turn *turn_new(void **state, const struct rig_options *given)
{
    struct rig_options options = given ? *given : (struct rig_options){ 0 };
    static struct turn turn; /* larger than a stack should have to be */

    options.disk = given ? options.disk : RIG_DISK_FAKE;
    turn = (struct turn){ .rig = rig_new(state, &options) };
    return &turn;
}

static void add(struct turn *turn, uint32_t type, uint64_t sector, unsigned sectors)
{
    unsigned i = turn->count++;
    struct tnd_blk_request *r = &turn->r[i];

    assert_true(i < MOST);
    *r = (struct tnd_blk_request){ .type = type, .sector = sector };
    if (type == TN_BLK_T_IN) {
        r->in = turn->data[i];
        r->in_bytes = sectors * 512;
    } else if (type == TN_BLK_T_OUT) {
        rig_pattern(turn->data[i], sectors * 512, i + 1);
        r->out = turn->data[i];
        r->out_bytes = sectors * 512;
    } else if (type != TN_BLK_T_FLUSH) {
        turn->ranges[i] =
            (struct tn_blk_range){ .sector = tn_to_le64(sector), .sectors = tn_to_le32(sectors) };
        r->out = &turn->ranges[i];
        r->out_bytes = sizeof(turn->ranges[i]);
    }
    assert_int_equal(tnd_blk_add(turn->rig->driver, 0, r), 0);
}

/* All of them are seen at once, and the disk holds the operations that came of them. */
static void hold(struct turn *turn, unsigned operations)
{
    struct rig *rig = turn->rig;
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;

    fake_hold(rig->fake, true);
    tnd_kick(rig->driver, 0);
    while (fake_submitted(rig->fake) < operations) {
        assert_true(tnd_now_ms() < end);
        tnd_pass(rig->driver);
    }
    tnd_settle(rig->driver, 10);
    assert_int_equal(fake_submitted(rig->fake), operations);
}

static void set_depth(struct turn *turn, unsigned depth)
{
    pthread_mutex_lock(&turn->rig->fake->lock);
    turn->rig->fake->depth = depth;
    pthread_mutex_unlock(&turn->rig->fake->lock);
}

static void expect(struct turn *turn, unsigned index, uint8_t op, uint64_t sector, uint64_t sectors)
{
    struct fake_op found = fake_op(turn->rig->fake, index);

    assert_int_equal(found.op, op);
    assert_int_equal(found.offset, sector * 512);
    assert_int_equal(found.bytes, sectors * 512);
}

static void finish(struct turn *turn, unsigned i, uint8_t status)
{
    assert_int_equal(tnd_blk_wait(turn->rig->driver, 0, &turn->r[i]), 0);
    assert_int_equal(turn->r[i].status, status);
}

static void finish_all(struct turn *turn)
{
    for (unsigned i = 0; i < turn->count; i++) {
        finish(turn, i, TN_BLK_S_OK);
    }
    turn->count = 0;
}

static void has_what_the_disk_has(struct turn *turn, unsigned i)
{
    const struct tnd_blk_request *r = &turn->r[i];

    assert_memory_equal(turn->data[i], turn->rig->image + r->sector * 512,
                        r->in_bytes + r->out_bytes);
}

static uint64_t merged(struct turn *turn)
{
    return rig_stat(turn->rig, "merged", 0);
}

/* ---- what is merged ---- */

static void neighbours_are_one_operation(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    rig_pattern(turn->rig->image, 64 * 512, 5);
    for (unsigned i = 0; i < 8; i++) {
        add(turn, TN_BLK_T_IN, 3 + i * 4, 4);
    }
    for (unsigned i = 0; i < 8; i++) {
        add(turn, TN_BLK_T_OUT, 100 + i * 8, 8);
    }
    hold(turn, 2);
    expect(turn, 0, TENON_IO_READ, 3, 32);
    expect(turn, 1, TENON_IO_WRITE, 100, 64);
    fake_release_all(turn->rig->fake);
    for (unsigned i = 0; i < 16; i++) {
        finish(turn, i, TN_BLK_S_OK);
        assert_int_equal(turn->r[i].used_bytes, 1 + turn->r[i].in_bytes);
        has_what_the_disk_has(turn, i);
    }
    assert_int_equal(rig_stat(turn->rig, "reads", 0), 8);
    assert_int_equal(rig_stat(turn->rig, "writes", 0), 8);
    assert_int_equal(rig_stat(turn->rig, "read_bytes", 0), 32 * 512);
    assert_int_equal(merged(turn), 14);
}

/* As a sort by sector finds them; a run stands where its first stood, the rest is as it was. */
static void in_whatever_order_they_arrive(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    rig_pattern(turn->rig->image, 1024 * 512, 5);
    add(turn, TN_BLK_T_IN, 900, 8);
    add(turn, TN_BLK_T_IN, 16, 8); /* the run: 0 to 40 */
    add(turn, TN_BLK_T_IN, 500, 8);
    add(turn, TN_BLK_T_IN, 32, 8);
    add(turn, TN_BLK_T_IN, 0, 8);
    add(turn, TN_BLK_T_IN, 700, 8); /* another one, of two streams that alternate */
    add(turn, TN_BLK_T_IN, 8, 8);
    add(turn, TN_BLK_T_IN, 708, 8);
    add(turn, TN_BLK_T_IN, 24, 8);
    add(turn, TN_BLK_T_IN, 100, 8);
    hold(turn, 5);
    expect(turn, 0, TENON_IO_READ, 900, 8);
    expect(turn, 1, TENON_IO_READ, 0, 40);
    expect(turn, 2, TENON_IO_READ, 500, 8);
    expect(turn, 3, TENON_IO_READ, 700, 16);
    expect(turn, 4, TENON_IO_READ, 100, 8);
    fake_release_all(turn->rig->fake);
    for (unsigned i = 0; i < 10; i++) {
        finish(turn, i, TN_BLK_S_OK);
        has_what_the_disk_has(turn, i);
    }
    assert_int_equal(merged(turn), 5);
}

static void nothing_but_neighbours_of_one_kind(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    add(turn, TN_BLK_T_OUT, 0, 8);
    add(turn, TN_BLK_T_IN, 8, 8); /* beside it, but of the other kind */
    add(turn, TN_BLK_T_WRITE_ZEROES, 16, 8);
    add(turn, TN_BLK_T_WRITE_ZEROES, 24, 8);
    add(turn, TN_BLK_T_OUT, 32, 8);
    add(turn, TN_BLK_T_DISCARD, 40, 8);
    add(turn, TN_BLK_T_DISCARD, 48, 8);
    add(turn, TN_BLK_T_IN, 100, 8);
    add(turn, TN_BLK_T_IN, 109, 8); /* a gap */
    add(turn, TN_BLK_T_IN, 200, 8);
    add(turn, TN_BLK_T_IN, 204, 8); /* an overlap */
    add(turn, TN_BLK_T_IN, 200, 8); /* the same */
    hold(turn, 12);
    for (unsigned i = 0; i < 12; i++) {
        assert_int_equal(fake_op(turn->rig->fake, i).bytes, 8 * 512);
        bool ranged = turn->r[i].out == &turn->ranges[i];
        assert_int_equal(fake_op(turn->rig->fake, i).offset / 512,
                         ranged ? tn_from_le64(turn->ranges[i].sector) : turn->r[i].sector);
    }
    fake_release_all(turn->rig->fake);
    finish_all(turn);
    assert_int_equal(merged(turn), 0);
}

static void stable_writes_stay_stable(void **state)
{
    const struct rig_options options = { .disk = RIG_DISK_FAKE,
                                         .blk = { .cache = TENON_CACHE_WRITETHROUGH } };
    struct turn *turn = turn_new(state, &options);

    add(turn, TN_BLK_T_OUT, 8, 8);
    add(turn, TN_BLK_T_OUT, 0, 8);
    hold(turn, 1);
    expect(turn, 0, TENON_IO_WRITE, 0, 16);
    assert_int_equal(fake_op(turn->rig->fake, 0).flags, TENON_IO_FUA);
    fake_release_all(turn->rig->fake);
    finish_all(turn);
}

/* ---- what keeps its order ---- */

/* Merging would bring the last read before the write that it is to see. */
static void a_read_does_not_overtake_what_it_reads(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    add(turn, TN_BLK_T_IN, 8, 8);
    add(turn, TN_BLK_T_OUT, 4, 2);
    add(turn, TN_BLK_T_IN, 0, 8);
    hold(turn, 3);
    expect(turn, 0, TENON_IO_READ, 8, 8);
    expect(turn, 1, TENON_IO_WRITE, 4, 2);
    expect(turn, 2, TENON_IO_READ, 0, 8);
    fake_release_all(turn->rig->fake);
    finish_all(turn);
    assert_memory_equal(turn->data[2] + 4 * 512, turn->data[1], 2 * 512);
}

/* Merging would bring the last write before a read of what was there. */
static void a_write_does_not_overtake_who_reads(void **state)
{
    struct turn *turn = turn_new(state, NULL);
    static const uint8_t before[512] = { 0 };

    add(turn, TN_BLK_T_OUT, 0, 8);
    add(turn, TN_BLK_T_IN, 15, 8);
    add(turn, TN_BLK_T_OUT, 8, 8);
    hold(turn, 3);
    fake_release_all(turn->rig->fake);
    finish_all(turn);
    assert_memory_equal(turn->data[1], before, 512);
}

/* Zeroes are a change, too. And what stands side by side anyway overtakes nobody. */
static void zeroes_are_not_overtaken_either(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    add(turn, TN_BLK_T_IN, 16, 8);
    add(turn, TN_BLK_T_IN, 24, 8);
    add(turn, TN_BLK_T_WRITE_ZEROES, 8, 8);
    add(turn, TN_BLK_T_IN, 8, 8);
    hold(turn, 3);
    expect(turn, 0, TENON_IO_READ, 16, 16);
    expect(turn, 1, TENON_IO_ZEROES, 8, 8);
    expect(turn, 2, TENON_IO_READ, 8, 8);
    fake_release_all(turn->rig->fake);
    finish_all(turn);
}

/* Order is not merging's affair: what waits behind another one waits, and the flush behind both. */
static void overlapping_writes_wait_all_the_same(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    add(turn, TN_BLK_T_OUT, 0, 8);
    add(turn, TN_BLK_T_OUT, 4, 8);
    add(turn, TN_BLK_T_OUT, 8, 8); /* overlaps the second one, and waits for it */
    add(turn, TN_BLK_T_OUT, 16, 8);
    add(turn, TN_BLK_T_FLUSH, 0, 0);
    hold(turn, 2);
    expect(turn, 0, TENON_IO_WRITE, 0, 8);
    expect(turn, 1, TENON_IO_WRITE, 16, 8);
    fake_release_all(turn->rig->fake);
    finish_all(turn);
    assert_int_equal(fake_op(turn->rig->fake, 4).op, TENON_IO_FLUSH);
    assert_memory_equal(turn->rig->image + 8 * 512, turn->data[2], 8 * 512);
}

/* ---- bounds ---- */

/* Four requests of 400 pieces: two go together, for more would be past IOV_MAX. */
static void never_more_iovecs_than_iov_max(void **state)
{
    enum { PIECES = 400 };
    struct turn *turn = turn_new(state, NULL);
    struct rig *rig = turn->rig;
    static uint8_t data[4][PIECES * 512];
    uint32_t cuts[PIECES + 1] = { 16 };

    for (unsigned i = 0; i < PIECES; i++) {
        cuts[i + 1] = 512;
    }
    for (unsigned i = 0; i < 4; i++) {
        rig_pattern(data[i], sizeof(data[i]), i);
        turn->r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_OUT,
                                               .sector = i * PIECES,
                                               .out = data[i],
                                               .out_bytes = sizeof(data[i]),
                                               .form = TND_INDIRECT,
                                               .out_cuts = cuts,
                                               .out_cut_count = PIECES + 1,
                                               .scatter = true };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &turn->r[i]), 0);
    }
    turn->count = 4;
    hold(turn, 3); /* the store of iovecs is in use by the first two */
    for (unsigned i = 0; i < 3; i++) {
        assert_true(fake_op(rig->fake, i).iov_count <= 1024);
    }
    expect(turn, 0, TENON_IO_WRITE, 0, (uint64_t)2 * PIECES);
    fake_release_all(rig->fake);
    finish_all(turn);
    assert_memory_equal(rig->image, data, sizeof(data));
}

/* Five of which two fit together: three operations. */
static void five_neighbours(void **state, uint32_t type, uint32_t each, uint64_t most)
{
    struct turn *turn = turn_new(state, NULL);
    static uint8_t data[5 * (400 << 10)];

    rig_pattern(turn->rig->image, 5 * (size_t)each, 3);
    rig_pattern(data, 5 * (size_t)each, type == TN_BLK_T_IN ? 9 : 3);
    for (unsigned i = 0; i < 5; i++) {
        uint8_t *at = data + (size_t)i * each;
        turn->r[i] = (struct tnd_blk_request){ .type = type, .sector = i * each / 512 };
        if (type == TN_BLK_T_IN) {
            turn->r[i].in = at;
            turn->r[i].in_bytes = each;
        } else {
            turn->r[i].out = at;
            turn->r[i].out_bytes = each;
        }
        assert_int_equal(tnd_blk_add(turn->rig->driver, 0, &turn->r[i]), 0);
    }
    turn->count = 5;
    hold(turn, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(fake_op(turn->rig->fake, i).bytes <= most);
    }
    fake_release_all(turn->rig->fake);
    finish_all(turn);
    assert_memory_equal(turn->rig->image, data, 5 * (size_t)each);
}

static void never_more_bytes_than_one_read_may_have(void **state)
{
    five_neighbours(state, TN_BLK_T_IN, 100 << 10, 256 << 10);
}

static void never_more_bytes_than_one_write_may_have(void **state)
{
    five_neighbours(state, TN_BLK_T_OUT, 400 << 10, 1 << 20);
}

/* More pairs than a queue has room for: the rest goes one by one, and nothing waits. */
static void without_room_they_go_one_by_one(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    for (unsigned i = 0; i < MOST; i++) {
        add(turn, TN_BLK_T_OUT, i / 2 * 100 + i % 2, 1);
    }
    hold(turn, 32 + MOST - 64);
    fake_release_all(turn->rig->fake);
    finish_all(turn);
    assert_int_equal(merged(turn), 32);
    add(turn, TN_BLK_T_IN, 0, 1); /* and all the room has come back */
    add(turn, TN_BLK_T_IN, 1, 1);
    tnd_kick(turn->rig->driver, 0);
    finish_all(turn);
    assert_int_equal(merged(turn), 33);
}

/* What waited in front of a full disk goes together when there is room. */
static void in_front_of_a_full_disk(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    set_depth(turn, 1);
    add(turn, TN_BLK_T_OUT, 1000, 8);
    for (unsigned i = 0; i < 8; i++) {
        add(turn, TN_BLK_T_OUT, i * 8, 8);
    }
    add(turn, TN_BLK_T_OUT, 2000, 8);
    hold(turn, 1);
    assert_true(fake_release(turn->rig->fake, 0));
    hold(turn, 2);
    expect(turn, 1, TENON_IO_WRITE, 0, 64);
    assert_true(fake_release(turn->rig->fake, 1));
    hold(turn, 3);
    expect(turn, 2, TENON_IO_WRITE, 2000, 8);
    fake_release_all(turn->rig->fake);
    for (unsigned i = 0; i < 10; i++) {
        finish(turn, i, TN_BLK_S_OK);
        has_what_the_disk_has(turn, i);
    }
}

/* Neighbours that come later do not go before who waits, though there is room by then. */
static void who_waits_is_not_overtaken(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    set_depth(turn, 1);
    add(turn, TN_BLK_T_OUT, 1000, 8);
    add(turn, TN_BLK_T_OUT, 2000, 8);
    hold(turn, 1);
    add(turn, TN_BLK_T_OUT, 0, 8);
    add(turn, TN_BLK_T_OUT, 8, 8);
    set_depth(turn, 0);
    hold(turn, 3);
    expect(turn, 1, TENON_IO_WRITE, 2000, 8);
    expect(turn, 2, TENON_IO_WRITE, 0, 16);
    fake_release_all(turn->rig->fake);
    finish_all(turn);
}

/* Queues are stopped and reset each by itself: what waits of two of them does not go together. */
static void neighbours_of_two_queues_stay_apart(void **state)
{
    const struct rig_options options = { .disk = RIG_DISK_FAKE,
                                         .blk = { .queues = 2 },
                                         .setup = { .queues = 2 } };
    struct turn *turn = turn_new(state, &options);
    struct tenon_driver *driver = turn->rig->driver;
    static const uint8_t data[4096] = { 1 };
    struct tnd_blk_request other = {
        .type = TN_BLK_T_OUT, .sector = 8, .out = data, .out_bytes = sizeof(data)
    };

    set_depth(turn, 1);
    add(turn, TN_BLK_T_OUT, 1000, 8);
    add(turn, TN_BLK_T_OUT, 0, 8);
    hold(turn, 1);
    assert_int_equal(tnd_blk_submit(driver, 1, &other), 0);
    tnd_settle(driver, 10);
    set_depth(turn, 0);
    hold(turn, 3);
    assert_int_equal(fake_op(turn->rig->fake, 1).bytes, 4096);
    assert_int_equal(fake_op(turn->rig->fake, 2).bytes, 4096);
    fake_release_all(turn->rig->fake);
    finish_all(turn);
    assert_int_equal(tnd_blk_wait(driver, 1, &other), 0);
    assert_int_equal(other.status, TN_BLK_S_OK);
}

/* ---- failures ---- */

static int sector_20_is_bad(void *opaque, const struct fake_op *op)
{
    (void)opaque;
    return op->offset <= 20 * 512 && op->offset + op->bytes > 20 * 512 ? -EIO : 0;
}

/* Each of the neighbours is tried by itself then, and never again with others. */
static void a_failure_is_of_whose_sectors_are_bad(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    fake_set_fault(turn->rig->fake, sector_20_is_bad, NULL);
    for (uint32_t type = TN_BLK_T_IN; type <= TN_BLK_T_OUT; type++) {
        unsigned first = fake_submitted(turn->rig->fake);
        for (unsigned i = 0; i < 8; i++) {
            add(turn, type, i * 4, 4);
        }
        tnd_kick(turn->rig->driver, 0);
        for (unsigned i = 0; i < 8; i++) {
            finish(turn, i, i == 5 ? TN_BLK_S_IOERR : TN_BLK_S_OK);
            if (i != 5) {
                has_what_the_disk_has(turn, i);
            }
        }
        turn->count = 0;
        expect(turn, first, type == TN_BLK_T_IN ? TENON_IO_READ : TENON_IO_WRITE, 0, 32);
        assert_int_equal(fake_submitted(turn->rig->fake), first + 9);
    }
    assert_int_equal(rig_stat(turn->rig, "disk_errors", 0), 2);
    assert_int_equal(merged(turn), 0);
}

/* The same in front of a disk that takes one at a time: the parts do not come together again. */
static void a_failure_over_a_full_disk(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    set_depth(turn, 1);
    fake_set_fault(turn->rig->fake, sector_20_is_bad, NULL);
    for (unsigned i = 0; i < 8; i++) {
        add(turn, TN_BLK_T_OUT, i * 4, 4);
    }
    hold(turn, 1);
    for (unsigned i = 0; i < 9; i++) {
        hold(turn, i + 1);
        assert_true(fake_release(turn->rig->fake, i));
    }
    for (unsigned i = 0; i < 8; i++) {
        finish(turn, i, i == 5 ? TN_BLK_S_IOERR : TN_BLK_S_OK);
    }
    assert_int_equal(fake_submitted(turn->rig->fake), 9);
}

/* Where failures are kept, whose sectors are good is answered, and the rest when it is mended. */
static void a_failure_that_is_kept_is_of_one(void **state)
{
    const struct rig_options options = { .disk = RIG_DISK_FAKE,
                                         .blk = { .on_error = TENON_ON_ERROR_STOP } };
    struct turn *turn = turn_new(state, &options);

    fake_set_fault(turn->rig->fake, sector_20_is_bad, NULL);
    for (unsigned i = 0; i < 8; i++) {
        add(turn, TN_BLK_T_OUT, i * 4, 4);
    }
    tnd_kick(turn->rig->driver, 0);
    for (unsigned i = 0; i < 8; i++) {
        if (i != 5) {
            finish(turn, i, TN_BLK_S_OK);
        }
    }
    tnd_settle(turn->rig->driver, 10);
    assert_false(turn->r[5].done);
    assert_int_equal(rig_stat(turn->rig, "parked_now", 0), 1);
    fake_set_fault(turn->rig->fake, NULL, NULL);
    assert_int_equal(tenon_device_resume(turn->rig->device), 0);
    finish(turn, 5, TN_BLK_S_OK);
    has_what_the_disk_has(turn, 5);
}

/* ---- resets, pauses, limits ---- */

static void start_again(struct turn *turn)
{
    for (unsigned i = 0; i < turn->count; i++) {
        uint8_t status = 0;
        tnd_ram_get(turn->rig->ram, turn->r[i].in_gpa + turn->r[i].in_bytes, &status, 1);
        assert_int_equal(status, TND_BLK_UNTOUCHED); /* the guest never hears of them */
        tnd_blk_forget(turn->rig->driver, &turn->r[i]);
    }
    fake_hold(turn->rig->fake, false);
    assert_int_equal(tnd_reset(turn->rig->driver), 0);
    assert_int_equal(tnd_start(turn->rig->driver, NULL), 0);
    rig_check_alive(turn->rig, 0);
}

static void hold_two_runs(struct turn *turn)
{
    for (unsigned i = 0; i < 12; i++) {
        add(turn, TN_BLK_T_IN, i / 6 * 100 + i % 6, 1);
    }
    add(turn, TN_BLK_T_IN, 500, 1);
    hold(turn, 3);
}

static void a_reset_takes_back_what_the_disk_lets_go(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    turn->rig->fake->can_cancel = true;
    hold_two_runs(turn);
    assert_int_equal(tnd_reset(turn->rig->driver), 0);
    assert_int_equal(turn->rig->fake->cancelled, 3);
    assert_int_equal(fake_submitted(turn->rig->fake), 3); /* no part of them comes again */
    start_again(turn);
}

/* ... and waits for what it does not; a late failure brings nothing back to life. */
static void a_reset_waits_for_the_rest(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    fake_set_fault(turn->rig->fake, sector_20_is_bad, NULL);
    add(turn, TN_BLK_T_IN, 20, 1);
    add(turn, TN_BLK_T_IN, 21, 1);
    add(turn, TN_BLK_T_IN, 30, 1);
    add(turn, TN_BLK_T_IN, 31, 1);
    hold(turn, 2);
    tenon_bus_quiet(turn->rig->device, NULL, NULL);
    assert_int_equal(tenon_bus_wait_quiet(turn->rig->device, HUNG_MS), -ETIMEDOUT);
    fake_release(turn->rig->fake, 0);
    assert_int_equal(tenon_bus_wait_quiet(turn->rig->device, HUNG_MS), -ETIMEDOUT);
    fake_release(turn->rig->fake, 1);
    assert_int_equal(tenon_bus_wait_quiet(turn->rig->device, BOUND_MS), 0);
    assert_int_equal(fake_submitted(turn->rig->fake), 2);
    start_again(turn);
}

static void a_pause_waits_for_all_parts(void **state)
{
    struct turn *turn = turn_new(state, NULL);

    hold_two_runs(turn);
    assert_int_equal(tenon_device_pause(turn->rig->device, HUNG_MS), -ETIMEDOUT);
    fake_release_all(turn->rig->fake);
    assert_int_equal(tenon_device_pause(turn->rig->device, BOUND_MS), 0);
    assert_int_equal(tnd_blk_reap(turn->rig->driver, 0), 13); /* answered before it was paused */
    assert_int_equal(tenon_device_resume(turn->rig->device), 0);
    finish_all(turn);
}

/* What a limit held goes on as neighbours, too: here since the queue pauses. */
static void what_a_limit_held_goes_together(void **state)
{
    struct tenon_limits limits = { .size = sizeof(limits), .ops_read = { 1, 1, 0 } };
    struct rig_options options = { .disk = RIG_DISK_FAKE, .blk = { .limits = &limits } };
    struct turn *turn = turn_new(state, &options);

    for (unsigned i = 0; i < 9; i++) {
        add(turn, TN_BLK_T_IN, i, 1);
    }
    hold(turn, 1);
    expect(turn, 0, TENON_IO_READ, 0, 1);
    assert_int_equal(tenon_device_pause(turn->rig->device, HUNG_MS), -ETIMEDOUT);
    hold(turn, 2);
    expect(turn, 1, TENON_IO_READ, 1, 8);
    fake_release_all(turn->rig->fake);
    assert_int_equal(tenon_device_pause(turn->rig->device, BOUND_MS), 0);
    assert_int_equal(tnd_blk_reap(turn->rig->driver, 0), 9);
    assert_int_equal(tenon_device_resume(turn->rig->device), 0);
}

/* ---- random mixes against a model ---- */

/* Turns of reads and writes side by side, in random order; no two of a turn meet. */
static void mix(struct turn *turn, uint8_t *model, const bool *bad, unsigned rounds)
{
    unsigned order[MOST];
    uint32_t x = 11;

    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned i = 0; i < SHARE; i++) {
            x = x * 1664525u + 1013904223u;
            unsigned j = (x >> 8) % (i + 1);
            order[i] = order[j];
            order[j] = i;
        }
        for (unsigned i = 0; i < SHARE; i++) {
            x = x * 1664525u + 1013904223u;
            bool write = order[i] / 8 % 2 == round % 2 || x >> 29 == 0;
            add(turn, write ? TN_BLK_T_OUT : TN_BLK_T_IN, order[i] * 8, (x >> 16) % 8 ? 8 : 1);
            turn->r[i].form = TND_DIRECT;
        }
        tnd_kick(turn->rig->driver, 0);
        for (unsigned i = 0; i < SHARE; i++) {
            const struct tnd_blk_request *r = &turn->r[i];
            finish(turn, i, bad && bad[order[i]] ? TN_BLK_S_IOERR : TN_BLK_S_OK);
            if (r->status == TN_BLK_S_OK && r->type == TN_BLK_T_OUT) {
                memcpy(model + r->sector * 512, turn->data[i], r->out_bytes);
            } else if (r->status == TN_BLK_S_OK) {
                assert_memory_equal(turn->data[i], model + r->sector * 512, r->in_bytes);
            }
        }
        turn->count = 0;
    }
    assert_memory_equal(turn->rig->image, model, SHARE * 8 * 512);
    assert_true(merged(turn) > rounds);
}

static void random_mixes_over_each_engine(void **state)
{
    const struct rig_options options = { .disk = RIG_DISK_FILE };
    struct turn *turn = turn_new(state, &options);
    static uint8_t model[SHARE * 8 * 512];

    memcpy(model, turn->rig->image, sizeof(model));
    mix(turn, model, NULL, 20);
}

static int bad_blocks(void *opaque, const struct fake_op *op)
{
    const bool *bad = opaque;

    for (uint64_t block = op->offset / 4096; block * 4096 < op->offset + op->bytes; block++) {
        if (bad[block]) {
            return -EIO;
        }
    }
    return 0;
}

static void random_mixes_over_bad_blocks(void **state)
{
    struct turn *turn = turn_new(state, NULL);
    static uint8_t model[SHARE * 8 * 512];
    bool bad[SHARE] = { [3] = true, [17] = true, [18] = true, [63] = true };

    memset(model, 0, sizeof(model));
    fake_set_fault(turn->rig->fake, bad_blocks, bad);
    mix(turn, model, bad, 20);
    assert_int_equal(rig_stat(turn->rig, "disk_errors", 0), 20 * 4);
}

static const struct rig_case cases[] = {
    RIG_TEST(neighbours_are_one_operation),
    RIG_TEST(in_whatever_order_they_arrive),
    RIG_TEST(nothing_but_neighbours_of_one_kind),
    RIG_TEST(stable_writes_stay_stable),
    RIG_TEST(a_read_does_not_overtake_what_it_reads),
    RIG_TEST(a_write_does_not_overtake_who_reads),
    RIG_TEST(zeroes_are_not_overtaken_either),
    RIG_TEST(overlapping_writes_wait_all_the_same),
    RIG_TEST(never_more_iovecs_than_iov_max),
    RIG_TEST(never_more_bytes_than_one_read_may_have),
    RIG_TEST(never_more_bytes_than_one_write_may_have),
    RIG_TEST(without_room_they_go_one_by_one),
    RIG_TEST(in_front_of_a_full_disk),
    RIG_TEST(who_waits_is_not_overtaken),
    RIG_TEST(neighbours_of_two_queues_stay_apart),
    RIG_TEST(a_failure_is_of_whose_sectors_are_bad),
    RIG_TEST(a_failure_over_a_full_disk),
    RIG_TEST(a_failure_that_is_kept_is_of_one),
    RIG_TEST(a_reset_takes_back_what_the_disk_lets_go),
    RIG_TEST(a_reset_waits_for_the_rest),
    RIG_TEST(a_pause_waits_for_all_parts),
    RIG_TEST(what_a_limit_held_goes_together),
    RIG_TEST(random_mixes_over_each_engine),
    RIG_TEST(random_mixes_over_bad_blocks),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
