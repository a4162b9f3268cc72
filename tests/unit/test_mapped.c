/*
 * test_mapped.c: files that are mapped: when they may be, and the same content as by the other
 * engines. Files that get shorter are in test_mapped_cut.c.
 */
#include "mapped_rig.h"

#include <sys/stat.h>

/* ---- whether it may be used ---- */

/* First of all tests: nobody has said yet that SIGBUS is handled. */
static void test_not_without_a_handler(void **state)
{
    struct tenon_file_opts opts = { .size = sizeof(opts), .engine = TENON_ENGINE_MAPPED };
    struct tenon_disk *disk = NULL;
    int fd = memfd_create("image", MFD_CLOEXEC);
    const char *why = "";

    (void)state;
    assert_int_equal(ftruncate(fd, BYTES), 0);
    assert_int_equal(tenon_disk_open_fd(fd, &opts, &disk), -ENOTSUP);
    assert_non_null(strstr(tenon_error(), "tenon_sigbus_installed"));
    opts.engine = TENON_ENGINE_AUTO;
    assert_int_equal(tenon_disk_open_fd(fd, &opts, &disk), 0);
    assert_string_equal(tenon_disk_engine(disk, &why), "inline");
    assert_non_null(strstr(why, "not mapped: nothing in this process handles SIGBUS"));
    tenon_disk_close(disk);
    survive();
    tenon_sigbus_installed();
    assert_int_equal(tenon_disk_open_fd(fd, &opts, &disk), 0);
    assert_string_equal(tenon_disk_engine(disk, &why), "mapped");
    tenon_disk_close(disk);
    close(fd);
}

static void test_not_around_the_page_cache(void **state)
{
    struct tenon_disk *disk = NULL;
    char path[128], spec[200];

    (void)state;
    temp_file(NULL, BYTES, path);
    snprintf(spec, sizeof(spec), "file=%s,engine=mapped,direct=on", path);
    assert_true(tenon_disk_open(spec, &disk) < 0);
    assert_non_null(strstr(tenon_error(), "use direct=off"));
    snprintf(spec, sizeof(spec), "file=%s,engine=mapped,threads=2", path);
    assert_int_equal(tenon_disk_open(spec, &disk), -EINVAL);
    assert_non_null(strstr(tenon_error(), "means nothing with engine=mapped"));
    unlink(path);
}

/* ---- content ---- */

/* On whatever file system there is, and only the part that is the disk. */
static void test_random_operations(void **state)
{
    (void)state;
    random_operations("engine=mapped", RANDOM_MOST, 150);
}

static void test_ranges_and_flushes(void **state)
{
    static uint8_t data[BYTES], zeroes[BYTES];
    struct rig rig;
    struct stat st;
    int fd = open_memory(&rig);

    (void)state;
    memset(data, 'x', sizeof(data));
    assert_int_equal(rig_io(&rig, TENON_IO_WRITE, TENON_IO_FUA, 0, BYTES, data), 0);
    assert_int_equal(pread(fd, data, BYTES, 0), BYTES);
    assert_int_equal(data[BYTES - 1], 'x');
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, TENON_IO_FUA, 512, PAGE, NULL), 0);
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, TENON_IO_UNMAP, 4 * PAGE, 4 * PAGE, NULL), 0);
    assert_int_equal(rig_io(&rig, TENON_IO_DISCARD, 0, 16 * PAGE, 16 * PAGE, NULL), 0);
    assert_int_equal(rig_io(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    assert_int_equal(fstat(fd, &st), 0); /* before a read, which gives pages to holes */
    assert_true(st.st_blocks * 512 <= BYTES - 20 * PAGE);
    assert_int_equal(rig_read(&rig, 0, BYTES, data), 0);
    assert_int_equal(data[511], 'x');
    assert_memory_equal(data + 512, zeroes, PAGE);
    assert_int_equal(data[512 + PAGE], 'x');
    assert_memory_equal(data + 4 * PAGE, zeroes, 4 * PAGE);
    assert_memory_equal(data + 16 * PAGE, zeroes, 16 * PAGE);
    assert_int_equal(data[32 * PAGE], 'x');
    assert_int_equal(signals, 0);
    rig_close(&rig);
    close(fd);
}

static void test_read_only(void **state)
{
    int fd = memfd_create("image", MFD_CLOEXEC);
    uint8_t data[512];
    struct rig rig;

    (void)state;
    assert_int_equal(ftruncate(fd, BYTES), 0);
    assert_int_equal(pwrite(fd, "a", 1, 512), 1);
    rig_open(&rig, open_fd(fd, (struct tenon_file_opts){ .read_only = true }));
    assert_int_equal(rig_read(&rig, 512, 512, data), 0);
    assert_int_equal(data[0], 'a');
    assert_int_equal(rig_write(&rig, 512, 512, data), -EROFS);
    rig_close(&rig);
    close(fd);
}

static void test_holes_and_wrong_sums(void **state)
{
    static uint8_t data[8192];
    struct iovec hole[] = { { data, 4096 }, { NULL, 4096 } };
    struct rig rig;
    int fd = open_memory(&rig);

    (void)state;
    assert_int_equal(rig_iov(&rig, TENON_IO_READ, 0, 8192, hole, 2), -EFAULT);
    assert_int_equal(rig_iov(&rig, TENON_IO_WRITE, 0, 8192, hole, 2), -EFAULT);
    assert_int_equal(rig_iov(&rig, TENON_IO_READ, 0, 8192, hole, 1), -EINVAL);
    rig_close(&rig);
    close(fd);
}

/* Copied is not answered: that comes with the end of the batch, and until then it may be undone. */
static void test_cancel(void **state)
{
    uint8_t data[512];
    struct job *first, *second;
    struct rig rig;
    int fd = open_memory(&rig);

    (void)state;
    first = rig_job(&rig, TENON_IO_READ, 0, 0, 512, data);
    second = rig_job(&rig, TENON_IO_READ, 0, 0, 512, data);
    assert_int_equal(rig_submit(&rig, first), 0);
    assert_int_equal(rig_submit(&rig, second), 0);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, first->io), 0);
    tn_channel_commit(rig.disk, rig.channel);
    assert_int_equal(tn_channel_cancel(rig.disk, rig.channel, second->io), -EBUSY);
    rig_wait(&rig, 1);
    assert_false(first->over);
    assert_int_equal(second->result, 0);
    free(first);
    free(second);
    rig_close(&rig);
    close(fd);
}

