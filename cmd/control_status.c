/*
 * control_status.c: the answers to "status" and "stats": disks in one list, network devices in
 * another.
 */
#include "control_inside.h"

#include <stdio.h>
#include <string.h>

void control_add_text(struct json_object *to, const char *key, const char *text)
{
    json_object_object_add(to, key, text ? json_object_new_string(text) : NULL);
}

void control_add_number(struct json_object *to, const char *key, uint64_t value)
{
    json_object_object_add(to, key, json_object_new_uint64(value));
}

void control_add_bool(struct json_object *to, const char *key, bool value)
{
    json_object_object_add(to, key, json_object_new_boolean(value));
}

/* ---- status ---- */

static void disk_status(const struct control_device *device, struct json_object *status)
{
    const struct opened *opened = device->opened;
    struct tenon_disk_info info = { .size = sizeof(info) };
    const char *why = NULL;
    control_add_text(status, "file", opened->options->disk.file);
    control_add_text(status, "engine", tenon_disk_engine(opened->disk, &why));
    control_add_text(status, "engine_why", why);
    if (tenon_disk_info(opened->disk, &info) == 0) {
        control_add_number(status, "bytes", info.bytes);
        control_add_number(status, "block_bytes", info.block_bytes);
        control_add_bool(status, "read_only", info.read_only);
    } else {
        control_add_text(status, "trouble", tenon_error());
    }
    control_add_parked(device, status, "last_error");
}

static void net_status(const struct control_device *device, struct json_object *status)
{
    const struct opened *opened = device->opened;
    uint8_t mac[6] = { 0 };
    char text[18];
    bool link_up = tenon_link_up(opened->link);
    control_add_text(status, "link", tenon_link_name(opened->link));
    if (tenon_net_mac(opened->device, mac) == 0) {
        snprintf(text, sizeof(text), "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
                 mac[3], mac[4], mac[5]);
        control_add_text(status, "mac", text);
    }
    control_add_number(status, "pairs", opened->options->queues);
    control_add_bool(status, "carrier", link_up && !opened->unplugged);
    control_add_bool(status, "link_up", link_up);
    control_add_bool(status, "plugged_in", !opened->unplugged);
}

static struct json_object *device_status(const struct control_device *device)
{
    struct json_object *status = json_object_new_object();
    const struct device_options *options = device->opened->options;
    control_add_text(status, "name", options->name);
    control_add_bool(status, "connected", !device->connected || *device->connected);
    json_object_object_add(status, "workers", control_workers(device));
    if (options->kind == DEVICE_DISK) {
        disk_status(device, status);
    } else {
        net_status(device, status);
    }
    return status;
}

/* An answer with a list of disks and one of network devices. */
static struct json_object *in_lists(struct control *control, struct json_object *answer, int only,
                                    struct json_object *(*tell)(const struct control_device *))
{
    struct json_object *disks = json_object_new_array(), *nets = json_object_new_array();
    for (unsigned i = control_next(control, only, 0); i < control->device_count;
         i = control_next(control, only, i + 1)) {
        const struct control_device *device = &control->devices[i];
        bool disk = device->opened->options->kind == DEVICE_DISK;
        json_object_array_add(disk ? disks : nets, tell(device));
    }
    json_object_object_add(answer, "disks", disks);
    json_object_object_add(answer, "nets", nets);
    return answer;
}

void control_status(struct control *control, struct asker *asker, struct json_object *question)
{
    (void)question;
    control_ok(asker, in_lists(control, json_object_new_object(), -1, device_status));
}

/* ---- stats ---- */

/* The counters of one device, as they come: queue by queue. */
struct counting {
    struct json_object *queues, *total;
    struct json_object *received, *sent; /* of a network device; NULL: of a disk */
    struct json_object *queue;           /* the last of them */
    int index;
};

static void add_up(struct json_object *sums, const char *name, uint64_t value)
{
    struct json_object *sum;
    uint64_t before = json_object_object_get_ex(sums, name, &sum) ? json_object_get_uint64(sum) : 0;
    control_add_number(sums, name, before + value);
}

static void count_one(void *opaque, const char *name, int queue, uint64_t value)
{
    struct counting *counting = opaque;
    add_up(counting->total, name, value);
    if (queue < 0) {
        return;
    }
    if (counting->received) {
        /* Queues with an even number receive; the control queue's moves no frames. */
        add_up(queue % 2 == 0 ? counting->received : counting->sent, name, value);
    }
    if (!counting->queue || queue != counting->index) {
        counting->queue = json_object_new_object();
        counting->index = queue;
        control_add_number(counting->queue, "queue", (uint64_t)queue);
        json_object_array_add(counting->queues, counting->queue);
    }
    control_add_number(counting->queue, name, value);
}

static void count_trouble(void *opaque, const char *name, uint64_t value)
{
    control_add_number(opaque, name, value);
}

/* The histograms of one device: its queues added up, and each cut off behind its last value. */
static void measure_one(void *opaque, const char *span, unsigned queue, const uint64_t *counts,
                        unsigned buckets)
{
    struct json_object *spans = opaque, *sums;
    (void)queue;
    if (!json_object_object_get_ex(spans, span, &sums)) {
        sums = json_object_new_array();
        json_object_object_add(spans, span, sums);
    }
    while (buckets > 0 && counts[buckets - 1] == 0) {
        buckets--;
    }
    for (unsigned i = 0; i < buckets; i++) {
        uint64_t before = i < json_object_array_length(sums)
                              ? json_object_get_uint64(json_object_array_get_idx(sums, i))
                              : 0;
        json_object_array_put_idx(sums, i, json_object_new_uint64(before + counts[i]));
    }
}

static struct json_object *device_stats(const struct control_device *device)
{
    const struct opened *opened = device->opened;
    struct counting counting = { .queues = json_object_new_array(),
                                 .total = json_object_new_object() };
    struct json_object *entry = json_object_new_object(), *spans = json_object_new_object();
    control_add_text(entry, "name", opened->options->name);
    if (opened->options->kind == DEVICE_NET) {
        struct json_object *troubles = json_object_new_object();
        counting.received = json_object_new_object();
        counting.sent = json_object_new_object();
        tenon_link_stats(opened->link, count_trouble, troubles);
        json_object_object_add(entry, "received", counting.received);
        json_object_object_add(entry, "sent", counting.sent);
        json_object_object_add(entry, "link", troubles);
    }
    tenon_device_stats(opened->device, count_one, &counting);
    tenon_device_latencies(opened->device, measure_one, spans);
    json_object_object_add(entry, "total", counting.total);
    json_object_object_add(entry, "queues", counting.queues);
    json_object_object_add(entry, "latency_ns", spans);
    return entry;
}

void control_stats(struct control *control, struct asker *asker, struct json_object *question)
{
    int only = control_named(control, asker, question);
    if (only == -2) {
        return;
    }
    struct json_object *answer = json_object_new_object();
    control_add_number(answer, "time_ns", tenon_now());
    control_ok(asker, in_lists(control, answer, only, device_stats));
}
