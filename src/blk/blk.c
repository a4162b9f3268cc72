/*
 * blk.c: the block device object: what it offers, its config space, its cache mode. Requests are
 * served in serve.c.
 *
 * Config space is made from a few values each time it is read, so reading it takes no lock and sees
 * each field whole.
 */
#include "blk/blk.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/opts.h"
#include "spec/virtio.h"

enum { QUEUES_MAX = 256 };

_Static_assert(sizeof(struct tn_blk_config) == 0x48, "config space as BLK-03..13 lay it out");

static const char *const counter_names[] = {
    "reads",
    "writes",
    "flushes",
    "discards",
    "write_zeroes",
    "read_bytes",
    "written_bytes",
    "disk_errors",
    "refused",
    "unsupported",
    "disk_busy",
    "errors_no_space",
    "errors_io",
    "errors_other",
    "refused_malformed",
    "refused_memory",
    "refused_range",
    "refused_read_only",
    "merged",
    "parked",
    "parked_now",
    NULL,
};
_Static_assert(sizeof(counter_names) / sizeof(*counter_names) - 1 ==
                   BLK_COUNT_END - TN_COUNT_COMMON,
               "a name for each counter");

static uint64_t bit(unsigned number)
{
    return (uint64_t)1 << number;
}

static struct blk *of_device(const struct tenon_device *device)
{
    return (struct blk *)(uintptr_t)device;
}

static void features(const struct tenon_device *device, uint64_t out[2])
{
    const struct blk *blk = of_device(device);

    out[0] |= bit(TN_BLK_F_SIZE_MAX) | bit(TN_BLK_F_SEG_MAX) | bit(TN_BLK_F_BLK_SIZE) |
              bit(TN_BLK_F_TOPOLOGY) | bit(TN_BLK_F_FLUSH) | bit(TN_BLK_F_CONFIG_WCE) |
              bit(TN_BLK_F_MQ);
    out[0] |= blk->read_only ? bit(TN_BLK_F_RO) : 0;
    out[0] |= blk->can_discard ? bit(TN_BLK_F_DISCARD) : 0;
    out[0] |= blk->can_zero ? bit(TN_BLK_F_WRITE_ZEROES) : 0;
}

/* The driver chose its features, or was reset: the cache mode starts over (BLK-17, BLK-18). */
static void negotiated(struct tenon_device *device)
{
    struct blk *blk = of_device(device);
    bool cannot_flush =
        tn_device_has(device, TN_BLK_F_CONFIG_WCE) && !tn_device_has(device, TN_BLK_F_FLUSH);
    uint8_t writeback = blk->cache != TENON_CACHE_WRITETHROUGH && !cannot_flush;

    __atomic_store_n(&blk->writeback, writeback, __ATOMIC_RELAXED);
}

static uint8_t log2_of(uint32_t v)
{
    return (uint8_t)(31 - __builtin_clz(v));
}

static void fill_config(const struct blk *blk, struct tn_blk_config *config)
{
    uint32_t physical = (uint32_t)tn_max_u64(blk->info.physical_bytes, blk->block_bytes);
    uint32_t in_chain = blk->device.queue_max > 3 ? blk->device.queue_max - 2 : 1;
    uint32_t granularity = (uint32_t)tn_max_u64(blk->info.discard_granularity, blk->block_bytes);

    memset(config, 0, sizeof(*config));
    config->capacity = tn_to_le64(blk_capacity(blk));
    config->size_max = tn_to_le32(BLK_SEGMENT_BYTES_MAX);
    config->seg_max = tn_to_le32((uint32_t)tn_min_u64(in_chain, BLK_SEGMENTS_MAX)); /* BLK-05 */
    config->blk_size = tn_to_le32(blk->block_bytes);
    config->physical_block_exp = log2_of(physical / blk->block_bytes);
    config->min_io_size = tn_to_le16((uint16_t)tn_min_u64(physical / blk->block_bytes, UINT16_MAX));
    config->opt_io_size = tn_to_le32(blk->info.optimal_bytes / blk->block_bytes);
    config->writeback = __atomic_load_n(&blk->writeback, __ATOMIC_RELAXED);
    config->num_queues = tn_to_le16((uint16_t)blk->device.queue_count);
    if (blk->can_discard) {
        config->max_discard_sectors = tn_to_le32(BLK_RANGE_SECTORS_MAX);
        config->max_discard_seg = tn_to_le32(BLK_RANGES_MAX);
        config->discard_sector_alignment = tn_to_le32(granularity / TN_BLK_SECTOR_BYTES);
    }
    if (blk->can_zero) {
        config->max_write_zeroes_sectors = tn_to_le32(BLK_RANGE_SECTORS_MAX);
        config->max_write_zeroes_seg = tn_to_le32(BLK_RANGES_MAX);
        config->write_zeroes_may_unmap = blk->zero_unmaps; /* BLK-56 */
    }
}

