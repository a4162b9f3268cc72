/*
 * test_worker.c: the worker as an object: options, its thread, its name and CPUs, waiting for it;
 * over both bodies of the loop.
 */
#include "loops.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"

struct asked {
    struct tenon_post post;
    struct tenon_worker *worker;
    bool here, signals_blocked;
    char name[16];
    cpu_set_t cpus;
    atomic_bool done;
};

static void ask(struct tenon_post *post)
{
    struct asked *asked = TN_CONTAINER_OF(post, struct asked, post);
    sigset_t mask;

    asked->here = tenon_worker_here(asked->worker);
    pthread_getname_np(pthread_self(), asked->name, sizeof(asked->name));
    pthread_getaffinity_np(pthread_self(), sizeof(asked->cpus), &asked->cpus);
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    asked->signals_blocked =
        sigismember(&mask, SIGTERM) && sigismember(&mask, SIGPIPE) && !sigismember(&mask, SIGBUS);
    atomic_store(&asked->done, true);
}

static bool is_done(void *opaque)
{
    return atomic_load((atomic_bool *)opaque);
}

static void ask_worker(struct tenon_worker *worker, struct asked *asked)
{
    memset(asked, 0, sizeof(*asked));
    asked->post.fn = ask;
    asked->worker = worker;
    tenon_worker_post(worker, &asked->post);
    assert_true(tn_worker_wait(worker, is_done, &asked->done, 60000));
}

static void options_are_checked(void **state)
{
    struct tenon_worker_opts opts = { .size = sizeof(opts), .loop = (enum tenon_loop)7 };
    struct tenon_worker *worker = NULL;
    int none = 1000000, negative = -1;

    (void)state;
    assert_int_equal(tenon_worker_new(&opts, &worker), -ENOTSUP);
    opts.loop = TENON_LOOP_AUTO;
    opts.cpu_count = 1;
    assert_int_equal(tenon_worker_new(&opts, &worker), -EINVAL);
    opts.cpus = &none;
    assert_int_equal(tenon_worker_new(&opts, &worker), -EINVAL);
    assert_non_null(strstr(tenon_error(), "CPU 1000000 does not exist"));
    opts.cpus = &negative;
    assert_int_equal(tenon_worker_new(&opts, &worker), -EINVAL);
    opts.size = 0;
    assert_int_equal(tenon_worker_new(&opts, &worker), -EINVAL);
    assert_null(worker);
    tenon_worker_free(NULL);

    assert_int_equal(tenon_worker_new(NULL, &worker), 0);
    assert_string_equal(tenon_worker_name(worker), "tenon");
    assert_int_not_equal(tn_worker_loop(worker), TENON_LOOP_AUTO);
    tenon_worker_free(worker);
}

static int a_cpu_of_ours(void)
{
    cpu_set_t set;

    assert_int_equal(sched_getaffinity(0, sizeof(set), &set), 0);
    for (int cpu = CPU_SETSIZE - 1; cpu >= 0; cpu--) {
        if (CPU_ISSET((size_t)cpu, &set)) {
            return cpu;
        }
    }
    return 0;
}

static void thread_is_named_bound_and_deaf_to_signals(void **state)
{
    int cpu = a_cpu_of_ours();
    struct tenon_worker_opts opts = { .size = sizeof(opts),
                                      .name = "a name that is too long",
                                      .cpus = &cpu,
                                      .cpu_count = 1,
                                      .loop = *(enum tenon_loop *)*state };
    struct tenon_worker *worker;
    struct asked asked;
    int none = 1000000;

    assert_int_equal(tenon_worker_new(&opts, &worker), 0);
    assert_false(tn_worker_has_thread(worker));
    assert_int_equal(tenon_worker_start(worker), 0);
    assert_true(tn_worker_has_thread(worker));
    assert_int_equal(tenon_worker_start(worker), -EALREADY);
    assert_int_equal(tenon_worker_run(worker, 0), -EBUSY);
    assert_int_equal(tenon_worker_fd(worker), -EBUSY);
    ask_worker(worker, &asked);
    assert_true(asked.here);
    assert_true(asked.signals_blocked);
    assert_string_equal(asked.name, "a name that is ");
    assert_int_equal(CPU_COUNT(&asked.cpus), 1);
    assert_true(CPU_ISSET((size_t)cpu, &asked.cpus));
    assert_false(tenon_worker_here(worker));

    assert_int_equal(tenon_worker_pin(worker, &none, 1), -EINVAL);
    assert_int_equal(tenon_worker_pin(worker, NULL, 1), -EINVAL);
    assert_int_equal(tenon_worker_pin(worker, NULL, 0), 0);
    ask_worker(worker, &asked);
    assert_true(CPU_COUNT(&asked.cpus) >= 1);
    assert_int_equal(tenon_worker_cpus(worker, &none, 1), 0);
    assert_int_equal(none, 1000000);
    assert_int_equal(tenon_worker_pin(worker, &cpu, 1), 0);
    ask_worker(worker, &asked);
    assert_int_equal(CPU_COUNT(&asked.cpus), 1);
    assert_int_equal(tenon_worker_cpus(worker, NULL, 0), 1);
    assert_int_equal(tenon_worker_cpus(worker, &none, 1), 1);
    assert_int_equal(none, cpu);
    tenon_worker_free(worker);
}

