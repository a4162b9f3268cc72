/*
 * device.c: the device object: features, config space, statistics, reset, and its end. Which bits
 * exist and what config space says is the type's; what is true of every device stands here.
 */
#include "device/within.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "base/num.h"
#include "spec/virtio.h"

enum {
    NAME_MAX_BYTES = 64,
    FREE_POLL_MS = 1000,
    POLL_AUTO_NS = 200 * 1000,
    POLL_MAX_US = 1000 * 1000
};

static const char *const common_counters[TN_COUNT_COMMON] = {
    [TN_COUNT_KICKS] = "kicks",
    [TN_COUNT_INTERRUPTS] = "interrupts",
    [TN_COUNT_TURNS] = "turns",
    [TN_COUNT_REQUESTS] = "requests",
    [TN_COUNT_STARVED] = "starved",
    [TN_COUNT_BROKEN] = "broken",
    [TN_COUNT_DROPPED] = "dropped",
    [TN_COUNT_THROTTLED] = "throttled",
    [TN_COUNT_POLLED] = "polled",
    [TN_COUNT_POLLED_IN_VAIN] = "polled_in_vain",
    [TN_COUNT_THROTTLED_NOW] = "throttled_now",
    [TN_COUNT_IN_FLIGHT] = "in_flight_now",
};

static int set_polling(struct tenon_device *device, const struct tn_device_init *init)
{
    if (init->poll_us < TENON_POLL_OFF || init->poll_us > POLL_MAX_US) {
        return tn_error(-EINVAL, "%s: cannot poll for %d microseconds; use 1 to %d", init->name,
                        init->poll_us, POLL_MAX_US);
    }
    device->poll_ns = init->poll_us == TENON_POLL_AUTO  ? POLL_AUTO_NS
                      : init->poll_us == TENON_POLL_OFF ? 0
                                                        : (uint64_t)init->poll_us * 1000;
    return 0;
}

