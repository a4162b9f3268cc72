/*
 * back_to_back.c: two links that stand back to back: what port k of one side sends, a port of the
 * other receives, by one copy, which the receiver makes from the sender's own buffers.
 *
 *   send --> wire k (frame_ring.c) --> peek, take      the frames stay the sender's: all are kept
 *   sent <-- post to the sender's worker <-- take      and come back when they were taken
 *   send --> deliver                                   where both are on one worker, and nothing
 *                                                      waits on the wire
 *
 * Why a frame can be taken back while somebody reads is said in frame_ring.c, and who reads a wire
 * in pair_wires.c.
 *
 * A port is told of things by a post to its worker, also where that is the worker it is told from:
 * so events never nest in calls. The lock of a seat holds a port that is being told in its place;
 * it is taken once a batch at most, and never waited for but by open and close.
 */
#include "link/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

/* ---- a port's turn ---- */

static void release(struct tenon_port *port)
{
    /* A post that is under way does it; nobody posts any more. */
    if (!port->inside && __atomic_load_n(&port->post.queued, __ATOMIC_ACQUIRE) == 0) {
        free(port);
    }
}

/* Of what is watched for, what there is; for the rest it will be told. */
static unsigned ready_now(struct tenon_port *port)
{
    unsigned ready = 0;

    if ((port->watched & TENON_READABLE) != 0) {
        for (unsigned i = 0; i < port->wires; i++) {
            if (!tn_frame_ring_sleep(&port->readings[i].wire->ring)) {
                ready |= TENON_READABLE;
            }
        }
    }
    if ((port->watched & TENON_WRITABLE) != 0 &&
        tn_frame_ring_room(&port->side->wires[port->index].ring)) {
        ready |= TENON_WRITABLE;
    }
    return ready;
}

static void sent(struct tenon_port *port)
{
    struct wire *wire = &port->side->wires[port->index];
    struct tenon_frame *frames = tn_frame_ring_reap(&wire->ring);
    bool wake;

    if (frames) {
        port->events->sent(port->opaque, frames);
    }
    if (port->closed) {
        return;
    }
    frames = tn_frame_ring_recalled(&wire->ring, &wake);
    if (wake) {
        tn_pair_tell_reader(port->side->other, wire);
    }
    if (frames) {
        port->events->sent(port->opaque, frames);
    }
}

static void turn(struct tenon_port *port)
{
    unsigned ready;

    if (port->inside) { /* within one of its events somebody runs the posts */
        tn_task_ready(port->worker, &port->again);
        return;
    }
    port->inside = true;
    tn_pair_follow(port);
    for (unsigned i = 0; i < port->wires; i++) {
        if (tn_frame_ring_yield(&port->readings[i].wire->ring)) {
            tn_pair_tell(port->readings[i].sender);
        }
    }
    sent(port);
    if (!port->closed && atomic_exchange(&port->changed, false)) {
        port->events->changed(port->opaque);
    }
    ready = port->closed ? 0 : ready_now(port);
    if (ready != 0) {
        port->events->ready(port->opaque, ready);
        if (!port->closed && ready_now(port) != 0) {
            tn_task_ready(port->worker, &port->again);
        }
    }
    port->inside = false;
    if (port->closed) {
        release(port);
    }
}

static void on_post(struct tenon_post *post)
{
    struct tenon_port *port = TN_CONTAINER_OF(post, struct tenon_port, post);

    if (port->closed) {
        release(port);
    } else {
        turn(port);
    }
}

static void on_again(struct tn_task *task)
{
    turn(TN_CONTAINER_OF(task, struct tenon_port, again));
}

/* ---- the ops: ports ---- */

static int open_port(void *link, unsigned index, struct tenon_worker *worker,
                     const struct tenon_port_events *events, void *opaque, struct tenon_port **out)
{
    struct side *side = link;
    struct tenon_port *port;
    int r = 0;

    if (index >= side->pair->pairs) {
        return -EINVAL;
    }
    port = calloc(1, sizeof(*port));
    if (!port) {
        return -ENOMEM;
    }
    port->side = side;
    port->index = index;
    port->worker = worker;
    port->events = events;
    port->opaque = opaque;
    port->post.fn = on_post;
    tn_task_init(&port->again, on_again);
    pthread_mutex_lock(&side->pair->lock);
    if (side->seats[index].port) {
        r = -EBUSY;
    } else {
        port->generation = atomic_load(&side->generation);
        pthread_mutex_lock(&side->seats[index].lock);
        side->seats[index].port = port;
        atomic_store(&side->seats[index].worker, worker);
        pthread_mutex_unlock(&side->seats[index].lock);
        tn_pair_settle(side);
    }
    pthread_mutex_unlock(&side->pair->lock);
    if (r != 0) {
        free(port);
        return r;
    }
    *out = port;
    return 0;
}

static void close_port(struct tenon_port *port)
{
    struct side *side = port->side;

    pthread_mutex_lock(&side->pair->lock);
    pthread_mutex_lock(&side->seats[port->index].lock);
    side->seats[port->index].port = NULL;
    atomic_store(&side->seats[port->index].worker, NULL);
    pthread_mutex_unlock(&side->seats[port->index].lock);
    tn_pair_give_away(side, port->index);
    tn_pair_settle(side);
    pthread_mutex_unlock(&side->pair->lock);
    tn_task_cancel(&port->again);
    port->closed = true;
    release(port);
}

