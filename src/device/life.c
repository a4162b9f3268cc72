/*
 * life.c: how queues start, stop, pause and go on. Each event happens on the queue's worker; the
 * table says what becomes of the queue, and enter() does what the new state asks for. Nobody waits
 * here: who asked is called back.
 *
 *                 START      STOP       HOLD       RELEASE    DRAINED
 *   OFF           RUNNING    -          -          -          -
 *   RUNNING       -          DRAINING   PAUSING    -          -
 *   PAUSING       -          DRAINING   -          RUNNING    HELD
 *   HELD          -          DRAINING   -          RUNNING    -
 *   DRAINING      -          -          -          -          OFF
 *
 * DRAINED means that nothing is in flight (of a queue that pauses: but what rests until the device
 * is resumed), all is published, and the last interrupt is delivered. A queue that its driver broke
 * takes nothing, but lives through the same states.
 */
#include "device/within.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

static const uint8_t next_state[TN_QUEUE_STATES][TN_QUEUE_EVENTS] = {
    [TN_QUEUE_OFF] = { TN_QUEUE_RUNNING, TN_QUEUE_OFF, TN_QUEUE_OFF, TN_QUEUE_OFF, TN_QUEUE_OFF },
    [TN_QUEUE_RUNNING] = { TN_QUEUE_RUNNING, TN_QUEUE_DRAINING, TN_QUEUE_PAUSING, TN_QUEUE_RUNNING,
                           TN_QUEUE_RUNNING },
    [TN_QUEUE_PAUSING] = { TN_QUEUE_PAUSING, TN_QUEUE_DRAINING, TN_QUEUE_PAUSING, TN_QUEUE_RUNNING,
                           TN_QUEUE_HELD },
    [TN_QUEUE_HELD] = { TN_QUEUE_HELD, TN_QUEUE_DRAINING, TN_QUEUE_HELD, TN_QUEUE_RUNNING,
                        TN_QUEUE_HELD },
    [TN_QUEUE_DRAINING] = { TN_QUEUE_DRAINING, TN_QUEUE_DRAINING, TN_QUEUE_DRAINING,
                            TN_QUEUE_DRAINING, TN_QUEUE_OFF },
};

static bool touches_memory(enum tn_queue_state state)
{
    return state != TN_QUEUE_OFF && state != TN_QUEUE_HELD;
}

struct pause_waiter {
    struct tn_list link;
    void (*done)(void *opaque);
    void *opaque;
};

/* Who waited for pause may be told, if it is so. */
static void tell_paused(struct tenon_device *device)
{
    struct tn_list told;
    struct tn_list *link;

    tn_list_init(&told);
    pthread_mutex_lock(&device->lock);
    if (tn_device_is_paused(device)) {
        tn_list_splice(&told, &device->pause_waiters);
    }
    pthread_mutex_unlock(&device->lock);
    while ((link = tn_list_take_first(&told)) != NULL) {
        struct pause_waiter *waiter = TN_CONTAINER_OF(link, struct pause_waiter, link);
        waiter->done(waiter->opaque);
        free(waiter);
    }
}

/* One of those that quiet waits for is done with it; the last one makes the device as new. */
void tn_life_leave_quiet(struct tenon_device *device)
{
    struct tn_quiet_waiter told[TN_QUIET_WAITERS] = { 0 };

    pthread_mutex_lock(&device->lock);
    if (device->quieting == 1) {
        device->ended_resets = device->resets;
        __atomic_store_n(&device->features[0], 0, __ATOMIC_RELAXED);
        __atomic_store_n(&device->features[1], 0, __ATOMIC_RELAXED);
        device->type->negotiated(device);
        for (unsigned i = 0; i < TN_QUIET_WAITERS; i++) {
            told[i] = device->quiet_waiters[i];
            device->quiet_waiters[i].done = NULL;
        }
    }
    device->quieting--;
    pthread_cond_broadcast(&device->changed);
    pthread_mutex_unlock(&device->lock);
    /* From here on the device may be gone: only what was copied is used. */
    for (unsigned i = 0; i < TN_QUIET_WAITERS; i++) {
        if (told[i].done) {
            told[i].done(told[i].opaque);
        }
    }
}

/* With the lock held: a queue is OFF, or will not start. Whether the device has stopped by that. */
static bool one_less(struct tenon_device *device)
{
    bool last = --device->active == 0 && device->running;

    device->running &= !last;
    return last;
}

