/*
 * test_blk_requests.c: what a block device does with each request, in any framing: items 21 to 31
 * and 35 of the conformance list, BLK-01..61.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>
#include <sys/stat.h>

#include "harness.h"

enum { SECTORS = (8 << 20) / 512 };

static uint8_t byte_at(struct rig *rig, uint64_t gpa)
{
    uint8_t byte = 0;
    assert_true(tnd_ram_get(rig->ram, gpa, &byte, 1));
    return byte;
}

/*
 * Sends a chain made by hand. 0 and its used length, or -EPIPE when the device says that the queue
 * is broken.
 */
static int send_chain(struct rig *rig, const struct tnd_seg *segs, unsigned count,
                      uint32_t *used_bytes)
{
    struct tnd_used used;
    assert_true(tnd_add(rig->driver, 0, segs, count, TND_DIRECT, NULL) >= 0);
    tnd_kick(rig->driver, 0);
    int error = tnd_wait_used(rig->driver, 0, &used);
    *used_bytes = used.bytes;
    return error;
}

static uint64_t new_status(struct rig *rig)
{
    uint8_t untouched = TND_BLK_UNTOUCHED;
    uint64_t gpa = tnd_ram_alloc(rig->ram, 1);
    tnd_ram_put(rig->ram, gpa, &untouched, 1);
    return gpa;
}

static uint8_t *image_copy(struct rig *rig)
{
    uint8_t *copy = malloc(rig->image_bytes);
    assert_non_null(copy);
    memcpy(copy, rig->image, rig->image_bytes);
    return copy;
}

static void image_is(struct rig *rig, uint8_t *copy)
{
    assert_memory_equal(rig->image, copy, rig->image_bytes);
    free(copy);
}

/* What was refused was refused by the checks, before the disk was asked. */
static void disk_was_not_asked(struct rig *rig)
{
    assert_int_equal(rig_stat(rig, "disk_errors", 0), 0);
}

static void restart(struct rig *rig)
{
    assert_int_equal(tnd_reset(rig->driver), 0);
    assert_int_equal(tnd_start(rig->driver, NULL), 0);
}

/* ---- item 21, item 35 ---- */

static void item21_each_request_BLK_25_29_30_31_44(void **state)
{
    struct rig_options o = { .blk = { .serial = "serial-123" } };
    struct rig *rig = rig_new(state, &o);
    uint8_t out[4096], in[4096];
    char id[20], expected[20] = "serial-123";
    rig_pattern(out, sizeof(out), 1);
    struct tnd_blk_request w = { .type = TN_BLK_T_OUT, .sector = 9, .out = out, .out_bytes = 4096 };
    struct tnd_blk_request r = { .type = TN_BLK_T_IN, .sector = 9, .in = in, .in_bytes = 4096 };
    struct tnd_blk_request f = { .type = TN_BLK_T_FLUSH };
    struct tnd_blk_request g = { .type = TN_BLK_T_GET_ID, .in = id, .in_bytes = 20 };
    assert_int_equal(tnd_blk_run(rig->driver, 0, &w), TN_BLK_S_OK);
    assert_int_equal(w.used_bytes, 1); /* item 35 */
    assert_memory_equal(rig->image + 9 * 512, out, 4096);
    assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
    assert_int_equal(r.used_bytes, 4097);
    assert_memory_equal(in, out, 4096);
    assert_int_equal(tnd_blk_run(rig->driver, 0, &f), TN_BLK_S_OK);
    assert_int_equal(f.used_bytes, 1);
    assert_int_equal(tnd_blk_run(rig->driver, 0, &g), TN_BLK_S_OK);
    assert_int_equal(g.used_bytes, 21);
    assert_memory_equal(id, expected, 20);
}

static void item35_used_length_of_failures_SPLIT_28(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t sector[512] = { 0 };
    struct tnd_range far = { .sector = SECTORS, .sectors = 1 };
    struct tnd_blk_request r = {
        .type = TN_BLK_T_IN, .sector = SECTORS, .in = sector, .in_bytes = 512
    };
    struct tnd_blk_request w = {
        .type = TN_BLK_T_OUT, .sector = SECTORS, .out = sector, .out_bytes = 512
    };
    struct tnd_blk_request u = { .type = 77, .in_bytes = 512 };
    struct tnd_blk_request d = { .type = TN_BLK_T_DISCARD, .out = &far, .out_bytes = 16 };
    assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_IOERR);
    assert_int_equal(r.used_bytes, 1);
    /* The used length says that the first byte was written: so it was (it is 0xa5 before). */
    assert_int_equal(sector[0], 0);
    assert_int_equal(sector[1], 0xa5);
    assert_int_equal(tnd_blk_run(rig->driver, 0, &w), TN_BLK_S_IOERR);
    assert_int_equal(w.used_bytes, 1);
    assert_int_equal(tnd_blk_run(rig->driver, 0, &u), TN_BLK_S_UNSUPP);
    assert_int_equal(u.used_bytes, 1);
    assert_int_equal(tnd_blk_run(rig->driver, 0, &d), TN_BLK_S_IOERR);
    assert_int_equal(d.used_bytes, 1);
}

/* Data in 1 to seg_max pieces (BLK-05), over all forms, scattered over memory. */
static void item21_pieces_up_to_seg_max_BLK_05(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    enum { MOST = 126 };
    static uint8_t out[MOST * 512], in[MOST * 512];
    uint32_t cuts[MOST + 1], in_cuts[MOST];
    le32 seg_max;

    tnd_config_read(rig->driver, offsetof(struct tn_blk_config, seg_max), &seg_max, 4);
    assert_int_equal(tn_from_le32(seg_max), MOST);
    for (unsigned pieces = 1; pieces <= MOST; pieces = pieces < 8 ? pieces + 1
                                                       : pieces * 2 > MOST && pieces < MOST
                                                           ? MOST
                                                           : pieces * 2) {
        cuts[0] = 16;
        for (unsigned i = 0; i < pieces; i++) {
            cuts[i + 1] = in_cuts[i] = 512;
        }
        for (unsigned form = TND_DIRECT; form <= TND_MIXED; form++) {
            rig_pattern(out, sizeof(out), pieces * 4 + form);
            struct tnd_blk_request w = { .type = TN_BLK_T_OUT,
                                         .sector = pieces,
                                         .out = out,
                                         .out_bytes = pieces * 512,
                                         .form = form,
                                         .scatter = true,
                                         .out_cuts = cuts,
                                         .out_cut_count = pieces + 1 };
            struct tnd_blk_request r = { .type = TN_BLK_T_IN,
                                         .sector = pieces,
                                         .in = in,
                                         .in_bytes = pieces * 512,
                                         .form = form,
                                         .scatter = true,
                                         .in_cuts = in_cuts,
                                         .in_cut_count = pieces };
            assert_int_equal(tnd_blk_run(rig->driver, 0, &w), TN_BLK_S_OK);
            assert_memory_equal(rig->image + pieces * 512, out, pieces * 512);
            assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
            assert_memory_equal(in, out, pieces * 512);
            assert_int_equal(r.used_bytes, pieces * 512 + 1);
        }
    }
}

