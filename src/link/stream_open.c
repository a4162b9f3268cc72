/*
 * stream_open.c: opening a stream link, and closing it. That nobody listens yet is no error; that
 * nobody ever can is. Any thread.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/opts.h"
#include "link/stream.h"

enum { BACKLOG = 4 };

static int check_opts(const struct tenon_stream_opts *opts)
{
    if (opts->fd < 0) {
        return tn_error(-EINVAL, "stream: %d is no descriptor", opts->fd);
    }
    if ((opts->path != NULL) == (opts->fd > 0)) {
        return tn_error(-EINVAL, "stream: it needs either a path or a descriptor; %s",
                        opts->path ? "remove one of them" : "give one of them");
    }
    if (opts->listen && opts->fd > 0) {
        return tn_error(-EINVAL, "stream: listen means nothing with a descriptor, which is "
                                 "connected already; remove it");
    }
    return 0;
}

static int first_connect(struct tenon_port *port, const char *path)
{
    int r = tn_unix_address(&port->peer, path, port->who);

    if (r != 0) {
        return r;
    }
    port->by_path = true;
    r = tn_stream_connect(port);
    if (r != 0 && r != -ENOENT && r != -ECONNREFUSED && r != -EAGAIN) {
        return tn_error(r,
                        "%s: it cannot be connected to: %s; it has to be a stream socket that "
                        "we may write to",
                        port->who, strerror(-r));
    }
    return 0;
}

static int open_listening(struct tenon_port *port, const char *path)
{
    int r = tn_unix_socket(SOCK_STREAM, port->who);

    if (r < 0) {
        return r;
    }
    port->listen_fd = r;
    r = tn_unix_bind(port->listen_fd, SOCK_STREAM, path, port->who, &port->bound);
    if (r == 0 && listen(port->listen_fd, BACKLOG) != 0) {
        r = tn_error(-errno, "%s: nobody can be listened for: %s", port->who, strerror(errno));
    }
    return r;
}

static int open_by_fd(struct tenon_port *port, int fd)
{
    int r = tn_unix_dup(fd, SOCK_STREAM, port->who);

    if (r < 0) {
        return r;
    }
    port->fd = r;
    atomic_store(&port->up, true);
    return 0;
}

static int open_link(struct tenon_port *port, const struct tenon_stream_opts *opts)
{
    if (tn_inbox_open(&port->inbox) != 0 || tn_outbox_open(&port->outbox) != 0) {
        return tn_error(-ENOMEM, "%s: no memory for the link", port->who);
    }
    if (opts->fd > 0) {
        return open_by_fd(port, opts->fd);
    }
    return opts->listen ? open_listening(port, opts->path) : first_connect(port, opts->path);
}

int tenon_link_open_stream(const struct tenon_stream_opts *given, struct tenon_link **out)
{
    struct tenon_stream_opts opts;
    struct tenon_port *port;
    int r = tn_opts_copy(&opts, sizeof(opts), given, "stream link");

    if (r == 0) {
        r = check_opts(&opts);
    }
    if (r != 0) {
        return r;
    }
    port = calloc(1, sizeof(*port));
    if (!port) {
        return tn_error(-ENOMEM, "no memory for a stream link");
    }
    port->fd = port->listen_fd = -1;
    if (opts.fd > 0) {
        snprintf(port->who, sizeof(port->who), "stream fd %d", opts.fd);
    } else {
        snprintf(port->who, sizeof(port->who), "stream %s", opts.path);
    }
    r = open_link(port, &opts);
    if (r == 0) {
        r = tn_link_make(&tn_stream_ops, port, port->who, out);
    }
    if (r != 0) {
        tn_stream_free(port);
    }
    return r;
}

void tn_stream_free(void *link)
{
    struct tenon_port *port = link;

    tn_unix_unbind(&port->bound);
    if (port->fd >= 0) {
        close(port->fd);
    }
    if (port->listen_fd >= 0) {
        close(port->listen_fd);
    }
    tn_inbox_close(&port->inbox);
    tn_outbox_close(&port->outbox);
    free(port);
}
