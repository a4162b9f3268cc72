/*
 * x86_ports.c: the I/O ports that are not in the kernel: the serial port, and the few by which a
 * guest powers off, resets or says that it has panicked. On vCPU threads.
 */
#include <linux/kvm.h>
#include <stddef.h>
#include <string.h>

#include "machine.h"
#include "x86.h"

enum {
    SLEEP_ENABLE = 0x20,
    SLEEP_TYPE_SHIFT = 2,
    SLEEP_TYPE_MASK = 7,
    RESET_CPU = 0x04,      /* of 0xcf9: any reset has this bit */
    KEYBOARD_RESET = 0xfe, /* the keyboard controller pulls the processor's reset line */
    PANICKED = 0x01,       /* of pvpanic; what it reads as is what it understands */
};

static uint8_t port_read(struct vmm *vmm, unsigned port)
{
    if (port >= X86_PORT_SERIAL && port < X86_PORT_SERIAL + SERIAL_REGISTERS) {
        return serial_read(&vmm->serial, port - X86_PORT_SERIAL);
    }
    switch (port) {
    case X86_PORT_PANIC:
        return PANICKED;
    case X86_PORT_SLEEP_CONTROL:
    case X86_PORT_SLEEP_STATUS:
    case X86_PORT_RESET:
    case X86_PORT_KEYBOARD: /* nothing to read, and ready for a command */
        return 0;
    default:
        return 0xff; /* nothing is there: as on an open bus */
    }
}

static void port_write(struct vmm *vmm, unsigned port, uint8_t value)
{
    if (port >= X86_PORT_SERIAL && port < X86_PORT_SERIAL + SERIAL_REGISTERS) {
        serial_write(&vmm->serial, port - X86_PORT_SERIAL, value);
        return;
    }
    switch (port) {
    case X86_PORT_PANIC:
        if (value & PANICKED) {
            machine_end(vmm, VMM_PANICKED);
        }
        break;
    case X86_PORT_SLEEP_CONTROL:
        if ((value & SLEEP_ENABLE) &&
            ((value >> SLEEP_TYPE_SHIFT) & SLEEP_TYPE_MASK) == X86_SLEEP_TYPE_OFF) {
            machine_end(vmm, VMM_POWERED_OFF);
        }
        break;
    case X86_PORT_RESET:
        if (value & RESET_CPU) {
            machine_end(vmm, VMM_RESET);
        }
        break;
    case X86_PORT_KEYBOARD:
        if (value == KEYBOARD_RESET) {
            machine_end(vmm, VMM_RESET);
        }
        break;
    default:
        break;
    }
}

/* An access of `size` bytes is one to as many ports; a string instruction makes `count` of them. */
void x86_ports(struct vmm_cpu *cpu, struct kvm_run *run)
{
    uint8_t *data = (uint8_t *)run + run->io.data_offset;

    for (uint32_t i = 0; i < run->io.count; i++) {
        for (unsigned b = 0; b < run->io.size; b++, data++) {
            unsigned port = (run->io.port + b) & 0xffff;
            if (run->io.direction == KVM_EXIT_IO_OUT) {
                port_write(cpu->vmm, port, *data);
            } else {
                *data = port_read(cpu->vmm, port);
            }
        }
    }
}
