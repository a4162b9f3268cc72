/*
 * test_loop.c: turns, watches, tasks, notifiers and the embedder's descriptor, over both bodies of
 * the loop.
 */
#include "loops.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MANY = 200 };

struct fixture {
    struct tenon_worker *worker;
    struct tn_notifier bells[MANY];
    struct tenon_watch *watches[MANY];
    unsigned calls[MANY];
    unsigned events;
    char order[16];
};

static struct fixture f;

static void begin(void **state)
{
    memset(&f, 0, sizeof(f));
    f.worker = new_worker(state);
}

static void note(char c)
{
    size_t n = strlen(f.order);

    if (n < sizeof(f.order) - 1) {
        f.order[n] = c;
    }
}

static void count_call(void *opaque, int fd, unsigned events)
{
    unsigned *calls = opaque;

    (void)fd;
    f.events = events;
    ++*calls;
}

static void open_bells(unsigned count, tenon_watch_fn *fn)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(tn_notifier_open(&f.bells[i], tn_worker_loop(f.worker)), 0);
        assert_int_equal(tenon_watch_add(f.worker, f.bells[i].read_fd, TENON_READABLE, fn,
                                         &f.calls[i], &f.watches[i]),
                         0);
    }
}

static void end(unsigned bells)
{
    for (unsigned i = 0; i < bells; i++) {
        tenon_watch_remove(f.watches[i]);
        tn_notifier_close(&f.bells[i]);
    }
    tenon_worker_free(f.worker);
}

static void watch_is_called_while_ready(void **state)
{
    begin(state);
    open_bells(2, count_call);
    assert_int_equal(tenon_worker_run(f.worker, 0), 0);
    tn_notifier_ring(&f.bells[1]);
    assert_int_equal(tenon_worker_run(f.worker, -1), 1);
    assert_int_equal(tenon_worker_run(f.worker, 0), 1); /* level-triggered */
    assert_int_equal(f.calls[0], 0);
    assert_int_equal(f.calls[1], 2);
    assert_int_equal(f.events, TENON_READABLE);
    assert_true(tn_notifier_drain(f.bells[1].read_fd));
    assert_false(tn_notifier_drain(f.bells[1].read_fd));
    assert_int_equal(tenon_worker_run(f.worker, 0), 0);
    end(2);
}

static void watch_can_be_silenced_and_changed(void **state)
{
    int pair[2];

    begin(state);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(tenon_watch_add(f.worker, pair[0], 0, count_call, &f.calls[0], &f.watches[0]),
                     0);
    assert_int_equal(tenon_worker_run(f.worker, 0), 0);
    assert_int_equal(tenon_watch_set(f.watches[0], TENON_WRITABLE), 0);
    assert_int_equal(tenon_worker_run(f.worker, 0), 1);
    assert_int_equal(f.events, TENON_WRITABLE);
    assert_int_equal(tenon_watch_set(f.watches[0], TENON_READABLE), 0);
    assert_int_equal(tenon_worker_run(f.worker, 0), 0);
    assert_int_equal(write(pair[1], "x", 1), 1);
    assert_int_equal(tenon_worker_run(f.worker, 0), 1);
    assert_int_equal(f.events, TENON_READABLE);
    close(pair[1]);
    assert_int_equal(tenon_watch_set(f.watches[0], 0), 0);
    assert_int_equal(tenon_worker_run(f.worker, 0), 0); /* not even the hang-up */
    assert_int_equal(tenon_watch_set(f.watches[0], TENON_READABLE), 0);
    assert_int_equal(tenon_worker_run(f.worker, 0), 1);
    assert_int_equal(f.events, TENON_READABLE | TENON_WRITABLE);
    tenon_watch_remove(f.watches[0]);
    assert_int_equal(tenon_worker_run(f.worker, 0), 0);
    close(pair[0]);
    end(0);
}

static void what_cannot_be_watched_is_refused(void **state)
{
    struct tenon_watch *again = NULL;
    int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    begin(state);
    open_bells(1, count_call);
    assert_int_equal(
        tenon_watch_add(f.worker, f.bells[0].read_fd, TENON_READABLE, count_call, NULL, &again),
        -EEXIST);
    assert_int_equal(tenon_watch_set(f.watches[0], 0), 0);
    assert_int_equal(
        tenon_watch_add(f.worker, f.bells[0].read_fd, TENON_READABLE, count_call, NULL, &again),
        -EEXIST);
    assert_int_equal(tenon_watch_add(f.worker, file, TENON_READABLE, count_call, NULL, &again),
                     -EPERM);
    assert_non_null(strstr(tenon_error(), "plain file"));
    assert_int_equal(tenon_watch_add(f.worker, file, 0, count_call, NULL, &again), -EPERM);
    close(file);
    assert_int_equal(tenon_watch_add(f.worker, file, TENON_READABLE, count_call, NULL, &again),
                     -EBADF);
    assert_int_equal(tenon_watch_add(f.worker, file, 4, count_call, NULL, &again), -EINVAL);
    assert_null(again);
    end(1);
}

/* All others go, and then the one that runs. */
static void remove_all(void *opaque, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    ++*(unsigned *)opaque;
    for (unsigned i = 0; i < 4; i++) {
        tenon_watch_remove(f.watches[i]);
        f.watches[i] = NULL;
    }
}

