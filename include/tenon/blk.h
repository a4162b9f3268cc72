/*
 * tenon/blk.h: a virtio block device (VIRTIO 1.4 section 5.2) over a tenon_disk.
 *
 * Offered: VERSION_1, INDIRECT_DESC, EVENT_IDX, RING_RESET, SIZE_MAX, SEG_MAX, BLK_SIZE, TOPOLOGY,
 * MQ, FLUSH and CONFIG_WCE; RO, DISCARD and WRITE_ZEROES where the disk is so or can do so.
 */
#ifndef TENON_BLK_H
#define TENON_BLK_H

#include <tenon/device.h>
#include <tenon/disk.h>
#include <tenon/limits.h>
#include <tenon/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tenon_cache {
    /* writes complete when the disk has them; FLUSH makes them stable */
    TENON_CACHE_WRITEBACK = 0,
    /* each write is stable when it completes; the driver may switch with CONFIG_WCE */
    TENON_CACHE_WRITETHROUGH = 1,
    /* FLUSH is offered and answered at once: for throw-away disks. A host crash loses data */
    TENON_CACHE_UNSAFE = 2
};

/*
 * What becomes of a request that the disk has failed. A request that is parked is not answered: it
 * waits, without touching guest memory, for tenon_device_resume, which tries it again. Others go on
 * meanwhile: they are tried as ever, but for what has to follow the parked one (a FLUSH its writes,
 * a write an earlier one that it overlaps). A pause does not wait for parked requests, a stop of
 * their queue ends them with an I/O error, a reset drops them. There is TENON_EVENT_PARKED, and the
 * counters `parked` and `parked_now`.
 */
enum tenon_on_error {
    TENON_ON_ERROR_REPORT = 0, /* an I/O error */
    TENON_ON_ERROR_STOP = 1,   /* parked */
    TENON_ON_ERROR_ENOSPC = 2  /* parked if the disk has no space left, else an I/O error */
};

struct tenon_blk_opts {
    size_t size;
    const char *name;        /* default "blk" */
    struct tenon_disk *disk; /* required; the device keeps it alive */
    /*
     * Queue i runs on worker i mod n; they outlive the device. One may stand there several times,
     * so an array with an entry for each queue is any mapping of queues to workers. None: of the
     * device's own (own_workers), whose threads are started by whoever starts their first queue
     * (with virtio-mmio a vCPU's thread) and inherit that one's CPUs, scheduling and seccomp
     * filters.
     */
    struct tenon_worker **workers;
    unsigned worker_count;
    unsigned queues;     /* 1 to 256; default 1 */
    unsigned queue_size; /* largest ring, a power of 2 from 1 to 32768; default 256 */
    const char *serial;  /* at most 20 bytes, for GET_ID; default: the name */
    enum tenon_cache cache;
    bool read_only;       /* also when the disk could be written */
    uint32_t block_bytes; /* advertised logical block size; 0: the disk's */
    bool no_discard;      /* offer neither DISCARD nor deallocating WRITE_ZEROES */
    enum tenon_loop loop; /* of the worker that the device makes for itself */
    tenon_event_fn *event;
    void *opaque;
    bool no_event_idx; /* do not offer EVENT_IDX: for comparisons, and drivers that get it wrong */
    const struct tenon_limits
        *limits; /* copied; NULL: none. tenon_device_set_limits changes them */
    struct tenon_limit_group *limit_group; /* the device keeps it alive; NULL: none */
    /*
     * The longest time in microseconds, up to 1000000, that a queue looks for the next request
     * before it sleeps. How long it really looks is learned from the gaps between requests: not at
     * all when they are longer, so an idle device costs nothing. Only on workers with a thread of
     * their own.
     */
    int poll_us;
    enum tenon_on_error on_error;
    /*
     * How many workers the device makes when it is given none: default 1, at most one for each
     * queue. Each lives from the first queue that it serves until the transport is detached.
     */
    unsigned own_workers;
    /*
     * CPU numbers that these are bound to, copied: one for each worker when there are as many, else
     * all of them for each. NULL: see `workers`.
     */
    const int *cpus;
    unsigned cpu_count;
};

/*
 * -EINVAL (an option, named in tenon_error), -ENOMEM. Starts no thread: that happens with the first
 * queue. Any thread.
 */
TENON_API int tenon_blk_new(const struct tenon_blk_opts *opts, struct tenon_device **out);

/*
 * The disk changed its size: reads it again, changes capacity and tells the driver (BLK-40). Any
 * thread.
 */
TENON_API int tenon_blk_resized(struct tenon_device *device);

#ifdef __cplusplus
}
#endif

#endif
