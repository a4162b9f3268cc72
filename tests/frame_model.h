/*
 * frame_model.h: frames of TCP and UDP as tests need them, and a slow reader of finished ones,
 * which shares nothing with src/net: sums are made byte by byte and from the addresses, headers
 * are walked on their own.
 *
 * For unit tests and fuzzers of the network device's offloads.
 */
#ifndef TN_TESTS_FRAME_MODEL_H
#define TN_TESTS_FRAME_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <tenon/link.h>

enum {
    FRAME_HEADERS_MAX = 256,
    FRAME_MAX = FRAME_HEADERS_MAX + 65535,
    FRAME_FIN = 0x01,
    FRAME_PSH = 0x08,
    FRAME_ACK = 0x10,
    FRAME_CWR = 0x80
};
/* Headers of IPv6 in front of the transport, in this order. */
enum { FRAME_HOP_BY_HOP = 1, FRAME_DESTINATION = 2, FRAME_ROUTING = 4, FRAME_ROUTING_LEFT = 8 };

/* What a frame is to be; zeroes: TCP over IPv4, nothing optional. */
struct frame_shape {
    bool v6, udp, ecn, dont_fragment;
    unsigned tags;        /* of VLAN */
    unsigned ip_words;    /* IPv4 options, 4 bytes each, up to 10 */
    unsigned tcp_words;   /* up to 10 */
    unsigned extensions;  /* FRAME_HOP_BY_HOP ... */
    uint8_t flags;        /* of TCP */
    uint16_t id, segment; /* the first one's; payload of each */
    uint32_t sequence, payload;
};

/* A frame as a reader sees it. */
struct frame_seen {
    unsigned network, transport, payload; /* where they begin */
    uint32_t payload_bytes, sequence;
    uint16_t id;
    uint8_t protocol, flags;
    bool v6;
};

static inline unsigned frame_be16(const uint8_t *at)
{
    return at[0] * 256U + at[1];
}

static inline void frame_put16(uint8_t *at, unsigned v)
{
    at[0] = (uint8_t)(v / 256);
    at[1] = (uint8_t)(v % 256);
}

/* The ones' complement sum, a byte at a time. */
static inline unsigned frame_sum(unsigned sum, const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        sum += i % 2 == 0 ? bytes[i] * 256U : bytes[i];
        sum = sum > 0xffff ? sum - 0xffff : sum;
    }
    return sum;
}

/* The sum of the pseudo header; a routing header that is not at its end has the last address. */
static inline unsigned frame_pseudo(const uint8_t *frame, const struct frame_seen *seen,
                                    unsigned bytes)
{
    const uint8_t *ip = frame + seen->network;
    const uint8_t *destination = seen->v6 ? ip + 24 : ip + 16;
    uint8_t rest[4] = { 0, seen->protocol };
    unsigned sum, size = seen->v6 ? 16 : 4;

    if (seen->v6) {
        uint8_t next = ip[6];
        for (unsigned at = seen->network + 40; at < seen->transport;) {
            if (next == 43 && frame[at + 3] != 0) {
                destination = frame + at + 8;
            }
            next = frame[at];
            at += frame[at + 1] * 8U + 8;
        }
    }
    frame_put16(rest + 2, bytes);
    sum = frame_sum(0, seen->v6 ? ip + 8 : ip + 12, size);
    return frame_sum(frame_sum(sum, destination, size), rest, 4);
}

/* ---- making one ---- */

static inline unsigned frame_add_extension(uint8_t *at, uint8_t **next, uint8_t type,
                                           unsigned units, uint8_t left)
{
    memset(at, 0, units * 8U);
    **next = type;
    *next = at;
    at[1] = (uint8_t)(units - 1);
    at[2] = type == 43 ? 2 : 1; /* routing type 2; else the option PadN */
    at[3] = type == 43 ? left : (uint8_t)(units * 8 - 4);
    if (type == 43) {
        memset(at + 8, 0x5a, units * 8U - 8);
    }
    return units * 8;
}

static inline void frame_put_ip(uint8_t *frame, const struct frame_shape *shape,
                                struct frame_seen *seen)
{
    uint8_t *ip = frame + seen->network, *next = ip + (shape->v6 ? 6 : 9);
    unsigned at = seen->network + (shape->v6 ? 40 : 20 + shape->ip_words * 4);

    memset(ip, 0, at - seen->network);
    if (shape->v6) {
        ip[0] = 0x60;
        ip[7] = 64;
        for (unsigned i = 8; i < 40; i++) {
            ip[i] = (uint8_t)(i * 37);
        }
        if (shape->extensions & FRAME_HOP_BY_HOP) {
            at += frame_add_extension(frame + at, &next, 0, 1, 0);
        }
        if (shape->extensions & FRAME_DESTINATION) {
            at += frame_add_extension(frame + at, &next, 60, 2, 0);
        }
        if (shape->extensions & FRAME_ROUTING) {
            at += frame_add_extension(frame + at, &next, 43, 3,
                                      shape->extensions & FRAME_ROUTING_LEFT ? 1 : 0);
        }
    } else {
        ip[0] = (uint8_t)(0x45 + shape->ip_words);
        frame_put16(ip + 4, shape->id);
        ip[6] = shape->dont_fragment ? 0x40 : 0;
        ip[8] = 64;
        memcpy(ip + 12, "\xc0\xa8\x00\x01\xc0\xa8\x00\xc7", 8);
        memset(ip + 20, 1, shape->ip_words * 4); /* the option NOP */
    }
    *next = seen->protocol;
    seen->transport = at;
}

