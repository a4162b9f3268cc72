/*
 * command_queues.c: the commands that are about queues: how many receive, which frame goes to which
 * of them, what may come unfinished, and when they interrupt (NET-62..79).
 *
 * On the control queue's worker; pure but for looks at which queues are set up.
 */
#include "net/command.h"

#include <string.h>

#include "base/num.h"

/* ---- MQ, RSS: which queue ---- */

/* Whether the driver has set up this queue: of a data pair, and started or about to be. */
static bool is_enabled(const struct net_order *order, unsigned index)
{
    struct tenon_device *device = &order->net->device;

    if (index >= net_ctrl_index(order->net)) {
        return false;
    }
    pthread_mutex_lock(&device->lock);
    const struct tn_queue *queue = device->queues[index];
    bool enabled = queue && (queue->start_pending ||
                             (queue->state != TN_QUEUE_OFF && queue->state != TN_QUEUE_DRAINING));
    pthread_mutex_unlock(&device->lock);
    return enabled;
}

static bool pairs(struct net_order *order)
{
    le16 wire;

    if (!net_order_has(order, TN_NET_F_MQ) || !net_order_take_last(order, &wire, sizeof(wire)) ||
        tn_from_le16(wire) == 0 || tn_from_le16(wire) > order->net->pairs) {
        return false;
    }
    order->rules.pairs = tn_from_le16(wire);
    order->rules.rss.on = false; /* the last command decides the mode (NET-62) */
    return order->applies = true;
}

/* The length and the key, which are the end of both commands. Without a key nothing is hashed. */
static bool take_key(struct net_order *order)
{
    struct net_rss *rss = &order->rules.rss;
    uint8_t bytes, key[TN_NET_RSS_KEY_BYTES];

    if (!net_order_take(order, &bytes, sizeof(bytes)) || bytes > sizeof(key) ||
        (bytes == 0 && rss->types != 0) || !net_order_take_last(order, key, bytes)) {
        return false;
    }
    net_rss_set_key(rss, key, bytes);
    return true;
}

static bool take_types(struct net_order *order)
{
    le32 wire;

    if (!net_order_take(order, &wire, sizeof(wire)) ||
        (tn_from_le32(wire) & ~(uint32_t)TN_NET_HASH_ALL)) {
        return false;
    }
    order->rules.rss.types = tn_from_le32(wire);
    return true;
}

/* Of a receive queue, counted from 0 as pairs are (NET-68). */
static bool check_target(struct net_order *order, uint16_t pair)
{
    if (!is_enabled(order, 2u * pair)) {
        return false;
    }
    order->rules.pairs = (uint16_t)tn_max_u64(order->rules.pairs, pair + 1u);
    return true;
}

static bool take_table(struct net_order *order)
{
    struct net_rss *rss = &order->rules.rss;
    struct {
        le16 mask, unclassified;
    } head;
    le16 table[TN_NET_RSS_TABLE_MAX];

    if (!net_order_take(order, &head, sizeof(head))) {
        return false;
    }
    uint32_t length = tn_from_le16(head.mask) + 1u;
    if (!tn_is_power_of_2(length) || length > TN_NET_RSS_TABLE_MAX ||
        !net_order_take(order, table, length * (uint32_t)sizeof(*table))) {
        return false;
    }
    rss->mask = (uint16_t)(length - 1);
    rss->unclassified = tn_from_le16(head.unclassified);
    order->rules.pairs = 1;
    for (uint32_t i = 0; i < length; i++) {
        rss->table[i] = tn_from_le16(table[i]);
        if (!check_target(order, rss->table[i])) {
            return false;
        }
    }
    return check_target(order, rss->unclassified);
}

static bool rss_config(struct net_order *order)
{
    le16 transmitters;

    if (!net_order_has(order, TN_NET_F_RSS) || !take_types(order) || !take_table(order) ||
        !net_order_take(order, &transmitters, sizeof(transmitters)) ||
        tn_from_le16(transmitters) == 0 || tn_from_le16(transmitters) > order->net->pairs ||
        !take_key(order)) {
        return false;
    }
    order->rules.rss.on = true;
    return order->applies = true;
}

static bool hash_config(struct net_order *order)
{
    uint8_t reserved[8];

    if (!net_order_has(order, TN_NET_F_HASH_REPORT) || !take_types(order) ||
        !net_order_take(order, reserved, sizeof(reserved)) || !take_key(order)) {
        return false;
    }
    return order->applies = true;
}

