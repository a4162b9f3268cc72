/*
 * devices.h: the devices of a process, from their options to what a guest sees, and back.
 *
 *   options ──> disk or link ──> device           devices.c, disk_device.c, net_device.c
 */
#ifndef TENON_DEVICES_H
#define TENON_DEVICES_H

#include <stdbool.h>

#include <tenon/blk.h>
#include <tenon/net.h>

#include "device_options.h"
#include "worker_pool.h"

/* A device, and what it stands on. */
struct opened {
    const struct device_options *options;
    struct tenon_disk *disk; /* of its kind */
    struct tenon_link *link;
    bool unplugged; /* a network device: its cable was pulled out by command */
    struct tenon_device *device;
};

struct devices {
    struct opened *all; /* in the order of the list */
    unsigned count;
    struct worker_pool pool;
};

/*
 * Starts the pool's threads, opens all disks and links, and makes the devices. An exit code; was
 * reported. Close them either way.
 */
int devices_open(struct devices *devices, const struct device_list *list,
                 const struct worker_pool_options *pool);
/* Nobody uses the devices any more, and their queues have come to rest. */
void devices_close(struct devices *devices);

/* What devices_open is made of: for one device, an exit code each. */
int disk_device_open(struct opened *opened);
int disk_device_make(struct opened *opened, const struct worker_pool *pool, unsigned number);
/* `devices`: the other end of a pair is opened, too. */
int net_device_open(struct opened *opened, struct devices *devices);
int net_device_make(struct opened *opened, const struct worker_pool *pool, unsigned number);
/* The group of a device, made when it is the first in it; NULL: it is in none, or no memory. */
int devices_join_group(const struct device_options *options, struct tenon_limit_group **out);
/* Reports why the library did not open or make a device; the exit code. */
int devices_refuse(const struct device_options *options, int result);

#endif
