/*
 * frame_ring.h: frames on their way from one thread to one other, which gives each back, done, or
 * has it taken back before it looked.
 *
 *   sender     push --->  |done ... tail ... claim ... head|  ---> show, done     receiver
 *              reap <---   told    being read   waiting
 *              pull       (the waiting ones; others when the receiver has let go of them)
 *
 * Lives in frame_ring.c: who may touch which frame when. Knows no worker: who is to be woken the
 * functions say, and their caller does it. Each function is for the sender's thread or for the
 * receiver's; the receiver may become another one, where the two agree on the moment.
 */
#ifndef TN_LINK_FRAME_RING_H
#define TN_LINK_FRAME_RING_H

#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "tenon/link.h"

enum { TN_FRAME_RING_SLOTS = 1024 }; /* a power of 2; as many as the usual virtio ring has */

struct tn_frame_ring_ends {
    uint16_t head;  /* where the sender puts the next one */
    uint16_t claim; /* from here on nobody reads */
    uint16_t tail;  /* before it all are done */
    uint16_t flags;
};

struct tn_frame_ring {
    alignas(64) _Atomic(struct tn_frame_ring_ends) ends;
    /* the sender's */
    alignas(64) uint16_t head;
    uint16_t done; /* before it all were reaped */
    uint16_t recall_from;
    bool recalling;
    alignas(64) struct tenon_frame *slots[TN_FRAME_RING_SLOTS];
};

/* Without a receiver. */
void tn_frame_ring_init(struct tn_frame_ring *ring);

/* ---- the sender ---- */

/*
 * How many were put in, fewer when it is full; -ENETDOWN: there is no receiver, and none were.
 * `wake`: it sleeps.
 */
int tn_frame_ring_push(struct tn_frame_ring *ring, struct tenon_frame *const *frames,
                       unsigned count, bool *wake);
bool tn_frame_ring_room(const struct tn_frame_ring *ring);
/* Nothing is on its way to a receiver, who is there. */
bool tn_frame_ring_is_clear(const struct tn_frame_ring *ring);
/* Those that are done since the last time, linked by `next`; NULL: none. */
struct tenon_frame *tn_frame_ring_reap(struct tn_frame_ring *ring);
/*
 * Takes back the last ones, at most `count`; how many. `wake`: the receiver is looking at some of
 * the others; it has to be told, so that it lets go, and then tn_frame_ring_recalled has them.
 */
unsigned tn_frame_ring_pull(struct tn_frame_ring *ring, unsigned count, bool *wake);
/*
 * Of those that pull left, the ones that were not read after all: linked, their result is
 * -ECANCELED. After reap. `wake`: others are left for a receiver that sleeps.
 */
struct tenon_frame *tn_frame_ring_recalled(struct tn_frame_ring *ring, bool *wake);

/* ---- the receiver; true of a bool: the sender has to be told ---- */

/* Shows the oldest; they are the receiver's until tn_frame_ring_done. */
unsigned tn_frame_ring_show(struct tn_frame_ring *ring, struct tenon_frame **frames,
                            unsigned count);
/* The first `count` are done, their results are set; the others are not looked at any more. */
bool tn_frame_ring_done(struct tn_frame_ring *ring, unsigned count);
/* Lets go of what it only looked at, if the sender wants it back. */
bool tn_frame_ring_yield(struct tn_frame_ring *ring);
/* Asks to be woken. False: there is something to be read. */
bool tn_frame_ring_sleep(struct tn_frame_ring *ring);
/* There is a receiver from now on; or there is none, and all that was not read is done. */
void tn_frame_ring_up(struct tn_frame_ring *ring);
bool tn_frame_ring_down(struct tn_frame_ring *ring, int result);

#endif
