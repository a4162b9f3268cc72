/*
 * pair_send.c: the sending half of two links back to back: frames go to the reader at once, or on
 * the wire to it.
 *
 *   both on one worker, and the wire is empty      deliver: the frames are done
 *   else, and for what the reader has no room for  frame_ring.c: they are kept
 *
 * On the sending port's worker.
 */
#include "link/pair.h"

/*
 * The reader, if it can have frames here and now. That its seat is of this worker is reason enough
 * to look at it without a lock: only this thread changes that.
 */
static struct tenon_port *reader_at_hand(const struct tenon_port *port, const struct wire *wire)
{
    struct side *other = port->side->other;
    unsigned owner = atomic_load_explicit(&wire->owner, memory_order_relaxed);

    if (owner == PAIR_NOBODY || !tn_frame_ring_is_clear(&wire->ring) ||
        atomic_load_explicit(&other->seats[owner].worker, memory_order_relaxed) != port->worker) {
        return NULL;
    }
    struct tenon_port *reader = other->seats[owner].port;
    return reader && !reader->inside && reader->events->deliver ? reader : NULL;
}

unsigned tn_pair_send(struct tenon_port *port, struct tenon_frame *const *frames, unsigned count,
                      unsigned *kept)
{
    struct wire *wire = &port->side->wires[port->index];
    struct tenon_port *reader = reader_at_hand(port, wire);
    unsigned done = reader ? reader->events->deliver(reader->opaque, frames, count) : 0;
    bool wake = false;

    *kept = done;
    if (done == count) {
        return count;
    }
    int taken = tn_frame_ring_push(&wire->ring, frames + done, count - done, &wake);
    if (taken < 0) {
        for (unsigned i = done; i < count; i++) {
            frames[i]->result = taken;
        }
        *kept = count;
        return count;
    }
    if (wake) {
        tn_pair_tell_reader(port->side->other, wire);
    }
    return done + (unsigned)taken;
}

unsigned tn_pair_cancel(struct tenon_port *port, unsigned count)
{
    struct wire *wire = &port->side->wires[port->index];
    bool wake = false;
    unsigned got = tn_frame_ring_pull(&wire->ring, count, &wake);

    if (wake) {
        tn_pair_tell_reader(port->side->other, wire);
    }
    return got;
}
