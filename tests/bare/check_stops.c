/*
 * check_stops.c: kicks that must not be heard, and the ways to stop: QueueReady, QueueReset, FAILED
 * and reset, with requests under way.
 *
 * The kicks that no queue takes are counted ("kicks_by_exit") for the script: they alone may leave
 * the kernel.
 */
#include <stddef.h>

#include "checks.h"
#include "cpu.h"
#include "disk.h"
#include "memory.h"
#include "tap.h"
#include "window.h"

static uint8_t data[SECTOR] __attribute__((aligned(SECTOR)));
static struct request request;
static unsigned kicks_by_exit;

/* A read of sector 3 that is on the ring, and was not kicked. */
static void publish_read(unsigned queue)
{
    memset(data, 0, sizeof(data));
    request_set(&request, TN_BLK_T_IN, 3, data, SECTOR);
    request_add(&disks[0].rings[queue], 0, &request);
    ring_publish(&disks[0].rings[queue]);
}

static void want_untouched(unsigned queue, uint16_t used)
{
    WANT(ring_used(&disks[0].rings[queue]), used);
    WANT(request.status, UNANSWERED);
    WANT(data[0], 0);
}

static void want_served(unsigned queue)
{
    WANT(ring_wait(&disks[0].rings[queue]), true);
    WANT(request.status, TN_BLK_S_OK);
    WANT(sector_is(data, 3), true);
}

static void before_driver_ok(void)
{
    WANT(disk_prepare(0, disk_features()), true);
    publish_read(0);
    disk_kick(0, 0);
    idle_a_while();
    want_untouched(0, 0);
    WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 0);
    WANT(window_step(0, LIVE), LIVE); /* found now, without another kick */
    want_served(0);
}

static void absent_queues(void)
{
    static const uint32_t absent[] = { 2, 7, 255, 256, 0xffff, 0x10000, 0x10001, 0xffffffff };

    publish_read(1);
    for (unsigned i = 0; i < TAP_COUNT(absent); i++) {
        disk_kick(0, absent[i]);
        kicks_by_exit++;
    }
    idle_a_while();
    want_untouched(1, 0);
    disk_kick(0, 1);
    want_served(1);
}

/* A kick is an aligned write of 4 bytes, as to every control register. */
static void wrong_widths(void)
{
    static const unsigned widths[] = { 1, 2, 8 };
    uint16_t used = ring_used(&disks[0].rings[0]);

    publish_read(0);
    for (unsigned i = 0; i < TAP_COUNT(widths); i++) {
        window_write(0, TN_MMIO_QUEUE_NOTIFY, 0, widths[i]);
        kicks_by_exit++;
    }
    window_write(0, TN_MMIO_QUEUE_NOTIFY + 2, 0, 4);
    window_write(0, TN_MMIO_QUEUE_NOTIFY - 4, 0, 8);
    idle_a_while();
    want_untouched(0, used);
    disk_kick(0, 0);
    want_served(0);
}

/* Clears the ring of a stopped queue and starts it again; it begins at 0. */
static void again(unsigned queue)
{
    memset(&disks[0].rings[queue], 0, sizeof(struct ring));
    disk_place(0, queue);
    WANT(window_ready(0, 1), 1);
}

static bool reads_0(unsigned offset)
{
    uint64_t start = ticks();

    while (window_get(0, offset) != 0) {
        if (ticks() - start > TICKS_PATIENCE) {
            return false;
        }
    }
    return true;
}

static void queue_ready_0(void)
{
    WANT(disk_start(0, disk_features()), true);
    window_set(0, TN_MMIO_QUEUE_SEL, 0);
    window_set(0, TN_MMIO_QUEUE_READY, 0);
    WANT(reads_0(TN_MMIO_QUEUE_READY), true);
    publish_read(0);
    disk_kick(0, 0);
    idle_a_while();
    want_untouched(0, 0);
    WANT(disk_do(0, 1, TN_BLK_T_FLUSH, 0, NULL, 0), TN_BLK_S_OK); /* the other queue goes on */
    again(0);
    publish_read(0);
    disk_kick(0, 0);
    want_served(0);
}

