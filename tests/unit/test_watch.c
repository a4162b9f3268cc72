/*
 * test_watch.c: watched descriptors, over both bodies of the loop: what is reported, what is
 * refused, and removing, changing and replacing watches while events are being served.
 */
#include "bells.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "loop/parts.h"

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

static struct tn_os_ops counting_ops;
static int (*real_wait)(struct tn_os *os, uint64_t limit, struct tn_ready *ready, unsigned room);
static unsigned waits;

static int count_waits(struct tn_os *os, uint64_t limit, struct tn_ready *ready, unsigned room)
{
    waits++;
    return real_wait(os, limit, ready, room);
}

/* A silent watch whose other end is gone, an idle worker: neither may keep the processor busy. */
static void idle_worker_sleeps(void **state)
{
    int pair[2];

    begin(state);
    counting_ops = *f.worker->ops;
    real_wait = counting_ops.wait;
    counting_ops.wait = count_waits;
    f.worker->ops = &counting_ops;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    assert_int_equal(
        tenon_watch_add(f.worker, pair[0], TENON_READABLE, count_call, &f.calls[0], &f.watches[0]),
        0);
    close(pair[1]);
    assert_int_equal(tenon_watch_set(f.watches[0], 0), 0);
    waits = 0;
    assert_int_equal(tenon_worker_run(f.worker, 20), 0);
    assert_in_range(waits, 1, 3);
    tenon_watch_remove(f.watches[0]);
    close(pair[0]);
    end(0);
}

static void removing_one_watch_leaves_the_others_as_they_are(void **state)
{
    begin(state);
    open_bells(4, count_call);
    for (unsigned i = 0; i < 4; i++) {
        tn_notifier_ring(&f.bells[i]);
    }
    tenon_watch_remove(f.watches[0]);
    f.watches[0] = NULL;
    assert_int_equal(tenon_watch_set(f.watches[3], 0), 0);
    assert_int_equal(tenon_worker_run(f.worker, 0), 2);
    tenon_watch_remove(f.watches[3]);
    f.watches[3] = NULL;
    assert_int_equal(tenon_worker_run(f.worker, 0), 2);
    assert_int_equal(f.calls[0] + f.calls[3], 0);
    assert_int_equal(f.calls[1], 2);
    assert_int_equal(f.calls[2], 2);
    end(4);
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
    open_bells(BELLS, count_call);
    for (unsigned i = 0; i < BELLS; i++) {
        tn_notifier_ring(&f.bells[i]);
    }
    for (unsigned i = 0; i < 8; i++) {
        assert_true(tenon_worker_run(f.worker, 0) > 0);
    }
    for (unsigned i = 0; i < BELLS; i++) {
        assert_in_range(f.calls[i], 1, 8);
    }
    end(BELLS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(watch_is_called_while_ready),
        OVER_BOTH(watch_can_be_silenced_and_changed),
        OVER_BOTH(idle_worker_sleeps),
        OVER_BOTH(removing_one_watch_leaves_the_others_as_they_are),
        OVER_BOTH(what_cannot_be_watched_is_refused),
        OVER_BOTH(removal_in_a_callback_holds_for_what_is_ready_already),
        OVER_BOTH(silencing_in_a_callback_holds_at_once),
        OVER_BOTH(new_watch_does_not_get_the_event_of_the_old),
        OVER_BOTH(more_ready_watches_than_a_turn_serves_all_have_their_turn),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
