/*
 * fake_link.h: a link that does what a test tells it: hands out frames, records what was sent, and
 * can be full, down, failing, slow, or keep frames until it is told to let them go.
 *
 *   deliver ──> [waiting frames] ── recv (it fills) or peek, take (it lends) ──> device
 *   sent()  <── [record]         <── send ────────────────────────────────────── device
 *
 * The test calls from its own thread, the device on its workers; a lock is between them, and is
 * held over no callback.
 */
#ifndef TENON_TEST_FAKE_LINK_H
#define TENON_TEST_FAKE_LINK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <tenon/link.h>

enum { FAKE_PAIRS = 8, FAKE_KEPT = 4096 };

struct fake_link;

/* A frame that was sent. */
struct fake_frame {
    struct fake_frame *next;
    uint32_t bytes;
    unsigned pair;
    struct tenon_offload offload;
    uint8_t data[];
};

/* A frame that waits to be received. */
struct fake_waiting {
    struct tenon_frame frame; /* as it is lent; its iovecs are of no equal length */
    struct iovec iov[3];
    struct fake_waiting *next;
    struct tenon_offload offload;
    uint32_t bytes;
    uint8_t data[];
};

struct fake_port {
    struct fake_link *link;
    unsigned pair;
    bool open;
    struct tenon_worker *worker;
    const struct tenon_port_events *events;
    void *opaque;
    int rx_fd, tx_fd; /* eventfds: readable when there are frames; when there is room */
    struct tenon_watch *rx_watch, *tx_watch;
    struct tenon_post changed_post, sent_post;
    struct fake_waiting *first, *last;
    unsigned waiting;
    struct tenon_frame *kept[FAKE_KEPT];
    unsigned kept_count, let_go, watched;
    unsigned can; /* as recv_set has it */
    unsigned wakes;
};

struct fake_link {
    pthread_mutex_t lock;
    /* Before fake_link_open. */
    struct tenon_link_info info;
    bool lends;
    /* Under the lock, from then on. */
    bool down;
    bool keep;             /* sent frames are kept until fake_link_let_go */
    unsigned reading;      /* so many of the kept ones cannot be taken back */
    uint32_t room;         /* frames that it still takes; UINT32_MAX: any number */
    int send_error;        /* result of frames that are sent */
    unsigned recv_most;    /* frames that one call hands out; 0: as many as there are */
    unsigned send_can_now; /* what send can do now; default: info.send_can */
    struct fake_port ports[FAKE_PAIRS];
    struct fake_frame *sent_first, *sent_last;
    unsigned sent;
    unsigned opens, closes, recv_calls, send_calls, cancelled, refused, used_pairs;
    unsigned lent;     /* frames that have come */
    unsigned received; /* frames that were taken */
    unsigned dropped;  /* of those that were lent: with a result that is not 0 */
    pthread_t tester;
    unsigned by_tester;   /* calls of send and of recv, or peek, by whoever made the link */
    unsigned after_close; /* calls of a port that is not open: a fault of the device */
    bool freed;
};

struct fake_link *fake_link_new(bool lends);
/* Changes to `info` have been made before. */
int fake_link_open(struct fake_link *link, struct tenon_link **out);
/* The tenon_link has been closed, and the workers are gone. */
void fake_link_free(struct fake_link *link);

/* ---- any thread ---- */

/* A frame has come. */
void fake_link_deliver(struct fake_link *link, unsigned pair, const void *frame, uint32_t bytes,
                       const struct tenon_offload *offload);
/* What waits is gone. Only when nobody has the port open. */
void fake_link_forget(struct fake_link *link, unsigned pair);
/* How many wait to be received; how many were sent so far. */
unsigned fake_link_waiting(struct fake_link *link, unsigned pair);
unsigned fake_link_sent(struct fake_link *link);
/* A number of its own that changes under the lock. */
unsigned fake_link_count(struct fake_link *link, const unsigned *counter);
/* Takes the oldest frame that was sent; NULL: none. The caller frees it. */
struct fake_frame *fake_link_take_sent(struct fake_link *link);
/* How many frames it still takes; UINT32_MAX: any number; 0: it is full. */
void fake_link_set_room(struct fake_link *link, uint32_t frames);
void fake_link_set_down(struct fake_link *link, bool down);
void fake_link_set_error(struct fake_link *link, int error);
void fake_link_set_keep(struct fake_link *link, bool keep);
void fake_link_set_recv_most(struct fake_link *link, unsigned frames);
/* How many frames it keeps now. */
unsigned fake_link_kept(struct fake_link *link, unsigned pair);
/* So many of the kept frames are done, the oldest first. */
void fake_link_let_go(struct fake_link *link, unsigned pair, unsigned frames);
/* Nothing is in anybody's way any more: room, and kept frames are done. */
void fake_link_release_all(struct fake_link *link);

#endif
