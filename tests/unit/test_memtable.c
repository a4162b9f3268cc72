/*
 * test_memtable.c: the regions that a front-end shares: checks, replacing them under rings, and
 * that an acknowledgement says that memory is really free.
 *
 * Long because: whole tables and single regions are checked by the same few helpers.
 */
#include "vu_rig.h"

#include "tenon/mem.h"

static uint64_t tell_table(struct rig *rig, const struct tn_vu_mem_table *table, const int *fds)
{
    return rig_tell_fds(rig, TN_VU_SET_MEM_TABLE, table, rig_table_bytes(table->count), fds,
                        table->count);
}

static bool has(struct rig *rig, uint64_t gpa, uint64_t bytes)
{
    return tn_mem_has(rig->device.mem, gpa, bytes, true);
}

static struct tn_vu_mem_table two_regions(void)
{
    struct tn_vu_mem_table table = { .count = 2 };

    table.regions[0] = (struct tn_vu_region){ RIG_GPA, RIG_RAM / 2, RIG_USER, 0 };
    table.regions[1] =
        (struct tn_vu_region){ RIG_GPA + RIG_RAM, RIG_RAM / 2, RIG_USER + RIG_RAM, RIG_RAM / 2 };
    return table;
}

static void test_vu21_vu25_a_table(void **state)
{
    struct rig rig;
    struct tn_vu_mem_table table = two_regions();
    uint64_t gpa;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    int fds[2] = { rig.ram_fd, rig.ram_fd };
    assert_int_equal(tell_table(&rig, &table, fds), 0);
    assert_true(has(&rig, RIG_GPA, RIG_RAM / 2));
    assert_false(has(&rig, RIG_GPA + RIG_RAM / 2, 1));
    assert_true(has(&rig, RIG_GPA + RIG_RAM, RIG_RAM / 2));
    const struct tn_memtable *memory = &rig.server->memory;
    assert_true(tn_memtable_find(memory, RIG_USER + RIG_RAM + 16, 64, &gpa));
    assert_int_equal(gpa, RIG_GPA + RIG_RAM + 16);
    assert_true(tn_memtable_find(memory, RIG_USER + RIG_RAM / 2 - 64, 64, &gpa));
    assert_false(tn_memtable_find(memory, RIG_USER + RIG_RAM / 2 - 64, 65, &gpa));
    assert_false(tn_memtable_find(memory, RIG_USER - 1, 2, &gpa));
    assert_false(tn_memtable_find(memory, RIG_USER + 8, UINT64_MAX, &gpa));
    rig_close(&rig);
}

static void test_vu21_eight_regions_and_none(void **state)
{
    struct rig rig;
    struct tn_vu_mem_table table = { .count = 8 };
    int fds[8];

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    for (unsigned i = 0; i < 8; i++) {
        table.regions[i] =
            (struct tn_vu_region){ i * 0x20000, 0x10000, RIG_USER + i * 0x20000, i * 0x10000 };
        fds[i] = rig.ram_fd;
    }
    assert_int_equal(tell_table(&rig, &table, fds), 0);
    assert_int_equal(rig.server->memory.count, 8);
    table.count = 0;
    assert_int_equal(tell_table(&rig, &table, fds), 0);
    assert_int_equal(rig.server->memory.count, 0);
    assert_int_equal(rig_count_maps(), 0);
    rig_close(&rig);
}

/* User-mode Linux sends room for two regions, and says that one counts. */
static void test_table_with_room_to_spare(void **state)
{
    struct rig rig;
    struct tn_vu_mem_table table = rig_table();

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    assert_int_equal(
        rig_tell_fds(&rig, TN_VU_SET_MEM_TABLE, &table, rig_table_bytes(2), &rig.ram_fd, 1), 0);
    assert_int_equal(rig.server->memory.count, 1);
    rig_close(&rig);
}

/*
 * An offset that is no multiple of a page: the byte at the region's beginning is that one (VU-24).
 */
