/*
 * virtqueue.h: the door of virtqueue/: chains of buffers from a ring in guest memory, and back.
 *
 *   tn_vq_pop ──> chain (a private copy, as iovecs) ──> tn_vq_push ──> tn_vq_publish ──> interrupt?
 *
 * Nothing above this door knows the ring format. Nothing here knows devices or threads: each queue
 * is used by one thread at a time (its worker). Our indexes are ours: never read back from guest
 * memory.
 *
 *   split.c      the split ring: with split_walk.c the only file that knows its layout
 *   split_walk.c its descriptors: chains of more than one, indirect tables
 *   chain.c      from copied descriptors to iovecs: direction order, totals, holes
 *   inflight.c   the vhost-user inflight record (VU-73..77) of a split ring
 */
#ifndef TN_VIRTQUEUE_VIRTQUEUE_H
#define TN_VIRTQUEUE_VIRTQUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "mem/mem.h"

struct tn_vq;

enum {
    TN_VQ_MAX_SIZE = 32768, /* SPLIT-02 */
    /*
     * descriptors per chain that we accept when the queue is larger (SPLIT-08); one table of an
     * indirect chain too
     */
    TN_CHAIN_MAX = 1024
};

struct tn_vq_config {
    uint32_t size; /* power of 2, 1..32768 */
    uint64_t desc_gpa, driver_gpa, device_gpa;
    bool event_idx, indirect; /* as negotiated */
    uint16_t next_avail;
    bool used_from_ring; /* our used index starts as the one in memory; else as next_avail */
    void *inflight;      /* NULL: none */
    size_t inflight_bytes;
};

/*
 * Makes a queue over rings in guest memory. The view is the caller's and outlives it. -EINVAL: size
 * or alignment (SPLIT-03); -EFAULT: an area is not in memory in one piece; -EPROTO: the inflight
 * record is not of this queue; -ENOMEM.
 */
int tn_vq_new(const struct tn_vq_config *config, struct tn_view *view, struct tn_vq **out);
void tn_vq_free(struct tn_vq *vq);

/*
 * Whether a config names rings that are aligned and wholly in memory, without making anything. Any
 * thread; 0, -EINVAL, -EFAULT.
 */
int tn_vq_check(const struct tn_vq_config *config, struct tenon_mem *mem);

/*
 * The view moved to another table: find the rings again. False when they are not in memory any more
 * (the queue is broken then).
 */
bool tn_vq_remap(struct tn_vq *vq);

/*
 * One chain: readable buffers first, then writable ones. An iovec with base NULL is a hole: bytes
 * outside guest memory.
 */
struct tn_chain {
    struct iovec *iov;           /* [readable][writable] */
    uint32_t readable, writable; /* iovecs of each kind */
    uint64_t readable_bytes, writable_bytes;
    uint16_t head;        /* what the driver calls this chain */
    uint16_t descriptors; /* how many it took (1 and the table's for an indirect one) */
    bool holes;           /* some iovec is a hole */
    bool again;           /* an earlier back-end had it in flight (VU-77) */
};

/* The most iovecs that one chain of this queue can need. */
uint32_t tn_vq_max_iovecs(const struct tn_vq *vq);

enum tn_pop {
    TN_POP_EMPTY = 0,
    TN_POP_CHAIN = 1,
    TN_POP_BROKEN = 2 /* the driver broke the ring: tn_vq_broken says how; it stays so */
};

/*
 * Takes the next available chain. chain->iov points into the queue's own scratch, and is valid
 * until the next pop: copy what you keep, or put the chain back. Heads recorded as in flight by an
 * earlier back-end come first, in their order (VU-77). Each descriptor is read from guest memory
 * exactly once.
 */
enum tn_pop tn_vq_pop(struct tn_vq *vq, struct tn_chain *chain);

/*
 * The same, and the iovecs are in `iov` if so many have room there. Else chain->iov is another
 * place, as above.
 */
enum tn_pop tn_vq_pop_into(struct tn_vq *vq, struct tn_chain *chain, struct iovec *iov,
                           uint32_t room);

/*
 * Puts back a chain: it is popped again next time. Only the one popped last of those that are in
 * flight; again and again, in that order, as many as there are.
 */
void tn_vq_unpop(struct tn_vq *vq, const struct tn_chain *chain);

/*
 * Returns a chain with `written` bytes of its writable part filled (SPLIT-29). Not visible to the
 * driver until published. True: it is the first one since then.
 */
bool tn_vq_push(struct tn_vq *vq, uint16_t head, uint32_t written);

/* A chain ends without a used entry (reset): only our own record of it goes. */
void tn_vq_forget(struct tn_vq *vq, uint16_t head);

/* How many chains are pushed and not published. */
uint32_t tn_vq_unpublished(const struct tn_vq *vq);

/* Makes all pushed chains visible with one index store. */
void tn_vq_show(struct tn_vq *vq);

/* Whether the driver wants an interrupt for what was made visible since this was last asked. */
bool tn_vq_wants_interrupt(struct tn_vq *vq);

/* Both at once. */
bool tn_vq_publish(struct tn_vq *vq);

/*
 * Kick suppression. enable: true when chains were available already after the barrier (then serve
 * first: pair D).
 */
void tn_vq_kicks_off(struct tn_vq *vq);
bool tn_vq_kicks_on(struct tn_vq *vq);

/* After kicks were asked for and nothing came: takes that back. One may come all the same. */
void tn_vq_kicks_back(struct tn_vq *vq);

/* For who polls: whether chains seem to be available, without a barrier. The pop tells. */
bool tn_vq_has_more(const struct tn_vq *vq);

/* The position to go on from: the next chain not yet taken. */
uint16_t tn_vq_next_avail(const struct tn_vq *vq);

/* How many chains were popped and neither pushed nor forgotten. */
uint32_t tn_vq_in_flight(const struct tn_vq *vq);

/* NULL, or the sentence that says how the driver broke it. */
const char *tn_vq_broken(const struct tn_vq *vq);
/* Breaks the queue for a reason found above (no place for a status). `why` is a constant string. */
void tn_vq_break(struct tn_vq *vq, const char *why);

/*
 * Bytes that `queues` queues of `size` entries take in an inflight region, and where queue i's part
 * begins (VU-73).
 */
size_t tn_inflight_bytes(uint16_t size);

#endif
