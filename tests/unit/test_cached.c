/*
 * test_cached.c: reads of what is in the page cache are copies, all else goes to the engine below:
 * which reads those are, the same content as by the other engines, files that get shorter, and that
 * an idle channel lets go of what it has touched.
 */
#include "mapped_rig.h"
#include "needs.h"

#include "disk/body.h"

/* ---- a disk below that counts ---- */

struct below {
    int fd;
    unsigned submitted, runs;
};

static int open_below(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    (void)worker;
    *out = disk;
    return 0;
}

static int submit_below(struct tenon_channel *channel, struct tenon_io *io)
{
    struct below *below = (struct below *)(void *)channel;
    ssize_t n = io->op == TENON_IO_WRITE
                    ? pwritev(below->fd, io->iov, (int)io->iov_count, (off_t)io->offset)
                    : preadv(below->fd, io->iov, (int)io->iov_count, (off_t)io->offset);

    below->submitted++;
    tenon_io_done(io, n == (ssize_t)io->bytes ? 0 : -EIO);
    return 0;
}

static void close_below(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    (void)channel;
    done(opaque);
}

static int info_below(void *disk, struct tenon_disk_info *out)
{
    (void)disk;
    out->bytes = BYTES;
    return 0;
}

static int run_body(void *body, struct tenon_io *io)
{
    (void)io;
    ((struct below *)body)->runs++;
    return -EIO;
}

static const struct tn_body_ops body_ops = { .run = run_body, .info = info_below };

static void open_over(struct rig *rig, struct below *below)
{
    static const struct tenon_disk_ops ops = { .size = sizeof(ops),
                                               .open = open_below,
                                               .submit = submit_below,
                                               .close = close_below,
                                               .info = info_below };
    const struct tn_mapped_file file = { .fd = below->fd, .granule = PAGE };
    const struct tn_disk_label label = { .name = "x", .engine = "io_uring", .why = "" };
    struct tenon_disk *lower = NULL, *disk = NULL;

    survive();
    assert_int_equal(tenon_disk_open_custom(&ops, below, &lower), 0);
    assert_int_equal(tn_cached_open(&body_ops, below, &file, lower, &label, &disk), 0);
    rig_open(rig, disk);
}

/* A file of a file system that can drop pages; -1 where there is none. */
static int real_file(void)
{
    unsigned char resident[PAGES];
    char path[128];
    void *at;
    int fd;

    temp_file(NULL, 0, path);
    fd = open(path, O_RDWR | O_CLOEXEC);
    unlink(path);
    for (unsigned i = 0; i < PAGES; i++) {
        uint8_t page[PAGE];
        memset(page, (int)(i + 1), sizeof(page));
        assert_int_equal(pwrite(fd, page, PAGE, (off_t)i * PAGE), PAGE);
    }
    assert_int_equal(fsync(fd), 0);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    at = mmap(NULL, BYTES, PROT_READ, MAP_SHARED, fd, 0);
    assert_ptr_not_equal(at, MAP_FAILED);
    assert_int_equal(mincore(at, BYTES, (void *)resident), 0);
    munmap(at, BYTES);
    for (unsigned i = 0; i < PAGES; i++) {
        if (resident[i] & 1) {
            close(fd);
            return -1;
        }
    }
    return fd;
}

static void expect_page(struct rig *rig, unsigned page)
{
    uint8_t data[PAGE] = { 0 };

    assert_int_equal(rig_read(rig, (uint64_t)page * PAGE, PAGE, data), 0);
    assert_int_equal(data[0], page + 1);
    assert_int_equal(data[PAGE - 1], page + 1);
}

static void test_only_what_is_cached_is_copied(void **state)
{
    struct below below = { .fd = real_file() };
    uint8_t data[PAGE];
    struct rig rig;

    (void)state;
    if (below.fd < 0) {
        print_message("skipped: this file system keeps its pages\n");
        skip();
    }
    open_over(&rig, &below);
    expect_page(&rig, 20);
    assert_int_equal(below.submitted, 1);
    /* that one is there now, whatever its neighbours are */
    posix_fadvise(below.fd, 0, 0, POSIX_FADV_DONTNEED);
    assert_int_equal(pread(below.fd, data, PAGE, 40 * PAGE), PAGE);
    expect_page(&rig, 40);
    assert_int_equal(below.submitted, 1);
    /* a whole chunk is there: it is believed, and right also where a page is dropped meanwhile */
    for (unsigned i = 0; i < PAGES; i++) {
        assert_int_equal(pread(below.fd, data, PAGE, (off_t)i * PAGE), PAGE);
    }
    expect_page(&rig, 0);
    posix_fadvise(below.fd, 0, 0, POSIX_FADV_DONTNEED);
    expect_page(&rig, 1);
    assert_int_equal(rig_write(&rig, 0, PAGE, data), 0);
    assert_int_equal(below.submitted, 2);
    assert_int_equal(below.runs, 0);
    rig_close(&rig);
    close(below.fd);
}

