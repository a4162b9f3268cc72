/*
 * tenon/base.h: errors, log and version: what every other header of Tenon builds on.
 *
 * Conventions of the whole API
 *   - A function returns 0 (or a useful positive number) or a negative errno. Out-parameters are
 *     written on success only.
 *   - tenon_error() gives the sentence behind the last error of the calling thread.
 *   - Objects are opaque. What you made with _new or _open you give back with _free or _close; both
 *     accept NULL. An object that
 *     was handed to another (a disk to a device) is kept alive by that one.
 *   - Option structs begin with `size`: set it to sizeof. A field that is zero means its default.
 *   - The library never exits, never prints, never touches signal handlers.
 */
#ifndef TENON_BASE_H
#define TENON_BASE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define TENON_API __attribute__((visibility("default")))
#else
#define TENON_API
#endif

/* The version of the library that is running, such as "0.1.0". Any thread. */
TENON_API const char *tenon_version(void);

/*
 * The sentence behind the last negative errno that a function of Tenon returned on this thread:
 * what happened, to what, and what to do. Never NULL; valid until the next failing call on this
 * thread. Any thread.
 */
TENON_API const char *tenon_error(void);

enum tenon_log_level {
    TENON_LOG_ERROR = 0, /* something the user has to know */
    TENON_LOG_WARNING = 1,
    TENON_LOG_INFO = 2,
    TENON_LOG_DEBUG = 3
};

/* One line, without a line end. May be called on any thread, also on several at once. */
typedef void tenon_log_fn(void *opaque, enum tenon_log_level level, const char *line);

/*
 * Where log lines go: one target for the whole process, the library's only global. NULL (the
 * default): nowhere. Set it before other calls; the call itself is not thread-safe against itself.
 */
TENON_API void tenon_set_log(tenon_log_fn *fn, void *opaque);

#ifdef __cplusplus
}
#endif

#endif