static void tell_event(struct tenon_device *device, enum tenon_event event, const char *detail)
{
    if (device->event) {
        device->event(device->event_opaque, device, event, detail);
    }
}

static void set_state(struct tn_queue *queue, enum tn_queue_state state)
{
    struct tenon_device *device = queue->device;

    pthread_mutex_lock(&device->lock);
    device->touching += touches_memory(state);
    device->touching -= touches_memory(queue->state);
    queue->state = state;
    bool last = state == TN_QUEUE_OFF && one_less(device);
    pthread_cond_broadcast(&device->changed);
    pthread_mutex_unlock(&device->lock);
    if (last) {
        tell_event(device, TENON_EVENT_STOPPED, "no queue runs");
    }
}

/*
 * The queue is OFF: whoever waited for that is told. The last thing that happens to it: quiet may
 * be the end of the device.
 */
static void tell_stopped(struct tn_queue *queue)
{
    struct tenon_device *device = queue->device;
    bool quiet = queue->quiet_pending;
    struct tn_list *link;

    queue->quiet_pending = false;
    while ((link = tn_list_take_first(&queue->stops)) != NULL) {
        struct tn_stop *stop = TN_CONTAINER_OF(link, struct tn_stop, link);
        stop->done(stop->opaque, queue->index, queue->next_avail);
        free(stop);
    }
    tell_paused(device);
    if (quiet) {
        tn_life_leave_quiet(device);
    }
}

void tn_queue_closed(struct tn_queue *queue)
{
    queue->closing = false;
    tn_queue_teardown(queue);
    set_state(queue, TN_QUEUE_OFF);
    tell_stopped(queue);
}

static void enter(struct tn_queue *queue, enum tn_queue_state state)
{
    switch (state) {
    case TN_QUEUE_OFF:
        queue->closing = queue->type_started;
        if (queue->type_started) {
            queue->type_started = false;
            if (!queue->device->type->stop(queue)) {
                break; /* goes on in tn_queue_closed */
            }
        }
        tn_queue_closed(queue);
        break;
    case TN_QUEUE_HELD:
        set_state(queue, state);
        tell_paused(queue->device);
        break;
    case TN_QUEUE_RUNNING:
        set_state(queue, state);
        tn_queue_look(queue);
        break;
    default: /* PAUSING, DRAINING: it is over when nothing is in flight, which may be now */
        set_state(queue, state);
        tn_limit_let_through(queue);
        if (queue->type_started && queue->device->type->settle) {
            queue->device->type->settle(queue);
        }
        if (state == TN_QUEUE_DRAINING && queue->type_started && queue->device->type->give_up) {
            queue->device->type->give_up(queue);
        }
        tn_queue_finish(queue);
        break;
    }
}

void tn_life_event(struct tn_queue *queue, enum tn_queue_event event)
{
    enum tn_queue_state state = next_state[queue->state][event];

    if (state != queue->state) {
        enter(queue, state);
    }
}

/* A start that will not happen: its kick descriptor was given to us. */
static void refuse_start(struct tn_start *start)
{
    struct tn_queue *queue = start->queue;
    struct tenon_device *device = queue->device;

    if (start->ring.kick_fd >= 0) {
        close(start->ring.kick_fd);
    }
    queue->next_avail = start->ring.next_avail;
    free(start);
    pthread_mutex_lock(&device->lock);
    queue->start_pending = false;
    bool last = one_less(device);
    pthread_cond_broadcast(&device->changed);
    pthread_mutex_unlock(&device->lock);
    if (last) {
        tell_event(device, TENON_EVENT_STOPPED, "no queue runs");
    }
}

static const char *why_not_begun(int error)
{
    switch (error) {
    case -EPROTO:
        return "its inflight record does not belong to it";
    case -EFAULT:
        return "its rings do not lie in guest memory";
    case -ENOMEM:
        return "the host has no memory for it";
    default:
        return "the host could not start it";
    }
}

