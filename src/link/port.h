/*
 * port.h: what the ports of links over descriptors have in common. Not a door: tap.c, dgram.c and
 * stream.c include it, with a struct tn_port as the first field of theirs.
 *
 *   the descriptor --watch--> kind->look --> events->ready, for what was asked for
 *
 * On the worker of the port, but for tn_port_begin and tn_port_end, which also keep two workers
 * from having the same port.
 */
#ifndef TN_LINK_PORT_H
#define TN_LINK_PORT_H

#include <stdatomic.h>

#include "link/link.h"
#include "loop/loop.h"

struct tn_port;

struct tn_port_kind {
    /*
     * The descriptor is ready: what of `events` is for the one who has the port. May be NULL: all.
     */
    unsigned (*look)(struct tn_port *port, unsigned events);
    /* The time of tn_port_retry has come. May be NULL. */
    void (*retry)(struct tn_port *port);
};

struct tn_port {
    const struct tn_port_kind *kind;
    atomic_bool taken;
    struct tenon_worker *worker; /* NULL: it is closed */
    const struct tenon_port_events *events;
    void *opaque;
    struct tenon_watch *watch;
    unsigned wanted; /* TENON_READABLE, TENON_WRITABLE: what events->ready shall tell */
    unsigned own;    /* what the link itself waits for */
    bool stalled;    /* it is writable, and cannot be written to */
    uint64_t delay_ns;
    struct tenon_timer *stall_timer, *retry_timer;
    struct tn_task changed, again;
};

/* -EBUSY: somebody has it. -ENOMEM. */
int tn_port_begin(struct tn_port *port, const struct tn_port_kind *kind,
                  struct tenon_worker *worker, const struct tenon_port_events *events,
                  void *opaque);
void tn_port_end(struct tn_port *port);

/* Watches this one from now on, and no other; -1: none. 0 or a negative errno. */
int tn_port_set_fd(struct tn_port *port, int fd);
void tn_port_want(struct tn_port *port, unsigned events);
void tn_port_wait_for(struct tn_port *port, unsigned own);
/* Writing has failed for a reason that no descriptor tells the end of: WRITABLE is told later. */
void tn_port_stall(struct tn_port *port);
/* Whether there is more to read that the descriptor does not tell of: READABLE is told, too. */
void tn_port_again(struct tn_port *port, bool more);
/* Tells events->changed, soon: never from within a call of the one who has the port. */
void tn_port_changed(struct tn_port *port);
/* Calls kind->retry after a while, which doubles with each time until tn_port_worked. */
void tn_port_retry(struct tn_port *port);
/* Calls it in a second, where there is no hurry. */
void tn_port_look_later(struct tn_port *port);
void tn_port_worked(struct tn_port *port);

#endif
