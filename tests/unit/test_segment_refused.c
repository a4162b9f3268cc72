/*
 * test_segment_refused.c: frames that are to be cut into segments, and whose headers do not fit the
 * frame or what is left to be done (NET-28): each is refused, whatever was changed, and nothing
 * outside of the frame is read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "frame_model.h"
#include "net/net.h"

static uint8_t frame[FRAME_MAX];

static int begin(struct net_segments *segments, uint32_t bytes, const struct tenon_offload *offload)
{
    struct iovec iov = { frame, bytes };

    return net_segments_begin(segments, &iov, 1, bytes, offload);
}

static void expect_refused(uint32_t bytes, const struct tenon_offload *offload)
{
    struct net_segments segments;

    assert_int_equal(begin(&segments, bytes, offload), -EINVAL);
}

static const struct frame_shape plain = { .payload = 300, .segment = 100 };
static const struct frame_shape plain_v6 = { .v6 = true, .payload = 300, .segment = 100 };
static const struct frame_shape empty = { .segment = 100 };
static const struct frame_shape datagram = { .udp = true, .payload = 300, .segment = 100 };

/* `bytes` at `at` are changed, a checksum of IP is nothing that decides. */
static void expect_change_refused(const struct frame_shape *shape, unsigned at, const char *change,
                                  size_t count)
{
    struct tenon_offload offload;
    uint32_t bytes = frame_make(shape, frame, &offload);

    assert_memory_not_equal(frame + at, change, count);
    memcpy(frame + at, change, count);
    expect_refused(bytes, &offload);
}

static void headers_that_do_not_fit_NET_28(void **state)
{
    (void)state;
    expect_change_refused(&plain, 12, "\x08\x06", 2);         /* ARP */
    expect_change_refused(&plain, 12, "\x86\xdd", 2);         /* IPv6, and is not */
    expect_change_refused(&plain, 14, "\x65", 1);             /* version 6 */
    expect_change_refused(&plain, 14, "\x44", 1);             /* 16 bytes of header */
    expect_change_refused(&plain, 14, "\x46", 1);             /* options: TCP begins later */
    expect_change_refused(&plain, 16, "\0\0", 2);             /* length 0 */
    expect_change_refused(&plain, 16, "\x01\x53", 2);         /* one too few */
    expect_change_refused(&plain, 16, "\x01\x55", 2);         /* one too many */
    expect_change_refused(&plain, 20, "\x20\0", 2);           /* more fragments */
    expect_change_refused(&plain, 20, "\0\x01", 2);           /* not the first one */
    expect_change_refused(&plain, 23, "\x11", 1);             /* UDP */
    expect_change_refused(&plain, 46, "\x40", 1);             /* 16 bytes of TCP */
    expect_change_refused(&plain_v6, 12, "\x08\0", 2);        /* IPv4, and is not */
    expect_change_refused(&plain_v6, 14, "\x45", 1);          /* version 4 */
    expect_change_refused(&plain_v6, 18, "\0\0", 2);          /* length 0: a jumbogram */
    expect_change_refused(&plain_v6, 18, "\x01\x41", 2);      /* one too many */
    expect_change_refused(&plain_v6, 20, "\x2c", 1);          /* a fragment */
    expect_change_refused(&plain_v6, 20, "\x33", 1);          /* authenticated */
    expect_change_refused(&plain_v6, 20, "\x3b", 1);          /* nothing behind */
    expect_change_refused(&plain_v6, 20, "\x3c", 1);          /* options that end elsewhere */
    expect_change_refused(&datagram, 23, "\x06", 1);          /* TCP */
    expect_change_refused(&datagram, 38, "\x01\x33", 2);      /* one too few */
    expect_change_refused(&datagram, 38, "\0\0", 2);          /* no length */
    expect_change_refused(&plain, 12, "\x81\0\0\1\x08\0", 6); /* a tag, and IP moved */
}

/* All of it fits, but for what it is about. */
static void nearly_right_NET_28(void **state)
{
    struct frame_shape tagged = { .tags = 3, .payload = 300, .segment = 100 };
    struct tenon_offload offload;
    uint32_t bytes = frame_make(&tagged, frame, &offload);

    (void)state;
    expect_refused(bytes, &offload);
    bytes = frame_make(&empty, frame, &offload);
    offload.gso_bytes = 0;
    expect_refused(bytes, &offload);
    /* A header of IPv4 that has no room for the addresses, and TCP right behind. */
    bytes = frame_make(&plain, frame, &offload);
    frame[14] = 0x44;
    frame[30 + 12] = 0x50;
    offload.csum_start = 30;
    expect_refused(bytes, &offload);
}

static void offloads_that_do_not_fit_NET_28(void **state)
{
    static const struct frame_shape *const shapes[] = { &plain, &plain_v6, &datagram };

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        struct tenon_offload good, bad;
        uint32_t bytes = frame_make(shapes[i], frame, &good);
        struct net_segments segments;

        for (unsigned start = 0; start <= 0xffff; start++) {
            bad = good;
            bad.csum_start = (uint16_t)start;
            assert_int_equal(begin(&segments, bytes, &bad) == 0, start == good.csum_start);
            bad = good;
            bad.csum_offset = (uint16_t)start;
            assert_int_equal(begin(&segments, bytes, &bad) == 0, start == good.csum_offset);
        }
        for (unsigned gso = 0; gso <= 0xff; gso++) {
            bad = good;
            bad.gso = (uint8_t)gso;
            assert_int_equal(begin(&segments, bytes, &bad) == 0,
                             (gso & 0x7f) == good.gso && gso != (0x80 | TENON_GSO_UDP_L4));
        }
        bad = good;
        bad.flags = TENON_OFFLOAD_DATA_VALID;
        expect_refused(bytes, &bad);
        bad = good;
        bad.gso_bytes = 0;
        expect_refused(bytes, &bad);
    }
}

