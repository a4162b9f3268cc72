/*
 * wait.c: the synchronous wrappers: a deadline around what is asynchronous inside. Where a worker
 * of the device has no thread, the waiting thread turns its crank meanwhile, or nothing would ever
 * end.
 */
#include "device/within.h"

#include <errno.h>
#include <time.h>

#include "base/err.h"

enum { CRANK_MS = 1 };

bool tn_device_is_quiet(const struct tenon_device *device)
{
    return device->active == 0 && device->quieting == 0;
}

bool tn_device_is_paused(const struct tenon_device *device)
{
    return device->paused && device->touching == 0;
}

/* What is waited for, as a question that a worker can be asked to turn for (tn_worker_wait). */
struct wait {
    struct tenon_device *device;
    bool (*ready)(const struct tenon_device *device, uint32_t reset);
    uint32_t reset;
};

static bool quiet(const struct tenon_device *device, uint32_t reset)
{
    (void)reset;
    return tn_device_is_quiet(device);
}

static bool paused(const struct tenon_device *device, uint32_t reset)
{
    (void)reset;
    return tn_device_is_paused(device);
}

static bool ended(const struct tenon_device *device, uint32_t reset)
{
    return tn_device_is_quiet(device) || (int32_t)(device->ended_resets - reset) >= 0;
}

static bool is_over(void *opaque)
{
    struct wait *wait = opaque;

    pthread_mutex_lock(&wait->device->lock);
    bool over = wait->ready(wait->device, wait->reset);
    pthread_mutex_unlock(&wait->device->lock);
    return over;
}

/*
 * A little time for each worker that has no thread: here, or, while another thread is in its loop
 * (which may be asleep there for long), by waking that one. False when there is none.
 */
static bool crank(struct wait *wait)
{
    struct tenon_device *device = wait->device;
    bool cranked = false;

    /* Those of its own have threads. */
    for (unsigned i = 0; i < device->worker_count && !device->owns_workers; i++) {
        struct tenon_worker *worker = device->workers[i];
        if (!tn_worker_has_thread(worker) && !tenon_worker_here(worker)) {
            tn_worker_wait(worker, is_over, wait, CRANK_MS);
            cranked = true;
        }
    }
    return cranked;
}

static struct timespec as_timespec(uint64_t ns)
{
    struct timespec when = { .tv_sec = (time_t)(ns / 1000000000u),
                             .tv_nsec = (long)(ns % 1000000000u) };
    return when;
}

static int wait_until(struct tenon_device *device,
                      bool (*ready)(const struct tenon_device *device, uint32_t reset),
                      uint32_t reset, unsigned timeout_ms)
{
    struct wait wait = { device, ready, reset };
    uint64_t deadline = tenon_now() + (uint64_t)timeout_ms * 1000000u;
    struct timespec until = as_timespec(deadline);

    while (!is_over(&wait)) {
        if (tenon_now() >= deadline) {
            return tn_error(-ETIMEDOUT,
                            "%s: operations of the disk are still under way after %u ms; "
                            "ask again later",
                            device->name, timeout_ms);
        }
        if (crank(&wait)) {
            continue;
        }
        pthread_mutex_lock(&device->lock);
        if (!ready(device, reset)) {
            pthread_cond_timedwait(&device->changed, &device->lock, &until);
        }
        pthread_mutex_unlock(&device->lock);
    }
    return 0;
}

int tn_device_wait_paused(struct tenon_device *device, unsigned timeout_ms)
{
    return wait_until(device, paused, 0, timeout_ms);
}

int tn_device_wait_quiet(struct tenon_device *device, unsigned timeout_ms)
{
    return wait_until(device, quiet, 0, timeout_ms);
}

int tn_device_wait_reset(struct tenon_device *device, uint32_t reset, unsigned timeout_ms)
{
    return wait_until(device, ended, reset, timeout_ms);
}

int tenon_bus_wait_quiet(struct tenon_device *device, unsigned timeout_ms)
{
    return tn_device_wait_quiet(device, timeout_ms);
}

bool tenon_bus_is_quiet(const struct tenon_device *device)
{
    struct tenon_device *locked = (struct tenon_device *)(uintptr_t)device;

    pthread_mutex_lock(&locked->lock);
    bool is_quiet = tn_device_is_quiet(device);
    pthread_mutex_unlock(&locked->lock);
    return is_quiet;
}
