/*
 * link_grammar.c: tenon_link_open: a link from one line of text, as in --link tap,name=tap0.
 *
 * Here: which kinds and keys there are, what they become, and which of them go together. How pairs
 * and switches are read is in <tenon/opts.h>; what the options do is said in <tenon/link.h>.
 */
#include "link/link.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tenon/opts.h"

enum { VALUE_MAX = 4096 + 256, FDS_MAX = 256 };

enum kind { TAP, DGRAM, STREAM, KIND_COUNT };

static const char *const kind_names[KIND_COUNT + 1] = { "tap", "dgram", "stream", NULL };

enum key { KEY_NAME, KEY_FD, KEY_QUEUES, KEY_PATH, KEY_PEER, KEY_LISTEN, KEY_CAPTURE, KEY_COUNT };

static const char *const key_names[KEY_COUNT] = { "name", "fd",     "queues", "path",
                                                  "peer", "listen", "capture" };

enum { EACH = 1U << KEY_FD | 1U << KEY_CAPTURE };
static const unsigned kind_keys[KIND_COUNT] = {
    [TAP] = EACH | 1U << KEY_NAME | 1U << KEY_QUEUES,
    [DGRAM] = EACH | 1U << KEY_PATH | 1U << KEY_PEER,
    [STREAM] = EACH | 1U << KEY_PATH | 1U << KEY_LISTEN,
};

/* What the text has said so far. */
struct wish {
    enum kind kind;
    unsigned given; /* a bit for each key */
    char name[VALUE_MAX], path[VALUE_MAX], peer[VALUE_MAX], capture[VALUE_MAX];
    int fds[FDS_MAX];
    unsigned fd_count, queues;
    bool listen;
};

static bool given(const struct wish *wish, enum key key)
{
    return (wish->given & (1U << key)) != 0;
}

/* ---- values ---- */

static int take_text(enum key key, const char *value, char *out)
{
    if (*value == '\0') {
        return tn_error(-EINVAL, "%s= is empty; write something behind it, or leave it out",
                        key_names[key]);
    }
    snprintf(out, VALUE_MAX, "%s", value);
    return 0;
}

static int take_number(enum key key, const char *value, uint64_t most, uint64_t *out)
{
    int r = tenon_parse_size(value, out);

    if (r == 0 && (*out == 0 || *out > most)) {
        return tn_error(-EINVAL, "%s=%s is not possible; it is a number from 1 to %llu",
                        key_names[key], value, (unsigned long long)most);
    }
    return r;
}

/* N, or for a tap N:N:N, one for each queue. */
static int take_fds(struct wish *wish, const char *value)
{
    while (true) {
        size_t bytes = strcspn(value, ":");
        char text[16];
        uint64_t number = 0;
        int r;

        if (wish->fd_count == (wish->kind == TAP ? FDS_MAX : 1)) {
            return tn_error(-EINVAL, "fd= has too many descriptors; a %s link takes at most %u",
                            kind_names[wish->kind], wish->fd_count);
        }
        if (bytes == 0 || bytes >= sizeof(text)) {
            return tn_error(-EINVAL,
                            "fd=...%.20s is not possible; write the numbers of open "
                            "descriptors, with : between them",
                            value);
        }
        snprintf(text, sizeof(text), "%.*s", (int)bytes, value);
        r = take_number(KEY_FD, text, INT_MAX, &number);
        if (r != 0) {
            return r;
        }
        wish->fds[wish->fd_count++] = (int)number;
        if (value[bytes] == '\0') {
            return 0;
        }
        value += bytes + 1;
    }
}

static int take_value(struct wish *wish, enum key key, const char *value)
{
    uint64_t number = 0;
    int r;

    switch (key) {
    case KEY_NAME:
        return take_text(key, value, wish->name);
    case KEY_PATH:
        return take_text(key, value, wish->path);
    case KEY_PEER:
        return take_text(key, value, wish->peer);
    case KEY_CAPTURE:
        return take_text(key, value, wish->capture);
    case KEY_FD:
        return take_fds(wish, value);
    case KEY_QUEUES:
        r = take_number(key, value, FDS_MAX, &number);
        wish->queues = (unsigned)number;
        return r;
    case KEY_LISTEN:
        r = tenon_parse_bool(value, &wish->listen);
        return r == 0
                   ? 0
                   : tn_error(r, "listen=%s is not possible; write listen=on or listen=off", value);
    case KEY_COUNT:
        break;
    }
    return -EINVAL;
}

/* ---- kinds and keys ---- */

/* The keys of a kind, ended by NULL, and as they are said to people. */
static void list_keys(enum kind kind, const char *names[KEY_COUNT + 1], char *text, size_t bytes)
{
    unsigned n = 0;
    size_t at = 0;

    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if ((kind_keys[kind] & (1U << i)) != 0) {
            names[n++] = key_names[i];
            at += (size_t)snprintf(text + at, bytes - at, "%s%s", n == 1 ? "" : ", ", key_names[i]);
        }
    }
    names[n] = NULL;
}

