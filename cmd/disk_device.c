/*
 * disk_device.c: from the options of a disk to the disk, and to the block device that a guest sees.
 */
#include <errno.h>
#include <stdlib.h>

#include "cmd.h"
#include "disk_news.h"
#include "disk_options.h"
#include "report.h"
#include "worker_pool.h"

int disk_device_open(const struct disk_options *options, struct tenon_disk **out)
{
    int result = tenon_disk_open(options->spec, out);
    if (result < 0) {
        report_error("disk '%s': %s", options->name, tenon_error());
        return result == -EINVAL || result == -ERANGE ? EXIT_USAGE : EXIT_CANNOT;
    }
    return EXIT_OK;
}

int disk_device_make(const struct disk_options *options, struct tenon_disk *disk,
                     const struct worker_pool *pool, unsigned number, struct tenon_device **out)
{
    unsigned worker_count;
    struct tenon_worker **workers = worker_pool_for(pool, options, number, &worker_count);
    struct tenon_blk_opts blk = {
        .size = sizeof(blk),
        .name = options->name,
        .disk = disk,
        .workers = workers,
        .worker_count = worker_count,
        .own_workers = options->workers,
        .cpus = options->cpus.values,
        .cpu_count = options->cpus.count,
        .queues = options->queues,
        .queue_size = options->queue_size,
        .serial = options->serial,
        .cache = options->cache,
        .no_discard = options->no_discard,
        .no_event_idx = options->no_event_idx,
        .poll_us = options->poll_us,
        .limits = &options->limits,
        .on_error = options->on_error,
        .event = disk_news_event,
        .opaque = options->news,
    };
    struct limit_group_options *group = options->group;
    int result = 0;
    if (!workers) {
        report_error("out of memory");
        return EXIT_CANNOT;
    }
    if (group && !group->group) {
        result = tenon_limit_group_new(&group->limits, &group->group);
    }
    if (result >= 0) {
        blk.limit_group = group ? group->group : NULL;
        result = tenon_blk_new(&blk, out);
    }
    free(workers);
    if (result < 0) {
        report_error("disk '%s': %s", options->name, tenon_error());
        return result == -EINVAL ? EXIT_USAGE : EXIT_CANNOT;
    }
    return EXIT_OK;
}
