/*
 * run_service.h: running a guest until it ends or somebody says stop.
 */
#ifndef TENON_RUN_SERVICE_H
#define TENON_RUN_SERVICE_H

#include "run_options.h"

/*
 * From opening the disks to freeing them. Returns an exit code; what was wrong has been reported.
 * When a disk hangs at the end it does not return, but ends the process.
 */
int run_service_run(const struct run_options *options);

#endif
