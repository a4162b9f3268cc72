/*
 * test_serial.c: the serial port as a driver sees it: each register, both interrupts, loop-back, a
 * console that is full, input that does not fit. Drivers on threads of their own: test_serial_live.
 */
#include "serial_rig.h"

static void fresh_port_is_idle(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    assert_int_equal(in(&port, IER), 0);
    assert_int_equal(in(&port, IIR), IIR_NONE); /* an 8250: its FIFOs are off */
    assert_int_equal(in(&port, LCR), 3);        /* 8 bits, no parity */
    assert_int_equal(in(&port, MCR), 0);
    assert_int_equal(in(&port, LSR), LSR_EMPTY);
    assert_int_equal(in(&port, MSR), 0xb0); /* somebody is there, and ready */
    assert_int_equal(in(&port, DATA), 0);
    assert_int_equal(interrupts(&port), 0);
    assert_int_equal(port.count, 0);
    port_close(&port);
}

static void registers_keep_what_is_theirs(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    for (unsigned value = 0; value < 256; value++) {
        out(&port, SCR, (uint8_t)value);
        assert_int_equal(in(&port, SCR), value);
        out(&port, LCR, (uint8_t)value);
        assert_int_equal(in(&port, LCR), value);
        out(&port, LCR, 3);
        out(&port, IER, (uint8_t)value);
        assert_int_equal(in(&port, IER), value & 0x0f);
        out(&port, MCR, (uint8_t)value);
        assert_int_equal(in(&port, MCR), value & 0x1f);
        out(&port, LSR, (uint8_t)value); /* read-only */
        out(&port, MSR, (uint8_t)value);
    }
    out(&port, MCR, 0);
    assert_int_equal(in(&port, LSR), LSR_EMPTY);
    assert_int_equal(in(&port, MSR), 0xb0);
    assert_int_equal(port.count, 0);
    port_close(&port);
}

static void divisor_lies_behind_its_bit(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    out(&port, IER, IER_DATA);
    out(&port, LCR, LCR_DIVISOR | 3);
    assert_int_equal(in(&port, DATA), 1); /* 115200 bits per second */
    assert_int_equal(in(&port, IER), 0);
    out(&port, DATA, 0x34);
    out(&port, IER, 0x12);
    assert_int_equal(in(&port, DATA), 0x34);
    assert_int_equal(in(&port, IER), 0x12);
    assert_int_equal(port.count, 0); /* nothing was sent */
    assert_int_equal(type(&port, "x"), 1);
    assert_int_equal(in(&port, DATA), 0x34); /* nothing is taken either */
    out(&port, LCR, 3);
    assert_int_equal(in(&port, IER), IER_DATA);
    assert_int_equal(in(&port, DATA), 'x');
    port_close(&port);
}

static void fifo_bits_tell_a_16550A(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    out(&port, IER, IER_DATA);
    out(&port, FCR, FCR_ON);
    assert_int_equal(in(&port, IIR), 0xc0 | IIR_NONE);
    assert_int_equal(type(&port, "abc"), 3);
    out(&port, FCR, FCR_ON);
    assert_int_equal(in(&port, LSR), LSR_EMPTY | LSR_DATA);
    out(&port, FCR, FCR_ON | FCR_CLEAR_INPUT);
    assert_int_equal(in(&port, LSR), LSR_EMPTY);
    assert_int_equal(type(&port, "abc"), 3);
    out(&port, FCR, 0); /* switching them clears them */
    assert_int_equal(in(&port, LSR), LSR_EMPTY);
    assert_int_equal(in(&port, IIR), IIR_NONE);
    port_close(&port);
}

/* As Linux finds out what it has (autoconfig): the port must be there, and loop back. */
static void loop_back_returns_bytes_and_lines(void **state)
{
    static const uint8_t lines[][2] = {
        { 0x02, 0x10 }, { 0x01, 0x20 }, { 0x04, 0x40 }, { 0x08, 0x80 }, { 0x0a, 0x90 }
    };
    struct port port;
    (void)state;

    port_open(&port);
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        out(&port, MCR, MCR_LOOP | lines[i][0]);
        assert_int_equal(in(&port, MSR) & 0xf0, lines[i][1]);
    }
    for (unsigned i = 0; i < SERIAL_FIFO; i++) {
        out(&port, DATA, (uint8_t)i);
    }
    assert_int_equal(in(&port, LSR), LSR_EMPTY | LSR_DATA);
    out(&port, DATA, 0xee); /* one too many */
    assert_int_equal(in(&port, LSR), LSR_EMPTY | LSR_DATA | LSR_OVERRUN);
    assert_int_equal(in(&port, LSR), LSR_EMPTY | LSR_DATA); /* told once */
    for (unsigned i = 0; i < SERIAL_FIFO; i++) {
        assert_int_equal(in(&port, DATA), i);
    }
    assert_int_equal(in(&port, LSR), LSR_EMPTY);
    assert_int_equal(port.count, 0);
    /* What comes from outside waits until the loop is open. */
    assert_int_equal(type(&port, "x"), 0);
    out(&port, SCR, 1);
    assert_int_equal(port.fed, 0);
    out(&port, MCR, 0);
    assert_int_equal(port.fed, 1);
    assert_int_equal(type(&port, "x"), 1);
    port_close(&port);
}

