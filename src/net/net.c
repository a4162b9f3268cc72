/*
 * net.c: the network device: its features, its config space, which queue is what, and what the
 * embedder may say of it. Its making is net_new.c's; what happens to frames, rx.c's and tx.c's;
 * what the driver sets, ctrl.c's.
 */
#include "net/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "spec/virtio.h"

static const char *const counter_names[] = {
    "frames",   "bytes",     "no_buffer", "too_long",   "malformed",    "bad_header",
    "filtered", "link_full", "link_down", "link_error", "dropped_full", "segmented",
    "summed",   "stray",     "commands",  "refused",    NULL,
};

static uint64_t bit(unsigned number)
{
    return (uint64_t)1 << number;
}

bool net_up(const struct net *net)
{
    return __atomic_load_n(&net->carrier, __ATOMIC_RELAXED) && tenon_link_up(net->link);
}

/* ---- features ---- */

static uint64_t ctrl_features(const struct net *net)
{
    uint64_t features = bit(TN_NET_F_CTRL_VQ) | bit(TN_NET_F_CTRL_RX) |
                        bit(TN_NET_F_CTRL_RX_EXTRA) | bit(TN_NET_F_CTRL_VLAN) |
                        bit(TN_NET_F_CTRL_MAC_ADDR) | bit(TN_NET_F_GUEST_ANNOUNCE) |
                        bit(TN_NET_F_NOTF_COAL) | bit(TN_NET_F_VQ_NOTF_COAL);

    features |= net->pairs > 1 ? bit(TN_NET_F_MQ) : 0;
    features |= net->guest_offer != 0 ? bit(TN_NET_F_CTRL_GUEST_OFFLOADS) : 0;
    features |= net->rss ? bit(TN_NET_F_RSS) | bit(TN_NET_F_HASH_REPORT) : 0;
    return features;
}

static void features(const struct tenon_device *device, uint64_t out[2])
{
    const struct net *net = (const struct net *)(const void *)device;

    out[0] |= bit(TN_NET_F_MAC) | bit(TN_NET_F_STATUS);
    out[0] |= net->mrg_rxbuf ? bit(TN_NET_F_MRG_RXBUF) : 0;
    out[0] |= net->mtu != 0 ? bit(TN_NET_F_MTU) : 0;
    out[0] |= net->speed != 0 ? bit(TN_NET_F_SPEED_DUPLEX) : 0;
    out[0] |= net_offload_host_features(net->host_offer);
    out[0] |= net_offload_guest_features(net->guest_offer);
    out[0] |= net->ctrl ? ctrl_features(net) : 0;
}

/*
 * What needs another feature comes with it (NET-05). But QEMU keeps the control queue to itself,
 * and passes on these of those that need it.
 */
static bool accepts(const struct tenon_device *device, const uint64_t chosen[2])
{
    const struct net *net = (const struct net *)(const void *)device;
    uint64_t host = net_offload_host_features(net_offload_host_can(chosen[0]));
    uint64_t guest = net_offload_guest_features(net_offload_guest_can(chosen[0]));
    uint64_t offloads =
        net_offload_host_features(TENON_CAN_ALL) | net_offload_guest_features(TENON_CAN_ALL);
    uint64_t ctrl = ctrl_features(net) & ~bit(TN_NET_F_CTRL_GUEST_OFFLOADS) &
                    ~bit(TN_NET_F_HASH_REPORT) & ~bit(TN_NET_F_CTRL_VQ) &
                    ~bit(TN_NET_F_GUEST_ANNOUNCE) & ~bit(TN_NET_F_MQ) & ~bit(TN_NET_F_RSS);

    return (chosen[0] & offloads) == (host | guest) &&
           ((chosen[0] & ctrl) == 0 || (chosen[0] & bit(TN_NET_F_CTRL_VQ)) != 0);
}

