/*
 * blk_hints.h: the lines to paste: how a virtual machine monitor is told to use a disk that we
 * serve. On stdout, for people who started us by the simplest form.
 */
#ifndef TENON_BLK_HINTS_H
#define TENON_BLK_HINTS_H

#include "serve_options.h"

/* For the disks that were given as operands; prints nothing when there is none. */
void blk_hints_print(const struct serve_options *options);

#endif
