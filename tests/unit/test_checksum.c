/*
 * test_checksum.c: the ones' complement sum against published examples and against one that adds
 * byte by byte, at every alignment and in every piece; and checksums that are left to be done.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "frame_model.h"
#include "net/net.h"

static uint32_t dice = 1;

static uint8_t roll(void)
{
    dice = dice * 1664525u + 1013904223u;
    return (uint8_t)(dice >> 24);
}

static void fill(uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bytes[i] = roll();
    }
}

static uint16_t sum_of(const void *bytes, size_t count)
{
    return net_sum_fold(net_sum(0, bytes, count, false));
}

/* ---- net_sum ---- */

static void published_examples(void **state)
{
    static const uint8_t rfc1071[] = { 0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7 };
    static const uint8_t header[] = { 0x45, 0x00, 0x00, 0x73, 0x00, 0x00, 0x40, 0x00, 0x40, 0x11,
                                      0x00, 0x00, 0xc0, 0xa8, 0x00, 0x01, 0xc0, 0xa8, 0x00, 0xc7 };

    (void)state;
    assert_int_equal(sum_of(rfc1071, sizeof(rfc1071)), 0xddf2);
    assert_int_equal((uint16_t)~sum_of(header, sizeof(header)), 0xb861);
    assert_int_equal(sum_of("", 0), 0);
    assert_int_equal(sum_of("\x12", 1), 0x1200);
    assert_int_equal(sum_of("\xff\xff\x00\x01", 4), 1);
}

static void every_length_and_alignment(void **state)
{
    static uint8_t bytes[512 + 64];

    (void)state;
    fill(bytes, sizeof(bytes));
    for (size_t align = 0; align < 64; align++) {
        for (size_t count = 0; count <= 300; count++) {
            assert_int_equal(sum_of(bytes + align, count), frame_sum(0, bytes + align, count));
        }
    }
}

static void every_cut_in_three(void **state)
{
    uint8_t bytes[40];

    (void)state;
    fill(bytes, sizeof(bytes));
    for (size_t count = 0; count <= sizeof(bytes); count++) {
        uint16_t whole = (uint16_t)frame_sum(0, bytes, count);
        for (size_t a = 0; a <= count; a++) {
            for (size_t b = a; b <= count; b++) {
                uint32_t sum = net_sum(0, bytes, a, false);
                sum = net_sum(sum, bytes + a, b - a, a % 2 == 1);
                sum = net_sum(sum, bytes + b, count - b, b % 2 == 1);
                assert_int_equal(net_sum_fold(sum), whole);
            }
        }
    }
}

/* Where a carry that is lost would show: nothing but ones, in one long piece and in very many. */
static void carries_are_not_lost(void **state)
{
    enum { BYTES = 8 << 20 };
    uint8_t *bytes = malloc(BYTES);
    uint32_t sum = 0;

    (void)state;
    assert_non_null(bytes);
    memset(bytes, 0xff, BYTES);
    assert_int_equal(sum_of(bytes, BYTES), 0xffff);
    assert_int_equal(sum_of(bytes, BYTES - 1), frame_sum(0, bytes, BYTES - 1));
    for (unsigned i = 0; i < 200000; i++) {
        sum = net_sum(sum, bytes, 2, i % 2 == 1);
    }
    assert_int_equal(net_sum_fold(sum), 0xffff);
    fill(bytes, BYTES);
    assert_int_equal(sum_of(bytes, BYTES), frame_sum(0, bytes, BYTES));
    free(bytes);
}

/* ---- net_checksum ---- */

/* A frame in pieces of their own size, so that a sanitizer sees each byte too many. */
enum { PIECES = 5 };
struct pieces {
    struct iovec iov[PIECES];
    unsigned count;
};

static void cut(struct pieces *pieces, const uint8_t *frame, const size_t *sizes, unsigned count)
{
    pieces->count = count;
    for (unsigned i = 0; i < count; i++) {
        pieces->iov[i] = (struct iovec){ malloc(sizes[i] != 0 ? sizes[i] : 1), sizes[i] };
        assert_non_null(pieces->iov[i].iov_base);
        memcpy(pieces->iov[i].iov_base, frame, sizes[i]);
        frame += sizes[i];
    }
}

static void join(struct pieces *pieces, uint8_t *frame)
{
    for (unsigned i = 0; i < pieces->count; i++) {
        memcpy(frame, pieces->iov[i].iov_base, pieces->iov[i].iov_len);
        frame += pieces->iov[i].iov_len;
        free(pieces->iov[i].iov_base);
    }
}

