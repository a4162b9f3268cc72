/*
 * irq.h: when the driver is told of what is in the used ring. A part of the door of device/
 * (device.h includes it).
 *
 * Used entries are shown at once; the interrupt for them may be held for a while, so that one tells
 * of many. Whether the driver wants it at all is asked when it would be sent (virtqueue.h).
 */
#ifndef TN_DEVICE_IRQ_H
#define TN_DEVICE_IRQ_H

#include <stdbool.h>
#include <stdint.h>

struct tenon_timer;
struct tn_queue;

/*
 * Frames that were shown and not told. A pure function of it, the time, and how many more there
 * are: see tn_coalesce.
 */
struct tn_coalesce {
    uint32_t frames; /* told after so many, 0: each time */
    uint64_t ns;     /* or so long after the first, 0: each time; adaptive: twice that in a flood */
    bool adaptive;   /* a frame that comes alone is told at once, a flood more seldom */
    uint32_t ceiling; /* adaptive: the most that are held */
    uint32_t held, level;
    uint64_t since, last; /* the first that is held; when it was last told */
};

/* `fresh` more. True: tell now. False: at `*when`, if nothing comes before. */
bool tn_coalesce(struct tn_coalesce *coalesce, uint64_t now, uint32_t fresh, uint64_t *when);

struct tn_irq {
    struct tn_coalesce coalesce;
    struct tenon_timer *timer; /* NULL: nothing is ever held */
    uint32_t frames;           /* since the last publish, if the type counts them */
};

/* ---- for device types: on the queue's worker ---- */

/*
 * Holds interrupts from now on: until there are so many frames, or so many microseconds after the
 * first; either 0: none is held. What is held is looked at again at once (NET-79). `adaptive`: see
 * above. -ENOMEM.
 */
int tn_queue_coalesce(struct tn_queue *queue, uint32_t frames, uint32_t us, bool adaptive);
/* What is held is told now: the driver has to do something. */
void tn_queue_tell(struct tn_queue *queue);

/* ---- within device/ ---- */

void tn_queue_publish(struct tn_queue *queue);
void tn_irq_end(struct tn_queue *queue);

#endif
