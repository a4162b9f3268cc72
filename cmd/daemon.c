/*
 * daemon.c: signals by a self-pipe, readiness by a descriptor or by systemd's datagram.
 *
 *   signal ──handler──> write(pipe) ──watch──> stop(opaque) on the worker
 *
 * A pipe rather than a signalfd, which needs the signals blocked in every thread that exists when
 * they come, also in threads of libraries that know nothing of it.
 */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <tenon/mem.h>

#include "report.h"

enum { SAME_STOP_NS = 500000000 };

static int signal_pipe[2] = { -1, -1 };
static struct tenon_watch *signal_watch;
static daemon_stop_fn *on_stop;
static void *on_stop_opaque;
static void (*last_act)(void);

void daemon_fill_standard_fds(void)
{
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF) {
            int made = open("/dev/null", O_RDWR); /* takes the lowest free number: this one */
            (void)made;
        }
    }
}

void daemon_raise_file_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void handle_stop(int number)
{
    int error = errno;
    unsigned char byte = (unsigned char)number;
    ssize_t ignored = write(signal_pipe[1], &byte, 1); /* full: a stop is under way already */
    (void)ignored;
    errno = error;
}

static void handle_sigbus(int number, siginfo_t *info, void *context)
{
    (void)context;
    int error = errno;
    if (!tenon_sigbus(info)) {
        if (last_act) {
            last_act();
        }
        signal(number, SIG_DFL); /* not the guest's memory: it ends us */
        raise(number);
    }
    errno = error;
}

void daemon_survive_sigbus(void)
{
    struct sigaction bus = { .sa_sigaction = handle_sigbus, .sa_flags = SA_SIGINFO };
    sigset_t mask;
    sigemptyset(&bus.sa_mask);
    sigemptyset(&mask);
    sigaddset(&mask, SIGBUS); /* a parent may have blocked it */
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
    if (sigaction(SIGBUS, &bus, NULL) == 0) {
        tenon_sigbus_installed();
    }
}

/*
 * Whoever ends a process and its group (timeout, a shell, a supervisor) sends the same signal twice
 * to us; that is not the impatience that a second signal stands for.
 */
static void signal_came(void *opaque, int fd, unsigned events)
{
    static uint64_t before; /* when the last one came that counted */
    (void)opaque;
    (void)events;
    unsigned char number;
    while (read(fd, &number, 1) == 1) {
        uint64_t now = tenon_now();
        if (before == 0 || now - before >= SAME_STOP_NS) {
            before = now;
            on_stop(on_stop_opaque);
        }
    }
}

static void install_handlers(void)
{
    static const int numbers[] = { SIGTERM, SIGINT, SIGHUP };
    struct sigaction action = { .sa_handler = handle_stop, .sa_flags = SA_RESTART };
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction before;
        sigaction(numbers[i], NULL, &before);
        if (numbers[i] == SIGHUP && before.sa_handler == SIG_IGN) {
            continue;
        }
        sigaction(numbers[i], &action, NULL);
    }
    signal(SIGPIPE, SIG_IGN);

    /* A parent may have started us with some of them blocked. */
    sigset_t mask;
    sigemptyset(&mask);
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        sigaddset(&mask, numbers[i]);
    }
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

bool daemon_catch_signals(struct tenon_worker *worker, daemon_stop_fn *stop, void *opaque)
{
    on_stop = stop;
    on_stop_opaque = opaque;
    if (pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) != 0) {
        report_error("cannot make a pipe for signals: %s; raise the limit of open files",
                     strerror(errno));
        return false;
    }
    int result =
        tenon_watch_add(worker, signal_pipe[0], TENON_READABLE, signal_came, NULL, &signal_watch);
    if (result < 0) {
        report_error("cannot watch for signals: %s", tenon_error());
        return false;
    }
    install_handlers();
    return true;
}

void daemon_before_sigbus_ends_us(void (*act)(void))
{
    last_act = act;
}

void daemon_forget_signals(void)
{
    /*
     * The handlers stay: a late signal writes into the pipe, which stays open too, and nothing
     * happens.
     */
    tenon_watch_remove(signal_watch);
    signal_watch = NULL;
}

/*
 * systemd's protocol is one datagram of "KEY=VALUE" lines to the socket that NOTIFY_SOCKET names.
 * That is less code than asking a library for it, and libsystemd would be the program's only
 * dependency.
 */
static void notify_systemd(const char *message)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (!name || (name[0] != '/' && name[0] != '@')) {
        return;
    }
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t bytes = strlen(name);
    if (bytes >= sizeof(address.sun_path)) {
        report_warning("NOTIFY_SOCKET=%s is too long for a socket; systemd does not hear of us",
                       name);
        return;
    }
    memcpy(address.sun_path, name, bytes);
    if (name[0] == '@') {
        address.sun_path[0] = 0;
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + bytes);
    if (fd < 0 || sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&address,
                         length) < 0) {
        report_warning(
            "cannot tell systemd by '%s' how we are: %s; look at the unit's NotifyAccess", name,
            strerror(errno));
    }
    if (fd >= 0) {
        close(fd);
    }
}

void daemon_tell_ready(int ready_fd, const char *status)
{
    char message[256];
    snprintf(message, sizeof(message), "READY=1\nSTATUS=%s\n", status);
    notify_systemd(message);
    if (ready_fd < 0) {
        return;
    }
    static const char line[] = "READY=1\n";
    if (write(ready_fd, line, sizeof(line) - 1) < 0) {
        report_warning("cannot write to --ready-fd %d: %s; whoever waits for it has gone", ready_fd,
                       strerror(errno));
    }
    if (ready_fd > STDERR_FILENO) {
        close(ready_fd);
    }
}

void daemon_tell_stopping(void)
{
    notify_systemd("STOPPING=1\n");
}
