/*
 * blk_options.c: the options of `tenon blk`, and whether they fit each other: every disk needs one
 * place where its front-end connects, and no two may share it.
 */
#include "blk_options.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/opts.h>

#include "args.h"
#include "report.h"

enum option {
    OPTION_DISK = 1,
    OPTION_SOCKET_PATH,
    OPTION_FD,
    OPTION_BLK_FILE,
    OPTION_LIMIT_GROUP,
    OPTION_READ_ONLY,
    OPTION_SOCKET_MODE,
    OPTION_WORKERS,
    OPTION_WORKER_CPUS,
    OPTION_EXIT_ON_DISCONNECT,
    OPTION_READY_FD,
    OPTION_CONTROL,
    OPTION_METRICS,
    OPTION_LOG,
    OPTION_CAPABILITIES,
    OPTION_HELP
};

static const struct args_option table[] = {
    { "disk", "KEY=VALUE,...", OPTION_DISK },
    { "socket-path", "PATH", OPTION_SOCKET_PATH },
    { "fd", "N", OPTION_FD },
    { "blk-file", "PATH", OPTION_BLK_FILE },
    { "limit-group", "name=NAME,KEY=VALUE,...", OPTION_LIMIT_GROUP },
    { "read-only", NULL, OPTION_READ_ONLY },
    { "socket-mode", "MODE", OPTION_SOCKET_MODE },
    { "workers", "N", OPTION_WORKERS },
    { "worker-cpus", "LIST", OPTION_WORKER_CPUS },
    { "exit-on-disconnect", NULL, OPTION_EXIT_ON_DISCONNECT },
    { "ready-fd", "N", OPTION_READY_FD },
    { "control", "PATH", OPTION_CONTROL },
    { "metrics", "PATH|ADDRESS:PORT", OPTION_METRICS },
    { "log", "LEVEL", OPTION_LOG },
    { "print-capabilities", NULL, OPTION_CAPABILITIES },
    { "help", NULL, OPTION_HELP },
    { NULL, NULL, 0 },
};

static bool take_fd(const char *option, const char *text, int *to)
{
    unsigned long number;
    if (*to >= 0) {
        report_error("--%s is given twice; keep one", option);
        return false;
    }
    if (!args_number(text, 10, 0, INT32_MAX, &number)) {
        report_error("--%s %s is not the number of a descriptor; 3 is, for instance", option, text);
        return false;
    }
    *to = (int)number;
    return true;
}

static bool take_mode(struct blk_options *options, const char *text)
{
    unsigned long mode;
    if (!args_number(text, 8, 0, 0777, &mode)) {
        report_error("--socket-mode %s is not an octal mode from 0 to 0777; 0660 is the default",
                     text);
        return false;
    }
    options->socket_mode = (mode_t)mode;
    return true;
}

static bool take_option(struct blk_options *options, int id, const char *value)
{
    switch (id) {
    case ARGS_OPERAND:
        return disk_list_add_file(&options->list, value, true);
    case OPTION_BLK_FILE:
        return disk_list_add_file(&options->list, value, false);
    case OPTION_DISK:
        return disk_list_add(&options->list, value);
    case OPTION_LIMIT_GROUP:
        return disk_list_add_group(&options->list, value);
    case OPTION_SOCKET_PATH:
        if (options->socket_path) {
            report_error("--socket-path is given twice; give each disk its own: --disk "
                         "file=PATH,socket=PATH");
            return false;
        }
        options->socket_path = value;
        return true;
    case OPTION_FD:
        return take_fd("fd", value, &options->fd);
    case OPTION_READY_FD:
        return take_fd("ready-fd", value, &options->ready_fd);
    case OPTION_READ_ONLY:
        options->read_only = true;
        return true;
    case OPTION_SOCKET_MODE:
        return take_mode(options, value);
    case OPTION_WORKERS:
        return worker_pool_take_count(&options->pool, value);
    case OPTION_WORKER_CPUS:
        return worker_pool_take_cpus(&options->pool, value);
    case OPTION_EXIT_ON_DISCONNECT:
        options->exit_on_disconnect = true;
        return true;
    case OPTION_CONTROL:
        return args_once("control", value, &options->admin.control);
    case OPTION_METRICS:
        return args_once("metrics", value, &options->admin.metrics);
    case OPTION_LOG:
        return report_take_level(value);
    case OPTION_HELP:
        options->help = true;
        return true;
    default:
        return id == OPTION_CAPABILITIES; /* was answered before anything was read */
    }
}

