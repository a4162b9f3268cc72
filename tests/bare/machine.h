/*
 * machine.h: the ways to end the machine, with the exit codes of `tenon run` that they lead to.
 */
#ifndef BARE_MACHINE_H
#define BARE_MACHINE_H

_Noreturn void machine_off(void);            /* ACPI sleep state 5: 0 */
_Noreturn void machine_reset(void);          /* port 0xcf9: 5 */
_Noreturn void machine_keyboard_reset(void); /* port 0x64: 5 */
_Noreturn void machine_triple_fault(void);   /* 5 */
_Noreturn void machine_panic(void);          /* pvpanic: 6 */
_Noreturn void machine_spin(void);           /* never, and interrupts are off */
_Noreturn void machine_sleep(void);          /* never, halted */

#endif
