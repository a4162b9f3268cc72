/*
 * test_custom.c: disks of the embedder's own: simple ones whose functions do less than asked
 * (faults A2, K1), and asynchronous ones.
 */
#include "disk_rig.h"

enum { BYTES = 64 * 1024 };

/* A simple disk with moods. */
struct moody {
    uint8_t data[BYTES];
    size_t most;    /* moved by one call; 0: all */
    unsigned eintr; /* calls that are interrupted first */
    int error;      /* instead of moving anything, once `after` calls have worked */
    unsigned after;
    bool at_end; /* answers 0 */
    unsigned flushes, discards, zeroes, frees;
    bool last_unmap;
    struct tenon_disk_info info;
};

static ssize_t moved(struct moody *moody, const struct iovec *iov, int count, uint64_t offset,
                     bool write)
{
    size_t done = 0;

    if (moody->eintr != 0) {
        moody->eintr--;
        return -EINTR;
    }
    if (moody->error != 0 && moody->after-- == 0) {
        return moody->error;
    }
    if (moody->at_end) {
        return 0;
    }
    for (int i = 0; i < count; i++) {
        for (size_t n = 0; n < iov[i].iov_len; n++) {
            uint8_t *ours = &moody->data[offset + done], *theirs = (uint8_t *)iov[i].iov_base + n;

            if (moody->most != 0 && done == moody->most) {
                return (ssize_t)done;
            }
            *(write ? ours : theirs) = *(write ? theirs : ours);
            done++;
        }
    }
    return (ssize_t)done;
}

static ssize_t moody_preadv(void *disk, const struct iovec *iov, int count, uint64_t offset)
{
    return moved(disk, iov, count, offset, false);
}

static ssize_t moody_pwritev(void *disk, const struct iovec *iov, int count, uint64_t offset)
{
    return moved(disk, iov, count, offset, true);
}

static int moody_flush(void *disk)
{
    ((struct moody *)disk)->flushes++;
    return 0;
}

static int moody_discard(void *disk, uint64_t offset, uint64_t bytes)
{
    (void)offset;
    (void)bytes;
    ((struct moody *)disk)->discards++;
    return 0;
}

static int moody_zero(void *disk, uint64_t offset, uint64_t bytes, bool may_unmap)
{
    struct moody *moody = disk;

    memset(moody->data + offset, 0, bytes);
    moody->zeroes++;
    moody->last_unmap = may_unmap;
    return 0;
}

static int moody_info(void *disk, struct tenon_disk_info *info)
{
    *info = ((struct moody *)disk)->info;
    return 0;
}

static void moody_free(void *disk)
{
    ((struct moody *)disk)->frees++;
}

static const struct tenon_disk_simple_ops all_ops = {
    .size = sizeof(all_ops),
    .preadv = moody_preadv,
    .pwritev = moody_pwritev,
    .flush = moody_flush,
    .discard = moody_discard,
    .zero = moody_zero,
    .info = moody_info,
    .free = moody_free,
};

static struct moody *new_moody(void)
{
    struct moody *moody = calloc(1, sizeof(*moody));

    moody->info.size = sizeof(moody->info);
    moody->info.bytes = BYTES;
    return moody;
}

static void open_simple(struct rig *rig, struct moody *moody,
                        const struct tenon_disk_simple_ops *ops)
{
    struct tenon_disk *disk = NULL;

    assert_int_equal(tenon_disk_open_simple(ops, moody, 2, &disk), 0);
    rig_open(rig, disk);
}

static void test_short_counts_are_continued(void **state)
{
    struct moody *moody = new_moody();
    uint8_t in[2048], out[2048];
    uint32_t random = 3;
    struct rig rig;

    (void)state;
    fill_random(&random, in, sizeof(in));
    open_simple(&rig, moody, &all_ops);
    for (moody->most = 1; moody->most < 2100; moody->most += 97) {
        memset(moody->data, 0, BYTES);
        memset(out, 0, sizeof(out));
        assert_int_equal(rig_write(&rig, 1024, sizeof(in), in), 0);
        assert_int_equal(rig_read(&rig, 1024, sizeof(out), out), 0);
        assert_memory_equal(in, out, sizeof(in));
    }
    rig_close(&rig);
    assert_int_equal(moody->frees, 1);
    free(moody);
}

