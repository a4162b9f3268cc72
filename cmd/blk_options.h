/*
 * blk_options.h: what a command line of `tenon blk` asks for. Reading it opens nothing; what is
 * wrong with it is reported here, with what would be right.
 */
#ifndef TENON_BLK_OPTIONS_H
#define TENON_BLK_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

#include <tenon/base.h>
#include <tenon/blk.h>

#include "sockets.h"

enum { DISK_NAME_BYTES = 64, SERIAL_BYTES = 20, DEFAULT_QUEUES = 64, DEFAULT_QUEUE_SIZE = 1024 };

/* One --disk, --blk-file or IMAGE. */
struct disk_options {
    char *spec;   /* what tenon_disk_open gets: the keys that are not ours */
    char *file;   /* NULL: not a file */
    char *socket; /* NULL: not named */
    char name[DISK_NAME_BYTES];
    bool name_given;
    char serial[SERIAL_BYTES + 1]; /* empty: the name is used */
    unsigned queues, queue_size;
    enum tenon_cache cache;
    bool no_discard;
    bool is_operand; /* given as IMAGE: its socket is beside it, and we say how to use it */
};

struct blk_options {
    struct disk_options *disks;
    unsigned disk_count;
    const char *socket_path; /* NULL: none */
    int fd;                  /* -1: none */
    int ready_fd;            /* -1: none */
    mode_t socket_mode;
    bool read_only;
    bool exit_on_disconnect;
    bool help;
    unsigned workers;   /* 0: each disk has one of its own */
    int passed_sockets; /* by systemd */
};

/*
 * Reads argv. `passed_sockets` is how many systemd gave us. False: reported. Give it back with
 * blk_options_free either way.
 */
bool blk_options_read(struct blk_options *options, int argc, char **argv, int passed_sockets);
void blk_options_free(struct blk_options *options);

/* Adds a disk by the text of --disk. False: reported. */
bool disk_options_read(struct disk_options *disk, const char *text, bool read_only);
void disk_options_free(struct disk_options *disk);

#endif
