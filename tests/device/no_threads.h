/*
 * no_threads.h: for a while no thread can be started, for tests of who hears of it: threads get a
 * stack that no address space has room for. Of the whole program.
 */
#ifndef TENON_TEST_NO_THREADS_H
#define TENON_TEST_NO_THREADS_H

#include <pthread.h>

#include "harness.h"

static inline size_t threads_with_stack(uint64_t bytes)
{
    pthread_attr_t attr;
    size_t before = 0;

    assert_int_equal(pthread_getattr_default_np(&attr), 0);
    assert_int_equal(pthread_attr_getstacksize(&attr, &before), 0);
    assert_int_equal(pthread_attr_setstacksize(&attr, bytes), 0);
    assert_int_equal(pthread_setattr_default_np(&attr), 0);
    pthread_attr_destroy(&attr);
    return before;
}

/* What threads_allow needs to know. */
static inline size_t threads_forbid(void)
{
    return threads_with_stack(UINT64_C(1) << 47);
}

static inline void threads_allow(size_t usual)
{
    threads_with_stack(usual);
}

#endif
