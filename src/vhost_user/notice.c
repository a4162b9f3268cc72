/*
 * notice.c: the back-end's own channel: it carries one message, "the configuration has changed"
 * (VU-57).
 *
 *   device ──config_irq, any thread──> post ──> here ──> channel (a socket, or UML's pipe)
 *
 * No answer is asked for, so nothing here waits for the front-end (VU-91). While no ring runs the
 * front-end hears nothing (VU-51): the notice is owed, and goes when a ring starts.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/list.h"
#include "vhost_user/vhost_user.h"

void tn_notice_close(struct tenon_vhost_user *server)
{
    if (server->channel >= 0) {
        close(server->channel);
        server->channel = -1;
    }
}

void tn_notice_try(struct tenon_vhost_user *server)
{
    const struct tn_vu_header notice = { TN_VU_BACKEND_CONFIG_CHANGE, TN_VU_VERSION, 0 };
    ssize_t sent;

    if (!server->notice_owed || server->channel < 0 || server->state != TN_VU_OPEN ||
        !tn_vu_has_protocol(server, TN_VU_PF_CONFIG) || !tn_vring_any_running(server)) {
        return;
    }
    do {
        sent = send(server->channel, &notice, sizeof(notice), MSG_NOSIGNAL | MSG_DONTWAIT);
        if (sent < 0 && errno == ENOTSOCK) {
            sent = write(server->channel, &notice, sizeof(notice));
        }
    } while (sent < 0 && errno == EINTR);
    if (sent < 0 && errno == EAGAIN) {
        return; /* still owed: with the next message of the front-end */
    }
    server->notice_owed = false;
    if (sent != (ssize_t)sizeof(notice)) {
        tn_notice_close(
            server); /* the front-end closed it, or it is out of step: we live without */
    }
}

void tn_notice_config(struct tenon_post *post)
{
    struct tenon_vhost_user *server = TN_CONTAINER_OF(post, struct tenon_vhost_user, config_post);

    if (server->state == TN_VU_OPEN) {
        server->notice_owed = true;
        tn_notice_try(server);
    }
}

enum tn_vu_outcome tn_notice_on_channel(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    struct stat stat;
    int flags = fcntl(m->fds[0], F_GETFL);

    if (fstat(m->fds[0], &stat) < 0 || flags < 0 ||
        (!S_ISSOCK(stat.st_mode) && !S_ISFIFO(stat.st_mode))) {
        return tn_vu_say(server, TN_VU_MALFORMED, "the channel is no socket");
    }
    if (S_ISFIFO(stat.st_mode) && fcntl(m->fds[0], F_SETFL, flags | O_NONBLOCK) < 0) {
        return tn_vu_say(server, TN_VU_MALFORMED, "the channel cannot be made non-blocking");
    }
    tn_notice_close(server);
    server->channel = tn_message_take_fd(m, 0);
    tn_notice_try(server);
    return TN_VU_DONE;
}
