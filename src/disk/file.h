/*
 * file.h: between file.c (opening), file_io.c (reading, writing, flushing), file_ranges.c
 * (discarding, zeroing) and file_steps.c (the same call by call): a file or a block device that
 * serves as a disk.
 *
 * All positions in here count from the beginning of the file; the disk may be a part of it.
 */
#ifndef TN_DISK_FILE_H
#define TN_DISK_FILE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "disk/body.h"
#include "disk/bounce.h"
#include "disk/host.h"

struct tn_file {
    int fd;
    bool block; /* a block device */
    bool read_only;
    bool direct;
    bool no_discard; /* asked for: never give anything back */
    bool locked;
    uint64_t start;       /* where the disk begins */
    uint64_t part;        /* its length as asked for; 0: to the end of the file */
    uint64_t lock_bytes;  /* what is locked, from `start` */
    uint32_t block_bytes; /* advertised */
    uint32_t range_align; /* discard and zero ranges are multiples of it; files: 1 */
    uint32_t preferred;   /* the file system's block, 0: not known */
    struct tn_host_limits limits;

    /* What turned out to be impossible here is not tried again. */
    atomic_bool cannot_discard, cannot_unmap, cannot_zero, cannot_stable, cannot_nowait;
    atomic_int flush_failed; /* buffered: the errno of the first flush that failed */

    struct tn_bounce bounce;       /* direct only */
    struct tn_blocklock blocklock; /* direct only */
};

/*
 * Makes the disk over a descriptor, which it takes over whatever comes of it. `opts` are complete
 * and checked.
 */
int tn_file_open_over(int fd, const struct tenon_file_opts *opts, const char *name,
                      struct tenon_disk **out);

/*
 * For whoever found the file in use: what a process has in the kernel's hands when it is killed
 * outlives it for a moment, and the file with it. False when it was long enough; `until` is 0 at
 * first.
 */
bool tn_file_busy_wait(uint64_t *until);

/* The engine that was asked for, or suits; takes `file` over on success. */
int tn_file_start_engine(struct tn_file *file, const struct tn_body_ops *ops,
                         const struct tenon_file_opts *opts, const char *name,
                         struct tenon_disk **out);

/* The body: all of an operation. */
int tn_file_run(void *body, struct tenon_io *io);
/* The same, if it needs no waiting: a read from the page cache. */
int tn_file_at_once(void *body, const struct tenon_io *io);
/* The same, call by call. */
enum tn_next tn_file_begin(void *body, const struct tenon_io *io, struct tn_step *step);
enum tn_next tn_file_next(void *body, const struct tenon_io *io, struct tn_step *step, int result);

/*
 * Writes through the right path (straight, or through bounce buffers). `stable`: on stable storage
 * when it returns 0.
 */
int tn_file_write(struct tn_file *file, const struct iovec *iov, unsigned count, uint64_t at,
                  uint64_t bytes, bool stable);
int tn_file_flush(struct tn_file *file);
/* A sync has ended so: what that means for this flush, and for all later ones. */
int tn_file_flushed(struct tn_file *file, int result);

int tn_file_discard(struct tn_file *file, uint64_t at, uint64_t bytes);
int tn_file_zero(struct tn_file *file, uint64_t at, uint64_t bytes, bool unmap);

#endif
