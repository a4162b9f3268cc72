/*
 * test_life.c: the states of a queue, each arrow of the table in life.c, and who is told when.
 */
#include "device_rig.h"

struct told {
    unsigned count;
    uint16_t next_avail;
};

static void on_stopped(void *opaque, unsigned queue, uint16_t next_avail)
{
    struct told *told = opaque;
    (void)queue;
    told->count++;
    told->next_avail = next_avail;
}

static void on_done(void *opaque)
{
    ((struct told *)opaque)->count++;
}

static struct rig *running(void)
{
    struct rig *rig = rig_new();
    rig_negotiate(rig);
    assert_int_equal(rig_begin(rig, 0, 0), 0);
    rig_run(rig);
    assert_int_equal(rig->starts, 1);
    assert_int_equal(rig->started, 1);
    return rig;
}

static uint16_t used_idx(struct rig *rig)
{
    return tn_from_le16(rig_used(rig, 0)->idx);
}

static void stop_waits_for_what_is_in_flight(void **state)
{
    struct rig *rig = running();
    struct told told = { 0 }, again = { 0 };
    (void)state;

    rig_offer(rig, 0, 0);
    rig_offer(rig, 0, 1);
    rig_run(rig);
    assert_int_equal(rig->held_count, 2);
    assert_int_equal(tenon_bus_queue_stop(rig->device, 0, false, on_stopped, &told), 0);
    assert_int_equal(tenon_bus_queue_stop(rig->device, 0, false, on_stopped, &again), 0);
    rig_offer(rig, 0, 2); /* it takes nothing new */
    rig_run(rig);
    assert_int_equal(rig->held_count, 2);
    rig_finish(rig);
    assert_int_equal(told.count, 0);
    assert_int_equal(rig_begin(rig, 0, 2), -EBUSY);
    rig_finish(rig);
    assert_int_equal(told.count, 1);
    assert_int_equal(again.count, 1);
    assert_int_equal(told.next_avail, 2);
    assert_int_equal(used_idx(rig), 2);
    assert_true(rig->irqs[0] > 0); /* before it is told */
    assert_int_equal(rig->stopped, 1);
    assert_int_equal(rig->drops, 0);
    assert_int_equal(rig_begin(rig, 0, 2), 0); /* and goes on where it was, without a kick */
    rig_run(rig);
    assert_int_equal(rig->held_count, 1);
    rig_end(rig);
}

static void stop_of_a_queue_that_does_not_run(void **state)
{
    struct rig *rig = rig_new();
    struct told told = { 0 };
    (void)state;

    assert_int_equal(tenon_bus_queue_stop(rig->device, 1, false, on_stopped, &told), 0);
    assert_int_equal(told.count, 1); /* at once: it never had a worker */
    rig_negotiate(rig);
    assert_int_equal(rig_begin(rig, 1, 7), 0);
    assert_int_equal(tenon_bus_queue_stop(rig->device, 1, false, on_stopped, &told), 0);
    rig_run(rig);
    assert_int_equal(told.count, 2);
    assert_int_equal(told.next_avail, 7);
    assert_int_equal(tenon_bus_queue_stop(rig->device, 1, true, on_stopped, &told), 0);
    rig_run(rig);
    assert_int_equal(told.count, 3);
    rig_end(rig);
}

static void a_dropped_queue_uses_nothing_and_interrupts_nobody(void **state)
{
    struct rig *rig = running();
    struct told told = { 0 };
    (void)state;

    rig_offer(rig, 0, 0);
    rig_run(rig);
    assert_int_equal(tenon_bus_queue_stop(rig->device, 0, false, on_stopped, &told), 0);
    assert_int_equal(tenon_bus_queue_stop(rig->device, 0, true, on_stopped, &told), 0);
    rig_run(rig);
    assert_int_equal(rig->drops, 1);
    rig_finish(rig);
    assert_int_equal(told.count, 2);
    assert_int_equal(used_idx(rig), 0);
    assert_int_equal(rig->irqs[0], 0);
    rig_end(rig);
}

