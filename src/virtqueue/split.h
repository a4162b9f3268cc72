/*
 * split.h: what virtqueue.c asks of the split ring. One function for each act of the door; a second
 * ring format would bring a second set of these.
 */
#ifndef TN_VIRTQUEUE_SPLIT_H
#define TN_VIRTQUEUE_SPLIT_H

#include "base/shared.h"
#include "virtqueue/vq.h"

/* Bytes and alignment of the three areas, in the order desc, driver, device. */
struct tn_split_area {
    uint64_t gpa, bytes;
    unsigned align;
    bool write;
    const char *name;
};

void tn_split_areas(const struct tn_vq_config *config, struct tn_split_area areas[3]);

/*
 * Finds the rings through the view. False: one of them is not in memory in one piece, or lies
 * crooked in this process.
 */
bool tn_split_bind(struct tn_vq *vq);

/* The used index in guest memory: read once, at start. */
uint16_t tn_split_used_in_ring(const struct tn_vq *vq);
/* Leaves the flags as a fresh ring has them, whatever a back-end before us wrote there. */
void tn_split_begin(struct tn_vq *vq);

/* One descriptor, copied to where nobody else writes. */
struct tn_segment {
    uint64_t gpa;
    uint32_t bytes;
    uint16_t flags, next;
};

static inline struct tn_segment tn_split_read(const struct tn_desc *desc)
{
    uint64_t rest = tn_shared_load64_once(&desc->len);

    return (struct tn_segment){
        .gpa = tn_shared_load64_once(&desc->addr),
        .bytes = (uint32_t)rest,
        .flags = (uint16_t)(rest >> 32),
        .next = (uint16_t)(rest >> 48),
    };
}

/*
 * Follows a chain from its head, whose descriptor is `at`; the chain has begun, in a place of so
 * much room (split_walk.c). NULL, or how the driver broke the ring.
 */
const char *tn_split_walk(struct tn_vq *vq, struct tn_chain *chain, struct tn_segment at,
                          uint32_t room);

enum tn_pop tn_split_pop(struct tn_vq *vq, struct tn_chain *chain, struct iovec *iov,
                         uint32_t room);
void tn_split_unpop(struct tn_vq *vq, uint16_t head, bool again);
bool tn_split_push(struct tn_vq *vq, uint16_t head, uint32_t written);
void tn_split_forget(struct tn_vq *vq, uint16_t head);
void tn_split_show(struct tn_vq *vq);
bool tn_split_wants_interrupt(struct tn_vq *vq);
void tn_split_kicks_off(struct tn_vq *vq);
bool tn_split_kicks_on(struct tn_vq *vq);
void tn_split_kicks_back(struct tn_vq *vq);
bool tn_split_has_more(const struct tn_vq *vq);

#endif