static void pinning_before_the_start_holds(void **state)
{
    struct tenon_worker *worker = new_worker(state);
    int cpu = a_cpu_of_ours();
    struct asked asked;

    assert_int_equal(tenon_worker_pin(worker, &cpu, 1), 0);
    assert_int_equal(tenon_worker_start(worker), 0);
    ask_worker(worker, &asked);
    assert_int_equal(CPU_COUNT(&asked.cpus), 1);
    assert_true(CPU_ISSET((size_t)cpu, &asked.cpus));
    tenon_worker_free(worker);
}

static void waiting_turns_the_crank_where_there_is_no_thread(void **state)
{
    struct tenon_worker *worker = new_worker(state);
    atomic_bool never = false;
    struct asked asked;

    ask_worker(worker, &asked);
    assert_true(asked.here);
    assert_false(tn_worker_wait(worker, is_done, &never, 0));
    assert_false(tn_worker_wait(worker, is_done, &never, 5));
    assert_int_equal(tenon_worker_start(worker), 0);
    assert_false(tn_worker_wait(worker, is_done, &never, 5));
    tenon_worker_free(worker);
}

static void *say_done(void *opaque)
{
    usleep(5000);
    atomic_store((atomic_bool *)opaque, true);
    return NULL;
}

/* What is waited for may be done by a thread that does not know the worker. */
static void waiting_sees_what_others_do(void **state)
{
    for (int started = 0; started < 2; started++) {
        struct tenon_worker *worker = new_worker(state);
        atomic_bool done = false;
        pthread_t thread;

        if (started) {
            assert_int_equal(tenon_worker_start(worker), 0);
        }
        assert_int_equal(pthread_create(&thread, NULL, say_done, &done), 0);
        assert_true(tn_worker_wait(worker, is_done, &done, 60000));
        assert_int_equal(pthread_join(thread, NULL), 0);
        tenon_worker_free(worker);
    }
}

static atomic_bool leave;

static void *keep_running(void *worker)
{
    while (!atomic_load(&leave)) {
        tenon_worker_run(worker, -1);
    }
    return NULL;
}

static void say_leave(struct tenon_post *post)
{
    (void)post;
    atomic_store(&leave, true);
}

/* The embedder's loop sleeps in tenon_worker_run on another thread: that one does the work. */
static void waiting_works_while_another_thread_runs_the_loop(void **state)
{
    struct tenon_worker *worker = new_worker(state);
    struct tenon_post stop = { .fn = say_leave };
    struct asked asked;
    pthread_t thread;

    atomic_store(&leave, false);
    assert_int_equal(pthread_create(&thread, NULL, keep_running, worker), 0);
    for (int i = 0; i < 100; i++) {
        ask_worker(worker, &asked);
        assert_true(asked.here);
    }
    tenon_worker_post(worker, &stop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    tenon_worker_free(worker);
}

static atomic_uint inside;
static atomic_bool met;

static void one_at_a_time(void *opaque, int fd, unsigned events)
{
    (void)opaque;
    (void)events;
    tn_notifier_drain(fd);
    if (atomic_fetch_add(&inside, 1) != 0) {
        atomic_store(&met, true);
    }
    usleep(100);
    atomic_fetch_sub(&inside, 1);
}

static void *run_often(void *worker)
{
    for (int i = 0; i < 200; i++) {
        assert_true(tenon_worker_run(worker, 0) >= 0);
    }
    return NULL;
}

static void two_runners_take_turns(void **state)
{
    struct tenon_worker *worker = new_worker(state);
    struct tenon_watch *watch;
    struct tn_notifier bell;
    pthread_t thread;

    assert_int_equal(tn_notifier_open(&bell, TENON_LOOP_AUTO), 0);
    assert_int_equal(
        tenon_watch_add(worker, bell.read_fd, TENON_READABLE, one_at_a_time, NULL, &watch), 0);
    assert_int_equal(pthread_create(&thread, NULL, run_often, worker), 0);
    for (int i = 0; i < 200; i++) {
        tn_notifier_ring(&bell);
        assert_true(tenon_worker_run(worker, 0) >= 0);
    }
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(atomic_load(&met));
    tenon_watch_remove(watch);
    tn_notifier_close(&bell);
    tenon_worker_free(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),
        OVER_BOTH(thread_is_named_bound_and_deaf_to_signals),
        OVER_BOTH(pinning_before_the_start_holds),
        OVER_BOTH(waiting_turns_the_crank_where_there_is_no_thread),
        OVER_BOTH(waiting_sees_what_others_do),
        OVER_BOTH(waiting_works_while_another_thread_runs_the_loop),
        OVER_BOTH(two_runners_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
