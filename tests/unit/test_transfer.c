/*
 * test_transfer.c: all of a transfer out of calls that do less (faults A2 and K1: what was not
 * moved is never called done).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "disk/transfer.h"

/* A disk that follows a script: each entry is the most that the call moves, or a negative errno. */
struct script {
    const int *steps; /* the last one is repeated */
    unsigned count, at;
    unsigned calls;
    int longest; /* the longest list of one call */
    uint8_t *disk;
};

static ssize_t scripted(void *opaque, const struct iovec *iov, int count, uint64_t offset)
{
    struct script *script = opaque;
    int most = script->steps[script->at];
    ssize_t moved = 0;

    script->calls++;
    script->longest = count > script->longest ? count : script->longest;
    if (script->at + 1 < script->count) {
        script->at++;
    }
    if (most < 0) {
        return most;
    }
    for (int i = 0; i < count && moved < most; i++) {
        size_t part = iov[i].iov_len;

        part = part > (size_t)(most - moved) ? (size_t)(most - moved) : part;
        memcpy(script->disk + offset + moved, iov[i].iov_base, part);
        moved += (ssize_t)part;
    }
    return moved;
}

static int run(struct script *script, uint32_t grain, const struct iovec *iov, unsigned count,
               uint64_t bytes)
{
    const struct tn_mover mover = { .move = scripted, .opaque = script, .grain = grain };

    return tn_transfer(&mover, iov, count, 0, bytes);
}

static void test_short_transfers_are_continued(void **state)
{
    uint8_t data[1000], disk[1000] = { 0 };
    struct iovec iov[5] = {
        { data, 1 }, { data + 1, 0 }, { data + 1, 499 }, { data + 500, 300 }, { data + 800, 200 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (uint8_t)(i * 7 + 1);
    }
    for (int most = 1; most <= 1000; most++) {
        struct script script = { .steps = &most, .count = 1, .disk = disk };

        memset(disk, 0, sizeof(disk));
        assert_int_equal(run(&script, 1, iov, 5, 1000), 0);
        assert_memory_equal(disk, data, 1000);
    }
    assert_int_equal(iov[2].iov_len, 499); /* the caller's list is as it was */
    assert_ptr_equal(iov[2].iov_base, data + 1);
}

static void expect(const int *steps, unsigned count, uint32_t grain, int result, unsigned calls)
{
    uint8_t data[1024] = { 0 }, disk[1024];
    struct iovec iov = { data, sizeof(data) };
    struct script script = { .steps = steps, .count = count, .disk = disk };

    assert_int_equal(run(&script, grain, &iov, 1, sizeof(data)), result);
    assert_int_equal(script.calls, calls);
}

static void test_errors_are_reported(void **state)
{
    static const int at_once[] = { -EIO }, later[] = { 512, -ENOSPC }, end[] = { 512, 0 },
                     nothing[] = { 0 };
    (void)state;
    expect(at_once, 1, 1, -EIO, 1);
    expect(later, 2, 1, -ENOSPC, 2);
    expect(end, 2, 1, -EIO, 2); /* the end of the file inside the disk */
    expect(nothing, 1, 1, -EIO, 1);
}

static void test_interruptions_are_bounded(void **state)
{
    static const int always[] = { -EINTR };
    static const int now_and_then[] = { -EINTR, -EINTR, 100, -EINTR, 100, -EINTR, 1024 };

    (void)state;
    expect(always, 1, 1, -EINTR, TN_INTERRUPTIONS_MAX);
    expect(now_and_then, 7, 1, 0, 7);
}

/* Progress resets the count: a slow but moving transfer is not given up. */
static void test_progress_resets_the_bound(void **state)
{
    int steps[4 * TN_INTERRUPTIONS_MAX];
    unsigned n = 0;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < TN_INTERRUPTIONS_MAX - 1; i++) {
            steps[n++] = -EINTR;
        }
        steps[n++] = 10;
    }
    steps[n++] = 1024;
    expect(steps, n, 1, 0, n);
}

