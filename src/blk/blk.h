/*
 * blk.h: the block device's own structures: the door of blk/, which nobody but its own files opens.
 *
 *   serve.c   the order of the steps, and who owns a request between them: read this first
 *   parse.c   what a request looks like in guest memory      check.c   what is legal      answer.c
 *             status byte and used length
 *   order.c   who goes before whom: flushes, overlapping writes              ranges.c   discard and
 *             write-zeroes      merge.c   neighbours on the disk, as one operation
 *   park.c    what the disk has failed and is kept
 *   blk.c     the device object, features and config space
 */
#ifndef TN_BLK_BLK_H
#define TN_BLK_BLK_H

#include "device/device.h"
#include "disk/disk.h"
#include "spec/virtio_blk.h"
#include "tenon/blk.h"

enum {
    BLK_RANGES_MAX =
        8, /* max_discard_seg and max_write_zeroes_seg: their copies live in the request */
    BLK_RANGE_SECTORS_MAX =
        1 << 22, /* 2 GiB per range: the largest that a driver need not split further */
    BLK_SEGMENT_BYTES_MAX = 1 << 22, /* size_max; larger ones are served all the same */
    BLK_SEGMENTS_MAX = 126,   /* seg_max: what a ring of 128, QEMU's default, carries directly */
    BLK_TURN_BYTES = 1 << 24, /* a turn ends after as many: a disk may move them within submit */
    BLK_RETRY_NS =
        1000000, /* a full disk is asked again after this, if no completion comes before */
    BLK_MERGE_READ_BYTES = 1 << 18, /* of one merged operation: what is read is waited for */
    BLK_MERGE_BYTES = 1 << 20,
    BLK_MERGE_IOVECS = 1024, /* of one merged operation, as IOV_MAX is; and of all of a queue */
    BLK_MERGES = 32          /* merged operations of a queue at a time: a whole turn of pairs */
};

/* Counters of the block device, after TN_COUNT_COMMON. */
enum {
    BLK_COUNT_READS = TN_COUNT_COMMON,
    BLK_COUNT_WRITES,
    BLK_COUNT_FLUSHES,
    BLK_COUNT_DISCARDS,
    BLK_COUNT_WRITE_ZEROES,
    BLK_COUNT_READ_BYTES,
    BLK_COUNT_WRITTEN_BYTES,
    BLK_COUNT_ERRORS,      /* answered IOERR because the disk failed */
    BLK_COUNT_REFUSED,     /* answered IOERR because the request was wrong */
    BLK_COUNT_UNSUPPORTED, /* answered UNSUPP */
    BLK_COUNT_DISK_BUSY,   /* a full disk turned one away, which waits */
    /* What the disk said whenever it failed, and what was wrong with those that were refused. */
    BLK_COUNT_ERRORS_NO_SPACE,
    BLK_COUNT_ERRORS_IO,
    BLK_COUNT_ERRORS_OTHER,
    BLK_COUNT_REFUSED_MALFORMED, /* header, framing, sizes */
    BLK_COUNT_REFUSED_MEMORY,    /* data where no guest memory is */
    BLK_COUNT_REFUSED_RANGE,     /* outside of the disk */
    BLK_COUNT_REFUSED_READ_ONLY,
    BLK_COUNT_MERGED, /* went through the disk along with another, which is not counted */
    BLK_COUNT_PARKED, /* failed by the disk and kept; each time */
    BLK_COUNT_PARKED_NOW,
    BLK_COUNT_END
};

struct blk_range {
    uint64_t offset, bytes;
};

/*
 * One request, from the ring to its answer. A value: everything in it was copied from guest memory
 * once.
 */
struct blk_request {
    struct tn_slot slot; /* first */
    uint32_t type;       /* TN_BLK_T_*, as the driver wrote it */
    uint8_t verdict;     /* TN_BLK_S_*: what will be in the status byte */
    bool header_ok;      /* the header could be read */
    bool stable;         /* on stable storage before it is answered (FUA) */
    bool ordered;        /* it is in its queue's order list */
    bool unmap;          /* WRITE_ZEROES: every range may be deallocated */
    bool in_disk;        /* the disk has it, and may be asked to cancel it */
    bool alone;          /* together with its neighbours it failed: it is not merged again */
    bool parked;         /* the disk has failed it, and it is kept */
    bool dormant;        /* parked, or behind others: it touches no guest memory */
    uint8_t *status;     /* in guest memory */
    uint64_t sector;
    struct iovec *data; /* between header and status */
    unsigned data_iovecs;
    uint64_t data_bytes;
    unsigned blockers; /* earlier overlapping writes that have not ended */
    unsigned range_count, range_next;
    struct blk_range
        ranges[BLK_RANGES_MAX]; /* WRITE: one; DISCARD, WRITE_ZEROES: as many as the driver sent */
    struct tn_list
        order; /* in blk_queue.order: writes that have not ended, and flushes that wait for them */
    struct tn_list link; /* in a turn, in a merged operation, waiting for a full disk, or parked */
    struct blk_merge *merge; /* the operation that it is a part of; NULL: it is one itself */
    _Alignas(16) struct tenon_io io; /* last: the disk's scratch lies behind it */
};

