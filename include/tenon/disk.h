/*
 * tenon/disk.h: where the bytes of a block device are kept. A file, a block device, memory, or code
 * of yours.
 *
 *   tenon_disk           the control handle: size, capabilities, lifetime. Any thread.
 *   tenon_channel        the data handle: one for each worker that uses the disk. On that worker.
 *   tenon_io             one operation under way: it belongs to whoever submitted it.
 *
 * A disk knows no virtio, and nothing here assumes that the caller is a device: one disk may stand
 * on another.
 */
#ifndef TENON_DISK_H
#define TENON_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <tenon/base.h>
#include <tenon/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenon_disk;
struct tenon_channel;

/* ---- one operation ---- */

enum tenon_io_op {
    TENON_IO_READ = 0,
    TENON_IO_WRITE = 1,
    /* everything that completed before it was submitted is on stable storage */
    TENON_IO_FLUSH = 2,
    /*
     * the range may be given back; what reads return there is not defined (never other disks' data)
     */
    TENON_IO_DISCARD = 3,
    TENON_IO_ZEROES = 4 /* the range reads as zeroes afterwards */
};

enum {
    TENON_IO_FUA = 1,  /* WRITE, ZEROES, DISCARD: on stable storage before it completes */
    TENON_IO_UNMAP = 2 /* ZEROES: the range may be deallocated */
};

/* Scratch of the disk (ops->io_bytes) lies behind each tenon_io: tenon_io_scratch. */
struct tenon_io {
    uint8_t op; /* enum tenon_io_op */
    uint8_t flags;
    unsigned iov_count; /* READ, WRITE: may exceed IOV_MAX; the disk splits */
    /* unchanged and valid until done; may lie in guest memory, so contents may change meanwhile */
    const struct iovec *iov;
    /* on the disk; within its size; `bytes` is the sum of the iovecs for READ and WRITE */
    uint64_t offset, bytes;
    void (*done)(struct tenon_io *io, int result); /* on `worker`, once: 0 or a negative errno */
    struct tenon_worker *worker;                   /* the worker that the channel was opened for */
    int result;                                    /* the library's */
    struct tenon_post post;                        /* the library's */
};

/*
 * The disk's own bytes behind the operation: ops->io_bytes of them, aligned for any type, left as
 * they were.
 */
static inline void *tenon_io_scratch(struct tenon_io *io)
{
    return (char *)io + ((sizeof(*io) + 15) & ~(size_t)15);
}

/*
 * The operation has ended: 0, or a negative errno. Exactly once for each accepted submit; never
 * with part of the bytes done (a disk continues short transfers itself; the end of the file inside
 * the disk's size is -EIO). The submitter's done() runs on its worker. Any thread, also within
 * submit.
 */
TENON_API void tenon_io_done(struct tenon_io *io, int result);

/* ---- a disk of your own, asynchronous: the channel contract ---- */

struct tenon_disk_info {
    size_t size;
    uint64_t bytes; /* capacity; a tail that is no whole 512-byte sector is not served */
    /*
     * logical block: 512 (default) or a power of 2 up to 65536; I/O is always a multiple of 512 all
     * the same
     */
    uint32_t block_bytes;
    uint32_t physical_bytes; /* physical block, 0: as the logical one */
    uint32_t optimal_bytes;  /* optimal I/O size, 0: not known */
    bool read_only;
    /* a write may be volatile until flushed; false: completed writes are stable already */
    bool can_flush;
    bool can_discard;
    bool can_zero;
    bool zero_unmaps;             /* ZEROES with UNMAP may deallocate */
    uint32_t discard_granularity; /* bytes, 0: not known */
};

struct tenon_disk_ops {
    size_t size;
    size_t io_bytes; /* scratch that each request slot reserves for the disk */
    /*
     * All but open, submit, close and info may be NULL. Each is called on the channel's worker,
     * free on any thread.
     */
    /* may add watches and timers to the worker */
    int (*open)(void *disk, struct tenon_worker *worker, struct tenon_channel **out);
    /*
     * Takes the operation: 0, and tenon_io_done comes once. -EAGAIN: full, nothing was taken; it is
     * submitted again later. Any other negative errno: refused, tenon_io_done does not come.
     */
    int (*submit)(struct tenon_channel *channel, struct tenon_io *io);
    /* the end of a batch: hand it to the kernel, the socket, the cluster */
    void (*commit)(struct tenon_channel *channel);
    /*
     * Reap without sleeping, for adaptive polling: how many were done. -EAGAIN: threads are at
     * work, and whoever looks again and again may only take the processor from them. NULL: so it
     * always is.
     */
    int (*poll)(struct tenon_channel *channel);
    /*
     * 0: the buffers of this operation are not touched from now on, and done() will not come. Else
     * it goes on.
     */
    int (*cancel)(struct tenon_channel *channel, struct tenon_io *io);
    /* No operation is under way. done(opaque) may come at once or later, on the worker. */
    void (*close)(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque);
    /* read when the disk is opened and when it says that it changed size */
    int (*info)(void *disk, struct tenon_disk_info *info);
    void (*free)(void *disk);
};

