/*
 * test_ratchet.c: what a request costs that does not depend on the machine's mood, for fixed
 * patterns: system calls, sleeps, interrupts and allocations per 1000 requests. None may rise above
 * its ceiling in ratchet.txt; whoever makes one fall lowers the ceiling there, by hand.
 *
 *   depth 1: one request after another; 32: a batch of 32, and the next when all have ended
 *
 * RATCHET=print prints the table as measured. Calls are counted by calls.h, allocations by
 * hot_path_counts.h, on all threads, but for what the driver does.
 */
#include <stdio.h>

#include "calls.h"
#include "harness.h"
#include "hot_path_counts.h"

enum { DEPTH = 32, ROUNDS = 1000, WARM = 64, BLOCK = 4096, VALUES = 4, ATTEMPTS = 10 };

static const char *const value_names[VALUES] = { "system calls", "sleeps", "interrupts",
                                                 "allocations" };

/* ---- the driver is outside ---- */

static unsigned watched_crank(void *rig)
{
    calls_outside(false);
    hot_enter();
    unsigned n = rig_crank(rig);
    hot_leave();
    calls_outside(true);
    return n;
}

static void unwatched_irq(void *rig, int level)
{
    bool outside = calls_outside(true), inside = hot_leave();

    tnd_mmio_irq(((struct rig *)rig)->driver, level);
    calls_outside(outside);
    if (inside) {
        hot_enter();
    }
}

/* ---- patterns ---- */

struct pattern {
    const char *name;
    unsigned depth;
    uint32_t types[2]; /* in turns */
};

static const struct pattern patterns[] = {
    { "read", 1, { TN_BLK_T_IN, TN_BLK_T_IN } },
    { "read", DEPTH, { TN_BLK_T_IN, TN_BLK_T_IN } },
    { "write-flush", 1, { TN_BLK_T_OUT, TN_BLK_T_FLUSH } },
    { "write-flush", DEPTH, { TN_BLK_T_OUT, TN_BLK_T_FLUSH } },
};

static void run_batch(struct rig *rig, const struct pattern *pattern, unsigned from)
{
    static struct tnd_blk_request r[DEPTH];
    static uint8_t data[BLOCK];

    for (unsigned i = 0; i < pattern->depth; i++) {
        r[i] = (struct tnd_blk_request){ .type = pattern->types[(from + i) % 2] };
        r[i].sector = (from + i) % 128 * (BLOCK / 512 * 2); /* no two are neighbours */
        r[i].out = r[i].type == TN_BLK_T_OUT ? data : NULL;
        r[i].out_bytes = r[i].type == TN_BLK_T_OUT ? BLOCK : 0;
        r[i].in_bytes = r[i].type == TN_BLK_T_IN ? BLOCK : 0;
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
    tnd_kick(rig->driver, 0);
    for (unsigned i = 0; i < pattern->depth; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &r[i]), 0);
        assert_int_equal(r[i].status, TN_BLK_S_OK);
    }
}

static void measure(struct rig *rig, const struct pattern *pattern, unsigned values[VALUES])
{
    for (unsigned i = 0; i < WARM; i += pattern->depth) {
        run_batch(rig, pattern, i);
    }
    uint64_t interrupts = rig_stat(rig, "interrupts", 0), requests = rig_stat(rig, "requests", 0);
    calls_outside(true);
    hot_begin();
    calls_begin();
    for (unsigned i = 0; i < ROUNDS; i += pattern->depth) {
        run_batch(rig, pattern, i);
    }
    struct calls calls = calls_end();
    hot_end();
    requests = rig_stat(rig, "requests", 0) - requests;
    interrupts = rig_stat(rig, "interrupts", 0) - interrupts;
    values[0] = (unsigned)(calls.all * 1000ull / requests);
    values[1] = (unsigned)(calls.waits * 1000ull / requests);
    values[2] = (unsigned)(interrupts * 1000 / requests);
    values[3] = (unsigned)(hot_count(HOT_ALLOCATIONS) * 1000ull / requests);
}

/* ---- the table ---- */

/* The line of this combination and pattern; fails when there is none. */
static void ceilings_of(const char *combination, const struct pattern *pattern,
                        unsigned ceilings[VALUES])
{
    FILE *table = fopen(RATCHET_TABLE, "r");
    char line[256], name[64], kind[64];
    unsigned depth;

    assert_non_null(table);
    while (fgets(line, sizeof(line), table)) {
        if (sscanf(line, "%63s %63s %u %u %u %u %u", name, kind, &depth, &ceilings[0], &ceilings[1],
                   &ceilings[2], &ceilings[3]) == 7 &&
            strcmp(name, combination) == 0 && strcmp(kind, pattern->name) == 0 &&
            depth == pattern->depth) {
            fclose(table);
            return;
        }
    }
    fclose(table);
    fail_msg("ratchet.txt has no line for %s %s %u", combination, pattern->name, pattern->depth);
}

static bool within(const unsigned values[VALUES], const unsigned ceilings[VALUES])
{
    bool good = true;

    for (unsigned i = 0; i < VALUES; i++) {
        good = good && values[i] <= ceilings[i];
    }
    return good;
}

/*
 * On a busy machine threads find each other asleep more often, and are woken one by one. What the
 * code itself costs is what the best of some measurements shows.
 */
static bool holds(struct rig *rig, const struct pattern *pattern)
{
    unsigned ceilings[VALUES], least[VALUES], now[VALUES];

    ceilings_of(rig->combination, pattern, ceilings);
    measure(rig, pattern, least);
    for (unsigned n = 1; n < ATTEMPTS && !within(least, ceilings); n++) {
        measure(rig, pattern, now);
        for (unsigned i = 0; i < VALUES; i++) {
            least[i] = now[i] < least[i] ? now[i] : least[i];
        }
    }
    for (unsigned i = 0; i < VALUES; i++) {
        if (least[i] > ceilings[i]) {
            print_message("%s, %s at depth %u: %s for 1000 requests rose from %u to %u\n",
                          rig->combination, pattern->name, pattern->depth, value_names[i],
                          ceilings[i], least[i]);
        }
    }
    return within(least, ceilings);
}

static void nothing_costs_more_than_it_did(void **state)
{
    const char *print = getenv("RATCHET");
    struct rig_options o = { .irq = unwatched_irq, .blk = { .poll_us = TENON_POLL_OFF } };
    struct rig *rig = rig_new(state, &o);
    bool good = true;

    if (rig->inline_) {
        rig->driver->crank = watched_crank;
    }
    for (unsigned i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        if (print && strcmp(print, "print") == 0) {
            unsigned v[VALUES];
            measure(rig, &patterns[i], v);
            printf("%-20s %-12s %5u %8u %6u %10u %11u\n", rig->combination, patterns[i].name,
                   patterns[i].depth, v[0], v[1], v[2], v[3]);
        } else {
            good = holds(rig, &patterns[i]) && good;
        }
    }
    assert_true(good);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(nothing_costs_more_than_it_did,
                RIG_EPOLL | RIG_INLINE | RIG_THREADS | RIG_URING | RIG_MAPPED),
};

static int run(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}

int main(int argc, char **argv)
{
    const char *why = "a sanitizer's calls are not the program's";
    int status = hot_counts() ? calls_watched(argc, argv, run, &why) : -1;

    if (status < 0) {
        printf("skipped: %s\n", why);
        return 77; /* meson: skipped */
    }
    return status;
}
