/*
 * test_file_io.c: the body of a file, driven directly: parts of direct I/O blocks changed by
 * several threads at once, failing flushes, and the fall-backs for file systems that can do less
 * than this one.
 *
 * The file under the body is an ordinary one: what direct I/O with blocks of 4096 does is tried
 * everywhere.
 */
#include "disk_rig.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>

#include "disk/file.h"

enum { BLOCK = 4096, BYTES = 64 * BLOCK };

static char path[128];

static int open_body(void **state)
{
    struct tn_file *file = calloc(1, sizeof(*file));

    temp_file(NULL, BYTES, path);
    file->fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(file->fd >= 0);
    file->range_align = 1;
    file->direct = true;
    assert_int_equal(tn_bounce_init(&file->bounce, 512, BLOCK, 4), 0);
    tn_blocklock_init(&file->blocklock);
    *state = file;
    return 0;
}

static int close_body(void **state)
{
    struct tn_file *file = *state;

    tn_bounce_destroy(&file->bounce);
    tn_blocklock_destroy(&file->blocklock);
    close(file->fd);
    unlink(path);
    free(file);
    return 0;
}

static int run(struct tn_file *file, unsigned op, unsigned flags, uint64_t at, uint64_t bytes,
               void *data)
{
    struct iovec iov = { data, bytes };
    struct tenon_io io = { .op = (uint8_t)op,
                           .flags = (uint8_t)flags,
                           .offset = at,
                           .bytes = bytes,
                           .iov = data ? &iov : NULL,
                           .iov_count = data ? 1 : 0 };

    return tn_file_run(file, &io);
}

/* ---- several threads in one block ---- */

enum { THREADS = 4, ROUNDS = 400 };

struct writer {
    struct tn_file *file;
    pthread_t thread;
    unsigned index;
    unsigned wrong;
};

/*
 * Each writes its own sector of every block, and reads it back: nobody else's change may take it
 * along.
 */
static void *write_own_sectors(void *opaque)
{
    struct writer *writer = opaque;
    uint8_t data[512], back[512];

    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t at = (uint64_t)(i % 4) * BLOCK + writer->index * 512;

        memset(data, (int)(writer->index * 50 + i % 47 + 1), sizeof(data));
        writer->wrong += run(writer->file, TENON_IO_WRITE, 0, at, 512, data) != 0;
        writer->wrong += run(writer->file, TENON_IO_READ, 0, at, 512, back) != 0;
        writer->wrong += memcmp(data, back, 512) != 0;
        if (i % 16 == 0) {
            writer->wrong += run(writer->file, TENON_IO_ZEROES, 0, at, 512, NULL) != 0;
            writer->wrong += run(writer->file, TENON_IO_READ, 0, at, 512, back) != 0;
            writer->wrong += back[0] != 0 || back[511] != 0;
        }
    }
    return NULL;
}

static void test_neighbours_in_a_block_do_not_lose_writes(void **state)
{
    struct writer writers[THREADS];

    for (unsigned i = 0; i < THREADS; i++) {
        writers[i] = (struct writer){ .file = *state, .index = i * 2 };
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_own_sectors, &writers[i]),
                         0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_int_equal(writers[i].wrong, 0);
    }
}

/* The blocks at the ends of a write belong to their neighbours. */
static void test_parts_of_blocks_leave_the_rest_alone(void **state)
{
    struct tn_file *file = *state;
    uint8_t *all = malloc(BYTES), data[3 * BLOCK];

    memset(all, 0x11, BYTES);
    memset(data, 0x22, sizeof(data));
    assert_int_equal(run(file, TENON_IO_WRITE, 0, 0, BYTES, all), 0);
    assert_int_equal(run(file, TENON_IO_WRITE, TENON_IO_FUA, BLOCK - 512, 2 * BLOCK, data), 0);
    assert_int_equal(run(file, TENON_IO_ZEROES, TENON_IO_UNMAP, 8 * BLOCK + 512, 1024, NULL), 0);
    assert_int_equal(run(file, TENON_IO_READ, 0, 0, BYTES, all), 0);
    for (unsigned i = 0; i < BYTES; i++) {
        uint8_t expected = i >= BLOCK - 512 && i < 3 * BLOCK - 512 ? 0x22 : 0x11;

        if (i >= 8 * BLOCK + 512 && i < 8 * BLOCK + 1536) {
            expected = 0;
        }
        assert_int_equal(all[i], expected);
    }
    free(all);
}

