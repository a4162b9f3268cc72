/*
 * test_vring.c: when a ring runs, what it starts with, and its three descriptors.
 */
#include "vu_rig.h"

#include "loop/loop.h"
#include "needs.h"

static unsigned rings_of(int fd)
{
    uint64_t value = 0;

    return read(fd, &value, sizeof(value)) == sizeof(value) ? (unsigned)value : 0;
}

static int bell(void)
{
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* As QEMU: features, memory, NUM, BASE, ADDR, KICK, CALL (after the kick, and again), ENABLE. */
static void test_vu42_starts_without_a_kick(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_NUM, 2, 128), 0);
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_BASE, 2, 65535), 0);
    assert_int_equal(rig_addr(&rig, 2, RIG_USER + 0x8000), 0);
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 2, bell()), 0);
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_CALL, 2, bell()), 0);
    assert_int_equal(rig.device.queues[2].starts, 0); /* disabled: VU-50 */
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_ENABLE, 2, 1), 0);
    const struct fake_queue *queue = &rig.device.queues[2];
    assert_true(queue->running);
    assert_int_equal(queue->ring.entries, 128);
    assert_int_equal(queue->ring.next_avail, 65535); /* VU-37 */
    assert_true(queue->ring.used_from_ring);
    assert_true(queue->ring.irq_on_start);
    assert_false(queue->ring.poll_without_kick);
    assert_int_equal(queue->ring.desc_gpa, RIG_GPA + 0x8000); /* VU-25 */
    assert_int_equal(queue->ring.driver_gpa, RIG_GPA + 0x9000);
    assert_int_equal(queue->ring.device_gpa, RIG_GPA + 0xa000); /* VU-34: used comes before avail */
    assert_null(queue->ring.inflight);
    rig_close(&rig);
}

static void test_vu50_without_bit_30_all_are_enabled(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    rig_memory(&rig);
    rig_ring(&rig, 0);
    rig_ring(&rig, 3);
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 3, bell()), 0);
    assert_false(rig.device.queues[3].running);
    uint64_t features = rig_ask(&rig, TN_VU_GET_FEATURES, NULL, 0) & ~BIT_30;
    assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_FEATURES, features), 0);
    assert_true(rig.device.queues[3].running); /* it was kicked already */
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 0, bell()), 0);
    assert_true(rig.device.queues[0].running);
    rig_close(&rig);
}

static void test_vu50_with_bit_30_none_is(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    for (uint32_t i = 0; i < FAKE_QUEUES; i++) {
        rig_ring(&rig, i);
        assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, i, bell()), 0);
        assert_false(rig.device.queues[i].running);
    }
    rig_close(&rig);
}

/*
 * Remembered while stopped; a disabled ring waits, an enabled one goes on where it was (VU-47,
 * VU-49).
 */
static void test_vu47_enable_and_disable(void **state)
{
    struct rig rig;
    struct answer answer;
    const struct tn_vu_vring_state off = { 1, 0 };

    (void)state;
    rig_ready(&rig);
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_ENABLE, 1, 1), 0);
    rig_ring(&rig, 1);
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 1, bell()), 0);
    assert_true(rig.device.queues[1].running);
    rig.device.queues[1].next_avail = 99;
    rig.device.hold_stops = true;
    rig_send(&rig, TN_VU_SET_VRING_ENABLE, 9, &off, sizeof(off), NULL, 0);
    assert_int_equal(rig_receive(&rig, &answer), 0); /* VU-10 */
    rig.device.hold_stops = false;
    fake_let_go(&rig.device);
    rig_crank(&rig);
    rig_expect(&rig, TN_VU_SET_VRING_ENABLE, &answer);
    assert_false(rig.device.queues[1].running);
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_ENABLE, 1, 1), 0);
    assert_true(rig.device.queues[1].running);
    assert_int_equal(rig.device.queues[1].ring.next_avail, 99);
    assert_true(rig.device.queues[1].ring.kick_fd >= 0);
    struct tn_vu_vring_state two = { 1, 2 };
    rig_send(&rig, TN_VU_SET_VRING_ENABLE, 1, &two, sizeof(two), NULL, 0);
    rig_expect_end(&rig, "enabled by 1");
    rig_close(&rig);
}

