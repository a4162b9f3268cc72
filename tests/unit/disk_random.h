/*
 * disk_random.h: random operations on a file, many at a time, against a model of its content.
 * Operations that are under way together never overlap, since their order is not defined.
 */
#ifndef DISK_RANDOM_H
#define DISK_RANDOM_H

#include <pthread.h>

#include "disk_rig.h"

enum { RANDOM_BYTES = 512 * 1024, RANDOM_LONGEST = 32 * 1024, RANDOM_MOST = 16 };

struct random_run {
    struct rig rig;
    uint32_t random;
    uint8_t *model;
    struct job *jobs[RANDOM_MOST];
    uint8_t *data[RANDOM_MOST]; /* with room to be misaligned in */
    unsigned shift[RANDOM_MOST];
};

static inline void random_submit(struct random_run *run, unsigned i, uint64_t at, uint64_t bytes)
{
    static const uint8_t ops[] = { TENON_IO_READ, TENON_IO_WRITE, TENON_IO_WRITE, TENON_IO_ZEROES };
    uint8_t op = ops[next_random(&run->random) % 4];
    unsigned flags = 0;
    uint8_t *data;

    run->shift[i] = next_random(&run->random) % 4 == 0 ? next_random(&run->random) % 64 : 0;
    data = run->data[i] + run->shift[i];
    if (op == TENON_IO_WRITE) {
        fill_random(&run->random, data, bytes);
        memcpy(run->model + at, data, bytes);
        flags = next_random(&run->random) % 16 == 0 ? TENON_IO_FUA : 0;
    } else if (op == TENON_IO_ZEROES) {
        memset(run->model + at, 0, bytes);
        flags = next_random(&run->random) % 2 == 0 ? TENON_IO_UNMAP : 0;
        data = NULL;
    }
    run->jobs[i] = rig_job(&run->rig, op, flags, at, bytes, data);
    assert_int_equal(rig_submit(&run->rig, run->jobs[i]), 0);
}

static inline void random_finish(struct random_run *run, unsigned i)
{
    struct job *job = run->jobs[i];

    assert_int_equal(job->result, 0);
    if (job->io->op == TENON_IO_READ) {
        assert_memory_equal(run->data[i] + run->shift[i], run->model + job->io->offset,
                            job->io->bytes);
    }
    free(job);
}

/* Serves the middle of a file, and looks in the end whether the outside is as it was (fault A3). */
static inline void random_operations(const char *keys, unsigned together, unsigned rounds)
{
    enum { OUTSIDE = 8192 };
    struct random_run run = { .random = 99 };
    uint8_t *whole = malloc(RANDOM_BYTES + 2 * OUTSIDE);
    struct tenon_disk *disk = NULL;
    uint64_t slice = RANDOM_BYTES / together;
    char path[128], spec[256];
    FILE *file;

    temp_file(NULL, RANDOM_BYTES + 2 * OUTSIDE, path);
    fill_random(&run.random, whole, RANDOM_BYTES + 2 * OUTSIDE);
    file = fopen(path, "r+");
    assert_int_equal(fwrite(whole, 1, RANDOM_BYTES + 2 * OUTSIDE, file),
                     RANDOM_BYTES + 2 * OUTSIDE);
    fclose(file);
    snprintf(spec, sizeof(spec), "file=%s,offset=%d,size=%d,%s", path, OUTSIDE, RANDOM_BYTES, keys);
    assert_int_equal(tenon_disk_open(spec, &disk), 0);
    rig_open(&run.rig, disk);
    run.model = whole + OUTSIDE;
    for (unsigned i = 0; i < together; i++) {
        assert_int_equal(posix_memalign((void **)&run.data[i], 4096, RANDOM_LONGEST + 4096), 0);
    }
    for (unsigned n = 0; n < rounds; n++) {
        for (unsigned i = 0; i < together; i++) {
            uint64_t at = next_random(&run.random) % (slice / 512) * 512;
            uint64_t bytes = (next_random(&run.random) % (RANDOM_LONGEST / 512) + 1) * 512;

            bytes = bytes > slice - at ? slice - at : bytes;
            random_submit(&run, i, i * slice + at, bytes);
        }
        tn_channel_commit(disk, run.rig.channel);
        rig_wait(&run.rig, run.rig.finished + together);
        for (unsigned i = 0; i < together; i++) {
            random_finish(&run, i);
        }
    }
    assert_int_equal(rig_io(&run.rig, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    rig_close(&run.rig);
    file = fopen(path, "r");
    for (size_t i = 0; i < RANDOM_BYTES + 2 * OUTSIDE; i++) {
        assert_int_equal(fgetc(file), whole[i]);
    }
    assert_int_equal(fgetc(file), EOF);
    fclose(file);
    unlink(path);
    for (unsigned i = 0; i < together; i++) {
        free(run.data[i]);
    }
    free(whole);
}

#endif
