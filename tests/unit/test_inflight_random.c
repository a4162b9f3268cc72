/*
 * test_inflight_random.c: back-ends that die at random moments, and regions that a hostile front-
 * end wrote: of something else, with a batch that does not fit, of any bytes at all.
 */
#include <stddef.h>

#include "inflight_rig.h"
#include "tenon/base.h"

static uint32_t below(uint64_t *seed, uint32_t limit)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % limit;
}

/* ---- at random: every request is answered exactly once, whenever the back-end dies ---- */

/* Kills within a publish: the ring moved, and only the first of the record's stores were made. */
static void die_in_publish(struct model *m, uint64_t *seed)
{
    uint8_t before[REGION];
    uint32_t clear_one_of = 1 + below(seed, 3);

    memcpy(before, region, sizeof(region));
    tn_vq_publish(m->vq);
    for (uint32_t i = 0; i < SIZE; i++) {
        const struct tn_inflight_split *old = (const void *)before;
        if (below(seed, clear_one_of) == 0) {
            record->desc[i].inflight = old->desc[i].inflight;
        }
    }
    memcpy(&record->used_idx, before + offsetof(struct tn_inflight_split, used_idx), 2);
}

static void test_random_deaths(void **state)
{
    uint64_t seed = 99;
    uint64_t offered = 0;
    uint64_t returned = 0;
    bool out[SIZE] = { false }; /* with the device, as the driver sees it */
    uint16_t taken[SIZE];
    uint32_t taken_count = 0;
    struct tn_chain chain;
    struct model m;
    uint32_t id, len;

    (void)state;
    record_open(&m, SIZE);
    model_begin_at(&m, 65000);
    model_start(&m);
    for (uint32_t round = 0; round < 100000 || returned < offered; round++) {
        for (uint16_t head = (uint16_t)below(&seed, SIZE); round < 100000 && head < SIZE; head++) {
            if (!out[head] && below(&seed, 2) == 0) {
                out[head] = true;
                offered++;
                model_offer(&m, head);
            }
        }
        while (below(&seed, 3) != 0 && tn_vq_pop(m.vq, &chain) == TN_POP_CHAIN) {
            taken[taken_count++] = chain.head;
        }
        while (taken_count != 0 && below(&seed, 3) != 0) {
            uint32_t pick = below(&seed, taken_count);
            tn_vq_push(m.vq, taken[pick], 1);
            taken[pick] = taken[--taken_count];
        }
        if (below(&seed, 2) == 0) {
            tn_vq_publish(m.vq);
        }
        assert_null(tn_vq_broken(m.vq));
        if (below(&seed, 10) == 0) {
            die_in_publish(&m, &seed);
        }
        if (below(&seed, 10) == 0 || record->used_idx != tn_from_le16(m.used->idx)) {
            model_kill(&m);
            model_start(&m);
            taken_count = 0;
        }
        while (model_take(&m, &id, &len)) {
            assert_true(id < SIZE && out[id]); /* never twice */
            out[id] = false;
            returned++;
        }
    }
    assert_int_equal(returned, offered);
    model_close(&m);
}

/* ---- hostile regions ---- */

static void expect_refused(struct model *m, const char *part)
{
    struct tn_vq *vq = NULL;

    assert_int_equal(tn_vq_new(&m->config, &m->view, &vq), -EPROTO);
    assert_null(vq);
    if (strstr(tenon_error(), part) == NULL) {
        fail_msg("\"%s\" does not speak of \"%s\"", tenon_error(), part);
    }
}

/* A region as a back-end leaves it that was killed with heads 0..2 in flight. */
static void killed_record(struct model *m)
{
    record_open(m, SIZE);
    model_start(m);
    fetch(m, 0, 3);
    model_kill(m);
}

