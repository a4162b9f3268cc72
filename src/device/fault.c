/*
 * fault.c: a driver broke its queue. The one way in which a chain may end without a used entry: the
 * queue stops, and the driver is told that the device needs a reset: once, counted once, logged
 * once, until the queue is started anew. Other queues go on. A driver that does so again and again
 * gets one line of log a second.
 */
#include "device/within.h"

#include "base/log.h"
#include "base/num.h"

enum { LOG_BURST = 16 };

static const uint64_t LOG_EVERY_NS = 1000000000;

/* A driver can reset and break its queue thousands of times a second: the log must not grow so. */
bool tn_queue_may_log(struct tn_queue *queue)
{
    uint64_t now = tenon_now();

    queue->log_from = tn_max_u64(queue->log_from, now);
    if (queue->log_from - now >= LOG_BURST * LOG_EVERY_NS) {
        return false;
    }
    queue->log_from += LOG_EVERY_NS;
    return true;
}

void tn_queue_break(struct tn_queue *queue, const char *why)
{
    struct tenon_device *device = queue->device;

    if (queue->broken) {
        return;
    }
    if (queue->vq) { /* what ended truthfully before the fault still reaches the driver */
        tn_queue_publish(queue);
        tn_queue_tell(queue);
        tn_vq_break(queue->vq, why);
    }
    queue->broken = true;
    tn_queue_count(queue, TN_COUNT_BROKEN, 1);
    if (tn_queue_may_log(queue)) {
        tn_log(TENON_LOG_WARNING, "%s: queue %u stopped: %s; the driver has to reset the device",
               device->name, queue->index, why);
    }
    device->bus_ops.broken(device->bus, queue->index, why);
    if (device->event) {
        device->event(device->event_opaque, device, TENON_EVENT_BROKEN, why);
    }
}
