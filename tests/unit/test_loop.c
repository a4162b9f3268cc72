/*
 * test_loop.c: turns, tasks, nesting and the embedder's descriptor, over both bodies of
 * the loop.
 */
#include "bells.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static struct tn_task first, second;
static unsigned slices;

static void again_and_again(struct tn_task *task)
{
    slices++;
    tn_task_ready(f.worker, task);
}

static void drain(void *opaque, int fd, unsigned events)
{
    (void)events;
    tn_notifier_drain(fd);
    ++*(unsigned *)opaque;
}

static void ready_task_that_asks_again_lets_others_run(void **state)
{
    begin(state);
    open_bells(1, drain);
    slices = 0;
    tn_task_init(&first, again_and_again);
    tn_task_init(&second, again_and_again);
    tn_task_ready(f.worker, &first);
    tn_task_ready(f.worker, &first);
    tn_task_ready(f.worker, &second);
    assert_int_equal(tenon_worker_run(f.worker, -1), 2);
    tn_notifier_ring(&f.bells[0]);
    assert_int_equal(tenon_worker_run(f.worker, -1), 3);
    assert_int_equal(f.calls[0], 1);
    assert_int_equal(slices, 4);
    tn_task_cancel(&first);
    tn_task_cancel(&first);
    assert_int_equal(tenon_worker_run(f.worker, -1), 1);
    tn_task_cancel(&second);
    assert_int_equal(tenon_worker_run(f.worker, 0), 0);
    end(1);
}

static void note_finish(struct tn_task *task)
{
    (void)task;
    note('f');
}

static void finish_then_second(struct tn_task *task)
{
    (void)task;
    note('F');
    tn_task_finish(f.worker, &second);
}

static void note_ready(struct tn_task *task)
{
    (void)task;
    note('r');
    tn_task_finish(f.worker, &first);
    tn_task_finish(f.worker, &first);
}

static void note_post(struct tenon_post *post)
{
    (void)post;
    note('p');
}

static void note_timer(void *opaque)
{
    (void)opaque;
    note('t');
}

static struct tn_task ready;
static struct tenon_post post = { .fn = note_post };

static void note_watch(void *opaque, int fd, unsigned events)
{
    drain(opaque, fd, events);
    note('w');
    tn_task_ready(f.worker, &ready);
    tenon_worker_post(f.worker, &post);
}

static void a_turn_has_its_order(void **state)
{
    struct tenon_timer *timer;

    begin(state);
    tn_task_init(&first, finish_then_second);
    tn_task_init(&second, note_finish);
    tn_task_init(&ready, note_ready);
    open_bells(1, note_watch);
    assert_int_equal(tenon_timer_new(f.worker, note_timer, NULL, &timer), 0);
    tenon_timer_set(timer, 1);
    tn_notifier_ring(&f.bells[0]);
    assert_int_equal(tenon_worker_run(f.worker, -1), 4);
    assert_string_equal(f.order, "twprFf");
    tenon_timer_free(timer);
    end(1);
}

static void finish_for_ever(struct tn_task *task)
{
    slices++;
    tn_task_finish(f.worker, task);
}

static void finish_task_that_never_ends_does_not_stop_the_loop(void **state)
{
    begin(state);
    open_bells(1, drain);
    slices = 0;
    tn_task_init(&first, finish_for_ever);
    tn_task_finish(f.worker, &first);
    tn_notifier_ring(&f.bells[0]);
    assert_int_equal(tenon_worker_run(f.worker, -1), 1);
    assert_true(slices >= 1);
    tn_task_cancel(&first);
    end(1);
}

static void run_from_a_callback(void *opaque, int fd, unsigned events)
{
    drain(opaque, fd, events);
    assert_true(tenon_worker_here(f.worker));
    assert_int_equal(tenon_worker_run(f.worker, 0), -EDEADLK);
}

static void run_within_run_is_refused(void **state)
{
    begin(state);
    open_bells(1, run_from_a_callback);
    tn_notifier_ring(&f.bells[0]);
    assert_false(tenon_worker_here(f.worker));
    assert_int_equal(tenon_worker_run(f.worker, 0), 1);
    assert_int_equal(f.calls[0], 1);
    assert_false(tenon_worker_here(f.worker));
    end(1);
}

/* A worker that is run from within a callback of another: both are "here", and what is posted to
 * the outer one is kept. */
static void post_to_outer(void *opaque, int fd, unsigned events)
{
    struct tenon_worker *outer = *(struct tenon_worker **)opaque;

    (void)events;
    tn_notifier_drain(fd);
    assert_true(tenon_worker_here(outer));
    tenon_worker_post(outer, &post);
}

static void run_inner(void *opaque, int fd, unsigned events)
{
    (void)events;
    tn_notifier_drain(fd);
    assert_int_equal(tenon_worker_run(opaque, 0), 1);
}

