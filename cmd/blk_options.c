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

enum { MAX_DISKS = 1024, MAX_WORKERS = 256 };

enum option {
    OPTION_DISK = 1,
    OPTION_SOCKET_PATH,
    OPTION_FD,
    OPTION_BLK_FILE,
    OPTION_READ_ONLY,
    OPTION_SOCKET_MODE,
    OPTION_WORKERS,
    OPTION_EXIT_ON_DISCONNECT,
    OPTION_READY_FD,
    OPTION_LOG,
    OPTION_CAPABILITIES,
    OPTION_HELP
};

static const struct args_option table[] = {
    { "disk", "KEY=VALUE,...", OPTION_DISK },
    { "socket-path", "PATH", OPTION_SOCKET_PATH },
    { "fd", "N", OPTION_FD },
    { "blk-file", "PATH", OPTION_BLK_FILE },
    { "read-only", NULL, OPTION_READ_ONLY },
    { "socket-mode", "MODE", OPTION_SOCKET_MODE },
    { "workers", "N", OPTION_WORKERS },
    { "exit-on-disconnect", NULL, OPTION_EXIT_ON_DISCONNECT },
    { "ready-fd", "N", OPTION_READY_FD },
    { "log", "LEVEL", OPTION_LOG },
    { "print-capabilities", NULL, OPTION_CAPABILITIES },
    { "help", NULL, OPTION_HELP },
    { NULL, NULL, 0 },
};

/* A whole number in this base from min to max, nothing behind it. */
static bool parse_number(const char *text, int base, unsigned long min, unsigned long max,
                         unsigned long *to)
{
    char *end;
    if (text[0] < '0' || text[0] > '9') {
        return false;
    }
    *to = strtoul(text, &end, base);
    return *end == 0 && *to >= min && *to <= max;
}

static bool take_fd(const char *option, const char *text, int *to)
{
    unsigned long number;
    if (*to >= 0) {
        report_error("--%s is given twice; keep one", option);
        return false;
    }
    if (!parse_number(text, 10, 0, INT32_MAX, &number)) {
        report_error("--%s %s is not the number of a descriptor; 3 is, for instance", option, text);
        return false;
    }
    *to = (int)number;
    return true;
}

static bool take_mode(struct blk_options *options, const char *text)
{
    unsigned long mode;
    if (!parse_number(text, 8, 0, 0777, &mode)) {
        report_error("--socket-mode %s is not an octal mode from 0 to 0777; 0660 is the default",
                     text);
        return false;
    }
    options->socket_mode = (mode_t)mode;
    return true;
}

static bool take_workers(struct blk_options *options, const char *text)
{
    unsigned long count;
    if (!parse_number(text, 10, 1, MAX_WORKERS, &count)) {
        report_error("--workers %s is not a number from 1 to %d", text, MAX_WORKERS);
        return false;
    }
    options->workers = (unsigned)count;
    return true;
}

static bool take_log(const char *text)
{
    static const char *const levels[] = { "error", "warning", "info", "debug", NULL };
    for (int i = 0; levels[i]; i++) {
        if (strcmp(text, levels[i]) == 0) {
            report_set_level((enum tenon_log_level)i);
            return true;
        }
    }
    report_error("--log %s is not a level; there are error, warning, info and debug", text);
    return false;
}

/*
 * Disks are read when all options are known: --read-only may come behind them. Until then `spec` of
 * each holds the text as it was given.
 */
static bool keep_disk(struct blk_options *options, char *text, bool is_operand)
{
    if (options->disk_count == MAX_DISKS) {
        report_error("more than %d disks; start another daemon for the others", MAX_DISKS);
        free(text);
        return false;
    }
    struct disk_options *grown =
        realloc(options->disks, (options->disk_count + 1) * sizeof(*grown));
    if (grown) {
        options->disks = grown;
    }
    if (!text || !grown) {
        report_error("out of memory");
        free(text);
        return false;
    }
    grown[options->disk_count++] = (struct disk_options){ .spec = text, .is_operand = is_operand };
    return true;
}

/* "file=PATH" with the commas of the path doubled. */
static char *file_text(const char *path)
{
    char *text = NULL;
    size_t bytes;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) {
        return NULL;
    }
    fputs("file=", out);
    for (; *path; path++) {
        fputs(*path == ',' ? ",," : (char[]){ *path, 0 }, out);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

static bool take_option(struct blk_options *options, int id, const char *value)
{
    switch (id) {
    case ARGS_OPERAND:
        return keep_disk(options, file_text(value), true);
    case OPTION_BLK_FILE:
        return keep_disk(options, file_text(value), false);
    case OPTION_DISK:
        return keep_disk(options, strdup(value), false);
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
        return take_workers(options, value);
    case OPTION_EXIT_ON_DISCONNECT:
        options->exit_on_disconnect = true;
        return true;
    case OPTION_LOG:
        return take_log(value);
    case OPTION_HELP:
        options->help = true;
        return true;
    default:
        return id == OPTION_CAPABILITIES; /* was answered before anything was read */
    }
}

static bool read_disks(struct blk_options *options)
{
    for (unsigned i = 0; i < options->disk_count; i++) {
        struct disk_options *disk = &options->disks[i];
        char *text = disk->spec;
        bool is_operand = disk->is_operand;
        bool good = disk_options_read(disk, text, options->read_only);
        free(text);
        disk->is_operand = is_operand;
        if (!good) {
            return false;
        }
    }
    return true;
}

static bool name_is_taken(const struct blk_options *options, unsigned before, const char *name)
{
    for (unsigned i = 0; i < before; i++) {
        if (strcmp(options->disks[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

/* Names stand in logs and statistics, and are serial numbers: two disks must not share one. */
static bool tell_names_apart(struct blk_options *options)
{
    for (unsigned i = 0; i < options->disk_count; i++) {
        struct disk_options *disk = &options->disks[i];
        char base[DISK_NAME_BYTES];
        memcpy(base, disk->name, sizeof(base));
        for (unsigned n = 2; name_is_taken(options, i, disk->name); n++) {
            if (disk->name_given) {
                report_error("two disks are named '%s'; give each its own name=", disk->name);
                return false;
            }
            snprintf(disk->name, sizeof(disk->name), "%.50s-%u", base, n);
        }
        if (disk->serial[0] == 0) {
            snprintf(disk->serial, sizeof(disk->serial), "%.*s", SERIAL_BYTES, disk->name);
        }
    }
    return true;
}

/* The disk that --socket-path, --fd or systemd's sockets are for; how many there are of them. */
static unsigned disks_without_socket(const struct blk_options *options)
{
    unsigned count = 0;
    for (unsigned i = 0; i < options->disk_count; i++) {
        count += options->disks[i].socket == NULL;
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
    for (unsigned i = 0; i < options->disk_count; i++) {
        struct disk_options *disk = &options->disks[i];
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
    if (options->disk_count == 0) {
        report_error("no disk was named; try `tenon blk disk.img`, or --help");
        return false;
    }
    return read_disks(options) && tell_names_apart(options) && place_sockets(options);
}

void blk_options_free(struct blk_options *options)
{
    for (unsigned i = 0; i < options->disk_count; i++) {
        disk_options_free(&options->disks[i]);
    }
    free(options->disks);
    options->disks = NULL;
    options->disk_count = 0;
}
