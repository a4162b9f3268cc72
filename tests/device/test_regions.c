/*
 * test_regions.c: guest memory that comes and goes while queues run: a region is released when the
 * last request that may touch it has ended, not before and not later; a queue that loses its rings
 * breaks, and says so.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "load.h"

enum { MANY = 300, REGION_BYTES = 0x4000 };

#define SPARE_GPA 0x400000000ull

struct spare {
    struct rig *rig;
    int index;
};

/* By region: memory is released as late as in the teardown, when no test's stack is left. */
static unsigned releases[TND_MAX_REGIONS];

static void on_released(void *opaque)
{
    __atomic_fetch_add((unsigned *)opaque, 1, __ATOMIC_SEQ_CST);
}

static unsigned released(const struct spare *spare)
{
    return __atomic_load_n(&releases[spare->index], __ATOMIC_SEQ_CST);
}

static bool is_released(void *spare)
{
    return released(spare) != 0;
}

static void share(struct spare *spare)
{
    const struct tnd_region *r = &spare->rig->ram->regions[spare->index];
    struct tenon_region region = { .size = sizeof(region),
                                   .gpa = r->gpa,
                                   .bytes = r->bytes,
                                   .host = r->device,
                                   .fd = -1,
                                   .released = on_released,
                                   .opaque = &releases[spare->index] };
    releases[spare->index] = 0;
    assert_int_equal(tenon_mem_add(spare->rig->mem, &region), 0);
}

static struct spare add_spare(struct rig *rig, uint64_t gpa)
{
    struct spare spare = { .rig = rig };

    spare.index = tnd_ram_add(rig->ram, gpa, REGION_BYTES);
    assert_true(spare.index >= 0);
    return spare;
}

static int submit_read(struct rig *rig, uint64_t data, int *token)
{
    uint64_t status = tnd_ram_alloc(rig->ram, 1);
    struct tnd_seg segs[3] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_IN, 0), .bytes = 16 },
                               { .gpa = data, .bytes = 512, .write = true },
                               { .gpa = status, .bytes = 1, .write = true } };

    int head = tnd_add(rig->driver, 0, segs, 3, TND_DIRECT, token);
    tnd_kick(rig->driver, 0);
    return head;
}

static bool is_held(void *fake)
{
    return fake_held(fake) != 0;
}

static void released_when_its_io_has_ended(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    struct spare spare = add_spare(rig, SPARE_GPA);
    struct tnd_used used;
    uint8_t data[512];
    int token = 0;

    rig_pattern(rig->image, 512, 3);
    for (unsigned round = 0; round < 3; round++) { /* added again, each time */
        share(&spare);
        fake_hold(rig->fake, true);
        assert_true(submit_read(rig, SPARE_GPA, &token) >= 0);
        assert_true(tnd_until(rig->driver, is_held, rig->fake));
        assert_int_equal(tenon_mem_remove(rig->mem, SPARE_GPA, REGION_BYTES), 0);
        assert_int_equal(tenon_mem_remove(rig->mem, SPARE_GPA, REGION_BYTES), -ENOENT);
        tnd_settle(rig->driver, 20);
        assert_int_equal(released(&spare), 0); /* the disk will still write there */
        fake_release_all(rig->fake);
        assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
        assert_int_equal(used.bytes, 513);
        assert_true(tnd_until(rig->driver, is_released, &spare));
        assert_int_equal(released(&spare), 1);
        assert_true(tnd_ram_get(rig->ram, SPARE_GPA, data, 512));
        assert_memory_equal(data, rig->image, 512);
    }
    /* Now it is no memory: the request fails, the queue does not. */
    assert_true(submit_read(rig, SPARE_GPA, &token) >= 0);
    assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
    assert_int_equal(used.bytes, 1);
    assert_int_equal(rig_stat(rig, "broken", 0), 0);
    rig_check_alive(rig, 0);
}

/*
 * Memory is there for every chain that is offered after it was added, also when the kick is looked
 * at before the news of the change.
 */
static void added_memory_is_there_at_once(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_MEMORY, .no_start = true };
    struct rig *rig = rig_new(state, &options);
    struct spare spare = add_spare(rig, SPARE_GPA);
    struct tnd_used used;
    int token = 0;

    tnd_mmio_kick_by_fd(rig->driver, true);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    for (unsigned round = 0; round < 20; round++) {
        rig_check_alive(rig, 0);
        share(&spare);
        assert_true(submit_read(rig, SPARE_GPA, &token) >= 0);
        assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
        assert_int_equal(used.bytes, 513);
        assert_int_equal(tenon_mem_remove(rig->mem, SPARE_GPA, REGION_BYTES), 0);
        assert_true(tnd_until(rig->driver, is_released, &spare));
    }
}

/* An idle queue holds no region either: the change itself wakes it. */
static void released_though_nothing_is_asked(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct spare spare = add_spare(rig, SPARE_GPA);

    share(&spare);
    rig_check_alive(rig, 0);
    assert_int_equal(tenon_mem_remove(rig->mem, SPARE_GPA, REGION_BYTES), 0);
    assert_true(tnd_until(rig->driver, is_released, &spare));
    /* The same while it is paused. */
    assert_int_equal(tenon_device_pause(rig->device, 5000), 0);
    share(&spare);
    tnd_settle(rig->driver, 5);
    assert_int_equal(tenon_mem_remove(rig->mem, SPARE_GPA, REGION_BYTES), 0);
    assert_true(tnd_until(rig->driver, is_released, &spare));
    assert_int_equal(tenon_device_resume(rig->device), 0);
    rig_check_alive(rig, 0);
}