/* Header, data and status cut at every byte (SPLIT-07, BLK-24). */
static void item21_22_cut_at_every_byte_SPLIT_07(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t out[1024], in[1024];
    for (uint32_t cut = 0; cut <= 1025; cut = cut < 40 || cut >= 1000 ? cut + 1 : cut + 37) {
        uint32_t out_cuts[] = { cut, 1 }, in_cuts[] = { cut / 2, cut - cut / 2 };
        enum tnd_form form = cut % 3;
        rig_pattern(out, sizeof(out), cut);
        struct tnd_blk_request w = { .type = TN_BLK_T_OUT,
                                     .sector = cut % 64,
                                     .out = out,
                                     .out_bytes = 1024,
                                     .form = form,
                                     .out_cuts = out_cuts,
                                     .out_cut_count = 2,
                                     .scatter = cut & 1 };
        struct tnd_blk_request r = { .type = TN_BLK_T_IN,
                                     .sector = cut % 64,
                                     .in = in,
                                     .in_bytes = 1024,
                                     .form = form,
                                     .in_cuts = in_cuts,
                                     .in_cut_count = 2,
                                     .scatter = cut & 2 };
        assert_int_equal(tnd_blk_run(rig->driver, 0, &w), TN_BLK_S_OK);
        assert_int_equal(w.used_bytes, 1);
        assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
        assert_int_equal(r.used_bytes, 1025);
        assert_memory_equal(in, out, 1024);
    }
}

/* Each byte in a descriptor of its own. */
static void item21_22_a_descriptor_for_each_byte_SPLIT_07(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint32_t ones[16 + 512];
    uint8_t out[512], in[512];
    for (unsigned i = 0; i < 528; i++) {
        ones[i] = 1;
    }
    rig_pattern(out, sizeof(out), 8);
    struct tnd_blk_request w = { .type = TN_BLK_T_OUT,
                                 .sector = 1,
                                 .out = out,
                                 .out_bytes = 512,
                                 .scatter = true,
                                 .form = TND_INDIRECT,
                                 .out_cuts = ones,
                                 .out_cut_count = 528 };
    struct tnd_blk_request r = { .type = TN_BLK_T_IN,
                                 .sector = 1,
                                 .in = in,
                                 .in_bytes = 512,
                                 .scatter = true,
                                 .form = TND_INDIRECT,
                                 .out_cuts = ones,
                                 .out_cut_count = 16,
                                 .in_cuts = ones,
                                 .in_cut_count = 512 };
    assert_int_equal(tnd_blk_run(rig->driver, 0, &w), TN_BLK_S_OK);
    assert_memory_equal(rig->image + 512, out, 512);
    assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
    assert_memory_equal(in, out, 512);
    assert_int_equal(r.used_bytes, 513);
}

/* One buffer over two regions that are neighbours (SPLIT-16). */
static void item21_a_buffer_over_two_regions_SPLIT_16(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t status = new_status(rig);
    uint8_t data[4096], back[4096];
    uint32_t used;
    static const uint32_t before_edge[] = { 1, 7, 512, 2048, 4095 };
    for (unsigned i = 0; i < 5; i++) {
        uint64_t gpa = RIG_NEIGHBOURS_EDGE - before_edge[i];
        struct tnd_seg w[] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_OUT, 40),
                                 .bytes = 16 },
                               { .gpa = gpa, .bytes = 4096 },
                               { .gpa = status, .bytes = 1, .write = true } };
        struct tnd_seg r[] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_IN, 40), .bytes = 16 },
                               { .gpa = gpa, .bytes = 4096, .write = true },
                               { .gpa = status, .bytes = 1, .write = true } };
        rig_pattern(data, sizeof(data), i);
        assert_true(tnd_ram_put(rig->ram, gpa, data, 4096));
        assert_int_equal(send_chain(rig, w, 3, &used), 0);
        assert_int_equal(byte_at(rig, status), TN_BLK_S_OK);
        assert_memory_equal(rig->image + 40 * 512, data, 4096);
        tnd_ram_fill(rig->ram, gpa, 0, 4096);
        assert_int_equal(send_chain(rig, r, 3, &used), 0);
        assert_int_equal(used, 4097);
        assert_true(tnd_ram_get(rig->ram, gpa, back, 4096));
        assert_memory_equal(back, data, 4096);
    }
}

/* What was in the buffers before does not matter (SPLIT-10), nor the reserved field (BLK-28). */
static void old_contents_do_not_matter_SPLIT_10_BLK_28(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t in[512];
    rig_pattern(rig->image, 4096, 2);
    for (unsigned i = 0; i < 4; i++) {
        struct tnd_blk_request r = {
            .type = TN_BLK_T_IN, .reserved = 0xffffffff >> i, .sector = i, .in = in, .in_bytes = 512
        };
        assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
        assert_memory_equal(in, rig->image + i * 512, 512);
    }
}

/* ---- item 22 ---- */

static void item22_short_headers_BLK_36(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t *copy = image_copy(rig);
    for (uint32_t bytes = 0; bytes < 16; bytes++) {
        uint64_t status = new_status(rig), data = tnd_ram_alloc(rig->ram, 512);
        struct tnd_seg segs[] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_IN, 0),
                                    .bytes = bytes },
                                  { .gpa = data, .bytes = 512, .write = true },
                                  { .gpa = status, .bytes = 1, .write = true } };
        uint32_t used;
        assert_int_equal(send_chain(rig, segs, 3, &used), 0);
        assert_int_equal(byte_at(rig, status), TN_BLK_S_IOERR);
        assert_int_equal(used, 1);
        assert_true(tnd_ram_is(rig->ram, data + 1, 0xa5, 511));
    }
    rig_check_alive(rig, 0);
    memcpy(copy + 6 * 512, rig->image + 6 * 512, 1024);
    image_is(rig, copy);
    disk_was_not_asked(rig);
}

