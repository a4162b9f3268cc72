/*
 * segment.c: a frame of more payload than one packet carries is cut into packets (NET-27): TCP and
 * UDP over IPv4 and IPv6, behind up to two VLAN tags.
 *
 *   [Ethernet, tags | IP | TCP or UDP | payload ................]
 *    headers, copied once and checked   read once, piece by piece
 *        └── in front of each piece, with lengths, IDs, sequence numbers, flags and sums its own
 *
 * The guest wrote all of this. What its headers say has to fit the frame and the offload exactly,
 * else the frame is refused; after begin only the copy counts. A checksum is of the piece as it
 * was copied. Any thread.
 */
#include <errno.h>
#include <string.h>

#include "base/be.h"
#include "base/iov.h"
#include "base/num.h"
#include "base/shared.h"
#include "net/net.h"
#include "spec/inet.h"

/* ---- the headers ---- */

static bool is_tcp(const struct net_segments *segments)
{
    return segments->offload.gso != TENON_GSO_UDP_L4;
}

static bool is_ipv4(const struct net_segments *segments)
{
    return segments->headers[segments->network] >> 4 == 4;
}

/* Finds the network layer; its EtherType, or 0. `have` bytes were copied. */
static uint16_t find_network(struct net_segments *segments, uint32_t have)
{
    uint32_t at = TN_ETH_TYPE;

    for (unsigned tags = 0; at + 2 <= have; tags++, at += TN_ETH_VLAN_BYTES) {
        uint16_t type = tn_get_be16(segments->headers + at);
        if (tags == 2 || (type != TN_ETH_VLAN && type != TN_ETH_VLAN_OUTER)) {
            segments->network = (uint16_t)(at + 2);
            return type;
        }
    }
    return 0;
}

/* Where the transport header begins, and its protocol; 0: there is none, or it is a fragment. */
static uint32_t find_over_ipv4(const struct net_segments *segments, uint32_t have, uint32_t bytes,
                               uint8_t *protocol)
{
    const uint8_t *ip = segments->headers + segments->network;
    uint32_t header_bytes;

    if (segments->network + (uint32_t)TN_IPV4_BYTES > have) {
        return 0;
    }
    header_bytes = (ip[0] & 0xfU) * 4;
    if (ip[0] >> 4 != 4 || header_bytes < TN_IPV4_BYTES ||
        tn_get_be16(ip + TN_IPV4_LENGTH) != bytes - segments->network ||
        (tn_get_be16(ip + TN_IPV4_FRAGMENT) & TN_IPV4_FRAGMENT_MASK) != 0) {
        return 0;
    }
    *protocol = ip[TN_IPV4_PROTOCOL];
    return segments->network + header_bytes;
}

static uint32_t find_over_ipv6(const struct net_segments *segments, uint32_t have, uint32_t bytes,
                               uint8_t *protocol)
{
    const uint8_t *ip = segments->headers + segments->network;
    uint32_t at = segments->network + (uint32_t)TN_IPV6_BYTES;

    if (at > have || ip[0] >> 4 != 6 || tn_get_be16(ip + TN_IPV6_LENGTH) != bytes - at) {
        return 0;
    }
    *protocol = ip[TN_IPV6_NEXT];
    while (*protocol == TN_IP_HOP_BY_HOP || *protocol == TN_IP_ROUTING ||
           *protocol == TN_IP_DESTINATION) {
        if (at + 8 > have) {
            return 0;
        }
        *protocol = segments->headers[at];
        at += (segments->headers[at + 1] + 1U) * 8;
    }
    return at;
}

/* The transport header is where the offload has it, and is whole; sets header_bytes. */
static bool check_transport(struct net_segments *segments, uint32_t have, uint32_t bytes,
                            uint8_t protocol)
{
    bool tcp = is_tcp(segments);
    uint32_t header_bytes = tcp ? TN_TCP_BYTES : TN_UDP_BYTES;

    if (segments->offload.csum_start != segments->transport ||
        segments->offload.csum_offset != (tcp ? TN_TCP_CHECKSUM : TN_UDP_CHECKSUM) ||
        protocol != (tcp ? TN_IP_TCP : TN_IP_UDP) || segments->transport + header_bytes > have) {
        return false;
    }
    const uint8_t *header = segments->headers + segments->transport;
    if (tcp) {
        header_bytes = (uint32_t)(header[TN_TCP_DATA_OFFSET] >> 4) * 4;
        if (header_bytes < TN_TCP_BYTES || segments->transport + header_bytes > have) {
            return false;
        }
    } else if (tn_get_be16(header + TN_UDP_LENGTH) != bytes - segments->transport) {
        return false;
    }
    segments->header_bytes = (uint16_t)(segments->transport + header_bytes);
    return true;
}

static bool check_headers(struct net_segments *segments, uint32_t have, uint32_t bytes)
{
    bool udp = segments->offload.gso == TENON_GSO_UDP_L4;
    uint8_t tcp = segments->offload.gso & (uint8_t)~TENON_GSO_ECN, protocol = 0;
    uint32_t transport = 0;

    switch (find_network(segments, have)) {
    case TN_ETH_IPV4:
        if (udp || tcp == TENON_GSO_TCPV4) {
            transport = find_over_ipv4(segments, have, bytes, &protocol);
        }
        break;
    case TN_ETH_IPV6:
        if (udp || tcp == TENON_GSO_TCPV6) {
            transport = find_over_ipv6(segments, have, bytes, &protocol);
        }
        break;
    default:
        break;
    }
    segments->transport = (uint16_t)transport;
    return transport != 0 && check_transport(segments, have, bytes, protocol);
}

