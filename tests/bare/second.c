/*
 * second.c: wakes the second processor (INIT, then SIPI) and gives it work. It takes no interrupts
 * of lines; its stack and its way to C are start.S's.
 */
#include "second.h"

#include <stdint.h>

#include "cpu.h"
#include "interrupts.h"
#include "memory.h"

enum { SECOND_AT = 0x30000, SECOND_ID = 1 };
enum { SEND_INIT = 0x4500, SEND_STARTUP = 0x4600 };

extern const uint8_t second_begin[], second_end[];
extern const uint8_t second_cr3[];

void second_main(void);

static bool awake;
static void (*given)(void);

static void send(uint32_t command)
{
    apic_write(APIC_COMMAND_HIGH, (uint32_t)SECOND_ID << 24);
    apic_write(APIC_COMMAND_LOW, command);
    idle_a_while();
}

/* The second processor, for ever. */
void second_main(void)
{
    interrupts_second();
    __atomic_store_n(&awake, true, __ATOMIC_RELEASE);
    for (;;) {
        void (*work)(void) = __atomic_load_n(&given, __ATOMIC_ACQUIRE);
        if (work) {
            work();
            __atomic_store_n(&given, 0, __ATOMIC_RELEASE);
        }
        __asm__ volatile("pause");
    }
}

bool second_start(void)
{
    uint64_t start = ticks(), cr3;

    __asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
    memcpy((void *)SECOND_AT, second_begin, (uintptr_t)(second_end - second_begin));
    write_bytes(SECOND_AT + (uintptr_t)(second_cr3 - second_begin), cr3, 4);
    send(SEND_INIT);
    send(SEND_STARTUP | SECOND_AT >> 12);
    send(SEND_STARTUP | SECOND_AT >> 12);
    while (!__atomic_load_n(&awake, __ATOMIC_ACQUIRE)) {
        if (ticks() - start > TICKS_PATIENCE) {
            return false;
        }
    }
    return true;
}

void second_give(void (*work)(void))
{
    __atomic_store_n(&given, work, __ATOMIC_RELEASE);
}

bool second_wait(void)
{
    uint64_t start = ticks();

    while (__atomic_load_n(&given, __ATOMIC_ACQUIRE)) {
        if (ticks() - start > TICKS_PATIENCE) {
            return false;
        }
    }
    return true;
}
