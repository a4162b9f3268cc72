/*
 * load.h: a guest that keeps a block device busy and knows what every read has to return.
 *
 *   slot (queue, place on the disk) ── write a pattern ──> read it back ──> flush now and then ──┐
 *          └────────────────────────────────────────────────────────────────────────────────────┘
 *
 * Each slot has one request in flight and a place of its own on the disk, so that the content is
 * known whatever the order. After a reset a write that was in flight may have happened or not: its
 * place is unknown until it is written again.
 *
 * All of it on the thread of the test; what happens to the device meanwhile may come from others.
 */
#ifndef TENON_TEST_LOAD_H
#define TENON_TEST_LOAD_H

#include "harness.h"

enum { LOAD_BYTES = 4096, LOAD_SLOTS = 64, LOAD_FIRST_SECTOR = 64 };

struct load_slot {
    struct tnd_blk_request request;
    unsigned queue;
    uint64_t sector;
    bool busy, known;
    unsigned content; /* seed of what is on the disk, if known */
    unsigned writing; /* seed of what is being written */
    uint8_t out[LOAD_BYTES], in[LOAD_BYTES];
};

struct load {
    struct rig *rig;
    unsigned queues, slots;
    uint32_t random;
    uint64_t done;
    struct load_slot slot[LOAD_SLOTS];
};

/* `depth` requests on each of `queues` queues. Nothing is sent yet. */
struct load *load_new(struct rig *rig, unsigned queues, unsigned depth, unsigned seed);
/* What is in flight is forgotten: only when the device no longer touches it. */
void load_free(struct load *load);
/* Takes what is done, checks it, sends the next ones. Returns how many were done. */
unsigned load_pump(struct load *load);
/* Pumps until `more` requests are done; fails when that takes too long. */
void load_run(struct load *load, unsigned more);
/* Waits for all that is in flight, and sends nothing new. */
void load_drain(struct load *load);
/* Resets the device and starts it again; what was in flight is lost. */
void load_reset(struct load *load);
/* What was in flight on this queue is lost, and its memory is the guest's again. */
void load_lose(struct load *load, unsigned queue);
/* A queue is broken: the host has reset the device. */
bool load_is_broken(struct load *load);

uint32_t load_random(uint32_t *state);

#endif
