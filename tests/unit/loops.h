/*
 * loops.h: each test of loop/ runs over both bodies of the loop, epoll and poll(2). Included
 * before any other header.
 */
#ifndef TESTS_UNIT_LOOPS_H
#define TESTS_UNIT_LOOPS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "loop/loop.h"

static enum tenon_loop loop_kinds[] = { TENON_LOOP_EPOLL, TENON_LOOP_POLL };

/* Two entries of a table of tests. A macro, because it makes names of a name. */
#define OVER_BOTH(test)                                                                            \
    { #test " (epoll)", test, NULL, NULL, &loop_kinds[0] },                                        \
    {                                                                                              \
#test " (poll)", test, NULL, NULL, &loop_kinds[1]                                          \
    }

static inline struct tenon_worker *new_worker(void **state)
{
    struct tenon_worker_opts opts = { .size = sizeof(opts), .loop = *(enum tenon_loop *)*state };
    struct tenon_worker *worker = NULL;

    assert_int_equal(tenon_worker_new(&opts, &worker), 0);
    assert_int_equal(tn_worker_loop(worker), opts.loop);
    return worker;
}

#endif
