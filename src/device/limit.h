/*
 * limit.h: what a device may do per second, and the requests that wait for it. A part of the door
 * of device/ (device.h includes it).
 *
 *   limit_set.c   what was set, for a device or a group: rates, and the buckets that all queues of
 *                 it draw from. Any thread
 *   limit.c       the requests of one queue that wait. On the queue's worker
 *
 * A queue has a line for each kind of request, and each line has purses of its own, one for each
 * limit that it counts against: so no line ever waits for another.
 */
#ifndef TN_DEVICE_LIMIT_H
#define TN_DEVICE_LIMIT_H

#include <pthread.h>

#include "base/bucket.h"
#include "base/list.h"
#include "loop/loop.h"
#include "tenon/limits.h"

struct tn_queue;
struct tn_slot;

/* Which requests wait for one another. */
enum tn_line { TN_LINE_READ, TN_LINE_WRITE, TN_LINE_FLUSH, TN_LINES };

/* In the order of struct tenon_limits. */
enum {
    TN_LIMIT_OPS,
    TN_LIMIT_OPS_READ,
    TN_LIMIT_OPS_WRITE,
    TN_LIMIT_BYTES,
    TN_LIMIT_BYTES_READ,
    TN_LIMIT_BYTES_WRITE,
    TN_LIMITS
};

enum { TN_LIMIT_DEVICE, TN_LIMIT_GROUP, TN_LIMIT_OWNERS };
enum { TN_LINE_LIMITS = 4 }; /* of one owner, that a line counts against */

/* Limits as one owner has them. */
struct tn_limit_set {
    struct tn_rate rates[TN_LIMITS]; /* under the owner's lock */
    struct tn_bucket buckets[TN_LIMITS];
};

struct tenon_limit_group {
    pthread_mutex_t lock; /* comes before a device's */
    unsigned users;       /* under lock: devices, and whoever made it */
    struct tn_list devices;
    struct tn_limit_set set;
};

/* A request while it waits; part of its slot. */
struct tn_held {
    struct tn_list link;
    uint64_t bytes;
};

struct tn_limit_line {
    struct tn_list held;           /* tn_held; the first has been charged */
    uint64_t held_ops, held_bytes; /* of those behind the first */
    struct tn_purse purses[TN_LIMIT_OWNERS][TN_LINE_LIMITS];
};

/* Of one queue; purses outlive starts and resets. */
struct tn_limit {
    bool active; /* there is any limit */
    bool barred; /* it owes for what a stop let through: nothing is taken off the ring meanwhile */
    struct tn_rate rates[TN_LIMIT_OWNERS][TN_LIMITS]; /* copies */
    struct tn_limit_line lines[TN_LINES];
    struct tenon_timer *timer; /* from begin to end */
    int64_t due;               /* when it should have rung, or what it rang for is not all done */
    struct tenon_post changed;
};

/*
 * Whether the request may go on now. If not it waits, and comes back through the type's release().
 * It was found to be good, and has touched nothing yet.
 */
bool tn_limit_admits(struct tn_slot *slot, enum tn_line line, uint64_t bytes);
/*
 * Whose cost shows when it is done: how many may be, of `most`, that move so many bytes each. As
 * many as are paid for, and what may be owed: a millisecond's worth, or one.
 */
unsigned tn_limit_room(struct tn_queue *queue, enum tn_line line, unsigned most, uint64_t bytes);
/*
 * So much was done already, as it could not be known before. False: the queue owes for it, is not
 * served meanwhile, and is looked at again when it has paid.
 */
bool tn_limit_spend(struct tn_queue *queue, enum tn_line line, uint64_t ops, uint64_t bytes);
/* The slot of what release() was given. */
struct tn_slot *tn_limit_slot(struct tn_list *link);

/* ---- within device/ ---- */

void tn_limit_init(struct tn_queue *queue);
int tn_limit_begin(struct tn_queue *queue);
void tn_limit_end(struct tn_queue *queue);
/* The queue pauses or stops: what waits goes on, and is owed. */
void tn_limit_let_through(struct tn_queue *queue);
/* The same because guest memory changed, and what waits pins the memory of before. */
void tn_limit_let_go_of_memory(struct tn_queue *queue);
/* The queue is reset: what waits ends unreported, without a refund. */
void tn_limit_drop(struct tn_queue *queue);
/* Whether nothing is to be taken off the ring now; the queue is looked at again when it may. */
bool tn_limit_bars(struct tn_queue *queue);

/* limit_set.c */
int tn_limit_join(struct tenon_device *device, const struct tenon_limits *limits,
                  struct tenon_limit_group *group);
void tn_limit_leave(struct tenon_device *device);
/* Copies what is set now. Whether there is any. */
bool tn_limit_copy(struct tenon_device *device, struct tn_rate rates[TN_LIMIT_OWNERS][TN_LIMITS]);

#endif
