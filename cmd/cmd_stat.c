/*
 * cmd_stat.c: `tenon stat`: what a serving process has done, as a table for people or as JSON.
 */
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "args.h"
#include "cmd.h"
#include "report.h"
#include "stat_client.h"
#include "stat_table.h"

static const char help[] =
    "Usage: tenon stat [OPTION]... SOCKET\n"
    "Shows what a tenon that was started with --control SOCKET has done.\n"
    "\n"
    "  --json       the answer as it is, for programs\n"
    "  --watch      again each second, with what was done in it; Ctrl-C ends\n"
    "  --help\n"
    "Details: man tenon-stat\n";

enum option { OPTION_JSON = 1, OPTION_WATCH, OPTION_HELP };

static const struct args_option table[] = {
    { "json", NULL, OPTION_JSON },
    { "watch", NULL, OPTION_WATCH },
    { "help", NULL, OPTION_HELP },
    { NULL, NULL, 0 },
};

struct stat_options {
    const char *socket;
    bool json, watch, help;
};

static bool read_options(struct stat_options *options, int argc, char **argv)
{
    struct args args;
    int id;
    args_begin(&args, argc, argv, table, NULL);
    while ((id = args_next(&args)) != ARGS_END) {
        if (id == ARGS_WRONG) {
            return false;
        }
        if (id == ARGS_OPERAND && options->socket) {
            report_error("'%s' is one socket too many; give one", args.value);
            return false;
        }
        options->socket = id == ARGS_OPERAND ? args.value : options->socket;
        options->json = options->json || id == OPTION_JSON;
        options->watch = options->watch || id == OPTION_WATCH;
        options->help = options->help || id == OPTION_HELP;
    }
    if (!options->help && !options->socket) {
        report_error("no socket was named; give the path of --control: `tenon stat SOCKET`");
        return false;
    }
    return true;
}

static bool show(const struct stat_options *options, struct json_object *status,
                 struct json_object *before, struct json_object *now)
{
    if (options->json) {
        int style = JSON_C_TO_STRING_PLAIN; /* one line for each second */
        style = options->watch ? style : JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED;
        puts(json_object_to_json_string_ext(now, style));
    } else {
        stat_table_print(status, before, now);
    }
    return fflush(stdout) == 0;
}

/* Asks once, or again and again. False: it ended in trouble, which was reported. */
static bool follow(const struct stat_options *options, int fd, struct json_object *status)
{
    struct json_object *before = NULL, *now;
    bool good = true;
    do {
        now = stat_ask(fd, "stats");
        good = now && show(options, status, before, now);
        json_object_put(before);
        before = now;
    } while (good && options->watch && sleep(1) == 0);
    json_object_put(before);
    return good;
}

int cmd_stat(int argc, char **argv)
{
    struct stat_options options = { 0 };
    if (!read_options(&options, argc, argv)) {
        return EXIT_USAGE;
    }
    if (options.help) {
        return fputs(help, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_CANNOT;
    }
    int fd = stat_connect(options.socket);
    struct json_object *status = fd >= 0 ? stat_ask(fd, "status") : NULL;
    bool good = status && follow(&options, fd, status);
    json_object_put(status);
    if (fd >= 0) {
        close(fd);
    }
    return good ? EXIT_OK : EXIT_CANNOT;
}