static void pause_holds_and_resume_goes_on(void **state)
{
    struct rig *rig = running();
    struct told told = { 0 };
    (void)state;

    rig_offer(rig, 0, 0);
    rig_run(rig);
    assert_int_equal(tenon_device_pause_begin(rig->device, on_done, &told), 0);
    rig_run(rig);
    assert_int_equal(told.count, 0);
    assert_int_equal(tenon_device_pause(rig->device, 5), -ETIMEDOUT);
    rig_finish(rig);
    assert_int_equal(told.count, 1);
    assert_int_equal(used_idx(rig), 1);
    assert_int_equal(rig->irqs[0], 1);
    assert_int_equal(tenon_device_pause(rig->device, 0), 0);
    rig_offer(rig, 0, 1);
    rig_run(rig);
    assert_int_equal(rig->held_count, 0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    rig_run(rig);
    assert_int_equal(rig->held_count, 1); /* without another kick */
    /* PAUSING and back */
    assert_int_equal(tenon_device_pause(rig->device, 5), -ETIMEDOUT);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    rig_offer(rig, 0, 2);
    rig_run(rig);
    assert_int_equal(rig->held_count, 2);
    assert_int_equal(told.count, 1);
    rig_end(rig);
}

static void a_held_queue_stops(void **state)
{
    struct rig *rig = running();
    struct told told = { 0 };
    (void)state;

    assert_int_equal(tenon_device_pause(rig->device, 1000), 0);
    assert_int_equal(tenon_bus_queue_stop(rig->device, 0, false, on_stopped, &told), 0);
    rig_run(rig);
    assert_int_equal(told.count, 1);
    assert_int_equal(tenon_device_pause(rig->device, 0), 0); /* still */
    /* A start is kept until resume, or ends with a stop. */
    assert_int_equal(rig_begin(rig, 0, 0), 0);
    rig_run(rig);
    assert_int_equal(rig->starts, 1);
    assert_int_equal(rig_begin(rig, 0, 0), -EBUSY);
    assert_int_equal(tenon_bus_queue_stop(rig->device, 0, false, on_stopped, &told), 0);
    rig_run(rig);
    assert_int_equal(told.count, 2);
    assert_int_equal(rig_begin(rig, 0, 0), 0);
    rig_run(rig);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    rig_run(rig);
    assert_int_equal(rig->starts, 2);
    rig_end(rig);
}

static void quiet_forgets_features_and_starts(void **state)
{
    struct rig *rig = running();
    struct told told[3] = { 0 };
    (void)state;

    rig_offer(rig, 0, 0);
    rig_run(rig);
    assert_int_equal(rig_begin(rig, 1, 0), 0); /* on its way: not after the reset */
    for (unsigned i = 0; i < 3; i++) {
        tenon_bus_quiet(rig->device, on_done, &told[i]);
    }
    assert_int_equal(rig_begin(rig, 1, 0), -EBUSY);
    rig_run(rig);
    assert_int_equal(rig->starts, 1);
    assert_int_equal(rig->drops, 1);
    assert_false(tenon_bus_is_quiet(rig->device));
    assert_int_equal(told[0].count, 0);
    rig_finish(rig);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(told[i].count, 1);
    }
    assert_true(tenon_bus_is_quiet(rig->device));
    assert_int_equal(used_idx(rig), 0);
    assert_false(tn_device_has(rig->device, TN_F_VERSION_1));
    assert_int_equal(rig_begin(rig, 0, 0), -EINVAL); /* nobody has agreed on anything */
    tenon_bus_quiet(rig->device, on_done, &told[0]);
    rig_run(rig);
    assert_int_equal(told[0].count, 2);
    rig_end(rig);
}

