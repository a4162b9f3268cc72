/*
 * test_message_config.c: GET_CONFIG and SET_CONFIG.
 */
#include "vu_rig.h"

static int ask_config(struct rig *rig, uint32_t offset, uint32_t size, uint32_t bytes,
                      struct answer *answer)
{
    uint8_t payload[RIG_MESSAGE] = { 0 };
    struct tn_vu_config head = { offset, size, 0 };

    memcpy(payload, &head, sizeof(head));
    rig_send(rig, TN_VU_GET_CONFIG, 1, payload, bytes, NULL, 0);
    return rig_receive(rig, answer);
}

static void test_vu55_get_config(void **state)
{
    const struct {
        uint32_t offset, size;
    } asked[] = { { 0, 8 }, { 8, 4 },    { 0, 60 },  { 0, 96 },  { 0, 256 }, { 59, 2 },
                  { 0, 1 }, { 0x20, 1 }, { 255, 1 }, { 256, 0 }, { 0, 0 } };
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    for (unsigned i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        for (int head_only = 0; head_only < 2; head_only++) {
            uint32_t size = asked[i].size, offset = asked[i].offset;
            struct answer answer;
            assert_int_equal(ask_config(&rig, offset, size, 12 + (head_only ? 0 : size), &answer),
                             1);
            assert_int_equal(answer.header.size, 12 + size);
            const struct tn_vu_config *head = (const void *)answer.payload.bytes;
            assert_int_equal(head->offset, offset);
            assert_int_equal(head->size, size);
            for (uint32_t k = 0; k < size; k++) {
                uint8_t byte = offset + k < FAKE_CONFIG ? (uint8_t)(offset + k + 1) : 0;
                assert_int_equal(answer.payload.bytes[12 + k], byte);
            }
        }
    }
    rig_close(&rig);
}

/* As User-mode Linux asks: always from 0, one byte more each time, and 12 more of payload. */
static void test_vu55_byte_by_byte(void **state)
{
    struct rig rig;
    struct answer answer;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    for (uint32_t n = 1; n <= FAKE_CONFIG; n++) {
        assert_int_equal(ask_config(&rig, 0, n, 12 + n, &answer), 1);
        assert_int_equal(answer.payload.bytes[12 + n - 1], n);
    }
    rig_close(&rig);
}

static void test_vu55_get_config_out_of_range(void **state)
{
    struct rig rig;
    struct answer answer;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    assert_int_equal(ask_config(&rig, 0, 257, 268, &answer), 1);
    assert_int_equal(answer.header.size, 0);
    assert_int_equal(ask_config(&rig, UINT32_MAX, 2, 14, &answer), 1);
    assert_int_equal(answer.header.size, 0);
    assert_int_equal(ask_config(&rig, 2, UINT32_MAX, 12, &answer), 1);
    assert_int_equal(answer.header.size, 0);
    assert_int_equal(ask_config(&rig, 0, 8, 19, &answer), -1);
    rig_expect_end(&rig, "does not fit");
    rig_close(&rig);
}

static uint64_t tell_config(struct rig *rig, uint32_t offset, uint32_t size, uint32_t flags)
{
    uint8_t payload[RIG_MESSAGE] = { 0 };
    struct tn_vu_config head = { offset, size, flags };

    memcpy(payload, &head, sizeof(head));
    memset(payload + 12, 0x77, 64);
    return rig_tell(rig, TN_VU_SET_CONFIG, payload, 12 + size);
}

static void test_vu56_set_config(void **state)
{
    struct rig rig;
    struct tn_vu_config odd = { 0, 1, 2 };
    uint8_t payload[13];

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    assert_int_equal(tell_config(&rig, FAKE_WRITABLE, 1, 0), 0);
    assert_int_equal(rig.device.config[FAKE_WRITABLE], 0x77);
    assert_int_equal(tell_config(&rig, 0, 8, 0), 1); /* the capacity */
    assert_int_equal(rig.device.config[0], 1);
    assert_int_equal(tell_config(&rig, 0, 8, 1), 0); /* a migrated device brings all of it */
    assert_int_equal(rig.device.config[0], 1);
    memcpy(payload, &odd, sizeof(odd));
    rig_send(&rig, TN_VU_SET_CONFIG, 9, payload, sizeof(payload), NULL, 0);
    rig_expect_end(&rig, "unknown flags");
    rig_protocol(&rig);
    odd = (struct tn_vu_config){ 256, 1, 0 };
    memcpy(payload, &odd, sizeof(odd));
    rig_send(&rig, TN_VU_SET_CONFIG, 9, payload, sizeof(payload), NULL, 0);
    rig_expect_end(&rig, "does not fit");
    rig_close(&rig);
}

/* Without REPLY_ACK a write that does nothing is no reason to hang up. */
static void test_vu56_set_config_without_reply_ack(void **state)
{
    struct rig rig;
    uint64_t config_only = 1 << TN_VU_PF_CONFIG;
    const struct tn_vu_config head = { .size = 8 };
    uint8_t payload[20] = { 0 };

    (void)state;
    memcpy(payload, &head, sizeof(head));
    rig_open(&rig);
    rig_send(&rig, TN_VU_SET_PROTOCOL_FEATURES, 1, &config_only, 8, NULL, 0);
    rig_send(&rig, TN_VU_SET_CONFIG, 9, payload, sizeof(payload), NULL, 0);
    assert_int_equal(rig.device.config_writes, 1);
    assert_true(rig_alive(&rig));
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vu55_get_config),
        cmocka_unit_test(test_vu55_byte_by_byte),
        cmocka_unit_test(test_vu55_get_config_out_of_range),
        cmocka_unit_test(test_vu56_set_config),
        cmocka_unit_test(test_vu56_set_config_without_reply_ack),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
