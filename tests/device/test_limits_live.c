/*
 * test_limits_live.c: limits in real time, with threads and without: that control is prompt while
 * requests wait, that several threads together get no more than is allowed, and that limits may
 * change from anywhere under load. How exact the rates are is test_limits.c's.
 */
#include <pthread.h>
#include <unistd.h>

#include "load.h"

enum { BOUND_MS = 5000, DEPTH = 48, SECTOR = 512 };

static struct tenon_limits limits_of(uint64_t ops, uint64_t burst)
{
    return (struct tenon_limits){ .size = sizeof(struct tenon_limits),
                                  .ops = { .rate = ops, .burst = burst } };
}

static void submit_writes(struct rig *rig, struct tnd_blk_request *w)
{
    static const uint8_t data[SECTOR];

    for (unsigned i = 0; i < DEPTH; i++) {
        w[i] = (struct tnd_blk_request){ .type = TN_BLK_T_OUT, .sector = i, .out = data };
        w[i].out_bytes = SECTOR;
        w[i].form = TND_INDIRECT;
        assert_int_equal(tnd_blk_add(rig->driver, 0, &w[i]), 0);
    }
    tnd_kick(rig->driver, 0);
}

static bool they_wait(void *opaque)
{
    return rig_stat(opaque, "throttled_now", 0) >= DEPTH / 2;
}

static bool none_waits(void *opaque)
{
    return rig_stat(opaque, "throttled_now", 0) == 0;
}

static void forget(struct rig *rig, struct tnd_blk_request *w)
{
    tnd_blk_reap(rig->driver, 0);
    for (unsigned i = 0; i < DEPTH; i++) {
        if (!w[i].done) {
            tnd_blk_forget(rig->driver, &w[i]);
        }
    }
}

/* An hour's worth of writes waits. */
static void item40_control_is_prompt_while_limited(void **state)
{
    struct tenon_limits limits = limits_of(1, 1);
    struct rig_options o = { .blk = { .limits = &limits } };
    struct rig *rig = rig_new(state, &o);
    struct tnd_blk_request w[DEPTH];

    submit_writes(rig, w);
    assert_true(tnd_until(rig->driver, they_wait, rig));
    uint64_t start = tnd_now_ms();
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    for (unsigned i = 0; i < DEPTH; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &w[i]), 0); /* all were let through */
        assert_int_equal(w[i].status, TN_BLK_S_OK);
    }
    submit_writes(rig, w);
    assert_true(tnd_until(rig->driver, they_wait, rig));
    assert_int_equal(tenon_device_reset(rig->device, BOUND_MS), 0);
    assert_true(tnd_until(rig->driver, none_waits, rig));
    forget(rig, w);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tenon_device_set_limits(rig->device, NULL), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
    assert_true(tnd_now_ms() - start < 2 * BOUND_MS);
}

/* And the end of a session, or of the device, with all of them waiting. */
static void item40_the_end_is_prompt_while_limited(void **state)
{
    struct tenon_limits limits = limits_of(1, 1);
    struct rig_options o = { .blk = { .limits = &limits } };
    struct rig *rig = rig_new(state, &o);
    struct tnd_blk_request w[DEPTH];
    uint64_t start = tnd_now_ms();

    submit_writes(rig, w);
    assert_true(tnd_until(rig->driver, they_wait, rig));
    forget(rig, w);
    rig_end(state);
    assert_true(tnd_now_ms() - start < BOUND_MS);
}

/* Whatever the machine does meanwhile, no more than this passes. */
static void item36_queues_on_two_threads(void **state)
{
    enum { RATE = 20000, MS = 400, LEAST = 100 };
    struct tenon_limits limits = limits_of(RATE, 20);
    struct rig_options o = { .disk = RIG_DISK_MEMORY,
                             .blk = { .limits = &limits, .queues = 2 },
                             .setup = { .queues = 2 } };
    uint64_t start = tnd_now_ms();
    struct rig *rig = rig_new(state, &o);
    struct load *load = load_new(rig, 2, 24, 9);

    while (tnd_now_ms() - start < MS || (load->done < LEAST && tnd_now_ms() - start < BOUND_MS)) {
        load_pump(load);
        tnd_pass(rig->driver);
    }
    load_drain(load);
    uint64_t most = RATE * (tnd_now_ms() + 1 - start) / 1000 + 20;
    assert_true(load->done <= most);
    assert_true(load->done >= LEAST);
    assert_true(rig_stat(rig, "throttled", 0) + rig_stat(rig, "throttled", 1) > 0);
    load_free(load);
}

struct changer {
    struct tenon_device *device;
    struct tenon_limit_group *group;
    bool stop;
};

static void *change_often(void *opaque)
{
    struct changer *c = opaque;

    for (unsigned i = 0; !__atomic_load_n(&c->stop, __ATOMIC_RELAXED); i++) {
        struct tenon_limits limits = limits_of(1000 + 7000 * (i % 5), i % 3);
        limits.bytes_write.rate = i % 4 ? 50 << 20 : 0;
        limits.ops_read.rate = i % 7 ? 9000 : 0;
        limits.ops_read.burst_once = i % 7 ? i % 50 : 0;
        assert_int_equal(tenon_device_set_limits(c->device, i % 6 ? &limits : NULL), 0);
        assert_int_equal(tenon_limit_group_set(c->group, i % 4 ? &limits : NULL), 0);
        usleep(300);
    }
    return NULL;
}

/* Everything at once: content is right, nothing is lost, nothing waits in the end. */
static void item41_changes_under_load(void **state)
{
    struct tenon_limits limits = limits_of(3000, 1);
    struct changer c = { 0 };
    pthread_t thread;

    assert_int_equal(tenon_limit_group_new(&limits, &c.group), 0);
    struct rig_options o = { .blk = { .limits = &limits, .limit_group = c.group, .queues = 2 },
                             .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &o);
    struct load *load = load_new(rig, 2, 16, 4);
    c.device = rig->device;
    assert_int_equal(pthread_create(&thread, NULL, change_often, &c), 0);
    for (unsigned i = 0; i < 12; i++) {
        load_run(load, 60);
        load_pump(load);
        if (i % 3 == 0) {
            assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
            assert_int_equal(tenon_device_resume(rig->device), 0);
        } else if (i % 3 == 1) {
            load_reset(load);
        }
    }
    __atomic_store_n(&c.stop, true, __ATOMIC_RELAXED);
    pthread_join(thread, NULL);
    assert_int_equal(tenon_device_set_limits(rig->device, NULL), 0);
    assert_int_equal(tenon_limit_group_set(c.group, NULL), 0);
    tenon_limit_group_free(c.group);
    load_drain(load);
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 0);
    assert_int_equal(rig_stat(rig, "throttled_now", 1), 0);
    load_free(load);
}

int main(int argc, char **argv)
{
    static const struct rig_case cases[] = {
        RIG_TEST(item40_control_is_prompt_while_limited),
        RIG_TEST(item40_the_end_is_prompt_while_limited),
        RIG_TEST(item36_queues_on_two_threads),
        RIG_TEST(item41_changes_under_load),
    };
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
