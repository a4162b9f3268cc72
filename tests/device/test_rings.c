/*
 * test_rings.c: the split ring against honest, odd and hostile drivers: items 12 to 19 of the
 * conformance list, SPLIT-01..42. A block device stands behind the ring; what it does with requests
 * is test_blk_requests.c.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>
#include <sys/mman.h>

#include "harness.h"

/* A read of one sector, as three segments that a test may bend. */
struct parts {
    struct tnd_seg segs[3];
    uint64_t header, data, status;
};

static struct parts read_parts(struct rig *rig, uint64_t sector)
{
    struct parts p;
    uint8_t untouched = TND_BLK_UNTOUCHED;
    p.header = tnd_blk_header(rig->driver, TN_BLK_T_IN, sector);
    p.data = tnd_ram_alloc(rig->ram, 512);
    p.status = tnd_ram_alloc(rig->ram, 1);
    tnd_ram_put(rig->ram, p.status, &untouched, 1);
    p.segs[0] = (struct tnd_seg){ .gpa = p.header, .bytes = 16 };
    p.segs[1] = (struct tnd_seg){ .gpa = p.data, .bytes = 512, .write = true };
    p.segs[2] = (struct tnd_seg){ .gpa = p.status, .bytes = 1, .write = true };
    return p;
}

static uint8_t byte_at(struct rig *rig, uint64_t gpa)
{
    uint8_t byte = 0;
    assert_true(tnd_ram_get(rig->ram, gpa, &byte, 1));
    return byte;
}

static struct tnd_ring *ring_of(struct rig *rig, unsigned queue)
{
    return rig->driver->queues[queue].ring;
}

/* Sends a chain that has to succeed; returns its used length. */
static uint32_t run_chain(struct rig *rig, const struct tnd_seg *segs, unsigned count,
                          enum tnd_form form)
{
    struct tnd_used used;
    int token = 0;
    assert_true(tnd_add(rig->driver, 0, segs, count, form, &token) >= 0);
    tnd_kick(rig->driver, 0);
    assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
    assert_ptr_equal(used.token, &token);
    return used.bytes;
}

/* The device's own sentence names the mistake, not just any. */
static void broken_for(struct rig *rig, const char *why)
{
    rig_await_event(rig, &rig->broken, 1);
    if (!strstr(rig->why, why)) {
        fail_msg("the queue broke because \"%s\", not because of \"%s\"", rig->why, why);
    }
}

/*
 * The driver broke queue 0: the device says so, once, uses nothing, writes nothing but what it said
 * before, and works again after a reset.
 */
static void expect_broken(struct rig *rig, const char *why)
{
    uint16_t used = tnd_raw_used_idx(ring_of(rig, 0));
    struct tnd_snapshot *before = tnd_ram_snapshot(rig->ram);
    uint64_t where = 0;

    tnd_notify(rig->driver, 0);
    assert_true(tnd_wait_broken(rig->driver, 0));
    for (unsigned i = 0; i < 3; i++) {
        tnd_notify(rig->driver, 0);
        tnd_settle(rig->driver, 2);
    }
    assert_int_equal(tnd_raw_used_idx(ring_of(rig, 0)), used);
    rig_await_event(rig, &rig->broken, 1);
    broken_for(rig, why);
    assert_int_equal(rig_stat(rig, "broken", 0), 1);
    /* Of all memory the ring's own event and flag words alone may have moved. */
    tnd_snapshot_allow(before, ring_of(rig, 0)->used_gpa, 2);
    tnd_snapshot_allow(before, ring_of(rig, 0)->used_gpa + 4 + 8 * ring_of(rig, 0)->size, 2);
    if (!tnd_snapshot_holds(before, &where)) {
        fail_msg("the device wrote to 0x%llx", (unsigned long long)where);
    }
    tnd_snapshot_free(before);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* ---- item 12 ---- */

static void item12_avail_index_jumps_SPLIT_15(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    tnd_raw_avail_idx(ring_of(rig, 0), (uint16_t)(ring_of(rig, 0)->size + 1));
    expect_broken(rig, "available index");
}

static void item12_avail_index_goes_back_SPLIT_15(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    rig_check_alive(rig, 0);
    tnd_raw_avail_idx(ring_of(rig, 0), (uint16_t)(ring_of(rig, 0)->next_avail - 1));
    expect_broken(rig, "available index");
}

static void item12_more_chains_than_entries_SPLIT_15(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE, .setup = { .queue_size = 4 } };
    struct rig *rig = rig_new(state, &o);
    struct parts p = read_parts(rig, 0);

    fake_hold(rig->fake, true);
    assert_int_equal(tnd_add(rig->driver, 0, p.segs, 3, TND_INDIRECT, NULL), 0);
    tnd_kick(rig->driver, 0);
    while (fake_submitted(rig->fake) == 0) {
        tnd_pass(rig->driver);
    }
    /* One is in flight, so only three more can be new. */
    tnd_raw_avail_idx(ring_of(rig, 0), 5);
    tnd_notify(rig->driver, 0);
    assert_true(tnd_wait_broken(rig->driver, 0));
    broken_for(rig, "available index");
    fake_release_all(rig->fake);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* ---- item 13 ---- */

static void item13_head_outside_the_table_SPLIT_14(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    tnd_raw_offer(ring_of(rig, 0), (uint16_t)ring_of(rig, 0)->size);
    expect_broken(rig, "names a descriptor outside");
}

static void item13_head_65535_SPLIT_14(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    tnd_raw_offer(ring_of(rig, 0), 65535);
    expect_broken(rig, "names a descriptor outside");
}

static void item13_next_outside_the_table_SPLIT_14(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 0);
    tnd_raw_desc(ring_of(rig, 0), 0, p.header, 16, TN_DESC_F_NEXT, (uint16_t)ring_of(rig, 0)->size);
    tnd_raw_offer(ring_of(rig, 0), 0);
    expect_broken(rig, "next is outside the descriptor table");
}

