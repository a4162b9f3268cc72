/*
 * test_reset.c: the device status, and making the device as new.
 */
#include "vu_rig.h"

static void test_vu60_status_shows_the_decision(void **state)
{
    struct rig rig;
    const uint64_t all = TN_STATUS_ACKNOWLEDGE | TN_STATUS_DRIVER | TN_STATUS_FEATURES_OK;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    assert_int_equal(rig_ask(&rig, TN_VU_GET_STATUS, NULL, 0), 0);
    rig.device.refuse_features = true;
    uint64_t features = rig_ask(&rig, TN_VU_GET_FEATURES, NULL, 0);
    assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_FEATURES, features), 1);
    assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_STATUS, all), 0);
    assert_int_equal(rig_ask(&rig, TN_VU_GET_STATUS, NULL, 0), all & ~TN_STATUS_FEATURES_OK);
    rig.device.refuse_features = false;
    rig_features(&rig);
    assert_int_equal(rig_ask(&rig, TN_VU_GET_STATUS, NULL, 0), all);
    /* the driver cannot set it */
    assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_STATUS, all | TN_STATUS_NEEDS_RESET), 0);
    assert_int_equal(rig_ask(&rig, TN_VU_GET_STATUS, NULL, 0), all);
    rig_memory(&rig);
    rig_start(&rig, 0);
    rig.device.ops.broken(rig.device.bus, 0, "a test");
    rig_crank(&rig);
    assert_int_equal(rig_ask(&rig, TN_VU_GET_STATUS, NULL, 0), all | TN_STATUS_NEEDS_RESET);
    rig_close(&rig);
}

static void reset_by(struct rig *rig, bool by_status)
{
    if (by_status) {
        assert_int_equal(rig_tell_u64(rig, TN_VU_SET_STATUS, 0), 0);
    } else {
        assert_int_equal(rig_tell(rig, TN_VU_RESET_DEVICE, NULL, 0), 0);
    }
}

/* The connection, its memory, and the call descriptor survive; the rings do not (VU-58, VU-59). */
static void test_vu58_reset(void **state)
{
    (void)state;
    for (int by_status = 0; by_status < 2; by_status++) {
        struct rig rig;
        int call = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

        rig_ready(&rig);
        rig_start(&rig, 1);
        assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_CALL, 1, dup(call)), 0);
        rig_crank(&rig);
        reset_by(&rig, by_status == 1);
        assert_int_equal(rig.device.quiets, 1);
        assert_false(rig.server->rings[1].enabled);
        assert_false(rig.server->rings[1].started);
        assert_int_equal(rig.server->memory.count, 1);
        assert_true(rig.server->rings[1].call >=
                    0); /* closing it would be EOF for a pipe's reader */
        assert_int_equal(rig_ask(&rig, TN_VU_GET_STATUS, NULL, 0), 0);
        /* all anew in the same session */
        rig_features(&rig);
        rig_start(&rig, 1);
        assert_int_equal(rig.device.queues[1].starts, 2);
        rig_close(&rig);
        close(call);
    }
}

/* The acknowledgement comes when the device is quiet, and nothing is read before (VU-10). */
static void test_vu10_reset_waits_and_others_are_not_read(void **state)
{
    struct rig rig;
    struct answer answer;
    uint64_t zero = 0;

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    rig.device.hold_stops = true;
    rig_send(&rig, TN_VU_SET_STATUS, 9, &zero, sizeof(zero), NULL, 0);
    rig_send(&rig, TN_VU_GET_QUEUE_NUM, 1, NULL, 0, NULL, 0);
    assert_int_equal(rig_receive(&rig, &answer), 0);
    fake_let_go(&rig.device);
    rig_crank(&rig);
    assert_int_equal(rig_receive(&rig, &answer), 1);
    assert_int_equal(answer.header.request, TN_VU_SET_STATUS);
    assert_int_equal(rig_receive(&rig, &answer), 1);
    assert_int_equal(answer.header.request, TN_VU_GET_QUEUE_NUM);
    rig.device.hold_stops = false;
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vu60_status_shows_the_decision),
        cmocka_unit_test(test_vu58_reset),
        cmocka_unit_test(test_vu10_reset_waits_and_others_are_not_read),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
