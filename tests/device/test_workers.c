/*
 * test_workers.c: which worker serves which queue: an array that says it, or workers that the
 * device makes for itself, bound to CPUs; and that a queue which is stuck on one worker delays no
 * queue of another.
 */
#include <errno.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>

#include "harness.h"

enum { QUEUES = 4, BOUND_MS = 20000 };

/* A device of the test's own, beside that of the rig: on its memory, behind registers. */
struct second {
    struct rig *rig;
    struct tenon_device *device;
    struct tenon_mmio *window;
    struct tenon_driver *driver;
};

static void connect_second(struct second *second)
{
    struct tenon_mmio_opts opts = {
        .size = sizeof(opts), .device = second->device, .mem = second->rig->mem, .irq = tnd_mmio_irq
    };

    assert_int_equal(tnd_mmio_new(second->rig->ram, &second->driver), 0);
    opts.opaque = second->driver;
    assert_int_equal(tenon_mmio_new(&opts, &second->window), 0);
    tnd_mmio_connect(second->driver, second->window);
}

static void make_second(struct second *second, void **state, struct tenon_blk_opts *blk)
{
    second->rig = rig_new(state, NULL);
    blk->size = sizeof(*blk);
    blk->name = "second";
    blk->disk = blk->disk ? blk->disk : second->rig->disk;
    blk->queues = QUEUES;
    blk->loop = second->rig->poll_loop ? TENON_LOOP_POLL : TENON_LOOP_EPOLL;
    assert_int_equal(tenon_blk_new(blk, &second->device), 0);
    connect_second(second);
}

static void disconnect_second(struct second *second)
{
    tenon_mmio_free(second->window);
    tnd_free(second->driver);
}

static void free_second(struct second *second)
{
    disconnect_second(second);
    tenon_device_free(second->device);
}

static void start_second(struct second *second)
{
    const struct tnd_setup setup = { .queues = QUEUES };

    assert_int_equal(tnd_start(second->driver, &setup), 0);
}

static struct tenon_worker *worker_of(struct second *second, unsigned queue)
{
    return tenon_bus_queue_worker(second->device, queue);
}

/* ---- any mapping ---- */

static unsigned crank_all(void *opaque)
{
    struct tenon_worker **workers = opaque;
    unsigned done = 0;

    for (unsigned i = 0; i < 3; i++) {
        int n = tenon_worker_run(workers[i], 0);
        done += n > 0 ? (unsigned)n : 0;
    }
    return done;
}

/* A worker that is listed for several queues; and no queue moves unless its own worker does. */
static void an_array_is_any_mapping(void **state)
{
    static const unsigned map[QUEUES] = { 0, 2, 0, 1 };
    struct tenon_worker *made[3], *workers[QUEUES];
    struct tenon_blk_opts blk = { .workers = workers, .worker_count = QUEUES };
    struct second second;
    uint8_t sector[512];

    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tenon_worker_new(NULL, &made[i]), 0);
    }
    for (unsigned q = 0; q < QUEUES; q++) {
        workers[q] = made[map[q]];
    }
    make_second(&second, state, &blk);
    memset(workers, 0, sizeof(workers)); /* it was copied */
    second.driver->crank = crank_all;
    second.driver->crank_opaque = made;
    start_second(&second);
    for (unsigned q = 0; q < QUEUES; q++) {
        struct tnd_blk_request request = { .in = sector, .in_bytes = sizeof(sector) };

        assert_ptr_equal(worker_of(&second, q), made[map[q]]);
        tnd_settle(second.driver, 0);
        assert_int_equal(tnd_blk_submit(second.driver, q, &request), 0);
        for (unsigned i = 0; i < 3; i++) {
            while (i != map[q] && tenon_worker_run(made[i], 0) > 0) {
            }
        }
        assert_int_equal(tnd_blk_reap(second.driver, q), 0);
        while (tenon_worker_run(made[map[q]], 0) > 0) {
        }
        assert_int_equal(tnd_blk_reap(second.driver, q), 1);
        assert_int_equal(request.status, TN_BLK_S_OK);
    }
    free_second(&second);
    for (unsigned i = 0; i < 3; i++) {
        tenon_worker_free(made[i]);
    }
}

/* ---- its own workers ---- */

static int a_cpu_of_ours(void)
{
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET((size_t)cpu, &set)) {
            return cpu;
        }
    }
    return 0;
}

static void check_alive(struct second *second)
{
    uint8_t sector[512] = { 0 };

    for (unsigned q = 0; q < QUEUES; q++) {
        assert_int_equal(tnd_blk_read(second->driver, q, q, sector, sizeof(sector)), TN_BLK_S_OK);
    }
}

