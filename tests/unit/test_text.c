/*
 * test_text.c: key=value pairs, sizes, switches and suggestions (<tenon/opts.h>).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "tenon/opts.h"

static void expect_pair(const char **spec, const char *key, const char *value)
{
    char k[32], v[64];

    assert_int_equal(tenon_opts_next(spec, k, sizeof(k), v, sizeof(v)), 1);
    assert_string_equal(k, key);
    assert_string_equal(v, value);
}

static void expect_end(const char *spec)
{
    char k[32], v[64];

    assert_int_equal(tenon_opts_next(&spec, k, sizeof(k), v, sizeof(v)), 0);
}

static void expect_refused(const char *spec, const char *says)
{
    char k[8], v[8];
    int r;

    while ((r = tenon_opts_next(&spec, k, sizeof(k), v, sizeof(v))) > 0) {
    }
    assert_int_equal(r, -EINVAL);
    assert_non_null(strstr(tenon_error(), says));
}

static void test_pairs_in_order(void **state)
{
    const char *spec = "file=a.img,direct=on,size=";

    (void)state;
    expect_pair(&spec, "file", "a.img");
    expect_pair(&spec, "direct", "on");
    expect_pair(&spec, "size", "");
    expect_end(spec);
    expect_end("");
}

static void test_two_commas_are_one(void **state)
{
    const char *spec = "file=a,,b,,,x=1,y=,,";

    (void)state;
    expect_pair(&spec, "file", "a,b,");
    expect_pair(&spec, "x", "1");
    expect_pair(&spec, "y", ",");
    expect_end(spec);
}

static void test_equals_in_a_value(void **state)
{
    const char *spec = "file=a=b==c";

    (void)state;
    expect_pair(&spec, "file", "a=b==c");
    expect_end(spec);
}

static void test_bad_lists_are_refused(void **state)
{
    (void)state;
    expect_refused("direct", "direct=");
    expect_refused("a=1,direct,b=2", "\"direct\" has no value");
    expect_refused("=x", "no key");
    expect_refused(",a=1", "empty");
    expect_refused("a=1,", "ends in a comma");
    expect_refused("abcdefgh=1", "too long");
    expect_refused("a=12345678", "at most 7");
}

static void test_longest_parts_fit(void **state)
{
    char k[8], v[8];
    const char *spec = "abcdefg=1234567";

    (void)state;
    assert_int_equal(tenon_opts_next(&spec, k, sizeof(k), v, sizeof(v)), 1);
    assert_string_equal(k, "abcdefg");
    assert_string_equal(v, "1234567");
}

static void expect_size(const char *text, uint64_t value)
{
    uint64_t got = 77;

    assert_int_equal(tenon_parse_size(text, &got), 0);
    assert_true(got == value);
}

static void expect_no_size(const char *text, int error)
{
    uint64_t got = 77;

    assert_int_equal(tenon_parse_size(text, &got), error);
    assert_true(got == 77);
    assert_true(strlen(tenon_error()) > 0);
}

static void test_sizes(void **state)
{
    (void)state;
    expect_size("0", 0);
    expect_size("512", 512);
    expect_size("64K", 65536);
    expect_size("64k", 65536);
    expect_size("3M", UINT64_C(3) << 20);
    expect_size("10G", UINT64_C(10) << 30);
    expect_size("2T", UINT64_C(2) << 40);
    expect_size("18446744073709551615", UINT64_MAX);
    expect_no_size("18446744073709551616", -ERANGE);
    expect_no_size("99999999999999999999", -ERANGE);
    expect_no_size("16777216T", -ERANGE);
    expect_size("16777215T", UINT64_C(16777215) << 40);
    expect_no_size("", -EINVAL);
    expect_no_size("K", -EINVAL);
    expect_no_size("-1", -EINVAL);
    expect_no_size(" 1", -EINVAL);
    expect_no_size("1 ", -EINVAL);
    expect_no_size("1KB", -EINVAL);
    expect_no_size("1X", -EINVAL);
    expect_no_size("0x10", -EINVAL);
    expect_no_size("1.5G", -EINVAL);
}

static void test_switches(void **state)
{
    bool on = false;

    (void)state;
    assert_int_equal(tenon_parse_bool("on", &on), 0);
    assert_true(on);
    assert_int_equal(tenon_parse_bool("off", &on), 0);
    assert_false(on);
    assert_int_equal(tenon_parse_bool("true", &on), 0);
    assert_true(on);
    assert_int_equal(tenon_parse_bool("no", &on), 0);
    assert_false(on);
    on = true;
    assert_int_equal(tenon_parse_bool("maybe", &on), -EINVAL);
    assert_int_equal(tenon_parse_bool("", &on), -EINVAL);
    assert_true(on);
}

static void test_nearest_word(void **state)
{
    static const char *const words[] = { "file",   "fd",      "memory",  "read-only", "direct",
                                         "engine", "threads", "discard", "serial",    NULL };
    (void)state;
    assert_string_equal(tenon_nearest("flie", words), "file");
    assert_string_equal(tenon_nearest("readonly", words), "read-only");
    assert_string_equal(tenon_nearest("read_only", words), "read-only");
    assert_string_equal(tenon_nearest("DIRECT", words), "direct");
    assert_string_equal(tenon_nearest("thread", words), "threads");
    assert_string_equal(tenon_nearest("mem", words), "memory");
    assert_string_equal(tenon_nearest("filename", words), "file");
    assert_string_equal(tenon_nearest("discrad", words), "discard");
    assert_null(tenon_nearest("bandwidth", words));
    assert_null(tenon_nearest("", words));
    assert_null(tenon_nearest("x", words));
    assert_null(
        tenon_nearest("a-word-that-is-far-longer-than-any-option-ever-was-or-will-be", words));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_in_order),    cmocka_unit_test(test_two_commas_are_one),
        cmocka_unit_test(test_equals_in_a_value), cmocka_unit_test(test_bad_lists_are_refused),
        cmocka_unit_test(test_longest_parts_fit), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_switches),          cmocka_unit_test(test_nearest_word),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