static void config_read(struct tenon_device *device, uint32_t offset, uint8_t *to, uint32_t bytes)
{
    struct tn_blk_config config;

    fill_config(of_device(device), &config);
    memcpy(to, (const uint8_t *)&config + offset, bytes);
}

/* BLK-09: `writeback` alone can be written, and only 0 and 1. */
static bool config_write(struct tenon_device *device, uint32_t offset, const uint8_t *from,
                         uint32_t bytes)
{
    struct blk *blk = of_device(device);

    if (offset != offsetof(struct tn_blk_config, writeback) || bytes != 1 || from[0] > 1 ||
        !tn_device_has(device, TN_BLK_F_CONFIG_WCE)) {
        return false;
    }
    __atomic_store_n(&blk->writeback, from[0], __ATOMIC_RELAXED);
    return true;
}

static void free_blk(struct tenon_device *device)
{
    struct blk *blk = of_device(device);

    pthread_mutex_destroy(&blk->lanes_lock);
    tenon_disk_close(blk->disk);
    tn_device_fini(device);
    free(blk);
}

static const struct tn_device_type blk_type = {
    .id = TN_VIRTIO_ID_BLOCK,
    .config_bytes = sizeof(struct tn_blk_config),
    .counter_names = counter_names,
    .features = features,
    .negotiated = negotiated,
    .config_read = config_read,
    .config_write = config_write,
    .start = blk_lane_join,
    .serve = blk_serve,
    .release = blk_release,
    .poll = blk_lane_poll,
    .drop = blk_drop,
    .retry = blk_park_retry,
    .give_up = blk_park_end,
    .memory_changed = blk_park_memory,
    .stop = blk_lane_leave,
    .free = free_blk,
};

static int check_opts(struct tenon_blk_opts *opts)
{
    opts->name = opts->name ? opts->name : "blk";
    opts->queues = opts->queues ? opts->queues : 1;
    opts->queue_size = opts->queue_size ? opts->queue_size : 256;
    opts->serial = opts->serial ? opts->serial : opts->name;
    if (!opts->disk) {
        return tn_error(-EINVAL, "%s: no disk was given; open one with tenon_disk_open",
                        opts->name);
    }
    if (opts->queues > QUEUES_MAX) {
        return tn_error(-EINVAL, "%s: %u queues are too many; use 1 to %d", opts->name,
                        opts->queues, QUEUES_MAX);
    }
    if (!tn_is_power_of_2(opts->queue_size) || opts->queue_size > TN_VQ_MAX_SIZE) {
        return tn_error(-EINVAL,
                        "%s: a queue size of %u is not possible; use a power of 2 up to %d",
                        opts->name, opts->queue_size, TN_VQ_MAX_SIZE);
    }
    if (strlen(opts->serial) > TN_BLK_ID_BYTES) {
        if (opts->serial != opts->name) {
            return tn_error(-EINVAL, "%s: the serial \"%s\" is too long; use at most %d characters",
                            opts->name, opts->serial, TN_BLK_ID_BYTES);
        }
    }
    if (opts->block_bytes && (!tn_is_power_of_2(opts->block_bytes) || opts->block_bytes < 512 ||
                              opts->block_bytes > 65536)) {
        return tn_error(
            -EINVAL, "%s: a block size of %u is not possible; use a power of 2 from 512 to 65536",
            opts->name, opts->block_bytes);
    }
    if (opts->on_error > TENON_ON_ERROR_ENOSPC) {
        return tn_error(-EINVAL, "%s: %d is not one of enum tenon_on_error", opts->name,
                        (int)opts->on_error);
    }
    return 0;
}

