/*
 * session.c: the life of a connection, and of the server around it.
 *
 *   IDLE ──accept──> OPEN ──hang-up, error, close──> ENDING: stop rings, quiet, release ──> IDLE
 *                     │ ^
 *   message ──handle──┘ └── then(): what the message waited for has called back
 *
 * While something is waited for, the socket is not read: that is all "waiting" is here, so other
 * sessions on the same worker never notice. A connection that ends keeps its socket until the
 * device is drained: a front-end that sees us hang up may trust that the rings and its memory are
 * left alone. The next front-end waits in the backlog meanwhile. On the server's worker.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/list.h"
#include "base/log.h"
#include "vhost_user/vhost_user.h"

enum {
    MESSAGES_A_TURN = 16, /* then other sessions get their turn */
};

static const uint64_t ACCEPT_AGAIN_NS = 200 * 1000 * 1000;

enum tn_vu_outcome tn_vu_say(struct tenon_vhost_user *server, enum tn_vu_outcome outcome,
                             const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(server->why, sizeof(server->why), format, args);
    va_end(args);
    return outcome;
}

enum tn_vu_outcome tn_vu_reply(struct tenon_vhost_user *server, const void *payload, uint32_t bytes,
                               int fd)
{
    uint32_t request = server->wire.message.header.request;
    int error = tn_wire_reply(&server->wire, request, payload, bytes, fd);

    if (error < 0) {
        return tn_vu_say(server, TN_VU_LOST, "the front-end does not take the reply: %s",
                         strerror(-error));
    }
    return TN_VU_REPLIED;
}

enum tn_vu_outcome tn_vu_wait(struct tenon_vhost_user *server, tn_vu_then *then)
{
    if (server->pending == 0) {
        return then(server);
    }
    server->then = then;
    return TN_VU_WAIT;
}

/* ---- one message ---- */

static void watch_what_matters(struct tenon_vhost_user *server)
{
    unsigned events = TENON_READABLE;

    if (server->state != TN_VU_OPEN) {
        return;
    }
    if (server->then) {
        events = 0;
    } else if (tn_wire_sending(&server->wire)) {
        events = TENON_WRITABLE;
    }
    if (tenon_watch_set(server->watch, events) < 0) {
        tn_vu_end(server, "the socket cannot be watched");
    }
}

/* Once a connection: a front-end could repeat it for ever. */
static void complain(struct tenon_vhost_user *server)
{
    char name[32];

    if (server->complained) {
        return;
    }
    server->complained = true;
    tn_log(TENON_LOG_WARNING, "%s: vhost-user: %s not done: %s", tenon_device_name(server->device),
           tn_message_name(server->wire.message.header.request, name, sizeof(name)), server->why);
}

static void end_by_message(struct tenon_vhost_user *server)
{
    char name[32], why[sizeof(server->why) + 48];

    snprintf(why, sizeof(why), "%s: %s",
             tn_message_name(server->wire.message.header.request, name, sizeof(name)), server->why);
    tn_vu_end(server, why);
}

/* The message has come to an end: acknowledge it if that was asked for (VU-07, VU-08, VU-09). */
static void settle(struct tenon_vhost_user *server, enum tn_vu_outcome outcome)
{
    bool asked = (server->wire.message.header.flags & TN_VU_NEED_REPLY) &&
                 tn_vu_has_protocol(server, TN_VU_PF_REPLY_ACK);
    bool not_done = outcome == TN_VU_IGNORED || outcome == TN_VU_REFUSED;
    uint64_t ack = not_done ? 1 : 0;

    if (outcome == TN_VU_WAIT || server->state != TN_VU_OPEN) {
        return;
    }
    if (not_done && (asked || outcome == TN_VU_IGNORED)) {
        complain(server);
        outcome = TN_VU_DONE;
    }
    if (outcome == TN_VU_DONE && asked) {
        outcome = tn_vu_reply(server, &ack, sizeof(ack), -1);
    }
    if (outcome != TN_VU_DONE && outcome != TN_VU_REPLIED) {
        end_by_message(server);
        return;
    }
    tn_wire_next(&server->wire);
    if (tn_memtable_poisoned(&server->memory) || tn_inflight_gone(&server->inflight)) {
        tn_vu_end(server, "the front-end cut off memory that it had shared");
    }
}

