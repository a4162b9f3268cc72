/*
 * test_driver.c: the driver library itself: that its memory notices what it is there to notice, and
 * that a vhost-user front-end can be played in the ways in which real ones differ: without protocol
 * features, with a memory table, with a back-end that comes back. And that it goes through a VMM's
 * own code where it is told to.
 */
#include <errno.h>
#include <sys/mman.h>

#include "harness.h"

static void memory_is_given_and_taken_back(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    uint64_t first = tnd_ram_alloc(rig->ram, 1000), second = tnd_ram_alloc(rig->ram, 1000);
    assert_int_not_equal(first, second);
    assert_true(tnd_ram_is(rig->ram, first, 0xa5, 1000));
    tnd_ram_release(rig->ram, first, 1000);
    assert_int_equal(tnd_ram_alloc(rig->ram, 600), first);
    assert_int_equal(tnd_ram_alloc(rig->ram, 1ull << 30), (uint64_t)TND_NO_GPA);
    assert_null(tnd_ram_at(rig->ram, RIG_NEIGHBOURS_EDGE - 1, 2)); /* two regions */
    assert_true(tnd_ram_fill(rig->ram, RIG_NEIGHBOURS_EDGE - 1, 7, 2));
    assert_false(tnd_ram_fill(rig->ram, RIG_NOWHERE_GPA, 7, 1));
    assert_false(tnd_ram_fill(rig->ram, RIG_HIGH_GPA + 0x100000 - 1, 7, 2));
}

static void a_snapshot_sees_one_byte(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct tnd_snapshot *snapshot = tnd_ram_snapshot(rig->ram);
    uint64_t where = 0;
    assert_true(tnd_snapshot_holds(snapshot, &where));
    rig->ram->regions[2].device[77] ^= 1; /* the device's view is the same memory */
    assert_false(tnd_snapshot_holds(snapshot, &where));
    assert_int_equal(where, RIG_NEIGHBOURS_EDGE + 77);
    tnd_snapshot_allow(snapshot, RIG_NEIGHBOURS_EDGE + 70, 7);
    assert_false(tnd_snapshot_holds(snapshot, &where));
    tnd_snapshot_allow(snapshot, RIG_NEIGHBOURS_EDGE + 77, 1);
    assert_true(tnd_snapshot_holds(snapshot, &where));
    tnd_snapshot_free(snapshot);
}

/*
 * A front-end of the oldest kind: no protocol features, no acknowledgements; rings are enabled by
 * SET_FEATURES (VU-50).
 */
static void no_protocol_features_VU_09_50(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    tnd_vhost_protocol(rig->driver, 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    for (unsigned i = 0; i < 50; i++) {
        rig_check_alive(rig, 0);
    }
    assert_int_equal(tnd_reset(rig->driver), 0); /* GET_VRING_BASE is all it has */
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
}

static void memory_in_one_table_VU_21(void **state)
{
    struct rig_options o = { .setup = { .mem_table = true } };
    struct rig *rig = rig_new(state, &o);
    rig_check_alive(rig, 0);
    assert_int_equal(tnd_vhost_send_table(rig->driver),
                     0); /* the same again, while it runs (VU-23) */
    rig_check_alive(rig, 0);
}

static void a_ring_goes_on_where_it_stopped_VU_37_39(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    for (unsigned i = 0; i < 10; i++) {
        rig_check_alive(rig, 0);
        assert_int_equal(tnd_queue_restart(rig->driver, 0), 0);
    }
    rig_check_alive(rig, 0);
    assert_int_equal(rig->driver->queues[0].ring->bad_used, 0);
}

static void the_front_end_connects_again(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    for (unsigned i = 0; i < 10; i++) {
        rig_check_alive(rig, 0);
        tnd_vhost_reconnect(rig->driver, rig_connect(rig));
        assert_int_equal(tnd_vhost_resume(rig->driver), 0);
    }
    rig_check_alive(rig, 0);
    assert_int_equal(rig->driver->queues[0].ring->bad_used, 0);
}

/*
 * What was under way when the connection ended is answered once: by the old back-end or, from the
 * record, by the new one.
 */
static void requests_in_flight_survive_a_reconnect_VU_77(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &o);
    struct tnd_blk_request r[6];
    uint8_t data[512];

    rig_pattern(data, sizeof(data), 5);
    rig_check_alive(rig, 0);
    unsigned before = fake_submitted(rig->fake);
    fake_hold(rig->fake, true);
    for (unsigned i = 0; i < 6; i++) {
        r[i] = (struct tnd_blk_request){
            .type = TN_BLK_T_OUT, .sector = 2 * i, .out = data, .out_bytes = 512
        };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
    tnd_kick(rig->driver, 0);
    while (fake_submitted(rig->fake) < before + 6) {
        tnd_pass(rig->driver);
    }
    fake_release(rig->fake, before + 3);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &r[3]), 0);
    tnd_vhost_reconnect(rig->driver, rig_connect(rig));
    tnd_settle(rig->driver, 20);
    fake_release_all(rig->fake);
    assert_int_equal(tnd_vhost_resume(rig->driver), 0);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &r[i]), 0);
        assert_int_equal(r[i].status, TN_BLK_S_OK);
        assert_memory_equal(rig->image + 2 * i * 512, data, 512);
    }
    assert_int_equal(rig->driver->queues[0].ring->bad_used, 0);
    assert_int_equal(rig->driver->queues[0].ring->in_flight, 0);
    rig_check_alive(rig, 0);
}

/* ---- a VMM's own way to the registers ---- */

struct handler {
    struct rig *rig;
    unsigned reads, writes;
};

static void handle(void *opaque, uint64_t offset, void *data, unsigned bytes, bool write)
{
    struct handler *handler = opaque;

    if (write) {
        handler->writes++;
        tenon_mmio_write(handler->rig->window, offset, data, bytes);
    } else {
        handler->reads++;
        tenon_mmio_read(handler->rig->window, offset, data, bytes);
    }
}

static void registers_are_reached_through_the_vmms_code(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct handler handler = { .rig = rig };

    tnd_mmio_connect_through(rig->driver, handle, &handler);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    rig_check_alive(rig, 0);
    assert_true(handler.reads > 10);
    assert_true(handler.writes > 10);
    /* What lies behind that code is not known: no descriptor of it either. */
    assert_int_equal(tnd_reset(rig->driver), 0);
    tnd_mmio_connect_through(rig->driver, handle, &handler);
    tnd_mmio_kick_by_fd(rig->driver, true);
    assert_int_equal(tnd_start(rig->driver, NULL), -ENOTSUP);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(memory_is_given_and_taken_back, RIG_MMIO | RIG_INLINE | RIG_EPOLL),
    RIG_TEST_ON(a_snapshot_sees_one_byte, RIG_MMIO | RIG_INLINE | RIG_EPOLL),
    RIG_TEST_ON(no_protocol_features_VU_09_50, RIG_VHOST),
    RIG_TEST_ON(memory_in_one_table_VU_21, RIG_VHOST),
    RIG_TEST(a_ring_goes_on_where_it_stopped_VU_37_39),
    RIG_TEST_ON(the_front_end_connects_again, RIG_VHOST),
    RIG_TEST_ON(requests_in_flight_survive_a_reconnect_VU_77, RIG_VHOST),
    RIG_TEST_ON(registers_are_reached_through_the_vmms_code, RIG_MMIO),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