/* A disk channel, shared by the queues of this device on one worker. */
struct blk_lane {
    struct blk *blk;
    struct tenon_worker *worker;
    struct tenon_channel *channel;
    unsigned users;           /* queues */
    struct tn_queue *closing; /* the last one, which waits for the channel to close */
    bool closed;
    struct tn_list full; /* requests that the disk had no room for, in their order */
    struct tenon_timer *retry;
};

struct blk_queue {
    struct tn_queue *queue;
    struct blk_lane *lane;
    struct tn_list order;   /* see order.c */
    unsigned blocked;       /* requests in `order` with blockers */
    struct tn_slots merges; /* see merge.c */
    struct tn_list parked;
};

struct blk {
    struct tenon_device device; /* first */
    struct tenon_disk *disk;
    struct tenon_disk_info info; /* as opened; capacity alone changes, below */
    uint64_t capacity_sectors;   /* atomic */
    uint32_t block_bytes;
    enum tenon_cache cache;
    enum tenon_on_error on_error;
    bool read_only;
    bool can_discard, can_zero, zero_unmaps;
    uint8_t writeback; /* atomic: config field */
    char serial[TN_BLK_ID_BYTES];
    struct blk_lane
        *lanes[TN_QUEUES_MAX]; /* by queue, filled when queues start; under lanes_lock */
    pthread_mutex_t lanes_lock;
};

static inline struct blk *blk_of(const struct tn_queue *queue)
{
    return (struct blk *)(void *)queue->device;
}
static inline struct blk_queue *blk_queue_of(const struct tn_queue *queue)
{
    return queue->type_data;
}
static inline struct blk_request *blk_request_of(struct tn_slot *slot)
{
    return (struct blk_request *)(void *)slot;
}
static inline uint64_t blk_capacity(const struct blk *blk)
{
    return __atomic_load_n(&blk->capacity_sectors, __ATOMIC_RELAXED);
}

/* serve.c */
unsigned blk_serve(struct tn_queue *queue, unsigned budget);
void blk_release(struct tn_queue *queue, struct tn_list *slots);
void blk_submit(struct blk_request *request);
void blk_prepare_io(struct blk_request *request);
void blk_done(struct tenon_io *io, int result);
void blk_resubmit_full(struct blk_lane *lane);
void blk_fail(struct blk_request *request);
void blk_drop(struct tn_queue *queue);

/* parse.c: finds status, header and data. False: there is no place for a status. */
bool blk_parse(struct blk_request *request);

/* check.c: whether the request may go on; else request->verdict says why not. Before any I/O. */
bool blk_check(const struct blk *blk, struct blk_request *request);
/* Always false. `cause`: BLK_COUNT_REFUSED_*. */
bool blk_refuse(struct blk_request *request, unsigned cause);
bool blk_unsupported(struct blk_request *request);
/* Whether the disk has to be asked; false: the answer is known already. */
bool blk_needs_disk(const struct blk *blk, const struct blk_request *request);

/*
 * answer.c: the one place that turns a result into a status byte and a used length. The request is
 * gone afterwards.
 */
void blk_answer(struct blk_request *request);

/* order.c */
bool blk_order_enter(struct blk_queue *queue,
                     struct blk_request *request); /* true: it may go to the disk now */
void blk_order_leave(struct blk_queue *queue, struct blk_request *request, struct tn_list *ready);

/* merge.c */
int blk_merge_begin(struct blk_queue *own, struct tn_queue *queue);
void blk_merge_end(struct blk_queue *own);
/* Brings neighbours together, and leaves all else in its order. */
void blk_merge_order(struct tn_list *turn);
/*
 * Gives the first of the list to the disk together with the neighbours that follow it. False: it
 * has none, or has to go by itself; the list is as before.
 */
bool blk_merge_submit(struct tn_list *list);
void blk_merge_cancel(struct blk_request *part);
/* While it rests, a pause does not wait for it. */
static inline void blk_rest(struct blk_request *request, bool dormant)
{
    struct tn_queue *queue = request->slot.queue;

    queue->dormant += dormant;
    queue->dormant -= request->dormant;
    request->dormant = dormant;
}

/* park.c: the disk has failed it. False: it is to be answered, now. */
bool blk_park(struct blk_request *request, int error);
void blk_park_retry(struct tn_queue *queue);
void blk_park_end(struct tn_queue *queue);
void blk_park_memory(struct tn_queue *queue);

/* ranges.c */
bool blk_ranges_read(const struct blk *blk, struct blk_request *request);
void blk_ranges_next(struct blk_request *request);
void blk_ranges_again(struct blk_request *request); /* the one before was not done */

/* lane.c */
int blk_lane_join(struct tn_queue *queue);
bool blk_lane_poll(struct tn_queue *queue);
bool blk_lane_leave(
    struct tn_queue *queue); /* false: the channel is still closing, tn_queue_closed follows */

#endif