/*
 * A chain that would be a good request if it ended where it goes wrong (K22): never served as one.
 */
static void item13_a_whole_request_that_goes_on_wrongly_SPLIT_14(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 0);
    tnd_raw_desc(ring_of(rig, 0), 0, p.header, 16, TN_DESC_F_NEXT, 1);
    tnd_raw_desc(ring_of(rig, 0), 1, p.data, 512, TN_DESC_F_NEXT | TN_DESC_F_WRITE, 2);
    tnd_raw_desc(ring_of(rig, 0), 2, p.status, 1, TN_DESC_F_NEXT | TN_DESC_F_WRITE, 300);
    tnd_raw_offer(ring_of(rig, 0), 0);
    expect_broken(rig, "next is outside the descriptor table");
}

static void item13_descriptor_points_to_itself_SPLIT_13(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 0);
    tnd_raw_desc(ring_of(rig, 0), 0, p.header, 16, TN_DESC_F_NEXT, 0);
    tnd_raw_offer(ring_of(rig, 0), 0);
    expect_broken(rig, "loop");
}

static void item13_two_descriptors_in_a_circle_SPLIT_13(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 0);
    tnd_raw_desc(ring_of(rig, 0), 0, p.header, 16, TN_DESC_F_NEXT, 1);
    tnd_raw_desc(ring_of(rig, 0), 1, p.data, 512, TN_DESC_F_NEXT, 0);
    tnd_raw_offer(ring_of(rig, 0), 0);
    expect_broken(rig, "loop");
}

static void item13_circle_in_a_table_SPLIT_13(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 0);
    uint64_t table = tnd_ram_alloc(rig->ram, 32);
    tnd_raw_table(rig->ram, table, 0, p.header, 16, TN_DESC_F_NEXT, 1);
    tnd_raw_table(rig->ram, table, 1, p.data, 512, TN_DESC_F_NEXT | TN_DESC_F_WRITE, 1);
    tnd_raw_desc(ring_of(rig, 0), 0, table, 32, TN_DESC_F_INDIRECT, 0);
    tnd_raw_offer(ring_of(rig, 0), 0);
    expect_broken(rig, "loop");
}

/* A read of `sectors` sectors, each in its own descriptor: sectors + 2 descriptors. */
static struct tnd_seg *long_read(struct rig *rig, unsigned sectors, uint64_t *data)
{
    struct tnd_seg *segs = calloc(sectors + 2, sizeof(*segs));
    struct parts p = read_parts(rig, 0);
    assert_non_null(segs);
    *data = tnd_ram_alloc(rig->ram, sectors * 512ull);
    assert_true(*data != (uint64_t)TND_NO_GPA);
    segs[0] = p.segs[0];
    for (unsigned i = 0; i < sectors; i++) {
        segs[1 + i] = (struct tnd_seg){ .gpa = *data + i * 512ull, .bytes = 512, .write = true };
    }
    segs[sectors + 1] = p.segs[2];
    return segs;
}

static void item13_chain_as_long_as_the_queue_SPLIT_13(void **state)
{
    struct rig_options o = { .setup = { .queue_size = 64 } };
    struct rig *rig = rig_new(state, &o);
    uint64_t data;
    struct tnd_seg *segs = long_read(rig, 62, &data);
    assert_int_equal(run_chain(rig, segs, 64, TND_DIRECT), 62 * 512 + 1);
    assert_int_equal(run_chain(rig, segs, 64, TND_INDIRECT), 62 * 512 + 1);
    free(segs);
}

/*
 * Drivers must not, but some do, and it costs no ring entries: a table may be longer than the
 * queue.
 */
static void item13_table_longer_than_the_queue_SPLIT_24(void **state)
{
    struct rig_options o = { .setup = { .queue_size = 64 } };
    struct rig *rig = rig_new(state, &o);
    uint64_t data;
    struct tnd_seg *segs = long_read(rig, 63, &data);
    assert_int_equal(run_chain(rig, segs, 65, TND_INDIRECT), 63 * 512 + 1);
    free(segs);
}

static void item13_chain_of_1024_SPLIT_08(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t data;
    struct tnd_seg *segs = long_read(rig, 1022, &data);
    rig_pattern(rig->image, 1022 * 512, 3);
    assert_int_equal(run_chain(rig, segs, 1024, TND_INDIRECT), 1022 * 512 + 1);
    assert_memory_equal(tnd_ram_at(rig->ram, data, 1022 * 512), rig->image, 1022 * 512);
    free(segs);
}

static void item13_chain_of_1025_SPLIT_08(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t data;
    struct tnd_seg *segs = long_read(rig, 1023, &data);
    assert_true(tnd_add(rig->driver, 0, segs, 1025, TND_INDIRECT, NULL) >= 0);
    tnd_ring_publish(ring_of(rig, 0));
    free(segs);
    expect_broken(rig, "more than 1024");
}

