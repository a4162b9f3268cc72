/*
 * cpu.h: the instructions that the guest needs by name: ports, memory accesses of one exact width,
 * interrupts, time.
 *
 * Registers of devices are read and written by plain moves, written out here: an emulator that has
 * to decode the instruction knows these, and the compiler cannot split or widen them.
 */
#ifndef BARE_CPU_H
#define BARE_CPU_H

#include <stdbool.h>
#include <stdint.h>

static inline void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
    return value;
}

/* `bytes` is 1, 2, 4 or 8. */
static inline uint64_t read_bytes(uint64_t address, unsigned bytes)
{
    uint64_t value = 0;

    switch (bytes) {
    case 1:
        __asm__ volatile("movb (%1), %b0" : "+q"(value) : "r"(address) : "memory");
        break;
    case 2:
        __asm__ volatile("movw (%1), %w0" : "+r"(value) : "r"(address) : "memory");
        break;
    case 4:
        __asm__ volatile("movl (%1), %k0" : "=r"(value) : "r"(address) : "memory");
        break;
    default:
        __asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(address) : "memory");
        break;
    }
    return value;
}

static inline void write_bytes(uint64_t address, uint64_t value, unsigned bytes)
{
    switch (bytes) {
    case 1:
        __asm__ volatile("movb %b1, (%0)" : : "r"(address), "q"(value) : "memory");
        break;
    case 2:
        __asm__ volatile("movw %w1, (%0)" : : "r"(address), "r"(value) : "memory");
        break;
    case 4:
        __asm__ volatile("movl %k1, (%0)" : : "r"(address), "r"(value) : "memory");
        break;
    default:
        __asm__ volatile("movq %1, (%0)" : : "r"(address), "r"(value) : "memory");
        break;
    }
}

static inline void interrupts_on(void)
{
    __asm__ volatile("sti" : : : "memory");
}

static inline void interrupts_off(void)
{
    __asm__ volatile("cli" : : : "memory");
}

/* Sleeps until an interrupt, which may come no earlier than here. Interrupts are on afterwards. */
static inline void interrupts_on_and_halt(void)
{
    __asm__ volatile("sti; hlt" : : : "memory");
}

static inline void full_barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/*
 * Ticks of the fastest processor in the longest time that anything here may take (on slower ones it
 * is longer), and a while in which what must not happen would.
 */
#define TICKS_PATIENCE 40000000000ull
#define TICKS_A_WHILE 60000000ull

/* Waits for a while; interrupts are taken as they are let in. */
static inline void idle_a_while(void)
{
    uint64_t start = ticks();

    while (ticks() - start < TICKS_A_WHILE) {
        __asm__ volatile("pause");
    }
}

#endif
