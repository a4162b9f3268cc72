/*
 * workers.c: which worker serves which queue: queue i the one at i mod n of those that were given,
 * or of those that the device makes for itself, each with the first queue that needs it. Its own
 * ones have threads, and end when the transport is detached: an unconnected device costs none.
 *
 * Any thread, under device->lock where it says so.
 */
#include "device/within.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

enum { THREAD_NAME_BYTES = 16 };

static int check(const struct tn_device_init *init)
{
    if (init->worker_count != 0 && !init->workers) {
        return tn_error(-EINVAL, "%s: worker_count is %u, but no workers were given", init->name,
                        init->worker_count);
    }
    if (init->worker_count != 0 && (init->own_workers != 0 || init->cpu_count != 0)) {
        return tn_error(-EINVAL,
                        "%s: own_workers and cpus are for workers that the device makes, but "
                        "workers were given; bind those by tenon_worker_pin",
                        init->name);
    }
    if (init->own_workers > init->queues) {
        return tn_error(-EINVAL,
                        "%s: %u workers are more than its queues (%u); use fewer workers or more "
                        "queues",
                        init->name, init->own_workers, init->queues);
    }
    if (init->cpu_count != 0 && !init->cpus) {
        return tn_error(-EINVAL, "%s: cpu_count is %u, but cpus is NULL", init->name,
                        init->cpu_count);
    }
    return tn_place_check(init->cpus, init->cpu_count);
}

int tn_workers_init(struct tenon_device *device, const struct tn_device_init *init)
{
    int error = check(init);

    if (error < 0) {
        return error;
    }
    device->owns_workers = init->worker_count == 0;
    device->worker_count = !device->owns_workers    ? init->worker_count
                           : init->own_workers != 0 ? init->own_workers
                                                    : 1;
    device->workers = calloc(device->worker_count, sizeof(struct tenon_worker *));
    device->cpus = calloc((size_t)init->cpu_count + 1, sizeof(*device->cpus));
    if (!device->workers || !device->cpus) {
        tn_workers_fini(device);
        return tn_error(-ENOMEM, "no memory for the device %s", init->name);
    }
    if (!device->owns_workers) {
        memcpy(device->workers, init->workers,
               device->worker_count * sizeof(struct tenon_worker *));
    }
    if (init->cpu_count != 0) {
        memcpy(device->cpus, init->cpus, init->cpu_count * sizeof(*device->cpus));
    }
    device->cpu_count = init->cpu_count;
    return 0;
}

void tn_workers_fini(struct tenon_device *device)
{
    free(device->workers);
    free(device->cpus);
}

/* Number `n` of the device's own. */
static int make(struct tenon_device *device, unsigned n)
{
    char name[THREAD_NAME_BYTES];
    bool one_each = device->cpu_count == device->worker_count;
    struct tenon_worker_opts opts = { .size = sizeof(opts),
                                      .name = device->name,
                                      .cpus = one_each ? device->cpus + n : device->cpus,
                                      .cpu_count = one_each ? 1 : device->cpu_count,
                                      .loop = device->loop };
    struct tenon_worker *worker = NULL;

    if (device->worker_count > 1) {
        snprintf(name, sizeof(name), "%.11s/%u", device->name, n % 1000);
        opts.name = name;
    }
    int error = tenon_worker_new(&opts, &worker);
    if (error >= 0) {
        error = tenon_worker_start(worker);
    }
    if (error < 0) {
        tenon_worker_free(worker);
        return error;
    }
    device->workers[n] = worker;
    return 0;
}

int tn_workers_join(struct tenon_device *device, struct tn_queue *queue)
{
    unsigned together = device->type->queues_together ? device->type->queues_together : 1;
    unsigned n = queue->index / together % device->worker_count;

    if (queue->worker) {
        return 0;
    }
    if (!device->workers[n]) {
        int error = make(device, n);
        if (error < 0) {
            return error;
        }
    }
    __atomic_store_n(&queue->worker, device->workers[n], __ATOMIC_RELEASE);
    return 0;
}

unsigned tn_workers_take(struct tenon_device *device, struct tenon_worker *own[TN_QUEUES_MAX])
{
    unsigned count = 0;

    if (!device->owns_workers) {
        return 0;
    }
    for (unsigned i = 0; i < device->queue_count; i++) {
        if (device->queues[i]) {
            __atomic_store_n(&device->queues[i]->worker, NULL, __ATOMIC_RELEASE);
        }
    }
    for (unsigned n = 0; n < device->worker_count; n++) {
        if (device->workers[n]) {
            own[count++] = device->workers[n];
            device->workers[n] = NULL;
        }
    }
    return count;
}
