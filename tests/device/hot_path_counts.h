/*
 * hot_path_counts.h: how often the device allocates, locks, and calls the system. Counted on every
 * thread but the test's own, and on that one while it is in the device (hot_enter, hot_leave).
 */
#ifndef TENON_TEST_HOT_PATH_COUNTS_H
#define TENON_TEST_HOT_PATH_COUNTS_H

#include <stdbool.h>

enum hot_what {
    HOT_ALLOCATIONS,
    HOT_LOCKS,     /* of a mutex */
    HOT_CALLS,     /* of the system, to wait, to ring and to be rung */
    HOT_TRANSFERS, /* preadv, pwritev */
    HOT_SYNCS,     /* fdatasync */
    HOT_LINES,     /* of the log: the test calls hot_note */
    HOT_COUNTS
};

/* From here on it is counted; the calling thread counts as outside the device. */
void hot_begin(void);
void hot_end(void);
void hot_enter(void);
bool hot_leave(void); /* whether it was inside */
void hot_note(enum hot_what what);
unsigned hot_count(enum hot_what what);
/* False: a sanitizer has these functions, and nothing but lines is counted. */
bool hot_counts(void);

#endif
