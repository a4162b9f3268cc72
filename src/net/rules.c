/*
 * rules.c: how what the driver has set reaches the queues that follow it.
 *
 *   control queue ──net->rules, net_rules_apply──> post to each open pair's worker ──> its own copy
 *        ^                                                                                  │
 *        └──────────────────────── done, when the last of them has it <─────────────────────┘
 *
 * A pair reads its copy without a lock, and has it changed only between two turns, so that a turn
 * goes by one set of rules. It has followed when what it had received by the old ones is shown to
 * the driver. A pair that closes meanwhile has followed, too; one that opens has the new rules from
 * the beginning. Nobody waits, and no lock is held over a call.
 *
 * Posts stand in struct net, since one that is under way may outlive its pair.
 */
#include "net/net.h"

#include <string.h>

void net_rules_reset(struct net *net)
{
    struct net_rules *rules = &net->rules;
    const struct tenon_device *device = &net->device;
    bool ctrl_rx = tn_device_has(device, TN_NET_F_CTRL_RX);

    memset(rules, 0, sizeof(*rules));
    net_filter_reset(&rules->filter, net->mac_given, ctrl_rx,
                     tn_device_has(device, TN_NET_F_CTRL_VLAN));
    rules->filter.mac_unknown = !tn_device_has(device, TN_NET_F_MAC);
    rules->rss.report = tn_device_has(device, TN_NET_F_HASH_REPORT);
    /*
     * A front-end that keeps the control queue to itself, and MQ with it, starts just those rings
     * that its driver wants to be used.
     */
    rules->pairs = tn_device_has(device, TN_NET_F_CTRL_VQ) ? 1 : (uint16_t)net->pairs; /* NET-63 */
    rules->guest_can = net_offload_guest_can(device->features[0]);
}

/* ---- the link ---- */

/* How many pairs shall receive: those that the driver wants, as far as they are open. */
static unsigned pairs_to_use(struct net *net)
{
    unsigned count = 0;

    pthread_mutex_lock(&net->lock);
    while (count < net->rules.pairs && net->open[count]) {
        count++;
    }
    pthread_mutex_unlock(&net->lock);
    return count;
}

/* Whoever tells the link last looks once more: so it is left with what is true in the end. */
static int tell_link(struct net *net)
{
    unsigned count, told;
    int error;

    count = pairs_to_use(net);
    do {
        told = count;
        error = told != 0 ? tn_link_use_pairs(net->link, told) : 0;
        count = pairs_to_use(net);
    } while (count != told);
    return error;
}

/* ---- a pair follows: on its worker ---- */

static int hold_interrupts(struct tn_queue *queue, const struct net_coalesce *wanted)
{
    const struct tn_coalesce *now = &queue->irq.coalesce;

    if (now->frames == wanted->frames && now->ns == (uint64_t)wanted->us * 1000 &&
        now->adaptive == wanted->adaptive) {
        return 0;
    }
    return tn_queue_coalesce(queue, wanted->frames, wanted->us, wanted->adaptive);
}

static int set_link(struct net_pair *pair)
{
    const struct tenon_link_ops *ops = pair->net->link_ops;

    return ops->recv_set ? ops->recv_set(pair->port, pair->rules.guest_can) : 0;
}

static int follow(struct net_pair *pair)
{
    struct net *net = pair->net;
    unsigned could = pair->rules.guest_can;
    struct net_coalesce rx, tx;
    int error = 0, failed = 0;

    pthread_mutex_lock(&net->lock);
    pair->rules = net->rules;
    rx = net->coalesce_queue[2 * pair->index];
    tx = net->coalesce_queue[2 * pair->index + 1];
    pthread_mutex_unlock(&net->lock);
    if (pair->rules.guest_can != could) {
        error = set_link(pair);
    }
    if (pair->rx) {
        failed = hold_interrupts(pair->rx, &rx);
    }
    if (pair->tx && failed == 0) {
        failed = hold_interrupts(pair->tx, &tx);
    }
    net_pair_look(pair);
    return error < 0 ? error : failed;
}

