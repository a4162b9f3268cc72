/*
 * bells.h: a worker with notifiers that it watches, for the tests of loop.c and watch.c.
 */
#ifndef TESTS_UNIT_BELLS_H
#define TESTS_UNIT_BELLS_H

#include "loops.h"

#include <string.h>

enum { BELLS = 200 };

struct fixture {
    struct tenon_worker *worker;
    struct tn_notifier bells[BELLS];
    struct tenon_watch *watches[BELLS];
    unsigned calls[BELLS];
    unsigned events;
    char order[16];
};

static struct fixture f;

static inline void begin(void **state)
{
    memset(&f, 0, sizeof(f));
    f.worker = new_worker(state);
}

static inline void note(char c)
{
    size_t n = strlen(f.order);

    if (n < sizeof(f.order) - 1) {
        f.order[n] = c;
    }
}

static inline void count_call(void *opaque, int fd, unsigned events)
{
    unsigned *calls = opaque;

    (void)fd;
    f.events = events;
    ++*calls;
}

static inline void open_bells(unsigned count, tenon_watch_fn *fn)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(tn_notifier_open(&f.bells[i], tn_worker_loop(f.worker)), 0);
        assert_int_equal(tenon_watch_add(f.worker, f.bells[i].read_fd, TENON_READABLE, fn,
                                         &f.calls[i], &f.watches[i]),
                         0);
    }
}

static inline void end(unsigned bells)
{
    for (unsigned i = 0; i < bells; i++) {
        tenon_watch_remove(f.watches[i]);
        tn_notifier_close(&f.bells[i]);
    }
    tenon_worker_free(f.worker);
}

#endif
