/*
 * control_workers.c: which worker serves which queue of a device, and on which CPUs, for "status".
 * On the main thread, where the device's transport begins and ends: so its workers stay meanwhile.
 */
#include "control_inside.h"

#include <tenon/bus.h>

#include "numbers.h"

static struct json_object *cpus_of(struct tenon_worker *worker)
{
    int cpus[NUMBERS_MAX];
    unsigned count = tenon_worker_cpus(worker, cpus, NUMBERS_MAX);
    struct json_object *list = json_object_new_array();

    for (unsigned i = 0; i < count && i < NUMBERS_MAX; i++) {
        json_object_array_add(list, json_object_new_int(cpus[i]));
    }
    return list;
}

/* One worker: its queues are those from `first` on that run there. */
static struct json_object *one_worker(struct tenon_device *device, unsigned first)
{
    struct tenon_worker *worker = tenon_bus_queue_worker(device, first);
    struct json_object *entry = json_object_new_object(), *queues = json_object_new_array();

    for (unsigned q = first; q < tenon_bus_queue_count(device); q++) {
        if (tenon_bus_queue_worker(device, q) == worker) {
            json_object_array_add(queues, json_object_new_int((int)q));
        }
    }
    json_object_object_add(entry, "name", json_object_new_string(tenon_worker_name(worker)));
    json_object_object_add(entry, "cpus", cpus_of(worker));
    json_object_object_add(entry, "queues", queues);
    return entry;
}

static bool has_come_before(struct tenon_device *device, unsigned queue)
{
    for (unsigned q = 0; q < queue; q++) {
        if (tenon_bus_queue_worker(device, q) == tenon_bus_queue_worker(device, queue)) {
            return true;
        }
    }
    return false;
}

struct json_object *control_workers(const struct control_device *asked)
{
    struct json_object *workers = json_object_new_array();
    struct tenon_device *device = asked->opened->device;
    bool in_use = !asked->connected || *asked->connected;

    for (unsigned q = 0; in_use && q < tenon_bus_queue_count(device); q++) {
        if (tenon_bus_queue_worker(device, q) && !has_come_before(device, q)) {
            json_object_array_add(workers, one_worker(device, q));
        }
    }
    return workers;
}