/* ---- fall-backs ---- */

static void expect_zeroes_between(struct tn_file *file, uint64_t from, uint64_t to)
{
    uint8_t *all = malloc(BYTES);

    assert_int_equal(run(file, TENON_IO_READ, 0, 0, BYTES, all), 0);
    for (uint64_t i = 0; i < BYTES; i++) {
        assert_int_equal(all[i], i >= from && i < to ? 0 : 0x11);
    }
    free(all);
}

static void test_zeroes_are_written_where_there_is_no_short_cut(void **state)
{
    struct tn_file *file = *state;
    uint8_t *all = malloc(BYTES);

    memset(all, 0x11, BYTES);
    atomic_store(&file->cannot_unmap, true);
    atomic_store(&file->cannot_zero, true);
    for (unsigned direct = 0; direct < 2; direct++) {
        file->direct = direct != 0;
        assert_int_equal(run(file, TENON_IO_WRITE, 0, 0, BYTES, all), 0);
        assert_int_equal(run(file, TENON_IO_ZEROES, TENON_IO_UNMAP, 512, BYTES - 1024, NULL), 0);
        expect_zeroes_between(file, 512, BYTES - 512);
    }
    file->direct = true;
    free(all);
}

/* A block device zeroes whole blocks; the ends of a range that are not are written. */
static void test_ragged_ranges(void **state)
{
    struct tn_file *file = *state;
    uint8_t *all = malloc(BYTES);

    memset(all, 0x11, BYTES);
    file->range_align = BLOCK;
    assert_int_equal(run(file, TENON_IO_WRITE, 0, 0, BYTES, all), 0);
    assert_int_equal(run(file, TENON_IO_ZEROES, 0, BLOCK - 512, 3 * BLOCK, NULL), 0);
    expect_zeroes_between(file, BLOCK - 512, 4 * BLOCK - 512);
    assert_int_equal(run(file, TENON_IO_WRITE, 0, 0, BYTES, all), 0);
    assert_int_equal(run(file, TENON_IO_ZEROES, 0, BLOCK + 512, 1024, NULL), 0);
    expect_zeroes_between(file, BLOCK + 512, BLOCK + 1536);
    assert_int_equal(run(file, TENON_IO_WRITE, 0, 0, BYTES, all), 0);
    assert_int_equal(run(file, TENON_IO_DISCARD, 0, BLOCK + 512, 1024, NULL), 0);
    expect_zeroes_between(file, 0, 0); /* too small to give back */
    free(all);
}

static void test_discard_that_is_not_possible_is_only_advice(void **state)
{
    struct tn_file *file = *state;

    atomic_store(&file->cannot_discard, true);
    assert_int_equal(run(file, TENON_IO_DISCARD, 0, 0, BYTES, NULL), 0);
    file->no_discard = true;
    assert_int_equal(run(file, TENON_IO_DISCARD, 0, 0, BYTES, NULL), -ENOTSUP);
}

/* ---- errors ---- */