/* The disk that --socket-path, --fd or systemd's sockets are for; how many there are of them. */
static unsigned disks_without_socket(const struct blk_options *options)
{
    unsigned count = 0;
    for (unsigned i = 0; i < options->list.count; i++) {
        count += options->list.disks[i].socket == NULL;
    }
    return count;
}

static bool put_socket_beside(struct disk_options *disk)
{
    if (asprintf(&disk->socket, "%s.sock", disk->file) < 0) {
        disk->socket = NULL;
        report_error("out of memory");
        return false;
    }
    return true;
}

/* Which one of the ways to say where front-ends connect was used. */
static bool check_ways(const struct blk_options *options)
{
    if (options->socket_path && options->fd >= 0) {
        report_error("--socket-path and --fd exclude each other; keep one");
        return false;
    }
    if (options->passed_sockets > 0 && (options->socket_path || options->fd >= 0)) {
        report_error("systemd passed a socket (LISTEN_FDS), so --socket-path and --fd have no "
                     "place; remove them, or the .socket unit");
        return false;
    }
    unsigned need = disks_without_socket(options);
    unsigned given = options->passed_sockets > 0                ? (unsigned)options->passed_sockets
                     : options->socket_path || options->fd >= 0 ? 1
                                                                : need;
    if (given != need) {
        report_error("%u of the disks have no socket= of their own, and %u sockets were given; "
                     "name the sockets by --disk file=PATH,socket=PATH",
                     need, given);
        return false;
    }
    return true;
}

static bool place_sockets(struct blk_options *options)
{
    if (!check_ways(options)) {
        return false;
    }
    for (unsigned i = 0; i < options->list.count; i++) {
        struct disk_options *disk = &options->list.disks[i];
        if (disk->socket || options->fd >= 0 || options->passed_sockets > 0) {
            continue;
        }
        if (options->socket_path) {
            disk->socket = strdup(options->socket_path);
        } else if (!disk->is_operand) {
            report_error("disk '%s' has no socket; add socket=PATH to it, or --socket-path PATH",
                         disk->name);
            return false;
        } else if (!put_socket_beside(disk)) {
            return false;
        }
    }
    return true;
}

bool blk_options_read(struct blk_options *options, int argc, char **argv, int passed_sockets)
{
    *options = (struct blk_options){
        .fd = -1, .ready_fd = -1, .socket_mode = 0660, .passed_sockets = passed_sockets
    };
    struct args args;
    args_begin(&args, argc, argv);
    int id;
    while ((id = args_next(&args, table)) != ARGS_END) {
        if (id == ARGS_WRONG || !take_option(options, id, args.value)) {
            return false;
        }
    }
    if (options->help) {
        return true;
    }
    if (options->list.count == 0) {
        report_error("no disk was named; try `tenon blk disk.img`, or --help");
        return false;
    }
    if (!disk_list_read(&options->list, options->read_only) ||
        !disk_list_check_errors(&options->list, options->admin.control)) {
        return false;
    }
    for (unsigned i = 0; i < options->list.count; i++) {
        struct disk_options *disk = &options->list.disks[i];
        disk->queues = disk->queues ? disk->queues : DEFAULT_QUEUES;
    }
    return worker_pool_check(&options->pool, &options->list) && place_sockets(options);
}

void blk_options_free(struct blk_options *options)
{
    disk_list_free(&options->list);
    worker_pool_options_free(&options->pool);
}
