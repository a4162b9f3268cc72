/*
 * blk_service.h: serving disks until somebody says stop.
 */
#ifndef TENON_BLK_SERVICE_H
#define TENON_BLK_SERVICE_H

#include "blk_options.h"

/*
 * From opening the disks to freeing them. Returns an exit code; what was wrong has been
 * reported. When a disk hangs it does not return, but ends the process.
 */
int blk_service_run(const struct blk_options *options);

#endif
