/*
 * queue.c: one queue on its worker, from kick to interrupt.
 *
 *   kick ──> look ──> serve: the type takes requests ─ ─ they end ──> return ──> publish, interrupt
 *
 * Kicks are off while a queue is being served and on before it sleeps, with the re-check (pair D in
 * base/shared.h). A turn takes a bounded number of requests, so that a busy driver cannot hold up a
 * stop, a pause, or its neighbours on the worker.
 *
 * Here: the life of one queue between start and stop. Not here: when it may start and stop
 * (life.c).
 */
#include "device/within.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/num.h"
#include "spec/virtio.h"

/* A SIGBUS put zeroes where the rings or buffers were (tenon_sigbus): nothing there is true. */
static bool memory_is_gone(struct tn_queue *queue)
{
    if (tn_view_poisoned(&queue->view)) {
        tn_queue_break(queue, "guest memory was truncated by its owner");
        return true;
    }
    return false;
}

/* One bounded turn of serving. */
static void serve(struct tn_task *task)
{
    struct tn_queue *queue = TN_CONTAINER_OF(task, struct tn_queue, serve_task);

    tn_queue_poll_end(queue);
    queue->resting = queue->waiting = false;
    if (queue->state != TN_QUEUE_RUNNING || queue->broken) {
        return;
    }
    if (memory_is_gone(queue) || tn_limit_bars(queue)) {
        return;
    }
    tn_vq_kicks_off(queue->vq);
    queue->kicks_on = false;
    tn_queue_count(queue, TN_COUNT_TURNS, 1);
    TN_PROBE(turn, queue->device_name, queue->index);
    queue->starved = false;

    unsigned served = queue->device->type->serve(queue, TN_TURN_BUDGET);
    if (queue->broken || queue->starved || served == TN_SERVE_WAITS || memory_is_gone(queue)) {
        return; /* broken: for good. Starved: tn_queue_return looks again */
    }
    if (served == TN_TURN_BUDGET || queue->poll_without_kick) {
        tn_task_ready(queue->worker, &queue->serve_task);
    } else {
        tn_queue_rest(queue, served);
    }
}

void tn_queue_look(struct tn_queue *queue)
{
    if (queue->state == TN_QUEUE_RUNNING && !queue->broken) {
        tn_task_ready(queue->worker, &queue->serve_task);
    }
}

static void on_kick_fd(void *opaque, int fd, unsigned events)
{
    struct tn_queue *queue = opaque;
    int rung = tn_notifier_drain(fd);

    (void)events;
    if (rung > 0) {
        tn_queue_count(queue, TN_COUNT_KICKS, 1);
        tn_queue_look(queue); /* not served here: who kicks again has no second turn for it */
    } else if (rung < 0 && fd == queue->kick_fd) {
        /* The other side of a pipe closed it. Silence it, the transport will say more. (Nothing to
         * read is no reason: rings may share a descriptor, and others may empty it.) */
        tenon_watch_set(queue->kick_watch, 0);
    }
}

/*
 * Not served from within the post: while it is served, posts have to run (tn_queue_breathe), and
 * they do not from within each other.
 */
static void on_kick_post(struct tenon_post *post)
{
    struct tn_queue *queue = TN_CONTAINER_OF(post, struct tn_queue, kick_post);

    tn_queue_count(queue, TN_COUNT_KICKS, 1);
    tn_queue_look(queue);
}

void tn_queue_breathe(struct tn_queue *queue)
{
    if (tn_worker_run_posts(queue->worker) && !queue->broken && tn_vq_unpublished(queue->vq) != 0) {
        uint64_t longest = tn_vq_has_more(queue->vq) ? TN_PUBLISH_AFTER_NS : TN_PUBLISH_IDLE_NS;
        if (tn_worker_late_time(queue->worker) - queue->unpublished_since > longest) {
            tn_queue_publish(queue);
        }
    }
}

/*
 * The end of a turn in which something ended: tell the driver, and notice that a stopping queue has
 * nothing in flight.
 */
static void finish(struct tn_task *task)
{
    struct tn_queue *queue = TN_CONTAINER_OF(task, struct tn_queue, finish_task);

    if (queue->vq && !queue->broken && !memory_is_gone(queue)) {
        tn_queue_publish(queue);
        if (queue->resting && queue->state == TN_QUEUE_RUNNING) {
            tn_queue_poll_end(queue);
            tn_queue_rest(queue, 0);
        }
    }
    if (queue->state != TN_QUEUE_RUNNING && queue->vq && !queue->broken && !queue->dropping) {
        tn_queue_tell(queue); /* before anybody hears that it is still */
    }
    uint32_t dormant = queue->state == TN_QUEUE_PAUSING ? queue->dormant : 0;
    if (queue->in_flight == dormant && !queue->closing) {
        tn_life_event(queue, TN_EVENT_DRAINED);
    }
}

void tn_queue_finish(struct tn_queue *queue)
{
    tn_task_finish(queue->worker, &queue->finish_task);
}

/*
 * Guest memory changed: take the new table, so that the old one can go, and find the rings in it.
 */
static void on_view_changed(struct tenon_post *post)
{
    struct tn_queue *queue = TN_CONTAINER_OF(post, struct tn_queue, view_post);

    if (!queue->view_open || !tn_view_refresh(&queue->view)) {
        return;
    }
    if (queue->vq && !queue->broken && !tn_vq_remap(queue->vq)) {
        tn_queue_break(queue, tn_vq_broken(queue->vq));
    }
    tn_limit_let_go_of_memory(queue);
    if (queue->type_started && queue->device->type->memory_changed) {
        queue->device->type->memory_changed(queue);
    }
}

static void view_changed(struct tn_view *view)
{
    struct tn_queue *queue = TN_CONTAINER_OF(view, struct tn_queue, view);

    tenon_worker_post(queue->worker, &queue->view_post);
}

