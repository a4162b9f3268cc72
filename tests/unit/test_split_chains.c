/*
 * test_split_chains.c: chains of every shape that the rules allow, direct and indirect, inside and
 * outside memory. Each descriptor read once (SPLIT-19), where the build looks.
 */
#include "ring_model.h"

static struct tn_desc *table_at(struct model *m, uint64_t offset)
{
    return model_host(m, m->data_gpa + offset);
}

/* Descriptors in any order, readable then writable. */
static void test_chained_descriptors(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    model_new(&m, 8, false);
    model_desc(&m, 6, m.data_gpa, 16, TN_DESC_F_NEXT, 1);
    model_desc(&m, 1, m.data_gpa + 100, 5, TN_DESC_F_NEXT, 7);
    model_desc(&m, 7, m.data_gpa + 512, 512, TN_DESC_F_NEXT | TN_DESC_F_WRITE, 0);
    model_desc(&m, 0, m.data_gpa + 2000, 1, TN_DESC_F_WRITE,
               5); /* next without the flag: nothing */
    model_offer(&m, 6);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(chain.head, 6);
    assert_int_equal(chain.descriptors, 4);
    assert_int_equal(chain.readable, 2);
    assert_int_equal(chain.writable, 2);
    assert_int_equal(chain.readable_bytes, 21);
    assert_int_equal(chain.writable_bytes, 513);
    model_close(&m);
}

/* SPLIT-13: a chain of exactly the queue's size is no loop. */
static void test_chain_as_long_as_the_queue(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    for (uint32_t size = 1; size <= 32768; size *= 2) {
        uint32_t count = size < TN_CHAIN_MAX ? size : TN_CHAIN_MAX;
        model_new(&m, size, false);
        for (uint32_t i = 0; i < count; i++) {
            model_desc(&m, i, m.data_gpa + i, 1, i + 1 < count ? TN_DESC_F_NEXT : 0, i + 1);
        }
        model_offer(&m, 0);
        assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
        assert_int_equal(chain.descriptors, count);
        assert_int_equal(chain.readable, count);
        model_close(&m);
    }
}

/* SPLIT-18, conformance 15: empty descriptors take their place in the chain and give no iovec. */
static void test_zero_length_descriptors(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    model_new(&m, 16, false);
    for (uint32_t i = 0; i < 13; i++) {
        unsigned flags = (i % 3 == 1 ? TN_DESC_F_WRITE : 0) | (i < 12 ? TN_DESC_F_NEXT : 0);
        model_desc(&m, i, m.data_gpa, 0, flags, i + 1);
    }
    model_offer(&m, 0);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(chain.descriptors, 13);
    assert_int_equal(chain.readable + chain.writable, 0);
    assert_int_equal(chain.readable_bytes + chain.writable_bytes, 0);
    model_close(&m);
}

/*
 * SPLIT-20, SPLIT-22: starts at entry 0, linked in any order, the WRITE flag of the pointer means
 * nothing.
 */
static void test_indirect_table(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    for (unsigned write = 0; write <= TN_DESC_F_WRITE; write += TN_DESC_F_WRITE) {
        model_new(&m, 4, false);
        struct tn_desc *table = table_at(&m, 64);
        table[0] = model_make(m.data_gpa + 1000, 16, TN_DESC_F_NEXT, 3);
        table[3] = model_make(m.data_gpa + 2000, 8, TN_DESC_F_NEXT | TN_DESC_F_WRITE, 1);
        table[1] = model_make(m.data_gpa + 3000, 1, TN_DESC_F_WRITE, 60000);
        model_desc(&m, 2, m.data_gpa + 64, 4 * 16, TN_DESC_F_INDIRECT | write, 0);
        model_offer(&m, 2);
        assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
        assert_int_equal(chain.head, 2);
        assert_int_equal(chain.descriptors, 4);
        assert_int_equal(chain.readable, 1);
        assert_int_equal(chain.writable, 2);
        assert_int_equal(chain.writable_bytes, 9);
        assert_ptr_equal(chain.iov[1].iov_base, model_host(&m, m.data_gpa + 2000));
        model_close(&m);
    }
}

