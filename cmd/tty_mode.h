/*
 * tty_mode.h: raw mode of the terminal on standard input, and its end on every way out.
 */
#ifndef TENON_TTY_MODE_H
#define TENON_TTY_MODE_H

#include <stdbool.h>

/*
 * Makes standard input raw, if it is a terminal and we are in its foreground; true then. From now
 * on exit, signals that end us, and a suspension put it back, and a continuation makes it raw
 * again. Once.
 */
bool tty_mode_raw(void);

/* Puts it back, for good. Any thread, also in a signal handler, and as often as you like. */
void tty_mode_restore(void);

#endif
