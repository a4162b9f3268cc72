/*
 * rss.c: the hash of a received frame (NET-71, NET-72), and the queue that it goes to (NET-70).
 *
 *   tags skipped ── IPv4 | IPv6, its extension headers ── ports, if it has them all
 *        what was hashed <── the first of the types that the driver asked for and that fits ──┘
 *
 * Toeplitz's hash is linear: the hash of the input is the sum (XOR) of the hashes of its nibbles,
 * each at its place. Those are in a table, made when the key is set.
 *
 * Pure: reads the first bytes of a frame, and never beyond them. A header that is not wholly there
 * is none.
 */
#include "net/net.h"

#include <string.h>

#include "base/be.h"
#include "spec/inet.h"

enum { TAGS_MAX = 2, PORTS_BYTES = 4, EXTENSION_UNIT = 8 };

/* What is known of the frame. `source` and `target` may be those of IPv6's extension headers. */
struct look {
    const uint8_t *source, *target;
    const uint8_t *home, *routed; /* in extension headers, or NULL */
    const uint8_t *ports;         /* NULL: neither TCP nor UDP, or a fragment, or not in sight */
    uint8_t protocol;
    bool extended; /* there are extension headers */
};

void net_rss_set_key(struct net_rss *rss, const uint8_t *key, unsigned bytes)
{
    memset(rss->key, 0, sizeof(rss->key)); /* a short one goes on with zeroes */
    memcpy(rss->key, key, bytes);
    rss->key_bytes = (uint8_t)bytes;
    for (unsigned nibble = 0; nibble < NET_RSS_NIBBLES; nibble++) {
        uint64_t window = 0; /* the key from this nibble on, in its upper bits */
        for (unsigned i = 0; i < 5; i++) {
            window = window << 8 | rss->key[nibble / 2 + i];
        }
        window <<= 24 + nibble % 2 * 4;
        for (unsigned value = 0; value < 16; value++) {
            uint64_t sum = 0;
            for (unsigned bit = 0; bit < 4; bit++) {
                sum ^= value & (8u >> bit) ? window << bit : 0;
            }
            rss->nibbles[nibble][value] = (uint32_t)(sum >> 32);
        }
    }
}

static uint32_t toeplitz(const struct net_rss *rss, const uint8_t *bytes, unsigned count,
                         unsigned at, uint32_t hash)
{
    const uint32_t(*nibbles)[16] = rss->nibbles + (size_t)at * 2;

    for (unsigned i = 0; i < count; i++) {
        hash ^= nibbles[(size_t)2 * i][bytes[i] >> 4] ^ nibbles[(size_t)2 * i + 1][bytes[i] & 15];
    }
    return hash;
}

static uint32_t hash_of(const struct net_rss *rss, const struct look *look, unsigned address_bytes,
                        bool ports)
{
    uint32_t hash = toeplitz(rss, look->source, address_bytes, 0, 0);

    hash = toeplitz(rss, look->target, address_bytes, address_bytes, hash);
    return ports ? toeplitz(rss, look->ports, PORTS_BYTES, 2 * address_bytes, hash) : hash;
}

/* ---- what is in the frame ---- */

static void look_for_ports(struct look *look, uint8_t protocol, const uint8_t *at,
                           const uint8_t *end)
{
    look->protocol = protocol;
    if ((protocol == TN_IP_TCP || protocol == TN_IP_UDP) && end - at >= PORTS_BYTES) {
        look->ports = at;
    }
}

static bool look_at_ipv4(struct look *look, const uint8_t *ip, const uint8_t *end)
{
    if (end - ip < TN_IPV4_BYTES || ip[0] >> 4 != 4) {
        return false;
    }
    long header = (ip[0] & 15) * 4;
    look->source = ip + TN_IPV4_SOURCE;
    look->target = look->source + 4;
    bool fragment = (tn_get_be16(ip + TN_IPV4_FRAGMENT) & TN_IPV4_FRAGMENT_MASK) !=
                    0; /* an offset, or more of them follow */
    if (header >= TN_IPV4_BYTES && end - ip >= header && !fragment) {
        look_for_ports(look, ip[TN_IPV4_PROTOCOL], ip + header, end);
    }
    return true;
}

/* The home address in a header of destination options, or NULL. */
static const uint8_t *home_address(const uint8_t *at, const uint8_t *end)
{
    at += 2;
    while (end - at >= 2) {
        long bytes = at[0] == 0 ? 1 : 2 + at[1]; /* one byte of padding has no length */
        if (at[0] == TN_IPV6_OPTION_HOME_ADDRESS && at[1] == TN_IPV6_ADDRESS_BYTES &&
            end - at >= bytes) {
            return at + 2;
        }
        if (end - at < bytes) {
            break;
        }
        at += bytes;
    }
    return NULL;
}

static bool is_extension(uint8_t protocol)
{
    return protocol == TN_IP_HOP_BY_HOP || protocol == TN_IP_ROUTING ||
           protocol == TN_IP_AUTHENTICATION || protocol == TN_IP_FRAGMENT ||
           protocol == TN_IP_DESTINATION || protocol == TN_IP_MOBILITY;
}