static void head_still_in_flight_breaks(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &o);
    struct parts p = read_parts(rig, 0);

    fake_hold(rig->fake, true);
    int head = tnd_add(rig->driver, 0, p.segs, 3, TND_DIRECT, NULL);
    tnd_kick(rig->driver, 0);
    while (fake_submitted(rig->fake) == 0) {
        tnd_pass(rig->driver);
    }
    tnd_raw_offer(ring_of(rig, 0), (uint16_t)head);
    tnd_notify(rig->driver, 0);
    assert_true(tnd_wait_broken(rig->driver, 0));
    broken_for(rig, "still in flight");
    /* What was in flight ends without a used entry. */
    fake_release_all(rig->fake);
    tnd_settle(rig->driver, 5);
    assert_int_equal(tnd_raw_used_idx(ring_of(rig, 0)), 0);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

static void readable_after_writable_breaks_SPLIT_12(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 0);
    struct tnd_seg segs[] = { p.segs[0], p.segs[1], p.segs[0], p.segs[2] };
    assert_true(tnd_add(rig->driver, 0, segs, 4, TND_DIRECT, NULL) >= 0);
    tnd_ring_publish(ring_of(rig, 0));
    expect_broken(rig, "readable descriptor follows");
}

static void chain_longer_than_4_gib_breaks_SPLIT_17(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 0);
    struct tnd_seg segs[4] = { p.segs[0] };
    for (unsigned i = 1; i < 4; i++) {
        segs[i] = (struct tnd_seg){ .gpa = p.data, .bytes = 0xffffffff, .write = true };
    }
    assert_true(tnd_add(rig->driver, 0, segs, 4, TND_DIRECT, NULL) >= 0);
    tnd_ring_publish(ring_of(rig, 0));
    expect_broken(rig, "2^32");
}

/* ---- item 14 ---- */

static void item14_table_without_the_feature_SPLIT_23(void **state)
{
    struct rig_options o = { .setup = { .without = { 1ull << TN_F_INDIRECT_DESC } } };
    struct rig *rig = rig_new(state, &o);
    struct parts p = read_parts(rig, 0);
    assert_true(tnd_add(rig->driver, 0, p.segs, 3, TND_INDIRECT, NULL) >= 0);
    tnd_ring_publish(ring_of(rig, 0));
    expect_broken(rig, "not negotiated");
}

/* The descriptor at entry 0 with these fields breaks the queue. */
static void bad_table(void **state, uint64_t gpa, uint32_t bytes, uint16_t flags, const char *why)
{
    bool nested = strcmp(why, "inside an indirect table") == 0;
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 0);
    uint64_t table = tnd_ram_alloc(rig->ram, 4096);
    uint64_t inner = tnd_ram_alloc(rig->ram, 64);

    tnd_raw_table(rig->ram, inner, 0, p.data, 512, TN_DESC_F_WRITE, 0);
    tnd_raw_table(rig->ram, table, 0, p.header, 16, TN_DESC_F_NEXT, 1);
    tnd_raw_table(rig->ram, table, 1, nested ? inner : p.data, nested ? 16 : 512,
                  nested ? TN_DESC_F_INDIRECT : TN_DESC_F_NEXT | TN_DESC_F_WRITE, 2);
    tnd_raw_table(rig->ram, table, 2, p.status, 1, TN_DESC_F_WRITE, 0);
    tnd_raw_desc(ring_of(rig, 0), 0, gpa ? gpa : table, bytes, flags, 1);
    tnd_raw_desc(ring_of(rig, 0), 1, p.status, 1, TN_DESC_F_WRITE, 0);
    tnd_raw_offer(ring_of(rig, 0), 0);
    expect_broken(rig, why);
}

static void item14_nested_table_SPLIT_23(void **state)
{
    bad_table(state, 0, 48, TN_DESC_F_INDIRECT, "inside an indirect table");
}
static void item14_table_and_next_SPLIT_23(void **state)
{
    bad_table(state, 0, 48, TN_DESC_F_INDIRECT | TN_DESC_F_NEXT, "goes on with a next");
}
static void item14_table_of_0_bytes_SPLIT_23(void **state)
{
    bad_table(state, 0, 0, TN_DESC_F_INDIRECT, "multiple of 16");
}
static void item14_table_of_47_bytes_SPLIT_23(void **state)
{
    bad_table(state, 0, 47, TN_DESC_F_INDIRECT, "multiple of 16");
}
static void item14_next_beyond_the_table_SPLIT_23(void **state)
{
    bad_table(state, 0, 32, TN_DESC_F_INDIRECT, "outside its table");
}
static void item14_table_of_4096_entries_SPLIT_24(void **state)
{
    bad_table(state, 0, 4096 * 16, TN_DESC_F_INDIRECT, "more than 1024");
}
static void item14_table_of_4_gib_SPLIT_24(void **state)
{
    bad_table(state, 0, 0xfffffff0, TN_DESC_F_INDIRECT, "more than 1024");
}
static void item14_table_outside_memory_SPLIT_23(void **state)
{
    bad_table(state, RIG_NOWHERE_GPA, 48, TN_DESC_F_INDIRECT, "outside guest memory");
}
static void item14_table_wraps_the_address_space_SPLIT_16(void **state)
{
    bad_table(state, UINT64_MAX - 15, 48, TN_DESC_F_INDIRECT, "outside guest memory");
}

/* SPLIT-20..22: everything about tables that is right. */
static void good_tables_SPLIT_20_21_22(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 5);
    rig_pattern(rig->image, 8192, 1);
    for (unsigned i = 0; i < 16; i++) {
        ring_of(rig, 0)->indirect_write = i & 1;
        ring_of(rig, 0)->shuffle = i & 2;
        ring_of(rig, 0)->mixed_direct = 1 + (i >> 3);
        tnd_ram_fill(rig->ram, p.data, 0, 512);
        assert_int_equal(run_chain(rig, p.segs, 3, i & 4 ? TND_MIXED : TND_INDIRECT), 513);
        assert_memory_equal(tnd_ram_at(rig->ram, p.data, 512), rig->image + 5 * 512, 512);
    }
}

