/*
 * terminal.c: the two threads of a guest's console. They may wait for ever (for a key, for a
 * terminal that Ctrl-S has stopped, for a pipe that nobody reads), so they are threads of their own
 * and are woken by a signal at the end; nobody else ever waits for them.
 */
#include "terminal.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "report.h"
#include "terminal_input.h"
#include "tty_mode.h"

enum { RING_BYTES = 64 * 1024, CHUNK = 1024 };

static struct {
    struct terminal_ops ops;
    pthread_t input, output;
    atomic_bool closing;
    pthread_mutex_t lock;
    pthread_cond_t fed;     /* the ring is no longer empty */
    pthread_cond_t changed; /* nothing is left to write, or a thread has ended */
    /* under lock */
    bool has_input, has_output; /* the threads run */
    uint8_t ring[RING_BYTES];
    size_t at, count;
    bool refused; /* ready() is owed */
} terminal = { .lock = PTHREAD_MUTEX_INITIALIZER, .fed = PTHREAD_COND_INITIALIZER };

/* Its handler does nothing: it ends a read or a write that waits. */
static int wake_signal(void)
{
    return SIGRTMIN + 1;
}

static void woken(int number)
{
    (void)number;
}

static bool is_closing(void)
{
    return atomic_load(&terminal.closing);
}

/* Somebody who shares the descriptor made it so that it does not wait. */
static void pause_shortly(void)
{
    nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
}

/* The last thing that a thread does. */
static void has_ended(bool *has)
{
    pthread_mutex_lock(&terminal.lock);
    *has = false;
    pthread_cond_broadcast(&terminal.changed);
    pthread_mutex_unlock(&terminal.lock);
}

/* ---- output ---- */

size_t terminal_write(const uint8_t *bytes, size_t count)
{
    pthread_mutex_lock(&terminal.lock);
    size_t room = RING_BYTES - terminal.count, taken = count < room ? count : room;
    for (size_t i = 0; i < taken; i++) {
        terminal.ring[(terminal.at + terminal.count + i) % RING_BYTES] = bytes[i];
    }
    terminal.count += taken;
    terminal.refused = terminal.refused || taken < count;
    pthread_cond_signal(&terminal.fed);
    pthread_mutex_unlock(&terminal.lock);
    return taken;
}

/* Waits for something to write, and copies it; it leaves the ring later. 0: the end. */
static size_t next_chunk(uint8_t chunk[CHUNK])
{
    pthread_mutex_lock(&terminal.lock);
    while (terminal.count == 0 && !is_closing()) {
        pthread_cond_broadcast(&terminal.changed);
        pthread_cond_wait(&terminal.fed, &terminal.lock);
    }
    size_t count = terminal.count < CHUNK ? terminal.count : CHUNK;
    for (size_t i = 0; i < count; i++) {
        chunk[i] = terminal.ring[(terminal.at + i) % RING_BYTES];
    }
    pthread_mutex_unlock(&terminal.lock);
    return count;
}

static void drop_chunk(size_t bytes)
{
    pthread_mutex_lock(&terminal.lock);
    terminal.at = (terminal.at + bytes) % RING_BYTES;
    terminal.count -= bytes;
    bool tell = terminal.refused;
    terminal.refused = false;
    pthread_mutex_unlock(&terminal.lock);
    if (tell && !is_closing()) {
        terminal.ops.ready(terminal.ops.opaque);
    }
}

static void *output_thread(void *opaque)
{
    uint8_t chunk[CHUNK];
    bool broken = false; /* nobody reads any more: the guest goes on without a console */

    size_t count;

    (void)opaque;
    pthread_setname_np(pthread_self(), "console-out");
    while ((count = next_chunk(chunk)) > 0 && !is_closing()) {
        size_t done = 0;
        while (done < count && !broken && !is_closing()) {
            ssize_t n = write(STDOUT_FILENO, chunk + done, count - done);
            if (n >= 0) {
                done += (size_t)n;
            } else if (errno == EAGAIN) {
                pause_shortly();
            } else if (errno != EINTR) {
                report_warning(
                    "the console's output is lost from here on: cannot write to standard "
                    "output: %s",
                    strerror(errno));
                broken = true;
            }
        }
        drop_chunk(count);
    }
    has_ended(&terminal.has_output);
    return NULL;
}

