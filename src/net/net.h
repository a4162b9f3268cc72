/*
 * net.h: the network device's own structures: the door of net/, which nobody but its own files
 * opens.
 *
 *   rx.c          one turn of a receive queue      tx.c       of a transmit queue: read these first
 *   frame.c       the header in guest memory        offload.c  what a header may ask for
 *   checksum.c    segment.c                         unfinished frames are finished
 *   filter.c      which frames the guest wants      rss.c      which queue a frame goes to
 *   ctrl.c        the control queue                 command.h  what one command asks for
 *   rules.c       how what it sets reaches the queues
 *   stock.c       chains that wait for frames       cut.c      frames that are finished before
 *   queue_pair.c  two queues and their port         net.c      the object, features, config space
 */
#ifndef TN_NET_NET_H
#define TN_NET_NET_H

#include "device/device.h"
#include "link/link.h"
#include "net/frame.h"
#include "net/offload.h"
#include "spec/virtio_net.h"
#include "tenon/net.h"

enum {
    NET_BATCH = 64,       /* frames that go through the link at once */
    NET_FILTER_MACS = 64, /* of each kind; more are taken for all of that kind (NET-57) */
    NET_VLANS = 4096,
    NET_RSS_NIBBLES = 72,     /* of the longest input: two IPv6 addresses and two ports */
    NET_COALESCE_FRAMES = 64, /* of receive interrupts, where nobody said otherwise */
    NET_COALESCE_US = 50,
    NET_MTU_DEFAULT = 1500 /* where nobody says another one */
};

/* Counters of the network device, after TN_COUNT_COMMON. */
enum {
    NET_COUNT_FRAMES = TN_COUNT_COMMON, /* received by the guest, or sent by it */
    NET_COUNT_BYTES,
    NET_COUNT_NO_BUFFER,  /* receive: times that the guest had no room, and the link had to wait */
    NET_COUNT_TOO_LONG,   /* dropped: longer than the guest's buffer, or than the link can carry */
    NET_COUNT_MALFORMED,  /* dropped: a chain that is no frame, or no buffer for one */
    NET_COUNT_BAD_HEADER, /* dropped: the header asks for what cannot be, or was not negotiated */
    NET_COUNT_FILTERED,   /* dropped: the guest does not want it */
    NET_COUNT_LINK_FULL,  /* transmit: times that the link was full */
    NET_COUNT_LINK_DOWN,  /* dropped: no carrier */
    NET_COUNT_LINK_ERROR, /* dropped: the link could not */
    NET_COUNT_DROPPED_FULL, /* dropped because the link was full, where that is wanted */
    NET_COUNT_SEGMENTED,    /* frames that were cut into segments here */
    NET_COUNT_SUMMED,       /* frames whose checksum was finished here */
    NET_COUNT_STRAY,        /* sent with a source address that is not the device's */
    NET_COUNT_COMMANDS,     /* control queue: commands that were done */
    NET_COUNT_REFUSED,      /* control queue: answered ERR */
    NET_COUNT_END
};

/* ---- what the driver has set: filter.c, rss.c, ctrl.c, rules.c ---- */

struct net_macs {
    uint16_t count;
    bool all; /* there were too many */
    uint8_t macs[NET_FILTER_MACS][6];
};

/* Which frames are wanted. A value: each receive queue has a copy. */
struct net_filter {
    uint8_t mac[6];
    bool promiscuous, all_multi, all_uni, no_multi, no_uni, no_broadcast;
    bool vlans_on;    /* CTRL_VLAN was negotiated */
    bool mac_unknown; /* the driver did not take ours, and has named none: all unicast may be its */
    struct net_macs unicast, multicast;
    uint64_t vlans[NET_VLANS / 64];
};

struct net_rss {
    bool on;        /* RSS: frames go where the table says */
    bool report;    /* HASH_REPORT was negotiated */
    uint32_t types; /* TN_NET_HASH_* */
    uint16_t mask;  /* the table's length less one */
    uint16_t unclassified;
    uint16_t table[TN_NET_RSS_TABLE_MAX];
    uint8_t key_bytes;
    uint8_t key[TN_NET_RSS_KEY_BYTES];
    uint32_t nibbles[NET_RSS_NIBBLES][16]; /* made of the key: see rss.c */
};

