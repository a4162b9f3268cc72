/*
 * test_embedder.c: what the embedder hears: that a thread could not be started (item 53 of the
 * conformance list), and when the device starts and stops. And that a wait keeps its bound while
 * another thread of the embedder's is asleep in the worker's loop.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>

#include "deaf_bus.h"
#include "harness.h"
#include "no_threads.h"

enum { BOUND_MS = 5000, HUNG_MS = 60 };

/* ---- a thread that does not start: item 53 ---- */

/* What was logged, by whichever thread, also a little after the log was turned off. */
static struct {
    pthread_mutex_t lock;
    char text[1024];
} logged = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void keep_line(void *opaque, enum tenon_log_level level, const char *line)
{
    (void)opaque;
    (void)level;
    pthread_mutex_lock(&logged.lock);
    size_t have = strlen(logged.text);
    snprintf(logged.text + have, sizeof(logged.text) - have, "%s\n", line);
    pthread_mutex_unlock(&logged.lock);
}

static bool was_logged(const char *word)
{
    pthread_mutex_lock(&logged.lock);
    bool found = strstr(logged.text, word) != NULL;
    pthread_mutex_unlock(&logged.lock);
    return found;
}

/* A device that has to make its own worker, and cannot: whoever starts its queue hears of it. */
static void item53_a_worker_that_cannot_start_is_an_error(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tenon_blk_opts opts = { .size = sizeof(opts), .disk = rig->disk, .name = "alone" };
    struct tenon_ring ring = { .size = sizeof(ring), .entries = 8, .kick_fd = -1 };
    struct tenon_device *device = NULL;
    uint64_t features[2];

    ring.desc_gpa = tnd_ram_alloc_in(rig->ram, 1, 4096, 4096);
    ring.driver_gpa = ring.desc_gpa + 1024;
    ring.device_gpa = ring.desc_gpa + 2048;
    tnd_ram_fill(rig->ram, ring.desc_gpa, 0, 4096);
    assert_int_equal(tenon_blk_new(&opts, &device), 0);
    assert_int_equal(tenon_bus_attach(device, rig->mem, &deaf_bus, rig), 0);
    /* Not before features are agreed on (BASIC-12). */
    assert_int_equal(tenon_bus_queue_start(device, 0, &ring), -EINVAL);
    tenon_bus_features(device, features);
    assert_int_equal(tenon_bus_negotiate(device, features), 0);
    size_t usual = threads_forbid();
    int error = tenon_bus_queue_start(device, 0, &ring);
    threads_allow(usual);
    assert_int_equal(error, -EAGAIN);
    assert_non_null(strstr(tenon_error(), "thread"));
    assert_int_equal(tenon_bus_queue_start(device, 0, &ring), 0); /* and it is not the end */
    tenon_bus_quiet(device, NULL, NULL);
    assert_int_equal(tenon_bus_wait_quiet(device, BOUND_MS), 0);
    tenon_bus_detach(device);
    tenon_device_free(device);
}

/* The same behind registers: the driver is told, and the host's log says why. */
static void item53_behind_registers(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tenon_blk_opts opts = { .size = sizeof(opts), .disk = rig->disk, .name = "alone" };
    struct tenon_mmio_opts mmio = { .size = sizeof(mmio), .mem = rig->mem, .irq = tnd_mmio_irq };
    struct tenon_mmio *window = NULL;
    struct tenon_driver *driver = NULL;

    assert_int_equal(tnd_mmio_new(rig->ram, &driver), 0);
    mmio.opaque = driver;
    assert_int_equal(tenon_blk_new(&opts, &mmio.device), 0);
    assert_int_equal(tenon_mmio_new(&mmio, &window), 0);
    tnd_mmio_connect(driver, window);
    tenon_set_log(keep_line, NULL);
    size_t usual = threads_forbid();
    assert_int_equal(tnd_start(driver, NULL), 0);
    threads_allow(usual);
    tenon_set_log(NULL, NULL);
    assert_true(tnd_broken(driver, 0));
    assert_int_equal(tnd_config_irqs(driver), 1);
    assert_true(was_logged("alone"));
    assert_true(was_logged("thread"));
    assert_int_equal(tnd_reset(driver), 0);
    assert_int_equal(tnd_start(driver, NULL), 0);
    assert_int_equal(tnd_blk_flush(driver, 0), TN_BLK_S_OK);
    tenon_mmio_free(window);
    tenon_device_free(mmio.device);
    tnd_free(driver);
}

/* ---- what the embedder hears ---- */

struct heard {
    unsigned started, ended, stops;
    unsigned wanted; /* starts that are waited for */
};

static void hear(void *opaque, struct tenon_device *device, enum tenon_event event,
                 const char *detail)
{
    struct heard *heard = opaque;

    (void)device;
    (void)detail;
    __atomic_fetch_add(event == TENON_EVENT_STARTED ? &heard->started : &heard->ended, 1,
                       __ATOMIC_SEQ_CST);
}

static void count_stop(void *opaque, unsigned queue, uint16_t next_avail)
{
    (void)queue;
    (void)next_avail;
    __atomic_fetch_add(&((struct heard *)opaque)->stops, 1, __ATOMIC_SEQ_CST);
}

