/*
 * opts.h: option structs that begin with their size. A caller that was built against an older
 * header passes a shorter struct; what it does not have is zero, which is each field's default. A
 * longer one is accepted when the part that we do not know is zero.
 */
#ifndef TN_BASE_OPTS_H
#define TN_BASE_OPTS_H

#include <stddef.h>

/*
 * Copies the caller's options into `to` (`known` bytes, all fields of this build). `from` may be
 * NULL: all defaults.
 * -EINVAL with a sentence when `size` is 0 or an unknown field is set.
 */
int tn_opts_copy(void *to, size_t known, const void *from, const char *what);

#endif
