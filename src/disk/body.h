/*
 * body.h: between the files of disk/: what a disk is made of.
 *
 *   tenon_disk     disk.c
 *     -> engine    inline.c threads.c               its tenon_disk_ops
 *       -> body    file.c memory_disk.c custom.c
 *
 * A body runs one operation from beginning to end and may block; an engine decides on which thread.
 */
#ifndef TN_DISK_BODY_H
#define TN_DISK_BODY_H

#include "disk/disk.h"

enum { TN_THREADS_DEFAULT = 4, TN_THREADS_MAX = 64 };

struct tn_body_ops {
    /* All of the operation: 0 or a negative errno. May block; several threads at once. */
    int (*run)(void *body, struct tenon_io *io);
    int (*info)(void *body, struct tenon_disk_info *info);
    void (*free)(void *body);
};

/*
 * What a disk is called in logs and in tenon_disk_engine. `name` is copied, the others live for
 * ever.
 */
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

#endif