/*
 * One byte more than a header: of a read it is data in the wrong direction, of a write no whole
 * sector.
 */
static void item22_a_header_of_17_bytes(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t extra[17] = { 0 };
    struct tnd_blk_request r = {
        .type = TN_BLK_T_IN, .out = extra, .out_bytes = 1, .in_bytes = 512
    };
    struct tnd_blk_request w = { .type = TN_BLK_T_OUT, .out = extra, .out_bytes = 1 };
    assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_run(rig->driver, 0, &w), TN_BLK_S_IOERR);
    rig_check_alive(rig, 0);
}

static void item22_header_outside_memory(void **state)
{
    static const uint64_t gpas[] = { RIG_NOWHERE_GPA, UINT64_MAX - 7, 0x10000 - 8 };
    struct rig *rig = rig_new(state, NULL);
    for (unsigned i = 0; i < 3; i++) {
        uint64_t status = new_status(rig);
        uint32_t used;
        struct tnd_seg segs[] = { { .gpa = gpas[i], .bytes = 16 },
                                  { .gpa = status, .bytes = 1, .write = true } };
        assert_int_equal(send_chain(rig, segs, 2, &used), 0);
        assert_int_equal(byte_at(rig, status), TN_BLK_S_IOERR);
        assert_int_equal(used, 1);
    }
    rig_check_alive(rig, 0);
}

static void item22_header_that_the_device_should_write(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t status = new_status(rig), header = tnd_blk_header(rig->driver, TN_BLK_T_FLUSH, 0);
    uint32_t used;
    struct tnd_seg segs[] = { { .gpa = header, .bytes = 16, .write = true },
                              { .gpa = status, .bytes = 1, .write = true } };
    assert_int_equal(send_chain(rig, segs, 2, &used), 0);
    assert_int_equal(byte_at(rig, status), TN_BLK_S_IOERR);
    rig_check_alive(rig, 0);
}

/* ---- item 23 ---- */

/* A read whose status is as given breaks the queue: there is no truthful way to end it. */
static void bad_status(struct rig *rig, const struct tnd_seg *status, unsigned count)
{
    uint64_t data = tnd_ram_alloc(rig->ram, 512);
    struct tnd_seg segs[3] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_FLUSH, 0),
                                 .bytes = 16 } };
    unsigned before = rig_event(&rig->broken);
    uint32_t used;
    for (unsigned i = 0; i < count; i++) {
        segs[1 + i] = status[i];
    }
    assert_int_equal(send_chain(rig, segs, 1 + count, &used), -EPIPE);
    rig_await_event(rig, &rig->broken, before + 1);
    assert_true(tnd_ram_is(rig->ram, data, 0xa5, 512));
    restart(rig);
    rig_check_alive(rig, 0);
}

static void item23_no_place_for_a_status_BLK_36(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t gpa = tnd_ram_alloc(rig->ram, 64);
    bad_status(rig, NULL, 0);
    bad_status(rig, &(struct tnd_seg){ .gpa = gpa, .write = true }, 1); /* no bytes */
    bad_status(rig, &(struct tnd_seg){ .gpa = gpa, .bytes = 1 }, 1);    /* not ours to write */
    bad_status(rig, &(struct tnd_seg){ .gpa = RIG_NOWHERE_GPA, .bytes = 1, .write = true }, 1);
    bad_status(rig, &(struct tnd_seg){ .gpa = UINT64_MAX, .bytes = 1, .write = true }, 1);
    bad_status(rig, &(struct tnd_seg){ .gpa = UINT64_MAX - 3, .bytes = 16, .write = true }, 1);
    /* Its last byte is past the end of memory. */
    bad_status(
        rig, &(struct tnd_seg){ .gpa = RIG_HIGH_GPA + 0x100000 - 4, .bytes = 5, .write = true }, 1);
}

/* The status is the last writable byte, however long the descriptor that it lies in (BLK-24). */
static void item23_status_at_the_end_of_a_long_descriptor_BLK_24(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t gpa = tnd_ram_alloc(rig->ram, 2048);
    uint32_t used;
    rig_pattern(rig->image, 2048, 4);
    struct tnd_seg segs[] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_IN, 0), .bytes = 16 },
                              { .gpa = gpa, .bytes = 1025, .write = true } };
    assert_int_equal(send_chain(rig, segs, 2, &used), 0);
    assert_int_equal(used, 1025);
    assert_int_equal(byte_at(rig, gpa + 1024), TN_BLK_S_OK);
    assert_memory_equal(tnd_ram_at(rig->ram, gpa, 1024), rig->image, 1024);
    assert_true(tnd_ram_is(rig->ram, gpa + 1025, 0xa5, 1023));
}

static void item23_an_empty_descriptor_behind_the_status_SPLIT_18(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t status = new_status(rig);
    uint32_t used;
    struct tnd_seg segs[] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_FLUSH, 0),
                                .bytes = 16 },
                              { .gpa = status, .bytes = 1, .write = true },
                              { .gpa = 0, .bytes = 0, .write = true } };
    assert_int_equal(send_chain(rig, segs, 3, &used), 0);
    assert_int_equal(byte_at(rig, status), TN_BLK_S_OK);
}

/* ---- item 24 ---- */

static void item24_lengths_BLK_32_34(void **state)
{
    static const uint32_t lengths[] = { 0, 1, 511, 512, 513, 1023, 1024, 4095 };
    struct rig *rig = rig_new(state, NULL);
    uint8_t data[4096], in[4096];
    rig_pattern(data, sizeof(data), 6);
    for (unsigned i = 0; i < 8; i++) {
        bool whole = lengths[i] % 512 == 0;
        uint8_t *copy = image_copy(rig);
        struct tnd_blk_request w = {
            .type = TN_BLK_T_OUT, .sector = 2, .out = data, .out_bytes = lengths[i]
        };
        struct tnd_blk_request r = {
            .type = TN_BLK_T_IN, .sector = 2, .in = in, .in_bytes = lengths[i]
        };
        assert_int_equal(tnd_blk_run(rig->driver, 0, &w), whole ? TN_BLK_S_OK : TN_BLK_S_IOERR);
        if (whole) {
            memcpy(copy + 1024, data, lengths[i]);
        }
        image_is(rig, copy);
        assert_int_equal(tnd_blk_run(rig->driver, 0, &r), whole ? TN_BLK_S_OK : TN_BLK_S_IOERR);
        assert_int_equal(r.used_bytes, whole ? lengths[i] + 1 : 1);
        if (whole) {
            assert_memory_equal(in, data, lengths[i]);
        }
    }
    disk_was_not_asked(rig);
}