bool net_command_mq(struct net_order *order, uint8_t command)
{
    return command == TN_NET_CTRL_MQ_VQ_PAIRS_SET  ? pairs(order)
           : command == TN_NET_CTRL_MQ_RSS_CONFIG  ? rss_config(order)
           : command == TN_NET_CTRL_MQ_HASH_CONFIG ? hash_config(order)
                                                   : false;
}

/* ---- offloads, interrupts ---- */

/* NET-75: bits of features, and only those that were negotiated. */
bool net_command_offloads(struct net_order *order, uint8_t command)
{
    uint64_t known = net_offload_guest_features(TENON_CAN_ALL);
    le64 wire;

    if (command != TN_NET_CTRL_GUEST_OFFLOADS_SET ||
        !net_order_has(order, TN_NET_F_CTRL_GUEST_OFFLOADS) ||
        !net_order_take_last(order, &wire, sizeof(wire)) ||
        (tn_from_le64(wire) & ~(known & order->net->device.features[0])) != 0) {
        return false;
    }
    order->rules.guest_can = net_offload_guest_can(tn_from_le64(wire));
    return order->applies = true;
}

static struct net_coalesce from_wire(const struct tn_net_coal *wire)
{
    return (struct net_coalesce){ tn_from_le32(wire->max_packets), tn_from_le32(wire->max_usecs),
                                  false };
}

/* All queues of one direction, and those that start from now on (NET-78). */
static bool coalesce_all(struct net_order *order, unsigned direction)
{
    struct net *net = order->net;
    struct tn_net_coal wire;

    if (!net_order_has(order, TN_NET_F_NOTF_COAL) ||
        !net_order_take_last(order, &wire, sizeof(wire))) {
        return false;
    }
    pthread_mutex_lock(&net->lock);
    net->coalesce[direction] = from_wire(&wire);
    for (unsigned i = direction; i < 2 * net->pairs; i += 2) {
        net->coalesce_queue[i] = net->coalesce[direction];
    }
    pthread_mutex_unlock(&net->lock);
    return order->applies = true;
}

static bool coalesce_one(struct net_order *order)
{
    struct net *net = order->net;
    struct tn_net_coal_vq wire;

    if (!net_order_has(order, TN_NET_F_VQ_NOTF_COAL) ||
        !net_order_take_last(order, &wire, sizeof(wire)) ||
        !is_enabled(order, tn_from_le16(wire.vq_index))) {
        return false;
    }
    pthread_mutex_lock(&net->lock);
    net->coalesce_queue[tn_from_le16(wire.vq_index)] = from_wire(&wire.coal);
    pthread_mutex_unlock(&net->lock);
    return order->applies = true;
}

/*
 * What the driver has set, and 0 where it has not (NET-78): that we tell of more at once then is
 * no parameter, and "more or less frequently than specified" (5.1.9.5.10.6).
 */
static bool coalesce_get(struct net_order *order)
{
    const struct tn_chain *chain = order->chain;
    struct net *net = order->net;
    struct {
        le16 index, reserved;
    } wire;
    struct tn_net_coal result = { 0 };

    if (!net_order_has(order, TN_NET_F_VQ_NOTF_COAL) ||
        !net_order_take_last(order, &wire, sizeof(wire)) ||
        !is_enabled(order, tn_from_le16(wire.index)) ||
        tn_iov_has_hole(chain->iov + chain->readable, chain->writable, 0, 1 + sizeof(result))) {
        return false;
    }
    pthread_mutex_lock(&net->lock);
    struct net_coalesce now = net->coalesce_queue[tn_from_le16(wire.index)];
    pthread_mutex_unlock(&net->lock);
    if (!now.adaptive) {
        result.max_packets = tn_to_le32(now.frames);
        result.max_usecs = tn_to_le32(now.us);
    }
    memcpy(order->result, &result, sizeof(result));
    order->result_bytes = sizeof(result);
    return true;
}

bool net_command_coalesce(struct net_order *order, uint8_t command)
{
    return command == TN_NET_CTRL_NOTF_COAL_TX_SET   ? coalesce_all(order, 1)
           : command == TN_NET_CTRL_NOTF_COAL_RX_SET ? coalesce_all(order, 0)
           : command == TN_NET_CTRL_NOTF_COAL_VQ_SET ? coalesce_one(order)
           : command == TN_NET_CTRL_NOTF_COAL_VQ_GET ? coalesce_get(order)
                                                     : false;
}
