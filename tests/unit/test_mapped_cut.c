/*
 * test_mapped_cut.c: a mapped file that somebody makes shorter, or that its file system has no room
 * for: that request fails, and nothing else does.
 */
#include "mapped_rig.h"
#include "needs.h"

#include <sys/mount.h>
#include <sys/stat.h>

#include "disk/body.h"

static int handle_sigbus(void **state)
{
    (void)state;
    tenon_sigbus_installed();
    return 0;
}

/* One batch: what lies in the file is done, what does not is an error, and the process lives. */
static void test_a_truncated_image(void **state)
{
    static uint8_t data[4][PAGE];
    struct job *jobs[4];
    struct rig rig;
    int fd = open_memory(&rig);

    need_fault_address();
    (void)state;
    memset(data, 'd', sizeof(data));
    assert_int_equal(rig_write(&rig, 0, PAGE, data[0]), 0);
    assert_int_equal(rig_write(&rig, 32 * PAGE, PAGE, data[0]), 0);
    assert_int_equal(ftruncate(fd, 16 * PAGE), 0);
    memset(data, 0, sizeof(data));
    jobs[0] = rig_job(&rig, TENON_IO_READ, 0, 0, PAGE, data[0]);
    jobs[1] = rig_job(&rig, TENON_IO_READ, 0, 32 * PAGE, PAGE, data[1]);
    jobs[2] = rig_job(&rig, TENON_IO_WRITE, 0, 2 * PAGE, PAGE, data[2]);
    jobs[3] = rig_job(&rig, TENON_IO_READ, 0, 15 * PAGE, PAGE, data[3]);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(rig_submit(&rig, jobs[i]), 0);
    }
    tn_channel_commit(rig.disk, rig.channel);
    rig_wait(&rig, rig.finished + 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(jobs[i]->result, i == 1 ? -EIO : 0);
        free(jobs[i]);
    }
    assert_int_equal(data[0][0], 'd');
    assert_true(signals > 0);
    /* longer again: as good as new, and nothing that was written is lost */
    assert_int_equal(ftruncate(fd, BYTES), 0);
    memset(data, 'e', sizeof(data));
    assert_int_equal(rig_write(&rig, 32 * PAGE, PAGE, data[0]), 0);
    memset(data, 0, sizeof(data));
    assert_int_equal(pread(fd, data[0], PAGE, 32 * PAGE), PAGE);
    assert_int_equal(data[0][PAGE - 1], 'e');
    assert_int_equal(rig_read(&rig, 33 * PAGE, PAGE, data[1]), 0);
    rig_close(&rig);
    close(fd);
}

/* Within the last page there is no fault, and what is gone reads as zeroes: still an error. */
static void test_truncated_within_a_page(void **state)
{
    static uint8_t data[PAGE];
    struct rig rig;
    int fd = open_memory(&rig);

    need_fault_address();
    (void)state;
    assert_int_equal(ftruncate(fd, 8 * PAGE + 512), 0);
    assert_int_equal(rig_read(&rig, 8 * PAGE, PAGE, data), -EIO);
    assert_int_equal(rig_read(&rig, 8 * PAGE + 512, 512, data), -EIO);
    assert_int_equal(rig_read(&rig, 8 * PAGE, 512, data), 0);
    /* a write makes the file longer again, as by the other engines */
    memset(data, 'w', sizeof(data));
    assert_int_equal(rig_write(&rig, 8 * PAGE + 1024, 512, data), 0);
    assert_int_equal(lseek(fd, 0, SEEK_END), 8 * PAGE + 1536);
    memset(data, 0, sizeof(data));
    assert_int_equal(pread(fd, data, 512, 8 * PAGE + 1024), 512);
    assert_int_equal(data[0], 'w');
    assert_int_equal(signals, 0);
    rig_close(&rig);
    close(fd);
}

/* Cut, copied to, and longer than ever, all before the batch ends: what was copied is not lost. */
static void test_cut_and_grown_within_a_batch(void **state)
{
    static uint8_t data[PAGE];
    struct job *cut, *beyond;
    struct rig rig;
    int fd = open_memory(&rig);

    need_fault_address();
    (void)state;
    memset(data, 'c', sizeof(data));
    cut = rig_job(&rig, TENON_IO_WRITE, 0, 32 * PAGE, PAGE, data);
    beyond = rig_job(&rig, TENON_IO_WRITE, 0, 2 * BYTES - PAGE, PAGE, data);
    assert_int_equal(ftruncate(fd, 2 * BYTES), 0);
    assert_int_equal(rig_info(rig.disk).bytes, 2 * BYTES);
    assert_int_equal(ftruncate(fd, 16 * PAGE), 0);
    assert_int_equal(rig_submit(&rig, cut), 0);
    assert_int_equal(ftruncate(fd, 2 * BYTES), 0);
    assert_int_equal(rig_submit(&rig, beyond), 0);
    tn_channel_commit(rig.disk, rig.channel);
    rig_wait(&rig, 2);
    assert_int_equal(cut->result, 0);
    assert_int_equal(beyond->result, 0);
    memset(data, 0, sizeof(data));
    assert_int_equal(pread(fd, data, PAGE, 32 * PAGE), PAGE);
    assert_int_equal(data[0], 'c');
    assert_int_equal(signals, 1);
    free(cut);
    free(beyond);
    rig_close(&rig);
    close(fd);
}

/* ---- what is left to the body ---- */

struct body {
    int fd;
    unsigned runs, flushes;
};

static int run(void *opaque, struct tenon_io *io)
{
    struct body *body = opaque;

    body->runs++;
    body->flushes += io->op == TENON_IO_FLUSH;
    return io->op == TENON_IO_FLUSH ? -EXDEV : -EIO;
}

