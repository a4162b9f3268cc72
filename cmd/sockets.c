/*
 * sockets.c: making, adopting and removing UNIX sockets.
 *
 *   lock ──> look ──> (stale: unlink) ──> bind ──> listen ... unlink ──> unlock
 *
 * Without the lock two daemons that start at once could both find a socket stale, and the second
 * would unlink the first one's new socket.
 */
#include "sockets.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "report.h"

enum { BACKLOG = 16, LOCK_TRIES = 10, LOCK_PATH_BYTES = SOCKET_PATH_MAX + 8 };

_Static_assert(SOCKET_PATH_MAX + 1 == sizeof(((struct sockaddr_un *)0)->sun_path),
               "the limit that messages name");

static void lock_path(char *to, const char *path)
{
    snprintf(to, LOCK_PATH_BYTES, "%s.lock", path);
}

/* The held lock's descriptor, or -1: reported. */
static int take_lock(const char *path)
{
    char name[LOCK_PATH_BYTES];
    lock_path(name, path);
    for (int i = 0; i < LOCK_TRIES; i++) {
        int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            report_error("cannot make the lock file '%s': %s; sockets need a directory that exists "
                         "and that we may write to",
                         name, strerror(errno));
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
            report_error("another daemon serves the socket '%s' (it holds '%s'); stop that one, "
                         "or choose another path",
                         path, name);
            close(fd);
            return -1;
        }
        /* Its last holder may have removed the file between our open and our lock. */
        struct stat held, named;
        if (fstat(fd, &held) == 0 && stat(name, &named) == 0 && held.st_dev == named.st_dev &&
            held.st_ino == named.st_ino) {
            return fd;
        }
        close(fd);
    }
    report_error("cannot lock '%s': others take it again and again; try once more", name);
    return -1;
}

/*
 * Whether somebody listens at an existing socket: anything but "connection refused" counts as yes.
 */
static bool is_live(const struct sockaddr_un *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return true;
    }
    int result = connect(fd, (const struct sockaddr *)address, sizeof(*address));
    bool refused = result != 0 && errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

/* Makes the path free, if what is there may be removed. We hold the lock. */
static bool clear_stale(const struct sockaddr_un *address)
{
    const char *path = address->sun_path;
    struct stat found;
    if (lstat(path, &found) != 0) {
        return true; /* nothing there; anything else that is wrong, bind will say */
    }
    if (!S_ISSOCK(found.st_mode)) {
        report_error("'%s' exists and is not a socket; remove it, or choose another path", path);
        return false;
    }
    if (is_live(address)) {
        report_error(
            "somebody serves the socket '%s' already; stop that one, or choose another path", path);
        return false;
    }
    if (unlink(path) != 0) {
        report_error("cannot remove the stale socket '%s': %s; remove it by hand", path,
                     strerror(errno));
        return false;
    }
    return true;
}

static bool bind_and_listen(struct serving_socket *serving, const struct sockaddr_un *address,
                            mode_t mode)
{
    serving->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (serving->fd < 0) {
        report_error("cannot make a socket: %s; raise the limit of open files", strerror(errno));
        return false;
    }
    /* By the umask, since a chmod afterwards would leave a moment in which others can connect. */
    mode_t before = umask(0777 & ~mode);
    int result = bind(serving->fd, (const struct sockaddr *)address, sizeof(*address));
    int error = errno;
    umask(before);
    if (result != 0) {
        report_error("cannot make the socket '%s': %s; choose a directory that exists and that we "
                     "may write to",
                     address->sun_path, strerror(error));
        return false;
    }
    struct stat made;
    if (stat(address->sun_path, &made) == 0) {
        serving->device = made.st_dev;
        serving->inode = made.st_ino;
    }
    if (listen(serving->fd, BACKLOG) != 0) {
        report_error("cannot listen on '%s': %s; try another path", address->sun_path,
                     strerror(errno));
        return false;
    }
    return true;
}

