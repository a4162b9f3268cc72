/*
 * test_inflight.c: the inflight record (VU-73..77): its layout, and a back-end that dies at each
 * step and the next one that goes on.
 *
 * The states between two stores of one function are made by hand, by undoing the stores that came
 * later.
 */
#include <stddef.h>

#include "inflight_rig.h"
#include "virtqueue/inflight.h"

/* ---- layout ---- */

/* VU-75, VU-73 */
static void test_layout(void **state)
{
    (void)state;
    assert_int_equal(sizeof(struct tn_inflight_split), 16);
    assert_int_equal(offsetof(struct tn_inflight_split, version), 8);
    assert_int_equal(offsetof(struct tn_inflight_split, desc_num), 10);
    assert_int_equal(offsetof(struct tn_inflight_split, last_batch_head), 12);
    assert_int_equal(offsetof(struct tn_inflight_split, used_idx), 14);
    assert_int_equal(sizeof(struct tn_inflight_desc), 16);
    assert_int_equal(offsetof(struct tn_inflight_desc, next), 6);
    assert_int_equal(offsetof(struct tn_inflight_desc, counter), 8);
    assert_int_equal(tn_inflight_bytes(1), 64);
    assert_int_equal(tn_inflight_bytes(3), 64);
    assert_int_equal(tn_inflight_bytes(4), 128);
    assert_int_equal(tn_inflight_bytes(32768), 16 * 32768 + 64);
}

/* A region of zeroes is begun; the position is the caller's then. */
static void test_fresh_region(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    record_open(&m, SIZE);
    model_begin_at(&m, 40);
    model_start(&m);
    assert_int_equal(record->features, 0);
    assert_int_equal(record->version, 1);
    assert_int_equal(record->desc_num, SIZE);
    assert_int_equal(record->used_idx, 40);
    assert_int_equal(tn_vq_next_avail(m.vq), 40);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_EMPTY);
    model_close(&m);
}

/* VU-76, one step after the other. */
static void test_what_each_step_records(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    record_open(&m, SIZE);
    model_start(&m);
    fetch(&m, 3, 2);
    assert_int_equal(record->desc[3].inflight, 1);
    assert_int_equal(record->desc[4].inflight, 1);
    assert_int_equal(record->desc[4].counter, record->desc[3].counter + 1);
    tn_vq_push(m.vq, 3, 1);
    tn_vq_push(m.vq, 4, 1);
    assert_int_equal(record->last_batch_head, 4);
    assert_int_equal(record->desc[4].next, 3);
    assert_int_equal(record->desc[3].inflight, 1); /* until it is published */
    assert_int_equal(record->used_idx, 0);
    tn_vq_publish(m.vq);
    assert_int_equal(record->desc[3].inflight, 0);
    assert_int_equal(record->desc[4].inflight, 0);
    assert_int_equal(record->used_idx, 2);

    fetch(&m, 0, 1);
    model_offer(&m, 1);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    tn_vq_unpop(m.vq, &chain);
    assert_int_equal(record->desc[1].inflight, 0);
    tn_vq_forget(m.vq, 0);
    assert_int_equal(record->desc[0].inflight, 0);
    model_close(&m);
}

/* ---- killed at each step ---- */

/* VU-77: in the order in which they were taken, not of their heads, and before anything new. */
static void test_killed_with_chains_in_flight(void **state)
{
    struct model m;
    struct tn_chain chain;

    (void)state;
    record_open(&m, SIZE);
    model_begin_at(&m, 65533);
    model_start(&m);
    fetch(&m, 5, 2);
    fetch(&m, 1, 2);
    fetch(&m, 0, 1);
    tn_vq_push(m.vq, 6, 1);
    tn_vq_publish(m.vq);
    model_offer(&m, 7); /* not taken by the one that dies */
    expect_again(&m, "51207");
    tn_vq_push(m.vq, 1, 1);
    tn_vq_publish(m.vq);
    expect_again(&m, "5207"); /* dies again: the order stays */
    model_kill(&m);
    model_start(&m);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    expect_again(&m, "5207"); /* dies before all were taken again */
    model_close(&m);
}

/*
 * Between the stores of a fetch: a counter without its flag is nothing; the chain is still in the
 * ring.
 */
static void test_killed_within_fetch(void **state)
{
    struct model m;

    (void)state;
    record_open(&m, SIZE);
    model_start(&m);
    fetch(&m, 2, 2);
    record->desc[3].inflight = 0;
    expect_again(&m, "23");
    model_close(&m);
}

