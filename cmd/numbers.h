/*
 * numbers.h: lists of numbers as options have them: "2-5:8" is 2, 3, 4, 5 and 8. Between them
 * stands a colon, since commas separate the keys of a disk; a comma is understood, too.
 */
#ifndef TENON_NUMBERS_H
#define TENON_NUMBERS_H

#include <stdbool.h>

enum { NUMBERS_MAX = 1024 }; /* how many, and how large they may be */

struct numbers {
    int *values;
    unsigned count; /* 0: no list was given */
};

/* `what` is the key or option, for the report when the list is wrong; it is false then. */
bool numbers_read(struct numbers *numbers, const char *what, const char *text);
void numbers_free(struct numbers *numbers);

#endif
