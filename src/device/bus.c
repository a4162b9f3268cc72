/*
 * bus.c: what a transport asks of a device (<tenon/bus.h>). Each call checks what can be checked
 * now, and posts the rest to the worker of the queue; none waits. Any thread.
 */
#include "device/within.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/num.h"
#include "base/opts.h"
#include "spec/virtio.h"

int tenon_bus_attach(struct tenon_device *device, struct tenon_mem *mem,
                     const struct tenon_bus_ops *ops, void *bus)
{
    struct tenon_bus_ops copy;
    int error = tn_opts_copy(&copy, sizeof(copy), ops, "tenon_bus_ops");

    if (error < 0) {
        return error;
    }
    pthread_mutex_lock(&device->bus_lock);
    pthread_mutex_lock(&device->lock);
    if (device->mem) {
        error = tn_error(-EBUSY, "%s is connected to a transport already; free that one first",
                         device->name);
    } else {
        device->mem = tn_mem_get(mem);
        device->bus_ops = copy;
        device->bus = bus;
    }
    pthread_mutex_unlock(&device->lock);
    pthread_mutex_unlock(&device->bus_lock);
    return error;
}

static void free_workers(struct tenon_worker **workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        tenon_worker_free(workers[i]);
    }
}

void tenon_bus_rest(struct tenon_device *device)
{
    struct tenon_worker *own[TN_QUEUES_MAX];

    pthread_mutex_lock(&device->lock);
    unsigned count = tn_device_is_quiet(device) ? tn_workers_take(device, own) : 0;
    pthread_mutex_unlock(&device->lock);
    free_workers(own, count);
}

void tenon_bus_detach(struct tenon_device *device)
{
    struct tenon_worker *own[TN_QUEUES_MAX];

    pthread_mutex_lock(&device->bus_lock);
    pthread_mutex_lock(&device->lock);
    struct tenon_mem *mem = device->mem;
    device->mem = NULL;
    device->bus = NULL;
    unsigned own_count = tn_workers_take(device, own); /* an unconnected device costs no thread */
    pthread_mutex_unlock(&device->lock);
    pthread_mutex_unlock(&device->bus_lock);
    free_workers(own, own_count);
    if (mem) {
        tn_mem_put(mem);
    }
}

uint32_t tenon_bus_device_id(const struct tenon_device *device)
{
    return device->type->id;
}

unsigned tenon_bus_queue_count(const struct tenon_device *device)
{
    return device->queue_count;
}

unsigned tenon_bus_queue_groups(const struct tenon_device *device)
{
    unsigned together = device->type->queues_together;

    return together != 0 ? device->queue_count / together : device->queue_count;
}

unsigned tenon_bus_queue_max(const struct tenon_device *device, unsigned queue)
{
    return queue < device->queue_count ? device->queue_max : 0;
}

/* The device's queue object, made when first needed, on a worker if `with_worker`. Under lock. */
static int need_queue(struct tenon_device *device, unsigned index, bool with_worker,
                      struct tn_queue **out)
{
    struct tn_queue *queue = device->queues[index];

    if (!queue) {
        queue = tn_queue_new(device, index);
        if (!queue) {
            return tn_error(-ENOMEM, "%s: no memory for queue %u", device->name, index);
        }
        __atomic_store_n(&device->queues[index], queue, __ATOMIC_RELEASE);
    }
    *out = queue;
    return with_worker ? tn_workers_join(device, queue) : 0;
}

static int check_ring(struct tenon_device *device, unsigned index, const struct tenon_ring *ring)
{
    struct tn_vq_config config = {
        .size = ring->entries,
        .desc_gpa = ring->desc_gpa,
        .driver_gpa = ring->driver_gpa,
        .device_gpa = ring->device_gpa,
    };

    if (index >= device->queue_count || !tn_is_power_of_2(ring->entries) ||
        ring->entries > device->queue_max) {
        return tn_error(-EINVAL,
                        "%s: queue %u with %u entries: there are %u queues of at most %u entries, "
                        "a power of 2",
                        device->name, index, ring->entries, device->queue_count, device->queue_max);
    }
    return tn_vq_check(&config, device->mem);
}

