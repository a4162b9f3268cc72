/*
 * device_keys.h: reading the "key=value,..." of one device: the walk, and the keys that devices of
 * every kind have. For disk_options.c and net_options.c, which add their own.
 */
#ifndef TENON_DEVICE_KEYS_H
#define TENON_DEVICE_KEYS_H

#include <stdio.h>

#include "device_options.h"

struct device_reading;

/* A key without a function belongs to tenon_disk_open or tenon_link_open. */
struct device_key {
    const char *name;
    bool (*take)(struct device_reading *reading, const char *value);
};

/* What is being read: the device, and what is collected on the way. */
struct device_reading {
    struct device_options *device;
    const char *option;            /* "--disk": for messages */
    const struct device_key *keys; /* ended by one without a name */
    const char *const *limit_keys;
    FILE *spec; /* becomes device->spec, of so many bytes */
    size_t spec_bytes;
    unsigned long seen; /* one bit for each key of the table */
    bool read_only;
};

/* Begins device->spec, and gives everything its default; false: reported. */
bool device_reading_begin(struct device_reading *reading);
/* Takes all pairs of the text. */
bool device_reading_take(struct device_reading *reading, const char *text);
/* Ends device->spec, also after something was wrong; false: no memory, reported. */
bool device_reading_end(struct device_reading *reading);
/* Adds to device->spec. */
void device_put_spec(struct device_reading *reading, const char *key, const char *value);

/* Each false, or -1, when the value is not possible, which was reported. */

bool device_take_number(const char *key, const char *value, unsigned min, unsigned max,
                        unsigned *to);
bool device_take_switch(const char *key, const char *value, bool *to);
/* The place of the value among the words (ended by NULL); `all` is how they stand in a sentence. */
int device_take_word(const char *key, const char *value, const char *const *words, const char *all);
bool device_keep_text(char **to, const char *value);
/* `key` is how the name is called here. */
bool device_take_name(struct device_options *device, const char *key, const char *value);
/* The name that a device has when none was given: the last part of a path, without extension. */
void device_choose_name(struct device_options *device, const char *path);

/* Rows for the tables of keys. */
bool device_take_socket(struct device_reading *reading, const char *value);
bool device_take_queue_size(struct device_reading *reading, const char *value);
bool device_take_workers(struct device_reading *reading, const char *value);
bool device_take_cpus(struct device_reading *reading, const char *value);
bool device_take_queue_workers(struct device_reading *reading, const char *value);
bool device_take_event_idx(struct device_reading *reading, const char *value);
bool device_take_poll_us(struct device_reading *reading, const char *value);
bool device_take_limit_group(struct device_reading *reading, const char *value);
/* clang-format off */
#define DEVICE_KEYS \
    { "socket", device_take_socket }, \
    { "queue-size", device_take_queue_size }, \
    { "workers", device_take_workers }, \
    { "cpus", device_take_cpus }, \
    { "queue-workers", device_take_queue_workers }, \
    { "event-idx", device_take_event_idx }, \
    { "poll-us", device_take_poll_us }, \
    { "limit-group", device_take_limit_group }
/* clang-format on */

#endif