/* As many as were asked for, each with its queues; gone with the transport, and made anew. */
static void own_workers_live_while_they_are_needed(void **state)
{
    struct tenon_blk_opts blk = { .own_workers = 3 };
    struct second second;

    make_second(&second, state, &blk);
    for (unsigned time = 0; time < 2; time++) {
        assert_null(worker_of(&second, 0));
        start_second(&second);
        check_alive(&second);
        for (unsigned q = 0; q < QUEUES; q++) {
            char name[32];

            snprintf(name, sizeof(name), "second/%u", q % 3);
            assert_string_equal(tenon_worker_name(worker_of(&second, q)), name);
            assert_int_equal(tenon_worker_cpus(worker_of(&second, q), NULL, 0), 0);
        }
        assert_ptr_equal(worker_of(&second, 0), worker_of(&second, 3));
        assert_ptr_not_equal(worker_of(&second, 0), worker_of(&second, 1));
        assert_ptr_not_equal(worker_of(&second, 1), worker_of(&second, 2));
        disconnect_second(&second);
        assert_null(worker_of(&second, 0));
        connect_second(&second);
    }
    free_second(&second);
}

/* They also end when the driver has gone, which may come back, and not before. */
static void own_workers_end_when_nobody_drives_the_device(void **state)
{
    struct tenon_blk_opts blk = { .own_workers = 2 };
    struct second second;

    make_second(&second, state, &blk);
    tenon_bus_rest(second.device);
    start_second(&second);
    struct tenon_worker *first = worker_of(&second, 0);
    tenon_bus_rest(second.device);
    assert_ptr_equal(worker_of(&second, 0), first);
    check_alive(&second);
    assert_int_equal(tnd_reset(second.driver), 0);
    tenon_bus_rest(second.device);
    assert_null(worker_of(&second, 0));
    assert_null(worker_of(&second, 1));
    start_second(&second);
    check_alive(&second);
    free_second(&second);
}

static void one_own_worker_has_the_name_of_the_device(void **state)
{
    struct tenon_blk_opts blk = { 0 };
    struct second second;

    make_second(&second, state, &blk);
    start_second(&second);
    check_alive(&second);
    for (unsigned q = 0; q < QUEUES; q++) {
        assert_ptr_equal(worker_of(&second, q), worker_of(&second, 0));
    }
    assert_string_equal(tenon_worker_name(worker_of(&second, 0)), "second");
    free_second(&second);
}

/* As many CPUs as workers: one for each, in their order. Else all of them for each. */
static void own_workers_are_bound(void **state)
{
    int cpu = a_cpu_of_ours(), found[4];
    int twice[2] = { cpu, cpu };
    struct tenon_blk_opts blk = { .own_workers = 2, .cpus = twice, .cpu_count = 2 };
    struct second second;

    make_second(&second, state, &blk);
    twice[0] = twice[1] = -7; /* they were copied */
    start_second(&second);
    check_alive(&second);
    for (unsigned q = 0; q < QUEUES; q++) {
        assert_int_equal(tenon_worker_cpus(worker_of(&second, q), found, 4), 1);
        assert_int_equal(found[0], cpu);
    }
    free_second(&second);
    rig_end(state);

    twice[0] = twice[1] = cpu;
    blk = (struct tenon_blk_opts){ .own_workers = 1, .cpus = twice, .cpu_count = 2 };
    make_second(&second, state, &blk);
    start_second(&second);
    check_alive(&second);
    assert_int_equal(tenon_worker_cpus(worker_of(&second, 0), found, 1), 2);
    free_second(&second);
}

static void refuse(struct rig *rig, struct tenon_blk_opts blk, const char *word)
{
    struct tenon_device *device = NULL;

    blk.size = sizeof(blk);
    blk.disk = rig->disk;
    blk.queues = 2;
    assert_int_equal(tenon_blk_new(&blk, &device), -EINVAL);
    assert_non_null(strstr(tenon_error(), word));
    assert_null(device);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    int none = 100000, ours = a_cpu_of_ours();

    refuse(rig, (struct tenon_blk_opts){ .own_workers = 3 }, "3 workers are more than its queues");
    refuse(rig, (struct tenon_blk_opts){ .cpus = &none, .cpu_count = 1 },
           "CPU 100000 does not exist");
    refuse(rig, (struct tenon_blk_opts){ .cpu_count = 1 }, "cpus is NULL");
    refuse(rig, (struct tenon_blk_opts){ .worker_count = 1 }, "no workers were given");
    refuse(rig,
           (struct tenon_blk_opts){ .workers = rig->workers, .worker_count = 1, .own_workers = 1 },
           "workers were given");
    refuse(rig,
           (struct tenon_blk_opts){
               .workers = rig->workers, .worker_count = 1, .cpus = &ours, .cpu_count = 1 },
           "tenon_worker_pin");
}

