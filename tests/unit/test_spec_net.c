/*
 * test_spec_net.c: src/spec/virtio_net.h against Linux's own header, and against the numbers that
 * the standard prints where that has no name for them yet (NET-03, NET-04, NET-08, NET-19..21).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "spec/virtio_net.h"

#ifdef __linux__
#include <linux/virtio_net.h>
#endif

#define SAME(ours, theirs) assert_int_equal(ours, theirs)
#define PLACE(our_type, our_field, their_type, their_field)                                        \
    SAME(offsetof(struct our_type, our_field), offsetof(struct their_type, their_field))

static void features_as_printed(void **state)
{
    (void)state;
    SAME(TN_NET_F_VQ_NOTF_COAL, 52);
    SAME(TN_NET_F_NOTF_COAL, 53);
    SAME(TN_NET_F_GUEST_USO4, 54);
    SAME(TN_NET_F_GUEST_USO6, 55);
    SAME(TN_NET_F_HOST_USO, 56);
    SAME(TN_NET_F_GUEST_HDRLEN, 59);
    SAME(TN_NET_HDR_GSO_UDP_L4, 5);
    SAME(TN_NET_HDR_F_RSC_INFO, 4);
    SAME(sizeof(struct tn_net_config), 0x1c);
    SAME(sizeof(struct tn_net_header), TN_NET_HEADER_HASH_BYTES);
    SAME(offsetof(struct tn_net_header, hash_value), TN_NET_HEADER_BYTES);
    SAME(TN_NET_CTRL_NOTF_COAL, 6);
    SAME(TN_NET_CTRL_NOTF_COAL_VQ_SET, 2);
    SAME(TN_NET_CTRL_NOTF_COAL_VQ_GET, 3);
    SAME(sizeof(struct tn_net_coal_vq), 12);
}

#ifdef __linux__
static void features_as_linux_has_them(void **state)
{
    (void)state;
    SAME(TN_NET_F_CSUM, VIRTIO_NET_F_CSUM);
    SAME(TN_NET_F_GUEST_CSUM, VIRTIO_NET_F_GUEST_CSUM);
    SAME(TN_NET_F_CTRL_GUEST_OFFLOADS, VIRTIO_NET_F_CTRL_GUEST_OFFLOADS);
    SAME(TN_NET_F_MTU, VIRTIO_NET_F_MTU);
    SAME(TN_NET_F_MAC, VIRTIO_NET_F_MAC);
    SAME(TN_NET_F_GUEST_TSO4, VIRTIO_NET_F_GUEST_TSO4);
    SAME(TN_NET_F_GUEST_TSO6, VIRTIO_NET_F_GUEST_TSO6);
    SAME(TN_NET_F_GUEST_ECN, VIRTIO_NET_F_GUEST_ECN);
    SAME(TN_NET_F_GUEST_UFO, VIRTIO_NET_F_GUEST_UFO);
    SAME(TN_NET_F_HOST_TSO4, VIRTIO_NET_F_HOST_TSO4);
    SAME(TN_NET_F_HOST_TSO6, VIRTIO_NET_F_HOST_TSO6);
    SAME(TN_NET_F_HOST_ECN, VIRTIO_NET_F_HOST_ECN);
    SAME(TN_NET_F_HOST_UFO, VIRTIO_NET_F_HOST_UFO);
    SAME(TN_NET_F_MRG_RXBUF, VIRTIO_NET_F_MRG_RXBUF);
    SAME(TN_NET_F_STATUS, VIRTIO_NET_F_STATUS);
    SAME(TN_NET_F_CTRL_VQ, VIRTIO_NET_F_CTRL_VQ);
    SAME(TN_NET_F_CTRL_RX, VIRTIO_NET_F_CTRL_RX);
    SAME(TN_NET_F_CTRL_VLAN, VIRTIO_NET_F_CTRL_VLAN);
    SAME(TN_NET_F_CTRL_RX_EXTRA, VIRTIO_NET_F_CTRL_RX_EXTRA);
    SAME(TN_NET_F_GUEST_ANNOUNCE, VIRTIO_NET_F_GUEST_ANNOUNCE);
    SAME(TN_NET_F_MQ, VIRTIO_NET_F_MQ);
    SAME(TN_NET_F_CTRL_MAC_ADDR, VIRTIO_NET_F_CTRL_MAC_ADDR);
    SAME(TN_NET_F_HASH_REPORT, VIRTIO_NET_F_HASH_REPORT);
    SAME(TN_NET_F_RSS, VIRTIO_NET_F_RSS);
    SAME(TN_NET_F_SPEED_DUPLEX, VIRTIO_NET_F_SPEED_DUPLEX);
    SAME(TN_NET_S_LINK_UP, VIRTIO_NET_S_LINK_UP);
    SAME(TN_NET_S_ANNOUNCE, VIRTIO_NET_S_ANNOUNCE);
}

static void layouts_as_linux_has_them(void **state)
{
    (void)state;
    PLACE(tn_net_config, mac, virtio_net_config, mac);
    PLACE(tn_net_config, status, virtio_net_config, status);
    PLACE(tn_net_config, max_virtqueue_pairs, virtio_net_config, max_virtqueue_pairs);
    PLACE(tn_net_config, mtu, virtio_net_config, mtu); /* B17: at 10 */
    PLACE(tn_net_config, speed, virtio_net_config, speed);
    PLACE(tn_net_config, duplex, virtio_net_config, duplex);
    PLACE(tn_net_config, rss_max_key_size, virtio_net_config, rss_max_key_size);
    PLACE(tn_net_config, rss_max_indirection_table_length, virtio_net_config,
          rss_max_indirection_table_length);
    PLACE(tn_net_config, supported_hash_types, virtio_net_config, supported_hash_types);
    PLACE(tn_net_header, flags, virtio_net_hdr_v1, flags);
    PLACE(tn_net_header, gso_type, virtio_net_hdr_v1, gso_type);
    PLACE(tn_net_header, hdr_len, virtio_net_hdr_v1, hdr_len);
    PLACE(tn_net_header, gso_size, virtio_net_hdr_v1, gso_size);
    PLACE(tn_net_header, csum_start, virtio_net_hdr_v1, csum_start);
    PLACE(tn_net_header, csum_offset, virtio_net_hdr_v1, csum_offset);
    PLACE(tn_net_header, num_buffers, virtio_net_hdr_v1, num_buffers);
    SAME(sizeof(struct virtio_net_hdr_v1), TN_NET_HEADER_BYTES);
    SAME(TN_NET_HDR_F_NEEDS_CSUM, VIRTIO_NET_HDR_F_NEEDS_CSUM);
    SAME(TN_NET_HDR_F_DATA_VALID, VIRTIO_NET_HDR_F_DATA_VALID);
    SAME(TN_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV4);
    SAME(TN_NET_HDR_GSO_UDP, VIRTIO_NET_HDR_GSO_UDP);
    SAME(TN_NET_HDR_GSO_TCPV6, VIRTIO_NET_HDR_GSO_TCPV6);
    SAME(TN_NET_HDR_GSO_ECN, VIRTIO_NET_HDR_GSO_ECN);
}