/* Every length that the frame has not, also where its own says the same. */
static void short_frames_NET_28(void **state)
{
    static const struct frame_shape shapes[] = {
        { .payload = 0, .segment = 1, .tags = 1 },
        { .payload = 0, .segment = 1, .tcp_words = 10, .ip_words = 3 },
        { .payload = 0, .segment = 1, .udp = true },
        { .payload = 0, .segment = 1, .v6 = true, .extensions = 7 },
        { .payload = 0, .segment = 1, .v6 = true, .udp = true, .extensions = 7 },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        static uint8_t whole[FRAME_MAX];
        struct tenon_offload offload;
        struct net_segments segments;
        uint32_t bytes = frame_make(&shapes[i], whole, &offload);

        for (uint32_t count = 0; count <= bytes; count++) {
            unsigned ip = 14 + shapes[i].tags * 4;
            uint8_t *exact = malloc(count != 0 ? count : 1);
            struct iovec iov = { exact, count };

            assert_non_null(exact);
            memcpy(exact, whole, count);
            assert_int_equal(net_segments_begin(&segments, &iov, 1, count, &offload) == 0,
                             count == bytes);
            if (count >= ip + 6 && (!shapes[i].v6 || count >= ip + 40)) {
                unsigned length = count - ip - (shapes[i].v6 ? 40 : 0);
                frame_put16(exact + ip + (shapes[i].v6 ? 4 : 2), length);
                assert_int_equal(net_segments_begin(&segments, &iov, 1, count, &offload) == 0,
                                 count == bytes);
            }
            /* It says that it is longer than what is there. */
            assert_int_equal(net_segments_begin(&segments, &iov, 1, bytes + 1, &offload), -EINVAL);
            free(exact);
        }
    }
}

static void headers_without_end_NET_28(void **state)
{
    struct frame_shape shape = { .v6 = true, .payload = 2000, .segment = 100 };
    struct tenon_offload offload;
    uint32_t bytes = frame_make(&shape, frame, &offload);

    (void)state;
    /* Options behind options, up to the end of the frame. */
    frame[20] = 60;
    for (uint32_t at = 54; at + 8 <= bytes; at += 8) {
        memcpy(frame + at, "\x3c\0\1\4\0\0\0\0", 8);
    }
    for (uint32_t start = 54; start < bytes; start += 8) {
        offload.csum_start = (uint16_t)start;
        expect_refused(bytes, &offload);
    }
    /* One of 2048 bytes. */
    frame[55] = 255;
    offload.csum_start = 54 + 2048;
    expect_refused(bytes, &offload);
    /* Exactly as long as headers may be, and one step more. */
    shape = (struct frame_shape){ .v6 = true, .payload = 400, .segment = 100 };
    bytes = frame_make(&shape, frame, &offload);
    for (unsigned units = 1; units <= 32; units++) {
        for (unsigned words = 5; words <= 15; words++) {
            struct net_segments segments;
            unsigned transport = 54 + units * 8;

            memset(frame + 54, 0, 400);
            frame[20] = 60;
            frame[54] = 6;
            frame[55] = (uint8_t)(units - 1);
            frame[transport + 12] = (uint8_t)(words << 4);
            offload.csum_start = (uint16_t)transport;
            assert_int_equal(begin(&segments, bytes, &offload) == 0,
                             transport + words * 4 <= NET_HEADERS_MAX);
        }
    }
}

static void too_many_segments(void **state)
{
    (void)state;
    for (uint32_t payload = 2000; payload < 65000; payload += payload < 2100 ? 1 : 9999) {
        struct frame_shape shape = { .payload = payload, .segment = 1 };
        struct tenon_offload offload;
        struct net_segments segments;
        uint32_t bytes = frame_make(&shape, frame, &offload);

        assert_int_equal(begin(&segments, bytes, &offload) == 0, payload <= 2048);
    }
}

static void longer_than_ip_can_say(void **state)
{
    static const uint32_t bytes[] = { 65535 + 15, 65536 + 54, 131072 + 354, UINT32_MAX };
    static uint8_t more[256 << 10];

    (void)state;
    for (unsigned i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
        struct tenon_offload offload;
        struct net_segments segments;
        struct iovec iov[2] = { { frame, frame_make(&plain, frame, &offload) }, { more, 0 } };

        iov[1].iov_len = bytes[i] - iov[0].iov_len;
        frame_put16(frame + 16, (bytes[i] - 14) & 0xffff);
        assert_int_equal(net_segments_begin(&segments, iov, 2, bytes[i], &offload), -EINVAL);
    }
}

static void a_hole_is_refused(void **state)
{
    struct tenon_offload offload;
    struct net_segments segments;
    uint32_t bytes = frame_make(&plain, frame, &offload);

    (void)state;
    for (uint32_t at = 0; at < bytes; at++) {
        struct iovec iov[] = { { frame, at }, { NULL, 1 }, { frame + at + 1, bytes - at - 1 } };
        assert_int_equal(net_segments_begin(&segments, iov, 3, bytes, &offload), -EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_that_do_not_fit_NET_28),  cmocka_unit_test(nearly_right_NET_28),
        cmocka_unit_test(offloads_that_do_not_fit_NET_28), cmocka_unit_test(short_frames_NET_28),
        cmocka_unit_test(headers_without_end_NET_28),      cmocka_unit_test(too_many_segments),
        cmocka_unit_test(longer_than_ip_can_say),          cmocka_unit_test(a_hole_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
