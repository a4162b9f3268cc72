/*
 * text.c: the small parsers of <tenon/opts.h>: key=value pairs, sizes, switches, and guessing the
 * word that was meant.
 *
 * Knows no key of anybody: which keys exist, and what they mean, is the business of whoever reads
 * the pairs. Nothing here allocates or keeps state.
 */
#include "tenon/opts.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/num.h"

/*
 * Longer words are compared by their beginning only: enough for any option, and it bounds the
 * table.
 */
enum { WORD_MAX = 40 };

static int copy_key(const char **at, char *key, size_t bytes)
{
    const char *start = *at;
    size_t len = strcspn(start, "=,");

    if (start[len] != '=') {
        if (len == 0) {
            return tn_error(-EINVAL, "an item of the list is empty; write key=value,key=value, "
                                     "and a comma within a value twice");
        }
        return tn_error(
            -EINVAL, "\"%.*s\" has no value; write %.*s=..., and a comma within a value twice",
            (int)tn_min_u64(len, WORD_MAX), start, (int)tn_min_u64(len, WORD_MAX), start);
    }
    if (len == 0) {
        return tn_error(-EINVAL, "there is no key before \"=%.*s\"; write key=value", WORD_MAX,
                        start + 1);
    }
    if (len >= bytes) {
        return tn_error(-EINVAL, "the key \"%.*s...\" is too long to be one", WORD_MAX, start);
    }
    memcpy(key, start, len);
    key[len] = '\0';
    *at = start + len + 1;
    return 0;
}

static int copy_value(const char **at, const char *key, char *value, size_t bytes)
{
    const char *in = *at;
    size_t len = 0;

    while (*in != '\0') {
        if (*in == ',') {
            if (in[1] != ',') {
                break;
            }
            in++;
        }
        if (len + 1 >= bytes) {
            return tn_error(-EINVAL, "the value of \"%s\" is too long; at most %zu characters", key,
                            bytes - 1);
        }
        value[len++] = *in++;
    }
    value[len] = '\0';
    *at = in;
    return 0;
}

int tenon_opts_next(const char **spec, char *key, size_t key_bytes, char *value, size_t value_bytes)
{
    const char *at = *spec;
    int r;

    if (*at == '\0') {
        return 0;
    }
    r = copy_key(&at, key, key_bytes);
    if (r == 0) {
        r = copy_value(&at, key, value, value_bytes);
    }
    if (r != 0) {
        return r;
    }
    if (*at == ',') {
        at++;
        if (*at == '\0') {
            return tn_error(-EINVAL, "the list ends in a comma after \"%s=%.*s\"; remove it", key,
                            WORD_MAX, value);
        }
    }
    *spec = at;
    return 1;
}

static int unit_shift(char unit)
{
    switch (toupper((unsigned char)unit)) {
    case 'K':
        return 10;
    case 'M':
        return 20;
    case 'G':
        return 30;
    case 'T':
        return 40;
    default:
        return -1;
    }
}

int tenon_parse_size(const char *text, uint64_t *out)
{
    const char *at = text;
    uint64_t value = 0;

    while (*at >= '0' && *at <= '9') {
        if (!tn_mul_u64(value, 10, &value) || !tn_add_u64(value, (uint64_t)(*at - '0'), &value)) {
            return tn_error(-ERANGE, "\"%.*s\" is too large a number", WORD_MAX, text);
        }
        at++;
    }
    if (at == text) {
        return tn_error(-EINVAL, "\"%.*s\" is no size; write a number such as 512, 64K or 10G",
                        WORD_MAX, text);
    }
    if (*at != '\0') {
        int shift = unit_shift(*at);
        if (shift < 0 || at[1] != '\0') {
            return tn_error(-EINVAL,
                            "\"%.*s\" is no size; after the number only K, M, G or T may follow",
                            WORD_MAX, text);
        }
        if (!tn_mul_u64(value, UINT64_C(1) << shift, &value)) {
            return tn_error(-ERANGE, "\"%.*s\" is too large a number", WORD_MAX, text);
        }
    }
    *out = value;
    return 0;
}

int tenon_parse_bool(const char *text, bool *out)
{
    static const char *const yes[] = { "on", "yes", "true" };
    static const char *const no[] = { "off", "no", "false" };

    for (size_t i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        if (strcmp(text, yes[i]) == 0 || strcmp(text, no[i]) == 0) {
            *out = strcmp(text, yes[i]) == 0;
            return 0;
        }
    }
    return tn_error(-EINVAL, "\"%.*s\" is neither on nor off", WORD_MAX, text);
}

/* Letters that people mix up without noticing count as the same one. */
static int fold(char c)
{
    return c == '_' ? '-' : tolower((unsigned char)c);
}

static unsigned min_of(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/*
 * The fewest letters to insert, remove, change, or swap with their neighbour, to come from `a` to
 * `b`.
 */
static unsigned distance(const char *a, size_t a_len, const char *b, size_t b_len)
{
    unsigned table[3][WORD_MAX + 1]; /* the two rows above, and the one being filled */

    for (unsigned j = 0; j <= b_len; j++) {
        table[0][j] = j;
    }
    for (unsigned i = 1; i <= a_len; i++) {
        unsigned *row = table[i % 3];
        const unsigned *above = table[(i + 2) % 3];
        const unsigned *second = table[(i + 1) % 3];

        row[0] = i;
        for (unsigned j = 1; j <= b_len; j++) {
            unsigned changed = fold(a[i - 1]) == fold(b[j - 1]) ? 0 : 1;

            row[j] = min_of(above[j - 1] + changed, min_of(above[j], row[j - 1]) + 1);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1])) {
                row[j] = min_of(row[j], second[j - 2] + 1);
            }
        }
    }
    return table[a_len % 3][b_len];
}

const char *tenon_nearest(const char *word, const char *const *words)
{
    size_t len = strnlen(word, WORD_MAX);
    const char *best = NULL;
    unsigned fewest = 0;

    for (; *words; words++) {
        size_t other = strnlen(*words, WORD_MAX);
        unsigned mistakes = distance(word, len, *words, other);

        /*
         * A word cut short, or one that only begins alike, is near whatever the count of letters
         * says.
         */
        if (len >= 3 && other >= 3 && strncasecmp(word, *words, len < other ? len : other) == 0) {
            mistakes = min_of(mistakes, 2);
        }
        if (mistakes > 1 + min_of((unsigned)len, (unsigned)other) / 3) {
            continue;
        }
        if (!best || mistakes < fewest) {
            best = *words;
            fewest = mistakes;
        }
    }
    return best;
}
