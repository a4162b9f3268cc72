/*
 * input.c: reads the serial line to the word "end", and says what it was.
 *
 * The sum is that of cksum's simpler forerunner: each byte is added to three times what was there,
 * modulo 2^32, so that lost, doubled and exchanged bytes all show.
 */
#include "input.h"

#include <stdint.h>

#include "cpu.h"
#include "interrupts.h"
#include "serial.h"
#include "tap.h"

enum { RECEIVED = 1, END_BYTES = 4 };

static uint64_t count;
static uint32_t sum, last;
static volatile bool ended;

static void take(void)
{
    while (in8(SERIAL_LINE) & SERIAL_HAS_BYTE) {
        uint8_t byte = in8(SERIAL_DATA);
        sum = sum * 3 + byte;
        last = last << 8 | byte;
        count++;
        if (last == ('e' << 24 | 'n' << 16 | 'd' << 8 | '\n')) {
            ended = true;
            return;
        }
    }
}

static void on_received(unsigned gsi)
{
    (void)gsi;
    in8(SERIAL_CAUSE);
    take();
}

void input_read(bool by_interrupt, bool slowly)
{
    serial_text("# reading\n");
    for (unsigned i = 0; slowly && i < 20; i++) {
        idle_a_while();
    }
    if (by_interrupt) {
        line_set(SERIAL_GSI, LINE_EDGE, on_received);
        out8(SERIAL_INTERRUPTS, RECEIVED);
        interrupts_off();
        while (!ended) {
            interrupts_on_and_halt();
            interrupts_off();
        }
        interrupts_on();
        out8(SERIAL_INTERRUPTS, 0);
        line_set(SERIAL_GSI, LINE_MASKED, 0);
        tap_say("interrupts", line_count(SERIAL_GSI));
    } else {
        while (!ended) {
            take();
        }
    }
    tap_say("bytes", count);
    tap_say("sum", sum);
}