/* Pages that could not be written may be gone; a later flush that says yes would be a lie. */
static void test_a_failed_flush_is_not_forgotten(void **state)
{
    struct tn_file *file = *state;
    int good = file->fd, ends[2];
    uint8_t data[512] = { 0 };

    assert_int_equal(pipe(ends), 0);
    file->direct = false;
    file->fd = ends[1]; /* fdatasync fails on a pipe */
    assert_true(run(file, TENON_IO_FLUSH, 0, 0, 0, NULL) < 0);
    file->fd = good;
    assert_true(run(file, TENON_IO_FLUSH, 0, 0, 0, NULL) < 0);
    assert_int_equal(run(file, TENON_IO_WRITE, 0, 0, 512, data), 0);
    assert_true(run(file, TENON_IO_WRITE, TENON_IO_FUA, 0, 512, data) < 0);
    atomic_store(&file->flush_failed, 0);
    file->direct = true; /* past the page cache nothing is lost that way */
    file->fd = ends[1];
    assert_true(run(file, TENON_IO_FLUSH, 0, 0, 0, NULL) < 0);
    file->fd = good;
    assert_int_equal(run(file, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    close(ends[0]);
    close(ends[1]);
}

/*
 * A limit on the size of files stands in for a full disk: a write that stops half way is an error
 * (fault A2).
 */
static void test_a_full_disk_is_an_error(void **state)
{
    struct tn_file *file = *state;
    struct rlimit before, tight;
    uint8_t data[2 * BLOCK] = { 0 };
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);

    file->direct = false;
    assert_int_equal(ftruncate(file->fd, 0), 0);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = BLOCK;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    int r = run(file, TENON_IO_WRITE, 0, 0, sizeof(data), data);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    file->direct = true;
    assert_int_equal(r, -EFBIG);
}

/* ---- what needs no waiting ---- */

static int at_once(struct tn_file *file, unsigned op, uint64_t at, uint64_t bytes, void *data)
{
    struct iovec iov = { data, bytes };
    struct tenon_io io = {
        .op = (uint8_t)op, .offset = at, .bytes = bytes, .iov = &iov, .iov_count = 1
    };

    return tn_file_at_once(file, &io);
}

static void test_reads_from_the_page_cache(void **state)
{
    static _Alignas(BLOCK) uint8_t data[4 * BLOCK];
    struct tn_file *file = *state;

    file->direct = false;
    memset(data, 'x', sizeof(data));
    assert_int_equal(run(file, TENON_IO_WRITE, 0, BLOCK, sizeof(data), data), 0);
    memset(data, 0, sizeof(data));
    assert_int_equal(at_once(file, TENON_IO_WRITE, BLOCK, BLOCK, data), -EAGAIN);
    if (!tn_host_can_nowait(file->fd, 0, 512)) {
        assert_int_equal(at_once(file, TENON_IO_READ, BLOCK, sizeof(data), data), -EAGAIN);
        assert_true(atomic_load(&file->cannot_nowait));
        print_message("skipped: this file system cannot tell what would wait\n");
        skip();
    }
    assert_int_equal(at_once(file, TENON_IO_READ, BLOCK, sizeof(data), data), 0);
    assert_int_equal(data[0], 'x');
    assert_int_equal(data[sizeof(data) - 1], 'x');
    /* a part of it: the rest is beyond the end */
    assert_int_equal(at_once(file, TENON_IO_READ, BYTES - BLOCK, 2 * BLOCK, data), -EAGAIN);
    /* out of the cache */
    assert_int_equal(fsync(file->fd), 0);
    assert_int_equal(posix_fadvise(file->fd, 0, BYTES, POSIX_FADV_DONTNEED), 0);
    assert_int_equal(at_once(file, TENON_IO_READ, BLOCK, BLOCK, data), -EAGAIN);
    assert_false(atomic_load(&file->cannot_nowait));
    file->direct = true;
    assert_int_equal(run(file, TENON_IO_READ, 0, BLOCK, BLOCK, data), 0);
    assert_int_equal(at_once(file, TENON_IO_READ, BLOCK, BLOCK, data), -EAGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_neighbours_in_a_block_do_not_lose_writes, open_body,
                                        close_body),
        cmocka_unit_test_setup_teardown(test_parts_of_blocks_leave_the_rest_alone, open_body,
                                        close_body),
        cmocka_unit_test_setup_teardown(test_zeroes_are_written_where_there_is_no_short_cut,
                                        open_body, close_body),
        cmocka_unit_test_setup_teardown(test_ragged_ranges, open_body, close_body),
        cmocka_unit_test_setup_teardown(test_discard_that_is_not_possible_is_only_advice, open_body,
                                        close_body),
        cmocka_unit_test_setup_teardown(test_a_failed_flush_is_not_forgotten, open_body,
                                        close_body),
        cmocka_unit_test_setup_teardown(test_a_full_disk_is_an_error, open_body, close_body),
        cmocka_unit_test_setup_teardown(test_reads_from_the_page_cache, open_body, close_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