void tn_vu_arrived(struct tenon_vhost_user *server)
{
    tn_vu_then *then = server->then;

    server->pending--;
    if (server->pending != 0 || !then) {
        return;
    }
    bool open = server->state == TN_VU_OPEN;
    server->then = NULL;
    enum tn_vu_outcome outcome = then(server);
    if (open) {
        settle(server, outcome);
        watch_what_matters(server);
    }
}

static void receive(struct tenon_vhost_user *server)
{
    const char *why = NULL;
    enum tn_wire_event event = tn_wire_receive(&server->wire, tn_message_judge, &why);

    if (event == TN_WIRE_MESSAGE) {
        server->why[0] = '\0';
        settle(server, tn_message_handle(server, &server->wire.message));
    } else if (event == TN_WIRE_CLOSED) {
        tn_vu_end(server, why);
    } else if (event == TN_WIRE_BROKEN && server->wire.have < sizeof(struct tn_vu_header)) {
        tn_vu_end(server, why);
    } else if (event == TN_WIRE_BROKEN) {
        tn_vu_say(server, TN_VU_MALFORMED, "%s", why);
        end_by_message(server);
    }
    if (event == TN_WIRE_AGAIN) {
        server->drained = true;
    }
}

static void on_socket(void *opaque, int fd, unsigned events)
{
    struct tenon_vhost_user *server = opaque;

    (void)fd;
    (void)events;
    if (tn_wire_sending(&server->wire) && tn_wire_flush(&server->wire) < 0) {
        tn_vu_end(server, "the front-end hung up before it had its reply");
        return;
    }
    server->drained = false;
    for (unsigned i = 0; i < MESSAGES_A_TURN; i++) {
        if (server->state != TN_VU_OPEN || server->then || tn_wire_sending(&server->wire) ||
            server->drained) {
            break;
        }
        receive(server);
    }
    watch_what_matters(server);
}

/* ---- beginning and end of a connection ---- */

static void tell(struct tenon_vhost_user *server, enum tenon_vhost_user_event event,
                 const char *detail)
{
    if (server->event) {
        server->event(server->opaque, server, event, detail);
    }
}

static void begin(struct tenon_vhost_user *server, int fd)
{
    int error =
        tenon_watch_add(server->worker, fd, TENON_READABLE, on_socket, server, &server->watch);

    if (error < 0) {
        tn_log(TENON_LOG_WARNING, "%s: vhost-user: a connection cannot be served: %s",
               tenon_device_name(server->device), tenon_error());
        close(fd);
        return;
    }
    tn_wire_open(&server->wire, fd);
    server->state = TN_VU_OPEN;
    server->complained = false;
    server->protocol = server->features = 0;
    server->features_ok = false;
    server->status = 0;
    server->notice_owed = false;
    if (server->listen_watch) {
        tenon_watch_set(server->listen_watch, 0);
    }
    tell(server, TENON_VHOST_USER_CONNECTED, "");
}

static void finish(struct tenon_vhost_user *server)
{
    if (!server->finished) {
        server->finished = true;
        tenon_bus_detach(server->device);
        tenon_worker_post(server->worker, &server->free_post);
    }
}

static enum tn_vu_outcome end_over(struct tenon_vhost_user *server)
{
    tn_wire_close(&server->wire);
    server->state = TN_VU_IDLE;
    tenon_bus_rest(server->device); /* an unconnected device costs no thread */
    tell(server, TENON_VHOST_USER_DISCONNECTED, server->why);
    if (server->closing) {
        finish(server);
    } else if (server->listen_watch) {
        tenon_watch_set(server->listen_watch, TENON_READABLE);
    }
    return TN_VU_DONE;
}

