/*
 * test_timer.c: timers, over both bodies of the loop. Nothing here has an upper bound on real time:
 * a busy machine may be late.
 */
#include "loops.h"

#include <stdlib.h>
#include <string.h>

enum { MANY = 500 };

static struct tenon_worker *worker;
static struct tenon_timer *timers[MANY];
static unsigned fired[MANY], count;
static uint64_t fired_at;

static void fire(void *opaque)
{
    fired[count++] = (unsigned)(uintptr_t)opaque;
    fired_at = tenon_now();
}

static void begin(void **state, unsigned made)
{
    worker = new_worker(state);
    count = 0;
    for (unsigned i = 0; i < made; i++) {
        assert_int_equal(tenon_timer_new(worker, fire, (void *)(uintptr_t)i, &timers[i]), 0);
    }
}

static void end(unsigned made)
{
    for (unsigned i = 0; i < made; i++) {
        tenon_timer_free(timers[i]);
    }
    tenon_worker_free(worker);
}

static void fires_once_and_not_too_early(void **state)
{
    uint64_t deadline = tenon_now() + 2500000; /* not whole milliseconds */

    begin(state, 1);
    tenon_timer_set(timers[0], deadline);
    int early = tenon_worker_run(worker, 0);
    assert_true(early == 0 || fired_at >= deadline); /* a busy machine may come back late */
    assert_int_equal(early == 1 ? 1 : tenon_worker_run(worker, -1), 1);
    assert_true(fired_at >= deadline);
    assert_true(tn_worker_turn_time(worker) >= deadline);
    assert_true(tn_worker_turn_time(worker) <= fired_at);
    assert_int_equal(tenon_worker_run(worker, 5), 0);
    assert_int_equal(count, 1);
    end(1);
}

static void the_last_deadline_counts(void **state)
{
    begin(state, 2);
    tenon_timer_set(timers[0], UINT64_MAX);
    tenon_timer_set(timers[0], tenon_now() + 1000000);
    tenon_timer_set(timers[1], 1);
    tenon_timer_set(timers[1], tenon_now() + 3600000000000);
    assert_int_equal(tenon_worker_run(worker, -1), 1);
    assert_int_equal(fired[0], 0);
    tenon_timer_set(timers[1], UINT64_MAX); /* never: the sleep has only its own limit */
    assert_int_equal(tenon_worker_run(worker, 2), 0);
    end(2);
}

static void order_is_that_of_deadlines_then_of_setting(void **state)
{
    uint64_t deadlines[MANY];

    begin(state, MANY);
    srandom(7);
    for (unsigned i = 0; i < MANY; i++) {
        deadlines[i] = 1 + (uint64_t)random() % 50; /* many are equal */
        tenon_timer_set(timers[i], deadlines[i]);
    }
    for (unsigned i = 0; i < MANY; i += 3) {
        tenon_timer_cancel(timers[i]);
        tenon_timer_cancel(timers[i]);
    }
    assert_int_equal(tenon_worker_run(worker, 0), MANY - (MANY + 2) / 3);
    for (unsigned i = 1; i < count; i++) {
        uint64_t before = deadlines[fired[i - 1]], now = deadlines[fired[i]];
        assert_true(before < now || (before == now && fired[i - 1] < fired[i]));
        assert_int_not_equal(fired[i] % 3, 0);
    }
    end(MANY);
}

static void free_from_the_middle_keeps_the_heap(void **state)
{
    begin(state, MANY);
    srandom(8);
    for (unsigned i = 0; i < MANY; i++) {
        tenon_timer_set(timers[i], 1 + (uint64_t)random() % 1000);
    }
    for (unsigned i = 0; i < MANY; i += 2) {
        tenon_timer_free(timers[i]);
        timers[i] = NULL;
    }
    assert_int_equal(tenon_worker_run(worker, 0), MANY / 2);
    assert_int_equal(tenon_worker_run(worker, 0), 0);
    end(MANY);
}

static void set_again(void *opaque)
{
    fire(opaque);
    tenon_timer_set(timers[0], 0);
}

/* A timer that is due again at once waits for the next turn, and others are not kept waiting by
 * it. */
static void set_again_in_its_own_callback(void **state)
{
    begin(state, 2);
    tenon_timer_free(timers[0]);
    assert_int_equal(tenon_timer_new(worker, set_again, NULL, &timers[0]), 0);
    tenon_timer_set(timers[0], 1);
    tenon_timer_set(timers[1], 2);
    assert_int_equal(tenon_worker_run(worker, 0), 2);
    assert_int_equal(fired[1], 1);
    assert_int_equal(tenon_worker_run(worker, -1), 1);
    assert_int_equal(tenon_worker_run(worker, -1), 1);
    assert_int_equal(count, 4);
    end(2);
}

static void cancel_and_free(void *opaque)
{
    fire(opaque);
    tenon_timer_cancel(timers[1]);
    tenon_timer_free(timers[0]);
    tenon_timer_free(timers[2]);
    timers[0] = timers[2] = NULL;
}

static void cancel_and_free_in_a_callback(void **state)
{
    begin(state, 4);
    tenon_timer_free(timers[0]);
    assert_int_equal(tenon_timer_new(worker, cancel_and_free, NULL, &timers[0]), 0);
    for (unsigned i = 0; i < 4; i++) {
        tenon_timer_set(timers[i], 1 + i);
    }
    assert_int_equal(tenon_worker_run(worker, 0), 2);
    assert_int_equal(fired[1], 3);
    assert_int_equal(tenon_worker_run(worker, 0), 0);
    end(4);
}

static void remove_watch(void *opaque)
{
    struct tenon_watch **watch = opaque;

    tenon_watch_remove(*watch);
    *watch = NULL;
}

static void must_not_be_called(void *opaque, int fd, unsigned events)
{
    (void)opaque;
    (void)fd;
    (void)events;
    fail();
}

/* Timers run between the sleep and the watches, so a timer may remove a watch whose event is at
 * hand. */
static void timer_removes_a_ready_watch(void **state)
{
    struct tenon_watch *watch;
    struct tn_notifier bell;

    begin(state, 0);
    assert_int_equal(tn_notifier_open(&bell, tn_worker_loop(worker)), 0);
    assert_int_equal(
        tenon_watch_add(worker, bell.read_fd, TENON_READABLE, must_not_be_called, NULL, &watch), 0);
    assert_int_equal(tenon_timer_new(worker, remove_watch, &watch, &timers[0]), 0);
    tn_notifier_ring(&bell);
    tenon_timer_set(timers[0], 1);
    assert_int_equal(tenon_worker_run(worker, -1), 1);
    assert_null(watch);
    tn_notifier_close(&bell);
    end(1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(fires_once_and_not_too_early),
        OVER_BOTH(the_last_deadline_counts),
        OVER_BOTH(order_is_that_of_deadlines_then_of_setting),
        OVER_BOTH(free_from_the_middle_keeps_the_heap),
        OVER_BOTH(set_again_in_its_own_callback),
        OVER_BOTH(cancel_and_free_in_a_callback),
        OVER_BOTH(timer_removes_a_ready_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
