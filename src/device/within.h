/*
 * within.h: between the files of device/: what no device type and no transport calls.
 */
#ifndef TN_DEVICE_WITHIN_H
#define TN_DEVICE_WITHIN_H

#include "device/device.h"

/* limit_pay.c */

enum { TN_LIMIT_ACCOUNTS = TN_LIMIT_OWNERS * TN_LINE_LIMITS };

/* One limit that a line counts against. */
struct tn_account {
    struct tn_purse *purse;
    const struct tn_rate *rate;
    struct tn_bucket *bucket;
    bool bytes; /* it counts bytes; else operations */
};

/* False: there is no such limit now. */
bool tn_limit_account(struct tn_queue *queue, unsigned line, unsigned number,
                      struct tn_account *out);
void tn_limit_charge(struct tn_queue *queue, unsigned line, uint64_t ops, uint64_t bytes,
                     int64_t due);
/* All draw at the same time: who waits for two limits does not wait for one after the other. */
bool tn_limit_pays(struct tn_queue *queue, unsigned line);
bool tn_limit_owes(struct tn_queue *queue, unsigned line);
/* When it is worth while to look at the line again: somebody has to draw, or all have paid. */
int64_t tn_limit_when(struct tn_queue *queue, unsigned line);
/* Takes over what is set now. Who waits goes on waiting; what it has paid in tokens stays paid. */
void tn_limit_refresh(struct tn_queue *queue);

/* workers.c */
int tn_workers_init(struct tenon_device *device, const struct tn_device_init *init);
void tn_workers_fini(struct tenon_device *device);
int tn_workers_join(struct tenon_device *device, struct tn_queue *queue); /* under lock */
/* Its own ones, for the caller to free; no queue has them any more. Under lock. */
unsigned tn_workers_take(struct tenon_device *device, struct tenon_worker *own[TN_QUEUES_MAX]);

/* queue.c */
struct tn_queue *tn_queue_new(struct tenon_device *device, unsigned index);
void tn_queue_free(struct tn_queue *queue);
struct tn_queue *tn_queue_at(const struct tenon_device *device,
                             unsigned index); /* NULL: never needed so far */
int tn_queue_begin(struct tn_queue *queue, const struct tenon_ring *ring, struct tenon_mem *mem);
void tn_queue_set_kick(struct tn_queue *queue, int fd);
void tn_queue_teardown(struct tn_queue *queue);

/* polling.c */
void tn_queue_poll_init(struct tn_queue *queue);
void tn_queue_poll_end(struct tn_queue *queue);    /* something came */
void tn_queue_poll_cancel(struct tn_queue *queue); /* there is no ring any more */
/* The ring is empty, after a turn that took so many: looks again, or asks for kicks. */
void tn_queue_rest(struct tn_queue *queue, unsigned served);

/* life.c: what happens to a queue (on its worker), and who waits for it */

/* A start or a stop on its way to the queue's worker. */
struct tn_start {
    struct tenon_post post;
    struct tn_queue *queue;
    uint32_t resets; /* of the device, when it was asked for */
    struct tenon_ring ring;
};

struct tn_stop {
    struct tenon_post post;
    struct tn_list link;
    struct tn_queue *queue;
    bool drop;
    tenon_queue_stopped_fn *done;
    void *opaque;
};

enum tn_queue_event {
    TN_EVENT_START,   /* a transport wants it to run */
    TN_EVENT_STOP,    /* a transport wants it to stop, or the device is reset */
    TN_EVENT_HOLD,    /* the device was paused */
    TN_EVENT_RELEASE, /* the device was resumed */
    TN_EVENT_DRAINED, /* nothing is in flight */
    TN_QUEUE_EVENTS
};
void tn_life_event(struct tn_queue *queue, enum tn_queue_event event);
void tn_life_start(struct tenon_post *post); /* struct tn_start; ends with the queue, or freed */
void tn_life_stop(struct tenon_post *post);  /* struct tn_stop; freed when its done was called */
void tn_life_reconcile(struct tn_queue *queue);
void tn_life_quiet_heard(struct tn_queue *queue);
void tn_life_leave_quiet(
    struct tenon_device *device); /* one of those that `quieting` counts is done */

/*
 * wait.c: for the synchronous calls. Waits until it is so, or the time is over: 0 or -ETIMEDOUT. A
 * reset is over when it was, even if the driver has started the device again since.
 */
int tn_device_wait_paused(struct tenon_device *device, unsigned timeout_ms);
int tn_device_wait_quiet(struct tenon_device *device, unsigned timeout_ms);
int tn_device_wait_reset(struct tenon_device *device, uint32_t reset, unsigned timeout_ms);
bool tn_device_is_quiet(const struct tenon_device *device);  /* under lock */
bool tn_device_is_paused(const struct tenon_device *device); /* under lock */

#endif
