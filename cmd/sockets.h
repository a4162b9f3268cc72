/*
 * sockets.h: where front-ends connect: sockets that we make at a path, and sockets that somebody
 * opened for us (--fd, systemd). What is wrong is reported here.
 *
 *   PATH.lock   held while we serve PATH: who holds it may replace a socket that nobody serves
 *   PATH        the socket, removed at the end unless it has become somebody else's
 *
 * One thread, before others exist.
 */
#ifndef TENON_SOCKETS_H
#define TENON_SOCKETS_H

#include <stdbool.h>
#include <sys/types.h>

struct serving_socket {
    int fd;         /* -1: given away or none */
    bool connected; /* to one front-end already; else it listens */
    char *path;     /* NULL: made by somebody else, and not ours to remove */
    int lock_fd;
    dev_t device; /* of the socket's file, so that we remove ours only */
    ino_t inode;
};

/* Listens at `path`, with exactly this mode from the first moment. False: reported. */
bool socket_listen(struct serving_socket *socket, const char *path, mode_t mode);

/*
 * Takes an open descriptor, listening or connected. `origin` is what messages call it ("--fd 7").
 * False: reported.
 */
bool socket_adopt(struct serving_socket *socket, int fd, const char *origin);

/* Closes and removes what is ours. */
void socket_remove(struct serving_socket *socket);

/* Room for a path of a UNIX socket, without the zero byte. */
enum { SOCKET_PATH_MAX = 107 };

/*
 * How many sockets systemd passed, from descriptor SOCKET_FIRST_PASSED on; -1: the environment is
 * wrong, and was reported. The variables are removed, so that no child believes that they are meant
 * for it.
 */
enum { SOCKET_FIRST_PASSED = 3 };
int socket_count_passed(void);

#endif
