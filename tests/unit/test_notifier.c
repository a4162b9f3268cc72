/*
 * test_notifier.c: eventfds and pipes as notifiers.
 */
#include "loops.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

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
    assert_int_equal(tn_notifier_drain(fds[0]), -EPIPE);
    close(fds[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(notifier_never_blocks),
        cmocka_unit_test(drain_does_not_block_on_a_blocking_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
