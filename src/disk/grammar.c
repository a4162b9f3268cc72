/*
 * grammar.c: tenon_disk_open: a disk from one line of text, as in --disk file=a.img,direct=on.
 *
 * Here: which keys there are, what they become, and which of them go together. How pairs, sizes and
 * switches are read is in <tenon/opts.h>; what the options do is said in <tenon/disk.h>.
 */
#include "disk/disk.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "tenon/opts.h"

enum { VALUE_MAX = 4096 + 256 };

enum key {
    KEY_FILE,
    KEY_MEMORY,
    KEY_FD,
    KEY_READ_ONLY,
    KEY_DIRECT,
    KEY_ENGINE,
    KEY_THREADS,
    KEY_OFFSET,
    KEY_SIZE,
    KEY_BLOCK_SIZE,
    KEY_DISCARD,
    KEY_LOCK,
    KEY_COUNT
};

static const char *const key_names[KEY_COUNT + 1] = {
    "file",   "memory", "fd",         "read-only", "direct", "engine", "threads",
    "offset", "size",   "block-size", "discard",   "lock",   NULL,
};

/* What the text has said so far. */
struct wish {
    unsigned given; /* a bit for each key */
    char path[VALUE_MAX];
    uint64_t memory;
    int fd;
    struct tenon_file_opts opts;
};

static bool given(const struct wish *wish, enum key key)
{
    return (wish->given & (1U << key)) != 0;
}

/* ---- values ---- */

static int take_number(const char *value, enum key key, uint64_t most, uint64_t *out)
{
    uint64_t number = 0;
    int r = tenon_parse_size(value, &number);

    if (r != 0) {
        return r;
    }
    if (number > most) {
        return tn_error(-EINVAL, "%s=%s is too large; at most %llu", key_names[key], value,
                        (unsigned long long)most);
    }
    *out = number;
    return 0;
}

static int take_u32(const char *value, enum key key, uint32_t *out)
{
    uint64_t number = 0;
    int r = take_number(value, key, UINT32_MAX, &number);

    if (r == 0) {
        *out = (uint32_t)number;
    }
    return r;
}

static int take_switch(const char *value, enum key key, bool *out)
{
    int r = tenon_parse_bool(value, out);

    return r == 0 ? 0
                  : tn_error(r, "%s=%s is not possible; write %s=on or %s=off", key_names[key],
                             value, key_names[key], key_names[key]);
}

static int take_engine(const char *value, enum tenon_engine *out)
{
    static const char *const names[] = { "auto", "inline", "threads", "io_uring", "mapped", NULL };
    const char *near;

    for (unsigned i = 0; names[i]; i++) {
        if (strcmp(value, names[i]) == 0) {
            *out = (enum tenon_engine)i;
            return 0;
        }
    }
    near = tenon_nearest(value, names);
    return tn_error(-EINVAL, "there is no engine \"%s\"; %s%s%s", value,
                    near ? "did you mean \"" : "take auto, inline, threads, io_uring or mapped",
                    near ? near : "", near ? "\"?" : "");
}

static int take_fd(const char *value, int *out)
{
    uint64_t number = 0;
    int r = take_number(value, KEY_FD, INT_MAX, &number);

    if (r == 0) {
        *out = (int)number;
    }
    return r;
}

static int take_path(const char *value, char *out)
{
    if (*value == '\0') {
        return tn_error(-EINVAL, "file= has no path; write file=PATH");
    }
    snprintf(out, VALUE_MAX, "%s", value);
    return 0;
}

static int take_value(struct wish *wish, enum key key, const char *value)
{
    bool on = true;
    int r;

    switch (key) {
    case KEY_FILE:
        return take_path(value, wish->path);
    case KEY_MEMORY:
        return take_number(value, key, UINT64_MAX, &wish->memory);
    case KEY_FD:
        return take_fd(value, &wish->fd);
    case KEY_READ_ONLY:
        return take_switch(value, key, &wish->opts.read_only);
    case KEY_DIRECT:
        return take_switch(value, key, &wish->opts.direct);
    case KEY_ENGINE:
        return take_engine(value, &wish->opts.engine);
    case KEY_THREADS:
        return take_u32(value, key, &wish->opts.threads);
    case KEY_OFFSET:
        return take_number(value, key, INT64_MAX, &wish->opts.offset);
    case KEY_SIZE:
        return take_number(value, key, INT64_MAX, &wish->opts.bytes);
    case KEY_BLOCK_SIZE:
        return take_u32(value, key, &wish->opts.block_bytes);
    case KEY_DISCARD:
        r = take_switch(value, key, &on);
        wish->opts.no_discard = !on;
        return r;
    case KEY_LOCK:
        r = take_switch(value, key, &on);
        wish->opts.no_lock = !on;
        return r;
    case KEY_COUNT:
        break;
    }
    return -EINVAL;
}

