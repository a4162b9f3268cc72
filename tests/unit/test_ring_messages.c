/*
 * test_ring_messages.c: the messages about one ring: what each may say, and when.
 */
#include "vu_rig.h"

#include "loop/loop.h"

static int bell(void)
{
    return eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

static void test_vu33_sizes(void **state)
{
    const uint32_t wrong[] = { 0, 3, 512, 65536, 65536 + 64, UINT32_MAX };
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct tn_vu_vring_state num = { 0, wrong[i] };
        rig_send(&rig, TN_VU_SET_VRING_NUM, 9, &num, sizeof(num), NULL, 0);
        rig_expect_end(&rig, "ring size");
        rig_protocol(&rig);
    }
    for (uint32_t size = 1; size <= FAKE_QUEUE_MAX; size *= 2) {
        assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_NUM, 0, size), 0);
    }
    rig_close(&rig);
}

static void expect_while_running(uint32_t request, struct tn_vu_vring_state message)
{
    struct rig rig;

    rig_ready(&rig);
    rig_start(&rig, 1);
    rig_send(&rig, request, 9, &message, sizeof(message), NULL, 0);
    rig_expect_end(&rig, "ring 1 runs");
    rig_close(&rig);
}

/* Sizes and positions of a ring that runs are fixed (VU-102; CVE-2026-5747). */
static void test_vu102_num_and_base_while_running(void **state)
{
    struct rig rig;
    struct tn_vu_vring_addr addr = { .index = 1, .desc_user = RIG_USER };

    (void)state;
    expect_while_running(TN_VU_SET_VRING_NUM, (struct tn_vu_vring_state){ 1, 128 });
    expect_while_running(TN_VU_SET_VRING_BASE, (struct tn_vu_vring_state){ 1, 5 });
    rig_ready(&rig);
    rig_start(&rig, 1);
    rig_send(&rig, TN_VU_SET_VRING_ADDR, 9, &addr, sizeof(addr), NULL, 0);
    rig_expect_end(&rig, "ring 1 runs");
    rig_close(&rig);
}

/* The same places again, with the log flag the other way: nothing stops (VU-35). */
static void test_vu35_addr_again_while_running(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    struct tn_vu_vring_addr addr = { .index = 0,
                                     .flags = 1,
                                     .desc_user = RIG_USER,
                                     .avail_user = RIG_USER + 0x1000,
                                     .used_user = RIG_USER + 0x2000 };
    assert_int_equal(rig_tell(&rig, TN_VU_SET_VRING_ADDR, &addr, sizeof(addr)), 0);
    assert_int_equal(rig.device.queues[0].stops, 0);
    addr.flags = 2;
    rig_send(&rig, TN_VU_SET_VRING_ADDR, 9, &addr, sizeof(addr), NULL, 0);
    rig_expect_end(&rig, "unknown ring flags");
    rig_close(&rig);
}

static void test_vu36_misaligned(void **state)
{
    const uint64_t by[3][3] = { { 8, 0, 0 }, { 0, 1, 0 }, { 0, 0, 2 } };
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    for (unsigned i = 0; i < 3; i++) {
        struct tn_vu_vring_addr addr = { .desc_user = RIG_USER + by[i][0],
                                         .avail_user = RIG_USER + 0x1000 + by[i][1],
                                         .used_user = RIG_USER + 0x2000 + by[i][2] };
        rig_send(&rig, TN_VU_SET_VRING_ADDR, 1, &addr, sizeof(addr), NULL, 0);
        rig_expect_end(&rig, "not aligned");
    }
    rig_close(&rig);
}

/* Places may be named before their memory; they are looked up when the ring starts (VU-36). */
static void test_vu36_addr_before_memory(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    rig_ring(&rig, 0);
    rig_features(&rig);
    rig_memory(&rig);
    rig_start(&rig, 0);
    rig_close(&rig);
}

static void test_vu36_places_outside_memory(void **state)
{
    const uint64_t at[] = { RIG_USER - 0x10000, RIG_USER + RIG_RAM, RIG_USER + RIG_RAM - 0x10, 0,
                            UINT64_MAX - 0xffff };
    struct rig rig;

    (void)state;
    for (unsigned i = 0; i < sizeof(at) / sizeof(at[0]); i++) {
        struct tn_vu_vring_state on = { 0, 1 };
        rig_ready(&rig);
        rig_ring(&rig, 0);
        assert_int_equal(rig_addr(&rig, 0, at[i] & ~UINT64_C(15)), 0);
        assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 0, bell()), 0);
        rig_send(&rig, TN_VU_SET_VRING_ENABLE, 9, &on, sizeof(on), NULL, 0);
        rig_expect_end(&rig, "does not lie");
        rig_close(&rig);
    }
}

