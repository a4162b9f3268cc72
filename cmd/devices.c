/*
 * devices.c: all devices of a process, one kind after the other.
 */
#include "devices.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cmd.h"
#include "report.h"

/* The library says the name, too, where it knows it. */
int devices_refuse(const struct device_options *options, int result)
{
    const char *why = tenon_error();
    size_t bytes = strlen(options->name);
    if (strncmp(why, options->name, bytes) == 0 && strncmp(why + bytes, ": ", 2) == 0) {
        why += bytes + 2;
    }
    report_error("%s '%s': %s", device_word(options->kind), options->name, why);
    return result == -EINVAL || result == -ERANGE ? EXIT_USAGE : EXIT_CANNOT;
}

int devices_join_group(const struct device_options *options, struct tenon_limit_group **out)
{
    struct limit_group_options *group = options->group;
    *out = NULL;
    if (!group) {
        return 0;
    }
    int result = group->group ? 0 : tenon_limit_group_new(&group->limits, &group->group);
    *out = group->group;
    return result;
}

static int open_one(struct devices *devices, unsigned i)
{
    struct opened *opened = &devices->all[i];
    return opened->options->kind == DEVICE_DISK ? disk_device_open(opened)
                                                : net_device_open(opened, devices);
}

static int make_one(struct devices *devices, unsigned i)
{
    struct opened *opened = &devices->all[i];
    return opened->options->kind == DEVICE_DISK ? disk_device_make(opened, &devices->pool, i)
                                                : net_device_make(opened, &devices->pool, i);
}

int devices_open(struct devices *devices, const struct device_list *list,
                 const struct worker_pool_options *pool)
{
    devices->all = calloc((size_t)list->count + 1, sizeof(*devices->all));
    if (!devices->all) {
        report_error("out of memory");
        return EXIT_CANNOT;
    }
    devices->count = list->count;
    for (unsigned i = 0; i < list->count; i++) {
        devices->all[i].options = &list->devices[i];
    }
    int result = worker_pool_start(&devices->pool, pool);
    for (unsigned i = 0; i < devices->count && result == EXIT_OK; i++) {
        result = open_one(devices, i);
    }
    for (unsigned i = 0; i < devices->count && result == EXIT_OK; i++) {
        result = make_one(devices, i);
    }
    return result;
}

void devices_close(struct devices *devices)
{
    for (unsigned i = 0; i < devices->count; i++) {
        struct opened *opened = &devices->all[i];
        tenon_device_free(opened->device);
        tenon_disk_close(opened->disk);
        tenon_link_close(opened->link);
    }
    free(devices->all);
    worker_pool_end(&devices->pool);
    *devices = (struct devices){ .all = NULL };
}