static enum tn_vu_outcome end_release(struct tenon_vhost_user *server)
{
    for (unsigned i = 0; i < server->queues; i++) {
        tn_vring_reset(&server->rings[i]);
        tn_vring_release(&server->rings[i]);
    }
    tn_inflight_drop(&server->inflight);
    tn_notice_close(server);
    tn_memtable_clear(server);
    return tn_vu_wait(server, end_over);
}

static enum tn_vu_outcome end_quiet(struct tenon_vhost_user *server)
{
    tn_vu_quiet(server);
    return tn_vu_wait(server, end_release);
}

/*
 * What is in flight is finished and reported, not dropped: a front-end that comes back takes the
 * used index for the point to go on from.
 */
static enum tn_vu_outcome end_stop(struct tenon_vhost_user *server)
{
    for (unsigned i = 0; i < server->queues; i++) {
        server->rings[i].again = false;
        (void)tn_vring_stop(&server->rings[i]); /* no memory: end_quiet stops it the hard way */
    }
    return tn_vu_wait(server, end_quiet);
}

void tn_vu_end(struct tenon_vhost_user *server, const char *why)
{
    bool usual = strcmp(why, "the front-end hung up") == 0 || server->closing;

    if (server->state != TN_VU_OPEN) {
        return;
    }
    server->state = TN_VU_ENDING;
    if (why != server->why) {
        snprintf(server->why, sizeof(server->why), "%s", why);
    }
    tn_log(usual ? TENON_LOG_DEBUG : TENON_LOG_WARNING, "%s: vhost-user: %s; the connection ends",
           tenon_device_name(server->device), server->why);
    tenon_watch_remove(server->watch);
    server->watch = NULL;
    server->then = NULL;
    (void)tn_vu_wait(server, end_stop);
}

/* ---- the server ---- */

static void accept_later(void *opaque)
{
    struct tenon_vhost_user *server = opaque;

    if (server->state == TN_VU_IDLE && server->listen_watch) {
        tenon_watch_set(server->listen_watch, TENON_READABLE);
    }
}

static void on_listen(void *opaque, int fd, unsigned events)
{
    struct tenon_vhost_user *server = opaque;
    int connection;

    (void)events;
    if (server->state != TN_VU_IDLE) {
        return;
    }
    connection = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (connection >= 0) {
        begin(server, connection);
        return;
    }
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR || errno == ECONNABORTED) {
        return;
    }
    /*
     * Out of descriptors or memory: the socket stays readable, so looking again at once would spin.
     */
    tn_log(TENON_LOG_WARNING, "%s: vhost-user: cannot accept a connection: %s; trying again",
           tenon_device_name(server->device), strerror(errno));
    tenon_watch_set(server->listen_watch, 0);
    tenon_timer_set(server->accept_timer, tenon_now() + ACCEPT_AGAIN_NS);
}

int tn_session_listen(struct tenon_vhost_user *server)
{
    int error = tenon_timer_new(server->worker, accept_later, server, &server->accept_timer);

    if (error < 0) {
        return error;
    }
    return tenon_watch_add(server->worker, server->listen_fd, TENON_READABLE, on_listen, server,
                           &server->listen_watch);
}

void tn_session_open(struct tenon_post *post)
{
    struct tenon_vhost_user *server = TN_CONTAINER_OF(post, struct tenon_vhost_user, open_post);
    int fd = server->connected_fd;

    if (server->closing) {
        return;
    }
    server->connected_fd = -1;
    begin(server, fd);
    if (server->state == TN_VU_IDLE) {
        tell(server, TENON_VHOST_USER_DISCONNECTED, "the connection cannot be served");
    }
}

void tenon_vhost_user_close(struct tenon_vhost_user *server, void (*done)(void *opaque),
                            void *opaque)
{
    if (!server) {
        if (done) {
            done(opaque);
        }
        return;
    }
    if (server->closing) {
        return;
    }
    server->closing = true;
    server->closed = done;
    server->closed_opaque = opaque;
    tenon_watch_remove(server->listen_watch);
    server->listen_watch = NULL;
    if (server->state == TN_VU_IDLE) {
        finish(server);
    } else {
        tn_vu_end(server, "the server closes");
    }
}
