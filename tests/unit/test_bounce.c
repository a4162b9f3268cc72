/*
 * test_bounce.c: direct I/O of every alignment against a model. The disk here refuses what O_DIRECT
 * refuses, so the tests need no file system that has it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "disk/bounce.h"

enum { BLOCK = 4096, MEMORY = 512, BYTES = 1024 * 1024 };

/* A strict disk. */
struct strict {
    uint8_t *data;
    uint64_t end; /* of the file */
    unsigned reads, writes;
    int error;                /* of writes */
    atomic_uint inside, most; /* calls at a time */
};

static bool strictly(const struct iovec *iov, int count, uint64_t offset)
{
    for (int i = 0; i < count; i++) {
        if ((uintptr_t)iov[i].iov_base % MEMORY != 0 || iov[i].iov_len % BLOCK != 0) {
            return false;
        }
    }
    return offset % BLOCK == 0;
}

static ssize_t move(struct strict *strict, const struct iovec *iov, int count, uint64_t offset,
                    bool write)
{
    size_t done = 0;

    if (!strictly(iov, count, offset)) {
        return -EINVAL;
    }
    for (int i = 0; i < count; i++) {
        for (size_t n = 0; n < iov[i].iov_len && offset + done < strict->end; n++, done++) {
            uint8_t *ours = &strict->data[offset + done], *theirs = (uint8_t *)iov[i].iov_base + n;

            *(write ? ours : theirs) = *(write ? theirs : ours);
        }
    }
    return (ssize_t)done;
}

static ssize_t read_strict(void *opaque, const struct iovec *iov, int count, uint64_t offset)
{
    struct strict *strict = opaque;

    strict->reads++;
    return move(strict, iov, count, offset, false);
}

static ssize_t write_strict(void *opaque, const struct iovec *iov, int count, uint64_t offset)
{
    struct strict *strict = opaque;

    strict->writes++;
    return strict->error != 0 ? strict->error : move(strict, iov, count, offset, true);
}

struct rig {
    struct strict strict;
    struct tn_bounce bounce;
    struct tn_mover read, write;
    uint8_t *model;
};

static int set_up(void **state)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    rig->strict.data = malloc(BYTES);
    rig->strict.end = BYTES;
    rig->model = malloc(BYTES);
    for (size_t i = 0; i < BYTES; i++) {
        rig->strict.data[i] = rig->model[i] = (uint8_t)(i * 31 + i / 251);
    }
    rig->read = (struct tn_mover){ .move = read_strict, .opaque = &rig->strict, .grain = BLOCK };
    rig->write = (struct tn_mover){ .move = write_strict, .opaque = &rig->strict, .grain = BLOCK };
    assert_int_equal(tn_bounce_init(&rig->bounce, MEMORY, BLOCK, 2), 0);
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    tn_bounce_destroy(&rig->bounce);
    free(rig->strict.data);
    free(rig->model);
    free(rig);
    return 0;
}

static int do_write(struct rig *rig, const struct iovec *iov, unsigned count, uint64_t at,
                    uint64_t bytes)
{
    return tn_bounce_write(&rig->bounce, &rig->read, &rig->write, iov, count, at, bytes);
}

static void test_what_fits(void **state)
{
    struct rig *rig = *state;
    uint8_t *memory = NULL;
    struct iovec iov[2];

    assert_int_equal(posix_memalign((void **)&memory, 4096, 5 * BLOCK), 0);
    iov[0] = (struct iovec){ memory, BLOCK };
    iov[1] = (struct iovec){ memory + 2 * BLOCK + MEMORY, BLOCK };
    assert_true(tn_bounce_fits(&rig->bounce, iov, 2, BLOCK, 2 * BLOCK));
    assert_false(tn_bounce_fits(&rig->bounce, iov, 2, 512, 2 * BLOCK));
    assert_false(tn_bounce_fits(&rig->bounce, iov, 1, 0, 512));
    iov[1].iov_base = memory + 2 * BLOCK + 8;
    assert_false(tn_bounce_fits(&rig->bounce, iov, 2, BLOCK, 2 * BLOCK));
    iov[1] = (struct iovec){ memory, 512 };
    assert_false(tn_bounce_fits(&rig->bounce, iov, 2, BLOCK, 2 * BLOCK));
    free(memory);
}

/* Sectors anywhere in a block, memory at any byte, one iovec or several. */
static void test_every_alignment(void **state)
{
    struct rig *rig = *state;
    uint8_t *data = malloc(6 * BLOCK);

    for (uint64_t at = BLOCK - 1024; at <= BLOCK + 1024; at += 512) {
        for (uint64_t bytes = 512; bytes <= 4 * BLOCK; bytes += 512) {
            size_t shift = (at / 512 * 7 + bytes / 512) % 64;
            struct iovec iov[3] = { { data + shift, 100 },
                                    { NULL, 0 },
                                    { data + shift + 100, bytes - 100 } };

            for (size_t i = 0; i < bytes; i++) {
                data[shift + i] = (uint8_t)(i + at + bytes);
            }
            assert_int_equal(do_write(rig, iov, 3, at, bytes), 0);
            memcpy(rig->model + at, data + shift, bytes);
            assert_memory_equal(rig->strict.data, rig->model, 8 * BLOCK);
            memset(data, 0, 6 * BLOCK);
            assert_int_equal(tn_bounce_read(&rig->bounce, &rig->read, iov, 3, at, bytes), 0);
            assert_memory_equal(data + shift, rig->model + at, bytes);
            assert_int_equal(data[shift + bytes], 0);
        }
    }
    assert_memory_equal(rig->strict.data, rig->model, BYTES);
    free(data);
}