/* Kicked and enabled before it can run (VU-102). */
static void test_vu102_started_too_early(void **state)
{
    const char *missing[] = { "SET_FEATURES", "SET_VRING_NUM", "SET_VRING_ADDR" };

    (void)state;
    for (unsigned have = 0; have < 3; have++) {
        struct rig rig;
        struct tn_vu_vring_state on = { 0, 1 };

        rig_open(&rig);
        rig_protocol(&rig);
        rig_memory(&rig);
        if (have > 0) {
            rig_features(&rig);
        }
        if (have > 1) {
            assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_NUM, 0, 64), 0);
        }
        assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 0, bell()), 0);
        rig_send(&rig, TN_VU_SET_VRING_ENABLE, 9, &on, sizeof(on), NULL, 0);
        rig_expect_end(&rig, missing[have]);
        rig_close(&rig);
    }
}

static void test_vu41_vu43_polling(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    rig_ring(&rig, 0);
    assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_VRING_KICK, TN_VU_VRING_NO_FD), 0);
    assert_int_equal(rig_state(&rig, TN_VU_SET_VRING_ENABLE, 0, 1), 0);
    assert_true(rig.device.queues[0].ring.poll_without_kick);
    assert_int_equal(rig.device.queues[0].ring.kick_fd, -1);
    /* from polling to kicks, and back */
    rig.device.queues[0].next_avail = 3;
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 0, bell()), 0);
    assert_true(rig.device.queues[0].running);
    assert_false(rig.device.queues[0].ring.poll_without_kick);
    assert_int_equal(rig.device.queues[0].ring.next_avail, 3);
    assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_VRING_KICK, TN_VU_VRING_NO_FD), 0);
    assert_true(rig.device.queues[0].ring.poll_without_kick);
    assert_true(rig.device.queues[0].running);
    rig_close(&rig);
}

static void test_vu41_replaced_kick(void **state)
{
    struct rig rig;
    int kick = bell();

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    int before = rig_count_fds();
    assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_KICK, 0, dup(kick)), 0);
    assert_int_equal(rig.device.queues[0].kick_changes, 1);
    assert_int_equal(rig.device.queues[0].starts, 1);
    assert_int_equal(rig_count_fds(), before);
    tn_notify_fd(kick);
    assert_true(tn_notifier_drain(rig.device.queues[0].ring.kick_fd));
    rig_close(&rig);
    close(kick);
}

static void test_vu43_no_descriptor_where_one_belongs(void **state)
{
    const uint32_t requests[] = { TN_VU_SET_VRING_KICK, TN_VU_SET_VRING_CALL, TN_VU_SET_VRING_ERR };
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t word = 0;
        rig_send(&rig, requests[i], 1, &word, sizeof(word), NULL, 0);
        rig_expect_end(&rig, "descriptor is missing");
        word = TN_VU_VRING_NO_FD;
        int fd = bell();
        rig_send(&rig, requests[i], 1, &word, sizeof(word), &fd, 1);
        close(fd);
        rig_expect_end(&rig, "not there");
        word = 0x200;
        rig_send(&rig, requests[i], 1, &word, sizeof(word), NULL, 0);
        rig_expect_end(&rig, "unknown bits");
    }
    rig_close(&rig);
}

static void test_vu99_wrong_kinds_of_descriptors(void **state)
{
    const char *paths[] = { "/", "/dev/null", "/proc/self/exe" };
    struct rig rig;

    (void)state;
    rig_open(&rig);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t word = 0;
        int fd = open(paths[i], O_RDONLY | O_CLOEXEC);
        assert_true(fd >= 0);
        rig_send(&rig, TN_VU_SET_VRING_KICK, 1, &word, sizeof(word), &fd, 1);
        rig_expect_end(&rig, "neither an eventfd nor a pipe");
        rig_send(&rig, TN_VU_SET_VRING_CALL, 1, &word, sizeof(word), &fd, 1);
        rig_expect_end(&rig, "neither an eventfd nor a pipe");
        close(fd);
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vu33_sizes),
        cmocka_unit_test(test_vu102_num_and_base_while_running),
        cmocka_unit_test(test_vu35_addr_again_while_running),
        cmocka_unit_test(test_vu36_misaligned),
        cmocka_unit_test(test_vu36_addr_before_memory),
        cmocka_unit_test(test_vu36_places_outside_memory),
        cmocka_unit_test(test_vu102_started_too_early),
        cmocka_unit_test(test_vu41_vu43_polling),
        cmocka_unit_test(test_vu41_replaced_kick),
        cmocka_unit_test(test_vu43_no_descriptor_where_one_belongs),
        cmocka_unit_test(test_vu99_wrong_kinds_of_descriptors),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
