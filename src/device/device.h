/*
 * device.h: the door of device/: what every virtio device shares, and what a device type fills in.
 *
 *   transport ──bus.h──> device ──> queue (one worker each) ──serve──> device type (blk, net)
 *                           │          └─ slots: requests in flight, with their chains
 *                           └─ life.c: run, pause, quiet
 *
 * A device type never sees a ring format or a transport. Everything about one queue runs on its
 * worker, without a lock; device->lock guards the control plane, and is held for a few instructions
 * at a time, never over a callback or I/O.
 */
#ifndef TN_DEVICE_DEVICE_H
#define TN_DEVICE_DEVICE_H

#include <limits.h>
#include <pthread.h>
#include <stdbool.h>

#include "base/count.h"
#include "base/list.h"
#include "base/probe.h"
#include "device/irq.h"
#include "device/latency.h"
#include "device/limit.h"
#include "loop/loop.h"
#include "tenon/bus.h"
#include "virtqueue/virtqueue.h"

struct tn_queue;
struct tn_slot;

enum {
    TN_QUEUES_MAX = 257,
    TN_TYPE_COUNTERS_MAX = 24,
    TN_TURN_BUDGET =
        64, /* requests that a queue serves before stop, pause and others are looked at */
    TN_PUBLISH_AFTER_NS = 50000, /* the longest that a finished request waits for its turn to end */
    TN_PUBLISH_IDLE_NS = 10000,  /* the same where the ring is empty: the driver may be waiting */
    TN_LIMITED_IOVECS = 128, /* for each entry of a ring under a limit: what QEMU's seg_max needs */
    TN_SERVE_WAITS = INT_MAX,
    TN_SLOT_IOVECS = 4,  /* of each slot: what most chains are content with */
    TN_QUIET_WAITERS = 4 /* who may wait for quiet at once: the transport, a reset, a free */
};

/* What a device type is. All calls about a queue come on its worker; the others on any thread. */
struct tn_device_type {
    uint32_t id; /* TN_VIRTIO_ID_* */
    uint32_t config_bytes;
    bool counts_frames;               /* "told" is all that there is of its latencies */
    uint32_t queues_together;         /* so many in a row are on one worker; 0: each by itself */
    const char *const *counter_names; /* counted per queue with tn_queue_count; ends with NULL */
    void (*features)(const struct tenon_device *device, uint64_t features[2]); /* its own bits */
    /* whether this subset of them makes sense; NULL: each does */
    bool (*accepts)(const struct tenon_device *device, const uint64_t features[2]);
    void (*negotiated)(
        struct tenon_device *device); /* device->features are new; called in reset too (all zero) */
    void (*config_read)(struct tenon_device *device, uint32_t offset, uint8_t *to,
                        uint32_t bytes); /* in range */
    bool (*config_write)(struct tenon_device *device, uint32_t offset, const uint8_t *from,
                         uint32_t bytes);
    int (*start)(
        struct tn_queue *queue); /* before the first serve; a negative errno breaks the queue */
    /*
     * How many requests it took; `budget`: there may be more; TN_SERVE_WAITS: it waits for
     * something else than the ring, and has the queue looked at again itself.
     */
    unsigned (*serve)(struct tn_queue *queue, unsigned budget);
    /*
     * Of a type that waits so, for while the queue looks instead of sleeping (tn_queue_wait):
     * whether what it waits for has come; from now on it has to be told.
     */
    bool (*look)(struct tn_queue *queue);
    void (*rest)(struct tn_queue *queue);
    /* the queue pauses or stops: what was taken and not begun goes back (tn_queue_untake) */
    void (*settle)(struct tn_queue *queue);
    /* these waited for their limits (tn_limit_slot) and go on now; NULL: none ever do */
    void (*release)(struct tn_queue *queue, struct tn_list *slots);
    /*
     * reap what has ended, without sleeping; often, while something is in flight. False: what ends
     * next needs a processor itself, maybe this one. NULL: so it always is
     */
    bool (*poll)(struct tn_queue *queue);
    void (*drop)(
        struct tn_queue *queue); /* the queue is reset: cancel what can be cancelled; may be NULL */
    /*
     * Of a type whose requests may rest until the device is resumed (NULL: they never do): they go
     * on now; they end, for the queue stops or is reset; those end whose memory has gone.
     */
    void (*retry)(struct tn_queue *queue);
    void (*give_up)(struct tn_queue *queue);
    void (*memory_changed)(struct tn_queue *queue);
    bool (*stop)(
        struct tn_queue
            *queue); /* nothing is in flight: undo start; false: not yet, tn_queue_closed follows */
    void (*free)(struct tenon_device *device); /* frees the device itself too */
};

