/*
 * net_device.c: from the options of a network device to its link, and to the device that a guest
 * sees.
 */
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "devices.h"
#include "report.h"

static struct opened *other_end(const struct opened *opened, struct devices *devices)
{
    for (unsigned i = 0; i < devices->count; i++) {
        struct opened *other = &devices->all[i];
        if (other != opened && other->options->kind == DEVICE_NET && other->options->net.is_pair &&
            strcmp(other->options->net.at, opened->options->net.at) == 0) {
            return other;
        }
    }
    return NULL;
}

static int capture(struct opened *opened)
{
    const char *path = opened->options->net.capture;
    struct tenon_link *inner = opened->link;
    if (!path) {
        return EXIT_OK;
    }
    int result = tenon_link_open_capture(inner, path, &opened->link);
    if (result < 0) {
        opened->link = inner;
        return devices_refuse(opened->options, result);
    }
    return EXIT_OK;
}

static int open_pair(struct opened *opened, struct opened *other)
{
    struct tenon_link *links[2];
    int result = tenon_link_open_pair(opened->options->queues, links);
    if (result < 0) {
        return devices_refuse(opened->options, result);
    }
    opened->link = links[0];
    other->link = links[1];
    result = capture(opened);
    return result == EXIT_OK ? capture(other) : result;
}

int net_device_open(struct opened *opened, struct devices *devices)
{
    if (opened->link) {
        return EXIT_OK; /* along with the other end of its pair */
    }
    if (opened->options->net.is_pair) {
        return open_pair(opened, other_end(opened, devices));
    }
    int result = tenon_link_open(opened->options->spec, &opened->link);
    return result < 0 ? devices_refuse(opened->options, result) : EXIT_OK;
}

int net_device_make(struct opened *opened, const struct worker_pool *pool, unsigned number)
{
    const struct device_options *options = opened->options;
    const struct net_part *part = &options->net;
    unsigned worker_count;
    struct tenon_worker **workers = worker_pool_for(pool, options, number, &worker_count);
    struct tenon_net_opts net = {
        .size = sizeof(net),
        .name = options->name,
        .link = opened->link,
        .pairs = options->queues,
        .queue_size = options->queue_size,
        .mtu = part->mtu,
        .speed = part->speed,
        .offload = part->offload,
        .no_mrg_rxbuf = part->no_mrg_rxbuf,
        .no_event_idx = options->no_event_idx,
        .no_ctrl = part->no_ctrl,
        .rss = part->rss,
        .drop_when_full = part->drop_when_full,
        .coalesce_frames = part->coalesce_frames,
        .coalesce_us = part->coalesce_us,
        .workers = workers,
        .worker_count = worker_count,
        .own_workers = options->workers,
        .cpus = options->cpus.values,
        .cpu_count = options->cpus.count,
        .poll_us = options->poll_us,
        .limits = &options->limits,
    };
    if (!workers) {
        report_error("out of memory");
        return EXIT_CANNOT;
    }
    memcpy(net.mac, part->mac, sizeof(net.mac));
    int result = devices_join_group(options, &net.limit_group);
    if (result >= 0) {
        result = tenon_net_new(&net, &opened->device);
    }
    free(workers);
    return result < 0 ? devices_refuse(options, result) : EXIT_OK;
}
