/*
 * tenon/opts.h: reading what people type: "key=value,key=value", sizes with units, on and off, and
 * the nearest valid word for a wrong one. The grammar of tenon_disk_open is built on it, and
 * programs that extend that grammar use the same functions.
 *
 * All of it is free of state: any thread.
 */
#ifndef TENON_OPTS_H
#define TENON_OPTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <tenon/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/*
 * Takes the next key=value off *spec and copies both parts, each ended by a zero byte. A comma ends
 * the value; two commas are one comma within it. The first '=' ends the key, so a value may contain
 * others. Returns 1 with a pair, 0 at the end of the text, or -EINVAL: no '=', no key, an empty
 * item, a part that does not fit its buffer.
 */
TENON_API int tenon_opts_next(const char **spec, char *key, size_t key_bytes, char *value,
                              size_t value_bytes);

/*
 * A decimal number with an optional K, M, G or T (1024 to the power; lower case too). -EINVAL,
 * -ERANGE (above 2^64 - 1).
 */
TENON_API int tenon_parse_size(const char *text, uint64_t *out);

/* "on" or "off", also "yes"/"no" and "true"/"false". -EINVAL. */
TENON_API int tenon_parse_bool(const char *text, bool *out);

/*
 * The word of the list (ended by NULL) that `word` was most probably meant to be: the first of
 * those with the fewest typing mistakes between them. NULL when none is near.
 */
TENON_API const char *tenon_nearest(const char *word, const char *const *words);

#ifdef __cplusplus
}
#endif

#endif
