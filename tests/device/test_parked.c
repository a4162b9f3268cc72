/*
 * test_parked.c: requests that the disk has failed and that are kept (tenon_blk_opts.on_error):
 * which are, what goes on meanwhile, and how they end. BLK-40, BLK-41, BASIC-30.
 *
 *   sector BAD and above fail with `error` until it is 0
 *
 * Long because: one policy, each way in and out of it, over the same few helpers.
 */
#include <errno.h>
#include <unistd.h>

#include "untouched.h"

enum { BAD = 1024, SECTOR = 512, BOUND_MS = 5000, DISK = 1 << 20 };

static int error;

static void set_error(int to)
{
    __atomic_store_n(&error, to, __ATOMIC_SEQ_CST);
}

static int fails(void *opaque, const struct fake_op *op)
{
    (void)opaque;
    bool bad = op->op != TENON_IO_FLUSH && op->offset + op->bytes > BAD * SECTOR;
    return bad ? __atomic_load_n(&error, __ATOMIC_SEQ_CST) : 0;
}

static struct rig *rig_with(void **state, enum tenon_on_error on_error, int with)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE,
                                   .disk_bytes = DISK,
                                   .blk = { .on_error = on_error } };
    options.setup.without[TN_F_RING_RESET / 64] = 1ull << (TN_F_RING_RESET % 64);
    struct rig *rig = rig_new(state, &options);

    set_error(with);
    fake_set_fault(rig->fake, fails, NULL);
    return rig;
}

struct expected {
    struct rig *rig;
    const char *counter;
    uint64_t value;
};

static bool is_so(void *opaque)
{
    struct expected *e = opaque;
    return rig_stat(e->rig, e->counter, 0) == e->value;
}

static void await(struct rig *rig, const char *counter, uint64_t value)
{
    struct expected e = { rig, counter, value };
    assert_true(tnd_until(rig->driver, is_so, &e));
}

static const uint8_t ones[8 * SECTOR] = { 1, 1, 1, 1 };

static struct tnd_blk_request write_at(uint64_t sector, uint32_t bytes)
{
    return (struct tnd_blk_request){
        .type = TN_BLK_T_OUT, .sector = sector, .out = ones, .out_bytes = bytes
    };
}

static void submit(struct rig *rig, struct tnd_blk_request *r)
{
    assert_int_equal(tnd_blk_submit(rig->driver, 0, r), 0);
}

static void ends(struct rig *rig, struct tnd_blk_request *r, uint8_t status)
{
    assert_int_equal(tnd_blk_wait(rig->driver, 0, r), 0);
    assert_int_equal(r->status, status);
    assert_int_equal(r->used_bytes, 1);
}

/* One write to a bad place, which is parked. */
static void park_one(struct rig *rig, struct tnd_blk_request *r)
{
    uint64_t before = rig_stat(rig, "parked_now", 0);

    *r = write_at(BAD, SECTOR);
    submit(rig, r);
    await(rig, "parked_now", before + 1);
}

/* ---- which are kept, and what becomes of them ---- */

static void resume_tries_again(void **state)
{
    struct rig *rig = rig_with(state, TENON_ON_ERROR_STOP, -EIO);
    struct tnd_blk_request r;
    uint8_t in[SECTOR];

    park_one(rig, &r);
    rig_await_event(rig, &rig->parked, 1);
    assert_non_null(strstr(rig->why, "a write of 512 bytes at byte 524288 failed ("));
    assert_non_null(strstr(rig->why, strerror(EIO)));
    assert_int_equal(tenon_device_resume(rig->device), 0); /* it is as bad as before */
    await(rig, "parked", 2);
    rig_await_event(rig, &rig->parked, 2);
    rig_check_alive(rig, 0); /* others go on */
    assert_int_equal(tnd_blk_reap(rig->driver, 0), 0);
    assert_false(r.done);
    assert_int_equal(rig_stat(rig, "disk_errors", 0), 0);
    assert_int_equal(rig_stat(rig, "in_flight_now", 0), 1);
    set_error(0);
    tnd_settle(rig->driver, 10);
    assert_false(r.done); /* nobody resumed */
    assert_int_equal(tenon_device_resume(rig->device), 0);
    ends(rig, &r, TN_BLK_S_OK);
    assert_int_equal(tnd_blk_read(rig->driver, 0, BAD, in, SECTOR), TN_BLK_S_OK);
    assert_memory_equal(in, ones, SECTOR);
    assert_int_equal(rig_stat(rig, "parked_now", 0), 0);
    assert_int_equal(rig_stat(rig, "parked", 0), 2);
    assert_int_equal(rig_event(&rig->parked), 2);
}

