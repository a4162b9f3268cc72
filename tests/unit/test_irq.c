/*
 * test_irq.c: src/device/irq.c: when interrupts are held and when they are told, as a function of
 * the clock. Whole queues: tests/device/test_net_irq.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device/irq.h"

enum { US = 1000, START = 1000000 };

/* Frames one by one, `gap` apart: how often it tells. */
static unsigned told(struct tn_coalesce *coalesce, uint64_t *now, unsigned frames, uint64_t gap)
{
    unsigned count = 0;
    uint64_t when = 0;

    for (unsigned i = 0; i < frames; i++) {
        while (coalesce->held != 0 && when != 0 && when <= *now) {
            count += tn_coalesce(coalesce, when, 0, &when);
        }
        count += tn_coalesce(coalesce, *now, 1, &when);
        *now += gap;
    }
    return count;
}

static void nothing_set_tells_each_time(void **state)
{
    uint64_t now = START;

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct tn_coalesce c = { .frames = i == 1 ? 8 : 0, .ns = i == 2 ? 50 * US : 0 };
        assert_int_equal(told(&c, &now, 100, 10), 100); /* NET-79: either is 0 */
    }
}

/* NET-76, NET-79: after so many, or so long after the first of them. */
static void count_and_time(void **state)
{
    struct tn_coalesce c = { .frames = 10, .ns = 50 * US };
    uint64_t now = START, when = 0;

    (void)state;
    assert_int_equal(told(&c, &now, 100, 10), 10);
    assert_false(tn_coalesce(&c, now, 1, &when));
    assert_int_equal(when, now + 50 * US);
    assert_false(tn_coalesce(&c, now + 49 * US, 1, &when));
    assert_int_equal(when, now + 50 * US); /* the first one counts */
    assert_true(tn_coalesce(&c, when, 0, &when));
    assert_int_equal(c.held, 0);
}

static void alone_is_told_at_once(void **state)
{
    struct tn_coalesce c = { .frames = 64, .ns = 50 * US, .adaptive = true, .ceiling = 256 };
    uint64_t now = START;

    (void)state;
    assert_int_equal(told(&c, &now, 100, 50 * US), 100);
    assert_int_equal(c.held, 0);
}

/* A hundred thousand frames, one each 200 ns: a flood is told of ever more seldom. */
static void a_flood_costs_few(void **state)
{
    struct tn_coalesce c = { .frames = 64, .ns = 50 * US, .adaptive = true, .ceiling = 256 };
    uint64_t now = START;
    unsigned count = told(&c, &now, 100000, 200);

    (void)state;
    assert_in_range(count, 100000 / 256, 100000 / 100); /* under 10 of 1000 */
    now += 1000 * US;
    assert_int_equal(told(&c, &now, 1, 1), 1);
}

/* Nothing waits longer than the time, or twice that in a flood. */
static void never_longer_than_the_time(void **state)
{
    (void)state;
    for (uint64_t gap = 100; gap < 100 * US; gap = gap * 3 / 2) {
        struct tn_coalesce c = { .frames = 64, .ns = 50 * US, .adaptive = true, .ceiling = 256 };
        uint64_t when = 0;
        for (uint64_t now = START; now < START + 300 * gap; now += gap) {
            if (c.held != 0 && when <= now) {
                assert_true(tn_coalesce(&c, when, 0, &when));
            }
            uint64_t since = c.held != 0 ? c.since : now;
            if (!tn_coalesce(&c, now, 1, &when)) {
                assert_true(when > now);
                assert_true(when <= since + 100 * US);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_set_tells_each_time), cmocka_unit_test(count_and_time),
        cmocka_unit_test(alone_is_told_at_once),       cmocka_unit_test(a_flood_costs_few),
        cmocka_unit_test(never_longer_than_the_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
