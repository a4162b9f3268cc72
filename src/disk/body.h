/*
 * body.h: between the files of disk/: what a disk is made of.
 *
 *   tenon_disk     disk.c
 *     -> engine    inline.c threads.c uring.c mapped.c    its tenon_disk_ops
 *                  (cached.c in front of threads.c, uring.c)
 *       -> body    file.c memory_disk.c custom.c
 *
 * A body runs one operation from beginning to end and may block; an engine decides on which thread.
 * For engines that never wait, a body may also say which calls of the kernel an operation is.
 */
#ifndef TN_DISK_BODY_H
#define TN_DISK_BODY_H

#include "base/shared.h"
#include "disk/blocklock.h"
#include "disk/disk.h"

enum { TN_THREADS_DEFAULT = 4, TN_THREADS_MAX = 64 };

/* A call of the kernel, on the body's descriptor. */
enum tn_call {
    TN_CALL_READ, /* READ and WRITE: the iovecs of the operation */
    TN_CALL_WRITE,
    TN_CALL_WRITE_STABLE, /* on stable storage when it returns */
    TN_CALL_SYNC,         /* fdatasync */
    TN_CALL_PUNCH,        /* fallocate: a hole, or zeroes that stay allocated */
    TN_CALL_ZERO
};

static inline bool tn_is_transfer(enum tn_call call)
{
    return call <= TN_CALL_WRITE_STABLE;
}

/* One call of an operation: which one comes next, and what the body keeps between them. */
struct tn_step {
    enum tn_call call;
    uint64_t at, bytes; /* from the beginning of the file */
    uint32_t grain;     /* see struct tn_mover */
    int result;         /* when it is over */
    bool locked;        /* `entry` is held */
    struct tn_blocklock_entry entry;
};

enum tn_next {
    TN_NEXT_CALL, /* make step->call, then ask `next` */
    TN_NEXT_RUN,  /* this one only `run` can do, all of it; it may block */
    TN_NEXT_OVER  /* step->result is the operation's */
};

struct tn_body_ops {
    /* All of the operation: 0 or a negative errno. May block; several threads at once. */
    int (*run)(void *body, struct tenon_io *io);
    int (*info)(void *body, struct tenon_disk_info *info);
    void (*free)(void *body);

    /*
     * The operation at once, if it needs no waiting: its result, or -EAGAIN, and then nothing was
     * done but maybe a part of a read. NULL: never. Any thread.
     */
    int (*at_once)(void *body, const struct tenon_io *io);

    /*
     * The operation call by call; NULL where there is `run` alone. `next` hears what came of each
     * call: 0 when all of it was done, or a negative errno; -ECANCELED also when it is not made any
     * more: the operation is over then. Never blocks; any thread.
     */
    enum tn_next (*begin)(void *body, const struct tenon_io *io, struct tn_step *step);
    enum tn_next (*next)(void *body, const struct tenon_io *io, struct tn_step *step, int result);
};

/*
 * Moves the data of a READ or a WRITE from or to memory that begins at `at`, by this way to copy.
 * All iovecs are good memory; they and `at` may change meanwhile.
 */
static inline void tn_io_move(const struct tenon_io *io, uint8_t *at,
                              void (*copy)(void *to, const void *from, size_t bytes))
{
    for (unsigned i = 0; i < io->iov_count; i++) {
        const struct iovec *iov = &io->iov[i];

        if (io->op == TENON_IO_READ) {
            copy(iov->iov_base, at, iov->iov_len);
        } else {
            tn_read_once_note(iov->iov_base, iov->iov_len);
            copy(at, iov->iov_base, iov->iov_len);
        }
        at += iov->iov_len;
    }
}

/* What a disk is called in logs and in tenon_disk_engine. `engine` lives for ever, the rest is
 * copied. */
struct tn_disk_label {
    const char *name;
    const char *engine;
    const char *why;
};

/*
 * Makes the handle. Reads the disk's info once and refuses what makes no sense. On failure nothing
 * was taken over: ops->free is not called.
 */
int tn_disk_make(const struct tenon_disk_ops *ops, void *opaque, const struct tn_disk_label *label,
                 struct tenon_disk **out);

/* An engine over a body, which it takes over on success only. */
int tn_inline_open(const struct tn_body_ops *ops, void *body, const struct tn_disk_label *label,
                   struct tenon_disk **out);
int tn_threads_open(const struct tn_body_ops *ops, void *body, unsigned threads,
                    const struct tn_disk_label *label, struct tenon_disk **out);
/*
 * The body has `begin` and `next`, for calls on `fd`. `threads`: for what blocks all the same.
 * `or_threads`: also for everything, in a channel that gets no ring.
 */
int tn_uring_open(const struct tn_body_ops *ops, void *body, int fd, unsigned threads,
                  bool or_threads, const struct tn_disk_label *label, struct tenon_disk **out);
/* What is mapped of a file, or of a block device. */
struct tn_mapped_file {
    int fd;
    bool read_only, in_memory;
    uint64_t start; /* where the disk begins in it */
    size_t granule; /* mappings are multiples of it */
};

int tn_mapped_open(const struct tn_body_ops *ops, void *body, const struct tn_mapped_file *file,
                   const struct tn_disk_label *label, struct tenon_disk **out);
/*
 * In front of an engine over the same body, which it takes over on success only: reads of what is
 * in the page cache are copies.
 */
int tn_cached_open(const struct tn_body_ops *ops, void *body, const struct tn_mapped_file *file,
                   struct tenon_disk *below, const struct tn_disk_label *label,
                   struct tenon_disk **out);
/* Whether a truncated image would be survived; the reason when not. */
bool tn_mapped_possible(const char **why);

/* Whether there is io_uring here; a negative errno, and the reason, when not. */
int tn_uring_probe(const char **why);

#endif