/* A long batch is answered in pieces. */
static void test_large_requests_are_not_held_back(void **state)
{
    static uint8_t data[BYTES];
    struct job *jobs[3];
    struct rig rig;
    int fd = open_memory(&rig);

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        jobs[i] = rig_job(&rig, TENON_IO_READ, 0, 0, i < 2 ? BYTES / 2 : 512, data);
        assert_int_equal(rig_submit(&rig, jobs[i]), 0);
    }
    rig_wait(&rig, 2);
    assert_false(jobs[2]->over);
    tn_channel_commit(rig.disk, rig.channel);
    rig_wait(&rig, 3);
    for (unsigned i = 0; i < 3; i++) {
        free(jobs[i]);
    }
    rig_close(&rig);
    close(fd);
}

static void test_a_file_that_grows(void **state)
{
    static uint8_t data[PAGE];
    struct rig rig;
    struct job *old, *new;
    int fd = open_memory(&rig);

    (void)state;
    assert_int_equal(ftruncate(fd, 2 * BYTES), 0);
    assert_int_equal(rig_info(rig.disk).bytes, 2 * BYTES);
    memset(data, 'g', sizeof(data));
    old = rig_job(&rig, TENON_IO_WRITE, 0, 0, PAGE, data);
    new = rig_job(&rig, TENON_IO_WRITE, 0, 2 * BYTES - PAGE, PAGE, data);
    assert_int_equal(rig_submit(&rig, old), 0); /* in one batch, over two mappings */
    assert_int_equal(rig_submit(&rig, new), 0);
    tn_channel_commit(rig.disk, rig.channel);
    rig_wait(&rig, 2);
    assert_int_equal(old->result, 0);
    assert_int_equal(new->result, 0);
    free(old);
    free(new);
    memset(data, 0, sizeof(data));
    assert_int_equal(pread(fd, data, PAGE, 2 * BYTES - PAGE), PAGE);
    assert_int_equal(data[PAGE - 1], 'g');
    rig_close(&rig);
    close(fd);
}

/* Pages of 2 MiB or so: written by mapping only. */
static void test_huge_pages(void **state)
{
    static uint8_t data[PAGE];
    struct tenon_file_opts opts = { .size = sizeof(opts), .engine = TENON_ENGINE_INLINE };
    struct tenon_disk *disk = NULL;
    struct rig rig;
    struct stat st;
    int fd = memfd_create("image", MFD_CLOEXEC | MFD_HUGETLB);

    (void)state;
    if (fd < 0 || fstat(fd, &st) != 0 || ftruncate(fd, 2 * st.st_blksize) != 0 ||
        fallocate(fd, 0, 0, 2 * st.st_blksize) != 0) {
        close(fd);
        print_message("skipped: there are no huge pages here\n");
        skip();
    }
    assert_int_equal(tenon_disk_open_fd(fd, &opts, &disk), -EINVAL);
    assert_non_null(strstr(tenon_error(), "only engine=mapped"));
    opts.engine = TENON_ENGINE_AUTO;
    assert_int_equal(tenon_disk_open_fd(fd, &opts, &disk), 0);
    assert_string_equal(tenon_disk_engine(disk, NULL), "mapped");
    survive();
    rig_open(&rig, disk);
    memset(data, 'h', sizeof(data));
    uint64_t last = 2 * (uint64_t)st.st_blksize - PAGE;
    assert_int_equal(rig_io(&rig, TENON_IO_WRITE, TENON_IO_FUA, last, PAGE, data), 0);
    memset(data, 0, sizeof(data));
    assert_int_equal(rig_read(&rig, last, PAGE, data), 0);
    assert_int_equal(data[PAGE - 1], 'h');
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, 0, last, 512, NULL), 0);
    assert_int_equal(rig_read(&rig, last, PAGE, data), 0);
    assert_int_equal(data[511], 0);
    assert_int_equal(data[512], 'h');
    signals = 0;
    assert_int_equal(ftruncate(fd, st.st_blksize), 0);
    assert_int_equal(rig_read(&rig, last, PAGE, data), -EIO);
    assert_int_equal(signals, 1);
    rig_close(&rig);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_without_a_handler),
        cmocka_unit_test(test_not_around_the_page_cache),
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_ranges_and_flushes),
        cmocka_unit_test(test_read_only),
        cmocka_unit_test(test_holes_and_wrong_sums),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_large_requests_are_not_held_back),
        cmocka_unit_test(test_a_file_that_grows),
        cmocka_unit_test(test_huge_pages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
