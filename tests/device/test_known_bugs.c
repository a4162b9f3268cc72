/*
 * test_known_bugs.c: bugs that other implementations had, where no other test already has them: one
 * case for each, named by its CVE or by the project and the change that mended it. The whole list,
 * and the tests that are elsewhere: docs/known-bugs.md.
 */
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost_tools.h"

/* ---- requests that end badly, in every way ---- */

enum { WAYS_TO_FAIL = 6 };

/* One that fails; its data lies in the given region. */
static uint8_t run_bad(struct rig *rig, unsigned way, unsigned region)
{
    static const struct {
        uint32_t type, bytes;
        uint64_t sector;
        bool write, hole;
    } ways[WAYS_TO_FAIL] = {
        { TN_BLK_T_IN, 512, 1ull << 40, true, false },  /* beyond the disk */
        { TN_BLK_T_IN, 100, 0, true, false },           /* no whole sector */
        { 0x77, 512, 0, true, false },                  /* unknown */
        { TN_BLK_T_IN, 512, 0, false, false },          /* the wrong direction */
        { TN_BLK_T_IN, 512, 0, true, true },            /* data outside memory */
        { TN_BLK_T_OUT, 512, ~0ull >> 9, false, false } /* the sum wraps */
    };
    uint64_t header = tnd_blk_header(rig->driver, ways[way].type, ways[way].sector);
    uint64_t status = tnd_ram_alloc(rig->ram, 1);
    uint64_t data = rig->ram->regions[region].gpa;
    struct tnd_seg segs[] = {
        { .gpa = header, .bytes = 16 },
        { .gpa = ways[way].hole ? RIG_NOWHERE_GPA : data,
          .bytes = ways[way].bytes,
          .write = ways[way].write },
        { .gpa = status, .bytes = 1, .write = true },
    };
    struct tnd_used used;
    uint8_t result = 0;

    assert_true(tnd_add(rig->driver, 0, segs, 3, TND_DIRECT, NULL) >= 0);
    tnd_kick(rig->driver, 0);
    assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
    assert_true(tnd_ram_get(rig->ram, status, &result, 1));
    tnd_ram_release(rig->ram, status, 1);
    tnd_ram_release(rig->ram, header, 16);
    return result;
}

/* An error path that forgets the request: after some hundreds of them none is left. */
static void CVE_2022_26354_errors_keep_no_request(void **state)
{
    struct rig_options o = { .setup = { .queue_size = 16 } };
    struct rig *rig = rig_new(state, &o);

    for (unsigned i = 0; i < 100 * WAYS_TO_FAIL; i++) {
        uint8_t status = run_bad(rig, i % WAYS_TO_FAIL, 3);
        assert_true(status == TN_BLK_S_IOERR || status == TN_BLK_S_UNSUPP);
    }
    rig_check_alive(rig, 0);
}

/* An error path that forgets to unpin: the memory could never be taken back. */
static void CVE_2022_26353_errors_keep_no_memory(void **state)
{
    struct rig *rig = rig_new(state, NULL);

    for (unsigned way = 0; way < WAYS_TO_FAIL; way++) {
        int r = tnd_ram_add(rig->ram, 0x10000000, 0x4000);
        assert_int_equal(tnd_vhost_add_region(rig->driver, (unsigned)r), 0);
        uint8_t status = run_bad(rig, way, (unsigned)r);
        assert_true(status == TN_BLK_S_IOERR || status == TN_BLK_S_UNSUPP);
        assert_int_equal(tnd_vhost_remove_region(rig->driver, (unsigned)r), 0);
        tnd_ram_drop(rig->ram, (unsigned)r);
    }
    rig_check_alive(rig, 0);
}

/* SCSI pass-through is not there, whatever the command looks like. */
static void CVE_2026_48914_no_scsi_commands(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t out[4096], in[4096];

    memset(out, 0xff, sizeof(out));
    for (uint32_t type = 2; type <= 3; type++) {
        for (uint32_t bytes = 0; bytes <= sizeof(out); bytes = bytes ? bytes * 4 : 1) {
            struct tnd_blk_request r = { .type = type, /* SCSI_CMD, SCSI_CMD_OUT */
                                         .sector = ~0ull,
                                         .out = out,
                                         .out_bytes = bytes,
                                         .in = in,
                                         .in_bytes = bytes };
            assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_UNSUPP);
            assert_int_equal(r.used_bytes, 1);
        }
    }
    rig_check_alive(rig, 0);
}

/* ---- the format of an image is never guessed ---- */

