/*
 * test_pair_threads.c: two links back to back on two workers with threads: each frame that was
 * accepted arrives whole, once and in order, or comes back to its sender, while both sides send,
 * read, sleep, take back, close and open again. To be run under the thread sanitizer, too.
 */
#include "link_ends.h"

#include <sched.h>
#include <time.h>

#include "base/list.h"

enum { FLOOD = 200000, PATIENCE_S = 200 };

enum phase { FLOODING, CLOSING, STOPPING, EMPTY, CLOSED };

/* One end, and what it does on its worker: a step, and another one. */
struct actor {
    struct end end;
    struct tenon_post step;
    uint32_t random;
    enum phase phase;
    bool closes, meets_closed;
    atomic_bool done;
    atomic_bool *stop, *close;
    atomic_int at; /* its phase, for others */
};

static uint32_t roll(struct actor *actor, uint32_t sides)
{
    actor->random = actor->random * 1103515245 + 12345;
    return (actor->random >> 16) % sides;
}

static void read_or_sleep(struct actor *actor)
{
    struct end *end = &actor->end;

    if (roll(actor, 4) == 0) {
        end->reads = true;
        end_watch(end, TENON_READABLE | (roll(actor, 2) ? TENON_WRITABLE : 0));
    } else if (roll(actor, 4) == 0) {
        end->reads = false;
        end_watch(end, 0);
    } else {
        end_read(end, roll(actor, 64));
    }
}

static bool is_empty(const struct end *end)
{
    return end->accepted == end->came_back + end->pulled;
}

static void flood(struct actor *actor)
{
    if (end_send(&actor->end, roll(actor, 48)) == 0) {
        sched_yield();
    }
    if (roll(actor, 256) == 0) {
        end_cancel(&actor->end, roll(actor, 2) ? UINT32_MAX : roll(actor, 200));
    }
    if (actor->closes && roll(actor, 64) == 0) {
        actor->phase = CLOSING;
    }
    if (atomic_load(actor->stop)) {
        actor->phase = STOPPING;
    }
}

static void close_and_open(struct actor *actor)
{
    struct tenon_worker *worker = actor->end.worker;

    end_cancel(&actor->end, UINT32_MAX);
    if (is_empty(&actor->end)) {
        end_close(&actor->end);
        end_open(&actor->end, 0, worker);
        actor->phase = FLOODING;
    }
}

static bool has_seen_all(const struct actor *actor)
{
    const struct end *end = &actor->end;

    return end->arrived_there >= FLOOD && end->pulled != 0 &&
           (!actor->meets_closed || end->down != 0);
}

static void on_step(struct tenon_post *post)
{
    struct actor *actor = TN_CONTAINER_OF(post, struct actor, step);

    read_or_sleep(actor);
    switch (actor->phase) {
    case FLOODING:
        flood(actor);
        break;
    case CLOSING:
        close_and_open(actor);
        break;
    case STOPPING: /* everything arrives */
        actor->phase = is_empty(&actor->end) ? EMPTY : STOPPING;
        break;
    case EMPTY:
        if (atomic_load(actor->close)) {
            end_close(&actor->end);
            atomic_store(&actor->at, CLOSED);
            return;
        }
        break;
    default:
        break;
    }
    atomic_store(&actor->done, has_seen_all(actor));
    atomic_store(&actor->at, actor->phase);
    tenon_worker_post(actor->end.worker, post);
}

static void wait_for(struct actor *actors, bool (*is_so)(struct actor *actor))
{
    const struct timespec nap = { .tv_nsec = 1000000 };
    time_t end = time(NULL) + PATIENCE_S;

    while (!is_so(&actors[0]) || !is_so(&actors[1])) {
        assert_true(time(NULL) < end);
        nanosleep(&nap, NULL);
    }
}

static bool is_done(struct actor *actor)
{
    return atomic_load(&actor->done);
}

static bool is_at_rest(struct actor *actor)
{
    return atomic_load(&actor->at) == EMPTY;
}

static bool is_closed(struct actor *actor)
{
    return atomic_load(&actor->at) == CLOSED;
}

/* Over `count` workers; one of the two closes and opens again, if at all. */
static void run(unsigned count, bool closes)
{
    struct tenon_worker *workers[2];
    struct tenon_link *links[2];
    struct actor *actors = calloc(2, sizeof(*actors));
    atomic_bool stop = false, close = false;

    assert_non_null(actors);
    assert_int_equal(tenon_link_open_pair(1, links), 0);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(tenon_worker_new(NULL, &workers[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        actors[i].end.link = links[i];
        actors[i].random = i + 1;
        actors[i].step.fn = on_step;
        actors[i].stop = &stop;
        actors[i].close = &close;
        actors[i].closes = closes && i == 1;
        actors[i].meets_closed = closes && i == 0;
        end_open(&actors[i].end, 0, workers[i % count]);
        tenon_worker_post(workers[i % count], &actors[i].step);
    }
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(tenon_worker_start(workers[i]), 0);
    }
    wait_for(actors, is_done);
    atomic_store(&stop, true);
    wait_for(actors, is_at_rest);
    atomic_store(&close, true);
    wait_for(actors, is_closed);
    for (unsigned i = 0; i < count; i++) {
        tenon_worker_free(workers[i]);
    }
    assert_int_equal(actors[0].end.arrived_there, actors[1].end.received);
    assert_int_equal(actors[1].end.arrived_there, actors[0].end.received);
    for (unsigned i = 0; i < 2; i++) {
        end_drop(&actors[i].end);
        tenon_link_close(links[i]);
    }
    free(actors);
}

static void test_flood_on_two_workers(void **state)
{
    (void)state;
    run(2, false);
}

static void test_flood_on_one_worker(void **state)
{
    (void)state;
    run(1, false);
}

static void test_close_under_flood(void **state)
{
    (void)state;
    run(2, true);
    run(1, true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_flood_on_two_workers),
        cmocka_unit_test(test_flood_on_one_worker),
        cmocka_unit_test(test_close_under_flood),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