/* A table that crosses from one region into its neighbour is one table (SPLIT-16). */
static void table_across_regions_SPLIT_16(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 0);
    uint64_t table = RIG_NEIGHBOURS_EDGE - 24;
    tnd_raw_table(rig->ram, table, 0, p.header, 16, TN_DESC_F_NEXT, 1);
    tnd_raw_table(rig->ram, table, 1, p.data, 512, TN_DESC_F_NEXT | TN_DESC_F_WRITE, 2);
    tnd_raw_table(rig->ram, table, 2, p.status, 1, TN_DESC_F_WRITE, 0);
    struct tnd_seg seg = { .gpa = table, .bytes = 48, .flags = TN_DESC_F_INDIRECT };
    assert_int_equal(run_chain(rig, &seg, 1, TND_DIRECT), 513);
    assert_int_equal(byte_at(rig, p.status), TN_BLK_S_OK);
}

/* ---- item 15 ---- */

/*
 * `count` empty descriptors at `place` (0: before the header ... 3: behind the status), pointing
 * anywhere.
 */
static void with_empty(struct rig *rig, unsigned place, unsigned count, bool write, uint64_t gpa)
{
    struct tnd_seg segs[300];
    struct parts p = read_parts(rig, 2);
    unsigned n = 0;

    for (unsigned i = 0; i <= 3; i++) {
        for (unsigned j = 0; i == place && j < count; j++) {
            segs[n++] = (struct tnd_seg){ .gpa = gpa, .write = write };
        }
        if (i < 3) {
            segs[n++] = p.segs[i];
        }
    }
    enum tnd_form form = n > ring_of(rig, 0)->size ? TND_INDIRECT : TND_DIRECT;
    assert_int_equal(run_chain(rig, segs, n, form), 513);
    assert_int_equal(byte_at(rig, p.status), TN_BLK_S_OK);
    assert_memory_equal(tnd_ram_at(rig->ram, p.data, 512), rig->image + 1024, 512);
    tnd_ram_release(rig->ram, p.header, 16);
    tnd_ram_release(rig->ram, p.data, 512);
    tnd_ram_release(rig->ram, p.status, 1);
}

static void item15_empty_descriptors_SPLIT_18(void **state)
{
    static const unsigned counts[] = { 1, 13, 256 };
    struct rig *rig = rig_new(state, NULL);
    rig_pattern(rig->image, 4096, 9);
    for (unsigned place = 0; place <= 3; place++) {
        for (unsigned c = 0; c < 3; c++) {
            with_empty(rig, place, counts[c], false, RIG_NEIGHBOURS_GPA);
            with_empty(rig, place, counts[c], true, RIG_NEIGHBOURS_GPA);
            with_empty(rig, place, counts[c], true, RIG_NOWHERE_GPA);
        }
    }
}

static void item15_nothing_but_empty_SPLIT_18(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tnd_seg empty[2] = { { .gpa = 0 }, { .gpa = 0, .write = true } };
    assert_true(tnd_add(rig->driver, 0, empty, 2, TND_DIRECT, NULL) >= 0);
    tnd_ring_publish(ring_of(rig, 0));
    expect_broken(rig, "status"); /* it has no place for a status */
}

/* ---- item 16 ---- */

/*
 * Keeps `depth` reads under way until `total` are done; each comes back once, with its own answer
 * (SPLIT-30).
 */
static void stream(struct rig *rig, unsigned queue, unsigned total, unsigned depth)
{
    struct tnd_blk_request *r = calloc(depth, sizeof(*r));
    unsigned sent = 0, done = 0;

    assert_non_null(r);
    while (done < total) {
        for (unsigned i = 0; i < depth && sent < total; i++) {
            if (sent >= depth && !r[i].done) {
                continue;
            }
            r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_GET_ID,
                                             .in_bytes = 20,
                                             .form = sent % 2 ? TND_INDIRECT : TND_DIRECT };
            assert_int_equal(tnd_blk_add(rig->driver, queue, &r[i]), 0);
            sent++;
        }
        tnd_kick(rig->driver, queue);
        unsigned before = done;
        for (unsigned i = 0; i < depth && done == before; i++) {
            if (!r[i].done) {
                assert_int_equal(tnd_blk_wait(rig->driver, queue, &r[i]), 0);
                done = (unsigned)(sent - ring_of(rig, queue)->in_flight);
            }
        }
        done = sent - ring_of(rig, queue)->in_flight;
        for (unsigned i = 0; i < depth; i++) {
            assert_true(!r[i].done || (r[i].status == TN_BLK_S_OK && r[i].used_bytes == 21));
        }
    }
    assert_int_equal(ring_of(rig, queue)->bad_used, 0);
    free(r);
}

static void item16_indexes_wrap_SPLIT_30(void **state)
{
    struct rig_options o = { .setup = { .queue_size = 32 } };
    struct rig *rig = rig_new(state, &o);
    stream(rig, 0, 66000, 8);
    assert_int_equal(tnd_raw_used_idx(ring_of(rig, 0)), (uint16_t)66000);
}

