/*
 * opts.c: see opts.h.
 */
#include "base/opts.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"

int tn_opts_copy(void *to, size_t known, const void *from, const char *what)
{
    size_t given;

    memset(to, 0, known);
    memcpy(to, &known, sizeof(known));
    if (!from) {
        return 0;
    }
    memcpy(&given, from, sizeof(given));
    if (given < sizeof(given)) {
        return tn_error(-EINVAL, "%s: the field `size` is %zu; set it to the size of the struct",
                        what, given);
    }
    for (size_t i = known; i < given; i++) {
        if (((const unsigned char *)from)[i] != 0) {
            return tn_error(
                -EINVAL,
                "%s: an option is set that this libtenon does not know; use a newer library", what);
        }
    }
    memcpy((char *)to + sizeof(given), (const char *)from + sizeof(given),
           (given < known ? given : known) - sizeof(given));
    return 0;
}
