/*
 * scribbler.h: a thread of the guest that writes over rings and tables while the device reads them
 * (item 59 of the conformance list).
 */
#ifndef TENON_TEST_SCRIBBLER_H
#define TENON_TEST_SCRIBBLER_H

#include <pthread.h>

#include "harness.h"

enum { SCRIBBLER_REGION = 0, SCRIBBLER_CANARY = 3 };

struct scribbler {
    struct rig *rig;
    uint64_t *words; /* the region where rings and tables are */
    uint64_t count;
    bool stop;
    pthread_t thread;
};

uint32_t scribbler_random(uint32_t *state);
/*
 * Writes descriptors, indexes and heads all over the first region. What they name is anywhere but
 * in the last region, which the device must not touch.
 */
void scribbler_start(struct scribbler *scribbler, struct rig *rig);
/* Ends, and fails when the last region was touched. */
void scribbler_stop(struct scribbler *scribbler);

#endif