static void item16_start_at_65530_VU_37(void **state)
{
    struct rig_options o = { .setup = { .queue_size = 8, .start = 65530 } };
    struct rig *rig = rig_new(state, &o);
    stream(rig, 0, 100, 2);
    assert_int_equal(tnd_raw_used_idx(ring_of(rig, 0)), (uint16_t)(65530 + 100));
}

static void queue_sizes_from_1_to_32768_SPLIT_02(void **state)
{
    struct rig_options o = { .blk = { .queue_size = 32768 }, .no_start = true };
    struct rig *rig = rig_new(state, &o);
    for (uint32_t size = 1; size <= 32768; size *= 2) {
        struct tnd_setup setup = { .queue_size = size };
        assert_int_equal(tnd_start(rig->driver, &setup), 0);
        for (unsigned i = 0; i < 5; i++) {
            struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID,
                                         .in_bytes = 20,
                                         .form = TND_INDIRECT };
            assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
            assert_int_equal(r.used_bytes, 21);
        }
        assert_int_equal(tnd_reset(rig->driver), 0);
    }
}

/* ---- item 17 ---- */

/*
 * Offers `n` GET_IDs with one index store, lets the device finish them, and says whether an
 * interrupt came.
 */
static bool batch_interrupts(struct rig *rig, unsigned n)
{
    static struct tnd_blk_request r[64];
    struct tnd_ring *ring = ring_of(rig, 0);
    uint16_t target = (uint16_t)(ring->next_avail + n);

    for (unsigned i = 0; i < n; i++) {
        r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
    tnd_ring_publish(ring);
    tnd_notify(rig->driver, 0);
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (tnd_raw_used_idx(ring) != target) {
        assert_true(tnd_now_ms() < end);
        tnd_pass(rig->driver);
    }
    tnd_settle(rig->driver, 20);
    bool interrupted = tnd_irq_take(rig->driver, 0);
    assert_int_equal(tnd_blk_reap(rig->driver, 0), n);
    return interrupted;
}

static void item17_used_event_SPLIT_33_34(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tnd_ring *ring = ring_of(rig, 0);

    assert_true(ring->event_idx);
    tnd_irq_take(rig->driver, 0);
    tnd_ring_irq_after(ring, 0);
    assert_true(batch_interrupts(rig, 1));
    tnd_ring_irq_after(ring, 1); /* not the next, the one behind it */
    assert_false(batch_interrupts(rig, 1));
    assert_true(batch_interrupts(rig, 1));
    assert_false(batch_interrupts(rig, 1)); /* passed already */
    tnd_ring_irq_after(ring, 3);
    assert_true(batch_interrupts(rig, 8)); /* in the middle of a batch */
    tnd_ring_irq_after(ring, 8);
    assert_false(batch_interrupts(rig, 8));             /* just behind a batch */
    tnd_raw_avail_flags(ring, TN_AVAIL_F_NO_INTERRUPT); /* means nothing here (SPLIT-33) */
    assert_true(batch_interrupts(rig, 1));
    tnd_ring_irq_off(ring);
    assert_false(batch_interrupts(rig, 8));
    assert_int_equal(tnd_raw_used_flags(ring), 0); /* SPLIT-39 */
}

static void item17_used_event_over_the_wrap_SPLIT_35(void **state)
{
    struct rig_options o = { .setup = { .start = 65533 } };
    struct rig *rig = rig_new(state, &o);
    struct tnd_ring *ring = ring_of(rig, 0);

    tnd_wait_irq(rig->driver, 0); /* the one that follows a start (users.md 1.4) */
    tnd_ring_irq_after(ring, 3);  /* used_event 0 */
    assert_false(batch_interrupts(rig, 3));
    assert_true(batch_interrupts(rig, 1));
    tnd_ring_irq_after(ring, 4);
    assert_false(batch_interrupts(rig, 4));
    assert_true(batch_interrupts(rig, 2));
    rig_end(state);
    rig = rig_new(state, &o);
    tnd_wait_irq(rig->driver, 0);
    tnd_ring_irq_after(ring_of(rig, 0), 1); /* used_event 65534, in a batch that ends at 2 */
    assert_true(batch_interrupts(rig, 5));
}

static void check_flag_decides(struct rig *rig)
{
    struct tnd_ring *ring = ring_of(rig, 0);

    assert_false(ring->event_idx);
    tnd_irq_take(rig->driver, 0);
    tnd_settle(rig->driver, 5);
    tnd_irq_take(rig->driver, 0);
    for (unsigned i = 0; i < 40; i++) {
        tnd_raw_used_event(ring, (uint16_t)(i * 7919)); /* means nothing here (SPLIT-31) */
        tnd_raw_avail_flags(ring, i % 2 ? TN_AVAIL_F_NO_INTERRUPT : 0);
        assert_int_equal(batch_interrupts(rig, 1 + i % 4), i % 2 == 0);
        assert_true(tnd_raw_used_flags(ring) <= 1); /* SPLIT-38 */
    }
}

static void item17_flag_without_event_idx_SPLIT_31_32(void **state)
{
    struct rig_options o = { .setup = { .without = { 1ull << TN_F_EVENT_IDX } } };

    check_flag_decides(rig_new(state, &o));
}

/* For drivers that get it wrong: the device does not even offer it, and all goes by the flags. */
static void event_idx_that_is_not_offered_SPLIT_31_38(void **state)
{
    struct rig_options o = { .blk = { .no_event_idx = true } };
    struct rig *rig = rig_new(state, &o);

    assert_int_equal(rig->driver->offered[0] >> TN_F_EVENT_IDX & 1, 0);
    assert_int_equal(rig->driver->offered[0] >> TN_F_INDIRECT_DESC & 1, 1);
    check_flag_decides(rig);
    tnd_raw_avail_flags(ring_of(rig, 0), 0);
    stream(rig, 0, 3000, 5);
    rig_check_alive(rig, 0);
}

/* Many completions of one turn are one interrupt. */
static void item17_one_interrupt_for_a_batch(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t before = rig_stat(rig, "interrupts", 0);
    tnd_settle(rig->driver, 5);
    tnd_irq_take(rig->driver, 0);
    before = rig_stat(rig, "interrupts", 0);
    tnd_ring_irq_on(ring_of(rig, 0));
    assert_true(batch_interrupts(rig, 32));
    assert_int_equal(rig_stat(rig, "interrupts", 0), before + 1);
}

/* SPLIT-40: avail_event follows, so a driver that kicks only when asked is heard for ever. */
static void kicks_only_when_asked_SPLIT_38_40(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct rig_options o = { .setup = { .without = { i ? 1ull << TN_F_EVENT_IDX : 0 } } };
        struct rig *rig = rig_new(state, &o);
        stream(rig, 0, 3000, 1);
        stream(rig, 0, 3000, 5);
        rig_end(state);
    }
}