int net_segments_begin(struct net_segments *segments, const struct iovec *iov, unsigned count,
                       uint32_t bytes, const struct tenon_offload *offload)
{
    uint32_t have = (uint32_t)tn_min_u64(bytes, NET_HEADERS_MAX);

    *segments = (struct net_segments){ .iov = iov, .iov_count = count, .offload = *offload };
    if (!(offload->flags & TENON_OFFLOAD_NEEDS_CSUM) || offload->gso_bytes == 0 ||
        tn_iov_has_hole(iov, count, 0, bytes) ||
        !tn_iov_copy_from(segments->headers, iov, count, 0, have) ||
        !check_headers(segments, have, bytes)) {
        return -EINVAL;
    }
    segments->payload = bytes - segments->header_bytes;
    if (segments->payload > (uint32_t)offload->gso_bytes * NET_SEGMENTS_MAX) {
        return -EINVAL;
    }
    segments->skip = segments->header_bytes;
    while (segments->iov_count != 0 && segments->skip > segments->iov->iov_len) {
        segments->skip -= segments->iov->iov_len;
        segments->iov++;
        segments->iov_count--;
    }
    return 0;
}

/* ---- the segments ---- */

static void take_payload(struct net_segments *segments, uint8_t *to, size_t bytes)
{
    while (bytes != 0) {
        if (segments->skip == segments->iov->iov_len) {
            segments->iov++;
            segments->iov_count--;
            segments->skip = 0;
            continue;
        }
        size_t part = tn_min_u64(bytes, segments->iov->iov_len - segments->skip);
        tn_shared_move(to, (const uint8_t *)segments->iov->iov_base + segments->skip, part);
        to += part;
        bytes -= part;
        segments->skip += part;
    }
}

static void finish_network(const struct net_segments *segments, uint8_t *to, uint32_t bytes)
{
    uint8_t *ip = to + segments->network;

    if (!is_ipv4(segments)) {
        tn_put_be16(ip + TN_IPV6_LENGTH, (uint16_t)(bytes - segments->network - TN_IPV6_BYTES));
        return;
    }
    tn_put_be16(ip + TN_IPV4_LENGTH, (uint16_t)(bytes - segments->network));
    tn_put_be16(ip + TN_IPV4_ID, (uint16_t)(tn_get_be16(ip + TN_IPV4_ID) + segments->number));
    tn_put_be16(ip + TN_IPV4_CHECKSUM, 0);
    uint32_t sum = net_sum(0, ip, (size_t)(segments->transport - segments->network), false);
    tn_put_be16(ip + TN_IPV4_CHECKSUM, (uint16_t)~net_sum_fold(sum));
}

/*
 * Without ECN the guest has not said what CWR means in this frame, and all segments have it as the
 * frame has: accurate ECN counts with it.
 */
static void finish_tcp(const struct net_segments *segments, uint8_t *tcp, bool last)
{
    uint8_t gone = last ? 0 : TN_TCP_FIN | TN_TCP_PSH;

    if (segments->number != 0 && (segments->offload.gso & TENON_GSO_ECN)) {
        gone |= TN_TCP_CWR;
    }
    tcp[TN_TCP_FLAGS] &= (uint8_t)~gone;
    tn_put_be32(tcp + TN_TCP_SEQUENCE, tn_get_be32(tcp + TN_TCP_SEQUENCE) + segments->done);
}

/*
 * The field holds the sum of the pseudo header (NET-24): of this one only the length is another, so
 * that nobody here has to know which destination a routing header ends at.
 */
static void finish_checksum(const struct net_segments *segments, uint8_t *to, uint32_t bytes)
{
    uint8_t *transport = to + segments->transport;
    uint8_t *field = transport + segments->offload.csum_offset;
    struct iovec iov = { .iov_base = to, .iov_len = bytes };
    uint16_t whole = (uint16_t)(segments->header_bytes + segments->payload - segments->transport);
    uint8_t lengths[4];

    tn_put_be16(lengths, (uint16_t)~whole);
    tn_put_be16(lengths + 2, (uint16_t)(bytes - segments->transport));
    uint32_t pseudo = net_sum(net_sum(0, field, 2, false), lengths, sizeof(lengths), false);
    tn_put_be16(field, net_sum_fold(pseudo));
    tn_put_be16(field, net_checksum(&iov, 1, bytes, &segments->offload));
}

uint32_t net_segments_next(struct net_segments *segments, uint8_t *to)
{
    uint32_t left = segments->payload - segments->done;
    uint32_t part = (uint32_t)tn_min_u64(left, segments->offload.gso_bytes);
    uint32_t bytes = segments->header_bytes + part;

    if (left == 0 && segments->number != 0) {
        return 0;
    }
    memcpy(to, segments->headers, segments->header_bytes);
    take_payload(segments, to + segments->header_bytes, part);
    finish_network(segments, to, bytes);
    if (is_tcp(segments)) {
        finish_tcp(segments, to + segments->transport, part == left);
    } else {
        tn_put_be16(to + segments->transport + TN_UDP_LENGTH,
                    (uint16_t)(bytes - segments->transport));
    }
    finish_checksum(segments, to, bytes);
    segments->done += part;
    segments->number++;
    return bytes;
}
