/*
 * test_limits.c: how fast a device may be: items 36 to 41 of the conformance list, by a clock that
 * the test moves. The device has no threads here; test_limits_live.c has those.
 *
 * Long because: six items of the list, each with its faults, over the same few helpers.
 */
#include <errno.h>

#include "flow.h"
#include "moved_clock.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)
#define US UINT64_C(1000)

enum { ON = RIG_INLINE, RING = 64, DEPTH = 16 };

static struct rig *rig_with(void **state, const struct tenon_limits *limits, unsigned queues)
{
    struct rig_options o = { .disk = RIG_DISK_MEMORY,
                             .blk = { .limits = limits, .queues = queues, .queue_size = 256 },
                             .setup = { .queues = queues } };
    clock_stop();
    return rig_new(state, &o);
}

static struct tenon_limits limits_of(uint64_t ops, uint64_t burst)
{
    return (struct tenon_limits){ .size = sizeof(struct tenon_limits),
                                  .ops = { .rate = ops, .burst = burst } };
}

/* A timer's turn does a part of what is to do, and the rest a moment later. */
static void settle(struct rig *rig)
{
    for (unsigned i = 0; i < 8; i++) {
        clock_move(1);
        tnd_settle(rig->driver, 0);
    }
}

static bool is_done(struct rig *rig, struct tnd_blk_request *r)
{
    settle(rig);
    tnd_blk_reap(rig->driver, r->queue);
    return r->done;
}

static void submit(struct rig *rig, unsigned queue, struct tnd_blk_request *r)
{
    assert_int_equal(tnd_blk_submit(rig->driver, queue, r), 0);
    settle(rig);
}

/* One after the other passes until one has to wait; that one is left under way. */
static unsigned passes_now(struct rig *rig, struct tnd_blk_request *last)
{
    struct tnd_blk_request like = *last;

    for (unsigned n = 0;; n++) {
        *last = like;
        submit(rig, 0, last);
        if (!is_done(rig, last)) {
            return n;
        }
        assert_int_equal(last->status, TN_BLK_S_OK);
    }
}

/* ---- item 36, A33, B11, K3 ---- */

static void run_at(void **state, uint64_t rate, uint64_t ns, uint64_t step)
{
    struct tenon_limits limits = limits_of(rate, 0);
    struct rig *rig = rig_with(state, &limits, 1);
    struct flow *flow = flow_new(rig, 0, TN_BLK_T_IN, 512, rate > 10000 ? FLOW_DEPTH : DEPTH);

    flow_settle(&flow, 1);
    assert_true(flow->done == rate / 10);
    flow_run(&flow, 1, ns, step);
    uint64_t most = (rate * clock_moved() + rate * S / 10) / S;
    assert_true(flow->done <= most);
    assert_true(flow->done + 1 >= most);
    flow_free(flow);
    rig_end(state);
    clock_go();
}

static void item36_rate_is_exact(void **state)
{
    run_at(state, 1, 1000 * S, 100 * MS);
    run_at(state, 7, 143 * S, 31 * MS);
    run_at(state, 1000, 10 * S, MS);
    run_at(state, 1000, 10 * S, 77 * MS);
    run_at(state, 1000, S / 10, 3 * US);
    run_at(state, 1000000, 20 * MS, 100 * US);
}

static void item36_bytes_and_queues_add_up(void **state)
{
    enum { QUEUES = 3, KIB = 1024 };
    struct tenon_limits limits = { .size = sizeof(limits),
                                   .bytes = { .rate = 1000 * KIB, .burst = KIB },
                                   .ops = { .rate = 100000 } };
    struct rig *rig = rig_with(state, &limits, QUEUES);
    struct flow *flows[QUEUES];
    uint64_t bytes = 0;

    for (unsigned i = 0; i < QUEUES; i++) {
        flows[i] = flow_new(rig, i, i == 1 ? TN_BLK_T_OUT : TN_BLK_T_IN, (i + 1) * 4 * KIB, DEPTH);
    }
    flow_settle(flows, QUEUES);
    flow_run(flows, QUEUES, 10 * S, MS);
    for (unsigned i = 0; i < QUEUES; i++) {
        uint64_t mine = flows[i]->done * flows[i]->bytes;
        assert_true(mine > 10000 * KIB / QUEUES * 8 / 10); /* each its share */
        bytes += mine;
        flow_free(flows[i]);
    }
    assert_true(bytes <= 10001 * KIB);
    assert_true(bytes > 10001 * KIB - QUEUES * 17 * KIB);
}