static void test_vu24_offsets(void **state)
{
    const uint64_t offsets[] = { 0, 4096, 0x200000, 0x1234, 1 };

    (void)state;
    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        struct rig rig;
        struct tn_vu_mem_table table = { .count = 1 };
        uint8_t byte = 0x5a;
        struct iovec iov;

        rig_open(&rig);
        rig_protocol(&rig);
        int fd = rig_memfd(0x400000);
        assert_int_equal(pwrite(fd, &byte, 1, (off_t)offsets[i]), 1);
        table.regions[0] = (struct tn_vu_region){ RIG_GPA, 0x100000, RIG_USER, offsets[i] };
        assert_int_equal(tell_table(&rig, &table, &fd), 0);
        close(fd);
        assert_int_equal(tn_translate(&rig.server->memory.view, RIG_GPA, 1, false, &iov, 1), 1);
        assert_int_equal(*(uint8_t *)iov.iov_base, 0x5a);
        rig_close(&rig);
    }
}

static void expect_refused(struct tn_vu_mem_table table, unsigned fd_count, uint32_t bytes,
                           const char *says)
{
    struct rig rig;

    rig_ready(&rig);
    rig_start(&rig, 0);
    int fds[8];
    for (unsigned i = 0; i < 8; i++) {
        fds[i] = rig.ram_fd;
    }
    rig_send(&rig, TN_VU_SET_MEM_TABLE, 9, &table, bytes, fds, fd_count);
    assert_false(rig.device.queues[0].running);
    rig_expect_end(&rig, says);
    assert_int_equal(rig.server->memory.count, 0);
    assert_int_equal(rig_count_maps(), 0);
    rig_close(&rig);
}

static void expect_bad_region(struct tn_vu_region region, const char *says)
{
    struct tn_vu_mem_table table = two_regions();

    table.regions[1] = region;
    expect_refused(table, 2, rig_table_bytes(2), says);
}

static void test_vu22_malformed_tables(void **state)
{
    struct tn_vu_mem_table table = two_regions();
    const uint64_t far = RIG_GPA + 2 * RIG_RAM, user = RIG_USER + 2 * RIG_RAM;

    (void)state;
    expect_refused(table, 1, rig_table_bytes(2), "descriptor");
    expect_refused(table, 3, rig_table_bytes(2), "descriptor");
    expect_refused(table, 0, rig_table_bytes(2), "descriptor");
    expect_refused(table, 2, rig_table_bytes(1), "size");
    expect_refused(table, 2, rig_table_bytes(2) - 1, "size");
    expect_refused(table, 2, rig_table_bytes(2) + 8, "size");
    table.count = 9;
    expect_refused(table, 8, rig_table_bytes(8), "more than 8");
    table.count = UINT32_MAX;
    expect_refused(table, 2, rig_table_bytes(2), "more than 8");
    expect_bad_region((struct tn_vu_region){ far, 0, user, 0 }, "empty");
    expect_bad_region((struct tn_vu_region){ UINT64_MAX - 4095, 8192, user, 0 }, "past");
    expect_bad_region((struct tn_vu_region){ far, 8192, UINT64_MAX - 4095, 0 }, "past");
    expect_bad_region((struct tn_vu_region){ far, 8192, user, UINT64_MAX - 4095 }, "past");
    expect_bad_region((struct tn_vu_region){ far, UINT64_MAX, user, 0 }, "past");
    expect_bad_region((struct tn_vu_region){ RIG_GPA + RIG_RAM / 2 - 1, 4096, user, 0 }, "overlap");
    expect_bad_region((struct tn_vu_region){ far, 4096, RIG_USER + RIG_RAM / 2 - 1, 0 }, "overlap");
    expect_bad_region((struct tn_vu_region){ far, RIG_RAM, user, 1 }, "too short");
    expect_bad_region((struct tn_vu_region){ far, RIG_RAM, user, UINT64_C(1) << 62 }, "");
}

