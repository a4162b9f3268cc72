/*
 * tenon/bus.h: the contract between a device and a transport. virtio-mmio and vhost-user are
 * written against this header alone; a transport of your own can be too.
 *
 *   transport ──tenon_bus_*──> device        features, config space, start, stop, kick, reset
 *   transport <──tenon_bus_ops── device      interrupts, and the news that a driver broke its queue
 *
 * Ring addresses are guest-physical here, whatever the transport calls them. Everything about one
 * queue happens on that queue's worker, in the order in which the transport asked; no call of this
 * header waits for I/O.
 */
#ifndef TENON_BUS_H
#define TENON_BUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenon/base.h>
#include <tenon/device.h>
#include <tenon/mem.h>
#include <tenon/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the device asks of its transport. */
struct tenon_bus_ops {
    size_t size;
    /*
     * A used-buffer notification of this queue. Always on the queue's worker; the driver wants it:
     * suppression was decided before.
     */
    void (*queue_irq)(void *bus, unsigned queue);
    /*
     * A configuration change notification: the generation has changed. It must not attach or
     * detach.
     */
    void (*config_irq)(void *bus);
    /*
     * The driver broke this queue: it is stopped, and the device needs a reset. On the queue's
     * worker, once for each queue until it is reset or restarted. `why` is one sentence. The
     * transport tells the driver (DEVICE_NEEDS_RESET and a config interrupt; the error descriptor).
     * For a reset by the host (tenon_device_reset) it comes on that caller's thread.
     */
    void (*broken)(void *bus, unsigned queue, const char *why);
};

/*
 * Connects a transport: one at a time. Offers nothing to the driver by itself. `mem` is kept alive
 * until tenon_bus_detach; ops are copied. -EBUSY. Any thread.
 */
TENON_API int tenon_bus_attach(struct tenon_device *device, struct tenon_mem *mem,
                               const struct tenon_bus_ops *ops, void *bus);

/*
 * The driver has gone, the transport stays: the workers that the device made for itself end, and
 * come back with the next queue that starts. Nothing happens while the device is not quiet. Any
 * thread but theirs.
 */
TENON_API void tenon_bus_rest(struct tenon_device *device);

/* Disconnects. The device is quiet (tenon_bus_quiet has called back): no op is called any more. */
TENON_API void tenon_bus_detach(struct tenon_device *device);

/* ---- what the device is: constant, any thread ---- */

TENON_API uint32_t tenon_bus_device_id(const struct tenon_device *device); /* 2: block */
TENON_API unsigned tenon_bus_queue_count(const struct tenon_device *device);
/*
 * How many there are of what the device counts its queues in: a network device's pairs, a block
 * device's queues. What vhost-user front-ends ask for (VU-46). Any thread.
 */
TENON_API unsigned tenon_bus_queue_groups(const struct tenon_device *device);
/* Largest ring size of this queue; 0 when there is no such queue. */
TENON_API unsigned tenon_bus_queue_max(const struct tenon_device *device, unsigned queue);
/*
 * Feature bits 0 to 127 that the device offers, ring features included (VERSION_1, INDIRECT_DESC,
 * EVENT_IDX, RING_RESET).
 */
TENON_API void tenon_bus_features(const struct tenon_device *device, uint64_t features[2]);

/* ---- the driver's choices ---- */

/*
 * The driver accepted these features. 0, or -EINVAL (a bit that was not offered, a missing
 * dependency, no VERSION_1): nothing changed and FEATURES_OK must not appear. On vhost-user this
 * may be repeated while queues run. Any thread.
 */
TENON_API int tenon_bus_negotiate(struct tenon_device *device, const uint64_t features[2]);

/*
 * Config space. Reads past its end give zeroes, writes to read-only fields or past the end do
 * nothing. Any thread, no lock held.
 */
TENON_API void tenon_bus_config_read(struct tenon_device *device, uint32_t offset, void *to,
                                     uint32_t bytes);
/* True when the field was writable and took the value. */
TENON_API bool tenon_bus_config_write(struct tenon_device *device, uint32_t offset,
                                      const void *from, uint32_t bytes);
TENON_API uint32_t tenon_bus_config_size(const struct tenon_device *device);
/* Changes whenever two reads could see different versions of config space. */
TENON_API uint32_t tenon_bus_config_generation(const struct tenon_device *device);

/* ---- queues ---- */

