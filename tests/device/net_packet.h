/*
 * net_packet.h: TCP and UDP over IPv4 and IPv6, made and verified by a second reading of the rules,
 * for tests of offloads. Knows no device.
 */
#ifndef TENON_TEST_NET_PACKET_H
#define TENON_TEST_NET_PACKET_H

#include <stdbool.h>
#include <stdint.h>

#include <tenon/link.h>

enum { NET_PACKET_HEADERS_MAX = 14 + 40 + 20 };

struct net_packet {
    bool v6, udp;
    bool to_device; /* its addresses are the device's; else they are from it */
    uint32_t payload, sequence;
    uint8_t tcp_flags; /* 0: ACK */
};

/* A whole frame, its checksums right. Its length. */
uint32_t net_packet_make(uint8_t *frame, const struct net_packet *packet);
/* Bytes before the payload, and where TCP or UDP begins. */
uint32_t net_packet_headers(const struct net_packet *packet);
uint32_t net_packet_transport(const struct net_packet *packet);
/*
 * Leaves its checksum undone: the pseudo-header's sum stands there, and `offload` says what is to
 * do.
 */
void net_packet_leave(uint8_t *frame, const struct net_packet *packet,
                      struct tenon_offload *offload);
/* NULL: lengths and checksums of a frame are right. Else what is not. */
const char *net_packet_wrong(const uint8_t *frame, uint32_t bytes);
/*
 * What is wrong with `bytes` of a frame as a segment of the packet that makes up `whole`, from the
 * payload's byte `at` on: headers, sequence number, content. NULL: nothing; and *payload bytes of
 * it are in here.
 */
const char *net_packet_segment(const uint8_t *frame, uint32_t bytes,
                               const struct net_packet *packet, const uint8_t *whole, uint32_t at,
                               uint32_t *payload);

#endif
