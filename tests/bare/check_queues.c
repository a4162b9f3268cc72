/*
 * check_queues.c: the registers of a queue, before it runs.
 */
#include "checks.h"
#include "disk.h"
#include "tap.h"
#include "window.h"

/* Both queues of window 0 are to be set up, and nothing is yet. */
static void agree(void)
{
    WANT(window_agree(0, disk_features()), true);
}

static void which_exist(void)
{
    static const uint32_t absent[] = { 2,       3,       255,        256,       0xffff,
                                       0x10000, 0x10001, 0x80000000, 0xffffffff };

    for (unsigned queue = 0; queue < QUEUES; queue++) {
        window_set(0, TN_MMIO_QUEUE_SEL, queue);
        WANT(window_get(0, TN_MMIO_QUEUE_SIZE_MAX), QUEUE_MAX);
    }
    for (unsigned i = 0; i < TAP_COUNT(absent); i++) {
        window_set(0, TN_MMIO_QUEUE_SEL, absent[i]);
        WANT(window_get(0, TN_MMIO_QUEUE_SIZE_MAX), 0);
    }
    window_set(1, TN_MMIO_QUEUE_SEL, 1); /* the second disk has one queue */
    WANT(window_get(1, TN_MMIO_QUEUE_SIZE_MAX), 0);
    window_set(1, TN_MMIO_QUEUE_SEL, 0);
    WANT(window_get(1, TN_MMIO_QUEUE_SIZE_MAX), QUEUE_MAX);
}

static void absent_are_inert(void)
{
    static const uint32_t absent[] = { 2, 0x10000, 0xffffffff };

    agree();
    for (unsigned i = 0; i < TAP_COUNT(absent); i++) {
        disk_place(0, 0);
        window_set(0, TN_MMIO_QUEUE_SEL, absent[i]);
        window_set(0, TN_MMIO_QUEUE_SIZE, 3); /* would spoil queue 0 if it went there */
        window_areas(0, 1, 1, 1);
        WANT(window_ready(0, 1), 0);
        window_set(0, TN_MMIO_QUEUE_RESET, 1);
        WANT(window_get(0, TN_MMIO_QUEUE_RESET), 0);
    }
    window_set(0, TN_MMIO_QUEUE_SEL, 0);
    WANT(window_ready(0, 1), 1);
}

static void interleaved(void)
{
    agree();
    disk_place(0, 1);
    disk_place(0, 0);
    window_set(0, TN_MMIO_DEVICE_FEATURES_SEL, 7);
    window_set(0, TN_MMIO_DRIVER_FEATURES_SEL, 5);
    window_set(0, TN_MMIO_QUEUE_SEL, 1);
    WANT(window_ready(0, 1), 1);
    window_set(0, TN_MMIO_QUEUE_SEL, 0);
    WANT(window_get(0, TN_MMIO_QUEUE_READY), 0);
    WANT(window_ready(0, 1), 1);
    WANT(window_ready(0, 0), 0);
    window_set(0, TN_MMIO_QUEUE_SEL, 1);
    WANT(window_get(0, TN_MMIO_QUEUE_READY), 1);
    WANT(window_ready(0, 0), 0);
}

static void sizes(void)
{
    static const uint32_t bad[] = { 0,    3,     100,   255,        257,        512,
                                    1024, 32768, 65536, 65536 + 16, 0x80000000, 0xffffffff };

    for (unsigned i = 0; i < TAP_COUNT(bad); i++) {
        agree();
        disk_place(0, 0);
        window_set(0, TN_MMIO_QUEUE_SIZE, bad[i]);
        WANT(window_ready(0, 1), 0);
    }
    for (uint32_t size = 1; size <= QUEUE_MAX; size *= 2) {
        agree();
        disk_place(0, 0);
        window_set(0, TN_MMIO_QUEUE_SIZE, size);
        WANT(window_ready(0, 1), 1);
    }
}

/* The machine has memory at 0x100000, and none at NOWHERE. */
static void areas(void)
{
    const uint64_t NOWHERE = 0xc0000000, A = 0x400000, B = 0x401000, C = 0x402000;
    const struct {
        uint64_t desc, driver, device;
        uint32_t ready;
    } cases[] = {
        { A, B, C, 1 },
        { A + 16, B + 2, C + 4, 1 },
        { A + 1, B, C, 0 },
        { A + 8, B, C, 0 },
        { A, B + 1, C, 0 },
        { A, B, C + 1, 0 },
        { A, B, C + 2, 0 },
        { NOWHERE, B, C, 0 },
        { A, NOWHERE, C, 0 },
        { A, B, NOWHERE, 0 },
        { A | 1ull << 32, B, C, 0 },
        { A, B | 1ull << 32, C, 0 },
        { A, B, C | 1ull << 32, 0 },
        { A | 1ull << 63, B, C, 0 },
        { ~15ull, B, C, 0 },
        { A, ~1ull, C, 0 },
        { A, B, ~3ull, 0 },
        { (uint32_t)WINDOWS_AT, B, C, 0 },
    };

    for (unsigned i = 0; i < TAP_COUNT(cases); i++) {
        agree();
        window_set(0, TN_MMIO_QUEUE_SIZE, RING_ENTRIES);
        window_areas(0, cases[i].desc, cases[i].driver, cases[i].device);
        WANT(window_ready(0, 1), cases[i].ready);
    }
}

