/*
 * test_uring_file.c: files over io_uring: the same content as by the other engines, a daemon that
 * was killed, and what is said where there is no io_uring. Skipped where there is none.
 */
#include "disk_random.h"
#include "no_uring.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "disk/body.h"

enum { BYTES = 1 << 20 };

static void need_uring(void)
{
    const char *why = "";

    if (tn_uring_probe(&why) != 0) {
        print_message("skipped: %s\n", why);
        skip();
    }
}

static struct tenon_disk *open_keys(const char *path, const char *keys)
{
    struct tenon_disk *disk = NULL;
    char spec[256];

    snprintf(spec, sizeof(spec), "file=%s,engine=io_uring%s", path, keys);
    if (tenon_disk_open(spec, &disk) != 0) {
        fail_msg("%s: %s", spec, tenon_error());
    }
    return disk;
}

/* Not on every file system. */
static bool direct_works(void)
{
    struct tenon_file_opts opts = { .size = sizeof(opts), .direct = true };
    struct tenon_disk *disk = NULL;
    char path[128];

    temp_file(NULL, BYTES, path);
    bool works = tenon_disk_open_file(path, &opts, &disk) == 0;
    tenon_disk_close(disk);
    unlink(path);
    return works;
}

/* ---- content ---- */

static void test_random_operations(void **state)
{
    (void)state;
    need_uring();
    random_operations("engine=io_uring", RANDOM_MOST, 150);
}

static void test_random_operations_one_at_a_time(void **state)
{
    (void)state;
    need_uring();
    random_operations("engine=io_uring", 1, 300);
}

/* Half of the buffers do not fit direct I/O and go through the bounce buffers' threads. */
static void test_random_operations_past_the_page_cache(void **state)
{
    (void)state;
    need_uring();
    if (!direct_works()) {
        print_message("skipped: direct I/O does not work in the directory for temporary files\n");
        skip();
    }
    random_operations("engine=io_uring,direct=on", RANDOM_MOST, 150);
}

/* More than one call of the kernel takes, and more calls than one submission holds. */
static void test_very_long_lists(void **state)
{
    enum { PIECES = 2050, MANY = 700 };
    static struct iovec iov[PIECES];
    static uint8_t out[PIECES * 512], in[PIECES * 512];
    struct job *jobs[MANY];
    uint32_t random = 5;
    char path[128];
    struct rig rig;

    (void)state;
    need_uring();
    temp_file(NULL, sizeof(out), path);
    fill_random(&random, out, sizeof(out));
    rig_open(&rig, open_keys(path, ""));
    for (unsigned i = 0; i < PIECES; i++) {
        iov[i] = (struct iovec){ out + i * 512, 512 };
    }
    assert_int_equal(rig_iov(&rig, TENON_IO_WRITE, 0, sizeof(out), iov, PIECES), 0);
    for (unsigned i = 0; i < PIECES; i++) {
        iov[i].iov_base = in + i * 512;
    }
    assert_int_equal(rig_iov(&rig, TENON_IO_READ, 0, sizeof(in), iov, PIECES), 0);
    assert_memory_equal(in, out, sizeof(in));
    memset(in, 0, sizeof(in));
    for (unsigned i = 0; i < MANY; i++) {
        jobs[i] = rig_job(&rig, TENON_IO_READ, 0, i * 512, 512, in + i * 512);
        assert_int_equal(rig_submit(&rig, jobs[i]), 0);
    }
    tn_channel_commit(rig.disk, rig.channel);
    rig_wait(&rig, 2 + MANY);
    assert_memory_equal(in, out, MANY * 512);
    for (unsigned i = 0; i < MANY; i++) {
        free(jobs[i]);
    }
    rig_close(&rig);
    unlink(path);
}

static void test_ranges_and_flushes(void **state)
{
    static uint8_t data[BYTES], zeroes[BYTES];
    struct stat st;
    char path[128];
    struct rig rig;

    (void)state;
    need_uring();
    temp_file(NULL, BYTES, path);
    memset(data, 'x', sizeof(data));
    rig_open(&rig, open_keys(path, ""));
    assert_int_equal(rig_io(&rig, TENON_IO_WRITE, TENON_IO_FUA, 0, BYTES, data), 0);
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, 0, 4096, 8192, NULL), 0);
    assert_int_equal(
        rig_io(&rig, TENON_IO_ZEROES, TENON_IO_UNMAP | TENON_IO_FUA, 65536, 65536, NULL), 0);
    assert_int_equal(rig_io(&rig, TENON_IO_DISCARD, 0, 1 << 19, 1 << 19, NULL), 0);
    assert_int_equal(rig_io(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    assert_int_equal(rig_read(&rig, 0, BYTES, data), 0);
    assert_int_equal(data[4095], 'x');
    assert_memory_equal(data + 4096, zeroes, 8192);
    assert_int_equal(data[4096 + 8192], 'x');
    assert_memory_equal(data + 65536, zeroes, 65536);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, BYTES);
    assert_true(st.st_blocks * 512 < BYTES);
    rig_close(&rig);
    unlink(path);
}

