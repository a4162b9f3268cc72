/*
 * calls.h: how often a program calls the system, whoever calls: its own code, the C library, or
 * liburing, which goes around it. The program runs as a child that its parent stops at each call.
 *
 *   main: calls_watched(argc, argv, run) ──fork──> run(argc, argv): calls_begin() ... calls_end()
 *
 * Counted are all threads but those that are outside at that moment (calls_outside), which is for
 * what plays the guest in the same process.
 */
#ifndef TENON_TEST_CALLS_H
#define TENON_TEST_CALLS_H

#include <stdbool.h>

struct calls {
    unsigned all;
    unsigned waits; /* of them: those that may sleep until something happens */
};

/*
 * Runs fn in a watched child; its exit status. Negative: nobody may watch here, with the reason.
 */
int calls_watched(int argc, char **argv, int (*fn)(int argc, char **argv), const char **why);

void calls_begin(void);
struct calls calls_end(void);
/* The calling thread, from now on; returns what it was. */
bool calls_outside(bool outside);

#endif
