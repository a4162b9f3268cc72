/*
 * test_messages.c: the form of each message, features, configuration, status, reset: what is
 * answered, what is refused, and what ends the connection.
 */
#include "vu_rig.h"

static void test_vu11_features(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    uint64_t features = rig_ask(&rig, TN_VU_GET_FEATURES, NULL, 0);
    assert_true(features & BIT_30);
    assert_true(features >> TN_F_VERSION_1 & 1);
    assert_false(features >> TN_VU_F_LOG_ALL & 1);
    /* no front-end stops the ring when the guest resets it */
    assert_false(features >> TN_F_RING_RESET & 1);
    rig_close(&rig);
}

/* Bit 30 is ours, not the device's; it is a bit, not a mask (VU-50). */
static void test_vu12_set_features_again_while_running(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    uint64_t features = rig.server->features;
    assert_int_equal(rig.device.negotiated, features & ~BIT_30);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_FEATURES, features), 0);
    }
    assert_true(rig.device.queues[0].running);
    assert_int_equal(rig.device.queues[0].starts, 1);
    assert_int_equal(rig.device.queues[0].stops, 0);
    assert_true(rig.server->rings[0].enabled);
    rig_close(&rig);
}

static void test_other_features_while_running(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    uint64_t fewer = rig.server->features & ~(UINT64_C(1) << TN_F_EVENT_IDX);
    rig_send(&rig, TN_VU_SET_FEATURES, 1, &fewer, sizeof(fewer), NULL, 0);
    rig_expect_end(&rig, "while rings run");
    rig_close(&rig);
}

static void test_vu13_features_not_offered(void **state)
{
    struct rig rig;
    uint64_t wrong;

    (void)state;
    rig_open(&rig);
    wrong = rig_ask(&rig, TN_VU_GET_FEATURES, NULL, 0) | UINT64_C(1) << 63;
    rig_send(&rig, TN_VU_SET_FEATURES, 1, &wrong, sizeof(wrong), NULL, 0);
    rig_expect_end(&rig, "not offered"); /* nobody could tell it otherwise */
    rig_protocol(&rig);
    assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_FEATURES, wrong), 1);
    assert_true(rig_alive(&rig));
    assert_int_equal(rig.device.negotiations, 0);
    rig_close(&rig);
}

static void test_vu14_vu16_protocol_features(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    /* the first message of the connection */
    assert_int_equal(rig_ask(&rig, TN_VU_GET_PROTOCOL_FEATURES, NULL, 0),
                     1 << TN_VU_PF_MQ | 1 << TN_VU_PF_REPLY_ACK | 1 << TN_VU_PF_BACKEND_REQ |
                         1 << TN_VU_PF_CONFIG | 1 << TN_VU_PF_INFLIGHT_SHMFD |
                         1 << TN_VU_PF_RESET_DEVICE | 1 << TN_VU_PF_CONFIGURE_MEM_SLOTS |
                         1 << TN_VU_PF_STATUS);
    rig_close(&rig);
}

static void test_vu15_vu18_protocol_features_not_offered(void **state)
{
    struct rig rig;
    uint64_t inband = UINT64_C(1) << TN_VU_PF_INBAND_NOTIFICATIONS;

    (void)state;
    rig_open(&rig);
    rig_send(&rig, TN_VU_SET_PROTOCOL_FEATURES, 1, &inband, sizeof(inband), NULL, 0);
    rig_expect_end(&rig, "not offered");
    rig_protocol(&rig);
    assert_int_equal(rig_tell_u64(&rig, TN_VU_SET_PROTOCOL_FEATURES, inband), 1);
    assert_true(tn_vu_has_protocol(rig.server, TN_VU_PF_REPLY_ACK)); /* what was agreed stays */
    rig_close(&rig);
}

/* REPLY_ACK counts from the moment that it is acked, also when nobody asked for the mask. */
static void test_vu09_reply_ack(void **state)
{
    struct rig rig;
    struct answer answer;
    uint64_t ack = 1 << TN_VU_PF_REPLY_ACK;

    (void)state;
    rig_open(&rig);
    rig_send(&rig, TN_VU_SET_OWNER, 9, NULL, 0, NULL, 0);
    assert_int_equal(rig_receive(&rig, &answer), 0); /* not negotiated: no ack */
    rig_send(&rig, TN_VU_SET_PROTOCOL_FEATURES, 1, &ack, sizeof(ack), NULL, 0);
    rig_send(&rig, TN_VU_SET_OWNER, 1, NULL, 0, NULL, 0);
    assert_int_equal(rig_receive(&rig, &answer), 0); /* not asked for: no ack */
    assert_int_equal(rig_tell(&rig, TN_VU_SET_OWNER, NULL, 0), 0);
    rig_close(&rig);
}

