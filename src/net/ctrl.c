/*
 * ctrl.c: one turn of the control queue.
 *
 *   ring --take--> chain --read, check--> rules ··· every pair follows ··· ack --return--> ring
 *                     \______ ERR, and nothing has changed _________________/
 *
 * A command is answered when it is in force (NET-57, NET-64), which other workers have a part in;
 * so the chain is in flight meanwhile, and the queue waits and takes no other. A reset or a stop
 * waits for the chain as for any other; pairs that stop answer for themselves (rules.c).
 *
 *   readable  [ class 1 ][ command 1 ][ data ... ]
 *   writable  [ ack 1 ][ result ... ]
 *
 * Here: who owns the chain, and what is written. Not here: what commands mean (command.h). On the
 * control queue's worker, except for `applied`.
 */
#include "net/command.h"

#include <string.h>

enum { ACK_BYTES = 1 };

static const struct iovec *room_of(const struct tn_slot *slot)
{
    return slot->chain.iov + slot->chain.readable;
}

/* Writes the ack, and the result in front of nothing but an OK. */
static void answer(struct tn_slot *slot, uint8_t ack, const uint8_t *result, uint32_t bytes)
{
    struct tn_queue *queue = slot->queue;
    uint32_t room = slot->chain.writable;

    tn_queue_count(queue, ack == TN_NET_OK ? NET_COUNT_COMMANDS : NET_COUNT_REFUSED, 1);
    if (queue->dropping || queue->broken) { /* it does not go out, and is not written either */
        tn_queue_return(slot, 0);
        return;
    }
    tn_iov_copy_to(room_of(slot), room, ACK_BYTES, result, bytes);
    tn_iov_copy_to(room_of(slot), room, 0, &ack, ACK_BYTES);
    tn_queue_return(slot, ACK_BYTES + bytes); /* NET-51 */
}

/* The command is in force, or could not be. */
static void end(struct net *net)
{
    struct net_command *command = &net->command;
    struct tn_slot *slot = command->slot;
    struct tn_queue *queue = slot->queue;

    command->slot = NULL;
    if (command->error < 0) {
        answer(slot, TN_NET_ERR, NULL, 0);
    } else {
        answer(slot, TN_NET_OK, command->result, command->result_bytes);
    }
    if (command->waits) {
        command->waits = false;
        tn_queue_look(queue);
    }
}

static void on_applied(struct tenon_post *post)
{
    end(TN_CONTAINER_OF(post, struct net, command.post));
}

/* All pairs follow. On the worker of whichever was the last. */
static void applied(void *opaque, int error)
{
    struct net *net = opaque;
    struct net_command *command = &net->command;
    struct tenon_worker *worker = command->slot->queue->worker;

    command->error = error;
    if (tenon_worker_here(worker)) {
        end(net);
    } else {
        tenon_worker_post(worker, &command->post);
    }
}

/* What is right is so from here on. */
static void commit(struct net *net, const struct net_order *order)
{
    if (order->config) { /* before the driver can know that its command was done (NET-58, NET-61) */
        tn_device_config_begin(&net->device);
    }
    pthread_mutex_lock(&net->lock);
    net->rules = order->rules;
    net->announce &= !order->announced;
    pthread_mutex_unlock(&net->lock);
    if (order->config) {
        tn_device_config_changed(&net->device);
    }
}

static void do_command(struct net *net, struct tn_slot *slot)
{
    struct net_command *command = &net->command;
    struct net_order order;

    /* What cannot be answered is not done, either (NET-52). */
    if (tn_iov_has_hole(room_of(slot), slot->chain.writable, 0, ACK_BYTES)) {
        tn_queue_count(slot->queue, NET_COUNT_REFUSED, 1);
        tn_queue_return(slot, 0);
        return;
    }
    if (!net_command_read(net, &slot->chain, &order)) {
        answer(slot, TN_NET_ERR, NULL, 0);
        return;
    }
    command->slot = slot;
    command->error = 0;
    command->result_bytes = order.result_bytes;
    memcpy(command->result, order.result, sizeof(command->result));
    commit(net, &order);
    if (order.applies) {
        net_rules_apply(net, applied, net);
    } else {
        end(net);
    }
}

int net_ctrl_begin(struct tn_queue *queue)
{
    net_of(queue)->command = (struct net_command){ .post.fn = on_applied };
    return 0;
}

unsigned net_ctrl_serve(struct tn_queue *queue, unsigned budget)
{
    struct net *net = net_of(queue);
    unsigned served = 0;

    while (served < budget && !net->command.slot) {
        struct tn_slot *slot = tn_queue_take(queue);
        if (!slot) {
            break;
        }
        served++;
        do_command(net, slot);
    }
    net->command.waits = net->command.slot != NULL;
    return net->command.waits ? TN_SERVE_WAITS : served;
}

/* No chain is in flight, so no command is being done. */
bool net_ctrl_end(struct tn_queue *queue)
{
    (void)queue;
    return true;
}
