/*
 * serve.c: the life of a process that serves devices over vhost-user.
 *
 *   options ──> devices ──> sockets ──> sessions ──> ready
 *                                                      │ signal, or nobody comes any more
 *   freed   <── drained (or given up after a while) <── sessions closed
 *
 * The sessions of all devices run on the main thread's worker; queues run on threads of their own.
 * What was wrong is said once, in one line, before the exit.
 */
#include "serve.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <tenon/vhost_user.h>

#include "blk_hints.h"
#include "cmd.h"
#include "daemon.h"
#include "devices.h"
#include "report.h"
#include "sockets.h"

enum { DRAIN_SECONDS = 5 };

struct service;

/* One device, and everything that serves it. */
struct export
{
    struct service *service;
    const struct device_options *options;
    const struct opened *opened;
    struct serving_socket socket;
    struct tenon_vhost_user *server;
    bool connected; /* a front-end is there */
};

struct service {
    const struct serve_options *options;
    struct export *exports;
    struct tenon_worker *main; /* sessions, signals */
    struct devices devices;
    struct admin admin;
    struct tenon_timer *give_up;
    struct tenon_post stop_post;
    unsigned open_servers;
    bool stopping;
};

static const char *word(const struct export *export)
{
    return device_word(export->options->kind);
}

/* ---- stopping ---- */

static void remove_sockets(struct service *service)
{
    for (unsigned i = 0; i < service->options->list.count; i++) {
        socket_remove(&service->exports[i].socket);
    }
}

/* Operations in the kernel's hands may never end. */
static void give_up_on(const struct export *hung)
{
    remove_sockets(hung->service);
    report_error("%s '%s' did not finish its operations in %d seconds; exiting without them: "
                 "look at what is below it",
                 word(hung), hung->options->name, DRAIN_SECONDS);
    _exit(EXIT_UNDRAINED);
}

static void drained_too_long(void *opaque)
{
    struct service *service = opaque;
    for (unsigned i = 0; i < service->options->list.count; i++) {
        if (service->exports[i].server) {
            give_up_on(&service->exports[i]);
        }
    }
}

static void server_closed(void *opaque)
{
    struct export *export = opaque;
    export->server = NULL;
    export->service->open_servers--;
}

static void begin_stop(struct service *service)
{
    service->stopping = true;
    daemon_tell_stopping();
    tenon_timer_set(service->give_up, tenon_now() + DRAIN_SECONDS * 1000000000ULL);
    for (unsigned i = 0; i < service->options->list.count; i++) {
        struct export *export = &service->exports[i];
        if (export->server) {
            tenon_vhost_user_close(export->server, server_closed, export);
        }
    }
}

static void signal_came(void *opaque)
{
    struct service *service = opaque;
    if (service->stopping) {
        remove_sockets(service);
        report_error("told to stop a second time: exiting without waiting for the %ss",
                     device_word(service->options->kind));
        _exit(EXIT_UNDRAINED);
    }
    begin_stop(service);
}

static void stop_posted(struct tenon_post *post)
{
    struct service *service =
        (struct service *)(void *)((char *)post - offsetof(struct service, stop_post));
    if (!service->stopping) {
        begin_stop(service);
    }
}

/* ---- what front-ends do ---- */

/* With a connected socket nobody else can come, so its end is the end of that device. */
static bool nobody_comes(const struct service *service)
{
    bool all_connected_sockets = true;
    for (unsigned i = 0; i < service->options->list.count; i++) {
        const struct export *export = &service->exports[i];
        if (export->connected) {
            return false;
        }
        all_connected_sockets = all_connected_sockets && export->socket.connected;
    }
    return service->options->exit_on_disconnect || all_connected_sockets;
}

static void front_end_event(void *opaque, struct tenon_vhost_user *server,
                            enum tenon_vhost_user_event event, const char *detail)
{
    struct export *export = opaque;
    (void)server;
    (void)detail; /* the library logs what was not as usual */
    export->connected = event == TENON_VHOST_USER_CONNECTED;
    if (export->connected) {
        report_info("%s '%s': a front-end connected", word(export), export->options->name);
        return;
    }
    report_info("%s '%s': the front-end has gone", word(export), export->options->name);
    if (nobody_comes(export->service)) {
        /* Not here: the server is in the middle of telling us. */
        tenon_worker_post(export->service->main, &export->service->stop_post);
    }
}

/* ---- starting ---- */

/* `passed` counts the sockets of systemd that earlier devices took. */
static bool open_socket(struct export *export, int *passed)
{
    const struct serve_options *options = export->service->options;
    char origin[48];
    if (export->options->socket) {
        return socket_listen(&export->socket, export->options->socket, options->socket_mode);
    }
    if (options->fd >= 0) {
        snprintf(origin, sizeof(origin), "--fd %d", options->fd);
        return socket_adopt(&export->socket, options->fd, origin);
    }
    int fd = SOCKET_FIRST_PASSED + (*passed)++;
    snprintf(origin, sizeof(origin), "systemd's descriptor %d", fd);
    return socket_adopt(&export->socket, fd, origin);
}