static void commands_as_linux_has_them(void **state)
{
    (void)state;
    SAME(TN_NET_CTRL_RX, VIRTIO_NET_CTRL_RX);
    SAME(TN_NET_CTRL_RX_PROMISC, VIRTIO_NET_CTRL_RX_PROMISC);
    SAME(TN_NET_CTRL_RX_ALLMULTI, VIRTIO_NET_CTRL_RX_ALLMULTI);
    SAME(TN_NET_CTRL_RX_ALLUNI, VIRTIO_NET_CTRL_RX_ALLUNI);
    SAME(TN_NET_CTRL_RX_NOMULTI, VIRTIO_NET_CTRL_RX_NOMULTI);
    SAME(TN_NET_CTRL_RX_NOUNI, VIRTIO_NET_CTRL_RX_NOUNI);
    SAME(TN_NET_CTRL_RX_NOBCAST, VIRTIO_NET_CTRL_RX_NOBCAST);
    SAME(TN_NET_CTRL_MAC, VIRTIO_NET_CTRL_MAC);
    SAME(TN_NET_CTRL_MAC_TABLE_SET, VIRTIO_NET_CTRL_MAC_TABLE_SET);
    SAME(TN_NET_CTRL_MAC_ADDR_SET, VIRTIO_NET_CTRL_MAC_ADDR_SET);
    SAME(TN_NET_CTRL_VLAN, VIRTIO_NET_CTRL_VLAN);
    SAME(TN_NET_CTRL_VLAN_ADD, VIRTIO_NET_CTRL_VLAN_ADD);
    SAME(TN_NET_CTRL_VLAN_DEL, VIRTIO_NET_CTRL_VLAN_DEL);
    SAME(TN_NET_CTRL_ANNOUNCE, VIRTIO_NET_CTRL_ANNOUNCE);
    SAME(TN_NET_CTRL_ANNOUNCE_ACK, VIRTIO_NET_CTRL_ANNOUNCE_ACK);
    SAME(TN_NET_CTRL_MQ, VIRTIO_NET_CTRL_MQ);
    SAME(TN_NET_CTRL_MQ_VQ_PAIRS_SET, VIRTIO_NET_CTRL_MQ_VQ_PAIRS_SET);
    SAME(TN_NET_CTRL_MQ_RSS_CONFIG, VIRTIO_NET_CTRL_MQ_RSS_CONFIG);
    SAME(TN_NET_CTRL_MQ_HASH_CONFIG, VIRTIO_NET_CTRL_MQ_HASH_CONFIG);
    SAME(TN_NET_CTRL_GUEST_OFFLOADS, VIRTIO_NET_CTRL_GUEST_OFFLOADS);
    SAME(TN_NET_CTRL_GUEST_OFFLOADS_SET, VIRTIO_NET_CTRL_GUEST_OFFLOADS_SET);
    SAME(TN_NET_OK, VIRTIO_NET_OK);
    SAME(TN_NET_ERR, VIRTIO_NET_ERR);
    SAME(TN_NET_HASH_UDP_EX, VIRTIO_NET_RSS_HASH_TYPE_UDP_EX);
    SAME(TN_NET_HASH_IPV4, VIRTIO_NET_RSS_HASH_TYPE_IPv4);
    SAME(TN_NET_HASH_REPORT_UDPV6_EX, VIRTIO_NET_HASH_REPORT_UDPv6_EX);
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(features_as_printed),
#ifdef __linux__
        cmocka_unit_test(features_as_linux_has_them),
        cmocka_unit_test(layouts_as_linux_has_them),
        cmocka_unit_test(commands_as_linux_has_them),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
