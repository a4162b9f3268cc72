/*
 * command.c: what one command of the control queue asks for, and those of them that are about which
 * frames are wanted (NET-53..61). Those about queues are in command_queues.c.
 *
 *   class, command ──> negotiated? ──> data, each byte once ──> in range? ──> order: what will be
 *
 * Nothing here grows with what the driver says: of a list that is too long only the length is read.
 * On the control queue's worker. What it takes to do it: ctrl.c, rules.c.
 */
#include "net/command.h"

#include <string.h>

enum { MAC_BYTES = 6 };

/* ---- RX, MAC, VLAN: the filter ---- */

static bool rx_mode(struct net_order *order, uint8_t command)
{
    struct net_filter *filter = &order->rules.filter;
    bool *const modes[] = {
        [TN_NET_CTRL_RX_PROMISC] = &filter->promiscuous,
        [TN_NET_CTRL_RX_ALLMULTI] = &filter->all_multi,
        [TN_NET_CTRL_RX_ALLUNI] = &filter->all_uni,
        [TN_NET_CTRL_RX_NOMULTI] = &filter->no_multi,
        [TN_NET_CTRL_RX_NOUNI] = &filter->no_uni,
        [TN_NET_CTRL_RX_NOBCAST] = &filter->no_broadcast,
    };
    bool extra = command > TN_NET_CTRL_RX_ALLMULTI;
    uint8_t on;

    if (command >= sizeof(modes) / sizeof(*modes) ||
        !net_order_has(order, extra ? TN_NET_F_CTRL_RX_EXTRA : TN_NET_F_CTRL_RX) ||
        !net_order_take_last(order, &on, sizeof(on)) || on > 1) {
        return false;
    }
    *modes[command] = on;
    return order->applies = true;
}

/* NET-57: more than we hold are taken for all; how many there are is compared before it counts. */
static bool take_macs(struct net_order *order, struct net_macs *macs)
{
    le32 wire;

    memset(macs, 0, sizeof(*macs));
    if (!net_order_take(order, &wire, sizeof(wire))) {
        return false;
    }
    uint32_t count = tn_from_le32(wire);
    if (count > net_order_left(order) / MAC_BYTES) {
        return false;
    }
    if (count > NET_FILTER_MACS) {
        macs->all = true;
        return net_order_skip(order, (uint64_t)count * MAC_BYTES);
    }
    macs->count = (uint16_t)count;
    return net_order_take(order, macs->macs, count * MAC_BYTES);
}

static bool mac_table(struct net_order *order)
{
    struct net_filter *filter = &order->rules.filter;

    if (!net_order_has(order, TN_NET_F_CTRL_RX) || !take_macs(order, &filter->unicast) ||
        !take_macs(order, &filter->multicast) || net_order_left(order) != 0) {
        return false;
    }
    return order->applies = true;
}

/* The standard names one feature for it, and another one where it speaks of drivers (NET-58). */
static bool mac_address(struct net_order *order)
{
    struct net_filter *filter = &order->rules.filter;

    if ((!net_order_has(order, TN_NET_F_CTRL_MAC_ADDR) &&
         !net_order_has(order, TN_NET_F_CTRL_RX)) ||
        !net_order_take_last(order, filter->mac, sizeof(filter->mac))) {
        return false;
    }
    filter->mac_unknown = false;
    order->config = true;
    return order->applies = true;
}

static bool mac_command(struct net_order *order, uint8_t command)
{
    return command == TN_NET_CTRL_MAC_TABLE_SET  ? mac_table(order)
           : command == TN_NET_CTRL_MAC_ADDR_SET ? mac_address(order)
                                                 : false;
}

static bool vlan(struct net_order *order, uint8_t command)
{
    le16 wire;

    if (command > TN_NET_CTRL_VLAN_DEL || !net_order_has(order, TN_NET_F_CTRL_VLAN) ||
        !net_order_take_last(order, &wire, sizeof(wire)) || tn_from_le16(wire) >= NET_VLANS) {
        return false;
    }
    uint64_t *word = &order->rules.filter.vlans[tn_from_le16(wire) / 64];
    uint64_t bit = (uint64_t)1 << tn_from_le16(wire) % 64;
    *word = command == TN_NET_CTRL_VLAN_ADD ? *word | bit : *word & ~bit;
    return order->applies = true;
}

static bool announce(struct net_order *order, uint8_t command)
{
    if (command != TN_NET_CTRL_ANNOUNCE_ACK || !net_order_has(order, TN_NET_F_GUEST_ANNOUNCE) ||
        net_order_left(order) != 0) {
        return false;
    }
    return order->announced = order->config = true;
}

bool net_command_read(struct net *net, const struct tn_chain *chain, struct net_order *order)
{
    static bool (*const classes[])(struct net_order * order, uint8_t command) = {
        [TN_NET_CTRL_RX] = rx_mode,
        [TN_NET_CTRL_MAC] = mac_command,
        [TN_NET_CTRL_VLAN] = vlan,
        [TN_NET_CTRL_ANNOUNCE] = announce,
        [TN_NET_CTRL_MQ] = net_command_mq,
        [TN_NET_CTRL_GUEST_OFFLOADS] = net_command_offloads,
        [TN_NET_CTRL_NOTF_COAL] = net_command_coalesce,
    };
    struct tn_net_ctrl_header header;

    order->net = net;
    order->chain = chain;
    order->at = 0;
    order->config = order->applies = order->announced = false;
    order->result_bytes = 0;
    pthread_mutex_lock(&net->lock);
    order->rules = net->rules;
    pthread_mutex_unlock(&net->lock);
    return net_order_take(order, &header, sizeof(header)) &&
           header.class_ < sizeof(classes) / sizeof(*classes) &&
           classes[header.class_](order, header.command);
}
