/*
 * serve_main.c: what `tenon blk` and `tenon net` have in common before anything is opened: QEMU's
 * conventions for back-end programs.
 */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "cmd.h"
#include "serve.h"
#include "sockets.h"

static int print(const char *text)
{
    return fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? EXIT_OK : EXIT_CANNOT;
}

static bool asks_capabilities(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--print-capabilities") == 0) {
            return true;
        }
    }
    return false;
}

int serve_main(enum device_kind kind, int argc, char **argv, const char *help,
               const char *capabilities)
{
    /* VU-104: all other options are ignored, also wrong ones. */
    if (asks_capabilities(argc, argv)) {
        return print(capabilities);
    }
    int passed = socket_count_passed();
    if (passed < 0) {
        return EXIT_USAGE;
    }
    struct serve_options options;
    int result = EXIT_USAGE;
    if (serve_options_read(&options, kind, argc, argv, passed)) {
        result = options.help ? print(help) : serve_run(&options);
    }
    serve_options_free(&options);
    return result;
}