/* The driver starts again within the very callback: whoever waited for the reset is told all the
 * same. */
static void start_again(void *opaque)
{
    struct rig *rig = opaque;
    rig_negotiate(rig);
    assert_int_equal(rig_begin(rig, 0, 0), 0);
}

static void a_reset_is_over_even_if_the_device_runs_again(void **state)
{
    struct rig *rig = running();
    (void)state;

    tenon_bus_quiet(rig->device, start_again, rig);
    assert_int_equal(tenon_device_reset(rig->device, 300), 0);
    rig_run(rig);
    assert_int_equal(rig->starts, 2);
    rig_offer(rig, 0, 0);
    rig_run(rig);
    assert_int_equal(tenon_device_reset(rig->device, 20), -ETIMEDOUT); /* and this one is not */
    rig_end(rig);
}

static void what_the_type_left_open_is_waited_for(void **state)
{
    struct rig *rig = running();
    struct told told = { 0 };
    (void)state;

    rig->close_later = true;
    assert_int_equal(tenon_bus_queue_stop(rig->device, 0, false, on_stopped, &told), 0);
    rig_run(rig);
    assert_int_equal(rig->stops, 1);
    assert_int_equal(told.count, 0);
    tenon_bus_quiet(rig->device, on_done, &told); /* meanwhile: one stop, not two */
    rig_run(rig);
    assert_int_equal(rig->stops, 1);
    assert_int_equal(rig_begin(rig, 0, 0), -EBUSY);
    tn_queue_closed(rig->closing);
    rig_run(rig);
    assert_int_equal(told.count, 2);
    rig_end(rig);
}

static void a_broken_queue_lives_through_the_same_states(void **state)
{
    struct rig *rig = running();
    struct told told = { 0 };
    (void)state;

    rig_offer(rig, 0, 0);
    rig_offer(rig, 0, ENTRIES); /* no such descriptor */
    rig_run(rig);
    assert_int_equal(rig->broken[0], 1);
    assert_int_equal(rig->held_count, 1);
    rig_offer(rig, 0, 1);
    rig_run(rig);
    assert_int_equal(rig->held_count, 1);
    assert_int_equal(tenon_device_pause(rig->device, 5), -ETIMEDOUT);
    rig_finish(rig);
    assert_int_equal(tenon_device_pause(rig->device, 1000), 0);
    assert_int_equal(used_idx(rig), 0); /* nobody knows what the ring still holds */
    assert_int_equal(tenon_device_resume(rig->device), 0);
    assert_int_equal(tenon_bus_queue_stop(rig->device, 0, false, on_stopped, &told), 0);
    rig_run(rig);
    assert_int_equal(told.count, 1);
    assert_int_equal(rig->broken[0], 1);
    rig_end(rig);
}

static void resume_forgets_who_waited_for_a_pause(void **state)
{
    struct rig *rig = running();
    struct told told = { 0 };
    (void)state;

    rig_offer(rig, 0, 0);
    rig_run(rig);
    assert_int_equal(tenon_device_pause_begin(rig->device, on_done, &told), 0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    rig_run(rig);
    rig_finish(rig);
    assert_int_equal(told.count, 0);
    rig_end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_waits_for_what_is_in_flight),
        cmocka_unit_test(stop_of_a_queue_that_does_not_run),
        cmocka_unit_test(a_dropped_queue_uses_nothing_and_interrupts_nobody),
        cmocka_unit_test(pause_holds_and_resume_goes_on),
        cmocka_unit_test(a_held_queue_stops),
        cmocka_unit_test(quiet_forgets_features_and_starts),
        cmocka_unit_test(a_reset_is_over_even_if_the_device_runs_again),
        cmocka_unit_test(what_the_type_left_open_is_waited_for),
        cmocka_unit_test(a_broken_queue_lives_through_the_same_states),
        cmocka_unit_test(resume_forgets_who_waited_for_a_pause),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
