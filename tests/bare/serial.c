/*
 * serial.c: text to the 16550. Lines end by a line feed alone: it is a test that reads them.
 */
#include "serial.h"

#include "cpu.h"

enum { LINE_CONTROL = 0x3fb, MODEM_CONTROL = 0x3fc, EIGHT_BITS = 0x03 };
enum { DIVISOR_LATCH = 0x80, READY_AND_INTERRUPTS = 0x0b };

/* The queues are left as they are: setting them would throw away what has come in already. */
void serial_start(void)
{
    out8(SERIAL_INTERRUPTS, 0);
    out8(LINE_CONTROL, DIVISOR_LATCH);
    out8(SERIAL_DATA, 1); /* 115200 baud */
    out8(SERIAL_INTERRUPTS, 0);
    out8(LINE_CONTROL, EIGHT_BITS);
    out8(MODEM_CONTROL, READY_AND_INTERRUPTS);
}

void serial_byte(uint8_t byte)
{
    while (!(in8(SERIAL_LINE) & SERIAL_CAN_SEND)) {
    }
    out8(SERIAL_DATA, byte);
}

void serial_text(const char *text)
{
    while (*text) {
        serial_byte((uint8_t)*text++);
    }
}

void serial_number(uint64_t number)
{
    char digits[21];
    unsigned at = sizeof(digits) - 1;

    digits[at] = 0;
    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    serial_text(digits + at);
}

void serial_hex(uint64_t number)
{
    unsigned shift = 60;

    serial_text("0x");
    while (shift > 0 && number >> shift == 0) {
        shift -= 4;
    }
    for (;; shift -= 4) {
        serial_byte((uint8_t) "0123456789abcdef"[number >> shift & 15]);
        if (shift == 0) {
            return;
        }
    }
}