/* ---- B12: what counts against what ---- */

enum { READS = 1, WRITES = 2, ZEROES = 4, DISCARDS = 8, FLUSHES = 16, ALL = 31 };

struct kind {
    unsigned bit;
    uint32_t type;
    bool ranges;
};

static void try_kind(struct rig *rig, const struct kind *kind, bool limited)
{
    static const uint8_t data[512];
    struct tn_blk_range range = { .sector = tn_to_le64(8), .sectors = tn_to_le32(1) };
    struct tnd_blk_request r = { .type = kind->type, .sector = 8 };
    unsigned passed = 0;

    r.in_bytes = kind->type == TN_BLK_T_IN ? sizeof(data) : 0;
    r.out = kind->ranges ? (const void *)&range : kind->type == TN_BLK_T_OUT ? data : NULL;
    r.out_bytes = kind->ranges ? sizeof(range) : r.out ? sizeof(data) : 0;
    struct tnd_blk_request like = r;
    for (; passed < 20; passed++) {
        r = like;
        submit(rig, 0, &r);
        if (!is_done(rig, &r)) {
            break;
        }
        assert_int_equal(r.status, TN_BLK_S_OK);
    }
    assert_int_equal(passed, limited ? 3 : 20);
    clock_move(1000 * S);
    assert_true(is_done(rig, &r) || passed == 20);
}

static void b12_each_limit_counts_what_it_says(void **state)
{
    static const struct kind kinds[] = { { READS, TN_BLK_T_IN, false },
                                         { WRITES, TN_BLK_T_OUT, false },
                                         { ZEROES, TN_BLK_T_WRITE_ZEROES, true },
                                         { DISCARDS, TN_BLK_T_DISCARD, true },
                                         { FLUSHES, TN_BLK_T_FLUSH, false } };
    static const struct {
        size_t at;
        unsigned unit, kinds;
    } all[] = {
        { offsetof(struct tenon_limits, ops), 1, ALL },
        { offsetof(struct tenon_limits, ops_read), 1, READS },
        { offsetof(struct tenon_limits, ops_write), 1, WRITES | ZEROES | DISCARDS | FLUSHES },
        { offsetof(struct tenon_limits, bytes), 512, READS | WRITES | ZEROES },
        { offsetof(struct tenon_limits, bytes_read), 512, READS },
        { offsetof(struct tenon_limits, bytes_write), 512, WRITES | ZEROES },
    };
    struct rig_options o = { 0 }; /* a file: it can discard */
    struct rig *rig = rig_new(state, &o);

    clock_stop();
    for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        struct tenon_limits limits = { .size = sizeof(limits) };
        struct tenon_limit limit = { .rate = all[i].unit, .burst = 3 * all[i].unit };
        memcpy((char *)&limits + all[i].at, &limit, sizeof(limit));
        for (unsigned k = 0; k < sizeof(kinds) / sizeof(kinds[0]); k++) {
            assert_int_equal(tenon_device_set_limits(rig->device, NULL), 0);
            assert_int_equal(tenon_device_set_limits(rig->device, &limits), 0);
            settle(rig);
            try_kind(rig, &kinds[k], all[i].kinds & kinds[k].bit);
        }
    }
}

/* ---- item 37, K5 ---- */

static void item37_bursts(void **state)
{
    struct tenon_limits limits = limits_of(10, 30);
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in_bytes = 512 };

    limits.ops.burst_once = 100;
    struct rig *rig = rig_with(state, &limits, 1);
    assert_int_equal(passes_now(rig, &r), 130);
    clock_move(3600 * S);
    assert_true(is_done(rig, &r));
    r.done = false;
    assert_int_equal(passes_now(rig, &r), 30); /* refilled; the one that waited had paid long ago */
    assert_int_equal(tenon_device_set_limits(rig->device, &limits), 0);
    assert_true(
        is_done(rig, &r)); /* once again, since it was set again; the rest is not refilled */
    assert_int_equal(passes_now(rig, &r), 99);
    tnd_blk_forget(rig->driver, &r);
}

