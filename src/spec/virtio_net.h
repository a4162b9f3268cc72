/*
 * virtio_net.h: the network device's numbers and layouts (section 5.1). No code.
 */
#ifndef TN_SPEC_VIRTIO_NET_H
#define TN_SPEC_VIRTIO_NET_H

#include <stdint.h>

#include "base/le.h"

/* Feature bits (NET-03, NET-04). */
enum {
    TN_NET_F_CSUM = 0,
    TN_NET_F_GUEST_CSUM = 1,
    TN_NET_F_CTRL_GUEST_OFFLOADS = 2,
    TN_NET_F_MTU = 3,
    TN_NET_F_MAC = 5,
    TN_NET_F_GUEST_TSO4 = 7,
    TN_NET_F_GUEST_TSO6 = 8,
    TN_NET_F_GUEST_ECN = 9,
    TN_NET_F_GUEST_UFO = 10,
    TN_NET_F_HOST_TSO4 = 11,
    TN_NET_F_HOST_TSO6 = 12,
    TN_NET_F_HOST_ECN = 13,
    TN_NET_F_HOST_UFO = 14,
    TN_NET_F_MRG_RXBUF = 15,
    TN_NET_F_STATUS = 16,
    TN_NET_F_CTRL_VQ = 17,
    TN_NET_F_CTRL_RX = 18,
    TN_NET_F_CTRL_VLAN = 19,
    TN_NET_F_CTRL_RX_EXTRA = 20,
    TN_NET_F_GUEST_ANNOUNCE = 21,
    TN_NET_F_MQ = 22,
    TN_NET_F_CTRL_MAC_ADDR = 23,
    TN_NET_F_VQ_NOTF_COAL = 52,
    TN_NET_F_NOTF_COAL = 53,
    TN_NET_F_GUEST_USO4 = 54,
    TN_NET_F_GUEST_USO6 = 55,
    TN_NET_F_HOST_USO = 56,
    TN_NET_F_HASH_REPORT = 57,
    TN_NET_F_GUEST_HDRLEN = 59,
    TN_NET_F_RSS = 60,
    TN_NET_F_SPEED_DUPLEX = 63
};

/* The header in front of each frame (NET-19): 12 bytes, 20 with HASH_REPORT (NET-20). */
struct tn_net_header {
    uint8_t flags;
    uint8_t gso_type;
    le16 hdr_len;
    le16 gso_size;
    le16 csum_start;
    le16 csum_offset;
    le16 num_buffers;
    le32 hash_value;
    le16 hash_report;
    le16 padding;
};
enum { TN_NET_HEADER_BYTES = 12, TN_NET_HEADER_HASH_BYTES = 20 };

/* flags (NET-21). */
enum { TN_NET_HDR_F_NEEDS_CSUM = 1, TN_NET_HDR_F_DATA_VALID = 2, TN_NET_HDR_F_RSC_INFO = 4 };
/* gso_type (NET-21). */
enum {
    TN_NET_HDR_GSO_NONE = 0,
    TN_NET_HDR_GSO_TCPV4 = 1,
    TN_NET_HDR_GSO_UDP = 3,
    TN_NET_HDR_GSO_TCPV6 = 4,
    TN_NET_HDR_GSO_UDP_L4 = 5,
    TN_NET_HDR_GSO_ECN = 0x80
};

/* Device configuration (NET-08). */
struct tn_net_config {
    uint8_t mac[6];
    le16 status;
    le16 max_virtqueue_pairs;
    le16 mtu;
    le32 speed;
    uint8_t duplex;
    uint8_t rss_max_key_size;
    le16 rss_max_indirection_table_length;
    le32 supported_hash_types;
    le32 supported_tunnel_types;
};
enum { TN_NET_S_LINK_UP = 1, TN_NET_S_ANNOUNCE = 2 };
enum { TN_NET_DUPLEX_FULL = 1, TN_NET_DUPLEX_UNKNOWN = 0xff };
#define TN_NET_SPEED_UNKNOWN UINT32_C(0xffffffff)
enum { TN_NET_MTU_MIN = 68, TN_NET_MTU_MAX = 65535 };

