/*
 * check_status.c: the status machine, and the features that are offered and accepted.
 */
#include <stddef.h>

#include "checks.h"
#include "disk.h"
#include "tap.h"
#include "window.h"

static const uint32_t steps[] = { 0, SEEN, DRIVER, AGREED, LIVE };

/* Brings a device to one of the steps. */
static void go(unsigned window, unsigned step)
{
    window_reset(window);
    for (unsigned i = 1; i <= step; i++) {
        if (steps[i] == AGREED) {
            window_accept(window, 1, 1);
        }
        window_set(window, TN_MMIO_STATUS, steps[i]);
    }
}

static void right_order(void)
{
    for (unsigned w = 0; w < windows(); w++) {
        for (unsigned step = 0; step < TAP_COUNT(steps); step++) {
            go(w, step);
            WANT(window_get(w, TN_MMIO_STATUS), steps[step]);
        }
        WANT(window_reset(w), true);
    }
}

/* Each step against values that are not the next one, nor have FAILED in them. */
static void wrong_steps(void)
{
    static const uint32_t values[] = {
        SEEN,   2,  DRIVER, 4,     5,          7,          8,         9,
        AGREED, 12, 13,     14,    LIVE,       16,         17,        LIVE | 16,
        32,     64, 65,     0x100, 0x10000001, 0x40000000, SEEN | 64, AGREED | 64
    };

    for (unsigned step = 0; step < TAP_COUNT(steps); step++) {
        go(0, step);
        for (unsigned i = 0; i < TAP_COUNT(values); i++) {
            if (step + 1 < TAP_COUNT(steps) && values[i] == steps[step + 1]) {
                continue;
            }
            WANT(window_step(0, values[i]), steps[step]);
        }
    }
    WANT(window_reset(0), true);
}

static void failed(void)
{
    for (unsigned step = 0; step < TAP_COUNT(steps); step++) {
        uint32_t want = steps[step] | TN_STATUS_FAILED;
        go(0, step);
        WANT(window_step(0, want), want);
        for (unsigned i = 1; i < TAP_COUNT(steps); i++) {
            WANT(window_step(0, steps[i]), want);
        }
        WANT(window_reset(0), true);
    }
}

static void reset_any_time(void)
{
    for (unsigned step = 0; step < TAP_COUNT(steps); step++) {
        go(0, step);
        WANT(window_step(0, 0), 0);
        WANT(window_step(0, 0), 0);
    }
}

/* ---- features ---- */

static uint64_t always(void)
{
    return feature(TN_BLK_F_SIZE_MAX) | feature(TN_BLK_F_SEG_MAX) | feature(TN_BLK_F_BLK_SIZE) |
           feature(TN_BLK_F_FLUSH) | feature(TN_BLK_F_TOPOLOGY) | feature(TN_BLK_F_CONFIG_WCE) |
           feature(TN_BLK_F_MQ) | feature(TN_F_INDIRECT_DESC) | feature(TN_F_EVENT_IDX) |
           feature(TN_F_VERSION_1) | feature(TN_F_RING_RESET);
}

/* Discard and write-zeroes depend on the host's file system. */
static void offered(void)
{
    uint64_t maybe = feature(TN_BLK_F_DISCARD) | feature(TN_BLK_F_WRITE_ZEROES);

    WANT(window_offered(0) & ~maybe, always());
    WANT(window_offered(1), always() | feature(TN_BLK_F_RO));
}

