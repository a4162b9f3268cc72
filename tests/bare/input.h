/*
 * input.h: what comes in over the serial line.
 */
#ifndef BARE_INPUT_H
#define BARE_INPUT_H

#include <stdbool.h>

/*
 * Reads until "end" and a line feed came, by polling or by the interrupt, and says how many bytes
 * there were with a sum over them. `slowly`: looks first when the sender must long have been held.
 */
void input_read(bool by_interrupt, bool slowly);

#endif
