/*
 * test_reset.c: reset, of the device and of one queue, while the disk holds operations: item 34 of
 * the conformance list, and "Reset over a slow disk" of the plan of the building.
 *
 *   Status = 0 ──> at most 500 ms ──> Status reads non-zero, DRIVER_OK is refused, memory pinned
 *                  the disk lets go ──> Status reads 0 ──> as new; nothing is written any more
 */
#include <errno.h>

#include "load.h"

enum { READS = 8, BOUND_MS = 5000, HUNG_MS = 60, EARLIER = 0x77 };

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

/* Reads of one sector each, none beside another, held by the disk. */
struct reads {
    struct rig *rig;
    unsigned queue, count;
    struct tnd_blk_request r[64];
};

static void send_reads(struct reads *reads, struct rig *rig, unsigned queue, unsigned count)
{
    *reads = (struct reads){ .rig = rig, .queue = queue, .count = count };
    for (unsigned i = 0; i < count; i++) {
        reads->r[i] =
            (struct tnd_blk_request){ .type = TN_BLK_T_IN, .sector = 2 * i, .in_bytes = 512 };
        assert_int_equal(tnd_blk_submit(rig->driver, queue, &reads->r[i]), 0);
    }
}

static void forget_reads(struct reads *reads)
{
    for (unsigned i = 0; i < reads->count; i++) {
        tnd_blk_forget(reads->rig->driver, &reads->r[i]);
    }
}

/* Whether no request of them has a status byte: they ended without the guest hearing of it. */
static void none_was_answered(struct reads *reads)
{
    for (unsigned i = 0; i < reads->count; i++) {
        uint8_t status = 0;
        tnd_ram_get(reads->rig->ram, reads->r[i].in_gpa + 512, &status, 1);
        assert_int_equal(status, TND_BLK_UNTOUCHED);
    }
}

static uint32_t status_of(struct rig *rig)
{
    return tnd_mmio_get(rig->driver, TN_MMIO_STATUS);
}

static bool is_reset(void *opaque)
{
    return status_of(opaque) == 0;
}

static void write_status_0(struct rig *rig)
{
    uint64_t begin = tnd_now_ms();

    tnd_mmio_set(rig->driver, TN_MMIO_STATUS, 0);
    assert_true(tnd_now_ms() - begin < BOUND_MS);
}

/* ---- item 34 ---- */

static void item34_a_blocked_disk_blocks_no_vcpu_and_no_other_queue(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE,
                                   .blk = { .queues = 2 },
                                   .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);
    uint8_t data[512] = { 1 };
    struct tnd_blk_request write = { .type = TN_BLK_T_OUT, .out = data, .out_bytes = 512 };
    struct reads reads;

    fake_hold(rig->fake, true);
    uint64_t begin = tnd_now_ms();
    send_reads(&reads, rig, 0, READS);
    assert_true(tnd_now_ms() - begin < BOUND_MS);
    wait_held(rig, READS);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(tnd_blk_submit(rig->driver, 1, &write), 0);
        wait_held(rig, READS + 1);
        assert_true(fake_release(rig->fake, READS + i));
        assert_int_equal(tnd_blk_wait(rig->driver, 1, &write), 0);
        assert_int_equal(write.status, TN_BLK_S_OK);
    }
    assert_int_equal(tnd_blk_reap(rig->driver, 0), 0);
    fake_release_all(rig->fake);
    for (unsigned i = 0; i < READS; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &reads.r[i]), 0);
    }
}

