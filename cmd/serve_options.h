/*
 * serve_options.h: what a command line of `tenon blk` or `tenon net` asks for. Reading it opens
 * nothing; what is wrong with it is reported here, with what would be right.
 */
#ifndef TENON_SERVE_OPTIONS_H
#define TENON_SERVE_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include "admin.h"
#include "device_options.h"
#include "sockets.h"
#include "worker_pool.h"

enum { DEFAULT_QUEUES = 64 };

struct serve_options {
    enum device_kind kind; /* all devices are of this one */
    struct device_list list;
    const char *socket_path; /* NULL: none */
    struct admin_options admin;
    int fd;       /* -1: none */
    int ready_fd; /* -1: none */
    mode_t socket_mode;
    bool read_only;
    bool exit_on_disconnect;
    bool help;
    struct worker_pool_options pool;
    int passed_sockets; /* by systemd */
};

/*
 * Reads argv. `passed_sockets` is how many systemd gave us. False: reported. Give it back with
 * serve_options_free either way.
 */
bool serve_options_read(struct serve_options *options, enum device_kind kind, int argc, char **argv,
                        int passed_sockets);
void serve_options_free(struct serve_options *options);

#endif
