/*
 * interrupts.h: lines that are taken as interrupts, and the local APIC.
 */
#ifndef BARE_INTERRUPTS_H
#define BARE_INTERRUPTS_H

#include <stdbool.h>
#include <stdint.h>

enum { GSI_COUNT = 24 };

struct trap; /* what start.S pushes */
void trap(struct trap *trap);

void interrupts_start(void);  /* IDT and local APIC; every line stays masked */
void interrupts_second(void); /* the IDT, for another processor */

enum line_mode { LINE_MASKED, LINE_EDGE, LINE_LEVEL };

/* Connects a line to this processor; `on` runs for each interrupt, before its end is told. */
void line_set(unsigned gsi, enum line_mode mode, void (*on)(unsigned gsi));
unsigned line_count(unsigned gsi);            /* interrupts of this line so far */
bool line_wait(unsigned gsi, unsigned count); /* until there were as many; false: patience ended */

void apic_write(unsigned offset, uint32_t value); /* the local one */
enum { APIC_COMMAND_LOW = 0x300, APIC_COMMAND_HIGH = 0x310 };

#endif
