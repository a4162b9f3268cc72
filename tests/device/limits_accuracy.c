/*
 * limits_accuracy.c: how exact limits are, as the tables of docs/limits.md (make limits): what
 * passed, over what should have, beyond the burst of the beginning.
 *
 *   bucket    the bucket alone, by a moved clock, asked at fixed and at random times
 *   device    a device without threads, by a moved clock
 *   real      a device with threads, by the clock of the machine, 10 seconds each
 *
 *   limits_accuracy [bucket|device|real]      all of them by default; exit 1 when one is beyond 1 %
 *                                             (real: 2 %)
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/bucket.h"
#include "flow.h"
#include "moved_clock.h"

#define S INT64_C(1000000000)
#define MS INT64_C(1000000)
#define US INT64_C(1000)

enum { KIB = 1024, MIB = 1 << 20, REAL_SECONDS = 10, RING = 128 };

static bool bad;

static void row(const char *what, uint64_t rate, const char *how, double seconds, double passed)
{
    double error = (passed / ((double)rate * seconds) - 1) * 100;
    double most = strcmp(what, "real") == 0 ? 2 : 1;

    bad |= fabs(error) > most;
    printf("| %s | %" PRIu64 " | %s | %.1f | %.0f | %+.4f %% |\n", what, rate, how, seconds, passed,
           error);
    fflush(stdout);
}

static void head(void)
{
    printf("| what | per second | how | seconds | passed | error |\n|---|---|---|---|---|---|\n");
}

/* The longer of 1000 tokens and 100 s. */
static int64_t span_of(uint64_t rate)
{
    return rate < 10 ? 1000 * S / (int64_t)rate : 100 * S;
}

/* ---- the bucket alone ---- */

static int64_t step_of(int64_t poll, uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return poll != 0 ? poll : 1 + (int64_t)(*seed >> 33) % (100 * MS);
}

/* poll 0: at random times, up to 100 ms apart */
static void bucket_alone(uint64_t per_second, uint64_t cost, int64_t poll, const char *how)
{
    struct tn_rate rate = tn_rate_make(per_second, 0);
    struct tn_bucket bucket;
    struct tn_purse purse = { 0 };
    uint64_t passed = 0, seed = per_second;
    int64_t due = 0, now = S, asked = S, end = S + span_of(per_second);
    bool waits = false, last;

    tn_bucket_fill(&bucket, &rate, 0, now);
    for (; now <= end; now += step_of(poll, &seed)) {
        asked = now;
        for (;;) {
            if (!waits) {
                tn_purse_charge(&purse, &rate, cost, due != 0 && due < now ? due : now, now);
            }
            waits = !tn_purse_pays(&purse, &bucket, &rate, 0, now);
            if (waits) {
                due = tn_purse_when(&purse, &rate, &last);
                break;
            }
            passed += cost;
        }
    }
    double seconds = (double)(asked - S) / (double)S;
    row("bucket", per_second, how, seconds, (double)passed - (double)per_second / 10);
}

static void all_buckets(void)
{
    static const struct {
        uint64_t rate, cost;
    } all[] = { { 1, 1 },       { 7, 1 },         { 1000, 1 },
                { 1000000, 1 }, { MIB, 4 * KIB }, { (uint64_t)5 << 30, 64 * KIB } };

    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        bucket_alone(all[i].rate, all[i].cost, US, "asked every 1 µs");
        bucket_alone(all[i].rate, all[i].cost, 100 * MS, "asked every 100 ms");
        bucket_alone(all[i].rate, all[i].cost, 0, "asked at random");
    }
}

/* ---- a device ---- */

static struct rig_combination combination;

static struct rig *rig_of(unsigned bits, const struct tenon_limits *limits, unsigned queues,
                          void **state)
{
    struct rig_options o = { .disk = RIG_DISK_MEMORY,
                             .disk_bytes = 64 * MIB,
                             .blk = { .limits = limits, .queues = queues },
                             .setup = { .queues = queues } };

    combination = (struct rig_combination){ .name = "accuracy", .bits = bits };
    *state = &combination;
    return rig_new(state, &o);
}

static struct tenon_limits limits_of(uint64_t rate, bool bytes)
{
    struct tenon_limits limits = { .size = sizeof(limits) };