static void CVE_2026_27211_raw_stays_raw(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t sector[512] = {
        'Q', 'F', 'I', 0xfb, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 104, 0, 0, 0, 11
    };
    uint8_t back[512];
    struct tenon_disk *disk = NULL;
    struct tenon_disk_info info = { .size = sizeof(info) };

    memcpy(sector + 104, "/etc/passwd", 11); /* the name of a backing file */
    assert_int_equal(tnd_blk_write(rig->driver, 0, 0, sector, 512), TN_BLK_S_OK);
    assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_OK);
    /* The next start over the same image. */
    struct tenon_file_opts opts = { .size = sizeof(opts), .read_only = true, .no_lock = true };
    assert_int_equal(tenon_disk_open_fd(rig->image_fd, &opts, &disk), 0);
    assert_int_equal(tenon_disk_info(disk, &info), 0);
    assert_true(info.bytes == rig->image_bytes);
    tenon_disk_close(disk);
    assert_int_equal(tnd_blk_read(rig->driver, 0, 0, back, 512), TN_BLK_S_OK);
    assert_memory_equal(back, sector, 512);
    assert_int_equal(tnd_blk_read(rig->driver, 0, 1, back, 512), TN_BLK_S_OK);
    assert_int_equal(back[0], 0);
}

/* ---- bounds ---- */

/* The last byte of a region belongs to it, and the one behind it does not. */
static void CVE_2019_18960_the_end_of_a_region(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t end = RIG_HIGH_GPA + 0x100000;

    for (unsigned over = 0; over < 3; over++) {
        for (unsigned write = 0; write < 2; write++) {
            uint64_t header = tnd_blk_header(rig->driver, write ? TN_BLK_T_OUT : TN_BLK_T_IN, 4);
            uint64_t status = tnd_ram_alloc(rig->ram, 1);
            struct tnd_seg segs[] = {
                { .gpa = header, .bytes = 16 },
                { .gpa = end - 512 + over, .bytes = 512, .write = !write },
                { .gpa = status, .bytes = 1, .write = true },
            };
            struct tnd_used used;
            assert_true(tnd_add(rig->driver, 0, segs, 3, TND_DIRECT, NULL) >= 0);
            tnd_kick(rig->driver, 0);
            assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
            assert_true(tnd_ram_is(rig->ram, status, over ? TN_BLK_S_IOERR : TN_BLK_S_OK, 1));
        }
    }
    rig_check_alive(rig, 0);
}

/* A descriptor of no bytes: its address is not looked at, wherever it points. */
static void CVE_2020_10725_empty_descriptors_point_anywhere(void **state)
{
    static const uint64_t wild[] = { RIG_NOWHERE_GPA, 0, ~0ull, RIG_HIGH_GPA + 0x100000,
                                     1ull << 63 };
    struct rig *rig = rig_new(state, NULL);

    for (unsigned i = 0; i < sizeof(wild) / sizeof(wild[0]); i++) {
        uint64_t header = tnd_blk_header(rig->driver, TN_BLK_T_IN, 0);
        uint64_t data = tnd_ram_alloc(rig->ram, 512), status = tnd_ram_alloc(rig->ram, 1);
        struct tnd_seg segs[] = {
            { .gpa = wild[i] },
            { .gpa = header, .bytes = 16 },
            { .gpa = wild[i] },
            { .gpa = wild[i], .write = true },
            { .gpa = data, .bytes = 512, .write = true },
            { .gpa = wild[i], .write = true },
            { .gpa = status, .bytes = 1, .write = true },
        };
        struct tnd_used used;
        assert_true(tnd_add(rig->driver, 0, segs, 7, TND_DIRECT, NULL) >= 0);
        tnd_kick(rig->driver, 0);
        assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
        assert_true(tnd_ram_is(rig->ram, status, TN_BLK_S_OK, 1));
        assert_int_equal(used.bytes, 513);
    }
    rig_check_alive(rig, 0);
}

/* ---- tenants ---- */

/* What one front-end's guest does wrong stops its own queue, and nothing of the next tenant. */
static void SPDK_19_07_a_malformed_request_stops_no_other_tenant(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct neighbour *n = neighbour_new(rig, true);
    struct tenon_driver *d = rig->driver;

    for (unsigned i = 0; i < 4; i++) {
        struct tnd_ring *ring = d->queues[0].ring;
        uint16_t base;
        tnd_raw_desc(ring, 0, 0, 16, i == 0 ? TN_DESC_F_NEXT : 0, 0); /* points to itself */
        tnd_raw_avail_idx(ring, i == 1 ? 0x8000 : ring->next_avail);
        if (i != 1) {
            tnd_raw_offer(ring, i == 2 ? 0xffff : 0); /* 3: no place for a status */
        }
        tnd_notify(d, 0);
        assert_true(tnd_wait_broken(d, 0));
        neighbour_check(n);
        assert_int_equal(d->ops->queue_stop(d, 0, &base), 0);
        ring->start = 0;
        tnd_ring_clear(ring);
        d->queues[0].broken = false;
        assert_int_equal(d->ops->queue_start(d, 0), 0);
        rig_check_alive(rig, 0);
        neighbour_check(n);
    }
    neighbour_free(n);
}

/* ---- starting and stopping ---- */

/* With each turn of the device one operation of the disk ends, and more requests are there. */
struct pusher {
    struct rig *rig;
    unsigned ended;
};