/* All of it. */
struct net_rules {
    struct net_filter filter;
    struct net_rss rss;
    uint16_t pairs;     /* that receive */
    unsigned guest_can; /* TENON_CAN_*: what may be received unfinished */
};

/* ---- the device ---- */

struct net_pair;

/* When interrupts are sent (NET-76). */
struct net_coalesce {
    uint32_t frames, us;
    bool adaptive;
};

/* The way to a pair: it has to follow new rules. */
struct net_follower {
    struct tenon_post post; /* to its worker */
    struct net *net;
    bool due; /* under lock: it has not said that it follows */
    /* on its worker: it follows since this turn, and that went so */
    bool follows;
    uint64_t since;
    int error;
};

/* New rules on their way. */
struct net_applying {
    unsigned due; /* pairs that are waited for, and one for who asked */
    int error;
    void (*done)(void *opaque, int error);
    void *opaque;
};

/* The command that is being done; one at a time. On the control queue's worker. */
struct net_command {
    struct tn_slot *slot; /* NULL: none */
    struct tenon_post post;
    int error;
    bool waits; /* the queue was told to wait for its end */
    uint8_t result[8];
    uint32_t result_bytes;
};

struct net {
    struct tenon_device device; /* first */
    struct tenon_link *link;
    struct tenon_link_info info;
    const struct tenon_link_ops *link_ops;
    unsigned pairs;
    uint16_t mtu;   /* 0: not offered */
    uint32_t speed; /* 0: not offered */
    bool mrg_rxbuf, ctrl, rss, drop_when_full;
    uint32_t coalesce_frames, coalesce_us;
    uint8_t mac_given[6];

    /* as negotiated; written when no queue runs */
    unsigned header_bytes; /* in front of each frame */
    bool mergeable, mtu_negotiated;
    unsigned host_can; /* TENON_CAN_*: what the driver may leave undone */

    unsigned host_offer, guest_offer; /* TENON_CAN_* */
    bool carrier;                     /* atomic: as the embedder says */

    pthread_mutex_t lock; /* comes after the device's */
    /* under lock */
    struct net_rules rules; /* as last set */
    bool announce;          /* the guest has been asked, and has not answered */
    /*
     * [2], of queues that receive and transmit, as last set by TX_SET and RX_SET; and of each queue
     */
    struct net_coalesce coalesce[2], *coalesce_queue;
    struct net_pair **open; /* [pairs]: those whose port is open */
    struct net_applying applying;
    struct net_follower followers[TENON_NET_PAIRS_MAX];

    struct net_command command;
};

enum {
    NET_WINDOW = 1023, /* iovecs that a frame may be received into: IOV_MAX, and a link's own one */
    NET_PLACE_IOVECS = 5,
    NET_CUT_FRAMES = 64,                           /* segments that are made at a time ... */
    NET_CUT_BYTES = 1 << 17,                       /* ... in so much memory */
    NET_CUT_SEGMENT = NET_HEADERS_MAX + UINT16_MAX /* the longest one */
};

/* What was hashed of a frame, for its header and for the choice of a queue. */
struct net_look {
    uint32_t hash;
    uint16_t report;
};

/* Popped receive chains, oldest first, which leave it in this order: so the rest can go back. */
struct net_stock {
    struct net_slot **slots;
    uint32_t first, count, mask;
    uint32_t descriptors; /* of all of them */
};

/* A frame whose checksum or segments are made here, into memory of ours, before it goes on. */
struct net_cut {
    bool active;
    bool summed;  /* its checksum was all that it lacked */
    bool dropped; /* the queue stops: nothing more is made */
    bool yields;  /* it goes on in the next turn, and not for the link's sake */
    struct net_segments segments;
    uint8_t *memory;       /* NULL: this pair never needs it */
    struct net_slot *slot; /* transmit: whose it is */
    /* receive: a copy of the frame, behind a segment; and how long the one is that waits there */
    struct iovec whole;
    uint32_t bytes; /* 0: none waits */
    struct net_look look;
    struct tenon_frame *frames; /* transmit: NET_CUT_FRAMES of them */
    struct iovec *iov;
    unsigned count, sent; /* of `frames`; made, and gone into the link */
    unsigned kept;        /* that the link still reads */
    int result;           /* transmit: of the first that the link could not send */
};

