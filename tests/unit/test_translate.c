/*
 * test_translate.c: guest addresses to pointers: borders, crossings, and a random comparison with a
 * translator too simple to be wrong (SPLIT-16, BASIC-24).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "mem/mem.h"

enum { PAGE = 4096, ROOM = 64 };

static uint8_t host[64 * PAGE];

static void no_change(struct tn_view *view)
{
    (void)view;
}

static void add(struct tenon_mem *mem, uint64_t gpa, uint64_t bytes, void *at, unsigned flags)
{
    struct tenon_region region = {
        .size = sizeof(region), .gpa = gpa, .bytes = bytes, .host = at, .flags = flags
    };
    assert_int_equal(tenon_mem_add(mem, &region), 0);
}

struct rig {
    struct tenon_mem *mem;
    struct tn_view view;
};

/*
 *   0x1000..0x3000   two pages          0x3000..0x4000  the neighbour, elsewhere in the host
 *   0x4000..0x5000   a ROM              0x9000..0xa000  alone
 *   the last page of the address space but its last byte
 */
static int open_rig(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_int_equal(tenon_mem_new(&rig->mem), 0);
    add(rig->mem, 0x1000, 2 * PAGE, host, 0);
    add(rig->mem, 0x3000, PAGE, host + 10 * PAGE, 0);
    add(rig->mem, 0x4000, PAGE, host + 20 * PAGE, TENON_REGION_READ_ONLY);
    add(rig->mem, 0x9000, PAGE, host + 30 * PAGE, 0);
    add(rig->mem, UINT64_MAX - PAGE, PAGE, host + 40 * PAGE, 0);
    assert_int_equal(tn_view_open(&rig->view, rig->mem, no_change), 0);
    *state = rig;
    return 0;
}

static int close_rig(void **state)
{
    struct rig *rig = *state;
    tn_view_close(&rig->view);
    tenon_mem_free(rig->mem);
    free(rig);
    return 0;
}

static void one_region(void **state)
{
    struct rig *rig = *state;
    struct iovec iov[ROOM];

    assert_int_equal(tn_translate(&rig->view, 0x1000, 2 * PAGE, true, iov, ROOM), 1);
    assert_ptr_equal(iov[0].iov_base, host);
    assert_int_equal(iov[0].iov_len, 2 * PAGE);
    assert_int_equal(tn_translate(&rig->view, 0x2fff, 1, true, iov, 1), 1);
    assert_ptr_equal(iov[0].iov_base, host + 2 * PAGE - 1);
    assert_int_equal(iov[0].iov_len, 1);
}

static void crossing_gives_several_iovecs_SPLIT_16(void **state)
{
    struct rig *rig = *state;
    struct iovec iov[ROOM];

    assert_int_equal(tn_translate(&rig->view, 0x2ff0, 0x20, true, iov, ROOM), 2);
    assert_ptr_equal(iov[0].iov_base, host + 2 * PAGE - 0x10);
    assert_int_equal(iov[0].iov_len, 0x10);
    assert_ptr_equal(iov[1].iov_base, host + 10 * PAGE);
    assert_int_equal(iov[1].iov_len, 0x10);
    assert_int_equal(tn_translate(&rig->view, 0x1000, 4 * PAGE, false, iov, ROOM), 3);
    assert_ptr_equal(iov[2].iov_base, host + 20 * PAGE);
    assert_int_equal(iov[2].iov_len, PAGE);
    assert_int_equal(tn_translate(&rig->view, 0x1000, 4 * PAGE, false, iov, 3), 3);
    assert_int_equal(tn_translate(&rig->view, 0x1000, 4 * PAGE, false, iov, 2), -ENOBUFS);
    assert_int_equal(tn_translate(&rig->view, 0x1000, 1, false, iov, 0), -ENOBUFS);
}

static void outside_and_wrapping_fault_SPLIT_16(void **state)
{
    struct rig *rig = *state;
    struct iovec iov[ROOM];
    static const struct {
        uint64_t gpa, bytes;
    } bad[] = {
        { 0, 1 },
        { 0xfff, 1 },
        { 0xfff, 2 },
        { 0x4fff, 2 },
        { 0x5000, 1 },
        { 0x8fff, 0x1000 },
        { 0x9000, 0x1001 },
        { 0x1000, UINT64_MAX },
        { 0x1000, UINT64_MAX - 0x1000 },
        { 0x1000, UINT64_MAX - 0x0fff },
        { UINT64_MAX - PAGE - 1, 2 },
        { UINT64_MAX - 1, 2 },
        { UINT64_MAX - 1, 0x2000 },
        { UINT64_MAX, 1 },
        { UINT64_MAX, UINT64_MAX },
        { UINT64_MAX - PAGE, PAGE + 1 },
        { UINT64_MAX - PAGE, UINT64_MAX },
    };

    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(tn_translate(&rig->view, bad[i].gpa, bad[i].bytes, false, iov, ROOM),
                         -EFAULT);
        assert_null(tn_translate_flat(&rig->view, bad[i].gpa, bad[i].bytes, false));
        assert_false(tn_mem_has(rig->mem, bad[i].gpa, bad[i].bytes, false));
    }
}

