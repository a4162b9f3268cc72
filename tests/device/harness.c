/*
 * harness.c: runs each case over its combinations, and what tests need besides the rig itself
 * (rig.c): patterns, counters, a check that the device works.
 */
#include "harness.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/shared.h"

enum { MAX_COMBINATIONS = 16, MAX_CASES = 64 };

static struct rig_combination combinations[MAX_COMBINATIONS];
static unsigned combination_count;

#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define UNDER_TSAN 1
#endif
#endif
#if defined(__SANITIZE_THREAD__) || defined(UNDER_TSAN)
/*
 * The driver and the device see guest memory through mappings of their own, as a guest and its host
 * do. What one does after it has seen the other's index is in order, but the sanitizer, which goes
 * by addresses, cannot know. So the few functions that touch guest memory are left out.
 */
const char *__tsan_default_suppressions(void);
const char *__tsan_default_suppressions(void)
{
    return "race:tn_shared_\n"
           "race:^read_some$\n"
           "race:^write_some$\n"
           "race:^copy_shared$\n"
           "race:^net_frame_look$\n"
           "race:^net_frame_glance$\n"
           "race:^net_frame_put_header$\n";
}
#endif

void rig_pattern(void *to, size_t bytes, unsigned seed)
{
    uint8_t *p = to;
    uint32_t x = seed * 2654435761u + 12345;
    for (size_t i = 0; i < bytes; i++) {
        x = x * 1664525u + 1013904223u;
        p[i] = (uint8_t)(x >> 24);
    }
}

struct stat_query {
    const char *name;
    int queue;
    uint64_t value;
    bool found;
};

static void take_stat(void *opaque, const char *name, int queue, uint64_t value)
{
    struct stat_query *q = opaque;
    if (strcmp(name, q->name) == 0 && queue == q->queue) {
        q->value = value;
        q->found = true;
    }
}

uint64_t rig_stat(struct rig *rig, const char *name, int queue)
{
    struct stat_query q = { .name = name, .queue = queue };
    tenon_device_stats(rig->device, take_stat, &q);
    if (!q.found) {
        fail_msg("the device has no counter \"%s\" of queue %d", name, queue);
    }
    return q.value;
}

void rig_await_stat(struct rig *rig, const char *name, int queue, uint64_t value)
{
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (rig_stat(rig, name, queue) < value && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    assert_true(rig_stat(rig, name, queue) >= value);
}

void rig_await_event(struct rig *rig, const unsigned *counter, unsigned count)
{
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (rig_event(counter) < count && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    assert_int_equal(rig_event(counter), count);
}

void rig_check_alive(struct rig *rig, unsigned queue)
{
    static unsigned seed;
    uint8_t out[1024], in[1024];
    rig_pattern(out, sizeof(out), ++seed);
    assert_int_equal(tnd_blk_write(rig->driver, queue, 6, out, sizeof(out)), TN_BLK_S_OK);
    if (rig->image) {
        assert_memory_equal(rig->image + 6 * 512, out, sizeof(out));
    }
    assert_int_equal(tnd_blk_read(rig->driver, queue, 6, in, sizeof(in)), TN_BLK_S_OK);
    assert_memory_equal(in, out, sizeof(in));
}

/* ---- running ---- */

/* In the build that counts them (-Dread_once=true): how often guest memory was read twice. */
static unsigned long read_twice(void)
{
#ifdef TN_READ_ONCE
    return tn_read_once_violations();
#else
    return 0;
#endif
}

/*
 * Not told apart, and so not looked at: a chain that forms a loop, which is broken then, and what a
 * vhost-user session reads of its records.
 */
static bool reads_count(const struct rig *rig)
{
    return rig && rig->mmio && rig_event(&rig->broken) == 0;
}

static int teardown(void **state)
{
    static unsigned long before;
    bool count = reads_count(((struct rig_combination *)*state)->rig);

    rig_end(state);
    unsigned long twice = read_twice() - before;
    before += twice;
    if (count && twice != 0) {
        print_error("the device has read %lu times what it had read before\n", twice);
        return -1;
    }
    return 0;
}

static bool wanted(unsigned on, unsigned bits)
{
    static const unsigned groups[] = { RIG_TRANSPORTS, RIG_ENGINES, RIG_LOOPS, RIG_LINKS };

    for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
        if (on & groups[i] && !(on & bits & groups[i])) {
            return false;
        }
    }
    return true;
}

struct choice {
    const char *name;
    unsigned bit;
};

static void make_combinations(const struct rig_engine *engines, unsigned engine_count)
{
    static const struct choice transports[] = { { "mmio", RIG_MMIO }, { "vhost", RIG_VHOST } };
    static const struct choice loops[] = { { "epoll", RIG_EPOLL }, { "poll", RIG_POLL } };
    const char *loop = getenv("RIG_LOOP"); /* only this one */

    for (unsigned t = 0; t < sizeof(transports) / sizeof(transports[0]); t++) {
        for (unsigned e = 0; e < engine_count; e++) {
            for (unsigned l = 0; l < sizeof(loops) / sizeof(loops[0]); l++) {
                if ((engines[e].epoll_only && loops[l].bit == RIG_POLL) ||
                    (loop && strcmp(loop, loops[l].name) != 0)) {
                    continue;
                }
                struct rig_combination *made = &combinations[combination_count++];
                made->bits = transports[t].bit | engines[e].bits | loops[l].bit;
                snprintf(made->name, sizeof(made->name), "%s-%s-%s", transports[t].name,
                         engines[e].name, loops[l].name);
            }
        }
    }
}

int rig_main(int argc, char **argv, const struct rig_case *cases, unsigned count)
{
    static const struct rig_engine engines[] = { { "inline", RIG_INLINE, false },
                                                 { "threads", RIG_THREADS, false },
                                                 { "uring", RIG_URING, false },
                                                 { "mapped", RIG_MAPPED, true },
                                                 { "cached", RIG_CACHED, true } };

    return rig_main_over(argc, argv, cases, count, engines, sizeof(engines) / sizeof(engines[0]));
}

int rig_main_over(int argc, char **argv, const struct rig_case *cases, unsigned count,
                  const struct rig_engine *engines, unsigned engine_count)
{
    static struct CMUnitTest tests[MAX_CASES * MAX_COMBINATIONS];
    static char names[MAX_CASES * MAX_COMBINATIONS][128];
    unsigned n = 0;

    assert_true(count <= MAX_CASES);
    make_combinations(engines, engine_count);
    for (unsigned c = 0; c < combination_count; c++) {
        struct rig_combination *combination = &combinations[c];
        for (unsigned i = 0; i < count; i++) {
            if (!wanted(cases[i].on, combination->bits)) {
                continue;
            }
            snprintf(names[n], sizeof(names[n]), "%.31s/%s", combination->name, cases[i].name);
            tests[n] = (struct CMUnitTest){ .name = names[n],
                                            .test_func = cases[i].test,
                                            .teardown_func = teardown,
                                            .initial_state = combination };
            n++;
        }
    }
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return _cmocka_run_group_tests(argv[0], tests, n, NULL, NULL);
}