/* What cannot be mapped: nothing is left behind, nobody waits (VU-99). */
static void test_vu99_odd_descriptors(void **state)
{
    int pipe_fds[2];

    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        struct rig rig;
        struct tn_vu_mem_table table = rig_table();
        int fd = -1;

        rig_open(&rig);
        rig_protocol(&rig);
        if (kind == 0) {
            fd = eventfd(0, EFD_CLOEXEC);
        } else if (kind == 1) {
            assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
            close(pipe_fds[1]);
            fd = pipe_fds[0];
        } else if (kind == 2) {
            fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        } else {
            fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        }
        rig_send(&rig, TN_VU_SET_MEM_TABLE, 9, &table, rig_table_bytes(1), &fd, 1);
        close(fd);
        rig_expect_end(&rig, "SET_MEM_TABLE");
        rig_close(&rig);
    }
}

/* ---- replacing a table under rings (VU-23) ---- */

static void test_vu23_same_table_again_disturbs_nothing(void **state)
{
    struct rig rig;
    struct iovec before, after;

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    assert_int_equal(tn_translate(&rig.server->memory.view, RIG_GPA, 1, false, &before, 1), 1);
    rig_memory(&rig);
    assert_int_equal(tn_translate(&rig.server->memory.view, RIG_GPA, 1, false, &after, 1), 1);
    assert_ptr_equal(before.iov_base, after.iov_base);
    assert_int_equal(rig.device.queues[0].stops, 0);
    rig_close(&rig);
}

static void test_vu23_more_memory_disturbs_nothing(void **state)
{
    struct rig rig;
    struct tn_vu_mem_table table = rig_table();

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    table.count = 2;
    table.regions[1] =
        (struct tn_vu_region){ RIG_GPA + RIG_RAM, 0x1000, RIG_USER + 2 * RIG_RAM, 0 };
    int fds[2] = { rig.ram_fd, rig.ram_fd };
    assert_int_equal(tell_table(&rig, &table, fds), 0);
    assert_int_equal(rig.device.queues[0].stops, 0);
    assert_true(has(&rig, RIG_GPA, RIG_RAM));
    assert_true(has(&rig, RIG_GPA + RIG_RAM, 0x1000));
    rig_close(&rig);
}

/*
 * The same addresses of another file: the rings stop, are looked up again, and go on where they
 * were.
 */
static void test_vu23_other_memory_in_the_same_place(void **state)
{
    struct rig rig;
    struct tn_vu_mem_table table = rig_table();

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    rig_start(&rig, 1);
    rig.device.queues[0].next_avail = 17;
    rig.device.queues[1].next_avail = 65535;
    int other = rig_memfd(2 * RIG_RAM);
    table.regions[0].gpa += 0x10000; /* and elsewhere in the guest */
    table.regions[0].bytes += 0x1000;
    assert_int_equal(tell_table(&rig, &table, &other), 0);
    close(other);
    for (unsigned i = 0; i < 2; i++) {
        const struct fake_queue *queue = &rig.device.queues[i];
        assert_true(queue->running);
        assert_int_equal(queue->starts, 2);
        assert_int_equal(queue->ring.next_avail, i == 0 ? 17 : 65535);
        assert_true(queue->ring.used_from_ring);
        assert_int_equal(queue->ring.desc_gpa, RIG_GPA + 0x10000 + i * 0x4000);
        assert_true(queue->ring.kick_fd >= 0);
    }
    assert_int_equal(rig.device.queues[2].starts, 0);
    rig_close(&rig);
}

