/*
 * test_hot_path.c: from kick to interrupt nothing is allocated, no lock is taken, nothing is logged
 * and the system is called no more often for many requests than for one (house rule; faults A14,
 * A31, B1, B9, K11 of docs/faults.md). Counted, not measured: hot_path_counts.h.
 */
#include "harness.h"
#include "hot_path_counts.h"

enum { MANY = 48, PIECES = 16, PIECE_BYTES = 512 };

static unsigned counted_crank(void *rig)
{
    hot_enter();
    unsigned n = rig_crank(rig);
    hot_leave();
    return n;
}

static void count_line(void *opaque, enum tenon_log_level level, const char *line)
{
    (void)opaque;
    (void)level;
    (void)line;
    hot_note(HOT_LINES);
}

static void start_counting(struct rig *rig)
{
    if (rig->inline_) {
        rig->driver->crank = counted_crank;
    }
    tenon_set_log(count_line, NULL);
    hot_begin();
}

static void stop_counting(void)
{
    hot_end();
    tenon_set_log(NULL, NULL);
}

/* One of each kind, some in many pieces; added, and not yet shown to the device. */
static void add(struct rig *rig, struct tnd_blk_request *r, unsigned i)
{
    static const uint32_t kinds[] = { TN_BLK_T_IN,      TN_BLK_T_OUT,
                                      TN_BLK_T_FLUSH,   TN_BLK_T_GET_ID,
                                      TN_BLK_T_DISCARD, TN_BLK_T_WRITE_ZEROES,
                                      TN_BLK_T_IN + 77, TN_BLK_T_WRITE_ZEROES,
                                      TN_BLK_T_IN };
    static const struct tnd_range range = { .sector = 64, .sectors = 8 };
    static uint32_t cuts[PIECES + 1];
    static uint8_t data[PIECES * PIECE_BYTES];
    uint32_t type = kinds[i % (sizeof(kinds) / sizeof(kinds[0]))];
    bool ranged = type == TN_BLK_T_DISCARD || type == TN_BLK_T_WRITE_ZEROES;
    bool reads = type == TN_BLK_T_IN || type == TN_BLK_T_GET_ID;

    for (unsigned k = 0; k <= PIECES; k++) {
        cuts[k] = PIECE_BYTES;
    }
    *r = (struct tnd_blk_request){ .type = type, .sector = i * PIECES };
    r->form = i % 3 == 0 ? TND_DIRECT : TND_INDIRECT;
    if (ranged) {
        r->out = &range;
        r->out_bytes = sizeof(range);
    } else if (reads) {
        r->in_bytes = type == TN_BLK_T_IN ? sizeof(data) : 20;
        r->in_cuts = cuts;
        r->in_cut_count = type == TN_BLK_T_IN && i % 2 ? PIECES : 0;
        r->scatter = true;
    } else if (type == TN_BLK_T_OUT) {
        r->out = data;
        r->out_bytes = sizeof(data);
    }
    assert_int_equal(tnd_blk_add(rig->driver, 0, r), 0);
}

static void run_batch(struct rig *rig, unsigned count)
{
    static struct tnd_blk_request r[MANY];

    hot_end();
    for (unsigned i = 0; i < count; i++) {
        add(rig, &r[i], i);
    }
    start_counting(rig);
    hot_enter();
    tnd_kick(rig->driver, 0);
    hot_leave();
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &r[i]), 0);
    }
    stop_counting();
}

/* The counting itself can fail. */
static void planted_calls_are_counted(void **state)
{
    void *volatile p;
    char c = 0;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

    (void)state;
    hot_begin();
    hot_enter();
    p = malloc(1);
    pthread_mutex_lock(&mutex);
    assert_int_equal(write(-1, &c, 1), -1);
    hot_leave();
    free(p);
    p = malloc(1); /* outside */
    hot_end();
    free(p);
    pthread_mutex_unlock(&mutex);
    assert_int_equal(hot_count(HOT_ALLOCATIONS), hot_counts());
    assert_int_equal(hot_count(HOT_LOCKS), hot_counts());
    assert_int_equal(hot_count(HOT_CALLS), hot_counts());
}

static void nothing_is_allocated_or_logged(void **state)
{
    struct rig *rig = rig_new(state, NULL);

    run_batch(rig, MANY);
    for (unsigned i = 0; i < 5; i++) {
        run_batch(rig, MANY);
        assert_int_equal(hot_count(HOT_ALLOCATIONS), 0);
        assert_int_equal(hot_count(HOT_LINES), 0);
    }
}

