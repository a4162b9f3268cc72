/*
 * flow.h: a guest that always has so many requests of one kind under way, for tests of limits.
 */
#ifndef TENON_TEST_FLOW_H
#define TENON_TEST_FLOW_H

#include "harness.h"

enum { FLOW_DEPTH = 128 };

struct flow {
    struct rig *rig;
    unsigned queue;
    uint32_t type, bytes;
    uint64_t sector; /* of the first; each has a place of its own */
    unsigned depth;
    struct tnd_blk_request requests[FLOW_DEPTH];
    bool busy[FLOW_DEPTH];
    uint64_t done;
    const uint8_t *data;
};

/* Nothing is sent yet. */
struct flow *flow_new(struct rig *rig, unsigned queue, uint32_t type, uint32_t bytes,
                      unsigned depth);
/* What is under way is forgotten. */
void flow_free(struct flow *flow);
/* Sends as many as are wanted. */
void flow_fill(struct flow *flow);
/* Takes what is done, without sending more. Returns how many that were. */
unsigned flow_reap(struct flow *flow);
/* All flows until nothing more happens at this moment, for a device without threads. */
void flow_settle(struct flow *const *flows, unsigned count);
/* Moves the clock in steps, and lets all flow. */
void flow_run(struct flow *const *flows, unsigned count, uint64_t ns, uint64_t step);
/* What was under way is lost: the device was reset, or the ring begins anew. */
void flow_lose(struct flow *flow);

#endif