static int serve(struct export *export)
{
    struct serving_socket *socket = &export->socket;
    struct tenon_vhost_user_opts opts = {
        .size = sizeof(opts),
        .device = export->opened->device,
        .worker = export->service->main,
        .listen_fd = socket->connected ? -1 : socket->fd,
        .connected_fd = socket->connected ? socket->fd : -1,
        .event = front_end_event,
        .opaque = export,
    };
    if (tenon_vhost_user_new(&opts, &export->server) < 0) {
        report_error("%s '%s': cannot serve it: %s", word(export), export->options->name,
                     tenon_error());
        return EXIT_CANNOT;
    }
    socket->fd = -1; /* the server closes it */
    export->service->open_servers++;
    return EXIT_OK;
}

static int start_main(struct service *service)
{
    struct tenon_worker_opts opts = { .size = sizeof(opts), .name = "tenon" };
    if (tenon_worker_new(&opts, &service->main) < 0 ||
        tenon_timer_new(service->main, drained_too_long, service, &service->give_up) < 0) {
        report_error("cannot make the main loop: %s", tenon_error());
        return EXIT_CANNOT;
    }
    return EXIT_OK;
}

static int start_exports(struct service *service)
{
    unsigned count = service->options->list.count;
    int result = devices_open(&service->devices, &service->options->list, &service->options->pool);
    for (unsigned i = 0; i < service->devices.count; i++) {
        service->exports[i].opened = &service->devices.all[i];
    }
    /* From here on there are sockets to remove, so a signal must not just end us. */
    if (result == EXIT_OK && !daemon_catch_signals(service->main, signal_came, service)) {
        return EXIT_CANNOT;
    }
    int passed = 0;
    for (unsigned i = 0; i < count && result == EXIT_OK; i++) {
        result = open_socket(&service->exports[i], &passed) ? EXIT_OK : EXIT_CANNOT;
    }
    for (unsigned i = 0; i < count && result == EXIT_OK; i++) {
        result = serve(&service->exports[i]);
    }
    return result;
}

/* Not here: the command is not answered yet. */
static void told_to_quit(void *opaque)
{
    struct service *service = opaque;
    tenon_worker_post(service->main, &service->stop_post);
}

static int open_admin(struct service *service)
{
    if (!admin_open(&service->admin, &service->options->admin, service->main, told_to_quit,
                    service)) {
        return EXIT_CANNOT;
    }
    for (unsigned i = 0; i < service->options->list.count; i++) {
        if (!admin_add(&service->admin, &service->devices.all[i], &service->exports[i].connected)) {
            return EXIT_CANNOT;
        }
    }
    return EXIT_OK;
}

/* What it stands on, for people. */
static void tell_served(const struct export *export)
{
    const char *where = export->socket.path ? export->socket.path : "a socket that was passed";
    const char *why = NULL;
    if (export->options->kind == DEVICE_NET) {
        report_info("net '%s': serving on %s, link %s", export->options->name, where,
                    tenon_link_name(export->opened->link));
        return;
    }
    const char *engine = tenon_disk_engine(export->opened->disk, &why);
    report_info("disk '%s': serving on %s, engine %s%s%s%s", export->options->name, where, engine,
                why ? " (" : "", why ? why : "", why ? ")" : "");
}

static void tell_ready(struct service *service)
{
    unsigned count = service->options->list.count;
    report_serving();
    for (unsigned i = 0; i < count; i++) {
        tell_served(&service->exports[i]);
    }
    char status[64];
    snprintf(status, sizeof(status), "serving %u %s%s", count, device_word(service->options->kind),
             count == 1 ? "" : "s");
    daemon_tell_ready(service->options->ready_fd, status);
    blk_hints_print(service->options);
}

/* ---- the whole life ---- */

/* Sessions have ended. What their operations left running is waited for, not for ever. */
static void free_exports(struct service *service)
{
    for (unsigned i = 0; i < service->devices.count; i++) {
        struct tenon_device *device = service->devices.all[i].device;
        if (device && tenon_device_reset(device, DRAIN_SECONDS * 1000) < 0) {
            give_up_on(&service->exports[i]);
        }
    }
    devices_close(&service->devices);
    if (service->exports) {
        remove_sockets(service);
    }
    free(service->exports);
}

static void free_service(struct service *service)
{
    admin_close(&service->admin);
    free_exports(service);
    daemon_forget_signals();
    tenon_timer_free(service->give_up);
    tenon_worker_free(service->main);
}

static int run(struct service *service)
{
    service->stop_post.fn = stop_posted;
    service->exports = calloc(service->options->list.count, sizeof(*service->exports));
    if (!service->exports) {
        report_error("out of memory");
        return EXIT_CANNOT;
    }
    for (unsigned i = 0; i < service->options->list.count; i++) {
        service->exports[i] = (struct export){ .service = service,
                                               .options = &service->options->list.devices[i],
                                               .socket = { .fd = -1, .lock_fd = -1 } };
    }
    int result = start_main(service);
    if (result == EXIT_OK) {
        result = start_exports(service);
    }
    if (result == EXIT_OK) {
        result = open_admin(service);
    }
    if (result == EXIT_OK) {
        tell_ready(service);
    } else if (service->open_servers > 0) {
        begin_stop(service);
    }
    while (service->open_servers > 0) {
        if (tenon_worker_run(service->main, -1) < 0) {
            report_error("the main loop failed: %s; exiting", tenon_error());
            remove_sockets(service);
            _exit(EXIT_CANNOT);
        }
    }
    return result;
}

int serve_run(const struct serve_options *options)
{
    struct service service = { .options = options };
    daemon_raise_file_limit();
    daemon_survive_sigbus();
    int result = run(&service);
    free_service(&service);
    return result;
}
