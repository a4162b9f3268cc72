/*
 * pair.h: two links back to back, as their files see them. Not a door: only link/ includes it.
 *
 *   back_to_back.c   ports and their turns, the ops, the links   read this first
 *   pair_send.c      sending, and taking back
 *   pair_wires.c     which port reads which wire, and who is told
 *
 * A port's fields are for its worker, but where it says otherwise.
 */
#ifndef TN_LINK_PAIR_H
#define TN_LINK_PAIR_H

#include <pthread.h>

#include "link/frame_ring.h"
#include "link/link.h"
#include "loop/loop.h"

enum { PAIR_MAX = 128, PAIR_NOBODY = PAIR_MAX };

struct wire {
    struct tn_frame_ring ring;
    atomic_uint owner; /* a port of the other side, or PAIR_NOBODY; changed with pair->lock held */
};

/* Where a port may be. */
struct seat {
    pthread_mutex_t lock; /* comes after pair->lock */
    struct tenon_port *port;
    _Atomic(struct tenon_worker *) worker; /* of the port, who alone sits down and gets up there */
};

struct side {
    struct pair *pair;
    struct side *other;
    struct wire *wires; /* which this side sends on */
    struct seat seats[PAIR_MAX];
    unsigned receiving; /* use_pairs; under pair->lock */
    atomic_uint generation;
    atomic_uint can;       /* what all its ports can receive: TENON_CAN_* */
    atomic_bool listening; /* somebody receives */
};

struct pair {
    pthread_mutex_t lock; /* who owns which wire, and who sits where */
    unsigned pairs;
    unsigned users; /* links that live; under lock */
    struct side sides[2];
};

struct reading {
    struct wire *wire;
    struct seat *sender;
    unsigned shown;
};

struct tenon_port {
    struct side *side;
    unsigned index;
    struct tenon_worker *worker;
    const struct tenon_port_events *events;
    void *opaque;
    struct tenon_post post;
    struct tn_task again; /* what is watched for is still so */
    unsigned watched;
    bool inside, closed;
    unsigned can; /* under pair->lock */
    atomic_bool changed;
    /* the wires that it owns */
    unsigned generation;
    unsigned first; /* the one that is shown first */
    unsigned wires;
    struct reading readings[PAIR_MAX];
};

/* Its port, if there is one, takes a turn soon. Any thread. */
void tn_pair_tell(struct seat *seat);
/* The port that reads the wire, likewise. */
void tn_pair_tell_reader(struct side *side, const struct wire *wire);

/* Two of the ops: see tenon_link_ops. */
unsigned tn_pair_send(struct tenon_port *port, struct tenon_frame *const *frames, unsigned count,
                      unsigned *kept);
unsigned tn_pair_cancel(struct tenon_port *port, unsigned count);

/* With pair->lock held: the owner, on its worker, gives away what is not for it any more. */
void tn_pair_give_away(struct side *side, unsigned owner);
/* With pair->lock held: something about those who receive has changed. */
void tn_pair_settle(struct side *side);
/* The port reads from now on what it owns by now. On its worker. */
void tn_pair_follow(struct tenon_port *port);

#endif