/*
 * ---- a disk of your own, the simple way: functions that may block, run by a small pool of threads
 * ----
 */

struct tenon_disk_simple_ops {
    size_t size;
    /*
     * The number of bytes moved (a short one is continued; 0 is the end of the file) or a negative
     * errno. Several threads at once.
     */
    ssize_t (*preadv)(void *disk, const struct iovec *iov, int count, uint64_t offset);
    ssize_t (*pwritev)(void *disk, const struct iovec *iov, int count, uint64_t offset);
    /* NULL: completed writes are stable */
    int (*flush)(void *disk);
    /* NULL: not offered */
    int (*discard)(void *disk, uint64_t offset, uint64_t bytes);
    /* NULL: not offered */
    int (*zero)(void *disk, uint64_t offset, uint64_t bytes, bool may_unmap);
    int (*info)(void *disk, struct tenon_disk_info *info);
    void (*free)(void *disk);
};

/* ---- opening ---- */

enum tenon_engine {
    TENON_ENGINE_AUTO = 0,    /* what suits the file best; tenon_disk_engine says what it became */
    TENON_ENGINE_INLINE = 1,  /* on the queue's worker, one after another */
    TENON_ENGINE_THREADS = 2, /* a small bounded pool per disk */
    TENON_ENGINE_URING = 3,   /* io_uring: a ring for each worker, where the system has it */
    TENON_ENGINE_MAPPED = 4   /* copies from and to a mapping; needs tenon_sigbus_installed */
};

struct tenon_file_opts {
    size_t size;
    bool read_only;
    bool direct; /* O_DIRECT: around the host's page cache */
    enum tenon_engine engine;
    unsigned threads;       /* pool size (io_uring: of the kernel's too), 1 to 64; default 4 */
    uint64_t offset, bytes; /* serve only this part of the file; bytes 0: to the end */
    /* advertised logical block size; default 512, or what direct I/O needs */
    uint32_t block_bytes;
    bool no_discard; /* do not offer discard, and never punch holes */
    bool no_lock;    /* do not take the byte-range lock that keeps a second writer out */
};

/*
 * Opens an image file (always raw: the format is never guessed) or a block device. Errors: open's
 * own; -EBUSY (another process has it open for writing, or we want to write and others read),
 * -EINVAL (options do not fit the file). Any thread; may block.
 */
TENON_API int tenon_disk_open_file(const char *path, const struct tenon_file_opts *opts,
                                   struct tenon_disk **out);
/* The same over a descriptor, which the disk duplicates. */
TENON_API int tenon_disk_open_fd(int fd, const struct tenon_file_opts *opts,
                                 struct tenon_disk **out);

/* `bytes` of memory at `base` (yours, outliving the disk; NULL: allocated and zeroed). */
TENON_API int tenon_disk_open_memory(void *base, uint64_t bytes, bool read_only,
                                     struct tenon_disk **out);

/* Disks of your own. `disk` is handed to each function; ops are copied. */
TENON_API int tenon_disk_open_custom(const struct tenon_disk_ops *ops, void *disk,
                                     struct tenon_disk **out);
TENON_API int tenon_disk_open_simple(const struct tenon_disk_simple_ops *ops, void *disk,
                                     unsigned threads, struct tenon_disk **out);

/*
 * Opens by the grammar of --disk: "key=value,key=value"; a comma in a value is written twice.
 *
 *   file=PATH   memory=SIZE   fd=N      exactly one of these
 *   read-only=on|off  direct=on|off  engine=auto|inline|threads|io_uring|mapped
 *   threads=N  offset=SIZE  size=SIZE  block-size=N  discard=on|off  lock=on|off
 *
 * SIZE is a number with an optional K, M, G, T (1024 to the power). -EINVAL names the wrong key and
 * the nearest valid one.
 */
TENON_API int tenon_disk_open(const char *spec, struct tenon_disk **out);

/*
 * Gives back the handle; the disk itself ends when the last device that uses it has gone. Accepts
 * NULL.
 */
TENON_API void tenon_disk_close(struct tenon_disk *disk);

/*
 * Makes everything stable that has been written so far, as a guest's FLUSH does: before an image is
 * handed on, or the process ends. Waits: 0 when it is done (or the disk has nothing volatile), the
 * disk's error, -ETIMEDOUT after `timeout_ms` (it goes on by itself, and keeps the disk open till
 * then), -ENOMEM, -EAGAIN (no thread). Any thread but a worker that the disk itself runs on.
 */
TENON_API int tenon_disk_flush(struct tenon_disk *disk, unsigned timeout_ms);

/* What the disk is and can do now. Any thread. */
TENON_API int tenon_disk_info(struct tenon_disk *disk, struct tenon_disk_info *info);
/*
 * The engine in use ("inline", "threads", "io_uring", "mapped", "memory", "custom"), and why it was
 * picked: one sentence. Any thread.
 */
TENON_API const char *tenon_disk_engine(struct tenon_disk *disk, const char **why);

#ifdef __cplusplus
}
#endif

#endif
