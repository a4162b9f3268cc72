/*
 * tty_mode.h: raw mode of the terminal on standard input, and its end on every way out.
 */
#ifndef TENON_TTY_MODE_H
#define TENON_TTY_MODE_H

#include <stdbool.h>

/*
 * Whether standard input is our terminal; if so, makes it raw, now or when we come to its
 * foreground. From now on exit, signals that end us, and a suspension put it back, and a
 * continuation makes it raw again and calls continued(), in a signal handler. Once.
 */
bool tty_mode_raw(void (*continued)(void));

/* Whether our terminal is another process group's at the moment. Any thread. */
bool tty_mode_is_background(void);

/* It is ours again, and nobody has sent SIGCONT. Any thread. */
void tty_mode_resume(void);

/* Puts it back, for good. Any thread, also in a signal handler, and as often as you like. */
void tty_mode_restore(void);

#endif
