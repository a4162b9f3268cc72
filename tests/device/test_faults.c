/*
 * test_faults.c: what the faults of docs/faults.md ask for and no other test looks at: who calls
 * the disk, when the first of many is answered, how long a turn is, whose the used index is.
 */
#include "harness.h"

enum { MANY = 200, TURN_MOST = 64, SLOW_MOST = 16 };

static void add_reads(struct rig *rig, struct tnd_blk_request *r, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_IN, .sector = 2 * i, .in_bytes = 512 };
        r[i].form = TND_INDIRECT;
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
}

static void wait_reads(struct rig *rig, struct tnd_blk_request *r, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &r[i]), 0);
        assert_int_equal(r[i].status, TN_BLK_S_OK);
    }
}

/* ---- B9 ---- */

struct caller {
    pthread_t guest;
    unsigned as_guest, calls;
};

static int note_caller(void *opaque, const struct fake_op *op)
{
    struct caller *caller = opaque;

    (void)op;
    caller->calls++;
    caller->as_guest += pthread_equal(pthread_self(), caller->guest) != 0;
    return 0;
}

/* The thread that kicks, a vCPU's, does none of the work. */
static void the_disk_is_never_called_by_who_kicks(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &o);
    struct caller caller = { .guest = pthread_self() };
    struct tnd_blk_request r[32];

    fake_set_fault(rig->fake, note_caller, &caller);
    for (unsigned round = 0; round < 20; round++) {
        add_reads(rig, r, 32);
        tnd_kick(rig->driver, 0);
        tnd_notify(rig->driver, 0);
        wait_reads(rig, r, 32);
    }
    fake_set_fault(rig->fake, NULL, NULL);
    assert_int_equal(caller.calls, 20 * 32);
    assert_int_equal(caller.as_guest, 0);
}

/* ---- A28, K10 ---- */

struct slow {
    struct rig *rig;
    uint16_t start;
    unsigned calls, published;
    bool interrupted;
};

/* Takes its time, and looks at what the driver has been told when the last one begins. */
static int slowly(void *opaque, const struct fake_op *op)
{
    struct slow *slow = opaque;

    (void)op;
    if (++slow->calls == SLOW_MOST) {
        const struct tnd_ring *ring = slow->rig->driver->queues[0].ring;
        slow->published = (uint16_t)(tnd_raw_used_idx(ring) - slow->start);
        slow->interrupted = tnd_irq_take(slow->rig->driver, 0);
    }
    uint64_t end = tnd_now_ms() + 2;
    while (tnd_now_ms() < end) {
        continue;
    }
    return 0;
}

/* A disk that works within the call, and slowly: what has ended is told before the turn has. */
static void the_first_does_not_wait_for_the_last(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &o);
    struct tnd_ring *ring = rig->driver->queues[0].ring;
    struct slow slow = { .rig = rig, .start = tnd_raw_used_idx(ring) };
    struct tnd_blk_request r[SLOW_MOST];

    tnd_irq_take(rig->driver, 0);
    fake_set_fault(rig->fake, slowly, &slow);
    add_reads(rig, r, SLOW_MOST);
    tnd_ring_irq_on(ring);
    tnd_kick(rig->driver, 0);
    while (fake_submitted(rig->fake) < SLOW_MOST) {
        tnd_pass(rig->driver);
    }
    fake_set_fault(rig->fake, NULL, NULL);
    assert_true(slow.published >= SLOW_MOST / 2);
    assert_true(slow.interrupted);
    tnd_ring_irq_on(ring);
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (tnd_raw_used_idx(ring) != (uint16_t)(slow.start + SLOW_MOST)) {
        assert_true(tnd_now_ms() < end);
        tnd_pass(rig->driver);
    }
    assert_int_equal(tnd_blk_reap(rig->driver, 0), SLOW_MOST);
}

/* ---- K7 ---- */

