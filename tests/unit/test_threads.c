/*
 * test_threads.c: the pool: many operations at once, threads on demand and with names, signals left
 * to the process, taking back what no thread has begun. Also to be run under ThreadSanitizer.
 */
#include "disk_random.h"

#include <semaphore.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/resource.h>

#include "disk/body.h"

#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#elif defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

enum { BYTES = 1 << 20 };

/* A body whose operations wait to be let through. */
struct gate {
    sem_t open;
    bool barred;
    atomic_uint inside, most, runs;
    atomic_bool strange; /* a thread that is not as promised */
};

static int run(void *body, struct tenon_io *io)
{
    struct gate *gate = body;
    unsigned now = atomic_fetch_add(&gate->inside, 1) + 1;
    unsigned most = atomic_load(&gate->most);
    char name[32] = "";
    sigset_t blocked;

    while (now > most && !atomic_compare_exchange_weak(&gate->most, &most, now)) {
    }
    pthread_getname_np(pthread_self(), name, sizeof(name));
    pthread_sigmask(SIG_BLOCK, NULL, &blocked);
    if (strcmp(name, "tenon-disk") != 0 || !sigismember(&blocked, SIGTERM) ||
        sigismember(&blocked, SIGBUS)) {
        atomic_store(&gate->strange, true);
    }
    if (gate->barred) {
        while (sem_wait(&gate->open) != 0) {
        }
    }
    atomic_fetch_add(&gate->runs, 1);
    atomic_fetch_sub(&gate->inside, 1);
    return io->offset == 512 ? -EIO : 0;
}

/* What begins at a multiple of 4096 needs no waiting; 1024 is the wrong place. */
static int at_once(void *body, const struct tenon_io *io)
{
    (void)body;
    return io->offset == 1024 ? -ENXIO : io->offset % 4096 == 0 ? 0 : -EAGAIN;
}

static int info(void *body, struct tenon_disk_info *out)
{
    (void)body;
    out->bytes = BYTES;
    return 0;
}

static const struct tn_body_ops gate_ops = { .run = run, .info = info };
static const struct tn_disk_label label = { "test", "threads", "for a test" };

static struct tenon_disk *open_gate(struct gate *gate, unsigned threads, bool barred)
{
    struct tenon_disk *disk = NULL;

    memset(gate, 0, sizeof(*gate));
    gate->barred = barred;
    assert_int_equal(sem_init(&gate->open, 0, 0), 0);
    assert_int_equal(tn_threads_open(&gate_ops, gate, threads, &label, &disk), 0);
    return disk;
}

static void test_all_are_answered_once(void **state)
{
    enum { COUNT = 500 };
    struct job *jobs[COUNT];
    struct gate gate;
    struct rig rig;
    uint8_t data[512];

    (void)state;
    rig_open(&rig, open_gate(&gate, 4, false));
    for (unsigned i = 0; i < COUNT; i++) {
        jobs[i] = rig_job(&rig, TENON_IO_READ, 0, i * 512, 512, data);
        assert_int_equal(rig_submit(&rig, jobs[i]), 0);
        if (i % 7 == 0) {
            tn_channel_commit(rig.disk, rig.channel);
        }
    }
    tn_channel_commit(rig.disk, rig.channel);
    tn_channel_commit(rig.disk, rig.channel); /* nothing new: nothing happens */
    rig_wait(&rig, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        assert_int_equal(jobs[i]->result, i == 1 ? -EIO : 0);
        free(jobs[i]);
    }
    assert_int_equal(atomic_load(&gate.runs), COUNT);
    assert_true(atomic_load(&gate.most) <= 4);
    assert_false(atomic_load(&gate.strange));
    rig_close(&rig);
}