/* Messages with a reply of their own give that one, with need_reply or without (VU-06, VU-08). */
static void test_vu06_vu08_exactly_one_reply(void **state)
{
    struct rig rig;
    const struct tn_vu_vring_state ring = { 2, 0 };
    const struct tn_vu_inflight inflight = { .queues = 1, .queue_size = 64 };
    const uint8_t config[12 + 8] = { 0, 0, 0, 0, 8 };
    const struct {
        uint32_t request, bytes;
        const void *payload;
    } asked[] = {
        { TN_VU_GET_FEATURES, 0, NULL },
        { TN_VU_GET_PROTOCOL_FEATURES, 0, NULL },
        { TN_VU_GET_VRING_BASE, sizeof(ring), &ring },
        { TN_VU_GET_QUEUE_NUM, 0, NULL },
        { TN_VU_GET_CONFIG, sizeof(config), config },
        { TN_VU_GET_INFLIGHT_FD, sizeof(inflight), &inflight },
        { TN_VU_GET_MAX_MEM_SLOTS, 0, NULL },
        { TN_VU_GET_STATUS, 0, NULL },
    };

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    for (unsigned i = 0; i < 2 * sizeof(asked) / sizeof(asked[0]); i++) {
        struct answer answer;
        rig_send(&rig, asked[i / 2].request, i % 2 ? 9 : 1, asked[i / 2].payload,
                 asked[i / 2].bytes, NULL, 0);
        rig_expect(&rig, asked[i / 2].request, &answer);
        if (answer.fd >= 0) {
            close(answer.fd);
        }
    }
    rig_close(&rig);
}

static void test_vu19_vu20_owner_changes_nothing(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    assert_int_equal(rig_tell(&rig, TN_VU_SET_OWNER, NULL, 0), 0);
    assert_int_equal(rig_tell(&rig, TN_VU_RESET_OWNER, NULL, 0), 0);
    assert_true(rig.device.queues[0].running);
    rig_close(&rig);
}

static void test_vu26_vu46_numbers(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    assert_int_equal(rig_ask(&rig, TN_VU_GET_QUEUE_NUM, NULL, 0), FAKE_QUEUES);
    assert_true(rig_ask(&rig, TN_VU_GET_MAX_MEM_SLOTS, NULL, 0) >= 509);
    rig_close(&rig);
}

/* Each message that a protocol feature brings is an error without it (VU-17). */
static void test_vu17_gated_messages(void **state)
{
    const struct {
        uint32_t request, bytes, fds, bit;
    } gated[] = {
        { TN_VU_GET_QUEUE_NUM, 0, 0, TN_VU_PF_MQ },
        { TN_VU_SET_BACKEND_REQ_FD, 0, 1, TN_VU_PF_BACKEND_REQ },
        { TN_VU_GET_CONFIG, 20, 0, TN_VU_PF_CONFIG },
        { TN_VU_SET_CONFIG, 20, 0, TN_VU_PF_CONFIG },
        { TN_VU_GET_INFLIGHT_FD, 24, 0, TN_VU_PF_INFLIGHT_SHMFD },
        { TN_VU_SET_INFLIGHT_FD, 24, 1, TN_VU_PF_INFLIGHT_SHMFD },
        { TN_VU_RESET_DEVICE, 0, 0, TN_VU_PF_RESET_DEVICE },
        { TN_VU_GET_MAX_MEM_SLOTS, 0, 0, TN_VU_PF_CONFIGURE_MEM_SLOTS },
        { TN_VU_ADD_MEM_REG, 40, 1, TN_VU_PF_CONFIGURE_MEM_SLOTS },
        { TN_VU_REM_MEM_REG, 40, 0, TN_VU_PF_CONFIGURE_MEM_SLOTS },
        { TN_VU_SET_STATUS, 8, 0, TN_VU_PF_STATUS },
        { TN_VU_GET_STATUS, 0, 0, TN_VU_PF_STATUS },
    };
    struct rig rig;
    uint8_t zeroes[64] = { 0 };

    (void)state;
    rig_open(&rig);
    for (unsigned i = 0; i < sizeof(gated) / sizeof(gated[0]); i++) {
        uint64_t others = rig_ask(&rig, TN_VU_GET_PROTOCOL_FEATURES, NULL, 0);

        others &= ~(UINT64_C(1) << gated[i].bit);
        rig_send(&rig, TN_VU_SET_PROTOCOL_FEATURES, 1, &others, sizeof(others), NULL, 0);
        rig_send(&rig, gated[i].request, 1, zeroes, gated[i].bytes, &rig.ram_fd, gated[i].fds);
        rig_expect_end(&rig, "was not negotiated");
    }
    rig_close(&rig);
}

