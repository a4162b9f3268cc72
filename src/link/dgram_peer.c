/*
 * dgram_peer.c: opening a datagram link, and whom it talks to:
 *
 *   peer=   connected: only so do both sides wait for room instead of losing frames, and only so is
 *           a peer noticed that has gone. Tried again and again while there is none
 *   fd=     connected by whoever made it; when that peer has gone nobody follows
 *   else    whoever sent last
 *
 * A connected socket takes datagrams of its peer alone. So when another one has taken the path
 * over, which nobody tells us, it would wait until we send: the path is looked at once a second.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/opts.h"
#include "link/dgram.h"

static void set_up(struct tenon_port *port, bool up)
{
    if (atomic_exchange(&port->up, up) != up) {
        tn_port_changed(&port->common);
    }
}

/* ---- the peer ---- */

static int connect_peer(struct tenon_port *port)
{
    struct stat found = { 0 };

    /* First: what takes the name over after this is seen by the next look at it. */
    stat(port->peer.address.sun_path, &found);
    if (connect(port->fd, (const struct sockaddr *)&port->peer.address, port->peer.bytes) != 0) {
        return -errno;
    }
    port->peer.device = found.st_dev;
    port->peer.inode = found.st_ino;
    tn_count_add(&port->counts[DGRAM_CONNECTS], 1);
    set_up(port, true);
    return 0;
}

static bool is_replaced(const struct tenon_port *port)
{
    struct stat now;

    return stat(port->peer.address.sun_path, &now) == 0 &&
           (now.st_dev != port->peer.device || now.st_ino != port->peer.inode);
}

void tn_dgram_retry(struct tn_port *common)
{
    struct tenon_port *port = TN_CONTAINER_OF(common, struct tenon_port, common);

    if (!atomic_load(&port->up) || is_replaced(port)) {
        connect_peer(port);
    }
    if (atomic_load(&port->up)) {
        tn_port_look_later(common);
    } else {
        tn_port_retry(common);
    }
}

void tn_dgram_lost(struct tenon_port *port, bool anew)
{
    tn_count_add(&port->counts[DGRAM_LOST], 1);
    if (port->by_path && anew && connect_peer(port) == 0) {
        return;
    }
    set_up(port, false);
    if (port->by_path) {
        tn_port_retry(&port->common);
    }
}

void tn_dgram_heard(struct tenon_port *port, unsigned count)
{
    if (port->names) {
        const struct msghdr *last = &port->in[count - 1].msg_hdr;

        /* One without a name cannot be answered, and changes nothing. */
        if (last->msg_namelen > offsetof(struct sockaddr_un, sun_path)) {
            port->peer.bytes = last->msg_namelen;
            memcpy(&port->peer.address, last->msg_name, last->msg_namelen);
            set_up(port, true);
        }
    } else if (port->by_path && !atomic_load_explicit(&port->up, memory_order_relaxed)) {
        connect_peer(port);
    }
}

/* ---- opening ---- */

static int check_opts(const struct tenon_dgram_opts *opts)
{
    if (opts->fd < 0) {
        return tn_error(-EINVAL, "dgram: %d is no descriptor", opts->fd);
    }
    if (opts->fd > 0 && (opts->path || opts->peer)) {
        return tn_error(-EINVAL, "dgram: a descriptor has its path and its peer already; leave "
                                 "path and peer out, or fd");
    }
    if (opts->fd == 0 && !opts->path && !opts->peer) {
        return tn_error(-EINVAL,
                        "dgram: it needs a path to bind, a peer to send to, or a descriptor");
    }
    return 0;
}

/* That the peer is not there yet is no error. */
static int first_connect(struct tenon_port *port, const char *peer, const char *who)
{
    int r = tn_unix_address(&port->peer.address, peer, who);

    if (r != 0) {
        return r;
    }
    port->peer.bytes = sizeof(port->peer.address);
    port->by_path = true;
    r = connect_peer(port);
    if (r != 0 && r != -ENOENT && r != -ECONNREFUSED && r != -EPERM) {
        return tn_error(r,
                        "%s: the peer %s cannot be connected to: %s; it has to be a datagram "
                        "socket that we may write to",
                        who, peer, strerror(-r));
    }
    return 0;
}

static int open_by_path(struct tenon_port *port, const struct tenon_dgram_opts *opts,
                        const char *who)
{
    const struct sockaddr any = { .sa_family = AF_UNIX };
    int r = tn_unix_socket(SOCK_DGRAM, who);

    if (r < 0) {
        return r;
    }
    port->fd = r;
    if (opts->path) {
        r = tn_unix_bind(port->fd, SOCK_DGRAM, opts->path, who, &port->bound);
    } else {
        /* A name that the system makes up, so that the peer can answer. */
        r = bind(port->fd, &any, sizeof(any.sa_family)) == 0 ? 0 : -errno;
        r = r == 0 ? 0 : tn_error(r, "%s: the socket cannot be bound: %s", who, strerror(-r));
    }
    if (r != 0) {
        return r;
    }
    if (opts->peer) {
        return first_connect(port, opts->peer, who);
    }
    port->names = calloc(DGRAM_BATCH, sizeof(*port->names));
    return port->names ? 0 : tn_error(-ENOMEM, "%s: no memory for the link", who);
}

static int open_by_fd(struct tenon_port *port, int fd, const char *who)
{
    int r = tn_unix_dup(fd, SOCK_DGRAM, who);

    if (r < 0) {
        return r;
    }
    port->fd = r;
    atomic_store(&port->up, true);
    return 0;
}

int tenon_link_open_dgram(const struct tenon_dgram_opts *given, struct tenon_link **out)
{
    struct tenon_dgram_opts opts;
    struct tenon_port *port;
    char who[160];
    int r = tn_opts_copy(&opts, sizeof(opts), given, "dgram link");

    if (r == 0) {
        r = check_opts(&opts);
    }
    if (r != 0) {
        return r;
    }
    if (opts.fd > 0) {
        snprintf(who, sizeof(who), "dgram fd %d", opts.fd);
    } else {
        snprintf(who, sizeof(who), "dgram %s", opts.path ? opts.path : opts.peer);
    }
    port = calloc(1, sizeof(*port));
    if (!port) {
        return tn_error(-ENOMEM, "%s: no memory for the link", who);
    }
    port->fd = -1;
    r = opts.fd > 0 ? open_by_fd(port, opts.fd, who) : open_by_path(port, &opts, who);
    if (r == 0) {
        r = tn_link_make(&tn_dgram_ops, port, who, out);
    }
    if (r != 0) {
        tn_dgram_ops.free(port);
    }
    return r;
}