/* ---- by the way that a user takes ---- */

static struct tenon_disk *open_auto(int fd)
{
    struct tenon_file_opts opts = { .size = sizeof(opts), .threads = 2 };
    struct tenon_disk *disk = NULL;
    const char *why = "";

    survive();
    assert_int_equal(tenon_disk_open_fd(fd, &opts, &disk), 0);
    assert_non_null(tenon_disk_engine(disk, &why));
    assert_non_null(strstr(why, "what is cached is read from a mapping"));
    return disk;
}

/* First of all tests: nobody has said yet that SIGBUS is handled. */
static void test_not_without_a_handler(void **state)
{
    struct tenon_file_opts opts = { .size = sizeof(opts), .threads = 2 };
    struct tenon_disk *disk = NULL;
    const char *why = "";
    int fd = memfd_create("image", MFD_CLOEXEC);

    (void)state;
    assert_int_equal(ftruncate(fd, BYTES), 0);
    assert_int_equal(tenon_disk_open_fd(fd, &opts, &disk), 0);
    assert_non_null(tenon_disk_engine(disk, &why));
    assert_non_null(strstr(why, "not read from a mapping: nothing in this process handles SIGBUS"));
    tenon_disk_close(disk);
    tenon_sigbus_installed();
    tenon_disk_close(open_auto(fd));
    close(fd);
}

static void test_random_operations(void **state)
{
    (void)state;
    survive();
    random_operations("threads=2", RANDOM_MOST, 150);
}

static void test_a_file_that_gets_shorter_and_longer(void **state)
{
    static uint8_t data[2][PAGE], whole[BYTES];
    struct job *jobs[2];
    struct rig rig;
    int fd = memfd_create("image", MFD_CLOEXEC);

    need_fault_address();
    (void)state;
    memset(whole, 's', sizeof(whole));
    assert_int_equal(pwrite(fd, whole, BYTES, 0), BYTES);
    rig_open(&rig, open_auto(fd));
    assert_int_equal(rig_read(&rig, 32 * PAGE, PAGE, data[1]), 0); /* seen */
    assert_int_equal(ftruncate(fd, 16 * PAGE + 512), 0);
    memset(data, 0, sizeof(data));
    jobs[0] = rig_job(&rig, TENON_IO_READ, 0, 0, PAGE, data[0]);
    jobs[1] = rig_job(&rig, TENON_IO_READ, 0, 32 * PAGE, PAGE, data[1]);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(rig_submit(&rig, jobs[i]), 0);
    }
    tn_channel_commit(rig.disk, rig.channel);
    rig_wait(&rig, rig.finished + 2);
    assert_int_equal(jobs[0]->result, 0);
    assert_int_equal(data[0][PAGE - 1], 's');
    assert_int_equal(jobs[1]->result, -EIO);
    free(jobs[0]);
    free(jobs[1]);
    assert_true(signals > 0);
    assert_int_equal(rig_read(&rig, 16 * PAGE, PAGE, data[0]), -EIO); /* no fault tells of that */
    assert_int_equal(ftruncate(fd, 2 * BYTES), 0);
    assert_int_equal(rig_info(rig.disk).bytes, 2 * BYTES);
    assert_int_equal(rig_read(&rig, 2 * BYTES - PAGE, PAGE, data[0]), 0);
    assert_int_equal(data[0][0], 0);
    rig_close(&rig);
    close(fd);
}

/* KiB of the file that count as this process's memory. */
static unsigned long counted(void)
{
    FILE *maps = fopen("/proc/self/smaps", "re");
    unsigned long sum = 0, kib;
    bool ours = false;
    char line[512];

    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        if (strstr(line, "memfd:")) {
            ours = strstr(line, "memfd:image") != NULL;
        } else if (ours && sscanf(line, "Rss: %lu kB", &kib) == 1) {
            sum += kib;
            ours = false;
        }
    }
    fclose(maps);
    return sum;
}

static void test_an_idle_channel_lets_go(void **state)
{
    static uint8_t data[BYTES];
    struct rig rig;
    int fd = memfd_create("image", MFD_CLOEXEC);

    (void)state;
    memset(data, 'i', sizeof(data));
    assert_int_equal(pwrite(fd, data, BYTES, 0), BYTES);
    rig_open(&rig, open_auto(fd));
    assert_int_equal(rig_read(&rig, 0, BYTES, data), 0);
    assert_int_equal(counted(), BYTES / 1024);
    for (unsigned i = 0; i < 60 && counted() != 0; i++) {
        assert_true(tenon_worker_run(rig.worker, 1000) >= 0);
    }
    assert_int_equal(counted(), 0);
    assert_int_equal(rig_read(&rig, 0, BYTES, data), 0);
    assert_int_equal(data[BYTES - 1], 'i');
    rig_close(&rig);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_without_a_handler),
        cmocka_unit_test(test_only_what_is_cached_is_copied),
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_a_file_that_gets_shorter_and_longer),
        cmocka_unit_test(test_an_idle_channel_lets_go),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
