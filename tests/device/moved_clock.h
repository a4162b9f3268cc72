/*
 * moved_clock.h: the clock of a test that has no threads: it stands still until it is moved. A
 * program that has this reads its time here, also within the library.
 */
#ifndef TENON_TEST_MOVED_CLOCK_H
#define TENON_TEST_MOVED_CLOCK_H

#include <stdint.h>

/* From now on the monotonic clock stands. */
void clock_stop(void);
void clock_move(uint64_t ns);
/* How far, since it was stopped. */
uint64_t clock_moved(void);
/* It is the system's again. */
void clock_go(void);

#endif
