/*
 * test_table.c: the table of regions by itself: order, overlap, search, and that regions live
 * exactly as long as a table that holds them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "base/err.h"
#include "mem/table.h"

static uint8_t backing[4096];

static void count_release(void *opaque)
{
    ++*(unsigned *)opaque;
}

static struct tn_region *region(uint64_t gpa, uint64_t bytes, unsigned *released)
{
    struct tenon_region options = { .size = sizeof(options),
                                    .gpa = gpa,
                                    .bytes = bytes,
                                    .host = backing,
                                    .released = released ? count_release : NULL,
                                    .opaque = released };
    struct tn_region *made = NULL;
    assert_int_equal(tn_region_new(&options, &made), 0);
    return made;
}

/* Adds, and lets the old table go. */
static struct tn_table *with(struct tn_table *old, uint64_t gpa, uint64_t bytes, unsigned *released)
{
    struct tn_table *table = NULL;
    assert_int_equal(tn_table_with(old, region(gpa, bytes, released), &table), 0);
    tn_table_put(old);
    return table;
}

static int try_with(struct tn_table *old, uint64_t gpa, uint64_t bytes)
{
    struct tn_table *table = NULL;
    struct tn_region *one = region(gpa, bytes, NULL);
    int error = tn_table_with(old, one, &table);
    if (error < 0) {
        assert_null(table);
        tn_region_discard(one);
    } else {
        tn_table_put(table);
    }
    return error;
}

static void empty_table_finds_nothing(void **state)
{
    (void)state;
    struct tn_table *table = tn_table_new_empty();
    struct tn_table *none = NULL;

    assert_null(tn_table_find(table, 0));
    assert_null(tn_table_find(table, UINT64_MAX));
    assert_int_equal(tn_table_without(table, 0, 4096, &none), -ENOENT);
    assert_null(none);
    assert_false(tn_table_poisoned(table));
    tn_table_put(table);
}

static void five_hundred_regions_in_any_order_are_found(void **state)
{
    (void)state;
    enum { COUNT = 509, STEP = 211 }; /* no common divisor: each place comes once */
    struct tn_table *table = tn_table_new_empty();

    for (unsigned i = 0; i < COUNT; i++) {
        unsigned place = i * STEP % COUNT;
        table = with(table, place * 0x10000ull, 0x8000, NULL);
    }
    assert_int_equal(table->count, COUNT);
    for (unsigned i = 0; i < COUNT; i++) {
        uint64_t gpa = i * 0x10000ull;
        assert_ptr_equal(tn_table_find(table, gpa), table->regions[i]);
        assert_ptr_equal(tn_table_find(table, gpa + 0x7fff), table->regions[i]);
        assert_null(tn_table_find(table, gpa + 0x8000));
        assert_null(tn_table_find(table, gpa + 0xffff));
        assert_int_equal(table->regions[i]->gpa, gpa);
    }
    tn_table_put(table);
}

static void overlap_is_refused_and_neighbours_are_not(void **state)
{
    (void)state;
    struct tn_table *table = with(tn_table_new_empty(), 0x2000, 0x1000, NULL);
    table = with(table, 0x8000, 0x1000, NULL);

    assert_int_equal(try_with(table, 0x2000, 0x1000), -EEXIST);
    assert_int_equal(try_with(table, 0x1000, 0x1001), -EEXIST);
    assert_int_equal(try_with(table, 0x2fff, 1), -EEXIST);
    assert_int_equal(try_with(table, 0x2400, 0x100), -EEXIST);
    assert_int_equal(try_with(table, 0, 0x10000), -EEXIST);
    assert_int_equal(try_with(table, 0x3000, 0x5001), -EEXIST);
    assert_non_null(strstr(tenon_error(), "0x3000"));
    assert_int_equal(try_with(table, 0x3000, 0x5000), 0);
    assert_int_equal(try_with(table, 0x1000, 0x1000), 0);
    assert_int_equal(try_with(table, 0x9000, INT64_MAX), 0);
    tn_table_put(table);
}

static void removal_wants_the_exact_place(void **state)
{
    (void)state;
    struct tn_table *table = with(tn_table_new_empty(), 0x2000, 0x1000, NULL);
    struct tn_table *less = NULL;

    assert_int_equal(tn_table_without(table, 0x2000, 0xfff, &less), -ENOENT);
    assert_int_equal(tn_table_without(table, 0x2001, 0x1000, &less), -ENOENT);
    assert_int_equal(tn_table_without(table, 0x1fff, 0x1000, &less), -ENOENT);
    assert_null(less);
    assert_int_equal(tn_table_without(table, 0x2000, 0x1000, &less), 0);
    assert_int_equal(less->count, 0);
    tn_table_put(less);
    tn_table_put(table);
}

/* A region goes with the last table that holds it, whatever the order the tables go in. */
static void release_comes_once_with_the_last_table(void **state)
{
    (void)state;
    for (unsigned order = 0; order < 6; order++) {
        static const unsigned orders[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 },
                                               { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
        unsigned first = 0, second = 0;
        struct tn_table *tables[3];

        tables[0] = with(tn_table_new_empty(), 0, 0x1000, &first);
        assert_int_equal(tn_table_with(tables[0], region(0x1000, 16, &second), &tables[1]), 0);
        assert_int_equal(tn_table_without(tables[1], 0, 0x1000, &tables[2]), 0);
        bool gone[3] = { false, false, false };
        for (unsigned i = 0; i < 3; i++) {
            assert_int_equal(first, gone[0] && gone[1]);
            assert_int_equal(second, gone[1] && gone[2]);
            tn_table_put(tables[orders[order][i]]);
            gone[orders[order][i]] = true;
        }
        assert_int_equal(first, 1);
        assert_int_equal(second, 1);
    }
}

static void discarded_region_is_not_announced(void **state)
{
    (void)state;
    unsigned released = 0;
    tn_region_discard(region(0, 1, &released));
    assert_int_equal(released, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_table_finds_nothing),
        cmocka_unit_test(five_hundred_regions_in_any_order_are_found),
        cmocka_unit_test(overlap_is_refused_and_neighbours_are_not),
        cmocka_unit_test(removal_wants_the_exact_place),
        cmocka_unit_test(release_comes_once_with_the_last_table),
        cmocka_unit_test(discarded_region_is_not_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
