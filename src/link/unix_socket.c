/*
 * unix_socket.c: see unix_socket.h.
 *
 * A socket that was bound leaves its name in the file system when its process dies, and whoever
 * comes next finds it taken. Somebody serves it if and only if connecting to it is not refused.
 */
#include "link/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "link/link.h"

/* A batch of the largest frames, with what the kernel adds to each. */
enum { BUFFER_BYTES = 64 * 68 * 1024 };

int tn_unix_address(struct sockaddr_un *address, const char *path, const char *who)
{
    size_t bytes = strlen(path);

    memset(address, 0, sizeof(*address));
    address->sun_family = AF_UNIX;
    if (bytes == 0) {
        return tn_error(-EINVAL, "%s: the path of the socket is empty; write one", who);
    }
    if (bytes >= sizeof(address->sun_path)) {
        return tn_error(-EINVAL,
                        "%s: the path of a socket has at most %zu characters, and this one %zu; "
                        "choose a shorter one",
                        who, sizeof(address->sun_path) - 1, bytes);
    }
    memcpy(address->sun_path, path, bytes);
    return 0;
}

int tn_unix_socket(int type, const char *who)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0) {
        return tn_error(-errno, "%s: no socket can be made: %s; raise the limit of open files", who,
                        strerror(errno));
    }
    tn_unix_buffers(fd);
    return fd;
}

static bool is_served(const struct sockaddr_un *address, int type)
{
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused;

    if (fd < 0) {
        return true;
    }
    refused = connect(fd, (const struct sockaddr *)address, sizeof(*address)) != 0 &&
              errno == ECONNREFUSED;
    close(fd);
    return !refused;
}

static int clear_stale(const struct sockaddr_un *address, int type, const char *who)
{
    const char *path = address->sun_path;
    struct stat found;

    if (lstat(path, &found) != 0) {
        return 0; /* anything but that there is nothing, bind will say */
    }
    if (!S_ISSOCK(found.st_mode)) {
        return tn_error(-EEXIST,
                        "%s: %s exists and is no socket; remove it, or choose another path", who,
                        path);
    }
    if (is_served(address, type)) {
        return tn_error(-EADDRINUSE,
                        "%s: somebody serves the socket %s; stop that one, or choose another path",
                        who, path);
    }
    if (unlink(path) != 0) {
        return tn_error(-errno, "%s: the stale socket %s cannot be removed: %s; remove it by hand",
                        who, path, strerror(errno));
    }
    return 0;
}

int tn_unix_bind(int fd, int type, const char *path, const char *who, struct tn_unix_name *name)
{
    struct stat made;
    int r = tn_unix_address(&name->address, path, who);

    if (r == 0) {
        r = clear_stale(&name->address, type, who);
    }
    if (r != 0) {
        return r;
    }
    if (bind(fd, (const struct sockaddr *)&name->address, sizeof(name->address)) != 0) {
        return tn_error(-errno,
                        "%s: the socket %s cannot be made: %s; choose a directory that exists and "
                        "that we may write to",
                        who, path, strerror(errno));
    }
    if (stat(path, &made) == 0) {
        name->device = made.st_dev;
        name->inode = made.st_ino;
    }
    return 0;
}

void tn_unix_unbind(const struct tn_unix_name *name)
{
    struct stat now;

    if (name->inode != 0 && stat(name->address.sun_path, &now) == 0 && now.st_dev == name->device &&
        now.st_ino == name->inode) {
        unlink(name->address.sun_path);
    }
}

static bool socket_option(int fd, int option, int *value)
{
    socklen_t bytes = sizeof(*value);

    return getsockopt(fd, SOL_SOCKET, option, value, &bytes) == 0;
}

static int check_given(int fd, int type, const char *who)
{
    struct sockaddr_storage peer;
    socklen_t bytes = sizeof(peer);
    int found = 0, listens = 0;

    if (!socket_option(fd, SO_TYPE, &found)) {
        return tn_error(errno == EBADF ? -EBADF : -EINVAL, "%s: descriptor %d is %s", who, fd,
                        errno == EBADF ? "not open; pass it to this process" : "no socket");
    }
    if (found != type) {
        return tn_error(-EINVAL, "%s: descriptor %d is a socket of another type; %s", who, fd,
                        found == SOCK_STREAM  ? "it is for a stream link"
                        : found == SOCK_DGRAM ? "it is for a dgram link"
                                              : "no link knows it");
    }
    if (socket_option(fd, SO_ACCEPTCONN, &listens) && listens != 0) {
        return tn_error(-EINVAL,
                        "%s: descriptor %d listens; pass a connection that was accepted, or the "
                        "path",
                        who, fd);
    }
    if (getpeername(fd, (struct sockaddr *)&peer, &bytes) != 0) {
        return tn_error(-EINVAL, "%s: descriptor %d is not connected (%s); connect it first", who,
                        fd, strerror(errno));
    }
    return 0;
}

int tn_unix_dup(int fd, int type, const char *who)
{
    int r = check_given(fd, type, who);
    int copy, flags;

    if (r != 0) {
        return r;
    }
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    flags = copy >= 0 ? fcntl(copy, F_GETFL) : -1;
    if (flags < 0 || fcntl(copy, F_SETFL, flags | O_NONBLOCK) != 0) {
        r = tn_error(-errno, "%s: descriptor %d cannot be duplicated: %s", who, fd,
                     strerror(errno));
        if (copy >= 0) {
            close(copy);
        }
        return r;
    }
    tn_unix_buffers(copy);
    return copy;
}

static void grow(int fd, int force, int option)
{
    int bytes = BUFFER_BYTES / 2, now = 0; /* it makes twice of what it is asked for */

    if (socket_option(fd, option, &now) && now >= BUFFER_BYTES) {
        return;
    }
    if (setsockopt(fd, SOL_SOCKET, force, &bytes, sizeof(bytes)) == 0) {
        return;
    }
    setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof(bytes)); /* up to what the system allows */
}

void tn_unix_buffers(int fd)
{
    grow(fd, SO_SNDBUFFORCE, SO_SNDBUF);
    grow(fd, SO_RCVBUFFORCE, SO_RCVBUF);
}
