/*
 * test_host_linux.c: what Linux is asked for, on real block devices: loop devices with sectors of
 * 512 and of 4096 bytes. Needs root and /dev/loop-control; says so and skips where it has them not.
 */
#include "disk_rig.h"

#include <fcntl.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "disk/body.h"
#include "disk/host.h"
#include "kernel.h"

enum { MIB = 1 << 20, BYTES = 4 * MIB };

static char file_path[128], device_path[64];
static enum tenon_engine engine; /* of the disks that are opened */

/* A loop device over a new file; it goes away with its last user. The descriptor, or -1. */
static int attach(uint32_t sector)
{
    struct loop_config config = { .block_size = sector,
                                  .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), device = -1;

    if (control < 0) {
        return -1;
    }
    temp_file(NULL, BYTES, file_path);
    config.fd = (uint32_t)open(file_path, O_RDWR | O_CLOEXEC);
    for (unsigned tries = 0; tries < 20 && device < 0; tries++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);

        if (number < 0) {
            break;
        }
        snprintf(device_path, sizeof(device_path), "/dev/loop%d", number);
        device = open(device_path, O_RDWR | O_CLOEXEC);
        if (device >= 0 && ioctl(device, LOOP_CONFIGURE, &config) != 0) {
            close(device); /* somebody else was faster */
            device = -1;
        }
    }
    close((int)config.fd);
    close(control);
    if (device < 0) {
        unlink(file_path);
    }
    return device;
}

static void detach(int device)
{
    close(device);
    unlink(file_path);
}

static int attach_or_skip(uint32_t sector, bool direct)
{
    int device = attach(sector);

    if (device < 0) {
        print_message("skipped: loop devices cannot be made here (they need root)\n");
        skip();
    }
    if (direct && !kernel_tells_direct_io(device_path)) {
        detach(device);
        print_message("skipped: statx says nothing true of direct I/O (qemu-user)\n");
        skip();
    }
    return device;
}

static void open_device(struct rig *rig, struct tenon_file_opts opts)
{
    struct tenon_disk *disk = NULL;

    opts.size = sizeof(opts);
    opts.engine = engine;
    if (tenon_disk_open_file(device_path, &opts, &disk) != 0) {
        fail_msg("%s", tenon_error());
    }
    rig_open(rig, disk);
}

static void fill(struct rig *rig, uint8_t value)
{
    uint8_t *data = NULL;

    assert_int_equal(posix_memalign((void **)&data, 4096, BYTES), 0);
    memset(data, value, BYTES);
    assert_int_equal(rig_write(rig, 0, BYTES, data), 0);
    assert_int_equal(rig_io(rig, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    free(data);
}

/* [from, to) is zero, all else is `value`. */
static void expect_zeroes(struct rig *rig, uint64_t from, uint64_t to, uint8_t value)
{
    uint8_t *data = malloc(BYTES);

    assert_int_equal(rig_read(rig, 0, BYTES, data), 0);
    for (uint64_t i = 0; i < BYTES; i++) {
        assert_int_equal(data[i], i >= from && i < to ? 0 : value);
    }
    free(data);
}

static uint64_t allocated(void)
{
    struct stat st;

    assert_int_equal(stat(file_path, &st), 0);
    return (uint64_t)st.st_blocks * 512;
}

/* Each sector size, through the page cache and around it. */
static void try_device(uint32_t sector, bool direct)
{
    int device = attach_or_skip(sector, direct);
    struct tenon_disk_info info;
    uint64_t full;
    struct rig rig;

    open_device(&rig, (struct tenon_file_opts){ .direct = direct });
    info = rig_info(rig.disk);
    assert_int_equal(info.bytes, BYTES);
    assert_int_equal(info.block_bytes, direct ? sector : 512);
    assert_true(info.physical_bytes >= sector);
    fill(&rig, 0x42);
    full = allocated();
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, 0, 512, MIB + 1024, NULL), 0);
    expect_zeroes(&rig, 512, MIB + 1536, 0x42);
    fill(&rig, 0x43);
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, TENON_IO_UNMAP, MIB - 512, MIB + 512, NULL), 0);
    expect_zeroes(&rig, MIB - 512, 2 * MIB, 0x43);
    fill(&rig, 0x44);
    assert_int_equal(rig_io(&rig, TENON_IO_DISCARD, 0, 512, 512, NULL), 0);
    assert_int_equal(rig_io(&rig, TENON_IO_DISCARD, TENON_IO_FUA, MIB, 2 * MIB, NULL), 0);
    if (info.can_discard) {
        assert_true(allocated() <= full - MIB);
    }
    rig_close(&rig);
    detach(device);
}

