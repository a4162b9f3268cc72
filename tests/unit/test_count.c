/*
 * test_count.c: a counter that is read while another thread counts. Meant for the thread sanitizer,
 * too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "base/count.h"

enum { STEPS = 100000 };

static struct tn_count counter;

static void *work(void *opaque)
{
    for (int i = 0; i < STEPS; i++) {
        tn_count_add(&counter, 3);
    }
    return opaque;
}

static void counter_is_read_while_it_counts(void **state)
{
    uint64_t last = 0, now;
    pthread_t thread;

    (void)state;
    assert_true(tn_count_read(&counter) == 0);
    assert_int_equal(pthread_create(&thread, NULL, work, NULL), 0);
    for (int i = 0; i < 1000; i++) {
        now = tn_count_read(&counter);
        assert_true(now >= last && now % 3 == 0);
        last = now;
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(tn_count_read(&counter) == UINT64_C(3) * STEPS);
}

static void counter_goes_beyond_32_bits(void **state)
{
    struct tn_count big = { UINT32_MAX };

    (void)state;
    tn_count_add(&big, UINT32_MAX);
    tn_count_add(&big, UINT32_MAX);
    assert_true(tn_count_read(&big) == UINT64_C(3) * UINT32_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counter_is_read_while_it_counts),
        cmocka_unit_test(counter_goes_beyond_32_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
