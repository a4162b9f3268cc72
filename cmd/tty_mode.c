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
static void (*on_continued)(void);

static bool is_foreground(void)
{
    return tcgetpgrp(STDIN_FILENO) == getpgrp();
}

bool tty_mode_is_background(void)
{
    pid_t owner = tcgetpgrp(STDIN_FILENO);

    return owner >= 0 && owner != getpgrp();
}

/* Whoever has the terminal now looks after its mode himself. */
static void restore(void)
{
    int error = errno;

    if (is_raw) {
        is_raw = 0;
        if (is_foreground()) {
            tcsetattr(STDIN_FILENO, TCSANOW, &before);
        }
    }
    errno = error;
}

void tty_mode_restore(void)
{
    is_over = 1;
    restore();
}

/* What is put back is what was there last, and not our own mode after a stop that nobody caught. */
static void make_raw(void)
{
    if (!is_raw && tcgetattr(STDIN_FILENO, &before) != 0) {
        return;
    }
    raw = before;
    /* Output is left as it is: a line of ours on stderr still begins at the left. */
    raw.c_iflag &= ~(tcflag_t)(IGNBRK | BRKINT | PARMRK | ISTRIP | INLCR | IGNCR | ICRNL | IXON);
    raw.c_lflag &= ~(tcflag_t)(ECHO | ECHONL | ICANON | IEXTEN | ISIG);
    raw.c_cflag = (raw.c_cflag & ~(tcflag_t)(CSIZE | PARENB)) | CS8;
    raw.c_cc[VMIN] = 1;
    raw.c_cc[VTIME] = 0;
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
    if (!is_over && is_foreground()) {
        make_raw();
    }
    on_continued();
    errno = error;
}

/* In a handler, as all that touches the mode while we run. */
void tty_mode_resume(void)
{
    kill(getpid(), SIGCONT);
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

bool tty_mode_raw(void (*continued)(void))
{
    static const int deadly[] = { SIGSEGV,   SIGABRT, SIGILL,  SIGFPE,  SIGQUIT,  SIGTRAP,
                                  SIGSYS,    SIGXCPU, SIGXFSZ, SIGUSR1, SIGUSR2,  SIGALRM,
                                  SIGVTALRM, SIGPROF, SIGIO,   SIGPWR,  SIGSTKFLT };

    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) < 0) {
        return false;
    }
    on_continued = continued;
    for (size_t i = 0; i < sizeof(deadly) / sizeof(deadly[0]); i++) {
        install(deadly[i], end_by);
    }
    install(SIGTSTP, suspend);
    install(SIGCONT, resume);
    atexit(tty_mode_restore);
    if (is_foreground()) {
        make_raw();
    }
    return true;
}