static unsigned peek(struct tenon_port *port, struct tenon_frame **frames, unsigned count)
{
    unsigned shown = 0;

    tn_pair_follow(port);
    for (unsigned i = 0; i < port->wires; i++) {
        struct reading *reading = &port->readings[(port->first + i) % port->wires];
        reading->shown = tn_frame_ring_show(&reading->wire->ring, frames + shown, count - shown);
        shown += reading->shown;
    }
    return shown;
}

static void take(struct tenon_port *port, unsigned count)
{
    for (unsigned i = 0; i < port->wires; i++) {
        struct reading *reading = &port->readings[(port->first + i) % port->wires];
        unsigned taken = count < reading->shown ? count : reading->shown;
        if (reading->shown != 0 && tn_frame_ring_done(&reading->wire->ring, taken)) {
            tn_pair_tell(reading->sender);
        }
        reading->shown = 0;
        count -= taken;
    }
    if (port->wires > 1) { /* each has its turn to be the first */
        port->first = (port->first + 1) % port->wires;
    }
}

static void watch(struct tenon_port *port, unsigned events)
{
    port->watched = events;
    if (ready_now(port) != 0) {
        tn_task_ready(port->worker, &port->again);
    }
}

static int recv_set(struct tenon_port *port, unsigned can)
{
    pthread_mutex_lock(&port->side->pair->lock);
    port->can = can;
    tn_pair_settle(port->side);
    pthread_mutex_unlock(&port->side->pair->lock);
    return 0;
}

static unsigned send_can(struct tenon_port *port)
{
    return atomic_load(&port->side->other->can);
}

/* ---- the ops: links ---- */

static int use_pairs(void *link, unsigned count)
{
    struct side *side = link;

    pthread_mutex_lock(&side->pair->lock);
    side->receiving = count < side->pair->pairs ? count : side->pair->pairs;
    tn_pair_settle(side);
    pthread_mutex_unlock(&side->pair->lock);
    return 0;
}

static int info(void *link, struct tenon_link_info *out)
{
    struct side *side = link;

    out->pairs = side->pair->pairs;
    out->send_can = out->recv_can = TENON_CAN_ALL;
    out->cheap = true;
    return 0;
}

static bool up(void *link)
{
    return atomic_load(&((struct side *)link)->other->listening);
}

static void destroy(struct pair *pair)
{
    for (unsigned s = 0; s < 2; s++) {
        for (unsigned i = 0; i < PAIR_MAX; i++) {
            pthread_mutex_destroy(&pair->sides[s].seats[i].lock);
        }
        free(pair->sides[s].wires);
    }
    pthread_mutex_destroy(&pair->lock);
    free(pair);
}

static void free_side(void *link)
{
    struct pair *pair = ((struct side *)link)->pair;
    bool last;

    pthread_mutex_lock(&pair->lock);
    last = --pair->users == 0;
    pthread_mutex_unlock(&pair->lock);
    if (last) {
        destroy(pair);
    }
}

static struct pair *make(unsigned pairs)
{
    struct pair *pair = calloc(1, sizeof(*pair));

    if (!pair) {
        return NULL;
    }
    pthread_mutex_init(&pair->lock, NULL);
    pair->pairs = pairs;
    for (unsigned s = 0; s < 2; s++) {
        struct side *side = &pair->sides[s];
        side->pair = pair;
        side->other = &pair->sides[1 - s];
        side->receiving = pairs;
        atomic_store(&side->can, TENON_CAN_ALL);
        for (unsigned i = 0; i < PAIR_MAX; i++) {
            pthread_mutex_init(&side->seats[i].lock, NULL);
        }
        side->wires = aligned_alloc(alignof(struct wire), pairs * sizeof(struct wire));
        for (unsigned i = 0; side->wires && i < pairs; i++) {
            tn_frame_ring_init(&side->wires[i].ring);
            atomic_init(&side->wires[i].owner, PAIR_NOBODY);
        }
    }
    if (!pair->sides[0].wires || !pair->sides[1].wires) {
        destroy(pair);
        return NULL;
    }
    return pair;
}

int tenon_link_open_pair(unsigned pairs, struct tenon_link *out[2])
{
    static const struct tenon_link_ops ops = {
        .size = sizeof(ops),
        .open = open_port,
        .peek = peek,
        .take = take,
        .send = tn_pair_send,
        .cancel = tn_pair_cancel,
        .watch = watch,
        .recv_set = recv_set,
        .send_can = send_can,
        .use_pairs = use_pairs,
        .close = close_port,
        .info = info,
        .up = up,
        .free = free_side,
    };
    struct tenon_link *links[2] = { NULL, NULL };
    struct pair *pair;
    int r = 0;

    pairs = pairs == 0 ? 1 : pairs;
    if (pairs > PAIR_MAX) {
        return tn_error(-EINVAL, "pair: %u pairs of queues are not possible; %d are the most",
                        pairs, (int)PAIR_MAX);
    }
    pair = make(pairs);
    if (!pair) {
        return tn_error(-ENOMEM, "pair: no memory for %u pairs of queues", pairs);
    }
    for (unsigned s = 0; s < 2 && r == 0; s++) {
        r = tn_link_make(&ops, &pair->sides[s], s == 0 ? "pair, one end" : "pair, other end",
                         &links[s]);
        pair->users += r == 0;
    }
    if (r != 0) {
        if (links[0]) {
            tenon_link_close(links[0]);
        } else {
            destroy(pair);
        }
        return r;
    }
    out[0] = links[0];
    out[1] = links[1];
    return 0;
}