static void data_raises_the_line_once(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    assert_int_equal(type(&port, "ab"), 2);
    assert_int_equal(interrupts(&port), 0); /* nobody asked */
    out(&port, IER, IER_DATA);
    assert_int_equal(interrupts(&port), 1);
    assert_int_equal(type(&port, "c"), 1);
    assert_int_equal(interrupts(&port), 0); /* it is up already */
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_DATA);
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_DATA); /* reading is no answer */
    for (const char *c = "abc"; *c; c++) {
        assert_int_equal(in(&port, DATA), *c);
    }
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_NONE);
    assert_int_equal(interrupts(&port), 0);
    assert_int_equal(type(&port, "d"), 1);
    assert_int_equal(interrupts(&port), 1);
    out(&port, IER, 0);
    out(&port, IER, IER_DATA);
    assert_int_equal(interrupts(&port), 1); /* down and up again */
    port_close(&port);
}

static void empty_raises_the_line_for_each_byte(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    out(&port, IER, IER_EMPTY);
    assert_int_equal(interrupts(&port), 1); /* it is empty now */
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_EMPTY);
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_NONE); /* reading was the answer */
    out(&port, IER, IER_EMPTY);
    assert_int_equal(interrupts(&port), 0); /* nothing new */
    for (unsigned i = 0; i < 3; i++) {
        out(&port, DATA, 'a');
        assert_int_equal(interrupts(&port), 1);
        assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_EMPTY);
    }
    /* Linux's test for ports that forget: off and on must raise it once more. */
    out(&port, IER, 0);
    out(&port, IER, IER_EMPTY);
    assert_int_equal(interrupts(&port), 1);
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_EMPTY);
    port_close(&port);
}

static void data_comes_before_empty_and_hides_it_not(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    out(&port, IER, IER_DATA | IER_EMPTY);
    assert_int_equal(type(&port, "a"), 1);
    assert_int_equal(interrupts(&port), 1);
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_DATA);
    assert_int_equal(in(&port, DATA), 'a');
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_EMPTY);
    assert_int_equal(type(&port, "b"), 1);
    assert_int_equal(interrupts(&port), 1);
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_DATA);
    port_close(&port);
}

static void full_console_makes_the_port_busy(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    out(&port, IER, IER_EMPTY);
    in(&port, IIR);
    interrupts(&port);
    port.room = 1;
    out(&port, DATA, 'a');
    assert_int_equal(interrupts(&port), 1);
    in(&port, IIR);
    out(&port, DATA, 'b');
    assert_int_equal(in(&port, LSR), 0);
    assert_int_equal(interrupts(&port), 0);
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_NONE);
    out(&port, IER, 0);
    out(&port, IER, IER_EMPTY); /* it is not empty, so this says nothing */
    assert_int_equal(interrupts(&port), 0);
    serial_ready(&port.serial); /* a false alarm */
    assert_int_equal(in(&port, LSR), 0);
    port.room = 10;
    serial_ready(&port.serial);
    assert_int_equal(in(&port, LSR), LSR_EMPTY);
    assert_int_equal(interrupts(&port), 1);
    assert_int_equal(in(&port, IIR) & IIR_WHY, IIR_EMPTY);
    serial_ready(&port.serial); /* one too many */
    assert_int_equal(port.count, 2);
    assert_memory_equal(port.output, "ab", 2);
    port_close(&port);
}

/* Linux writes sixteen bytes each time that it hears "empty", without looking between them. */
static void burst_of_a_whole_fifo_is_kept(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    out(&port, FCR, FCR_ON);
    out(&port, IER, IER_EMPTY);
    in(&port, IIR);
    port.room = 3;
    for (unsigned i = 0; i < OUTPUT_FIFO; i++) {
        out(&port, DATA, (uint8_t)('A' + i));
    }
    assert_int_equal(port.count, 3);
    assert_int_equal(in(&port, LSR), 0);
    interrupts(&port);
    port.room = 5;
    serial_ready(&port.serial);
    assert_int_equal(port.count, 8);
    assert_int_equal(in(&port, LSR), 0); /* not all of it is out */
    assert_int_equal(interrupts(&port), 0);
    port.room = 1000;
    serial_ready(&port.serial);
    assert_int_equal(in(&port, LSR), LSR_EMPTY);
    assert_int_equal(interrupts(&port), 1);
    assert_int_equal(port.count, OUTPUT_FIFO);
    assert_memory_equal(port.output, "ABCDEFGHIJKLMNOP", OUTPUT_FIFO);
    port_close(&port);
}