struct tenon_ring {
    size_t size;
    uint32_t entries;    /* ring size: a power of 2, at most tenon_bus_queue_max */
    uint64_t desc_gpa;   /* descriptor table */
    uint64_t driver_gpa; /* available ring */
    uint64_t device_gpa; /* used ring */
    uint16_t next_avail; /* position to go on from; 0 for a fresh ring */
    /*
     * vhost-user: the used index is where the ring in memory has it (VU-37); else it is next_avail
     */
    bool used_from_ring;
    /* vhost-user: one interrupt when the queue runs, in case one was lost before (users.md 1.4) */
    bool irq_on_start;
    /* an eventfd or pipe to watch for kicks; given to the queue, which closes it. -1: none */
    int kick_fd;
    /* vhost-user: the driver never kicks: look at the ring again and again */
    bool poll_without_kick;
    /*
     * vhost-user: this queue's part of the inflight region (VU-75), kept by the caller until the
     * queue stopped; NULL: none
     */
    void *inflight;
    size_t inflight_bytes;
};

/*
 * Starts a queue: it is looked at once without a kick, then on kicks. Checks size, alignment and
 * that the areas lie in memory before it returns: -EINVAL, -EFAULT. -EINVAL also before
 * tenon_bus_negotiate, and after a reset until it is called again. -EBUSY while it runs or has not
 * stopped yet. -EAGAIN and the like when its worker's thread cannot be started. On an error kick_fd
 * stays the caller's. Any thread; a paused device starts the queue on resume.
 */
TENON_API int tenon_bus_queue_start(struct tenon_device *device, unsigned queue,
                                    const struct tenon_ring *ring);

/*
 * Stops a queue: takes nothing new, and calls done when nothing in flight can touch guest memory
 * any more and the last interrupt was delivered; `next_avail` is the position to go on from. What
 * is in flight is finished and reported to the driver; with `drop`, it ends without a used entry
 * and without an interrupt (ring reset). A queue that does not run calls back too. `done` runs on
 * the queue's worker (or at once, on this thread, when the queue never had one). Any thread.
 * -ENOMEM: nothing was stopped, ask again.
 */
typedef void tenon_queue_stopped_fn(void *opaque, unsigned queue, uint16_t next_avail);
TENON_API int tenon_bus_queue_stop(struct tenon_device *device, unsigned queue, bool drop,
                                   tenon_queue_stopped_fn *done, void *opaque);

/* The driver kicked. Ignored when the queue does not run. Never blocks. Any thread. */
TENON_API void tenon_bus_queue_kick(struct tenon_device *device, unsigned queue);

/*
 * A descriptor of the device's own that kicks this queue when 8 bytes are written to it (for an
 * ioeventfd). It exists until the device is freed. Ask before the queue runs first. -EBUSY (it
 * runs), -EMFILE and the like. Any thread.
 */
TENON_API int tenon_bus_queue_kick_fd(struct tenon_device *device, unsigned queue);

/*
 * Replaces the kick descriptor of a running queue (given to the queue, also on an error: it is then
 * closed). -ENOMEM. Any thread.
 */
TENON_API int tenon_bus_queue_set_kick(struct tenon_device *device, unsigned queue, int kick_fd);

/*
 * The worker that this queue runs on; NULL before it was first started when the device makes its
 * own. Any thread.
 */
TENON_API struct tenon_worker *tenon_bus_queue_worker(struct tenon_device *device, unsigned queue);

/*
 * Reset: every queue stops with `drop`, negotiated features and driver-set config go back to their
 * defaults. done(opaque) when nothing touches guest memory any more: at once on this thread when
 * nothing ran, else on a worker. Until then starting a queue is -EBUSY. Any thread.
 */
TENON_API void tenon_bus_quiet(struct tenon_device *device, void (*done)(void *opaque),
                               void *opaque);

/* Whether the device is as new: no queue runs or is stopping. Any thread. */
TENON_API bool tenon_bus_is_quiet(const struct tenon_device *device);

/*
 * Waits until the device is quiet or `timeout_ms` is over, turning the crank of a worker without a
 * thread. 0 or -ETIMEDOUT. The one call here that waits; not on a worker of the device.
 */
TENON_API int tenon_bus_wait_quiet(struct tenon_device *device, unsigned timeout_ms);

#ifdef __cplusplus
}
#endif

#endif