static void item37_default_burst_is_a_tenth_of_a_second(void **state)
{
    struct tenon_limits limits = limits_of(1000, 0);
    struct rig *rig = rig_with(state, &limits, 1);
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in_bytes = 512 };

    assert_int_equal(passes_now(rig, &r), 100);
    tnd_blk_forget(rig->driver, &r);
}

static void item37_larger_than_the_bucket(void **state)
{
    enum { BIG = 1 << 20 };
    static uint8_t data[BIG];
    struct tenon_limits limits = { .size = sizeof(limits),
                                   .bytes = { .rate = BIG / 4, .burst = 65536 } };
    struct rig *rig = rig_with(state, &limits, 1);
    struct tnd_blk_request big = { .type = TN_BLK_T_OUT, .out = data, .out_bytes = BIG };
    struct tnd_blk_request small = { .type = TN_BLK_T_IN, .in_bytes = 512 };

    submit(rig, 0, &big);
    assert_false(is_done(rig, &big));
    for (unsigned ms = 0; ms < 3700; ms++) {
        clock_move(MS);
        assert_false(is_done(rig, &big)); /* it has to pay 15/16 of 4 s before it passes */
    }
    for (unsigned ms = 0; ms < 100; ms++) {
        clock_move(MS);
        settle(rig);
    }
    assert_true(is_done(rig, &big));
    assert_int_equal(big.status, TN_BLK_S_OK);
    submit(rig, 0, &small); /* and nobody pays for it afterwards */
    clock_move(10 * MS);
    assert_true(is_done(rig, &small));
}

static void item37_odd_limits_are_refused(void **state)
{
    struct tenon_limits burst = limits_of(0, 10), much = limits_of(TENON_LIMIT_MAX + 1, 0);
    struct tenon_limits once = limits_of(0, 0), most = limits_of(TENON_LIMIT_MAX, UINT64_MAX);
    struct tenon_limits no_size = { .ops = { .rate = 1 } };
    struct rig *rig = rig_with(state, NULL, 1);
    struct tenon_blk_opts opts = { .size = sizeof(opts), .disk = rig->disk, .limits = &burst };
    struct tenon_device *device;
    struct tenon_limit_group *group;

    once.bytes_write.burst_once = 1;
    assert_int_equal(tenon_device_set_limits(rig->device, &burst), -EINVAL);
    assert_non_null(strstr(tenon_error(), "ops has a burst"));
    assert_int_equal(tenon_device_set_limits(rig->device, &once), -EINVAL);
    assert_non_null(strstr(tenon_error(), "bytes_write"));
    assert_int_equal(tenon_device_set_limits(rig->device, &much), -EINVAL);
    assert_int_equal(tenon_device_set_limits(rig->device, &no_size), -EINVAL);
    assert_int_equal(tenon_device_set_limits(rig->device, &most), 0);
    assert_int_equal(tenon_blk_new(&opts, &device), -EINVAL);
    assert_int_equal(tenon_limit_group_new(&much, &group), -EINVAL);
    assert_int_equal(tenon_limit_group_new(NULL, &group), 0);
    assert_int_equal(tenon_limit_group_set(group, &burst), -EINVAL);
    tenon_limit_group_free(group);
    tenon_limit_group_free(NULL);
    rig_check_alive(rig, 0);
}

/* ---- item 38, K2 ---- */

static void item38_a_reset_does_not_refill(void **state)
{
    struct tenon_limits limits = limits_of(10, 20);
    struct rig *rig = rig_with(state, &limits, 1);
    struct tnd_setup setup = { .queue_size = 64 };
    unsigned passed = 0;

    for (unsigned i = 0; i < 50; i++) {
        struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in_bytes = 512 };
        passed += passes_now(rig, &r);
        assert_int_equal(tnd_reset(rig->driver), 0);
        tnd_blk_forget(rig->driver, &r);
        assert_int_equal(tnd_start(rig->driver, &setup), 0);
        clock_move(20 * MS);
    }
    assert_true(passed >= 1);
    assert_true(passed <= 20 + 10); /* a second has passed */
}

