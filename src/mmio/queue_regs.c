/*
 * queue_regs.c: the registers of the queue that QueueSel selects. They take values after
 * FEATURES_OK while the queue is not ready (MMIO-38); QueueReady takes 1 only when size, alignment
 * and addresses are right (MMIO-37). Stopping is asynchronous: QueueReady and QueueReset read 1
 * until nothing touches the queue's memory any more (MMIO-34, MMIO-36).
 *
 * Called with mmio->lock held, except the callbacks of the queue's worker, which touch atomics
 * only.
 */
#include "mmio/mmio.h"

#include <stddef.h>

#include "base/log.h"
#include "base/num.h"
#include "virtqueue/virtqueue.h"

static struct mmio_queue *selected(struct tenon_mmio *mmio)
{
    return mmio->queue_sel < mmio->queue_count ? &mmio->queues[mmio->queue_sel] : NULL;
}

uint32_t mmio_queue_read(struct tenon_mmio *mmio, uint32_t offset)
{
    const struct mmio_queue *queue = selected(mmio);

    if (!queue) { /* MMIO-39 */
        return 0;
    }
    switch (offset) {
    case TN_MMIO_QUEUE_SIZE_MAX:
        return tenon_bus_queue_max(mmio->device, mmio->queue_sel);
    case TN_MMIO_QUEUE_READY:
        return __atomic_load_n(&queue->ready, __ATOMIC_ACQUIRE);
    case TN_MMIO_QUEUE_RESET:
        return __atomic_load_n(&queue->resetting, __ATOMIC_ACQUIRE);
    default:
        return 0;
    }
}

static bool is_live(const struct tenon_mmio *mmio)
{
    return (mmio_status(mmio) & TN_STATUS_DRIVER_OK) != 0;
}

static void start(struct tenon_mmio *mmio, unsigned index)
{
    struct mmio_queue *queue = &mmio->queues[index];
    struct tenon_ring ring = {
        .size = sizeof(ring),
        .entries = queue->size,
        .desc_gpa = queue->desc,
        .driver_gpa = queue->driver,
        .device_gpa = queue->device,
        .kick_fd = -1,
    };

    if (tenon_bus_queue_start(mmio->device, index, &ring) < 0) {
        __atomic_store_n(&queue->ready, 0, __ATOMIC_RELEASE);
        /* A register write has no caller that could be told: the log is all that the host has. */
        if (!(mmio_status(mmio) & TN_STATUS_NEEDS_RESET)) {
            tn_log(TENON_LOG_ERROR, "%s: queue %u does not start: %s",
                   tenon_device_name(mmio->device), index, tenon_error());
        }
        mmio_needs_reset(
            mmio); /* the driver believes that it runs: it has to hear that it does not */
    }
}

/* DRIVER_OK: start each ready queue. */
void mmio_queues_start(struct tenon_mmio *mmio)
{
    for (unsigned i = 0; i < mmio->queue_count; i++) {
        if (__atomic_load_n(&mmio->queues[i].ready, __ATOMIC_ACQUIRE)) {
            start(mmio, i);
        }
    }
}

/*
 * On the queue's worker: nothing touches its memory any more. Ready goes last: it is what a driver
 * waits for.
 */
static void on_stopped(void *opaque, unsigned index, uint16_t next_avail)
{
    struct tenon_mmio *mmio = opaque;
    struct mmio_queue *queue = &mmio->queues[index];

    (void)next_avail;
    __atomic_store_n(&queue->stopping, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&queue->ready, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&queue->resetting, 0, __ATOMIC_RELEASE);
}

static void stop(struct tenon_mmio *mmio, unsigned index, bool reset)
{
    struct mmio_queue *queue = &mmio->queues[index];

    __atomic_store_n(&queue->stopping, 1, __ATOMIC_RELEASE);
    __atomic_store_n(&queue->resetting, reset, __ATOMIC_RELEASE);
    if (tenon_bus_queue_stop(mmio->device, index, reset, on_stopped, mmio) < 0) {
        /* Not stopped, and the registers say so: the driver may write again. */
        __atomic_store_n(&queue->stopping, 0, __ATOMIC_RELEASE);
        __atomic_store_n(&queue->resetting, 0, __ATOMIC_RELEASE);
    }
}

static void ignore_stopped(void *opaque, unsigned index, uint16_t next_avail)
{
    (void)opaque;
    (void)index;
    (void)next_avail;
}

