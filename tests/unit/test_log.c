/*
 * test_log.c: log lines reach the embedder's target, and nobody else.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"

struct target {
    unsigned lines;
    enum tenon_log_level level;
    char line[1024];
};

static void keep(void *opaque, enum tenon_log_level level, const char *line)
{
    struct target *target = opaque;

    target->lines++;
    target->level = level;
    strncpy(target->line, line, sizeof(target->line) - 1);
}

static void lines_go_to_the_target_of_the_moment(void **state)
{
    struct target one = { 0 }, two = { 0 };
    char longest[2000];

    (void)state;
    tn_log(TENON_LOG_ERROR, "to nobody");
    tenon_set_log(keep, &one);
    tn_log(TENON_LOG_WARNING, "queue %d", 3);
    assert_int_equal(one.lines, 1);
    assert_int_equal(one.level, TENON_LOG_WARNING);
    assert_string_equal(one.line, "queue 3");
    tenon_set_log(keep, &two);
    tn_log(TENON_LOG_DEBUG, "x");
    assert_int_equal(one.lines, 1);
    assert_int_equal(two.lines, 1);
    memset(longest, 'y', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = 0;
    tn_log(TENON_LOG_INFO, "%s", longest);
    assert_in_range(strlen(two.line), 200, 1000);
    tenon_set_log(NULL, NULL);
    tn_log(TENON_LOG_ERROR, "to nobody");
    assert_int_equal(two.lines, 2);
}

/* The library never prints by itself: what it says without a target is nowhere, not on stderr. */
static void without_a_target_nothing_is_written(void **state)
{
    int fds[2], kept = dup(STDERR_FILENO);
    char byte;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    dup2(fds[1], STDERR_FILENO);
    tn_log(TENON_LOG_ERROR, "to nobody");
    dup2(kept, STDERR_FILENO);
    close(kept);
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 0);
    close(fds[0]);
}

static atomic_uint heard;

static void count(void *opaque, enum tenon_log_level level, const char *line)
{
    (void)opaque;
    (void)level;
    (void)line;
    atomic_fetch_add(&heard, 1);
}

static void *talk(void *opaque)
{
    for (int i = 0; i < 1000; i++) {
        tn_log(TENON_LOG_INFO, "%d", i);
    }
    return opaque;
}

static void several_threads_may_log_at_once(void **state)
{
    pthread_t threads[3];

    (void)state;
    tenon_set_log(count, NULL);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, talk, NULL), 0);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&heard), 3000);
    tenon_set_log(NULL, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_go_to_the_target_of_the_moment),
        cmocka_unit_test(without_a_target_nothing_is_written),
        cmocka_unit_test(several_threads_may_log_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
