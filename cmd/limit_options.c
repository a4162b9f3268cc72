/*
 * limit_options.c: see limit_options.h. A number that is 0 was not given: nobody may ask for that,
 * since a disk that may do nothing is not what anybody wants.
 */
#include "limit_options.h"

#include <stddef.h>
#include <string.h>

#include <tenon/opts.h>

#include "args.h"
#include "report.h"

enum { KEY_BYTES = 64, VALUE_BYTES = 256 };

/* In the order of struct tenon_limits, which is an array of numbers behind its size. */
const char *const limit_disk_keys[LIMIT_KEYS + 1] = {
    "iops",       "iops-burst",       "iops-burst-once",
    "iops-read",  "iops-read-burst",  "iops-read-burst-once",
    "iops-write", "iops-write-burst", "iops-write-burst-once",
    "bps",        "bps-burst",        "bps-burst-once",
    "bps-read",   "bps-read-burst",   "bps-read-burst-once",
    "bps-write",  "bps-write-burst",  "bps-write-burst-once",
    NULL,
};
const char *const limit_net_keys[LIMIT_KEYS + 1] = {
    "frames",    "frames-burst",    "frames-burst-once",
    "frames-rx", "frames-rx-burst", "frames-rx-burst-once",
    "frames-tx", "frames-tx-burst", "frames-tx-burst-once",
    "bytes",     "bytes-burst",     "bytes-burst-once",
    "bytes-rx",  "bytes-rx-burst",  "bytes-rx-burst-once",
    "bytes-tx",  "bytes-tx-burst",  "bytes-tx-burst-once",
    NULL,
};
_Static_assert(sizeof(struct tenon_limits) ==
                   offsetof(struct tenon_limits, ops) + LIMIT_KEYS * sizeof(uint64_t),
               "a key for each number");

static int find(const char *const *keys, const char *name)
{
    for (int i = 0; keys[i]; i++) {
        if (strcmp(keys[i], name) == 0) {
            return i;
        }
    }
    return -1;
}

bool limit_is_key(const char *const *keys, const char *name)
{
    return find(keys, name) >= 0;
}

static uint64_t get(const struct tenon_limits *limits, int key)
{
    uint64_t number;

    memcpy(&number, (const char *)&limits->ops + (size_t)key * sizeof(number), sizeof(number));
    return number;
}

void limit_put(struct tenon_limits *limits, const char *const *keys, const char *name,
               uint64_t number)
{
    memcpy((char *)&limits->ops + (size_t)find(keys, name) * sizeof(number), &number,
           sizeof(number));
}

/* Operations are counted in tens, bytes in units of 1024. */
static bool parse(const char *name, const char *value, uint64_t *to)
{
    bool bytes = name[0] == 'b';

    if (!bytes && value[strspn(value, "0123456789")] != 0) {
        report_error("%s=%s is not a number of %s; 5000 is one", name, value,
                     name[0] == 'f' ? "frames" : "operations");
        return false;
    }
    if (tenon_parse_size(value, to) != 0) {
        report_error("%s=%s is not a number%s", name, value,
                     bytes ? " of bytes; 50M and 1G are" : "; 5000 is one");
        return false;
    }
    return true;
}

bool limit_take(struct tenon_limits *limits, const char *const *keys, const char *name,
                const char *value)
{
    int key = find(keys, name);
    uint64_t number;

    if (get(limits, key) != 0) {
        report_error("the key '%s' is given twice; keep one", name);
        return false;
    }
    if (!parse(name, value, &number)) {
        return false;
    }
    if (number == 0) {
        report_error("%s=0 has no meaning; leave the key out%s", name,
                     key % 3 == 0 ? " for no limit" : " for the default");
        return false;
    }
    if (key % 3 == 0 && number > TENON_LIMIT_MAX) {
        report_error("%s=%s is more than can be counted; at most %llu, or leave the key out for no "
                     "limit",
                     name, value, (unsigned long long)TENON_LIMIT_MAX);
        return false;
    }
    limit_put(limits, keys, name, number);
    return true;
}

bool limit_any(const struct tenon_limits *limits)
{
    for (int key = 0; key < LIMIT_KEYS; key++) {
        if (get(limits, key) != 0) {
            return true;
        }
    }
    return false;
}

bool limit_check(const struct tenon_limits *limits, const char *const *keys, const char *of)
{
    for (int key = 0; key < LIMIT_KEYS; key++) {
        if (get(limits, key) != 0 && get(limits, key / 3 * 3) == 0) {
            report_error("%s: %s= needs %s=, the rate that it is a burst of", of, keys[key],
                         keys[key / 3 * 3]);
            return false;
        }
    }
    return true;
}

/* ---- --limit-group ---- */

static bool take_name(struct limit_group_options *group, const char *value)
{
    size_t bytes = strlen(value);

    if (group->name[0] != 0) {
        report_error("the key 'name' is given twice in one --limit-group; keep one");
        return false;
    }
    if (bytes == 0 || bytes >= sizeof(group->name)) {
        report_error("name=%s has %zu bytes; a name has 1 to %zu", value, bytes,
                     sizeof(group->name) - 1);
        return false;
    }
    memcpy(group->name, value, bytes + 1);
    return true;
}

/* `*keys` are those of disks, or of network devices once one of theirs has come. */
static bool take_pair(struct limit_group_options *group, const char *const **keys, const char *name,
                      const char *value)
{
    if (strcmp(name, "name") == 0) {
        return take_name(group, value);
    }
    if (limit_is_key(limit_net_keys, name)) {
        *keys = limit_net_keys;
    }
    if (limit_is_key(*keys, name) || limit_is_key(limit_disk_keys, name)) {
        const char *const *of = limit_is_key(*keys, name) ? *keys : limit_disk_keys;
        return limit_take(&group->limits, of, name, value);
    }
    const char *nearest = tenon_nearest(name, limit_disk_keys);
    nearest = nearest ? nearest : tenon_nearest(name, limit_net_keys);
    report_error("unknown key '%s' in --limit-group; did you mean '%s'?", name,
                 nearest ? nearest : "name");
    return false;
}

bool limit_group_read(struct limit_group_options *group, const char *text)
{
    char name[KEY_BYTES], value[VALUE_BYTES];
    const char *const *keys = limit_disk_keys;
    const char *rest = text;
    int result;

    group->limits.size = sizeof(group->limits);
    while ((result = tenon_opts_next(&rest, name, sizeof(name), value, sizeof(value))) > 0) {
        if (!take_pair(group, &keys, name, value)) {
            return false;
        }
    }
    if (result < 0) {
        report_error("--limit-group '%s': %s", text, tenon_error());
        return false;
    }
    if (group->name[0] == 0) {
        report_error("--limit-group '%s' has no name; add name=NAME, and limit-group=NAME to its "
                     "devices",
                     text);
        return false;
    }
    if (!limit_any(&group->limits)) {
        report_error("limit group '%s' has no limit; add one, such as iops=5000 or bps=50M",
                     group->name);
        return false;
    }
    return limit_check(&group->limits, keys, group->name);
}
