/*
 * pair_wires.c: which port of a side reads which wire of the other one, and how ports are told.
 *
 * Wire k is for port k modulo those that are open and that use_pairs lets receive. An owner gives a
 * wire away by itself, on its worker, when it sees that the side's `generation` has moved; so no
 * two ever read one wire, and its frames stay in order. Where nobody is left to read, the wire is
 * down: what is on it goes back with -ENETDOWN, and what is sent then is dropped.
 *
 * All but the telling happens when ports are opened, closed and set, under pair->lock.
 */
#include "link/pair.h"

#include <errno.h>

void tn_pair_tell(struct seat *seat)
{
    pthread_mutex_lock(&seat->lock);
    if (seat->port) {
        tenon_worker_post(seat->port->worker, &seat->port->post);
    }
    pthread_mutex_unlock(&seat->lock);
}

void tn_pair_tell_reader(struct side *side, const struct wire *wire)
{
    unsigned owner = atomic_load(&wire->owner);

    if (owner != PAIR_NOBODY) {
        tn_pair_tell(&side->seats[owner]);
    }
}

static void tell_all(struct side *side, bool changed)
{
    for (unsigned i = 0; i < side->pair->pairs; i++) {
        struct tenon_port *port = side->seats[i].port;
        if (port) {
            if (changed) {
                atomic_store(&port->changed, true);
            }
            tn_pair_tell(&side->seats[i]);
        }
    }
}

/* ---- who reads which wire: with pair->lock held ---- */

/* The port of `side` that wire k of the other one is for. */
static unsigned reader_of(const struct side *side, unsigned k)
{
    unsigned readers[PAIR_MAX], count = 0;

    for (unsigned i = 0; i < side->receiving; i++) {
        if (side->seats[i].port) {
            readers[count++] = i;
        }
    }
    return count == 0 ? PAIR_NOBODY : readers[k % count];
}

void tn_pair_give_away(struct side *side, unsigned owner)
{
    for (unsigned k = 0; k < side->pair->pairs; k++) {
        struct wire *wire = &side->other->wires[k];
        unsigned reader = reader_of(side, k);
        bool told;

        if (atomic_load(&wire->owner) != owner || reader == owner) {
            continue;
        }
        if (reader == PAIR_NOBODY) {
            told = tn_frame_ring_down(&wire->ring, -ENETDOWN);
        } else {
            told = tn_frame_ring_done(&wire->ring, 0);
        }
        atomic_store(&wire->owner, reader);
        if (told) {
            tn_pair_tell(&side->other->seats[k]);
        }
        if (reader != PAIR_NOBODY) {
            atomic_fetch_add(&side->generation, 1);
            tn_pair_tell(&side->seats[reader]);
        }
    }
}

void tn_pair_settle(struct side *side)
{
    unsigned can = TENON_CAN_ALL, before = atomic_load(&side->can);
    bool listening = false;

    atomic_fetch_add(&side->generation, 1);
    for (unsigned k = 0; k < side->pair->pairs; k++) {
        struct wire *wire = &side->other->wires[k];
        unsigned reader = reader_of(side, k);
        if (atomic_load(&wire->owner) == PAIR_NOBODY && reader != PAIR_NOBODY) {
            atomic_store(&wire->owner, reader);
            tn_frame_ring_up(&wire->ring);
        }
        if (side->seats[k].port) {
            can &= side->seats[k].port->can;
        }
        listening |= reader != PAIR_NOBODY;
    }
    atomic_store(&side->can, can);
    tell_all(side, false);
    if (atomic_exchange(&side->listening, listening) != listening || can != before) {
        tell_all(side->other, true);
    }
}

void tn_pair_follow(struct tenon_port *port)
{
    struct side *side = port->side;

    if (atomic_load_explicit(&side->generation, memory_order_acquire) == port->generation) {
        return;
    }
    pthread_mutex_lock(&side->pair->lock);
    tn_pair_give_away(side, port->index);
    port->wires = 0;
    for (unsigned k = 0; k < side->pair->pairs; k++) {
        struct wire *wire = &side->other->wires[k];
        if (atomic_load(&wire->owner) == port->index) {
            port->readings[port->wires++] =
                (struct reading){ .wire = wire, .sender = &side->other->seats[k] };
        }
    }
    port->first = 0;
    port->generation = atomic_load(&side->generation);
    pthread_mutex_unlock(&side->pair->lock);
}
