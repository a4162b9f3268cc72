/*
 * driver.c: what a driver does whatever the transport: the way from reset to a running device,
 * kicks, and waiting.
 *
 *   offered ──> negotiate ──> queues started ──> live ──> add, kick, wait for interrupts ... reset
 *
 * Waiting goes by interrupts as in a real guest, so a lost one is seen as a time-out. Where the
 * device has no thread, each step of waiting turns its crank.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "spec/virtio.h"
#include "tenon_driver_net.h"

enum { DEFAULT_QUEUE_SIZE = 256, DEFAULT_TIMEOUT_MS = 20000, SLICE_MS = 20 };

int tnd_new(const struct tenon_driver_ops *ops, struct tnd_ram *ram, size_t bytes,
            struct tenon_driver **out)
{
    struct tenon_driver *driver = bytes < sizeof(*driver) ? NULL : calloc(1, bytes);
    if (!driver) {
        return bytes < sizeof(*driver) ? -EINVAL : -ENOMEM;
    }
    driver->ops = ops;
    driver->ram = ram;
    driver->timeout_ms = DEFAULT_TIMEOUT_MS;
    for (unsigned i = 0; i < TND_MAX_QUEUES; i++) {
        driver->queues[i].kick_fd = driver->queues[i].call_fd = driver->queues[i].err_fd = -1;
    }
    *out = driver;
    return 0;
}

uint64_t tnd_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

static void sleep_us(unsigned us)
{
    struct timespec t = { .tv_sec = us / 1000000, .tv_nsec = (long)(us % 1000000) * 1000 };
    nanosleep(&t, NULL);
}

void tnd_pass(struct tenon_driver *driver)
{
    if (!driver->crank || driver->crank(driver->crank_opaque) == 0) {
        sleep_us(100);
    }
}

void tnd_settle(struct tenon_driver *driver, unsigned ms)
{
    if (!driver->crank) {
        sleep_us(ms * 1000);
        return;
    }
    /* Twice nothing: what a thread of a disk finished meanwhile is seen too. */
    for (unsigned idle = 0; idle < 2;) {
        idle = driver->crank(driver->crank_opaque) == 0 ? idle + 1 : 0;
    }
}

bool tnd_until(struct tenon_driver *driver, bool (*fn)(void *opaque), void *opaque)
{
    uint64_t end = tnd_now_ms() + driver->timeout_ms;
    while (!fn(opaque)) {
        if (tnd_now_ms() > end) {
            return false;
        }
        tnd_pass(driver);
    }
    return true;
}

bool tnd_has(const struct tenon_driver *driver, unsigned feature)
{
    return driver->features[feature / 64] >> (feature % 64) & 1;
}

int tnd_negotiate(struct tenon_driver *driver, const struct tnd_setup *setup)
{
    static const struct tnd_setup defaults;
    const struct tnd_setup *s = setup ? setup : &defaults;
    bool only = s->only[0] || s->only[1];

    int error = driver->ops->offered(driver, driver->offered);
    if (error) {
        return error;
    }
    for (unsigned i = 0; i < 2; i++) {
        driver->features[i] = driver->offered[i] & ~s->without[i];
        if (only) {
            driver->features[i] &= s->only[i];
        }
    }
    return driver->ops->negotiate(driver, driver->features);
}

static int start_one(struct tenon_driver *driver, unsigned queue)
{
    struct tnd_queue *q = &driver->queues[queue];
    const struct tnd_setup *setup = &driver->setup;
    int max = driver->ops->queue_max(driver, queue);
    if (max <= 0) {
        return max < 0 ? max : -ENODEV;
    }
    uint32_t size = setup->queue_size ? setup->queue_size : DEFAULT_QUEUE_SIZE;
    if (!setup->queue_size && size > (uint32_t)max) {
        size = (uint32_t)max;
    }
    if (!q->ring) {
        int error = tnd_ring_new(driver->ram, setup->ring_region, size, setup->start, &q->ring);
        if (error) {
            return error;
        }
    }
    q->ring->event_idx = tnd_has(driver, TN_F_EVENT_IDX);
    q->irq_pending = false;
    q->broken = false;
    return driver->ops->queue_start(driver, queue);
}

int tnd_queues(struct tenon_driver *driver, const struct tnd_setup *setup)
{
    driver->setup = setup ? *setup : (struct tnd_setup){ .queues = 1 };
    if (driver->setup.queues == 0) {
        driver->setup.queues = 1;
    }
    for (unsigned i = 0; i < driver->setup.queues; i++) {
        int error = start_one(driver, i);
        if (error) {
            return error;
        }
        if (i >= driver->queue_count) {
            driver->queue_count = i + 1;
        }
    }
    return driver->ops->live ? driver->ops->live(driver) : 0;
}

int tnd_start(struct tenon_driver *driver, const struct tnd_setup *setup)
{
    int error = tnd_negotiate(driver, setup);
    return error ? error : tnd_queues(driver, setup);
}

