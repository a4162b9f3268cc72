/*
 * pair_rig.h: two links back to back on one worker without a thread, with an end each, for the
 * tests of back_to_back.c and pair_wires.c. Included before any other header.
 */
#ifndef TESTS_UNIT_PAIR_RIG_H
#define TESTS_UNIT_PAIR_RIG_H

#include "link_ends.h"

static struct tenon_worker *worker;
static struct tenon_link *links[2];
static struct end a, b;

static inline void begin(unsigned pairs)
{
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    assert_int_equal(tenon_worker_new(NULL, &worker), 0);
    assert_int_equal(tenon_link_open_pair(pairs, links), 0);
    a.link = links[0];
    b.link = links[1];
}

static inline void run(void)
{
    while (tenon_worker_run(worker, 0) > 0) {
    }
}

/* For what goes on as long as it is so. */
static inline void run_some(void)
{
    for (unsigned i = 0; i < 5; i++) {
        assert_true(tenon_worker_run(worker, 0) >= 0);
    }
}

static inline void finish(void)
{
    end_drop(&a);
    end_drop(&b);
    tenon_link_close(links[0]);
    tenon_link_close(links[1]);
    tenon_worker_free(worker);
}

#endif