static void reads_are_kept_too(void **state)
{
    struct rig *rig = rig_with(state, TENON_ON_ERROR_STOP, -EIO);
    uint8_t in[SECTOR];
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .sector = BAD, .in = in, .in_bytes = SECTOR };

    rig_pattern(rig->image + BAD * SECTOR, SECTOR, 5);
    submit(rig, &r);
    await(rig, "parked_now", 1);
    set_error(0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &r), 0);
    assert_int_equal(r.status, TN_BLK_S_OK);
    assert_int_equal(r.used_bytes, SECTOR + 1);
    assert_memory_equal(in, rig->image + BAD * SECTOR, SECTOR);
}

static void report_reports(void **state)
{
    struct rig *rig = rig_with(state, TENON_ON_ERROR_REPORT, -ENOSPC);
    struct tnd_blk_request r = write_at(BAD, SECTOR);

    submit(rig, &r);
    ends(rig, &r, TN_BLK_S_IOERR);
    assert_int_equal(rig_stat(rig, "parked", 0), 0);
    assert_int_equal(rig_stat(rig, "disk_errors", 0), 1);
    assert_int_equal(rig_event(&rig->parked), 0);
}

static void enospc_keeps_what_found_no_space(void **state)
{
    static const int space[] = { -ENOSPC, -EDQUOT };
    struct rig *rig = rig_with(state, TENON_ON_ERROR_ENOSPC, -EIO);
    struct tnd_blk_request r = write_at(BAD, SECTOR);

    submit(rig, &r);
    ends(rig, &r, TN_BLK_S_IOERR);
    for (unsigned i = 0; i < 2; i++) {
        set_error(space[i]);
        park_one(rig, &r);
        set_error(-EIO);
        assert_int_equal(tenon_device_resume(rig->device), 0);
        ends(rig, &r, TN_BLK_S_IOERR);
        assert_int_equal(rig_stat(rig, "parked_now", 0), 0);
    }
    assert_int_equal(rig_stat(rig, "disk_errors", 0), 3);
    assert_int_equal(rig_event(&rig->parked), 2);
}

