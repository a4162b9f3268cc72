/*
 * test_control.c: pause, resume, reset and the rest at random moments, from another thread than the
 * guest's and under its load; and many devices that pause at once.
 *
 *   guest (this thread)  ── load, resets ──> device <── pause, reset, resize ── host (thread)
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "load.h"

enum { ROUNDS = 120, BOUND_MS = 5000 };

struct host {
    struct rig *rig;
    unsigned seed;
    bool may_reset;
    bool done;
    unsigned failed; /* a call that answered what it may not */
    uint64_t sum;    /* of counters, so that they are read */
};

static void add_up(void *opaque, const char *name, int queue, uint64_t value)
{
    (void)name;
    (void)queue;
    *(uint64_t *)opaque += value;
}

static void paused(void *opaque)
{
    (void)opaque;
}

static void act(struct host *host, uint32_t dice)
{
    struct tenon_device *device = host->rig->device;

    switch (dice % 7) {
    case 0:
    case 1:
        host->failed += tenon_device_pause(device, BOUND_MS) != 0;
        break;
    case 2:
        host->failed += tenon_device_pause_begin(device, paused, NULL) != 0;
        break;
    case 3:
        tenon_device_stats(device, add_up, &host->sum);
        break;
    case 4:
        host->failed += tenon_blk_resized(device) != 0;
        break;
    case 5:
        host->failed += host->may_reset && tenon_device_reset(device, BOUND_MS) != 0;
        break;
    default:
        break;
    }
}

static void *act_at_random(void *opaque)
{
    struct host *host = opaque;
    uint32_t random = host->seed;

    for (unsigned i = 0; i < ROUNDS; i++) {
        act(host, load_random(&random));
        usleep(load_random(&random) % 1500);
        host->failed += tenon_device_resume(host->rig->device) != 0;
        usleep(load_random(&random) % 1500);
    }
    __atomic_store_n(&host->done, true, __ATOMIC_RELEASE);
    return NULL;
}

static bool is_done(struct host *host)
{
    return __atomic_load_n(&host->done, __ATOMIC_ACQUIRE);
}

/* Without a reset from anyone: every request is answered, and truthfully. */
static void pause_and_resume_at_random_moments(void **state)
{
    struct rig_options options = { .blk = { .queues = 2 }, .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);
    struct load *load = load_new(rig, 2, 8, 21);
    struct host host = { .rig = rig, .seed = 1 };
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, act_at_random, &host), 0);
    while (!is_done(&host)) {
        if (load_pump(load) == 0) {
            tnd_pass(rig->driver);
        }
    }
    pthread_join(thread, NULL);
    assert_int_equal(host.failed, 0);
    load_run(load, 50);
    load_drain(load);
    load_free(load);
    assert_int_equal(rig_event(&rig->broken), 0);
    rig_check_alive(rig, 1);
}

static void restart_queue(struct load *load, unsigned queue)
{
    struct tenon_driver *driver = load->rig->driver;

    if (!load->rig->mmio || load_is_broken(load)) {
        return; /* vhost-user: GET_VRING_BASE goes on where it was, and loses nothing */
    }
    int error = tnd_queue_restart(driver, queue);
    if (error == 0) {
        load_lose(load, queue);
    } else {
        assert_true(load_is_broken(load)); /* the host has reset the device meanwhile */
    }
}

/* Both sides reset, whenever they like. */
static void resets_of_both_sides_at_random_moments(void **state)
{
    struct rig_options options = { .blk = { .queues = 2 }, .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);
    struct load *load = load_new(rig, 2, 8, 22);
    struct host host = { .rig = rig, .seed = 2, .may_reset = true };
    uint32_t random = 9;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, act_at_random, &host), 0);
    while (!is_done(&host)) {
        uint32_t dice = load_random(&random) % 400;
        if (load_is_broken(load) || dice == 0) {
            load_reset(load);
        } else if (dice < 3) {
            restart_queue(load, dice - 1);
        }
        if (load_pump(load) == 0) {
            tnd_pass(rig->driver);
        }
    }
    pthread_join(thread, NULL);
    assert_int_equal(host.failed, 0);
    load_reset(load);
    load_run(load, 50);
    load_drain(load);
    load_free(load);
    rig_check_alive(rig, 0);
}

