/*
 * split.h: what virtqueue.c asks of the split ring. One function for each act of the door; a second
 * ring format would bring a second set of these.
 */
#ifndef TN_VIRTQUEUE_SPLIT_H
#define TN_VIRTQUEUE_SPLIT_H

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

enum tn_pop tn_split_pop(struct tn_vq *vq, struct tn_chain *chain);
void tn_split_unpop(struct tn_vq *vq, uint16_t head, bool again);
void tn_split_push(struct tn_vq *vq, uint16_t head, uint32_t written);
void tn_split_forget(struct tn_vq *vq, uint16_t head);
void tn_split_show(struct tn_vq *vq);
bool tn_split_wants_interrupt(struct tn_vq *vq);
void tn_split_kicks_off(struct tn_vq *vq);
bool tn_split_kicks_on(struct tn_vq *vq);
void tn_split_kicks_back(struct tn_vq *vq);
bool tn_split_has_more(const struct tn_vq *vq);

#endif