static bool is_stopped(void *opaque)
{
    return __atomic_load_n(&((struct heard *)opaque)->stops, __ATOMIC_SEQ_CST) != 0;
}

static bool is_started(void *opaque)
{
    struct heard *heard = opaque;
    return __atomic_load_n(&heard->started, __ATOMIC_SEQ_CST) == heard->wanted;
}

/* The last one that stops may be a queue whose start had to wait for the end of a pause. */
static void stopped_is_told_whatever_stops_last(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct heard heard = { 0 };
    struct tenon_blk_opts opts = { .size = sizeof(opts),
                                   .disk = rig->disk,
                                   .name = "heard",
                                   .queues = 2,
                                   .workers = rig->workers,
                                   .worker_count = 1,
                                   .event = hear,
                                   .opaque = &heard };
    struct tenon_ring ring = { .size = sizeof(ring), .entries = 8, .kick_fd = -1 };
    struct tenon_device *device = NULL;
    uint64_t features[2];

    ring.desc_gpa = tnd_ram_alloc_in(rig->ram, 1, 4096, 4096);
    ring.driver_gpa = ring.desc_gpa + 1024;
    ring.device_gpa = ring.desc_gpa + 2048;
    assert_int_equal(tenon_blk_new(&opts, &device), 0);
    assert_int_equal(tenon_bus_attach(device, rig->mem, &deaf_bus, rig), 0);
    tenon_bus_features(device, features);
    assert_int_equal(tenon_bus_negotiate(device, features), 0);
    for (unsigned round = 1; round <= 2; round++) {
        tnd_ram_fill(rig->ram, ring.desc_gpa, 0, 4096);
        heard.wanted = round;
        assert_int_equal(tenon_bus_queue_start(device, 0, &ring), 0);
        assert_true(tnd_until(rig->driver, is_started, &heard));
        assert_int_equal(tenon_device_pause(device, BOUND_MS), 0);
        assert_int_equal(tenon_bus_queue_start(device, 1, &ring), 0);
        for (unsigned queue = 0; queue < 2; queue++) {
            heard.stops = 0;
            assert_int_equal(tenon_bus_queue_stop(device, queue, false, count_stop, &heard), 0);
            assert_true(tnd_until(rig->driver, is_stopped, &heard));
        }
        assert_int_equal(tenon_device_resume(device), 0);
        assert_int_equal(tenon_bus_wait_quiet(device, BOUND_MS), 0);
        assert_int_equal(__atomic_load_n(&heard.ended, __ATOMIC_SEQ_CST), round);
    }
    tenon_bus_detach(device);
    tenon_device_free(device);
}

/* ---- the embedder's main loop is asleep, and another thread waits for the device ---- */

struct main_loop {
    struct tenon_worker *worker;
    struct tenon_post leave;
    bool over;
};

static void leave_loop(struct tenon_post *post)
{
    struct main_loop *loop =
        (struct main_loop *)(void *)((char *)post - offsetof(struct main_loop, leave));
    loop->over = true;
}

static void *run_main_loop(void *opaque)
{
    struct main_loop *loop = opaque;

    while (!loop->over) {
        tenon_worker_run(loop->worker, -1);
    }
    return NULL;
}

static bool holds_one(void *fake)
{
    return fake_held(fake) == 1;
}

static void a_wait_is_bounded_while_another_thread_sleeps_in_the_loop(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    struct main_loop loop = { .worker = rig->workers[0], .leave = { .fn = leave_loop } };
    struct tnd_blk_request read = { .type = TN_BLK_T_IN, .in_bytes = 512 };
    pthread_t thread;

    rig->driver->crank = NULL; /* this thread is a vCPU's, or the operator's */
    assert_int_equal(pthread_create(&thread, NULL, run_main_loop, &loop), 0);
    fake_hold(rig->fake, true);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &read), 0);
    assert_true(tnd_until(rig->driver, holds_one, rig->fake));

    uint64_t begin = tnd_now_ms();
    assert_int_equal(tenon_device_pause(rig->device, HUNG_MS), -ETIMEDOUT);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    tnd_mmio_set(rig->driver, TN_MMIO_STATUS, 0);
    assert_int_not_equal(tnd_mmio_get(rig->driver, TN_MMIO_STATUS), 0);
    assert_int_equal(tenon_device_reset(rig->device, HUNG_MS), -ETIMEDOUT);
    assert_true(tnd_now_ms() - begin < BOUND_MS);

    fake_release_all(rig->fake); /* and what they waited for is heard of at once */
    assert_int_equal(tenon_device_reset(rig->device, BOUND_MS), 0);
    tnd_blk_forget(rig->driver, &read);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
    tenon_worker_post(loop.worker, &loop.leave);
    pthread_join(thread, NULL);
    rig->driver->crank = rig_crank;
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(item53_a_worker_that_cannot_start_is_an_error, RIG_MMIO | RIG_THREADS | RIG_EPOLL),
    RIG_TEST_ON(item53_behind_registers, RIG_MMIO | RIG_THREADS | RIG_EPOLL),
    RIG_TEST_ON(stopped_is_told_whatever_stops_last, RIG_MMIO),
    RIG_TEST_ON(a_wait_is_bounded_while_another_thread_sleeps_in_the_loop, RIG_MMIO | RIG_INLINE),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