bool socket_listen(struct serving_socket *serving, const char *path, mode_t mode)
{
    *serving = (struct serving_socket){ .fd = -1, .lock_fd = -1 };
    size_t bytes = strlen(path);
    if (bytes == 0 || bytes > SOCKET_PATH_MAX) {
        report_error("the socket path '%s' has %zu bytes; a UNIX socket takes 1 to %d: choose a "
                     "shorter path, or a relative one",
                     path, bytes, SOCKET_PATH_MAX);
        return false;
    }
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    memcpy(address.sun_path, path, bytes);
    serving->path = strdup(path);
    if (!serving->path) {
        report_error("out of memory");
        return false;
    }
    serving->lock_fd = take_lock(path);
    if (serving->lock_fd < 0 || !clear_stale(&address) ||
        !bind_and_listen(serving, &address, mode)) {
        socket_remove(serving);
        return false;
    }
    return true;
}

static int int_option(int fd, int option)
{
    int value = -1;
    socklen_t bytes = sizeof(value);
    return getsockopt(fd, SOL_SOCKET, option, &value, &bytes) == 0 ? value : -1;
}

bool socket_adopt(struct serving_socket *serving, int fd, const char *origin)
{
    *serving = (struct serving_socket){ .fd = -1, .lock_fd = -1 };
    if (fcntl(fd, F_GETFD) < 0) {
        report_error("%s is not an open descriptor; whoever starts us has to pass it on", origin);
        return false;
    }
    if (int_option(fd, SO_DOMAIN) != AF_UNIX || int_option(fd, SO_TYPE) != SOCK_STREAM) {
        report_error("%s is not a UNIX stream socket; vhost-user needs one", origin);
        return false;
    }
    struct sockaddr_un peer;
    socklen_t bytes = sizeof(peer);
    serving->connected = int_option(fd, SO_ACCEPTCONN) != 1;
    if (serving->connected && getpeername(fd, (struct sockaddr *)&peer, &bytes) != 0) {
        report_error("%s is a socket that neither listens nor is connected; call listen on it, or "
                     "connect it, before you pass it on",
                     origin);
        return false;
    }
    fcntl(fd, F_SETFD, FD_CLOEXEC);
    serving->fd = fd;
    return true;
}

void socket_remove(struct serving_socket *serving)
{
    if (serving->fd >= 0) {
        close(serving->fd);
        serving->fd = -1;
    }
    struct stat found;
    if (serving->path && serving->inode != 0 && lstat(serving->path, &found) == 0 &&
        found.st_dev == serving->device && found.st_ino == serving->inode) {
        unlink(serving->path);
    }
    if (serving->path && serving->lock_fd >= 0) {
        char name[LOCK_PATH_BYTES];
        lock_path(name, serving->path);
        unlink(name); /* before the lock is let go: who opened it meanwhile sees that it is gone */
        close(serving->lock_fd);
        serving->lock_fd = -1;
    }
    free(serving->path);
    serving->path = NULL;
}

/* A decimal number of the environment, or -1. */
static long env_number(const char *text)
{
    char *end;
    errno = 0;
    long value = strtol(text, &end, 10);
    return errno == 0 && end != text && *end == 0 && value >= 0 ? value : -1;
}

int socket_count_passed(void)
{
    const char *pid = getenv("LISTEN_PID");
    const char *fds = getenv("LISTEN_FDS");
    int count = 0;
    if (pid && fds && env_number(pid) == (long)getpid()) {
        long value = env_number(fds);
        count = value < 0 || value > 1024 ? -1 : (int)value;
        if (count < 0) {
            report_error("LISTEN_FDS=%s is not a number of sockets; start us by systemd or by "
                         "systemd-socket-activate",
                         fds);
        }
    }
    unsetenv("LISTEN_PID");
    unsetenv("LISTEN_FDS");
    unsetenv("LISTEN_FDNAMES");
    return count;
}
