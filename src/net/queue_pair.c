/*
 * queue_pair.c: two queues that share a port of the link, from the start of the first to the stop
 * of the last. Both are on one worker, so nothing here needs a lock but the list of open pairs.
 */
#include "net/rx.h"

#include <errno.h>
#include <stdlib.h>

#include "base/num.h"

enum { RX = 0 }; /* of a queue's index, modulo 2 */

static bool is_rx(const struct tn_queue *queue)
{
    return queue->index % 2 == RX;
}

/* ---- what the port tells ---- */

static void on_ready(void *opaque, unsigned events)
{
    struct net_pair *pair = opaque;

    if ((events & TENON_READABLE) && pair->rx && pair->rx->broken) {
        net_pair_unwatch(pair, TENON_READABLE); /* or it would be told again and again */
    } else if ((events & TENON_READABLE) && pair->rx) {
        tn_queue_look(pair->rx);
    }
    if ((events & TENON_WRITABLE) && pair->tx) {
        net_pair_unwatch(pair, TENON_WRITABLE);
        tn_queue_look(pair->tx);
    }
}

static void on_sent(void *opaque, struct tenon_frame *frames)
{
    net_tx_sent(opaque, frames);
}

static unsigned on_deliver(void *opaque, struct tenon_frame *const *frames, unsigned count)
{
    return net_rx_deliver(opaque, frames, count);
}

/* A carrier that has gone: what is held is dropped. One that has come: what is there goes on. */
static void on_changed(void *opaque)
{
    struct net_pair *pair = opaque;

    pair->link_up = tenon_link_up(pair->net->link);
    tn_device_config_begin(&pair->net->device);
    tn_device_config_changed(&pair->net->device);
    net_pair_look(pair);
}

static const struct tenon_port_events port_events = {
    .ready = on_ready,
    .sent = on_sent,
    .changed = on_changed,
    .deliver = on_deliver,
};

void net_pair_look(struct net_pair *pair)
{
    if (pair->rx) {
        tn_queue_look(pair->rx);
    }
    if (pair->tx) {
        tn_queue_look(pair->tx);
    }
}

/* The port is told each time: it may have forgotten, once it has called. */
void net_pair_watch(struct net_pair *pair, unsigned events)
{
    pair->watched |= events;
    pair->net->link_ops->watch(pair->port, pair->watched);
}

void net_pair_unwatch(struct net_pair *pair, unsigned events)
{
    if ((pair->watched & events) != 0) {
        pair->watched &= ~events;
        pair->net->link_ops->watch(pair->port, pair->watched);
    }
}

/* ---- memory ---- */

static uint32_t room_for(const struct tn_queue *queue, uint32_t more)
{
    uint32_t room = 1;

    while (room < queue->slots.count + more) {
        room *= 2;
    }
    return room;
}

static void make_bounce(struct net_pair *pair)
{
    struct net_bounce *bounce = &pair->bounce;

    bounce->frames = (unsigned)tn_min_u64(pair->net->info.recv_batch, NET_BATCH);
    bounce->memory = malloc((size_t)bounce->frames * TENON_FRAME_BYTES_MAX);
    for (unsigned i = 0; i < bounce->frames && bounce->memory; i++) {
        bounce->iov[i].iov_base = bounce->memory + (size_t)i * TENON_FRAME_BYTES_MAX;
        bounce->iov[i].iov_len = TENON_FRAME_BYTES_MAX;
    }
}

static bool make_rx(struct net_pair *pair, const struct tn_queue *queue)
{
    uint32_t room = room_for(queue, 0);
    const struct net *net = pair->net;
    bool lends = net->link_ops->peek != NULL;

    pair->stock = (struct net_stock){ .mask = room - 1 };
    pair->stock.slots = calloc(room, sizeof(struct net_slot *));
    pair->window = calloc(NET_WINDOW, sizeof(*pair->window));
    if (lends && net->info.recv_can != 0) {
        pair->rx_cut.memory = malloc(NET_CUT_SEGMENT + TENON_FRAME_BYTES_MAX);
    }
    if (!lends) {
        make_bounce(pair); /* costs nothing before it is touched */
    }
    return pair->stock.slots && pair->window &&
           (pair->rx_cut.memory || !lends || net->info.recv_can == 0) &&
           (pair->bounce.memory || lends);
}