/* All threads of the pool work at once, and no more than those. */
static void test_the_pool_is_as_wide_as_asked(void **state)
{
    struct job *jobs[8];
    struct gate gate;
    struct rig rig;
    uint8_t data[512];

    (void)state;
    rig_open(&rig, open_gate(&gate, 3, true));
    for (unsigned i = 0; i < 8; i++) {
        jobs[i] = rig_job(&rig, TENON_IO_READ, 0, 4096, 512, data);
        assert_int_equal(rig_submit(&rig, jobs[i]), 0);
    }
    tn_channel_commit(rig.disk, rig.channel);
    while (atomic_load(&gate.inside) < 3) {
        assert_true(tenon_worker_run(rig.worker, 1) >= 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        sem_post(&gate.open);
    }
    rig_wait(&rig, 8);
    assert_int_equal(atomic_load(&gate.most), 3);
    for (unsigned i = 0; i < 8; i++) {
        free(jobs[i]);
    }
    rig_close(&rig);
}

/* What needs no waiting is answered on the worker; no thread hears of it. */
static void test_at_once(void **state)
{
    static const struct tn_body_ops ops = { .run = run, .info = info, .at_once = at_once };
    struct tenon_disk *disk = NULL;
    struct job *hit, *miss;
    struct gate gate;
    struct rig rig;
    uint8_t data[512];

    (void)state;
    memset(&gate, 0, sizeof(gate));
    gate.barred = true;
    assert_int_equal(sem_init(&gate.open, 0, 0), 0);
    assert_int_equal(tn_threads_open(&ops, &gate, 1, &label, &disk), 0);
    rig_open(&rig, disk);
    miss = rig_job(&rig, TENON_IO_READ, 0, 2048, 512, data);
    hit = rig_job(&rig, TENON_IO_READ, 0, 8192, 512, data);
    assert_int_equal(rig_submit(&rig, miss), 0);
    assert_int_equal(rig_submit(&rig, hit), 0);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, hit->io), -EBUSY);
    tn_channel_commit(rig.disk, rig.channel);
    rig_wait(&rig, 1);
    assert_true(hit->over);
    assert_int_equal(hit->result, 0);
    assert_int_equal(rig_read(&rig, 1024, 512, data), -ENXIO);
    assert_int_equal(atomic_load(&gate.runs), 0);
    sem_post(&gate.open);
    rig_wait(&rig, 3);
    assert_int_equal(atomic_load(&gate.runs), 1);
    free(hit);
    free(miss);
    rig_close(&rig);
}

static void test_nothing_runs_before_commit(void **state)
{
    struct gate gate;
    struct job *job;
    struct rig rig;
    uint8_t data[512];

    (void)state;
    rig_open(&rig, open_gate(&gate, 1, false));
    job = rig_job(&rig, TENON_IO_READ, 0, 0, 512, data);
    assert_int_equal(rig_submit(&rig, job), 0);
    assert_int_equal(atomic_load(&gate.runs), 0);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, job->io), 0);
    tn_channel_commit(rig.disk, rig.channel);
    assert_int_equal(rig_submit(&rig, job), 0); /* what was taken back can be handed in again */
    tn_channel_commit(rig.disk, rig.channel);
    rig_wait(&rig, 1);
    assert_int_equal(atomic_load(&gate.runs), 1);
    free(job);
    rig_close(&rig);
}

static void test_cancel(void **state)
{
    struct job *first, *second;
    struct gate gate;
    struct rig rig;
    uint8_t data[512];

    (void)state;
    rig_open(&rig, open_gate(&gate, 1, true));
    first = rig_job(&rig, TENON_IO_READ, 0, 0, 512, data);
    second = rig_job(&rig, TENON_IO_READ, 0, 4096, 512, data);
    assert_int_equal(rig_submit(&rig, first), 0);
    assert_int_equal(rig_submit(&rig, second), 0);
    tn_channel_commit(rig.disk, rig.channel);
    while (atomic_load(&gate.inside) == 0) {
        assert_true(tenon_worker_run(rig.worker, 1) >= 0);
    }
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, first->io), -EBUSY);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, second->io), 0);
    sem_post(&gate.open);
    rig_wait(&rig, 1);
    assert_true(first->over);
    assert_false(second->over);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, first->io), -EBUSY);
    rig_close(&rig);
    assert_int_equal(atomic_load(&gate.runs), 1);
    free(first);
    free(second);
}