static const struct frame_shape shapes[] = {
    { .payload = 5 },
    { .payload = 0, .tcp_words = 3 },
    { .payload = 4, .udp = true, .tags = 1 },
    { .payload = 3, .udp = true, .v6 = true },
    { .payload = 2, .v6 = true, .tags = 2, .extensions = FRAME_ROUTING | FRAME_ROUTING_LEFT },
};
enum { SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* Stored into the frame, wherever it is cut: the reader finds it good, and all else as it was. */
static void finished_in_every_cut(void **state)
{
    (void)state;
    for (unsigned shape = 0; shape < SHAPES; shape++) {
        static uint8_t before[FRAME_MAX], after[FRAME_MAX];
        struct tenon_offload given;
        uint32_t bytes = frame_make(&shapes[shape], before, &given);
        unsigned field = given.csum_start + given.csum_offset;

        for (size_t a = 0; a <= bytes; a++) {
            for (size_t b = a; b <= bytes; b += b < field + 3 ? 1 : 7) {
                size_t sizes[PIECES] = { a, 0, b - a, bytes - b, 0 };
                struct tenon_offload offload = given;
                struct frame_seen seen;
                struct pieces pieces;

                cut(&pieces, before, sizes, PIECES);
                assert_true(net_checksum_finish(pieces.iov, PIECES, bytes, &offload));
                join(&pieces, after);
                assert_null(frame_read(after, bytes, &seen));
                memcpy(after + field, before + field, 2);
                assert_memory_equal(after, before, bytes);
                assert_int_equal(offload.flags, 0);
                assert_int_equal(offload.csum_start | offload.csum_offset, 0);
            }
        }
    }
}

static uint16_t checksum_of(const uint8_t *frame, uint32_t bytes, uint16_t start, uint16_t offset)
{
    struct iovec iov = { (void *)frame, bytes };
    struct tenon_offload offload = { .csum_start = start, .csum_offset = offset };

    return net_checksum(&iov, 1, bytes, &offload);
}

static void nothing_in_front_of_the_start_counts(void **state)
{
    uint8_t frame[64];

    (void)state;
    fill(frame, sizeof(frame));
    for (uint16_t start = 0; start < sizeof(frame); start++) {
        assert_int_equal(checksum_of(frame, sizeof(frame), start, 2),
                         0xffff - frame_sum(0, frame + start, sizeof(frame) - start));
    }
}

static void udp_never_sends_0_NET_24(void **state)
{
    static const uint8_t frame[16] = { [8] = 0xff, 0xff };

    (void)state;
    assert_int_equal(checksum_of(frame, sizeof(frame), 4, 6), 0xffff);
    assert_int_equal(checksum_of(frame, sizeof(frame), 4, 16), 0);
    assert_int_equal(checksum_of(frame, sizeof(frame), 4, 2), 0);
}

/* Whatever it is told, it stays within the iovecs; and holes are passed over. */
static void numbers_that_are_wrong_do_no_harm(void **state)
{
    uint8_t frame[32], copy[32];
    struct iovec iov[3] = { { frame, 15 }, { NULL, 7 }, { frame + 15, 17 } };
    struct tenon_offload offload = { .csum_start = 3, .csum_offset = 14 };

    (void)state;
    fill(frame, sizeof(frame));
    memcpy(copy, frame, sizeof(frame));
    assert_int_equal(checksum_of(frame, 32, 65535, 65535), 0xffff);
    offload.csum_start = 11; /* behind the frame, and still within the iovecs */
    assert_int_equal(net_checksum(iov, 1, 10, &offload), 0xffff);
    offload.csum_start = 3;
    net_checksum(iov, 1, UINT32_MAX, &offload);
    net_checksum(iov, 0, 100, &offload);
    unsigned sum = frame_sum(frame_sum(0, frame + 3, 12), (const uint8_t[8]){ 0 }, 8);
    sum = frame_sum(sum, (const uint8_t *)"\0", 1);
    assert_int_equal(net_checksum(iov, 2, 22, &offload), 0xffff - sum);
    /* Into the hole, half of it into the hole, and behind the end. */
    offload.flags = TENON_OFFLOAD_NEEDS_CSUM;
    assert_false(net_checksum_finish(iov, 3, 39, &offload));
    offload.csum_offset = 11;
    assert_false(net_checksum_finish(iov, 3, 39, &offload));
    offload.csum_offset = 35;
    assert_false(net_checksum_finish(iov, 3, 39, &offload));
    assert_int_equal(offload.flags, TENON_OFFLOAD_NEEDS_CSUM);
    assert_memory_equal(frame, copy, sizeof(frame));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_examples),
        cmocka_unit_test(every_length_and_alignment),
        cmocka_unit_test(every_cut_in_three),
        cmocka_unit_test(carries_are_not_lost),
        cmocka_unit_test(finished_in_every_cut),
        cmocka_unit_test(nothing_in_front_of_the_start_counts),
        cmocka_unit_test(udp_never_sends_0_NET_24),
        cmocka_unit_test(numbers_that_are_wrong_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
