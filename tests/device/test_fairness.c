/*
 * test_fairness.c: queues that share a worker, and one of them floods. By counts, not by time: the
 * test turns the worker's crank itself, so it sees what each turn does.
 */
#include "flow.h"
#include "moved_clock.h"

/* What ARCHITECTURE.md says: a turn ends after so many requests, or 16 MiB. */
enum { TURN_BUDGET = 64, TURN_BYTES = 16 << 20 };
enum { QUEUES = 6, ROUNDS = 300, BYTES = 512 };

static void turn(struct rig *rig)
{
    assert_true(tenon_worker_run(rig->workers[0], 0) >= 0);
}

static struct rig *rig_of(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_MEMORY,
                                   .blk = { .queues = QUEUES },
                                   .setup = { .queues = QUEUES } };
    struct rig *rig = rig_new(state, &options);

    clock_go(); /* none of this waits for a time */
    for (unsigned q = 0; q < QUEUES; q++) {
        rig_check_alive(rig, q);
    }
    tnd_settle(rig->driver, 0);
    return rig;
}

static uint64_t taken(struct rig *rig, unsigned queue)
{
    return rig_stat(rig, "requests", (int)queue);
}

/*
 * As full as a ring can be, and kicked before every turn, wanted or not. Its turns are bounded, and
 * there is one for each of the others'.
 */
static void a_flood_does_not_delay_its_neighbour(void **state)
{
    struct rig *rig = rig_of(state);
    struct flow *flood = flow_new(rig, 0, TN_BLK_T_IN, BYTES, FLOW_DEPTH);
    struct flow *neighbour = flow_new(rig, QUEUES - 1, TN_BLK_T_IN, BYTES, 1);
    uint64_t at_first = taken(rig, 0);

    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t before = taken(rig, 0);

        flow_reap(flood);
        flow_fill(flood);
        flow_fill(neighbour);
        tnd_notify(rig->driver, 0);
        tnd_notify(rig->driver, 0);
        turn(rig);
        assert_in_range(taken(rig, 0) - before, 0, TURN_BUDGET);
        assert_int_equal(flow_reap(neighbour), 1); /* in the turn of its kick, every time */
    }
    assert_int_equal(neighbour->done, ROUNDS);
    assert_true(taken(rig, 0) - at_first >= (ROUNDS - 2) * TURN_BUDGET); /* it was a flood */
    flow_free(neighbour);
    flow_free(flood);
}

/* All of them flood: each is served as much as the others, whoever began. */
static void floods_share_alike(void **state)
{
    struct rig *rig = rig_of(state);
    struct flow *flows[QUEUES];
    uint64_t before[QUEUES];

    for (unsigned q = 0; q < QUEUES; q++) {
        flows[q] = flow_new(rig, q, TN_BLK_T_OUT, BYTES, FLOW_DEPTH);
        before[q] = taken(rig, q);
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        uint64_t least = UINT64_MAX, most = 0;

        for (unsigned q = 0; q < QUEUES; q++) {
            flow_reap(flows[q]);
            flow_fill(flows[q]);
        }
        turn(rig);
        for (unsigned q = 0; q < QUEUES; q++) {
            uint64_t served = taken(rig, q) - before[q];
            least = served < least ? served : least;
            most = served > most ? served : most;
        }
        assert_true(most - least <= TURN_BUDGET);
    }
    for (unsigned q = 0; q < QUEUES; q++) {
        assert_true(taken(rig, q) - before[q] >= (ROUNDS - 2) * TURN_BUDGET);
        flow_free(flows[q]);
    }
}

/* Large requests end a turn before their number does: 16 MiB, and who waits has its turn. */
static void large_requests_end_a_turn(void **state)
{
    enum { LARGE = 1 << 20, MOST = TURN_BYTES + LARGE };
    struct rig_options options = { .disk = RIG_DISK_MEMORY,
                                   .disk_bytes = 64 << 20,
                                   .blk = { .queues = 2 },
                                   .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);
    struct flow *neighbour = flow_new(rig, 1, TN_BLK_T_IN, BYTES, 1);
    uint64_t buffer = tnd_ram_alloc(rig->ram, LARGE);
    uint64_t header = tnd_blk_header(rig->driver, TN_BLK_T_IN, 0);
    uint64_t status = tnd_ram_alloc(rig->ram, 1);
    const struct tnd_seg segs[] = { { .gpa = header, .bytes = 16 },
                                    { .gpa = buffer, .bytes = LARGE, .write = true },
                                    { .gpa = status, .bytes = 1, .write = true } };

    clock_go();
    for (unsigned i = 0; i < 40; i++) { /* all read into the same place: this is about turns */
        assert_true(tnd_add(rig->driver, 0, segs, 3, TND_DIRECT, NULL) >= 0);
    }
    tnd_kick(rig->driver, 0);
    for (unsigned round = 0; round < 3; round++) {
        uint64_t before = rig_stat(rig, "read_bytes", 0);

        flow_fill(neighbour);
        turn(rig);
        assert_in_range(rig_stat(rig, "read_bytes", 0) - before, LARGE, MOST);
        assert_int_equal(flow_reap(neighbour), 1);
    }
    flow_free(neighbour);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(a_flood_does_not_delay_its_neighbour, RIG_INLINE | RIG_TRANSPORTS | RIG_LOOPS),
    RIG_TEST_ON(floods_share_alike, RIG_INLINE | RIG_TRANSPORTS | RIG_LOOPS),
    RIG_TEST_ON(large_requests_end_a_turn, RIG_INLINE | RIG_TRANSPORTS | RIG_LOOPS),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