/* ---- many devices on one worker ---- */

enum { DEVICES = 24, HUNG = 5 };

struct small {
    struct tenon_device *device;
    struct tenon_disk *disk;
    struct tenon_mmio *window;
    struct tenon_driver *driver;
    struct tnd_blk_request r;
    uint8_t data[512];
    bool paused;
};

static void note(void *opaque)
{
    __atomic_store_n((bool *)opaque, true, __ATOMIC_SEQ_CST);
}

static unsigned count_paused(struct small *small)
{
    unsigned n = 0;
    for (unsigned i = 0; i < DEVICES; i++) {
        n += __atomic_load_n(&small[i].paused, __ATOMIC_SEQ_CST);
    }
    return n;
}

static bool all_but_one(void *small)
{
    return count_paused(small) >= DEVICES - 1;
}

static bool all(void *small)
{
    return count_paused(small) == DEVICES;
}

static void make_small(struct small *s, struct rig *rig, struct fake_disk *fake)
{
    struct tenon_blk_opts blk = {
        .size = sizeof(blk), .name = "small", .workers = rig->workers, .worker_count = 1
    };
    struct tenon_mmio_opts mmio = { .size = sizeof(mmio), .mem = rig->mem, .irq = tnd_mmio_irq };
    struct tnd_setup setup = { .queue_size = 8 };

    if (fake) {
        assert_int_equal(fake_open(fake, &s->disk), 0);
    } else {
        assert_int_equal(tenon_disk_open_memory(NULL, 65536, false, &s->disk), 0);
    }
    blk.disk = s->disk;
    assert_int_equal(tenon_blk_new(&blk, &s->device), 0);
    assert_int_equal(tnd_mmio_new(rig->ram, &s->driver), 0);
    mmio.device = s->device;
    mmio.opaque = s->driver;
    assert_int_equal(tenon_mmio_new(&mmio, &s->window), 0);
    tnd_mmio_connect(s->driver, s->window);
    s->driver->crank = rig->driver->crank;
    s->driver->crank_opaque = rig;
    assert_int_equal(tnd_start(s->driver, &setup), 0);
}

static void end_small(struct small *s)
{
    tenon_mmio_free(s->window);
    tenon_device_free(s->device);
    tnd_free(s->driver);
    tenon_disk_close(s->disk);
}

/* One disk hangs: that one device waits, and nobody else. */
static void item52_many_devices_pause_at_once(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct small *small = calloc(DEVICES, sizeof(*small));
    struct fake_disk *fake = fake_new(65536);

    assert_non_null(small);
    fake_hold(fake, true);
    for (unsigned i = 0; i < DEVICES; i++) {
        struct small *s = &small[i];
        make_small(s, rig, i == HUNG ? fake : NULL);
        s->r = (struct tnd_blk_request){ .type = TN_BLK_T_IN, .in = s->data, .in_bytes = 512 };
        assert_int_equal(tnd_blk_submit(s->driver, 0, &s->r), 0);
    }
    while (fake_held(fake) == 0) {
        tnd_pass(rig->driver);
    }
    for (unsigned i = 0; i < DEVICES; i++) {
        assert_int_equal(tenon_device_pause_begin(small[i].device, note, &small[i].paused), 0);
    }
    assert_true(tnd_until(rig->driver, all_but_one, small));
    assert_false(__atomic_load_n(&small[HUNG].paused, __ATOMIC_SEQ_CST));
    fake_release_all(fake);
    assert_true(tnd_until(rig->driver, all, small));
    for (unsigned i = 0; i < DEVICES; i++) {
        assert_int_equal(tenon_device_resume(small[i].device), 0);
        assert_int_equal(tnd_blk_wait(small[i].driver, 0, &small[i].r), 0);
        assert_int_equal(small[i].r.status, TN_BLK_S_OK);
        end_small(&small[i]);
    }
    fake_free(fake);
    free(small);
    rig_check_alive(rig, 0);
}

static const struct rig_case cases[] = {
    RIG_TEST(pause_and_resume_at_random_moments),
    RIG_TEST(resets_of_both_sides_at_random_moments),
    RIG_TEST_ON(item52_many_devices_pause_at_once, RIG_MMIO),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
