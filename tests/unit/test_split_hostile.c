/*
 * test_split_hostile.c: drivers that break the rules, one rule at a time, then at random: the queue
 * breaks with a sentence, in bounded time, and touches nothing that is not the guest's.
 */
#include "ring_model.h"

static void hostile_new(struct model *m, uint32_t size)
{
    model_new(m, size, false);
}

/* SPLIT-15, conformance 12, A12: moved by more than the size; by exactly the size is fine. */
static void test_available_index_jumps(void **state)
{
    static const uint16_t sizes[] = { 1, 2, 256, 32768 };
    struct tn_chain chain;
    struct model m;

    (void)state;
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        hostile_new(&m, sizes[i]);
        m.avail_idx = sizes[i];
        model_show(&m);
        assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
        model_kill(&m);
        model_start(&m);
        m.avail_idx = (uint16_t)(sizes[i] + 1);
        model_show(&m);
        assert_true(tn_vq_kicks_on(m.vq)); /* something is there; pop says what */
        model_expect_broken(&m, "moved further");
        assert_false(tn_vq_kicks_on(m.vq));
        model_kill(&m);
        model_start(&m);
        m.avail_idx = 65535; /* backwards */
        model_show(&m);
        model_expect_broken(&m, "moved further");
        model_close(&m);
    }
}

/* SPLIT-15: more outstanding than the queue has entries, in flight or not yet published. */
static void test_more_outstanding_than_entries(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    for (int push = 0; push <= 1; push++) {
        hostile_new(&m, 4);
        for (uint16_t i = 0; i < 4; i++) {
            model_desc(&m, i, m.data_gpa, 1, 0, 0);
            model_offer(&m, i);
            assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
            if (push != 0) {
                tn_vq_push(m.vq, i, 0);
            }
        }
        model_offer(&m, 2);
        model_expect_broken(&m, "moved further");
        model_close(&m);
    }
}

static void test_head_in_flight(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    hostile_new(&m, 128);
    for (uint32_t i = 0; i < 128; i++) {
        model_desc(&m, i, m.data_gpa, 1, 0, 0);
    }
    model_offer(&m, 70);
    model_offer(&m, 71);
    model_offer(&m, 70);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    model_expect_broken(&m, "still in flight");
    model_close(&m);
}

/* SPLIT-14, B5, conformance 13 */
static void test_head_outside_the_table(void **state)
{
    static const uint16_t heads[] = { 8, 9, 255, 32768, 65535 };
    struct model m;

    (void)state;
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        hostile_new(&m, 8);
        model_offer(&m, heads[i]);
        model_expect_broken(&m, "outside the table");
        model_close(&m);
    }
}

/* SPLIT-14, K22: broken, not ended. */
static void test_next_outside_the_table(void **state)
{
    static const uint16_t nexts[] = { 8, 255, 32768, 65535 };
    struct model m;

    (void)state;
    for (size_t i = 0; i < sizeof(nexts) / sizeof(nexts[0]); i++) {
        hostile_new(&m, 8);
        model_desc(&m, 0, m.data_gpa, 16, TN_DESC_F_NEXT, nexts[i]);
        model_offer(&m, 0);
        model_expect_broken(&m, "outside the descriptor table");
        model_close(&m);
    }
}

/*
 * SPLIT-13, A11: to itself, two in a ring, a tail into the middle; empty buffers do not make it
 * endless either.
 */
static void test_direct_loops(void **state)
{
    struct model m;

    (void)state;
    for (uint32_t size = 1; size <= 32768; size *= 2) {
        for (uint32_t bytes = 0; bytes <= 1; bytes++) {
            hostile_new(&m, size);
            for (uint32_t i = 0; i < size; i++) {
                uint32_t next = i + 1 < size ? i + 1 : size / 2;
                model_desc(&m, i, m.data_gpa, bytes, TN_DESC_F_NEXT, next);
            }
            model_offer(&m, 0);
            model_expect_broken(&m, size <= TN_CHAIN_MAX ? "a loop" : "more than 1024");
            model_kill(&m);
            model_desc(&m, 0, m.data_gpa, bytes, TN_DESC_F_NEXT, 0);
            model_start(&m);
            model_expect_broken(&m, size <= TN_CHAIN_MAX ? "a loop" : "more than 1024");
            model_close(&m);
        }
    }
}

