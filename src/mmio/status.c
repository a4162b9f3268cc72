/*
 * status.c: the device status register's machine (sections 2.1 and 3.1), as a table, and reset.
 *
 *   0 ──> ACKNOWLEDGE ──> DRIVER ──> FEATURES_OK ──> DRIVER_OK      one new bit at a time
 *   any ──> FAILED        any ──write 0──> reset ──> 0
 *
 * A write that skips a step, or that lacks bits which are set, does nothing (BASIC-07, BASIC-08).
 * After NEEDS_RESET or FAILED only a reset has an effect.
 *
 * Reset waits at most MMIO_RESET_WAIT_MS: a read in the kernel's hands will write guest memory and
 * cannot be recalled. Until it has ended Status goes on reading what it was, and nothing but
 * another 0 is taken; then the device is as new.
 */
#include "mmio/mmio.h"

#include <stddef.h>
#include <string.h>

enum {
    SEEN = TN_STATUS_ACKNOWLEDGE,
    DRIVER = SEEN | TN_STATUS_DRIVER,
    AGREED = DRIVER | TN_STATUS_FEATURES_OK,
    LIVE = AGREED | TN_STATUS_DRIVER_OK
};

/* FEATURES_OK: the device accepts the driver's features, or the bit does not appear (BASIC-12). */
static bool agree(struct tenon_mmio *mmio)
{
    uint64_t features[2];

    for (unsigned i = 0; i < 2; i++) {
        features[i] = mmio->driver_features[2 * i] | (uint64_t)mmio->driver_features[2 * i + 1]
                                                         << 32;
    }
    return !mmio->driver_features_bad && tenon_bus_negotiate(mmio->device, features) >= 0;
}

static const struct transition {
    uint32_t from, to;
    bool (*allowed)(struct tenon_mmio *mmio);
    void (*then)(struct tenon_mmio *mmio);
} transitions[] = {
    { 0, SEEN, NULL, NULL },
    { SEEN, DRIVER, NULL, NULL },
    { DRIVER, AGREED, agree, NULL },
    { AGREED, LIVE, NULL, mmio_queues_start },
};

static void advance(struct tenon_mmio *mmio, uint32_t value)
{
    uint32_t status = mmio_status(mmio);

    if (status & (TN_STATUS_NEEDS_RESET | TN_STATUS_FAILED)) {
        return;
    }
    if ((value & TN_STATUS_FAILED) &&
        (value & status) == status) { /* BASIC-09: no more queue work until reset */
        __atomic_fetch_or(&mmio->status, TN_STATUS_FAILED, __ATOMIC_ACQ_REL);
        mmio_queues_stop(mmio);
        return;
    }
    for (size_t i = 0; i < sizeof(transitions) / sizeof(*transitions); i++) {
        const struct transition *t = &transitions[i];
        if (t->from == status && t->to == value && (!t->allowed || t->allowed(mmio))) {
            __atomic_fetch_or(&mmio->status, value, __ATOMIC_ACQ_REL);
            if (t->then) {
                t->then(mmio);
            }
            return;
        }
    }
}

bool mmio_is_resetting(struct tenon_mmio *mmio)
{
    pthread_mutex_lock(&mmio->reset_lock);
    bool resetting = mmio->resetting;
    pthread_mutex_unlock(&mmio->reset_lock);
    return resetting;
}

/*
 * Nothing touches guest memory any more: the device is as new (BASIC-29, BASIC-32, MMIO-29,
 * MMIO-30). On any thread.
 */
static void on_quiet(void *opaque)
{
    struct tenon_mmio *mmio = opaque;

    for (unsigned i = 0; i < mmio->queue_count; i++) {
        struct mmio_queue *queue = &mmio->queues[i];
        __atomic_store_n(&queue->ready, 0, __ATOMIC_RELEASE);
        __atomic_store_n(&queue->resetting, 0, __ATOMIC_RELEASE);
        __atomic_store_n(&queue->stopping, 0, __ATOMIC_RELEASE);
    }
    __atomic_store_n(&mmio->interrupt_status, 0, __ATOMIC_SEQ_CST);
    mmio_set_line(mmio, 0);
    pthread_mutex_lock(&mmio->reset_lock);
    __atomic_store_n(&mmio->status, 0, __ATOMIC_RELEASE);
    mmio->resetting = false;
    pthread_cond_broadcast(&mmio->reset_done);
    pthread_mutex_unlock(&mmio->reset_lock);
}

void mmio_reset_begin(struct tenon_mmio *mmio)
{
    pthread_mutex_lock(&mmio->lock);
    bool under_way = mmio_is_resetting(mmio);
    if (!under_way) {
        pthread_mutex_lock(&mmio->reset_lock);
        mmio->resetting = true;
        pthread_mutex_unlock(&mmio->reset_lock);
        mmio->device_features_sel = mmio->driver_features_sel = mmio->queue_sel = 0;
        memset(mmio->driver_features, 0, sizeof(mmio->driver_features));
        mmio->driver_features_bad = false;
        for (unsigned i = 0; i < mmio->queue_count; i++) {
            mmio->queues[i].size = 0;
            mmio->queues[i].desc = mmio->queues[i].driver = mmio->queues[i].device = 0;
        }
    }
    pthread_mutex_unlock(&mmio->lock);
    if (!under_way) {
        tenon_bus_quiet(mmio->device, on_quiet, mmio);
    }
}

void mmio_reset_wait(struct tenon_mmio *mmio, bool forever)
{
    int error;

    do {
        error = tenon_bus_wait_quiet(mmio->device, MMIO_RESET_WAIT_MS);
    } while (error < 0 && forever);
    if (error < 0) {
        return;
    }
    pthread_mutex_lock(
        &mmio->reset_lock); /* the device is quiet: on_quiet is running, or has run */
    while (mmio->resetting) {
        pthread_cond_wait(&mmio->reset_done, &mmio->reset_lock);
    }
    pthread_mutex_unlock(&mmio->reset_lock);
}

void mmio_status_write(struct tenon_mmio *mmio, uint32_t value)
{
    if (value == 0) {
        mmio_reset_begin(mmio);
        mmio_reset_wait(mmio, false);
        return;
    }
    pthread_mutex_lock(&mmio->lock);
    if (!mmio_is_resetting(mmio)) {
        advance(mmio, value);
    }
    pthread_mutex_unlock(&mmio->lock);
}
