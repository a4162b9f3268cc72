/*
 * test_place.c: CPUs that a process may not use. Most machines where this runs have no cpuset to
 * show it in, so the system's call is here: it cuts every request down to `cpuset`, as the kernel
 * does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

#include "loop/loop.h"

static cpu_set_t cpuset, mask;
static unsigned calls;
static int refuse; /* an errno */

int sched_setaffinity(pid_t pid, size_t bytes, const cpu_set_t *wanted)
{
    cpu_set_t cut;

    (void)pid;
    calls++;
    assert_int_equal(bytes, sizeof(cut));
    CPU_AND(&cut, wanted, &cpuset);
    if (refuse != 0 || CPU_COUNT(&cut) == 0) {
        errno = refuse != 0 ? refuse : EINVAL;
        return -1;
    }
    mask = cut;
    return 0;
}

int sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *to)
{
    (void)pid;
    assert_int_equal(bytes, sizeof(mask));
    *to = mask;
    return 0;
}

static void set_to(cpu_set_t *set, unsigned first, unsigned count)
{
    CPU_ZERO(set);
    for (unsigned i = first; i < first + count; i++) {
        CPU_SET(i, set);
    }
}

static int setup(void **state)
{
    (void)state;
    set_to(&cpuset, 0, CPU_SETSIZE);
    mask = cpuset;
    calls = 0;
    refuse = 0;
    return 0;
}

static void cpus_of_the_cpuset_are_permitted(void **state)
{
    const int cpus[] = { 0, 0 };
    cpu_set_t before;

    (void)state;
    set_to(&cpuset, 0, 1);
    mask = before = cpuset;
    assert_int_equal(tn_place_check(cpus, 2), 0);
    assert_true(CPU_EQUAL(&mask, &before));
    calls = 0;
    assert_int_equal(tn_place_check(NULL, 0), 0);
    assert_int_equal(calls, 0); /* who binds nothing is not touched */
}

static void a_cpu_outside_of_the_cpuset_is_refused(void **state)
{
    const int cpus[] = { 0 };

    (void)state;
    set_to(&cpuset, 1, 3);
    mask = cpuset;
    assert_int_equal(tn_place_check(cpus, 1), -EINVAL);
    assert_non_null(strstr(tenon_error(), "CPU 0 may not be used"));
    assert_true(CPU_EQUAL(&mask, &cpuset));
}

/* A thread that was bound to less than its process may use: it counts for nothing, and stays. */
static void the_mask_of_the_caller_stays(void **state)
{
    const int cpus[] = { 0 };
    cpu_set_t before;

    (void)state;
    set_to(&mask, 1, 2);
    before = mask;
    assert_int_equal(tn_place_check(cpus, 1), 0);
    assert_true(CPU_EQUAL(&mask, &before));
}

/* Where a filter forbids to look, binding itself tells. */
static void what_cannot_be_found_out_is_permitted(void **state)
{
    const int cpus[] = { 0 };

    (void)state;
    refuse = EPERM;
    assert_int_equal(tn_place_check(cpus, 1), 0);
    assert_int_equal(tn_place_check((const int[]){ -1 }, 1), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(cpus_of_the_cpuset_are_permitted, setup),
        cmocka_unit_test_setup(a_cpu_outside_of_the_cpuset_is_refused, setup),
        cmocka_unit_test_setup(the_mask_of_the_caller_stays, setup),
        cmocka_unit_test_setup(what_cannot_be_found_out_is_permitted, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