/* SPLIT-08: the limit and one more, in a queue that could hold it. */
static void test_overlong_chain(void **state)
{
    struct model m;

    (void)state;
    hostile_new(&m, 2048);
    for (uint32_t i = 0; i <= TN_CHAIN_MAX; i++) {
        model_desc(&m, i, m.data_gpa, 1, i < TN_CHAIN_MAX ? TN_DESC_F_NEXT : 0, i + 1);
    }
    model_offer(&m, 0);
    model_expect_broken(&m, "more than 1024 descriptors");
    model_close(&m);
}

/* SPLIT-12 */
static void test_readable_after_writable(void **state)
{
    struct model m;

    (void)state;
    hostile_new(&m, 4);
    model_desc(&m, 0, m.data_gpa, 16, TN_DESC_F_NEXT, 1);
    model_desc(&m, 1, m.data_gpa, 16, TN_DESC_F_NEXT | TN_DESC_F_WRITE, 2);
    model_desc(&m, 2, m.data_gpa, 16, 0, 0);
    model_offer(&m, 0);
    model_expect_broken(&m, "follows a device-writable one");
    model_close(&m);
}

/* SPLIT-17 */
static void test_chain_beyond_4_gib(void **state)
{
    struct model m;

    (void)state;
    hostile_new(&m, 4);
    model_desc(&m, 0, m.data_gpa, UINT32_MAX, TN_DESC_F_NEXT, 1);
    model_desc(&m, 1, m.data_gpa, UINT32_MAX, TN_DESC_F_WRITE, 0);
    model_offer(&m, 0);
    model_expect_broken(&m, "longer than 2^32 bytes");
    model_close(&m);
}

/* ---- indirect: SPLIT-23, SPLIT-24, conformance 14 ---- */

/* A queue whose head 0 points to a table with `first` as its entry 0. */
static void check_indirect(uint64_t offset, uint32_t bytes, unsigned flags, struct tn_desc first,
                           const char *part)
{
    struct model m;

    hostile_new(&m, 4);
    *(struct tn_desc *)model_host(&m, m.data_gpa) = first;
    model_desc(&m, 0, m.data_gpa + offset, bytes, flags, 1);
    model_desc(&m, 1, m.data_gpa + 4096, 16, 0, 0);
    model_offer(&m, 0);
    model_expect_broken(&m, part);
    model_close(&m);
}

static void test_bad_tables(void **state)
{
    static const uint32_t lengths[] = { 0, 1, 15, 17, 31, 16 * 1024 + 1, UINT32_MAX };
    static const uint32_t counts[] = { 1025, 4096, 65536, UINT32_MAX / 16 };
    struct tn_desc last = model_make(0, 1, 0, 0);
    unsigned indirect = TN_DESC_F_INDIRECT;

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        check_indirect(0, lengths[i], indirect, last, "not a multiple of 16");
    }
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        check_indirect(0, counts[i] * 16, indirect, last, "more than 1024 entries");
    }
    check_indirect(0, 16, indirect | TN_DESC_F_NEXT, last, "goes on with a next one");
    check_indirect(MODEL_DATA, 16, indirect, last, "outside guest memory");
    check_indirect(MODEL_DATA - 16, 32, indirect, last, "outside guest memory");
    check_indirect(0 - (UINT64_C(1) << 40), 32, indirect, last, "outside guest memory");
    check_indirect(0, 16, indirect, model_make(0, 16, TN_DESC_F_INDIRECT, 0), "inside an indirect");
    check_indirect(0, 16, indirect, model_make(0, 16, TN_DESC_F_NEXT, 1), "outside its table");
    check_indirect(0, 16, indirect, model_make(0, 16, TN_DESC_F_NEXT, 65535), "outside its table");
    check_indirect(0, 16, indirect, model_make(0, 16, TN_DESC_F_NEXT, 0), "a loop");
    check_indirect(0, 32, indirect, model_make(0, 0, TN_DESC_F_NEXT, 0), "a loop");
}

static void test_indirect_not_negotiated(void **state)
{
    struct model m;

    (void)state;
    model_open(&m, 4, 0);
    m.config.indirect = false;
    model_start(&m);
    model_desc(&m, 0, m.data_gpa, 16, TN_DESC_F_INDIRECT, 0);
    model_offer(&m, 0);
    model_expect_broken(&m, "not negotiated");
    model_close(&m);
}

