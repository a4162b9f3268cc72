/*
 * lane.c: the device's channels to its disk: one for each worker that queues of it run on, opened
 * with the first queue there and closed with the last. On the queue's worker; the array is guarded
 * because queues of several workers start at once.
 */
#include "blk/blk.h"

#include <errno.h>
#include <stdlib.h>

static void on_retry(void *opaque)
{
    blk_resubmit_full(opaque);
}

static void lane_free(struct blk_lane *lane)
{
    tenon_timer_free(lane->retry);
    tenon_disk_close(lane->blk->disk);
    free(lane);
}

static int lane_open(struct blk *blk, struct tenon_worker *worker, struct blk_lane **out)
{
    struct blk_lane *lane = calloc(1, sizeof(*lane));

    if (!lane) {
        return -ENOMEM;
    }
    lane->blk = blk;
    lane->worker = worker;
    tn_list_init(&lane->full);
    int error = tenon_timer_new(worker, on_retry, lane, &lane->retry);
    if (error >= 0) {
        error = tn_channel_open(blk->disk, worker, &lane->channel);
    }
    if (error < 0) {
        tenon_timer_free(lane->retry);
        free(lane);
        return error;
    }
    tn_disk_get(blk->disk);
    *out = lane;
    return 0;
}

int blk_lane_join(struct tn_queue *queue)
{
    struct blk *blk = blk_of(queue);
    struct blk_queue *own = calloc(1, sizeof(*own));
    struct blk_lane *lane = NULL;

    if (!own || blk_merge_begin(own, queue) < 0) {
        free(own);
        return -ENOMEM;
    }
    pthread_mutex_lock(&blk->lanes_lock);
    for (unsigned i = 0; i < blk->device.queue_count && !lane; i++) {
        lane = blk->lanes[i] && blk->lanes[i]->worker == queue->worker ? blk->lanes[i] : NULL;
    }
    int error = lane ? 0 : lane_open(blk, queue->worker, &lane);
    if (error >= 0) {
        lane->users++;
        blk->lanes[queue->index] = lane;
    }
    pthread_mutex_unlock(&blk->lanes_lock);
    if (error < 0) {
        blk_merge_end(own);
        free(own);
        return error;
    }
    own->queue = queue;
    own->lane = lane;
    tn_list_init(&own->order);
    tn_list_init(&own->parked);
    queue->type_data = own;
    return 0;
}

bool blk_lane_poll(struct tn_queue *queue)
{
    return tn_channel_poll(blk_of(queue)->disk, blk_queue_of(queue)->lane->channel) >= 0;
}

/* The channel is closed: the queue that waited for it is the last user of anything here. */
static void on_closed(void *opaque)
{
    struct blk_lane *lane = opaque;
    struct tn_queue *closing = lane->closing;

    if (!closing) {
        lane->closed = true; /* within tn_channel_close: blk_lane_leave goes on */
        return;
    }
    lane_free(lane);
    tn_queue_closed(closing);
}

bool blk_lane_leave(struct tn_queue *queue)
{
    struct blk *blk = blk_of(queue);
    struct blk_queue *own = blk_queue_of(queue);
    struct blk_lane *lane = own->lane;

    blk_merge_end(own);
    queue->type_data = NULL;
    free(own);
    pthread_mutex_lock(&blk->lanes_lock);
    blk->lanes[queue->index] = NULL;
    bool last = --lane->users == 0;
    pthread_mutex_unlock(&blk->lanes_lock);
    if (!last) {
        return true;
    }
    tn_channel_close(blk->disk, lane->channel, on_closed, lane);
    if (lane->closed) {
        lane_free(lane);
        return true;
    }
    lane->closing = queue;
    return false;
}