/*
 * Writes a frame as a driver leaves it, with the sum of the pseudo header where the checksum
 * belongs, and what is left to be done. Its length.
 */
static inline uint32_t frame_make(const struct frame_shape *shape, uint8_t *frame,
                                  struct tenon_offload *offload)
{
    struct frame_seen seen = { .v6 = shape->v6, .protocol = shape->udp ? 17 : 6 };
    unsigned at = 12, field = shape->udp ? 6 : 16;

    memcpy(frame, "\x02\x00\x00\x00\x00\x02\x02\x00\x00\x00\x00\x01", 12);
    for (unsigned i = 0; i < shape->tags; i++, at += 4) {
        frame_put16(frame + at, i + 1 < shape->tags ? 0x88a8 : 0x8100);
        frame_put16(frame + at + 2, 100 + i);
    }
    frame_put16(frame + at, shape->v6 ? 0x86dd : 0x0800);
    seen.network = at + 2;
    frame_put_ip(frame, shape, &seen);

    uint8_t *transport = frame + seen.transport;
    unsigned header = shape->udp ? 8 : 20 + shape->tcp_words * 4;
    uint32_t bytes = seen.transport + header + shape->payload;
    memset(transport, 0, header);
    frame_put16(transport, 40000);
    frame_put16(transport + 2, 443);
    if (shape->udp) {
        frame_put16(transport + 4, header + shape->payload);
    } else {
        frame_put16(transport + 4, shape->sequence >> 16);
        frame_put16(transport + 6, shape->sequence & 0xffff);
        transport[12] = (uint8_t)(header * 4);
        transport[13] = shape->flags;
        memset(transport + 20, 1, shape->tcp_words * 4);
    }
    for (uint32_t i = 0; i < shape->payload; i++) {
        transport[header + i] = (uint8_t)(i * 7 + i / 251 + 3);
    }
    frame_put16(frame + seen.network + (shape->v6 ? 4 : 2),
                bytes - seen.network - (shape->v6 ? 40 : 0));
    if (!shape->v6) {
        uint8_t *ip = frame + seen.network;
        frame_put16(ip + 10, 0xffff - frame_sum(0, ip, seen.transport - seen.network));
    }
    frame_put16(transport + field, frame_pseudo(frame, &seen, header + shape->payload));

    *offload = (struct tenon_offload){ .flags = TENON_OFFLOAD_NEEDS_CSUM,
                                       .gso = shape->udp  ? TENON_GSO_UDP_L4
                                              : shape->v6 ? TENON_GSO_TCPV6
                                                          : TENON_GSO_TCPV4,
                                       .gso_bytes = shape->segment,
                                       .csum_start = (uint16_t)seen.transport,
                                       .csum_offset = (uint16_t)field };
    if (shape->ecn) {
        offload->gso |= TENON_GSO_ECN;
    }
    return bytes;
}

/* ---- reading a finished one ---- */

/* NULL, or what is wrong with it. */
static inline const char *frame_read(const uint8_t *frame, uint32_t bytes, struct frame_seen *seen)
{
    unsigned at = 12, header;

    *seen = (struct frame_seen){ 0 };
    while (frame_be16(frame + at) == 0x8100 || frame_be16(frame + at) == 0x88a8) {
        at += 4;
    }
    seen->v6 = frame_be16(frame + at) == 0x86dd;
    seen->network = at + 2;
    const uint8_t *ip = frame + seen->network;
    if (seen->v6) {
        seen->protocol = ip[6];
        for (at = seen->network + 40; seen->protocol != 6 && seen->protocol != 17;) {
            seen->protocol = frame[at];
            at += frame[at + 1] * 8U + 8;
        }
        seen->transport = at;
        if (frame_be16(ip + 4) != bytes - seen->network - 40) {
            return "the length of IPv6";
        }
    } else {
        seen->protocol = ip[9];
        seen->transport = seen->network + ip[0] % 16U * 4;
        seen->id = (uint16_t)frame_be16(ip + 4);
        if (frame_be16(ip + 2) != bytes - seen->network) {
            return "the length of IPv4";
        }
        if (frame_sum(0, ip, seen->transport - seen->network) != 0xffff) {
            return "the checksum of IPv4";
        }
    }
    const uint8_t *transport = frame + seen->transport;
    unsigned rest = bytes - seen->transport;
    if (seen->protocol == 6) {
        header = transport[12] / 16U * 4;
        seen->sequence = frame_be16(transport + 4) * 65536U + frame_be16(transport + 6);
        seen->flags = transport[13];
    } else {
        header = 8;
        if (frame_be16(transport + 4) != rest) {
            return "the length of UDP";
        }
        if (frame_be16(transport + 6) == 0) {
            return "a datagram without a checksum";
        }
    }
    seen->payload = seen->transport + header;
    seen->payload_bytes = bytes - seen->payload;
    if (frame_sum(frame_pseudo(frame, seen, rest), transport, rest) != 0xffff) {
        return "the checksum";
    }
    return NULL;
}

#endif
