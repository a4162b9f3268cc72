/*
 * test_histogram.c: which bucket a value falls into, at every edge.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/histogram.h"

static void buckets_are_powers_of_two(void **state)
{
    (void)state;
    assert_int_equal(tn_histogram_bucket(0), 0);
    assert_int_equal(tn_histogram_bucket(1), 1);
    for (unsigned i = 1; i < TN_HISTOGRAM_BUCKETS - 1; i++) {
        uint64_t least = (uint64_t)1 << (i - 1);
        assert_int_equal(tn_histogram_bucket(least), i);
        assert_int_equal(tn_histogram_bucket(2 * least - 1), i);
    }
    assert_int_equal(tn_histogram_bucket(UINT64_MAX), TN_HISTOGRAM_BUCKETS - 1);
    assert_int_equal(tn_histogram_bucket((uint64_t)1 << 43), TN_HISTOGRAM_BUCKETS - 1);
}

static void adding_counts_one(void **state)
{
    static struct tn_histogram histogram;
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        tn_histogram_add(&histogram, 1000);
    }
    tn_histogram_add(&histogram, UINT64_MAX);
    assert_int_equal(tn_count_read(&histogram.buckets[10]), 5);
    assert_int_equal(tn_count_read(&histogram.buckets[TN_HISTOGRAM_BUCKETS - 1]), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(buckets_are_powers_of_two),
        cmocka_unit_test(adding_counts_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