static int find_key(enum kind kind, const char *word, enum key *out)
{
    const char *names[KEY_COUNT + 1], *near;
    char all[80];

    for (unsigned i = 0; i < KEY_COUNT; i++) {
        if ((kind_keys[kind] & (1U << i)) != 0 && strcmp(word, key_names[i]) == 0) {
            *out = (enum key)i;
            return 0;
        }
    }
    list_keys(kind, names, all, sizeof(all));
    near = tenon_nearest(word, names);
    if (near) {
        return tn_error(-EINVAL, "a %s link has no key \"%s\"; did you mean \"%s\"?",
                        kind_names[kind], word, near);
    }
    return tn_error(-EINVAL, "a %s link has no key \"%s\"; its keys are %s", kind_names[kind], word,
                    all);
}

/* Takes the kind off the spec. */
static int read_kind(const char **spec, struct wish *wish)
{
    size_t bytes = strcspn(*spec, ",");
    char word[40];
    const char *near;

    snprintf(word, sizeof(word), "%.*s", (int)(bytes < sizeof(word) ? bytes : sizeof(word)), *spec);
    for (unsigned i = 0; i < KIND_COUNT; i++) {
        if (strcmp(word, kind_names[i]) == 0) {
            wish->kind = (enum kind)i;
            *spec += bytes + ((*spec)[bytes] == ',' ? 1 : 0);
            return 0;
        }
    }
    if (strchr(word, '=')) {
        return tn_error(-EINVAL,
                        "\"%s\" comes before the kind of link; begin with tap, dgram or "
                        "stream: tap,name=tap0",
                        word);
    }
    near = tenon_nearest(word, kind_names);
    return tn_error(-EINVAL, "there is no link \"%s\"; %s%s%s", word,
                    near ? "did you mean \"" : "take tap, dgram or stream", near ? near : "",
                    near ? "\"?" : "");
}

static int read_wish(const char *spec, struct wish *wish)
{
    char word[64], value[VALUE_MAX];
    enum key key = KEY_COUNT;
    int r = read_kind(&spec, wish);

    if (r != 0) {
        return r;
    }
    while ((r = tenon_opts_next(&spec, word, sizeof(word), value, sizeof(value))) > 0) {
        r = find_key(wish->kind, word, &key);
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

/* ---- opening: which options go together, each kind says ---- */

static const char *text_of(const struct wish *wish, enum key key, const char *text)
{
    return given(wish, key) ? text : NULL;
}

static int open_tap(const struct wish *wish, struct tenon_link **out)
{
    const struct tenon_tap_opts opts = { .size = sizeof(opts),
                                         .name = text_of(wish, KEY_NAME, wish->name),
                                         .fds = wish->fds,
                                         .fd_count = wish->fd_count,
                                         .queues = wish->queues };

    return tenon_link_open_tap(&opts, out);
}

static int open_dgram(const struct wish *wish, struct tenon_link **out)
{
    const struct tenon_dgram_opts opts = { .size = sizeof(opts),
                                           .path = text_of(wish, KEY_PATH, wish->path),
                                           .peer = text_of(wish, KEY_PEER, wish->peer),
                                           .fd = wish->fds[0] };

    return tenon_link_open_dgram(&opts, out);
}

static int open_stream(const struct wish *wish, struct tenon_link **out)
{
    const struct tenon_stream_opts opts = { .size = sizeof(opts),
                                            .path = text_of(wish, KEY_PATH, wish->path),
                                            .listen = wish->listen,
                                            .fd = wish->fds[0] };

    return tenon_link_open_stream(&opts, out);
}

static int open_wish(const struct wish *wish, struct tenon_link **out)
{
    static int (*const openers[KIND_COUNT])(const struct wish *, struct tenon_link **) = {
        [TAP] = open_tap,
        [DGRAM] = open_dgram,
        [STREAM] = open_stream,
    };
    struct tenon_link *link = NULL;
    int r = openers[wish->kind](wish, &link);

    if (r == 0 && given(wish, KEY_CAPTURE)) {
        struct tenon_link *inner = link;

        r = tenon_link_open_capture(inner, wish->capture, &link);
        if (r != 0) {
            tenon_link_close(inner);
        }
    }
    if (r == 0) {
        *out = link;
    }
    return r;
}

int tenon_link_open(const char *spec, struct tenon_link **out)
{
    struct wish *wish = calloc(1, sizeof(*wish));
    int r;

    if (!wish) {
        return tn_error(-ENOMEM, "no memory for a link");
    }
    r = read_wish(spec, wish);
    if (r == 0) {
        r = open_wish(wish, out);
    }
    free(wish);
    return r;
}
