/*
 * terminal_input.h: the input half of terminal.c: what is typed, on its way to the guest.
 */
#ifndef TENON_TERMINAL_INPUT_H
#define TENON_TERMINAL_INPUT_H

#include <stdbool.h>

#include "terminal.h"

/* Before the thread. `interactive`: Ctrl-A is ours. False: reported. */
bool terminal_input_open(const struct terminal_ops *ops, bool interactive);

/* The thread's body: until nothing will come any more, or it is told to end. */
void terminal_input_run(void);

/* terminal_input_run ends soon. Any thread. */
void terminal_input_end(void);

#endif