void tn_life_start(struct tenon_post *post)
{
    struct tn_start *start = TN_CONTAINER_OF(post, struct tn_start, post);
    struct tn_queue *queue = start->queue;
    struct tenon_device *device = queue->device;

    pthread_mutex_lock(&device->lock);
    bool refused = start->resets != device->resets;
    bool held = !refused && device->paused;
    struct tenon_mem *mem = device->mem;
    if (!refused && !held) {
        queue->state = next_state[queue->state][TN_EVENT_START]; /* a pause waits for it now */
        queue->start_pending = false;
        device->touching++;
    }
    bool first = !refused && !held && !device->running;
    device->running |= first;
    pthread_mutex_unlock(&device->lock);

    if (refused) {
        refuse_start(start);
        return;
    }
    if (held) {
        queue->held_start = start;
        return;
    }
    int error = tn_queue_begin(queue, &start->ring, mem);
    free(start);
    if (error < 0) {
        tn_queue_break(queue, why_not_begun(error));
        return;
    }
    if (queue->irq_on_start) {
        device->bus_ops.queue_irq(device->bus, queue->index);
    }
    if (first) {
        tell_event(device, TENON_EVENT_STARTED, "a queue runs");
    }
    tn_queue_look(queue);
}

/* Toward OFF, whatever the queue does now; with `drop`, what is in flight ends unreported. */
static void wind_down(struct tn_queue *queue, bool drop)
{
    struct tn_start *start = queue->held_start;

    if (start) {
        queue->held_start = NULL;
        refuse_start(start);
    }
    if (queue->state == TN_QUEUE_OFF) {
        tell_stopped(queue);
        return;
    }
    if (drop && !queue->dropping) {
        queue->dropping = true;
        TN_PROBE(reset, queue->device_name, queue->index, queue->in_flight);
        tn_limit_drop(queue);
        if (queue->type_started && queue->device->type->drop) {
            queue->device->type->drop(queue);
        }
    }
    tn_life_event(queue, TN_EVENT_STOP);
}

void tn_life_stop(struct tenon_post *post)
{
    struct tn_stop *stop = TN_CONTAINER_OF(post, struct tn_stop, post);
    struct tn_queue *queue = stop->queue;

    tn_list_append(&queue->stops, &stop->link);
    wind_down(queue, stop->drop);
}

/* The device was paused or resumed: follow it. */
void tn_life_reconcile(struct tn_queue *queue)
{
    struct tenon_device *device = queue->device;
    struct tn_start *start = queue->held_start;

    pthread_mutex_lock(&device->lock);
    bool paused = device->paused;
    pthread_mutex_unlock(&device->lock);
    if (start && !paused) {
        queue->held_start = NULL;
        tn_life_start(&start->post);
        return;
    }
    tn_life_event(queue, paused ? TN_EVENT_HOLD : TN_EVENT_RELEASE);
    if (!paused && queue->state == TN_QUEUE_RUNNING && queue->type_started &&
        queue->device->type->retry) {
        queue->device->type->retry(queue);
    }
}

void tn_life_quiet_heard(struct tn_queue *queue)
{
    queue->quiet_pending = true;
    wind_down(queue, true);
}

/*
 * With the lock held, so that no detach frees a worker between our look at it and the post. A queue
 * that has none yet finds out when it starts.
 */
static void tell_queues(struct tenon_device *device)
{
    for (unsigned i = 0; i < device->queue_count; i++) {
        struct tn_queue *queue = device->queues[i];
        if (queue && queue->worker) {
            tenon_worker_post(queue->worker, &queue->life_post);
        }
    }
}

int tenon_device_pause_begin(struct tenon_device *device, void (*done)(void *opaque), void *opaque)
{
    struct pause_waiter *waiter = NULL;

    if (done) {
        waiter = malloc(sizeof(*waiter));
        if (!waiter) {
            return -ENOMEM;
        }
        waiter->done = done;
        waiter->opaque = opaque;
    }
    pthread_mutex_lock(&device->lock);
    device->paused = true;
    if (waiter) {
        tn_list_append(&device->pause_waiters, &waiter->link);
    }
    tell_queues(device);
    pthread_mutex_unlock(&device->lock);
    tell_paused(device);
    return 0;
}

int tenon_device_pause(struct tenon_device *device, unsigned timeout_ms)
{
    int error = tenon_device_pause_begin(device, NULL, NULL);

    return error < 0 ? error : tn_device_wait_paused(device, timeout_ms);
}

int tenon_device_resume(struct tenon_device *device)
{
    struct tn_list dropped;
    struct tn_list *link;

    tn_list_init(&dropped);
    pthread_mutex_lock(&device->lock);
    device->paused = false;
    tn_list_splice(&dropped, &device->pause_waiters);
    tell_queues(device);
    pthread_mutex_unlock(&device->lock);
    while ((link = tn_list_take_first(&dropped)) !=
           NULL) { /* the pause they waited for will not come */
        free(TN_CONTAINER_OF(link, struct pause_waiter, link));
    }
    return 0;
}