/* While they stop, the old memory is still there, and no message is read. */
static void test_vu23_old_memory_stays_until_the_rings_stopped(void **state)
{
    struct rig rig;
    struct tn_vu_mem_table table = rig_table();
    struct answer answer;

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    rig.device.hold_stops = true;
    int other = rig_memfd(RIG_RAM);
    rig_send(&rig, TN_VU_SET_MEM_TABLE, 9, &table, rig_table_bytes(1), &other, 1);
    close(other);
    assert_int_equal(rig_receive(&rig, &answer), 0);
    assert_true(has(&rig, RIG_GPA, RIG_RAM));
    assert_int_equal(rig_count_maps(), 1);
    rig.device.hold_stops = false;
    fake_let_go(&rig.device);
    rig_crank(&rig);
    rig_expect(&rig, TN_VU_SET_MEM_TABLE, &answer);
    assert_int_equal(answer.payload.u64, 0);
    assert_true(rig.device.queues[0].running);
    assert_int_equal(rig_count_maps(), 1);
    rig_close(&rig);
}

static void test_rings_that_the_new_table_lacks(void **state)
{
    struct rig rig;
    struct tn_vu_mem_table table = rig_table();

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    table.regions[0].user += UINT64_C(1) << 32;
    rig_send(&rig, TN_VU_SET_MEM_TABLE, 9, &table, rig_table_bytes(1), &rig.ram_fd, 1);
    rig_expect_end(&rig, "does not lie");
    rig_close(&rig);
}

/* ---- single regions ---- */

static struct tn_vu_mem_reg one_region(uint64_t n)
{
    return (struct tn_vu_mem_reg){ .region = { n * 0x10000, 0x1000, RIG_USER + n * 0x10000, 0 } };
}

static void test_vu27_all_slots(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    uint64_t slots = rig_ask(&rig, TN_VU_GET_MAX_MEM_SLOTS, NULL, 0);
    for (uint64_t i = 0; i < slots; i++) {
        struct tn_vu_mem_reg region = one_region(i);
        assert_int_equal(
            rig_tell_fds(&rig, TN_VU_ADD_MEM_REG, &region, sizeof(region), &rig.ram_fd, 1), 0);
    }
    assert_int_equal((uint64_t)rig_count_maps(), slots);
    struct tn_vu_mem_reg more = one_region(slots);
    assert_int_equal(rig_tell_fds(&rig, TN_VU_ADD_MEM_REG, &more, sizeof(more), &rig.ram_fd, 1), 1);
    for (uint64_t i = 0; i < slots; i += 2) {
        struct tn_vu_mem_reg region = one_region(i);
        assert_int_equal(rig_tell(&rig, TN_VU_REM_MEM_REG, &region, sizeof(region)), 0);
    }
    assert_int_equal((uint64_t)rig_count_maps(), slots / 2);
    assert_true(has(&rig, 0x10000, 0x1000));
    assert_false(has(&rig, 0x20000, 1));
    rig_close(&rig);
}

static void test_vu27_overlap(void **state)
{
    struct rig rig;

    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        rig_open(&rig);
        rig_protocol(&rig);
        struct tn_vu_mem_reg region = one_region(1), other = one_region(2);
        assert_int_equal(
            rig_tell_fds(&rig, TN_VU_ADD_MEM_REG, &region, sizeof(region), &rig.ram_fd, 1), 0);
        if (kind == 0) {
            other.region.gpa = region.region.gpa + 0xfff;
        } else {
            other.region.user = region.region.user - 0xfff;
        }
        rig_send(&rig, TN_VU_ADD_MEM_REG, 9, &other, sizeof(other), &rig.ram_fd, 1);
        rig_expect_end(&rig, "overlap");
        rig_close(&rig);
    }
}

/*
 * By guest address, user address and size; the offset does not count, a descriptor is not needed.
 */
