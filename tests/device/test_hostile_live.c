/*
 * test_hostile_live.c: a guest that goes on writing while the device reads: descriptors, rings and
 * tables change under it (item 59 of the conformance list), and registers are written in any order
 * (item 57). Nothing is asked of the device but that it lives, writes only where it was ever
 * allowed to, and works again after a reset.
 */
#include <errno.h>

#include "any_register.h"
#include "harness.h"
#include "scribbler.h"

enum { RUN_MS = 500, REGISTER_STEPS = 4000, STEP_MS = 10000 };

/* ---- item 59 ---- */

static void start_again(struct rig *rig)
{
    struct tnd_setup setup = rig->driver->setup;
    uint64_t begin = tnd_now_ms();

    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, &setup), 0);
    assert_true(tnd_now_ms() - begin < STEP_MS);
}

/* One honest-looking read, into rings that somebody else writes to as well. */
static void offer(struct rig *rig, unsigned queue, uint32_t *random)
{
    struct tnd_ring *ring = rig->driver->queues[queue].ring;
    uint16_t head = (uint16_t)(scribbler_random(random) % (ring->size - 3));

    tnd_raw_desc(ring, head, 0x8000, 16, TN_DESC_F_NEXT, (uint16_t)(head + 1));
    tnd_raw_desc(ring, head + 1u, RIG_NEIGHBOURS_GPA + 0x10000, 512,
                 TN_DESC_F_NEXT | TN_DESC_F_WRITE, (uint16_t)(head + 2));
    tnd_raw_desc(ring, head + 2u, RIG_NEIGHBOURS_GPA + 0x20000, 1, TN_DESC_F_WRITE, 0);
    if (scribbler_random(random) % 8 == 0) {
        tnd_raw_desc(ring, head, 0x4000, 16 * (scribbler_random(random) % 40), TN_DESC_F_INDIRECT,
                     0);
    }
    tnd_raw_offer(ring, head);
    tnd_notify(rig->driver, queue);
}

static void item59_descriptors_change_while_they_are_read(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_MEMORY,
                                   .blk = { .queues = 2, .queue_size = 64 },
                                   .setup = { .queues = 2, .queue_size = 64 } };
    struct rig *rig = rig_new(state, &options);
    struct scribbler scribbler;
    uint32_t random = 4711;

    scribbler_start(&scribbler, rig);
    unsigned resets = 0, offers = 0;
    for (uint64_t end = tnd_now_ms() + RUN_MS; tnd_now_ms() < end; offers++) {
        offer(rig, offers % 2, &random);
        tnd_pass(rig->driver);
        if (tnd_broken(rig->driver, 0) || tnd_broken(rig->driver, 1)) {
            start_again(rig);
            resets++;
        }
    }
    scribbler_stop(&scribbler);
    assert_true(resets > 0);
    start_again(rig);
    rig_check_alive(rig, 0);
    rig_check_alive(rig, 1);
}

/* ---- item 57 ---- */

static void item57_registers_in_any_order(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_MEMORY,
                                   .blk = { .queues = 2 },
                                   .no_start = true };
    struct rig *rig = rig_new(state, &options);

    for (unsigned seed = 1; seed <= 6; seed++) {
        uint32_t random = seed * 77777;
        for (unsigned i = 0; i < REGISTER_STEPS; i++) {
            /* An honest beginning now and then, or nothing would ever run. */
            if (i % 160 == 0) {
                assert_int_equal(tnd_negotiate(rig->driver, NULL), 0);
            } else if (i % 20 == 0) {
                tnd_mmio_queue_registers(rig->driver, i / 20 % 2, 8, 0x1000, 0x2000, 0x3000);
                tnd_mmio_set(rig->driver, TN_MMIO_QUEUE_READY, 1);
            }
            any_register(rig, &random);
            if (i % 16 == 0) {
                tnd_settle(rig->driver, 0);
            }
        }
    }
    assert_true(rig_event(&rig->started) > 0); /* queues did run now and then */
    for (unsigned i = 0; i < rig->ram->count; i++) {
        tnd_ram_fill(rig->ram, rig->ram->regions[i].gpa, 0, rig->ram->regions[i].bytes);
    }
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

static const struct rig_case cases[] = {
    RIG_TEST(item59_descriptors_change_while_they_are_read),
    RIG_TEST_ON(item57_registers_in_any_order, RIG_MMIO),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