/* VU-74 */
static void test_regions_of_something_else(void **state)
{
    struct model m;

    (void)state;
    killed_record(&m);
    m.config.inflight_bytes = 16 + 16 * SIZE - 1;
    expect_refused(&m, "too small");
    m.config.inflight_bytes = 0;
    expect_refused(&m, "too small");
    m.config.inflight_bytes = REGION - 1;
    m.config.inflight = region + 1;
    expect_refused(&m, "aligned");
    model_close(&m);

    killed_record(&m);
    record->version = 2;
    expect_refused(&m, "version 2");
    record->version = 1;
    record->features = 1;
    expect_refused(&m, "features");
    record->features = 0;
    record->desc_num = SIZE / 2;
    expect_refused(&m, "of a queue of 4 entries");
    record->desc_num = 0;
    expect_refused(&m, "of a queue of 0 entries");
    model_close(&m);
}

static void test_batches_that_do_not_fit(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    killed_record(&m);
    record->used_idx = 1; /* "moved" by 65535 */
    expect_refused(&m, "last batch");
    record->used_idx = (uint16_t)(0 - SIZE - 1);
    expect_refused(&m, "last batch");
    record->used_idx = (uint16_t)-2;
    record->last_batch_head = SIZE;
    expect_refused(&m, "last batch");
    record->last_batch_head = 0;
    record->desc[0].next = 65535;
    expect_refused(&m, "last batch");
    for (uint16_t i = 0; i < 3; i++) {
        assert_int_equal(record->desc[i].inflight, 1); /* a refused region stays as it was */
    }
    record->desc[0].next = 0; /* a loop is bounded by how far the index moved */
    model_start(&m);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(chain.head, 1);
    model_close(&m);
}

/*
 * More in flight than the driver offered: the position would be past the ring's. It breaks, no
 * more.
 */
static void test_more_in_flight_than_offered(void **state)
{
    struct model m;
    struct tn_chain chain;

    (void)state;
    killed_record(&m);
    record->desc[7].inflight = 0xff;
    model_start(&m);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    }
    model_expect_broken(&m, "moved further");
    model_close(&m);
}

static void test_equal_and_largest_counters(void **state)
{
    struct model m;

    (void)state;
    killed_record(&m);
    record->desc[0].counter = record->desc[2].counter = UINT64_MAX;
    model_start(&m);
    expect_again(&m, "102");
    model_close(&m);
}

/* Any bytes: refused, or a queue that ends in empty or broken. ASan watches the rest. */
static void test_random_regions(void **state)
{
    uint64_t seed = 7;
    struct tn_chain chain;
    struct model m;
    int taken_over = 0;

    (void)state;
    record_open(&m, SIZE);
    for (int round = 0; round < 30000; round++) {
        for (size_t i = 0; i < sizeof(region); i++) {
            region[i] = (uint8_t)below(&seed, 256);
        }
        record->features = below(&seed, 8) == 0;
        record->version = (uint16_t)below(&seed, 3);
        record->desc_num = below(&seed, 8) == 0 ? 9 : SIZE;
        record->used_idx = (uint16_t)(below(&seed, 12) - 10);
        record->last_batch_head = (uint16_t)below(&seed, SIZE + 1);
        for (int i = 0; i < SIZE; i++) {
            record->desc[i].inflight &= 1;
            record->desc[i].next = (uint16_t)below(&seed, SIZE + (below(&seed, 4) == 0));
        }
        model_begin_at(&m, (uint16_t)below(&seed, 3));
        m.avail_idx = (uint16_t)(m.avail_idx + below(&seed, SIZE + 1));
        model_show(&m);
        if (tn_vq_new(&m.config, &m.view, &m.vq) == 0) {
            taken_over++;
            for (int i = 0; i < 20 && tn_vq_pop(m.vq, &chain) == TN_POP_CHAIN; i++) {
                memset(region, (int)below(&seed, 256), sizeof(region)); /* it writes on */
                if (below(&seed, 2) == 0) {
                    tn_vq_push(m.vq, chain.head, 1);
                    tn_vq_publish(m.vq);
                }
            }
            model_kill(&m);
        }
    }
    assert_true(taken_over > 1000 && taken_over < 29000);
    model_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_deaths),
        cmocka_unit_test(test_regions_of_something_else),
        cmocka_unit_test(test_batches_that_do_not_fit),
        cmocka_unit_test(test_more_in_flight_than_offered),
        cmocka_unit_test(test_equal_and_largest_counters),
        cmocka_unit_test(test_random_regions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