static void test_vu28_vu29_remove(void **state)
{
    struct rig rig;

    (void)state;
    rig_open(&rig);
    rig_protocol(&rig);
    struct tn_vu_mem_reg region = one_region(1), wrong;
    assert_int_equal(rig_tell_fds(&rig, TN_VU_ADD_MEM_REG, &region, sizeof(region), &rig.ram_fd, 1),
                     0);
    wrong = region;
    wrong.region.gpa += 0x1000;
    assert_int_equal(rig_tell(&rig, TN_VU_REM_MEM_REG, &wrong, sizeof(wrong)), 1);
    wrong = region;
    wrong.region.user += 0x1000;
    assert_int_equal(rig_tell(&rig, TN_VU_REM_MEM_REG, &wrong, sizeof(wrong)), 1);
    wrong = region;
    wrong.region.bytes += 0x1000;
    assert_int_equal(rig_tell(&rig, TN_VU_REM_MEM_REG, &wrong, sizeof(wrong)), 1);
    wrong = region;
    wrong.region.mmap_offset = 0x123000;
    assert_int_equal(rig_tell_fds(&rig, TN_VU_REM_MEM_REG, &wrong, sizeof(wrong), &rig.ram_fd, 1),
                     0);
    assert_int_equal(rig_tell(&rig, TN_VU_REM_MEM_REG, &region, sizeof(region)), 1);
    rig_close(&rig);
}

/* A request in flight still has the memory: no acknowledgement before it is over (VU-30). */
static void test_vu30_acknowledged_when_released(void **state)
{
    struct rig rig;
    struct tn_view view;
    struct answer answer;
    struct tn_vu_mem_reg region = { .region = { RIG_GPA, RIG_RAM, RIG_USER, 0 } };

    (void)state;
    rig_ready(&rig);
    memset(&view, 0, sizeof(view));
    assert_int_equal(tn_view_open(&view, rig.device.mem, rig.server->memory.view.changed), 0);
    struct tn_table *pinned = tn_view_pin(&view);
    rig_send(&rig, TN_VU_REM_MEM_REG, 9, &region, sizeof(region), NULL, 0);
    tn_view_refresh(&view);
    rig_crank(&rig);
    assert_int_equal(rig_receive(&rig, &answer), 0);
    assert_int_equal(rig_count_maps(), 1);
    tn_view_unpin(&view, pinned);
    rig_crank(&rig);
    rig_expect(&rig, TN_VU_REM_MEM_REG, &answer);
    assert_int_equal(answer.payload.u64, 0);
    assert_int_equal(rig_count_maps(), 0);
    tn_view_close(&view);
    rig_close(&rig);
}

/* The same at the end of a connection: the next one is not taken before. */
static void test_vu79_next_connection_waits_for_memory(void **state)
{
    struct rig rig;
    struct tn_view view;

    (void)state;
    rig_ready(&rig);
    memset(&view, 0, sizeof(view));
    assert_int_equal(tn_view_open(&view, rig.device.mem, rig.server->memory.view.changed), 0);
    struct tn_table *pinned = tn_view_pin(&view);
    rig_hang_up(&rig);
    tn_view_refresh(&view);
    rig_connect(&rig);
    assert_int_equal(rig.connected, 1);
    assert_int_equal(rig.disconnected, 0);
    tn_view_unpin(&view, pinned);
    tn_view_close(&view);
    rig_crank(&rig);
    assert_int_equal(rig.disconnected, 1);
    assert_int_equal(rig.connected, 2);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vu21_vu25_a_table),
        cmocka_unit_test(test_vu21_eight_regions_and_none),
        cmocka_unit_test(test_table_with_room_to_spare),
        cmocka_unit_test(test_vu24_offsets),
        cmocka_unit_test(test_vu22_malformed_tables),
        cmocka_unit_test(test_vu99_odd_descriptors),
        cmocka_unit_test(test_vu23_same_table_again_disturbs_nothing),
        cmocka_unit_test(test_vu23_more_memory_disturbs_nothing),
        cmocka_unit_test(test_vu23_other_memory_in_the_same_place),
        cmocka_unit_test(test_vu23_old_memory_stays_until_the_rings_stopped),
        cmocka_unit_test(test_rings_that_the_new_table_lacks),
        cmocka_unit_test(test_vu27_all_slots),
        cmocka_unit_test(test_vu27_overlap),
        cmocka_unit_test(test_vu28_vu29_remove),
        cmocka_unit_test(test_vu30_acknowledged_when_released),
        cmocka_unit_test(test_vu79_next_connection_waits_for_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
