/*
 * peers.h: a listening socket and who is connected to it: input is collected, output goes out as
 * the peer takes it, and nobody is waited for. What is said is the owner's business. On one worker.
 */
#ifndef TENON_PEERS_H
#define TENON_PEERS_H

#include <stdbool.h>
#include <stddef.h>

#include <tenon/worker.h>

enum { PEERS_MAX = 16, PEER_INPUT = 64 * 1024, PEER_BACKLOG = 4 * 1024 * 1024 };

struct peers;

struct peer {
    struct peers *peers;
    int fd; /* -1: nobody has this place */
    struct tenon_watch *watch;
    char *in;
    size_t in_bytes;
    char *out; /* what the socket did not take yet */
    size_t out_bytes;
    bool closing;             /* it leaves when it has everything */
    bool marked;              /* by the owner; whoever comes is not */
    unsigned owed;            /* answers that are still to come */
    unsigned long generation; /* counts those who have had this place */
    unsigned long arrival;    /* the least has been here longest */
};

struct peers {
    struct tenon_worker *worker;
    struct tenon_watch *watch;
    /* Input has come, or its end (closing): takes what it can of peer->in, by peer_take. */
    void (*input)(void *opaque, struct peer *peer);
    void *opaque;
    struct peer all[PEERS_MAX];
    unsigned long arrivals;
};

/* Accepts from now on at a listening socket, which stays the caller's. False: reported. */
bool peers_open(struct peers *peers, int listen_fd, struct tenon_worker *worker,
                void (*input)(void *opaque, struct peer *peer), void *opaque);
/* Drops everybody. Also when it was not opened. */
void peers_close(struct peers *peers);

/* `bytes` of the input have been used. */
void peer_take(struct peer *peer, size_t bytes);
/* Sends; a peer that does not read is dropped, so look at fd and generation afterwards. */
void peer_put(struct peer *peer, const char *text, size_t bytes);
/* The same, with an end of line behind it. */
void peer_put_line(struct peer *peer, const char *text);

#endif