static void drop_rings(struct tenon_driver *driver)
{
    tnd_net_forget(driver, TND_NET_ALL);
    for (unsigned i = 0; i < TND_MAX_QUEUES; i++) {
        tnd_ring_free(driver->queues[i].ring);
        driver->queues[i].ring = NULL;
        driver->queues[i].irq_pending = false;
        driver->queues[i].broken = false;
    }
    driver->queue_count = 0;
}

int tnd_reset(struct tenon_driver *driver)
{
    int error = driver->ops->reset(driver);
    if (!error) {
        drop_rings(driver);
    }
    return error;
}

int tnd_queue_restart(struct tenon_driver *driver, unsigned queue)
{
    struct tnd_ring *ring = driver->queues[queue].ring;
    uint16_t base = ring->start;

    int error = driver->ops->queue_stop(driver, queue, &base);
    if (error) {
        return error;
    }
    ring->start = base;
    if (base == 0) {
        tnd_ring_clear(ring);
    }
    return driver->ops->queue_start(driver, queue);
}

void tnd_free(struct tenon_driver *driver)
{
    if (!driver) {
        return;
    }
    drop_rings(driver);
    if (driver->ops->free) {
        driver->ops->free(driver);
    }
    free(driver);
}

int tnd_add(struct tenon_driver *driver, unsigned queue, const struct tnd_seg *segs, unsigned count,
            enum tnd_form form, void *token)
{
    return tnd_ring_add(driver->queues[queue].ring, segs, count, form, token);
}

void tnd_notify(struct tenon_driver *driver, unsigned queue)
{
    driver->queues[queue].kicks++;
    driver->ops->notify(driver, queue);
}

void tnd_kick(struct tenon_driver *driver, unsigned queue)
{
    if (tnd_ring_publish(driver->queues[queue].ring)) {
        tnd_notify(driver, queue);
    }
}

bool tnd_irq_take(struct tenon_driver *driver, unsigned queue)
{
    bool taken = driver->ops->irq_take(driver, queue);
    if (taken) {
        driver->queues[queue].irqs++;
    }
    return taken;
}

bool tnd_broken(struct tenon_driver *driver, unsigned queue)
{
    return driver->ops->broken(driver, queue);
}

bool tnd_wait_broken(struct tenon_driver *driver, unsigned queue)
{
    uint64_t end = tnd_now_ms() + driver->timeout_ms;
    while (!tnd_broken(driver, queue)) {
        if (tnd_now_ms() > end) {
            return false;
        }
        tnd_pass(driver);
    }
    return true;
}

/* One sleep of a driver that has nothing to do until an interrupt comes. */
static void await_irq(struct tenon_driver *driver, unsigned queue)
{
    if (driver->crank || !driver->ops->irq_wait) {
        tnd_pass(driver);
    } else {
        driver->ops->irq_wait(driver, queue, SLICE_MS);
    }
}

bool tnd_wait_irq(struct tenon_driver *driver, unsigned queue)
{
    uint64_t end = tnd_now_ms() + driver->timeout_ms;
    while (!tnd_irq_take(driver, queue)) {
        if (tnd_now_ms() > end) {
            return false;
        }
        await_irq(driver, queue);
    }
    return true;
}

int tnd_await_irq(struct tenon_driver *driver, unsigned queue, uint64_t end_ms)
{
    while (!tnd_irq_take(driver, queue)) {
        if (tnd_broken(driver, queue)) {
            return -EPIPE;
        }
        if (tnd_now_ms() > end_ms) {
            return -ETIMEDOUT;
        }
        await_irq(driver, queue);
    }
    return 0;
}

int tnd_wait_used(struct tenon_driver *driver, unsigned queue, struct tnd_used *used)
{
    struct tnd_ring *ring = driver->queues[queue].ring;
    uint64_t end = tnd_now_ms() + driver->timeout_ms;

    for (;;) {
        if (tnd_ring_take(ring, used)) {
            return 0;
        }
        if (tnd_ring_irq_on(ring)) {
            continue;
        }
        int error = tnd_await_irq(driver, queue, end);
        if (error) {
            return error;
        }
    }
}

int tnd_poll_used(struct tenon_driver *driver, unsigned queue, struct tnd_used *used)
{
    uint64_t end = tnd_now_ms() + driver->timeout_ms;

    while (!tnd_ring_take(driver->queues[queue].ring, used)) {
        if (tnd_broken(driver, queue)) {
            return -EPIPE;
        }
        if (tnd_now_ms() > end) {
            return -ETIMEDOUT;
        }
        tnd_pass(driver);
    }
    return 0;
}

uint64_t tnd_config_irqs(struct tenon_driver *driver)
{
    return driver->ops->config_irqs(driver);
}

int tnd_config_read(struct tenon_driver *driver, uint32_t offset, void *to, uint32_t bytes)
{
    return driver->ops->config_read(driver, offset, to, bytes);
}

int tnd_config_write(struct tenon_driver *driver, uint32_t offset, const void *from, uint32_t bytes)
{
    return driver->ops->config_write(driver, offset, from, bytes);
}