static void whole_selector(void)
{
    static const uint32_t beyond[] = { 2,       3,       4,          5,          0x100,
                                       0x10000, 0x10001, 0x80000000, 0x80000001, 0xffffffff };

    for (unsigned i = 0; i < TAP_COUNT(beyond); i++) {
        window_set(0, TN_MMIO_DEVICE_FEATURES_SEL, beyond[i]);
        WANT(window_get(0, TN_MMIO_DEVICE_FEATURES), 0);
    }
    window_set(0, TN_MMIO_DEVICE_FEATURES_SEL, 1);
    WANT(window_get(0, TN_MMIO_DEVICE_FEATURES) & 1, 1);
    window_set(1, TN_MMIO_DEVICE_FEATURES_SEL, 0); /* another window's selector is another one */
    WANT(window_get(0, TN_MMIO_DEVICE_FEATURES) & 1, 1);
    WANT(window_get(1, TN_MMIO_DEVICE_FEATURES) & 1u << TN_BLK_F_RO, 1u << TN_BLK_F_RO);
}

static void words(void)
{
    window_reset(0);
    window_set(0, TN_MMIO_STATUS, SEEN);
    window_set(0, TN_MMIO_STATUS, DRIVER);
    window_accept(0, 1, 0xffffffff); /* wrong, and replaced below */
    window_accept(0, 0, 0xffffffff);
    window_accept(0, 0, 0);
    window_accept(0, 1, 1);
    WANT(window_step(0, AGREED), AGREED);
}

static void refused(void)
{
    uint64_t has = window_offered(0);

    WANT(window_agree(0, 0), false);
    WANT(window_get(0, TN_MMIO_STATUS), DRIVER);
    for (unsigned bit = 0; bit < 64; bit++) {
        WANT(window_agree(0, feature(TN_F_VERSION_1) | feature(bit)), (has >> bit & 1) != 0);
    }
    for (uint32_t word = 2; word < 8; word++) {
        go(0, 2);
        window_accept(0, 1, 1);
        window_accept(0, word, 4);
        WANT(window_step(0, AGREED), DRIVER);
        go(0, 2);
        window_accept(0, 1, 1);
        window_accept(0, word, 0); /* nothing of it is wanted: no harm */
        WANT(window_step(0, AGREED), AGREED);
    }
}

static void all_and_again(void)
{
    for (unsigned w = 0; w < windows(); w++) {
        for (unsigned i = 0; i < 3; i++) {
            WANT(window_agree(w, window_offered(w)), true);
        }
        WANT(window_reset(w), true);
    }
}

/* FLUSH that is accepted too early or too late is not accepted: the device answers UNSUPP then. */
static void out_of_time(void)
{
    window_reset(0);
    window_accept(0, 0, 1u << TN_BLK_F_FLUSH);
    WANT(disk_prepare(0, feature(TN_F_VERSION_1)), true);
    window_accept(0, 0, 1u << TN_BLK_F_FLUSH);
    window_accept(0, 1, 0);
    WANT(window_step(0, LIVE), LIVE);
    window_accept(0, 0, 1u << TN_BLK_F_FLUSH);
    WANT(disk_do(0, 0, TN_BLK_T_FLUSH, 0, NULL, 0), TN_BLK_S_UNSUPP);
    WANT(window_get(0, TN_MMIO_STATUS), LIVE);
    WANT(window_reset(0), true);
}

void check_status(void)
{
    static const struct tap_case cases[] = {
        { "MMIO-16 BASIC-07: every step in its order", right_order },
        { "BASIC-06 BASIC-07 BASIC-08: wrong steps change nothing", wrong_steps },
        { "BASIC-09: FAILED from every step, until reset", failed },
        { "BASIC-29: reset from every step", reset_any_time },
        { "MMIO-05 MMIO-43 BASIC-13 BASIC-17: the features that are offered", offered },
        { "MMIO-06: the whole selector counts", whole_selector },
        { "MMIO-07 MMIO-08: each word of the driver's features is replaced as a whole", words },
        { "MMIO-08 BASIC-12 BASIC-18: features that were not offered are refused", refused },
        { "BASIC-11 BASIC-14: everything that is offered is accepted, again and again",
          all_and_again },
        { "BASIC-19: features before DRIVER and after FEATURES_OK do not count", out_of_time },
    };

    tap_run(cases, TAP_COUNT(cases));
}
