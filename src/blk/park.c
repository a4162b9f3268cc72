/*
 * park.c: requests that the disk has failed and that are kept instead of being answered, if the
 * device's owner wants that (tenon_blk_opts.on_error).
 *
 *   disk --failed--> parked --the device is resumed----------------> submit, once more
 *                      |----the queue stops, their memory goes----> answered IOERR
 *                      '----the queue is reset--------------------> ended unreported
 *
 * A parked request stays in its slot and in its queue's order, so that what has to follow it waits
 * too; all others go on. It touches no guest memory: a pause is complete without it. Here: which
 * requests are kept, and how they get away. Runs on the queue's worker; takes no lock, allocates
 * nothing.
 */
#include "blk/blk.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/num.h"

static bool is_wanted(const struct blk *blk, int error)
{
    switch (blk->on_error) {
    case TENON_ON_ERROR_STOP:
        return true;
    case TENON_ON_ERROR_ENOSPC:
        return error == -ENOSPC || error == -EDQUOT;
    default:
        return false;
    }
}

/* What lies beyond the end of a disk that has shrunk will not come back by waiting (BLK-41). */
static bool fits_disk(const struct blk_request *request)
{
    uint64_t bytes = blk_capacity(blk_of(request->slot.queue)) * TN_BLK_SECTOR_BYTES;
    bool fits = request->type != TN_BLK_T_IN ||
                tn_range_within(request->sector * TN_BLK_SECTOR_BYTES, request->data_bytes, bytes);

    for (unsigned i = 0; i < request->range_count; i++) {
        fits = fits && tn_range_within(request->ranges[i].offset, request->ranges[i].bytes, bytes);
    }
    return fits;
}

/* A queue that stops waits for all that is in flight. */
static bool may_wait(const struct tn_queue *queue)
{
    return (queue->state == TN_QUEUE_RUNNING || queue->state == TN_QUEUE_PAUSING) &&
           !queue->broken && !queue->dropping;
}

static const char *kind(const struct blk_request *request)
{
    switch (request->type) {
    case TN_BLK_T_IN:
        return "a read";
    case TN_BLK_T_OUT:
        return "a write";
    case TN_BLK_T_DISCARD:
        return "a discard";
    default:
        return "a write of zeroes";
    }
}

/* The guest may reset and fail again as often as it likes: the log is not to grow by that. */
static void tell(const struct blk_request *request, int error)
{
    struct tn_queue *queue = request->slot.queue;
    struct tenon_device *device = queue->device;
    char what[160];

    if (request->type == TN_BLK_T_FLUSH) {
        snprintf(what, sizeof(what), "a flush failed (%s)", strerror(-error));
    } else {
        snprintf(what, sizeof(what), "%s of %" PRIu64 " bytes at byte %" PRIu64 " failed (%s)",
                 kind(request), request->io.bytes, request->io.offset, strerror(-error));
    }
    if (tn_queue_may_log(queue)) {
        tn_log(TENON_LOG_WARNING,
               "%s: %s and is parked; mend the storage, then resume the device: by the command "
               "resume of the control socket, or tenon_device_resume",
               device->name, what);
    }
    if (device->event) {
        device->event(device->event_opaque, device, TENON_EVENT_PARKED, what);
    }
}

bool blk_park(struct blk_request *request, int error)
{
    struct tn_queue *queue = request->slot.queue;
    struct blk_queue *own = blk_queue_of(queue);
    bool first = tn_list_empty(&own->parked);

    if (!is_wanted(blk_of(queue), error) || !may_wait(queue) || !fits_disk(request) ||
        !tn_queue_repin(&request->slot)) {
        return false;
    }
    blk_ranges_again(request);
    request->parked = true;
    blk_rest(request, true);
    tn_list_append(&own->parked, &request->link);
    tn_queue_count(queue, BLK_COUNT_PARKED, 1);
    tn_queue_count(queue, BLK_COUNT_PARKED_NOW, 1);
    tn_queue_finish(queue); /* a pause may have waited for this one */
    if (first) {
        tell(request, error);
        blk_park_memory(queue); /* what rests behind it rests for long from now on */
    }
    return true;
}

static void unpark(struct blk_request *request)
{
    tn_list_remove(&request->link);
    request->parked = false;
    blk_rest(request, false);
    tn_queue_count(request->slot.queue, BLK_COUNT_PARKED_NOW, (uint64_t)-1);
}

static struct blk_request *first_of(const struct blk_queue *own)
{
    return TN_CONTAINER_OF(own->parked.next, struct blk_request, link);
}

/* The device was resumed: each is tried again. Those that fail again wait for the next time. */
void blk_park_retry(struct tn_queue *queue)
{
    struct blk_queue *own = blk_queue_of(queue);
    struct tenon_disk_info info = { .size = sizeof(info) };
    struct tn_list again;
    struct tn_list *link;

    if (tn_list_empty(&own->parked)) {
        return;
    }
    tenon_disk_info(blk_of(queue)->disk, &info); /* a file that was cut short may be whole again */
    tn_list_init(&again);
    while (!tn_list_empty(&own->parked)) {
        struct blk_request *request = first_of(own);
        unpark(request);
        tn_list_append(&again, &request->link);
    }
    while ((link = tn_list_take_first(&again)) != NULL) {
        blk_submit(TN_CONTAINER_OF(link, struct blk_request, link));
    }
    tn_channel_commit(blk_of(queue)->disk, own->lane->channel);
}

static void fail(struct blk_request *request)
{
    if (request->parked) {
        unpark(request);
    }
    blk_fail(request);
}

/* The queue stops, or is reset. */
void blk_park_end(struct tn_queue *queue)
{
    struct blk_queue *own = blk_queue_of(queue);

    while (!tn_list_empty(&own->parked)) {
        fail(first_of(own));
    }
}

/*
 * Guest memory changed. What rests goes on in the memory of now; what had a part of its memory in a
 * region that went away ends, for whoever took it away waits for that. Not while the device is
 * paused: nothing is written then, and they have to wait.
 */
void blk_park_memory(struct tn_queue *queue)
{
    if (tn_list_empty(&blk_queue_of(queue)->parked)) {
        return; /* then nothing rests for longer than the disk takes */
    }
    for (uint32_t i = 0; i < queue->slots.count; i++) {
        struct blk_request *request = blk_request_of(tn_slots_at(&queue->slots, i));
        if (request->dormant && !tn_queue_repin(&request->slot) && queue->state != TN_QUEUE_HELD) {
            fail(request);
        }
    }
}
