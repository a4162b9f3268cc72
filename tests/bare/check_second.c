/*
 * check_second.c: two processors at two windows, and at one, at the same time.
 */
#include "second.h"

#include <stddef.h>

#include "checks.h"
#include "disk.h"
#include "tap.h"
#include "window.h"

enum { ROUNDS = 100 };

static unsigned good; /* rounds of the second processor */

static bool round_of(unsigned window, unsigned queue, unsigned i, uint8_t *data)
{
    unsigned sector = i % READ_ONLY_SECTORS;

    return window_get(window, TN_MMIO_STATUS) == LIVE &&
           disk_do(window, queue, TN_BLK_T_IN, sector, data, SECTOR) == TN_BLK_S_OK &&
           sector_is(data, sector);
}

static void second_at_1(void)
{
    static uint8_t data[SECTOR];

    for (unsigned i = 0; i < ROUNDS; i++) {
        good += round_of(1, 0, i, data);
    }
}

static void second_at_queue_1(void)
{
    static uint8_t data[SECTOR];

    for (unsigned i = 0; i < ROUNDS; i++) {
        good += round_of(0, 1, i, data);
    }
}

static void together(void (*work)(void))
{
    static uint8_t data[SECTOR];

    good = 0;
    second_give(work);
    for (unsigned i = 0; i < ROUNDS; i++) {
        WANT(round_of(0, 0, i, data), true);
    }
    WANT(second_wait(), true);
    WANT(good, ROUNDS);
}

static void wakes(void)
{
    WANT(second_start(), true);
}

static void two_windows(void)
{
    WANT(disk_start(0, disk_features()), true);
    WANT(disk_start(1, disk_features()), true);
    together(second_at_1);
}

static void two_queues(void)
{
    together(second_at_queue_1);
}

void check_second(void)
{
    static const struct tap_case cases[] = {
        { "a second processor wakes", wakes },
        { "two processors at two windows", two_windows },
        { "two processors at two queues of one window", two_queues },
    };

    tap_run(cases, TAP_COUNT(cases));
}
