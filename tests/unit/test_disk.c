/*
 * test_disk.c: the handle: who holds it, what it says, the last checks of each operation, and
 * completions that come from any thread.
 */
#include "disk_rig.h"

#include <pthread.h>

#include "disk/body.h"
#include "tenon/base.h"

/* A disk whose every property can be set, and which answers when told to. */
struct tenon_channel {
    struct tenon_disk_info info;
    int info_error;
    struct tenon_io *io;
    unsigned submits, frees;
};

static int plain_open(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    (void)worker;
    *out = disk;
    return 0;
}

static int plain_submit(struct tenon_channel *channel, struct tenon_io *io)
{
    channel->submits++;
    channel->io = io;
    return 0;
}

static void plain_close(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    (void)channel;
    done(opaque);
}

static int plain_info(void *disk, struct tenon_disk_info *info)
{
    struct tenon_channel *channel = disk;

    *info = channel->info;
    return channel->info_error;
}

static void plain_free(void *disk)
{
    ((struct tenon_channel *)disk)->frees++;
}

static const struct tenon_disk_ops ops = {
    .size = sizeof(ops),
    .io_bytes = 20,
    .open = plain_open,
    .submit = plain_submit,
    .close = plain_close,
    .info = plain_info,
    .free = plain_free,
};
static const struct tn_disk_label label = { "test", "custom", "for a test" };

static struct tenon_disk *open_plain(struct tenon_channel *plain)
{
    struct tenon_disk *disk = NULL;

    assert_int_equal(tn_disk_make(&ops, plain, &label, &disk), 0);
    return disk;
}

static void test_the_last_user_frees(void **state)
{
    struct tenon_channel plain = { .info = { .bytes = 4096 } };
    struct tenon_disk *disk = open_plain(&plain);

    (void)state;
    assert_ptr_equal(tn_disk_get(disk), disk);
    tenon_disk_close(disk);
    assert_int_equal(plain.frees, 0);
    tenon_disk_close(disk);
    assert_int_equal(plain.frees, 1);
    tenon_disk_close(NULL);
}

static void test_sizes_of_an_operation(void **state)
{
    struct tenon_channel plain = { .info = { .bytes = 4096 } };
    struct tenon_disk *disk = open_plain(&plain);
    char room[sizeof(struct tenon_io) + 64];
    size_t before;

    (void)state;
    assert_int_equal(tn_disk_io_bytes(disk), 20);
    before = (size_t)((char *)tenon_io_scratch((struct tenon_io *)(void *)room) - room);
    assert_true(before >= sizeof(struct tenon_io));
    assert_true(tn_disk_io_size(disk) >= before + 20);
    assert_int_equal(tn_disk_io_size(disk) % 16, 0);
    tenon_disk_close(disk);
}

static void test_info_is_made_whole(void **state)
{
    struct tenon_channel plain = { .info = { .bytes = 4096,
                                             .physical_bytes = 100,
                                             .can_zero = true,
                                             .zero_unmaps = true,
                                             .can_discard = true } };
    struct tenon_disk *disk = open_plain(&plain);
    struct tenon_disk_info info = rig_info(disk);
    struct {
        size_t size;
        uint64_t bytes;
        uint32_t canary;
    } small = { .size = offsetof(struct tenon_disk_info, block_bytes), .canary = 7 };

    (void)state;
    assert_int_equal(info.size, sizeof(info));
    assert_int_equal(info.block_bytes, 512);
    assert_int_equal(info.physical_bytes, 512);
    assert_true(info.zero_unmaps);
    plain.info.read_only = true; /* what cannot be written to can be neither zeroed nor discarded */
    info = rig_info(disk);
    assert_false(info.can_zero || info.zero_unmaps || info.can_discard);
    /* An older caller's struct ends earlier, and nothing behind it is touched. */
    assert_int_equal(tenon_disk_info(disk, (struct tenon_disk_info *)(void *)&small), 0);
    assert_int_equal(small.bytes, 4096);
    assert_int_equal(small.canary, 7);
    info.size = 0;
    assert_int_equal(tenon_disk_info(disk, &info), -EINVAL);
    plain.info_error = -EIO;
    info.size = sizeof(info);
    assert_int_equal(tenon_disk_info(disk, &info), -EIO);
    tenon_disk_close(disk);
    assert_int_equal(tn_disk_make(&ops, &plain, &label, &disk), -EIO);
    assert_int_equal(plain.frees, 1);
}