static void test_errors_are_truthful(void **state)
{
    struct moody *moody = new_moody();
    uint8_t data[1024];
    struct rig rig;

    (void)state;
    open_simple(&rig, moody, &all_ops);
    moody->eintr = 3;
    assert_int_equal(rig_read(&rig, 0, sizeof(data), data), 0);
    moody->eintr = 1000;
    assert_int_equal(rig_read(&rig, 0, sizeof(data), data), -EINTR);
    moody->eintr = 0;
    moody->at_end = true;
    assert_int_equal(rig_read(&rig, 0, sizeof(data), data), -EIO);
    assert_int_equal(rig_write(&rig, 0, sizeof(data), data), -EIO);
    moody->at_end = false;
    moody->most = 512;
    moody->error = -ENOSPC;
    moody->after = 1;
    assert_int_equal(rig_write(&rig, 0, sizeof(data), data), -ENOSPC);
    rig_close(&rig);
    free(moody);
}

static void test_fua_flushes(void **state)
{
    struct moody *moody = new_moody();
    uint8_t data[512] = { 0 };
    struct rig rig;

    (void)state;
    open_simple(&rig, moody, &all_ops);
    assert_int_equal(rig_write(&rig, 0, 512, data), 0);
    assert_int_equal(moody->flushes, 0);
    assert_int_equal(rig_io(&rig, TENON_IO_WRITE, TENON_IO_FUA, 0, 512, data), 0);
    assert_int_equal(moody->flushes, 1);
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, TENON_IO_FUA | TENON_IO_UNMAP, 0, 512, NULL), 0);
    assert_int_equal(moody->flushes, 2);
    assert_true(moody->last_unmap);
    assert_int_equal(rig_io(&rig, TENON_IO_ZEROES, 0, 0, 512, NULL), 0);
    assert_false(moody->last_unmap);
    assert_int_equal(rig_io(&rig, TENON_IO_DISCARD, TENON_IO_FUA, 0, 512, NULL), 0);
    assert_int_equal(moody->flushes, 3);
    assert_int_equal(rig_io(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    assert_int_equal(moody->flushes, 4);
    moody->error = -EIO;
    assert_int_equal(rig_io(&rig, TENON_IO_WRITE, TENON_IO_FUA, 0, 512, data), -EIO);
    assert_int_equal(moody->flushes, 4);
    rig_close(&rig);
    free(moody);
}

static void test_what_is_offered_follows_the_functions(void **state)
{
    struct tenon_disk_simple_ops few = { .size = sizeof(few),
                                         .preadv = moody_preadv,
                                         .info = moody_info };
    struct moody *moody = new_moody();
    struct tenon_disk_info info;
    uint8_t data[512] = { 0 };
    struct rig rig;

    (void)state;
    moody->info.can_discard = moody->info.can_zero = moody->info.can_flush = true;
    moody->info.zero_unmaps = true;
    moody->info.bytes = 1000;
    open_simple(&rig, moody, &few);
    info = rig_info(rig.disk);
    assert_true(info.read_only); /* nothing to write with */
    assert_false(info.can_discard);
    assert_false(info.can_zero);
    assert_false(info.zero_unmaps);
    assert_false(info.can_flush);
    assert_int_equal(info.bytes, 512);
    assert_int_equal(rig_write(&rig, 0, 512, data), -EROFS);
    assert_int_equal(rig_io(&rig, TENON_IO_FLUSH, 0, 0, 0, NULL), 0);
    rig_close(&rig);
    free(moody);
}

static void test_wrong_simple_disks(void **state)
{
    struct tenon_disk_simple_ops none = { .size = sizeof(none) };
    struct moody *moody = new_moody();
    struct tenon_disk *disk = NULL;

    (void)state;
    assert_int_equal(tenon_disk_open_simple(&none, moody, 0, &disk), -EINVAL);
    assert_int_equal(tenon_disk_open_simple(&all_ops, moody, 65, &disk), -EINVAL);
    moody->info.block_bytes = 1000;
    assert_int_equal(tenon_disk_open_simple(&all_ops, moody, 0, &disk), -EINVAL);
    assert_non_null(strstr(tenon_error(), "power of 2"));
    assert_int_equal(moody->frees, 0); /* refused: it is still the caller's */
    assert_null(disk);
    free(moody);
}

/* A disk that grows is seen by the next look at it. */
static void test_growing(void **state)
{
    struct moody *moody = new_moody();
    uint8_t data[512];
    struct rig rig;

    (void)state;
    moody->info.bytes = BYTES / 2;
    open_simple(&rig, moody, &all_ops);
    assert_int_equal(rig_read(&rig, BYTES / 2, 512, data), -EINVAL);
    moody->info.bytes = BYTES;
    assert_int_equal(rig_info(rig.disk).bytes, BYTES);
    assert_int_equal(rig_read(&rig, BYTES / 2, 512, data), 0);
    rig_close(&rig);
    free(moody);
}

/* ---- the channel contract ---- */

/*
 * Takes two operations, holds them until commit, and answers them in reverse, later, from a timer.
 */
struct tenon_channel {
    struct tenon_worker *worker;
    struct tenon_timer *timer;
    struct tenon_io *held[2];
    unsigned count;
    unsigned commits, cancels;
};

static void answer(void *opaque)
{
    struct tenon_channel *channel = opaque;

    while (channel->count != 0) {
        struct tenon_io *io = channel->held[--channel->count];

        assert_int_equal(*(unsigned *)tenon_io_scratch(io), 0x7777);
        tenon_io_done(io, io->op == TENON_IO_WRITE ? -EIO : 0);
    }
}

static int late_open(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    struct tenon_channel *channel = disk;

    channel->worker = worker;
    *out = channel;
    return tenon_timer_new(worker, answer, channel, &channel->timer);
}

static int late_submit(struct tenon_channel *channel, struct tenon_io *io)
{
    if (channel->count == 2) {
        return -EAGAIN;
    }
    *(unsigned *)tenon_io_scratch(io) = 0x7777;
    channel->held[channel->count++] = io;
    return 0;
}

static void late_commit(struct tenon_channel *channel)
{
    channel->commits++;
    tenon_timer_set(channel->timer, tenon_now() + 1000000);
}

static void late_close(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    tenon_timer_free(channel->timer);
    done(opaque);
}

static int late_info(void *disk, struct tenon_disk_info *info)
{
    (void)disk;
    info->bytes = BYTES;
    return 0;
}

static const struct tenon_disk_ops late_ops = {
    .size = sizeof(late_ops),
    .io_bytes = sizeof(unsigned),
    .open = late_open,
    .submit = late_submit,
    .commit = late_commit,
    .close = late_close,
    .info = late_info,
};

static void test_asynchronous_disk(void **state)
{
    struct tenon_channel channel = { 0 };
    struct tenon_disk *disk = NULL;
    struct job *jobs[3];
    uint8_t data[512];
    struct rig rig;

    (void)state;
    assert_int_equal(tenon_disk_open_custom(&late_ops, &channel, &disk), 0);
    assert_string_equal(tenon_disk_engine(disk, NULL), "custom");
    assert_int_equal(tn_disk_io_bytes(disk), sizeof(unsigned));
    rig_open(&rig, disk);
    for (unsigned i = 0; i < 3; i++) {
        jobs[i] = rig_job(&rig, i == 1 ? TENON_IO_WRITE : TENON_IO_READ, 0, i * 512, 512, data);
        assert_int_equal(rig_submit(&rig, jobs[i]), i < 2 ? 0 : -EAGAIN);
    }
    assert_int_equal(tn_channel_cancel(disk, rig.channel, jobs[0]->io), -ENOTSUP);
    tn_channel_commit(disk, rig.channel);
    rig_wait(&rig, 2);
    assert_int_equal(jobs[0]->result, 0);
    assert_int_equal(jobs[1]->result, -EIO);
    assert_false(jobs[2]->over);
    assert_int_equal(rig_submit(&rig, jobs[2]), 0);
    tn_channel_commit(disk, rig.channel);
    rig_wait(&rig, 3);
    assert_int_equal(channel.commits, 2);
    for (unsigned i = 0; i < 3; i++) {
        free(jobs[i]);
    }
    rig_close(&rig);
}

static void test_wrong_asynchronous_disks(void **state)
{
    struct tenon_disk_ops ops = late_ops;
    struct tenon_disk *disk = NULL;
    struct tenon_channel channel = { 0 };

    (void)state;
    ops.info = NULL;
    assert_int_equal(tenon_disk_open_custom(&ops, &channel, &disk), -EINVAL);
    ops = late_ops;
    ops.submit = NULL;
    assert_int_equal(tenon_disk_open_custom(&ops, &channel, &disk), -EINVAL);
    ops = late_ops;
    ops.size = 0;
    assert_int_equal(tenon_disk_open_custom(&ops, &channel, &disk), -EINVAL);
    assert_null(disk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_short_counts_are_continued),
        cmocka_unit_test(test_errors_are_truthful),
        cmocka_unit_test(test_fua_flushes),
        cmocka_unit_test(test_what_is_offered_follows_the_functions),
        cmocka_unit_test(test_wrong_simple_disks),
        cmocka_unit_test(test_growing),
        cmocka_unit_test(test_asynchronous_disk),
        cmocka_unit_test(test_wrong_asynchronous_disks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
