/*
 * rig_parts.h: inside the harness: what blk_rig.c and net_rig.c make their rigs of.
 *
 *   rig_begin ──> disk or link, device ──> rig_attach        rig_end: release, transport, device,
 *                                                            close, workers, dispose
 */
#ifndef TENON_TEST_RIG_PARTS_H
#define TENON_TEST_RIG_PARTS_H

#include "harness.h"

/* Fails the test when `result` is negative. */
void rig_must(int result, const char *what);
/* Guest memory and workers; `rig` is zeroed. */
void rig_begin(struct rig *rig, struct rig_combination *combination, unsigned queue_workers);
/* The device's opts.event; opaque is the rig. */
void rig_on_event(void *opaque, struct tenon_device *device, enum tenon_event event,
                  const char *detail);
/* The transport and its driver, over rig->device. `irq`: see rig_options. */
void rig_attach(struct rig *rig, void (*irq)(void *rig, int level));

#endif
