/*
 * test_segment.c: frames cut into segments (NET-27), each read by a slow reader of its own
 * (frame_model.h): sums, lengths, IDs, sequence numbers and flags are right, and their payloads
 * together are the frame's.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "frame_model.h"
#include "net/net.h"

enum { CANARY = 0xc7 };

static uint8_t frame[FRAME_MAX], got[FRAME_MAX], rest[FRAME_MAX];

static int begin(struct net_segments *segments, uint32_t bytes, const struct tenon_offload *offload)
{
    static struct iovec iov;

    iov = (struct iovec){ frame, bytes };
    return net_segments_begin(segments, &iov, 1, bytes, offload);
}

/* The next one, in exactly the room it may have, and from there to `got`. */
static uint32_t next(struct net_segments *segments)
{
    size_t room = NET_HEADERS_MAX + (size_t)segments->offload.gso_bytes;
    uint8_t *to = malloc(room + 1);

    assert_non_null(to);
    to[room] = CANARY;
    uint32_t bytes = net_segments_next(segments, to);
    assert_true(bytes <= room);
    assert_int_equal(to[room], CANARY);
    memcpy(got, to, bytes);
    free(to);
    return bytes;
}

static uint8_t expected_flags(const struct frame_shape *shape, uint32_t number, bool last)
{
    uint8_t flags = last ? shape->flags : shape->flags & (uint8_t) ~(FRAME_FIN | FRAME_PSH);

    return shape->ecn && number != 0 ? flags & (uint8_t)~FRAME_CWR : flags;
}

/* But for what is each one's own, headers are the frame's. */
static void assert_same_headers(const struct frame_seen *seen)
{
    unsigned ip = seen->network, l4 = seen->transport;

    memcpy(rest, got, seen->payload);
    memcpy(rest + ip + (seen->v6 ? 4 : 2), frame + ip + (seen->v6 ? 4 : 2), 2);
    if (!seen->v6) {
        memcpy(rest + ip + 4, frame + ip + 4, 2);
        memcpy(rest + ip + 10, frame + ip + 10, 2);
    }
    if (seen->protocol == 6) {
        memcpy(rest + l4 + 4, frame + l4 + 4, 4);
        rest[l4 + 13] = frame[l4 + 13];
        memcpy(rest + l4 + 16, frame + l4 + 16, 2);
    } else {
        memcpy(rest + l4 + 4, frame + l4 + 4, 4);
    }
    assert_memory_equal(rest, frame, seen->payload);
}

static void expect_segments(struct net_segments *segments, const struct frame_shape *shape,
                            uint32_t bytes)
{
    uint32_t done = 0, number = 0, part;

    do {
        struct frame_seen seen;
        uint32_t length = next(segments);

        assert_int_not_equal(length, 0);
        assert_null(frame_read(got, length, &seen));
        assert_same_headers(&seen);
        part = shape->payload - done < shape->segment ? shape->payload - done : shape->segment;
        assert_int_equal(seen.payload_bytes, part);
        assert_memory_equal(got + seen.payload, frame + bytes - shape->payload + done, part);
        done += part;
        if (!shape->v6) {
            assert_int_equal(seen.id, (uint16_t)(shape->id + number));
        }
        if (!shape->udp) {
            assert_int_equal(seen.sequence, (uint32_t)(shape->sequence + done - part));
            assert_int_equal(seen.flags, expected_flags(shape, number, done == shape->payload));
        }
        number++;
    } while (done < shape->payload);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(next(segments), 0);
    }
}

static void expect(const struct frame_shape *shape)
{
    struct tenon_offload offload;
    struct net_segments segments;
    uint32_t bytes = frame_make(shape, frame, &offload);

    assert_int_equal(begin(&segments, bytes, &offload), 0);
    expect_segments(&segments, shape, bytes);
}

/* ---- what is right ---- */

