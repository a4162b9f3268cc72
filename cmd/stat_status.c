/*
 * stat_status.c: a line for each device, and one for each thread that serves it.
 */
#include "stat_status.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "stat_client.h"

/* A list of numbers, with ranges: "0-3,8". */
static void put_ranges(struct json_object *numbers)
{
    size_t count = numbers ? json_object_array_length(numbers) : 0;
    for (size_t i = 0, next; i < count; i = next) {
        int first = json_object_get_int(json_object_array_get_idx(numbers, i)), last = first;
        for (next = i + 1; next < count; next++) {
            if (json_object_get_int(json_object_array_get_idx(numbers, next)) != last + 1) {
                break;
            }
            last++;
        }
        printf("%s%d", i > 0 ? "," : "", first);
        if (last > first) {
            printf("-%d", last);
        }
    }
}

static void print_workers(struct json_object *workers)
{
    for (size_t i = 0; workers && i < json_object_array_length(workers); i++) {
        struct json_object *worker = json_object_array_get_idx(workers, i);
        struct json_object *cpus = stat_member(worker, "cpus");
        printf("    queues ");
        put_ranges(stat_member(worker, "queues"));
        printf(" on thread %s", json_object_get_string(stat_member(worker, "name")));
        if (cpus && json_object_array_length(cpus) > 0) {
            printf(", CPUs ");
            put_ranges(cpus);
        }
        putchar('\n');
    }
}

static const char *text(struct json_object *object, const char *key)
{
    return json_object_get_string(stat_member(object, key));
}

static const char *use(struct json_object *device)
{
    return json_object_get_boolean(stat_member(device, "connected")) ? "in use" : "not in use";
}

static void print_disk(struct json_object *disk)
{
    const char *file = text(disk, "file"), *trouble = text(disk, "trouble");
    printf("%s: %s, ", text(disk, "name"), file ? file : "not a file");
    if (trouble) {
        printf("%s", trouble);
    } else {
        printf("%" PRIu64 " MiB%s", json_object_get_uint64(stat_member(disk, "bytes")) >> 20,
               json_object_get_boolean(stat_member(disk, "read_only")) ? ", read-only" : "");
    }
    printf(", engine %s, %s\n", text(disk, "engine"), use(disk));
    if (json_object_get_uint64(stat_member(disk, "parked")) > 0) {
        printf("%s: %s\n", text(disk, "name"), text(disk, "last_error"));
    }
}

static void print_net(struct json_object *net)
{
    bool plugged_in = json_object_get_boolean(stat_member(net, "plugged_in"));
    bool link_up = json_object_get_boolean(stat_member(net, "link_up"));
    printf("%s: %s, %s, %s, %s\n", text(net, "name"), text(net, "link"), text(net, "mac"),
           !plugged_in ? "carrier taken away"
           : link_up   ? "carrier"
                       : "no carrier",
           use(net));
}

static void print_list(struct json_object *devices, void (*print)(struct json_object *))
{
    for (size_t i = 0; devices && i < json_object_array_length(devices); i++) {
        struct json_object *device = json_object_array_get_idx(devices, i);
        print(device);
        print_workers(stat_member(device, "workers"));
    }
}

void stat_status_print(struct json_object *status)
{
    print_list(stat_member(status, "disks"), print_disk);
    print_list(stat_member(status, "nets"), print_net);
    putchar('\n');
}
