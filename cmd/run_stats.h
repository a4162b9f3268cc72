/*
 * run_stats.h: the counters of a machine and its devices, as lines of text.
 */
#ifndef TENON_RUN_STATS_H
#define TENON_RUN_STATS_H

#include <stdbool.h>

#include "vmm/vmm.h"

struct devices;

/*
 * Opens the file for the counters, or stderr for "-": before the guest has run for hours. NULL:
 * there will be none. One in a process. False: reported.
 */
bool run_stats_open(const char *path);

/*
 * Writes them, if they are wanted:
 *
 *   exits 1234                            of the machine
 *   device vda queue 0 requests 5678      of a queue
 *
 * False: reported.
 */
bool run_stats_write(const struct vmm *vmm, const struct devices *devices);

/* Does nothing the second time. */
void run_stats_close(void);

#endif
