/*
 * test_flush.c: a flush for whoever has no worker: what it answers, and how it waits, or gives up,
 * over a disk that answers as the test says.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "disk/disk.h"
#include "tenon/worker.h"

enum { LONG = 20000, SHORT = 30, SCRATCH = 24 };

/* The disk, and its only channel. */
struct tenon_channel {
    pthread_mutex_t lock;
    struct tenon_timer *close_timer;
    void (*close_done)(void *opaque);
    void *close_opaque;
    int answer, refusal, open_error; /* of the flush, of submit, of open */
    bool hangs, closes_late, volatile_writes;
    /* under lock */
    unsigned full; /* how many times submit says so first */
    struct tenon_io *held;
    unsigned opens, submits, commits, closes, frees;
};

static unsigned look(struct tenon_channel *disk, const unsigned *at)
{
    pthread_mutex_lock(&disk->lock);
    unsigned value = *at;
    pthread_mutex_unlock(&disk->lock);
    return value;
}

static void count(struct tenon_channel *disk, unsigned *at)
{
    pthread_mutex_lock(&disk->lock);
    ++*at;
    pthread_mutex_unlock(&disk->lock);
}

static void closed_late(void *opaque)
{
    struct tenon_channel *disk = opaque;
    void (*done)(void *) = disk->close_done;

    tenon_timer_free(disk->close_timer);
    count(disk, &disk->closes);
    done(disk->close_opaque);
}

static int gate_open(void *opaque, struct tenon_worker *worker, struct tenon_channel **out)
{
    struct tenon_channel *disk = opaque;

    count(disk, &disk->opens);
    *out = disk;
    if (disk->open_error == 0 && disk->closes_late) {
        return tenon_timer_new(worker, closed_late, disk, &disk->close_timer);
    }
    return disk->open_error;
}

static int gate_submit(struct tenon_channel *disk, struct tenon_io *io)
{
    pthread_mutex_lock(&disk->lock);
    bool full = disk->submits++ < disk->full;
    pthread_mutex_unlock(&disk->lock);
    assert_int_equal(io->op, TENON_IO_FLUSH);
    if (full) {
        return -EAGAIN;
    }
    if (disk->refusal != 0) {
        return disk->refusal;
    }
    memset(tenon_io_scratch(io), 0x77, SCRATCH);
    pthread_mutex_lock(&disk->lock);
    disk->held = io;
    pthread_mutex_unlock(&disk->lock);
    return 0;
}

/* On any thread: the flush ends. */
static void answer(struct tenon_channel *disk)
{
    pthread_mutex_lock(&disk->lock);
    struct tenon_io *io = disk->held;
    disk->held = NULL;
    pthread_mutex_unlock(&disk->lock);
    tenon_io_done(io, disk->answer);
}

static void gate_commit(struct tenon_channel *disk)
{
    count(disk, &disk->commits);
    if (!disk->hangs) {
        answer(disk);
    }
}

static void gate_close(struct tenon_channel *disk, void (*done)(void *opaque), void *opaque)
{
    if (disk->closes_late) {
        disk->close_done = done;
        disk->close_opaque = opaque;
        tenon_timer_set(disk->close_timer, tenon_now() + 5000000);
        return;
    }
    count(disk, &disk->closes);
    done(opaque);
}

static int gate_info(void *opaque, struct tenon_disk_info *info)
{
    struct tenon_channel *disk = opaque;

    info->bytes = 4096;
    info->can_flush = disk->volatile_writes;
    return 0;
}

static void gate_free(void *opaque)
{
    struct tenon_channel *disk = opaque;

    count(disk, &disk->frees);
}

static struct tenon_disk *open_gate(struct tenon_channel *gate)
{
    static const struct tenon_disk_ops ops = {
        .size = sizeof(ops),
        .io_bytes = SCRATCH,
        .open = gate_open,
        .submit = gate_submit,
        .commit = gate_commit,
        .close = gate_close,
        .info = gate_info,
        .free = gate_free,
    };
    struct tenon_disk *disk = NULL;

    pthread_mutex_init(&gate->lock, NULL);
    assert_int_equal(tenon_disk_open_custom(&ops, gate, &disk), 0);
    return disk;
}

/* Until the number is reached; it must be, sooner or later. */
static void wait_for(struct tenon_channel *disk, const unsigned *at, unsigned wanted)
{
    for (unsigned ms = 0; look(disk, at) != wanted; ms++) {
        assert_true(ms < LONG);
        usleep(1000);
    }
}

static unsigned count_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned found = 0;

    assert_non_null(directory);
    while (readdir(directory)) {
        found++;
    }
    closedir(directory);
    return found;
}

/* ---- the answers ---- */

static void flushed_once_and_closed(void **state)
{
    struct tenon_channel gate = { .volatile_writes = true };
    struct tenon_disk *disk = open_gate(&gate);
    unsigned descriptors = count_descriptors();
    (void)state;

    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(tenon_disk_flush(disk, LONG), 0);
        assert_int_equal(look(&gate, &gate.opens), i);
        assert_int_equal(look(&gate, &gate.submits), i);
        assert_int_equal(look(&gate, &gate.commits), i);
        assert_int_equal(look(&gate, &gate.closes), i);
        assert_int_equal(look(&gate, &gate.frees), 0); /* it is still the caller's */
    }
    assert_int_equal(count_descriptors(), descriptors);
    tenon_disk_close(disk);
    wait_for(&gate, &gate.frees, 1);
}