    *(bytes ? &limits.bytes : &limits.ops) = (struct tenon_limit){ .rate = rate };
    return limits;
}

static void device_by_moved_clock(uint64_t rate, int64_t span, int64_t step, const char *how)
{
    struct tenon_limits limits = limits_of(rate, false);
    void *state;

    clock_stop();
    struct rig *rig = rig_of(RIG_MMIO | RIG_INLINE | RIG_EPOLL, &limits, 1, &state);
    struct flow *flow = flow_new(rig, 0, TN_BLK_T_IN, 512, FLOW_DEPTH);
    flow_settle(&flow, 1);
    flow_run(&flow, 1, (uint64_t)span, (uint64_t)step);
    double seconds = (double)clock_moved() / (double)S;
    row("device", rate, how, seconds, (double)flow->done - (double)rate / 10);
    flow_free(flow);
    rig_end(&state);
    clock_go();
}

static void all_devices(void)
{
    device_by_moved_clock(1, 1000 * S, 100 * MS, "reads, steps of 100 ms");
    device_by_moved_clock(7, 143 * S, 10 * MS, "reads, steps of 10 ms");
    device_by_moved_clock(1000, 100 * S, 100 * MS, "reads, steps of 100 ms");
    device_by_moved_clock(1000, 100 * S, MS, "reads, steps of 1 ms");
    device_by_moved_clock(1000000, 2 * S, 100 * US, "reads, steps of 100 µs");
}

/* ---- in real time ---- */

static uint64_t now_ns(void)
{
    return tenon_now();
}

static void pump(struct flow **flows, unsigned count, uint64_t until)
{
    while (now_ns() < until) {
        for (unsigned i = 0; i < count; i++) {
            flow_reap(flows[i]);
            flow_fill(flows[i]);
        }
        tnd_pass(flows[0]->rig->driver);
    }
}

static uint64_t reads_of(struct rig *rig, unsigned queues)
{
    uint64_t reads = 0;

    for (unsigned i = 0; i < queues; i++) {
        reads += rig_stat(rig, "reads", (int)i);
    }
    return reads;
}

static void device_by_real_clock(uint64_t rate, uint32_t cost, unsigned queues, const char *how)
{
    struct tenon_limits limits = limits_of(rate, cost != 1);
    struct flow *flows[2];
    void *state;
    struct rig *rig = rig_of(RIG_MMIO | RIG_THREADS | RIG_EPOLL, &limits, queues, &state);

    for (unsigned i = 0; i < queues; i++) {
        flows[i] = flow_new(rig, i, TN_BLK_T_IN, cost == 1 ? 512 : cost, cost == 1 ? RING : 16);
    }
    pump(flows, queues, now_ns() + S); /* the burst */
    uint64_t before = reads_of(rig, queues), start = now_ns();
    pump(flows, queues, start + REAL_SECONDS * (uint64_t)S);
    uint64_t after = reads_of(rig, queues), end = now_ns();
    row("real", rate, how, (double)(end - start) / (double)S, (double)((after - before) * cost));
    for (unsigned i = 0; i < queues; i++) {
        flow_lose(flows[i]);
        flow_free(flows[i]);
    }
    rig_end(&state);
}

static void all_real(void)
{
    device_by_real_clock(100, 1, 1, "reads");
    device_by_real_clock(1000, 1, 1, "reads");
    device_by_real_clock(10000, 1, 1, "reads");
    device_by_real_clock(10000, 1, 2, "reads, two queues on two threads");
    device_by_real_clock(50000, 1, 2, "reads, two queues on two threads");
    device_by_real_clock(1 * MIB, 4 * KIB, 1, "bytes, reads of 4 KiB");
    device_by_real_clock(100 * MIB, 64 * KIB, 1, "bytes, reads of 64 KiB");
}

int main(int argc, char **argv)
{
    const char *only = argc > 1 ? argv[1] : NULL;

    head();
    if (!only || strcmp(only, "bucket") == 0) {
        all_buckets();
    }
    if (!only || strcmp(only, "device") == 0) {
        all_devices();
    }
    if (!only || strcmp(only, "real") == 0) {
        all_real();
    }
    return bad;
}