/* The driver chose its features, or was reset: all that it has set starts over. */
void net_negotiated(struct tenon_device *device)
{
    struct net *net = net_of_device(device);
    uint64_t chosen = device->features[0];

    net->header_bytes = tn_device_has(device, TN_NET_F_HASH_REPORT) ? TN_NET_HEADER_HASH_BYTES
                                                                    : TN_NET_HEADER_BYTES;
    net->mergeable = tn_device_has(device, TN_NET_F_MRG_RXBUF);
    net->mtu_negotiated = tn_device_has(device, TN_NET_F_MTU);
    net->host_can = net_offload_host_can(chosen);
    pthread_mutex_lock(&net->lock);
    net->announce = false;
    net_rules_reset(net);
    net_coalesce_reset(net);
    pthread_mutex_unlock(&net->lock);
}

unsigned net_ctrl_index(const struct net *net)
{
    bool all =
        tn_device_has(&net->device, TN_NET_F_MQ) || tn_device_has(&net->device, TN_NET_F_RSS);

    return all ? 2 * net->pairs : 2;
}

static bool is_ctrl(const struct tn_queue *queue)
{
    const struct net *net = net_of(queue);

    return tn_device_has(&net->device, TN_NET_F_CTRL_VQ) && queue->index == net_ctrl_index(net);
}

/* ---- interrupts ---- */

void net_coalesce_reset(struct net *net)
{
    const struct net_coalesce none = { 0 };

    net->coalesce[0] = (struct net_coalesce){ net->coalesce_frames, net->coalesce_us, true };
    net->coalesce[1] = none;
    for (unsigned i = 0; i < 2 * net->pairs; i++) {
        net->coalesce_queue[i] = net->coalesce[i % 2];
    }
}

int net_coalesce_begin(struct net *net, struct tn_queue *queue)
{
    pthread_mutex_lock(&net->lock);
    struct net_coalesce now = net->coalesce_queue[queue->index];
    pthread_mutex_unlock(&net->lock);
    return tn_queue_coalesce(queue, now.frames, now.us, now.adaptive);
}

/*
 * NET-78: a queue that was disabled has what was last set for all of its kind. Not when it starts:
 * the driver may have set it before its worker comes to that.
 */
void net_coalesce_end(struct net *net, const struct tn_queue *queue)
{
    pthread_mutex_lock(&net->lock);
    net->coalesce_queue[queue->index] = net->coalesce[queue->index % 2];
    pthread_mutex_unlock(&net->lock);
}

/* ---- config space (NET-08) ---- */

static void config_read(struct tenon_device *device, uint32_t offset, uint8_t *to, uint32_t bytes)
{
    struct net *net = net_of_device(device);
    struct tn_net_config config = {
        .max_virtqueue_pairs = tn_to_le16((uint16_t)net->pairs),
        .mtu = tn_to_le16(net->mtu),
        .speed = tn_to_le32(net->speed ? net->speed : TN_NET_SPEED_UNKNOWN),
        .duplex = net->speed ? TN_NET_DUPLEX_FULL : TN_NET_DUPLEX_UNKNOWN,
        .rss_max_key_size = net->rss ? TN_NET_RSS_KEY_BYTES : 0,
        .rss_max_indirection_table_length = tn_to_le16(net->rss ? TN_NET_RSS_TABLE_MAX : 0),
        .supported_hash_types = tn_to_le32(net->rss ? TN_NET_HASH_ALL : 0),
    };
    unsigned status = net_up(net) ? TN_NET_S_LINK_UP : 0;

    pthread_mutex_lock(&net->lock);
    memcpy(config.mac, net->rules.filter.mac, sizeof(config.mac));
    status |= net->announce ? TN_NET_S_ANNOUNCE : 0;
    pthread_mutex_unlock(&net->lock);
    config.status = tn_to_le16((uint16_t)status);
    memcpy(to, (const uint8_t *)&config + offset, bytes);
}

/* NET-09: nothing can be written; the address is changed by a command. */
static bool config_write(struct tenon_device *device, uint32_t offset, const uint8_t *from,
                         uint32_t bytes)
{
    (void)device;
    (void)offset;
    (void)from;
    (void)bytes;
    return false;
}

/* ---- queues ---- */