static void spurious_kicks_SPLIT_42(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    for (unsigned i = 0; i < 1000; i++) {
        tnd_notify(rig->driver, 0);
    }
    tnd_settle(rig->driver, 5);
    assert_int_equal(tnd_raw_used_idx(ring_of(rig, 0)), 0);
    rig_check_alive(rig, 0);
}

/* ---- item 18 ---- */

/*
 * A buffer that comes between the device's last look and its going to sleep. Each request is
 * offered as soon as the one before is seen in the ring, so the device is always about to sleep; a
 * lost kick or interrupt is a time-out.
 */
static void item18_no_kick_is_lost_SPLIT_36_41(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct rig_options o = { .setup = { .without = { i ? 1ull << TN_F_EVENT_IDX : 0 } } };
        struct rig *rig = rig_new(state, &o);
        unsigned rounds = rig->inline_ ? 2000 : 20000;
        for (unsigned n = 0; n < rounds; n++) {
            struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
            struct tnd_used used;
            assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
            if (n % 2) {
                assert_int_equal(tnd_blk_wait(rig->driver, 0, &r), 0);
                continue;
            }
            assert_int_equal(tnd_poll_used(rig->driver, 0, &used), 0);
            assert_ptr_equal(used.token, &r);
            tnd_blk_forget(rig->driver, &r);
        }
        rig_end(state);
    }
}

struct late_offer {
    struct rig *rig;
    struct tnd_blk_request request;
    bool offered, kick_wanted;
};

/*
 * The disk has been given the first request, so the device has seen an empty ring and has not yet
 * asked for kicks.
 */
static int offer_late(void *opaque, const struct fake_op *op)
{
    struct late_offer *late = opaque;
    (void)op;
    if (!late->offered) {
        late->offered = true;
        tnd_blk_add(late->rig->driver, 0, &late->request);
        late->kick_wanted = tnd_ring_publish(late->rig->driver->queues[0].ring);
    }
    return 0;
}

static void item18_offered_between_the_last_look_and_sleep_SPLIT_41(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct rig_options o = { .disk = RIG_DISK_FAKE,
                                 .setup = { .without = { i ? 1ull << TN_F_EVENT_IDX : 0 } } };
        struct rig *rig = rig_new(state, &o);
        uint8_t sector[512];
        struct late_offer late = { .rig = rig,
                                   .request = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 } };
        rig_check_alive(rig, 0);
        fake_set_fault(rig->fake, offer_late, &late);
        assert_int_equal(tnd_blk_read(rig->driver, 0, 0, sector, 512), TN_BLK_S_OK);
        assert_true(late.offered);
        assert_false(
            late.kick_wanted); /* the device did not ask for a kick: it has to look by itself */
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &late.request), 0);
        rig_end(state);
    }
}

/* ---- item 19 ---- */

static void item19_used_ring_outside_memory_SPLIT_03(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct tnd_setup setup = { .queue_size = 16 };

    assert_int_equal(tnd_negotiate(rig->driver, &setup), 0);
    assert_int_equal(tnd_ring_new(rig->ram, 0, 16, 0, &rig->driver->queues[0].ring), 0);
    struct tnd_ring *ring = ring_of(rig, 0);
    uint64_t used = ring->used_gpa;
    struct tnd_snapshot *before = tnd_ram_snapshot(rig->ram);
    uint64_t where;
    ring->used_gpa = RIG_NOWHERE_GPA;
    int error = tnd_queues(rig->driver, &setup);
    ring->used_gpa = used;
    assert_true(error < 0);
    tnd_settle(rig->driver, 5);
    assert_true(tnd_snapshot_holds(before, &where));
    tnd_snapshot_free(before);
}

static void remove_ring_memory(struct rig *rig, unsigned region)
{
    const struct tnd_region *r = &rig->ram->regions[region];
    if (rig->mmio) {
        assert_int_equal(tenon_mem_remove(rig->mem, r->gpa, r->bytes), 0);
    } else {
        assert_int_equal(tnd_vhost_remove_region(rig->driver, region), 0);
    }
}

/*
 * The memory of a running ring goes away: the queue breaks, nothing crashes, and the device lives
 * on elsewhere.
 */