/*
 * Over vhost-user a guest's reset is a stop of its rings, where what waits is let through. Again
 * and again it gains nothing, for it owes.
 */
static void item38_nor_does_a_stop(void **state)
{
    struct tenon_limits limits = limits_of(100, 1);
    struct rig *rig = rig_with(state, &limits, 1);
    struct flow *flow = flow_new(rig, 0, TN_BLK_T_OUT, 512, DEPTH);

    for (unsigned i = 0; i < 200; i++) {
        flow_fill(flow);
        settle(rig);
        assert_int_equal(tnd_queue_restart(rig->driver, 0), 0);
        settle(rig);
        flow_reap(flow);
        if (rig->mmio) {
            flow_lose(flow);
        }
        clock_move(10 * MS);
    }
    assert_true(flow->done <= 200 + 1 + DEPTH);
    assert_true(rig->mmio || flow->done >= 200 - DEPTH);
    flow_free(flow);
}

/* ---- item 39, K4 ---- */

static void item39_first_come_first_served(void **state)
{
    struct tenon_limits limits = limits_of(10, 1);
    struct rig *rig = rig_with(state, &limits, 1);
    struct tnd_blk_request r[DEPTH];
    uint64_t order = 0;

    for (unsigned i = 0; i < DEPTH; i++) {
        r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_IN, .sector = i, .in_bytes = 512 };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
    tnd_kick(rig->driver, 0);
    for (unsigned i = 0; i < DEPTH; i++) {
        assert_true(is_done(rig, &r[i]));
        assert_true(i == 0 || r[i].order == order + 1);
        order = r[i].order;
        assert_true(i + 1 == DEPTH || !r[i + 1].done);
        clock_move(100 * MS);
    }
}

static void item39_what_is_refused_costs_nothing(void **state)
{
    struct tenon_limits limits = limits_of(1, 1);
    struct rig *rig = rig_with(state, &limits, 1);
    struct tnd_blk_request read = { .type = TN_BLK_T_IN, .in_bytes = 512 };
    struct tnd_blk_request beyond = { .type = TN_BLK_T_IN, .sector = 1 << 30, .in_bytes = 512 };
    struct tnd_blk_request unknown = { .type = 77, .in_bytes = 512 };
    struct tnd_blk_request empty = { .type = TN_BLK_T_IN };
    struct tnd_blk_request *odd[] = { &beyond, &unknown, &empty };
    char id[20];

    for (unsigned i = 0; i < 300; i++) {
        struct tnd_blk_request *r = odd[i % 3];
        submit(rig, 0, r);
        assert_true(is_done(rig, r));
        assert_int_equal(tnd_blk_get_id(rig->driver, 0, id), TN_BLK_S_OK);
    }
    submit(rig, 0, &read);
    assert_true(is_done(rig, &read)); /* the one token is still there */
    submit(rig, 0, &read);
    assert_false(is_done(rig, &read));
    for (unsigned i = 0; i < 30; i++) { /* and none of them waits */
        submit(rig, 0, odd[i % 3]);
        assert_true(is_done(rig, odd[i % 3]));
        assert_int_equal(tnd_blk_get_id(rig->driver, 0, id), TN_BLK_S_OK);
    }
    assert_int_equal(rig_stat(rig, "throttled", 0), 1);
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 1);
    clock_move(S);
    assert_true(is_done(rig, &read));
    assert_int_equal(rig_stat(rig, "throttled", 0), 1);
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 0);
}

