/*
 * worker_pool.c: the threads that devices share (worker_pool.h).
 */
#include "worker_pool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "cmd.h"
#include "report.h"

/* ---- options ---- */

bool worker_pool_take_count(struct worker_pool_options *options, const char *text)
{
    unsigned long count;

    if (!args_number(text, 10, 1, WORKERS_MAX, &count)) {
        report_error("--workers %s is not a number from 1 to %d", text, WORKERS_MAX);
        return false;
    }
    options->workers = (unsigned)count;
    return true;
}

bool worker_pool_take_cpus(struct worker_pool_options *options, const char *text)
{
    return numbers_read(&options->cpus, "--worker-cpus", text);
}

static bool has_its_own(const struct device_options *device)
{
    return device->workers != 0;
}

static bool check_map(const struct worker_pool_options *options,
                      const struct device_options *device)
{
    const struct numbers *map = &device->queue_workers;

    if (map->count == 0) {
        return true;
    }
    if (options->workers == 0 || has_its_own(device)) {
        report_error("%s '%s': queue-workers= names threads of --workers, %s",
                     device_word(device->kind), device->name,
                     has_its_own(device)
                         ? "but workers= or cpus= gives the device its own; remove one"
                         : "which is not there; add --workers N");
        return false;
    }
    if (map->count > device->queues) {
        report_error("%s '%s': queue-workers= has %u numbers for %u %ss; remove some",
                     device_word(device->kind), device->name, map->count, device->queues,
                     device->kind == DEVICE_NET ? "pair" : "queue");
        return false;
    }
    for (unsigned i = 0; i < map->count; i++) {
        if ((unsigned)map->values[i] >= options->workers) {
            report_error("%s '%s': queue-workers= names thread %d; --workers %u makes 0 to %u",
                         device_word(device->kind), device->name, map->values[i], options->workers,
                         options->workers - 1);
            return false;
        }
    }
    return true;
}

/* Threads that could never have anything to do are a mistake. */
static bool check_use(const struct worker_pool_options *options, const struct device_list *list)
{
    unsigned queues = 0;

    for (unsigned i = 0; i < list->count; i++) {
        queues += has_its_own(&list->devices[i]) ? 0 : list->devices[i].queues;
    }
    if (queues == 0 && options->workers != 0) {
        report_error(
            "--workers has no place: each device has its own threads by workers= or cpus=; "
            "remove it");
        return false;
    }
    if (options->workers > queues) {
        report_error("--workers %u are more than the queues of all devices, which are %u; use at "
                     "most as many",
                     options->workers, queues);
        return false;
    }
    return true;
}

bool worker_pool_check(struct worker_pool_options *options, const struct device_list *list)
{
    if (options->workers == 0 && options->cpus.count > WORKERS_MAX) {
        report_error("--worker-cpus names %u CPUs, one for each thread; add --workers N, up to %d",
                     options->cpus.count, WORKERS_MAX);
        return false;
    }
    options->workers = options->workers ? options->workers : options->cpus.count;
    for (unsigned i = 0; i < list->count; i++) {
        if (!check_map(options, &list->devices[i])) {
            return false;
        }
    }
    return check_use(options, list);
}

void worker_pool_options_free(struct worker_pool_options *options)
{
    numbers_free(&options->cpus);
}

/* ---- threads ---- */

static int start_one(struct worker_pool *pool, unsigned n,
                     const struct worker_pool_options *options)
{
    const struct numbers *cpus = &options->cpus;
    bool one_each = cpus->count == options->workers;
    char name[16];
    struct tenon_worker_opts opts = { .size = sizeof(opts),
                                      .name = name,
                                      .cpus = one_each ? cpus->values + n : cpus->values,
                                      .cpu_count = one_each ? 1 : cpus->count };

    snprintf(name, sizeof(name), "tenon-%u", n % 1000);
    int result = tenon_worker_new(&opts, &pool->workers[n]);
    if (result >= 0) {
        pool->count = n + 1;
        result = tenon_worker_start(pool->workers[n]);
    }
    if (result < 0) {
        report_error("cannot start thread %u of --workers: %s", n, tenon_error());
        return result == -EINVAL ? EXIT_USAGE : EXIT_CANNOT;
    }
    return EXIT_OK;
}

int worker_pool_start(struct worker_pool *pool, const struct worker_pool_options *options)
{
    int result = EXIT_OK;

    pool->workers = calloc((size_t)options->workers + 1, sizeof(struct tenon_worker *));
    if (!pool->workers) {
        report_error("out of memory");
        return EXIT_CANNOT;
    }
    for (unsigned n = 0; n < options->workers && result == EXIT_OK; n++) {
        result = start_one(pool, n, options);
    }
    return result;
}

struct tenon_worker **worker_pool_for(const struct worker_pool *pool,
                                      const struct device_options *device, unsigned number,
                                      unsigned *count)
{
    const struct numbers *map = &device->queue_workers;

    *count = has_its_own(device) ? 0 : map->count ? map->count : pool->count;
    struct tenon_worker **workers = calloc((size_t)*count + 1, sizeof(struct tenon_worker *));
    for (unsigned i = 0; workers && i < *count; i++) {
        workers[i] =
            pool->workers[map->count ? (unsigned)map->values[i] : (number + i) % pool->count];
    }
    return workers;
}

void worker_pool_end(struct worker_pool *pool)
{
    for (unsigned n = 0; n < pool->count; n++) {
        tenon_worker_free(pool->workers[n]);
    }
    free(pool->workers);
    *pool = (struct worker_pool){ .workers = NULL };
}