static void free_rx(struct net_pair *pair)
{
    free(pair->stock.slots);
    free(pair->window);
    free(pair->rx_cut.memory);
    free(pair->bounce.memory);
    pair->stock = (struct net_stock){ 0 };
    pair->window = NULL;
    pair->rx_cut = (struct net_cut){ 0 };
    pair->bounce = (struct net_bounce){ 0 };
}

static bool make_tx(struct net_pair *pair, const struct tn_queue *queue)
{
    uint32_t room = room_for(queue, NET_CUT_FRAMES);
    const struct net *net = pair->net;
    struct net_cut *cut = &pair->tx_cut;

    pair->kept_mask = room - 1;
    pair->kept = calloc(room, sizeof(struct tenon_frame *));
    if (!pair->kept) {
        return false;
    }
    if ((net->host_can & ~net->info.send_can) == 0 && !net->link_ops->send_can) {
        return true; /* nothing is ever finished here */
    }
    cut->memory = malloc(NET_CUT_BYTES);
    cut->frames = calloc(NET_CUT_FRAMES, sizeof(*cut->frames));
    cut->iov = calloc(NET_CUT_FRAMES, sizeof(*cut->iov));
    return cut->memory && cut->frames && cut->iov;
}

static void free_tx(struct net_pair *pair)
{
    free(pair->kept);
    free(pair->tx_cut.memory);
    free(pair->tx_cut.frames);
    free(pair->tx_cut.iov);
    pair->kept = NULL;
    pair->tx_cut = (struct net_cut){ 0 };
}

/* ---- joining and leaving ---- */

static int open_pair(struct net *net, unsigned index, struct tenon_worker *worker,
                     struct net_pair **out)
{
    struct net_pair *pair = calloc(1, sizeof(*pair));

    if (!pair) {
        return -ENOMEM;
    }
    pair->net = net;
    pair->index = index;
    pair->worker = worker;
    int error = tn_port_open(net->link, index, worker, &port_events, pair, &pair->port);
    if (error < 0) {
        free(pair);
        return error;
    }
    pair->link_up = tenon_link_up(net->link);
    net_rules_join(pair);
    *out = pair;
    return 0;
}

static void close_pair(struct net_pair *pair)
{
    net_rules_leave(pair);
    pair->net->link_ops->close(pair->port);
    free(pair);
}

static int make_queue(struct net_pair *pair, struct tn_queue *queue)
{
    struct net *net = pair->net;

    if (is_rx(queue)) {
        int error = make_rx(pair, queue) ? net_coalesce_begin(net, queue) : -ENOMEM;
        pair->rx = error < 0 ? NULL : queue;
        return error;
    }
    int error = make_tx(pair, queue) ? net_coalesce_begin(net, queue) : -ENOMEM;
    pair->tx = error < 0 ? NULL : queue;
    return error;
}

int net_pair_join(struct tn_queue *queue)
{
    struct net *net = net_of(queue);
    struct net_pair *pair = net->open[queue->index / 2]; /* of this worker alone */

    if (!pair) {
        int error = open_pair(net, queue->index / 2, queue->worker, &pair);
        if (error < 0) {
            return error;
        }
    }
    int error = make_queue(pair, queue);
    if (error < 0) {
        if (is_rx(queue)) {
            free_rx(pair);
        } else {
            free_tx(pair);
        }
        if (pair->users == 0) {
            close_pair(pair);
        }
        return error;
    }
    pair->users++;
    queue->type_data = pair;
    return 0;
}

bool net_pair_leave(struct tn_queue *queue)
{
    struct net_pair *pair = net_pair_of(queue);

    if (is_rx(queue)) {
        net_pair_unwatch(pair, TENON_READABLE);
        /* What was read, and found no room. */
        tn_queue_count(queue, TN_COUNT_DROPPED, pair->bounce.count + pair->rx_cut.active);
        pair->rx = NULL;
        free_rx(pair);
    } else {
        net_pair_unwatch(pair, TENON_WRITABLE);
        pair->tx = NULL;
        free_tx(pair);
    }
    queue->type_data = NULL;
    net_coalesce_end(pair->net, queue);
    if (--pair->users == 0) {
        close_pair(pair);
    }
    return true;
}
