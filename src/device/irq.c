/*
 * irq.c: interrupts for used entries, and holding them.
 *
 *   publish ──> shown ──┬─ enough, or alone ──> does the driver want it? ──> interrupt
 *                       └─ held ── timer, pause, stop, no buffers left ──^
 *
 * Nothing that is held is lost: a queue is not paused, and not stopped, before it was told
 * (queue.c). On the queue's worker.
 */
#include "device/within.h"

#include "base/num.h"

enum { RATHER_MORE = 4 }; /* in a flood, adaptive: times what was asked for */

static bool tell(struct tn_coalesce *coalesce, uint64_t now)
{
    coalesce->held = 0;
    coalesce->last = now;
    return true;
}

bool tn_coalesce(struct tn_coalesce *coalesce, uint64_t now, uint32_t fresh, uint64_t *when)
{
    uint64_t from;

    if (coalesce->held == 0) {
        coalesce->since = now;
    }
    coalesce->held += fresh;
    if (coalesce->frames == 0 || coalesce->ns == 0) {
        return tell(coalesce, now);
    }
    if (coalesce->level < coalesce->frames) {
        coalesce->level = coalesce->frames;
    }
    if (coalesce->held >= coalesce->level) {
        if (coalesce->adaptive) { /* they come faster than the time runs out */
            coalesce->level = (uint32_t)tn_min_u64(coalesce->level * 2ull, coalesce->ceiling);
        }
        return tell(coalesce, now);
    }
    /* In a flood nobody waits for one frame, and twice as many are told of at once. */
    uint64_t ns = coalesce->level > coalesce->frames ? 2 * coalesce->ns : coalesce->ns;
    from = coalesce->adaptive ? coalesce->last : coalesce->since;
    if (now - from >= ns) {
        coalesce->level = coalesce->frames;
        return tell(coalesce, now);
    }
    *when = from + ns;
    return false;
}

static void interrupt(struct tn_queue *queue)
{
    struct tenon_device *device = queue->device;

    if (tn_vq_wants_interrupt(queue->vq)) {
        if (queue->irq.timer) {
            tn_histogram_add(&queue->latencies[TN_SPAN_TOLD],
                             tenon_now() - queue->irq.coalesce.since);
        }
        tn_queue_count(queue, TN_COUNT_INTERRUPTS, 1);
        TN_PROBE(interrupt, queue->device_name, queue->index);
        device->bus_ops.queue_irq(device->bus, queue->index);
    }
}

static void hold_or_tell(struct tn_queue *queue, uint32_t fresh)
{
    uint64_t when;

    if (tn_coalesce(&queue->irq.coalesce, tn_worker_turn_time(queue->worker), fresh, &when)) {
        tenon_timer_cancel(queue->irq.timer);
        interrupt(queue);
    } else {
        tenon_timer_set(queue->irq.timer, when);
    }
}

void tn_queue_publish(struct tn_queue *queue)
{
    struct tn_irq *irq = &queue->irq;
    uint32_t fresh = tn_vq_unpublished(queue->vq);

    if (fresh == 0) {
        return;
    }
    tn_vq_show(queue->vq);
    if (!irq->timer) {
        interrupt(queue);
        return;
    }
    hold_or_tell(queue, irq->frames != 0 ? irq->frames : fresh);
    irq->frames = 0;
}

void tn_queue_tell(struct tn_queue *queue)
{
    struct tn_irq *irq = &queue->irq;

    if (!irq->timer || queue->broken) {
        return;
    }
    irq->coalesce.held += tn_vq_unpublished(queue->vq);
    tn_vq_show(queue->vq);
    irq->frames = 0;
    if (irq->coalesce.held != 0) {
        tenon_timer_cancel(irq->timer);
        tell(&irq->coalesce, tn_worker_turn_time(queue->worker));
        interrupt(queue);
    }
}

static void on_timer(void *opaque)
{
    struct tn_queue *queue = opaque;

    if (queue->vq && !queue->broken) {
        tn_queue_tell(queue);
    }
}

int tn_queue_coalesce(struct tn_queue *queue, uint32_t frames, uint32_t us, bool adaptive)
{
    struct tn_coalesce *coalesce = &queue->irq.coalesce;
    uint32_t most = queue->slots.count * 3 / 4; /* or the driver runs out of buffers meanwhile */
    bool any = frames != 0 && us != 0;

    if (!queue->irq.timer && any) {
        int error = tenon_timer_new(queue->worker, on_timer, queue, &queue->irq.timer);
        if (error < 0) {
            return error;
        }
    }
    coalesce->frames = frames;
    coalesce->ns = (uint64_t)us * 1000;
    coalesce->adaptive = adaptive;
    coalesce->level = frames;
    coalesce->ceiling = frames > most / RATHER_MORE ? most : frames * RATHER_MORE;
    if (queue->irq.timer && queue->vq && coalesce->held != 0) {
        hold_or_tell(queue, 0);
    }
    return 0;
}

void tn_irq_end(struct tn_queue *queue)
{
    tenon_timer_free(queue->irq.timer);
    queue->irq = (struct tn_irq){ 0 };
}
