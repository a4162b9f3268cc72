/*
 * test_resize.c: an image that grows and shrinks under a busy guest (BLK-40, BLK-41): a file, and a
 * block device, where loop devices can be made. The disk of fake_disk.h does it in
 * test_live_changes.c.
 *
 *   |--- load: right whatever happens ---|        |--- beyond: OK or IOERR, then IOERR alone ---|
 *   0                                  SMALL                                                 LARGE
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/loop.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "load.h"
#include "needs.h"

/* SMALL ends within a page: what lies behind it there is mapped all the same. */
enum { SECTOR = 512, SMALL = (1 << 20) + 3 * SECTOR, LARGE = 2 << 20, BOUND_MS = 5000, BEYOND = 8 };

/* The image, whatever it is. */
struct image {
    struct rig *rig;
    int file, loop; /* loop: -1: the image is the file */
    uint64_t config_irqs;
};

static void cut(const struct image *image, uint64_t bytes)
{
    assert_int_equal(ftruncate(image->file, (off_t)bytes), 0);
    if (image->loop >= 0) {
        assert_int_equal(ioctl(image->loop, LOOP_SET_CAPACITY, 0), 0);
    }
}

static bool irq_came(void *opaque)
{
    struct image *image = opaque;
    return tnd_config_irqs(image->rig->driver) >= image->config_irqs;
}

/* Tells the device; the driver has to hear of it, once, and to read the new size. */
static void tell(struct image *image, uint64_t bytes)
{
    assert_int_equal(tenon_blk_resized(image->rig->device), 0);
    image->config_irqs++;
    assert_true(tnd_until(image->rig->driver, irq_came, image));
    assert_int_equal(tnd_config_irqs(image->rig->driver), image->config_irqs);
    assert_int_equal(tnd_blk_capacity(image->rig->driver), bytes / SECTOR);
}

/* Requests between SMALL and LARGE. */
struct beyond {
    struct tnd_blk_request r[BEYOND];
    uint8_t data[BEYOND][4096];
};

static void send_beyond(struct rig *rig, struct beyond *b, bool reads_only)
{
    for (unsigned i = 0; i < BEYOND; i++) {
        bool write = i % 2 && !reads_only;
        uint32_t bytes = i == 0 ? SECTOR : sizeof(b->data[i]); /* the first lies within the page */
        b->r[i] =
            (struct tnd_blk_request){ .type = write ? TN_BLK_T_OUT : TN_BLK_T_IN,
                                      .sector = i == 0 ? SMALL / SECTOR : SMALL / SECTOR + 20 * i };
        b->r[i].out = b->r[i].in = b->data[i];
        b->r[i].out_bytes = write ? bytes : 0;
        b->r[i].in_bytes = write ? 0 : bytes;
        assert_int_equal(tnd_blk_submit(rig->driver, 1, &b->r[i]), 0);
    }
}

/* `must`: that, or (-1) either. */
static void take_beyond(struct rig *rig, struct beyond *b, int must)
{
    for (unsigned i = 0; i < BEYOND; i++) {
        assert_int_equal(tnd_blk_wait(rig->driver, 1, &b->r[i]), 0);
        assert_true(b->r[i].status == TN_BLK_S_OK || b->r[i].status == TN_BLK_S_IOERR);
        assert_true(must < 0 || b->r[i].status == must);
    }
}

static void check_ends(struct rig *rig, uint64_t bytes)
{
    uint8_t data[2 * SECTOR] = { 7 };
    uint64_t last = bytes / SECTOR - 1;

    assert_int_equal(tnd_blk_write(rig->driver, 1, last, data, SECTOR), TN_BLK_S_OK);
    assert_int_equal(tnd_blk_read(rig->driver, 1, last, data, SECTOR), TN_BLK_S_OK);
    assert_int_equal(data[0], 7);
    assert_int_equal(tnd_blk_write(rig->driver, 1, last, data, 2 * SECTOR), TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_read(rig->driver, 1, last, data, 2 * SECTOR), TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_read(rig->driver, 1, last + 1, data, SECTOR), TN_BLK_S_IOERR);
}

/* Paused meanwhile: a write under way beyond the new end would make a file longer again. */
static void shrink(struct image *image, struct load *load, struct beyond *b)
{
    struct rig *rig = image->rig;

    send_beyond(rig, b, false);
    load_pump(load);
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    cut(image, SMALL);
    tell(image, SMALL);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    take_beyond(rig, b, -1);
}

static void grow_and_shrink(struct image *image)
{
    struct rig *rig = image->rig;
    struct load *load = load_new(rig, 1, 16, 8);
    struct beyond *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    for (unsigned i = 0; i < 6; i++) {
        load_run(load, 20);
        shrink(image, load, b);
        send_beyond(rig, b, false);
        take_beyond(rig, b, TN_BLK_S_IOERR);
        load_run(load, 20);
        check_ends(rig, SMALL);

        load_pump(load);
        cut(image, LARGE);
        tell(image, LARGE);
        check_ends(rig, LARGE);
        send_beyond(rig, b, false);
        load_run(load, 20);
        take_beyond(rig, b, TN_BLK_S_OK);
    }
    load_drain(load);
    load_free(load);
    free(b);
}

