/*
 * device_rig.h: a device that does nothing with its requests but hold them, behind a bus that only
 * counts, on a worker without a thread: so that a test decides what happens next.
 *
 *   rig_offer ──ring──> serve: held ──rig_finish──> used ring, queue_irq
 *
 * One queue of 8 entries, or two; rings lie in guest memory at RING_GPA, one page for each queue.
 */
#ifndef TESTS_UNIT_DEVICE_RIG_H
#define TESTS_UNIT_DEVICE_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "device/device.h"
#include "spec/virtio.h"
#include "spec/vring.h"

enum { ENTRIES = 8, QUEUES = 2, RING_PAGE = 4096, RING_GPA = 0x10000, AVAIL = 512, USED = 1024 };

struct rig {
    struct tenon_device *device;
    struct tenon_worker *worker;
    struct tenon_mem *mem;
    uint8_t *memory;
    struct tn_slot *held[4 * ENTRIES];
    unsigned held_count, drops, starts, stops, negotiations;
    bool close_later;         /* stop() leaves something open */
    struct tn_queue *closing; /* and this queue waits for it */
    unsigned irqs[QUEUES], broken[QUEUES], config_irqs;
    unsigned started, stopped; /* events */
};

static struct rig *the_rig; /* what the type's functions know it by */

/* ---- the type ---- */

static inline void rig_features(const struct tenon_device *device, uint64_t features[2])
{
    (void)device;
    (void)features;
}

static inline void rig_negotiated(struct tenon_device *device)
{
    (void)device;
    the_rig->negotiations++;
}

static inline void rig_config_read(struct tenon_device *device, uint32_t offset, uint8_t *to,
                                   uint32_t bytes)
{
    (void)device;
    for (uint32_t i = 0; i < bytes; i++) {
        to[i] = (uint8_t)(offset + i);
    }
}

static inline bool rig_config_write(struct tenon_device *device, uint32_t offset,
                                    const uint8_t *from, uint32_t bytes)
{
    (void)device;
    (void)from;
    return offset == 0 && bytes == 1;
}

static inline int rig_start(struct tn_queue *queue)
{
    (void)queue;
    the_rig->starts++;
    return 0;
}

static inline unsigned rig_serve(struct tn_queue *queue, unsigned budget)
{
    unsigned served = 0;
    struct tn_slot *slot;

    while (served < budget && (slot = tn_queue_take(queue)) != NULL) {
        the_rig->held[the_rig->held_count++] = slot;
        served++;
    }
    return served;
}

static inline void rig_drop(struct tn_queue *queue)
{
    (void)queue;
    the_rig->drops++;
}

static inline bool rig_stop(struct tn_queue *queue)
{
    the_rig->stops++;
    the_rig->closing = the_rig->close_later ? queue : NULL;
    return !the_rig->close_later;
}

static inline void rig_free(struct tenon_device *device)
{
    tn_device_fini(device);
    free(device);
}

/* ---- the bus ---- */

static inline void rig_queue_irq(void *bus, unsigned queue)
{
    ((struct rig *)bus)->irqs[queue]++;
}

static inline void rig_config_irq(void *bus)
{
    ((struct rig *)bus)->config_irqs++;
}

static inline void rig_broken(void *bus, unsigned queue, const char *why)
{
    assert_non_null(why);
    ((struct rig *)bus)->broken[queue]++;
}

static inline void rig_event(void *opaque, struct tenon_device *device, enum tenon_event event,
                             const char *detail)
{
    struct rig *rig = opaque;
    (void)device;
    (void)detail;
    rig->started += event == TENON_EVENT_STARTED;
    rig->stopped += event == TENON_EVENT_STOPPED;
}

/* ---- what tests do ---- */