/* SIZE_MAX is advice: one segment of 6 MiB over two neighbouring regions is served all the same. */
static void item24_a_segment_larger_than_size_max_BLK_04(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t status = new_status(rig), gpa = RIG_NEIGHBOURS_GPA + 0x100000;
    uint32_t used, bytes = 6 << 20;
    le32 size_max;
    tnd_config_read(rig->driver, offsetof(struct tn_blk_config, size_max), &size_max, 4);
    assert_true(tn_from_le32(size_max) > 0 && tn_from_le32(size_max) < bytes);
    rig_pattern(rig->image, bytes, 5);
    struct tnd_seg segs[] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_IN, 0), .bytes = 16 },
                              { .gpa = gpa, .bytes = bytes, .write = true },
                              { .gpa = status, .bytes = 1, .write = true } };
    assert_int_equal(send_chain(rig, segs, 3, &used), 0);
    assert_int_equal(byte_at(rig, status), TN_BLK_S_OK);
    assert_int_equal(used, bytes + 1);
    assert_memory_equal(tnd_ram_at(rig->ram, gpa, 0x300000), rig->image, 0x300000);
    assert_memory_equal(tnd_ram_at(rig->ram, RIG_NEIGHBOURS_EDGE, 0x300000), rig->image + 0x300000,
                        0x300000);
}

static void item24_wrong_direction_BLK_35(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t data[512];
    uint8_t *copy = image_copy(rig);
    rig_pattern(data, sizeof(data), 7);
    struct tnd_blk_request requests[] = {
        { .type = TN_BLK_T_IN, .out = data, .out_bytes = 512 }, /* nothing to read into */
        { .type = TN_BLK_T_IN, .out = data, .out_bytes = 512, .in_bytes = 512 },
        { .type = TN_BLK_T_OUT, .in_bytes = 512 }, /* nothing to write */
        { .type = TN_BLK_T_OUT, .out = data, .out_bytes = 512, .in_bytes = 512 },
        { .type = TN_BLK_T_GET_ID, .out = data, .out_bytes = 512, .in_bytes = 20 },
        { .type = TN_BLK_T_DISCARD, .in_bytes = 16 },
        { .type = TN_BLK_T_WRITE_ZEROES, .in_bytes = 16 },
    };
    for (unsigned i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        uint8_t in[512];
        requests[i].in = in;
        assert_int_equal(tnd_blk_run(rig->driver, 0, &requests[i]), TN_BLK_S_IOERR);
        assert_int_equal(requests[i].used_bytes, 1);
        for (unsigned j = 1; j < requests[i].in_bytes; j++) {
            assert_int_equal(in[j], 0xa5);
        }
    }
    image_is(rig, copy);
    disk_was_not_asked(rig);
}

static void item24_a_piece_outside_memory(void **state)
{
    static const uint64_t gpas[] = { RIG_NOWHERE_GPA, UINT64_MAX - 511, 0x10000 - 256,
                                     RIG_HIGH_GPA + 0x100000 - 511 };
    struct rig *rig = rig_new(state, NULL);
    uint8_t *copy = image_copy(rig);
    for (unsigned write = 0; write < 2; write++) {
        for (unsigned i = 0; i < 4; i++) {
            uint64_t status = new_status(rig), good = tnd_ram_alloc(rig->ram, 1024);
            uint32_t used;
            struct tnd_seg segs[] = { { .gpa = tnd_blk_header(
                                            rig->driver, write ? TN_BLK_T_OUT : TN_BLK_T_IN, 8),
                                        .bytes = 16 },
                                      { .gpa = good, .bytes = 512, .write = !write },
                                      { .gpa = gpas[i], .bytes = 512, .write = !write },
                                      { .gpa = good + 512, .bytes = 512, .write = !write },
                                      { .gpa = status, .bytes = 1, .write = true } };
            assert_int_equal(send_chain(rig, segs, 5, &used), 0);
            assert_int_equal(byte_at(rig, status), TN_BLK_S_IOERR);
            assert_int_equal(used, 1);
            assert_true(tnd_ram_is(rig->ram, good + 1, 0xa5, 1023)); /* nothing moved */
        }
    }
    image_is(rig, copy);
    rig_check_alive(rig, 0);
    disk_was_not_asked(rig);
}

/* A read into the ring itself: the driver's own loss, and nobody else's. */
static void item24_data_over_the_ring(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tnd_ring *ring = rig->driver->queues[0].ring;
    uint64_t status = new_status(rig);
    memset(rig->image, 0xff, 8192);
    struct tnd_seg segs[] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_IN, 0), .bytes = 16 },
                              { .gpa = ring->desc_gpa, .bytes = 4096, .write = true },
                              { .gpa = status, .bytes = 1, .write = true } };
    assert_true(tnd_add(rig->driver, 0, segs, 3, TND_DIRECT, NULL) >= 0);
    tnd_kick(rig->driver, 0);
    uint64_t end = tnd_now_ms() + 10000;
    while (byte_at(rig, status) == TND_BLK_UNTOUCHED && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    assert_int_equal(byte_at(rig, status), TN_BLK_S_OK);
    tnd_raw_offer(ring, 3); /* a descriptor of ones */
    tnd_notify(rig->driver, 0);
    assert_true(tnd_wait_broken(rig->driver, 0));
    restart(rig);
    rig_check_alive(rig, 0);
}

/* ---- item 25 ---- */