/* ---- one that is stuck ---- */

/* A disk whose call does not come back on the worker where it is told so. */
struct sticky {
    struct tenon_worker *stuck; /* atomic */
    bool is_stuck;              /* atomic */
    sem_t go_on;
};

struct tenon_channel {
    struct sticky *disk;
    struct tenon_worker *worker;
};

static int sticky_open(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    struct tenon_channel *channel = calloc(1, sizeof(*channel));

    channel->disk = disk;
    channel->worker = worker;
    *out = channel;
    return 0;
}

static int sticky_submit(struct tenon_channel *channel, struct tenon_io *io)
{
    struct sticky *disk = channel->disk;

    if (__atomic_load_n(&disk->stuck, __ATOMIC_SEQ_CST) == channel->worker) {
        __atomic_store_n(&disk->is_stuck, true, __ATOMIC_SEQ_CST);
        while (sem_wait(&disk->go_on) < 0) {
        }
    }
    tenon_io_done(io, 0);
    return 0;
}

static void sticky_close(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    free(channel);
    done(opaque);
}

static int sticky_info(void *disk, struct tenon_disk_info *info)
{
    (void)disk;
    info->bytes = 1 << 20;
    return 0;
}

static bool is_stuck(void *opaque)
{
    return __atomic_load_n((bool *)opaque, __ATOMIC_SEQ_CST);
}

/*
 * While a worker hangs in a call of its disk, for as long as it likes, the queues of the other one
 * are served, start and stop; and counters are read.
 */
static void a_stuck_queue_delays_no_other_worker(void **state)
{
    const struct tenon_disk_ops ops = { .size = sizeof(ops),
                                        .open = sticky_open,
                                        .submit = sticky_submit,
                                        .close = sticky_close,
                                        .info = sticky_info };
    struct sticky disk = { .stuck = NULL };
    struct tenon_blk_opts blk = { .own_workers = 2 };
    struct tnd_blk_request waits = { .type = TN_BLK_T_IN, .in_bytes = 512 };
    struct second second;
    uint8_t sector[512];

    assert_int_equal(sem_init(&disk.go_on, 0, 0), 0);
    assert_int_equal(tenon_disk_open_custom(&ops, &disk, &blk.disk), 0);
    make_second(&second, state, &blk);
    start_second(&second);
    check_alive(&second);
    __atomic_store_n(&disk.stuck, worker_of(&second, 0), __ATOMIC_SEQ_CST);
    assert_int_equal(tnd_blk_submit(second.driver, 0, &waits), 0);
    assert_true(tnd_until(second.driver, is_stuck, &disk.is_stuck));
    for (unsigned i = 0; i < 500; i++) {
        unsigned queue = i % 2 ? 1 : 3;
        assert_int_equal(tnd_blk_read(second.driver, queue, i, sector, 512), TN_BLK_S_OK);
    }
    assert_int_equal(tnd_queue_restart(second.driver, 3), 0);
    assert_int_equal(tnd_blk_read(second.driver, 3, 1, sector, 512), TN_BLK_S_OK);
    tnd_blk_reap(second.driver, 0);
    assert_false(waits.done);

    __atomic_store_n(&disk.stuck, NULL, __ATOMIC_SEQ_CST);
    sem_post(&disk.go_on);
    assert_int_equal(tnd_blk_wait(second.driver, 0, &waits), 0);
    free_second(&second);
    tenon_disk_close(blk.disk);
    sem_destroy(&disk.go_on);
}

/* The rig lends its memory; its own engine makes no difference here. */
static const struct rig_case cases[] = {
    RIG_TEST_ON(an_array_is_any_mapping, RIG_MMIO | RIG_INLINE),
    RIG_TEST_ON(own_workers_live_while_they_are_needed, RIG_MMIO | RIG_THREADS),
    RIG_TEST_ON(own_workers_end_when_nobody_drives_the_device, RIG_MMIO | RIG_THREADS),
    RIG_TEST_ON(one_own_worker_has_the_name_of_the_device, RIG_MMIO | RIG_THREADS),
    RIG_TEST_ON(own_workers_are_bound, RIG_MMIO | RIG_THREADS),
    RIG_TEST_ON(what_does_not_fit_is_refused, RIG_MMIO | RIG_THREADS),
    RIG_TEST_ON(a_stuck_queue_delays_no_other_worker, RIG_MMIO | RIG_THREADS),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
