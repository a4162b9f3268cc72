/*
 * disk_options.c: the text of one --disk. Keys about the device and its socket are kept here; the
 * others, which say where the bytes are, are passed on to tenon_disk_open, whose grammar this one
 * extends.
 *
 *   "file=a.img,socket=a.sock,direct=on"  ──>  socket: a.sock   spec: "file=a.img,direct=on"
 */
#include "disk_options.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/opts.h>

#include "disk_news.h"
#include "limit_options.h"
#include "report.h"

enum { KEY_BYTES = 64, VALUE_BYTES = 4200 };

/* What is being read: the disk, and what is collected on the way. */
struct reading {
    struct disk_options *disk;
    FILE *spec;
    bool read_only;
    unsigned seen; /* one bit for each key of the table */
};

/* All keys, for "did you mean". Those without a function belong to tenon_disk_open. */
struct key {
    const char *name;
    bool (*take)(struct reading *reading, const char *value);
};

static void put_spec(struct reading *reading, const char *key, const char *value)
{
    fprintf(reading->spec, "%s%s=", ftell(reading->spec) > 0 ? "," : "", key);
    for (; *value; value++) {
        fputs(*value == ',' ? ",," : (char[]){ *value, 0 }, reading->spec);
    }
}

static bool take_number(const char *key, const char *value, unsigned max, unsigned *to)
{
    uint64_t number;
    if (tenon_parse_size(value, &number) != 0 || number < 1 || number > max) {
        report_error("%s=%s is not a number from 1 to %u", key, value, max);
        return false;
    }
    *to = (unsigned)number;
    return true;
}

static bool keep_text(char **to, const char *value)
{
    *to = strdup(value);
    if (!*to) {
        report_error("out of memory");
    }
    return *to != NULL;
}

static bool take_file(struct reading *reading, const char *value)
{
    put_spec(reading, "file", value);
    return keep_text(&reading->disk->file, value);
}

static bool take_socket(struct reading *reading, const char *value)
{
    return keep_text(&reading->disk->socket, value);
}

static bool take_name(struct reading *reading, const char *value)
{
    size_t bytes = strlen(value);
    if (bytes == 0 || bytes >= DISK_NAME_BYTES) {
        report_error("name=%s has %zu bytes; a name has 1 to %d", value, bytes,
                     DISK_NAME_BYTES - 1);
        return false;
    }
    memcpy(reading->disk->name, value, bytes + 1);
    reading->disk->name_given = true;
    return true;
}

static bool take_serial(struct reading *reading, const char *value)
{
    size_t bytes = strlen(value);
    if (bytes == 0 || bytes > SERIAL_BYTES) {
        report_error("serial=%s has %zu bytes; a serial number has 1 to %d", value, bytes,
                     SERIAL_BYTES);
        return false;
    }
    memcpy(reading->disk->serial, value, bytes + 1);
    return true;
}

static bool take_queues(struct reading *reading, const char *value)
{
    return take_number("queues", value, 256, &reading->disk->queues);
}

static bool take_queue_size(struct reading *reading, const char *value)
{
    unsigned size;
    if (!take_number("queue-size", value, 32768, &size)) {
        return false;
    }
    if ((size & (size - 1)) != 0) {
        report_error("queue-size=%s is not a power of 2; 128, 256 and 1024 are", value);
        return false;
    }
    reading->disk->queue_size = size;
    return true;
}

/* The place of `value` among the words; -1: it is none of them, which was reported. */
static int take_word(const char *key, const char *value, const char *const *words, const char *all)
{
    for (int i = 0; words[i]; i++) {
        if (strcmp(value, words[i]) == 0) {
            return i;
        }
    }
    const char *nearest = tenon_nearest(value, words);
    report_error("%s=%s is not possible; %s%s%sthere are %s", key, value,
                 nearest ? "did you mean " : "", nearest ? nearest : "", nearest ? "? " : "", all);
    return -1;
}