static unsigned warnings;

static void count_warnings(void *opaque, enum tenon_log_level level, const char *line)
{
    (void)opaque;
    if (level == TENON_LOG_WARNING && strstr(line, "no whole sector")) {
        warnings++;
    }
}

static void test_a_tail_is_not_served_and_said_once(void **state)
{
    struct tenon_channel plain = { .info = { .bytes = 4096 + 100 } };
    struct tenon_disk *disk;
    uint8_t data[512];
    struct rig rig;

    (void)state;
    tenon_set_log(count_warnings, NULL);
    disk = open_plain(&plain);
    assert_int_equal(rig_info(disk).bytes, 4096);
    assert_int_equal(rig_info(disk).bytes, 4096);
    tenon_set_log(NULL, NULL);
    assert_int_equal(warnings, 1);
    rig_open(&rig, disk);
    assert_int_equal(rig_read(&rig, 4096, 512, data), -EINVAL);
    rig_close(&rig);
}

static void test_each_operation_is_checked_once_more(void **state)
{
    struct tenon_channel plain = { .info = { .bytes = 1 << 20 } };
    struct tenon_disk *disk = open_plain(&plain);
    uint8_t data[512];
    struct rig rig;

    (void)state;
    rig_open(&rig, disk);
    for (unsigned op = TENON_IO_READ; op <= TENON_IO_ZEROES; op++) {
        if (op == TENON_IO_FLUSH) {
            continue;
        }
        assert_int_equal(rig_io(&rig, op, 0, 1 << 20, 512, data), -EINVAL);
        assert_int_equal(rig_io(&rig, op, 0, UINT64_MAX & ~511ULL, 1024, data), -EINVAL);
        assert_int_equal(rig_io(&rig, op, 0, 100, 512, data), -EINVAL);
        assert_int_equal(rig_io(&rig, op, 0, 0, 513, data), -EINVAL);
    }
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES + 1, 0, 0, 512, data), -EINVAL);
    plain.info.read_only = true;
    rig_info(disk);
    assert_int_equal(rig_write(&rig, 0, 512, data), -EROFS);
    assert_int_equal(plain.submits, 0);
    rig_close(&rig);
}

static void *answer_elsewhere(void *opaque)
{
    tenon_io_done(opaque, -ENOSPC);
    return NULL;
}

static void test_done_runs_on_the_worker(void **state)
{
    struct tenon_channel plain = { .info = { .bytes = 1 << 20 } };
    struct rig rig;
    struct job *job;
    uint8_t data[512];
    pthread_t thread;

    (void)state;
    rig_open(&rig, open_plain(&plain));
    job = rig_job(&rig, TENON_IO_READ, 0, 0, 512, data);
    for (unsigned round = 0; round < 2;
         round++) { /* the same memory serves one operation after another */
        job->over = false;
        memset(&job->io->post, 0xff, sizeof(job->io->post));
        assert_int_equal(rig_submit(&rig, job), 0);
        assert_int_equal(pthread_create(&thread, NULL, answer_elsewhere, plain.io), 0);
        pthread_join(thread, NULL);
        assert_false(job->over);
        rig_wait(&rig, round + 1);
        assert_int_equal(job->result, -ENOSPC);
    }
    free(job);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_last_user_frees),
        cmocka_unit_test(test_sizes_of_an_operation),
        cmocka_unit_test(test_info_is_made_whole),
        cmocka_unit_test(test_a_tail_is_not_served_and_said_once),
        cmocka_unit_test(test_each_operation_is_checked_once_more),
        cmocka_unit_test(test_done_runs_on_the_worker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
