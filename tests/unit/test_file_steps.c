/*
 * test_file_steps.c: which calls an operation on a file becomes, and what their results make of it:
 * all without a kernel that makes them. That the content comes out right is seen in
 * test_uring_file.c.
 */
#include "disk_rig.h"

#include <fcntl.h>

#include "disk/file.h"

enum { BLOCK = 4096 };

/* A file that is never touched. */
struct steps {
    struct tn_file file;
    struct tn_step step;
    struct tenon_io io;
    struct iovec iov;
};

static _Alignas(BLOCK) uint8_t data[4 * BLOCK];

static int set_up(void **state)
{
    struct steps *steps = calloc(1, sizeof(*steps));

    steps->file.fd = -1;
    steps->file.range_align = 1;
    steps->file.start = 2 * BLOCK;
    assert_int_equal(tn_bounce_init(&steps->file.bounce, 512, BLOCK, 1), 0);
    tn_blocklock_init(&steps->file.blocklock);
    *state = steps;
    return 0;
}

static int tear_down(void **state)
{
    struct steps *steps = *state;

    assert_true(tn_list_empty(&steps->file.blocklock.entries)); /* nothing was left locked */
    tn_bounce_destroy(&steps->file.bounce);
    tn_blocklock_destroy(&steps->file.blocklock);
    free(steps);
    return 0;
}

static enum tn_next begin(struct steps *steps, unsigned op, unsigned flags, uint64_t at,
                          uint64_t bytes)
{
    steps->iov = (struct iovec){ data, bytes };
    steps->io = (struct tenon_io){ .op = (uint8_t)op,
                                   .flags = (uint8_t)flags,
                                   .offset = at,
                                   .bytes = bytes,
                                   .iov = &steps->iov,
                                   .iov_count = 1 };
    memset(&steps->step, 0x5a, sizeof(steps->step)); /* scratch is as it was left */
    return tn_file_begin(&steps->file, &steps->io, &steps->step);
}

static void expect_call(struct steps *steps, enum tn_next next, enum tn_call call)
{
    assert_int_equal(next, TN_NEXT_CALL);
    assert_int_equal(steps->step.call, call);
}

static void expect_over(struct steps *steps, enum tn_next next, int result)
{
    assert_int_equal(next, TN_NEXT_OVER);
    assert_int_equal(steps->step.result, result);
    assert_false(steps->step.locked);
}

static enum tn_next next(struct steps *steps, int result)
{
    return tn_file_next(&steps->file, &steps->io, &steps->step, result);
}

static void test_reads_and_writes(void **state)
{
    struct steps *s = *state;

    expect_call(s, begin(s, TENON_IO_READ, 0, 512, 1024), TN_CALL_READ);
    assert_int_equal(s->step.at, 2 * BLOCK + 512);
    assert_int_equal(s->step.bytes, 1024);
    assert_int_equal(s->step.grain, 1);
    expect_over(s, next(s, 0), 0);
    expect_call(s, begin(s, TENON_IO_READ, 0, 0, 512), TN_CALL_READ);
    expect_over(s, next(s, -EIO), -EIO);
    expect_call(s, begin(s, TENON_IO_WRITE, 0, 0, 512), TN_CALL_WRITE);
    expect_over(s, next(s, 0), 0);
    expect_call(s, begin(s, TENON_IO_WRITE, 0, 0, 512), TN_CALL_WRITE);
    expect_over(s, next(s, -ENOSPC), -ENOSPC);
}