/* Direct descriptors and a full table go over the cap together. */
static void test_direct_and_table_over_the_cap(void **state)
{
    struct model m;
    struct tn_desc *table;

    (void)state;
    hostile_new(&m, 4);
    table = model_host(&m, m.data_gpa);
    for (uint32_t i = 0; i < TN_CHAIN_MAX; i++) {
        table[i] = model_make(m.data_gpa, 1, i + 1 < TN_CHAIN_MAX ? TN_DESC_F_NEXT : 0, i + 1);
    }
    model_desc(&m, 0, m.data_gpa, 1, TN_DESC_F_NEXT, 1);
    model_desc(&m, 1, m.data_gpa, 16 * TN_CHAIN_MAX, TN_DESC_F_INDIRECT, 0);
    model_offer(&m, 0);
    model_expect_broken(&m, "more than 1024 descriptors");
    model_close(&m);
}

/* ---- at random ---- */

static uint32_t random_below(uint64_t *seed, uint32_t limit)
{
    *seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (uint32_t)(*seed >> 33) % limit;
}

static uint64_t random_gpa(struct model *m, uint64_t *seed)
{
    switch (random_below(seed, 8)) {
    case 0:
        return UINT64_MAX - random_below(seed, 64);
    case 1:
        return m->base + m->bytes - random_below(seed, 64);
    case 2:
        return m->base; /* the rings themselves */
    default:
        return m->data_gpa + random_below(seed, 4096);
    }
}

static struct tn_desc random_desc(struct model *m, uint64_t *seed)
{
    static const uint32_t lengths[] = { 0, 1, 16, 16, 32, 48, 512, 4096, 0xffffffff, 16384, 17 };
    unsigned flags = random_below(seed, 4) == 0 ? random_below(seed, 65536) : random_below(seed, 4);
    unsigned next =
        random_below(seed, 16) == 0 ? random_below(seed, 65536) : random_below(seed, m->size);

    return model_make(random_gpa(m, seed), lengths[random_below(seed, 11)], flags, next);
}

static void check_iovecs(struct model *m, const struct tn_chain *chain)
{
    uint64_t bytes = 0;

    assert_true(chain->readable + chain->writable <= tn_vq_max_iovecs(m->vq));
    for (uint32_t i = 0; i < chain->readable + chain->writable; i++) {
        const struct iovec *iov = &chain->iov[i];
        const uint8_t *base = iov->iov_base;
        bytes += iov->iov_len;
        if (base != NULL) {
            assert_true(base >= m->ram && iov->iov_len <= (size_t)(m->ram + m->bytes - base));
        } else {
            assert_true(chain->holes);
        }
    }
    assert_int_equal(bytes, chain->readable_bytes + chain->writable_bytes);
}

/* Nothing but a chain inside memory, empty, or broken comes out of any bytes. */
static void test_random_rings(void **state)
{
    uint64_t seed = 20240229;
    struct tn_chain chain;
    struct model m;

    (void)state;
    for (uint32_t size = 1; size <= 64; size *= 4) {
        model_new(&m, size, true);
        for (int round = 0; round < 20000; round++) {
            struct tn_desc *table = model_host(&m, m.data_gpa);
            for (uint32_t i = 0; i < size; i++) {
                m.desc[i] = random_desc(&m, &seed);
                table[i] = random_desc(&m, &seed);
                m.avail->ring[i] = tn_to_le16((uint16_t)random_below(&seed, size + size / 8));
            }
            m.avail->idx = tn_to_le16((uint16_t)random_below(&seed, size + 2));
            while (tn_vq_pop(m.vq, &chain) == TN_POP_CHAIN) {
                check_iovecs(&m, &chain);
                if (random_below(&seed, 3) != 0) {
                    tn_vq_push(m.vq, chain.head, 1);
                    tn_vq_publish(m.vq);
                }
            }
            model_kill(&m);
            model_start(&m);
        }
        model_close(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_available_index_jumps),
        cmocka_unit_test(test_more_outstanding_than_entries),
        cmocka_unit_test(test_head_in_flight),
        cmocka_unit_test(test_head_outside_the_table),
        cmocka_unit_test(test_next_outside_the_table),
        cmocka_unit_test(test_direct_loops),
        cmocka_unit_test(test_overlong_chain),
        cmocka_unit_test(test_readable_after_writable),
        cmocka_unit_test(test_chain_beyond_4_gib),
        cmocka_unit_test(test_bad_tables),
        cmocka_unit_test(test_indirect_not_negotiated),
        cmocka_unit_test(test_direct_and_table_over_the_cap),
        cmocka_unit_test(test_random_rings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
