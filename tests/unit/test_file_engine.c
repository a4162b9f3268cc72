/*
 * test_file_engine.c: the engine that auto picks, and that it says which and why: by file system,
 * by what is forbidden, and where a ring cannot be had later on.
 */
#include "disk_rig.h"
#include "no_uring.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/vfs.h>
#include <sys/wait.h>

#include "disk/file.h"
#include "tenon/base.h"

enum { BYTES = 1 << 20 };

static struct tenon_disk *open_memory_file(enum tenon_engine engine, unsigned threads)
{
    struct tenon_file_opts opts = { .size = sizeof(opts), .engine = engine, .threads = threads };
    struct tenon_disk *disk = NULL;
    int fd = memfd_create("image", MFD_CLOEXEC);

    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, BYTES), 0);
    assert_int_equal(tenon_disk_open_fd(fd, &opts, &disk), 0);
    close(fd);
    return disk;
}

static void expect_engine(struct tenon_disk *disk, const char *engine, const char *words)
{
    const char *why = NULL;

    assert_string_equal(tenon_disk_engine(disk, &why), engine);
    if (!strstr(why, words)) {
        fail_msg("the reason is \"%s\", not \"%s\"", why, words);
    }
    tenon_disk_close(disk);
}

static void test_what_was_asked_for(void **state)
{
    (void)state;
    expect_engine(open_memory_file(TENON_ENGINE_INLINE, 0), "inline", "asked for");
    expect_engine(open_memory_file(TENON_ENGINE_THREADS, 0), "threads", "asked for");
}

static void test_files_in_memory(void **state)
{
    const char *why = "";

    (void)state;
    expect_engine(open_memory_file(TENON_ENGINE_AUTO, 0), "inline", "in memory");
    /* Whoever wants a pool gets one; and tmpfs cannot tell what would wait. */
    if (tn_uring_probe(&why) == 0) {
        why = "on this file system io_uring would hand each of them to a thread";
    }
    expect_engine(open_memory_file(TENON_ENGINE_AUTO, 2), "threads", why);
}

static void open_path(const char *path, const char *keys, struct tenon_disk **out)
{
    char spec[200];

    snprintf(spec, sizeof(spec), "file=%s%s", path, keys);
    assert_int_equal(tenon_disk_open(spec, out), 0);
}

/* Where the tests' files lie may be any file system: the expectation is made here once more. */
static void test_files(void **state)
{
    struct tenon_disk *disk = NULL;
    const char *why = "";
    struct statfs fs;
    char path[128];

    (void)state;
    temp_file(NULL, BYTES, path);
    assert_int_equal(statfs(path, &fs), 0);
    open_path(path, "", &disk);
    if (fs.f_type == TMPFS_MAGIC) {
        expect_engine(disk, "inline", "in memory");
    } else if (tn_uring_probe(&why) != 0) {
        expect_engine(disk, "threads", why);
    } else if (fs.f_type == EXT4_SUPER_MAGIC || fs.f_type == XFS_SUPER_MAGIC) {
        expect_engine(disk, "io_uring", "io_uring does not wait");
    } else {
        assert_non_null(tenon_disk_engine(disk, &why));
        tenon_disk_close(disk);
    }
    unlink(path);
}

/* ---- where it is forbidden ---- */

static int forbidden_child(const char *path)
{
    struct tenon_disk *disk = NULL;
    const char *why = NULL;
    char spec[200];

    if (refuse_io_uring(EPERM) != 0) {
        return 77;
    }
    snprintf(spec, sizeof(spec), "file=%s,threads=2", path);
    if (tenon_disk_open(spec, &disk) != 0) {
        return 1;
    }
    bool threads = strcmp(tenon_disk_engine(disk, &why), "threads") == 0;
    bool reason = strstr(why, "seccomp") || strstr(why, "without liburing");
    tenon_disk_close(disk);
    return threads && reason ? 0 : 1;
}

static void test_forbidden(void **state)
{
    char path[128];
    pid_t child;
    int status = -1;

    (void)state;
    temp_file(NULL, BYTES, path);
    child = fork();
    if (child == 0) {
        _exit(forbidden_child(path));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    unlink(path);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        print_message("skipped: this system has no seccomp filters\n");
        skip();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* ---- a ring that cannot be had any more when a queue starts ---- */

static unsigned lines;

static void count_line(void *opaque, enum tenon_log_level level, const char *line)
{
    (void)opaque;
    lines += level == TENON_LOG_WARNING && strstr(line, "ring of io_uring") != NULL;
}

/* As if every descriptor were in use. */
static int open_channel_without_descriptors(struct rig *rig, struct tenon_disk *disk)
{
    struct rlimit before, tight;
    int next = dup(0), r;

    assert_true(next >= 0);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    tight = before;
    tight.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    r = tn_channel_open(disk, rig->worker, &rig->channel);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    return r;
}

static void test_no_ring_later(void **state)
{
    struct rig rig = { 0 };
    struct tenon_disk *disk = NULL;
    uint8_t data[1024];
    const char *why = "";
    char path[128];

    (void)state;
    temp_file(NULL, BYTES, path);
    open_path(path, "", &disk);
    if (strcmp(tenon_disk_engine(disk, &why), "io_uring") != 0) {
        print_message("skipped: io_uring is not picked here: %s\n", why);
        tenon_disk_close(disk);
        unlink(path);
        skip();
    }
    assert_int_equal(tenon_worker_new(NULL, &rig.worker), 0);
    rig.disk = disk;
    tenon_set_log(count_line, NULL);
    assert_int_equal(open_channel_without_descriptors(&rig, disk), 0);
    tenon_set_log(NULL, NULL);
    assert_int_equal(lines, 1);
    memset(data, 'x', sizeof(data));
    assert_int_equal(rig_write(&rig, 512, sizeof(data), data), 0);
    memset(data, 0, sizeof(data));
    assert_int_equal(rig_read(&rig, 512, sizeof(data), data), 0);
    assert_int_equal(data[1023], 'x');
    rig_close(&rig);
    /* Whoever asked for it by name wants nothing else. */
    assert_int_equal(tenon_worker_new(NULL, &rig.worker), 0);
    open_path(path, ",engine=io_uring", &disk);
    assert_int_equal(open_channel_without_descriptors(&rig, disk), -EMFILE);
    assert_non_null(strstr(tenon_error(), "use engine=threads"));
    tenon_disk_close(disk);
    tenon_worker_free(rig.worker);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_asked_for),
        cmocka_unit_test(test_files_in_memory),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_no_ring_later),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
