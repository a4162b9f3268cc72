/*
 * test_check.c: what is legal: one line for each request, with the answer that it has to get.
 */
#include "blk_parts.h"

enum { GO = 0xff }; /* it may go on */

#define LAST (PART_SECTORS - 1ull)

struct line {
    uint32_t type;
    uint64_t sector, readable, writable;
    uint8_t answer;
    bool disk; /* has to be asked */
};

static uint8_t ask(struct part *p, const struct line *l, bool *disk)
{
    part_header(p, l->type, l->sector);
    part_chain(p, l->readable, l->writable, 512);
    assert_true(blk_parse(&p->request));
    bool go = blk_check(&p->blk, &p->request);
    *disk = go && blk_needs_disk(&p->blk, &p->request);
    assert_int_equal(go, p->request.verdict == TN_BLK_S_OK);
    return go ? GO : p->request.verdict;
}

static void check_lines(struct part *p, const struct line *lines, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool disk;
        uint8_t answer = ask(p, &lines[i], &disk);
        if (answer != lines[i].answer || disk != lines[i].disk) {
            fail_msg("line %zu: answer %u, disk %d", i, answer, disk);
        }
    }
}
#define CHECK(p, lines) check_lines(p, lines, sizeof(lines) / sizeof((lines)[0]))

static void reads_and_writes(void **state)
{
    static const struct line lines[] = {
        { TN_BLK_T_IN, 0, 16, 513, GO, true },
        { TN_BLK_T_IN, 0, 16, 1, GO, false }, /* nothing to move (BLK-34) */
        { TN_BLK_T_IN, PART_SECTORS, 16, 1, GO, false },
        { TN_BLK_T_IN, 0, 16, 512, TN_BLK_S_IOERR, false }, /* 511 bytes of data */
        { TN_BLK_T_IN, 0, 16, 514, TN_BLK_S_IOERR, false },
        { TN_BLK_T_IN, LAST, 16, 513, GO, true },
        { TN_BLK_T_IN, LAST, 16, 1025, TN_BLK_S_IOERR, false }, /* BLK-33 */
        { TN_BLK_T_IN, PART_SECTORS, 16, 513, TN_BLK_S_IOERR, false },
        { TN_BLK_T_IN, UINT64_MAX, 16, 513, TN_BLK_S_IOERR, false },
        { TN_BLK_T_IN, UINT64_MAX / 512 + 1, 16, 513, TN_BLK_S_IOERR, false },
        { TN_BLK_T_IN, 0, 16 + 512, 513, TN_BLK_S_IOERR, false }, /* BLK-35 */
        { TN_BLK_T_OUT, 0, 16 + 512, 1, GO, true },
        { TN_BLK_T_OUT, 0, 16, 1, GO, false },
        { TN_BLK_T_OUT, 0, 16 + 512, 513, TN_BLK_S_IOERR, false }, /* BLK-35 */
        { TN_BLK_T_OUT, 0, 16 + 511, 1, TN_BLK_S_IOERR, false },
        { TN_BLK_T_OUT, LAST, 16 + 512, 1, GO, true },
        { TN_BLK_T_OUT, LAST, 16 + 1024, 1, TN_BLK_S_IOERR, false },
        { TN_BLK_T_OUT, UINT64_MAX, 16 + 512, 1, TN_BLK_S_IOERR, false },
        { TN_BLK_T_OUT, 0, 15, 1, TN_BLK_S_IOERR, false }, /* no header (BLK-36) */
    };
    struct part *p = part_new();
    (void)state;

    CHECK(p, lines);
    assert_true(tn_count_read(&p->queue.counts[BLK_COUNT_REFUSED]) > 0);
    free(p);
}