/* Counters of every queue, before the type's own. */
enum tn_queue_counter {
    TN_COUNT_KICKS,
    TN_COUNT_INTERRUPTS,
    TN_COUNT_TURNS,
    TN_COUNT_REQUESTS,
    TN_COUNT_STARVED,
    TN_COUNT_BROKEN,
    TN_COUNT_DROPPED,
    TN_COUNT_POLLED,         /* turns that came of a look instead of a kick */
    TN_COUNT_POLLED_IN_VAIN, /* times that nothing came while it looked */
    TN_COUNT_THROTTLED,
    TN_COUNT_THROTTLED_NOW, /* goes up and down, as the next one does */
    TN_COUNT_IN_FLIGHT,
    TN_COUNT_COMMON
};

/* See life.c for the table of states. */
enum tn_queue_state {
    TN_QUEUE_OFF,
    TN_QUEUE_RUNNING,
    TN_QUEUE_PAUSING,
    TN_QUEUE_HELD,
    TN_QUEUE_DRAINING,
    TN_QUEUE_STATES
};

/* What a queue may be looking for: the gaps are different ones. */
enum tn_queue_poller { TN_POLL_DRIVER, TN_POLL_DISK, TN_QUEUE_POLLERS };

struct tn_quiet_waiter {
    void (*done)(void *opaque);
    void *opaque;
};

struct tenon_device {
    const struct tn_device_type *type;
    char *name;
    size_t slot_bytes; /* one request of the type; begins with struct tn_slot */
    unsigned queue_count, queue_max;
    struct tenon_worker **workers; /* its own ones: NULL until they are needed; under lock */
    unsigned worker_count;
    bool owns_workers;
    int *cpus; /* of its own workers */
    unsigned cpu_count;
    enum tenon_loop loop;
    bool no_event_idx;
    uint64_t poll_ns; /* the longest that a queue looks before it sleeps */
    tenon_event_fn *event;
    void *event_opaque;
    uint32_t generation;      /* atomic: of config space; odd while it changes */
    uint64_t features[2];     /* atomic words: as negotiated */
    struct tn_queue **queues; /* made when first needed; atomic pointers */

    /* Held over config_irq alone, so that no transport is detached while it is being told. */
    pthread_mutex_t bus_lock;
    pthread_mutex_t lock;
    pthread_cond_t changed; /* a queue changed its state, or quiet ended */
    /* under lock */
    struct tenon_mem *mem;
    struct tenon_bus_ops bus_ops;
    void *bus;
    unsigned active;   /* queues that are not OFF, or whose start was accepted */
    unsigned touching; /* queues that may touch guest memory: not OFF and not HELD */
    bool paused;
    bool running; /* a queue has run since all were OFF: the embedder was told */
    /* a start that was asked for before a reset does not happen after it; written atomically */
    uint32_t resets;
    uint32_t ended_resets; /* the last reset that is over; another may have begun since */
    unsigned
        quieting; /* queues that have not yet heard of the quiet under way, and one for the asker */
    struct tn_quiet_waiter quiet_waiters[TN_QUIET_WAITERS];
    struct tn_list pause_waiters;
    struct tn_limit_set limits;
    struct tenon_limit_group *limit_group; /* constant; NULL: none */
    struct tn_list limit_link;             /* under the group's lock */
};