static unsigned crank_and_add(void *opaque)
{
    struct pusher *p = opaque;
    struct tnd_ring *ring = p->rig->driver->queues[0].ring;
    struct tnd_used used;
    struct tnd_seg segs[] = { { .gpa = RIG_HIGH_GPA, .bytes = 16 },
                              { .gpa = RIG_HIGH_GPA + 512, .bytes = 512, .write = true },
                              { .gpa = RIG_HIGH_GPA + 16, .bytes = 1, .write = true } };

    while (tnd_ring_take(ring, &used)) {
    }
    while (tnd_ring_add(ring, segs, 3, TND_DIRECT, NULL) >= 0) {
    }
    tnd_ring_publish(ring);
    tnd_notify(p->rig->driver, 0);
    p->ended += fake_release(p->rig->fake, p->ended);
    return rig_crank(p->rig) + 1;
}

/* A drain that takes what comes meanwhile would never end. */
static void CH_fbcf2fd6b_a_stop_ends_under_requests_that_keep_coming(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE, .setup = { .queue_size = 16 } };
    struct rig *rig = rig_new(state, &o);
    struct pusher pusher = { .rig = rig };
    struct tn_blk_header read = { .type = tn_to_le32(TN_BLK_T_IN) };
    uint16_t base = 0;

    assert_true(tnd_ram_put(rig->ram, RIG_HIGH_GPA, &read, sizeof(read)));
    fake_hold(rig->fake, true);
    rig->driver->crank = crank_and_add;
    rig->driver->crank_opaque = &pusher;
    for (unsigned i = 0; i < 20; i++) {
        for (unsigned k = 0; k < 10; k++) {
            tnd_pass(rig->driver);
        }
        unsigned before = fake_submitted(rig->fake);
        assert_int_equal(rig->driver->ops->queue_stop(rig->driver, 0, &base), 0);
        assert_true(fake_submitted(rig->fake) - before <= 16);
        assert_int_equal(fake_held(rig->fake), 0);
        assert_int_equal(base, tnd_raw_used_idx(rig->driver->queues[0].ring));
        assert_int_equal(tell_call(rig, 0), 0);
        assert_int_equal(tell_kick(rig, 0), 0);
    }
    rig->driver->crank = rig_crank;
    rig->driver->crank_opaque = rig;
}

/* DRIVER_OK again starts nothing a second time. */
static void Firecracker_42fae6961_driver_ok_twice(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    unsigned started = 1;

    rig_await_event(rig, &rig->started, 1);
    for (unsigned i = 0; i < 10; i++) {
        tnd_mmio_set(rig->driver, TN_MMIO_STATUS,
                     TN_STATUS_ACKNOWLEDGE | TN_STATUS_DRIVER | TN_STATUS_FEATURES_OK |
                         TN_STATUS_DRIVER_OK);
        tnd_mmio_set(rig->driver, TN_MMIO_QUEUE_READY, 1);
        rig_check_alive(rig, 0);
    }
    rig_await_event(rig, &rig->started, started);
}

/* Requests that are there, and kicks that come, around DRIVER_OK: none needs another kick. */
static void Firecracker_0899ee515_kicked_around_driver_ok(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct tenon_driver *d = rig->driver;

    for (unsigned i = 0; i < 40; i++) {
        struct tnd_blk_request r = { .type = TN_BLK_T_FLUSH };
        assert_int_equal(tnd_negotiate(d, NULL), 0);
        d->setup = (struct tnd_setup){ .queues = 1 };
        assert_int_equal(tnd_ring_new(rig->ram, 0, 64, 0, &d->queues[0].ring), 0);
        d->queues[0].ring->event_idx = tnd_has(d, TN_F_EVENT_IDX);
        d->queue_count = 1;
        assert_int_equal(d->ops->queue_start(d, 0), 0);
        assert_int_equal(tnd_blk_add(d, 0, &r), 0);
        tnd_ring_publish(d->queues[0].ring);
        if (i % 2) {
            tnd_notify(d, 0); /* before: it is only a hint */
        }
        assert_int_equal(d->ops->live(d), 0);
        if (i % 4 >= 2) {
            tnd_notify(d, 0); /* right behind */
        }
        assert_int_equal(tnd_blk_wait(d, 0, &r), 0);
        assert_int_equal(tnd_reset(d), 0);
    }
}

static const struct rig_case cases[] = {
    RIG_TEST(CVE_2022_26354_errors_keep_no_request),
    RIG_TEST_ON(CVE_2022_26353_errors_keep_no_memory, RIG_VHOST),
    RIG_TEST(CVE_2026_48914_no_scsi_commands),
    RIG_TEST(CVE_2026_27211_raw_stays_raw),
    RIG_TEST(CVE_2019_18960_the_end_of_a_region),
    RIG_TEST(CVE_2020_10725_empty_descriptors_point_anywhere),
    RIG_TEST_ON(SPDK_19_07_a_malformed_request_stops_no_other_tenant, RIG_VHOST),
    RIG_TEST_ON(CH_fbcf2fd6b_a_stop_ends_under_requests_that_keep_coming, RIG_VHOST | RIG_INLINE),
    RIG_TEST_ON(Firecracker_42fae6961_driver_ok_twice, RIG_MMIO),
    RIG_TEST_ON(Firecracker_0899ee515_kicked_around_driver_ok, RIG_MMIO),
};

int main(int argc, char **argv)
{
    return vhost_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