/*
 * Queue 2 is the control queue of a driver without MQ, and receives else; those behind the control
 * queue, and the pairs of a driver that knows only one, are inert (NET-02).
 */
static int start(struct tn_queue *queue)
{
    const struct net *net = net_of(queue);

    if (is_ctrl(queue)) {
        return net_ctrl_begin(queue);
    }
    if (queue->index >= 2 * net->pairs) {
        return -EINVAL;
    }
    return net_pair_join(queue);
}

static unsigned serve(struct tn_queue *queue, unsigned budget)
{
    return is_ctrl(queue)          ? net_ctrl_serve(queue, budget)
           : queue->index % 2 == 0 ? net_rx_serve(queue, budget)
                                   : net_tx_serve(queue, budget);
}

static bool look(struct tn_queue *queue)
{
    return !is_ctrl(queue) && queue->index % 2 == 0 && net_rx_look(queue);
}

/* Nobody looks any more. */
static void rest(struct tn_queue *queue)
{
    if (!is_ctrl(queue) && queue->index % 2 == 0) {
        net_pair_watch(net_pair_of(queue), TENON_READABLE);
    }
}

static void settle(struct tn_queue *queue)
{
    if (is_ctrl(queue)) {
        return;
    }
    if (queue->index % 2 == 0) {
        net_rx_settle(queue);
    } else {
        net_tx_settle(queue);
    }
}

static bool stop(struct tn_queue *queue)
{
    return is_ctrl(queue) ? net_ctrl_end(queue) : net_pair_leave(queue);
}

void net_free(struct net *net)
{
    free(net->open);
    free(net->coalesce_queue);
    free(net);
}

static void free_net(struct tenon_device *device)
{
    struct net *net = net_of_device(device);

    tenon_link_close(net->link);
    tn_device_fini(device);
    pthread_mutex_destroy(&net->lock);
    net_free(net);
}

const struct tn_device_type net_type = {
    .id = TN_VIRTIO_ID_NET,
    .config_bytes = sizeof(struct tn_net_config),
    .counts_frames = true,
    .queues_together = 2,
    .counter_names = counter_names,
    .features = features,
    .accepts = accepts,
    .negotiated = net_negotiated,
    .config_read = config_read,
    .config_write = config_write,
    .start = start,
    .serve = serve,
    .look = look,
    .rest = rest,
    .settle = settle,
    .stop = stop,
    .free = free_net,
};

/* ---- what the embedder says ---- */

static struct net *as_net(struct tenon_device *device)
{
    if (device->type != &net_type) {
        tn_error(-EINVAL, "%s is not a network device", device->name);
        return NULL;
    }
    return net_of_device(device);
}

int tenon_net_set_carrier(struct tenon_device *device, bool up)
{
    struct net *net = as_net(device);

    if (!net) {
        return -EINVAL;
    }
    tn_device_config_begin(device);
    __atomic_store_n(&net->carrier, up, __ATOMIC_RELAXED);
    tn_device_config_changed(device);
    for (unsigned i = 0; i < 2 * net->pairs; i++) {
        tenon_bus_queue_kick(device, i); /* what waits for the link may go on, or is dropped */
    }
    return 0;
}

int tenon_net_announce(struct tenon_device *device)
{
    struct net *net = as_net(device);

    if (!net) {
        return -EINVAL;
    }
    if (!tn_device_has(device, TN_NET_F_GUEST_ANNOUNCE)) {
        return tn_error(-ENOTSUP, "%s: its driver has not negotiated GUEST_ANNOUNCE", device->name);
    }
    tn_device_config_begin(device);
    pthread_mutex_lock(&net->lock);
    net->announce = true;
    pthread_mutex_unlock(&net->lock);
    tn_device_config_changed(device);
    return 0;
}

int tenon_net_mac(struct tenon_device *device, uint8_t mac[6])
{
    struct net *net = as_net(device);

    if (!net) {
        return -EINVAL;
    }
    pthread_mutex_lock(&net->lock);
    memcpy(mac, net->rules.filter.mac, sizeof(net->rules.filter.mac));
    pthread_mutex_unlock(&net->lock);
    return 0;
}