/* Longer than a buffer, with ragged ends. */
static void test_long_requests_go_in_pieces(void **state)
{
    struct rig *rig = *state;
    uint64_t at = 1536, bytes = 2 * TN_BOUNCE_BYTES + 5120;
    uint8_t *data = malloc(bytes);
    struct iovec iov = { data, bytes };

    for (size_t i = 0; i < bytes; i++) {
        data[i] = (uint8_t)(i * 13);
    }
    assert_int_equal(do_write(rig, &iov, 1, at, bytes), 0);
    memcpy(rig->model + at, data, bytes);
    assert_memory_equal(rig->strict.data, rig->model, BYTES);
    assert_int_equal(rig->strict.reads, 2); /* the two edges, and nothing in between */
    memset(data, 0, bytes);
    assert_int_equal(tn_bounce_read(&rig->bounce, &rig->read, &iov, 1, at, bytes), 0);
    assert_memory_equal(data, rig->model + at, bytes);
    free(data);
}

static void test_whole_blocks_are_not_read_first(void **state)
{
    struct rig *rig = *state;
    uint8_t *data = calloc(1, 2 * BLOCK + 1);
    struct iovec iov = { data + 1, 2 * BLOCK };

    assert_int_equal(do_write(rig, &iov, 1, BLOCK, 2 * BLOCK), 0);
    assert_int_equal(rig->strict.reads, 0);
    assert_int_equal(rig->strict.writes, 1);
    iov.iov_len = 512; /* both ends in one block: that one is read once */
    assert_int_equal(do_write(rig, &iov, 1, BLOCK + 512, 512), 0);
    assert_int_equal(rig->strict.reads, 1);
    assert_int_equal(rig->strict.writes, 2);
    free(data);
}

static void test_errors(void **state)
{
    struct rig *rig = *state;
    uint8_t data[1024] = { 0 };
    struct iovec iov = { data, sizeof(data) };
    struct iovec hole[2] = { { data, 512 }, { NULL, 512 } };

    assert_int_equal(do_write(rig, hole, 2, 512, 1024), -EFAULT);
    assert_int_equal(tn_bounce_read(&rig->bounce, &rig->read, hole, 2, 512, 1024), -EFAULT);
    rig->strict.error = -ENOSPC;
    assert_int_equal(do_write(rig, &iov, 1, 512, 1024), -ENOSPC);
    rig->strict.error = 0;
    /* The file ends inside the block: neither read nor written as if it went on. */
    rig->strict.end = 3 * BLOCK + 1000;
    assert_int_equal(tn_bounce_read(&rig->bounce, &rig->read, &iov, 1, 3 * BLOCK, 1024), -EIO);
    assert_int_equal(do_write(rig, &iov, 1, 3 * BLOCK + 512, 1024), -EIO);
    assert_memory_equal(rig->strict.data, rig->model, BYTES);
    assert_int_equal(rig->bounce.free_count, 2); /* none was lost on the way */
}

/* More requests at a time than buffers: the rest waits. */
static void *one_write(void *opaque)
{
    struct rig *rig = opaque;
    uint8_t data[512];
    struct iovec iov = { data, sizeof(data) };
    static atomic_uint next;
    unsigned mine = atomic_fetch_add(&next, 1);

    memset(data, (int)mine + 1, sizeof(data));
    for (unsigned i = 0; i < 50; i++) {
        do_write(rig, &iov, 1, (mine * 50 + i) * BLOCK % BYTES + 512, 512);
    }
    return NULL;
}

static ssize_t counting_write(void *opaque, const struct iovec *iov, int count, uint64_t offset)
{
    struct strict *strict = opaque;
    unsigned now = atomic_fetch_add(&strict->inside, 1) + 1;
    unsigned most = atomic_load(&strict->most);

    while (now > most && !atomic_compare_exchange_weak(&strict->most, &most, now)) {
    }
    ssize_t n = move(strict, iov, count, offset, true);
    atomic_fetch_sub(&strict->inside, 1);
    return n;
}

static ssize_t quiet_read(void *opaque, const struct iovec *iov, int count, uint64_t offset)
{
    return move(opaque, iov, count, offset, false);
}

static void test_buffers_are_bounded(void **state)
{
    struct rig *rig = *state;
    pthread_t threads[4];

    rig->write.move = counting_write;
    rig->read.move = quiet_read;
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, one_write, rig), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(atomic_load(&rig->strict.most) <= 2);
    assert_int_equal(rig->bounce.free_count, 2);
    for (unsigned i = 0; i < 200; i++) {
        assert_int_equal(rig->strict.data[i * BLOCK % BYTES + 512], i / 50 + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_fits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_every_alignment, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_long_requests_go_in_pieces, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_whole_blocks_are_not_read_first, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_buffers_are_bounded, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
