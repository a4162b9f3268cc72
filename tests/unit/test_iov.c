/*
 * test_iov.c: lists of iovecs against a plain run of bytes, at every offset and length, with empty
 * iovecs and holes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/iov.h"

enum { BYTES = 24, PARTS = 6, HOLE = 3 };

static const size_t lengths[PARTS] = { 3, 0, 8, 1, 12, 0 };
static uint8_t memory[PARTS][16];
static struct iovec iov[PARTS];

static int begin(void **state)
{
    uint8_t next = 1;

    (void)state;
    memset(memory, 0, sizeof(memory));
    for (unsigned i = 0; i < PARTS; i++) {
        for (size_t at = 0; at < lengths[i]; at++) {
            memory[i][at] = next++;
        }
        iov[i] = (struct iovec){ memory[i], lengths[i] };
    }
    return 0;
}

/* Byte n of the list holds n + 1. */
static void assert_run(const uint8_t *bytes, uint64_t offset, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        assert_int_equal(bytes[i], offset + i + 1);
    }
}

static void copies_are_exact_at_every_offset_and_length(void **state)
{
    assert_true(tn_iov_bytes(iov, PARTS) == BYTES);
    assert_true(tn_iov_bytes(iov, 0) == 0);
    for (uint64_t offset = 0; offset <= BYTES; offset++) {
        for (uint64_t bytes = 0; bytes + offset <= BYTES; bytes++) {
            uint8_t out[BYTES + 1], in[BYTES], back[BYTES];

            memset(out, 0xee, sizeof(out));
            assert_true(tn_iov_copy_from(out, iov, PARTS, offset, bytes));
            assert_run(out, offset, bytes);
            assert_int_equal(out[bytes], 0xee);

            memset(in, 0x77, sizeof(in));
            assert_true(tn_iov_copy_to(iov, PARTS, offset, in, bytes));
            assert_true(tn_iov_copy_from(back, iov, PARTS, 0, BYTES));
            assert_run(back, 0, offset);
            for (uint64_t i = offset; i < offset + bytes; i++) {
                assert_int_equal(back[i], 0x77);
            }
            for (uint64_t i = offset + bytes; i < BYTES; i++) {
                assert_int_equal(back[i], i + 1);
            }
            begin(state);
        }
    }
}

static void copies_outside_the_list_do_nothing(void **state)
{
    uint8_t out[BYTES + 1] = { 0 };

    (void)state;
    assert_false(tn_iov_copy_from(out, iov, PARTS, 0, BYTES + 1));
    assert_false(tn_iov_copy_from(out, iov, PARTS, BYTES, 1));
    assert_false(tn_iov_copy_from(out, iov, PARTS, UINT64_MAX, 2));
    assert_int_equal(out[0], 0);
    assert_false(tn_iov_copy_to(iov, PARTS, 1, out, BYTES));
    assert_int_equal(memory[0][1], 2);
    assert_true(tn_iov_has_hole(iov, PARTS, BYTES, 1));
    assert_false(tn_iov_has_hole(iov, PARTS, BYTES, 0));
}

static void copies_refuse_holes(void **state)
{
    uint8_t out[BYTES] = { 0 };
    uint64_t at = 3 + 8; /* the one byte of the hole */

    (void)state;
    iov[HOLE].iov_base = NULL;
    assert_false(tn_iov_has_hole(iov, PARTS, 0, at));
    assert_true(tn_iov_has_hole(iov, PARTS, 0, at + 1));
    assert_true(tn_iov_has_hole(iov, PARTS, at, 1));
    assert_false(tn_iov_has_hole(iov, PARTS, at + 1, 12));
    assert_false(tn_iov_copy_from(out, iov, PARTS, at - 1, 3));
    assert_int_equal(out[0], 0);
    assert_false(tn_iov_copy_to(iov, PARTS, 0, out, BYTES));
    assert_int_equal(memory[0][0], 1);
    assert_true(tn_iov_copy_from(out, iov, PARTS, at + 1, 12));
    assert_run(out, at + 1, 12);
}

static void cut_leaves_just_the_range(void **state)
{
    for (uint64_t offset = 0; offset <= BYTES; offset++) {
        for (uint64_t bytes = 0; bytes + offset <= BYTES; bytes++) {
            struct iovec *cut = iov;
            unsigned count = PARTS;
            uint8_t out[BYTES];

            begin(state);
            tn_iov_cut(&cut, &count, offset, bytes);
            assert_true(tn_iov_bytes(cut, count) == bytes);
            assert_true(tn_iov_copy_from(out, cut, count, 0, bytes));
            assert_run(out, offset, bytes);
        }
    }
}

static void cut_keeps_holes(void **state)
{
    struct iovec *cut = iov;
    unsigned count = PARTS;

    (void)state;
    iov[2].iov_base = NULL;
    tn_iov_cut(&cut, &count, 5, 7); /* begins inside the hole */
    assert_true(tn_iov_bytes(cut, count) == 7);
    assert_null(cut[0].iov_base);
    assert_int_equal(cut[0].iov_len, 6);
    assert_ptr_equal(cut[1].iov_base, memory[HOLE]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(copies_are_exact_at_every_offset_and_length, begin),
        cmocka_unit_test_setup(copies_outside_the_list_do_nothing, begin),
        cmocka_unit_test_setup(copies_refuse_holes, begin),
        cmocka_unit_test_setup(cut_leaves_just_the_range, begin),
        cmocka_unit_test_setup(cut_keeps_holes, begin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
