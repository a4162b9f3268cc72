/*
 * stream.h: a stream link as its two files see it: stream.c keeps the connection, stream_open.c
 * makes the link. Not a door.
 */
#ifndef TN_LINK_STREAM_H
#define TN_LINK_STREAM_H

#include "base/count.h"
#include "link/framing.h"
#include "link/port.h"
#include "link/unix_socket.h"

enum {
    STREAM_CONNECTS,
    STREAM_LOST,
    STREAM_CUT,
    STREAM_NO_PEER,
    STREAM_GARBAGE,
    STREAM_NO_MEMORY,
    STREAM_COUNTS
};

/* The link and its port. */
struct tenon_port {
    struct tn_port common;
    int fd;        /* the connection; -1: there is none */
    int listen_fd; /* or -1 */
    bool by_path;  /* connects to `peer` */
    atomic_bool up;
    bool said; /* since the last frame, that the peer has gone */
    struct sockaddr_un peer;
    struct tn_unix_name bound;
    struct tn_count counts[STREAM_COUNTS];
    struct tn_inbox inbox;
    struct tn_outbox outbox;
    char who[160]; /* the link's name */
};

extern const struct tenon_link_ops tn_stream_ops;

/* 0 or a negative errno, without a sentence. Does not watch yet. */
int tn_stream_connect(struct tenon_port *port);
void tn_stream_free(void *link);

#endif