static void item25_the_end_of_the_disk_BLK_33(void **state)
{
    static const struct {
        uint64_t sector;
        uint32_t bytes;
        uint8_t status;
    } cases[] = {
        { SECTORS - 1, 512, TN_BLK_S_OK },
        { SECTORS - 8, 4096, TN_BLK_S_OK },
        { SECTORS - 1, 1024, TN_BLK_S_IOERR },
        { SECTORS - 7, 4096, TN_BLK_S_IOERR },
        { SECTORS, 512, TN_BLK_S_IOERR },
        { SECTORS + 1, 512, TN_BLK_S_IOERR },
        { 1ull << 32, 512, TN_BLK_S_IOERR },
        { 1ull << 54, 512, TN_BLK_S_IOERR },
        { 1ull << 55, 512, TN_BLK_S_IOERR }, /* sector * 512 is 0 mod 2^64 */
        { (1ull << 55) + 1, 512, TN_BLK_S_IOERR },
        { UINT64_MAX / 512, 1024, TN_BLK_S_IOERR },
        { UINT64_MAX, 512, TN_BLK_S_IOERR },
        { UINT64_MAX, 1024, TN_BLK_S_IOERR }, /* sector + length wraps */
        { UINT64_MAX - 7, 4096, TN_BLK_S_IOERR },
    };
    struct rig *rig = rig_new(state, NULL);
    uint8_t out[4096], in[4096];
    struct stat st;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint8_t *copy = image_copy(rig);
        rig_pattern(out, sizeof(out), i);
        assert_int_equal(tnd_blk_write(rig->driver, 0, cases[i].sector, out, cases[i].bytes),
                         cases[i].status);
        if (cases[i].status == TN_BLK_S_OK) {
            memcpy(copy + cases[i].sector * 512, out, cases[i].bytes);
        }
        image_is(rig, copy);
        assert_int_equal(tnd_blk_read(rig->driver, 0, cases[i].sector, in, cases[i].bytes),
                         cases[i].status);
        if (cases[i].status == TN_BLK_S_OK) {
            assert_memory_equal(in, out, cases[i].bytes);
        }
    }
    disk_was_not_asked(rig);
    fstat(rig->image_fd, &st);
    assert_int_equal(st.st_size, rig->image_bytes); /* the file has not grown (A3, B2) */
}

/* ---- item 26 ---- */

static void item26_unknown_types_BLK_27(void **state)
{
    static const uint32_t types[] = { 2,          3,          5,          6,         7,
                                      9,          10,         12,         14,        15,
                                      16,         255,        0x100,      0x10000,   0x10001,
                                      0x80000000, 0x80000001, 0xdeadbeef, 0xffffffff };
    struct rig *rig = rig_new(state, NULL);
    uint8_t data[512], in[512];
    rig_pattern(rig->image, rig->image_bytes, 1);
    rig_pattern(data, sizeof(data), 2);
    uint8_t *copy = image_copy(rig);
    for (unsigned i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        struct tnd_blk_request out = { .type = types[i], .out = data, .out_bytes = 512 };
        struct tnd_blk_request inward = { .type = types[i], .in = in, .in_bytes = 512 };
        struct tnd_blk_request bare = { .type = types[i] };
        assert_int_equal(tnd_blk_run(rig->driver, 0, &out), TN_BLK_S_UNSUPP);
        assert_int_equal(tnd_blk_run(rig->driver, 0, &bare), TN_BLK_S_UNSUPP);
        assert_int_equal(tnd_blk_run(rig->driver, 0, &inward), TN_BLK_S_UNSUPP);
        for (unsigned j = 1; j < 512; j++) {
            assert_int_equal(in[j], 0xa5);
        }
    }
    image_is(rig, copy);
    disk_was_not_asked(rig);
}

static void item26_commands_that_were_not_negotiated_BLK_27(void **state)
{
    struct rig_options o = {
        .setup = { .without = { 1ull << TN_BLK_F_DISCARD | 1ull << TN_BLK_F_WRITE_ZEROES |
                                1ull << TN_BLK_F_FLUSH | 1ull << TN_BLK_F_CONFIG_WCE } }
    };
    struct rig *rig = rig_new(state, &o);
    struct tnd_range range = { .sector = 0, .sectors = 8 };
    rig_pattern(rig->image, rig->image_bytes, 1);
    uint8_t *copy = image_copy(rig);
    assert_int_equal(tnd_blk_discard(rig->driver, 0, &range, 1), TN_BLK_S_UNSUPP);
    assert_int_equal(tnd_blk_write_zeroes(rig->driver, 0, &range, 1), TN_BLK_S_UNSUPP);
    assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_UNSUPP);
    image_is(rig, copy);
}

static void flush_with_junk_is_a_flush_BLK_42(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint8_t data[100] = { 1 };
    struct tnd_blk_request f = {
        .type = TN_BLK_T_FLUSH, .sector = UINT64_MAX, .out = data, .out_bytes = 100, .in_bytes = 33
    };
    assert_int_equal(tnd_blk_run(rig->driver, 0, &f), TN_BLK_S_OK);
    assert_int_equal(f.used_bytes, 1);
}

/* ---- item 27 ---- */

static void read_only_device(struct rig *rig)
{
    struct tnd_range range = { .sector = 0, .sectors = 8 };
    uint8_t data[512], in[512];
    rig_pattern(rig->image, rig->image_bytes, 3);
    uint8_t *copy = image_copy(rig);
    rig_pattern(data, sizeof(data), 4);
    assert_int_equal(tnd_blk_write(rig->driver, 0, 0, data, 512), TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_write(rig->driver, 0, 0, data, 0), TN_BLK_S_IOERR);
    /* Whether it was offered or not, whether the driver knows or not: never done. */
    assert_int_not_equal(tnd_blk_discard(rig->driver, 0, &range, 1), TN_BLK_S_OK);
    assert_int_not_equal(tnd_blk_write_zeroes(rig->driver, 0, &range, 1), TN_BLK_S_OK);
    assert_int_equal(tnd_blk_flush(rig->driver, 0), TN_BLK_S_OK);
    assert_int_equal(tnd_blk_read(rig->driver, 0, 5, in, 512), TN_BLK_S_OK);
    assert_memory_equal(in, rig->image + 5 * 512, 512);
    image_is(rig, copy);
}

static void item27_read_only_BLK_38_39(void **state)
{
    for (unsigned i = 0; i < 4; i++) {
        /* By option or by the disk; with RO accepted and not. */
        struct rig_options o = { .disk_read_only = i & 1,
                                 .blk = { .read_only = !(i & 1) },
                                 .setup = { .without = { i & 2 ? 1ull << TN_BLK_F_RO : 0 } } };
        struct rig *rig = rig_new(state, &o);
        assert_true(rig->driver->offered[0] >> TN_BLK_F_RO & 1);
        assert_false(rig->driver->offered[0] >> TN_BLK_F_DISCARD & 1);
        assert_false(rig->driver->offered[0] >> TN_BLK_F_WRITE_ZEROES & 1);
        read_only_device(rig);
        rig_end(state);
    }
}

/* ---- items 28 and 29 ---- */