/* Through the page cache a stable write is two calls; the second fails for good. */
static void test_stable_writes(void **state)
{
    struct steps *s = *state;

    expect_call(s, begin(s, TENON_IO_WRITE, TENON_IO_FUA, 0, 512), TN_CALL_WRITE);
    expect_call(s, next(s, 0), TN_CALL_SYNC);
    expect_over(s, next(s, 0), 0);
    expect_call(s, begin(s, TENON_IO_WRITE, TENON_IO_FUA, 0, 512), TN_CALL_WRITE);
    expect_over(s, next(s, -EIO), -EIO); /* no sync after what was not written */
    expect_call(s, begin(s, TENON_IO_WRITE, TENON_IO_FUA, 0, 512), TN_CALL_WRITE);
    expect_call(s, next(s, 0), TN_CALL_SYNC);
    expect_over(s, next(s, -EIO), -EIO);
    expect_call(s, begin(s, TENON_IO_WRITE, TENON_IO_FUA, 0, 512), TN_CALL_WRITE);
    expect_over(s, next(s, 0), -EIO);
}

/* Past the page cache it is one, where the file system can. */
static void test_stable_writes_past_the_page_cache(void **state)
{
    struct steps *s = *state;

    s->file.direct = true;
    expect_call(s, begin(s, TENON_IO_WRITE, TENON_IO_FUA, 0, BLOCK), TN_CALL_WRITE_STABLE);
    assert_int_equal(s->step.grain, BLOCK);
    expect_over(s, next(s, 0), 0);
    expect_call(s, begin(s, TENON_IO_WRITE, TENON_IO_FUA, 0, BLOCK), TN_CALL_WRITE_STABLE);
    expect_call(s, next(s, -ENOTSUP), TN_CALL_WRITE);
    expect_call(s, next(s, 0), TN_CALL_SYNC);
    expect_over(s, next(s, 0), 0);
    expect_call(s, begin(s, TENON_IO_WRITE, TENON_IO_FUA, 0, BLOCK), TN_CALL_WRITE);
    expect_over(s, next(s, -ECANCELED), -ECANCELED);
}

static void test_flushes(void **state)
{
    struct steps *s = *state;

    expect_call(s, begin(s, TENON_IO_FLUSH, 0, 0, 0), TN_CALL_SYNC);
    expect_over(s, next(s, 0), 0);
    expect_call(s, begin(s, TENON_IO_FLUSH, 0, 0, 0), TN_CALL_SYNC);
    expect_over(s, next(s, -ECANCELED), -ECANCELED); /* not made: nothing was lost by it */
    expect_call(s, begin(s, TENON_IO_FLUSH, 0, 0, 0), TN_CALL_SYNC);
    expect_over(s, next(s, -EIO), -EIO);
    expect_over(s, begin(s, TENON_IO_FLUSH, 0, 0, 0), -EIO);
    atomic_store(&s->file.flush_failed, 0);
    s->file.read_only = true;
    expect_over(s, begin(s, TENON_IO_FLUSH, 0, 0, 0), 0);
}

static void test_discards(void **state)
{
    struct steps *s = *state;

    expect_call(s, begin(s, TENON_IO_DISCARD, 0, 0, BLOCK), TN_CALL_PUNCH);
    expect_over(s, next(s, 0), 0);
    expect_call(s, begin(s, TENON_IO_DISCARD, TENON_IO_FUA, 0, BLOCK), TN_CALL_PUNCH);
    expect_call(s, next(s, 0), TN_CALL_SYNC);
    expect_over(s, next(s, 0), 0);
    expect_call(s, begin(s, TENON_IO_DISCARD, 0, 0, BLOCK), TN_CALL_PUNCH);
    expect_over(s, next(s, -ENOTSUP), 0); /* it was only advice */
    expect_over(s, begin(s, TENON_IO_DISCARD, 0, 0, BLOCK), 0);
    s->file.no_discard = true;
    expect_over(s, begin(s, TENON_IO_DISCARD, 0, 0, BLOCK), -ENOTSUP);
    s->file.no_discard = false;
    atomic_store(&s->file.cannot_discard, false);
    s->file.block = true;
    assert_int_equal(begin(s, TENON_IO_DISCARD, 0, 0, BLOCK), TN_NEXT_RUN);
}

