/*
 * test_latency.c: where the time of a request goes, by a clock that the test moves: waiting for
 * others, held by a limit, in the disk; and the gauge of requests under way.
 */
#include "flow.h"
#include "moved_clock.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)

enum { ON = RIG_INLINE, BUCKETS = 44 };

struct seen {
    uint64_t waiting[BUCKETS], held[BUCKETS], disk[BUCKETS];
    unsigned calls;
};

static void see(void *opaque, const char *span, unsigned queue, const uint64_t *counts,
                unsigned buckets)
{
    struct seen *seen = opaque;
    uint64_t *to = strcmp(span, "waiting") == 0 ? seen->waiting
                   : strcmp(span, "held") == 0  ? seen->held
                                                : seen->disk;

    assert_int_equal(buckets, BUCKETS);
    assert_true(strcmp(span, "disk") == 0 || to != seen->disk);
    assert_true(queue < 2);
    for (unsigned i = 0; i < BUCKETS; i++) {
        to[i] += counts[i];
    }
    seen->calls++;
}

static struct seen look(struct rig *rig)
{
    struct seen seen = { .calls = 0 };

    tenon_device_latencies(rig->device, see, &seen);
    return seen;
}

static uint64_t sum(const uint64_t *counts)
{
    uint64_t all = 0;

    for (unsigned i = 0; i < BUCKETS; i++) {
        all += counts[i];
    }
    return all;
}

static struct tnd_blk_request read_at(uint64_t sector)
{
    return (struct tnd_blk_request){ .type = TN_BLK_T_IN, .sector = sector, .in_bytes = 512 };
}

static void move(struct rig *rig, uint64_t ns)
{
    clock_move(ns);
    tnd_settle(rig->driver, 0);
}

/* A disk that takes 1 ms (2^19 < 10^6 < 2^20 ns), and one that answers in the same turn. */
static void time_in_the_disk(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE, .blk = { .queues = 2 } };
    clock_stop();
    struct rig *rig = rig_new(state, &o);
    struct tnd_blk_request r = read_at(0);

    fake_hold(rig->fake, true);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
    move(rig, 1);
    assert_int_equal(rig_stat(rig, "in_flight_now", 0), 1);
    move(rig, MS);
    assert_int_equal(sum(look(rig).disk), 0);
    fake_release_all(rig->fake);
    tnd_settle(rig->driver, 0);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &r), 0);
    struct seen seen = look(rig);
    assert_int_equal(seen.disk[20], 1);
    assert_int_equal(sum(seen.disk), 1);
    assert_int_equal(seen.waiting[0], 1);
    assert_int_equal(sum(seen.held), 0);
    assert_int_equal(rig_stat(rig, "in_flight_now", 0), 0);
    r = read_at(0);
    assert_int_equal(tnd_blk_run(rig->driver, 0, &r), 0);
    assert_int_equal(look(rig).disk[0], 1);
    rig_end(state);
    clock_go();
}

/* A flush waits for the write before it, and its time is not the disk's. */
static void time_behind_others(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE };
    uint8_t data[512] = { 1 };
    clock_stop();
    struct rig *rig = rig_new(state, &o);
    struct tnd_blk_request w = { .type = TN_BLK_T_OUT, .out = data, .out_bytes = sizeof(data) };
    struct tnd_blk_request f = { .type = TN_BLK_T_FLUSH };

    fake_hold(rig->fake, true);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &w), 0);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &f), 0);
    move(rig, 1);
    move(rig, 4 * MS);
    assert_true(fake_release(rig->fake, 0));
    tnd_settle(rig->driver, 0);
    move(rig, 64 * MS);
    fake_release_all(rig->fake);
    tnd_settle(rig->driver, 0);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &f), 0);
    struct seen seen = look(rig);
    assert_int_equal(seen.waiting[0], 1);  /* the write */
    assert_int_equal(seen.waiting[22], 1); /* the flush: 4 ms */
    assert_int_equal(seen.disk[22], 1);    /* the write: 4 ms */
    assert_int_equal(seen.disk[26], 1);    /* the flush: 64 ms */
    rig_end(state);
    clock_go();
}

static void time_held_by_a_limit(void **state)
{
    struct tenon_limits limits = { .size = sizeof(limits), .ops = { .rate = 10, .burst = 1 } };
    struct rig_options o = { .disk = RIG_DISK_FAKE, .blk = { .limits = &limits } };
    clock_stop();
    struct rig *rig = rig_new(state, &o);
    struct tnd_blk_request first = read_at(0), second = read_at(8);

    assert_int_equal(tnd_blk_run(rig->driver, 0, &first), 0);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &second), 0);
    tnd_settle(rig->driver, 0);
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 1);
    move(rig, 100 * MS + 1);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &second), 0);
    struct seen seen = look(rig);
    assert_int_equal(seen.held[27], 1); /* 67 to 134 ms */
    assert_int_equal(sum(seen.held), 1);
    assert_int_equal(sum(seen.disk), 2);
    assert_int_equal(seen.waiting[0], 2);
    rig_end(state);
    clock_go();
}

/* What needs no disk, and what a reset dropped, is not counted; the gauge comes back to zero. */
static void what_is_not_counted(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE };
    char id[20];
    clock_stop();
    struct rig *rig = rig_new(state, &o);
    struct tnd_blk_request bad = read_at(UINT64_C(1) << 40), lost = read_at(0);
    uint64_t resets = rig_stat(rig, "resets", -1);

    assert_int_equal(tnd_blk_get_id(rig->driver, 0, id), 0);
    assert_int_equal(tnd_blk_run(rig->driver, 0, &bad), TN_BLK_S_IOERR);
    assert_int_equal(sum(look(rig).disk), 0);
    fake_hold(rig->fake, true);
    rig->fake->can_cancel = true;
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &lost), 0);
    move(rig, MS);
    assert_int_equal(tnd_reset(rig->driver), 0);
    tnd_blk_forget(rig->driver, &lost);
    fake_hold(rig->fake, false);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    assert_int_equal(rig_stat(rig, "in_flight_now", 0), 0);
    assert_int_equal(sum(look(rig).disk), 0);
    assert_true(rig_stat(rig, "resets", -1) > resets);
    rig_end(state);
    clock_go();
}

int main(int argc, char **argv)
{
    static const struct rig_case cases[] = {
        RIG_TEST_ON(time_in_the_disk, ON),
        RIG_TEST_ON(time_behind_others, ON),
        RIG_TEST_ON(time_held_by_a_limit, ON),
        RIG_TEST_ON(what_is_not_counted, ON),
    };
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