static void workers_can_be_nested(void **state)
{
    struct tenon_worker *inner;
    struct tenon_watch *watches[2];

    begin(state);
    inner = new_worker(state);
    assert_int_equal(tn_notifier_open(&f.bells[0], TENON_LOOP_AUTO), 0);
    assert_int_equal(tn_notifier_open(&f.bells[1], TENON_LOOP_POLL), 0);
    assert_int_equal(tenon_watch_add(f.worker, f.bells[0].read_fd, TENON_READABLE, run_inner, inner,
                                     &watches[0]),
                     0);
    assert_int_equal(tenon_watch_add(inner, f.bells[1].read_fd, TENON_READABLE, post_to_outer,
                                     &f.worker, &watches[1]),
                     0);
    tn_notifier_ring(&f.bells[0]);
    tn_notifier_ring(&f.bells[1]);
    assert_int_equal(tenon_worker_run(f.worker, -1), 2);
    assert_string_equal(f.order, "p");
    tenon_watch_remove(watches[0]);
    tenon_watch_remove(watches[1]);
    tn_notifier_close(&f.bells[0]);
    tn_notifier_close(&f.bells[1]);
    tenon_worker_free(inner);
    end(0);
}

static bool readable(int fd, int timeout_ms)
{
    struct pollfd at = { .fd = fd, .events = POLLIN };

    return poll(&at, 1, timeout_ms) == 1;
}

static void *post_elsewhere(void *worker)
{
    tenon_worker_post(worker, &post);
    return NULL;
}

/* Only what has something to do is readable, and it stays so until it was done. */
static void descriptor_tells_of_everything(void **state)
{
    struct tenon_timer *timer;
    pthread_t thread;
    int fd;

    begin(state);
    fd = tenon_worker_fd(f.worker);
    if (tn_worker_loop(f.worker) == TENON_LOOP_POLL) {
        assert_int_equal(fd, -ENOTSUP);
        end(0);
        return;
    }
    assert_true(fd >= 0);
    assert_int_equal(tenon_worker_fd(f.worker), fd);
    assert_false(readable(fd, 0));

    open_bells(1, drain);
    tn_notifier_ring(&f.bells[0]);
    assert_true(readable(fd, 0));
    assert_int_equal(tenon_worker_run(f.worker, 0), 1);
    assert_false(readable(fd, 0));

    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&thread, NULL, post_elsewhere, f.worker), 0);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(readable(fd, 0));
        assert_true(readable(fd, 0));
        assert_int_equal(tenon_worker_run(f.worker, 0), 1);
        assert_false(readable(fd, 0));
    }

    assert_int_equal(tenon_timer_new(f.worker, note_timer, NULL, &timer), 0);
    for (int i = 0; i < 3; i++) {
        memset(f.order, 0, sizeof(f.order));
        tenon_timer_set(timer, tenon_now() + 3000000);
        assert_int_equal(tenon_worker_run(f.worker, 0), 0);
        assert_true(readable(fd, 10000));
        assert_true(tenon_worker_run(f.worker, 0) >= 1);
        assert_string_equal(f.order, "t");
        assert_false(readable(fd, 0));
    }
    tenon_timer_set(timer, 0); /* outside of the loop, and passed already */
    assert_true(readable(fd, 10000));
    assert_int_equal(tenon_worker_run(f.worker, 0), 1);

    slices = 0;
    tn_task_init(&first, again_and_again);
    tn_task_ready(f.worker, &first);
    for (int i = 0; i < 3; i++) {
        assert_true(readable(fd, 0));
        assert_int_equal(tenon_worker_run(f.worker, 0), 1);
    }
    tn_task_cancel(&first);
    assert_int_equal(tenon_worker_run(f.worker, 0), 0);
    assert_false(readable(fd, 0));
    tenon_timer_free(timer);
    end(1);
}

static void no_op(int signal)
{
    (void)signal;
}

static void *interrupt(void *thread)
{
    usleep(20000);
    pthread_kill(*(pthread_t *)thread, SIGUSR1);
    return NULL;
}

static void a_signal_ends_the_wait_of_an_embedder(void **state)
{
    struct sigaction action = { .sa_handler = no_op };
    pthread_t self = pthread_self(), other;

    begin(state);
    assert_int_equal(sigaction(SIGUSR1, &action, NULL), 0);
    assert_int_equal(pthread_create(&other, NULL, interrupt, &self), 0);
    assert_int_equal(tenon_worker_run(f.worker, 60000), 0);
    assert_int_equal(pthread_join(other, NULL), 0);
    end(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(ready_task_that_asks_again_lets_others_run),
        OVER_BOTH(a_turn_has_its_order),
        OVER_BOTH(finish_task_that_never_ends_does_not_stop_the_loop),
        OVER_BOTH(run_within_run_is_refused),
        OVER_BOTH(workers_can_be_nested),
        OVER_BOTH(descriptor_tells_of_everything),
        OVER_BOTH(a_signal_ends_the_wait_of_an_embedder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