static void look_at_extensions(struct look *look, uint8_t protocol, const uint8_t *at,
                               const uint8_t *end)
{
    while (is_extension(protocol)) {
        look->extended = true;
        if (end - at < EXTENSION_UNIT) {
            return;
        }
        long bytes =
            protocol == TN_IP_AUTHENTICATION ? (at[1] + 2) * 4 : (at[1] + 1) * EXTENSION_UNIT;
        if (protocol == TN_IP_FRAGMENT) {
            if ((tn_get_be16(at + 2) & TN_IPV6_FRAGMENT_MASK) !=
                0) { /* an offset, or more of them follow */
                return;
            }
            bytes = EXTENSION_UNIT;
        }
        if (end - at < bytes) {
            return;
        }
        if (protocol == TN_IP_DESTINATION && !look->home) {
            look->home = home_address(at, at + bytes);
        } else if (protocol == TN_IP_ROUTING && at[2] == 2 && at[1] == 2 && at[3] == 1) {
            look->routed = at + 8;
        }
        protocol = at[0];
        at += bytes;
    }
    look_for_ports(look, protocol, at, end);
}

static bool look_at_ipv6(struct look *look, const uint8_t *ip, const uint8_t *end)
{
    if (end - ip < TN_IPV6_BYTES || ip[0] >> 4 != 6) {
        return false;
    }
    look->source = ip + TN_IPV6_SOURCE;
    look->target = look->source + TN_IPV6_ADDRESS_BYTES;
    look_at_extensions(look, ip[TN_IPV6_NEXT], ip + TN_IPV6_BYTES, end);
    return true;
}

/* ---- which of the types it is ---- */

static uint16_t hash_ipv4(const struct net_rss *rss, const struct look *look, uint32_t *hash)
{
    bool tcp = look->ports && look->protocol == TN_IP_TCP && rss->types & TN_NET_HASH_TCPV4;
    bool udp = look->ports && look->protocol == TN_IP_UDP && rss->types & TN_NET_HASH_UDPV4;

    if (!tcp && !udp && !(rss->types & TN_NET_HASH_IPV4)) {
        return TN_NET_HASH_REPORT_NONE;
    }
    *hash = hash_of(rss, look, 4, tcp || udp);
    return tcp   ? TN_NET_HASH_REPORT_TCPV4
           : udp ? TN_NET_HASH_REPORT_UDPV4
                 : TN_NET_HASH_REPORT_IPV4;
}

/*
 * With extension headers the EX types come first; they know where the packet comes from and goes to
 * in the end. If none of them fits the extension headers are as if they were not there.
 */
static uint16_t hash_ipv6(const struct net_rss *rss, struct look *look, uint32_t *hash)
{
    bool tcp = look->ports && look->protocol == TN_IP_TCP;
    bool udp = look->ports && look->protocol == TN_IP_UDP;
    uint32_t types = rss->types;

    if (look->extended) {
        bool tcp_ex = tcp && types & TN_NET_HASH_TCP_EX, udp_ex = udp && types & TN_NET_HASH_UDP_EX;
        if (tcp_ex || udp_ex || types & TN_NET_HASH_IP_EX) {
            look->source = look->home ? look->home : look->source;
            look->target = look->routed ? look->routed : look->target;
            *hash = hash_of(rss, look, TN_IPV6_ADDRESS_BYTES, tcp_ex || udp_ex);
            return tcp_ex   ? TN_NET_HASH_REPORT_TCPV6_EX
                   : udp_ex ? TN_NET_HASH_REPORT_UDPV6_EX
                            : TN_NET_HASH_REPORT_IPV6_EX;
        }
    }
    tcp = tcp && types & TN_NET_HASH_TCPV6;
    udp = udp && types & TN_NET_HASH_UDPV6;
    if (!tcp && !udp && !(types & TN_NET_HASH_IPV6)) {
        return TN_NET_HASH_REPORT_NONE;
    }
    *hash = hash_of(rss, look, TN_IPV6_ADDRESS_BYTES, tcp || udp);
    return tcp   ? TN_NET_HASH_REPORT_TCPV6
           : udp ? TN_NET_HASH_REPORT_UDPV6
                 : TN_NET_HASH_REPORT_IPV6;
}

uint16_t net_rss_hash(const struct net_rss *rss, const uint8_t *frame, uint32_t bytes,
                      uint32_t *hash)
{
    const uint8_t *at = frame + TN_ETH_TYPE, *end = frame + bytes;
    struct look look = { 0 };

    *hash = 0;
    if (rss->types == 0 || bytes < TN_ETH_BYTES) {
        return TN_NET_HASH_REPORT_NONE;
    }
    unsigned type = tn_get_be16(at);
    for (unsigned tags = 0; tags < TAGS_MAX && (type == TN_ETH_VLAN || type == TN_ETH_VLAN_OUTER);
         tags++) {
        if (end - at < TN_ETH_VLAN_BYTES + 2) {
            return TN_NET_HASH_REPORT_NONE;
        }
        at += TN_ETH_VLAN_BYTES;
        type = tn_get_be16(at);
    }
    at += 2;
    if (type == TN_ETH_IPV4 && look_at_ipv4(&look, at, end)) {
        return hash_ipv4(rss, &look, hash);
    }
    if (type == TN_ETH_IPV6 && look_at_ipv6(&look, at, end)) {
        return hash_ipv6(rss, &look, hash);
    }
    return TN_NET_HASH_REPORT_NONE;
}

uint16_t net_rss_queue(const struct net_rss *rss, uint16_t report, uint32_t hash)
{
    return report == TN_NET_HASH_REPORT_NONE ? rss->unclassified : rss->table[hash & rss->mask];
}
