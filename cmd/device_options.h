/*
 * device_options.h: the devices that a command line asks for, of whatever kind and subcommand.
 * Reading them opens nothing; what is wrong is reported here, with what would be right.
 *
 *   device_list.c    all of them: names, groups of limits      device_keys.c   what all have
 *   disk_options.c   what a disk has                           net_options.c   a network device
 */
#ifndef TENON_DEVICE_OPTIONS_H
#define TENON_DEVICE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <tenon/blk.h>
#include <tenon/net.h>

#include "numbers.h"

enum { DEVICE_NAME_BYTES = 64, SERIAL_BYTES = 20, DEFAULT_QUEUE_SIZE = 1024, WORKERS_MAX = 256 };

struct disk_news;

/* One --limit-group. */
struct limit_group_options {
    char name[DEVICE_NAME_BYTES];
    struct tenon_limits limits;
    struct tenon_limit_group *group; /* made with the first device that is in it */
};

enum device_kind { DEVICE_DISK, DEVICE_NET };

/* What only a disk has. */
struct disk_part {
    char *file;                    /* NULL: not a file */
    char serial[SERIAL_BYTES + 1]; /* empty: the name is used */
    enum tenon_cache cache;
    enum tenon_on_error on_error;
    bool no_discard;
    struct disk_news *news; /* of its device, once that is made */
};

/* What only a network device has; most as in struct tenon_net_opts. */
struct net_part {
    char *link;    /* its kind: "tap", "dgram", "stream", "pair" */
    char *at;      /* the interface, path or pair; NULL: a descriptor */
    char *capture; /* a file; NULL: none */
    bool is_pair;  /* with the other one that has the same `at` */
    unsigned fds;  /* how many were given; 0: none */
    uint8_t mac[6];
    uint16_t mtu;
    uint32_t speed;
    unsigned offload;
    bool no_mrg_rxbuf, no_ctrl, rss, drop_when_full;
    uint32_t coalesce_frames, coalesce_us;
};

/* One device. */
struct device_options {
    enum device_kind kind;
    char *text;      /* as it was given, until it has been read */
    bool is_operand; /* given as IMAGE */
    char *spec;      /* what tenon_disk_open or tenon_link_open gets: the keys that are not ours */
    char *socket;    /* NULL: not named */
    char name[DEVICE_NAME_BYTES];
    bool name_given;
    unsigned queues; /* of a network device: pairs. 0: not named */
    unsigned queue_size;
    unsigned workers;             /* of its own; 0: not named */
    struct numbers cpus;          /* of those */
    struct numbers queue_workers; /* of --workers, the one of each queue */
    bool no_event_idx;
    int poll_us; /* as in struct tenon_blk_opts */
    struct tenon_limits limits;
    char *limit_group;                 /* NULL: none */
    struct limit_group_options *group; /* the one of this name */
    struct disk_part disk;             /* of its kind */
    struct net_part net;
};

struct device_list {
    struct device_options *devices;
    unsigned count;
    struct limit_group_options *groups;
    unsigned group_count;
    const char *net_option; /* by which network devices are given here: "--link" or "--net" */
};

/* "disk" or "net": what stands in messages, before the name. */
const char *device_word(enum device_kind kind);

/* device_list.c. Each reports what is wrong, and is false then. */

/*
 * Adds the text of a --disk, --link or --net, or a path that stands for --disk file=PATH. It is
 * read later, when all options are known.
 */
bool device_list_add(struct device_list *list, enum device_kind kind, const char *text);
bool device_list_add_file(struct device_list *list, const char *path, bool is_operand);
/* Adds the text of a --limit-group. */
bool device_list_add_group(struct device_list *list, const char *text);
/* Reads all that were added; no two will have the same name. `read_only`: all disks are. */
bool device_list_read(struct device_list *list, bool read_only);
/* Whether somebody can resume what is kept; `control`: there is a control socket. */
bool device_list_check_errors(const struct device_list *list, bool control);
unsigned device_list_count(const struct device_list *list, enum device_kind kind);
void device_list_free(struct device_list *list);

/* disk_options.c, net_options.c: read one; its kind and text are there. */
bool disk_options_read(struct device_options *disk, bool read_only);
void disk_options_free(struct device_options *disk);
/* `option` is its name in messages: "--link". */
bool net_options_read(struct device_options *net, const char *option);
/* Whether each pair=NAME is named by two devices; makes them have as many queues. */
bool net_options_match(struct device_list *list);
void net_options_free(struct device_options *net);

#endif
