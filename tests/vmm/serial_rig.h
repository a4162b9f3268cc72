/*
 * serial_rig.h: a serial port between a driver (the test) and a console that takes as much as the
 * test lets it.
 */
#ifndef SERIAL_RIG_H
#define SERIAL_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "vmm/serial.h"

enum { DATA = 0, IER = 1, IIR = 2, FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };
enum { IER_DATA = 1, IER_EMPTY = 2, IIR_NONE = 1, IIR_EMPTY = 2, IIR_DATA = 4, IIR_WHY = 0x0f };
enum { LSR_DATA = 1, LSR_OVERRUN = 2, LSR_EMPTY = 0x60, FCR_ON = 1, FCR_CLEAR_INPUT = 2 };
enum { LCR_DIVISOR = 0x80, MCR_LOOP = 0x10, OUTPUT_FIFO = 16 };

struct port {
    struct serial serial;
    unsigned raised, fed; /* interrupts; calls of hungry */
    size_t room;          /* what the console still takes */
    uint8_t output[4096];
    size_t count;
};

static inline void port_raise(void *opaque)
{
    ((struct port *)opaque)->raised++;
}

static inline size_t port_write(void *opaque, const uint8_t *bytes, size_t count)
{
    struct port *port = opaque;
    size_t taken = count < port->room ? count : port->room;

    assert_true(taken <= sizeof(port->output) - port->count);
    memcpy(port->output + port->count, bytes, taken);
    port->count += taken;
    port->room -= taken;
    return taken;
}

static inline void port_hungry(void *opaque)
{
    ((struct port *)opaque)->fed++;
}

static inline void port_open(struct port *port)
{
    memset(port, 0, sizeof(*port));
    port->room = SIZE_MAX;
    serial_init(&port->serial);
    port->serial.raise = port_raise;
    port->serial.write = port_write;
    port->serial.hungry = port_hungry;
    port->serial.opaque = port;
}

static inline void port_close(struct port *port)
{
    serial_fini(&port->serial);
}

static inline uint8_t in(struct port *port, unsigned index)
{
    return serial_read(&port->serial, index);
}

static inline void out(struct port *port, unsigned index, uint8_t value)
{
    serial_write(&port->serial, index, value);
}

static inline size_t type(struct port *port, const char *text)
{
    return serial_input(&port->serial, (const uint8_t *)text, strlen(text));
}

/* How many interrupts have come since the last time. */
static inline unsigned interrupts(struct port *port)
{
    unsigned raised = port->raised;

    port->raised = 0;
    return raised;
}

#endif
