/*
 * tap_port.c: a port of a tap: whether its interface is up, and which pairs it is to deliver to.
 *
 *   up --a write fails, or netlink has news--> down --the descriptor is writable--> up
 *   any --EBADFD--> away: nothing is watched --tried after a while--> up
 *
 * A pair that does not receive still sends, and its descriptor is as good as any. On the port's
 * worker, but for use_pairs, which has a lock of its own.
 */
#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "link/tap.h"

/* ---- up, down, away ---- */

static void set_state(struct tenon_port *port, enum tn_tap_state state)
{
    if (state == port->state) {
        return;
    }
    if (state == TN_TAP_AWAY) {
        tn_port_set_fd(&port->common, -1); /* it would say that it is ready for ever */
        tn_count_add(&port->counts[TAP_AWAY], 1);
        tn_port_retry(&port->common);
    } else if (port->state == TN_TAP_AWAY && tn_port_set_fd(&port->common, port->fd) != 0) {
        tn_port_retry(&port->common);
        return;
    }
    if (state == TN_TAP_DOWN) {
        tn_count_add(&port->counts[TAP_DOWN], 1);
    }
    port->state = state;
    tn_port_wait_for(&port->common, state == TN_TAP_DOWN ? TENON_WRITABLE : 0);
    tn_port_changed(&port->common);
}

bool tn_tap_is_down(struct tenon_port *port)
{
    set_state(port, tn_tap_state(port->fd));
    return port->state != TN_TAP_UP;
}

static unsigned look(struct tn_port *common, unsigned events)
{
    struct tenon_port *port = TN_CONTAINER_OF(common, struct tenon_port, common);

    if (port->state == TN_TAP_DOWN && (events & TENON_WRITABLE) != 0) {
        tn_tap_is_down(port);
    }
    return events;
}

/* Where somebody took the interface away and made it again, its descriptor is nobody's. */
static void come_back(struct tenon_port *port)
{
    const struct tap *tap = port->tap;

    if (tn_tap_state(port->fd) == TN_TAP_AWAY && tap->by_name && if_nametoindex(tap->name) != 0 &&
        tn_tap_attach(port->fd, tap->name, tap->multi) == 0) {
        tn_tap_set_up(port->fd);
        tn_tap_offload(port->fd, port->recv_can);
    }
    set_state(port, tn_tap_state(port->fd));
    if (port->state == TN_TAP_AWAY) {
        tn_port_retry(&port->common);
    }
}

static void retry(struct tn_port *common)
{
    come_back(TN_CONTAINER_OF(common, struct tenon_port, common));
}

static void on_news(void *opaque, int fd, unsigned events)
{
    struct tenon_port *port = opaque;
    char what[4096];

    (void)events;
    while (recv(fd, what, sizeof(what), MSG_DONTWAIT) > 0) {
    }
    if (port->state != TN_TAP_AWAY) {
        tn_tap_is_down(port);
    }
}

/* ---- which pairs receive ---- */

int tn_tap_use_pairs(void *link, unsigned count)
{
    struct tap *tap = link;
    int r = 0;

    pthread_mutex_lock(&tap->lock);
    for (unsigned pair = 1; pair < tap->pairs && r == 0; pair++) {
        struct tenon_port *port = &tap->ports[pair];
        bool use = pair < count;

        if (use == port->in_use) {
            continue;
        }
        r = tn_tap_use(port->fd, use);
        if (r != 0) {
            tn_error(r, "tap %s: queue %u cannot be %s: %s", tap->name, pair,
                     use ? "attached" : "detached", strerror(-r));
            break;
        }
        port->in_use = use;
    }
    pthread_mutex_unlock(&tap->lock);
    return r;
}

/* ---- opening and closing ---- */

/* Without it, that the interface has gone down is noticed when a frame is sent. */
static void open_news(struct tenon_port *port, struct tenon_worker *worker)
{
    port->news_fd = tn_tap_news();
    if (port->news_fd >= 0) {
        tenon_watch_add(worker, port->news_fd, TENON_READABLE, on_news, port, &port->news_watch);
    }
}

int tn_tap_port_open(void *link, unsigned pair, struct tenon_worker *worker,
                     const struct tenon_port_events *events, void *opaque, struct tenon_port **out)
{
    static const struct tn_port_kind kind = { .look = look, .retry = retry };
    struct tap *tap = link;
    struct tenon_port *port = &tap->ports[pair];
    int r = tn_port_begin(&port->common, &kind, worker, events, opaque);

    if (r != 0) {
        return r;
    }
    r = tn_port_set_fd(&port->common, port->fd);
    if (r != 0) {
        tn_port_end(&port->common);
        return r;
    }
    if (pair == 0) {
        open_news(port, worker);
    }
    port->state = TN_TAP_UP;
    tn_tap_is_down(port);
    *out = port;
    return 0;
}

void tn_tap_port_close(struct tenon_port *port)
{
    tenon_watch_remove(port->news_watch);
    port->news_watch = NULL;
    if (port->news_fd >= 0) {
        close(port->news_fd);
    }
    port->news_fd = -1;
    tn_port_end(&port->common);
}
