/*
 * tenon/mem.h: guest memory, as the device sees it: regions of guest-physical addresses, each
 * backed by memory of this process.
 *
 * Regions come and go while queues run. A region that was removed is *released* (unmapped, its
 * callback called) only when no request can touch it any more. A buffer that crosses from one
 * region into its neighbour is one buffer.
 */
#ifndef TENON_MEM_H
#define TENON_MEM_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenon/base.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenon_mem;

enum {
    TENON_REGION_READ_ONLY = 1 /* the device must not write here (a ROM) */
};

struct tenon_region {
    size_t size;
    uint64_t gpa;   /* first guest-physical address */
    uint64_t bytes; /* length; not 0; gpa + bytes must not wrap */
    void *host;     /* where it is in this process; NULL: map `fd` */
    /*
     * only with host == NULL: mapped shared, read-write; not kept, you may close it after the call
     */
    int fd;
    uint64_t fd_offset; /* where the region begins in the file; need not be aligned to a page */
    unsigned flags;
    /*
     * Called once when nothing uses the region any more (after it was unmapped, if we mapped it).
     * On any thread. May be NULL.
     */
    void (*released)(void *opaque);
    void *opaque;
};

/* An empty guest memory. -ENOMEM. Any thread. */
TENON_API int tenon_mem_new(struct tenon_mem **out);

/*
 * Adds a region; queues see it from their next turn on. -EINVAL (empty, wraps, larger than its
 * file), -EEXIST (overlaps another),
 * -ENOMEM, or mmap's error. Any thread.
 */
TENON_API int tenon_mem_add(struct tenon_mem *mem, const struct tenon_region *region);

/*
 * Removes the region that was added with this `gpa` and `bytes`. Returns at once; `released` tells
 * when it is really free: each queue has looked (a worker without a thread: when it was turned),
 * and the requests that were under way have ended. A queue whose rings lie there breaks (the guest
 * is told). -ENOENT. Any thread.
 */
TENON_API int tenon_mem_remove(struct tenon_mem *mem, uint64_t gpa, uint64_t bytes);

/*
 * Removes all regions, then frees the object when its last user is gone. Accepts NULL. Any thread.
 */
TENON_API void tenon_mem_free(struct tenon_mem *mem);

/*
 * For SIGBUS: memory that another process shares with us by a file can be truncated by it, and
 * touching it then raises SIGBUS here. Call this from your handler (installed with SA_SIGINFO):
 * when the address lies in a region that Tenon mapped, a page of zeroes is put in its place, the
 * region is marked as gone (its queues break, its session ends), and the result is true: return
 * from the handler. False: the fault is not ours; do what you did before. Async-signal-safe.
 *
 * Strict C11 without POSIX (cc -std=c11, no _POSIX_C_SOURCE) has no siginfo_t: then this is absent.
 */
#ifdef SA_SIGINFO
TENON_API bool tenon_sigbus(const siginfo_t *info);
#endif

/*
 * Says that such a handler is installed, for good: from now on disk images may be mapped
 * (engine=mapped), since one that is truncated costs a request and not the process. Any thread.
 */
TENON_API void tenon_sigbus_installed(void);

#ifdef __cplusplus
}
#endif

#endif