/* Frames in memory of ours, over a link that fills: see rx_lend.c. */
struct net_bounce {
    uint8_t *memory; /* of so many frames */
    unsigned frames;
    struct iovec iov[NET_BATCH]; /* one for each */
    unsigned first, count;       /* of net_pair.places, that wait */
};

/* A queue pair, from the start of its first queue to the stop of its last. On its worker. */
struct net_pair {
    struct net *net;
    unsigned index;
    struct tenon_worker *worker;
    unsigned users; /* queues */
    struct tenon_port *port;
    struct tn_queue *rx, *tx; /* NULL: it does not run */
    unsigned watched;         /* what the port was last told */
    bool link_up;             /* when the port last said that something changed */
    bool wanted;              /* RSS: another pair has a frame for it, and it has no room */
    bool waits_for_other;     /* RSS: it is that other one */
    unsigned looks;           /* for frames, instead of being told */
    struct net_rules rules;   /* a copy, see rules.c */

    struct net_stock stock;
    struct tenon_frame *frames[NET_BATCH];
    struct tenon_frame places[NET_BATCH]; /* receive: where the next frames shall go */
    struct iovec place_iov[NET_BATCH][NET_PLACE_IOVECS];
    uint32_t rooms[NET_BATCH]; /* of them, in guest memory */
    struct iovec *window;
    struct net_cut rx_cut;
    struct net_bounce bounce;

    struct tenon_frame *waiting[NET_BATCH]; /* transmit: taken, and not sent */
    unsigned waiting_first, waiting_count;
    struct tenon_frame **kept; /* a ring: sent, and still read by the link, oldest first */
    uint32_t kept_first, kept_count, kept_mask;
    struct net_cut tx_cut;
};

static inline struct net_pair *net_pair_of(const struct tn_queue *queue)
{
    return queue->type_data;
}

static inline struct net *net_of_device(struct tenon_device *device)
{
    return (struct net *)(void *)device;
}

static inline struct net *net_of(const struct tn_queue *queue)
{
    return net_of_device(queue->device);
}

/* ---- filter.c, rss.c ---- */

/* As after a reset: its own address, broadcast and nothing else, but with no CTRL_RX everything. */
void net_filter_reset(struct net_filter *filter, const uint8_t mac[6], bool ctrl_rx, bool vlans);
/* Whether every frame passes: then it need not be looked at. */
bool net_filter_is_open(const struct net_filter *filter);
bool net_filter_passes(const struct net_filter *filter, const uint8_t *frame, uint32_t bytes);

/* At most TN_NET_RSS_KEY_BYTES. */
void net_rss_set_key(struct net_rss *rss, const uint8_t *key, unsigned bytes);
/* What was hashed (TN_NET_HASH_REPORT_*), and the hash, of a frame's first bytes (NET-71). */
uint16_t net_rss_hash(const struct net_rss *rss, const uint8_t *frame, uint32_t bytes,
                      uint32_t *hash);
/* The receive queue, by what net_rss_hash said (NET-70). */
uint16_t net_rss_queue(const struct net_rss *rss, uint16_t report, uint32_t hash);

/* ---- ctrl.c: one turn of the control queue ---- */

int net_ctrl_begin(struct tn_queue *queue);
unsigned net_ctrl_serve(struct tn_queue *queue, unsigned budget);
bool net_ctrl_end(struct tn_queue *queue);

/* ---- rules.c ---- */

/* Of a new device. */
void net_rules_init(struct net *net);
/* As after a reset, for the features that are negotiated now. With net->lock held. */
void net_rules_reset(struct net *net);
/*
 * net->rules, or what interrupts wait for, has changed: `done` is called when every open pair
 * follows, on the worker of the last one, or at once; with the error of one that could not. One at
 * a time. On a worker.
 */
