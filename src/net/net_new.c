/*
 * net_new.c: making a network device: its options are checked, and become a legal set of what it
 * offers.
 */
#include "net/net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "base/opts.h"

enum { QUEUE_SIZE_DEFAULT = 1024 };

static int refuse_pairs(const struct tenon_net_opts *opts, const struct tenon_link_info *info)
{
    if (opts->pairs > TENON_NET_PAIRS_MAX) {
        return tn_error(-EINVAL, "%s: %u queue pairs are too many; use 1 to %d", opts->name,
                        opts->pairs, TENON_NET_PAIRS_MAX);
    }
    return tn_error(-EINVAL, "%s: %u queue pairs are more than the link %s has (%u)", opts->name,
                    opts->pairs, tenon_link_name(opts->link), info->pairs);
}

static int check_workers(const struct tenon_net_opts *opts)
{
    if (opts->rss && (opts->own_workers > 1 || opts->worker_count > 1)) {
        return tn_error(-EINVAL, "%s: with RSS one worker serves all queues; give it one, or none",
                        opts->name);
    }
    if (opts->own_workers > opts->pairs) {
        return tn_error(-EINVAL,
                        "%s: %u workers are more than its queue pairs (%u); use fewer workers or "
                        "more pairs",
                        opts->name, opts->own_workers, opts->pairs);
    }
    return 0;
}

static int check_opts(struct tenon_net_opts *opts, struct tenon_link_info *info)
{
    opts->name = opts->name ? opts->name : "net";
    opts->pairs = opts->pairs ? opts->pairs : 1;
    opts->queue_size = opts->queue_size ? opts->queue_size : QUEUE_SIZE_DEFAULT;
    opts->coalesce_frames = opts->coalesce_frames ? opts->coalesce_frames : NET_COALESCE_FRAMES;
    opts->coalesce_us = opts->coalesce_us ? opts->coalesce_us : NET_COALESCE_US;
    if (!opts->link) {
        return tn_error(-EINVAL, "%s: no link was given; open one with tenon_link_open",
                        opts->name);
    }
    info->size = sizeof(*info);
    int error = tenon_link_info(opts->link, info);
    if (error < 0) {
        return error;
    }
    if (opts->pairs > TENON_NET_PAIRS_MAX || opts->pairs > info->pairs) {
        return refuse_pairs(opts, info);
    }
    if (!tn_is_power_of_2(opts->queue_size) || opts->queue_size > TN_VQ_MAX_SIZE) {
        return tn_error(-EINVAL,
                        "%s: a queue size of %u is not possible; use a power of 2 up to %d",
                        opts->name, opts->queue_size, TN_VQ_MAX_SIZE);
    }
    if (opts->mtu != 0 && opts->mtu < TN_NET_MTU_MIN) { /* NET-12 */
        return tn_error(-EINVAL, "%s: an MTU of %u is not possible; use %d to %d", opts->name,
                        opts->mtu, TN_NET_MTU_MIN, TN_NET_MTU_MAX);
    }
    if (opts->mac[0] & 1) {
        return tn_error(-EINVAL,
                        "%s: %02x:%02x:%02x:%02x:%02x:%02x is the address of a group; the first "
                        "number has to be even",
                        opts->name, opts->mac[0], opts->mac[1], opts->mac[2], opts->mac[3],
                        opts->mac[4], opts->mac[5]);
    }
    if (opts->speed > INT32_MAX) { /* NET-16 */
        return tn_error(-EINVAL, "%s: a speed of %u Mbit/s is not possible", opts->name,
                        opts->speed);
    }
    if (opts->rss && opts->no_ctrl) {
        return tn_error(-EINVAL, "%s: RSS needs the control queue", opts->name);
    }
    return check_workers(opts);
}

/* A locally administered address that the name stands for: FNV-1a. */
static void make_mac(struct net *net, const struct tenon_net_opts *opts)
{
    static const uint8_t none[6] = { 0 };
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    if (memcmp(opts->mac, none, sizeof(none)) != 0) {
        memcpy(net->mac_given, opts->mac, sizeof(net->mac_given));
        return;
    }
    for (const char *at = opts->name; *at; at++) {
        hash = (hash ^ (uint8_t)*at) * UINT64_C(0x100000001b3);
    }
    net->mac_given[0] = 0x52;
    net->mac_given[1] = 0x54;
    for (unsigned i = 2; i < 6; i++) {
        net->mac_given[i] = (uint8_t)(hash >> (8 * i));
    }
}

static struct net *make(const struct tenon_net_opts *opts, const struct tenon_link_info *info)
{
    struct net *net = calloc(1, sizeof(*net));

    if (!net) {
        return NULL;
    }
    net->info = *info;
    net->pairs = opts->pairs;
    net->open = calloc(opts->pairs, sizeof(struct net_pair *));
    net->coalesce_queue = calloc((size_t)opts->pairs * 2, sizeof(*net->coalesce_queue));
    if (!net->open || !net->coalesce_queue) {
        net_free(net);
        return NULL;
    }
    net->mtu = opts->mtu;
    net->speed = opts->speed ? opts->speed : info->speed;
    net->mrg_rxbuf = !opts->no_mrg_rxbuf;
    net->ctrl = !opts->no_ctrl;
    net->rss = opts->rss;
    net->drop_when_full = opts->drop_when_full;
    bool hold = opts->coalesce_frames != TENON_NET_COALESCE_OFF &&
                opts->coalesce_us != TENON_NET_COALESCE_OFF;
    net->coalesce_frames = hold ? opts->coalesce_frames : 0;
    net->coalesce_us = hold ? opts->coalesce_us : 0;
    net->carrier = true;
    net_offload_plan(opts->offload, info, &net->host_offer, &net->guest_offer);
    make_mac(net, opts);
    return net;
}

int tenon_net_new(const struct tenon_net_opts *given, struct tenon_device **out)
{
    struct tenon_net_opts opts;
    struct tenon_link_info info = { 0 };
    int error = tn_opts_copy(&opts, sizeof(opts), given, "tenon_net_opts");

    if (error >= 0) {
        error = check_opts(&opts, &info);
    }
    if (error < 0) {
        return error;
    }
    struct net *net = make(&opts, &info);
    if (!net) {
        return tn_error(-ENOMEM, "no memory for the device %s", opts.name);
    }
    struct tn_device_init init = {
        .type = &net_type,
        .name = opts.name,
        .slot_bytes = sizeof(struct net_slot),
        .queues = 2 * opts.pairs + (opts.no_ctrl ? 0 : 1),
        .queue_max = opts.queue_size,
        .workers = opts.workers,
        .worker_count = opts.worker_count,
        .own_workers = opts.own_workers,
        .cpus = opts.cpus,
        .cpu_count = opts.cpu_count,
        .loop = opts.loop,
        .no_event_idx = opts.no_event_idx,
        .poll_us = opts.poll_us,
        .event = opts.event,
        .event_opaque = opts.opaque,
        .limits = opts.limits,
        .limit_group = opts.limit_group,
    };
    pthread_mutex_init(&net->lock, NULL);
    error = tn_device_init(&net->device, &init);
    if (error < 0) {
        pthread_mutex_destroy(&net->lock);
        net_free(net);
        return error;
    }
    net->link = tenon_link_get(opts.link);
    net->link_ops = tn_link_ops(net->link);
    net_rules_init(net);
    net_negotiated(&net->device);
    *out = &net->device;
    return 0;
}
