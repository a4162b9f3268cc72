/*
 * run_stats.h: the counters of a machine and its devices, as lines of text.
 */
#ifndef TENON_RUN_STATS_H
#define TENON_RUN_STATS_H

#include "vmm/vmm.h"

/*
 * Writes to a file, or to stderr for "-":
 *
 *   exits 1234                            of the machine
 *   device vda queue 0 requests 5678      of a queue
 *
 * What goes wrong is reported.
 */
void run_stats_write(const char *path, const struct vmm *vmm, struct tenon_device *const *devices,
                     unsigned count);

#endif
