/*
 * tenon/vhost_user.h: the back-end side of vhost-user: serves a device to a front-end (QEMU, Cloud
 * Hypervisor, crosvm, Firecracker, User-mode Linux) in another process, over a UNIX socket.
 *
 * One front-end at a time; the next waits in the socket's backlog until the operations of the one
 * before have ended. A front-end that misbehaves loses its connection, with one line of log, and
 * nothing else happens.
 *
 * A program that turns the cranks of its workers itself ignores SIGPIPE: a front-end may give pipes
 * for interrupts, and go away. For memory that a front-end cuts off see tenon_sigbus.
 */
#ifndef TENON_VHOST_USER_H
#define TENON_VHOST_USER_H

#include <tenon/device.h>
#include <tenon/worker.h>

#ifdef __cplusplus
extern "C" {
#endif

struct tenon_vhost_user;

enum tenon_vhost_user_event {
    TENON_VHOST_USER_CONNECTED = 1,
    TENON_VHOST_USER_DISCONNECTED = 2, /* and the device is quiet again */
};

struct tenon_vhost_user_opts {
    size_t size;
    struct tenon_device *device; /* required; stays yours */
    /*
     * required: where messages are handled; may serve many sessions; not a worker of a queue, or
     * they share it
     */
    struct tenon_worker *worker;
    int listen_fd;    /* a listening UNIX socket, given to this object; -1: none */
    int connected_fd; /* or a connected one, for exactly one front-end; -1: none */
    /* On the worker. `detail`: why it disconnected. */
    void (*event)(void *opaque, struct tenon_vhost_user *server, enum tenon_vhost_user_event event,
                  const char *detail);
    void *opaque;
};

/*
 * Serves the device. Exactly one of listen_fd and connected_fd is not -1. -EINVAL, -EBUSY, -ENOMEM.
 * Before the worker runs, or on it.
 */
TENON_API int tenon_vhost_user_new(const struct tenon_vhost_user_opts *opts,
                                   struct tenon_vhost_user **out);

/*
 * Ends the connection, drains the device, and frees: done(opaque) is called on the worker when that
 * is over (also when done is NULL the rest happens). Accepts NULL. On the worker.
 */
TENON_API void tenon_vhost_user_close(struct tenon_vhost_user *server, void (*done)(void *opaque),
                                      void *opaque);

#ifdef __cplusplus
}
#endif

#endif
