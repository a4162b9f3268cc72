/*
 * rss_frames.h: the published vectors of Microsoft's hash, and frames that carry their addresses
 * and ports, for test_rss.c.
 */
#ifndef TESTS_UNIT_RSS_FRAMES_H
#define TESTS_UNIT_RSS_FRAMES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "net/net.h"

enum { TCP = 6, UDP = 17, FRAME_MAX = 200 };

static const uint8_t key[TN_NET_RSS_KEY_BYTES] = { 0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2,
                                                   0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
                                                   0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
                                                   0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
                                                   0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa };

static const struct vector {
    int family;
    const char *target, *source;
    uint16_t target_port, source_port;
    uint32_t addresses, ports; /* the hashes */
} vectors[] = {
    { AF_INET, "161.142.100.80", "66.9.149.187", 1766, 2794, 0x323e8fc2, 0x51ccc178 },
    { AF_INET, "65.69.140.83", "199.92.111.2", 4739, 14230, 0xd718262a, 0xc626b0ea },
    { AF_INET, "12.22.207.184", "24.19.198.95", 38024, 12898, 0xd2d0a5de, 0x5c2b394a },
    { AF_INET, "209.142.163.6", "38.27.205.30", 2217, 48228, 0x82989176, 0xafc7327f },
    { AF_INET, "202.188.127.2", "153.39.163.191", 1303, 44251, 0x5d1809c5, 0x10e828a2 },
    { AF_INET6, "3ffe:2501:200:3::1", "3ffe:2501:200:1fff::7", 1766, 2794, 0x2cc18cd5, 0x40207d3d },
    { AF_INET6, "ff02::1", "3ffe:501:8::260:97ff:fe40:efab", 4739, 14230, 0x0f0c461c, 0xdde51bbf },
    { AF_INET6, "fe80::200:f8ff:fe21:67cf", "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 38024, 44251,
      0x4b61e985, 0x02d1feef },
};
enum { VECTORS = sizeof(vectors) / sizeof(*vectors), FIRST_V6 = 5 };

struct frame {
    uint8_t bytes[FRAME_MAX];
    uint32_t count;
};

static inline void add(struct frame *frame, const void *bytes, uint32_t count)
{
    assert_true(frame->count + count <= FRAME_MAX);
    memcpy(frame->bytes + frame->count, bytes, count);
    frame->count += count;
}

static inline void add16(struct frame *frame, uint16_t value)
{
    uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };
    add(frame, bytes, sizeof(bytes));
}

/* Up to the network header, behind so many tags. */
static inline void begin(struct frame *frame, const struct vector *vector, unsigned tags)
{
    uint8_t macs[12] = { 2 };

    memset(frame, 0, sizeof(*frame));
    add(frame, macs, sizeof(macs));
    for (unsigned i = 0; i < tags; i++) {
        add16(frame, i + 1 < tags ? 0x88a8 : 0x8100);
        add16(frame, 5);
    }
    add16(frame, vector->family == AF_INET ? 0x0800 : 0x86dd);
}

static inline void add_ipv4(struct frame *frame, const struct vector *vector, uint8_t protocol,
                            unsigned option_words, uint16_t fragment)
{
    uint8_t ip[60] = { (uint8_t)(0x45 + option_words) };

    ip[6] = (uint8_t)(fragment >> 8);
    ip[7] = (uint8_t)fragment;
    ip[9] = protocol;
    assert_int_equal(inet_pton(AF_INET, vector->source, ip + 12), 1);
    assert_int_equal(inet_pton(AF_INET, vector->target, ip + 16), 1);
    add(frame, ip, 20 + 4 * option_words);
}

static inline void add_ipv6(struct frame *frame, const char *source, const char *target,
                            uint8_t next)
{
    uint8_t ip[40] = { 0x60 };

    ip[6] = next;
    assert_int_equal(inet_pton(AF_INET6, source, ip + 8), 1);
    assert_int_equal(inet_pton(AF_INET6, target, ip + 24), 1);
    add(frame, ip, sizeof(ip));
}

static inline void add_ports(struct frame *frame, const struct vector *vector)
{
    uint8_t rest[16] = { 0 };

    add16(frame, vector->source_port);
    add16(frame, vector->target_port);
    add(frame, rest, sizeof(rest));
}

static inline void make(struct frame *frame, const struct vector *vector, uint8_t protocol,
                        unsigned tags)
{
    begin(frame, vector, tags);
    if (vector->family == AF_INET) {
        add_ipv4(frame, vector, protocol, 0, 0x4000);
    } else {
        add_ipv6(frame, vector->source, vector->target, protocol);
    }
    add_ports(frame, vector);
}

#endif
