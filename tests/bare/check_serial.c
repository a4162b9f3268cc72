/*
 * check_serial.c: the 16550 behaves as one where a driver looks: its probe, its interrupts. What
 * comes in is the concern of input.c.
 */
#include "checks.h"
#include "cpu.h"
#include "serial.h"
#include "tap.h"

enum { MODEM = 0x3fc, MODEM_STATUS = 0x3fe, SCRATCH = 0x3ff, LINE_FORMAT = 0x3fb };
enum {
    LOOPBACK = 0x10,
    SENT_ALL = 0x60,
    SENT = 0x02,
    NOTHING = 0x01,
    CAUSES = 0x0f,
    QUEUES_ON_AND_EMPTY = 0x07
};

/* What drivers do to find out whether there is one, and which. */
static void probe(void)
{
    uint8_t modem = in8(MODEM), format = in8(LINE_FORMAT);

    out8(SERIAL_INTERRUPTS, 0);
    WANT(in8(SERIAL_INTERRUPTS), 0);
    out8(SERIAL_INTERRUPTS, 0x0f);
    WANT(in8(SERIAL_INTERRUPTS), 0x0f);
    out8(SERIAL_INTERRUPTS, 0);
    out8(SCRATCH, 0xa5);
    WANT(in8(SCRATCH), 0xa5);
    out8(SCRATCH, 0x5a);
    WANT(in8(SCRATCH), 0x5a);
    out8(MODEM, LOOPBACK | 0x0a);
    WANT(in8(MODEM_STATUS) & 0xf0, 0x90);
    out8(MODEM, modem);
    out8(SERIAL_CAUSE, QUEUES_ON_AND_EMPTY);
    WANT(in8(SERIAL_CAUSE) >> 6, 3); /* the queues are on: a 16550A */
    out8(LINE_FORMAT, format | 0x80);
    WANT(in8(SERIAL_DATA), 1); /* the divisor that serial_start set */
    WANT(in8(SERIAL_INTERRUPTS), 0);
    out8(LINE_FORMAT, format);
    WANT(in8(LINE_FORMAT), format);
    WANT(in8(SERIAL_LINE) & SENT_ALL, SENT_ALL);
}

/* What is sent in loop-back comes in, and does not go out. */
static void loopback(void)
{
    uint8_t modem = in8(MODEM);

    out8(MODEM, LOOPBACK);
    for (unsigned i = 0; i < 10; i++) {
        WANT(in8(SERIAL_LINE) & SERIAL_HAS_BYTE, 0);
        out8(SERIAL_DATA, (uint8_t)(0x5a + i));
        WANT(in8(SERIAL_LINE) & SERIAL_HAS_BYTE, SERIAL_HAS_BYTE);
        WANT(in8(SERIAL_DATA), 0x5a + i);
    }
    out8(MODEM, modem);
}

static volatile uint8_t cause;

static void on_sent(unsigned gsi)
{
    (void)gsi;
    cause = in8(SERIAL_CAUSE) & CAUSES;
}

static void sent_interrupt(void)
{
    unsigned before = line_count(SERIAL_GSI);

    line_set(SERIAL_GSI, LINE_EDGE, on_sent);
    WANT(in8(SERIAL_CAUSE) & CAUSES, NOTHING);
    out8(SERIAL_INTERRUPTS, 2); /* when a byte can be sent: now */
    WANT(line_wait(SERIAL_GSI, before + 1), true);
    WANT(cause, SENT);
    WANT(in8(SERIAL_CAUSE) & CAUSES, NOTHING); /* reading it took it away */
    before = line_count(SERIAL_GSI);
    serial_text("# a byte that is sent raises it again\n");
    WANT(line_wait(SERIAL_GSI, before + 1), true);
    out8(SERIAL_INTERRUPTS, 0);
    line_set(SERIAL_GSI, LINE_MASKED, 0);
}

void check_serial(void)
{
    static const struct tap_case cases[] = {
        { "serial: it answers as a 16550A does", probe },
        { "serial: loop-back", loopback },
        { "serial: the interrupt when a byte was sent", sent_interrupt },
    };

    tap_run(cases, TAP_COUNT(cases));
}
