/*
 * tenon.c: the `tenon` program: a table of subcommands. Started by the name that QEMU's management
 * tools look for (tenon-vhost-user-blk, tenon-vhost-user-net), it is `tenon blk` or `tenon net`.
 */
#include <stdio.h>
#include <string.h>

#include <tenon/base.h>
#include <tenon/opts.h>

#include "cmd.h"
#include "daemon.h"
#include "report.h"

struct command {
    const char *name;
    const char *summary;
    int (*run)(int argc, char **argv);
};

static int cmd_help(int argc, char **argv);
static int cmd_version(int argc, char **argv);

static const struct command commands[] = {
    { "blk", "serve disk images to virtual machines over vhost-user", cmd_blk },
    { "net", "serve network devices to virtual machines over vhost-user", cmd_net },
#ifdef TENON_RUN
    { "run", "boot a Linux guest on KVM, with disks and network devices", cmd_run },
#endif
#ifdef TENON_CONTROL
    { "stat", "show what a serving process has done", cmd_stat },
#endif
    { "help", "say what there is; `tenon help blk` is `tenon blk --help`", cmd_help },
    { "version", "print the version", cmd_version },
};

enum { COMMAND_COUNT = sizeof(commands) / sizeof(commands[0]) };

static const struct command *find_command(const char *name)
{
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int refuse_command(const char *name)
{
    const char *names[COMMAND_COUNT + 1] = { NULL };
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        names[i] = commands[i].name;
    }
    const char *nearest = tenon_nearest(name, names);
    if (nearest) {
        report_error("there is no command '%s'; did you mean '%s'?", name, nearest);
    } else {
        report_error("there is no command '%s'; `tenon help` lists them", name);
    }
    return EXIT_USAGE;
}

static void print_help(FILE *out)
{
    fputs("Usage: tenon COMMAND [OPTION]...\nvirtio devices for virtual machines.\n\n", out);
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        fprintf(out, "  %-9s %s\n", commands[i].name, commands[i].summary);
    }
    fputs("\nTo begin:  tenon blk disk.img\nEach command takes --help. Details: man tenon\n", out);
}

static int cmd_help(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stdout);
        return fflush(stdout) == 0 ? EXIT_OK : EXIT_CANNOT;
    }
    const struct command *command = find_command(argv[1]);
    if (!command) {
        return refuse_command(argv[1]);
    }
    if (command->run == cmd_help || command->run == cmd_version) {
        printf("tenon %s: %s\n", command->name, command->summary);
        return fflush(stdout) == 0 ? EXIT_OK : EXIT_CANNOT;
    }
    char *for_command[] = { argv[1], (char[]){ "--help" }, NULL };
    return command->run(2, for_command);
}

static int cmd_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    printf("tenon %s\n", tenon_version());
    return fflush(stdout) == 0 ? EXIT_OK : EXIT_CANNOT;
}

/* The options that everybody tries on an unknown program. */
static const char *command_name(const char *word)
{
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0) {
        return "help";
    }
    return strcmp(word, "--version") == 0 ? "version" : word;
}

int main(int argc, char **argv)
{
    daemon_fill_standard_fds();
    report_init();
    tenon_set_log(report_library, NULL);

    const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
    const char *own_name = slash ? slash + 1 : argc > 0 ? argv[0] : "";
    if (strcmp(own_name, "tenon-vhost-user-blk") == 0) {
        return cmd_blk(argc, argv);
    }
    if (strcmp(own_name, "tenon-vhost-user-net") == 0) {
        return cmd_net(argc, argv);
    }
    if (argc < 2) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    const struct command *command = find_command(command_name(argv[1]));
    if (!command) {
        return refuse_command(argv[1]);
    }
    return command->run(argc - 1, argv + 1);
}