static void errors_of_the_disk_are_the_answer(void **state)
{
    struct tenon_channel io = { .volatile_writes = true, .answer = -EIO };
    struct tenon_channel refusing = { .volatile_writes = true, .refusal = -ENOSPC };
    struct tenon_channel closed = { .volatile_writes = true, .open_error = -ENODEV };
    struct tenon_channel *const gates[] = { &io, &refusing, &closed };
    static const int errors[] = { -EIO, -ENOSPC, -ENODEV };
    (void)state;

    for (unsigned i = 0; i < 3; i++) {
        struct tenon_disk *disk = open_gate(gates[i]);
        assert_int_equal(tenon_disk_flush(disk, LONG), errors[i]);
        assert_non_null(strstr(tenon_error(), "not flushed"));
        assert_non_null(strstr(tenon_error(), strerror(-errors[i])));
        assert_int_equal(look(gates[i], &gates[i]->closes), i < 2);
        tenon_disk_close(disk);
        wait_for(gates[i], &gates[i]->frees, 1);
    }
}

static void full_disk_is_asked_again(void **state)
{
    struct tenon_channel gate = { .volatile_writes = true, .full = 3 };
    struct tenon_disk *disk = open_gate(&gate);
    (void)state;

    assert_int_equal(tenon_disk_flush(disk, LONG), 0);
    assert_int_equal(look(&gate, &gate.submits), 4);
    assert_int_equal(look(&gate, &gate.commits), 1);
    tenon_disk_close(disk);
    wait_for(&gate, &gate.frees, 1);
}

static void channel_that_closes_late_is_waited_for(void **state)
{
    struct tenon_channel gate = { .volatile_writes = true, .closes_late = true };
    struct tenon_disk *disk = open_gate(&gate);
    (void)state;

    assert_int_equal(tenon_disk_flush(disk, LONG), 0);
    assert_int_equal(look(&gate, &gate.closes), 1);
    tenon_disk_close(disk);
    wait_for(&gate, &gate.frees, 1);
}

static void disk_without_a_flush_is_not_asked(void **state)
{
    struct tenon_channel gate = { .volatile_writes = false };
    struct tenon_disk *disk = open_gate(&gate);
    (void)state;

    assert_int_equal(tenon_disk_flush(disk, 0), 0);
    assert_int_equal(gate.opens, 0);
    tenon_disk_close(disk);
    assert_int_equal(gate.frees, 1);
}

/* ---- giving up ---- */

static void hung_disk_is_left_alone_and_closed_later(void **state)
{
    struct tenon_channel gate = { .volatile_writes = true, .hangs = true };
    unsigned descriptors = count_descriptors();
    struct tenon_disk *disk = open_gate(&gate);
    (void)state;

    uint64_t start = tenon_now();
    assert_int_equal(tenon_disk_flush(disk, SHORT), -ETIMEDOUT);
    uint64_t took = (tenon_now() - start) / 1000000;
    assert_true(took >= SHORT && took < LONG);
    assert_non_null(strstr(tenon_error(), "did not answer in time"));
    tenon_disk_close(disk); /* the handle goes; the disk stays for the flush */
    wait_for(&gate, &gate.commits, 1);
    assert_int_equal(look(&gate, &gate.closes), 0);
    assert_int_equal(look(&gate, &gate.frees), 0);
    answer(&gate);
    wait_for(&gate, &gate.frees, 1);
    assert_int_equal(look(&gate, &gate.closes), 1);
    for (unsigned ms = 0; count_descriptors() != descriptors; ms++) {
        assert_true(ms < LONG);
        usleep(1000);
    }
}

static void disk_that_stays_full_is_given_up(void **state)
{
    struct tenon_channel gate = { .volatile_writes = true, .full = UINT32_MAX };
    struct tenon_disk *disk = open_gate(&gate);
    (void)state;

    assert_int_equal(tenon_disk_flush(disk, SHORT), -ETIMEDOUT);
    assert_int_equal(tenon_disk_flush(disk, 0), -ETIMEDOUT);
    pthread_mutex_lock(&gate.lock);
    gate.full = 0; /* both go on by themselves */
    pthread_mutex_unlock(&gate.lock);
    wait_for(&gate, &gate.closes, 2);
    tenon_disk_close(disk);
    wait_for(&gate, &gate.frees, 1);
}

/* ---- disks as they are ---- */

/* Each is closed and opened again at once: after a flush nothing may hold the file's lock. */
static void every_kind_of_disk(void **state)
{
    static const char *const specs[] = { "memory=1M", "file=%s,engine=inline",
                                         "file=%s,engine=threads", "file=%s,read-only=on" };
    char path[] = "/tmp/tn.XXXXXX", spec[100];
    int fd = mkstemp(path);
    (void)state;

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, 1 << 20), 0);
    for (size_t i = 0; i < 40; i++) {
        struct tenon_disk *disk = NULL;
        snprintf(spec, sizeof(spec), specs[i % 4], path);
        assert_int_equal(tenon_disk_open(spec, &disk), 0);
        assert_int_equal(tenon_disk_flush(disk, LONG), 0);
        tenon_disk_close(disk);
    }
    close(fd);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flushed_once_and_closed),
        cmocka_unit_test(errors_of_the_disk_are_the_answer),
        cmocka_unit_test(full_disk_is_asked_again),
        cmocka_unit_test(channel_that_closes_late_is_waited_for),
        cmocka_unit_test(disk_without_a_flush_is_not_asked),
        cmocka_unit_test(hung_disk_is_left_alone_and_closed_later),
        cmocka_unit_test(disk_that_stays_full_is_given_up),
        cmocka_unit_test(every_kind_of_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
