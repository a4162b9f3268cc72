/*
 * test_uring_cancel.c: operations over io_uring that are taken back: 0 is said only when the buffer
 * is not touched any more and done() will not come.
 */
#include "pipe_disk.h"

/* Taken back before, in, and after the kernel; also with a part of its bytes done. */
static void test_cancel(void **state)
{
    struct job *waiting, *called, *part, *last;
    struct pipe_body body;
    struct rig rig;
    uint8_t data[1024], got[4][512];

    (void)state;
    pipe_open(&body, &rig);
    memset(data, 'x', sizeof(data));
    memset(got, '-', sizeof(got));
    waiting = start_read(&rig, 512, got[0]);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, waiting->io), 0);
    part = start_read(&rig, 512, got[1]);
    tn_channel_commit(rig.disk, rig.channel);
    feed(&body, data, 100);
    turns(&rig, 3);
    called = start_read(&rig, 512, got[2]);
    tn_channel_commit(rig.disk, rig.channel);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, part->io), 0);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, called->io), 0);
    assert_int_equal(body.cancelled, 3); /* the body has heard of each */
    last = start_read(&rig, 512, got[3]);
    tn_channel_commit(rig.disk, rig.channel);
    feed(&body, data, 512);
    rig_wait(&rig, 1);
    turns(&rig, 3);
    assert_true(last->over);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, last->io), -EBUSY);
    assert_false(waiting->over || called->over || part->over);
    assert_int_equal(got[0][0], '-');
    assert_int_equal(got[1][99], 'x');
    assert_int_equal(got[1][100], '-');
    assert_int_equal(got[2][0], '-'); /* what came later went to the one that was left */
    assert_int_equal(got[3][511], 'x');
    free(waiting);
    free(part);
    free(called);
    free(last);
    pipe_close(&body, &rig);
}

/* It has ended, but done() has not been called: too late, and done() comes. */
static void test_cancel_too_late(void **state)
{
    struct pipe_body body;
    struct rig rig;
    struct job *job;
    uint8_t data[512];

    (void)state;
    pipe_open(&body, &rig);
    feed(&body, data, sizeof(data));
    job = start_read(&rig, 512, data);
    tn_channel_commit(rig.disk, rig.channel);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, job->io), -EBUSY);
    assert_false(job->over);
    rig_wait(&rig, 1);
    assert_int_equal(job->result, 0);
    free(job);
    pipe_close(&body, &rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_cancel_too_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
