/*
 * machine.c: the ways in which a guest ends.
 */
#include "machine.h"

#include "cpu.h"

enum { SLEEP_CONTROL = 0x600, SLEEP_STATE_5 = 0x34, RESET_REGISTER = 0xcf9, PANIC_DEVICE = 0x505 };

_Noreturn void machine_sleep(void)
{
    for (;;) {
        interrupts_on_and_halt();
    }
}

_Noreturn void machine_spin(void)
{
    interrupts_off();
    for (;;) {
        __asm__ volatile("pause");
    }
}

_Noreturn void machine_off(void)
{
    out8(SLEEP_CONTROL, SLEEP_STATE_5);
    machine_spin();
}

_Noreturn void machine_reset(void)
{
    out8(RESET_REGISTER, 6);
    machine_spin();
}

_Noreturn void machine_keyboard_reset(void)
{
    out8(0x64, 0xfe);
    machine_spin();
}

_Noreturn void machine_panic(void)
{
    out8(PANIC_DEVICE, 1);
    machine_spin();
}

/* An invalid instruction where no interrupt can be delivered, nor the fault about that. */
_Noreturn void machine_triple_fault(void)
{
    static const struct {
        uint16_t limit;
        uint64_t base;
    } __attribute__((packed)) nothing = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
    machine_spin();
}
