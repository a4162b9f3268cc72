/*
 * serve.h: serving devices over vhost-user until somebody says stop.
 */
#ifndef TENON_SERVE_H
#define TENON_SERVE_H

#include "serve_options.h"

/*
 * From opening the devices to freeing them. Returns an exit code; what was wrong has been reported.
 * When a device hangs it does not return, but ends the process.
 */
int serve_run(const struct serve_options *options);
/* `tenon blk` and `tenon net`: reads the command line, and serves or prints what is asked for. */
int serve_main(enum device_kind kind, int argc, char **argv, const char *help,
               const char *capabilities);

#endif
