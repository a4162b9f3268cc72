/*
 * tap.c: runs cases and prints what came of them.
 */
#include "tap.h"

#include "serial.h"

enum { COMPLAINTS_MAX = 5 }; /* of one case that are printed */

static unsigned number, complaints;

void tap_want(const char *file, unsigned line, const char *what, uint64_t got, uint64_t wanted)
{
    if (got == wanted || ++complaints > COMPLAINTS_MAX) {
        return;
    }
    serial_text("# ");
    serial_text(file);
    serial_byte(':');
    serial_number(line);
    serial_text(": ");
    serial_text(what);
    serial_text(" is ");
    serial_hex(got);
    serial_text(", not ");
    serial_hex(wanted);
    serial_byte('\n');
}

void tap_run(const struct tap_case *cases, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        complaints = 0;
        cases[i].run();
        serial_text(complaints == 0 ? "ok " : "not ok ");
        serial_number(++number);
        serial_text(" - ");
        serial_text(cases[i].name);
        serial_byte('\n');
    }
}

void tap_finish(void)
{
    serial_text("1..");
    serial_number(number);
    serial_byte('\n');
}

void tap_say(const char *name, uint64_t value)
{
    serial_text("# ");
    serial_text(name);
    serial_byte(' ');
    serial_number(value);
    serial_byte('\n');
}