static void driver_that_does_not_wait_loses_only_its_own(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    out(&port, FCR, FCR_ON);
    port.room = 0;
    for (unsigned i = 0; i < 1000; i++) {
        out(&port, DATA, (uint8_t)i);
    }
    port.room = 1000;
    serial_ready(&port.serial);
    out(&port, DATA, 0xff);
    assert_int_equal(port.count, OUTPUT_FIFO + 1);
    for (unsigned i = 0; i < OUTPUT_FIFO; i++) {
        assert_int_equal(port.output[i], i);
    }
    assert_int_equal(port.output[OUTPUT_FIFO], 0xff);
    port_close(&port);
}

static void input_that_does_not_fit_is_asked_for_later(void **state)
{
    char text[SERIAL_FIFO + 10 + 1];
    struct port port;
    (void)state;

    port_open(&port);
    out(&port, IER, IER_DATA);
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    assert_int_equal(type(&port, "abc"), 3);
    for (unsigned i = 0; i < 3; i++) {
        in(&port, DATA);
    }
    assert_int_equal(port.fed, 0); /* nothing was refused */
    assert_int_equal(type(&port, text), SERIAL_FIFO);
    assert_int_equal(type(&port, "y"), 0);
    for (unsigned i = 0; i < SERIAL_FIFO - 1; i++) {
        in(&port, DATA);
    }
    assert_int_equal(port.fed, 0);
    in(&port, DATA);
    assert_int_equal(port.fed, 1);
    in(&port, DATA);
    assert_int_equal(port.fed, 1); /* once for each refusal */
    assert_int_equal(type(&port, text), SERIAL_FIFO);
    out(&port, FCR, FCR_ON | FCR_CLEAR_INPUT);
    assert_int_equal(port.fed, 2); /* emptied in another way */
    assert_int_equal(in(&port, LSR), LSR_EMPTY);
    port_close(&port);
}

/* As Linux starts the port: whatever it throws away, what was typed before comes afterwards. */
static void early_input_waits_for_a_receiver(void **state)
{
    struct port port;
    (void)state;

    port_open(&port);
    assert_int_equal(type(&port, "root"), 4);
    out(&port, DATA, '>'); /* messages of the boot, each after a look */
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(in(&port, LSR), LSR_EMPTY);
        out(&port, DATA, '.');
    }
    out(&port, FCR, FCR_ON);
    out(&port, FCR, FCR_ON | FCR_CLEAR_INPUT);
    in(&port, LSR);
    assert_int_equal(in(&port, DATA), 0);
    assert_int_equal(interrupts(&port), 0);
    out(&port, IER, IER_DATA);
    assert_int_equal(interrupts(&port), 1);
    for (const char *c = "root"; *c; c++) {
        assert_int_equal(in(&port, LSR), LSR_EMPTY | LSR_DATA);
        assert_int_equal(in(&port, DATA), *c);
    }
    port_close(&port);
}

/* A driver without interrupts looks at LSR until there is something. */
static void polling_driver_receives_too(void **state)
{
    struct port port;
    unsigned looks = 1;
    (void)state;

    port_open(&port);
    assert_int_equal(type(&port, "x"), 1);
    while (!(in(&port, LSR) & LSR_DATA)) {
        looks++;
        assert_true(looks < 100);
    }
    assert_int_equal(in(&port, DATA), 'x');
    port_close(&port);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_port_is_idle),
        cmocka_unit_test(registers_keep_what_is_theirs),
        cmocka_unit_test(divisor_lies_behind_its_bit),
        cmocka_unit_test(fifo_bits_tell_a_16550A),
        cmocka_unit_test(loop_back_returns_bytes_and_lines),
        cmocka_unit_test(data_raises_the_line_once),
        cmocka_unit_test(empty_raises_the_line_for_each_byte),
        cmocka_unit_test(data_comes_before_empty_and_hides_it_not),
        cmocka_unit_test(full_console_makes_the_port_busy),
        cmocka_unit_test(burst_of_a_whole_fifo_is_kept),
        cmocka_unit_test(driver_that_does_not_wait_loses_only_its_own),
        cmocka_unit_test(input_that_does_not_fit_is_asked_for_later),
        cmocka_unit_test(early_input_waits_for_a_receiver),
        cmocka_unit_test(polling_driver_receives_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
