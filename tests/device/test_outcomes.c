/*
 * test_outcomes.c: what becomes of each request is counted, and why: whoever sees errors in a guest
 * finds their cause in the counters of docs/control.md. All that was taken is somewhere.
 */
#include <errno.h>

#include "harness.h"

enum { SECTORS = 64, DISK_BYTES = SECTORS * 512 };

static uint8_t data[1024];

static struct rig *small_rig(void **state, bool read_only)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE,
                             .disk_bytes = DISK_BYTES,
                             .blk = { .read_only = read_only } };

    return rig_new(state, &o);
}

static void expect(struct rig *rig, const char *name, uint64_t wanted)
{
    uint64_t found = rig_stat(rig, name, 0);

    if (found != wanted) {
        fail_msg("%s: %llu, not %llu", name, (unsigned long long)found, (unsigned long long)wanted);
    }
}

/* Each request has come to one end, or is under way. GET_ID, which has no counter, was not used. */
static void all_are_somewhere(struct rig *rig)
{
    static const char *const ends[] = { "reads",        "writes",       "flushes", "discards",
                                        "write_zeroes", "disk_errors",  "refused", "unsupported",
                                        "dropped",      "in_flight_now" };
    uint64_t sum = 0;

    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        sum += rig_stat(rig, ends[i], 0);
    }
    expect(rig, "requests", sum);
}

static void run(struct rig *rig, struct tnd_blk_request r, int status)
{
    assert_int_equal(tnd_blk_run(rig->driver, 0, &r), status);
}

static int by_sector(void *opaque, const struct fake_op *op)
{
    static const int errors[] = { 0, -ENOSPC, -EIO, -EDQUOT, -ENOMEM, -ETIMEDOUT, -EIO, -EIO };

    (void)opaque;
    return op->op == TENON_IO_FLUSH ? -EIO : errors[op->offset / 512 % 8];
}

static void errors_by_what_the_disk_says(void **state)
{
    struct rig *rig = small_rig(state, false);

    fake_set_fault(rig->fake, by_sector, NULL);
    for (unsigned i = 0; i < 8; i++) {
        run(rig,
            (struct tnd_blk_request){
                .type = TN_BLK_T_OUT, .sector = i, .out = data, .out_bytes = 512 },
            i == 0 ? TN_BLK_S_OK : TN_BLK_S_IOERR);
    }
    assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_IOERR);
    expect(rig, "errors_no_space", 2);
    expect(rig, "errors_io", 4);
    expect(rig, "errors_other", 2);
    expect(rig, "disk_errors", 8);
    expect(rig, "writes", 1);
    expect(rig, "refused", 0);
    all_are_somewhere(rig);
}

/* A write whose second piece lies where no memory is. */
static void send_outside_memory(struct rig *rig)
{
    uint64_t status = tnd_ram_alloc(rig->ram, 1), good = tnd_ram_alloc(rig->ram, 512);
    struct tnd_seg segs[] = {
        { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_OUT, 8), .bytes = 16 },
        { .gpa = good, .bytes = 512 },
        { .gpa = RIG_NOWHERE_GPA, .bytes = 512 },
        { .gpa = status, .bytes = 1, .write = true },
    };
    struct tnd_used used;

    assert_true(tnd_ram_fill(rig->ram, status, TND_BLK_UNTOUCHED, 1));
    assert_true(tnd_add(rig->driver, 0, segs, 4, TND_DIRECT, NULL) >= 0);
    tnd_kick(rig->driver, 0);
    assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
    assert_true(tnd_ram_is(rig->ram, status, TN_BLK_S_IOERR, 1));
}