static void removal_in_a_callback_holds_for_what_is_ready_already(void **state)
{
    unsigned calls = 0;

    begin(state);
    open_bells(4, remove_all);
    for (unsigned i = 0; i < 4; i++) {
        tn_notifier_ring(&f.bells[i]);
    }
    assert_int_equal(tenon_worker_run(f.worker, 0), 1);
    assert_int_equal(tenon_worker_run(f.worker, 0), 0);
    for (unsigned i = 0; i < 4; i++) {
        calls += f.calls[i];
    }
    assert_int_equal(calls, 1);
    end(4);
}

static void silence_all(void *opaque, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    ++*(unsigned *)opaque;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(tenon_watch_set(f.watches[i], 0), 0);
    }
}

static void silencing_in_a_callback_holds_at_once(void **state)
{
    begin(state);
    open_bells(4, silence_all);
    for (unsigned i = 0; i < 4; i++) {
        tn_notifier_ring(&f.bells[i]);
    }
    assert_int_equal(tenon_worker_run(f.worker, 0), 1);
    assert_int_equal(tenon_worker_run(f.worker, 0), 0);
    end(4);
}

/* The same descriptor number, another watch: the event of the old one must not reach it. */
static void replace(void *opaque, int fd, unsigned events)
{
    (void)fd;
    (void)events;
    ++*(unsigned *)opaque;
    for (unsigned i = 0; i < 2; i++) {
        tenon_watch_remove(f.watches[i]);
        tn_notifier_drain(f.bells[i].read_fd);
        assert_int_equal(tenon_watch_add(f.worker, f.bells[i].read_fd, TENON_READABLE, count_call,
                                         &f.calls[2 + i], &f.watches[i]),
                         0);
    }
}

static void new_watch_does_not_get_the_event_of_the_old(void **state)
{
    begin(state);
    open_bells(2, replace);
    tn_notifier_ring(&f.bells[0]);
    tn_notifier_ring(&f.bells[1]);
    assert_int_equal(tenon_worker_run(f.worker, 0), 1);
    assert_int_equal(tenon_worker_run(f.worker, 0), 0);
    assert_int_equal(f.calls[2] + f.calls[3], 0);
    end(2);
}

static void more_ready_watches_than_a_turn_serves_all_have_their_turn(void **state)
{
    begin(state);
    open_bells(MANY, count_call);
    for (unsigned i = 0; i < MANY; i++) {
        tn_notifier_ring(&f.bells[i]);
    }
    for (unsigned i = 0; i < 8; i++) {
        assert_true(tenon_worker_run(f.worker, 0) > 0);
    }
    for (unsigned i = 0; i < MANY; i++) {
        assert_in_range(f.calls[i], 1, 8);
    }
    end(MANY);
}

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

static void notifier_never_blocks(void **state)
{
    enum tenon_loop kind = *(enum tenon_loop *)*state;
    struct tn_notifier bell;

    assert_int_equal(tn_notifier_open(&bell, kind), 0);
    assert_int_equal(bell.read_fd == bell.write_fd, kind == TENON_LOOP_EPOLL);
    assert_int_equal(fcntl(bell.read_fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    for (int i = 0; i < 20000; i++) { /* more than a pipe holds */
        tn_notifier_ring(&bell);
    }
    assert_int_equal(tn_notify_fd(bell.write_fd), 0);
    assert_true(tn_notifier_drain(bell.read_fd));
    assert_false(tn_notifier_drain(bell.read_fd));
    tn_notifier_close(&bell);
    tn_notifier_close(&bell);
    assert_int_equal(bell.read_fd, -1);
    assert_int_equal(tn_notify_fd(-1), -EBADF);
    assert_int_equal(tn_notifier_open(&bell, (enum tenon_loop)9), -ENOTSUP);
}

/* A front-end's kick descriptor may be in blocking mode (VU-41): what is drained must not wait for
 * more. */
static void drain_does_not_block_on_a_blocking_pipe(void **state)
{
    char bytes[512] = { 0 };
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(write(fds[1], bytes, sizeof(bytes)), sizeof(bytes));
    assert_true(tn_notifier_drain(fds[0]));
    close(fds[1]);
    assert_false(tn_notifier_drain(fds[0]));
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(watch_is_called_while_ready),
        OVER_BOTH(watch_can_be_silenced_and_changed),
        OVER_BOTH(what_cannot_be_watched_is_refused),
        OVER_BOTH(removal_in_a_callback_holds_for_what_is_ready_already),
        OVER_BOTH(silencing_in_a_callback_holds_at_once),
        OVER_BOTH(new_watch_does_not_get_the_event_of_the_old),
        OVER_BOTH(more_ready_watches_than_a_turn_serves_all_have_their_turn),
        OVER_BOTH(ready_task_that_asks_again_lets_others_run),
        OVER_BOTH(a_turn_has_its_order),
        OVER_BOTH(finish_task_that_never_ends_does_not_stop_the_loop),
        OVER_BOTH(run_within_run_is_refused),
        OVER_BOTH(workers_can_be_nested),
        OVER_BOTH(descriptor_tells_of_everything),
        OVER_BOTH(a_signal_ends_the_wait_of_an_embedder),
        OVER_BOTH(notifier_never_blocks),
        cmocka_unit_test(drain_does_not_block_on_a_blocking_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
