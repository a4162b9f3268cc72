/*
 * inet.h: the numbers of Ethernet, IP, TCP and UDP that frames are looked at by: offsets from the
 * beginning of each header, all fields big-endian. No code.
 */
#ifndef TN_SPEC_INET_H
#define TN_SPEC_INET_H

enum {
    TN_ETH_TYPE = 12,
    TN_ETH_BYTES = 14,
    TN_ETH_VLAN_BYTES = 4, /* a tag stands in front of the type */
    TN_ETH_VLAN = 0x8100,
    TN_ETH_VLAN_OUTER = 0x88a8,
    TN_ETH_IPV4 = 0x0800,
    TN_ETH_IPV6 = 0x86dd
};

enum {
    TN_IPV4_LENGTH = 2,
    TN_IPV4_ID = 4,
    TN_IPV4_FRAGMENT = 6,
    TN_IPV4_FRAGMENT_MASK = 0x3fff, /* more follow, and the offset */
    TN_IPV4_PROTOCOL = 9,
    TN_IPV4_CHECKSUM = 10,
    TN_IPV4_SOURCE = 12,
    TN_IPV4_BYTES = 20, /* without options */
    TN_IPV6_LENGTH = 4,
    TN_IPV6_NEXT = 6,
    TN_IPV6_SOURCE = 8,
    TN_IPV6_ADDRESS_BYTES = 16,
    TN_IPV6_BYTES = 40,
    TN_IPV6_FRAGMENT_MASK = 0xfff9, /* the offset, and more follow; at 2 of that header */
    TN_IPV6_OPTION_HOME_ADDRESS = 0xc9,
    TN_IP_BYTES_MAX = 65535
};

/* Protocols, and headers of IPv6 that may stand in front of one. */
enum {
    TN_IP_HOP_BY_HOP = 0,
    TN_IP_TCP = 6,
    TN_IP_UDP = 17,
    TN_IP_ROUTING = 43,
    TN_IP_FRAGMENT = 44,
    TN_IP_AUTHENTICATION = 51,
    TN_IP_DESTINATION = 60,
    TN_IP_MOBILITY = 135
};

enum {
    TN_TCP_SEQUENCE = 4,
    TN_TCP_DATA_OFFSET = 12, /* upper half: in words of 4 bytes */
    TN_TCP_FLAGS = 13,
    TN_TCP_FIN = 0x01,
    TN_TCP_PSH = 0x08,
    TN_TCP_CWR = 0x80,
    TN_TCP_CHECKSUM = 16,
    TN_TCP_BYTES = 20, /* without options */
    TN_UDP_LENGTH = 4,
    TN_UDP_CHECKSUM = 6,
    TN_UDP_BYTES = 8
};

#endif
