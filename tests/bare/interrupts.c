/*
 * interrupts.c: the interrupt table, the local APIC and the I/O APIC.
 *
 *   exceptions   end the guest: "Bail out!", where it was, and a reset
 *   lines        GSI n has vector LINE_VECTOR + n, on the first processor
 */
#include "interrupts.h"

#include "cpu.h"
#include "machine.h"
#include "serial.h"

enum { EXCEPTIONS = 32, LINE_VECTOR = 0x40, SPURIOUS_VECTOR = 0xff, CODE_SELECTOR = 0x10 };
enum { APIC_AT = 0xfee00000, APIC_PRIORITY = 0x080, APIC_END = 0x0b0, APIC_SPURIOUS = 0x0f0 };
enum { IOAPIC_AT = 0xfec00000, IOAPIC_DATA = 0x10, IOAPIC_FIRST_LINE = 0x10 };
enum { ENTRY_LEVEL = 1 << 15, ENTRY_MASKED = 1 << 16 };
enum { PRESENT_INTERRUPT_GATE = 0x8e00, DOOR_BYTES = 16 };

struct trap {
    uint64_t registers[15];
    uint64_t number, error, rip, cs, rflags, rsp, ss;
};

struct gate {
    uint16_t offset_low, selector, flags, offset_middle;
    uint32_t offset_high, reserved;
};

struct table_pointer {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

extern const uint8_t trap_doors[]; /* start.S */

static struct gate gates[256] __attribute__((aligned(16)));
static struct {
    void (*on)(unsigned gsi);
    unsigned count;
} lines[GSI_COUNT];

void apic_write(unsigned offset, uint32_t value)
{
    write_bytes(APIC_AT + offset, value, 4);
}

static void ioapic_write(unsigned index, uint32_t value)
{
    write_bytes(IOAPIC_AT, index, 4);
    write_bytes(IOAPIC_AT + IOAPIC_DATA, value, 4);
}

static _Noreturn void bail_out(const struct trap *trap)
{
    uint64_t cr2;

    __asm__ volatile("movq %%cr2, %0" : "=r"(cr2));
    serial_text("Bail out! exception ");
    serial_number(trap->number);
    serial_text(" error ");
    serial_hex(trap->error);
    serial_text(" rip ");
    serial_hex(trap->rip);
    serial_text(" cr2 ");
    serial_hex(cr2);
    serial_byte('\n');
    machine_reset();
}

/* From start.S, interrupts off. */
void trap(struct trap *trap)
{
    unsigned gsi = (unsigned)trap->number - LINE_VECTOR;

    if (trap->number < EXCEPTIONS) {
        bail_out(trap);
    }
    if (trap->number == SPURIOUS_VECTOR || gsi >= GSI_COUNT) {
        return;
    }
    lines[gsi].count++;
    if (lines[gsi].on) {
        lines[gsi].on(gsi);
    }
    apic_write(APIC_END, 0);
}

void interrupts_second(void)
{
    struct table_pointer pointer = { sizeof(gates) - 1, (uintptr_t)gates };

    __asm__ volatile("lidt %0" : : "m"(pointer));
}

void interrupts_start(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t door = (uintptr_t)trap_doors + i * DOOR_BYTES;
        gates[i] = (struct gate){ .offset_low = (uint16_t)door,
                                  .selector = CODE_SELECTOR,
                                  .flags = PRESENT_INTERRUPT_GATE,
                                  .offset_middle = (uint16_t)(door >> 16),
                                  .offset_high = (uint32_t)(door >> 32) };
    }
    interrupts_second();
    out8(0x21, 0xff); /* nothing from the old controllers */
    out8(0xa1, 0xff);
    apic_write(APIC_PRIORITY, 0);
    apic_write(APIC_SPURIOUS, 0x100 | SPURIOUS_VECTOR);
    for (unsigned gsi = 0; gsi < GSI_COUNT; gsi++) {
        line_set(gsi, LINE_MASKED, 0);
    }
    interrupts_on();
}

void line_set(unsigned gsi, enum line_mode mode, void (*on)(unsigned gsi))
{
    uint32_t entry = LINE_VECTOR + gsi;

    ioapic_write(IOAPIC_FIRST_LINE + 2 * gsi, entry | ENTRY_MASKED);
    if (mode != LINE_MASKED) {
        lines[gsi].on = on;
        ioapic_write(IOAPIC_FIRST_LINE + 2 * gsi + 1, 0); /* to the processor with APIC id 0 */
        ioapic_write(IOAPIC_FIRST_LINE + 2 * gsi, entry | (mode == LINE_LEVEL ? ENTRY_LEVEL : 0));
    }
}

unsigned line_count(unsigned gsi)
{
    return __atomic_load_n(&lines[gsi].count, __ATOMIC_ACQUIRE);
}

bool line_wait(unsigned gsi, unsigned count)
{
    uint64_t start = ticks();

    while (line_count(gsi) < count) {
        if (ticks() - start > TICKS_PATIENCE) {
            return false;
        }
        __asm__ volatile("pause");
    }
    return true;
}
