/*
 * test_region.c: regions that come as a file descriptor with an offset, and what is refused (VU-22,
 * VU-24).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "mem/table.h"

enum { PAGE = 4096 };

static int new_memfd(off_t bytes)
{
    int fd = memfd_create("guest", MFD_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, bytes), 0);
    return fd;
}

/*
 * Whether this process still has a mapping that begins at `at` (whose pages were named by msync).
 */
static bool is_mapped(void *at, size_t bytes)
{
    return msync(at, bytes, MS_ASYNC) == 0;
}

static void offsets_need_not_be_aligned_VU_24(void **state)
{
    (void)state;
    static const uint64_t offsets[] = { 0, 1, 512, PAGE - 1, PAGE, PAGE + 7, 3 * PAGE + 100 };
    int fd = new_memfd(6 * PAGE);

    for (unsigned i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
        struct tenon_region options = { .size = sizeof(options),
                                        .gpa = 0x10000,
                                        .bytes = 2 * PAGE - 50,
                                        .fd = fd,
                                        .fd_offset = offsets[i] };
        struct tn_region *region = NULL;
        char byte = (char)('a' + i), read = 0;

        assert_int_equal(pwrite(fd, &byte, 1, (off_t)offsets[i]), 1);
        assert_int_equal(tn_region_new(&options, &region), 0);
        assert_int_equal(region->host[0], byte);
        region->host[2 * PAGE - 51] = 'Z';
        assert_int_equal(pread(fd, &read, 1, (off_t)offsets[i] + 2 * PAGE - 51), 1);
        assert_int_equal(read, 'Z');

        void *mapping = region->mapping;
        size_t bytes = region->mapping_bytes;
        assert_true(is_mapped(mapping, bytes));
        tn_region_put(region);
        for (size_t page = 0; page < bytes; page += PAGE) {
            assert_false(is_mapped((char *)mapping + page, PAGE));
        }
    }
    close(fd);
}

static void the_descriptor_is_not_kept(void **state)
{
    (void)state;
    int fd = new_memfd(PAGE);
    struct tenon_region options = { .size = sizeof(options), .gpa = 0, .bytes = PAGE, .fd = fd };
    struct tn_region *region = NULL;

    assert_int_equal(tn_region_new(&options, &region), 0);
    assert_int_equal(close(fd), 0);
    region->host[PAGE - 1] = 1;
    tn_region_put(region);
}

static void refuses(const struct tenon_region *options, int error)
{
    struct tn_region *region = NULL;
    assert_int_equal(tn_region_new(options, &region), error);
    assert_null(region);
    assert_true(strlen(tenon_error()) > 20);
}

static void wrong_regions_are_refused_VU_22(void **state)
{
    (void)state;
    static char host[64];
    int fd = new_memfd(2 * PAGE);
    int unmappable = open("/dev/null", O_RDWR | O_CLOEXEC);
    struct tenon_region good = { .size = sizeof(good), .gpa = 0x1000, .bytes = 2 * PAGE, .fd = fd };
    struct tenon_region bad;

    bad = good, bad.bytes = 0, refuses(&bad, -EINVAL);
    bad = good, bad.bytes = 2 * PAGE + 1, refuses(&bad, -EINVAL);
    bad = good, bad.fd_offset = 1, refuses(&bad, -EINVAL);
    bad = good, bad.fd_offset = 2 * PAGE, refuses(&bad, -EINVAL);
    bad = good, bad.fd_offset = UINT64_MAX, refuses(&bad, -EINVAL);
    bad = good, bad.fd_offset = UINT64_MAX - 2 * PAGE + 1, refuses(&bad, -EINVAL);
    bad = good, bad.fd_offset = INT64_MAX, refuses(&bad, -EINVAL);
    bad = good, bad.gpa = UINT64_MAX - 2 * PAGE + 1, refuses(&bad, -EINVAL);
    bad = good, bad.gpa = UINT64_MAX, refuses(&bad, -EINVAL);
    bad = good, bad.fd = -1, refuses(&bad, -EINVAL);
    bad = good, bad.fd = 1000000, refuses(&bad, -EBADF);
    bad = good, bad.flags = 2, refuses(&bad, -EINVAL);
    bad = good, bad.host = host, bad.gpa = 0, bad.bytes = UINT64_MAX, refuses(&bad, -EINVAL);
    bad = good, bad.host = (void *)(UINTPTR_MAX - 10), bad.bytes = 64, refuses(&bad, -EINVAL);
    bad = good, bad.fd = unmappable, refuses(&bad, -ENODEV);
    close(unmappable);
    close(fd);
}

/* The last guest address that a region can have, and not one more. */
static void region_up_to_the_end_of_addresses(void **state)
{
    (void)state;
    static uint8_t host[PAGE];
    struct tenon_region options = {
        .size = sizeof(options), .gpa = UINT64_MAX - PAGE, .bytes = PAGE, .host = host
    };
    struct tn_region *region = NULL;

    assert_int_equal(tn_region_new(&options, &region), 0);
    tn_region_put(region);
    options.gpa++;
    refuses(&options, -EINVAL);
}

static void read_only_region_takes_a_read_only_file(void **state)
{
    (void)state;
    int fd = new_memfd(PAGE);
    char path[64];
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    int reading = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(reading >= 0);
    struct tenon_region options = { .size = sizeof(options), .bytes = PAGE, .fd = reading };
    struct tn_region *region = NULL;

    refuses(&options, -EACCES);
    options.flags = TENON_REGION_READ_ONLY;
    assert_int_equal(tn_region_new(&options, &region), 0);
    assert_int_equal(region->host[0], 0);
    tn_region_put(region);
    close(reading);
    close(fd);
}

static void huge_pages_keep_their_boundaries(void **state)
{
    (void)state;
    enum { HUGE = 2 << 20 };
    int fd = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB | (21u << 26));
    if (fd < 0 || ftruncate(fd, 2l * HUGE) != 0) {
        print_message("no huge pages in this kernel\n");
        skip();
    }
    void *tried = mmap(NULL, 2l * HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (tried == MAP_FAILED) {
        print_message("%s\n", errno == ENOMEM ? "no huge pages are set aside (vm.nr_hugepages)"
                                              : "huge pages cannot be mapped here (qemu-user)");
        close(fd);
        skip();
    }
    munmap(tried, 2l * HUGE);
    struct tenon_region options = {
        .size = sizeof(options), .bytes = HUGE, .fd = fd, .fd_offset = PAGE
    };
    struct tn_region *region = NULL;
    assert_int_equal(tn_region_new(&options, &region), 0);
    assert_int_equal(region->mapping_bytes, 2l * HUGE);
    assert_int_equal(region->host - (uint8_t *)region->mapping, PAGE);
    void *mapping = region->mapping;
    tn_region_put(region);
    assert_false(is_mapped(mapping, PAGE));
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offsets_need_not_be_aligned_VU_24),
        cmocka_unit_test(the_descriptor_is_not_kept),
        cmocka_unit_test(wrong_regions_are_refused_VU_22),
        cmocka_unit_test(region_up_to_the_end_of_addresses),
        cmocka_unit_test(read_only_region_takes_a_read_only_file),
        cmocka_unit_test(huge_pages_keep_their_boundaries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