/* Long writes, cut into many pieces, fill the ring and wait; nothing else does. */
static void item39_k4_reads_and_flushes_pass_writes(void **state)
{
    enum { PIECES = 100, LONG = PIECES * 512, WRITES_MOST = 60 };
    static const uint8_t data[LONG];
    struct tenon_limits limits = { .size = sizeof(limits),
                                   .bytes_write = { .rate = 1000, .burst = 1 } };
    struct rig *rig = rig_with(state, &limits, 1);
    static struct tnd_blk_request w[WRITES_MOST];
    uint32_t cuts[PIECES];
    char id[20];

    for (unsigned i = 0; i < PIECES; i++) {
        cuts[i] = i == 0 ? 16 : 512;
    }
    for (unsigned i = 0; i < WRITES_MOST; i++) {
        w[i] = (struct tnd_blk_request){ .type = TN_BLK_T_OUT, .sector = 100 * i, .out = data };
        w[i].out_bytes = LONG;
        w[i].out_cuts = cuts;
        w[i].out_cut_count = PIECES;
        w[i].form = TND_INDIRECT;
        w[i].scatter = true;
        submit(rig, 0, &w[i]);
        assert_false(is_done(rig, &w[i]));
    }
    for (unsigned i = 0; i < 100; i++) {
        struct tnd_blk_request r = { .type = TN_BLK_T_IN, .sector = i, .in_bytes = 4096 };
        struct tnd_blk_request f = { .type = TN_BLK_T_FLUSH };
        submit(rig, 0, &r);
        assert_true(is_done(rig, &r));
        submit(rig, 0, &f); /* no bytes: an empty bucket of bytes is none of its business */
        assert_true(is_done(rig, &f));
        assert_int_equal(tnd_blk_get_id(rig->driver, 0, id), TN_BLK_S_OK);
    }
    assert_int_equal(rig_stat(rig, "throttled_now", 0), WRITES_MOST);
    assert_int_equal(tenon_device_set_limits(rig->device, NULL), 0);
    for (unsigned i = 0; i < WRITES_MOST; i++) {
        assert_true(is_done(rig, &w[i]));
    }
}

/*
 * A flush covers what has ended before it, and waits for the writes that the disk has; it does not
 * wait for those that a limit holds, which nobody was told of. Overlapping writes keep their order
 * while they are held.
 */
static void item39_order_of_what_is_held(void **state)
{
    static uint8_t first[512], second[512];
    struct tenon_limits limits = { .size = sizeof(limits),
                                   .bytes_write = { .rate = 512, .burst = 512 } };
    struct rig_options o = { .disk = RIG_DISK_FAKE, .blk = { .limits = &limits } };
    struct tnd_blk_request in_disk = { .type = TN_BLK_T_OUT, .out = first, .out_bytes = 512 };
    struct tnd_blk_request a = { .type = TN_BLK_T_OUT, .sector = 9, .out = first };
    struct tnd_blk_request b = { .type = TN_BLK_T_OUT, .sector = 9, .out = second };
    struct tnd_blk_request flush = { .type = TN_BLK_T_FLUSH };

    clock_stop();
    struct rig *rig = rig_new(state, &o);
    rig_pattern(first, 512, 1);
    rig_pattern(second, 512, 2);
    a.out_bytes = b.out_bytes = 512;
    fake_hold(rig->fake, true);
    submit(rig, 0, &in_disk);
    submit(rig, 0, &a);
    submit(rig, 0, &b);
    submit(rig, 0, &flush);
    assert_int_equal(fake_submitted(rig->fake), 1); /* the flush waits for it */
    assert_true(fake_release(rig->fake, 0));
    assert_true(is_done(rig, &in_disk));
    assert_int_equal(fake_submitted(rig->fake), 2);
    assert_int_equal(fake_op(rig->fake, 1).op, TENON_IO_FLUSH);
    assert_true(fake_release(rig->fake, 1));
    assert_true(is_done(rig, &flush));
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 2);
    clock_move(S);
    settle(rig);
    clock_move(S);
    settle(rig);
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 0);
    assert_int_equal(fake_submitted(rig->fake), 3); /* b waits for a, in the order of arrival */
    assert_true(fake_release(rig->fake, 2));
    settle(rig);
    assert_true(fake_release(rig->fake, 3));
    assert_true(is_done(rig, &a) && is_done(rig, &b));
    assert_memory_equal(rig->image + 9 * 512, second, 512);
}

/* ---- item 40, B10 ---- */

