/*
 * test_opts.c: option structs of callers that were built against an older or a newer header.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/opts.h"
#include "tenon/base.h"

struct old_opts {
    size_t size;
    int a;
    int b;
};

struct opts {
    size_t size;
    int a;
    int b;
    uint64_t c;
};

struct new_opts {
    size_t size;
    int a;
    int b;
    uint64_t c;
    uint64_t d;
};

static const struct opts full = { sizeof(full), 1, 2, 3 };

static void no_options_are_all_defaults(void **state)
{
    struct opts opts;

    (void)state;
    memset(&opts, 0xff, sizeof(opts));
    assert_int_equal(tn_opts_copy(&opts, sizeof(opts), NULL, "thing"), 0);
    assert_int_equal(opts.size, sizeof(opts));
    assert_int_equal(opts.a, 0);
    assert_true(opts.c == 0);
}

static void own_size_is_copied_whole(void **state)
{
    struct opts opts;

    (void)state;
    memset(&opts, 0xff, sizeof(opts));
    assert_int_equal(tn_opts_copy(&opts, sizeof(opts), &full, "thing"), 0);
    assert_memory_equal(&opts, &full, sizeof(opts));
}

static void older_caller_gets_defaults_for_the_rest(void **state)
{
    struct old_opts old = { sizeof(old), 1, 2 };
    struct opts opts;

    (void)state;
    memset(&opts, 0xff, sizeof(opts));
    assert_int_equal(tn_opts_copy(&opts, sizeof(opts), &old, "thing"), 0);
    assert_int_equal(opts.size, sizeof(opts));
    assert_int_equal(opts.b, 2);
    assert_true(opts.c == 0);
}

static void newer_caller_is_served_unless_it_asks_for_what_is_unknown(void **state)
{
    struct new_opts new = { sizeof(new), 1, 2, 3, 0 };
    struct opts opts;

    (void)state;
    assert_int_equal(tn_opts_copy(&opts, sizeof(opts), &new, "thing"), 0);
    assert_memory_equal(&opts, &full, sizeof(opts));
    new.d = UINT64_C(1) << 63; /* the last byte */
    assert_int_equal(tn_opts_copy(&opts, sizeof(opts), &new, "thing"), -EINVAL);
    assert_non_null(strstr(tenon_error(), "thing"));
    assert_non_null(strstr(tenon_error(), "newer library"));
}

static void forgotten_size_is_refused(void **state)
{
    struct opts opts, given = { 0, 1, 2, 3 };

    (void)state;
    assert_int_equal(tn_opts_copy(&opts, sizeof(opts), &given, "thing"), -EINVAL);
    assert_non_null(strstr(tenon_error(), "size"));
    given.size = sizeof(size_t) - 1;
    assert_int_equal(tn_opts_copy(&opts, sizeof(opts), &given, "thing"), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_options_are_all_defaults),
        cmocka_unit_test(own_size_is_copied_whole),
        cmocka_unit_test(older_caller_gets_defaults_for_the_rest),
        cmocka_unit_test(newer_caller_is_served_unless_it_asks_for_what_is_unknown),
        cmocka_unit_test(forgotten_size_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