static bool take_workers(struct reading *reading, const char *value)
{
    return take_number("workers", value, WORKERS_MAX, &reading->disk->workers);
}

static bool take_cpus(struct reading *reading, const char *value)
{
    return numbers_read(&reading->disk->cpus, "cpus", value);
}

static bool take_queue_workers(struct reading *reading, const char *value)
{
    return numbers_read(&reading->disk->queue_workers, "queue-workers", value);
}

static bool take_cache(struct reading *reading, const char *value)
{
    static const char *const modes[] = { "writeback", "writethrough", "unsafe", NULL };
    static const enum tenon_cache caches[] = { TENON_CACHE_WRITEBACK, TENON_CACHE_WRITETHROUGH,
                                               TENON_CACHE_UNSAFE };
    int found = take_word("cache", value, modes, "writeback, writethrough and unsafe");
    reading->disk->cache = caches[found < 0 ? 0 : found];
    return found >= 0;
}

/* QEMU's words for werror=. Its `ignore` is missing: it tells guests that lost data is safe. */
static bool take_on_error(struct reading *reading, const char *value)
{
    static const char *const words[] = { "report", "stop", "enospc", NULL };
    static const enum tenon_on_error policies[] = { TENON_ON_ERROR_REPORT, TENON_ON_ERROR_STOP,
                                                    TENON_ON_ERROR_ENOSPC };
    int found = take_word("on-error", value, words, "report, stop and enospc");
    reading->disk->on_error = policies[found < 0 ? 0 : found];
    return found >= 0;
}

static bool take_switch(const char *key, const char *value, bool *to)
{
    if (tenon_parse_bool(value, to) != 0) {
        report_error("%s=%s is neither on nor off", key, value);
        return false;
    }
    return true;
}

static bool take_read_only(struct reading *reading, const char *value)
{
    bool read_only;
    if (!take_switch("read-only", value, &read_only)) {
        return false;
    }
    reading->read_only = reading->read_only || read_only;
    return true;
}

/* Both the device, which offers it, and the disk, which does it, have to know. */
static bool take_discard(struct reading *reading, const char *value)
{
    bool discard;
    if (!take_switch("discard", value, &discard)) {
        return false;
    }
    reading->disk->no_discard = !discard;
    put_spec(reading, "discard", value);
    return true;
}

static bool take_event_idx(struct reading *reading, const char *value)
{
    bool event_idx;
    if (!take_switch("event-idx", value, &event_idx)) {
        return false;
    }
    reading->disk->no_event_idx = !event_idx;
    return true;
}

static bool take_poll_us(struct reading *reading, const char *value)
{
    uint64_t us = 0;
    if (strcmp(value, "auto") == 0) {
        return true;
    }
    if (tenon_parse_size(value, &us) != 0 || us > 1000000) {
        report_error("poll-us=%s is neither auto nor a number of microseconds from 0 to 1000000",
                     value);
        return false;
    }
    reading->disk->poll_us = us == 0 ? TENON_POLL_OFF : (int)us;
    return true;
}

static bool take_limit_group(struct reading *reading, const char *value)
{
    return keep_text(&reading->disk->limit_group, value);
}

static const struct key keys[] = {
    { "file", take_file },
    { "socket", take_socket },
    { "name", take_name },
    { "serial", take_serial },
    { "queues", take_queues },
    { "queue-size", take_queue_size },
    { "workers", take_workers },
    { "cpus", take_cpus },
    { "queue-workers", take_queue_workers },
    { "cache", take_cache },
    { "read-only", take_read_only },
    { "on-error", take_on_error },
    { "discard", take_discard },
    { "event-idx", take_event_idx },
    { "poll-us", take_poll_us },
    { "limit-group", take_limit_group },
    { "memory", NULL },
    { "fd", NULL },
    { "direct", NULL },
    { "engine", NULL },
    { "threads", NULL },
    { "offset", NULL },
    { "size", NULL },
    { "block-size", NULL },
    { "lock", NULL },
};

