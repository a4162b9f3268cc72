/*
 * untouched.h: guest memory that the device must not touch for a while: rights to its view of all
 * of it are taken away (where it is in this process), and what is there is compared in the end.
 */
#ifndef TENON_TEST_UNTOUCHED_H
#define TENON_TEST_UNTOUCHED_H

#include "harness.h"

struct untouched {
    struct rig *rig;
    struct tnd_snapshot *before;
};

/* From here on the device may neither write guest memory nor (with mmio) read it. */
struct untouched untouched_from_here(struct rig *rig);
/* It did not; from here on it may. */
void untouched_till_here(struct untouched *untouched);

#endif
