/*
 * test_split_notify.c: when the device interrupts, and when it asks for kicks, with EVENT_IDX and
 * with the flags. See test_split_threads.c for two threads that sleep by these rules.
 */
#include "ring_model.h"

#include "virtqueue/notify.h"

/* SPLIT-31, SPLIT-32, K12, A18: the flag decides, used_event means nothing. */
static void test_interrupt_without_event_idx(void **state)
{
    struct model m;

    (void)state;
    model_new(&m, 4, false);
    assert_false(tn_vq_publish(m.vq)); /* nothing pushed */
    for (uint32_t i = 0; i < 64; i++) {
        bool quiet = i % 2 != 0;
        tn_shared_store16(&m.avail->flags, quiet ? TN_AVAIL_F_NO_INTERRUPT : 0xfffe);
        tn_shared_store16(model_used_event(&m), (uint16_t)(i * 1021));
        model_serve(&m, 0, 0);
        assert_int_equal(tn_vq_publish(m.vq), !quiet);
        assert_false(tn_vq_publish(m.vq));
    }
    model_close(&m);
}

/*
 * SPLIT-33..35: used_event before, at and after; batches that pass over it; the flag means nothing;
 * around the wrap.
 */
static void test_interrupt_with_event_idx(void **state)
{
    struct model m;

    (void)state;
    for (int distance = -12; distance <= 12; distance++) {
        for (uint32_t batch = 1; batch <= 8; batch++) {
            uint16_t start = 65531;
            model_open(&m, 8, 0);
            m.config.event_idx = true;
            model_begin_at(&m, start);
            model_start(&m);
            tn_shared_store16(&m.avail->flags, TN_AVAIL_F_NO_INTERRUPT);
            tn_shared_store16(model_used_event(&m), (uint16_t)(start + distance));
            for (uint32_t i = 0; i < batch; i++) {
                model_serve(&m, (uint16_t)i, 0);
            }
            assert_int_equal(tn_vq_publish(m.vq), distance >= 0 && distance < (int)batch);
            assert_false(tn_vq_publish(m.vq));
            model_close(&m);
        }
    }
}

/* SPLIT-38 */
static void test_kicks_without_event_idx(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    model_new(&m, 4, false);
    tn_shared_store16(model_avail_event(&m), 0x5a5a);
    assert_false(tn_vq_kicks_on(m.vq));
    assert_int_equal(tn_from_le16(m.used->flags), 0);
    tn_vq_kicks_off(m.vq);
    assert_int_equal(tn_from_le16(m.used->flags), TN_USED_F_NO_NOTIFY);
    model_desc(&m, 1, m.data_gpa, 1, 0, 0);
    model_offer(&m, 1);
    assert_true(tn_vq_kicks_on(m.vq)); /* conformance 18: what came meanwhile is seen */
    assert_int_equal(tn_from_le16(m.used->flags), 0);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_false(tn_vq_kicks_on(m.vq));
    assert_int_equal(tn_from_le16(*model_avail_event(&m)), 0x5a5a);
    model_close(&m);
}

/* SPLIT-39..41: avail_event follows, over more than 65536 single chains; the flags stay 0. */
static void test_kicks_with_event_idx_for_70000_chains(void **state)
{
    struct model m;

    (void)state;
    model_new(&m, 4, true);
    for (uint32_t i = 0; i < 70000; i++) {
        assert_false(tn_vq_kicks_on(m.vq));
        /* The driver adds entry number i: it is the one that the device waits for. */
        assert_int_equal(tn_from_le16(*model_avail_event(&m)), (uint16_t)i);
        tn_vq_kicks_off(m.vq);
        assert_int_equal(tn_from_le16(*model_avail_event(&m)), (uint16_t)i);
        model_serve(&m, 0, 0);
        tn_vq_publish(m.vq);
        assert_int_equal(tn_from_le16(m.used->flags), 0);
    }
    model_desc(&m, 0, m.data_gpa, 1, 0, 0);
    model_offer(&m, 0);
    assert_true(tn_vq_kicks_on(m.vq));
    model_close(&m);
}

/* A wish for kicks is taken back: the driver, which asks if it has passed the event, has not. */
static void test_kicks_taken_back(void **state)
{
    struct model m;

    (void)state;
    model_new(&m, 4, true);
    for (uint32_t i = 0; i < 70000; i++) {
        assert_false(tn_vq_kicks_on(m.vq));
        tn_vq_kicks_back(m.vq);
        uint16_t event = tn_from_le16(*model_avail_event(&m));
        assert_false(tn_event_passed(event, (uint16_t)(i + 1), (uint16_t)i));
        assert_false(tn_vq_kicks_on(m.vq)); /* and asked for again */
        event = tn_from_le16(*model_avail_event(&m));
        assert_true(tn_event_passed(event, (uint16_t)(i + 1), (uint16_t)i));
        model_serve(&m, 0, 0);
        tn_vq_publish(m.vq);
        assert_int_equal(tn_from_le16(m.used->flags), 0);
    }
    model_close(&m);
    model_new(&m, 4, false);
    assert_false(tn_vq_kicks_on(m.vq));
    tn_vq_kicks_back(m.vq);
    assert_int_equal(tn_from_le16(m.used->flags), TN_USED_F_NO_NOTIFY);
    model_close(&m);
}

/* SPLIT-42: looking at an empty ring does nothing, as often as one likes. */
static void test_spurious_kicks(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    model_new(&m, 2, false);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_EMPTY);
    }
    assert_int_equal(tn_vq_next_avail(m.vq), 0);
    model_close(&m);
}

/* Last, over all that came before; a group's teardown that fails would not fail the program. */
static void test_no_byte_was_read_twice(void **state)
{
    (void)state;
#ifdef TN_READ_ONCE
    assert_int_equal(tn_read_once_violations(), 0); /* SPLIT-19 */
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interrupt_without_event_idx),
        cmocka_unit_test(test_interrupt_with_event_idx),
        cmocka_unit_test(test_kicks_without_event_idx),
        cmocka_unit_test(test_kicks_with_event_idx_for_70000_chains),
        cmocka_unit_test(test_kicks_taken_back),
        cmocka_unit_test(test_spurious_kicks),
        cmocka_unit_test(test_no_byte_was_read_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
