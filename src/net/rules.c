/* rules.c: to come. */
#include "net/net.h"

void net_rules_reset(struct net *net)
{
    net_filter_reset(&net->rules.filter, net->mac_given,
                     tn_device_has(&net->device, TN_NET_F_CTRL_RX),
                     tn_device_has(&net->device, TN_NET_F_CTRL_VLAN));
    net->rules.pairs = 1;
    net->rules.guest_can = net_offload_guest_can(net->device.features[0]);
}

void net_rules_join(struct net_pair *pair)
{
    struct net *net = pair->net;

    pthread_mutex_lock(&net->lock);
    pair->rules = net->rules;
    net->open[pair->index] = pair;
    pthread_mutex_unlock(&net->lock);
    if (net->link_ops->recv_set) {
        net->link_ops->recv_set(pair->port, pair->rules.guest_can);
    }
}

void net_rules_leave(struct net_pair *pair)
{
    pthread_mutex_lock(&pair->net->lock);
    pair->net->open[pair->index] = NULL;
    pthread_mutex_unlock(&pair->net->lock);
}

int net_ctrl_begin(struct tn_queue *queue)
{
    (void)queue;
    return 0;
}
unsigned net_ctrl_serve(struct tn_queue *queue, unsigned budget)
{
    (void)queue;
    (void)budget;
    return 0;
}
bool net_ctrl_end(struct tn_queue *queue)
{
    (void)queue;
    return true;
}