/* FAILED: the driver has given up; what is in flight is finished and nothing new is taken. */
void mmio_queues_stop(struct tenon_mmio *mmio)
{
    for (unsigned i = 0; i < mmio->queue_count; i++) {
        tenon_bus_queue_stop(mmio->device, i, false, ignore_stopped, NULL);
    }
}

static bool is_valid(struct tenon_mmio *mmio, const struct mmio_queue *queue)
{
    struct tn_vq_config config = {
        .size = queue->size,
        .desc_gpa = queue->desc,
        .driver_gpa = queue->driver,
        .device_gpa = queue->device,
    };

    return tn_is_power_of_2(queue->size) &&
           queue->size <= tenon_bus_queue_max(mmio->device, mmio->queue_sel) &&
           tn_vq_check(&config, mmio->mem) >= 0;
}

static void write_ready(struct tenon_mmio *mmio, struct mmio_queue *queue, uint32_t value)
{
    bool ready = __atomic_load_n(&queue->ready, __ATOMIC_ACQUIRE) != 0;

    if (value == 1 && !ready && is_valid(mmio, queue)) {
        __atomic_store_n(&queue->ready, 1, __ATOMIC_RELEASE);
        if (is_live(mmio)) {
            start(mmio, mmio->queue_sel);
        }
    } else if (value == 0 && ready) {
        if (is_live(mmio)) {
            stop(mmio, mmio->queue_sel, false);
        } else {
            __atomic_store_n(&queue->ready, 0, __ATOMIC_RELEASE);
        }
    }
}

/* MMIO-35: only where RING_RESET was accepted. */
static bool ring_reset_negotiated(const struct tenon_mmio *mmio)
{
    return (mmio_status(mmio) & TN_STATUS_FEATURES_OK) &&
           ((mmio->driver_features[TN_F_RING_RESET / 32] >> (TN_F_RING_RESET % 32)) & 1);
}

static void write_reset(struct tenon_mmio *mmio, struct mmio_queue *queue, uint32_t value)
{
    if (value != 1 || !ring_reset_negotiated(mmio)) {
        return;
    }
    queue->size = 0; /* BASIC-43: everything goes back to its default */
    queue->desc = queue->driver = queue->device = 0;
    if (is_live(mmio)) {
        stop(mmio, mmio->queue_sel, true);
    } else {
        __atomic_store_n(&queue->ready, 0, __ATOMIC_RELEASE);
    }
}

static void set_low(uint64_t *address, uint32_t value)
{
    *address = (*address & ~(uint64_t)UINT32_MAX) | value;
}

static void set_high(uint64_t *address, uint32_t value)
{
    *address = (*address & UINT32_MAX) | (uint64_t)value << 32;
}

static void write_setup(struct mmio_queue *queue, uint32_t offset, uint32_t value)
{
    switch (offset) {
    case TN_MMIO_QUEUE_SIZE:
        queue->size = value; /* kept whole: 65536 + n is not n (prior fault K14) */
        break;
    case TN_MMIO_QUEUE_DESC_LOW:
        set_low(&queue->desc, value);
        break;
    case TN_MMIO_QUEUE_DESC_HIGH:
        set_high(&queue->desc, value);
        break;
    case TN_MMIO_QUEUE_DRIVER_LOW:
        set_low(&queue->driver, value);
        break;
    case TN_MMIO_QUEUE_DRIVER_HIGH:
        set_high(&queue->driver, value);
        break;
    case TN_MMIO_QUEUE_DEVICE_LOW:
        set_low(&queue->device, value);
        break;
    case TN_MMIO_QUEUE_DEVICE_HIGH:
        set_high(&queue->device, value);
        break;
    default:
        break; /* read-only or unknown (MMIO-42) */
    }
}

void mmio_queue_write(struct tenon_mmio *mmio, uint32_t offset, uint32_t value)
{
    struct mmio_queue *queue = selected(mmio);
    uint32_t status = mmio_status(mmio);

    if (!queue || mmio_is_resetting(mmio) || !(status & TN_STATUS_FEATURES_OK) ||
        __atomic_load_n(&queue->stopping, __ATOMIC_ACQUIRE)) {
        return;
    }
    bool given_up = (status & (TN_STATUS_NEEDS_RESET | TN_STATUS_FAILED)) != 0;
    if (offset == TN_MMIO_QUEUE_READY && (value == 0 || !given_up)) {
        write_ready(mmio, queue, value);
    } else if (offset == TN_MMIO_QUEUE_RESET && !given_up) {
        write_reset(mmio, queue, value);
    } else if (!given_up && !__atomic_load_n(&queue->ready, __ATOMIC_ACQUIRE)) {
        write_setup(queue, offset, value);
    }
}
