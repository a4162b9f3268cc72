/*
 * test_notify.c: the event rule, against its definition, at every event value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "virtqueue/notify.h"

static bool passed[65536];

/* The definition: the entries written are before, before + 1, ... now - 1. */
static void check_batch(uint16_t before, uint32_t batch)
{
    uint16_t now = (uint16_t)(before + batch);

    memset(passed, 0, sizeof(passed));
    for (uint32_t i = 0; i < batch; i++) {
        passed[(uint16_t)(before + i)] = true;
    }
    for (uint32_t event = 0; event <= UINT16_MAX; event++) {
        if (tn_event_passed((uint16_t)event, now, before) != passed[event]) {
            fail_msg("event %u, from %u to %u", event, before, now);
        }
    }
}

/* SPLIT-34, SPLIT-35: exhaustive in the event, around the wrap and elsewhere. */
static void test_event_rule_exhaustive_around_wrap(void **state)
{
    static const uint32_t batches[] = { 0,   1,     2,     3,     4,     7,     16,   255,
                                        256, 32766, 32767, 32768, 32769, 65534, 65535 };
    (void)state;
    for (int start = -9; start <= 9; start++) {
        for (size_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++) {
            check_batch((uint16_t)start, batches[i]);
            check_batch((uint16_t)(32768 + start), batches[i]);
        }
    }
}

static void test_nothing_written_never_notifies(void **state)
{
    (void)state;
    for (uint32_t i = 0; i <= UINT16_MAX; i++) {
        assert_false(tn_event_passed(77, (uint16_t)i, (uint16_t)i));
        assert_true(tn_event_passed((uint16_t)i, (uint16_t)(i + 1), (uint16_t)i));
        assert_false(tn_event_passed((uint16_t)(i + 1), (uint16_t)(i + 1), (uint16_t)i));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_event_rule_exhaustive_around_wrap),
        cmocka_unit_test(test_nothing_written_never_notifies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