/* Once more over io_uring. */
static int over_uring(void **state)
{
    const char *why = "";

    (void)state;
    if (tn_uring_probe(&why) == 0) {
        engine = TENON_ENGINE_URING;
    } else {
        print_message("over threads again: %s\n", why);
    }
    return 0;
}

static int over_threads(void **state)
{
    (void)state;
    engine = TENON_ENGINE_THREADS;
    return 0;
}

static void test_sectors_of_512(void **state)
{
    (void)state;
    try_device(512, false);
}

static void test_sectors_of_512_direct(void **state)
{
    (void)state;
    try_device(512, true);
}

static void test_sectors_of_4096(void **state)
{
    (void)state;
    try_device(4096, false);
}

static void test_sectors_of_4096_direct(void **state)
{
    (void)state;
    try_device(4096, true);
}

/* Direct I/O in blocks of 4096, requests of sectors: users.md's EINVAL on such disks. */
static void test_single_sectors_on_a_disk_of_4096(void **state)
{
    int device = attach_or_skip(4096, true);
    uint8_t *model = malloc(BYTES), *memory = malloc(MIB);
    uint32_t random = 17;
    struct rig rig;

    (void)state;
    open_device(&rig, (struct tenon_file_opts){ .direct = true, .block_bytes = 512 });
    assert_int_equal(rig_info(rig.disk).block_bytes, 512);
    fill(&rig, 0x10);
    memset(model, 0x10, BYTES);
    for (unsigned i = 0; i < 300; i++) {
        uint64_t at = next_random(&random) % 200 * 512;
        uint64_t bytes = (next_random(&random) % 30 + 1) * 512;
        uint8_t *data = memory + next_random(&random) % 512;

        fill_random(&random, data, bytes);
        memcpy(model + at, data, bytes);
        assert_int_equal(
            rig_io(&rig, TENON_IO_WRITE, i % 8 == 0 ? TENON_IO_FUA : 0, at, bytes, data), 0);
        memset(data, 0, bytes);
        assert_int_equal(rig_read(&rig, at, bytes, data), 0);
        assert_memory_equal(data, model + at, bytes);
    }
    assert_int_equal(rig_read(&rig, 0, MIB, memory), 0);
    assert_memory_equal(memory, model, MIB);
    rig_close(&rig);
    detach(device);
    free(model);
    free(memory);
}

/* A part that does not begin at a block would mean writing to bytes outside of it. */
static void test_parts_of_a_disk_of_4096(void **state)
{
    struct tenon_file_opts opts = { .size = sizeof(opts), .direct = true };
    int device = attach_or_skip(4096, true);
    struct tenon_disk *disk = NULL;

    (void)state;
    opts.offset = 512;
    assert_int_equal(tenon_disk_open_file(device_path, &opts, &disk), -EINVAL);
    assert_non_null(strstr(tenon_error(), "blocks of 4096"));
    opts.offset = 4096;
    opts.bytes = 6144;
    assert_int_equal(tenon_disk_open_file(device_path, &opts, &disk), -EINVAL);
    opts.bytes = 8192;
    assert_int_equal(tenon_disk_open_file(device_path, &opts, &disk), 0);
    tenon_disk_close(disk);
    detach(device);
}

