/*
 * test_num.c: arithmetic at its edges.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"

#define TOP UINT64_MAX

static void sums_and_products_say_whether_they_exist(void **state)
{
    uint64_t out;

    (void)state;
    assert_true(tn_add_u64(TOP - 1, 1, &out));
    assert_true(out == TOP);
    assert_false(tn_add_u64(TOP, 1, &out));
    assert_false(tn_add_u64(1, TOP, &out));
    assert_true(tn_mul_u64(UINT32_MAX, UINT32_MAX, &out));
    assert_true(out == UINT64_C(0xfffffffe00000001));
    assert_false(tn_mul_u64(UINT64_C(1) << 32, UINT64_C(1) << 32, &out));
    assert_true(tn_mul_u64(TOP, 0, &out));
    assert_true(out == 0);
}

static void range_within_never_wraps(void **state)
{
    (void)state;
    assert_true(tn_range_within(0, 10, 10));
    assert_true(tn_range_within(10, 0, 10));
    assert_false(tn_range_within(11, 0, 10));
    assert_false(tn_range_within(1, 10, 10));
    assert_false(tn_range_within(TOP, 2, 10)); /* the sum would be 1 */
    assert_false(tn_range_within(2, TOP, 10));
    assert_true(tn_range_within(TOP, 0, TOP));
    assert_true(tn_range_within(0, TOP, TOP));
    assert_false(tn_range_within(1, TOP, TOP));
}

static void ranges_overlap_when_they_share_a_byte(void **state)
{
    (void)state;
    assert_true(tn_range_overlaps(0, 10, 9, 1));
    assert_false(tn_range_overlaps(0, 10, 10, 1));
    assert_false(tn_range_overlaps(10, 1, 0, 10));
    assert_true(tn_range_overlaps(3, 2, 0, 10));
    assert_true(tn_range_overlaps(0, 10, 3, 2));
    assert_false(tn_range_overlaps(5, 0, 0, 10)); /* nothing shares nothing */
    assert_false(tn_range_overlaps(0, 10, 5, 0));
}

static void powers_and_rounding(void **state)
{
    (void)state;
    assert_false(tn_is_power_of_2(0));
    assert_true(tn_is_power_of_2(1));
    assert_true(tn_is_power_of_2(UINT64_C(1) << 63));
    assert_false(tn_is_power_of_2(3));
    assert_false(tn_is_power_of_2(TOP));
    assert_true(tn_round_down(4095, 4096) == 0);
    assert_true(tn_round_up(1, 4096) == 4096);
    assert_true(tn_round_up(4096, 4096) == 4096);
    assert_true(tn_round_up(0, 4096) == 0);
    assert_true(tn_round_down(TOP, 4096) == TOP - 4095);
    assert_true(tn_is_aligned(8192, 4096));
    assert_false(tn_is_aligned(8193, 4096));
    assert_true(tn_min_u64(1, TOP) == 1 && tn_max_u64(1, TOP) == TOP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_and_products_say_whether_they_exist),
        cmocka_unit_test(range_within_never_wraps),
        cmocka_unit_test(ranges_overlap_when_they_share_a_byte),
        cmocka_unit_test(powers_and_rounding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