static void end_of_the_address_space(void **state)
{
    struct rig *rig = *state;
    struct iovec iov[ROOM];

    assert_int_equal(tn_translate(&rig->view, UINT64_MAX - PAGE, PAGE, true, iov, ROOM), 1);
    assert_ptr_equal(iov[0].iov_base, host + 40 * PAGE);
    assert_ptr_equal(tn_translate_flat(&rig->view, UINT64_MAX - 1, 1, true), host + 41 * PAGE - 1);
    /* The last hit is now the highest region: addresses below must not be taken for its own. */
    assert_int_equal(tn_translate(&rig->view, 0, 1, true, iov, ROOM), -EFAULT);
    assert_ptr_equal(tn_translate_flat(&rig->view, 0x1000, 1, true), host);
}

static void nothing_is_no_iovec(void **state)
{
    struct rig *rig = *state;
    struct iovec iov[1] = { { NULL, 7 } };

    assert_int_equal(tn_translate(&rig->view, 0x1000, 0, true, iov, 1), 0);
    assert_int_equal(tn_translate(&rig->view, 0, 0, true, iov, 0), 0);
    assert_int_equal(tn_translate(&rig->view, UINT64_MAX, 0, true, iov, 0), 0);
    assert_int_equal(iov[0].iov_len, 7);
    assert_null(tn_translate_flat(&rig->view, 0x1000, 0, false));
    assert_false(tn_mem_has(rig->mem, 0x1000, 0, false));
}

static void rom_is_read_and_never_written(void **state)
{
    struct rig *rig = *state;
    struct iovec iov[ROOM];

    assert_int_equal(tn_translate(&rig->view, 0x4000, PAGE, false, iov, ROOM), 1);
    assert_int_equal(tn_translate(&rig->view, 0x4000, 1, true, iov, ROOM), -EFAULT);
    assert_int_equal(tn_translate(&rig->view, 0x3fff, 2, true, iov, ROOM), -EFAULT);
    assert_int_equal(tn_translate(&rig->view, 0x3fff, 2, false, iov, ROOM), 2);
    assert_null(tn_translate_flat(&rig->view, 0x4000, 1, true));
    assert_non_null(tn_translate_flat(&rig->view, 0x4000, 1, false));
    assert_true(tn_mem_has(rig->mem, 0x4000, PAGE, false));
    assert_false(tn_mem_has(rig->mem, 0x4000, PAGE, true));
}

static void flat_wants_one_piece(void **state)
{
    struct rig *rig = *state;

    assert_ptr_equal(tn_translate_flat(&rig->view, 0x1000, 2 * PAGE, true), host);
    assert_null(tn_translate_flat(&rig->view, 0x2fff, 2, true));
    assert_true(tn_mem_has(rig->mem, 0x1000, 2 * PAGE, true));
    assert_false(tn_mem_has(rig->mem, 0x2fff, 2, true));
}

static void regions_that_continue_in_the_host_are_one_piece(void **state)
{
    struct rig *rig = *state;
    struct iovec iov[1];

    add(rig->mem, 0xa000, PAGE, host + 31 * PAGE, 0);
    assert_true(tn_view_refresh(&rig->view));
    assert_int_equal(tn_translate(&rig->view, 0x9000, 2 * PAGE, true, iov, 1), 1);
    assert_int_equal(iov[0].iov_len, 2 * PAGE);
    assert_ptr_equal(tn_translate_flat(&rig->view, 0x9ff8, 16, true), host + 31 * PAGE - 8);
}

static void back_to_the_guest_address(void **state)
{
    struct rig *rig = *state;
    struct tn_table *table = tn_view_pin(&rig->view);
    uint64_t gpa = 77;

    assert_true(tn_translate_back(table, host + 5, &gpa));
    assert_int_equal(gpa, 0x1005);
    assert_true(tn_translate_back(table, host + 41 * PAGE - 1, &gpa));
    assert_int_equal(gpa, UINT64_MAX - 1);
    gpa = 77;
    assert_false(tn_translate_back(table, host + 2 * PAGE, &gpa));
    assert_false(tn_translate_back(table, &gpa, &gpa));
    assert_int_equal(gpa, 77);
    tn_view_unpin(&rig->view, table);
}

