/*
 * tenon/net.h: a virtio network device (VIRTIO 1.4 section 5.1) over a tenon_link.
 *
 * Offered: VERSION_1, INDIRECT_DESC, EVENT_IDX, RING_RESET, MAC, STATUS, MRG_RXBUF, CTRL_VQ,
 * CTRL_RX, CTRL_RX_EXTRA, CTRL_VLAN, CTRL_MAC_ADDR, GUEST_ANNOUNCE, NOTF_COAL, VQ_NOTF_COAL; MQ
 * with more than one pair; MTU and SPEED_DUPLEX where they are known; RSS and HASH_REPORT where
 * asked for; and the offloads that were asked for and can be kept: CSUM, GUEST_CSUM,
 * CTRL_GUEST_OFFLOADS, HOST_ and GUEST_TSO4, TSO6, ECN, USO.
 *
 * Queue 2i receives and queue 2i + 1 transmits for pair i; the control queue comes behind the pairs
 * that the driver may use (NET-01).
 */
#ifndef TENON_NET_H
#define TENON_NET_H

#include <tenon/device.h>
#include <tenon/limits.h>
#include <tenon/link.h>
#include <tenon/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What the guest may leave undone, and may be given undone. */
enum {
    TENON_NET_OFFLOAD_AUTO = 0,     /* all that the link can, and what we finish cheaply for it */
    TENON_NET_OFFLOAD_OFF = 1 << 30 /* nothing: frames are whole, both ways; else TENON_CAN_* */
};

enum { TENON_NET_PAIRS_MAX = 128 };

#define TENON_NET_COALESCE_OFF UINT32_MAX

struct tenon_net_opts {
    size_t size;
    const char *name;        /* default "net" */
    struct tenon_link *link; /* required; the device keeps it alive */
    unsigned pairs;          /* default 1; at most what the link has */
    unsigned queue_size;     /* largest ring, a power of 2 up to 32768; default 1024 */
    uint8_t mac[6];          /* zeroes: made of the name, the same whenever it is */
    uint16_t mtu;            /* 68 to 65535; 0: not offered */
    uint32_t speed;          /* Mbit/s, full duplex; 0: the link's, or not offered */
    unsigned offload;
    bool no_mrg_rxbuf, no_event_idx;
    bool no_ctrl; /* no control queue, and nothing that needs it */
    bool rss;     /* offer RSS and HASH_REPORT; all pairs are then on one worker */
    /* When the link is full: frames are dropped, and counted, instead of being held */
    bool drop_when_full;
    /*
     * Receive interrupts: after so many frames, or so many microseconds after the first; 0: 64 and
     * 50, and a frame that comes alone is told at once. The driver may change them (NOTF_COAL).
     */
    uint32_t coalesce_frames, coalesce_us;
    /* As in tenon_blk_opts; both queues of a pair are on one worker, pair i on i mod n. */
    struct tenon_worker **workers;
    unsigned worker_count;
    unsigned own_workers;
    const int *cpus;
    unsigned cpu_count;
    enum tenon_loop loop;
    int poll_us; /* TENON_POLL_AUTO, TENON_POLL_OFF */
    tenon_event_fn *event;
    void *opaque;
    const struct tenon_limits *limits; /* frames and bytes; "read" is what the guest receives */
    struct tenon_limit_group *limit_group;
};

/*
 * -EINVAL (an option, named in tenon_error), -ENOMEM. Starts no thread: that happens with the first
 * queue. Any thread.
 */
TENON_API int tenon_net_new(const struct tenon_net_opts *opts, struct tenon_device **out);

/*
 * The cable is pulled out, or put in again: the guest is told, and frames are dropped meanwhile.
 * There is a carrier when this and the link say so. Any thread.
 */
TENON_API int tenon_net_set_carrier(struct tenon_device *device, bool up);

/*
 * Asks the guest to tell the network where it is (GUEST_ANNOUNCE), after a migration. Any thread.
 */
TENON_API int tenon_net_announce(struct tenon_device *device);

/* The address that the device has now, which the guest may have changed. Any thread. */
TENON_API int tenon_net_mac(struct tenon_device *device, uint8_t mac[6]);

#ifdef __cplusplus
}
#endif

#endif