/* Of a discard of several ranges, those that were done are not done again. */
static void a_range_goes_on_where_it_failed(void **state)
{
    struct rig *rig = rig_with(state, TENON_ON_ERROR_STOP, -EIO);
    struct tn_blk_range ranges[3] = {
        { .sector = tn_to_le64(8), .sectors = tn_to_le32(8) },
        { .sector = tn_to_le64(BAD), .sectors = tn_to_le32(8) },
        { .sector = tn_to_le64(16), .sectors = tn_to_le32(8) },
    };
    struct tnd_blk_request r = { .type = TN_BLK_T_WRITE_ZEROES,
                                 .out = ranges,
                                 .out_bytes = sizeof(ranges) };

    submit(rig, &r);
    await(rig, "parked_now", 1);
    assert_int_equal(fake_submitted(rig->fake), 2);
    set_error(0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    ends(rig, &r, TN_BLK_S_OK);
    assert_int_equal(fake_submitted(rig->fake), 4);
    assert_int_equal(fake_op(rig->fake, 2).offset, BAD * SECTOR);
    assert_int_equal(fake_op(rig->fake, 3).offset, 16 * SECTOR);
}

/* Neighbours go to the disk as one operation; what it does not take is kept, and nothing else. */
static void of_neighbours_only_the_bad_ones_are_kept(void **state)
{
    struct rig *rig = rig_with(state, TENON_ON_ERROR_STOP, -EIO);
    struct tnd_blk_request r[4];

    for (unsigned i = 0; i < 4; i++) {
        r[i] = write_at(BAD - 2 + i, SECTOR);
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
    tnd_kick(rig->driver, 0);
    ends(rig, &r[0], TN_BLK_S_OK);
    ends(rig, &r[1], TN_BLK_S_OK);
    await(rig, "parked_now", 2);
    assert_int_equal(fake_op(rig->fake, 0).bytes, 4 * SECTOR);
    set_error(0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    ends(rig, &r[2], TN_BLK_S_OK);
    ends(rig, &r[3], TN_BLK_S_OK);
    assert_int_equal(rig_stat(rig, "parked", 0), 2);
}

/* ---- what goes on meanwhile, and what waits ---- */

static void order_holds_behind_a_parked_write(void **state)
{
    struct rig *rig = rig_with(state, TENON_ON_ERROR_STOP, -EIO);
    struct tnd_blk_request first, over = write_at(BAD, SECTOR), beside = write_at(8, SECTOR);
    struct tnd_blk_request flush = { .type = TN_BLK_T_FLUSH };

    park_one(rig, &first);
    submit(rig, &over);
    submit(rig, &flush);
    submit(rig, &beside);
    ends(rig, &beside, TN_BLK_S_OK);
    tnd_settle(rig->driver, 5);
    assert_int_equal(fake_submitted(rig->fake), 2);
    assert_int_equal(rig_stat(rig, "parked_now", 0), 1);
    set_error(0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    ends(rig, &flush, TN_BLK_S_OK);
    assert_true(first.done && over.done && first.order < over.order && over.order < flush.order);
    assert_int_equal(fake_submitted(rig->fake), 5);
}

static void a_ring_full_of_them(void **state)
{
    enum { MANY = 16 };
    struct rig_options options = { .disk = RIG_DISK_FAKE,
                                   .blk = { .on_error = TENON_ON_ERROR_STOP },
                                   .setup = { .queue_size = MANY } };
    struct rig *rig = rig_new(state, &options);
    struct tnd_blk_request r[MANY];

    set_error(-EIO);
    fake_set_fault(rig->fake, fails, NULL);
    for (unsigned i = 0; i < MANY; i++) {
        r[i] = write_at(BAD + i, SECTOR);
        r[i].form = TND_INDIRECT;
        submit(rig, &r[i]);
    }
    await(rig, "parked_now", MANY);
    assert_int_equal(rig_event(&rig->parked), 1); /* told once */
    set_error(0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    for (unsigned i = 0; i < MANY; i++) {
        ends(rig, &r[i], TN_BLK_S_OK);
    }
    rig_check_alive(rig, 0);
}

/* ---- pause, stop, reset ---- */

static void a_pause_does_not_wait_for_them(void **state)
{
    struct rig *rig = rig_with(state, TENON_ON_ERROR_STOP, -EIO);
    struct tnd_blk_request r[2], over = write_at(BAD, SECTOR);
    struct tnd_blk_request flush = { .type = TN_BLK_T_FLUSH };

    park_one(rig, &r[0]);
    submit(rig, &over);
    submit(rig, &flush);
    await(rig, "requests", 3);
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    struct untouched untouched = untouched_from_here(rig);
    set_error(0);
    tnd_notify(rig->driver, 0);
    tnd_settle(rig->driver, 10);
    untouched_till_here(&untouched);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    ends(rig, &flush, TN_BLK_S_OK);
    /* And one that fails while a pause is waiting for it. */
    set_error(-EIO);
    fake_hold(rig->fake, true);
    r[1] = write_at(BAD, SECTOR);
    submit(rig, &r[1]);
    await(rig, "requests", 4);
    assert_int_equal(tenon_device_pause(rig->device, 50), -ETIMEDOUT);
    fake_release_all(rig->fake);
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    assert_int_equal(rig_stat(rig, "parked_now", 0), 1);
    untouched = untouched_from_here(rig);
    tnd_settle(rig->driver, 5);
    untouched_till_here(&untouched);
    set_error(0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    ends(rig, &r[1], TN_BLK_S_OK);
}

/* One that is parked, one that overlaps it and a flush behind both; paused then, or not. */
struct kept {
    struct tnd_blk_request parked, over, flush;
};

static void keep_three(struct rig *rig, struct kept *kept, bool paused)
{
    kept->over = write_at(BAD, SECTOR);
    kept->flush = (struct tnd_blk_request){ .type = TN_BLK_T_FLUSH };
    set_error(-EIO);
    park_one(rig, &kept->parked);
    uint64_t taken = rig_stat(rig, "requests", 0);
    submit(rig, &kept->over);
    submit(rig, &kept->flush);
    rig_await_stat(rig, "requests", 0, taken + 2);
    if (paused) {
        assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    }
}

/* GET_VRING_BASE, or QueueReady = 0: what is in the used ring then is all there will ever be. */
static void stop_one(struct rig *rig, bool paused)
{
    struct kept kept;
    uint16_t base = 0;

    keep_three(rig, &kept, paused);
    assert_int_equal(rig->driver->ops->queue_stop(rig->driver, 0, &base), 0);
    struct untouched untouched = untouched_from_here(rig);
    tnd_settle(rig->driver, 5);
    untouched_till_here(&untouched);
    assert_int_equal(tnd_blk_reap(rig->driver, 0), 3);
    assert_int_equal(kept.parked.status, TN_BLK_S_IOERR);
    assert_int_equal(kept.over.status, TN_BLK_S_IOERR);
    assert_int_equal(kept.flush.status, TN_BLK_S_OK);
    assert_int_equal(rig_stat(rig, "parked_now", 0), 0);
    assert_int_equal(rig_stat(rig, "in_flight_now", 0), 0);
    if (paused) {
        assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
        assert_int_equal(tenon_device_resume(rig->device), 0);
    }
    if (rig->mmio) { /* a ring that was stopped so begins anew */
        tnd_ring_clear(rig->driver->queues[0].ring);
    }
    assert_int_equal(rig->driver->ops->queue_start(rig->driver, 0), 0);
    set_error(0);
    rig_check_alive(rig, 0);
}

static void a_stop_of_the_queue_ends_them(void **state)
{
    stop_one(rig_with(state, TENON_ON_ERROR_STOP, 0), false);
}

static bool is_held(void *fake)
{
    return fake_held(fake) == 1;
}

static void ignore_stopped(void *opaque, unsigned queue, uint16_t next_avail)
{
    (void)queue;
    (void)next_avail;
    __atomic_store_n((bool *)opaque, true, __ATOMIC_SEQ_CST);
}

static bool is_set(void *opaque)
{
    return __atomic_load_n((bool *)opaque, __ATOMIC_SEQ_CST);
}

static void what_fails_while_the_queue_stops_is_answered(void **state)
{
    struct rig *rig = rig_with(state, TENON_ON_ERROR_STOP, -EIO);
    struct tnd_blk_request r = write_at(BAD, SECTOR);
    bool stopped = false;

    fake_hold(rig->fake, true);
    submit(rig, &r);
    assert_true(tnd_until(rig->driver, is_held, rig->fake));
    assert_int_equal(tenon_bus_queue_stop(rig->device, 0, false, ignore_stopped, &stopped), 0);
    tnd_settle(rig->driver, 10);
    assert_false(is_set(&stopped));
    fake_release_all(rig->fake);
    assert_true(tnd_until(rig->driver, is_set, &stopped));
    assert_int_equal(tnd_blk_reap(rig->driver, 0), 1);
    assert_int_equal(r.status, TN_BLK_S_IOERR);
    assert_int_equal(rig_stat(rig, "parked", 0), 0);
}

static void also_while_the_device_is_paused(void **state)
{
    stop_one(rig_with(state, TENON_ON_ERROR_STOP, 0), true);
}

static void a_reset_drops_them(void **state)
{
    struct rig *rig = rig_with(state, TENON_ON_ERROR_STOP, -EIO);

    for (unsigned paused = 0; paused < 2; paused++) {
        struct kept kept;
        keep_three(rig, &kept, paused);
        uint16_t used = tnd_raw_used_idx(rig->driver->queues[0].ring);
        assert_int_equal(tenon_device_reset(rig->device, BOUND_MS), 0);
        assert_int_equal(tnd_raw_used_idx(rig->driver->queues[0].ring), used);
        assert_int_equal(rig_stat(rig, "parked_now", 0), 0);
        assert_int_equal(rig_stat(rig, "in_flight_now", 0), 0);
        tnd_blk_forget(rig->driver, &kept.parked);
        tnd_blk_forget(rig->driver, &kept.over);
        tnd_blk_forget(rig->driver, &kept.flush);
        set_error(0);
        assert_int_equal(tnd_reset(rig->driver), 0);
        assert_int_equal(tenon_device_resume(rig->device), 0);
        assert_int_equal(tnd_start(rig->driver, NULL), 0);
        rig_check_alive(rig, 0);
    }
}

/* ---- what changes under them ---- */

static void what_a_smaller_disk_has_not_is_not_kept(void **state)
{
    struct rig *rig = rig_with(state, TENON_ON_ERROR_STOP, -EIO);
    struct tnd_blk_request r;

    park_one(rig, &r);
    pthread_mutex_lock(&rig->fake->lock);
    rig->fake->info.bytes = BAD * SECTOR;
    pthread_mutex_unlock(&rig->fake->lock);
    assert_int_equal(tenon_blk_resized(rig->device), 0);
    tnd_settle(rig->driver, 5);
    assert_false(r.done);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    ends(rig, &r, TN_BLK_S_IOERR);
    assert_int_equal(rig_stat(rig, "parked_now", 0), 0);
}

#define SPARE_GPA 0x400000000ull

struct spare {
    struct rig *rig;
    bool gone;
};

static void gone(void *opaque)
{
    __atomic_store_n(&((struct spare *)opaque)->gone, true, __ATOMIC_SEQ_CST);
}

static bool is_gone(void *opaque)
{
    return __atomic_load_n(&((struct spare *)opaque)->gone, __ATOMIC_SEQ_CST);
}

static void add_spare(struct spare *spare, int index)
{
    const struct tnd_region *r = &spare->rig->ram->regions[index];
    struct tenon_region region = { .size = sizeof(region),
                                   .gpa = r->gpa,
                                   .bytes = r->bytes,
                                   .host = r->device,
                                   .fd = -1,
                                   .released = gone,
                                   .opaque = spare };
    spare->gone = false;
    assert_int_equal(tenon_mem_add(spare->rig->mem, &region), 0);
}

static void remove_spare(struct spare *spare)
{
    assert_int_equal(tenon_mem_remove(spare->rig->mem, SPARE_GPA, 0x4000), 0);
    assert_true(tnd_until(spare->rig->driver, is_gone, spare));
}

/* Memory that they do not use comes and goes; that of one of them goes, and it ends. */
static void memory_is_not_held_fast(void **state)
{
    static struct spare spare;
    struct rig *rig = rig_with(state, TENON_ON_ERROR_STOP, -EIO);
    struct tnd_blk_request r, over = write_at(BAD, SECTOR);
    struct tnd_used used;
    int token = 0;

    spare = (struct spare){ .rig = rig };
    int index = tnd_ram_add(rig->ram, SPARE_GPA, 0x4000);
    assert_true(index >= 0);
    add_spare(&spare, index);
    park_one(rig, &r);
    submit(rig, &over);
    tnd_settle(rig->driver, 5);
    remove_spare(&spare);
    add_spare(&spare, index);
    assert_int_equal(rig_stat(rig, "parked_now", 0), 1);

    struct tnd_seg segs[3] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_IN, BAD + 8),
                                 .bytes = 16 },
                               { .gpa = SPARE_GPA, .bytes = SECTOR, .write = true },
                               { .gpa = tnd_ram_alloc(rig->ram, 1), .bytes = 1, .write = true } };
    assert_true(tnd_add(rig->driver, 0, segs, 3, TND_DIRECT, &token) >= 0);
    tnd_kick(rig->driver, 0);
    await(rig, "parked_now", 2);
    remove_spare(&spare);
    assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
    assert_ptr_equal(used.token, &token);
    assert_int_equal(used.bytes, 1);
    assert_int_equal(rig_stat(rig, "parked_now", 0), 1);
    set_error(0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    ends(rig, &over, TN_BLK_S_OK);
    assert_true(r.done);
    assert_int_equal(r.status, TN_BLK_S_OK);
}

static const struct rig_case cases[] = {
    RIG_TEST(resume_tries_again),
    RIG_TEST(reads_are_kept_too),
    RIG_TEST(report_reports),
    RIG_TEST(enospc_keeps_what_found_no_space),
    RIG_TEST(a_range_goes_on_where_it_failed),
    RIG_TEST(of_neighbours_only_the_bad_ones_are_kept),
    RIG_TEST(order_holds_behind_a_parked_write),
    RIG_TEST(a_ring_full_of_them),
    RIG_TEST(a_pause_does_not_wait_for_them),
    RIG_TEST(a_stop_of_the_queue_ends_them),
    RIG_TEST(what_fails_while_the_queue_stops_is_answered),
    RIG_TEST(also_while_the_device_is_paused),
    RIG_TEST(a_reset_drops_them),
    RIG_TEST(what_a_smaller_disk_has_not_is_not_kept),
    RIG_TEST_ON(memory_is_not_held_fast, RIG_MMIO),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
