/*
 * pipe_disk.h: a disk over io_uring on a pipe instead of a file: a read of it ends when the test
 * writes, as slowly and in as small pieces as the test likes. Tests are skipped where there is no
 * io_uring.
 */
#ifndef PIPE_DISK_H
#define PIPE_DISK_H

#include "disk_rig.h"

#include <fcntl.h>

#include "disk/body.h"

/* A body over a pipe: reads are calls on it, and flushes can be done by `run` alone. */
struct pipe_body {
    int fds[2];
    int answer; /* of run */
    unsigned cancelled;
    bool hold; /* run waits until told */
    /* reads of the first so many bytes of the disk need no waiting, and answer `answer` */
    uint64_t cached;
    unsigned tried;
};

static inline enum tn_next pipe_begin(void *body, const struct tenon_io *io, struct tn_step *step)
{
    (void)body;
    step->call = TN_CALL_READ;
    step->at = io->offset;
    step->bytes = io->bytes;
    step->grain = 1;
    step->result = -EILSEQ;
    return io->op == TENON_IO_READ      ? TN_NEXT_CALL
           : io->op == TENON_IO_DISCARD ? TN_NEXT_OVER
                                        : TN_NEXT_RUN;
}

static inline enum tn_next pipe_next(void *body, const struct tenon_io *io, struct tn_step *step,
                                     int result)
{
    struct pipe_body *pipe = body;

    (void)io;
    pipe->cancelled += result == -ECANCELED;
    step->result = result;
    return TN_NEXT_OVER;
}

static inline int pipe_run(void *body, struct tenon_io *io)
{
    struct pipe_body *pipe = body;

    (void)io;
    while (__atomic_load_n(&pipe->hold, __ATOMIC_ACQUIRE)) {
        usleep(100);
    }
    return pipe->answer;
}

static inline int pipe_at_once(void *body, const struct tenon_io *io)
{
    struct pipe_body *pipe = body;

    pipe->tried++;
    return io->offset < pipe->cached ? pipe->answer : -EAGAIN;
}

static inline int pipe_info(void *body, struct tenon_disk_info *out)
{
    (void)body;
    out->bytes = 1 << 20;
    out->can_flush = out->can_discard = true;
    return 0;
}

static const struct tn_body_ops pipe_ops = { .run = pipe_run,
                                             .info = pipe_info,
                                             .at_once = pipe_at_once,
                                             .begin = pipe_begin,
                                             .next = pipe_next };
static const struct tn_disk_label pipe_label = { "test", "io_uring", "for a test" };

static inline void need_uring(void)
{
    const char *why = "";

    if (tn_uring_probe(&why) != 0) {
        print_message("skipped: %s\n", why);
        skip();
    }
}

static inline void pipe_open(struct pipe_body *body, struct rig *rig)
{
    struct tenon_disk *disk = NULL;

    need_uring();
    memset(body, 0, sizeof(*body));
    assert_int_equal(pipe2(body->fds, O_CLOEXEC), 0);
    assert_int_equal(tn_uring_open(&pipe_ops, body, body->fds[0], 2, false, &pipe_label, &disk), 0);
    rig_open(rig, disk);
}

static inline void pipe_close(struct pipe_body *body, struct rig *rig)
{
    rig_close(rig);
    close(body->fds[0]);
    if (body->fds[1] >= 0) {
        close(body->fds[1]);
    }
}

static inline void feed(struct pipe_body *body, const void *data, size_t bytes)
{
    assert_int_equal(write(body->fds[1], data, bytes), bytes);
}

static inline void turns(struct rig *rig, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_true(tenon_worker_run(rig->worker, 1) >= 0);
    }
}

static inline struct job *start_read(struct rig *rig, uint64_t bytes, void *data)
{
    struct job *job = rig_job(rig, TENON_IO_READ, 0, 0, bytes, data);

    assert_int_equal(rig_submit(rig, job), 0);
    return job;
}

#endif