/* The control queue (NET-50): class, command, data; then ack. */
struct tn_net_ctrl_header {
    uint8_t class_;
    uint8_t command;
};
enum { TN_NET_OK = 0, TN_NET_ERR = 1 };
enum {
    TN_NET_CTRL_RX = 0,
    TN_NET_CTRL_MAC = 1,
    TN_NET_CTRL_VLAN = 2,
    TN_NET_CTRL_ANNOUNCE = 3,
    TN_NET_CTRL_MQ = 4,
    TN_NET_CTRL_GUEST_OFFLOADS = 5,
    TN_NET_CTRL_NOTF_COAL = 6
};
/* Class RX (NET-53, NET-54): one byte, 0 or 1. */
enum {
    TN_NET_CTRL_RX_PROMISC = 0,
    TN_NET_CTRL_RX_ALLMULTI = 1,
    TN_NET_CTRL_RX_ALLUNI = 2,
    TN_NET_CTRL_RX_NOMULTI = 3,
    TN_NET_CTRL_RX_NOUNI = 4,
    TN_NET_CTRL_RX_NOBCAST = 5
};
/* Class MAC (NET-57, NET-58). */
enum { TN_NET_CTRL_MAC_TABLE_SET = 0, TN_NET_CTRL_MAC_ADDR_SET = 1 };
/* Class VLAN (NET-60): le16 id. */
enum { TN_NET_CTRL_VLAN_ADD = 0, TN_NET_CTRL_VLAN_DEL = 1 };
/* Class ANNOUNCE (NET-61). */
enum { TN_NET_CTRL_ANNOUNCE_ACK = 0 };
/* Class MQ (NET-62, NET-67, NET-68). */
enum {
    TN_NET_CTRL_MQ_VQ_PAIRS_SET = 0,
    TN_NET_CTRL_MQ_RSS_CONFIG = 1,
    TN_NET_CTRL_MQ_HASH_CONFIG = 2
};
/* Class GUEST_OFFLOADS (NET-75): le64, the bits of features. */
enum { TN_NET_CTRL_GUEST_OFFLOADS_SET = 0 };
/* Class NOTF_COAL (NET-76). */
enum {
    TN_NET_CTRL_NOTF_COAL_TX_SET = 0,
    TN_NET_CTRL_NOTF_COAL_RX_SET = 1,
    TN_NET_CTRL_NOTF_COAL_VQ_SET = 2,
    TN_NET_CTRL_NOTF_COAL_VQ_GET = 3
};
struct tn_net_coal {
    le32 max_packets;
    le32 max_usecs;
};
struct tn_net_coal_vq {
    le16 vq_index;
    le16 reserved;
    struct tn_net_coal coal;
};

/* Hash types (NET-71) and what was hashed (NET-72). */
enum {
    TN_NET_HASH_IPV4 = 1,
    TN_NET_HASH_TCPV4 = 2,
    TN_NET_HASH_UDPV4 = 4,
    TN_NET_HASH_IPV6 = 8,
    TN_NET_HASH_TCPV6 = 16,
    TN_NET_HASH_UDPV6 = 32,
    TN_NET_HASH_IP_EX = 64,
    TN_NET_HASH_TCP_EX = 128,
    TN_NET_HASH_UDP_EX = 256,
    TN_NET_HASH_ALL = 511
};
enum {
    TN_NET_HASH_REPORT_NONE = 0,
    TN_NET_HASH_REPORT_IPV4 = 1,
    TN_NET_HASH_REPORT_TCPV4 = 2,
    TN_NET_HASH_REPORT_UDPV4 = 3,
    TN_NET_HASH_REPORT_IPV6 = 4,
    TN_NET_HASH_REPORT_TCPV6 = 5,
    TN_NET_HASH_REPORT_UDPV6 = 6,
    TN_NET_HASH_REPORT_IPV6_EX = 7,
    TN_NET_HASH_REPORT_TCPV6_EX = 8,
    TN_NET_HASH_REPORT_UDPV6_EX = 9
};
enum { TN_NET_RSS_KEY_BYTES = 40, TN_NET_RSS_TABLE_MAX = 128 };

#endif