static void item34_reset_while_the_disk_hangs(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    const uint32_t live = status_of(rig);
    struct reads reads;
    uint64_t where = 0;

    fake_hold(rig->fake, true);
    memset(rig->image, EARLIER, 2 * READS * 512);
    send_reads(&reads, rig, 0, READS);
    wait_held(rig, READS);
    uint16_t used = tnd_raw_used_idx(rig->driver->queues[0].ring);
    write_status_0(rig);
    assert_int_not_equal(status_of(rig), 0);
    /* Nothing but another 0 is taken, and nobody who only looks has to wait. */
    tnd_mmio_set(rig->driver, TN_MMIO_STATUS, TN_STATUS_ACKNOWLEDGE);
    tnd_mmio_set(rig->driver, TN_MMIO_STATUS, live);
    tnd_mmio_set(rig->driver, TN_MMIO_QUEUE_READY, 1);
    tnd_notify(rig->driver, 0);
    write_status_0(rig);
    assert_int_not_equal(status_of(rig), 0);
    uint64_t begin = tnd_now_ms();
    assert_int_equal(rig_stat(rig, "requests", 0), READS); /* read while the reset hangs */
    assert_int_equal(tnd_blk_capacity(rig->driver), rig->image_bytes / 512);
    assert_int_equal(tenon_device_pause(rig->device, HUNG_MS), -ETIMEDOUT);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    assert_true(tnd_now_ms() - begin < BOUND_MS);
    assert_int_equal(fake_held(rig->fake), READS); /* and nothing new was begun */

    fake_release_all(rig->fake);
    assert_true(tnd_until(rig->driver, is_reset, rig));
    none_was_answered(&reads);
    assert_int_equal(tnd_raw_used_idx(rig->driver->queues[0].ring), used);
    assert_int_equal(tnd_mmio_get(rig->driver, TN_MMIO_INTERRUPT_STATUS), 0);
    assert_int_equal(tnd_mmio_level(rig->driver), 0);
    /* The guest has its memory back: it stays as the guest leaves it. */
    struct tnd_snapshot *after = tnd_ram_snapshot(rig->ram);
    tnd_settle(rig->driver, 10);
    assert_true(tnd_snapshot_holds(after, &where));
    tnd_snapshot_free(after);
    forget_reads(&reads);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

static void set_limits(struct fake_disk *fake, unsigned depth, bool can_cancel)
{
    pthread_mutex_lock(&fake->lock);
    fake->depth = depth;
    fake->can_cancel = can_cancel;
    pthread_mutex_unlock(&fake->lock);
}

/* Operations that the disk lets go of hold up nobody, those before a full disk neither. */
static void item34_what_can_be_cancelled_is(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    struct reads reads;

    fake_hold(rig->fake, true);
    set_limits(rig->fake, 4, true);
    send_reads(&reads, rig, 0, 32);
    wait_held(rig, 4);
    write_status_0(rig);
    assert_int_equal(status_of(rig), 0);
    assert_int_equal(rig->fake->cancelled, 4); /* and no other was begun for that */
    assert_int_equal(fake_submitted(rig->fake), 4);
    none_was_answered(&reads);
    forget_reads(&reads);
    set_limits(rig->fake, 0, false);
    fake_hold(rig->fake, false);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* Overlapping writes and a flush wait behind the first write: a reset ends them too, unseen. */
static void item34_what_waits_in_order_ends_without_reaching_the_disk(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    uint8_t data[512] = { 0x55 };
    struct tnd_blk_request r[6];

    fake_hold(rig->fake, true);
    for (unsigned i = 0; i < 6; i++) {
        r[i] = (struct tnd_blk_request){ .type = i == 4 ? TN_BLK_T_FLUSH : TN_BLK_T_OUT,
                                         .out = data,
                                         .out_bytes = i == 4 ? 0 : 512 };
        assert_int_equal(tnd_blk_submit(rig->driver, 0, &r[i]), 0);
    }
    wait_held(rig, 1);
    write_status_0(rig);
    assert_int_not_equal(status_of(rig), 0);
    fake_release_all(rig->fake);
    assert_true(tnd_until(rig->driver, is_reset, rig));
    assert_int_equal(fake_submitted(rig->fake), 1);
    for (unsigned i = 0; i < 6; i++) {
        tnd_blk_forget(rig->driver, &r[i]);
    }
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* The first operation of a turn: the reset is heard of before the second one. */
static int reset_meanwhile(void *device, const struct fake_op *op)
{
    (void)op;
    if (tenon_bus_is_quiet(device)) {
        return 0;
    }
    tenon_bus_quiet(device, NULL, NULL);
    return 0;
}

static bool is_quiet(void *device)
{
    return tenon_bus_is_quiet(device);
}

static void item34_a_reset_in_the_middle_of_a_turn(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    struct tnd_blk_request r[16];

    pthread_mutex_lock(&rig->fake->lock);
    rig->fake->fault = reset_meanwhile;
    rig->fake->fault_opaque = rig->device;
    pthread_mutex_unlock(&rig->fake->lock);
    for (unsigned i = 0; i < 16; i++) {
        r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_IN, .sector = 2 * i, .in_bytes = 512 };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
    tnd_kick(rig->driver, 0);
    assert_true(tnd_until(rig->driver, is_quiet, rig->device));
    assert_int_equal(fake_submitted(rig->fake), 1); /* the rest ended without the disk */
    for (unsigned i = 0; i < 16; i++) {
        tnd_blk_forget(rig->driver, &r[i]);
    }
    pthread_mutex_lock(&rig->fake->lock);
    rig->fake->fault = NULL;
    pthread_mutex_unlock(&rig->fake->lock);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* ---- one queue (BASIC-42, MMIO-34, MMIO-36) ---- */

static void write_queue_reset(struct rig *rig, unsigned queue)
{
    uint64_t begin = tnd_now_ms();

    tnd_mmio_set(rig->driver, TN_MMIO_QUEUE_SEL, queue);
    tnd_mmio_set(rig->driver, TN_MMIO_QUEUE_RESET, 1);
    assert_true(tnd_now_ms() - begin < BOUND_MS);
}

static bool queue_is_reset(void *opaque)
{
    return tnd_mmio_get(opaque, TN_MMIO_QUEUE_RESET) == 0;
}

static void queue_reset_with_io_in_flight(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE,
                                   .blk = { .queues = 2 },
                                   .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);
    struct tnd_ring *ring = rig->driver->queues[0].ring;
    uint8_t data[512] = { 2 };
    struct tnd_blk_request write = { .type = TN_BLK_T_OUT, .out = data, .out_bytes = 512 };
    struct reads reads;
    uint16_t base = 0;

    fake_hold(rig->fake, true);
    send_reads(&reads, rig, 0, READS);
    wait_held(rig, READS);
    write_queue_reset(rig, 0);
    assert_int_equal(tnd_mmio_get(rig->driver, TN_MMIO_QUEUE_RESET), 1);
    assert_int_equal(tnd_mmio_get(rig->driver, TN_MMIO_QUEUE_READY), 1);
    /* The other queue does not notice. */
    assert_int_equal(tnd_blk_submit(rig->driver, 1, &write), 0);
    wait_held(rig, READS + 1);
    assert_true(fake_release(rig->fake, READS));
    assert_int_equal(tnd_blk_wait(rig->driver, 1, &write), 0);
    tnd_mmio_set(rig->driver, TN_MMIO_QUEUE_SEL, 0);
    assert_int_equal(tnd_mmio_get(rig->driver, TN_MMIO_QUEUE_RESET), 1);
    fake_release_all(rig->fake);
    assert_true(tnd_until(rig->driver, queue_is_reset, rig->driver));
    assert_int_equal(tnd_mmio_get(rig->driver, TN_MMIO_QUEUE_READY), 0);
    assert_int_equal(tnd_raw_used_idx(ring), 0);
    none_was_answered(&reads);
    forget_reads(&reads);
    tnd_ring_clear(ring);
    assert_int_equal(rig->driver->ops->queue_stop(rig->driver, 0, &base), 0);
    assert_int_equal(rig->driver->ops->queue_start(rig->driver, 0), 0);
    rig_check_alive(rig, 0);
    rig_check_alive(rig, 1);
}

/* A queue that is being reset, and then the whole device. */
static void device_reset_overtakes_a_queue_reset(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    struct reads reads;

    fake_hold(rig->fake, true);
    send_reads(&reads, rig, 0, READS);
    wait_held(rig, READS);
    write_queue_reset(rig, 0);
    write_status_0(rig);
    assert_int_not_equal(status_of(rig), 0);
    fake_release_all(rig->fake);
    assert_true(tnd_until(rig->driver, is_reset, rig));
    forget_reads(&reads);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* ---- the host resets ---- */

static void host_reset_over_a_hung_disk_is_told_to_the_driver(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    struct reads reads;

    fake_hold(rig->fake, true);
    send_reads(&reads, rig, 0, READS);
    wait_held(rig, READS);
    uint64_t begin = tnd_now_ms();
    assert_int_equal(tenon_device_reset(rig->device, HUNG_MS), -ETIMEDOUT);
    assert_in_range(tnd_now_ms() - begin, HUNG_MS, BOUND_MS);
    assert_int_equal(tenon_device_reset(rig->device, HUNG_MS), -ETIMEDOUT);
    assert_true(tnd_broken(rig->driver, 0));
    fake_release_all(rig->fake);
    assert_int_equal(tenon_device_reset(rig->device, BOUND_MS), 0);
    none_was_answered(&reads);
    forget_reads(&reads);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    assert_int_equal(rig_stat(rig, "requests", 0), READS); /* counters survive */
    rig_check_alive(rig, 0);
}

/* The guest resets again and again in the middle of its work. */
static void reset_in_full_flight(void **state)
{
    struct rig_options options = { .blk = { .queues = 2 }, .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);
    struct load *load = load_new(rig, 2, 16, 7);

    for (unsigned i = 0; i < 15; i++) {
        load_run(load, 10 + i);
        load_pump(load);
        load_reset(load);
    }
    load_run(load, 50);
    load_drain(load);
    load_free(load);
    rig_check_alive(rig, 1);
}

static const struct rig_case cases[] = {
    RIG_TEST(item34_a_blocked_disk_blocks_no_vcpu_and_no_other_queue),
    RIG_TEST_ON(item34_reset_while_the_disk_hangs, RIG_MMIO),
    RIG_TEST_ON(item34_what_can_be_cancelled_is, RIG_MMIO),
    RIG_TEST_ON(item34_what_waits_in_order_ends_without_reaching_the_disk, RIG_MMIO),
    RIG_TEST_ON(item34_a_reset_in_the_middle_of_a_turn, RIG_MMIO),
    RIG_TEST_ON(queue_reset_with_io_in_flight, RIG_MMIO),
    RIG_TEST_ON(device_reset_overtakes_a_queue_reset, RIG_MMIO),
    RIG_TEST(host_reset_over_a_hung_disk_is_told_to_the_driver),
    RIG_TEST(reset_in_full_flight),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