/* ---- malformed messages ---- */

struct form {
    uint32_t request, least, most, fds_least, fds_most;
};

static const struct form forms[] = {
    { TN_VU_GET_FEATURES, 0, 0, 0, 0 },
    { TN_VU_SET_FEATURES, 8, 8, 0, 0 },
    { TN_VU_SET_OWNER, 0, 0, 0, 0 },
    { TN_VU_RESET_OWNER, 0, 0, 0, 0 },
    { TN_VU_SET_MEM_TABLE, 8, 264, 0, 8 },
    { TN_VU_SET_VRING_NUM, 8, 8, 0, 0 },
    { TN_VU_SET_VRING_ADDR, 40, 40, 0, 0 },
    { TN_VU_SET_VRING_BASE, 8, 8, 0, 0 },
    { TN_VU_GET_VRING_BASE, 8, 8, 0, 0 },
    { TN_VU_SET_VRING_KICK, 8, 8, 0, 1 },
    { TN_VU_SET_VRING_CALL, 8, 8, 0, 1 },
    { TN_VU_SET_VRING_ERR, 8, 8, 0, 1 },
    { TN_VU_GET_PROTOCOL_FEATURES, 0, 0, 0, 0 },
    { TN_VU_SET_PROTOCOL_FEATURES, 8, 8, 0, 0 },
    { TN_VU_GET_QUEUE_NUM, 0, 0, 0, 0 },
    { TN_VU_SET_VRING_ENABLE, 8, 8, 0, 0 },
    { TN_VU_SET_BACKEND_REQ_FD, 0, 0, 1, 1 },
    { TN_VU_GET_CONFIG, 12, 268, 0, 0 },
    { TN_VU_SET_CONFIG, 12, 268, 0, 0 },
    { TN_VU_GET_INFLIGHT_FD, 20, 24, 0, 0 },
    { TN_VU_SET_INFLIGHT_FD, 20, 24, 1, 1 },
    { TN_VU_RESET_DEVICE, 0, 0, 0, 0 },
    { TN_VU_GET_MAX_MEM_SLOTS, 0, 0, 0, 0 },
    { TN_VU_ADD_MEM_REG, 40, 40, 1, 1 },
    { TN_VU_REM_MEM_REG, 40, 40, 0, 1 },
    { TN_VU_SET_STATUS, 8, 8, 0, 0 },
    { TN_VU_GET_STATUS, 0, 0, 0, 0 },
};
enum { FORMS = sizeof(forms) / sizeof(forms[0]) };

static void expect_wrong_size(struct rig *rig, const struct form *form, uint32_t bytes)
{
    struct tn_vu_header header = { form->request, 1, bytes };

    /* the header alone: what it says is enough, and what follows may never come */
    assert_true(rig_send_bytes(rig, &header, sizeof(header), &rig->ram_fd, form->fds_least));
    rig_crank(rig);
    rig_expect_end(rig, bytes > TN_VU_PAYLOAD_ROOM ? "payload" : "wrong size");
    rig_protocol(rig);
}

static void test_vu96_sizes(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    for (unsigned i = 0; i < FORMS; i++) {
        if (forms[i].least > 0) {
            expect_wrong_size(&rig, &forms[i], 0);
            expect_wrong_size(&rig, &forms[i], forms[i].least - 1);
        }
        expect_wrong_size(&rig, &forms[i], forms[i].most + 1);
        expect_wrong_size(&rig, &forms[i], UINT32_MAX);
    }
    rig_close(&rig);
}

