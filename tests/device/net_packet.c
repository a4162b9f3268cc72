/*
 * net_packet.c: see net_packet.h. Written for clarity: sums are made byte by byte.
 */
#include "net_packet.h"

#include <string.h>

#include "harness.h"
#include "net_rig.h"

enum { ETHER = 14, TCP = 6, UDP = 17, TCP_BYTES = 20, UDP_BYTES = 8, ACK = 0x10 };

static void put16(uint8_t *to, uint32_t value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

static uint32_t get16(const uint8_t *from)
{
    return (uint32_t)from[0] << 8 | from[1];
}

static void put32(uint8_t *to, uint32_t value)
{
    put16(to, value >> 16);
    put16(to + 2, value);
}

static uint32_t get32(const uint8_t *from)
{
    return get16(from) << 16 | get16(from + 2);
}

static uint32_t sum(uint32_t so_far, const uint8_t *bytes, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        so_far += i % 2 == 0 ? (uint32_t)bytes[i] << 8 : bytes[i];
        so_far = (so_far & 0xffff) + (so_far >> 16);
    }
    return so_far;
}

/* Of a frame of these headers: addresses, protocol, length. */
static uint32_t pseudo_sum(const uint8_t *frame, uint32_t transport_bytes)
{
    bool v6 = get16(frame + 12) == 0x86dd;
    uint8_t rest[8] = { 0 };

    put32(rest, transport_bytes);
    rest[7] = frame[ETHER + (v6 ? 6 : 9)];
    uint32_t s = v6 ? sum(0, frame + ETHER + 8, 32) : sum(0, frame + ETHER + 12, 8);
    return sum(s, rest, sizeof(rest));
}

uint32_t net_packet_transport(const struct net_packet *packet)
{
    return ETHER + (packet->v6 ? 40 : 20);
}

uint32_t net_packet_headers(const struct net_packet *packet)
{
    return net_packet_transport(packet) + (packet->udp ? UDP_BYTES : TCP_BYTES);
}

static uint8_t *checksum_of(uint8_t *frame, const struct net_packet *packet)
{
    return frame + net_packet_transport(packet) + (packet->udp ? 6 : 16);
}

static void make_ip(uint8_t *ip, const struct net_packet *packet, uint32_t transport_bytes)
{
    uint8_t protocol = packet->udp ? UDP : TCP;
    uint8_t from = packet->to_device ? 2 : 1, to = packet->to_device ? 1 : 2;

    if (packet->v6) {
        ip[0] = 0x60;
        put16(ip + 4, transport_bytes);
        ip[6] = protocol;
        ip[7] = 64;
        ip[8] = ip[24] = 0xfd;
        ip[23] = from;
        ip[39] = to;
        return;
    }
    ip[0] = 0x45;
    put16(ip + 2, 20 + transport_bytes);
    put16(ip + 4, packet->sequence);
    ip[6] = 0x40; /* not to be cut */
    ip[8] = 64;
    ip[9] = protocol;
    ip[12] = ip[16] = 10;
    ip[15] = from;
    ip[19] = to;
    put16(ip + 10, ~sum(0, ip, 20));
}

uint32_t net_packet_make(uint8_t *frame, const struct net_packet *packet)
{
    uint32_t headers = net_packet_headers(packet), transport = net_packet_transport(packet);
    uint32_t transport_bytes = headers - transport + packet->payload;
    uint8_t *t = frame + transport;

    memset(frame, 0, headers);
    net_frame(frame, ETHER, 0, packet->to_device);
    put16(frame + 12, packet->v6 ? 0x86dd : 0x0800);
    make_ip(frame + ETHER, packet, transport_bytes);
    put16(t, 1000);
    put16(t + 2, 2000);
    if (packet->udp) {
        put16(t + 4, transport_bytes);
    } else {
        put32(t + 4, packet->sequence);
        t[12] = TCP_BYTES / 4 << 4;
        t[13] = packet->tcp_flags ? packet->tcp_flags : ACK;
        put16(t + 14, 0x7fff);
    }
    rig_pattern(frame + headers, packet->payload, packet->sequence);
    uint32_t check = 0xffff & ~sum(pseudo_sum(frame, transport_bytes), t, transport_bytes);
    put16(checksum_of(frame, packet), packet->udp && check == 0 ? 0xffff : check);
    return headers + packet->payload;
}

void net_packet_leave(uint8_t *frame, const struct net_packet *packet,
                      struct tenon_offload *offload)
{
    uint32_t transport = net_packet_transport(packet);
    uint32_t transport_bytes = net_packet_headers(packet) - transport + packet->payload;

    put16(checksum_of(frame, packet), pseudo_sum(frame, transport_bytes));
    *offload = (struct tenon_offload){ .flags = TENON_OFFLOAD_NEEDS_CSUM,
                                       .csum_start = (uint16_t)transport,
                                       .csum_offset = packet->udp ? 6 : 16 };
}

const char *net_packet_wrong(const uint8_t *frame, uint32_t bytes)
{
    const uint8_t *ip = frame + ETHER;
    uint32_t type = bytes < ETHER + 20 ? 0 : get16(frame + 12);
    bool v6 = type == 0x86dd;

    if (type != 0x0800 && (!v6 || bytes < ETHER + 40)) {
        return "no IP";
    }
    if ((v6 ? 40 + get16(ip + 4) : get16(ip + 2)) + ETHER != bytes) {
        return "the length in the IP header";
    }
    if (!v6 && sum(0, ip, 20) != 0xffff) {
        return "the checksum of the IP header";
    }
    uint32_t transport = ETHER + (v6 ? 40 : 20);
    bool udp = ip[v6 ? 6 : 9] == UDP;
    if (bytes < transport + (udp ? UDP_BYTES : TCP_BYTES)) {
        return "the length";
    }
    if (udp && get16(frame + transport + 4) != bytes - transport) {
        return "the length in the UDP header";
    }
    if (udp && get16(frame + transport + 6) == 0) {
        return "UDP without a checksum";
    }
    uint32_t all = sum(pseudo_sum(frame, bytes - transport), frame + transport, bytes - transport);
    return all == 0xffff ? NULL : "the checksum";
}

const char *net_packet_segment(const uint8_t *frame, uint32_t bytes,
                               const struct net_packet *packet, const uint8_t *whole, uint32_t at,
                               uint32_t *payload)
{
    uint32_t headers = net_packet_headers(packet), transport = net_packet_transport(packet);
    const char *wrong = net_packet_wrong(frame, bytes);

    if (wrong) {
        return wrong;
    }
    if (bytes <= headers || bytes - headers > packet->payload - at) {
        return "how much of the payload it has";
    }
    *payload = bytes - headers;
    if (memcmp(frame, whole, 12) != 0 || memcmp(frame + transport, whole + transport, 4) != 0) {
        return "addresses or ports";
    }
    if (!packet->udp && get32(frame + transport + 4) != packet->sequence + at) {
        return "the sequence number";
    }
    return memcmp(frame + headers, whole + headers + at, *payload) == 0 ? NULL : "the content";
}