/* One of those that are waited for is done with it: the last one tells who asked. */
static void leave(struct net *net, struct net_follower *follower, int error)
{
    struct net_applying *applying = &net->applying;

    pthread_mutex_lock(&net->lock);
    if (follower) {
        follower->due = false;
    }
    applying->error = error < 0 ? error : applying->error;
    bool last = --applying->due == 0;
    void (*done)(void *opaque, int error) = applying->done;
    void *opaque = applying->opaque;
    error = applying->error;
    pthread_mutex_unlock(&net->lock);
    if (last) {
        done(opaque, error);
    }
}

/*
 * Whether the driver sees all that was received by the old rules: nothing is held back, or the turn
 * in which the new ones came is over.
 */
static bool is_shown(const struct net_pair *pair, uint64_t since)
{
    const struct tn_queue *rx = pair->rx;

    return !rx || rx->broken || tn_vq_unpublished(rx->vq) == 0 ||
           tn_worker_turn_time(pair->worker) != since;
}

static void on_follow(struct tenon_post *post)
{
    struct net_follower *follower = TN_CONTAINER_OF(post, struct net_follower, post);
    struct net *net = follower->net;

    pthread_mutex_lock(&net->lock);
    struct net_pair *pair = follower->due ? net->open[follower - net->followers] : NULL;
    pthread_mutex_unlock(&net->lock);
    if (!pair) {
        return; /* it closed meanwhile, and has followed by that */
    }
    if (!follower->follows) {
        follower->follows = true;
        follower->since = tn_worker_turn_time(pair->worker);
        follower->error = follow(pair);
    }
    if (is_shown(pair, follower->since)) {
        follower->follows = false;
        leave(net, follower, follower->error);
    } else {
        tenon_worker_post(pair->worker, post);
    }
}

void net_rules_init(struct net *net)
{
    for (unsigned i = 0; i < net->pairs; i++) {
        net->followers[i].net = net;
        net->followers[i].post.fn = on_follow;
    }
}

void net_rules_join(struct net_pair *pair)
{
    struct net *net = pair->net;

    pthread_mutex_lock(&net->lock);
    pair->rules = net->rules;
    net->open[pair->index] = pair;
    pthread_mutex_unlock(&net->lock);
    set_link(pair);
    tell_link(net);
}

void net_rules_leave(struct net_pair *pair)
{
    struct net *net = pair->net;
    struct net_follower *follower = &net->followers[pair->index];

    pthread_mutex_lock(&net->lock);
    net->open[pair->index] = NULL;
    bool due = follower->due;
    pthread_mutex_unlock(&net->lock);
    follower->follows = false;
    tell_link(net);
    if (due) {
        leave(net, follower, 0);
    }
}

/* The pair's worker is asked to have it follow. True: that is this one, and it can do so now. */
static bool ask(struct net *net, unsigned index)
{
    struct net_follower *follower = &net->followers[index];
    bool here = false;

    pthread_mutex_lock(&net->lock); /* so that neither the pair nor its worker goes */
    const struct net_pair *pair = net->open[index];
    if (pair && tenon_worker_here(pair->worker)) {
        here = true;
    } else if (pair) {
        follower->due = true;
        net->applying.due++;
        tenon_worker_post(pair->worker, &follower->post);
    }
    pthread_mutex_unlock(&net->lock);
    return here;
}

void net_rules_apply(struct net *net, void (*done)(void *opaque, int error), void *opaque)
{
    int error = tell_link(net);

    pthread_mutex_lock(&net->lock);
    net->applying = (struct net_applying){ .done = done, .opaque = opaque, .due = 1 };
    pthread_mutex_unlock(&net->lock);
    for (unsigned i = 0; i < net->pairs; i++) {
        if (ask(net, i)) {
            int failed = follow(net->open[i]);
            error = error < 0 ? error : failed;
        }
    }
    leave(net, NULL, error);
}
