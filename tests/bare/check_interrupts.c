/*
 * check_interrupts.c: InterruptStatus, InterruptACK and the line, which is taken through the I/O
 * APIC: edge-triggered or level-triggered, as the guest was told.
 */
#include <stddef.h>

#include "checks.h"
#include "cpu.h"
#include "disk.h"
#include "tap.h"
#include "window.h"

static enum line_mode mode;

/* Until InterruptStatus has a bit: it comes a moment after the used index. */
static bool await_status(unsigned window)
{
    uint64_t start = ticks();

    while (window_get(window, TN_MMIO_INTERRUPT_STATUS) == 0) {
        if (ticks() - start > TICKS_PATIENCE) {
            return false;
        }
    }
    return true;
}

/* The line is down: one that is up interrupts again and again. Some may still be on their way. */
static bool is_down(unsigned gsi)
{
    unsigned before = line_count(gsi);

    idle_a_while();
    return line_count(gsi) <= before + 2;
}

static uint8_t flush(unsigned window)
{
    return disk_do(window, 0, TN_BLK_T_FLUSH, 0, NULL, 0);
}

static void by_polling(void)
{
    WANT(window_reset(1), true);
    disk_listen(0, LINE_MASKED);
    WANT(disk_start(0, disk_features()), true);
    WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 0);
    for (unsigned i = 0; i < 3; i++) {
        WANT(flush(0), TN_BLK_S_OK);
        WANT(await_status(0), true);
        WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), TN_MMIO_INT_USED_BUFFER);
        window_set(0, TN_MMIO_INTERRUPT_ACK, 0);
        window_set(0, TN_MMIO_INTERRUPT_ACK, ~(uint32_t)TN_MMIO_INT_USED_BUFFER);
        WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), TN_MMIO_INT_USED_BUFFER);
        window_set(0, TN_MMIO_INTERRUPT_ACK, TN_MMIO_INT_USED_BUFFER);
        WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 0);
    }
    WANT(window_get(1, TN_MMIO_INTERRUPT_STATUS), 0);
}

static void by_line(void)
{
    unsigned other = line_count(window_gsi(1));

    WANT(window_reset(0), true);
    disk_listen(0, mode);
    WANT(disk_start(0, disk_features()), true);
    for (unsigned i = 0; i < 20; i++) {
        WANT(flush(0), TN_BLK_S_OK);
        WANT(disk_hears(0, i + 1), true);
    }
    idle_a_while();
    WANT(disk_heard(0), 20);
    WANT(disks[0].events, TN_MMIO_INT_USED_BUFFER);
    WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 0);
    WANT(line_count(window_gsi(1)), other);
}

/* The processor sleeps until the interrupt wakes it. */
static void while_halted(void)
{
    for (unsigned i = 0; i < 5; i++) {
        static struct request request;
        unsigned before = disk_heard(0);
        request_set(&request, TN_BLK_T_FLUSH, 0, NULL, 0);
        request_add(&disks[0].rings[0], 0, &request);
        ring_publish(&disks[0].rings[0]);
        interrupts_off();
        disk_kick(0, 0);
        while (disk_heard(0) == before) {
            interrupts_on_and_halt();
            interrupts_off();
        }
        interrupts_on();
        WANT(request.status, TN_BLK_S_OK);
    }
}

/* Bits that were not acknowledged: an edge comes for each new event, and a level stays up. */
static void unacknowledged(void)
{
    unsigned before = disk_heard(0);

    disks[0].unacked = 3;
    if (mode == LINE_EDGE) {
        for (unsigned i = 1; i <= 4; i++) {
            WANT(flush(0), TN_BLK_S_OK);
            WANT(disk_hears(0, before + i), true);
        }
    } else {
        WANT(flush(0), TN_BLK_S_OK);
        WANT(disk_hears(0, before + 4), true);
    }
    idle_a_while();
    WANT(disk_heard(0), before + 4);
    WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 0);
    WANT(is_down(window_gsi(0)), true);
    WANT(flush(0), TN_BLK_S_OK);
    WANT(disk_hears(0, before + 5), true); /* and it comes up again */
}

static void batch(struct request *requests)
{
    struct ring *ring = &disks[0].rings[0];

    for (unsigned slot = 0; slot < REQUESTS; slot++) {
        request_set(&requests[slot], TN_BLK_T_FLUSH, 0, NULL, 0);
        request_add(ring, slot, &requests[slot]);
    }
    ring_publish(ring);
    disk_kick(0, 0);
    WANT(ring_wait(ring), true);
}

static void no_interrupt_flag(void)
{
    static struct request requests[REQUESTS];
    struct ring *ring = &disks[0].rings[0];
    unsigned before;

    idle_a_while();
    before = disk_heard(0);
    ring->avail.flags = tn_to_le16(TN_AVAIL_F_NO_INTERRUPT);
    batch(requests);
    idle_a_while();
    WANT(disk_heard(0), before);
    WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 0);
    ring->avail.flags = tn_to_le16(0);
    WANT(flush(0), TN_BLK_S_OK);
    WANT(disk_hears(0, before + 1), true);
}