/* The driver's own lock is not ours. */
static void uncounted_irq(void *rig, int level)
{
    bool inside = hot_leave();

    tnd_mmio_irq(((struct rig *)rig)->driver, level);
    if (inside) {
        hot_enter();
    }
}

/*
 * Over memory or io_uring: a pool of threads is handed its work under a lock, once for a batch.
 * With threads: an embedder's own loop takes one to get in, once for a turn.
 */
static void no_lock_is_taken(void **state)
{
    bool uring = ((struct rig_combination *)*state)->bits & RIG_URING;
    struct rig_options o = { .disk = uring ? RIG_DISK_FILE : RIG_DISK_MEMORY,
                             .irq = uncounted_irq };
    struct rig *rig = rig_new(state, &o);

    run_batch(rig, MANY); /* what the start of the queue takes */
    for (unsigned i = 0; i < 5; i++) {
        run_batch(rig, MANY);
        assert_int_equal(hot_count(HOT_LOCKS), 0);
    }
}

/* Nor while requests wait for their limits, and come back by a timer. */
static void limits_allocate_and_lock_nothing(void **state)
{
    struct tenon_limits limits = { .size = sizeof(limits),
                                   .ops = { .rate = 20000, .burst = 1 },
                                   .bytes_write = { .rate = 100 << 20, .burst = 1 } };
    struct rig_options o = { .disk = RIG_DISK_MEMORY,
                             .irq = uncounted_irq,
                             .blk = { .limits = &limits } };
    struct rig *rig = rig_new(state, &o);

    run_batch(rig, MANY);
    for (unsigned i = 0; i < 5; i++) {
        run_batch(rig, MANY);
        assert_int_equal(hot_count(HOT_ALLOCATIONS), 0);
        assert_int_equal(hot_count(HOT_LINES), 0);
        assert_int_equal(hot_count(HOT_LOCKS), 0);
    }
    assert_true(rig_stat(rig, "throttled", 0) > 0);
}

/* One kick, one interrupt: waiting, ringing and being rung cost the same for one and for many. */
static void many_requests_call_the_system_as_often_as_one(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_MEMORY };
    struct rig *rig = rig_new(state, &o);

    run_batch(rig, 1);
    run_batch(rig, 1);
    unsigned one = hot_count(HOT_CALLS);
    assert_true(one <= 12);
    run_batch(rig, MANY);
    assert_true(hot_count(HOT_CALLS) <= one + 2);
}

/* However a request is cut: one call moves all of it. */
static void one_transfer_for_many_pieces(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    static uint8_t data[PIECES * PIECE_BYTES];
    uint32_t cuts[PIECES + 1] = { 16 };

    for (unsigned i = 1; i <= PIECES; i++) {
        cuts[i] = PIECE_BYTES;
    }
    struct tnd_blk_request r[2] = { { .type = TN_BLK_T_IN,
                                      .in = data,
                                      .in_bytes = sizeof(data),
                                      .in_cuts = cuts + 1,
                                      .in_cut_count = PIECES,
                                      .scatter = true },
                                    { .type = TN_BLK_T_OUT,
                                      .out = data,
                                      .out_bytes = sizeof(data),
                                      .out_cuts = cuts,
                                      .out_cut_count = PIECES + 1,
                                      .scatter = true } };
    for (unsigned i = 0; i < 2; i++) {
        start_counting(rig);
        assert_int_equal(tnd_blk_run(rig->driver, 0, &r[i]), TN_BLK_S_OK);
        stop_counting();
        assert_int_equal(hot_count(HOT_TRANSFERS), hot_counts());
    }
}

/* A flush of the guest is a flush of the host's file, one of each (A10). */
static void a_flush_reaches_the_host(void **state)
{
    struct rig *rig = rig_new(state, NULL);

    start_counting(rig);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_OK);
    }
    stop_counting();
    assert_int_equal(hot_count(HOT_SYNCS), hot_counts() ? 3 : 0);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(planted_calls_are_counted, RIG_MMIO | RIG_INLINE | RIG_EPOLL),
    RIG_TEST(nothing_is_allocated_or_logged),
    RIG_TEST_ON(no_lock_is_taken, RIG_THREADS | RIG_URING),
    RIG_TEST_ON(limits_allocate_and_lock_nothing, RIG_THREADS | RIG_URING),
    RIG_TEST_ON(many_requests_call_the_system_as_often_as_one, RIG_INLINE),
    RIG_TEST_ON(one_transfer_for_many_pieces, RIG_INLINE | RIG_THREADS),
    RIG_TEST_ON(a_flush_reaches_the_host, RIG_INLINE | RIG_THREADS | RIG_MAPPED),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