/* Several workers, each with its channel, on one disk; opened, used and closed over and over. */
struct user {
    struct tenon_disk *disk;
    pthread_t thread;
    bool right;
};

static void *use_disk(void *opaque)
{
    struct user *user = opaque;

    user->right = true;
    for (unsigned round = 0; round < 50; round++) {
        struct rig rig = { .disk = tn_disk_get(user->disk) };
        struct job *jobs[4];
        uint8_t data[512];

        user->right &= tenon_worker_new(NULL, &rig.worker) == 0;
        user->right &= tn_channel_open(rig.disk, rig.worker, &rig.channel) == 0;
        for (unsigned i = 0; i < 4; i++) {
            jobs[i] = rig_job(&rig, TENON_IO_READ, 0, i * 4096, 512, data);
            user->right &= rig_submit(&rig, jobs[i]) == 0;
        }
        tn_channel_commit(rig.disk, rig.channel);
        while (rig.finished < 4) {
            tenon_worker_run(rig.worker, 1000);
        }
        tn_channel_close(rig.disk, rig.channel, rig_on_closed, &rig.closed);
        user->right &= rig.closed;
        tenon_worker_free(rig.worker); /* no thread of the pool may still be about to ring it */
        tenon_disk_close(rig.disk);
        for (unsigned i = 0; i < 4; i++) {
            free(jobs[i]);
        }
    }
    return NULL;
}

static void test_many_workers(void **state)
{
    struct user users[3];
    struct gate gate;
    struct tenon_disk *disk = open_gate(&gate, 4, false);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        users[i].disk = disk;
        assert_int_equal(pthread_create(&users[i].thread, NULL, use_disk, &users[i]), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(users[i].thread, NULL);
        assert_true(users[i].right);
    }
    tenon_disk_close(disk);
    assert_int_equal(atomic_load(&gate.runs), 3 * 50 * 4);
}

/* A disk that nobody uses has no threads; it can be opened where threads are not to be had. */
static void test_no_thread_before_the_first_channel(void **state)
{
    struct gate gate;
    struct tenon_disk *disk = open_gate(&gate, 64, false);

    (void)state;
    tenon_disk_close(disk);
    assert_int_equal(tn_threads_open(&gate_ops, &gate, 65, &label, &disk), -EINVAL);
}

static void test_threads_that_cannot_start(void **state)
{
    struct rlimit before, tight;
    struct tenon_worker *worker = NULL;
    struct tenon_channel *channel = NULL;
    struct gate gate;
    struct tenon_disk *disk;
    int r;

    (void)state;
    if (SANITIZED) {
        print_message("skipped: the sanitizer itself dies without address space\n");
        skip();
    }
    disk = open_gate(&gate, 64, false);
    assert_int_equal(tenon_worker_new(NULL, &worker), 0);
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    tight = before;
    tight.rlim_cur = 128 << 20; /* not enough for 64 stacks */
    assert_int_equal(setrlimit(RLIMIT_AS, &tight), 0);
    void *beyond = mmap(NULL, 256 << 20, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (beyond != MAP_FAILED) {
        print_message("skipped: address space is not limited by RLIMIT_AS (qemu-user)\n");
        skip();
    }
    r = tn_channel_open(disk, worker, &channel);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_int_equal(r, -EAGAIN);
    assert_non_null(strstr(tenon_error(), "thread"));
    assert_int_equal(tn_channel_open(disk, worker, &channel), 0); /* later it may work */
    bool closed = false;
    tn_channel_close(disk, channel, rig_on_closed, &closed);
    assert_true(closed);
    tenon_disk_close(disk);
    tenon_worker_free(worker);
}

static void test_random_operations(void **state)
{
    (void)state;
    random_operations("engine=threads,threads=3", RANDOM_MOST, 150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_answered_once),
        cmocka_unit_test(test_the_pool_is_as_wide_as_asked),
        cmocka_unit_test(test_at_once),
        cmocka_unit_test(test_nothing_runs_before_commit),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_many_workers),
        cmocka_unit_test(test_no_thread_before_the_first_channel),
        cmocka_unit_test(test_threads_that_cannot_start),
        cmocka_unit_test(test_random_operations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