static void halves(void)
{
    struct ring *ring = &disks[0].rings[0];

    agree();
    window_set(0, TN_MMIO_QUEUE_SIZE, RING_ENTRIES);
    window_areas(0, ~0ull, ~0ull, ~0ull);
    window_set(0, TN_MMIO_QUEUE_DESC_HIGH, 0);
    window_set(0, TN_MMIO_QUEUE_DESC_LOW, (uint32_t)(uintptr_t)ring->desc);
    window_set(0, TN_MMIO_QUEUE_DRIVER_LOW, (uint32_t)(uintptr_t)&ring->avail);
    window_set(0, TN_MMIO_QUEUE_DEVICE_LOW, (uint32_t)(uintptr_t)&ring->used);
    window_set(0, TN_MMIO_QUEUE_DEVICE_HIGH, 0);
    WANT(window_ready(0, 1), 0);
    window_set(0, TN_MMIO_QUEUE_DRIVER_HIGH, 0);
    WANT(window_ready(0, 1), 1);
}

static void too_early(void)
{
    static const uint32_t steps[] = { SEEN, DRIVER, AGREED };

    window_reset(0);
    for (unsigned i = 0; i < TAP_COUNT(steps); i++) {
        disk_place(0, 0);
        WANT(window_ready(0, 1), 0);
        window_accept(0, 1, 1);
        WANT(window_step(0, steps[i]), steps[i]);
    }
    WANT(window_ready(0, 1), 0); /* what was written before has no effect now either */
    disk_place(0, 0);
    WANT(window_ready(0, 1), 1);
}

static void fixed_while_ready(void)
{
    WANT(disk_prepare(0, disk_features()), true);
    window_set(0, TN_MMIO_QUEUE_SEL, 0);
    window_set(0, TN_MMIO_QUEUE_SIZE, 2);
    window_areas(0, 0x400000, 0x401000, 0x402000);
    WANT(window_step(0, LIVE), LIVE);
    window_set(0, TN_MMIO_QUEUE_SIZE, 2);
    window_areas(0, 0x400000, 0x401000, 0x402000);
    WANT(disk_do(0, 0, TN_BLK_T_FLUSH, 0, 0, 0), TN_BLK_S_OK); /* it is where it was */
}

static void reset_forgets(void)
{
    WANT(disk_start(0, disk_features()), true);
    WANT(window_reset(0), true);
    for (unsigned queue = 0; queue < QUEUES; queue++) {
        window_set(0, TN_MMIO_QUEUE_SEL, queue);
        WANT(window_get(0, TN_MMIO_QUEUE_READY), 0);
        WANT(window_get(0, TN_MMIO_QUEUE_RESET), 0);
    }
    window_set(0, TN_MMIO_QUEUE_SEL, 2);
    window_set(0, TN_MMIO_DEVICE_FEATURES_SEL, 9);
    WANT(window_reset(0), true);
    WANT(window_get(0, TN_MMIO_QUEUE_SIZE_MAX), QUEUE_MAX); /* of queue 0 */
    WANT(window_get(0, TN_MMIO_DEVICE_FEATURES) & 1u << TN_BLK_F_FLUSH, 1u << TN_BLK_F_FLUSH);
    agree();
    WANT(window_ready(0, 1), 0); /* sizes and addresses are gone */
}

void check_queues(void)
{
    static const struct tap_case cases[] = {
        { "MMIO-10: which queues there are", which_exist },
        { "MMIO-39: the registers of a queue that is not there are inert", absent_are_inert },
        { "MMIO-09 MMIO-12: two queues, interleaved", interleaved },
        { "MMIO-11 MMIO-37: sizes", sizes },
        { "MMIO-17 MMIO-18 MMIO-19 MMIO-37: addresses", areas },
        { "MMIO-17 MMIO-18 MMIO-19: halves in any order", halves },
        { "MMIO-38: nothing is taken before FEATURES_OK", too_early },
        { "MMIO-38: a ready queue stays where it is", fixed_while_ready },
        { "MMIO-29 MMIO-30 MMIO-33: reset forgets queues and selectors", reset_forgets },
    };

    tap_run(cases, TAP_COUNT(cases));
}