void net_rules_apply(struct net *net, void (*done)(void *opaque, int error), void *opaque);
/* A pair has opened: it has the rules of now, and stands in net->open. And it closes. */
void net_rules_join(struct net_pair *pair);
void net_rules_leave(struct net_pair *pair);

/* ---- frame.c ---- */

/* What a frame is taken for that may lack so much (TENON_CAN_*), before it is seen: the most. */
uint32_t net_frame_most(const struct net *net, unsigned can);

/* ---- net.c ---- */

extern const struct tn_device_type net_type;
void net_negotiated(struct tenon_device *device);
/* The memory of one that has no device yet, or no more. */
void net_free(struct net *net);
/* As after a reset. With net->lock held. */
void net_coalesce_reset(struct net *net);
/* The index of the control queue, as negotiated (NET-01). */
unsigned net_ctrl_index(const struct net *net);
/* Interrupts of a queue that starts are held as they were last set to be. */
int net_coalesce_begin(struct net *net, struct tn_queue *queue);
void net_coalesce_end(struct net *net, const struct tn_queue *queue);

/* ---- queue_pair.c ---- */

int net_pair_join(struct tn_queue *queue);
bool net_pair_leave(struct tn_queue *queue);
void net_pair_watch(struct net_pair *pair, unsigned events);
void net_pair_unwatch(struct net_pair *pair, unsigned events);
/* Whether there is a carrier: the embedder's word and the link's, who may ask the kernel. */
bool net_up(const struct net *net);
/* What goes down is heard of (queue_pair.c); what comes up, the guest may have seen before us. */
static inline bool net_pair_up(struct net_pair *pair)
{
    pair->link_up = pair->link_up || tenon_link_up(pair->net->link);
    return pair->link_up && __atomic_load_n(&pair->net->carrier, __ATOMIC_RELAXED);
}
/* Something has changed that its queues may wait for. */
void net_pair_look(struct net_pair *pair);

/* ---- rx.c ---- */

unsigned net_rx_serve(struct tn_queue *queue, unsigned budget);
bool net_rx_look(struct tn_queue *queue);
void net_rx_settle(struct tn_queue *queue);

/* ---- stock.c ---- */

/* One more chain that can hold a frame, or a part of one. False: there is none now. */
bool net_stock_more(struct net_pair *pair);
static inline struct net_slot *net_stock_at(const struct net_pair *pair, uint32_t i)
{
    return pair->stock.slots[(pair->stock.first + i) & pair->stock.mask];
}
/* The first `count` leave, with the frame in them; `bytes` of it, its header among them. */
void net_stock_use(struct net_pair *pair, uint32_t count, uint64_t bytes);
void net_stock_return(struct net_pair *pair);
/* There is no more now; whether the driver has given all that it can, and waits for us. */
bool net_stock_is_all(struct net_pair *pair);

/* ---- tx.c ---- */

unsigned net_tx_serve(struct tn_queue *queue, unsigned budget);
void net_tx_settle(struct tn_queue *queue);
void net_tx_sent(struct net_pair *pair, struct tenon_frame *frames);
/* The frame is over: the counter says how. */
void net_tx_end(struct tn_queue *queue, struct net_slot *slot, unsigned counter);
/* The counter that says what became of it in the link. */
unsigned net_tx_outcome(int result);
void net_tx_keep(struct net_pair *pair, struct tenon_frame *frame);

/* ---- cut.c: transmitted frames that the link cannot take unfinished ---- */

/* Begins with one. False: its headers are not what it says. */
bool net_cut_begin(struct net_pair *pair, struct net_slot *slot);
/*
 * Goes on. True: all of it is sent, and the slot returned. False: the link is full, or it yields.
 */
bool net_cut_go_on(struct net_pair *pair);
/* The link has done with one of its frames. */
void net_cut_sent(struct net_pair *pair, const struct tenon_frame *frame);
/* The queue pauses or stops. */
void net_cut_drop(struct net_pair *pair);
bool net_cut_has(const struct net_pair *pair, const struct tenon_frame *frame);

#endif