/* Pushed and not published, with the link half made or made: the driver has not seen them. */
static void test_killed_between_push_and_publish(void **state)
{
    struct model m;

    (void)state;
    for (int half = 0; half <= 1; half++) {
        record_open(&m, SIZE);
        model_start(&m);
        fetch(&m, 2, 3);
        tn_vq_push(m.vq, 2, 1);
        tn_vq_publish(m.vq);
        tn_vq_push(m.vq, 4, 1);
        if (half != 0) {
            record->last_batch_head = 2;
        }
        expect_again(&m, "34");
        /* The one that takes over ends them in another order: links to itself do no harm. */
        tn_vq_push(m.vq, 4, 1);
        tn_vq_push(m.vq, 3, 1);
        tn_vq_publish(m.vq);
        expect_again(&m, "");
        model_close(&m);
    }
}

/*
 * The used index moved; then 0, 1, ... of the flags were cleared; then, or not, used_idx was
 * stored.
 */
static void test_killed_within_publish(void **state)
{
    static const uint16_t batch[] = { 5, 2, 4 };
    struct model m;

    (void)state;
    for (uint16_t start = 65530; start != 3; start++) {
        for (int cleared = 0; cleared <= 3; cleared++) {
            record_open(&m, SIZE);
            model_begin_at(&m, start);
            model_start(&m);
            fetch(&m, 0, 7);
            tn_vq_push(m.vq, 1, 1);
            tn_vq_publish(m.vq);
            for (int i = 0; i < 3; i++) {
                tn_vq_push(m.vq, batch[i], 1);
            }
            tn_vq_publish(m.vq);
            for (int i = cleared; i < 3; i++) {
                record->desc[batch[i]].inflight = 1;
            }
            record->used_idx = (uint16_t)(start + 1);
            expect_again(&m, "036");
            model_close(&m);
        }
    }
}

/* Recovery itself may be killed: it clears before it stores the index, so it can be done again. */
static void test_killed_within_recovery(void **state)
{
    struct model m;
    struct tn_inflight opened;

    (void)state;
    record_open(&m, SIZE);
    model_start(&m);
    fetch(&m, 0, 4);
    tn_vq_push(m.vq, 1, 1);
    tn_vq_push(m.vq, 2, 1);
    tn_vq_publish(m.vq);
    record->desc[1].inflight = record->desc[2].inflight = 1;
    record->used_idx = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tn_inflight_open(&opened, region, sizeof(region), SIZE, 2), 0);
        assert_int_equal(opened.again_count, 2);
        assert_int_equal(opened.again[0], 0);
        assert_int_equal(opened.again[1], 3);
        tn_inflight_close(&opened);
        record->used_idx = 0;
    }
    expect_again(&m, "03");
    model_close(&m);
}

/* A chain that is popped again and put back comes first once more, and is still recorded. */
static void test_unpop_of_a_chain_popped_again(void **state)
{
    struct model m;
    struct tn_chain chain;

    (void)state;
    record_open(&m, SIZE);
    model_start(&m);
    fetch(&m, 4, 3);
    model_kill(&m);
    model_start(&m);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
        assert_int_equal(chain.head, 4);
        tn_vq_unpop(m.vq, &chain);
        assert_int_equal(record->desc[4].inflight, 1);
        assert_int_equal(tn_vq_in_flight(m.vq), 0);
    }
    expect_again(&m, "456");
    model_close(&m);
}

/* A driver that offers what is still to be popped again broke the ring. */
static void test_offered_while_to_be_popped_again(void **state)
{
    struct model m;
    struct tn_chain chain;

    (void)state;
    record_open(&m, SIZE);
    model_start(&m);
    fetch(&m, 4, 2);
    model_kill(&m);
    model_start(&m);
    model_offer(&m, 5);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    model_expect_broken(&m, "still in flight");
    model_close(&m);
}

/*
 * BASIC-43, BASIC-44: the driver began a fresh ring, of another size; the record was left with
 * nothing in flight.
 */
static void test_clean_record_of_another_ring(void **state)
{
    struct model m;

    (void)state;
    record_open(&m, SIZE);
    model_start(&m);
    fetch(&m, 0, 2);
    tn_vq_push(m.vq, 0, 1);
    tn_vq_publish(m.vq);
    tn_vq_forget(m.vq, 1);
    model_kill(&m);
    m.config.size = m.size = SIZE / 2;
    m.avail->idx = m.used->idx = tn_to_le16(0);
    m.avail_idx = m.used_seen = 0;
    model_start(&m);
    fetch(&m, 0, 2);
    assert_int_equal(record->desc_num, SIZE / 2);
    expect_again(&m, "01");
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout),
        cmocka_unit_test(test_fresh_region),
        cmocka_unit_test(test_what_each_step_records),
        cmocka_unit_test(test_killed_with_chains_in_flight),
        cmocka_unit_test(test_killed_within_fetch),
        cmocka_unit_test(test_killed_between_push_and_publish),
        cmocka_unit_test(test_killed_within_publish),
        cmocka_unit_test(test_killed_within_recovery),
        cmocka_unit_test(test_unpop_of_a_chain_popped_again),
        cmocka_unit_test(test_offered_while_to_be_popped_again),
        cmocka_unit_test(test_clean_record_of_another_ring),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