enum { SHORT_BYTES = 1 << 20 };

static struct rig *short_rig(void **state, struct short_disk *disk)
{
    struct rig_options o = { 0 };
    disk->size = SHORT_BYTES;
    disk->bytes = disk->bytes ? disk->bytes : calloc(1, SHORT_BYTES);
    rig_pattern(disk->bytes, SHORT_BYTES, 11);
    assert_int_equal(short_open(disk, &o.other), 0);
    return rig_new(state, &o);
}

static void item28_short_reads_go_on(void **state)
{
    static const unsigned most[] = { 1, 100, 511, 512, 4097 };
    static uint8_t in[8192];
    for (unsigned i = 0; i < 5; i++) {
        struct short_disk disk = { .most = most[i] };
        struct rig *rig = short_rig(state, &disk);
        uint32_t cuts[] = { 3, 700, 4096, 5 };
        struct tnd_blk_request r = { .type = TN_BLK_T_IN,
                                     .sector = 4,
                                     .in = in,
                                     .in_bytes = sizeof(in),
                                     .in_cuts = cuts,
                                     .in_cut_count = 4,
                                     .scatter = true };
        assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
        assert_memory_equal(in, disk.bytes + 2048, sizeof(in));
        rig_end(state);
        free(disk.bytes);
    }
}

static void item28_the_true_end_is_an_error(void **state)
{
    struct short_disk disk = { .end = 10 * 512 + 100 };
    struct rig *rig = short_rig(state, &disk);
    uint8_t in[2048];
    assert_int_equal(tnd_blk_read(rig->driver, 0, 6, in, 2048), TN_BLK_S_OK);
    assert_int_equal(tnd_blk_read(rig->driver, 0, 8, in, 2048),
                     TN_BLK_S_IOERR); /* never OK with stale data (A2, K1) */
    assert_int_equal(tnd_blk_read(rig->driver, 0, 10, in, 512), TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_read(rig->driver, 0, 100, in, 512), TN_BLK_S_IOERR);
    rig_end(state);
    free(disk.bytes);
}

static void item29_short_writes_go_on(void **state)
{
    static uint8_t out[8192];
    struct short_disk disk = { .most = 1000 };
    struct rig *rig = short_rig(state, &disk);
    rig_pattern(out, sizeof(out), 77);
    assert_int_equal(tnd_blk_write(rig->driver, 0, 3, out, sizeof(out)), TN_BLK_S_OK);
    assert_memory_equal(disk.bytes + 3 * 512, out, sizeof(out));
    rig_end(state);
    free(disk.bytes);
}

static void item29_no_progress_is_an_error(void **state)
{
    struct short_disk disk = { .no_progress = true };
    struct rig *rig = short_rig(state, &disk);
    uint8_t out[512] = { 0 };
    assert_int_equal(tnd_blk_write(rig->driver, 0, 3, out, 512), TN_BLK_S_IOERR);
    rig_end(state);
    free(disk.bytes);
}

static void item29_disk_full_is_an_error_of_that_request(void **state)
{
    struct short_disk disk = { .error_from = 8 * 512 };
    struct rig *rig = short_rig(state, &disk);
    uint8_t out[2048] = { 0 };
    assert_int_equal(tnd_blk_write(rig->driver, 0, 0, out, 2048), TN_BLK_S_OK);
    assert_int_equal(tnd_blk_write(rig->driver, 0, 6, out, 2048), TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_write(rig->driver, 0, 8, out, 512), TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_write(rig->driver, 0, 4, out, 2048), TN_BLK_S_OK);
    assert_int_equal(rig_event(&rig->broken), 0);
    rig_end(state);
    free(disk.bytes);
}

static void item29_interrupted_calls_are_repeated_but_not_for_ever(void **state)
{
    struct short_disk disk = { .interrupts = 5 };
    struct rig *rig = short_rig(state, &disk);
    uint8_t out[512] = { 9 };
    assert_int_equal(tnd_blk_write(rig->driver, 0, 1, out, 512), TN_BLK_S_OK);
    assert_memory_equal(disk.bytes + 512, out, 512);
    __atomic_store_n(&disk.interrupts, -1, __ATOMIC_RELEASE);
    assert_int_equal(tnd_blk_write(rig->driver, 0, 1, out, 512), TN_BLK_S_IOERR);
    rig_end(state);
    free(disk.bytes);
}

static void item29_an_error_of_the_disk_is_this_request_s(void **state)
{
    struct short_disk disk = { .error = -EIO };
    struct rig *rig = short_rig(state, &disk);
    uint8_t data[512] = { 0 };
    assert_int_equal(tnd_blk_write(rig->driver, 0, 1, data, 512), TN_BLK_S_IOERR);
    assert_int_equal(tnd_blk_read(rig->driver, 0, 1, data, 512), TN_BLK_S_IOERR);
    __atomic_store_n(&disk.error, 0, __ATOMIC_RELEASE);
    assert_int_equal(tnd_blk_read(rig->driver, 0, 1, data, 512), TN_BLK_S_OK);
    assert_memory_equal(data, disk.bytes + 512, 512);
    rig_end(state);
    free(disk.bytes);
}

/* ---- item 30 ---- */

static void item30_zeroes_BLK_49_54_55(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    for (uint32_t unmap = 0; unmap < 2; unmap++) {
        struct tnd_range ranges[] = { { 1, 1, unmap },
                                      { 100, 57, unmap },
                                      { 4096, 1000, unmap },
                                      { 8, 0, unmap },
                                      { SECTORS - 1, 1, unmap } };
        rig_pattern(rig->image, rig->image_bytes, unmap);
        uint8_t *copy = image_copy(rig);
        for (unsigned i = 0; i < 5; i++) {
            memset(copy + ranges[i].sector * 512, 0, ranges[i].sectors * 512ull);
        }
        assert_int_equal(tnd_blk_write_zeroes(rig->driver, 0, ranges, 5), TN_BLK_S_OK);
        uint8_t in[1024];
        assert_int_equal(tnd_blk_read(rig->driver, 0, 100, in, 1024), TN_BLK_S_OK);
        for (unsigned i = 0; i < 1024; i++) {
            assert_int_equal(in[i], 0);
        }
        image_is(rig, copy);
    }
}