/* ---- input ---- */

static void *input_thread(void *opaque)
{
    (void)opaque;
    pthread_setname_np(pthread_self(), "console-in");
    terminal_input_run();
    has_ended(&terminal.has_input);
    return NULL;
}

/* ---- both ---- */

/* Signals are for the main thread. */
static bool start(pthread_t *thread, bool *has, void *(*run)(void *))
{
    pthread_attr_t attributes;
    sigset_t others, old;

    sigfillset(&others);
    sigdelset(&others, wake_signal());
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_sigmask(SIG_SETMASK, &others, &old);
    *has = true;
    int error = pthread_create(thread, &attributes, run, NULL);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    pthread_attr_destroy(&attributes);
    if (error != 0) {
        *has = false;
        report_error("cannot start a thread for the console: %s", strerror(error));
        return false;
    }
    return true; /* it may have ended already, and `thread` mean nothing any more */
}

bool terminal_open(const struct terminal_ops *ops)
{
    struct sigaction action = { .sa_handler = woken }; /* no SA_RESTART: calls end with EINTR */
    pthread_condattr_t attributes;

    sigemptyset(&action.sa_mask);
    sigaction(wake_signal(), &action, NULL);
    terminal.ops = *ops;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&terminal.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return terminal_input_open(ops, tty_mode_raw(terminal_hungry)) &&
           start(&terminal.output, &terminal.has_output, output_thread) &&
           start(&terminal.input, &terminal.has_input, input_thread);
}

/* Waits for a change, until a time. False: the time has come. */
static bool wait_change(const struct timespec *until)
{
    return pthread_cond_timedwait(&terminal.changed, &terminal.lock, until) == 0;
}

static struct timespec from_now(unsigned ms)
{
    struct timespec when;

    clock_gettime(CLOCK_MONOTONIC, &when);
    when.tv_nsec += (long)ms * 1000000;
    when.tv_sec += when.tv_nsec / 1000000000;
    when.tv_nsec %= 1000000000;
    return when;
}

/*
 * A signal may come just before the call that it was to end, so it comes again and again. A thread
 * that even so does not end (its file hangs in the kernel) is left to the end of the process.
 */
static void end_threads(void)
{
    enum { TRIES = 100, WAIT_MS = 10 };

    atomic_store(&terminal.closing, true);
    terminal_input_end();
    for (int i = 0; i < TRIES && (terminal.has_input || terminal.has_output); i++) {
        pthread_cond_signal(&terminal.fed);
        if (terminal.has_input) {
            pthread_kill(terminal.input, wake_signal());
        }
        if (terminal.has_output) {
            pthread_kill(terminal.output, wake_signal());
        }
        struct timespec soon = from_now(WAIT_MS);
        wait_change(&soon);
    }
}

/* As long as somebody reads: a second in which nothing was taken is the end. */
static void drain_output(void)
{
    enum { PATIENCE_MS = 1000, ROUNDS = 10 };
    size_t before = RING_BYTES + 1;

    for (int i = 0; i < ROUNDS && terminal.count > 0 && terminal.count < before; i++) {
        struct timespec until = from_now(PATIENCE_MS);
        before = terminal.count;
        while (terminal.has_output && terminal.count > 0 && wait_change(&until)) {
            continue;
        }
    }
}

void terminal_close(void)
{
    pthread_mutex_lock(&terminal.lock);
    if (terminal.has_output) {
        drain_output();
    }
    end_threads();
    pthread_mutex_unlock(&terminal.lock);
    tty_mode_restore();
}
