/*
 * serial.c: a 16550 serial port, as much of it as drivers use: both FIFOs, the two interrupts that
 * matter (data has come, the transmitter is empty), loop-back. Bits per second and parity are kept
 * and mean nothing.
 *
 * A byte written goes to the console at once. If the console is full the port holds it and shows
 * itself busy, so that the guest waits and not the thread of its processor. It holds as many as a
 * real one: a driver that hears "empty" may send a whole FIFO without looking.
 *
 * Input that is there before a driver wants it (a script on standard input) waits: while it starts,
 * a driver empties the FIFO and reads the data register to be rid of what noise left there.
 */
#include "serial.h"

#include <string.h>

enum reg { DATA = 0, IER = 1, IIR_FCR = 2, LCR = 3, MCR = 4, LSR = 5, MSR = 6, SCR = 7 };

enum {
    IER_DATA = 0x01,
    IER_EMPTY = 0x02,
    IER_MASK = 0x0f,
    IIR_NONE = 0x01,
    IIR_EMPTY = 0x02,
    IIR_DATA = 0x04,
    IIR_FIFO_ON = 0xc0,
    FCR_ENABLE = 0x01,
    FCR_CLEAR_INPUT = 0x02,
    LCR_DIVISOR = 0x80,
    MCR_DTR = 0x01,
    MCR_RTS = 0x02,
    MCR_OUT1 = 0x04,
    MCR_OUT2 = 0x08,
    MCR_LOOP = 0x10,
    MCR_MASK = 0x1f,
    LSR_DATA = 0x01,
    LSR_OVERRUN = 0x02,
    LSR_EMPTY = 0x60, /* holding register and transmitter */
    MSR_CTS = 0x10,
    MSR_DSR = 0x20,
    MSR_RI = 0x40,
    MSR_DCD = 0x80,
    LOOKS = 16,
};

void serial_init(struct serial *serial)
{
    pthread_mutex_init(&serial->lock, NULL);
    serial->dll = 1; /* 115200 bits per second, as firmware leaves it */
    serial->lcr = 3;
}

void serial_fini(struct serial *serial)
{
    pthread_mutex_destroy(&serial->lock);
}

/*
 * Whether somebody receives: by interrupts, or by looking at LSR again and again. A driver that
 * only sends looks at it once or twice for each byte.
 */
static bool receives(const struct serial *serial)
{
    return (serial->ier & IER_DATA) || (serial->mcr & MCR_LOOP) || serial->looks >= LOOKS;
}

static bool has_input(const struct serial *serial)
{
    return serial->input_count > 0 && receives(serial);
}

/* ---- the interrupt ---- */

static uint8_t reason(const struct serial *serial)
{
    if ((serial->ier & IER_DATA) && has_input(serial)) {
        return IIR_DATA;
    }
    if ((serial->ier & IER_EMPTY) && serial->thr_pending) {
        return IIR_EMPTY;
    }
    return IIR_NONE;
}

/* The line is edge-triggered: each time a reason appears where there was none, it is raised. */
static void update_line(struct serial *serial)
{
    bool pending = reason(serial) != IIR_NONE;

    if (pending && !serial->line) {
        serial->raise(serial->opaque);
    }
    serial->line = pending;
}

/* ---- output ---- */

static void put_input(struct serial *serial, uint8_t byte)
{
    if (serial->input_count == SERIAL_FIFO) {
        serial->overrun = true;
        return;
    }
    serial->input[(serial->input_at + serial->input_count++) % SERIAL_FIFO] = byte;
}

/* A driver that does not wait for room loses what it sends, as on a wire. */
static void hold(struct serial *serial, uint8_t byte)
{
    if (serial->held_count < (serial->fifo_on ? SERIAL_HELD : 1)) {
        serial->held[serial->held_count++] = byte;
    }
}

static void transmit(struct serial *serial, uint8_t byte)
{
    serial->looks = 0;
    serial->thr_pending = false; /* and pending again below: an edge for each byte */
    update_line(serial);
    if (serial->mcr & MCR_LOOP) {
        put_input(serial, byte);
    } else if (serial->held_count > 0 || serial->write(serial->opaque, &byte, 1) == 0) {
        hold(serial, byte);
        return;
    }
    serial->thr_pending = true;
    update_line(serial);
}

void serial_ready(struct serial *serial)
{
    pthread_mutex_lock(&serial->lock);
    if (serial->held_count > 0) {
        size_t taken = serial->write(serial->opaque, serial->held, serial->held_count);
        serial->held_count -= (unsigned)taken;
        memmove(serial->held, serial->held + taken, serial->held_count);
        serial->thr_pending = serial->held_count == 0;
        update_line(serial);
    }
    pthread_mutex_unlock(&serial->lock);
}

/* ---- input ---- */

