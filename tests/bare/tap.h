/*
 * tap.h: cases, and their results on the console in TAP.
 *
 * A case runs to its end whatever it finds; each WANT that fails prints a line of its own.
 */
#ifndef BARE_TAP_H
#define BARE_TAP_H

#include <stdint.h>

struct tap_case {
    const char *name;
    void (*run)(void);
};

void tap_run(const struct tap_case *cases, unsigned count);
void tap_finish(void); /* the plan */

/* "# name number" on the console, for the script that started the guest. */
void tap_say(const char *name, uint64_t number);

void tap_want(const char *file, unsigned line, const char *what, uint64_t got, uint64_t wanted);

/* The text of what was looked at, and where, is all that a console can tell. */
#define WANT(got, wanted)                                                                          \
    tap_want(__FILE_NAME__, __LINE__, #got, (uint64_t)(got), (uint64_t)(wanted))

#define TAP_COUNT(cases) (sizeof(cases) / sizeof((cases)[0]))

#endif
