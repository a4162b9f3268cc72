/*
 * check_faults.c: a driver that breaks a queue is told so, and can begin anew.
 */
#include <stddef.h>

#include "checks.h"
#include "cpu.h"
#include "disk.h"
#include "tap.h"
#include "window.h"

enum { BROKEN = LIVE | TN_STATUS_NEEDS_RESET };

static enum line_mode mode;

static void want_alive(unsigned queue)
{
    WANT(disk_do(0, queue, TN_BLK_T_FLUSH, 0, NULL, 0), TN_BLK_S_OK);
}

static void start(void)
{
    WANT(window_reset(0), true);
    disk_listen(0, mode);
    WANT(disk_start(0, disk_features()), true);
    for (unsigned queue = 0; queue < QUEUES; queue++) {
        want_alive(queue);
        WANT(disk_hears(0, queue + 1), true);
    }
    disks[0].events = 0;
}

/* After the kick of a queue that was spoiled. */
static void want_broken(unsigned queue)
{
    unsigned before = disk_heard(0);
    uint16_t used = ring_used(&disks[0].rings[queue]);

    disk_kick(0, queue);
    WANT(disk_hears(0, before + 1), true);
    WANT(disks[0].events, TN_MMIO_INT_CONFIG);
    WANT(window_get(0, TN_MMIO_STATUS), BROKEN);
    disk_kick(0, queue);
    idle_a_while();
    WANT(disk_heard(0), before + 1); /* once */
    WANT(ring_used(&disks[0].rings[queue]), used);
    WANT(window_step(0, LIVE), BROKEN);
    WANT(window_step(0, SEEN), BROKEN);
}

static void index_jumps(void)
{
    struct ring *ring = &disks[0].rings[0];

    start();
    ring->added += 1000;
    ring_publish(ring);
    want_broken(0);
    want_alive(1); /* the other queue goes on */
    WANT(window_get(0, TN_MMIO_STATUS), BROKEN);
    start();
}

static void chain_loops(void)
{
    static struct request request;
    struct ring *ring = &disks[0].rings[0];

    start();
    request_set(&request, TN_BLK_T_FLUSH, 0, NULL, 0);
    request_add(ring, 0, &request);
    ring->desc[1].flags = tn_to_le16(TN_DESC_F_NEXT | TN_DESC_F_WRITE);
    ring->desc[1].next = tn_to_le16(0);
    ring_publish(ring);
    want_broken(0);
    start();
}

static void no_place_for_status(void)
{
    static struct request request;
    struct ring *ring = &disks[0].rings[1];

    start();
    request_set(&request, TN_BLK_T_FLUSH, 0, NULL, 0);
    request_add(ring, 0, &request);
    ring->desc[1].addr = tn_to_le64(0xc0000000); /* no memory is there */
    ring_publish(ring);
    want_broken(1);
    want_alive(0);
    start();
}

/* Both bits at once: each is acknowledged for itself. */
static void both_bits(void)
{
    struct ring *ring = &disks[0].rings[0];
    uint64_t begin;

    start();
    disk_listen(0, LINE_MASKED);
    want_alive(1);
    ring->added += 1000;
    ring_publish(ring);
    disk_kick(0, 0);
    begin = ticks();
    while (window_get(0, TN_MMIO_INTERRUPT_STATUS) != 3 && ticks() - begin < TICKS_PATIENCE) {
    }
    WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 3);
    window_set(0, TN_MMIO_INTERRUPT_ACK, TN_MMIO_INT_USED_BUFFER);
    WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), TN_MMIO_INT_CONFIG);
    window_set(0, TN_MMIO_INTERRUPT_ACK, TN_MMIO_INT_CONFIG);
    WANT(window_get(0, TN_MMIO_INTERRUPT_STATUS), 0);
    WANT(window_reset(0), true);
}

void check_faults(enum line_mode wanted)
{
    static const struct tap_case cases[] = {
        { "BASIC-04 BASIC-05 BASIC-06: an index that jumps: NEEDS_RESET, and reset", index_jumps },
        { "BASIC-04: a chain that loops: NEEDS_RESET, and reset", chain_loops },
        { "BASIC-04: no place for the status: NEEDS_RESET, and reset", no_place_for_status },
        { "MMIO-14 MMIO-15: both bits of InterruptStatus, one acknowledged", both_bits },
    };

    mode = wanted;
    tap_run(cases, TAP_COUNT(cases));
}
