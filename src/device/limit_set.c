/*
 * limit_set.c: the limits that were set for a device or for a group of devices (<tenon/limits.h>):
 * checked, kept, and told to the queues that are under them. Requests are not seen here (limit.c).
 * Any thread; locks are held for a few instructions, and no queue takes one while it serves.
 */
#include "device/within.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/opts.h"

/* NOLINTNEXTLINE(misc-redundant-expression): that they stay so is the point. */
_Static_assert(TENON_LIMIT_MAX == TN_RATE_MAX, "the header says what the bucket can do");

/* Limits as they were asked for. */
struct wanted {
    struct tn_rate rates[TN_LIMITS];
    uint64_t once[TN_LIMITS];
};

static int read_limits(struct wanted *wanted, const struct tenon_limits *given)
{
    static const char *const names[TN_LIMITS] = { "ops",   "ops_read",   "ops_write",
                                                  "bytes", "bytes_read", "bytes_write" };
    struct tenon_limits limits;
    const struct tenon_limit *all[TN_LIMITS] = { &limits.ops,        &limits.ops_read,
                                                 &limits.ops_write,  &limits.bytes,
                                                 &limits.bytes_read, &limits.bytes_write };
    int error = tn_opts_copy(&limits, sizeof(limits), given, "tenon_limits");

    if (error < 0) {
        return error;
    }
    for (unsigned i = 0; i < TN_LIMITS; i++) {
        if (all[i]->rate == 0 && (all[i]->burst != 0 || all[i]->burst_once != 0)) {
            return tn_error(-EINVAL,
                            "tenon_limits: %s has a burst and no rate; set its rate, or neither",
                            names[i]);
        }
        if (all[i]->rate > TENON_LIMIT_MAX) {
            return tn_error(-EINVAL,
                            "tenon_limits: %s has a rate of %llu per second; use at most %llu, or "
                            "0 for no limit",
                            names[i], (unsigned long long)all[i]->rate,
                            (unsigned long long)TENON_LIMIT_MAX);
        }
        wanted->rates[i] = tn_rate_make(all[i]->rate, all[i]->burst);
        wanted->once[i] = all[i]->burst_once;
    }
    return 0;
}

/* With the lock of the owner held. What stays the same keeps all; what changes keeps its tokens. */
static void apply(struct tn_limit_set *set, const struct wanted *wanted)
{
    int64_t now = (int64_t)tenon_now();

    for (unsigned i = 0; i < TN_LIMITS; i++) {
        struct tn_rate *rate = &set->rates[i];
        const struct tn_rate *next = &wanted->rates[i];
        if (rate->tokens != next->tokens || rate->burst_ns != next->burst_ns) {
            tn_bucket_change(&set->buckets[i], rate, next, now);
        }
        __atomic_store_n(&set->buckets[i].once, wanted->once[i], __ATOMIC_RELAXED);
        *rate = *next;
    }
}

/* With the device's lock held, as in life.c; a queue without a worker finds out when it starts. */
static void tell_queues(struct tenon_device *device)
{
    for (unsigned i = 0; i < device->queue_count; i++) {
        struct tn_queue *queue = device->queues[i];
        if (queue && queue->worker) {
            tenon_worker_post(queue->worker, &queue->limit.changed);
        }
    }
}

int tenon_device_set_limits(struct tenon_device *device, const struct tenon_limits *limits)
{
    struct wanted wanted = { 0 };
    int error = read_limits(&wanted, limits);

    if (error < 0) {
        return error;
    }
    pthread_mutex_lock(&device->lock);
    apply(&device->limits, &wanted);
    tell_queues(device);
    pthread_mutex_unlock(&device->lock);
    return 0;
}

bool tn_limit_copy(struct tenon_device *device, struct tn_rate rates[TN_LIMIT_OWNERS][TN_LIMITS])
{
    struct tenon_limit_group *group = device->limit_group;
    bool any = false;

    memset(rates, 0, TN_LIMIT_OWNERS * sizeof(rates[0]));
    pthread_mutex_lock(&device->lock);
    memcpy(rates[TN_LIMIT_DEVICE], device->limits.rates, sizeof(device->limits.rates));
    pthread_mutex_unlock(&device->lock);
    if (group) {
        pthread_mutex_lock(&group->lock);
        memcpy(rates[TN_LIMIT_GROUP], group->set.rates, sizeof(group->set.rates));
        pthread_mutex_unlock(&group->lock);
    }
    for (unsigned i = 0; i < TN_LIMITS; i++) {
        any |= rates[TN_LIMIT_DEVICE][i].tokens != 0 || rates[TN_LIMIT_GROUP][i].tokens != 0;
    }
    return any;
}

/* ---- groups ---- */

int tenon_limit_group_new(const struct tenon_limits *limits, struct tenon_limit_group **out)
{
    struct wanted wanted = { 0 };
    int error = read_limits(&wanted, limits);
    struct tenon_limit_group *group = error < 0 ? NULL : calloc(1, sizeof(*group));

    if (!group) {
        return error < 0 ? error : tn_error(-ENOMEM, "no memory for a group of limits");
    }
    pthread_mutex_init(&group->lock, NULL);
    tn_list_init(&group->devices);
    group->users = 1;
    apply(&group->set, &wanted);
    *out = group;
    return 0;
}

int tenon_limit_group_set(struct tenon_limit_group *group, const struct tenon_limits *limits)
{
    struct wanted wanted = { 0 };
    int error = read_limits(&wanted, limits);

    if (error < 0) {
        return error;
    }
    pthread_mutex_lock(&group->lock);
    apply(&group->set, &wanted);
    for (struct tn_list *link = group->devices.next; link != &group->devices; link = link->next) {
        struct tenon_device *device = TN_CONTAINER_OF(link, struct tenon_device, limit_link);
        pthread_mutex_lock(&device->lock);
        tell_queues(device);
        pthread_mutex_unlock(&device->lock);
    }
    pthread_mutex_unlock(&group->lock);
    return 0;
}

void tenon_limit_group_free(struct tenon_limit_group *group)
{
    if (!group) {
        return;
    }
    pthread_mutex_lock(&group->lock);
    bool last = --group->users == 0;
    pthread_mutex_unlock(&group->lock);
    if (last) {
        pthread_mutex_destroy(&group->lock);
        free(group);
    }
}

int tn_limit_join(struct tenon_device *device, const struct tenon_limits *limits,
                  struct tenon_limit_group *group)
{
    struct wanted wanted = { 0 };
    int error = read_limits(&wanted, limits);

    if (error < 0) {
        return error;
    }
    apply(&device->limits, &wanted);
    if (group) {
        pthread_mutex_lock(&group->lock);
        group->users++;
        tn_list_append(&group->devices, &device->limit_link);
        pthread_mutex_unlock(&group->lock);
        device->limit_group = group;
    }
    return 0;
}

void tn_limit_leave(struct tenon_device *device)
{
    struct tenon_limit_group *group = device->limit_group;

    if (group) {
        pthread_mutex_lock(&group->lock);
        tn_list_remove(&device->limit_link);
        pthread_mutex_unlock(&group->lock);
        tenon_limit_group_free(group);
    }
}