/* What the disk can do, and what the user wants of it. */
static int take_disk(struct blk *blk, const struct tenon_blk_opts *opts)
{
    blk->info.size = sizeof(blk->info);
    int error = tenon_disk_info(opts->disk, &blk->info);
    if (error < 0) {
        return error;
    }
    blk->disk = tn_disk_get(opts->disk);
    blk->cache = opts->cache;
    blk->on_error = opts->on_error;
    blk->block_bytes = opts->block_bytes ? opts->block_bytes : blk->info.block_bytes;
    blk->capacity_sectors = blk->info.bytes / TN_BLK_SECTOR_BYTES;
    blk->read_only = opts->read_only || blk->info.read_only;
    blk->can_discard = blk->info.can_discard && !blk->read_only && !opts->no_discard;
    blk->can_zero = blk->info.can_zero && !blk->read_only;
    blk->zero_unmaps = blk->info.zero_unmaps && !opts->no_discard;
    memcpy(blk->serial, opts->serial, strnlen(opts->serial, TN_BLK_ID_BYTES));
    return 0;
}

int tenon_blk_new(const struct tenon_blk_opts *given, struct tenon_device **out)
{
    struct tenon_blk_opts opts;
    int error = tn_opts_copy(&opts, sizeof(opts), given, "tenon_blk_opts");

    if (error >= 0) {
        error = check_opts(&opts);
    }
    if (error < 0) {
        return error;
    }
    struct blk *blk = calloc(1, sizeof(*blk));
    if (!blk) {
        return tn_error(-ENOMEM, "no memory for the device %s", opts.name);
    }
    struct tn_device_init init = {
        .type = &blk_type,
        .name = opts.name,
        .slot_bytes = offsetof(struct blk_request, io) + tn_disk_io_size(opts.disk),
        .queues = opts.queues,
        .queue_max = opts.queue_size,
        .workers = opts.workers,
        .worker_count = opts.worker_count,
        .own_workers = opts.own_workers,
        .cpus = opts.cpus,
        .cpu_count = opts.cpu_count,
        .loop = opts.loop,
        .no_event_idx = opts.no_event_idx,
        .poll_us = opts.poll_us,
        .event = opts.event,
        .event_opaque = opts.opaque,
        .limits = opts.limits,
        .limit_group = opts.limit_group,
    };
    error = take_disk(blk, &opts);
    if (error >= 0) {
        error = tn_device_init(&blk->device, &init);
    }
    if (error < 0) {
        tenon_disk_close(blk->disk);
        free(blk);
        return error;
    }
    pthread_mutex_init(&blk->lanes_lock, NULL);
    negotiated(&blk->device);
    *out = &blk->device;
    return 0;
}

int tenon_blk_resized(struct tenon_device *device)
{
    struct tenon_disk_info info = { .size = sizeof(info) };
    struct blk *blk = of_device(device);

    if (device->type != &blk_type) {
        return tn_error(-EINVAL, "%s is not a block device", device->name);
    }
    int error = tenon_disk_info(blk->disk, &info);
    if (error < 0) {
        return error;
    }
    tn_device_config_begin(device);
    __atomic_store_n(&blk->capacity_sectors, info.bytes / TN_BLK_SECTOR_BYTES, __ATOMIC_RELAXED);
    tn_device_config_changed(device);
    return 0;
}
