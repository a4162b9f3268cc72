/*
 * disk_options.h: the disks that a command line asks for, of whatever subcommand. Reading them
 * opens nothing; what is wrong is reported here, with what would be right.
 */
#ifndef TENON_DISK_OPTIONS_H
#define TENON_DISK_OPTIONS_H

#include <stdbool.h>

#include <tenon/blk.h>

#include "numbers.h"

enum { DISK_NAME_BYTES = 64, SERIAL_BYTES = 20, DEFAULT_QUEUE_SIZE = 1024, WORKERS_MAX = 256 };

struct disk_news;

/* One --limit-group. */
struct limit_group_options {
    char name[DISK_NAME_BYTES];
    struct tenon_limits limits;
    struct tenon_limit_group *group; /* made with the first disk that is in it */
};

/* One --disk, --blk-file or IMAGE. */
struct disk_options {
    char *spec;   /* what tenon_disk_open gets: the keys that are not ours */
    char *file;   /* NULL: not a file */
    char *socket; /* NULL: not named */
    char name[DISK_NAME_BYTES];
    bool name_given;
    char serial[SERIAL_BYTES + 1]; /* empty: the name is used */
    unsigned queues;               /* 0: not named */
    unsigned queue_size;
    unsigned workers;             /* of its own; 0: not named */
    struct numbers cpus;          /* of those */
    struct numbers queue_workers; /* of --workers, the one of each queue */
    enum tenon_cache cache;
    enum tenon_on_error on_error;
    bool no_discard;
    bool no_event_idx;
    int poll_us;     /* as in struct tenon_blk_opts */
    bool is_operand; /* given as IMAGE */
    struct tenon_limits limits;
    char *limit_group;                 /* NULL: none */
    struct limit_group_options *group; /* the one of this name */
    struct disk_news *news;            /* of its device, once that is made */
};

struct disk_list {
    struct disk_options *disks;
    unsigned count;
    struct limit_group_options *groups;
    unsigned group_count;
};

/* disk_list.c. Each reports what is wrong, and is false then. */

/*
 * Adds the text of a --disk, or a path that stands for --disk file=PATH. It is read later, when all
 * options are known.
 */
bool disk_list_add(struct disk_list *list, const char *text);
bool disk_list_add_file(struct disk_list *list, const char *path, bool is_operand);
/* Adds the text of a --limit-group. */
bool disk_list_add_group(struct disk_list *list, const char *text);
/* Reads all that were added; no two will have the same name. */
bool disk_list_read(struct disk_list *list, bool read_only);
/* Whether somebody can resume what is kept; `control`: there is a control socket. */
bool disk_list_check_errors(const struct disk_list *list, bool control);
void disk_list_free(struct disk_list *list);

/* disk_options.c: reads one. */
bool disk_options_read(struct disk_options *disk, const char *text, bool read_only);
void disk_options_free(struct disk_options *disk);

/*
 * disk_device.c: opens the disk, and makes the device that is it, the how-manieth of those that
 * share the pool. An exit code; was reported.
 */
struct worker_pool;
int disk_device_open(const struct disk_options *options, struct tenon_disk **out);
int disk_device_make(const struct disk_options *options, struct tenon_disk *disk,
                     const struct worker_pool *pool, unsigned number, struct tenon_device **out);

#endif