static void test_errors(void **state)
{
    static uint8_t data[8192];
    struct iovec hole[] = { { data, 4096 }, { NULL, 4096 } };
    char path[128];
    struct rig rig;

    (void)state;
    need_uring();
    temp_file(NULL, BYTES, path);
    rig_open(&rig, open_keys(path, ""));
    assert_int_equal(truncate(path, 4096), 0);
    assert_int_equal(rig_read(&rig, 4096, 4096, data), -EIO);
    assert_int_equal(rig_read(&rig, 0, 8192, data), -EIO);
    assert_int_equal(rig_read(&rig, 0, 4096, data), 0);
    assert_int_equal(truncate(path, BYTES), 0);
    assert_int_equal(rig_iov(&rig, TENON_IO_READ, 0, 8192, hole, 2), -EFAULT);
    assert_int_equal(rig_iov(&rig, TENON_IO_WRITE, 0, 8192, hole, 2), -EFAULT);
    assert_int_equal(rig_read(&rig, 0, 8192, data), 0);
    rig_close(&rig);
    rig_open(&rig, open_keys(path, ",read-only=on"));
    assert_int_equal(rig_write(&rig, 0, 512, data), -EROFS);
    assert_int_equal(rig_io(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    rig_close(&rig);
    unlink(path);
}

/* ---- ends ---- */

/* Opened, used and closed again and again: nothing of a ring holds the file, or its lock. */
static void test_again_and_again(void **state)
{
    uint8_t data[512];
    char path[128];
    struct rig rig;

    (void)state;
    need_uring();
    temp_file(NULL, BYTES, path);
    for (unsigned i = 0; i < 50; i++) {
        rig_open(&rig, open_keys(path, ""));
        assert_int_equal(rig_write(&rig, 0, 512, data), 0);
        rig_close(&rig);
    }
    unlink(path);
}

/* ---- a process that was killed ---- */

static void write_for_ever(const char *path)
{
    static uint8_t data[65536];
    struct job *jobs[16];
    struct rig rig;

    rig_open(&rig, open_keys(path, direct_works() ? ",direct=on" : ""));
    for (unsigned n = 0;; n++) {
        for (unsigned i = 0; i < 16; i++) {
            jobs[i] = rig_job(&rig, TENON_IO_WRITE, 0, i * sizeof(data), sizeof(data), data);
            rig_submit(&rig, jobs[i]);
        }
        tn_channel_commit(rig.disk, rig.channel);
        rig_wait(&rig, rig.finished + 16);
        for (unsigned i = 0; i < 16; i++) {
            free(jobs[i]);
        }
    }
}

/*
 * What it had under way lives on in the kernel for a moment, and holds the lock for as long: its
 * successor waits for that instead of giving up.
 */
static void test_the_successor_of_a_killed_process(void **state)
{
    char path[128];

    (void)state;
    need_uring();
    temp_file(NULL, BYTES, path);
    for (unsigned i = 0; i < 5; i++) {
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            write_for_ever(path);
            _exit(1);
        }
        usleep(50000 + i * 3000);
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, NULL, 0), child);
        tenon_disk_close(open_keys(path, ""));
    }
    unlink(path);
}

/* ---- where there is no io_uring ---- */

/* In a process of its own, since a filter cannot be taken off again. 0: as it should be. */
static int refused_with(int error, const char *path, const char *words)
{
    struct tenon_disk *disk = NULL;
    char spec[200];
    pid_t child = fork();
    int status = -1;

    if (child == 0) {
        if (refuse_io_uring(error) != 0) {
            _exit(77);
        }
        snprintf(spec, sizeof(spec), "file=%s,engine=io_uring", path);
        int r = tenon_disk_open(spec, &disk);
        bool right = r == -error && strstr(tenon_error(), words) &&
                     strstr(tenon_error(), "use engine=threads");
        if (!right) {
            print_error("%d: %s\n", r, tenon_error());
        }
        _exit(right ? 0 : 1);
    }
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void test_forbidden(void **state)
{
    char path[128];
    int r;

    (void)state;
    need_uring();
    temp_file(NULL, BYTES, path);
    r = refused_with(EPERM, path, "seccomp");
    if (r == 77) {
        unlink(path);
        print_message("skipped: this system has no seccomp filters\n");
        skip();
    }
    assert_int_equal(r, 0);
    assert_int_equal(refused_with(ENOSYS, path, "this kernel has no io_uring"), 0);
    assert_int_equal(refused_with(ENOMEM, path, "memory"), 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random_operations),
        cmocka_unit_test(test_random_operations_one_at_a_time),
        cmocka_unit_test(test_random_operations_past_the_page_cache),
        cmocka_unit_test(test_very_long_lists),
        cmocka_unit_test(test_ranges_and_flushes),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_again_and_again),
        cmocka_unit_test(test_the_successor_of_a_killed_process),
        cmocka_unit_test(test_forbidden),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
