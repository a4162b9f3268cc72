/*
 * serial.h: the 16550 at 0x3f8, by polling, and text on it.
 */
#ifndef BARE_SERIAL_H
#define BARE_SERIAL_H

#include <stdbool.h>
#include <stdint.h>

enum {
    SERIAL_DATA = 0x3f8,
    SERIAL_INTERRUPTS = 0x3f9, /* IER */
    SERIAL_CAUSE = 0x3fa,      /* IIR read, FCR write */
    SERIAL_LINE = 0x3fd,       /* LSR */
    SERIAL_GSI = 4
};
enum { SERIAL_HAS_BYTE = 0x01, SERIAL_CAN_SEND = 0x20 }; /* of SERIAL_LINE */

void serial_start(void);
void serial_byte(uint8_t byte);
void serial_text(const char *text);
void serial_number(uint64_t number); /* decimal */
void serial_hex(uint64_t number);

#endif
