/*
 * disk_rig.h: what the tests of disk/ share: a worker without a thread, one channel, and operations
 * that are submitted and waited for one after another or many at once.
 */
#ifndef DISK_RIG_H
#define DISK_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk/disk.h"
#include "tenon/worker.h"

struct rig {
    struct tenon_worker *worker;
    struct tenon_disk *disk;
    struct tenon_channel *channel;
    unsigned finished; /* operations that have ended, in all */
    bool closed;
};

/* An operation and what came of it; freed by rig_drop. */
struct job {
    struct rig *rig;
    bool over;
    int result;
    struct iovec iov[1];
    struct tenon_io *io;
};

/* Takes the disk over. */
static inline void rig_open(struct rig *rig, struct tenon_disk *disk)
{
    memset(rig, 0, sizeof(*rig));
    rig->disk = disk;
    assert_int_equal(tenon_worker_new(NULL, &rig->worker), 0);
    assert_int_equal(tn_channel_open(disk, rig->worker, &rig->channel), 0);
}

static inline void rig_on_closed(void *opaque)
{
    *(bool *)opaque = true;
}

static inline void rig_close(struct rig *rig)
{
    tn_channel_close(rig->disk, rig->channel, rig_on_closed, &rig->closed);
    while (!rig->closed) {
        assert_true(tenon_worker_run(rig->worker, 1000) >= 0);
    }
    tenon_disk_close(rig->disk);
    tenon_worker_free(rig->worker);
}

/* The job of an io lies in front of it, in one allocation. */
enum { JOB_BYTES = (sizeof(struct job) + 15) / 16 * 16 };

static inline struct job *job_of(struct tenon_io *io)
{
    return (struct job *)(void *)((char *)io - JOB_BYTES);
}

static inline void rig_on_done(struct tenon_io *io, int result)
{
    struct job *job = job_of(io);

    assert_false(job->over);
    assert_true(tenon_worker_here(job->rig->worker));
    job->over = true;
    job->result = result;
    job->rig->finished++;
}

static inline struct job *rig_job(struct rig *rig, unsigned op, unsigned flags, uint64_t offset,
                                  uint64_t bytes, void *data)
{
    struct job *job = calloc(1, JOB_BYTES + tn_disk_io_size(rig->disk));

    assert_non_null(job);
    job->rig = rig;
    job->io = (struct tenon_io *)(void *)((char *)job + JOB_BYTES);
    job->iov[0] = (struct iovec){ .iov_base = data, .iov_len = bytes };
    job->io->op = (uint8_t)op;
    job->io->flags = (uint8_t)flags;
    job->io->offset = offset;
    job->io->bytes = bytes;
    job->io->done = rig_on_done;
    job->io->worker = rig->worker;
    if (data) {
        job->io->iov = job->iov;
        job->io->iov_count = 1;
    }
    return job;
}

static inline int rig_submit(struct rig *rig, struct job *job)
{
    return tn_channel_submit(rig->disk, rig->channel, job->io);
}

static inline void rig_wait(struct rig *rig, unsigned finished)
{
    while (rig->finished < finished) {
        assert_true(tenon_worker_run(rig->worker, 1000) >= 0);
    }
}

/* From submit to done; a refusal is returned as it is. */
static inline int rig_finish(struct rig *rig, struct job *job)
{
    int r = rig_submit(rig, job);

    if (r == 0) {
        tn_channel_commit(rig->disk, rig->channel);
        rig_wait(rig, rig->finished + 1);
        assert_true(job->over);
        r = job->result;
    }
    free(job);
    return r;
}

static inline int rig_io(struct rig *rig, unsigned op, unsigned flags, uint64_t offset,
                         uint64_t bytes, void *data)
{
    return rig_finish(rig, rig_job(rig, op, flags, offset, bytes, data));
}

static inline int rig_iov(struct rig *rig, unsigned op, uint64_t offset, uint64_t bytes,
                          const struct iovec *iov, unsigned count)
{
    struct job *job = rig_job(rig, op, 0, offset, bytes, NULL);

    job->io->iov = iov;
    job->io->iov_count = count;
    return rig_finish(rig, job);
}

static inline int rig_read(struct rig *rig, uint64_t offset, uint64_t bytes, void *data)
{
    return rig_io(rig, TENON_IO_READ, 0, offset, bytes, data);
}

static inline int rig_write(struct rig *rig, uint64_t offset, uint64_t bytes, void *data)
{
    return rig_io(rig, TENON_IO_WRITE, 0, offset, bytes, data);
}

static inline struct tenon_disk_info rig_info(struct tenon_disk *disk)
{
    struct tenon_disk_info info = { .size = sizeof(info) };

    assert_int_equal(tenon_disk_info(disk, &info), 0);
    return info;
}

/* ---- files to serve ---- */

/*
 * A new file of `bytes` zeroes in `dir` (NULL: the directory for temporary files); its path is put
 * into `path`.
 */
static inline void temp_file(const char *dir, uint64_t bytes, char path[128])
{
    const char *where = dir ? dir : getenv("TMPDIR");
    int fd;

    snprintf(path, 128, "%s/tenon-disk-XXXXXX", where ? where : "/tmp");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes), 0);
    close(fd);
}

/* A fixed generator: the same operations on each run. */
static inline uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

static inline void fill_random(uint32_t *state, void *data, size_t bytes)
{
    uint8_t *out = data;

    for (size_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)(next_random(state) >> 8);
    }
}

#endif