/* ---- keys ---- */

static int find_key(const char *word, enum key *out)
{
    const char *near;

    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if (strcmp(word, key_names[i]) == 0) {
            *out = (enum key)i;
            return 0;
        }
    }
    near = tenon_nearest(word, key_names);
    if (near) {
        return tn_error(-EINVAL, "a disk has no key \"%s\"; did you mean \"%s\"?", word, near);
    }
    return tn_error(-EINVAL,
                    "a disk has no key \"%s\"; its keys are file, memory, fd, read-only, direct, "
                    "engine, threads, offset, size, block-size, discard and lock",
                    word);
}

static int read_wish(const char *spec, struct wish *wish)
{
    char word[64], value[VALUE_MAX];
    enum key key = KEY_COUNT;
    int r;

    while ((r = tenon_opts_next(&spec, word, sizeof(word), value, sizeof(value))) > 0) {
        r = find_key(word, &key);
        if (r == 0 && given(wish, key)) {
            r = tn_error(-EINVAL, "%s is given twice; keep one of them", word);
        }
        if (r == 0) {
            r = take_value(wish, key, value);
        }
        if (r != 0) {
            return r;
        }
        wish->given |= 1U << key;
    }
    return r;
}

/*
 * Values that are not the same as leaving the key out, and keys that mean nothing for what is
 * opened.
 */
static int check_wish(const struct wish *wish)
{
    const unsigned sources = (1U << KEY_FILE) | (1U << KEY_MEMORY) | (1U << KEY_FD);
    unsigned strange = wish->given & ~((1U << KEY_MEMORY) | (1U << KEY_READ_ONLY));
    unsigned named = wish->given & sources;

    if (!tn_is_power_of_2(named)) {
        return tn_error(-EINVAL, "a disk needs exactly one of file=PATH, memory=SIZE and fd=N; %s",
                        named == 0 ? "add one" : "remove the others");
    }
    if (given(wish, KEY_THREADS) && wish->opts.threads == 0) {
        return tn_error(-EINVAL, "threads=0 is not possible; take 1 to 64, or engine=inline");
    }
    if (given(wish, KEY_THREADS) &&
        (wish->opts.engine == TENON_ENGINE_INLINE || wish->opts.engine == TENON_ENGINE_MAPPED)) {
        return tn_error(-EINVAL, "threads= means nothing with engine=%s; remove one of them",
                        wish->opts.engine == TENON_ENGINE_INLINE ? "inline" : "mapped");
    }
    if (given(wish, KEY_SIZE) && wish->opts.bytes == 0) {
        return tn_error(-EINVAL, "size=0 serves nothing; leave size out to serve all of it");
    }
    if (given(wish, KEY_BLOCK_SIZE) && wish->opts.block_bytes == 0) {
        return tn_error(-EINVAL,
                        "block-size=0 is not possible; take a power of 2 from 512 to 65536");
    }
    for (unsigned i = 0; given(wish, KEY_MEMORY) && i < KEY_COUNT; i++) {
        if ((strange & (1U << i)) != 0) {
            return tn_error(-EINVAL, "%s= means nothing for memory=; remove it", key_names[i]);
        }
    }
    return 0;
}

int tenon_disk_open(const char *spec, struct tenon_disk **out)
{
    struct wish wish = { .opts = { .size = sizeof(wish.opts) } };
    int r;

    if (*spec != '\0' && !strchr(spec, '=')) {
        return tn_error(-EINVAL, "\"%s\" is no description of a disk; write file=%s", spec, spec);
    }
    r = read_wish(spec, &wish);
    if (r == 0) {
        r = check_wish(&wish);
    }
    if (r != 0) {
        return r;
    }
    if (given(&wish, KEY_MEMORY)) {
        return tenon_disk_open_memory(NULL, wish.memory, wish.opts.read_only, out);
    }
    if (given(&wish, KEY_FD)) {
        return tenon_disk_open_fd(wish.fd, &wish.opts, out);
    }
    return tenon_disk_open_file(wish.path, &wish.opts, out);
}