/*
 * ---- against a model: one entry for each of 256 cells of 16 bytes; the guest memory comes and
 * goes ----
 */

enum { CELLS = 256, CELL = 16 };

struct cell {
    int start; /* first cell of the region it is in; -1: none */
    int cells;
    uint8_t *host;
    bool rom;
};

static struct cell model[CELLS];
static uint64_t seed = 12345;

static unsigned chance(unsigned below)
{
    seed = seed * 6364136223846793005ull + 1442695040888963407ull;
    return (unsigned)((seed >> 33) % below);
}

static void model_change(struct tenon_mem *mem, uint64_t gpa)
{
    int at = (int)chance(CELLS);

    if (model[at].start >= 0) {
        int start = model[at].start, cells = model[at].cells;
        assert_int_equal(
            tenon_mem_remove(mem, gpa + (uint64_t)start * CELL, (uint64_t)cells * CELL), 0);
        for (int i = start; i < start + cells; i++) {
            model[i].start = -1;
        }
        return;
    }
    int cells = 0, most = 1 + (int)chance(20);
    while (cells < most && at + cells < CELLS && model[at + cells].start < 0) {
        cells++;
    }
    uint8_t *place = host + chance(8 * PAGE);
    bool rom = chance(5) == 0;
    add(mem, gpa + (uint64_t)at * CELL, (uint64_t)cells * CELL, place,
        rom ? TENON_REGION_READ_ONLY : 0);
    for (int i = 0; i < cells; i++) {
        model[at + i] = (struct cell){ at, cells, place + i * CELL, rom };
    }
}

static void model_compare(struct tn_view *view, uint64_t gpa)
{
    unsigned from = chance(CELLS * CELL), bytes = chance(chance(4) == 0 ? 2000 : 100);
    bool write = chance(2) == 0, good = true;
    struct iovec iov[CELLS];

    if (from + bytes > CELLS * CELL) {
        bytes = CELLS * CELL - from;
    }
    for (unsigned i = from; i < from + bytes; i++) {
        good = good && model[i / CELL].start >= 0 && !(write && model[i / CELL].rom);
    }
    int pieces = tn_translate(view, gpa + from, bytes, write, iov, CELLS);
    void *flat = tn_translate_flat(view, gpa + from, bytes, write);
    if (!good) {
        assert_int_equal(pieces, -EFAULT);
        assert_null(flat);
        return;
    }
    assert_true(pieces >= 0);
    assert_ptr_equal(flat, pieces == 1 ? iov[0].iov_base : NULL);
    unsigned at = from;
    for (int i = 0; i < pieces; i++) {
        assert_true(iov[i].iov_len != 0);
        for (size_t byte = 0; byte < iov[i].iov_len; byte++, at++) {
            assert_ptr_equal((uint8_t *)iov[i].iov_base + byte, model[at / CELL].host + at % CELL);
        }
    }
    assert_int_equal(at, from + bytes);
}

static void random_changes_and_translations_match_a_model(void **state)
{
    (void)state;
    static const uint64_t places[] = { 0, 0x7ffffff8, UINT64_MAX - CELLS * CELL };

    for (unsigned place = 0; place < 3; place++) {
        struct tenon_mem *mem = NULL;
        struct tn_view view;
        assert_int_equal(tenon_mem_new(&mem), 0);
        assert_int_equal(tn_view_open(&view, mem, no_change), 0);
        for (unsigned i = 0; i < CELLS; i++) {
            model[i].start = -1;
        }
        for (unsigned round = 0; round < 2000; round++) {
            model_change(mem, places[place]);
            assert_true(tn_view_refresh(&view));
            for (unsigned i = 0; i < 10; i++) {
                model_compare(&view, places[place]);
            }
        }
        tn_view_close(&view);
        tenon_mem_free(mem);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_region, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(crossing_gives_several_iovecs_SPLIT_16, open_rig,
                                        close_rig),
        cmocka_unit_test_setup_teardown(outside_and_wrapping_fault_SPLIT_16, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(end_of_the_address_space, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(nothing_is_no_iovec, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(rom_is_read_and_never_written, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(flat_wants_one_piece, open_rig, close_rig),
        cmocka_unit_test_setup_teardown(regions_that_continue_in_the_host_are_one_piece, open_rig,
                                        close_rig),
        cmocka_unit_test_setup_teardown(back_to_the_guest_address, open_rig, close_rig),
        cmocka_unit_test(random_changes_and_translations_match_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