/* SPLIT-21 */
static void test_direct_descriptors_then_a_table(void **state)
{
    struct tn_chain chain;
    struct tn_desc entry;
    struct model m;

    (void)state;
    model_new(&m, 4, false);
    entry = model_make(m.data_gpa + 1000, 1, TN_DESC_F_WRITE, 0);
    memcpy(model_host(&m, m.data_gpa + 7), &entry, sizeof(entry)); /* no alignment is asked */
    model_desc(&m, 0, m.data_gpa + 500, 4, TN_DESC_F_NEXT, 1);
    model_desc(&m, 1, m.data_gpa + 600, 12, TN_DESC_F_NEXT, 2);
    model_desc(&m, 2, m.data_gpa + 7, 16, TN_DESC_F_INDIRECT, 0);
    model_offer(&m, 0);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(chain.descriptors, 4);
    assert_int_equal(chain.readable_bytes, 16);
    assert_int_equal(chain.writable_bytes, 1);
    model_close(&m);
}

/* SPLIT-24: a table may be longer than the queue, up to our cap. */
static void test_table_longer_than_the_queue(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    model_new(&m, 1, false);
    for (uint32_t i = 0; i < TN_CHAIN_MAX; i++) {
        table_at(&m, 0)[i] =
            model_make(m.data_gpa + 65536 + i, 1, i + 1 < TN_CHAIN_MAX ? TN_DESC_F_NEXT : 0, i + 1);
    }
    model_desc(&m, 0, m.data_gpa, 16 * TN_CHAIN_MAX, TN_DESC_F_INDIRECT, 0);
    model_offer(&m, 0);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(chain.readable, TN_CHAIN_MAX);
    assert_int_equal(chain.descriptors, TN_CHAIN_MAX + 1);
    model_close(&m);
}

/* An indirect table, and a buffer, may cross guest regions (SPLIT-16). */
static void test_table_and_buffer_cross_regions(void **state)
{
    static uint8_t low[8192], high[8192];
    struct tn_desc table[3];
    struct tn_chain chain;
    struct model m;

    (void)state;
    model_new(&m, 4, false);
    model_region(&m, 0x1000, high, 4096, 0);
    model_region(&m, 0x2000, low, 4096, 0);
    assert_true(tn_vq_remap(m.vq));
    table[0] = model_make(0x1ff0, 0x20, TN_DESC_F_NEXT, 1);
    table[1] = model_make(0x1fff, 2, TN_DESC_F_NEXT | TN_DESC_F_WRITE, 2);
    table[2] = model_make(0x3000 - 1, 2, TN_DESC_F_WRITE, 0); /* its second byte is outside */
    memcpy(high + 0xff5, table, 11);                          /* cut in the middle of an entry */
    memcpy(low, (uint8_t *)table + 11, sizeof(table) - 11);
    model_desc(&m, 0, 0x1ff5, sizeof(table), TN_DESC_F_INDIRECT, 0);
    model_offer(&m, 0);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(chain.readable, 2);
    assert_int_equal(chain.writable, 3);
    assert_ptr_equal(chain.iov[0].iov_base, high + 0xff0);
    assert_ptr_equal(chain.iov[1].iov_base, low);
    assert_ptr_equal(chain.iov[3].iov_base, low);
    assert_null(chain.iov[4].iov_base);
    assert_true(chain.holes);
    assert_null(tn_vq_broken(m.vq));
    model_close(&m);
}

/* Data outside memory is that request's trouble: the ring goes on. */
static void test_holes_do_not_break_the_ring(void **state)
{
    struct tn_chain chain;
    struct model m;
    uint32_t id, len;

    (void)state;
    model_new(&m, 4, false);
    model_desc(&m, 0, 0, 16, TN_DESC_F_NEXT, 1);
    model_desc(&m, 1, UINT64_MAX - 1, 4096, TN_DESC_F_NEXT | TN_DESC_F_WRITE, 2);
    model_desc(&m, 2, m.data_gpa, 1, TN_DESC_F_WRITE, 0);
    model_offer(&m, 0);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_true(chain.holes);
    assert_int_equal(chain.readable, 1);
    assert_int_equal(chain.writable, 2);
    assert_int_equal(chain.iov[1].iov_len, 4096);
    assert_non_null(chain.iov[2].iov_base);
    tn_vq_push(m.vq, 0, 1);
    assert_true(tn_vq_publish(m.vq));
    assert_true(model_take(&m, &id, &len));
    model_serve(&m, 3, 1);
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
        cmocka_unit_test(test_chained_descriptors),
        cmocka_unit_test(test_chain_as_long_as_the_queue),
        cmocka_unit_test(test_zero_length_descriptors),
        cmocka_unit_test(test_indirect_table),
        cmocka_unit_test(test_direct_descriptors_then_a_table),
        cmocka_unit_test(test_table_longer_than_the_queue),
        cmocka_unit_test(test_table_and_buffer_cross_regions),
        cmocka_unit_test(test_holes_do_not_break_the_ring),
        cmocka_unit_test(test_no_byte_was_read_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
