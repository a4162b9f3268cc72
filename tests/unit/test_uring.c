/*
 * test_uring.c: the engine over io_uring: transfers in pieces, a full ring, what goes to threads,
 * the end of a channel. Files are in test_uring_file.c, cancelling in test_uring_cancel.c, workers
 * and their threads in test_uring_workers.c.
 */
#include "pipe_disk.h"

#include <dirent.h>

/* ---- transfers ---- */

/* Pieces that end in the middle of an iovec, at its end, and beyond it. */
static void test_short_transfers_are_continued(void **state)
{
    static const unsigned pieces[] = { 1, 510, 1, 3, 1, 700, 1000, 1880 };
    uint32_t random = 7;
    uint8_t sent[4096], got[4096] = { 0 };
    const struct iovec iov[] = { { got, 0 },          { got, 512 },     { got + 512, 3 },
                                 { got + 515, 0 },    { got + 515, 1 }, { got + 516, 1000 },
                                 { got + 1516, 2580 } };
    struct pipe_body body;
    struct rig rig;
    struct job *job;
    size_t at = 0;

    (void)state;
    pipe_open(&body, &rig);
    fill_random(&random, sent, sizeof(sent));
    job = rig_job(&rig, TENON_IO_READ, 0, 0, sizeof(got), NULL);
    job->io->iov = iov;
    job->io->iov_count = sizeof(iov) / sizeof(iov[0]);
    assert_int_equal(rig_submit(&rig, job), 0);
    tn_channel_commit(rig.disk, rig.channel);
    for (unsigned i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        turns(&rig, 3);
        assert_false(job->over);
        feed(&body, sent + at, pieces[i]);
        at += pieces[i];
    }
    assert_int_equal(at, sizeof(sent));
    rig_wait(&rig, 1);
    assert_int_equal(job->result, 0);
    assert_memory_equal(got, sent, sizeof(got));
    free(job);
    pipe_close(&body, &rig);
}

static void test_the_end_inside_a_transfer_is_an_error(void **state)
{
    struct pipe_body body;
    struct rig rig;
    struct job *job;
    uint8_t data[1024];

    (void)state;
    pipe_open(&body, &rig);
    job = start_read(&rig, sizeof(data), data);
    tn_channel_commit(rig.disk, rig.channel);
    feed(&body, data, 100);
    turns(&rig, 2);
    close(body.fds[1]);
    body.fds[1] = -1;
    rig_wait(&rig, 1);
    assert_int_equal(job->result, -EIO);
    free(job);
    pipe_close(&body, &rig);
}

static void test_what_needs_no_call_ends_at_once(void **state)
{
    struct pipe_body body;
    struct rig rig;
    struct iovec iov = { NULL, 512 };

    (void)state;
    pipe_open(&body, &rig);
    assert_int_equal(rig_io(&rig, TENON_IO_DISCARD, 0, 0, 512, NULL), -EILSEQ);
    assert_int_equal(rig_iov(&rig, TENON_IO_READ, 0, 0, NULL, 0), 0);
    assert_int_equal(rig_iov(&rig, TENON_IO_READ, 0, 1024, &iov, 1), -EINVAL); /* a wrong sum */
    pipe_close(&body, &rig);
}

/* A few reads are tried without the ring, once each; many are not. */
static void test_at_once(void **state)
{
    enum { MANY = 20 };
    struct job *jobs[MANY], *miss;
    struct pipe_body body;
    struct rig rig;
    uint8_t data[512] = { 0 };

    (void)state;
    pipe_open(&body, &rig);
    body.cached = 512;
    body.answer = -EXDEV;
    miss = rig_job(&rig, TENON_IO_READ, 0, 512, 512, data);
    jobs[0] = start_read(&rig, 512, data);
    assert_int_equal(rig_submit(&rig, miss), 0);
    assert_int_equal(body.tried, 0);
    tn_channel_commit(rig.disk, rig.channel);
    assert_int_equal(body.tried, 2);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, jobs[0]->io), -EBUSY);
    rig_wait(&rig, 1);
    assert_int_equal(jobs[0]->result, -EXDEV);
    free(jobs[0]);
    feed(&body, data, 100); /* its rest is not tried again */
    turns(&rig, 3);
    feed(&body, data, 412);
    rig_wait(&rig, 2);
    assert_int_equal(miss->result, 0);
    assert_int_equal(body.tried, 2);
    free(miss);
    for (unsigned i = 0; i < MANY; i++) {
        jobs[i] = start_read(&rig, 512, data);
    }
    tn_channel_commit(rig.disk, rig.channel);
    assert_int_equal(body.tried, 2);
    for (unsigned i = 0; i < MANY; i++) {
        feed(&body, data, 512);
    }
    rig_wait(&rig, 2 + MANY);
    for (unsigned i = 0; i < MANY; i++) {
        free(jobs[i]);
    }
    pipe_close(&body, &rig);
}

/* ---- room ---- */

