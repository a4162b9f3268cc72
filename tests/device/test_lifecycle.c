/*
 * test_lifecycle.c: pause, resume and free: items 52 and 54 of the conformance list.
 *
 *   paused  ==  no guest memory is touched: the device's view of all of it is taken away meanwhile
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "load.h"
#include "untouched.h"

enum { BOUND_MS = 5000, HUNG_MS = 60 };

static void kick_all(struct rig *rig)
{
    for (unsigned i = 0; i < rig->driver->queue_count; i++) {
        tnd_notify(rig->driver, i);
    }
    tnd_settle(rig->driver, 5);
}

/* ---- item 52 ---- */

static void item52_pause_before_start_and_start_while_paused(void **state)
{
    struct rig_options options = { .no_start = true };
    struct rig *rig = rig_new(state, &options);
    uint8_t data[512] = { 0 };
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in = data, .in_bytes = sizeof(data) };

    assert_int_equal(tenon_device_resume(rig->device), 0); /* without a pause */
    assert_int_equal(tenon_device_pause(rig->device, 0), 0);
    assert_int_equal(tenon_device_pause(rig->device, 0), 0); /* twice */
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
    struct untouched check = untouched_from_here(rig);
    kick_all(rig);
    untouched_till_here(&check);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &r), 0);
    assert_int_equal(r.status, TN_BLK_S_OK);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    rig_check_alive(rig, 0);
}

/* A device that was told to go while it was paused is as new, and still paused. */
static void item52_reset_while_paused(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t data[512] = { 0 };
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in = data, .in_bytes = sizeof(data) };

    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
    struct untouched check = untouched_from_here(rig);
    kick_all(rig);
    untouched_till_here(&check);
    /* And once more, with a start that is held back. */
    assert_int_equal(tnd_reset(rig->driver), 0);
    tnd_blk_forget(rig->driver, &r);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

static void item52_pause_under_full_load_is_bounded(void **state)
{
    struct rig_options options = { .blk = { .queues = 2 }, .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);
    struct load *load = load_new(rig, 2, 24, 1);

    for (unsigned i = 0; i < 12; i++) {
        load_run(load, 40 + i);
        load_pump(load);
        uint64_t begin = tnd_now_ms();
        assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
        assert_true(tnd_now_ms() - begin < BOUND_MS);
        struct untouched check = untouched_from_here(rig);
        kick_all(rig);
        untouched_till_here(&check);
        assert_int_equal(tenon_device_resume(rig->device), 0);
        load_run(load, 20);
    }
    load_drain(load);
    load_free(load);
    rig_check_alive(rig, 0);
}

/* The fake disk holds what is submitted; waits until it holds `count` operations. */
struct held {
    struct rig *rig;
    unsigned count;
};

static bool holds(void *opaque)
{
    struct held *held = opaque;
    return fake_held(held->rig->fake) == held->count;
}

static void wait_held(struct rig *rig, unsigned count)
{
    struct held held = { rig, count };
    assert_true(tnd_until(rig->driver, holds, &held));
}

static void note(void *opaque)
{
    __atomic_store_n((bool *)opaque, true, __ATOMIC_SEQ_CST);
}

static bool noted(void *opaque)
{
    return __atomic_load_n((bool *)opaque, __ATOMIC_SEQ_CST);
}

static void item52_pause_over_a_hung_disk_is_never_a_false_yes(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    uint8_t data[4][512];
    struct tnd_blk_request r[4];
    bool told = false;

    fake_hold(rig->fake, true);
    tnd_ring_irq_on(rig->driver->queues[0].ring);
    for (unsigned i = 0; i < 4; i++) {
        r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_IN, .in = data[i], .in_bytes = 512 };
        assert_int_equal(tnd_blk_submit(rig->driver, 0, &r[i]), 0);
    }
    wait_held(rig, 4);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t begin = tnd_now_ms();
        assert_int_equal(tenon_device_pause(rig->device, HUNG_MS), -ETIMEDOUT);
        assert_in_range(tnd_now_ms() - begin, HUNG_MS, BOUND_MS);
    }
    assert_int_equal(tenon_device_pause_begin(rig->device, note, &told), 0);
    assert_true(fake_release(rig->fake, 2));
    tnd_settle(rig->driver, 20);
    assert_false(noted(&told)); /* three are left */
    assert_int_equal(tenon_device_pause(rig->device, HUNG_MS), -ETIMEDOUT);
    fake_release_all(rig->fake);
    assert_true(tnd_until(rig->driver, noted, &told));
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    /* What was in flight is finished, and the interrupt that is owed for it has come (BASIC-30). */
    assert_true(tnd_irq_take(rig->driver, 0));
    struct untouched check = untouched_from_here(rig);
    kick_all(rig);
    untouched_till_here(&check);
    assert_int_equal(tnd_blk_reap(rig->driver, 0), 4);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    rig_check_alive(rig, 0);
}

/* Resumed before it was paused: the device goes on as if nothing had been. */
static void item52_resume_overtakes_a_pause(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    uint8_t data[512];
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in = data, .in_bytes = 512 };
    struct tnd_blk_request later = r;

    fake_hold(rig->fake, true);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
    wait_held(rig, 1);
    assert_int_equal(tenon_device_pause(rig->device, HUNG_MS), -ETIMEDOUT);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &later), 0);
    tnd_settle(rig->driver, 10);
    assert_int_equal(fake_held(rig->fake), 1); /* a pausing queue takes nothing new */
    assert_int_equal(tenon_device_resume(rig->device), 0);
    wait_held(rig, 2);
    fake_release_all(rig->fake);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &later), 0);
    assert_true(r.done);
    rig_check_alive(rig, 0);
}

/* ---- item 54 ---- */

static void *release_later(void *fake)
{
    usleep(100000);
    fake_release_all(fake);
    return NULL;
}

/* Both are freed while the disk holds reads: nobody writes after the return. */
static void item54_free_with_io_in_flight(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    struct tnd_blk_request r[8];
    uint8_t data[512];
    pthread_t thread;

    fake_hold(rig->fake, true);
    for (unsigned i = 0; i < 8; i++) {
        r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_IN, .in = data, .in_bytes = 512 };
        assert_int_equal(tnd_blk_submit(rig->driver, 0, &r[i]), 0);
    }
    wait_held(rig, 8);
    assert_int_equal(pthread_create(&thread, NULL, release_later, rig->fake), 0);
    tenon_mmio_free(rig->window);
    rig->window = NULL;
    tenon_device_free(rig->device);
    rig->device = NULL;
    assert_int_equal(fake_held(rig->fake), 0);
    assert_int_equal(rig->fake->channels, 0);
    struct untouched check = untouched_from_here(rig);
    pthread_join(thread, NULL);
    tnd_settle(rig->driver, 5);
    untouched_till_here(&check);
    for (unsigned i = 0; i < 8; i++) {
        tnd_blk_forget(rig->driver, &r[i]);
    }
}

static const struct rig_case cases[] = {
    RIG_TEST(item52_pause_before_start_and_start_while_paused),
    RIG_TEST(item52_reset_while_paused),
    RIG_TEST(item52_pause_under_full_load_is_bounded),
    RIG_TEST(item52_pause_over_a_hung_disk_is_never_a_false_yes),
    RIG_TEST(item52_resume_overtakes_a_pause),
    RIG_TEST_ON(item54_free_with_io_in_flight, RIG_MMIO),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
