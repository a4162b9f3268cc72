/*
 * offload.c: what a frame's header may ask for, and which offloads a device offers.
 *
 *   asked (the user) ─┬─> host: what the guest may leave undone        ─> CSUM, HOST_*
 *   link's recv_can ──┴─> guest: what the guest may be given undone    ─> GUEST_*
 *
 * A mask of TENON_CAN_* is legal when each bit stands with what it needs (NET-05); a mask that is
 * not is completed downwards: what lacks something goes, nothing is added. Looks at headers only,
 * never at frames: segment.c does. Pure; any thread.
 */
#include "net/net.h"

enum { TSO = TENON_CAN_TSO4 | TENON_CAN_TSO6, USO = TENON_CAN_USO4 | TENON_CAN_USO6 };

static unsigned legal(unsigned can)
{
    if (!(can & TENON_CAN_CSUM)) {
        return 0;
    }
    return can & (can & TSO ? TENON_CAN_ALL : TENON_CAN_ALL & ~TENON_CAN_ECN);
}

unsigned net_offload_needs(const struct tenon_offload *offload)
{
    unsigned needs = offload->flags & TENON_OFFLOAD_NEEDS_CSUM ? TENON_CAN_CSUM : 0;

    switch (offload->gso & ~TENON_GSO_ECN) {
    case TENON_GSO_TCPV4:
        needs |= TENON_CAN_TSO4;
        break;
    case TENON_GSO_TCPV6:
        needs |= TENON_CAN_TSO6;
        break;
    case TENON_GSO_UDP_L4:
        /* Of which IP only the frame says. */
        needs |= USO;
        break;
    default:
        break;
    }
    return needs | (offload->gso & TENON_GSO_ECN ? TENON_CAN_ECN : 0);
}

static bool check_gso(const struct tenon_offload *offload, unsigned can)
{
    bool ecn = offload->gso & TENON_GSO_ECN;

    if (offload->gso_bytes == 0 || !(offload->flags & TENON_OFFLOAD_NEEDS_CSUM) ||
        (ecn && !(can & TENON_CAN_ECN))) {
        return false;
    }
    switch (offload->gso & ~TENON_GSO_ECN) {
    case TENON_GSO_TCPV4:
        return can & TENON_CAN_TSO4;
    case TENON_GSO_TCPV6:
        return can & TENON_CAN_TSO6;
    case TENON_GSO_UDP_L4:
        return !ecn && (can & USO);
    default:
        return false;
    }
}

/*
 * Flags other than NEEDS_CSUM mean nothing from a driver and are not looked at (NET-22), and
 * neither is header_bytes, which is a hint (NET-26).
 */
bool net_offload_check(const struct tenon_offload *offload, uint32_t frame_bytes, unsigned can)
{
    if (offload->flags & TENON_OFFLOAD_NEEDS_CSUM) {
        uint32_t end = (uint32_t)offload->csum_start + offload->csum_offset + sizeof(uint16_t);
        if (!(can & TENON_CAN_CSUM) || offload->csum_start < TENON_FRAME_HEADER_BYTES ||
            end > frame_bytes) {
            return false;
        }
    }
    return offload->gso == TENON_GSO_NONE || check_gso(offload, can);
}

/*
 * AUTO lets the guest leave everything undone, whatever the link: what the link cannot send is
 * finished here. A checksum is one pass (40 ns for 1500 bytes) that the guest would make instead,
 * and without CSUM Linux does no TSO at all. A frame of 64 KiB that is cut here costs 6 to 8 us for
 * a copy and the sums of its bytes, and spares the guest the same, and 44 times a way through its
 * stack and a place in the ring; the device, 44 chains.
 *
 * Towards the guest it is what the link can be told to deliver: frames that come whole are never
 * put together here, so a promise would bring the guest nothing.
 *
 * USO is of both IPs or of none: HOST_USO is one bit for the two, and taps know no single one.
 */
void net_offload_plan(unsigned asked, const struct tenon_link_info *link, unsigned *host,
                      unsigned *guest)
{
    unsigned wanted = asked == TENON_NET_OFFLOAD_AUTO ? TENON_CAN_ALL : asked & TENON_CAN_ALL;
    unsigned given = wanted & link->recv_can;

    if (asked & TENON_NET_OFFLOAD_OFF) {
        wanted = given = 0;
    }
    *host = legal((wanted & USO) == USO ? wanted : wanted & ~USO);
    *guest = legal((given & USO) == USO ? given : given & ~USO);
}

/* ---- feature bits ---- */

struct pair {
    unsigned can;
    unsigned bit;
};
static const struct pair host_bits[] = {
    { TENON_CAN_CSUM, TN_NET_F_CSUM },
    { TENON_CAN_TSO4, TN_NET_F_HOST_TSO4 },
    { TENON_CAN_TSO6, TN_NET_F_HOST_TSO6 },
    { TENON_CAN_ECN, TN_NET_F_HOST_ECN },
    { USO, TN_NET_F_HOST_USO },
    { 0, 0 },
};
static const struct pair guest_bits[] = {
    { TENON_CAN_CSUM, TN_NET_F_GUEST_CSUM },
    { TENON_CAN_TSO4, TN_NET_F_GUEST_TSO4 },
    { TENON_CAN_TSO6, TN_NET_F_GUEST_TSO6 },
    { TENON_CAN_ECN, TN_NET_F_GUEST_ECN },
    { TENON_CAN_USO4, TN_NET_F_GUEST_USO4 },
    { TENON_CAN_USO6, TN_NET_F_GUEST_USO6 },
    { 0, 0 },
};

static uint64_t to_features(const struct pair *pairs, unsigned can)
{
    uint64_t features = 0;

    for (; pairs->can != 0; pairs++) {
        if ((can & pairs->can) == pairs->can) {
            features |= UINT64_C(1) << pairs->bit;
        }
    }
    return features;
}

static unsigned from_features(const struct pair *pairs, uint64_t features)
{
    unsigned can = 0;

    for (; pairs->can != 0; pairs++) {
        if (features >> pairs->bit & 1) {
            can |= pairs->can;
        }
    }
    return legal(can);
}

uint64_t net_offload_host_features(unsigned can)
{
    return to_features(host_bits, can);
}

uint64_t net_offload_guest_features(unsigned can)
{
    return to_features(guest_bits, can);
}

unsigned net_offload_host_can(uint64_t features)
{
    return from_features(host_bits, features);
}

unsigned net_offload_guest_can(uint64_t features)
{
    return from_features(guest_bits, features);
}
