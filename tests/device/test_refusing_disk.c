/*
 * test_refusing_disk.c: a disk that takes nothing, while the device is reset.
 */
#include <errno.h>

#include "harness.h"

enum { BOUND_MS = 2000 };

struct refusing {
    struct rig *rig;
    unsigned refused, cancels;
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
        tenon_bus_quiet(disk->rig->device, NULL, NULL);
    }
    return -EIO;
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
    disk.rig = rig;
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

static const struct rig_case cases[] = {
    RIG_TEST(a_refused_request_is_not_cancelled),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
