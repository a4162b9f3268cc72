/*
 * limit_options.h: limits in the text of a device or a --limit-group: one key for each number.
 *
 *   iops  iops-read  iops-write  bps  bps-read  bps-write      each alone: what is sustained
 *   frames  frames-rx  frames-tx  bytes  bytes-rx  bytes-tx    the same of a network device
 *   ...-burst                                                  what may be saved up
 *   ...-burst-once                                             what passes once on top
 */
#ifndef TENON_LIMIT_OPTIONS_H
#define TENON_LIMIT_OPTIONS_H

#include <stdbool.h>

#include <tenon/limits.h>

#include "device_options.h"

/* The names of all keys, ended by NULL; `keys` below is one of the two. */
extern const char *const limit_disk_keys[], *const limit_net_keys[];
enum { LIMIT_KEYS = 18 };

bool limit_is_key(const char *const *keys, const char *name);
/* Takes one key. False: it was reported. */
bool limit_take(struct tenon_limits *limits, const char *const *keys, const char *name,
                const char *value);
/* Sets one key to a number, whatever it was; the name is one. */
void limit_put(struct tenon_limits *limits, const char *const *keys, const char *name,
               uint64_t number);
/* Whether what was taken fits together. */
bool limit_check(const struct tenon_limits *limits, const char *const *keys, const char *of);
bool limit_any(const struct tenon_limits *limits);

/* The text of a --limit-group. False: it was reported. */
bool limit_group_read(struct limit_group_options *group, const char *text);

#endif
