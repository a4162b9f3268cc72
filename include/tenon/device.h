/*
 * tenon/device.h: what every virtio device of Tenon can do, whatever it is and however the guest
 * reaches it.
 *
 *   made by            tenon_blk_new
 *   reached through    tenon_mmio_new, tenon_vhost_user_new, or a transport of yours over
 *   <tenon/bus.h>
 *   ended by           freeing the transport, then tenon_device_free
 */
#ifndef TENON_DEVICE_H
#define TENON_DEVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenon/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenon_device;

/* How long a queue looks for work before it sleeps, where no microseconds are given. */
enum {
    TENON_POLL_AUTO = 0, /* at most 200 microseconds, which is what KVM does with idle vCPUs */
    TENON_POLL_OFF = -1
};

/* What happened to a device, for opts.event: never on a hot path, on any thread. */
enum tenon_event {
    /* the driver broke a queue; `detail` says how; it has to reset the device */
    TENON_EVENT_BROKEN = 1,
    TENON_EVENT_STARTED = 2, /* the first queue runs */
    TENON_EVENT_STOPPED = 3, /* no queue runs any more */
    /*
     * a request failed, and is kept until tenon_device_resume (tenon_blk_opts.on_error); `detail`
     * says what failed, where and why. For the first of a queue; more may follow it silently
     */
    TENON_EVENT_PARKED = 4
};

/* Returns soon; does not pause, reset or free the device. */
typedef void tenon_event_fn(void *opaque, struct tenon_device *device, enum tenon_event event,
                            const char *detail);

/* The name that stands in logs, thread names and statistics. Any thread. */
TENON_API const char *tenon_device_name(const struct tenon_device *device);

/*
 * Pause: take nothing new, finish what is in flight, deliver what interrupts are owed; then no
 * guest memory is touched until resume (or until the driver's side stops a queue, which ends what
 * is parked there). Queues keep their positions. 0 when that is so, also for a device that was
 * never started; -ETIMEDOUT when it is not so after `timeout_ms` (the device goes
 * on trying; call again, or resume). Not on a worker of the device.
 */
TENON_API int tenon_device_pause(struct tenon_device *device, unsigned timeout_ms);

/*
 * The same without waiting: done(opaque) is called once, on any thread, when the device is paused.
 * Many devices may pause at once. Any thread.
 */
TENON_API int tenon_device_pause_begin(struct tenon_device *device, void (*done)(void *opaque),
                                       void *opaque);

/*
 * Goes on where pause stopped: rings are looked at once without a kick. 0, also when it was not
 * paused. A pause that is not complete yet is given up, and its done is not called. Requests that
 * are parked (TENON_EVENT_PARKED) are tried again, once. Any thread.
 */
TENON_API int tenon_device_resume(struct tenon_device *device);

/*
 * Resets the device as its driver would: queues stop, what is in flight ends without a used entry,
 * negotiated features are forgotten. 0 when nothing touches guest memory any more; -ETIMEDOUT after
 * `timeout_ms` (it goes on by itself). Counters survive. Not on a worker of the device.
 */
TENON_API int tenon_device_reset(struct tenon_device *device, unsigned timeout_ms);

/*
 * Calls fn for each counter: of one queue (`queue` is its index) or of the whole device (`queue` is
 * -1). A name that ends in "_now" is of something that goes down, too. Takes no lock: any thread,
 * at any time, also while a reset hangs.
 */
typedef void tenon_stats_fn(void *opaque, const char *name, int queue, uint64_t value);
TENON_API void tenon_device_stats(struct tenon_device *device, tenon_stats_fn *fn, void *opaque);

/*
 * Where the time of requests goes, for each queue. Calls fn with "waiting" (from the turn that took
 * a request off the ring until it is in the disk, but for the next), "held" (by a limit; only those
 * that were) and "disk"; of a network device with "told": from the turn in which the first frame
 * came, or the first chain was done, to the interrupt for it. counts[i] of `buckets`: how many
 * requests spent at least 2^(i-1) and less than 2^i nanoseconds so; counts[0]: too short to be
 * seen, and the last: all above. The clock is read once a turn of the worker. Requests that need
 * no disk are not counted. Takes no lock: any thread, at any time.
 */
typedef void tenon_latencies_fn(void *opaque, const char *span, unsigned queue,
                                const uint64_t *counts, unsigned buckets);
TENON_API void tenon_device_latencies(struct tenon_device *device, tenon_latencies_fn *fn,
                                      void *opaque);

/*
 * Resets, waits until nothing is in flight (without a limit: use tenon_device_reset first to bound
 * it), and frees. The transport has been freed before. Accepts NULL. Not on a worker of the device.
 */
TENON_API void tenon_device_free(struct tenon_device *device);

#ifdef __cplusplus
}
#endif

#endif