enum { KEY_COUNT = sizeof(keys) / sizeof(keys[0]) };

static void refuse_key(const char *name)
{
    const char *names[KEY_COUNT + LIMIT_KEYS + 1] = { NULL };
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        names[i] = keys[i].name;
    }
    memcpy(names + KEY_COUNT, limit_keys, LIMIT_KEYS * sizeof(names[0]));
    const char *nearest = tenon_nearest(name, names);
    if (nearest) {
        report_error("unknown key '%s' in --disk; did you mean '%s'?", name, nearest);
    } else {
        report_error("unknown key '%s' in --disk; --help lists the keys", name);
    }
}

static bool take_pair(struct reading *reading, const char *name, const char *value)
{
    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (strcmp(keys[i].name, name) != 0) {
            continue;
        }
        if (reading->seen & 1U << i) {
            report_error("the key '%s' is given twice in one --disk; keep one", name);
            return false;
        }
        reading->seen |= 1U << i;
        if (keys[i].take) {
            return keys[i].take(reading, value);
        }
        put_spec(reading, name, value);
        return true;
    }
    if (limit_is_key(name)) {
        return limit_take(&reading->disk->limits, name, value);
    }
    refuse_key(name);
    return false;
}

static bool take_pairs(struct reading *reading, const char *text)
{
    char name[KEY_BYTES], value[VALUE_BYTES];
    const char *rest = text;
    for (;;) {
        int result = tenon_opts_next(&rest, name, sizeof(name), value, sizeof(value));
        if (result == 0) {
            return true;
        }
        if (result < 0) {
            report_error("--disk '%s': %s", text, tenon_error());
            return false;
        }
        if (!take_pair(reading, name, value)) {
            return false;
        }
    }
}

/* The file's name without directories and extension: a name that a log and a thread can carry. */
static void choose_name(struct disk_options *disk)
{
    if (disk->name_given) {
        return;
    }
    const char *slash = disk->file ? strrchr(disk->file, '/') : NULL;
    const char *base = slash ? slash + 1 : disk->file ? disk->file : "disk";
    snprintf(disk->name, sizeof(disk->name), "%.*s", DISK_NAME_BYTES - 1, base);
    char *dot = strrchr(disk->name, '.');
    if (dot && dot != disk->name) {
        *dot = 0;
    }
    if (disk->name[0] == 0) {
        strcpy(disk->name, "disk");
    }
}

bool disk_options_read(struct disk_options *disk, const char *text, bool read_only)
{
    *disk = (struct disk_options){ .queue_size = DEFAULT_QUEUE_SIZE,
                                   .limits = { .size = sizeof(disk->limits) } };
    size_t bytes;
    struct reading reading = { .disk = disk, .read_only = read_only };
    reading.spec = open_memstream(&disk->spec, &bytes);
    if (!reading.spec) {
        report_error("out of memory");
        return false;
    }
    disk->news = disk_news_new();
    bool done = disk->news && take_pairs(&reading, text);
    if (!disk->news) {
        report_error("out of memory");
    }
    if (reading.read_only) {
        put_spec(&reading, "read-only", "on");
    }
    if (fclose(reading.spec) != 0) {
        report_error("out of memory");
        return false;
    }
    if (done) {
        choose_name(disk);
        /* CPUs without a number of workers: one worker for each. */
        disk->workers = disk->workers ? disk->workers : disk->cpus.count;
    }
    return done && limit_check(&disk->limits, disk->name);
}

void disk_options_free(struct disk_options *disk)
{
    free(disk->spec);
    free(disk->file);
    free(disk->socket);
    free(disk->limit_group);
    disk_news_free(disk->news);
    numbers_free(&disk->cpus);
    numbers_free(&disk->queue_workers);
}
