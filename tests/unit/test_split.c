/*
 * test_split.c: the split ring under a driver that keeps the rules: layout, wrap, every size,
 * memory that may not be written, chains put back and forgotten. See test_split_chains.c and
 * test_split_notify.c for the rest.
 *
 * Built with -Dread_once=true, every test here also proves that no byte of a request was read twice
 * (SPLIT-19).
 */
#include "ring_model.h"

static struct tn_desc *table_at(struct model *m, uint64_t offset)
{
    return model_host(m, m->data_gpa + offset);
}

/* SPLIT-04..06: byte by byte, at guest address 0. */
static void test_layout_byte_exact_at_address_0(void **state)
{
    static const uint8_t desc[16] = { 0x21, 0x43, 0, 0, 0, 0, 0, 0, 0x04, 0x03, 0, 0, 2, 0, 0, 0 };
    static const uint8_t avail[6] = { 1, 0, 1, 0, 3, 0 };
    static const uint8_t used[12] = { 0, 0, 1, 0, 3, 0, 0, 0, 0x04, 0x03, 0x02, 0x01 };
    struct tn_chain chain;
    struct model m;

    (void)state;
    model_open(&m, 4, 0);
    model_start(&m);
    memcpy(m.ram + 3 * 16, desc, sizeof(desc));
    memcpy(m.avail, avail, sizeof(avail));
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(chain.head, 3);
    assert_int_equal(chain.readable, 0);
    assert_int_equal(chain.writable, 1);
    assert_ptr_equal(chain.iov[0].iov_base, m.ram + 0x4321);
    assert_int_equal(chain.iov[0].iov_len, 0x304);
    tn_vq_push(m.vq, 3, 0x01020304);
    assert_false(tn_vq_publish(m.vq));
    assert_memory_equal(m.used, used, sizeof(used));
    model_close(&m);
}

/* B22: a buffer at guest address 0 is a buffer like others; head 0 too. */
static void test_buffer_at_address_0(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    model_open(&m, 1, 0);
    model_start(&m);
    model_desc(&m, 0, 0, 16, 0, 0);
    model_offer(&m, 0);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_false(chain.holes);
    assert_ptr_equal(chain.iov[0].iov_base, m.ram);
    model_close(&m);
}

/* SPLIT-02, SPLIT-30, conformance 16: each size, through 65535 -> 0, three queue lengths long. */
static void test_every_size_across_the_wrap(void **state)
{
    struct model m;
    uint32_t id, len;

    (void)state;
    for (uint32_t size = 1; size <= 32768; size *= 2) {
        uint32_t rounds = size < 100 ? 100 : 3 * size;
        model_open(&m, size, 0x1000);
        model_begin_at(&m, (uint16_t)(0 - rounds / 2));
        model_start(&m);
        for (uint32_t i = 0; i < rounds; i++) {
            uint16_t head = (uint16_t)((i * 7) % size);
            model_serve(&m, head, i);
            tn_vq_publish(m.vq);
            assert_true(model_take(&m, &id, &len));
            assert_int_equal(id, head);
            assert_int_equal(len, i);
            assert_false(model_take(&m, &id, &len));
        }
        model_close(&m);
    }
}

/*
 * A queue full of chains at once, returned out of order with one index store (SPLIT-26, SPLIT-30).
 */
static void test_whole_queue_in_flight(void **state)
{
    struct tn_chain chain;
    struct model m;
    uint32_t id, len;

    (void)state;
    for (uint32_t size = 1; size <= 32768; size *= 8) {
        model_new(&m, size, false);
        for (uint32_t i = 0; i < size; i++) {
            model_desc(&m, i, m.data_gpa, 1, 0, 0);
            model_entry(&m, (uint16_t)i);
        }
        assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_EMPTY);
        model_show(&m);
        for (uint32_t i = 0; i < size; i++) {
            assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
            assert_int_equal(chain.head, i);
        }
        assert_int_equal(tn_vq_in_flight(m.vq), size);
        assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_EMPTY);
        for (uint32_t i = size; i-- > 0;) {
            tn_vq_push(m.vq, (uint16_t)i, i);
            assert_false(model_take(&m, &id, &len)); /* not before it is published */
        }
        assert_int_equal(tn_vq_unpublished(m.vq), size);
        assert_int_equal(tn_vq_in_flight(m.vq), 0);
        tn_vq_publish(m.vq);
        assert_int_equal(tn_vq_unpublished(m.vq), 0);
        for (uint32_t i = size; i-- > 0;) {
            assert_true(model_take(&m, &id, &len));
            assert_int_equal(id, i);
        }
        model_close(&m);
    }
}

/*
 * SPLIT-05, SPLIT-11: the descriptor table, an indirect table and the available ring on pages that
 * cannot be written.
 */
