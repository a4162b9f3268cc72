/*
 * port.c: see port.h: one watched descriptor, what is told of it, and when to try again what has
 * failed. Knows no frames and no errors of any kind of link.
 */
#include "link/port.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"

#define STALL_NS UINT64_C(1000000)
#define FIRST_DELAY_NS UINT64_C(20000000)
#define LAST_DELAY_NS UINT64_C(1000000000)

/* ---- what happens on the worker ---- */

static void tell(struct tn_port *port, unsigned events)
{
    events &= port->wanted;
    if (events != 0) {
        port->events->ready(port->opaque, events);
    }
}

static void on_event(void *opaque, int fd, unsigned events)
{
    struct tn_port *port = opaque;

    (void)fd;
    if (port->kind->look) {
        events = port->kind->look(port, events);
    }
    tell(port, events);
}

static void apply(struct tn_port *port)
{
    unsigned events = port->wanted | port->own;

    if (port->stalled) {
        events &= ~(unsigned)TENON_WRITABLE;
    }
    if (port->watch && tenon_watch_set(port->watch, events) != 0) {
        tenon_timer_set(port->stall_timer, tenon_now() + STALL_NS); /* memory: tried again */
    }
}

static void end_stall(void *opaque)
{
    struct tn_port *port = opaque;

    port->stalled = false;
    apply(port);
}

static void run_retry(void *opaque)
{
    struct tn_port *port = opaque;

    port->kind->retry(port);
}

static void run_changed(struct tn_task *task)
{
    struct tn_port *port = TN_CONTAINER_OF(task, struct tn_port, changed);

    port->events->changed(port->opaque);
}

/* Level-triggered: asks for the next time before it tells, since it may be closed meanwhile. */
static void run_again(struct tn_task *task)
{
    struct tn_port *port = TN_CONTAINER_OF(task, struct tn_port, again);

    tn_task_ready(port->worker, &port->again);
    tell(port, TENON_READABLE);
}

/* ---- what links ask for ---- */

int tn_port_set_fd(struct tn_port *port, int fd)
{
    int r = 0;

    if (!port->worker) {
        return 0;
    }
    tenon_watch_remove(port->watch);
    port->watch = NULL;
    port->stalled = false;
    if (fd >= 0) {
        r = tenon_watch_add(port->worker, fd, port->wanted | port->own, on_event, port,
                            &port->watch);
    }
    return r;
}

void tn_port_want(struct tn_port *port, unsigned events)
{
    if (port->wanted != events) {
        port->wanted = events;
        apply(port);
    }
}

void tn_port_wait_for(struct tn_port *port, unsigned own)
{
    if (port->own != own) {
        port->own = own;
        apply(port);
    }
}

void tn_port_stall(struct tn_port *port)
{
    port->stalled = true;
    apply(port);
    tenon_timer_set(port->stall_timer, tenon_now() + STALL_NS);
}

void tn_port_again(struct tn_port *port, bool more)
{
    if (more && (port->wanted & TENON_READABLE) != 0) {
        tn_task_ready(port->worker, &port->again);
    } else {
        tn_task_cancel(&port->again);
    }
}

void tn_port_changed(struct tn_port *port)
{
    if (port->worker) {
        tn_task_ready(port->worker, &port->changed);
    }
}

void tn_port_retry(struct tn_port *port)
{
    if (!port->worker) {
        return;
    }
    tenon_timer_set(port->retry_timer, tenon_now() + port->delay_ns);
    port->delay_ns = tn_min_u64(2 * port->delay_ns, LAST_DELAY_NS);
}

void tn_port_look_later(struct tn_port *port)
{
    if (port->worker) {
        tenon_timer_set(port->retry_timer, tenon_now() + LAST_DELAY_NS);
    }
}

void tn_port_worked(struct tn_port *port)
{
    port->delay_ns = FIRST_DELAY_NS;
}

/* ---- lifetime ---- */

int tn_port_begin(struct tn_port *port, const struct tn_port_kind *kind,
                  struct tenon_worker *worker, const struct tenon_port_events *events, void *opaque)
{
    int r;

    if (atomic_exchange(&port->taken, true)) {
        return -EBUSY;
    }
    port->kind = kind;
    port->worker = worker;
    port->events = events;
    port->opaque = opaque;
    port->wanted = port->own = 0;
    port->stalled = false;
    port->delay_ns = FIRST_DELAY_NS;
    tn_task_init(&port->changed, run_changed);
    tn_task_init(&port->again, run_again);
    r = tenon_timer_new(worker, end_stall, port, &port->stall_timer);
    if (r == 0) {
        r = tenon_timer_new(worker, run_retry, port, &port->retry_timer);
    }
    if (r != 0) {
        tn_port_end(port);
    }
    return r;
}

void tn_port_end(struct tn_port *port)
{
    tenon_watch_remove(port->watch);
    tn_task_cancel(&port->changed);
    tn_task_cancel(&port->again);
    tenon_timer_free(port->stall_timer);
    tenon_timer_free(port->retry_timer);
    port->watch = NULL;
    port->stall_timer = port->retry_timer = NULL;
    port->worker = NULL;
    atomic_store(&port->taken, false);
}
