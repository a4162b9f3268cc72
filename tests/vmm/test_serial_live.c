/*
 * test_serial_live.c: a driver on one thread, the console on another, for as many bytes as it takes
 * to meet each other at every step. The driver is of the edge-triggered kind that Linux has: it
 * sleeps until the line is raised, and serves the port until IIR says that there is nothing more.
 * Whatever it is not told of, it never sees: a lost edge ends in a hang, which the alarm ends.
 */
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <unistd.h>

#include "serial_rig.h"

enum { BYTES = 60000, RING = 256, ALARM_SECONDS = 60 };

struct wire {
    struct serial serial;
    sem_t line, hungry, space;
    /* The console's ring: written under the port's lock, read by the console. */
    uint8_t ring[RING];
    atomic_uint in, out;
    atomic_bool refused;
    uint8_t got[BYTES]; /* by the console */
    unsigned got_count;
    unsigned errors;
};

static uint8_t byte_of(unsigned index)
{
    return (uint8_t)(index * 7 + index / 251);
}

static void raise_line(void *opaque)
{
    sem_post(&((struct wire *)opaque)->line);
}

static void be_hungry(void *opaque)
{
    sem_post(&((struct wire *)opaque)->hungry);
}

static size_t take_output(void *opaque, const uint8_t *bytes, size_t count)
{
    struct wire *wire = opaque;
    size_t taken = 0;

    while (taken < count && wire->in - wire->out < RING) {
        wire->ring[wire->in % RING] = bytes[taken++];
        wire->in++;
    }
    if (taken < count) {
        wire->refused = true;
    }
    sem_post(&wire->space);
    return taken;
}

/* ---- the console ---- */

/* Reads in pieces, so that the ring is often full, and tells the port each time that it was. */
static void *reader(void *opaque)
{
    struct wire *wire = opaque;

    while (wire->got_count < BYTES) {
        sem_wait(&wire->space);
        while (wire->out != wire->in) {
            wire->got[wire->got_count++] = wire->ring[wire->out % RING];
            wire->out++;
        }
        if (atomic_exchange(&wire->refused, false)) {
            serial_ready(&wire->serial);
        }
    }
    return NULL;
}

static void *typist(void *opaque)
{
    struct wire *wire = opaque;
    uint8_t piece[100];
    unsigned sent = 0;

    while (sent < BYTES) {
        size_t count = 1 + sent % sizeof(piece), left = BYTES - sent;
        count = count < left ? count : left;
        for (size_t i = 0; i < count; i++) {
            piece[i] = byte_of(sent + (unsigned)i);
        }
        size_t taken = serial_input(&wire->serial, piece, count);
        sent += (unsigned)taken;
        if (taken < count) {
            sem_wait(&wire->hungry);
        }
    }
    return NULL;
}

/* ---- the driver ---- */

struct driver {
    struct wire *wire;
    unsigned received, sent;
    bool wants_empty;
};

static void receive(struct driver *driver)
{
    struct serial *serial = &driver->wire->serial;

    while (serial_read(serial, LSR) & LSR_DATA) {
        if (serial_read(serial, DATA) != byte_of(driver->received++)) {
            driver->wire->errors++;
        }
    }
}

static void want_empty(struct driver *driver, bool wants)
{
    driver->wants_empty = wants;
    serial_write(&driver->wire->serial, IER, IER_DATA | (wants ? IER_EMPTY : 0));
}

/* A whole FIFO, blindly; nothing more to say turns the interrupt off for a while. */
static void send(struct driver *driver)
{
    for (unsigned i = 0; i < OUTPUT_FIFO && driver->sent < BYTES; i++) {
        serial_write(&driver->wire->serial, DATA, byte_of(driver->sent++));
    }
    if (driver->sent == BYTES || driver->sent % 5 == 0) {
        want_empty(driver, false);
    }
}

static void *driver_thread(void *opaque)
{
    struct driver driver = { .wire = opaque };
    struct serial *serial = &driver.wire->serial;

    want_empty(&driver, true);
    while (driver.received < BYTES || driver.sent < BYTES) {
        uint8_t why;
        sem_wait(&driver.wire->line);
        while ((why = serial_read(serial, IIR) & IIR_WHY) != IIR_NONE) {
            if (why == IIR_DATA) {
                receive(&driver);
            } else if (why == IIR_EMPTY) {
                send(&driver);
            } else {
                driver.wire->errors++;
            }
        }
        if (!driver.wants_empty && driver.sent < BYTES) {
            want_empty(&driver, true); /* a program has written something again */
        }
    }
    return NULL;
}

static void wire_open(struct wire *wire)
{
    memset(wire, 0, sizeof(*wire));
    sem_init(&wire->line, 0, 0);
    sem_init(&wire->hungry, 0, 0);
    sem_init(&wire->space, 0, 0);
    serial_init(&wire->serial);
    wire->serial.raise = raise_line;
    wire->serial.write = take_output;
    wire->serial.hungry = be_hungry;
    wire->serial.opaque = wire;
}

static void interrupts_alone_carry_every_byte(void **state)
{
    static void *(*const parts[])(void *) = { driver_thread, reader, typist };
    static struct wire wire;
    pthread_t threads[3];
    (void)state;

    wire_open(&wire);
    /* Before anybody types: it empties the FIFOs. */
    serial_write(&wire.serial, FCR, FCR_ON);
    alarm(ALARM_SECONDS);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, parts[i], &wire), 0);
    }
    for (unsigned i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
    }
    alarm(0);
    assert_int_equal(wire.errors, 0);
    for (unsigned i = 0; i < BYTES; i++) {
        assert_int_equal(wire.got[i], byte_of(i));
    }
    serial_fini(&wire.serial);
}

/* ---- two processors that both use the port, and a console that comes and goes ---- */

static atomic_bool hammering;

static void *hammer(void *opaque)
{
    struct wire *wire = opaque;
    static atomic_uint seeds;
    unsigned seed = ++seeds;

    for (unsigned i = 0; i < 20000; i++) {
        unsigned index = (seed = seed * 1103515245 + 12345) >> 16;
        if (index & 8) {
            serial_write(&wire->serial, index & 7, (uint8_t)(index >> 4));
        } else {
            serial_read(&wire->serial, index & 7);
        }
    }
    hammering = false;
    return NULL;
}

static void nonsense_from_two_processors_is_survived(void **state)
{
    static struct wire wire;
    pthread_t threads[2];
    (void)state;

    wire_open(&wire);
    hammering = true;
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, hammer, &wire), 0);
    }
    while (hammering) {
        serial_input(&wire.serial, (const uint8_t *)"some input", 10);
        wire.out = (unsigned)wire.in;
        serial_ready(&wire.serial);
    }
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(wire.serial.input_count <= SERIAL_FIFO);
    assert_true(wire.serial.held_count <= SERIAL_HELD);
    serial_fini(&wire.serial);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(interrupts_alone_carry_every_byte),
        cmocka_unit_test(nonsense_from_two_processors_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
