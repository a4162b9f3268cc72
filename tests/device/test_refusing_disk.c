/*
 * test_refusing_disk.c: a disk that refuses: everything while the device is reset, everything for a
 * while, one request of many.
 */
#include <errno.h>

#include "harness.h"

enum { BOUND_MS = 5000 };

struct refusing {
    struct rig *rig;
    unsigned refused, cancels;
    unsigned full; /* so often it has no room yet; then it takes all */
};

static int refusing_open(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    (void)worker;
    *out = disk;
    return 0;
}

/* The reset is asked for before the device hears of the refusal. */
static int refusing_submit(struct tenon_channel *channel, struct tenon_io *io)
{
    struct refusing *disk = (void *)channel;

    (void)io;
    if (disk->refused++ == 0) {
        struct rig *rig = __atomic_load_n(&disk->rig, __ATOMIC_ACQUIRE);
        tenon_bus_quiet(rig->device, NULL, NULL);
    }
    return -EIO;
}

static int full_submit(struct tenon_channel *channel, struct tenon_io *io)
{
    struct refusing *disk = (void *)channel;

    if (disk->refused < disk->full) {
        disk->refused++;
        return -EAGAIN;
    }
    tenon_io_done(io, 0);
    return 0;
}

static int refusing_cancel(struct tenon_channel *channel, struct tenon_io *io)
{
    (void)io;
    ((struct refusing *)(void *)channel)->cancels++;
    return 0;
}

static void refusing_close(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    (void)channel;
    done(opaque);
}

static int refusing_info(void *disk, struct tenon_disk_info *info)
{
    (void)disk;
    info->bytes = 1 << 20;
    return 0;
}

/* The disk is never asked for an operation that it did not take, and the request ends once. */
static void a_refused_request_is_not_cancelled(void **state)
{
    const struct tenon_disk_ops ops = { .size = sizeof(ops),
                                        .open = refusing_open,
                                        .submit = refusing_submit,
                                        .cancel = refusing_cancel,
                                        .close = refusing_close,
                                        .info = refusing_info };
    struct refusing disk = { 0 };
    struct rig_options options = { 0 };
    struct tnd_blk_request r[4];

    assert_int_equal(tenon_disk_open_custom(&ops, &disk, &options.other), 0);
    struct rig *rig = rig_new(state, &options);
    __atomic_store_n(&disk.rig, rig, __ATOMIC_RELEASE);
    for (unsigned i = 0; i < 4; i++) {
        r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_IN, .sector = i, .in_bytes = 512 };
        assert_int_equal(tnd_blk_submit(rig->driver, 0, &r[i]), 0);
    }
    assert_int_equal(tenon_bus_wait_quiet(rig->device, BOUND_MS), 0);
    assert_int_not_equal(disk.refused, 0);
    assert_int_equal(disk.cancels, 0);
    for (unsigned i = 0; i < 4; i++) {
        tnd_blk_forget(rig->driver, &r[i]);
    }
    rig_end(state);
}

/* Nothing is in flight that could make room: the device has to ask again by itself, in order. */
static void a_full_disk_is_asked_again(void **state)
{
    const struct tenon_disk_ops ops = { .size = sizeof(ops),
                                        .open = refusing_open,
                                        .submit = full_submit,
                                        .close = refusing_close,
                                        .info = refusing_info };
    struct refusing disk = { .full = 5 };
    struct rig_options options = { 0 };
    struct tnd_blk_request r[4];

    assert_int_equal(tenon_disk_open_custom(&ops, &disk, &options.other), 0);
    struct rig *rig = rig_new(state, &options);
    rig->driver->timeout_ms = BOUND_MS;
    for (unsigned i = 0; i < 4; i++) {
        r[i] = (struct tnd_blk_request){ .type = TN_BLK_T_FLUSH };
        assert_int_equal(tnd_blk_submit(rig->driver, 0, &r[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &r[i]), 0);
        assert_int_equal(r[i].status, TN_BLK_S_OK);
        assert_int_equal(r[i].order, i);
    }
    rig_end(state);
    assert_int_equal(disk.refused, disk.full);
}

/*
 * The disk has no room for one write: the one next to it, and the one after it, do not notice, even
 * if all of them came to the disk as one.
 */
static int no_room(void *opaque, const struct fake_op *op)
{
    (void)opaque;
    return op->op == TENON_IO_WRITE && op->offset <= 16 * 512 && op->offset + op->bytes > 16 * 512
               ? -ENOSPC
               : 0;
}

static void item29_no_space_for_one_request_only(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    struct tnd_blk_request r[32];
    uint8_t data[512] = { 1 };

    pthread_mutex_lock(&rig->fake->lock);
    rig->fake->fault = no_room;
    pthread_mutex_unlock(&rig->fake->lock);
    for (unsigned i = 0; i < 32; i++) {
        r[i] = (struct tnd_blk_request){
            .type = TN_BLK_T_OUT, .sector = i, .out = data, .out_bytes = 512
        };
        assert_int_equal(tnd_blk_add(rig->driver, 0, &r[i]), 0);
    }
    tnd_kick(rig->driver, 0);
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 0, &r[i]), 0);
        assert_int_equal(r[i].status, i == 16 ? TN_BLK_S_IOERR : TN_BLK_S_OK);
    }
    assert_int_equal(rig_stat(rig, "disk_errors", 0), 1);
}

static const struct rig_case cases[] = {
    RIG_TEST(item29_no_space_for_one_request_only),
    RIG_TEST(a_full_disk_is_asked_again),
    RIG_TEST(a_refused_request_is_not_cancelled),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
