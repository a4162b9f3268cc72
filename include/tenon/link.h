/*
 * tenon/link.h: where the frames of a network device come from and go to. A tap, a socket, the
 * other half of a pair, or code of yours.
 *
 *   tenon_link           the control handle: what it can do, lifetime. Any thread.
 *   tenon_port           the data handle: one for each pair of queues. On its worker.
 *   tenon_frame          one Ethernet frame on its way: it belongs to whoever made it.
 *
 * A link knows no virtio, and nothing here assumes that the caller is a device. A link never ends
 * because of the host's troubles: they are counted, tried again after a while, and where they last
 * the carrier goes down until they are over.
 */
#ifndef TENON_LINK_H
#define TENON_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include <tenon/base.h>
#include <tenon/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenon_link;
struct tenon_port;

/* ---- one frame ---- */

enum {
    TENON_FRAME_BYTES_MAX = 65550, /* IPv4's 65535 and the Ethernet header, and one byte (NET-39) */
    TENON_FRAME_HEADER_BYTES = 14
};

/* What is left to be done to a frame; the numbers are those of struct virtio_net_hdr (NET-21). */
enum {
    TENON_OFFLOAD_NEEDS_CSUM =
        1,                       /* sum from csum_start to the end, put at csum_offset from there */
    TENON_OFFLOAD_DATA_VALID = 2 /* its checksums were found to be good */
};
enum {
    TENON_GSO_NONE = 0,
    TENON_GSO_TCPV4 = 1,
    TENON_GSO_TCPV6 = 4,
    TENON_GSO_UDP_L4 = 5,
    TENON_GSO_ECN = 0x80 /* along with one of TCP */
};
struct tenon_offload {
    uint8_t flags, gso;
    uint16_t header_bytes; /* a hint */
    uint16_t gso_bytes;    /* payload of each segment */
    uint16_t csum_start, csum_offset;
};

struct tenon_frame {
    /*
     * From the destination address on, without a checksum at the end. Unchanged and valid until the
     * frame is done; may lie in guest memory, so contents may change meanwhile.
     */
    const struct iovec *iov;
    unsigned iov_count;
    /* send: the frame's length, the sum of the iovecs. recv: the room there is, then the length */
    uint32_t bytes;
    int result; /* 0; or why it was dropped as a whole, a negative errno */
    struct tenon_offload offload;
    struct tenon_frame *next; /* the link's, as long as it has the frame */
};

/* What a link or a guest can do with frames that are not finished. */
enum {
    TENON_CAN_CSUM = 1,
    TENON_CAN_TSO4 = 2,
    TENON_CAN_TSO6 = 4,
    TENON_CAN_ECN = 8, /* with TSO */
    TENON_CAN_USO4 = 16,
    TENON_CAN_USO6 = 32,
    TENON_CAN_ALL = 63
};

/* ---- what a port tells: on its worker ---- */

struct tenon_port_events {
    /*
     * what is watched for has come: TENON_READABLE, TENON_WRITABLE. Again and again while it is so
     */
    void (*ready)(void *opaque, unsigned events);
    /* these frames, in the order of sending, were kept by send and are done; linked by `next` */
    void (*sent)(void *opaque, struct tenon_frame *frames);
    /* the carrier, or what send can do, has changed (tenon_link_up, ops->send_can) */
    void (*changed)(void *opaque);
    /*
     * From a link that lends, and from within no call to this port: frames that come just now, when
     * none of those before them waits to be taken. How many are done with, the first ones, with
     * their `result`; the others have to be shown. A link need not; may be NULL.
     */
    unsigned (*deliver)(void *opaque, struct tenon_frame *const *frames, unsigned count);
};

/* ---- a link of your own: the contract ---- */

struct tenon_link_info {
    size_t size;
    unsigned pairs;       /* queue pairs that it can serve; 0: 1 */
    unsigned send_can;    /* TENON_CAN_*: what may be given to send */
    unsigned recv_can;    /* what it may be told to deliver unfinished */
    uint32_t frame_bytes; /* longest frame that it carries, without segmentation; 0: 65550 */
    unsigned recv_batch;  /* frames that one recv can fill; 0: 1 */
    uint32_t speed;       /* Mbit/s, 0: not known */
    uint16_t mtu;         /* 0: not known */
    bool cheap;           /* peek makes no system call: who polls may do so all the time */
    bool down;            /* the carrier is down until it is said to be up */
};