size_t serial_input(struct serial *serial, const uint8_t *bytes, size_t count)
{
    size_t taken = 0;

    pthread_mutex_lock(&serial->lock);
    while (taken < count && serial->input_count < SERIAL_FIFO && !(serial->mcr & MCR_LOOP)) {
        put_input(serial, bytes[taken++]);
    }
    serial->refused = taken < count;
    update_line(serial);
    pthread_mutex_unlock(&serial->lock);
    return taken;
}

/* True: whoever has input waiting is to be told, without the lock. */
static bool has_room_again(struct serial *serial)
{
    if (!serial->refused || serial->input_count > 0 || (serial->mcr & MCR_LOOP)) {
        return false;
    }
    serial->refused = false;
    return true;
}

static uint8_t take_input(struct serial *serial)
{
    if (!has_input(serial)) {
        return 0;
    }
    uint8_t byte = serial->input[serial->input_at];
    serial->input_at = (serial->input_at + 1) % SERIAL_FIFO;
    serial->input_count--;
    return byte;
}

/* ---- registers ---- */

static uint8_t read_iir(struct serial *serial)
{
    uint8_t why = reason(serial);

    if (why == IIR_EMPTY) {
        serial->thr_pending = false; /* reading it is the acknowledgement */
    }
    return (uint8_t)(why | (serial->fifo_on ? IIR_FIFO_ON : 0));
}

static uint8_t read_lsr(struct serial *serial)
{
    uint8_t value = serial->held_count > 0 ? 0 : LSR_EMPTY;

    serial->looks += serial->looks < LOOKS;
    value |= has_input(serial) ? LSR_DATA : 0;
    value |= serial->overrun ? LSR_OVERRUN : 0;
    serial->overrun = false;
    return value;
}

/* In loop-back the four outputs are the four inputs; else the other end is there and ready. */
static uint8_t read_msr(const struct serial *serial)
{
    uint8_t mcr = serial->mcr;

    if (!(mcr & MCR_LOOP)) {
        return MSR_CTS | MSR_DSR | MSR_DCD;
    }
    return (uint8_t)((mcr & MCR_RTS ? MSR_CTS : 0) | (mcr & MCR_DTR ? MSR_DSR : 0) |
                     (mcr & MCR_OUT1 ? MSR_RI : 0) | (mcr & MCR_OUT2 ? MSR_DCD : 0));
}

static uint8_t read_locked(struct serial *serial, unsigned index)
{
    bool divisor = serial->lcr & LCR_DIVISOR;

    switch ((enum reg)index) {
    case DATA:
        return divisor ? serial->dll : take_input(serial);
    case IER:
        return divisor ? serial->dlm : serial->ier;
    case IIR_FCR:
        return read_iir(serial);
    case LCR:
        return serial->lcr;
    case MCR:
        return serial->mcr;
    case LSR:
        return read_lsr(serial);
    case MSR:
        return read_msr(serial);
    case SCR:
        return serial->scr;
    }
    return 0xff;
}

static void write_ier(struct serial *serial, uint8_t value)
{
    bool newly = (value & IER_EMPTY) && !(serial->ier & IER_EMPTY);

    serial->ier = value & IER_MASK;
    if (newly && serial->held_count == 0) {
        serial->thr_pending = true; /* it is empty, and the driver wants to hear of that now */
    }
}

static void write_fcr(struct serial *serial, uint8_t value)
{
    bool on = value & FCR_ENABLE;

    if (((value & FCR_CLEAR_INPUT) || on != serial->fifo_on) && receives(serial)) {
        serial->input_count = 0;
    }
    serial->fifo_on = on;
}

static void write_locked(struct serial *serial, unsigned index, uint8_t value)
{
    bool divisor = serial->lcr & LCR_DIVISOR;

    switch ((enum reg)index) {
    case DATA:
        if (divisor) {
            serial->dll = value;
        } else {
            transmit(serial, value);
        }
        break;
    case IER:
        if (divisor) {
            serial->dlm = value;
        } else {
            write_ier(serial, value);
        }
        break;
    case IIR_FCR:
        write_fcr(serial, value);
        break;
    case LCR:
        serial->lcr = value;
        break;
    case MCR:
        serial->mcr = value & MCR_MASK;
        break;
    case SCR:
        serial->scr = value;
        break;
    case LSR:
    case MSR:
        break; /* read-only */
    }
}

uint8_t serial_read(struct serial *serial, unsigned index)
{
    pthread_mutex_lock(&serial->lock);
    uint8_t value = read_locked(serial, index);
    update_line(serial);
    bool tell = has_room_again(serial);
    pthread_mutex_unlock(&serial->lock);
    if (tell) {
        serial->hungry(serial->opaque);
    }
    return value;
}

void serial_write(struct serial *serial, unsigned index, uint8_t value)
{
    pthread_mutex_lock(&serial->lock);
    write_locked(serial, index, value);
    update_line(serial);
    bool tell = has_room_again(serial);
    pthread_mutex_unlock(&serial->lock);
    if (tell) {
        serial->hungry(serial->opaque);
    }
}