static void test_a_device_in_use_is_refused(void **state)
{
    int device = attach_or_skip(512, false);
    struct tenon_disk *disk = NULL, *second = NULL;

    (void)state;
    assert_int_equal(tenon_disk_open_file(device_path, NULL, &disk), 0);
    assert_int_equal(tenon_disk_open_file(device_path, NULL, &second), -EBUSY);
    assert_null(second);
    tenon_disk_close(disk);
    detach(device);
}

/* ---- files ---- */

static void test_locks(void **state)
{
    int a, b;

    (void)state;
    temp_file(NULL, BYTES, file_path);
    a = open(file_path, O_RDWR | O_CLOEXEC);
    b = open(file_path, O_RDWR | O_CLOEXEC);
    assert_int_equal(tn_host_lock(a, true, 0, 4096), 0);
    assert_int_equal(tn_host_lock(b, true, 4095, 10), -EBUSY);
    assert_int_equal(tn_host_lock(b, false, 0, 1), -EBUSY);
    assert_int_equal(tn_host_lock(b, true, 4096, 10), 0);
    assert_int_equal(tn_host_unlock(a, 0, 4096), 0);
    assert_int_equal(tn_host_lock(a, false, 0, 10), 0);
    assert_int_equal(tn_host_lock(b, false, 0, 10), 0);
    assert_int_equal(tn_host_lock(b, true, 0, 10), -EBUSY);
    close(a);
    close(b);
    unlink(file_path);
}

/* Finding out whether holes can be punched must leave the file as it is. */
static void test_asking_for_holes_changes_nothing(void **state)
{
    struct stat before, after;
    char data[4096];
    int fd, ends[2];

    (void)state;
    temp_file(NULL, 0, file_path);
    fd = open(file_path, O_RDWR | O_CLOEXEC);
    memset(data, 5, sizeof(data));
    assert_int_equal(write(fd, data, sizeof(data)), sizeof(data));
    assert_int_equal(fsync(fd), 0);
    assert_int_equal(fstat(fd, &before), 0);
    tn_host_can_punch(fd, 4096);
    assert_int_equal(fstat(fd, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
    assert_int_equal(before.st_blocks, after.st_blocks);
    assert_int_equal(pread(fd, data, sizeof(data), 0), sizeof(data));
    assert_int_equal(data[0], 5);
    assert_int_equal(data[4095], 5);
    close(fd);
    unlink(file_path);
    assert_int_equal(pipe(ends), 0); /* ioctls that do not exist there: cannot, not failed */
    assert_int_equal(tn_host_discard(ends[1], true, 0, 4096), -ENOTSUP);
    assert_int_equal(tn_host_zero(ends[1], true, 0, 4096), -ENOTSUP);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sectors_of_512),
        cmocka_unit_test(test_sectors_of_512_direct),
        cmocka_unit_test(test_sectors_of_4096),
        cmocka_unit_test(test_sectors_of_4096_direct),
        cmocka_unit_test(test_single_sectors_on_a_disk_of_4096),
        { "over_uring: test_sectors_of_512", test_sectors_of_512, over_uring, over_threads, NULL },
        { "over_uring: test_sectors_of_4096", test_sectors_of_4096, over_uring, over_threads,
          NULL },
        { "over_uring: test_single_sectors_on_a_disk_of_4096",
          test_single_sectors_on_a_disk_of_4096, over_uring, over_threads, NULL },
        { "over_uring: test_a_device_in_use_is_refused", test_a_device_in_use_is_refused,
          over_uring, over_threads, NULL },
        cmocka_unit_test(test_parts_of_a_disk_of_4096),
        cmocka_unit_test(test_a_device_in_use_is_refused),
        cmocka_unit_test(test_locks),
        cmocka_unit_test(test_asking_for_holes_changes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
