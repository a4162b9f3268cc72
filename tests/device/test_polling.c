/*
 * test_polling.c: a queue that looks before it sleeps: requests are found without a kick, none is
 * kept waiting however the gaps fall, an idle device costs nothing, and nobody looks while the
 * device is paused, or where polling is off.
 */
#include <time.h>
#include <unistd.h>

#include "harness.h"

enum {
    IDLE_MS = 600,
    IDLE_MOST_MS =
        30, /* of a processor's time meanwhile: a twentieth, where it is a two hundredth */
    QUEUES = 100,
    GAPS = 1500,
    PATIENCE_MS = 20000
};

static void one_request(struct rig *rig, unsigned queue)
{
    uint8_t data[512];

    assert_int_equal(tnd_blk_read(rig->driver, queue, 8, data, sizeof(data)), TN_BLK_S_OK);
}

/* Most of the time a driver that asks again at once is not told to kick. */
static void requests_are_found_without_a_kick(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t end = tnd_now_ms() + PATIENCE_MS;

    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) {
        skip();
    }
    while (rig_stat(rig, "polled", 0) < 50) {
        assert_true(tnd_now_ms() < end);
        one_request(rig, 0);
    }
}

static void a_device_that_is_told_not_to_never_polls(void **state)
{
    struct rig_options options = { .blk = { .poll_us = TENON_POLL_OFF } };
    struct rig *rig = rig_new(state, &options);

    for (unsigned i = 0; i < 200; i++) {
        one_request(rig, 0);
    }
    assert_int_equal(rig_stat(rig, "polled", 0), 0);
    assert_int_equal(rig_stat(rig, "polled_in_vain", 0), 0);
}

/* Without a thread of its own a worker does only what it is cranked for. */
static void an_embedders_loop_is_never_spun_in(void **state)
{
    struct rig *rig = rig_new(state, NULL);

    for (unsigned i = 0; i < 200; i++) {
        one_request(rig, 0);
    }
    assert_int_equal(rig_stat(rig, "polled", 0), 0);
}

static void wait_us(unsigned us)
{
    struct timespec now, until;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += (long)us * 1000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    do {
        clock_gettime(CLOCK_MONOTONIC, &now);
    } while (now.tv_sec < until.tv_sec ||
             (now.tv_sec == until.tv_sec && now.tv_nsec < until.tv_nsec));
}

/* Gaps around the windows, so that requests come while it looks, while it stops, and after it. */
static void no_request_waits_however_the_gaps_fall(void **state)
{
    struct rig_options options = { .blk = { .poll_us = 40 } };
    struct rig *rig = rig_new(state, &options);
    uint32_t random = 12345;
    uint64_t begin = tnd_now_ms();

    for (unsigned i = 0; i < GAPS && tnd_now_ms() - begin < PATIENCE_MS; i++) {
        random = random * 1664525u + 1013904223u;
        wait_us((random >> 16) % 64);
        one_request(rig, 0); /* ten seconds, else it fails */
    }
    rig_check_alive(rig, 0);
}

static uint64_t cpu_ms(void)
{
    struct timespec spent;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
    return (uint64_t)spent.tv_sec * 1000 + (uint64_t)spent.tv_nsec / 1000000;
}

static void a_hundred_idle_queues_cost_nothing(void **state)
{
    struct rig_options options = { .blk = { .queues = QUEUES, .queue_size = 16 },
                                   .setup = { .queues = QUEUES, .queue_size = 16 } };
    struct rig *rig = rig_new(state, &options);

    for (unsigned round = 0; round < 3; round++) {
        for (unsigned i = 0; i < QUEUES; i++) {
            one_request(rig, i);
        }
    }
    usleep(100 * 1000); /* whoever still looks stops */
    uint64_t before = cpu_ms();
    usleep(IDLE_MS * 1000);
    assert_true(cpu_ms() - before <= IDLE_MOST_MS);
}

/* A window of a second would go on through a pause: nothing is found then, and all of it after. */
static void nobody_looks_while_the_device_is_paused(void **state)
{
    struct rig_options options = { .blk = { .poll_us = 1000000 } };
    struct rig *rig = rig_new(state, &options);
    struct tnd_blk_request r = { .type = TN_BLK_T_FLUSH };

    for (unsigned i = 0; i < 50; i++) {
        one_request(rig, 0);
    }
    assert_int_equal(tenon_device_pause(rig->device, PATIENCE_MS), 0);
    uint64_t requests = rig_stat(rig, "requests", 0);
    assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
    tnd_settle(rig->driver, 20);
    assert_int_equal(rig_stat(rig, "requests", 0), requests);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &r), 0);
    rig_check_alive(rig, 0);
}

int main(int argc, char **argv)
{
    static const struct rig_case cases[] = {
        RIG_TEST_ON(requests_are_found_without_a_kick, RIG_THREADS | RIG_URING | RIG_CACHED),
        RIG_TEST(a_device_that_is_told_not_to_never_polls),
        RIG_TEST_ON(an_embedders_loop_is_never_spun_in, RIG_INLINE | RIG_MAPPED),
        RIG_TEST_ON(no_request_waits_however_the_gaps_fall, RIG_THREADS | RIG_URING | RIG_CACHED),
        RIG_TEST_ON(a_hundred_idle_queues_cost_nothing, RIG_THREADS | RIG_URING | RIG_CACHED),
        RIG_TEST_ON(nobody_looks_while_the_device_is_paused, RIG_THREADS | RIG_URING | RIG_CACHED),
    };

    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
