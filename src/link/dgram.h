/*
 * dgram.h: a datagram link as its two files see it: dgram.c moves frames, dgram_peer.c finds whom
 * to. Not a door.
 */
#ifndef TN_LINK_DGRAM_H
#define TN_LINK_DGRAM_H

#include <sys/socket.h>

#include "base/count.h"
#include "link/flat.h"
#include "link/port.h"
#include "link/unix_socket.h"

enum { DGRAM_BATCH = 64 };

enum {
    DGRAM_CONNECTS,
    DGRAM_LOST,
    DGRAM_NO_PEER,
    DGRAM_NO_MEMORY,
    DGRAM_TOO_LONG,
    DGRAM_RUNTS,
    DGRAM_RECV_ERRORS,
    DGRAM_SEND_ERRORS,
    DGRAM_COUNTS
};

/* The link and its port. */
struct tenon_port {
    struct tn_port common;
    int fd;
    atomic_bool up;
    bool by_path; /* the peer has a name to connect to, again and again */
    struct tn_unix_name bound;
    struct {
        struct sockaddr_un address;
        socklen_t bytes;
        dev_t device; /* the file that we are connected to */
        ino_t inode;
    } peer;
    struct tn_count counts[DGRAM_COUNTS];
    struct sockaddr_un *names; /* [DGRAM_BATCH]: of the senders, where the last one is the peer */
    struct mmsghdr in[DGRAM_BATCH], out[DGRAM_BATCH];
    struct tn_flat flat;
};

extern const struct tenon_link_ops tn_dgram_ops;

/* So many datagrams have come. */
void tn_dgram_heard(struct tenon_port *port, unsigned count);
/* The peer takes nothing. `anew`: it may be up again at once, if somebody else is there. */
void tn_dgram_lost(struct tenon_port *port, bool anew);
/* Once a second as long as there is a peer, and more often while there is none. */
void tn_dgram_retry(struct tn_port *common);

#endif
