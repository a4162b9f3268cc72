/*
 * test_grammar.c: tenon_disk_open: each key arrives, and each mistake is answered with what to do.
 */
#include "disk_rig.h"

#include <fcntl.h>

static char path[128];

static int make_file(void **state)
{
    (void)state;
    temp_file(NULL, 1 << 20, path);
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static struct tenon_disk *open_spec(const char *form, const char *rest)
{
    struct tenon_disk *disk = NULL;
    char spec[512];

    snprintf(spec, sizeof(spec), "%s%s%s", form, path, rest);
    if (tenon_disk_open(spec, &disk) != 0) {
        fail_msg("%s: %s", spec, tenon_error());
    }
    return disk;
}

static void expect_refused(const char *spec, int error, const char *says)
{
    struct tenon_disk *disk = NULL;

    assert_int_equal(tenon_disk_open(spec, &disk), error);
    assert_null(disk);
    if (!strstr(tenon_error(), says)) {
        fail_msg("\"%s\" was answered with: %s", spec, tenon_error());
    }
}

static void expect_rest_refused(const char *rest, const char *says)
{
    char spec[512];

    snprintf(spec, sizeof(spec), "file=%s,%s", path, rest);
    expect_refused(spec, -EINVAL, says);
}

static void test_file(void **state)
{
    struct tenon_disk *disk = open_spec("file=", "");
    struct tenon_disk_info info = rig_info(disk);
    const char *why = NULL;

    (void)state;
    assert_int_equal(info.bytes, 1 << 20);
    assert_int_equal(info.block_bytes, 512);
    assert_false(info.read_only);
    assert_true(info.can_flush);
    assert_non_null(tenon_disk_engine(disk, &why)); /* which: test_file_engine.c */
    assert_non_null(strstr(why, "operations"));
    tenon_disk_close(disk);
}

static void test_all_keys_of_a_file(void **state)
{
    struct tenon_disk *disk = open_spec("read-only=on,file=", ",offset=64K,size=128K,block-size=4K,"
                                                              "engine=inline,direct=off");
    struct tenon_disk_info info = rig_info(disk);

    (void)state;
    assert_int_equal(info.bytes, 128 << 10);
    assert_int_equal(info.block_bytes, 4096);
    assert_true(info.read_only);
    assert_string_equal(tenon_disk_engine(disk, NULL), "inline");
    tenon_disk_close(disk);

    disk = open_spec("file=", ",discard=off,lock=off,threads=2,engine=threads");
    assert_false(rig_info(disk).can_discard);
    assert_false(rig_info(disk).zero_unmaps);
    assert_true(rig_info(disk).can_zero); /* one switch, one meaning */
    tenon_disk_close(open_spec("file=", ",lock=off"));
    tenon_disk_close(disk);
}

static void test_fd(void **state)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    struct tenon_disk *disk = NULL;
    char spec[32];

    (void)state;
    snprintf(spec, sizeof(spec), "fd=%d", fd);
    assert_int_equal(tenon_disk_open(spec, &disk), 0);
    close(fd);
    assert_int_equal(rig_info(disk).bytes, 1 << 20);
    tenon_disk_close(disk);
    expect_refused("fd=1000000", -EBADF, "descriptor 1000000");
    expect_refused("fd=99999999999", -EINVAL, "too large");
    expect_refused("fd=x", -EINVAL, "no size");
}

static void test_memory(void **state)
{
    struct tenon_disk *disk = NULL;

    (void)state;
    assert_int_equal(tenon_disk_open("memory=3M,read-only=on", &disk), 0);
    assert_int_equal(rig_info(disk).bytes, 3 << 20);
    assert_true(rig_info(disk).read_only);
    assert_string_equal(tenon_disk_engine(disk, NULL), "memory");
    tenon_disk_close(disk);
    expect_refused("memory=0", -EINVAL, "sector");
    expect_refused("memory=1M,direct=on", -EINVAL, "direct= means nothing for memory=");
    expect_refused("memory=1M,threads=3", -EINVAL, "threads= means nothing for memory=");
}

static void test_commas_in_a_path(void **state)
{
    struct tenon_disk *disk = NULL;
    char odd[160], spec[256];

    (void)state;
    snprintf(odd, sizeof(odd), "%s,=x", path);
    snprintf(spec, sizeof(spec), "file=%s,,=x,lock=off", path);
    assert_int_equal(link(path, odd), 0);
    assert_int_equal(tenon_disk_open(spec, &disk), 0);
    tenon_disk_close(disk);
    unlink(odd);
}

static void test_mistakes(void **state)
{
    (void)state;
    expect_refused("", -EINVAL, "exactly one of");
    expect_refused("a.img", -EINVAL, "write file=a.img");
    expect_refused("flie=a.img", -EINVAL, "did you mean \"file\"?");
    expect_refused("bandwidth=9", -EINVAL, "its keys are file, memory");
    expect_refused("memory=1M,fd=3", -EINVAL, "exactly one of");
    expect_refused("file=", -EINVAL, "no path");
    expect_refused("file=/nowhere/at/all", -ENOENT, "/nowhere/at/all");
    expect_rest_refused("readonly=on", "did you mean \"read-only\"?");
    expect_rest_refused("read-only=maybe", "read-only=on or read-only=off");
    expect_rest_refused("read-only", "has no value");
    expect_rest_refused("file=b", "twice");
    expect_rest_refused("engine=thread", "did you mean \"threads\"?");
    expect_rest_refused("engine=warp", "auto, inline, threads, io_uring or mapped");
    expect_rest_refused("threads=0", "threads=0");
    expect_rest_refused("threads=65", "1 to 64");
    expect_rest_refused("threads=4,engine=inline", "means nothing");
    expect_rest_refused("size=0", "leave size out");
    expect_rest_refused("size=1.5M", "no size");
    expect_rest_refused("size=2M", "not inside");
    expect_rest_refused("offset=1M,size=512", "not inside");
    expect_rest_refused("offset=1M", "nothing to serve");
    expect_rest_refused("block-size=1000", "power of 2");
    expect_rest_refused("block-size=256", "power of 2");
    expect_rest_refused("block-size=128K", "power of 2");
    expect_rest_refused("block-size=0", "power of 2");
    expect_rest_refused("discard=x", "discard=on or discard=off");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file),
        cmocka_unit_test(test_all_keys_of_a_file),
        cmocka_unit_test(test_fd),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_commas_in_a_path),
        cmocka_unit_test(test_mistakes),
    };
    return cmocka_run_group_tests(tests, make_file, remove_file);
}