static void item40_pause_lets_through_and_leaves_debt(void **state)
{
    struct tenon_limits limits = limits_of(10, 1);
    struct rig *rig = rig_with(state, &limits, 1);
    struct flow *flow = flow_new(rig, 0, TN_BLK_T_OUT, 512, DEPTH);
    struct tnd_blk_request read = { .type = TN_BLK_T_IN, .in_bytes = 512 };

    flow_fill(flow);
    settle(rig);
    assert_int_equal(flow_reap(flow), 1);
    clock_move(50 * MS);
    settle(rig);
    clock_go();
    assert_int_equal(tenon_device_pause(rig->device, 5000), 0);
    clock_stop();
    assert_int_equal(flow_reap(flow), DEPTH - 1);
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    flow->depth = 1;
    flow_fill(flow);
    settle(rig);
    assert_int_equal(flow_reap(flow), 0);
    for (unsigned ms = 0; ms < (DEPTH - 2) * 100; ms += 10) { /* they are paid for first */
        clock_move(10 * MS);
        settle(rig);
        assert_int_equal(flow_reap(flow), 0);
    }
    clock_move(200 * MS);
    settle(rig);
    assert_int_equal(flow_reap(flow), 1);
    clock_move(100 * MS); /* a read pays with the same operations, and was not in debt */
    submit(rig, 0, &read);
    assert_true(is_done(rig, &read));
    flow_free(flow);
}

static void item40_reset_drops_without_refund(void **state)
{
    static uint8_t data[512];
    struct tenon_limits limits = limits_of(1, 1);
    struct rig *rig = rig_with(state, &limits, 1);
    struct tnd_blk_request w[DEPTH], r = { .type = TN_BLK_T_IN, .in_bytes = 512 };

    rig_pattern(data, sizeof(data), 5);
    for (unsigned i = 0; i < DEPTH; i++) {
        w[i] = (struct tnd_blk_request){ .type = TN_BLK_T_OUT, .sector = i, .out = data };
        w[i].out_bytes = sizeof(data);
        submit(rig, 0, &w[i]);
    }
    assert_true(w[0].done || is_done(rig, &w[0]));
    clock_move(900 * MS);
    settle(rig);
    assert_int_equal(tenon_device_reset(rig->device, 5000), 0); /* by the host: over both alike */
    settle(rig);
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 0);
    for (unsigned i = 1; i < DEPTH; i++) {
        assert_memory_not_equal(rig->image + i * 512, data, sizeof(data));
        assert_int_equal(w[i].status, TND_BLK_UNTOUCHED);
        tnd_blk_forget(rig->driver, &w[i]);
    }
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    submit(rig, 0, &r);
    clock_move(150 * MS);
    assert_false(is_done(rig, &r)); /* what the first of them had paid is gone */
    clock_move(S);
    assert_true(is_done(rig, &r));
}

static void item40_stop_is_prompt(void **state)
{
    struct tenon_limits limits = limits_of(1, 1);
    struct rig *rig = rig_with(state, &limits, 1);
    struct flow *flow = flow_new(rig, 0, TN_BLK_T_OUT, 512, DEPTH);
    uint16_t base;

    flow_fill(flow);
    settle(rig);
    assert_int_equal(rig->driver->ops->queue_stop(rig->driver, 0, &base), 0);
    settle(rig);
    assert_int_equal(flow_reap(flow), rig->mmio ? 1 : DEPTH); /* a queue's reset drops, too */
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 0);
    flow_free(flow);
}

/* Memory that goes away is not held fast by what waits. */
static void released(void *opaque)
{
    *(bool *)opaque = true;
}

static void item40_memory_is_let_go(void **state)
{
    static uint8_t more[65536] __attribute__((aligned(65536)));
    bool gone = false;
    struct tenon_region region = { .size = sizeof(region),
                                   .gpa = RIG_NOWHERE_GPA,
                                   .bytes = sizeof(more),
                                   .host = more,
                                   .released = released,
                                   .opaque = &gone };
    struct tenon_limits limits = limits_of(1, 1);
    struct rig *rig = rig_with(state, &limits, 1);
    struct flow *flow = flow_new(rig, 0, TN_BLK_T_OUT, 512, DEPTH);

    assert_int_equal(tenon_mem_add(rig->mem, &region), 0);
    flow_fill(flow);
    settle(rig);
    assert_int_equal(flow_reap(flow), 1);
    assert_int_equal(tenon_mem_remove(rig->mem, region.gpa, region.bytes), 0);
    settle(rig);
    assert_true(gone);
    assert_int_equal(flow_reap(flow), DEPTH - 1);
    flow_fill(flow); /* which are to be paid for before anything is taken again */
    settle(rig);
    assert_int_equal(tenon_device_pause_begin(rig->device, NULL, NULL), 0);
    settle(rig);
    unsigned handled = 0;
    for (unsigned i = 0; i < 100; i++) { /* it sleeps meanwhile, also while it is paused */
        clock_move(50 * MS);
        handled += rig_crank(rig);
    }
    assert_true(handled < 20);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    settle(rig);
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 0);
    clock_move(9 * S);
    settle(rig);
    assert_int_equal(flow_reap(flow), 0);
    clock_move(3 * S);
    settle(rig);
    assert_int_equal(flow_reap(flow), 1);
    flow_free(flow);
}

