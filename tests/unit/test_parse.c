/*
 * test_parse.c: where header, data and status are, however the chain is cut (SPLIT-07).
 */
#include "blk_parts.h"

#include "base/iov.h"

static void check_data(struct part *p, const uint8_t *begin, uint64_t bytes)
{
    uint64_t at = 0;

    for (unsigned i = 0; i < p->request.data_iovecs; i++) {
        assert_ptr_equal(p->request.data[i].iov_base, begin + at);
        at += p->request.data[i].iov_len;
    }
    assert_int_equal(at, bytes);
    assert_int_equal(p->request.data_bytes, bytes);
}

static void every_cut_of_every_part(void **state)
{
    (void)state;
    for (uint64_t piece = 1; piece <= 60; piece++) {
        struct part *p = part_new();
        part_header(p, TN_BLK_T_OUT, 0x1122334455667788);
        part_chain(p, 16 + 20, 1, piece);
        assert_true(blk_parse(&p->request));
        assert_true(p->request.header_ok);
        assert_int_equal(p->request.type, TN_BLK_T_OUT);
        assert_int_equal(p->request.sector, 0x1122334455667788);
        assert_ptr_equal(p->request.status, p->in);
        check_data(p, p->out + 16, 20);

        part_header(p, TN_BLK_T_IN, 9);
        part_chain(p, 16, 30 + 1, piece);
        assert_true(blk_parse(&p->request));
        assert_int_equal(p->request.sector, 9);
        assert_ptr_equal(p->request.status, p->in + 30); /* the last writable byte (BLK-24) */
        check_data(p, p->in, 30);
        free(p);
    }
}

static void no_place_for_a_status(void **state)
{
    struct part *p = part_new();
    (void)state;

    part_header(p, TN_BLK_T_FLUSH, 0);
    part_chain(p, 16, 0, 16);
    assert_false(blk_parse(&p->request));
    part_chain(p, 16, 8, 16);
    p->iov[1].iov_base = NULL; /* outside guest memory */
    p->request.slot.chain.holes = true;
    assert_false(blk_parse(&p->request));
    free(p);
}

static void a_header_that_cannot_be_read(void **state)
{
    struct part *p = part_new();
    (void)state;

    part_header(p, TN_BLK_T_OUT, 0);
    for (uint64_t bytes = 0; bytes < 16; bytes++) {
        part_chain(p, bytes, 1, 4);
        p->request.type = TN_BLK_T_OUT;      /* of an earlier life */
        assert_true(blk_parse(&p->request)); /* it can be answered (BLK-36) */
        assert_false(p->request.header_ok);
        assert_int_equal(p->request.data_bytes, 0);
        assert_ptr_equal(p->request.status, p->in);
    }
    part_chain(p, 20, 1, 8);
    p->iov[1].iov_base = NULL;
    p->request.slot.chain.holes = true;
    assert_true(blk_parse(&p->request));
    assert_false(p->request.header_ok);
    free(p);
}

/* Nothing of the request that was in this slot before is left. */
static void a_slot_begins_anew(void **state)
{
    struct part *p = part_new();
    (void)state;

    p->request.verdict = TN_BLK_S_IOERR;
    p->request.stable = p->request.ordered = p->request.unmap = p->request.in_disk = true;
    p->request.alone = true;
    p->request.merge = (void *)p;
    p->request.blockers = p->request.range_count = p->request.range_next = 3;
    part_header(p, TN_BLK_T_FLUSH, 0);
    part_chain(p, 16, 1, 16);
    assert_true(blk_parse(&p->request));
    assert_int_equal(p->request.verdict, TN_BLK_S_OK);
    assert_false(p->request.stable || p->request.ordered || p->request.unmap || p->request.in_disk);
    assert_true(!p->request.alone && !p->request.merge);
    assert_int_equal(p->request.blockers + p->request.range_count + p->request.range_next, 0);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cut_of_every_part),
        cmocka_unit_test(no_place_for_a_status),
        cmocka_unit_test(a_header_that_cannot_be_read),
        cmocka_unit_test(a_slot_begins_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
