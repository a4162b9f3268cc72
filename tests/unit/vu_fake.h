/*
 * vu_fake.h: for the tests of src/vhost_user: a device that only writes down what it is asked for.
 * The functions of <tenon/bus.h> that a transport calls are defined here, so a program that
 * includes this must not touch the real device.
 */
#ifndef TN_TEST_VU_FAKE_H
#define TN_TEST_VU_FAKE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tenon/bus.h"

enum { FAKE_QUEUES = 4, FAKE_QUEUE_MAX = 256, FAKE_CONFIG = 60, FAKE_WRITABLE = 0x20 };

struct fake_queue {
    bool running;
    bool stopping;
    unsigned starts, stops, kick_changes;
    struct tenon_ring ring; /* as of the last start */
    uint16_t next_avail;    /* what stop will say */
    tenon_queue_stopped_fn *done;
    void *opaque;
};

struct tenon_device {
    struct tenon_mem *mem;
    struct tenon_bus_ops ops;
    void *bus;
    struct tenon_worker *worker;
    uint64_t offered;
    uint64_t negotiated;
    unsigned negotiations;
    bool refuse_features;
    bool hold_stops; /* stop and quiet call back only when fake_let_go is called */
    bool has_worker;
    int start_error;
    struct fake_queue queues[FAKE_QUEUES];
    unsigned quiets;
    void (*quiet_done)(void *opaque);
    void *quiet_opaque;
    uint8_t config[FAKE_CONFIG];
    unsigned config_writes;
};

const char *tenon_device_name(const struct tenon_device *device)
{
    (void)device;
    return "fake";
}

int tenon_bus_attach(struct tenon_device *device, struct tenon_mem *mem,
                     const struct tenon_bus_ops *ops, void *bus)
{
    if (device->mem) {
        return -EBUSY;
    }
    device->mem = mem;
    device->ops = *ops;
    device->bus = bus;
    return 0;
}

void tenon_bus_rest(struct tenon_device *device)
{
    (void)device;
}

void tenon_bus_detach(struct tenon_device *device)
{
    device->mem = NULL;
}

unsigned tenon_bus_queue_count(const struct tenon_device *device)
{
    (void)device;
    return FAKE_QUEUES;
}

unsigned tenon_bus_queue_groups(const struct tenon_device *device)
{
    (void)device;
    return FAKE_QUEUES;
}

unsigned tenon_bus_queue_max(const struct tenon_device *device, unsigned queue)
{
    (void)device;
    return queue < FAKE_QUEUES ? FAKE_QUEUE_MAX : 0;
}

void tenon_bus_features(const struct tenon_device *device, uint64_t features[2])
{
    features[0] = device->offered;
    features[1] = 1; /* cannot be carried (VU-11) */
}

int tenon_bus_negotiate(struct tenon_device *device, const uint64_t features[2])
{
    device->negotiations++;
    if (device->refuse_features || (features[0] & ~device->offered) || features[1]) {
        return -EINVAL;
    }
    device->negotiated = features[0];
    return 0;
}

void tenon_bus_config_read(struct tenon_device *device, uint32_t offset, void *to, uint32_t bytes)
{
    uint8_t *out = to;

    for (uint32_t i = 0; i < bytes; i++) {
        out[i] = offset + i < FAKE_CONFIG ? device->config[offset + i] : 0;
    }
}

bool tenon_bus_config_write(struct tenon_device *device, uint32_t offset, const void *from,
                            uint32_t bytes)
{
    device->config_writes++;
    if (offset != FAKE_WRITABLE || bytes != 1) {
        return false;
    }
    memcpy(device->config + offset, from, 1);
    return true;
}

int tenon_bus_queue_start(struct tenon_device *device, unsigned index,
                          const struct tenon_ring *ring)
{
    struct fake_queue *queue = &device->queues[index];

    assert_true(index < FAKE_QUEUES);
    assert_false(queue->running);
    if (device->start_error) {
        return device->start_error;
    }
    device->has_worker = true;
    queue->ring = *ring;
    queue->running = true;
    queue->next_avail = ring->next_avail;
    queue->starts++;
    return 0;
}

static inline void fake_stopped(struct fake_queue *queue, unsigned index)
{
    if (queue->ring.kick_fd >= 0) {
        close(queue->ring.kick_fd);
    }
    queue->ring.kick_fd = -1;
    queue->running = queue->stopping = false;
    if (queue->done) {
        tenon_queue_stopped_fn *done = queue->done;
        queue->done = NULL;
        done(queue->opaque, index, queue->next_avail);
    }
}

int tenon_bus_queue_stop(struct tenon_device *device, unsigned index, bool drop,
                         tenon_queue_stopped_fn *done, void *opaque)
{
    struct fake_queue *queue = &device->queues[index];

    assert_false(drop);
    assert_false(queue->stopping);
    queue->stops++;
    queue->done = done;
    queue->opaque = opaque;
    queue->stopping = true;
    if (!device->hold_stops) {
        fake_stopped(queue, index);
    }
    return 0;
}

int tenon_bus_queue_set_kick(struct tenon_device *device, unsigned index, int kick_fd)
{
    struct fake_queue *queue = &device->queues[index];

    if (queue->ring.kick_fd >= 0) {
        close(queue->ring.kick_fd);
    }
    queue->ring.kick_fd = kick_fd;
    queue->kick_changes++;
    return 0;
}

struct tenon_worker *tenon_bus_queue_worker(struct tenon_device *device, unsigned index)
{
    (void)index;
    return device->has_worker ? device->worker : NULL;
}

static inline void fake_quiet_now(struct tenon_device *device)
{
    for (unsigned i = 0; i < FAKE_QUEUES; i++) {
        if (device->queues[i].running) {
            fake_stopped(&device->queues[i], i);
        }
    }
    device->negotiated = 0;
    if (device->quiet_done) {
        void (*done)(void *) = device->quiet_done;
        device->quiet_done = NULL;
        done(device->quiet_opaque);
    }
}

void tenon_bus_quiet(struct tenon_device *device, void (*done)(void *opaque), void *opaque)
{
    device->quiets++;
    device->quiet_done = done;
    device->quiet_opaque = opaque;
    if (!device->hold_stops) {
        fake_quiet_now(device);
    }
}

/* What was held ends now: stops, and a reset. */
static inline void fake_let_go(struct tenon_device *device)
{
    for (unsigned i = 0; i < FAKE_QUEUES; i++) {
        if (device->queues[i].stopping) {
            fake_stopped(&device->queues[i], i);
        }
    }
    if (device->quiet_done) {
        fake_quiet_now(device);
    }
}

#endif