/* More than fit any message never get so far: test_wire.c. */
static void test_vu04_vu99_descriptor_counts(void **state)
{
    struct rig rig;
    uint8_t zeroes[300] = { 0 };
    int fds[TN_VU_MAX_FDS];

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    for (unsigned i = 0; i < FORMS; i++) {
        for (unsigned n = 0; n <= TN_VU_MAX_FDS; n++) {
            if (n >= forms[i].fds_least && n <= forms[i].fds_most) {
                continue;
            }
            for (unsigned k = 0; k < n; k++) {
                fds[k] = eventfd(0, EFD_CLOEXEC);
            }
            rig_send(&rig, forms[i].request, 1, zeroes, forms[i].least, fds, n);
            for (unsigned k = 0; k < n; k++) {
                close(fds[k]);
            }
            rig_expect_end(&rig, "descriptors");
            rig_protocol(&rig);
        }
    }
    rig_close(&rig);
}

static void test_vu97_unknown_messages_are_drained(void **state)
{
    const uint32_t unknown[] = {
        0,  TN_VU_SET_LOG_BASE, TN_VU_IOTLB_MSG, TN_VU_SEND_RARP, 26, 33, 41, 46,
        99, 0x80000000,         UINT32_MAX
    };
    struct rig rig;
    uint8_t noise[TN_VU_PAYLOAD_ROOM - 12];
    struct answer answer;

    (void)state;
    memset(noise, 0xa5, sizeof(noise));
    rig_ready(&rig);
    rig_start(&rig, 0);
    for (unsigned i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
        int fds[2] = { eventfd(0, EFD_CLOEXEC), eventfd(0, EFD_CLOEXEC) };
        rig_send(&rig, unknown[i], 1, noise, sizeof(noise), fds, 2);
        assert_int_equal(rig_receive(&rig, &answer), 0);
        assert_int_equal(rig_tell_fds(&rig, unknown[i], noise, 7, fds, 2), 1);
        close(fds[0]);
        close(fds[1]);
        assert_true(rig_alive(&rig));
    }
    assert_true(rig.device.queues[0].running);
    assert_int_equal(rig.warnings, 1); /* not a line for each that a front-end can send */
    rig_close(&rig);
}

static void test_vu98_ring_numbers(void **state)
{
    const uint32_t wrong[] = { FAKE_QUEUES, 255, 0x100, 0x10000, 0x80000000, UINT32_MAX };
    const uint32_t by_state[] = { TN_VU_SET_VRING_NUM, TN_VU_SET_VRING_BASE, TN_VU_GET_VRING_BASE,
                                  TN_VU_SET_VRING_ENABLE };
    const uint32_t by_word[] = { TN_VU_SET_VRING_KICK, TN_VU_SET_VRING_CALL, TN_VU_SET_VRING_ERR };
    struct rig rig;

    (void)state;
    rig_open(&rig);
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        for (unsigned k = 0; k < 4; k++) {
            struct tn_vu_vring_state state_of = { wrong[i], 1 };
            rig_send(&rig, by_state[k], 1, &state_of, sizeof(state_of), NULL, 0);
            rig_expect_end(&rig, "there is no ring");
        }
        struct tn_vu_vring_addr addr = { .index = wrong[i] };
        rig_send(&rig, TN_VU_SET_VRING_ADDR, 1, &addr, sizeof(addr), NULL, 0);
        rig_expect_end(&rig, "there is no ring");
        for (unsigned k = 0; k < 3; k++) {
            /* 0x100 is the no-fd flag: together with a descriptor that is a contradiction */
            uint64_t word = wrong[i];
            int fd = eventfd(0, EFD_CLOEXEC);
            rig_send(&rig, by_word[k], 1, &word, sizeof(word), &fd, 1);
            close(fd);
            rig_expect_end(&rig, "SET_VRING_");
        }
    }
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vu11_features),
        cmocka_unit_test(test_vu12_set_features_again_while_running),
        cmocka_unit_test(test_other_features_while_running),
        cmocka_unit_test(test_vu13_features_not_offered),
        cmocka_unit_test(test_vu14_vu16_protocol_features),
        cmocka_unit_test(test_vu15_vu18_protocol_features_not_offered),
        cmocka_unit_test(test_vu09_reply_ack),
        cmocka_unit_test(test_vu06_vu08_exactly_one_reply),
        cmocka_unit_test(test_vu19_vu20_owner_changes_nothing),
        cmocka_unit_test(test_vu26_vu46_numbers),
        cmocka_unit_test(test_vu17_gated_messages),
        cmocka_unit_test(test_vu96_sizes),
        cmocka_unit_test(test_vu04_vu99_descriptor_counts),
        cmocka_unit_test(test_vu97_unknown_messages_are_drained),
        cmocka_unit_test(test_vu98_ring_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
