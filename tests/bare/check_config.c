/*
 * check_config.c: the device's configuration space, by every width.
 */
#include <stddef.h>

#include "checks.h"
#include "disk.h"
#include "tap.h"
#include "window.h"

enum {
    CONFIG_BYTES = sizeof(struct tn_blk_config),
    SEGMENTS_MAX = 126, /* the device's own choice, and what a ring of QUEUE_MAX carries */
    CONFIG_ROOM = WINDOW_BYTES - TN_MMIO_CONFIG,
    CAPACITY = offsetof(struct tn_blk_config, capacity),
    WRITEBACK = offsetof(struct tn_blk_config, writeback)
};

static uint64_t config(unsigned window, unsigned offset, unsigned bytes)
{
    return window_read(window, TN_MMIO_CONFIG + offset, bytes);
}

static void take(unsigned window, uint8_t *bytes, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        bytes[i] = (uint8_t)config(window, i, 1);
    }
}

static uint64_t joined(const uint8_t *bytes, unsigned count)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < count; i++) {
        value |= (uint64_t)bytes[i] << (8 * i);
    }
    return value;
}

static void fields(void)
{
    WANT(config(0, CAPACITY, 8), DISK_SECTORS);
    WANT(config(0, CAPACITY, 4), DISK_SECTORS);
    WANT(config(0, CAPACITY + 4, 4), 0);
    WANT(config(1, CAPACITY, 8), READ_ONLY_SECTORS);
    WANT(config(0, offsetof(struct tn_blk_config, seg_max), 4), SEGMENTS_MAX);
    WANT(config(0, offsetof(struct tn_blk_config, blk_size), 4), SECTOR);
    WANT(config(0, offsetof(struct tn_blk_config, alignment_offset), 1), 0);
    WANT(config(0, WRITEBACK, 1), 1);
    WANT(config(0, offsetof(struct tn_blk_config, unused0), 1), 0);
    WANT(config(0, offsetof(struct tn_blk_config, num_queues), 2), QUEUES);
    WANT(config(1, offsetof(struct tn_blk_config, num_queues), 2), 1);
    WANT(config(0, offsetof(struct tn_blk_config, unused1), 2), 0);
    WANT(config(0, offsetof(struct tn_blk_config, size_max), 4) > 0, true);
}

static void widths(void)
{
    uint8_t bytes[CONFIG_ROOM];

    take(0, bytes, CONFIG_ROOM);
    for (unsigned width = 2; width <= 8; width *= 2) {
        for (unsigned at = 0; at + width <= CONFIG_BYTES + 8; at++) {
            WANT(config(0, at, width), joined(bytes + at, width));
        }
        /* to the end of the window, where it is aligned */
        for (unsigned at = 0; at + width <= CONFIG_ROOM; at += width) {
            WANT(config(0, at, width), joined(bytes + at, width));
        }
    }
}

static void beyond(void)
{
    uint8_t bytes[CONFIG_ROOM];

    take(1, bytes, CONFIG_ROOM);
    for (unsigned at = CONFIG_BYTES; at < CONFIG_ROOM; at++) {
        WANT(bytes[at], 0);
    }
    WANT(config(1, CONFIG_BYTES - 4, 8) >> 32, 0); /* half in, half out */
    WANT(config(1, CONFIG_ROOM - 8, 8), 0);
    for (unsigned at = WINDOW_BYTES; at < WINDOW_STRIDE; at += WINDOW_BYTES - 8) {
        WANT(window_get(1, at), 0); /* the rest of the page */
    }
}

/* Only the byte that a driver may write changes, and only when it may. */
static void writes(void)
{
    uint8_t before[CONFIG_BYTES], now[CONFIG_BYTES];

    window_reset(0);
    take(0, before, CONFIG_BYTES);
    window_write(0, TN_MMIO_CONFIG + WRITEBACK, 0, 1); /* before FEATURES_OK */
    WANT(config(0, WRITEBACK, 1), before[WRITEBACK]);
    WANT(disk_start(0, disk_features() | feature(TN_BLK_F_CONFIG_WCE)), true);
    for (unsigned at = 0; at < CONFIG_ROOM; at++) {
        window_write(0, TN_MMIO_CONFIG + at, 0x55, 1);
    }
    for (unsigned at = 0; at < CONFIG_ROOM; at += 8) {
        window_write(0, TN_MMIO_CONFIG + at, 0x5555, 2);
        window_write(0, TN_MMIO_CONFIG + at, 0x55555555, 4);
        window_write(0, TN_MMIO_CONFIG + at, 0x5555555555555555, 8);
    }
    take(0, now, CONFIG_BYTES);
    for (unsigned at = 0; at < CONFIG_BYTES; at++) {
        WANT(now[at], before[at]);
    }
    for (unsigned value = 0; value < 4; value++) {
        window_write(0, TN_MMIO_CONFIG + WRITEBACK, value & 1, 1);
        WANT(config(0, WRITEBACK, 1), value & 1);
        WANT(config(0, WRITEBACK - 4, 8) >> 32 & 0xff, value & 1);
        WANT(config(1, WRITEBACK, 1), 1); /* the other disk's is its own */
    }
    window_write(0, TN_MMIO_CONFIG + WRITEBACK, 0, 1);
    WANT(window_reset(0), true);
    WANT(config(0, WRITEBACK, 1), 1);
}

void check_config(void)
{
    static const struct tap_case cases[] = {
        { "MMIO-25 MMIO-41 BLK-03: the fields, each by its own width", fields },
        { "MMIO-25 BASIC-38: reads of 1, 2, 4 and 8 bytes agree everywhere", widths },
        { "BASIC-33: beyond its end everything is 0", beyond },
        { "BLK-09 BLK-18 BASIC-39: `writeback` alone can be written, in its time", writes },
    };

    tap_run(cases, TAP_COUNT(cases));
}
