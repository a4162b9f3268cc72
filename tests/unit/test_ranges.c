/*
 * test_ranges.c: the segments of DISCARD and WRITE_ZEROES: all are checked before the first is
 * acted on (BLK-49..52, BLK-57).
 */
#include "blk_parts.h"

struct wire {
    uint64_t sector;
    uint32_t sectors, flags;
};

/* 0xff: they are good. Else the status. */
static uint8_t read_ranges(struct part *p, uint32_t type, const struct wire *wire, unsigned count,
                           uint64_t more)
{
    for (unsigned i = 0; i < count; i++) {
        struct tn_blk_range range = { .sector = tn_to_le64(wire[i].sector),
                                      .sectors = tn_to_le32(wire[i].sectors),
                                      .flags = tn_to_le32(wire[i].flags) };
        memcpy(p->out + 16 + 16 * i, &range, sizeof(range));
    }
    part_header(p, type, 0);
    part_chain(p, 16 + 16 * count + more, 1, 7); /* cut across the fields */
    assert_true(blk_parse(&p->request));
    return blk_ranges_read(&p->blk, &p->request) ? 0xff : p->request.verdict;
}

static void good_ones_are_copied_in_order(void **state)
{
    static const struct wire wire[] = {
        { 0, 1, 1 }, { 5, 0, 1 }, { PART_SECTORS - 2, 2, 1 }, { 7, 3, 1 }
    };
    struct part *p = part_new();
    (void)state;

    assert_int_equal(read_ranges(p, TN_BLK_T_WRITE_ZEROES, wire, 4, 0), 0xff);
    assert_int_equal(p->request.range_count, 3); /* an empty one is no work */
    assert_true(p->request.unmap);
    for (unsigned i = 0; i < 3; i++) {
        const struct wire *w = &wire[i == 0 ? 0 : i + 1];
        p->request.io.flags = 0;
        blk_ranges_next(&p->request);
        assert_int_equal(p->request.io.op, TENON_IO_ZEROES);
        assert_int_equal(p->request.io.flags, TENON_IO_UNMAP);
        assert_int_equal(p->request.io.offset, w->sector * 512);
        assert_int_equal(p->request.io.bytes, w->sectors * 512ull);
    }
    assert_int_equal(p->request.range_next, 3);
    free(p);
}

/* One that must stay allocated keeps all of them so. */
static void unmap_is_for_all_or_none(void **state)
{
    static const struct wire wire[] = { { 0, 1, 1 }, { 5, 1, 0 } };
    struct part *p = part_new();
    (void)state;

    assert_int_equal(read_ranges(p, TN_BLK_T_WRITE_ZEROES, wire, 2, 0), 0xff);
    assert_false(p->request.unmap);
    p->request.io.flags = 0;
    blk_ranges_next(&p->request);
    assert_int_equal(p->request.io.flags, 0);
    assert_int_equal(read_ranges(p, TN_BLK_T_DISCARD, &wire[1], 1, 0), 0xff);
    p->request.io.flags = 0;
    blk_ranges_next(&p->request);
    assert_int_equal(p->request.io.op, TENON_IO_DISCARD);
    assert_int_equal(p->request.io.flags, 0);
    free(p);
}

static void bad_ones_refuse_the_whole_command(void **state)
{
    static const struct {
        uint32_t type;
        struct wire wire;
        uint64_t more;
        uint8_t status;
    } lines[] = {
        { TN_BLK_T_DISCARD, { 0, 1, 1 }, 0, TN_BLK_S_UNSUPP }, /* UNMAP is no flag of it */
        { TN_BLK_T_DISCARD, { 0, 1, 2 }, 0, TN_BLK_S_UNSUPP },
        { TN_BLK_T_WRITE_ZEROES, { 0, 1, 2 }, 0, TN_BLK_S_UNSUPP },
        { TN_BLK_T_WRITE_ZEROES, { 0, 1, 0x80000001u }, 0, TN_BLK_S_UNSUPP },
        { TN_BLK_T_WRITE_ZEROES, { PART_SECTORS, 1, 0 }, 0, TN_BLK_S_IOERR },
        { TN_BLK_T_WRITE_ZEROES, { PART_SECTORS - 1, 2, 0 }, 0, TN_BLK_S_IOERR },
        { TN_BLK_T_WRITE_ZEROES, { UINT64_MAX, 2, 0 }, 0, TN_BLK_S_IOERR },
        { TN_BLK_T_WRITE_ZEROES, { 0, UINT32_MAX, 0 }, 0, TN_BLK_S_IOERR },
        { TN_BLK_T_DISCARD, { 0, 1, 0 }, 1, TN_BLK_S_IOERR }, /* a piece of another (BLK-50) */
        { TN_BLK_T_DISCARD, { 0, 1, 0 }, 15, TN_BLK_S_IOERR },
    };
    static const struct wire good = { 3, 4, 0 };
    struct part *p = part_new();
    (void)state;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        const struct wire both[] = { good, lines[i].wire };
        assert_int_equal(read_ranges(p, lines[i].type, both, 2, lines[i].more), lines[i].status);
        assert_int_equal(read_ranges(p, lines[i].type, &both[1], 1, lines[i].more),
                         lines[i].status);
    }
    free(p);
}

static void none_and_too_many(void **state)
{
    struct wire wire[BLK_RANGES_MAX + 1] = { { 0, 1, 0 } };
    struct part *p = part_new();
    (void)state;

    assert_int_equal(read_ranges(p, TN_BLK_T_DISCARD, wire, 0, 0), TN_BLK_S_IOERR);
    assert_int_equal(read_ranges(p, TN_BLK_T_DISCARD, wire, BLK_RANGES_MAX, 0), 0xff);
    assert_int_equal(read_ranges(p, TN_BLK_T_DISCARD, wire, BLK_RANGES_MAX + 1, 0), TN_BLK_S_IOERR);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_ones_are_copied_in_order),
        cmocka_unit_test(unmap_is_for_all_or_none),
        cmocka_unit_test(bad_ones_refuse_the_whole_command),
        cmocka_unit_test(none_and_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