/* ---- item 41, B13 ---- */

static void item41_a_change_wakes_who_waits(void **state)
{
    struct tenon_limits slow = limits_of(1, 1), fast = limits_of(1000, 1);
    struct rig *rig = rig_with(state, &slow, 1);
    struct flow *flow = flow_new(rig, 0, TN_BLK_T_IN, 512, DEPTH);

    flow_fill(flow);
    settle(rig);
    assert_int_equal(flow_reap(flow), 1);
    assert_int_equal(tenon_device_set_limits(rig->device, &fast), 0);
    for (unsigned ms = 0; ms < 10; ms++) { /* nobody kicks */
        clock_move(MS);
        settle(rig);
    }
    unsigned passed = flow_reap(flow);
    assert_true(passed == 9 || passed == 10);
    assert_int_equal(tenon_device_set_limits(rig->device, &slow), 0);
    settle(rig);
    clock_move(100 * MS);
    settle(rig);
    assert_true(flow_reap(flow) <= 1);
    assert_int_equal(tenon_device_set_limits(rig->device, NULL), 0);
    settle(rig); /* no limit: at once */
    flow_reap(flow);
    assert_int_equal(flow->done, DEPTH);
    assert_int_equal(rig_stat(rig, "throttled_now", 0), 0);
    flow_free(flow);
}

/* Setting the same again and again is no way around it. */
static void item41_the_same_again_refills_nothing(void **state)
{
    struct tenon_limits limits = limits_of(10, 10);
    struct rig *rig = rig_with(state, &limits, 1);
    struct flow *flow = flow_new(rig, 0, TN_BLK_T_IN, 512, DEPTH);

    for (unsigned i = 0; i < 100; i++) {
        flow_settle(&flow, 1);
        limits.ops.burst = 10 - i % 2;
        assert_int_equal(tenon_device_set_limits(rig->device, &limits), 0);
        clock_move(10 * MS);
    }
    assert_true(flow->done >= 19 && flow->done <= 21);
    flow_free(flow);
}

int main(int argc, char **argv)
{
    static const struct rig_case cases[] = {
        RIG_TEST_ON(item36_rate_is_exact, ON),
        RIG_TEST_ON(item36_bytes_and_queues_add_up, ON),
        RIG_TEST_ON(b12_each_limit_counts_what_it_says, ON),
        RIG_TEST_ON(item37_bursts, ON),
        RIG_TEST_ON(item37_default_burst_is_a_tenth_of_a_second, ON),
        RIG_TEST_ON(item37_larger_than_the_bucket, ON),
        RIG_TEST_ON(item37_odd_limits_are_refused, ON),
        RIG_TEST_ON(item38_a_reset_does_not_refill, ON),
        RIG_TEST_ON(item38_nor_does_a_stop, ON),
        RIG_TEST_ON(item39_first_come_first_served, ON),
        RIG_TEST_ON(item39_what_is_refused_costs_nothing, ON),
        RIG_TEST_ON(item39_k4_reads_and_flushes_pass_writes, ON),
        RIG_TEST_ON(item39_order_of_what_is_held, ON),
        RIG_TEST_ON(item40_pause_lets_through_and_leaves_debt, ON),
        RIG_TEST_ON(item40_reset_drops_without_refund, ON),
        RIG_TEST_ON(item40_stop_is_prompt, ON),
        RIG_TEST_ON(item40_memory_is_let_go, RIG_MMIO | ON),
        RIG_TEST_ON(item41_a_change_wakes_who_waits, ON),
        RIG_TEST_ON(item41_the_same_again_refills_nothing, ON),
    };
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
