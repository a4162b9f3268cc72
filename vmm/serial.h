/*
 * serial.h: a 16550 serial port: the guest's console.
 */
#ifndef VMM_SERIAL_H
#define VMM_SERIAL_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SERIAL_REGISTERS = 8, SERIAL_FIFO = 64, SERIAL_HELD = 16 };

struct serial {
    pthread_mutex_t lock;
    /* What the port is connected to. */
    void (*raise)(void *opaque); /* its interrupt has become pending */
    size_t (*write)(void *opaque, const uint8_t *bytes, size_t count);
    void (*hungry)(void *opaque);
    void *opaque;

    /* under lock */
    uint8_t ier, lcr, mcr, scr, dll, dlm;
    bool fifo_on;
    bool thr_pending; /* "transmitter empty" has not been reported yet */
    bool line;        /* the interrupt is pending */
    bool refused;     /* input did not fit: hungry() is owed */
    uint8_t input[SERIAL_FIFO];
    unsigned input_at, input_count;
    uint8_t held[SERIAL_HELD]; /* what the console could not take yet, the oldest first */
    unsigned held_count;
    bool overrun;
    unsigned looks; /* at LSR since the last byte was sent */
};

void serial_init(struct serial *serial);
void serial_fini(struct serial *serial);

/* The guest's accesses; `index` is 0 to 7. On vCPU threads. */
uint8_t serial_read(struct serial *serial, unsigned index);
void serial_write(struct serial *serial, unsigned index, uint8_t value);

/* Input for the guest: how much was taken. Any thread. */
size_t serial_input(struct serial *serial, const uint8_t *bytes, size_t count);
/* The console can take output again. Any thread. */
void serial_ready(struct serial *serial);

#endif