static void each_kind_NET_27(void **state)
{
    static const uint32_t payloads[] = { 0, 1, 2, 99, 100, 101, 199, 200, 201, 1000, 8191 };

    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        for (unsigned tags = 0; tags <= 2; tags++) {
            for (unsigned i = 0; i < sizeof(payloads) / sizeof(payloads[0]); i++) {
                struct frame_shape shape = { .v6 = kind & 1,
                                             .udp = kind & 2,
                                             .tags = tags,
                                             .payload = payloads[i],
                                             .segment = 100,
                                             .flags = FRAME_ACK | FRAME_PSH,
                                             .sequence = 1234567,
                                             .id = 77 };
                expect(&shape);
                shape.segment = 65535;
                expect(&shape);
                shape.segment = 7;
                expect(&shape);
            }
        }
    }
}

static void options_and_extension_headers_NET_27(void **state)
{
    (void)state;
    for (unsigned words = 0; words <= 10; words++) {
        for (unsigned tcp = 0; tcp <= 10; tcp++) {
            expect(&(struct frame_shape){
                .ip_words = words, .tcp_words = tcp, .payload = 301, .segment = 100 });
        }
        expect(&(struct frame_shape){
            .ip_words = words, .udp = true, .payload = 301, .segment = 100 });
    }
    for (unsigned extensions = 0; extensions <= 15; extensions++) {
        for (unsigned udp = 0; udp <= 1; udp++) {
            expect(&(struct frame_shape){ .v6 = true,
                                          .udp = udp,
                                          .tags = 2,
                                          .tcp_words = 10,
                                          .extensions = extensions,
                                          .payload = 500,
                                          .segment = 99 });
        }
    }
}

static void flags_of_first_and_last_NET_27(void **state)
{
    (void)state;
    for (unsigned flags = 0; flags <= 0xff; flags++) {
        for (unsigned ecn = 0; ecn <= 1; ecn++) {
            for (uint32_t payload = 10; payload <= 30; payload += 10) {
                expect(&(struct frame_shape){ .v6 = flags & 1,
                                              .ecn = ecn,
                                              .flags = (uint8_t)flags,
                                              .payload = payload,
                                              .segment = 10 });
            }
        }
    }
}

static void numbers_wrap(void **state)
{
    (void)state;
    for (unsigned fixed = 0; fixed <= 1; fixed++) {
        expect(&(struct frame_shape){ .dont_fragment = fixed,
                                      .id = 0xfffe,
                                      .sequence = 0xffffff00,
                                      .payload = 1000,
                                      .segment = 100 });
    }
}

static void the_largest_packet(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        bool v6 = kind & 1, udp = kind & 2;
        struct frame_shape shape = { .v6 = v6,
                                     .udp = udp,
                                     .tags = 1,
                                     .payload = 65535 - (v6 ? 0 : 20) - (udp ? 8 : 20),
                                     .segment = 1448 };
        expect(&shape);
        shape.segment = 65535;
        expect(&shape);
        shape.segment = 32; /* as many segments as there may be */
        expect(&shape);
    }
}

static void wherever_the_frame_is_cut(void **state)
{
    static const struct frame_shape shapes[] = {
        { .payload = 25, .segment = 10, .flags = FRAME_FIN },
        { .udp = true, .tags = 1, .payload = 25, .segment = 7 },
        { .v6 = true, .payload = 25, .segment = 9, .extensions = FRAME_HOP_BY_HOP },
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        struct tenon_offload offload;
        struct net_segments segments;
        uint32_t bytes = frame_make(&shapes[i], frame, &offload);

        for (uint32_t a = 0; a <= bytes; a++) {
            for (uint32_t b = a; b <= bytes; b++) {
                /* An empty one, and one behind the frame that is none of it. */
                struct iovec iov[] = {
                    { frame, a }, { NULL, 0 }, { frame + a, b - a }, { frame + b, bytes - b },
                    { frame, 9 },
                };
                assert_int_equal(net_segments_begin(&segments, iov, 5, bytes, &offload), 0);
                expect_segments(&segments, &shapes[i], bytes);
            }
        }
    }
}

