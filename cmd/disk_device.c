/*
 * disk_device.c: from the options of a disk to the disk, and to the block device that a guest sees.
 */
#include <stdlib.h>

#include "cmd.h"
#include "devices.h"
#include "disk_news.h"
#include "report.h"

int disk_device_open(struct opened *opened)
{
    int result = tenon_disk_open(opened->options->spec, &opened->disk);
    return result < 0 ? devices_refuse(opened->options, result) : EXIT_OK;
}

int disk_device_make(struct opened *opened, const struct worker_pool *pool, unsigned number)
{
    const struct device_options *options = opened->options;
    unsigned worker_count;
    struct tenon_worker **workers = worker_pool_for(pool, options, number, &worker_count);
    struct tenon_blk_opts blk = {
        .size = sizeof(blk),
        .name = options->name,
        .disk = opened->disk,
        .workers = workers,
        .worker_count = worker_count,
        .own_workers = options->workers,
        .cpus = options->cpus.values,
        .cpu_count = options->cpus.count,
        .queues = options->queues,
        .queue_size = options->queue_size,
        .serial = options->disk.serial,
        .cache = options->disk.cache,
        .no_discard = options->disk.no_discard,
        .no_event_idx = options->no_event_idx,
        .poll_us = options->poll_us,
        .limits = &options->limits,
        .on_error = options->disk.on_error,
        .event = disk_news_event,
        .opaque = options->disk.news,
    };
    if (!workers) {
        report_error("out of memory");
        return EXIT_CANNOT;
    }
    int result = devices_join_group(options, &blk.limit_group);
    if (result >= 0) {
        result = tenon_blk_new(&blk, &opened->device);
    }
    free(workers);
    return result < 0 ? devices_refuse(options, result) : EXIT_OK;
}