static void item30_discard_BLK_53_59(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    struct tnd_range ranges[] = { { 8192, 4096, 0 },
                                  { 33, 3, 0 } }; /* the second is not aligned to anything */
    struct stat before, after;
    rig_pattern(rig->image, rig->image_bytes, 8);
    uint8_t *copy = image_copy(rig);
    fstat(rig->image_fd, &before);
    assert_int_equal(tnd_blk_discard(rig->driver, 0, ranges, 2), TN_BLK_S_OK);
    fstat(rig->image_fd, &after);
    assert_true(after.st_blocks < before.st_blocks); /* space came back */
    assert_int_equal(after.st_size, before.st_size);
    for (unsigned i = 0; i < 2; i++) { /* own data or zeroes inside; outside as it was */
        uint64_t at = ranges[i].sector * 512, n = ranges[i].sectors * 512ull;
        for (uint64_t j = at; j < at + n; j++) {
            assert_true(rig->image[j] == 0 || rig->image[j] == copy[j]);
        }
        memcpy(copy + at, rig->image + at, n);
    }
    image_is(rig, copy);
}

static void refused_ranges(struct rig *rig, uint32_t type)
{
    const struct {
        struct tnd_range ranges[9];
        unsigned count;
        uint8_t status;
    } cases[] = {
        { .count = 0, .status = TN_BLK_S_IOERR },     /* BLK-50 */
        { { { SECTORS, 1, 0 } }, 1, TN_BLK_S_IOERR }, /* BLK-57 */
        { { { SECTORS - 1, 2, 0 } }, 1, TN_BLK_S_IOERR },
        { { { UINT64_MAX, 2, 0 } }, 1, TN_BLK_S_IOERR },
        { { { 1ull << 55, 8, 0 } }, 1, TN_BLK_S_IOERR },
        { { { 0, 0xffffffff, 0 } }, 1, TN_BLK_S_IOERR },
        { { { 0, 8, 0 }, { 16, 8, 0 }, { SECTORS, 8, 0 } }, 3, TN_BLK_S_IOERR },
        { { { 0, 8, 2 } }, 1, TN_BLK_S_UNSUPP }, /* BLK-51 */
        { { { 0, 8, 0x80000000 } }, 1, TN_BLK_S_UNSUPP },
        { { { 0, 8, 0 }, { 8, 8, 4 } },
          2,
          TN_BLK_S_UNSUPP },                     /* the last of several: nothing was done */
        { { { 0, 8, 1 } }, 1, TN_BLK_S_UNSUPP }, /* BLK-52: DISCARD only */
        { .ranges = { { 0, 1, 0 }, { 1, 1, 0 }, { 2, 1, 0 } },
          .count = 9,
          .status = TN_BLK_S_IOERR }, /* too many */
    };
    rig_pattern(rig->image, rig->image_bytes, 21);
    uint8_t *copy = image_copy(rig);
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (type == TN_BLK_T_WRITE_ZEROES && cases[i].ranges[0].flags == 1) {
            continue;
        }
        int status = type == TN_BLK_T_DISCARD
                         ? tnd_blk_discard(rig->driver, 0, cases[i].ranges, cases[i].count)
                         : tnd_blk_write_zeroes(rig->driver, 0, cases[i].ranges, cases[i].count);
        if (status != cases[i].status) {
            fail_msg("type %u, case %u: status %d", type, i, status);
        }
    }
    for (uint32_t bytes = 1; bytes < 64; bytes++) { /* not a multiple of 16 */
        uint8_t wire[64] = { 0 };
        struct tnd_blk_request r = { .type = type, .out = wire, .out_bytes = bytes };
        wire[8] = 1;
        if (bytes % 16 != 0) {
            assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_IOERR);
        }
    }
    image_is(rig, copy);
}

static void item30_refused_ranges_BLK_50_51_52_57(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    le32 segs;
    tnd_config_read(rig->driver, offsetof(struct tn_blk_config, max_discard_seg), &segs, 4);
    assert_int_equal(tn_from_le32(segs), 8);
    tnd_config_read(rig->driver, offsetof(struct tn_blk_config, max_write_zeroes_seg), &segs, 4);
    assert_int_equal(tn_from_le32(segs), 8);
    refused_ranges(rig, TN_BLK_T_DISCARD);
    refused_ranges(rig, TN_BLK_T_WRITE_ZEROES);
    disk_was_not_asked(rig);
}

static void item30_ranges_cut_at_every_byte_BLK_49(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    for (uint32_t cut = 1; cut < 16 + 48; cut++) {
        struct tn_blk_range wire[3];
        uint32_t cuts[] = { cut, 1 };
        rig_pattern(rig->image, rig->image_bytes / 64, cut);
        for (unsigned i = 0; i < 3; i++) {
            wire[i] = (struct tn_blk_range){ .sector = tn_to_le64(i * 10 + 1),
                                             .sectors = tn_to_le32(i + 1) };
        }
        struct tnd_blk_request r = { .type = TN_BLK_T_WRITE_ZEROES,
                                     .out = wire,
                                     .out_bytes = 48,
                                     .scatter = true,
                                     .out_cuts = cuts,
                                     .out_cut_count = 2,
                                     .form = cut % 3 };
        uint8_t *copy = image_copy(rig);
        for (unsigned i = 0; i < 3; i++) {
            memset(copy + (i * 10 + 1) * 512, 0, (i + 1) * 512);
        }
        assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
        image_is(rig, copy);
    }
}

static void a_disk_that_cannot_is_not_asked_BASIC_13_BLK_56(void **state)
{
    struct short_disk disk = { 0 }; /* neither discard nor zeroes */
    struct rig *rig = short_rig(state, &disk);
    struct tnd_range range = { 0, 8, 0 };
    assert_false(tnd_has(rig->driver, TN_BLK_F_DISCARD));
    assert_false(tnd_has(rig->driver, TN_BLK_F_WRITE_ZEROES));
    assert_int_equal(tnd_blk_discard(rig->driver, 0, &range, 1), TN_BLK_S_UNSUPP);
    assert_int_equal(tnd_blk_write_zeroes(rig->driver, 0, &range, 1), TN_BLK_S_UNSUPP);
    rig_end(state);
    free(disk.bytes);
}

/* ---- item 31 ---- */

