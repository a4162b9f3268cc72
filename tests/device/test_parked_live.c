/*
 * test_parked_live.c: a busy guest on a disk that fails again and again, every failure kept, while
 * somebody resumes, pauses and resets: the guest sees no error, its data is right, nothing is lost.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "load.h"
#include "untouched.h"

enum { BOUND_MS = 5000 };

/* With the disk's lock held. */
static int fails_often(void *opaque, const struct fake_op *op)
{
    uint32_t *random = opaque;

    (void)op;
    return load_random(random) % 8 == 0 ? -EIO : 0;
}

struct resumer {
    struct tenon_device *device;
    bool stop;
};

static void *resume_often(void *opaque)
{
    struct resumer *r = opaque;

    while (!__atomic_load_n(&r->stop, __ATOMIC_RELAXED)) {
        assert_int_equal(tenon_device_resume(r->device), 0);
        usleep(200);
    }
    return NULL;
}

static void the_guest_sees_no_error(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE,
                                   .blk = { .on_error = TENON_ON_ERROR_STOP, .queues = 2 },
                                   .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);
    struct load *load = load_new(rig, 2, 16, 4);
    struct resumer r = { .device = rig->device };
    uint32_t random = 9;
    pthread_t thread;

    fake_set_fault(rig->fake, fails_often, &random);
    for (unsigned i = 0; i < 6; i++) {
        r.stop = false;
        assert_int_equal(pthread_create(&thread, NULL, resume_often, &r), 0);
        load_run(load, 100);
        __atomic_store_n(&r.stop, true, __ATOMIC_RELAXED);
        pthread_join(thread, NULL);
        load_pump(load);
        tnd_settle(rig->driver, 2);
        assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
        struct untouched untouched = untouched_from_here(rig);
        tnd_settle(rig->driver, 2);
        untouched_till_here(&untouched);
        if (i % 2) {
            assert_int_equal(tenon_device_resume(rig->device), 0);
            load_pump(load);
            assert_int_equal(tenon_device_reset(rig->device, BOUND_MS), 0);
            assert_int_equal(rig_stat(rig, "parked_now", 0), 0);
            load_reset(load);
        }
    }
    assert_true(rig_stat(rig, "parked", 0) + rig_stat(rig, "parked", 1) > 20);
    fake_set_fault(rig->fake, NULL, NULL);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    load_drain(load);
    for (int q = 0; q < 2; q++) {
        assert_int_equal(rig_stat(rig, "parked_now", q), 0);
        assert_int_equal(rig_stat(rig, "in_flight_now", q), 0);
        assert_int_equal(rig_stat(rig, "disk_errors", q), 0);
    }
    load_free(load);
}

/* The device goes while requests are parked. */
static void the_end_is_prompt(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE,
                                   .blk = { .on_error = TENON_ON_ERROR_STOP } };
    struct rig *rig = rig_new(state, &options);
    struct load *load = load_new(rig, 1, 16, 6);
    uint32_t random = 9;

    fake_set_fault(rig->fake, fails_often, &random);
    uint64_t begin = tnd_now_ms();
    while (rig_stat(rig, "parked_now", 0) == 0) {
        load_pump(load);
        tnd_pass(rig->driver);
        assert_true(tnd_now_ms() - begin < BOUND_MS);
    }
    begin = tnd_now_ms();
    for (unsigned i = 0; i < load->slots; i++) {
        if (load->slot[i].busy && load->slot[i].request.segs) {
            tnd_blk_forget(rig->driver, &load->slot[i].request);
        }
    }
    free(load);
    rig_end(state);
    assert_true(tnd_now_ms() - begin < BOUND_MS);
}

static const struct rig_case cases[] = {
    RIG_TEST(the_guest_sees_no_error),
    RIG_TEST(the_end_is_prompt),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
