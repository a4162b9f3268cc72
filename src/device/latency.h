/*
 * latency.h: where the time of a request goes. A part of the door of device/ (device.h includes
 * it).
 *
 *   taken off the ring ──WAITING──> (held ──HELD──> let go ──WAITING──>) disk ──DISK──> done
 *
 * Of frames, which need no disk: TOLD, from the turn in which the first of them came to the
 * interrupt for them (irq.c).
 *
 * The clock is the worker's, which is read once a turn, and once more where a disk worked within
 * the turn (tn_queue_breathe), so that a slow disk shows there, too.
 */
#ifndef TN_DEVICE_LATENCY_H
#define TN_DEVICE_LATENCY_H

#include <stdint.h>

#include "base/histogram.h"

struct tn_slot;

enum tn_span { TN_SPAN_WAITING, TN_SPAN_HELD, TN_SPAN_DISK, TN_SPAN_TOLD, TN_SPANS };

/* Of one request; part of its slot. */
struct tn_spans {
    uint64_t since;        /* the span that runs began here */
    uint64_t ns[TN_SPANS]; /* of those that have ended */
};

/* On the queue's worker. The first span begins; what has passed since the last step was `span`;
 * the request went to the disk and is done: all of its spans are counted. */
void tn_spans_begin(struct tn_slot *slot);
void tn_spans_step(struct tn_slot *slot, enum tn_span span);
void tn_spans_count(struct tn_slot *slot);

#endif