int tn_device_init(struct tenon_device *device, const struct tn_device_init *init)
{
    pthread_condattr_t attributes;
    int error = set_polling(device, init);

    if (error < 0) {
        return error;
    }
    device->type = init->type;
    device->slot_bytes = init->slot_bytes;
    device->queue_count = init->queues;
    device->queue_max = init->queue_max;
    device->loop = init->loop;
    device->no_event_idx = init->no_event_idx;
    device->event = init->event;
    device->event_opaque = init->event_opaque;
    device->name = strndup(init->name, NAME_MAX_BYTES);
    device->queues = calloc(init->queues, sizeof(struct tn_queue *));
    error = device->name && device->queues
                ? tn_workers_init(device, init)
                : tn_error(-ENOMEM, "no memory for the device %s", init->name);
    if (error < 0) {
        free(device->name);
        free(device->queues);
        return error;
    }
    tn_list_init(&device->pause_waiters);
    pthread_mutex_init(&device->lock, NULL);
    pthread_mutex_init(&device->bus_lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&device->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    error = tn_limit_join(device, init->limits, init->limit_group);
    if (error < 0) {
        tn_device_fini(device);
    }
    return error;
}

void tn_device_fini(struct tenon_device *device)
{
    tn_limit_leave(device);
    for (unsigned i = 0; i < device->queue_count; i++) {
        tn_queue_free(device->queues[i]);
    }
    pthread_cond_destroy(&device->changed);
    pthread_mutex_destroy(&device->bus_lock);
    pthread_mutex_destroy(&device->lock);
    tn_workers_fini(device);
    free(device->queues);
    free(device->name);
}

const char *tenon_device_name(const struct tenon_device *device)
{
    return device->name;
}

/* Ring features that every device has: what virtqueue/ and life.c can do. */
static const uint64_t ring_features =
    (uint64_t)1 << TN_F_INDIRECT_DESC | (uint64_t)1 << TN_F_EVENT_IDX |
    (uint64_t)1 << TN_F_VERSION_1 | (uint64_t)1 << TN_F_RING_RESET;

void tenon_bus_features(const struct tenon_device *device, uint64_t features[2])
{
    features[0] = ring_features;
    features[0] &= device->no_event_idx ? ~((uint64_t)1 << TN_F_EVENT_IDX) : UINT64_MAX;
    features[1] = 0;
    device->type->features(device, features);
}

int tenon_bus_negotiate(struct tenon_device *device, const uint64_t features[2])
{
    uint64_t offered[2];

    tenon_bus_features(device, offered);
    if ((features[0] & ~offered[0]) != 0 || (features[1] & ~offered[1]) != 0) { /* BASIC-12 */
        return tn_error(-EINVAL, "%s: the driver accepted features that were not offered (%#llx)",
                        device->name, (unsigned long long)(features[0] & ~offered[0]));
    }
    if (!((features[0] >> TN_F_VERSION_1) & 1)) { /* BASIC-18: legacy drivers are out for good */
        return tn_error(-EINVAL,
                        "%s: the driver did not accept VERSION_1; it needs VIRTIO 1.0 or later",
                        device->name);
    }
    if (device->type->accepts && !device->type->accepts(device, features)) {
        return tn_error(-EINVAL,
                        "%s: the driver accepted features without others that they need (%#llx)",
                        device->name, (unsigned long long)features[0]);
    }
    pthread_mutex_lock(&device->lock);
    /* The same again is no new beginning: what the driver has set in config stays (VU-12). */
    if (features[0] != device->features[0] || features[1] != device->features[1]) {
        __atomic_store_n(&device->features[0], features[0], __ATOMIC_RELAXED);
        __atomic_store_n(&device->features[1], features[1], __ATOMIC_RELAXED);
        device->type->negotiated(device);
    }
    pthread_mutex_unlock(&device->lock);
    return 0;
}

bool tn_device_has(const struct tenon_device *device, unsigned bit)
{
    return (__atomic_load_n(&device->features[bit / 64], __ATOMIC_RELAXED) >> (bit % 64)) & 1;
}

uint32_t tenon_bus_config_size(const struct tenon_device *device)
{
    return device->type->config_bytes;
}

void tenon_bus_config_read(struct tenon_device *device, uint32_t offset, void *to, uint32_t bytes)
{
    uint32_t size = device->type->config_bytes;

    memset(to, 0, bytes); /* BASIC-38: past the end reads as zero */
    if (offset < size) {
        device->type->config_read(device, offset, to, (uint32_t)tn_min_u64(bytes, size - offset));
    }
}

bool tenon_bus_config_write(struct tenon_device *device, uint32_t offset, const void *from,
                            uint32_t bytes)
{
    if (!tn_range_within(offset, bytes, device->type->config_bytes)) {
        return false;
    }
    return device->type->config_write(device, offset, from, bytes);
}

uint32_t tenon_bus_config_generation(const struct tenon_device *device)
{
    uint32_t generation;

    while ((generation = __atomic_load_n(&device->generation, __ATOMIC_ACQUIRE)) % 2 != 0) {
        sched_yield(); /* a store is under way, nothing longer */
    }
    return generation / 2;
}

void tn_device_config_begin(struct tenon_device *device)
{
    pthread_mutex_lock(&device->bus_lock);
    __atomic_fetch_add(&device->generation, 1, __ATOMIC_SEQ_CST);
}

void tn_device_config_changed(struct tenon_device *device)
{
    __atomic_fetch_add(&device->generation, 1, __ATOMIC_SEQ_CST); /* BASIC-35 */
    if (device->bus) {
        device->bus_ops.config_irq(device->bus);
    }
    pthread_mutex_unlock(&device->bus_lock);
}

void tenon_bus_quiet(struct tenon_device *device, void (*done)(void *opaque), void *opaque)
{
    pthread_mutex_lock(&device->lock);
    for (unsigned i = 0; i < TN_QUIET_WAITERS && done; i++) {
        if (!device->quiet_waiters[i].done) {
            device->quiet_waiters[i].done = done;
            device->quiet_waiters[i].opaque = opaque;
            break;
        }
    }
    bool under_way = device->quieting != 0;
    if (!under_way) {
        device->quieting = 1; /* ours, given back below */
        __atomic_store_n(&device->resets, device->resets + 1, __ATOMIC_RELAXED);
    }
    /* Posted with the lock held, so that no detach frees a worker between our look and the post. */
    for (unsigned i = 0; i < device->queue_count && !under_way; i++) {
        struct tn_queue *queue = device->queues[i];
        if (queue && queue->worker) {
            device->quieting++;
            tenon_worker_post(queue->worker, &queue->quiet_post);
        }
    }
    pthread_mutex_unlock(&device->lock);
    if (!under_way) { /* else whoever asks meanwhile is told together with the first */
        tn_life_leave_quiet(device);
    }
}

int tenon_device_reset(struct tenon_device *device, unsigned timeout_ms)
{
    pthread_mutex_lock(&device->bus_lock);
    if (device->bus && !tenon_bus_is_quiet(device)) {
        /* The driver did not ask for it, so it has to hear of it. */
        device->bus_ops.broken(device->bus, 0, "the host reset the device");
    }
    pthread_mutex_unlock(&device->bus_lock);
    tenon_bus_quiet(device, NULL, NULL);
    pthread_mutex_lock(&device->lock);
    uint32_t reset = device->resets; /* ours, or a later one, which is as good */
    pthread_mutex_unlock(&device->lock);
    return tn_device_wait_reset(device, reset, timeout_ms);
}

void tenon_device_free(struct tenon_device *device)
{
    if (!device) {
        return;
    }
    /*
     * Also for a device that is quiet: posts that were on their way to its queues have run when
     * this one has.
     */
    tenon_bus_quiet(device, NULL, NULL);
    while (tn_device_wait_quiet(device, FREE_POLL_MS) < 0) {
        continue;
    }
    tenon_bus_detach(device);
    device->type->free(device);
}

void tenon_device_stats(struct tenon_device *device, tenon_stats_fn *fn, void *opaque)
{
    fn(opaque, "resets", -1, __atomic_load_n(&device->resets, __ATOMIC_RELAXED));
    for (unsigned i = 0; i < device->queue_count; i++) {
        const struct tn_queue *queue = tn_queue_at(device, i);
        if (!queue) {
            continue;
        }
        for (unsigned c = 0; c < TN_COUNT_COMMON; c++) {
            fn(opaque, common_counters[c], (int)i, tn_count_read(&queue->counts[c]));
        }
        for (unsigned c = 0; device->type->counter_names[c]; c++) {
            fn(opaque, device->type->counter_names[c], (int)i,
               tn_count_read(&queue->counts[TN_COUNT_COMMON + c]));
        }
    }
}