int tenon_bus_queue_start(struct tenon_device *device, unsigned index,
                          const struct tenon_ring *ring)
{
    struct tn_start *start = calloc(1, sizeof(*start));
    struct tn_queue *queue = NULL;

    if (!start) {
        return tn_error(-ENOMEM, "%s: no memory to start queue %u", device->name, index);
    }
    int error = tn_opts_copy(&start->ring, sizeof(start->ring), ring, "tenon_ring");
    if (error < 0) {
        goto fail;
    }
    pthread_mutex_lock(&device->lock);
    error = device->mem ? check_ring(device, index, &start->ring) : -EINVAL;
    if (error >= 0 && device->quieting != 0) {
        error = tn_error(-EBUSY, "%s: a reset is under way", device->name);
    }
    if (error >= 0 && !tn_device_has(device, TN_F_VERSION_1)) {
        /* Also after a reset by the host, which the driver of then may not have heard of yet. */
        error = tn_error(-EINVAL, "%s: queue %u starts before features were agreed on",
                         device->name, index);
    }
    if (error >= 0) {
        error = need_queue(device, index, true, &queue);
    }
    /* The lint check does not see that tn_error never returns 0. */
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference) */
    if (error >= 0 && (queue->state != TN_QUEUE_OFF || queue->start_pending)) {
        error = tn_error(-EBUSY, "%s: queue %u still runs, or what it had in flight has not ended",
                         device->name, index);
    }
    if (error >= 0) {
        queue->start_pending = true;
        start->resets = device->resets;
        device->active++;
    }
    pthread_mutex_unlock(&device->lock);
    if (error < 0) {
        goto fail;
    }
    start->queue = queue;
    start->post.fn = tn_life_start;
    tenon_worker_post(queue->worker, &start->post);
    return 0;

fail:
    free(start);
    return error;
}

int tenon_bus_queue_stop(struct tenon_device *device, unsigned index, bool drop,
                         tenon_queue_stopped_fn *done, void *opaque)
{
    struct tn_queue *queue = tn_queue_at(device, index);
    struct tenon_worker *worker = tenon_bus_queue_worker(device, index);

    if (!worker) {
        done(opaque, index, queue ? queue->next_avail : 0);
        return 0;
    }
    struct tn_stop *stop = calloc(1, sizeof(*stop));
    if (!stop) {
        return tn_error(-ENOMEM, "%s: no memory to stop queue %u", device->name, index);
    }
    stop->queue = queue;
    stop->drop = drop;
    stop->done = done;
    stop->opaque = opaque;
    stop->post.fn = tn_life_stop;
    tn_list_init(&stop->link);
    tenon_worker_post(worker, &stop->post);
    return 0;
}

void tenon_bus_queue_kick(struct tenon_device *device, unsigned index)
{
    struct tenon_worker *worker = tenon_bus_queue_worker(device, index);

    if (worker) {
        tenon_worker_post(worker, &tn_queue_at(device, index)->kick_post);
    }
}

int tenon_bus_queue_kick_fd(struct tenon_device *device, unsigned index)
{
    struct tn_queue *queue = NULL;
    int error = 0;

    if (index >= device->queue_count) {
        return tn_error(-EINVAL, "%s has no queue %u; it has %u", device->name, index,
                        device->queue_count);
    }
    pthread_mutex_lock(&device->lock);
    error = need_queue(device, index, false, &queue);
    /* NOLINTNEXTLINE(clang-analyzer-core.NullDereference): as in tenon_bus_queue_start */
    if (error >= 0 && queue->notifier.read_fd < 0) {
        error = queue->state == TN_QUEUE_OFF && !queue->start_pending
                    ? tn_notifier_open(&queue->notifier, device->loop)
                    : tn_error(-EBUSY, "%s: queue %u runs; ask for its descriptor before",
                               device->name, index);
    }
    int fd = error < 0 ? error : queue->notifier.write_fd;
    pthread_mutex_unlock(&device->lock);
    return fd;
}

struct set_kick {
    struct tenon_post post;
    struct tn_queue *queue;
    int fd;
};

static void set_kick(struct tenon_post *post)
{
    struct set_kick *set = TN_CONTAINER_OF(post, struct set_kick, post);
    struct tn_queue *queue = set->queue;

    if (queue->held_start) {
        struct tenon_ring *ring = &queue->held_start->ring;
        tn_notifier_close(&(struct tn_notifier){ ring->kick_fd, ring->kick_fd });
        ring->kick_fd = set->fd;
    } else if (queue->state == TN_QUEUE_OFF) {
        tn_notifier_close(&(struct tn_notifier){ set->fd, set->fd });
    } else {
        tn_queue_set_kick(queue, set->fd);
    }
    free(set);
}

int tenon_bus_queue_set_kick(struct tenon_device *device, unsigned index, int kick_fd)
{
    struct tenon_worker *worker = tenon_bus_queue_worker(device, index);
    struct set_kick *set = worker ? calloc(1, sizeof(*set)) : NULL;

    if (!set) {
        tn_notifier_close(&(struct tn_notifier){ kick_fd, kick_fd });
        return tn_error(worker ? -ENOMEM : -EINVAL, "%s: queue %u cannot take a kick descriptor",
                        device->name, index);
    }
    set->queue = tn_queue_at(device, index);
    set->fd = kick_fd;
    set->post.fn = set_kick;
    tenon_worker_post(worker, &set->post);
    return 0;
}

struct tenon_worker *tenon_bus_queue_worker(struct tenon_device *device, unsigned index)
{
    struct tn_queue *queue = tn_queue_at(device, index);

    return queue ? __atomic_load_n(&queue->worker, __ATOMIC_ACQUIRE) : NULL;
}