static void the_others(void **state)
{
    static const struct line lines[] = {
        { TN_BLK_T_FLUSH, 0, 16, 1, GO, true },
        { TN_BLK_T_FLUSH, 77, 16 + 512, 9, GO, true }, /* sector and data: ignored (BLK-42) */
        { TN_BLK_T_GET_ID, 5, 16, 21, GO, false },
        { TN_BLK_T_GET_ID, 0, 16, 1, GO, false },
        { TN_BLK_T_GET_ID, 0, 16 + 4, 21, TN_BLK_S_IOERR, false },
        { 2, 0, 16, 513, TN_BLK_S_UNSUPP, false }, /* BLK-27: never done as something else */
        { 3, 0, 16 + 512, 1, TN_BLK_S_UNSUPP, false },
        { 0x80000000u, 0, 16, 513, TN_BLK_S_UNSUPP, false },
        { 0x100, 0, 16 + 512, 1, TN_BLK_S_UNSUPP, false },
    };
    static const struct line without[] = {
        { TN_BLK_T_FLUSH, 0, 16, 1, TN_BLK_S_UNSUPP, false },
        { TN_BLK_T_DISCARD, 0, 16 + 16, 1, TN_BLK_S_UNSUPP, false },
        { TN_BLK_T_WRITE_ZEROES, 0, 16 + 16, 1, TN_BLK_S_UNSUPP, false },
        { TN_BLK_T_IN, 0, 16, 513, GO, true },
    };
    struct part *p = part_new();
    (void)state;

    CHECK(p, lines);
    p->blk.device.features[0] = 0;
    CHECK(p, without);
    free(p);
}

/* BLK-38, BLK-39: whatever the driver accepted. */
static void read_only(void **state)
{
    static const struct line lines[] = {
        { TN_BLK_T_OUT, 0, 16 + 512, 1, TN_BLK_S_IOERR, false },
        { TN_BLK_T_OUT, 0, 16, 1, TN_BLK_S_IOERR, false },
        { TN_BLK_T_DISCARD, 0, 16 + 16, 1, TN_BLK_S_IOERR, false },
        { TN_BLK_T_WRITE_ZEROES, 0, 16 + 16, 1, TN_BLK_S_IOERR, false },
        { TN_BLK_T_FLUSH, 0, 16, 1, GO, true },
        { TN_BLK_T_IN, 0, 16, 513, GO, true },
        { TN_BLK_T_GET_ID, 0, 16, 21, GO, false },
    };
    struct part *p = part_new();
    (void)state;

    p->blk.read_only = true;
    CHECK(p, lines);
    free(p);
}

static void a_hole_in_the_data(void **state)
{
    const struct line read = { TN_BLK_T_IN, 0, 16, 1025, GO, true };
    struct part *p = part_new();
    bool disk;
    (void)state;

    assert_int_equal(ask(p, &read, &disk), GO);
    p->iov[2].iov_base = NULL; /* the second half */
    p->request.slot.chain.holes = true;
    assert_true(blk_parse(&p->request));
    assert_false(blk_check(&p->blk, &p->request));
    assert_int_equal(p->request.verdict, TN_BLK_S_IOERR);
    free(p);
}

/* BLK-19, BLK-20: which writes have to be stable when they are answered. */
static void write_through(void **state)
{
    static const struct {
        enum tenon_cache cache;
        bool flush, wce;
        uint8_t writeback;
        bool stable;
    } lines[] = {
        { TENON_CACHE_WRITEBACK, true, true, 1, false },
        { TENON_CACHE_WRITEBACK, true, true, 0, true },
        { TENON_CACHE_WRITEBACK, true, false, 1, false },
        { TENON_CACHE_WRITEBACK, false, false, 1, true },
        { TENON_CACHE_WRITETHROUGH, true, true, 0, true },
        { TENON_CACHE_UNSAFE, false, false, 0, false },
    };
    const struct line write = { TN_BLK_T_OUT, 0, 16 + 512, 1, GO, true };
    (void)state;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        struct part *p = part_new();
        bool disk;
        p->blk.cache = lines[i].cache;
        p->blk.writeback = lines[i].writeback;
        p->blk.device.features[0] = (lines[i].flush ? part_bit(TN_BLK_F_FLUSH) : 0) |
                                    (lines[i].wce ? part_bit(TN_BLK_F_CONFIG_WCE) : 0);
        assert_int_equal(ask(p, &write, &disk), GO);
        assert_int_equal(p->request.stable, lines[i].stable);
        free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_and_writes), cmocka_unit_test(the_others),
        cmocka_unit_test(read_only),        cmocka_unit_test(a_hole_in_the_data),
        cmocka_unit_test(write_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