static int info(void *opaque, struct tenon_disk_info *out)
{
    (void)opaque;
    out->bytes = BYTES;
    out->can_flush = true;
    return 0;
}

/* The body hears of stable writes, and of what a cut has spoilt, but not of what came later. */
static void test_the_body_is_asked_where_it_has_to_be(void **state)
{
    static const struct tn_body_ops ops = { .run = run, .info = info };
    const struct tn_disk_label label = { "test", "mapped", "for a test" };
    struct body body = { .fd = memfd_create("image", MFD_CLOEXEC) };
    struct tn_mapped_file file = { .fd = body.fd, .in_memory = true, .granule = PAGE };
    struct tenon_disk *disk = NULL;
    uint8_t data[PAGE] = { 0 };
    struct rig rig;

    need_fault_address();
    (void)state;
    survive();
    assert_int_equal(ftruncate(body.fd, BYTES), 0);
    assert_int_equal(tn_mapped_open(&ops, &body, &file, &label, &disk), 0);
    rig_open(&rig, disk);
    assert_int_equal(rig_write(&rig, 0, PAGE, data), 0);
    assert_int_equal(body.runs, 0);
    assert_int_equal(rig_io(&rig, TENON_IO_WRITE, TENON_IO_FUA, 0, PAGE, data), -EXDEV);
    assert_int_equal(body.flushes, 1);
    assert_int_equal(ftruncate(body.fd, 0), 0);
    assert_int_equal(rig_read(&rig, 0, PAGE, data), -EIO);
    assert_int_equal(body.runs, 2);
    assert_int_equal(ftruncate(body.fd, BYTES), 0);
    assert_int_equal(rig_read(&rig, 0, PAGE, data), 0);
    assert_int_equal(body.runs, 2);
    rig_close(&rig);
    close(body.fd);
}

/* A file system that is full cannot give a page to a hole: the request hears why. */
static void test_a_full_file_system(void **state)
{
    static uint8_t data[16 * PAGE];
    char dir[128], path[200];
    struct rig rig;
    int fd;

    need_fault_address();
    (void)state;
    temp_file(NULL, 0, dir);
    unlink(dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (mount("tmpfs", dir, "tmpfs", 0, "size=64K") != 0) {
        rmdir(dir);
        print_message("skipped: file systems cannot be mounted here (that needs root)\n");
        skip();
    }
    snprintf(path, sizeof(path), "%s/image", dir);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(ftruncate(fd, BYTES), 0);
    rig_open(&rig, open_fd(fd, (struct tenon_file_opts){ 0 }));
    int most = rig_write(&rig, 0, sizeof(data) / 2, data);
    int more = rig_write(&rig, 16 * PAGE, sizeof(data), data);
    int again = rig_write(&rig, 0, sizeof(data) / 2, data);
    rig_close(&rig);
    close(fd);
    umount(dir);
    rmdir(dir);
    assert_int_equal(most, 0);
    assert_int_equal(more, -ENOSPC);
    assert_int_equal(again, 0);
}

/* ---- several workers, and somebody who cuts and mends the file all the time ---- */

struct user {
    struct tenon_disk *disk;
    pthread_t thread;
    unsigned index, good, gone, wrong;
};

static uint32_t ended; /* atomic */

static void *use_disk(void *opaque)
{
    struct user *user = opaque;
    struct rig rig = { .disk = tn_disk_get(user->disk) };
    uint32_t random = user->index + 1;
    uint8_t data[PAGE];

    user->wrong += tenon_worker_new(NULL, &rig.worker) != 0;
    user->wrong += tn_channel_open(rig.disk, rig.worker, &rig.channel) != 0;
    for (unsigned i = 0; i < 20000; i++) {
        uint64_t at = next_random(&random) % PAGES * PAGE;
        int r = rig_read(&rig, at, PAGE, data);
        user->good += r == 0;
        user->gone += r == -EIO;
        user->wrong += r != 0 && r != -EIO;
    }
    tn_channel_close(rig.disk, rig.channel, rig_on_closed, &rig.closed);
    tenon_worker_free(rig.worker);
    tenon_disk_close(rig.disk);
    __atomic_add_fetch(&ended, 1, __ATOMIC_RELEASE);
    return NULL;
}

static void test_cut_under_several_workers(void **state)
{
    struct user users[3];
    int fd = memfd_create("image", MFD_CLOEXEC);
    struct tenon_disk *disk;

    need_fault_address();
    (void)state;
    assert_int_equal(ftruncate(fd, BYTES), 0);
    disk = open_fd(fd, (struct tenon_file_opts){ .bytes = BYTES });
    for (unsigned i = 0; i < 3; i++) {
        users[i] = (struct user){ .disk = disk, .index = i };
        assert_int_equal(pthread_create(&users[i].thread, NULL, use_disk, &users[i]), 0);
    }
    while (__atomic_load_n(&ended, __ATOMIC_ACQUIRE) < 3) {
        assert_int_equal(ftruncate(fd, BYTES / 2), 0);
        usleep(100);
        assert_int_equal(ftruncate(fd, BYTES), 0);
        usleep(100);
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(users[i].thread, NULL);
        assert_int_equal(users[i].wrong, 0);
        assert_true(users[i].good > 0);
    }
    tenon_disk_close(disk);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_truncated_image),
        cmocka_unit_test(test_truncated_within_a_page),
        cmocka_unit_test(test_cut_and_grown_within_a_batch),
        cmocka_unit_test(test_the_body_is_asked_where_it_has_to_be),
        cmocka_unit_test(test_a_full_file_system),
        cmocka_unit_test(test_cut_under_several_workers),
    };
    return cmocka_run_group_tests(tests, handle_sigbus, NULL);
}