static ssize_t too_much(void *opaque, const struct iovec *iov, int count, uint64_t offset)
{
    (void)opaque;
    (void)iov;
    (void)count;
    (void)offset;
    return 4096;
}

static void test_a_count_that_cannot_be_is_an_error(void **state)
{
    const struct tn_mover mover = { .move = too_much, .grain = 1 };
    uint8_t data[512];
    struct iovec iov = { data, sizeof(data) };

    (void)state;
    assert_int_equal(tn_transfer(&mover, &iov, 1, 0, 512), -EIO);
}

static void test_long_lists_are_cut(void **state)
{
    enum { COUNT = 5000 };
    static uint8_t data[COUNT], disk[COUNT];
    static struct iovec iov[COUNT];
    static const int all = INT_MAX, some = 1500;
    struct script whole = { .steps = &all, .count = 1, .disk = disk };
    struct script parts = { .steps = &some, .count = 1, .disk = disk };

    (void)state;
    for (unsigned i = 0; i < COUNT; i++) {
        data[i] = (uint8_t)(i % 251);
        iov[i] = (struct iovec){ data + i, 1 };
    }
    assert_int_equal(run(&whole, 1, iov, COUNT, COUNT), 0);
    assert_memory_equal(disk, data, COUNT);
    assert_true(whole.longest <= IOV_MAX);
    assert_int_equal(whole.calls, (COUNT + IOV_MAX - 1) / IOV_MAX);
    memset(disk, 0, COUNT);
    assert_int_equal(run(&parts, 1, iov, COUNT, COUNT), 0);
    assert_memory_equal(disk, data, COUNT);
}

/*
 * A list that begins with more empty iovecs than one call takes: moving nothing is not the end of
 * the file.
 */
static void test_empty_iovecs_are_no_end(void **state)
{
    enum { COUNT = 3000 };
    static struct iovec iov[COUNT];
    static const int all = INT_MAX;
    uint8_t data[512] = { 3 }, disk[512] = { 0 };
    struct script script = { .steps = &all, .count = 1, .disk = disk };

    (void)state;
    iov[COUNT - 1] = (struct iovec){ data, sizeof(data) };
    assert_int_equal(run(&script, 1, iov, COUNT, sizeof(data)), 0);
    assert_memory_equal(disk, data, sizeof(data));
    iov[COUNT - 1].iov_len = 0;
    assert_int_equal(run(&script, 1, iov, COUNT, 0), 0);
}

/* Direct I/O goes on at a multiple of its block only; less than one block of progress is none. */
static void test_grain(void **state)
{
    static const int odd[] = { 700, 1024 }, less[] = { 100 };

    (void)state;
    expect(odd, 2, 512, 0, 2);
    expect(less, 1, 512, -EIO, 1);
}

static void test_a_wrong_sum_is_refused(void **state)
{
    static const int all = INT_MAX;
    uint8_t data[512] = { 0 }, disk[1024];
    struct iovec iov = { data, sizeof(data) };
    struct script script = { .steps = &all, .count = 1, .disk = disk };

    (void)state;
    assert_int_equal(run(&script, 1, &iov, 1, 1024), -EINVAL);
    assert_int_equal(run(&script, 1, &iov, 1, 256), -EINVAL);
    assert_int_equal(script.calls, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_transfers_are_continued),
        cmocka_unit_test(test_errors_are_reported),
        cmocka_unit_test(test_interruptions_are_bounded),
        cmocka_unit_test(test_progress_resets_the_bound),
        cmocka_unit_test(test_a_count_that_cannot_be_is_an_error),
        cmocka_unit_test(test_long_lists_are_cut),
        cmocka_unit_test(test_empty_iovecs_are_no_end),
        cmocka_unit_test(test_grain),
        cmocka_unit_test(test_a_wrong_sum_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