struct tn_device_init {
    const struct tn_device_type *type;
    const char *name;
    size_t slot_bytes;
    unsigned queues, queue_max;
    struct tenon_worker **workers;
    unsigned worker_count;
    unsigned own_workers; /* that it makes when none are given; 0: 1 */
    const int *cpus;      /* of those */
    unsigned cpu_count;
    enum tenon_loop loop;
    bool no_event_idx; /* EVENT_IDX is not offered */
    int poll_us;       /* or TENON_POLL_AUTO, TENON_POLL_OFF */
    tenon_event_fn *event;
    void *event_opaque;
    const struct tenon_limits *limits; /* NULL: none */
    struct tenon_limit_group *limit_group;
};

/* For a type's _new: `device` is zeroed. -ENOMEM, -EINVAL. */
int tn_device_init(struct tenon_device *device, const struct tn_device_init *init);
/* For a type's free: after it, the type frees the memory. */
void tn_device_fini(struct tenon_device *device);

/*
 * The config space changes by itself: what changes stands between the two. After them there is a
 * new generation, and the transport is told. A driver that reads the generation meanwhile waits, so
 * that it cannot see the old and the new under one number (MMIO-31). Any thread.
 */
void tn_device_config_begin(struct tenon_device *device);
void tn_device_config_changed(struct tenon_device *device);
/* Whether a feature bit was negotiated. Any thread. */
bool tn_device_has(const struct tenon_device *device, unsigned bit);

/* ---- queues: on their worker ---- */

/*
 * One request in flight: the chain it came in, and what it pins. First member of the type's
 * request.
 */
struct tn_slot {
    struct tn_queue *queue;
    struct tn_chain chain;  /* its iovecs lie in the queue's arena */
    struct tn_table *table; /* pinned */
    struct tn_slot *next_free;
    struct iovec *iovecs; /* its own few */
    uint64_t number;      /* the how-manieth that its queue took */
    uint32_t arena_first, arena_count;
    struct tn_held held; /* while it waits for a limit */
    struct tn_spans spans;
};

struct tn_slots {
    char *memory;
    size_t slot_bytes;
    struct tn_slot *free;
    struct iovec *iovecs;
    uint64_t *taken; /* a bit for each granule of iovecs */
    size_t arena;    /* where it begins: behind those that belong to slots */
    uint32_t count, granules, words;
};

struct tn_queue {
    struct tenon_device *device;
    const char *device_name; /* the device's own, for probes: see base/probe.h */
    unsigned index;
    enum tn_queue_state state; /* written under device->lock by the worker */
    bool resting;              /* its last turn left the ring empty */
    bool kicks_on;             /* it asked for them */
    bool waiting;              /* for something else than the ring: type->look */
    bool timed;                /* where the time of its requests goes is counted */
    bool by_threads;           /* threads were at work on what its last turn took */
    unsigned burst;            /* how many its last turns took, at most */
    bool broken, starved, dropping, irq_on_start, poll_without_kick, type_started, closing;
    struct tenon_worker *worker;
    struct tn_vq *vq;
    struct tn_view view;
    bool view_open;
    struct tn_slots slots;
    uint32_t in_flight;
    uint64_t taken, returned; /* numbers of slots: the last one, and the latest of those returned */
    /*
     * Those of them that touch no guest memory until another one ends or the device is resumed: a
     * pause does not wait for them.
     */
    uint32_t dormant;
    uint64_t unpublished_since;
    struct tn_irq irq;
    uint64_t log_from;         /* see fault.c: from when on its log is as empty as ever */
    void *type_data;           /* the type's, from start to stop */
    struct tn_task serve_task; /* look at the ring */
    struct tn_poller pollers[TN_QUEUE_POLLERS]; /* before it asks for kicks */
    struct tn_task finish_task; /* publish, interrupt, and notice that all has ended */
    struct tenon_watch *kick_watch;
    int kick_fd; /* the transport's, ours to close; -1 */
    struct tn_notifier
        notifier; /* the device's own kick descriptor; made on demand, under device->lock */
    struct tenon_watch *notifier_watch;
    struct tenon_post kick_post, view_post, life_post, quiet_post;
    struct tn_list stops;        /* stop requests that wait for OFF */
    struct tn_start *held_start; /* a start that came while the device is paused */
    uint16_t next_avail;         /* where it stopped */
    bool quiet_pending;          /* it has heard of the quiet under way and is not OFF yet */
    bool start_pending;          /* under lock: a start was accepted and has not run yet */
    struct tn_limit limit;
    struct tn_count counts[TN_COUNT_COMMON + TN_TYPE_COUNTERS_MAX];
    struct tn_histogram latencies[TN_SPANS];
};

