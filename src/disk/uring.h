/*
 * uring.h: between uring.c (operations), uring_open.c (disks and channels), uring_ring.c (rings and
 * calls) and uring_probe.c (whether there are any here): io_uring by way of liburing. Linux only;
 * where liburing is not there, neither is any of this, and uring_none.c stands in.
 */
#ifndef TN_DISK_URING_H
#define TN_DISK_URING_H

#include <liburing.h>
#include <stdbool.h>

#include "base/list.h"
#include "disk/aside.h"
#include "disk/transfer.h"

enum {
    TN_RING_SUBMIT_MAX = 128,  /* in one system call */
    TN_RING_FLIGHT_MAX = 1024, /* operations in the kernel's hands, of one channel */
    TN_RING_DONE_MAX = 2 * TN_RING_FLIGHT_MAX
};

struct tn_ring {
    struct io_uring io;
    bool fixed; /* the file is number 0 of the ring, else it is `fd` */
    int fd;
};

/* One call on its way to the kernel. */
struct tn_ring_call {
    const struct tn_step *step;
    struct tn_progress progress; /* of a transfer; else only its interruptions count */
    bool blocking;               /* the kernel shall not try without a thread of its own */
};

/*
 * A ring for one file. `one_thread`: no other thread will ever use it. `kernel_threads`: how many
 * threads the kernel may run for what would block. 0 or a negative errno, without a sentence.
 */
int tn_ring_open(struct tn_ring *ring, int fd, bool one_thread, unsigned kernel_threads);
/* Nothing is in flight. The file is let go of when it returns. */
void tn_ring_close(struct tn_ring *ring);

/* Fills in the entry, but for its data. */
void tn_ring_prepare(const struct tn_ring *ring, struct io_uring_sqe *sqe,
                     const struct tn_ring_call *call);

struct tn_uring {
    const struct tn_body_ops *ops;
    void *body;
    int fd;
    unsigned kernel_threads;
    bool or_threads; /* a channel that gets no ring goes without */
    struct tn_aside aside;
};

struct tenon_channel {
    struct tn_uring *uring;
    bool has_ring; /* else all operations go aside */
    struct tn_ring ring;
    struct tenon_watch *watch;
    struct tenon_timer *retry; /* the kernel had no memory for what was submitted */
    struct tn_list waiting;    /* struct item: the next call has not been handed over */
    unsigned on_threads;       /* calls in the kernel that one of its threads makes */
    unsigned accepted;         /* operations that are waiting or in the kernel */
    struct tn_aside_channel aside;
    void (*closed)(void *opaque);
    void *closed_opaque;
};

/* uring.c: what a channel is asked; see struct tenon_disk_ops. */
size_t tn_uring_item_bytes(void); /* scratch of an operation, behind that of `aside` */
int tn_uring_submit(struct tenon_channel *channel, struct tenon_io *io);
void tn_uring_commit(struct tenon_channel *channel);
int tn_uring_poll(struct tenon_channel *channel);
int tn_uring_cancel(struct tenon_channel *channel, struct tenon_io *io);

#endif
