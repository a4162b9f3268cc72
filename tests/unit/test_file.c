/*
 * test_file.c: files as disks: options, locks, parts of a file, ends of files that come too
 * early, and direct I/O.
 */
#include "disk_rig.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "needs.h"

enum { MIB = 1 << 20 };

static char path[128];

static int new_file(void **state)
{
    (void)state;
    temp_file(NULL, 4 * MIB, path);
    return 0;
}

static int drop_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static int open_with(struct tenon_file_opts opts, struct tenon_disk **out)
{
    opts.size = sizeof(opts);
    return tenon_disk_open_file(path, &opts, out);
}

static struct tenon_disk *opened(struct tenon_file_opts opts)
{
    struct tenon_disk *disk = NULL;

    if (open_with(opts, &disk) != 0) {
        fail_msg("%s", tenon_error());
    }
    return disk;
}

static void whole_file(uint8_t *data, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    assert_int_equal(pread(fd, data, bytes, 0), bytes);
    close(fd);
}

/* ---- locks ---- */

static void test_two_writers_are_refused_and_readers_share(void **state)
{
    const struct tenon_file_opts writer = { 0 }, reader = { .read_only = true };
    struct tenon_disk *first = opened(writer), *second = NULL;

    (void)state;
    assert_int_equal(open_with(writer, &second), -EBUSY);
    assert_non_null(strstr(tenon_error(), "in use elsewhere"));
    assert_int_equal(open_with(reader, &second), -EBUSY);
    assert_non_null(strstr(tenon_error(), "open for writing"));
    tenon_disk_close(first);
    first = opened(reader);
    second = opened(reader);
    tenon_disk_close(second);
    assert_int_equal(open_with(writer, &second), -EBUSY);
    tenon_disk_close(first);
    first = opened(writer);
    second = opened((struct tenon_file_opts){ .no_lock = true });
    tenon_disk_close(second);
    assert_int_equal(open_with(writer, &second), -EBUSY); /* it did not take ours along */
    tenon_disk_close(first);
}

/* The lock covers what is served: two parts of one file are two disks. */
static void test_parts_are_locked_by_themselves(void **state)
{
    struct tenon_disk *first = opened((struct tenon_file_opts){ .bytes = MIB });
    struct tenon_disk *second = opened((struct tenon_file_opts){ .offset = MIB });
    struct tenon_disk *third = NULL;

    (void)state;
    assert_int_equal(
        open_with((struct tenon_file_opts){ .offset = MIB - 512, .bytes = 512 }, &third), -EBUSY);
    assert_int_equal(open_with((struct tenon_file_opts){ .offset = 4 * MIB - 512 }, &third),
                     -EBUSY);
    tenon_disk_close(second);
    tenon_disk_close(first);
}

/* The caller's descriptor lives on; the lock must not. */
static void test_a_descriptor_is_unlocked_in_the_end(void **state)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct tenon_disk *disk = NULL, *other = NULL;

    (void)state;
    assert_int_equal(tenon_disk_open_fd(fd, NULL, &disk), 0);
    assert_int_equal(open_with((struct tenon_file_opts){ 0 }, &other), -EBUSY);
    tenon_disk_close(disk);
    other = opened((struct tenon_file_opts){ 0 });
    tenon_disk_close(other);
    assert_true(fcntl(fd, F_GETFD) >= 0);
    close(fd);
}

/* ---- what cannot be opened ---- */

static void test_wrong_descriptors(void **state)
{
    struct tenon_file_opts reader = { .size = sizeof(reader), .read_only = true };
    struct tenon_disk *disk = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC), ends[2];

    (void)state;
    assert_int_equal(tenon_disk_open_fd(fd, NULL, &disk), -EINVAL);
    assert_non_null(strstr(tenon_error(), "read-only=on"));
    assert_int_equal(tenon_disk_open_fd(fd, &reader, &disk), 0);
    tenon_disk_close(disk);
    close(fd);
    disk = NULL;
    fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC); /* pwrite would append there */
    assert_int_equal(tenon_disk_open_fd(fd, NULL, &disk), -EINVAL);
    close(fd);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(tenon_disk_open_fd(fd, NULL, &disk), -EINVAL);
    close(fd);
    assert_int_equal(pipe(ends), 0);
    assert_int_equal(tenon_disk_open_fd(ends[0], &reader, &disk), -EINVAL);
    assert_non_null(strstr(tenon_error(), "neither a file nor a block device"));
    close(ends[0]);
    close(ends[1]);
    assert_int_equal(tenon_disk_open_fd(-1, NULL, &disk), -EBADF);
    assert_null(disk);
}

