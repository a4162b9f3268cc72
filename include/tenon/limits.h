/*
 * tenon/limits.h: how fast a device may be: operations and bytes per second, for reads, for writes
 * and for both together; of one device, and of several devices together (a group).
 *
 *   rate         what passes in the long run, exactly, from one per second up
 *   burst        what may be saved up in quiet times and then pass at once; it refills at `rate`
 *   burst_once   passes on top of that, once, whenever the guest would have to wait: for the boot
 *
 * A request counts once it was found to be good, and before it goes to the disk. Who has to wait is
 * served by a timer, in order among its like: reads wait for reads, writes (WRITE_ZEROES and
 * DISCARD are writes) for writes, flushes for flushes.
 *
 *   IN                  one operation and its bytes, for reads
 *   OUT, WRITE_ZEROES   one operation and its bytes, for writes
 *   DISCARD, FLUSH      one operation, for writes, and no bytes
 *   GET_ID, and all that is refused or needs no disk: nothing
 *
 * A request that is larger than the burst pays before it passes; others go on meanwhile. A guest's
 * reset changes nothing. When a device pauses or a queue stops, what waits passes at once, and is
 * paid for by what comes after; a reset drops it.
 *
 * Of a network device, frames are operations, "read" is what the guest receives, and what is
 * dropped costs nothing. A frame goes while nothing is owed and pays afterwards, so that it is one
 * frame, or a millisecond's worth, that may be owed; then the link and the ring keep the others.
 *
 * Counted for each queue (tenon_device_stats): "throttled", requests that had to wait;
 * "throttled_now", how many wait at this moment. Of a network device: times that the queue had to
 * wait, and whether it does.
 */
#ifndef TENON_LIMITS_H
#define TENON_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#include <tenon/base.h>
#include <tenon/device.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TENON_LIMIT_MAX ((uint64_t)1 << 42) /* the largest rate: 4 TiB per second */

struct tenon_limit {
    uint64_t rate;       /* per second; 0: no limit, and then the others are 0 too */
    uint64_t burst;      /* 0: a tenth of a second of the rate */
    uint64_t burst_once; /* granted whenever limits are set */
};

struct tenon_limits {
    size_t size;
    struct tenon_limit ops, ops_read, ops_write;       /* operations */
    struct tenon_limit bytes, bytes_read, bytes_write; /* bytes moved */
};

/*
 * Sets the device's own limits; NULL: none. What runs goes on; what waits is looked at anew. Limits
 * that stay the same are not refilled. -EINVAL: a burst without a rate, a rate above the largest;
 * nothing changed. Any thread, at any time.
 */
TENON_API int tenon_device_set_limits(struct tenon_device *device,
                                      const struct tenon_limits *limits);

struct tenon_limit_group;

/*
 * Limits that several devices share: each counts against its own and the group's. Devices join when
 * they are made (tenon_blk_opts.limit_group) and stay for life. -EINVAL, -ENOMEM. Any thread.
 */
TENON_API int tenon_limit_group_new(const struct tenon_limits *limits,
                                    struct tenon_limit_group **out);
/* As tenon_device_set_limits. Any thread. */
TENON_API int tenon_limit_group_set(struct tenon_limit_group *group,
                                    const struct tenon_limits *limits);
/* Devices that are in it keep it alive. Accepts NULL. Any thread. */
TENON_API void tenon_limit_group_free(struct tenon_limit_group *group);

#ifdef __cplusplus
}
#endif

#endif
