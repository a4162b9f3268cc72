/*
 * test_poll.c: pollers: who may, how long, what is learned from the gaps, and that nobody goes on
 * looking for ever; over both bodies of the loop.
 */
#include "loops.h"

#include <errno.h>
#include <stdatomic.h>
#include <unistd.h>

#include "base/list.h"

enum { WAIT_MS = 60000, LONGEST_NS = 500 * 1000 * 1000 };
#define VERY_LONG_NS UINT64_C(600000000000)

struct rig {
    struct tenon_worker *worker;
    struct tn_poller poller;
    struct tenon_post post;
    void (*ask)(struct rig *rig);
    bool said; /* what tn_poll_begin said */
    atomic_bool there, found, over, done;
    struct tn_task task;
};

static bool look(struct tn_poller *poller)
{
    struct rig *rig = poller->opaque;

    if (!atomic_load(&rig->there)) {
        return false;
    }
    tn_task_ready(rig->worker, &rig->task);
    return true;
}

static void work(struct tn_task *task)
{
    struct rig *rig = TN_CONTAINER_OF(task, struct rig, task);

    tn_poll_end(rig->worker, &rig->poller);
    atomic_store(&rig->there, false);
    atomic_store(&rig->found, true);
}

static void over(struct tn_poller *poller)
{
    struct rig *rig = poller->opaque;

    atomic_store(&rig->over, true);
}

static void begin(struct rig *rig)
{
    rig->said = tn_poll_begin(rig->worker, &rig->poller);
}

/* As if all gaps were long. */
static void begin_long(struct rig *rig)
{
    rig->poller.window_ns = rig->poller.longest_ns;
    rig->said = tn_poll_begin(rig->worker, &rig->poller);
}

static void end(struct rig *rig)
{
    tn_poll_end(rig->worker, &rig->poller);
}

static void cancel(struct rig *rig)
{
    tn_poll_cancel(&rig->poller);
}

static void run_asked(struct tenon_post *post)
{
    struct rig *rig = TN_CONTAINER_OF(post, struct rig, post);

    rig->ask(rig);
    atomic_store(&rig->done, true);
}

static bool is_set(void *flag)
{
    return atomic_load((atomic_bool *)flag);
}

/* On the worker. */
static void ask(struct rig *rig, void (*fn)(struct rig *rig))
{
    rig->ask = fn;
    atomic_store(&rig->done, false);
    tenon_worker_post(rig->worker, &rig->post);
    assert_true(tn_worker_wait(rig->worker, is_set, &rig->done, WAIT_MS));
}

static void set_up(struct rig *rig, void **state, bool thread, uint64_t longest)
{
    *rig = (struct rig){ .worker = new_worker(state), .post = { .fn = run_asked } };
    tn_poller_init(&rig->poller, look, over, rig);
    tn_task_init(&rig->task, work);
    rig->poller.longest_ns = longest;
    if (thread) {
        assert_int_equal(tenon_worker_start(rig->worker), 0);
    }
}

/* One gap that is short: from now on it polls. */
static void teach(struct rig *rig)
{
    ask(rig, begin);
    assert_false(rig->said);
    ask(rig, end);
    ask(rig, begin);
}

static void nobody_polls_without_a_thread_of_its_own(void **state)
{
    struct rig rig;

    set_up(&rig, state, false, LONGEST_NS);
    teach(&rig);
    assert_false(rig.said);
    ask(&rig, cancel);
    tenon_worker_free(rig.worker);
}

static void nobody_polls_who_is_told_not_to(void **state)
{
    struct rig rig;

    set_up(&rig, state, true, 0);
    teach(&rig);
    assert_false(rig.said);
    ask(&rig, cancel);
    tenon_worker_free(rig.worker);
}

static void what_comes_is_found_by_looking(void **state)
{
    struct rig rig;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        skip();
    }
    set_up(&rig, state, true, VERY_LONG_NS);
    /*
     * Without a post: only looking finds out. Nobody looks for a while after the machine was busy
     * elsewhere, and then it does not even begin.
     */
    for (int ms = 0; ms < WAIT_MS && !atomic_load(&rig.found); ms++) {
        if (atomic_exchange(&rig.over, false) || !rig.said) {
            atomic_store(&rig.there, false);
            ask(&rig, begin_long);
            atomic_store(&rig.there, true);
        }
        usleep(1000);
    }
    assert_true(atomic_load(&rig.found));
    ask(&rig, cancel);
    tenon_worker_free(rig.worker);
}

static void a_window_ends_and_a_long_gap_is_learned_from(void **state)
{
    struct rig rig;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        skip();
    }
    set_up(&rig, state, true, LONGEST_NS);
    teach(&rig);
    for (int ms = 0; rig.said && !atomic_load(&rig.over); ms++) {
        assert_true(ms < WAIT_MS);
        usleep(1000);
    }
    usleep(LONGEST_NS / 1000 + 1000);
    ask(&rig, end);
    ask(&rig, begin);
    assert_false(rig.said);
    assert_int_equal(rig.poller.window_ns, 0);
    ask(&rig, cancel);
    tenon_worker_free(rig.worker);
}

static void windows_follow_the_gaps(void **state)
{
    struct rig rig;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        skip();
    }
    set_up(&rig, state, true, VERY_LONG_NS);
    teach(&rig);
    assert_int_equal(rig.poller.window_ns, VERY_LONG_NS / 8); /* the shortest, for a short gap */
    ask(&rig, begin_long);
    ask(&rig, end);
    assert_in_range(rig.poller.window_ns, VERY_LONG_NS / 8, VERY_LONG_NS - 1); /* it forgets */
    ask(&rig, cancel);
    tenon_worker_free(rig.worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(nobody_polls_without_a_thread_of_its_own),
        OVER_BOTH(nobody_polls_who_is_told_not_to),
        OVER_BOTH(what_comes_is_found_by_looking),
        OVER_BOTH(a_window_ends_and_a_long_gap_is_learned_from),
        OVER_BOTH(windows_follow_the_gaps),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