/* The answer comes when nothing is in flight any more (VU-38). */
static void test_vu38_get_vring_base_drains(void **state)
{
    struct rig rig;
    struct answer answer;
    const struct tn_vu_vring_state ask = { 0, 0 };

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    rig.device.hold_stops = true;
    rig_send(&rig, TN_VU_GET_VRING_BASE, 1, &ask, sizeof(ask), NULL, 0);
    assert_int_equal(rig_receive(&rig, &answer), 0);
    rig.device.queues[0].next_avail = 41;
    rig.device.hold_stops = false;
    fake_let_go(&rig.device);
    rig_crank(&rig);
    rig_expect(&rig, TN_VU_GET_VRING_BASE, &answer);
    assert_int_equal(answer.header.size, 8);
    assert_int_equal(answer.payload.state.index, 0);
    assert_int_equal(answer.payload.state.num, 41);
    rig_close(&rig);
}

static uint32_t ask_base(struct rig *rig, uint32_t index)
{
    const struct tn_vu_vring_state ask = { index, 0xffff };
    struct answer answer;

    rig_send(rig, TN_VU_GET_VRING_BASE, 1, &ask, sizeof(ask), NULL, 0);
    rig_expect(rig, TN_VU_GET_VRING_BASE, &answer);
    assert_int_equal(answer.payload.state.index, index);
    return answer.payload.state.num;
}

/* Stop is not reset: a kick alone starts it again where it was (VU-39). */
static void test_vu39_stop_is_not_reset(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    rig.device.queues[0].next_avail = 7;
    assert_int_equal(ask_base(&rig, 0), 7);
    assert_int_equal(ask_base(&rig, 0), 7); /* twice */
    assert_false(rig.device.queues[0].running);
    assert_int_equal(rig.server->rings[0].kick, -1);
    assert_true(rig.server->rings[0].enabled);
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_ENABLE, 0, 1), 0);
    assert_false(rig.device.queues[0].running); /* stopped is stopped: VU-48 */
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 0, bell()), 0);
    assert_true(rig.device.queues[0].running);
    assert_int_equal(rig.device.queues[0].ring.next_avail, 7);
    assert_int_equal(rig.device.queues[0].ring.entries, 64);
    rig_close(&rig);
}

static void test_vu39_never_started(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    assert_int_equal(ask_base(&rig, 3), 0);
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_BASE, 3, 12), 0);
    assert_int_equal(ask_base(&rig, 3), 12);
    assert_int_equal(rig.device.queues[3].stops, 0);
    rig_close(&rig);
}

/* The host cannot start it: the front-end hears so, or loses the connection if it cannot hear. */
static void test_a_start_that_fails(void **state)
{
    struct rig rig;
    struct tn_vu_vring_state on = { 0, 1 };

    (void)state;
    rig_ready(&rig);
    rig_ring(&rig, 0);
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 0, bell()), 0);
    rig.device.start_error = -EAGAIN;
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_ENABLE, 0, 1), 1);
    rig_send(&rig, TN_VU_SET_VRING_ENABLE, 1, &on, sizeof(on), NULL, 0);
    rig.device.start_error = 0;
    rig_expect_end(&rig, "SET_VRING_ENABLE");
    rig_close(&rig);
}

/* ---- call ---- */

static void test_vu44_call(void **state)
{
    struct rig rig;
    int first = bell(), second = bell();

    (void)state;
    need_passed_eventfds();
    rig_ready(&rig);
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_CALL, 0, dup(first)), 0);
    assert_int_equal(rings_of(first), 0); /* nothing runs: BASIC-02 */
    rig_start(&rig, 0);
    rig.device.ops.queue_irq(rig.device.bus, 0);
    rig.device.ops.queue_irq(rig.device.bus, 1); /* has none: no harm */
    assert_int_equal(rings_of(first), 1);
    /* replaced under the ring: what went to the old one just before must not be missed */
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_CALL, 0, dup(second)), 0);
    assert_int_equal(rings_of(second), 1);
    rig.device.ops.queue_irq(rig.device.bus, 0);
    assert_int_equal(rings_of(second), 1);
    assert_int_equal(rings_of(first), 0);
    /* the front-end polls: it hears nothing more */
    assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_VRING_CALL, TN_VU_VRING_NO_FD), 0);
    rig.device.ops.queue_irq(rig.device.bus, 0);
    assert_int_equal(rings_of(second), 0);
    rig_close(&rig);
    close(first);
    close(second);
}

/*
 * An interrupt between the message and the post that brings the descriptor home finds the new one.
 */
static void test_vu44_new_call_is_seen_at_once(void **state)
{
    struct rig rig;
    int call = bell();

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    tn_vring_set_call(&rig.server->rings[0], dup(call)); /* never used: closed all the same */
    tn_vring_set_call(&rig.server->rings[0], dup(call));
    rig.device.ops.queue_irq(rig.device.bus, 0);
    assert_int_equal(rings_of(call), 1);
    rig_crank(&rig);
    rig_close(&rig);
    close(call);
}