/*
 * The next request: a slot with its chain in it; NULL when the ring is empty or broken, or slots or
 * iovecs are used up (the queue is then served again when some come back). From here on the slot is
 * the type's, until tn_queue_return.
 */
struct tn_slot *tn_queue_take(struct tn_queue *queue);

/* The request has ended, with `written` bytes of its writable part filled. The slot is gone. */
void tn_queue_return(struct tn_slot *slot, uint32_t written);

/*
 * The same for a request that ends where it begins, and so needs no slot: the chain, with its
 * iovecs in `iov` if that has room, else valid until the next one; true: then comes one of the two
 * that follow, before anything else is taken.
 */
bool tn_queue_pass(struct tn_queue *queue, struct tn_chain *chain, struct iovec *iov,
                   uint32_t room);
void tn_queue_pass_back(struct tn_queue *queue, const struct tn_chain *chain, uint32_t written);
void tn_queue_unpass(struct tn_queue *queue, const struct tn_chain *chain); /* it is not begun */

/*
 * The request was not begun: its chain goes back to the ring, and is taken again. Only the last one
 * taken of those that are in flight. False: one that was taken after it has been returned, so there
 * is no way back, and nothing was done: it has to be returned.
 */
bool tn_queue_untake(struct tn_slot *slot);

/*
 * It waits for something else than the ring (TN_SERVE_WAITS). True: it looks for a while, and
 * type->rest follows; false: it has to be told at once.
 */
bool tn_queue_wait(struct tn_queue *queue);

/*
 * The driver broke the queue: nothing is taken any more; the driver is told, once. `why`: a
 * constant sentence.
 */
void tn_queue_break(struct tn_queue *queue, const char *why);

/*
 * Between two operations that may take long: what has ended meanwhile is published when it has
 * waited long enough.
 */
void tn_queue_breathe(struct tn_queue *queue);

/* The request waits long: it moves on to the memory of now. False: a part of its own is gone. */
static inline bool tn_queue_repin(struct tn_slot *slot)
{
    return tn_view_repin(&slot->queue->view, &slot->table, slot->chain.iov,
                         slot->chain.readable + slot->chain.writable);
}

/* Whether one more line may be logged about what a guest can make happen again and again. */
bool tn_queue_may_log(struct tn_queue *queue);

/* Serves the queue soon, if it runs. */
void tn_queue_look(struct tn_queue *queue);

/* Has somebody looked at the end of the turn, though nothing was returned. */
void tn_queue_finish(struct tn_queue *queue);

/* What the type's stop() left open is closed. */
void tn_queue_closed(struct tn_queue *queue);

static inline struct tn_slot *tn_slots_at(const struct tn_slots *slots, uint32_t i)
{
    return (struct tn_slot *)(void *)(slots->memory + i * slots->slot_bytes);
}

static inline void tn_queue_count(struct tn_queue *queue, unsigned counter, uint64_t n)
{
    tn_count_add(&queue->counts[counter], n);
}

/* ---- slots.c: also for what a type does on the side ---- */

int tn_slots_init(struct tn_slots *slots, struct tn_queue *queue, uint32_t count, size_t slot_bytes,
                  uint32_t iovecs);
void tn_slots_fini(struct tn_slots *slots);
static inline struct tn_slot *tn_slots_take(struct tn_slots *slots)
{
    struct tn_slot *slot = slots->free;

    if (slot) {
        slots->free = slot->next_free;
    }
    return slot;
}
void tn_slots_give_iovecs(struct tn_slots *slots, struct tn_slot *slot);
static inline void tn_slots_give(struct tn_slots *slots, struct tn_slot *slot)
{
    if (slot->arena_count != 0) {
        tn_slots_give_iovecs(slots, slot);
    }
    slot->next_free = slots->free;
    slots->free = slot;
}
bool tn_slots_take_iovecs(struct tn_slots *slots, struct tn_slot *slot, uint32_t count,
                          struct iovec **out);

#endif