static void item31_buffers_for_the_id_BLK_45(void **state)
{
    static const uint32_t lengths[] = { 0, 1, 19, 20, 21, 512, 4096 };
    struct rig_options o = { .blk = { .serial = "twenty-characters-20" } };
    struct rig *rig = rig_new(state, &o);
    for (unsigned i = 0; i < 7; i++) {
        uint8_t in[4096];
        uint32_t n = lengths[i] < 20 ? lengths[i] : 20;
        struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in = in, .in_bytes = lengths[i] };
        assert_int_equal(tnd_blk_run(rig->driver, 0, &r), TN_BLK_S_OK);
        assert_int_equal(r.used_bytes, n + 1);
        assert_memory_equal(in, "twenty-characters-20", n);
        for (uint32_t j = 21; j < lengths[i]; j++) {
            assert_int_equal(in[j], 0xa5);
        }
    }
}

static void item31_serials_differ_and_are_padded_BLK_44(void **state)
{
    static const char *const serials[] = { "a", "12345", "twenty-characters-20" };
    for (unsigned i = 0; i < 3; i++) {
        struct rig_options o = { .blk = { .serial = serials[i], .read_only = i == 1 } };
        struct rig *rig = rig_new(state, &o);
        char id[20], expected[20] = { 0 };
        memcpy(expected, serials[i], strlen(serials[i]));
        assert_int_equal(tnd_blk_get_id(rig->driver, 0, id), TN_BLK_S_OK);
        assert_memory_equal(id, expected, 20);
        rig_end(state);
    }
}

static void item31_id_outside_memory(void **state)
{
    struct rig *rig = rig_new(state, NULL);
    uint64_t status = new_status(rig);
    uint32_t used;
    struct tnd_seg segs[] = { { .gpa = tnd_blk_header(rig->driver, TN_BLK_T_GET_ID, 0),
                                .bytes = 16 },
                              { .gpa = RIG_NOWHERE_GPA, .bytes = 20, .write = true },
                              { .gpa = status, .bytes = 1, .write = true } };
    assert_int_equal(send_chain(rig, segs, 3, &used), 0);
    assert_int_equal(byte_at(rig, status), TN_BLK_S_IOERR);
    assert_int_equal(used, 1);
    disk_was_not_asked(rig);
}

/* ---- config space and features ---- */

static void config_fields_BLK_03_to_15(void **state)
{
    struct rig_options o = { .disk = RIG_DISK_FAKE, .blk = { .queues = 3, .block_bytes = 4096 } };
    struct rig *rig = rig_new(state, &o);
    struct tn_blk_config c;
    assert_int_equal(tnd_config_read(rig->driver, 0, &c, sizeof(c)), 0);
    assert_int_equal(tn_from_le64(c.capacity), SECTORS); /* in 512 bytes, whatever blk_size is */
    assert_int_equal(tn_from_le32(c.blk_size), 4096);
    assert_int_equal(tn_from_le16(c.num_queues), 3);
    assert_true(tn_from_le32(c.size_max) > 0);
    assert_int_equal(c.writeback, 1);
    assert_int_equal(c.unused0, 0);
    assert_int_equal(c.unused1[0] | c.unused1[1] | c.unused1[2], 0);
    assert_true(tn_from_le32(c.max_discard_sectors) > 0);
    assert_true(tn_from_le32(c.max_write_zeroes_sectors) > 0);
    assert_int_equal(c.write_zeroes_may_unmap, 1);
    assert_int_equal(tn_from_le32(c.max_secure_erase_sectors), 0);
    uint8_t data[512];
    rig_pattern(data, 512, 2);
    assert_int_equal(tnd_blk_write(rig->driver, 0, 3, data, 512), TN_BLK_S_OK); /* BLK-07 */
    assert_memory_equal(rig->image + 3 * 512, data, 512);
}

static const struct rig_case cases[] = {
    RIG_TEST(item21_each_request_BLK_25_29_30_31_44),
    RIG_TEST(item21_pieces_up_to_seg_max_BLK_05),
    RIG_TEST(item21_22_cut_at_every_byte_SPLIT_07),
    RIG_TEST(item21_22_a_descriptor_for_each_byte_SPLIT_07),
    RIG_TEST(item21_a_buffer_over_two_regions_SPLIT_16),
    RIG_TEST(old_contents_do_not_matter_SPLIT_10_BLK_28),
    RIG_TEST(item22_short_headers_BLK_36),
    RIG_TEST(item22_a_header_of_17_bytes),
    RIG_TEST(item22_header_outside_memory),
    RIG_TEST(item22_header_that_the_device_should_write),
    RIG_TEST(item23_no_place_for_a_status_BLK_36),
    RIG_TEST(item23_status_at_the_end_of_a_long_descriptor_BLK_24),
    RIG_TEST(item23_an_empty_descriptor_behind_the_status_SPLIT_18),
    RIG_TEST(item24_lengths_BLK_32_34),
    RIG_TEST(item24_a_segment_larger_than_size_max_BLK_04),
    RIG_TEST(item24_wrong_direction_BLK_35),
    RIG_TEST(item24_a_piece_outside_memory),
    RIG_TEST(item24_data_over_the_ring),
    RIG_TEST(item25_the_end_of_the_disk_BLK_33),
    RIG_TEST(item26_unknown_types_BLK_27),
    RIG_TEST(item26_commands_that_were_not_negotiated_BLK_27),
    RIG_TEST(flush_with_junk_is_a_flush_BLK_42),
    RIG_TEST(item27_read_only_BLK_38_39),
    RIG_TEST(item28_short_reads_go_on),
    RIG_TEST(item28_the_true_end_is_an_error),
    RIG_TEST(item29_short_writes_go_on),
    RIG_TEST(item29_no_progress_is_an_error),
    RIG_TEST(item29_disk_full_is_an_error_of_that_request),
    RIG_TEST(item29_interrupted_calls_are_repeated_but_not_for_ever),
    RIG_TEST(item29_an_error_of_the_disk_is_this_request_s),
    RIG_TEST(item30_zeroes_BLK_49_54_55),
    RIG_TEST(item30_discard_BLK_53_59),
    RIG_TEST(item30_refused_ranges_BLK_50_51_52_57),
    RIG_TEST(item30_ranges_cut_at_every_byte_BLK_49),
    RIG_TEST(a_disk_that_cannot_is_not_asked_BASIC_13_BLK_56),
    RIG_TEST(item31_buffers_for_the_id_BLK_45),
    RIG_TEST(item31_serials_differ_and_are_padded_BLK_44),
    RIG_TEST(item31_id_outside_memory),
    RIG_TEST(item35_used_length_of_failures_SPLIT_28),
    RIG_TEST(config_fields_BLK_03_to_15),
};

int main(int argc, char **argv)
{
    return rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
