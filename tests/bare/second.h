/*
 * second.h: a second processor, to which one function at a time can be given.
 */
#ifndef BARE_SECOND_H
#define BARE_SECOND_H

#include <stdbool.h>

bool second_start(void);              /* wakes it; false if it does not come */
void second_give(void (*work)(void)); /* runs there, until second_wait */
bool second_wait(void);

#endif
