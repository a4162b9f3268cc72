/*
 * cut.c: a transmitted frame that the link cannot take unfinished: its checksum is computed, or it
 * is cut into segments, in memory of ours, a portion at a time.
 *
 *   begin ──> portion of segments ──send──> all gone, and none kept any more ──> the next portion
 *                                                                       └──> the slot is returned
 *
 * One frame at a time; those behind it wait. On the pair's worker.
 */
#include "net/net.h"

#include <errno.h>

bool net_cut_has(const struct net_pair *pair, const struct tenon_frame *frame)
{
    const struct net_cut *cut = &pair->tx_cut;

    return cut->frames && frame >= cut->frames && frame < cut->frames + NET_CUT_FRAMES;
}

static void add(struct net_cut *cut, uint32_t at, uint32_t bytes)
{
    unsigned n = cut->count++;

    cut->iov[n] = (struct iovec){ .iov_base = cut->memory + at, .iov_len = bytes };
    cut->frames[n] = (struct tenon_frame){ .iov = &cut->iov[n], .iov_count = 1, .bytes = bytes };
}

/* All of it, with its checksum. */
static bool begin_sum(struct net_cut *cut, const struct tenon_frame *frame)
{
    struct tenon_offload offload = frame->offload;
    uint32_t bytes = net_frame_look(frame, cut->memory, frame->bytes);

    add(cut, 0, bytes);
    return net_checksum_finish(cut->iov, 1, bytes, &offload);
}

bool net_cut_begin(struct net_pair *pair, struct net_slot *slot)
{
    struct net_cut *cut = &pair->tx_cut;
    const struct tenon_frame *frame = &slot->frame;

    if (!cut->memory) {
        return false;
    }
    cut->count = cut->sent = cut->kept = 0;
    cut->result = 0;
    cut->dropped = false;
    cut->summed = frame->offload.gso == TENON_GSO_NONE;
    if (cut->summed ? !begin_sum(cut, frame)
                    : net_segments_begin(&cut->segments, frame->iov, frame->iov_count, frame->bytes,
                                         &frame->offload) < 0) {
        return false;
    }
    tn_queue_count(pair->tx, cut->summed ? NET_COUNT_SUMMED : NET_COUNT_SEGMENTED, 1);
    cut->slot = slot;
    cut->active = true;
    return true;
}

/* The next portion. False: there is none. */
static bool refill(struct net_cut *cut)
{
    const uint32_t most = NET_HEADERS_MAX + (uint32_t)cut->segments.offload.gso_bytes;
    uint32_t used = 0, bytes;

    cut->count = cut->sent = 0;
    if (cut->summed) {
        return false;
    }
    while (cut->count < NET_CUT_FRAMES && used + most <= NET_CUT_BYTES &&
           (bytes = net_segments_next(&cut->segments, cut->memory + used)) > 0) {
        add(cut, used, bytes);
        used += bytes;
    }
    return cut->count > 0;
}

/* A frame of which a part is lost is lost. */
static void note(struct net_cut *cut, const struct tenon_frame *frame)
{
    cut->result = cut->result == 0 ? frame->result : cut->result;
}

/* What is made goes to the link. False: it is full. */
static bool send_portion(struct net_pair *pair)
{
    struct net_cut *cut = &pair->tx_cut;

    while (cut->sent < cut->count) {
        struct tenon_frame *frames[NET_CUT_FRAMES];
        unsigned count = cut->count - cut->sent, kept = count;

        for (unsigned i = 0; i < count; i++) {
            frames[i] = &cut->frames[cut->sent + i];
        }
        unsigned taken = pair->net->link_ops->send(pair->port, frames, count, &kept);
        for (unsigned i = 0; i < taken; i++) {
            if (i >= kept) {
                net_tx_keep(pair, frames[i]);
                cut->kept++;
            } else {
                note(cut, frames[i]);
            }
        }
        cut->sent += taken;
        if (taken < count) {
            return false;
        }
    }
    return true;
}

static void finish(struct net_pair *pair)
{
    struct net_cut *cut = &pair->tx_cut;

    cut->active = false;
    net_tx_end(pair->tx, cut->slot,
               cut->dropped ? NET_COUNT_DROPPED_FULL : net_tx_outcome(cut->result));
}

static bool is_all_made(const struct net_cut *cut)
{
    return cut->dropped || cut->summed || cut->segments.done == cut->segments.payload;
}

/* One portion is as long as a turn of other frames: the next one is for the next turn. */
bool net_cut_go_on(struct net_pair *pair)
{
    struct net_cut *cut = &pair->tx_cut;

    for (cut->yields = false;; cut->yields = true) {
        if (!cut->dropped && !send_portion(pair)) {
            cut->yields = false;
            return false;
        }
        if (cut->kept > 0) {
            cut->yields = false;
            return false; /* the memory is not ours again */
        }
        if (cut->yields && !is_all_made(cut)) {
            tn_queue_look(pair->tx);
            return false;
        }
        if (is_all_made(cut) || !refill(cut)) {
            finish(pair);
            return true;
        }
    }
}

void net_cut_sent(struct net_pair *pair, const struct tenon_frame *frame)
{
    struct net_cut *cut = &pair->tx_cut;

    note(cut, frame);
    if (--cut->kept == 0 && cut->dropped && cut->active) {
        finish(pair);
    }
}

void net_cut_drop(struct net_pair *pair)
{
    struct net_cut *cut = &pair->tx_cut;

    if (cut->active) {
        cut->dropped = true;
        if (cut->kept == 0) {
            finish(pair);
        }
    }
}
