/*
 * server.c: making and freeing a server: its device is connected through the bus from the first
 * moment to the last, whether or not a front-end is there. What happens between is in session.c.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "base/opts.h"
#include "vhost_user/vhost_user.h"

static void close_fd(int fd)
{
    if (fd >= 0) {
        close(fd);
    }
}

static void free_server(struct tenon_vhost_user *server)
{
    tenon_watch_remove(server->listen_watch);
    tenon_timer_free(server->accept_timer);
    tn_memtable_close(&server->memory);
    free(server->rings);
    free(server);
}

/* Whether another thread's news for this server is still on its way. */
static bool news_under_way(const struct tenon_vhost_user *server)
{
    bool any = __atomic_load_n(&server->config_post.queued, __ATOMIC_ACQUIRE) != 0;

    for (unsigned i = 0; i < server->queues && !any; i++) {
        any = tn_vring_has_news(&server->rings[i]);
    }
    return any;
}

static void free_heard(struct tenon_post *post)
{
    struct tenon_vhost_user *server = TN_CONTAINER_OF(post, struct tenon_vhost_user, free_post);
    void (*closed)(void *) = server->closed;
    void *opaque = server->closed_opaque;

    if (news_under_way(server)) {
        tenon_worker_post(server->worker, post);
        return;
    }
    close_fd(server->listen_fd);
    close_fd(server->connected_fd);
    free_server(server);
    if (closed) {
        closed(opaque);
    }
}

static int check(const struct tenon_vhost_user_opts *opts)
{
    if (!opts->device || !opts->worker) {
        return tn_error(-EINVAL, "a vhost-user server needs a device and a worker: set both");
    }
    if ((opts->listen_fd < 0) == (opts->connected_fd < 0)) {
        return tn_error(-EINVAL, "a vhost-user server needs either a listening or a connected "
                                 "socket: set one of them, and the other to -1");
    }
    return 0;
}

static struct tenon_vhost_user *make(const struct tenon_vhost_user_opts *opts)
{
    struct tenon_vhost_user *server = calloc(1, sizeof(*server));

    if (!server) {
        return NULL;
    }
    server->device = opts->device;
    server->worker = opts->worker;
    server->event = opts->event;
    server->opaque = opts->opaque;
    server->listen_fd = opts->listen_fd;
    server->connected_fd = opts->connected_fd;
    server->channel = server->wire.fd = server->wire.out_fd = -1;
    server->open_post.fn = tn_session_open;
    server->quiet_post.fn = tn_vu_quiet_heard;
    server->config_post.fn = tn_notice_config;
    server->free_post.fn = free_heard;
    server->queues = tenon_bus_queue_count(opts->device);
    server->rings = calloc(server->queues, sizeof(*server->rings));
    if (!server->rings || tn_memtable_open(&server->memory) < 0) {
        free(server->rings);
        free(server);
        return NULL;
    }
    for (unsigned i = 0; i < server->queues; i++) {
        tn_vring_init(&server->rings[i], server, i);
    }
    return server;
}

/* accept() must not wait when the front-end has left again meanwhile. */
static void set_nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags >= 0) {
        (void)fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    }
}

int tenon_vhost_user_new(const struct tenon_vhost_user_opts *opts, struct tenon_vhost_user **out)
{
    struct tenon_vhost_user_opts known;
    int error = tn_opts_copy(&known, sizeof(known), opts, "tenon_vhost_user_opts");

    if (error >= 0) {
        error = check(&known);
    }
    if (error < 0) {
        return error;
    }
    struct tenon_vhost_user *server = make(&known);
    if (!server) {
        return tn_error(-ENOMEM, "%s: no memory for a vhost-user server",
                        tenon_device_name(known.device));
    }
    error = tenon_bus_attach(server->device, server->memory.mem, &tn_vring_bus_ops, server);
    if (error < 0) {
        goto fail;
    }
    if (server->listen_fd >= 0) {
        set_nonblocking(server->listen_fd);
        error = tn_session_listen(server);
        if (error < 0) {
            tenon_bus_detach(server->device);
            goto fail;
        }
    } else {
        tenon_worker_post(server->worker, &server->open_post);
    }
    *out = server;
    return 0;

fail:
    free_server(server);
    return error;
}
