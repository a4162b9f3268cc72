/*
 * test_notice.c: the back-end's own channel, and the one message that it carries.
 */
#include "vu_rig.h"

static void give_channel(struct rig *rig, int fd)
{
    assert_int_equal(rig_tell_fds(rig, TN_VU_SET_BACKEND_REQ_FD, NULL, 0, &fd, 1), 0);
    close(fd);
}

static bool notice(int fd)
{
    const struct tn_vu_header wanted = { TN_VU_BACKEND_CONFIG_CHANGE, 1, 0 };
    struct tn_vu_header got;

    ssize_t n = read(fd, &got, sizeof(got));
    if (n <= 0) {
        return false;
    }
    assert_int_equal(n, sizeof(got));
    assert_memory_equal(&got, &wanted, sizeof(got));
    return true;
}

/* Over a socket, and over the pipe that User-mode Linux sends (VU-57, VU-89, VU-90). */
static void test_vu57_config_change(void **state)
{
    (void)state;
    for (int piped = 0; piped < 2; piped++) {
        struct rig rig;
        int ends[2];

        rig_ready(&rig);
        if (piped) {
            assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
        } else {
            assert_int_equal(
                socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
        }
        give_channel(&rig, ends[1]);
        rig_start(&rig, 0);
        assert_false(notice(ends[0]));
        rig.device.ops.config_irq(rig.device.bus);
        rig_crank(&rig);
        assert_true(notice(ends[0]));
        assert_int_equal(rig_tell(&rig, TN_VU_SET_OWNER, NULL, 0), 0);
        assert_false(notice(ends[0])); /* once */
        close(ends[0]);                /* the front-end closes it: we live without (VU-91) */
        if (!piped) {
            rig.device.ops.config_irq(rig.device.bus);
            rig_crank(&rig);
            assert_int_equal(rig.server->channel, -1);
        }
        assert_true(rig_alive(&rig));
        rig_close(&rig);
    }
}

/*
 * With all rings stopped the front-end hears nothing; what changed is told when one runs (VU-51).
 */
static void test_vu51_silent_while_suspended(void **state)
{
    struct rig rig;
    int ends[2];

    (void)state;
    rig_ready(&rig);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    give_channel(&rig, ends[1]);
    rig.device.ops.config_irq(rig.device.bus);
    rig.device.ops.config_irq(rig.device.bus);
    rig_crank(&rig);
    assert_false(notice(ends[0]));
    rig_start(&rig, 0);
    assert_true(notice(ends[0]));
    assert_false(notice(ends[0]));
    close(ends[0]);
    rig_close(&rig);
}

/* Nobody reads the channel: nothing waits, and the notice comes later. */
static void test_vu91_full_channel(void **state)
{
    struct rig rig;
    int ends[2];
    char noise[4096] = { 0 };

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    give_channel(&rig, dup(ends[1]));
    while (write(ends[1], noise, sizeof(noise)) > 0) {
    }
    rig.device.ops.config_irq(rig.device.bus);
    rig_crank(&rig);
    while (read(ends[0], noise, sizeof(noise)) > 0) {
    }
    rig_tell(&rig, TN_VU_SET_OWNER, NULL, 0);
    assert_true(notice(ends[0]));
    close(ends[0]);
    close(ends[1]);
    rig_close(&rig);
}

static void test_vu89_replaced_and_odd_channels(void **state)
{
    struct rig rig;
    int ends[2];

    (void)state;
    rig_ready(&rig);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
        give_channel(&rig, ends[1]);
        close(ends[0]);
    }
    int odd = eventfd(0, EFD_CLOEXEC);
    rig_send(&rig, TN_VU_SET_BACKEND_REQ_FD, 1, NULL, 0, &odd, 1);
    close(odd);
    rig_expect_end(&rig, "no socket");
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vu57_config_change),
        cmocka_unit_test(test_vu51_silent_while_suspended),
        cmocka_unit_test(test_vu91_full_channel),
        cmocka_unit_test(test_vu89_replaced_and_odd_channels),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
