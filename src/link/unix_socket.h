/*
 * unix_socket.h: addresses, names in the file system and buffers of UNIX sockets, for dgram.c and
 * stream.c. Any thread.
 */
#ifndef TN_LINK_UNIX_SOCKET_H
#define TN_LINK_UNIX_SOCKET_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

/* A socket that is bound in the file system. */
struct tn_unix_name {
    struct sockaddr_un address;
    dev_t device; /* the file that bind made; no inode: there is none */
    ino_t inode;
};

/* -EINVAL with a sentence: no path, or too long a one. `who` begins sentences. */
int tn_unix_address(struct sockaddr_un *address, const char *path, const char *who);

/* A new socket, non-blocking. A negative errno with its sentence. */
int tn_unix_socket(int type, const char *who);

/*
 * Binds to a path; a socket that nobody serves any more is replaced. 0, or a negative errno with
 * its sentence: -EADDRINUSE, -EEXIST (what is there is no socket), bind's own.
 */
int tn_unix_bind(int fd, int type, const char *path, const char *who, struct tn_unix_name *name);
/* Removes the file, if it is still the one that was made. */
void tn_unix_unbind(const struct tn_unix_name *name);

/*
 * A copy of a descriptor that was given, if it is a connected socket of this type, non-blocking;
 * -EINVAL with a sentence if not. Others that share the open file see O_NONBLOCK, too.
 */
int tn_unix_dup(int fd, int type, const char *who);

/* Makes room for a batch of the largest frames, as far as we may. */
void tn_unix_buffers(int fd);

#endif