static void item19_ring_memory_goes_away(void **state)
{
    struct rig_options o = { .setup = { .ring_region = 3 } };
    struct rig *rig = rig_new(state, &o);

    rig_check_alive(rig, 0);
    remove_ring_memory(rig, 3);
    tnd_notify(rig->driver, 0);
    assert_true(tnd_wait_broken(rig->driver, 0));
    assert_int_equal(rig_stat(rig, "broken", 0), 1);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* A used ring in memory that the device must not write. */
static void item19_used_ring_in_a_rom(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    int region = tnd_ram_add(rig->ram, RIG_NOWHERE_GPA, 0x10000);
    const struct tnd_region *r = &rig->ram->regions[region];
    struct tenon_region rom = { .size = sizeof(rom),
                                .gpa = r->gpa,
                                .bytes = r->bytes,
                                .host = r->device,
                                .fd = -1,
                                .flags = TENON_REGION_READ_ONLY };
    assert_int_equal(tenon_mem_add(rig->mem, &rom), 0);
    assert_int_equal(tnd_ram_protect(rig->ram, r->gpa, r->bytes, PROT_READ), 0);
    struct tnd_setup setup = { .ring_region = (unsigned)region };
    assert_true(tnd_start(rig->driver, &setup) < 0);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

/* ---- layout and memory ---- */

/*
 * Areas of exactly the right size at the very end of a region (SPLIT-01); behind it is a guard
 * page.
 */
static void areas_at_the_end_of_memory_SPLIT_01(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    const uint32_t size = 8;
    uint64_t end = RIG_HIGH_GPA + 0x100000;
    uint64_t sizes[3] = { TN_DESC_BYTES(size), TN_AVAIL_BYTES(size), TN_USED_BYTES(size) };
    uint64_t aligns[3] = { TN_DESC_ALIGN, TN_AVAIL_ALIGN, TN_USED_ALIGN };

    for (unsigned at_end = 0; at_end < 3; at_end++) {
        uint64_t gpa[3] = { RIG_HIGH_GPA, RIG_HIGH_GPA + 0x1000, RIG_HIGH_GPA + 0x2000 };
        struct tnd_setup setup = { .queue_size = size };
        gpa[at_end] = (end - sizes[at_end]) & ~(aligns[at_end] - 1);
        assert_int_equal(tnd_negotiate(rig->driver, &setup), 0);
        assert_int_equal(
            tnd_ring_place(rig->ram, size, gpa[0], gpa[1], gpa[2], 0, &rig->driver->queues[0].ring),
            0);
        assert_int_equal(tnd_queues(rig->driver, &setup), 0);
        stream(rig, 0, 20, 2);
        assert_int_equal(tnd_reset(rig->driver), 0);
    }
}

/*
 * SPLIT-05, SPLIT-09, SPLIT-11: the device's view of what it may only read is taken away for
 * writing.
 */
static void device_never_writes_what_it_may_only_read(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct tnd_setup setup = { .queue_size = 16 };
    uint64_t gpa = RIG_HIGH_GPA;

    assert_int_equal(tnd_negotiate(rig->driver, &setup), 0);
    assert_int_equal(tnd_ring_place(rig->ram, 16, gpa, gpa + 0x1000, gpa + 0x2000, 0,
                                    &rig->driver->queues[0].ring),
                     0);
    assert_int_equal(tnd_ram_protect(rig->ram, gpa, 0x2000, PROT_READ), 0);
    uint64_t out = gpa + 0x10000;
    struct tn_blk_header header = { .type = tn_to_le32(TN_BLK_T_OUT) };
    tnd_ram_put(rig->ram, out, &header, sizeof(header));
    assert_int_equal(tnd_ram_protect(rig->ram, out, 0x1000, PROT_READ), 0);
    assert_int_equal(tnd_queues(rig->driver, &setup), 0);
    uint64_t status = tnd_ram_alloc(rig->ram, 1);
    struct tnd_seg segs[] = { { .gpa = out, .bytes = 16 },
                              { .gpa = out + 16, .bytes = 1024 },
                              { .gpa = status, .bytes = 1, .write = true } };
    for (unsigned form = TND_DIRECT; form <= TND_MIXED; form++) {
        assert_int_equal(run_chain(rig, segs, 3, form), 1);
        assert_int_equal(byte_at(rig, status), TN_BLK_S_OK);
    }
}

/* Everything outside of writable buffers, used ring and its event word is as it was. */
static void memory_elsewhere_never_changes_SPLIT_05_09_11(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct parts p = read_parts(rig, 0);
    uint64_t out = tnd_blk_header(rig->driver, TN_BLK_T_OUT, 3), where = 0;
    struct tnd_seg write[] = { { .gpa = out, .bytes = 16 },
                               { .gpa = p.data, .bytes = 512 },
                               p.segs[2] };

    for (unsigned i = 0; i < 6; i++) {
        struct tnd_ring *ring = ring_of(rig, 0);
        assert_true(
            tnd_add(rig->driver, 0, i & 1 ? write : p.segs, 3, (enum tnd_form)(i / 2), NULL) >= 0);
        tnd_ring_irq_off(ring);
        tnd_ring_publish(ring);
        struct tnd_snapshot *before = tnd_ram_snapshot(rig->ram);
        tnd_snapshot_allow(before, ring->used_gpa, TN_USED_BYTES(ring->size));
        tnd_snapshot_allow(before, p.status, 1);
        if (!(i & 1)) {
            tnd_snapshot_allow(before, p.data, 512);
        }
        uint16_t position = ring->next_used;
        struct tnd_used used;
        tnd_notify(rig->driver, 0);
        assert_int_equal(tnd_poll_used(rig->driver, 0, &used), 0);
        (void)position;
        tnd_settle(rig->driver, 2);
        if (!tnd_snapshot_holds(before, &where)) {
            fail_msg("the device wrote to 0x%llx", (unsigned long long)where);
        }
        tnd_snapshot_free(before);
    }
}

/* One broken queue leaves the others alone (item 51 says the same of network queues). */
static void other_queues_go_on(void **state)
{
    struct rig_options o = { .blk = { .queues = 2 }, .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &o);
    rig_check_alive(rig, 0);
    rig_check_alive(rig, 1);
    tnd_raw_offer(ring_of(rig, 0), 9999);
    tnd_notify(rig->driver, 0);
    assert_true(tnd_wait_broken(rig->driver, 0));
    /*
     * Over MMIO the driver hears of a broken device, not of a queue: so it just looks whether its
     * requests end.
     */
    for (unsigned n = 0; n < 50; n++) {
        struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in_bytes = 20 };
        assert_int_equal(tnd_blk_submit(rig->driver, 1, &r), 0);
        for (unsigned i = 0; !r.done && i < 20000; i++) {
            tnd_pass(rig->driver);
            tnd_blk_reap(rig->driver, 1);
        }
        assert_true(r.done);
        assert_int_equal(r.status, TN_BLK_S_OK);
    }
    assert_int_equal(tnd_raw_used_idx(ring_of(rig, 0)), 2);
}

static const struct rig_case cases[] = {
    RIG_TEST(item12_avail_index_jumps_SPLIT_15),
    RIG_TEST(item12_avail_index_goes_back_SPLIT_15),
    RIG_TEST(item12_more_chains_than_entries_SPLIT_15),
    RIG_TEST(item13_head_outside_the_table_SPLIT_14),
    RIG_TEST(item13_head_65535_SPLIT_14),
    RIG_TEST(item13_next_outside_the_table_SPLIT_14),
    RIG_TEST(item13_a_whole_request_that_goes_on_wrongly_SPLIT_14),
    RIG_TEST(item13_descriptor_points_to_itself_SPLIT_13),
    RIG_TEST(item13_two_descriptors_in_a_circle_SPLIT_13),
    RIG_TEST(item13_circle_in_a_table_SPLIT_13),
    RIG_TEST(item13_chain_as_long_as_the_queue_SPLIT_13),
    RIG_TEST(item13_table_longer_than_the_queue_SPLIT_24),
    RIG_TEST(item13_chain_of_1024_SPLIT_08),
    RIG_TEST(item13_chain_of_1025_SPLIT_08),
    RIG_TEST(head_still_in_flight_breaks),
    RIG_TEST(readable_after_writable_breaks_SPLIT_12),
    RIG_TEST(chain_longer_than_4_gib_breaks_SPLIT_17),
    RIG_TEST(item14_table_without_the_feature_SPLIT_23),
    RIG_TEST(item14_nested_table_SPLIT_23),
    RIG_TEST(item14_table_and_next_SPLIT_23),
    RIG_TEST(item14_table_of_0_bytes_SPLIT_23),
    RIG_TEST(item14_table_of_47_bytes_SPLIT_23),
    RIG_TEST(item14_next_beyond_the_table_SPLIT_23),
    RIG_TEST(item14_table_of_4096_entries_SPLIT_24),
    RIG_TEST(item14_table_of_4_gib_SPLIT_24),
    RIG_TEST(item14_table_outside_memory_SPLIT_23),
    RIG_TEST(item14_table_wraps_the_address_space_SPLIT_16),
    RIG_TEST(good_tables_SPLIT_20_21_22),
    RIG_TEST(table_across_regions_SPLIT_16),
    RIG_TEST(item15_empty_descriptors_SPLIT_18),
    RIG_TEST(item15_nothing_but_empty_SPLIT_18),
    RIG_TEST_ON(item16_indexes_wrap_SPLIT_30, RIG_EPOLL),
    RIG_TEST_ON(item16_start_at_65530_VU_37, RIG_VHOST),
    RIG_TEST_ON(queue_sizes_from_1_to_32768_SPLIT_02, RIG_EPOLL),
    RIG_TEST(item17_used_event_SPLIT_33_34),
    RIG_TEST_ON(item17_used_event_over_the_wrap_SPLIT_35, RIG_VHOST),
    RIG_TEST(item17_flag_without_event_idx_SPLIT_31_32),
    RIG_TEST(event_idx_that_is_not_offered_SPLIT_31_38),
    RIG_TEST_ON(item17_one_interrupt_for_a_batch, RIG_INLINE),
    RIG_TEST(kicks_only_when_asked_SPLIT_38_40),
    RIG_TEST(spurious_kicks_SPLIT_42),
    RIG_TEST(item18_no_kick_is_lost_SPLIT_36_41),
    RIG_TEST_ON(item18_offered_between_the_last_look_and_sleep_SPLIT_41, RIG_INLINE),
    RIG_TEST(item19_used_ring_outside_memory_SPLIT_03),
    RIG_TEST(item19_ring_memory_goes_away),
    RIG_TEST_ON(item19_used_ring_in_a_rom, RIG_MMIO),
    RIG_TEST(areas_at_the_end_of_memory_SPLIT_01),
    RIG_TEST_ON(device_never_writes_what_it_may_only_read, RIG_MMIO | RIG_INLINE),
    RIG_TEST(memory_elsewhere_never_changes_SPLIT_05_09_11),
    RIG_TEST(other_queues_go_on),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
