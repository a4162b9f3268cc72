/*
 * terminal_input.c: standard input on its way to the guest: the words that begin with Ctrl-A are
 * taken out, the rest waits in a ring for as long as the guest takes nothing.
 *
 *   stdin ──poll, read──> keys ──> ring ──> ops.input(opaque, ...)      ops.quit for Ctrl-A x
 *
 * All of it on one thread, which terminal_hungry and terminal_input_end wake by a descriptor. A
 * guest that hangs is the one that somebody wants to leave: reading goes on whatever it does, until
 * the ring is full.
 */
#include "terminal_input.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "report.h"
#include "tty_mode.h"

enum { RING_BYTES = 1024 * 1024, CHUNK = 4096, ESCAPE = 1 /* Ctrl-A */, BACKGROUND_MS = 100 };

static const char help[] = "\r\n"
                           "Ctrl-A x       end the virtual machine\r\n"
                           "Ctrl-A h       this help\r\n"
                           "Ctrl-A Ctrl-A  send Ctrl-A to the guest\r\n";

static struct {
    struct terminal_ops ops;
    bool interactive;
    int wake; /* an eventfd */
    atomic_bool closing;
    /* the thread's */
    bool at_end;     /* nothing will come any more */
    bool background; /* the terminal is somebody else's for a while */
    bool escape;     /* the key before was Ctrl-A */
    uint8_t ring[RING_BYTES];
    size_t at, count;
} input = { .wake = -1 };

bool terminal_input_open(const struct terminal_ops *ops, bool interactive)
{
    input.ops = *ops;
    input.interactive = interactive;
    input.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (input.wake < 0) {
        report_error("cannot make a descriptor for the console: %s", strerror(errno));
        return false;
    }
    return true;
}

void terminal_hungry(void)
{
    eventfd_write(input.wake, 1);
}

void terminal_input_end(void)
{
    atomic_store(&input.closing, true);
    eventfd_write(input.wake, 1);
}

/* ---- to the guest ---- */

static void put(const uint8_t *bytes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        input.ring[(input.at + input.count++) % RING_BYTES] = bytes[i];
    }
}

/* As much as it takes; for the rest it is hungry later. */
static void feed(void)
{
    while (input.count > 0) {
        size_t run = RING_BYTES - input.at < input.count ? RING_BYTES - input.at : input.count;
        size_t taken = input.ops.input(input.ops.opaque, input.ring + input.at, run);
        input.at = (input.at + taken) % RING_BYTES;
        input.count -= taken;
        if (taken < run) {
            return;
        }
    }
}

/* ---- from the user ---- */

static void escaped(uint8_t key)
{
    switch (key) {
    case 'x':
    case 'X':
        input.ops.quit(input.ops.opaque);
        break;
    case ESCAPE:
        put(&key, 1);
        break;
    default:
        terminal_write((const uint8_t *)help, sizeof(help) - 1);
        break;
    }
}

static void take_keys(const uint8_t *keys, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (input.escape) {
            input.escape = false;
            escaped(keys[i]);
        } else if (keys[i] == ESCAPE) {
            input.escape = true;
        } else {
            put(&keys[i], 1);
        }
    }
}

static void read_some(void)
{
    uint8_t bytes[CHUNK];
    ssize_t n = read(STDIN_FILENO, bytes, sizeof(bytes));

    if (n > 0 && input.interactive) {
        take_keys(bytes, (size_t)n);
    } else if (n > 0) {
        put(bytes, (size_t)n); /* a file or a pipe: every byte is the guest's */
    } else if (n < 0 && errno == EIO && tty_mode_is_background()) {
        return; /* it became somebody else's just now */
    } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
        input.at_end = true;
    }
}

/* A job that was not stopped is not told that it is in the foreground again: it has to look. */
static void look_for_foreground(void)
{
    bool before = input.background;

    input.background = input.interactive && tty_mode_is_background();
    if (before && !input.background) {
        tty_mode_resume();
    }
}

/* Waits for input, if there is room for it, or to be woken. */
static void wait_and_read(void)
{
    bool wanted = !input.at_end && !input.background && RING_BYTES - input.count >= CHUNK;
    struct pollfd fds[] = { { .fd = input.wake, .events = POLLIN },
                            { .fd = wanted ? STDIN_FILENO : -1, .events = POLLIN } };
    eventfd_t ignored;

    if (poll(fds, 2, input.background ? BACKGROUND_MS : -1) < 0) {
        return; /* a signal */
    }
    if (fds[0].revents) {
        eventfd_read(input.wake, &ignored);
    }
    if (fds[1].revents) {
        read_some();
    }
}

void terminal_input_run(void)
{
    while (!atomic_load(&input.closing) && !(input.at_end && input.count == 0)) {
        look_for_foreground();
        wait_and_read();
        feed();
    }
}