/* A hole, then zeroes that stay allocated, then whatever `run` does. */
static void test_zeroes(void **state)
{
    struct steps *s = *state;

    expect_call(s, begin(s, TENON_IO_ZEROES, 0, 0, 512), TN_CALL_ZERO);
    expect_over(s, next(s, 0), 0);
    expect_call(s, begin(s, TENON_IO_ZEROES, TENON_IO_UNMAP, 0, 512), TN_CALL_PUNCH);
    expect_call(s, next(s, -ENOTSUP), TN_CALL_ZERO);
    assert_int_equal(next(s, -ENOTSUP), TN_NEXT_RUN);
    assert_int_equal(begin(s, TENON_IO_ZEROES, TENON_IO_UNMAP, 0, 512), TN_NEXT_RUN);
    atomic_store(&s->file.cannot_zero, false);
    expect_call(s, begin(s, TENON_IO_ZEROES, TENON_IO_UNMAP | TENON_IO_FUA, 0, 512), TN_CALL_ZERO);
    expect_call(s, next(s, 0), TN_CALL_SYNC);
    expect_over(s, next(s, 0), 0);
    atomic_store(&s->file.cannot_unmap, false);
    s->file.no_discard = true; /* no holes then */
    expect_call(s, begin(s, TENON_IO_ZEROES, TENON_IO_UNMAP, 0, 512), TN_CALL_ZERO);
    expect_over(s, next(s, -EIO), -EIO);
    expect_over(s, begin(s, TENON_IO_ZEROES, 0, 0, 0), 0);
    s->file.range_align = BLOCK;
    assert_int_equal(begin(s, TENON_IO_ZEROES, 0, 512, BLOCK), TN_NEXT_RUN);
}

/* What does not fit direct I/O is left to the bounce buffers, which block. */
static void test_what_does_not_fit(void **state)
{
    struct steps *s = *state;

    s->file.direct = true;
    assert_int_equal(begin(s, TENON_IO_READ, 0, 512, BLOCK), TN_NEXT_RUN);
    assert_int_equal(begin(s, TENON_IO_WRITE, 0, 0, 512), TN_NEXT_RUN);
    expect_call(s, begin(s, TENON_IO_READ, 0, BLOCK, BLOCK), TN_CALL_READ);
    expect_over(s, next(s, 0), 0);
}

/* A write of whole blocks keeps those apart that change a part of one, and waits for nobody. */
static void test_blocks_are_locked(void **state)
{
    struct steps *s = *state;
    struct tn_blocklock *lock = &s->file.blocklock;
    struct tn_blocklock_entry part, whole;

    s->file.direct = true;
    expect_call(s, begin(s, TENON_IO_WRITE, 0, 0, BLOCK), TN_CALL_WRITE);
    assert_false(tn_blocklock_try(lock, &part, 2 * BLOCK, BLOCK, true));
    assert_true(tn_blocklock_try(lock, &whole, 2 * BLOCK, BLOCK, false));
    tn_blocklock_give(lock, &whole);
    expect_over(s, next(s, 0), 0);
    assert_true(tn_blocklock_try(lock, &part, 2 * BLOCK, BLOCK, true));
    assert_int_equal(begin(s, TENON_IO_WRITE, 0, 0, BLOCK), TN_NEXT_RUN);
    assert_int_equal(begin(s, TENON_IO_DISCARD, 0, 0, BLOCK), TN_NEXT_RUN);
    expect_call(s, begin(s, TENON_IO_WRITE, 0, BLOCK, BLOCK), TN_CALL_WRITE);
    expect_over(s, next(s, -ECANCELED), -ECANCELED);
    tn_blocklock_give(lock, &part);
}

#define STEPS_TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEPS_TEST(test_reads_and_writes),
        STEPS_TEST(test_stable_writes),
        STEPS_TEST(test_stable_writes_past_the_page_cache),
        STEPS_TEST(test_flushes),
        STEPS_TEST(test_discards),
        STEPS_TEST(test_zeroes),
        STEPS_TEST(test_what_does_not_fit),
        STEPS_TEST(test_blocks_are_locked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