struct tenon_link_ops {
    size_t size;
    /*
     * Opens the port of a pair (from 0). Each pair is open once at a time. `events` stay valid
     * until it is closed. May add watches and timers to the worker. 0 or a negative errno.
     */
    int (*open)(void *link, unsigned pair, struct tenon_worker *worker,
                const struct tenon_port_events *events, void *opaque, struct tenon_port **out);
    /*
     * Fills frames with what has come, oldest first; `frames` are `count` pointers. How many were
     * filled; 0: nothing is there now, or the link has troubles that it deals with itself. A frame
     * that is longer than its room is gone, and has `result` -EMSGSIZE. What is not taken stays
     * where it is. NULL: the link lends.
     */
    int (*recv)(struct tenon_port *port, struct tenon_frame *const *frames, unsigned count);
    /*
     * Of a link that knows frames before it delivers them: shows at most `count` of those that have
     * come, oldest first; how many. They are valid until `take`, or until the callback returns that
     * looked at them; what was not taken is shown again, unless its sender takes it back. NULL: the
     * link fills.
     */
    unsigned (*peek)(struct tenon_port *port, struct tenon_frame **frames, unsigned count);
    /*
     * The first `count` of what was shown are done with; their `result` says what became of them.
     * The others are not looked at any more (so where none could be used: 0).
     */
    void (*take)(struct tenon_port *port, unsigned count);
    /*
     * Sends frames in this order: how many were taken, fewer when it is full. Those of them from
     * `*kept` on, counted from the first, the link still reads: `sent` follows. `result` of the
     * others is set. Never blocks.
     */
    unsigned (*send)(struct tenon_port *port, struct tenon_frame *const *frames, unsigned count,
                     unsigned *kept);
    /*
     * Takes back kept frames which nobody reads yet, the last ones first, at most `count`: how
     * many; `sent` will not come for them. NULL where nothing is kept. Those that are left are
     * being read, and `sent` comes soon (with -ECANCELED if they were not read after all); until
     * then send takes nothing.
     */
    unsigned (*cancel)(struct tenon_port *port, unsigned count);
    /* What `ready` shall tell of: TENON_READABLE, TENON_WRITABLE or both; 0: nothing. */
    void (*watch)(struct tenon_port *port, unsigned events);
    /*
     * What may be delivered unfinished from now on (TENON_CAN_*). 0 or a negative errno. May be
     * NULL
     */
    int (*recv_set)(struct tenon_port *port, unsigned can);
    /* What send takes now, if it is less than info says. May be NULL. Any thread. */
    unsigned (*send_can)(struct tenon_port *port);
    /*
     * Pairs from 0 to count - 1 receive, the others do not (VQ_PAIRS_SET). Any thread. May be NULL.
     */
    int (*use_pairs)(void *link, unsigned count);
    /* Nothing is kept. No event comes any more. */
    void (*close)(struct tenon_port *port);
    int (*info)(void *link, struct tenon_link_info *info);
    /* Whether there is a carrier. Any thread. NULL: always, unless info says `down` */
    bool (*up)(void *link);
    /* Counts of its own: calls fn for each. Any thread. May be NULL */
    void (*stats)(void *link, void (*fn)(void *opaque, const char *name, uint64_t value),
                  void *opaque);
    void (*free)(void *link);
};

/* A link of your own. `link` is handed to each function; ops are copied. -EINVAL, -ENOMEM. */
TENON_API int tenon_link_open_custom(const struct tenon_link_ops *ops, void *link,
                                     struct tenon_link **out);

/* ---- opening ---- */

struct tenon_tap_opts {
    size_t size;
    const char *name; /* of the interface; made if it does not exist and we may */
    const int *fds;   /* or descriptors of one that is open, one for each pair; duplicated */
    unsigned fd_count;
    unsigned queues; /* with a name: how many to open; 0: 1 */
};
/*
 * A tap (Linux). Errors: open's own; -EPERM with the words of what is missing, -EINVAL where flags
 * of the interface do not match (which one is said), -EBUSY. Any thread.
 */
TENON_API int tenon_link_open_tap(const struct tenon_tap_opts *opts, struct tenon_link **out);

struct tenon_dgram_opts {
    size_t size;
    const char *path; /* of the socket that is bound here; NULL: none */
    const char *peer; /* where frames go; NULL: to whoever sent last */
    int fd;           /* or a socket that is bound and connected; 0: none; duplicated */
};
/* UNIX datagrams, one frame each. */
TENON_API int tenon_link_open_dgram(const struct tenon_dgram_opts *opts, struct tenon_link **out);

struct tenon_stream_opts {
    size_t size;
    const char *path;
    bool listen; /* for one peer at a time; else connects, again and again */
    int fd;      /* or a connected socket; 0: none; duplicated */
};
/* A UNIX stream: each frame behind its length, 4 bytes, big-endian (QEMU, passt). */
TENON_API int tenon_link_open_stream(const struct tenon_stream_opts *opts, struct tenon_link **out);

/* Two links back to back: what one sends the other receives, by one copy. */
TENON_API int tenon_link_open_pair(unsigned pairs, struct tenon_link *out[2]);

/*
 * Another link, and a copy of each frame that passes it in a pcapng file (made, or emptied), which
 * can be read while it is written. Takes `link` over on success. A file that cannot be written any
 * more ends the capture, not the link.
 */
TENON_API int tenon_link_open_capture(struct tenon_link *link, const char *path,
                                      struct tenon_link **out);

/*
 * Opens by the grammar of --link: "kind,key=value,key=value"; a comma in a value is written twice.
 *
 *   tap,name=NAME|fd=N[:N...]   queues=N
 *   dgram,path=PATH,peer=PATH   or fd=N
 *   stream,path=PATH            or fd=N;  listen=on|off
 *   capture=FILE                with each of them
 *
 * -EINVAL names the wrong word and the nearest valid one.
 */
TENON_API int tenon_link_open(const char *spec, struct tenon_link **out);

/* One more of what somebody has; the link ends with the last tenon_link_close. Any thread. */
TENON_API struct tenon_link *tenon_link_get(struct tenon_link *link);
/* Gives back the handle. Accepts NULL. Any thread. */
TENON_API void tenon_link_close(struct tenon_link *link);

/* What the link is and can do. Any thread. */
TENON_API int tenon_link_info(struct tenon_link *link, struct tenon_link_info *info);
/* Whether it has a carrier. Any thread. */
TENON_API bool tenon_link_up(struct tenon_link *link);
/* "tap tap0", "stream /run/passt.sock": for people. As long as the link lives. Any thread. */
TENON_API const char *tenon_link_name(const struct tenon_link *link);
/* Counts: what troubles the host made, by kind. Any thread. */
TENON_API void tenon_link_stats(struct tenon_link *link,
                                void (*fn)(void *opaque, const char *name, uint64_t value),
                                void *opaque);

#ifdef __cplusplus
}
#endif

#endif