static void test_driver_areas_are_never_written(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    for (int event_idx = 0; event_idx <= 1; event_idx++) {
        model_new(&m, 4, event_idx != 0);
        table_at(&m, 0)[0] = model_make(m.data_gpa + 8192, 1, TN_DESC_F_WRITE, 0);
        model_desc(&m, 0, m.data_gpa, 16, TN_DESC_F_INDIRECT, 0);
        model_desc(&m, 1, m.data_gpa + 8192, 1, 0, 0);
        model_entry(&m, 0);
        model_entry(&m, 1);
        model_show(&m);
        assert_int_equal(mprotect(m.desc, MODEL_PAGE, PROT_READ), 0);
        assert_int_equal(mprotect(m.avail, MODEL_PAGE, PROT_READ), 0);
        assert_int_equal(mprotect(table_at(&m, 0), MODEL_PAGE, PROT_READ), 0);
        tn_vq_kicks_off(m.vq);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
            tn_vq_unpop(m.vq, &chain);
            assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
            tn_vq_push(m.vq, chain.head, 0);
        }
        tn_vq_publish(m.vq);
        assert_false(tn_vq_kicks_on(m.vq));
        model_close(&m);
    }
}

/* The chain popped last goes back to the front (conformance 16: also over index 0). */
static void test_unpop(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    model_open(&m, 4, 0);
    model_begin_at(&m, 65535);
    model_start(&m);
    for (uint16_t i = 0; i < 3; i++) {
        model_desc(&m, i, m.data_gpa, 1, 0, 0);
        model_offer(&m, i);
    }
    for (uint16_t i = 0; i < 3; i++) {
        for (int again = 0; again < 3; again++) {
            assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
            assert_int_equal(chain.head, i);
            assert_int_equal(tn_vq_in_flight(m.vq), i + 1);
            assert_int_equal(tn_vq_next_avail(m.vq), (uint16_t)(65536 + i));
            if (again < 2) {
                tn_vq_unpop(m.vq, &chain);
                assert_int_equal(tn_vq_next_avail(m.vq), (uint16_t)(65535 + i));
                assert_true(tn_vq_kicks_on(m.vq)); /* it is waiting */
            }
        }
    }
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_EMPTY);
    assert_false(tn_vq_kicks_on(m.vq));
    model_close(&m);
}

/* BASIC-42: forgotten chains leave no used entry. */
static void test_forget(void **state)
{
    struct tn_chain chain;
    struct model m;

    (void)state;
    model_new(&m, 4, false);
    for (uint16_t i = 0; i < 2; i++) {
        model_desc(&m, i, m.data_gpa, 1, 0, 0);
        model_offer(&m, i);
        assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    }
    tn_vq_forget(m.vq, 0);
    assert_int_equal(tn_vq_in_flight(m.vq), 1);
    tn_vq_forget(m.vq, 1);
    tn_vq_forget(m.vq, 1);
    tn_vq_push(m.vq, 1, 1); /* not in flight: nothing happens */
    assert_int_equal(tn_vq_in_flight(m.vq), 0);
    assert_int_equal(tn_vq_unpublished(m.vq), 0);
    assert_false(tn_vq_publish(m.vq));
    assert_int_equal(tn_from_le16(m.used->idx), 0);
    model_close(&m);
}

#ifdef TN_READ_ONCE
static unsigned long planted;

/* The recorder can fail: a device that looks at a descriptor again is caught. */
static void test_planted_double_read_is_caught(void **state)
{
    unsigned long before = tn_read_once_violations();
    struct tn_chain chain;
    struct model m;
    uint8_t byte;

    (void)state;
    model_new(&m, 4, false);
    model_desc(&m, 1, m.data_gpa, 1, 0, 0);
    model_offer(&m, 1);
    assert_int_equal(tn_vq_pop(m.vq, &chain), TN_POP_CHAIN);
    assert_int_equal(tn_read_once_violations(), before);
    tn_shared_copy_from(&byte, (uint8_t *)&m.desc[1] + 9, 1);
    assert_int_equal(tn_read_once_violations(), before + 1);
    planted++;
    model_close(&m);
}

/* Last, over all that came before; a group's teardown that fails would not fail the program. */
static void test_no_byte_was_read_twice(void **state)
{
    (void)state;
    assert_int_equal(tn_read_once_violations(), planted); /* SPLIT-19 */
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layout_byte_exact_at_address_0),
        cmocka_unit_test(test_buffer_at_address_0),
        cmocka_unit_test(test_every_size_across_the_wrap),
        cmocka_unit_test(test_whole_queue_in_flight),
        cmocka_unit_test(test_driver_areas_are_never_written),
        cmocka_unit_test(test_unpop),
        cmocka_unit_test(test_forget),
#ifdef TN_READ_ONCE
        cmocka_unit_test(test_planted_double_read_is_caught),
        cmocka_unit_test(test_no_byte_was_read_twice),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
