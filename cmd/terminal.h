/*
 * terminal.h: standard input and output as the console of a guest.
 *
 *   stdin ──thread──> Ctrl-A words ──> input(opaque, ...)         the guest's serial port
 *   stdout <──thread── a ring of bytes <── terminal_write         the guest's serial port
 *
 * A terminal is made raw, so that every key is the guest's, and is put back on every way out: at
 * exit, by a signal that ends us, and when we are suspended. One in a process.
 */
#ifndef TENON_TERMINAL_H
#define TENON_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct terminal_ops {
    /* Takes input, and returns how much: when it is not all, terminal_hungry says when to go on. */
    size_t (*input)(void *opaque, const uint8_t *bytes, size_t count);
    /* terminal_write, which took less than all, can take more. */
    void (*ready)(void *opaque);
    /* The user wants to end (Ctrl-A x). On a thread of the terminal. */
    void (*quit)(void *opaque);
    void *opaque;
};

/* Makes the terminal raw and starts the threads. False: reported. */
bool terminal_open(const struct terminal_ops *ops);

/* From any thread: takes what fits without waiting. */
size_t terminal_write(const uint8_t *bytes, size_t count);
/* Input can be taken again. Any thread, also in a signal handler. */
void terminal_hungry(void);

/*
 * Lets what was written come out while somebody reads it (for ten seconds at most), ends the
 * threads, restores the terminal.
 */
void terminal_close(void);

#endif