static void test_wrong_files(void **state)
{
    struct tenon_file_opts reader = { .size = sizeof(reader), .read_only = true };
    struct tenon_disk *disk = NULL;
    char fifo[160];

    (void)state;
    snprintf(fifo, sizeof(fifo), "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    assert_int_equal(tenon_disk_open_file(fifo, &reader, &disk), -EINVAL); /* and does not hang */
    unlink(fifo);
    assert_int_equal(tenon_disk_open_file("/tmp", &reader, &disk), -EINVAL);
    assert_int_equal(tenon_disk_open_file("/tmp", NULL, &disk), -EISDIR);
    assert_int_equal(tenon_disk_open_file("/no/such/file", NULL, &disk), -ENOENT);
    assert_int_equal(open_with((struct tenon_file_opts){ .engine = 9 }, &disk), -EINVAL);
    assert_int_equal(open_with((struct tenon_file_opts){ .threads = 65 }, &disk), -EINVAL);
    assert_int_equal(open_with((struct tenon_file_opts){ .block_bytes = 300 }, &disk), -EINVAL);
    assert_int_equal(open_with((struct tenon_file_opts){ .offset = UINT64_MAX }, &disk), -EINVAL);
    assert_int_equal(
        open_with((struct tenon_file_opts){ .offset = 512, .bytes = UINT64_MAX }, &disk), -EINVAL);
    assert_int_equal(truncate(path, 511), 0);
    assert_int_equal(open_with((struct tenon_file_opts){ 0 }, &disk), -EINVAL);
    assert_non_null(strstr(tenon_error(), "truncate"));
    assert_null(disk);
}

/* ---- the size ---- */

static void test_a_tail_is_not_served(void **state)
{
    uint8_t data[512], file[4096 + 100];
    struct rig rig;

    (void)state;
    assert_int_equal(truncate(path, sizeof(file)), 0);
    rig_open(&rig, opened((struct tenon_file_opts){ 0 }));
    assert_int_equal(rig_info(rig.disk).bytes, 4096);
    memset(data, 0xff, sizeof(data));
    assert_int_equal(rig_write(&rig, 4096, 512, data), -EINVAL);
    assert_int_equal(rig_write(&rig, 4096 - 512, 512, data), 0);
    rig_close(&rig);
    whole_file(file, sizeof(file));
    assert_int_equal(file[4095], 0xff);
    assert_int_equal(file[4096], 0);
}

/*
 * Faults A2 and K1: the end of the file inside the disk is an error, not zeroes; what is past it in
 * the disk can be written again.
 */
static void test_a_file_cut_short_under_us(void **state)
{
    uint8_t data[4096];
    struct rig rig;

    (void)state;
    for (unsigned engine = TENON_ENGINE_INLINE; engine <= TENON_ENGINE_THREADS; engine++) {
        assert_int_equal(truncate(path, 4 * MIB), 0);
        rig_open(&rig, opened((struct tenon_file_opts){ .engine = (enum tenon_engine)engine }));
        assert_int_equal(truncate(path, MIB + 1024), 0);
        assert_int_equal(rig_read(&rig, MIB, 1024, data), 0);
        assert_int_equal(rig_read(&rig, MIB, 4096, data), -EIO);
        assert_int_equal(rig_read(&rig, 2 * MIB, 512, data), -EIO);
        assert_int_equal(rig_write(&rig, 2 * MIB, 512, data), 0);
        assert_int_equal(rig_read(&rig, 2 * MIB, 512, data), 0);
        rig_close(&rig);
    }
}

static void test_a_file_that_grows(void **state)
{
    uint8_t data[512];
    struct rig rig;

    (void)state;
    rig_open(&rig, opened((struct tenon_file_opts){ 0 }));
    assert_int_equal(truncate(path, 8 * MIB), 0);
    assert_int_equal(rig_read(&rig, 4 * MIB, 512, data), -EINVAL);
    assert_int_equal(rig_info(rig.disk).bytes, 8 * MIB);
    assert_int_equal(rig_read(&rig, 8 * MIB - 512, 512, data), 0);
    rig_close(&rig);
    rig_open(&rig, opened((struct tenon_file_opts){ .bytes = MIB })); /* a fixed part does not */
    assert_int_equal(truncate(path, 16 * MIB), 0);
    assert_int_equal(rig_info(rig.disk).bytes, MIB);
    rig_close(&rig);
}

/* ---- reading and writing ---- */

static void test_read_only(void **state)
{
    uint8_t data[512] = { 1 };
    struct rig rig;

    (void)state;
    rig_open(&rig, opened((struct tenon_file_opts){ .read_only = true }));
    assert_true(rig_info(rig.disk).read_only);
    assert_int_equal(rig_read(&rig, 0, 512, data), 0);
    assert_int_equal(rig_write(&rig, 0, 512, data), -EROFS);
    assert_int_equal(rig_io(&rig, TENON_IO_DISCARD, 0, 0, 512, NULL), -EROFS);
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, 0, 0, 512, NULL), -EROFS);
    assert_int_equal(rig_io(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    rig_close(&rig);
}

/* More iovecs than one system call takes. */
static void test_very_long_lists(void **state)
{
    enum { COUNT = 3000 };
    struct iovec *iov = calloc(COUNT, sizeof(*iov));
    uint8_t *data = malloc(COUNT * 512), *back = malloc(COUNT * 512);
    uint32_t random = 5;
    struct rig rig;

    (void)state;
    fill_random(&random, data, COUNT * 512);
    rig_open(&rig, opened((struct tenon_file_opts){ .engine = TENON_ENGINE_INLINE }));
    for (unsigned i = 0; i < COUNT; i++) {
        iov[i] = (struct iovec){ data + i * 512, 512 };
    }
    assert_int_equal(rig_iov(&rig, TENON_IO_WRITE, 512, COUNT * 512, iov, COUNT), 0);
    for (unsigned i = 0; i < COUNT; i++) {
        iov[i].iov_base = back + i * 512;
    }
    assert_int_equal(rig_iov(&rig, TENON_IO_READ, 512, COUNT * 512, iov, COUNT), 0);
    assert_memory_equal(data, back, COUNT * 512);
    rig_close(&rig);
    free(iov);
    free(data);
    free(back);
}

/* ---- direct I/O ---- */

static void test_direct(void **state)
{
    enum { LONGEST = 24 * 512 };
    uint8_t *memory = NULL, *model = calloc(1, 64 * 1024), *whole = malloc(64 * 1024);
    struct tenon_disk *disk = NULL;
    uint32_t random = 11;
    struct rig rig;

    (void)state;
    need_direct_io(path);
    if (open_with((struct tenon_file_opts){ .direct = true }, &disk) != 0) {
        assert_non_null(strstr(tenon_error(), "use direct=off"));
        print_message("skipped: no direct I/O on the file system of %s\n", path);
        free(model);
        free(whole);
        skip();
    }
    rig_open(&rig, disk);
    assert_int_equal(posix_memalign((void **)&memory, 4096, LONGEST + 4096), 0);
    for (unsigned i = 0; i < 600; i++) {
        uint64_t at = next_random(&random) % 104 * 512;
        uint64_t bytes = (next_random(&random) % (LONGEST / 512) + 1) * 512;
        unsigned shift = i % 3 == 0 ? 0 : next_random(&random) % 4096,
                 cut = next_random(&random) % 512;
        struct iovec iov[2] = { { memory + shift, cut }, { memory + shift + cut, bytes - cut } };

        fill_random(&random, memory + shift, bytes);
        memcpy(model + at, memory + shift, bytes);
        assert_int_equal(rig_iov(&rig, TENON_IO_WRITE, at, bytes, iov, 2), 0);
        memset(memory + shift, 0, bytes);
        assert_int_equal(rig_iov(&rig, TENON_IO_READ, at, bytes, iov, 2), 0);
        assert_memory_equal(memory + shift, model + at, bytes);
    }
    assert_int_equal(rig_io(&rig, TENON_IO_WRITE, TENON_IO_FUA, 4096, 4096, memory), 0);
    memcpy(model + 4096, memory, 4096);
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, 0, 512, 1024, NULL), 0);
    memset(model + 512, 0, 1024);
    assert_int_equal(rig_io(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    assert_int_equal(truncate(path, 8192), 0);
    assert_int_equal(rig_read(&rig, 4096, 8192, memory), -EIO);
    rig_close(&rig);
    whole_file(whole, 8192);
    assert_memory_equal(whole, model, 8192);
    free(memory);
    free(model);
    free(whole);
}

static void test_direct_wants_whole_blocks(void **state)
{
    struct tenon_disk *disk = NULL;
    int fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    uint8_t data[513] = { 0 };

    (void)state;
    need_direct_io(path);
    if (fd < 0) {
        print_message("skipped: no direct I/O on the file system of %s\n", path);
        skip();
    }
    assert_int_equal(open_with((struct tenon_file_opts){ .direct = true, .offset = 100 }, &disk),
                     -EINVAL);
    assert_non_null(strstr(tenon_error(), "multiples"));
    assert_null(disk);
    /* A descriptor that has O_DIRECT already is served accordingly, whatever the options say. */
    assert_int_equal(tenon_disk_open_fd(fd, NULL, &disk), 0);
    struct rig rig;
    rig_open(&rig, disk);
    assert_int_equal(rig_write(&rig, 512, 512, data + 1), 0);
    rig_close(&rig);
    close(fd);
}

/* Where O_DIRECT is refused, the sentence says what to do. */
static void test_direct_refused(void **state)
{
    struct tenon_file_opts opts = { .size = sizeof(opts), .direct = true };
    struct tenon_disk *disk = NULL;
    char other[128];
    int fd, r;

    (void)state;
    if (access("/dev/shm", W_OK) != 0) {
        print_message("skipped: no /dev/shm to try it on\n");
        skip();
    }
    temp_file("/dev/shm", MIB, other);
    fd = open(other, O_RDWR | O_DIRECT | O_CLOEXEC);
    r = tenon_disk_open_file(other, &opts, &disk);
    if (fd < 0) {
        assert_int_equal(r, -EINVAL);
        assert_non_null(strstr(tenon_error(), "use direct=off"));
    } else {
        close(fd);
        assert_true(r == 0 || r == -EINVAL);
    }
    tenon_disk_close(disk);
    unlink(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_two_writers_are_refused_and_readers_share, new_file,
                                        drop_file),
        cmocka_unit_test_setup_teardown(test_parts_are_locked_by_themselves, new_file, drop_file),
        cmocka_unit_test_setup_teardown(test_a_descriptor_is_unlocked_in_the_end, new_file,
                                        drop_file),
        cmocka_unit_test_setup_teardown(test_wrong_descriptors, new_file, drop_file),
        cmocka_unit_test_setup_teardown(test_wrong_files, new_file, drop_file),
        cmocka_unit_test_setup_teardown(test_a_tail_is_not_served, new_file, drop_file),
        cmocka_unit_test_setup_teardown(test_a_file_cut_short_under_us, new_file, drop_file),
        cmocka_unit_test_setup_teardown(test_a_file_that_grows, new_file, drop_file),
        cmocka_unit_test_setup_teardown(test_read_only, new_file, drop_file),
        cmocka_unit_test_setup_teardown(test_very_long_lists, new_file, drop_file),
        cmocka_unit_test_setup_teardown(test_direct, new_file, drop_file),
        cmocka_unit_test_setup_teardown(test_direct_wants_whole_blocks, new_file, drop_file),
        cmocka_unit_test_setup_teardown(test_direct_refused, new_file, drop_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