/* ---- hundreds, while queues run ---- */

struct churn {
    struct rig *rig;
    unsigned released;
    int error;
    bool done;
};

static void *churn(void *opaque)
{
    struct churn *c = opaque;
    static uint8_t memory[REGION_BYTES];
    uint32_t random = 5;
    bool there[MANY] = { false };

    for (unsigned i = 0; i < 4 * MANY && !c->error; i++) {
        unsigned which = i < MANY ? i : load_random(&random) % MANY;
        struct tenon_region region = { .size = sizeof(region),
                                       .gpa = SPARE_GPA + which * 2ull * REGION_BYTES,
                                       .bytes = REGION_BYTES,
                                       .host = memory,
                                       .fd = -1,
                                       .released = on_released,
                                       .opaque = &c->released };
        c->error = there[which] ? tenon_mem_remove(c->rig->mem, region.gpa, region.bytes)
                                : tenon_mem_add(c->rig->mem, &region);
        there[which] = !there[which];
        if (i % 8 == 0) {
            usleep(100);
        }
    }
    for (unsigned i = 0; i < MANY; i++) {
        if (there[i]) {
            tenon_mem_remove(c->rig->mem, SPARE_GPA + i * 2ull * REGION_BYTES, REGION_BYTES);
        }
    }
    __atomic_store_n(&c->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static unsigned additions(void)
{
    uint32_t random = 5;
    bool there[MANY] = { false };
    unsigned added = 0;

    for (unsigned i = 0; i < 4 * MANY; i++) {
        unsigned which = i < MANY ? i : load_random(&random) % MANY;
        added += !there[which];
        there[which] = !there[which];
    }
    return added;
}

static bool all_released(void *opaque)
{
    struct churn *c = opaque;
    return __atomic_load_n(&c->released, __ATOMIC_SEQ_CST) == additions();
}

static void hundreds_come_and_go_while_queues_run(void **state)
{
    struct rig_options options = { .blk = { .queues = 2 }, .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);
    struct load *load = load_new(rig, 2, 8, 11);
    struct churn c = { .rig = rig };
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, churn, &c), 0);
    while (!__atomic_load_n(&c.done, __ATOMIC_ACQUIRE)) {
        load_run(load, 10);
    }
    pthread_join(thread, NULL);
    assert_int_equal(c.error, 0);
    load_run(load, 50);
    load_drain(load);
    load_free(load);
    assert_true(tnd_until(rig->driver, all_released, &c)); /* each one, once */
}

/* ---- the rings' own region ---- */

static void a_queue_that_loses_its_rings_breaks(void **state)
{
    enum { HIGH = 3 };
    struct rig_options options = { .disk = RIG_DISK_FAKE, .setup = { .ring_region = HIGH } };
    struct rig *rig = rig_new(state, &options);
    struct spare spare = { .rig = rig, .index = HIGH };
    const uint64_t bytes = rig->ram->regions[HIGH].bytes;
    int token = 0;

    assert_int_equal(rig->ram->regions[HIGH].gpa, RIG_HIGH_GPA);
    rig_check_alive(rig, 0);
    uint64_t data = tnd_ram_alloc(rig->ram, 512);
    fake_hold(rig->fake, true);
    assert_true(submit_read(rig, data, &token) >= 0);
    assert_true(tnd_until(rig->driver, is_held, rig->fake));
    assert_int_equal(tenon_mem_remove(rig->mem, RIG_HIGH_GPA, bytes), 0);
    assert_true(tnd_wait_broken(rig->driver, 0));
    rig_await_event(rig, &rig->broken, 1);
    assert_int_equal(tnd_config_irqs(rig->driver), 1);
    uint16_t used = tnd_raw_used_idx(rig->driver->queues[0].ring);
    fake_release_all(rig->fake); /* its end has nowhere to be told */
    tnd_settle(rig->driver, 20);
    assert_int_equal(tnd_raw_used_idx(rig->driver->queues[0].ring), used);
    assert_int_equal(rig_stat(rig, "broken", 0), 1);

    share(&spare);
    tnd_notify(rig->driver, 0); /* only a reset helps */
    tnd_settle(rig->driver, 5);
    assert_int_equal(tnd_raw_used_idx(rig->driver->queues[0].ring), used);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, &options.setup), 0);
    rig_check_alive(rig, 0);
    assert_int_equal(rig_event(&rig->broken), 1);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(released_when_its_io_has_ended, RIG_MMIO),
    RIG_TEST_ON(added_memory_is_there_at_once, RIG_MMIO),
    RIG_TEST_ON(released_though_nothing_is_asked, RIG_MMIO),
    RIG_TEST_ON(hundreds_come_and_go_while_queues_run, RIG_MMIO),
    RIG_TEST_ON(a_queue_that_loses_its_rings_breaks, RIG_MMIO),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
