/*
 * err.h: the sentence behind a negative errno. Each public call that fails on the caller's account
 * (a wrong option, a missing file) leaves one here for tenon_error(), which is per thread.
 *
 * A sentence says what happened, to what, and what to do.
 */
#ifndef TN_BASE_ERR_H
#define TN_BASE_ERR_H

#include "tenon/base.h"

/*
 * Keeps the sentence for tenon_error() and returns `error` (a negative errno), so that it can be
 * the return value.
 */
int tn_error(int error, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