/* However much the guest has posted: a turn takes so many, and then others have theirs. */
static void a_turn_is_bounded(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &o);
    static struct tnd_blk_request r[MANY];
    unsigned in_turn = 0;

    add_reads(rig, r, MANY);
    tnd_kick(rig->driver, 0);
    wait_reads(rig, r, MANY);
    for (unsigned i = 0; i < MANY; i++) {
        bool same = i != 0 && fake_op(rig->fake, i).batch == fake_op(rig->fake, i - 1).batch;
        in_turn = same ? in_turn + 1 : 1;
        assert_true(in_turn <= TURN_MOST);
    }
}

/* ---- A16 ---- */

/* What the guest writes to the used index is overwritten, and decides nothing. */
static void the_used_index_is_ours(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    static const uint16_t lies[] = { 0, 1, 40000, UINT16_MAX };
    struct tnd_ring *ring = rig->driver->queues[0].ring;

    for (unsigned i = 0; i < 12; i++) {
        uint16_t truth = tnd_raw_used_idx(ring);
        struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r), 0);
        assert_true(tnd_ram_put(rig->ram, ring->used_gpa + 2, &lies[i % 4], 2));
        tnd_ring_publish(ring);
        tnd_notify(rig->driver, 0);
        uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
        while (tnd_raw_used_idx(ring) != (uint16_t)(truth + 1)) {
            assert_true(tnd_now_ms() < end);
            tnd_pass(rig->driver);
        }
        assert_int_equal(tnd_blk_reap(rig->driver, 0), 1);
        assert_int_equal(r.status, TN_BLK_S_OK);
    }
}

/* ---- A30, B8 ---- */

/* What decides the size of a driver's requests is offered, large, and the same in config space. */
static void large_requests_are_asked_for(void **state)
{
    enum { BYTES = 1 << 20 };
    struct rig *rig = rig_new(state, NULL);
    struct tn_blk_config c;
    uint8_t *in = malloc(BYTES);

    assert_true(rig->driver->offered[0] >> TN_BLK_F_SIZE_MAX & 1);
    assert_true(rig->driver->offered[0] >> TN_BLK_F_SEG_MAX & 1);
    assert_int_equal(tnd_config_read(rig->driver, 0, &c, sizeof(c)), 0);
    assert_true(tn_from_le32(c.size_max) >= BYTES);
    assert_true(tn_from_le32(c.seg_max) >= 64);
    rig_pattern(rig->image, BYTES, 5);
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in = in, .in_bytes = BYTES };
    assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK); /* in one segment */
    assert_memory_equal(in, rig->image, BYTES);
    free(in);
}

/* ---- K15 ---- */

/* The counters and the used ring tell the same story, and failures are in neither. */
static void counters_say_what_was_moved(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t data[8192] = { 1 };
    uint64_t read = 0;

    for (uint32_t bytes = 512; bytes <= sizeof(data); bytes *= 2) {
        struct tnd_blk_request r = { .type = TN_BLK_T_IN, .in = data, .in_bytes = bytes };
        assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
        assert_int_equal(r.used_bytes, bytes + 1);
        read += r.used_bytes - 1;
    }
    assert_int_equal(tnd_blk_read(rig->driver, 0, UINT64_MAX / 512, data, 512), TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_write(rig->driver, 0, 0, data, 1024), TN_BLK_S_OK);
    assert_int_equal(tnd_blk_write(rig->driver, 0, UINT64_MAX / 512, data, 512), TN_BLK_S_IOERR);
    assert_int_equal(rig_stat(rig, "read_bytes", 0), read);
    assert_int_equal(rig_stat(rig, "reads", 0), 5);
    assert_int_equal(rig_stat(rig, "written_bytes", 0), 1024);
    assert_int_equal(rig_stat(rig, "writes", 0), 1);
    assert_int_equal(rig_stat(rig, "refused", 0), 2);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(the_disk_is_never_called_by_who_kicks, RIG_THREADS | RIG_URING),
    RIG_TEST(the_first_does_not_wait_for_the_last),
    RIG_TEST(a_turn_is_bounded),
    RIG_TEST(the_used_index_is_ours),
    RIG_TEST(large_requests_are_asked_for),
    RIG_TEST(counters_say_what_was_moved),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
