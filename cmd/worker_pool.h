/*
 * worker_pool.h: the threads that all devices share which have none of their own: --workers N and
 * --worker-cpus LIST, of whatever subcommand. For those who serve many small virtual machines: so
 * many threads as they want to give, wherever the devices are used.
 */
#ifndef TENON_WORKER_POOL_H
#define TENON_WORKER_POOL_H

#include <stdbool.h>

#include <tenon/worker.h>

#include "device_options.h"
#include "numbers.h"

struct worker_pool_options {
    unsigned workers; /* 0: none; each device has its own */
    struct numbers cpus;
};

struct worker_pool {
    struct tenon_worker **workers;
    unsigned count;
};

/* Takes the values of --workers and --worker-cpus. False: reported. */
bool worker_pool_take_count(struct worker_pool_options *options, const char *text);
bool worker_pool_take_cpus(struct worker_pool_options *options, const char *text);

/* When all options are known: whether devices and pool fit each other. False: reported. */
bool worker_pool_check(struct worker_pool_options *options, const struct device_list *list);
void worker_pool_options_free(struct worker_pool_options *options);

/* An exit code; was reported. */
int worker_pool_start(struct worker_pool *pool, const struct worker_pool_options *options);

/*
 * The workers of one device, the how-manieth of all: of the pool, as its queue-workers= says, or
 * all of them, each device beginning at another one. `*count` 0: it has its own. NULL: no memory.
 */
struct tenon_worker **worker_pool_for(const struct worker_pool *pool,
                                      const struct device_options *device, unsigned number,
                                      unsigned *count);

/* Nothing runs on them any more. */
void worker_pool_end(struct worker_pool *pool);

#endif
