/*
 * command.h: between ctrl.c and what commands mean (command.c, command_queues.c).
 *
 * An order is a copy of the rules with the change in it: whatever is wrong with a command is found
 * before anything has changed. Data are read from the chain byte by byte, each once, with no
 * assumption on how it is cut into descriptors.
 */
#ifndef TN_NET_COMMAND_H
#define TN_NET_COMMAND_H

#include "base/iov.h"
#include "net/net.h"

/* What becomes of a command, when it is right. */
struct net_order {
    struct net *net;
    const struct tn_chain *chain;
    uint64_t at; /* of its readable part: what was read so far */
    struct net_rules rules;
    bool announced; /* the guest has announced itself */
    bool config;    /* config space changes */
    bool applies;   /* the queues have to follow */
    uint8_t result[8];
    uint32_t result_bytes;
};

/*
 * Reads a command and its data. False: it is wrong, or not negotiated, and nothing has changed
 * (NET-52).
 */
bool net_command_read(struct net *net, const struct tn_chain *chain, struct net_order *order);

/* The classes of command_queues.c. */
bool net_command_mq(struct net_order *order, uint8_t command);
bool net_command_offloads(struct net_order *order, uint8_t command);
bool net_command_coalesce(struct net_order *order, uint8_t command);

/* ---- for commands ---- */

static inline bool net_order_has(const struct net_order *order, unsigned feature)
{
    return tn_device_has(&order->net->device, feature);
}

static inline uint64_t net_order_left(const struct net_order *order)
{
    return order->chain->readable_bytes - order->at;
}

/* The next bytes. False: there are not so many, or they are outside of guest memory. */
static inline bool net_order_take(struct net_order *order, void *to, uint32_t bytes)
{
    const struct tn_chain *chain = order->chain;

    if (!tn_iov_copy_from(to, chain->iov, chain->readable, order->at, bytes)) {
        return false;
    }
    order->at += bytes;
    return true;
}

static inline bool net_order_skip(struct net_order *order, uint64_t bytes)
{
    const struct tn_chain *chain = order->chain;

    if (tn_iov_has_hole(chain->iov, chain->readable, order->at, bytes)) {
        return false;
    }
    order->at += bytes;
    return true;
}

/* These, and nothing behind them. */
static inline bool net_order_take_last(struct net_order *order, void *to, uint32_t bytes)
{
    return net_order_left(order) == bytes && net_order_take(order, to, bytes);
}

#endif
