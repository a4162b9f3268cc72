/*
 * test_limit_groups.c: limits that several devices share, by a clock that the test moves.
 */
#include <errno.h>

#include "flow.h"
#include "moved_clock.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)

enum { ON = RIG_INLINE, DEPTH = 16, MEMBERS = 3, KIB = 1024 };

/* Several devices of one combination, each with a rig of its own. */
struct members {
    struct tenon_limit_group *group;
    struct rig_combination combinations[MEMBERS];
    void *states[MEMBERS];
    struct rig *rigs[MEMBERS];
    struct flow *flows[MEMBERS];
};

static void begin(struct members *m, void **state, const struct tenon_limits *shared,
                  const struct tenon_limits *own)
{
    clock_stop();
    assert_int_equal(tenon_limit_group_new(shared, &m->group), 0);
    for (unsigned i = 0; i < MEMBERS; i++) {
        struct rig_options o = { .disk = RIG_DISK_MEMORY,
                                 .blk = { .limits = own, .limit_group = m->group } };
        m->combinations[i] = *(struct rig_combination *)*state;
        m->states[i] = &m->combinations[i];
        m->rigs[i] = rig_new(&m->states[i], &o);
        m->flows[i] = flow_new(m->rigs[i], 0, TN_BLK_T_IN, 512, DEPTH);
    }
}

static void end(struct members *m)
{
    for (unsigned i = 0; i < MEMBERS; i++) {
        flow_free(m->flows[i]);
        rig_end(&m->states[i]);
    }
    tenon_limit_group_free(m->group);
    clock_go();
}

static uint64_t done_by(const struct members *m)
{
    uint64_t done = 0;

    for (unsigned i = 0; i < MEMBERS; i++) {
        done += m->flows[i]->done;
    }
    return done;
}

static struct tenon_limits ops(uint64_t rate, uint64_t burst)
{
    return (struct tenon_limits){ .size = sizeof(struct tenon_limits),
                                  .ops = { .rate = rate, .burst = burst } };
}

static void members_share_the_rate(void **state)
{
    struct tenon_limits shared = ops(1000, 0);
    struct members m = { 0 };

    begin(&m, state, &shared, NULL);
    flow_settle(m.flows, MEMBERS);
    flow_run(m.flows, MEMBERS, 10 * S, MS);
    uint64_t most = (1000 * clock_moved() + 100 * S) / S;
    assert_true(done_by(&m) <= most);
    assert_true(done_by(&m) + MEMBERS * 2 >= most);
    for (unsigned i = 0; i < MEMBERS; i++) {
        assert_true(m.flows[i]->done > 10000 / MEMBERS * 8 / 10);
    }
    m.flows[0]->depth = m.flows[1]->depth = 0; /* two of them fall silent */
    uint64_t before = m.flows[2]->done;
    uint64_t moved = clock_moved();
    flow_run(m.flows, MEMBERS, S, MS);
    assert_true(m.flows[2]->done - before > 1000 * (clock_moved() - moved) / S - 10 - 2 * DEPTH);
    end(&m);
}

static void each_counts_against_both(void **state)
{
    struct tenon_limits shared = ops(1000, 10), own = ops(100, 10);
    struct members m = { 0 };

    begin(&m, state, &shared, &own);
    flow_settle(m.flows, MEMBERS);
    flow_run(m.flows, MEMBERS, 10 * S, MS);
    for (unsigned i = 0; i < MEMBERS; i++) {
        assert_true(m.flows[i]->done >= 999 && m.flows[i]->done <= 1011);
    }
    own.ops.rate = 600; /* now together they would be too fast */
    for (unsigned i = 0; i < MEMBERS; i++) {
        assert_int_equal(tenon_device_set_limits(m.rigs[i]->device, &own), 0);
    }
    flow_settle(m.flows, MEMBERS);
    uint64_t before = done_by(&m), moved = clock_moved();
    flow_run(m.flows, MEMBERS, 10 * S, MS);
    uint64_t most = 1000 * (clock_moved() - moved) / S;
    assert_true(done_by(&m) - before <= most + 10 + MEMBERS * DEPTH);
    assert_true(done_by(&m) - before >= most - MEMBERS * 2);
    end(&m);
}

/* One moves much at a time and the others little: each gets time, not turns. */
static void large_requests_do_not_crowd_out_small_ones(void **state)
{
    struct tenon_limits shared = { .size = sizeof(shared), .bytes = { .rate = 10000 * KIB } };
    struct members m = { 0 };
    uint64_t bytes = 0;

    begin(&m, state, &shared, NULL);
    m.flows[0]->bytes = 512 * KIB;
    m.flows[1]->bytes = m.flows[2]->bytes = 4 * KIB;
    m.flows[0]->depth = 2;
    flow_settle(m.flows, MEMBERS);
    flow_run(m.flows, MEMBERS, 10 * S, MS / 2);
    for (unsigned i = 0; i < MEMBERS; i++) {
        bytes += m.flows[i]->done * m.flows[i]->bytes;
        assert_true(m.flows[i]->done * m.flows[i]->bytes > 10 * 10000 * KIB / MEMBERS / 2);
    }
    assert_true(bytes <= 10000 * KIB * 10 + 1001 * KIB);
    assert_true(bytes >= 10000 * KIB * 10 - 1024 * KIB);
    end(&m);
}

static void item41_a_change_of_the_group_wakes_all(void **state)
{
    struct tenon_limits shared = ops(1, 1);
    struct members m = { 0 };

    begin(&m, state, &shared, NULL);
    flow_settle(m.flows, MEMBERS);
    assert_int_equal(done_by(&m), 1);
    shared.ops.rate = 3000;
    assert_int_equal(tenon_limit_group_set(m.group, &shared), 0);
    flow_settle(m.flows, MEMBERS);
    flow_run(m.flows, MEMBERS, 10 * MS, MS);
    assert_true(done_by(&m) > 20);
    assert_int_equal(tenon_limit_group_set(m.group, NULL), 0);
    for (unsigned i = 0; i < MEMBERS; i++) {
        for (unsigned n = 0; n < DEPTH; n++) {
            clock_move(1);
            tnd_settle(m.rigs[i]->driver, 0);
        }
        flow_reap(m.flows[i]);
        for (unsigned n = 0; n < DEPTH; n++) {
            assert_false(m.flows[i]->busy[n]);
        }
    }
    end(&m);
}

/* Devices keep it alive, and go one by one. */
static void the_group_outlives_its_maker(void **state)
{
    struct tenon_limits shared = ops(1000, 10);
    struct members m = { 0 };

    begin(&m, state, &shared, NULL);
    tenon_limit_group_free(m.group);
    m.group = NULL;
    flow_settle(m.flows, MEMBERS);
    assert_int_equal(done_by(&m), 10);
    flow_lose(m.flows[0]);
    rig_end(&m.states[0]);
    flow_run(m.flows + 1, MEMBERS - 1, S, MS);
    assert_true(done_by(&m) >= 1000 && done_by(&m) <= 1012);
    end(&m);
}

int main(int argc, char **argv)
{
    static const struct rig_case cases[] = {
        RIG_TEST_ON(members_share_the_rate, ON),
        RIG_TEST_ON(each_counts_against_both, ON),
        RIG_TEST_ON(large_requests_do_not_crowd_out_small_ones, ON),
        RIG_TEST_ON(item41_a_change_of_the_group_wakes_all, ON),
        RIG_TEST_ON(the_group_outlives_its_maker, ON),
    };
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
