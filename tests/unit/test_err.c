/*
 * test_err.c: each thread has its own last sentence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"

static void sentence_is_kept_and_the_number_returned(void **state)
{
    char longest[2000];

    (void)state;
    assert_non_null(tenon_error());
    assert_string_equal(tenon_error(), "");
    assert_int_equal(tn_error(-EBUSY, "disk %s is in use by %d", "a.img", 7), -EBUSY);
    assert_string_equal(tenon_error(), "disk a.img is in use by 7");
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    assert_int_equal(tn_error(-EIO, "%s", longest), -EIO);
    assert_in_range(strlen(tenon_error()), 200, sizeof(longest) - 2); /* cut, and ended */
    tn_error(-EIO, "last");
    assert_string_equal(tenon_error(), "last");
}

static void *fail_elsewhere(void *opaque)
{
    *(bool *)opaque = strcmp(tenon_error(), "") == 0;
    tn_error(-EIO, "theirs");
    return NULL;
}

static void threads_do_not_see_one_another(void **state)
{
    bool was_empty = false;
    pthread_t thread;

    (void)state;
    tn_error(-EIO, "ours");
    assert_int_equal(pthread_create(&thread, NULL, fail_elsewhere, &was_empty), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(was_empty);
    assert_string_equal(tenon_error(), "ours");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sentence_is_kept_and_the_number_returned),
        cmocka_unit_test(threads_do_not_see_one_another),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