void tn_queue_set_kick(struct tn_queue *queue, int fd)
{
    tenon_watch_remove(queue->kick_watch);
    queue->kick_watch = NULL;
    if (queue->kick_fd >= 0) {
        close(queue->kick_fd);
    }
    queue->kick_fd = fd;
    if (fd >= 0 && tenon_watch_add(queue->worker, fd, TENON_READABLE, on_kick_fd, queue,
                                   &queue->kick_watch) < 0) {
        tn_queue_break(queue, "its kick descriptor cannot be watched");
    }
    tn_queue_look(queue); /* a kick may have gone to the descriptor before */
}

static int watch_notifier(struct tn_queue *queue)
{
    if (queue->notifier.read_fd < 0 || queue->notifier_watch) {
        return 0;
    }
    return tenon_watch_add(queue->worker, queue->notifier.read_fd, TENON_READABLE, on_kick_fd,
                           queue, &queue->notifier_watch);
}

/*
 * Under a limit a ring full of long requests may be waiting, and must not use up what others need
 * that do not wait. Memory that nobody touches costs nothing.
 */
static uint32_t iovecs_for(const struct tn_queue *queue, uint32_t entries)
{
    uint32_t each = queue->limit.active ? TN_LIMITED_IOVECS : 1;

    return (uint32_t)tn_max_u64(tn_vq_max_iovecs(queue->vq), (uint64_t)each * entries);
}

/*
 * Everything that a running queue needs, on its worker. On an error what was made is undone by
 * tn_queue_teardown.
 */
int tn_queue_begin(struct tn_queue *queue, const struct tenon_ring *ring, struct tenon_mem *mem)
{
    struct tenon_device *device = queue->device;
    struct tn_vq_config config = {
        .size = ring->entries,
        .desc_gpa = ring->desc_gpa,
        .driver_gpa = ring->driver_gpa,
        .device_gpa = ring->device_gpa,
        .event_idx = tn_device_has(device, TN_F_EVENT_IDX),
        .indirect = tn_device_has(device, TN_F_INDIRECT_DESC),
        .next_avail = ring->next_avail,
        .used_from_ring = ring->used_from_ring,
        .inflight = ring->inflight,
        .inflight_bytes = ring->inflight_bytes,
    };

    queue->broken = queue->starved = queue->dropping = queue->resting = false;
    queue->irq_on_start = ring->irq_on_start;
    queue->poll_without_kick = ring->poll_without_kick;
    queue->next_avail = ring->next_avail;
    tn_queue_set_kick(queue, ring->kick_fd);

    int error = tn_view_open(&queue->view, mem, view_changed);
    if (error < 0) {
        return error;
    }
    queue->view_open = true;
    error = tn_vq_new(&config, &queue->view, &queue->vq);
    if (error < 0) {
        return error;
    }
    error = tn_limit_begin(queue);
    if (error < 0) {
        return error;
    }
    error = tn_slots_init(&queue->slots, queue, ring->entries + 1, device->slot_bytes,
                          iovecs_for(queue, ring->entries));
    if (error < 0) {
        return error;
    }
    error = watch_notifier(queue);
    if (error < 0) {
        return error;
    }
    error = device->type->start(queue);
    queue->type_started = error >= 0;
    return error;
}

/* Back to nothing: no chain is in flight, or none was ever taken, and the type has stopped. */
void tn_queue_teardown(struct tn_queue *queue)
{
    tn_queue_set_kick(queue, -1);
    tenon_watch_remove(queue->notifier_watch);
    queue->notifier_watch = NULL;
    tn_queue_poll_cancel(queue);
    tn_task_cancel(&queue->serve_task);
    tn_task_cancel(&queue->finish_task);
    if (queue->vq) {
        queue->next_avail = tn_vq_next_avail(queue->vq);
        tn_vq_free(queue->vq);
        queue->vq = NULL;
    }
    if (queue->view_open) {
        tn_view_close(&queue->view);
        queue->view_open = false;
    }
    tn_limit_end(queue);
    tn_irq_end(queue);
    tn_slots_fini(&queue->slots);
}

static void on_life_post(struct tenon_post *post)
{
    tn_life_reconcile(TN_CONTAINER_OF(post, struct tn_queue, life_post));
}

static void on_quiet_post(struct tenon_post *post)
{
    tn_life_quiet_heard(TN_CONTAINER_OF(post, struct tn_queue, quiet_post));
}

struct tn_queue *tn_queue_new(struct tenon_device *device, unsigned index)
{
    struct tn_queue *queue = calloc(1, sizeof(*queue));

    if (!queue) {
        return NULL;
    }
    queue->device = device;
    queue->device_name = device->name;
    queue->timed = !device->type->counts_frames;
    queue->index = index;
    queue->kick_fd = -1;
    queue->notifier.read_fd = queue->notifier.write_fd = -1;
    tn_task_init(&queue->serve_task, serve);
    tn_task_init(&queue->finish_task, finish);
    tn_list_init(&queue->stops);
    tn_limit_init(queue);
    tn_queue_poll_init(queue);
    queue->kick_post.fn = on_kick_post;
    queue->view_post.fn = on_view_changed;
    queue->life_post.fn = on_life_post;
    queue->quiet_post.fn = on_quiet_post;
    return queue;
}

void tn_queue_free(struct tn_queue *queue)
{
    if (!queue) {
        return;
    }
    tn_notifier_close(&queue->notifier);
    free(queue);
}

struct tn_queue *tn_queue_at(const struct tenon_device *device, unsigned index)
{
    return index < device->queue_count ? __atomic_load_n(&device->queues[index], __ATOMIC_ACQUIRE)
                                       : NULL;
}