static void queue_reset(void)
{
    WANT(disk_start(0, disk_features() | feature(TN_F_RING_RESET)), true);
    for (unsigned i = 0; i < 5; i++) {
        publish_read(0);
        disk_kick(0, 0);
        window_set(0, TN_MMIO_QUEUE_SEL, 0);
        window_set(0, TN_MMIO_QUEUE_RESET, 0); /* does nothing */
        WANT(window_get(0, TN_MMIO_QUEUE_READY), 1);
        window_set(0, TN_MMIO_QUEUE_RESET, 1);
        WANT(reads_0(TN_MMIO_QUEUE_RESET), true);
        WANT(window_get(0, TN_MMIO_QUEUE_READY), 0);
        WANT(window_ready(0, 1), 0); /* its size and addresses are gone */
        again(0);
        WANT(window_get(0, TN_MMIO_QUEUE_RESET), 0);
        publish_read(0);
        disk_kick(0, 0);
        want_served(0);
        WANT(disk_do(0, 1, TN_BLK_T_FLUSH, 0, NULL, 0), TN_BLK_S_OK);
    }
}

static void queue_reset_not_agreed(void)
{
    WANT(disk_start(0, disk_features()), true);
    window_set(0, TN_MMIO_QUEUE_SEL, 0);
    window_set(0, TN_MMIO_QUEUE_RESET, 1);
    WANT(window_get(0, TN_MMIO_QUEUE_RESET), 0);
    WANT(window_get(0, TN_MMIO_QUEUE_READY), 1);
    WANT(disk_do(0, 0, TN_BLK_T_FLUSH, 0, NULL, 0), TN_BLK_S_OK);
}

static void failed(void)
{
    WANT(disk_start(0, disk_features()), true);
    WANT(window_step(0, LIVE | TN_STATUS_FAILED), LIVE | TN_STATUS_FAILED);
    for (unsigned i = 0; i < 20; i++) {
        idle_a_while(); /* the queue stops on its own thread, and nothing says when */
    }
    publish_read(0);
    disk_kick(0, 0);
    idle_a_while();
    want_untouched(0, 0);
}

/* Once Status reads 0 nothing moves any more, whatever had become of the request. */
static void reset_under_way(void)
{
    for (unsigned i = 0; i < 20; i++) {
        WANT(disk_start(0, disk_features()), true);
        publish_read(0);
        disk_kick(0, 0);
        WANT(window_reset(0), true);
        uint16_t used = ring_used(&disks[0].rings[0]);
        uint8_t status = request.status, first = data[0];
        WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 0);
        memset(data, 0x77, sizeof(data));
        if (i % 5 == 0) {
            idle_a_while();
        }
        WANT(ring_used(&disks[0].rings[0]), used);
        WANT(request.status, status);
        WANT(first == 0 || first == 's', true);
        WANT(data[0], 0x77);
    }
    WANT(disk_start(0, disk_features()), true);
    publish_read(0);
    disk_kick(0, 0);
    want_served(0);
    WANT(window_reset(0), true);
}

void check_stops(void)
{
    static const struct tap_case cases[] = {
        { "MMIO-44 BASIC-02 BASIC-03: a kick before DRIVER_OK, and what was there",
          before_driver_ok },
        { "MMIO-13: kicks of queues that are not there", absent_queues },
        { "MMIO-40: kicks of another width", wrong_widths },
        { "MMIO-32 MMIO-36: QueueReady 0 stops a queue", queue_ready_0 },
        { "MMIO-23 MMIO-33 MMIO-34 BASIC-43 BASIC-44: QueueReset", queue_reset },
        { "MMIO-35: QueueReset that was not negotiated", queue_reset_not_agreed },
        { "BASIC-09: no work after FAILED", failed },
        { "BASIC-29 BASIC-30: reset with a request just kicked", reset_under_way },
    };

    tap_run(cases, TAP_COUNT(cases));
    tap_say("kicks_by_exit", kicks_by_exit);
}
