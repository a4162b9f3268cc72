/*
 * tty_mode.c: raw mode of the terminal.
 *
 * tcsetattr may be called in a signal handler, so the handlers of the signals that end a process by
 * their default restore the terminal and then let the default happen. Only SIGKILL cannot be
 * caught; `stty sane` helps after it.
 */
#include "tty_mode.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <termios.h>
#include <unistd.h>

static struct termios before, raw;
static volatile sig_atomic_t is_raw, is_over;

static void restore(void)
{
    int error = errno;

    if (is_raw) {
        is_raw = 0;
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    }
    errno = error;
}

void tty_mode_restore(void)
{
    is_over = 1;
    restore();
}

static void make_raw(void)
{
    is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

/* Restores, and dies of the same signal. */
static void end_by(int number)
{
    tty_mode_restore();
    signal(number, SIG_DFL);
    raise(number);
}

/* Suspended from outside: the shell gets its terminal as it was. */
static void suspend(int number)
{
    int error = errno;

    (void)number;
    restore();
    raise(SIGSTOP); /* until somebody continues us */
    errno = error;
}

/* Continued, or brought to the foreground. */
static void resume(int number)
{
    int error = errno;

    (void)number;
    if (!is_raw && !is_over && tcgetpgrp(STDIN_FILENO) == getpgrp()) {
        make_raw();
    }
    errno = error;
}

static void install(int number, void (*handler)(int))
{
    struct sigaction now, action = { .sa_handler = handler, .sa_flags = SA_RESTART };

    sigemptyset(&action.sa_mask);
    /* What somebody ignores, or has a handler for, stays his. */
    if (sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_DFL) {
        sigaction(number, &action, NULL);
    }
}

bool tty_mode_raw(void)
{
    static const int deadly[] = { SIGSEGV, SIGABRT, SIGILL,  SIGFPE,  SIGQUIT, SIGTRAP,
                                  SIGSYS,  SIGXCPU, SIGXFSZ, SIGUSR1, SIGUSR2, SIGALRM };

    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
        tcgetattr(STDIN_FILENO, &before) != 0) {
        return false;
    }
    raw = before;
    /* Output is left as it is: a line of ours on stderr still begins at the left. */
    raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
    raw.c_cflag = (raw.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        install(deadly[i], end_by);
    }
    install(SIGTSTP, suspend);
    install(SIGCONT, resume);
    atexit(tty_mode_restore);
    make_raw();
    return is_raw != 0;
}
