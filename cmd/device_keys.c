/*
 * device_keys.c: the text of one device. Keys about the device and its socket are kept; the others,
 * which say where bytes or frames are, are passed on to the library, whose grammar this one
 * extends.
 *
 *   "file=a.img,socket=a.sock,direct=on"  ──>  socket: a.sock   spec: "file=a.img,direct=on"
 */
#include "device_keys.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <tenon/opts.h>

#include "limit_options.h"
#include "report.h"

enum { KEY_BYTES = 64, VALUE_BYTES = 4200, KEYS_MAX = 8 * sizeof(unsigned long) };

/* ---- values ---- */

bool device_take_number(const char *key, const char *value, unsigned min, unsigned max,
                        unsigned *to)
{
    uint64_t number;
    if (tenon_parse_size(value, &number) != 0 || number < min || number > max) {
        report_error("%s=%s is not a number from %u to %u", key, value, min, max);
        return false;
    }
    *to = (unsigned)number;
    return true;
}

bool device_take_switch(const char *key, const char *value, bool *to)
{
    if (tenon_parse_bool(value, to) != 0) {
        report_error("%s=%s is neither on nor off", key, value);
        return false;
    }
    return true;
}

int device_take_word(const char *key, const char *value, const char *const *words, const char *all)
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

bool device_keep_text(char **to, const char *value)
{
    *to = strdup(value);
    if (!*to) {
        report_error("out of memory");
    }
    return *to != NULL;
}

bool device_take_name(struct device_options *device, const char *key, const char *value)
{
    size_t bytes = strlen(value);
    if (bytes == 0 || bytes >= DEVICE_NAME_BYTES) {
        report_error("%s=%s has %zu bytes; a name has 1 to %d", key, value, bytes,
                     DEVICE_NAME_BYTES - 1);
        return false;
    }
    memcpy(device->name, value, bytes + 1);
    device->name_given = true;
    return true;
}

void device_choose_name(struct device_options *device, const char *path)
{
    if (device->name_given) {
        return;
    }
    const char *word = device_word(device->kind);
    const char *slash = path ? strrchr(path, '/') : NULL;
    const char *base = slash ? slash + 1 : path ? path : word;
    snprintf(device->name, sizeof(device->name), "%.*s", DEVICE_NAME_BYTES - 1, base);
    char *dot = strrchr(device->name, '.');
    if (dot && dot != device->name) {
        *dot = 0;
    }
    if (device->name[0] == 0) {
        snprintf(device->name, sizeof(device->name), "%s", word);
    }
}

/* ---- keys ---- */

bool device_take_socket(struct device_reading *reading, const char *value)
{
    return device_keep_text(&reading->device->socket, value);
}

bool device_take_queue_size(struct device_reading *reading, const char *value)
{
    unsigned size;
    if (!device_take_number("queue-size", value, 1, 32768, &size)) {
        return false;
    }
    if ((size & (size - 1)) != 0) {
        report_error("queue-size=%s is not a power of 2; 128, 256 and 1024 are", value);
        return false;
    }
    reading->device->queue_size = size;
    return true;
}

bool device_take_workers(struct device_reading *reading, const char *value)
{
    return device_take_number("workers", value, 1, WORKERS_MAX, &reading->device->workers);
}

bool device_take_cpus(struct device_reading *reading, const char *value)
{
    return numbers_read(&reading->device->cpus, "cpus", value);
}

bool device_take_queue_workers(struct device_reading *reading, const char *value)
{
    return numbers_read(&reading->device->queue_workers, "queue-workers", value);
}

bool device_take_event_idx(struct device_reading *reading, const char *value)
{
    bool event_idx;
    if (!device_take_switch("event-idx", value, &event_idx)) {
        return false;
    }
    reading->device->no_event_idx = !event_idx;
    return true;
}

bool device_take_poll_us(struct device_reading *reading, const char *value)
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
    reading->device->poll_us = us == 0 ? TENON_POLL_OFF : (int)us;
    return true;
}

bool device_take_limit_group(struct device_reading *reading, const char *value)
{
    return device_keep_text(&reading->device->limit_group, value);
}

/* ---- the walk ---- */

void device_put_spec(struct device_reading *reading, const char *key, const char *value)
{
    fprintf(reading->spec, "%s%s=", ftell(reading->spec) > 0 ? "," : "", key);
    for (; *value; value++) {
        fputs(*value == ',' ? ",," : (char[]){ *value, 0 }, reading->spec);
    }
}

static void refuse_key(const struct device_reading *reading, const char *name)
{
    const char *names[KEYS_MAX + LIMIT_KEYS + 1] = { NULL };
    unsigned count = 0;
    for (; reading->keys[count].name; count++) {
        names[count] = reading->keys[count].name;
    }
    memcpy(names + count, reading->limit_keys, LIMIT_KEYS * sizeof(names[0]));
    const char *nearest = tenon_nearest(name, names);
    if (nearest) {
        report_error("unknown key '%s' in %s; did you mean '%s'?", name, reading->option, nearest);
    } else {
        report_error("unknown key '%s' in %s; --help lists the keys", name, reading->option);
    }
}

static bool take_pair(struct device_reading *reading, const char *name, const char *value)
{
    for (unsigned i = 0; reading->keys[i].name; i++) {
        const struct device_key *key = &reading->keys[i];
        if (strcmp(key->name, name) != 0) {
            continue;
        }
        if (reading->seen & 1UL << i) {
            report_error("the key '%s' is given twice in one %s; keep one", name, reading->option);
            return false;
        }
        reading->seen |= 1UL << i;
        if (key->take) {
            return key->take(reading, value);
        }
        device_put_spec(reading, name, value);
        return true;
    }
    if (limit_is_key(reading->limit_keys, name)) {
        return limit_take(&reading->device->limits, reading->limit_keys, name, value);
    }
    refuse_key(reading, name);
    return false;
}

bool device_reading_begin(struct device_reading *reading)
{
    struct device_options *device = reading->device;
    device->queue_size = DEFAULT_QUEUE_SIZE;
    device->limits.size = sizeof(device->limits);
    reading->spec = open_memstream(&device->spec, &reading->spec_bytes);
    if (!reading->spec) {
        report_error("out of memory");
    }
    return reading->spec != NULL;
}

bool device_reading_take(struct device_reading *reading, const char *text)
{
    char name[KEY_BYTES], value[VALUE_BYTES];
    const char *rest = text;
    for (;;) {
        int result = tenon_opts_next(&rest, name, sizeof(name), value, sizeof(value));
        if (result == 0) {
            return true;
        }
        if (result < 0) {
            report_error("%s '%s': %s", reading->option, text, tenon_error());
            return false;
        }
        if (!take_pair(reading, name, value)) {
            return false;
        }
    }
}

bool device_reading_end(struct device_reading *reading)
{
    if (fclose(reading->spec) != 0) {
        report_error("out of memory");
        return false;
    }
    return true;
}
