/*
 * serve_options.c: the options of `tenon blk` and `tenon net`, and whether they fit each other:
 * every device needs one place where its front-end connects, and no two may share it.
 */
#include "serve_options.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/opts.h>

#include "args.h"
#include "report.h"

enum option {
    OPTION_DISK = 1,
    OPTION_LINK,
    OPTION_BLK_FILE,
    OPTION_READ_ONLY,
    OPTION_SOCKET_PATH,
    OPTION_FD,
    OPTION_LIMIT_GROUP,
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

static const struct args_option disk_table[] = {
    { "disk", "KEY=VALUE,...", OPTION_DISK },
    { "blk-file", "PATH", OPTION_BLK_FILE },
    { "read-only", NULL, OPTION_READ_ONLY },
    { NULL, NULL, 0 },
};

static const struct args_option net_table[] = {
    { "link", "KIND,KEY=VALUE,...", OPTION_LINK },
    { NULL, NULL, 0 },
};

static const struct args_option common_table[] = {
    { "socket-path", "PATH", OPTION_SOCKET_PATH },
    { "fd", "N", OPTION_FD },
    { "limit-group", "name=NAME,KEY=VALUE,...", OPTION_LIMIT_GROUP },
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

/* How the text of a device is given, in sentences. */
static const char *device_example(const struct serve_options *options)
{
    return options->kind == DEVICE_DISK ? "--disk file=PATH,socket=PATH"
                                        : "--link tap,name=NAME,socket=PATH";
}

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

static bool take_mode(struct serve_options *options, const char *text)
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

static bool take_socket_path(struct serve_options *options, const char *path)
{
    if (options->socket_path) {
        report_error("--socket-path is given twice; give each %s its own: %s",
                     device_word(options->kind), device_example(options));
        return false;
    }
    options->socket_path = path;
    return true;
}

static bool take_operand(struct serve_options *options, const char *word)
{
    if (options->kind == DEVICE_DISK) {
        return device_list_add_file(&options->list, word, true);
    }
    report_error("'%s' is no option; a network device is given by --link, and its socket by "
                 "--socket-path",
                 word);
    return false;
}

static bool take_option(struct serve_options *options, int id, const char *value)
{
    switch (id) {
    case ARGS_OPERAND:
        return take_operand(options, value);
    case OPTION_BLK_FILE:
        return device_list_add_file(&options->list, value, false);
    case OPTION_DISK:
    case OPTION_LINK:
        return device_list_add(&options->list, options->kind, value);
    case OPTION_LIMIT_GROUP:
        return device_list_add_group(&options->list, value);
    case OPTION_SOCKET_PATH:
        return take_socket_path(options, value);
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

/* Those that --socket-path, --fd or systemd's sockets are for. */
static unsigned without_socket(const struct serve_options *options)
{
    unsigned count = 0;
    for (unsigned i = 0; i < options->list.count; i++) {
        count += options->list.devices[i].socket == NULL;
    }
    return count;
}

static bool put_socket_beside(struct device_options *device)
{
    if (asprintf(&device->socket, "%s.sock", device->disk.file) < 0) {
        device->socket = NULL;
        report_error("out of memory");
        return false;
    }
    return true;
}

/* Which one of the ways to say where front-ends connect was used. */
static bool check_ways(const struct serve_options *options)
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
    unsigned need = without_socket(options);
    unsigned given = options->passed_sockets > 0                ? (unsigned)options->passed_sockets
                     : options->socket_path || options->fd >= 0 ? 1
                                                                : need;
    if (given != need) {
        report_error("%u of the %ss have no socket= of their own, and %u sockets were given; "
                     "name the sockets by %s",
                     need, device_word(options->kind), given, device_example(options));
        return false;
    }
    return true;
}

static bool place_sockets(struct serve_options *options)
{
    if (!check_ways(options)) {
        return false;
    }
    for (unsigned i = 0; i < options->list.count; i++) {
        struct device_options *device = &options->list.devices[i];
        if (device->socket || options->fd >= 0 || options->passed_sockets > 0) {
            continue;
        }
        if (options->socket_path) {
            device->socket = strdup(options->socket_path);
        } else if (!device->is_operand) {
            report_error("%s '%s' has no socket; add socket=PATH to it, or --socket-path PATH",
                         device_word(options->kind), device->name);
            return false;
        } else if (!put_socket_beside(device)) {
            return false;
        }
    }
    return true;
}

static bool read_list(struct serve_options *options)
{
    if (options->list.count == 0) {
        report_error(options->kind == DEVICE_DISK
                         ? "no disk was named; try `tenon blk disk.img`, or --help"
                         : "no link was named; try `tenon net --socket-path net.sock --link "
                           "tap,name=tap0`, or --help");
        return false;
    }
    if (!device_list_read(&options->list, options->read_only) ||
        !device_list_check_errors(&options->list, options->admin.control)) {
        return false;
    }
    for (unsigned i = 0; i < options->list.count; i++) {
        struct device_options *device = &options->list.devices[i];
        device->queues = device->queues ? device->queues : DEFAULT_QUEUES;
    }
    return true;
}

bool serve_options_read(struct serve_options *options, enum device_kind kind, int argc, char **argv,
                        int passed_sockets)
{
    *options = (struct serve_options){ .kind = kind,
                                       .list = { .net_option = "--link" },
                                       .fd = -1,
                                       .ready_fd = -1,
                                       .socket_mode = 0660,
                                       .passed_sockets = passed_sockets };
    struct args args;
    args_begin(&args, argc, argv, kind == DEVICE_DISK ? disk_table : net_table, common_table);
    int id;
    while ((id = args_next(&args)) != ARGS_END) {
        if (id == ARGS_WRONG || !take_option(options, id, args.value)) {
            return false;
        }
    }
    return options->help ||
           (read_list(options) && worker_pool_check(&options->pool, &options->list) &&
            place_sockets(options));
}

void serve_options_free(struct serve_options *options)
{
    device_list_free(&options->list);
    worker_pool_options_free(&options->pool);
}
