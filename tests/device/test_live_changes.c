/*
 * test_live_changes.c: what changes while the device runs: its size (BLK-40, BASIC-35) and its
 * cache mode (BLK-09, BLK-17..20).
 */
#include <errno.h>
#include <pthread.h>

#include "load.h"

enum { SMALL = 4 << 20, LARGE = 8 << 20, WRITEBACK = 32 };

static void set_size(struct rig *rig, uint64_t bytes)
{
    pthread_mutex_lock(&rig->fake->lock);
    rig->fake->info.bytes = bytes;
    pthread_mutex_unlock(&rig->fake->lock);
    assert_int_equal(tenon_blk_resized(rig->device), 0);
}

struct config_irqs {
    struct tenon_driver *driver;
    uint64_t wanted;
};

static bool have_come(void *opaque)
{
    struct config_irqs *irqs = opaque;
    return tnd_config_irqs(irqs->driver) >= irqs->wanted;
}

static void resize_is_told_and_served(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE, .disk_bytes = LARGE };
    struct rig *rig = rig_new(state, &options);
    struct config_irqs irqs = { rig->driver, tnd_config_irqs(rig->driver) };
    uint8_t data[512] = { 0 };

    assert_int_equal(tnd_blk_capacity(rig->driver), LARGE / 512);
    for (unsigned i = 0; i < 4; i++) {
        uint64_t bytes = i % 2 ? LARGE : SMALL;
        uint32_t generation = tenon_bus_config_generation(rig->device);
        set_size(rig, bytes);
        irqs.wanted++;
        assert_true(tnd_until(rig->driver, have_come, &irqs));
        assert_int_equal(tnd_config_irqs(rig->driver), irqs.wanted); /* once */
        assert_int_not_equal(tenon_bus_config_generation(rig->device), generation);
        assert_int_equal(tnd_blk_capacity(rig->driver), bytes / 512);
        assert_int_equal(tnd_blk_write(rig->driver, 0, bytes / 512 - 1, data, 512), TN_BLK_S_OK);
        assert_int_equal(tnd_blk_write(rig->driver, 0, bytes / 512, data, 512), TN_BLK_S_IOERR);
        assert_int_equal(tnd_blk_read(rig->driver, 0, LARGE / 512 - 1, data, 512),
                         bytes == LARGE ? TN_BLK_S_OK : TN_BLK_S_IOERR);
    }
    assert_int_equal(tnd_reset(rig->driver), 0); /* the size stays, whoever resets */
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    assert_int_equal(tnd_blk_capacity(rig->driver), LARGE / 512);
}

/* A size that changes again and again while requests run and config space is read. */
static void *resize_often(void *opaque)
{
    struct rig *rig = opaque;

    for (unsigned i = 0; i < 200; i++) {
        pthread_mutex_lock(&rig->fake->lock);
        rig->fake->info.bytes = i % 2 ? LARGE : SMALL;
        pthread_mutex_unlock(&rig->fake->lock);
        tenon_blk_resized(rig->device);
    }
    return NULL;
}

static void resize_under_load(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE, .disk_bytes = LARGE };
    struct rig *rig = rig_new(state, &options);
    struct load *load = load_new(rig, 1, 8, 3);
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, resize_often, rig), 0);
    for (unsigned i = 0; i < 20; i++) {
        load_run(load, 10);
        uint64_t sectors = tnd_blk_capacity(rig->driver);
        assert_true(sectors == SMALL / 512 || sectors == LARGE / 512);
    }
    pthread_join(thread, NULL);
    load_drain(load);
    load_free(load);
    assert_int_equal(tnd_blk_capacity(rig->driver), LARGE / 512);
}

/* ---- the cache mode: what the disk sees of it ---- */

/* Whether the disk was asked for a stable write. */
static bool write_was_fua(struct rig *rig)
{
    uint8_t data[512] = { 0 };
    unsigned before = fake_submitted(rig->fake);

    assert_int_equal(tnd_blk_write(rig->driver, 0, 1, data, 512), TN_BLK_S_OK);
    assert_int_equal(fake_submitted(rig->fake), before + 1);
    return fake_op(rig->fake, before).flags & TENON_IO_FUA;
}

static uint8_t writeback(struct rig *rig)
{
    uint8_t value = 0xff;
    assert_int_equal(tnd_config_read(rig->driver, WRITEBACK, &value, 1), 0);
    return value;
}

static void set_writeback(struct rig *rig, uint8_t value)
{
    tnd_config_write(rig->driver, WRITEBACK, &value, 1);
}

static void config_wce_switches_live(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);
    struct tnd_range range = { .sector = 8, .sectors = 8 };

    assert_int_equal(writeback(rig), 1);
    for (unsigned i = 0; i < 3; i++) {
        assert_false(write_was_fua(rig));
        set_writeback(rig, 0);
        assert_int_equal(writeback(rig), 0);
        assert_true(write_was_fua(rig));
        assert_int_equal(tnd_blk_write_zeroes(rig->driver, 0, &range, 1), TN_BLK_S_OK);
        assert_true(fake_op(rig->fake, fake_submitted(rig->fake) - 1).flags & TENON_IO_FUA);
        set_writeback(rig, 7); /* no value: nothing changes */
        assert_int_equal(writeback(rig), 0);
        set_writeback(rig, 1);
        assert_int_equal(writeback(rig), 1);
    }
    set_writeback(rig, 0);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    assert_int_equal(writeback(rig), 1); /* what the driver chose, a reset forgets (BLK-18) */
    assert_false(write_was_fua(rig));
}

/* A front-end that says the same features again does not undo what the driver chose (VU-12). */
static void the_same_features_again_keep_the_cache_mode(void **state)
{
    struct rig_options options = { .disk = RIG_DISK_FAKE };
    struct rig *rig = rig_new(state, &options);

    set_writeback(rig, 0);
    assert_true(write_was_fua(rig));
    assert_int_equal(tenon_bus_negotiate(rig->device, rig->driver->features), 0);
    assert_int_equal(writeback(rig), 0);
    assert_true(write_was_fua(rig));
}

/* A driver that can neither flush nor choose has to have each write stable (BLK-19). */
static void without_flush_every_write_is_stable(void **state)
{
    const uint64_t bits = 1ull << TN_BLK_F_FLUSH | 1ull << TN_BLK_F_CONFIG_WCE;
    struct rig_options options = { .disk = RIG_DISK_FAKE, .setup = { .without = { bits, 0 } } };
    struct rig *rig = rig_new(state, &options);

    assert_true(write_was_fua(rig));
    set_writeback(rig, 1); /* not negotiated: no effect */
    assert_true(write_was_fua(rig));
    assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_UNSUPP);
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
    assert_false(write_was_fua(rig));
}

static const struct rig_case cases[] = {
    RIG_TEST(resize_is_told_and_served),
    RIG_TEST(resize_under_load),
    RIG_TEST(config_wce_switches_live),
    RIG_TEST(the_same_features_again_keep_the_cache_mode),
    RIG_TEST(without_flush_every_write_is_stable),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
