/*
 * net_load.h: what the parts of the load generator for network devices share.
 *
 *   net_load.c    options, and the result as JSON       net_run.c    one measurement
 *   net_ring.c    a driver's rings, at little cost      net_peer.c   what is behind a link
 *   net_bare.c    loops without any device             net_open.c   drivers and a peer are made
 */
#ifndef BENCH_NET_LOAD_H
#define BENCH_NET_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "load.h"
#include "spec/vring.h"
#include "tenon_driver_net.h"

enum { NET_HEADER = 12, NET_ORDINARY = 1514, NET_BATCH = 64, NET_PATH = 200, NET_ENDS = 16 };

/* From the first socket's driver to the second's (or the peer), back, and so on. */
enum net_kind { NET_ONE_WAY, NET_BOTH_WAYS, NET_IN, NET_OUT, NET_LONE };
enum net_peer_kind { NET_PEER_NONE, NET_PEER_DGRAM, NET_PEER_STREAM, NET_PEER_TAP };

struct net_options {
    /* vhost-user: one, or two for each couple of devices that stand back to back */
    const char *sockets[NET_ENDS];
    unsigned socket_count;
    const char *peer; /* dgram:OURS:THEIRS, stream:PATH, tap:NAME */
    const char *bare; /* a loop in the place of the device: dgram, stream, tap, memcpy */
    enum net_kind kind;
    uint32_t bytes; /* of a frame */
    unsigned ring;
    unsigned warm_ms, run_ms;
    bool tso;   /* frames are for segmentation: IPv4, TCP */
    bool poll;  /* look at the rings instead of sleeping */
    pid_t pid;  /* whose processor time is counted */
    int cpu;    /* of this program; -1: none */
    int cpu_of; /* of a bare loop */
};

struct net_result {
    uint64_t frames, ns, cpu_ns;
    uint64_t kicks, interrupts;
    uint64_t sent, lost; /* of the whole run */
    uint64_t p50_ns, p99_ns;
    uint64_t errors;
};

/* ---- net_ring.c ---- */

/* One ring whose descriptors stay as they were laid out: one buffer each. */
struct net_ring {
    struct tenon_driver *driver;
    unsigned queue;
    uint16_t size, next, published, seen;
    bool event_idx;
    struct tn_desc *desc;
    struct tn_avail *avail;
    struct tn_used *used;
    uint32_t used_bytes; /* receive: of each buffer, the header included */
    uint8_t *memory;
    uint16_t *idle; /* transmit: slots that are free, a ring */
    uint16_t idle_first, idle_last;
    uint64_t kicks, interrupts, errors;
};

/* Lays out buffers; `frame` is put into each (transmit), or NULL (receive; all are given). */
int net_ring_open(struct net_ring *ring, struct tenon_driver *driver, unsigned queue, uint32_t room,
                  const uint8_t *frame);
void net_ring_close(struct net_ring *ring);
/* Transmit: at most `count` more; how many there was room for. */
unsigned net_ring_send(struct net_ring *ring, unsigned count);
/* Receive: takes what is there, at most `most`, and gives the buffers again. */
unsigned net_ring_receive(struct net_ring *ring, unsigned most);
/* Asks for an interrupt when more than `after` are done. True: they are already. */
bool net_ring_wait(struct net_ring *ring, uint16_t after);
/* Given and not taken back. */
uint16_t net_ring_flying(const struct net_ring *ring);
void net_ring_no_wait(struct net_ring *ring);
/* Interrupts that have come. */
void net_ring_drain(struct net_ring *ring);
int net_ring_fd(const struct net_ring *ring);

/* ---- net_peer.c ---- */

struct net_peer {
    enum net_peer_kind kind;
    int fd;
    uint32_t bytes, head;               /* of a frame, and of what is in front of it */
    uint8_t *memory;                    /* NET_BATCH frames, one behind the other, to be sent */
    uint8_t *into;                      /* and where they are received */
    uint32_t sent_of_some, got_of_some; /* stream: bytes of frames that are not whole yet */
    char name[NET_PATH];
    uint64_t counted; /* tap: by the kernel, so far */
};

int net_peer_open(struct net_peer *peer, const struct net_options *options, const uint8_t *frame);
void net_peer_close(struct net_peer *peer);
/* Without waiting; frames, or a negative errno. */
int net_peer_send(struct net_peer *peer, unsigned count);
int net_peer_receive(struct net_peer *peer);
/* The frame of a measurement behind NET_HEADER bytes of header: to be freed. */
uint8_t *net_frame_make(const struct net_options *options);

/* ---- net_bare.c ---- */

/* Forks; the child runs the loop until it is killed. Its pid, or a negative errno. */
pid_t net_bare_start(const struct net_options *options);
/* memcpy: the loop itself is what is measured. */
int net_bare_memcpy(const struct net_options *options, struct net_result *result);

/* ---- net_open.c ---- */

enum { NET_RX = 0, NET_TX = 1 };

struct net_end {
    struct tnd_ram *ram;
    struct tenon_driver *driver;
    struct net_ring rings[2];
    bool open;
};

struct net_bench {
    const struct net_options *options;
    struct net_end ends[NET_ENDS]; /* as the sockets: each with the next */
    struct net_peer peer;
    struct latencies latencies;
    uint64_t sent, received;
};

int net_open_all(struct net_bench *bench);
void net_close_all(struct net_bench *bench);

/* ---- net_run.c ---- */

uint64_t net_now(void);
int net_run(const struct net_options *options, struct net_result *result);
int net_bind_cpu(int cpu);

#endif