/* A pipe that nobody reads, filled to the brim: an interrupt does not wait (VU-52). */
static void test_vu52_pipes(void **state)
{
    struct rig rig;
    int call[2], kick[2];
    uint64_t index = 0;

    (void)state;
    assert_int_equal(pipe2(call, O_CLOEXEC), 0);
    assert_int_equal(pipe2(kick, O_CLOEXEC), 0);
    rig_ready(&rig);
    rig_ring(&rig, 0);
    assert_int_equal(rig_tell_fds(&rig, TN_VU_SET_VRING_KICK, &index, 8, &kick[0], 1), 0);
    assert_int_equal(rig_tell_fds(&rig, TN_VU_SET_VRING_CALL, &index, 8, &call[1], 1), 0);
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_ENABLE, 0, 1), 0);
    assert_true(rig.device.queues[0].running);
    for (int i = 0; i < 20000; i++) {
        rig.device.ops.queue_irq(rig.device.bus, 0);
    }
    assert_false(tn_notifier_drain(rig.device.queues[0].ring.kick_fd)); /* empty: does not wait */
    rig_close(&rig);
    close(call[0]);
    close(call[1]);
    close(kick[0]);
    close(kick[1]);
}

/*
 * The call descriptor stays open while the ring is only disabled: for a pipe's reader, closed is
 * EOF.
 */
static void test_call_is_kept_over_disable(void **state)
{
    struct rig rig;
    int call[2];
    uint64_t index = 0;
    uint8_t byte;

    (void)state;
    assert_int_equal(pipe2(call, O_CLOEXEC | O_NONBLOCK), 0);
    rig_ready(&rig);
    rig_start(&rig, 0);
    assert_int_equal(rig_tell_fds(&rig, TN_VU_SET_VRING_CALL, &index, 8, &call[1], 1), 0);
    close(call[1]);
    while (read(call[0], &byte, 1) == 1) {
    }
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_ENABLE, 0, 0), 0);
    assert_int_equal(read(call[0], &byte, 1), -1);
    assert_int_equal(errno, EAGAIN);
    assert_int_equal(ask_base(&rig, 0), 0);
    rig_crank(&rig);
    assert_int_equal(read(call[0], &byte, 1), 0); /* GET_VRING_BASE gave it back */
    close(call[0]);
    rig.fds_before -= 2;
    rig_close(&rig);
}

/* ---- err ---- */

static void test_vu45_err(void **state)
{
    struct rig rig;
    int err = bell();

    (void)state;
    need_passed_eventfds();
    rig_ready(&rig);
    rig_start(&rig, 0);
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_ERR, 0, bell()), 0);
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_ERR, 0, dup(err)), 0);
    rig.device.ops.broken(rig.device.bus, 0, "a test");
    rig_crank(&rig);
    assert_int_equal(rings_of(err), 1);
    assert_true(rig_alive(&rig)); /* a broken ring is the guest's doing, not the front-end's */
    assert_int_equal(ask_base(&rig, 0), 0);
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 0, bell()), 0);
    assert_false(rig.server->rings[0].broken);
    rig_close(&rig);
    close(err);
}

/* VU-52: full, and made blocking again behind our back: other front-ends do not wait for it. */
static void test_vu52_err_that_blocks(void **state)
{
    const uint64_t brim = UINT64_MAX - 1;
    struct rig rig;
    int err = bell();

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_ERR, 0, dup(err)), 0);
    assert_int_equal(write(err, &brim, sizeof(brim)), sizeof(brim));
    assert_int_equal(fcntl(err, F_SETFL, fcntl(err, F_GETFL) & ~O_NONBLOCK), 0);
    alarm(20); /* if it waits, it waits for ever */
    rig.device.ops.broken(rig.device.bus, 0, "a test");
    rig_crank(&rig);
    alarm(0);
    assert_true(rig.server->rings[0].broken);
    rig_close(&rig);
    close(err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vu42_starts_without_a_kick),
        cmocka_unit_test(test_vu50_without_bit_30_all_are_enabled),
        cmocka_unit_test(test_vu50_with_bit_30_none_is),
        cmocka_unit_test(test_vu47_enable_and_disable),
        cmocka_unit_test(test_vu38_get_vring_base_drains),
        cmocka_unit_test(test_vu39_stop_is_not_reset),
        cmocka_unit_test(test_vu39_never_started),
        cmocka_unit_test(test_a_start_that_fails),
        cmocka_unit_test(test_vu44_call),
        cmocka_unit_test(test_vu44_new_call_is_seen_at_once),
        cmocka_unit_test(test_vu52_pipes),
        cmocka_unit_test(test_call_is_kept_over_disable),
        cmocka_unit_test(test_vu45_err),
        cmocka_unit_test(test_vu52_err_that_blocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