/* Nobody told the device: what is gone is an I/O error, and nothing else suffers. */
static void cut_behind_its_back(struct image *image)
{
    struct rig *rig = image->rig;
    struct load *load = load_new(rig, 1, 16, 9);
    struct beyond *b = calloc(1, sizeof(*b));

    assert_non_null(b);
    load_run(load, 20);
    send_beyond(rig, b, true);
    load_pump(load);
    cut(image, SMALL);
    take_beyond(rig, b, -1);
    send_beyond(rig, b, true);
    take_beyond(rig, b, TN_BLK_S_IOERR);
    load_run(load, 20);
    assert_int_equal(tnd_blk_capacity(rig->driver), LARGE / SECTOR);
    tell(image, SMALL);
    check_ends(rig, SMALL);
    cut(image, LARGE);
    tell(image, LARGE);
    send_beyond(rig, b, false);
    take_beyond(rig, b, TN_BLK_S_OK);
    load_drain(load);
    load_free(load);
    free(b);
}

/* ---- a file ---- */

static struct image file_image(void **state)
{
    struct rig_options options = { .disk_bytes = LARGE,
                                   .blk = { .queues = 2 },
                                   .setup = { .queues = 2 } };
    struct rig *rig = rig_new(state, &options);

    return (struct image){ .rig = rig, .file = rig->image_fd, .loop = -1 };
}

static void a_file_grows_and_shrinks_under_load(void **state)
{
    struct image image = file_image(state);
    grow_and_shrink(&image);
}

static void a_file_is_cut_behind_our_back(void **state)
{
    need_fault_address();
    struct image image = file_image(state);
    cut_behind_its_back(&image);
}

/* ---- a block device ---- */

/* A loop device over the file, which goes away with its last user. The descriptor, or -1. */
static int attach(int file, char *path, size_t bytes)
{
    struct loop_config config = { .fd = (uint32_t)file,
                                  .block_size = SECTOR,
                                  .info = { .lo_flags = LO_FLAGS_AUTOCLEAR } };
    int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC), loop = -1;

    for (unsigned tries = 0; control >= 0 && tries < 20 && loop < 0; tries++) {
        int number = ioctl(control, LOOP_CTL_GET_FREE);
        if (number < 0) {
            break;
        }
        snprintf(path, bytes, "/dev/loop%d", number);
        loop = open(path, O_RDWR | O_CLOEXEC);
        if (loop >= 0 && ioctl(loop, LOOP_CONFIGURE, &config) != 0) {
            close(loop); /* somebody else was faster */
            loop = -1;
        }
    }
    if (control >= 0) {
        close(control);
    }
    return loop;
}

static enum tenon_engine engine_of(unsigned bits)
{
    return bits & RIG_INLINE    ? TENON_ENGINE_INLINE
           : bits & RIG_THREADS ? TENON_ENGINE_THREADS
           : bits & RIG_URING   ? TENON_ENGINE_URING
           : bits & RIG_MAPPED  ? TENON_ENGINE_MAPPED
                                : TENON_ENGINE_AUTO;
}

static void skip_with(struct image *image, const char *why)
{
    close(image->file);
    if (image->loop >= 0) {
        close(image->loop);
    }
    print_message("skipped: %s\n", why);
    skip();
}

static struct image block_image(void **state)
{
    struct rig_combination *combination = *state;
    struct rig_options options = { .blk = { .queues = 2 }, .setup = { .queues = 2 } };
    struct tenon_file_opts opts = { .size = sizeof(opts), .engine = engine_of(combination->bits) };
    struct image image = { .file = memfd_create("disk", MFD_CLOEXEC), .loop = -1 };
    char path[64];

    assert_true(image.file >= 0);
    assert_int_equal(ftruncate(image.file, LARGE), 0);
    image.loop = attach(image.file, path, sizeof(path));
    if (image.loop < 0) {
        skip_with(&image, "loop devices cannot be made here (they need root)");
    }
    rig_survive_sigbus();
    int result = tenon_disk_open_file(path, &opts, &options.other);
    if (result < 0 && strstr(tenon_error(), "engine=io_uring is not possible")) {
        skip_with(&image, tenon_error());
    }
    assert_int_equal(result, 0);
    image.rig = rig_new(state, &options);
    return image;
}

static void end_block(void **state, struct image *image)
{
    rig_end(state);
    close(image->loop);
    close(image->file);
}

static void a_block_device_grows_and_shrinks_under_load(void **state)
{
    struct image image = block_image(state);
    grow_and_shrink(&image);
    end_block(state, &image);
}

static void a_block_device_is_cut_behind_our_back(void **state)
{
    need_fault_address();
    struct image image = block_image(state);
    cut_behind_its_back(&image);
    end_block(state, &image);
}

static const struct rig_case cases[] = {
    RIG_TEST(a_file_grows_and_shrinks_under_load),
    RIG_TEST(a_file_is_cut_behind_our_back),
    RIG_TEST(a_block_device_grows_and_shrinks_under_load),
    RIG_TEST(a_block_device_is_cut_behind_our_back),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