static inline struct rig *rig_new(void)
{
    static const char *const no_counters[] = { NULL };
    static const struct tn_device_type type = { .id = 63,
                                                .config_bytes = 8,
                                                .counter_names = no_counters,
                                                .features = rig_features,
                                                .negotiated = rig_negotiated,
                                                .config_read = rig_config_read,
                                                .config_write = rig_config_write,
                                                .start = rig_start,
                                                .serve = rig_serve,
                                                .drop = rig_drop,
                                                .stop = rig_stop,
                                                .free = rig_free };
    struct tenon_worker_opts opts = { .size = sizeof(opts) };
    struct tenon_bus_ops ops = { .size = sizeof(ops),
                                 .queue_irq = rig_queue_irq,
                                 .config_irq = rig_config_irq,
                                 .broken = rig_broken };
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    the_rig = rig;
    rig->memory = aligned_alloc(4096, QUEUES * RING_PAGE);
    memset(rig->memory, 0, QUEUES * RING_PAGE);
    struct tenon_region region = {
        .size = sizeof(region), .gpa = RING_GPA, .bytes = QUEUES * RING_PAGE, .host = rig->memory
    };
    assert_int_equal(tenon_mem_new(&rig->mem), 0);
    assert_int_equal(tenon_mem_add(rig->mem, &region), 0);
    assert_int_equal(tenon_worker_new(&opts, &rig->worker), 0);
    struct tn_device_init init = { .type = &type,
                                   .poll_us = TENON_POLL_OFF,
                                   .name = "held",
                                   .slot_bytes = sizeof(struct tn_slot),
                                   .queues = QUEUES,
                                   .queue_max = ENTRIES,
                                   .workers = &rig->worker,
                                   .worker_count = 1,
                                   .event = rig_event,
                                   .event_opaque = rig };
    rig->device = calloc(1, sizeof(*rig->device));
    assert_int_equal(tn_device_init(rig->device, &init), 0);
    assert_int_equal(tenon_bus_attach(rig->device, rig->mem, &ops, rig), 0);
    return rig;
}

static inline void rig_run(struct rig *rig)
{
    while (tenon_worker_run(rig->worker, 0) > 0) {
    }
}

static inline struct tn_used *rig_used(struct rig *rig, unsigned queue)
{
    return (struct tn_used *)(void *)(rig->memory + queue * RING_PAGE + USED);
}

static inline void rig_negotiate(struct rig *rig)
{
    const uint64_t features[2] = { (uint64_t)1 << TN_F_VERSION_1, 0 };
    assert_int_equal(tenon_bus_negotiate(rig->device, features), 0);
}

static inline int rig_begin(struct rig *rig, unsigned queue, uint16_t next_avail)
{
    uint64_t gpa = RING_GPA + queue * (uint64_t)RING_PAGE;
    struct tenon_ring ring = { .size = sizeof(ring),
                               .entries = ENTRIES,
                               .desc_gpa = gpa,
                               .driver_gpa = gpa + AVAIL,
                               .device_gpa = gpa + USED,
                               .next_avail = next_avail,
                               .kick_fd = -1 };
    return tenon_bus_queue_start(rig->device, queue, &ring);
}

/* One chain of one writable byte: head `head`. The driver kicks. */
static inline void rig_offer(struct rig *rig, unsigned queue, uint16_t head)
{
    uint8_t *page = rig->memory + queue * RING_PAGE;
    struct tn_desc *desc = (struct tn_desc *)(void *)page;
    struct tn_avail *avail = (struct tn_avail *)(void *)(page + AVAIL);
    uint16_t idx = tn_from_le16(avail->idx);

    if (head < ENTRIES) {
        desc[head] = (struct tn_desc){ .addr = tn_to_le64(RING_GPA + queue * RING_PAGE + 2048),
                                       .len = tn_to_le32(1),
                                       .flags = tn_to_le16(TN_DESC_F_WRITE) };
    }
    avail->ring[idx % ENTRIES] = tn_to_le16(head);
    avail->idx = tn_to_le16((uint16_t)(idx + 1));
    tenon_bus_queue_kick(rig->device, queue);
}

/* On the worker, as a disk's completion would be. */
struct rig_finish_post {
    struct tenon_post post;
    struct tn_slot *slot;
};

static inline void rig_finish_now(struct tenon_post *post)
{
    tn_queue_return(((struct rig_finish_post *)(void *)post)->slot, 1);
}

static inline void rig_finish(struct rig *rig)
{
    struct rig_finish_post finish = { .post = { .fn = rig_finish_now } };

    assert_true(rig->held_count != 0);
    finish.slot = rig->held[--rig->held_count];
    tenon_worker_post(rig->worker, &finish.post);
    rig_run(rig);
}

static inline void rig_end(struct rig *rig)
{
    while (rig->held_count != 0) {
        rig_finish(rig);
    }
    rig->close_later = false;
    tenon_bus_quiet(rig->device, NULL, NULL);
    assert_int_equal(tenon_bus_wait_quiet(rig->device, 5000), 0);
    tenon_bus_detach(rig->device);
    tenon_device_free(rig->device);
    tenon_worker_free(rig->worker);
    tenon_mem_free(rig->mem);
    free(rig->memory);
    free(rig);
}

#endif