static void test_a_full_ring_takes_nothing(void **state)
{
    enum { MOST = 5000 };
    static uint8_t data[512];
    struct job *jobs[MOST];
    struct pipe_body body;
    struct rig rig;
    unsigned count = 0;
    int r = 0;

    (void)state;
    pipe_open(&body, &rig);
    while (r == 0) {
        assert_true(count < MOST);
        jobs[count] = rig_job(&rig, TENON_IO_READ, 0, 0, 512, data);
        r = rig_submit(&rig, jobs[count]);
        count++;
    }
    assert_int_equal(r, -EAGAIN);
    assert_true(count > 256);
    tn_channel_commit(rig.disk, rig.channel);
    assert_int_equal(rig_submit(&rig, jobs[count - 1]), -EAGAIN);
    for (unsigned i = 0; i < count - 1; i++) {
        feed(&body, data, 512);
        rig_wait(&rig, i + 1);
    }
    feed(&body, data, 512);
    assert_int_equal(rig_finish(&rig, jobs[count - 1]), 0);
    for (unsigned i = 0; i < count - 1; i++) {
        assert_int_equal(jobs[i]->result, 0);
        free(jobs[i]);
    }
    pipe_close(&body, &rig);
}

static void test_nothing_is_called_before_commit(void **state)
{
    struct pipe_body body;
    struct rig rig;
    struct job *job;
    uint8_t data[512] = { 1 }, got[512] = { 0 };

    (void)state;
    pipe_open(&body, &rig);
    job = start_read(&rig, sizeof(got), got);
    feed(&body, data, sizeof(data));
    assert_int_equal(got[0], 0);
    tn_channel_commit(rig.disk, rig.channel);
    rig_wait(&rig, 1);
    assert_int_equal(got[0], 1);
    free(job);
    pipe_close(&body, &rig);
}

/* ---- what may block ---- */

static unsigned pool_threads(void)
{
    DIR *tasks = opendir("/proc/self/task");
    const struct dirent *task;
    unsigned count = 0;

    while ((task = readdir(tasks)) != NULL) {
        char path[300], name[32] = "";
        snprintf(path, sizeof(path), "/proc/self/task/%s/comm", task->d_name);
        FILE *file = fopen(path, "r");
        if (file) {
            count += fgets(name, sizeof(name), file) && strcmp(name, "tenon-disk\n") == 0;
            fclose(file);
        }
    }
    closedir(tasks);
    return count;
}

static void test_what_may_block_goes_to_a_thread(void **state)
{
    struct job *read, *running, *second, *third;
    struct pipe_body body;
    struct rig rig;
    uint8_t data[512] = { 0 };

    (void)state;
    pipe_open(&body, &rig);
    feed(&body, data, sizeof(data));
    assert_int_equal(rig_read(&rig, 0, sizeof(data), data), 0);
    assert_int_equal(pool_threads(), 0);
    body.answer = -EXDEV;
    body.hold = true;
    running = rig_job(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL);
    second = rig_job(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL);
    third = rig_job(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL);
    assert_int_equal(rig_submit(&rig, running), 0);
    assert_int_equal(rig_submit(&rig, second), 0);
    assert_int_equal(rig_submit(&rig, third), 0);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, third->io), 0);
    tn_channel_commit(rig.disk, rig.channel);
    while (pool_threads() < 2) { /* each gives itself its name */
        usleep(100);
    }
    assert_int_equal(pool_threads(), 2);
    read = start_read(&rig, 512, data); /* does not wait for those */
    tn_channel_commit(rig.disk, rig.channel);
    feed(&body, data, sizeof(data));
    rig_wait(&rig, 2);
    assert_true(read->over);
    __atomic_store_n(&body.hold, false, __ATOMIC_RELEASE);
    rig_wait(&rig, 4);
    assert_int_equal(running->result, -EXDEV);
    assert_int_equal(second->result, -EXDEV);
    assert_false(third->over);
    free(read);
    free(running);
    free(second);
    free(third);
    pipe_close(&body, &rig);
    assert_int_equal(pool_threads(), 0);
}

/* ---- ends ---- */

/* The channel is closed when nothing is under way any more, and not before. */
static void test_close_waits_for_what_was_submitted(void **state)
{
    struct job *committed, *waiting;
    struct pipe_body body;
    struct rig rig;
    uint8_t data[512] = { 0 };

    (void)state;
    pipe_open(&body, &rig);
    committed = start_read(&rig, 512, data);
    tn_channel_commit(rig.disk, rig.channel);
    waiting = start_read(&rig, 512, data);
    tn_channel_close(rig.disk, rig.channel, rig_on_closed, &rig.closed);
    turns(&rig, 5);
    assert_false(rig.closed);
    feed(&body, data, 512);
    turns(&rig, 5);
    assert_false(rig.closed);
    feed(&body, data, 512);
    while (!rig.closed) {
        turns(&rig, 1);
    }
    rig_wait(&rig, 2);
    assert_int_equal(committed->result, 0);
    assert_int_equal(waiting->result, 0);
    tenon_disk_close(rig.disk);
    tenon_worker_free(rig.worker);
    free(committed);
    free(waiting);
    close(body.fds[0]);
    close(body.fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_transfers_are_continued),
        cmocka_unit_test(test_the_end_inside_a_transfer_is_an_error),
        cmocka_unit_test(test_what_needs_no_call_ends_at_once),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_a_full_ring_takes_nothing),
        cmocka_unit_test(test_nothing_is_called_before_commit),
        cmocka_unit_test(test_what_may_block_goes_to_a_thread),
        cmocka_unit_test(test_close_waits_for_what_was_submitted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