static uint32_t dice = 1;

static uint32_t roll(uint32_t sides)
{
    dice = dice * 1664525u + 1013904223u;
    return (dice >> 8) % sides;
}

static void any_frame(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 3000; round++) {
        struct iovec iov[40];
        struct tenon_offload offload;
        struct net_segments segments;
        uint16_t segment = (uint16_t)(1 + roll(2000));
        struct frame_shape shape = { .v6 = roll(2),
                                     .udp = roll(2),
                                     .dont_fragment = roll(2),
                                     .tags = roll(3),
                                     .ip_words = roll(11),
                                     .tcp_words = roll(11),
                                     .extensions = roll(16),
                                     .flags = (uint8_t)roll(256),
                                     .id = (uint16_t)roll(65536),
                                     .segment = segment,
                                     .sequence = roll(1 << 24) << 8,
                                     .payload = roll(segment * 30U) };
        shape.ecn = !shape.udp && roll(2);
        uint32_t bytes = frame_make(&shape, frame, &offload), at = 0;
        unsigned count = 0;

        for (; at < bytes && count < 39; at += (uint32_t)iov[count++].iov_len) {
            iov[count] = (struct iovec){ frame + at, roll(bytes / 8 + 1) };
            iov[count].iov_len = at + iov[count].iov_len > bytes ? bytes - at : iov[count].iov_len;
        }
        iov[count++] = (struct iovec){ frame + at, bytes - at };
        assert_int_equal(net_segments_begin(&segments, iov, count, bytes, &offload), 0);
        expect_segments(&segments, &shape, bytes);
    }
}

/* A sum that comes out as 0: each filling of the last two bytes, one of which has to hit it. */
static void udp_never_sends_0_NET_24(void **state)
{
    unsigned hits = 0;

    (void)state;
    for (unsigned filling = 0; filling <= 0xffff; filling++) {
        struct frame_shape shape = { .v6 = true, .udp = true, .payload = 4, .segment = 4 };
        struct tenon_offload offload;
        struct net_segments segments;
        struct frame_seen seen;
        uint32_t bytes = frame_make(&shape, frame, &offload);

        frame_put16(frame + bytes - 2, filling);
        assert_int_equal(begin(&segments, bytes, &offload), 0);
        assert_int_equal(next(&segments), bytes);
        assert_null(frame_read(got, bytes, &seen));
        hits += frame_be16(got + seen.transport + 6) == 0xffff;
    }
    assert_true(hits >= 1);
}

/* The guest writes on: headers are as they were when they were checked, sums as of what is sent. */
static void only_the_copy_counts(void **state)
{
    struct frame_shape shape = { .payload = 5000, .segment = 100, .flags = FRAME_PSH };
    struct tenon_offload offload;
    struct net_segments segments;
    struct frame_seen seen, first = { 0 };
    uint32_t bytes = frame_make(&shape, frame, &offload), total = 0, length;

    (void)state;
    assert_int_equal(begin(&segments, bytes, &offload), 0);
    memset(&offload, 0xff, sizeof(offload));
    for (unsigned round = 0; (length = next(&segments)) != 0; round++) {
        assert_null(frame_read(got, length, &seen));
        first = round == 0 ? seen : first;
        assert_int_equal(seen.payload, first.payload);
        total += seen.payload_bytes;
        memset(frame, (int)round * 3, bytes);
    }
    assert_int_equal(total, shape.payload);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_NET_27),
        cmocka_unit_test(options_and_extension_headers_NET_27),
        cmocka_unit_test(flags_of_first_and_last_NET_27),
        cmocka_unit_test(numbers_wrap),
        cmocka_unit_test(the_largest_packet),
        cmocka_unit_test(wherever_the_frame_is_cut),
        cmocka_unit_test(any_frame),
        cmocka_unit_test(udp_never_sends_0_NET_24),
        cmocka_unit_test(only_the_copy_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
