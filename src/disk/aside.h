/*
 * aside.h: beside an engine that never waits: a pool of threads (threads.c) over the same body, for
 * the few operations that may block. Its threads start with the first of those.
 *
 * An operation that is handed over belongs to the pool until its end. The pool's scratch comes
 * first behind it: `io_bytes`, then the engine's own.
 */
#ifndef TN_DISK_ASIDE_H
#define TN_DISK_ASIDE_H

#include "disk/body.h"

struct tn_aside {
    const struct tn_body_ops *ops; /* the body stays the engine's to free */
    void *body;
    struct tenon_disk *pool; /* over the aside itself, which passes on to the body */
    size_t io_bytes;         /* a multiple of 16 */
};

int tn_aside_open(struct tn_aside *aside, const struct tn_body_ops *ops, void *body,
                  unsigned threads, const struct tn_disk_label *label);
void tn_aside_close(struct tn_aside *aside);

/* One for each channel of the engine, on its worker; opened with the first operation. */
struct tn_aside_channel {
    const struct tn_aside *aside;
    struct tenon_worker *worker;
    struct tenon_channel *channel; /* NULL: not open */
    bool batch;                    /* something was submitted and not committed */
    bool missed;                   /* that there are no threads was logged */
};

/* 0, or a negative errno: it was not taken (-EAGAIN: a thread could not be started now). */
int tn_aside_submit(struct tn_aside_channel *channel, struct tenon_io *io);
void tn_aside_commit(struct tn_aside_channel *channel);
int tn_aside_cancel(struct tn_aside_channel *channel, struct tenon_io *io);
/* Calls done(opaque), now or later; `channel` may be gone by then. */
void tn_aside_leave(const struct tn_aside_channel *channel, void (*done)(void *opaque),
                    void *opaque);

#endif
