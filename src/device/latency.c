/*
 * latency.c: where the time of requests goes, as histograms that any thread can read.
 */
#include "device/within.h"

#include <string.h>

static const char *const span_names[TN_SPANS] = {
    [TN_SPAN_WAITING] = "waiting",
    [TN_SPAN_HELD] = "held",
    [TN_SPAN_DISK] = "disk",
    [TN_SPAN_TOLD] = "told",
};

void tn_spans_begin(struct tn_slot *slot)
{
    slot->spans = (struct tn_spans){ .since = tn_worker_turn_time(slot->queue->worker) };
}

void tn_spans_step(struct tn_slot *slot, enum tn_span span)
{
    const struct tenon_worker *worker = slot->queue->worker;
    uint64_t now = tn_worker_turn_time(worker);

    if (span == TN_SPAN_DISK && now == slot->spans.since) {
        now = tn_worker_late_time(worker); /* the disk worked within the turn, maybe for long */
    }
    slot->spans.ns[span] += now - slot->spans.since;
    slot->spans.since = now;
}

void tn_spans_count(struct tn_slot *slot)
{
    struct tn_histogram *histograms = slot->queue->latencies;

    tn_histogram_add(&histograms[TN_SPAN_WAITING], slot->spans.ns[TN_SPAN_WAITING]);
    tn_histogram_add(&histograms[TN_SPAN_DISK], slot->spans.ns[TN_SPAN_DISK]);
    if (slot->spans.ns[TN_SPAN_HELD] != 0) { /* else it was not held at all */
        tn_histogram_add(&histograms[TN_SPAN_HELD], slot->spans.ns[TN_SPAN_HELD]);
    }
}

void tenon_device_latencies(struct tenon_device *device, tenon_latencies_fn *fn, void *opaque)
{
    uint64_t counts[TN_HISTOGRAM_BUCKETS];

    for (unsigned i = 0; i < device->queue_count; i++) {
        const struct tn_queue *queue = tn_queue_at(device, i);
        for (unsigned span = 0; queue && span < TN_SPANS; span++) {
            if (device->type->counts_frames != (span == TN_SPAN_TOLD)) {
                continue;
            }
            for (unsigned b = 0; b < TN_HISTOGRAM_BUCKETS; b++) {
                counts[b] = tn_count_read(&queue->latencies[span].buckets[b]);
            }
            fn(opaque, span_names[span], i, counts, TN_HISTOGRAM_BUCKETS);
        }
    }
}
