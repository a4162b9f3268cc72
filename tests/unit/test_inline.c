/*
 * test_inline.c: the engine without threads: at once, in order, on the caller's thread; random
 * operations on a file against a model.
 */
#include "disk_random.h"

#include "disk/body.h"

/* A body that notes who called it. */
struct noting {
    pthread_t thread;
    unsigned runs;
    uint64_t last;
    bool freed;
};

static int run(void *body, struct tenon_io *io)
{
    struct noting *noting = body;

    noting->thread = pthread_self();
    noting->runs++;
    noting->last = io->offset;
    return io->offset == 4096 ? -EIO : 0;
}

static int info(void *body, struct tenon_disk_info *out)
{
    (void)body;
    out->bytes = 1 << 20;
    return 0;
}

static void free_noting(void *body)
{
    ((struct noting *)body)->freed = true;
}

static const struct tn_body_ops noting_ops = { .run = run, .info = info, .free = free_noting };
static const struct tn_disk_label label = { "test", "inline", "for a test" };

static void test_runs_within_submit_and_answers_by_post(void **state)
{
    struct noting noting = { 0 };
    struct tenon_disk *disk = NULL;
    struct job *jobs[3];
    uint8_t data[512];
    struct rig rig;

    (void)state;
    assert_int_equal(tn_inline_open(&noting_ops, &noting, &label, &disk), 0);
    rig_open(&rig, disk);
    for (unsigned i = 0; i < 3; i++) {
        jobs[i] = rig_job(&rig, TENON_IO_READ, 0, i * 4096, 512, data);
        assert_int_equal(rig_submit(&rig, jobs[i]), 0);
        assert_int_equal(noting.runs, i + 1);
        assert_int_equal(noting.last, i * 4096);
        assert_false(jobs[i]->over); /* done() comes from the worker, not from within submit */
    }
    assert_true(pthread_equal(noting.thread, pthread_self()));
    tn_channel_commit(disk, rig.channel);
    rig_wait(&rig, 3);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(jobs[i]->result, i == 1 ? -EIO : 0);
        free(jobs[i]);
    }
    rig_close(&rig);
    assert_true(noting.freed);
}

static void test_random_operations(void **state)
{
    (void)state;
    random_operations("engine=inline", 1, 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_within_submit_and_answers_by_post),
        cmocka_unit_test(test_random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