/* The driver names the used entry that it wants to hear about. */
static void event_index(void)
{
    static struct request requests[REQUESTS];
    struct ring *ring = &disks[0].rings[0];

    WANT(window_reset(0), true);
    disk_listen(0, mode);
    WANT(disk_start(0, disk_features() | feature(TN_F_EVENT_IDX)), true);
    for (unsigned round = 0; round < 3; round++) {
        ring->avail.used_event = tn_to_le16((uint16_t)(ring->added - 1)); /* long past */
        batch(requests);
        batch(requests);
        idle_a_while();
        WANT(disk_heard(0), round);
        WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 0);
        ring->avail.used_event = tn_to_le16((uint16_t)(ring->added + REQUESTS - 1)); /* the last */
        batch(requests);
        WANT(disk_hears(0, round + 1), true);
        idle_a_while();
        WANT(disk_heard(0), round + 1);
    }
}

static void reset_lowers(void)
{
    WANT(window_reset(0), true);
    disk_listen(0, LINE_MASKED);
    WANT(disk_start(0, disk_features()), true);
    WANT(flush(0), TN_BLK_S_OK);
    WANT(await_status(0), true);
    WANT(window_reset(0), true);
    WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 0);
    /*
     * What came while the line was masked may still be delivered, once: an edge that the controller
     * kept, or a level that the hypervisor holds up until the end of an interrupt.
     */
    disk_listen(0, mode);
    WANT(is_down(window_gsi(0)), true);
    WANT(disk_heard(0), 0);
    disk_listen(0, LINE_MASKED);
}

static void two_lines(void)
{
    for (unsigned w = 0; w < 2; w++) {
        disk_listen(w, mode);
        WANT(disk_start(w, disk_features()), true);
    }
    for (unsigned i = 0; i < 10; i++) {
        unsigned w = i % 2;
        WANT(flush(w), TN_BLK_S_OK);
        WANT(disk_hears(w, i / 2 + 1), true);
        WANT(disk_heard(1 - w), (i + 1) / 2);
    }
    for (unsigned w = 0; w < 2; w++) {
        WANT(window_reset(w), true);
        disk_listen(w, LINE_MASKED);
    }
}

void check_interrupts(enum line_mode wanted)
{
    static const struct tap_case cases[] = {
        { "MMIO-14 MMIO-15 MMIO-26: InterruptStatus and InterruptACK, by polling", by_polling },
        { "MMIO-28: one interrupt for each request, through the line", by_line },
        { "MMIO-28: an interrupt wakes a halted processor", while_halted },
        { "MMIO-26 MMIO-27: events without acknowledgement, and after it", unacknowledged },
        { "SPLIT-32: NO_INTERRUPT is respected", no_interrupt_flag },
        { "SPLIT-34 SPLIT-35: EVENT_IDX: interrupts only where the driver asked for them",
          event_index },
        { "MMIO-29 MMIO-30: reset clears InterruptStatus and lowers the line", reset_lowers },
        { "MMIO-28: two windows, two lines", two_lines },
    };

    mode = wanted;
    tap_run(cases, TAP_COUNT(cases));
}

/* ---- lines that windows share ---- */

static void shared(void)
{
    unsigned low = 0, high = WINDOW_GSIS;

    WANT(window_gsi(high), window_gsi(low));
    WANT(disk_start(low, disk_features()), true);
    WANT(disk_start(high, disk_features()), true);
    disk_listen(high, LINE_MASKED);
    disk_listen(low, LINE_LEVEL);
    for (unsigned i = 1; i <= 10; i++) {
        unsigned w = i % 2 ? high : low;
        WANT(flush(w), TN_BLK_S_OK);
        WANT(disk_hears(w, (i + 1) / 2), true);
        idle_a_while();
        WANT(disk_heard(high), (i + 1) / 2);
        WANT(disk_heard(low), i / 2);
    }
}

/* Both have an event, and one is acknowledged: the line stays up for the other. */
static void shared_at_once(void)
{
    unsigned low = 0, high = WINDOW_GSIS;

    for (unsigned i = 0; i < 4; i++) {
        unsigned first = i % 2 ? low : high, second = i % 2 ? high : low;
        disk_listen(low, LINE_MASKED);
        disk_listen(high, LINE_MASKED);
        WANT(flush(low), TN_BLK_S_OK);
        WANT(flush(high), TN_BLK_S_OK);
        WANT(await_status(low), true);
        WANT(await_status(high), true);
        window_set(first, TN_MMIO_INTERRUPT_ACK, TN_MMIO_INT_USED_BUFFER);
        disk_listen(low, LINE_LEVEL);
        WANT(disk_hears(second, 1), true);
        idle_a_while();
        WANT(disk_heard(first), 0);
        WANT(disk_heard(second), 1);
        WANT(is_down(window_gsi(low)), true);
    }
}

void check_shared(void)
{
    static const struct tap_case cases[] = {
        { "MMIO-28: windows 0 and 19 on one line, by turns", shared },
        { "MMIO-28: windows 0 and 19 on one line, at once", shared_at_once },
    };

    tap_run(cases, TAP_COUNT(cases));
}
