/*
 * filter.c: which of the frames that come the guest wants (NET-53..60).
 *
 *   promiscuous? ── own address? ── broadcast, multicast, other unicast ──> VLAN listed?
 *
 * Pure: a filter is a value, and a frame its first bytes. It comes before everything else that is
 * done with a received frame (NET-83). Whoever filters wrongly by letting pass costs the guest some
 * time; whoever drops wrongly costs it the frame. So what the driver had no way to ask for passes.
 */
#include "net/net.h"

#include <string.h>

#include "base/be.h"
#include "spec/inet.h"

enum { MAC_BYTES = 6, VLAN_MASK = 0xfff };

void net_filter_reset(struct net_filter *filter, const uint8_t mac[6], bool ctrl_rx, bool vlans)
{
    memset(filter, 0, sizeof(*filter));
    memcpy(filter->mac, mac, MAC_BYTES);
    /* Not promiscuous, which would let every VLAN pass too. */
    filter->all_uni = filter->all_multi = !ctrl_rx;
    filter->vlans_on = vlans;
}

static bool is_listed(const struct net_macs *macs, const uint8_t *mac)
{
    for (unsigned i = 0; i < macs->count; i++) {
        if (memcmp(macs->macs[i], mac, MAC_BYTES) == 0) {
            return true;
        }
    }
    return false;
}

/* NET-55: each "no" beats each "all", and broadcast is no multicast here. */
static bool wants_group(const struct net_filter *filter, const uint8_t *to)
{
    static const uint8_t broadcast[MAC_BYTES] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

    if (memcmp(to, broadcast, MAC_BYTES) == 0) {
        return !filter->no_broadcast;
    }
    return !filter->no_multi &&
           (filter->all_multi || filter->multicast.all || is_listed(&filter->multicast, to));
}

static bool wants_other(const struct net_filter *filter, const uint8_t *to)
{
    return filter->all_uni || filter->mac_unknown || filter->unicast.all ||
           is_listed(&filter->unicast, to);
}

/*
 * Tags of 802.1Q alone: drivers list the ids of these. A frame with a service tag (0x88a8) is in no
 * VLAN that could be listed, and passes as one without a tag does.
 */
static bool wants_vlan(const struct net_filter *filter, const uint8_t *frame, uint32_t bytes)
{
    if (!filter->vlans_on || tn_get_be16(frame + TN_ETH_TYPE) != TN_ETH_VLAN ||
        bytes < TN_ETH_TYPE + TN_ETH_VLAN_BYTES) {
        return true;
    }
    unsigned id = tn_get_be16(frame + TN_ETH_BYTES) & VLAN_MASK;
    return (filter->vlans[id / 64] >> id % 64) & 1;
}

bool net_filter_is_open(const struct net_filter *filter)
{
    return filter->promiscuous || (filter->all_uni && filter->all_multi && !filter->vlans_on &&
                                   !filter->no_uni && !filter->no_multi && !filter->no_broadcast);
}

bool net_filter_passes(const struct net_filter *filter, const uint8_t *frame, uint32_t bytes)
{
    bool wanted;

    if (bytes < TN_ETH_BYTES) {
        return false;
    }
    if (filter->promiscuous) {
        return true;
    }
    if (memcmp(frame, filter->mac, MAC_BYTES) == 0) {
        wanted = !filter->no_uni;
    } else if (frame[0] & 1) {
        wanted = wants_group(filter, frame);
    } else {
        wanted = !filter->no_uni && wants_other(filter, frame);
    }
    return wanted && wants_vlan(filter, frame, bytes);
}