static void refusals_by_their_cause(void **state)
{
    struct rig *rig = small_rig(state, false);
    const struct tnd_range beyond = { .sector = SECTORS, .sectors = 1 };

    run(rig, (struct tnd_blk_request){ .type = TN_BLK_T_IN, .sector = SECTORS, .in_bytes = 512 },
        TN_BLK_S_IOERR);
    run(rig,
        (struct tnd_blk_request){
            .type = TN_BLK_T_OUT, .sector = SECTORS - 1, .out = data, .out_bytes = 1024 },
        TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_discard(rig->driver, 0, &beyond, 1), TN_BLK_S_IOERR);
    expect(rig, "refused_range", 3);
    run(rig, (struct tnd_blk_request){ .type = TN_BLK_T_IN, .in_bytes = 511 }, TN_BLK_S_IOERR);
    run(rig,
        (struct tnd_blk_request){
            .type = TN_BLK_T_OUT, .out = data, .out_bytes = 512, .in_bytes = 512 },
        TN_BLK_S_IOERR);
    run(rig, (struct tnd_blk_request){ .type = TN_BLK_T_DISCARD, .out = data, .out_bytes = 7 },
        TN_BLK_S_IOERR);
    expect(rig, "refused_malformed", 3);
    send_outside_memory(rig);
    expect(rig, "refused_memory", 1);
    run(rig, (struct tnd_blk_request){ .type = 77 }, TN_BLK_S_UNSUPP);
    expect(rig, "unsupported", 1);
    expect(rig, "refused_read_only", 0);
    expect(rig, "refused", 7);
    expect(rig, "disk_errors", 0);
    all_are_somewhere(rig);
}

static void writes_to_a_read_only_disk(void **state)
{
    struct rig *rig = small_rig(state, true);
    const struct tnd_range range = { .sector = 0, .sectors = 1 };

    run(rig, (struct tnd_blk_request){ .type = TN_BLK_T_OUT, .out = data, .out_bytes = 512 },
        TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_discard(rig->driver, 0, &range, 1), TN_BLK_S_IOERR);
    run(rig, (struct tnd_blk_request){ .type = TN_BLK_T_IN, .in_bytes = 512 }, TN_BLK_S_OK);
    expect(rig, "refused_read_only", 2);
    expect(rig, "refused", 2);
    expect(rig, "reads", 1);
    all_are_somewhere(rig);
}

static void add_writes(struct rig *rig, struct tnd_blk_request *r, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        r[i] = (struct tnd_blk_request){
            .type = TN_BLK_T_OUT, .sector = 2 * i, .out = data, .out_bytes = 512
        };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
    tnd_kick(rig->driver, 0);
}

static void a_full_disk_turns_some_away(void **state)
{
    struct rig *rig = small_rig(state, false);
    struct tnd_blk_request r[3];

    rig->fake->depth = 1;
    fake_hold(rig->fake, true);
    add_writes(rig, r, 3);
    rig_await_stat(rig, "disk_busy", 0, 1);
    expect(rig, "in_flight_now", 3);
    all_are_somewhere(rig);
    fake_release_all(rig->fake);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &r[i]), 0);
    }
    expect(rig, "writes", 3);
    expect(rig, "disk_errors", 0);
    all_are_somewhere(rig);
}

static void what_a_reset_drops(void **state)
{
    struct rig *rig = small_rig(state, false);
    struct tnd_blk_request r[4];

    rig->fake->can_cancel = true;
    fake_hold(rig->fake, true);
    add_writes(rig, r, 4);
    rig_await_stat(rig, "in_flight_now", 0, 4);
    assert_int_equal(tnd_reset(rig->driver), 0);
    for (unsigned i = 0; i < 4; i++) {
        tnd_blk_forget(rig->driver, &r[i]);
    }
    expect(rig, "dropped", 4);
    expect(rig, "errors_other", 0); /* cancelled is not failed */
    expect(rig, "in_flight_now", 0);
    all_are_somewhere(rig);
    fake_hold(rig->fake, false);
}

static const struct rig_case cases[] = {
    RIG_TEST(errors_by_what_the_disk_says), RIG_TEST(refusals_by_their_cause),
    RIG_TEST(writes_to_a_read_only_disk),   RIG_TEST(a_full_disk_turns_some_away),
    RIG_TEST(what_a_reset_drops),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
