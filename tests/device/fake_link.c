/*
 * fake_link.c: see fake_link.h: the device's side, on its workers. An eventfd of each port tells
 * its worker, so that `ready` comes again and again while it is so. The test's side is in
 * fake_link_hand.c.
 */
#include "fake_link_parts.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct fake_port *of(struct tenon_port *port)
{
    return (struct fake_port *)(void *)port;
}

void fake_link_set_fd(int fd, bool on)
{
    uint64_t count = 1;
    if (on) {
        (void)!write(fd, &count, sizeof(count));
    } else {
        (void)!read(fd, &count, sizeof(count));
    }
}

/* To or from guest memory, which the guest may write meanwhile. */
static __attribute__((noinline)) void copy_shared(void *to, const void *from, size_t bytes)
{
    memcpy(to, from, bytes);
}

/* ---- frames that wait ---- */

/* Under the lock. */
struct fake_waiting *fake_link_take_waiting(struct fake_port *port)
{
    struct fake_waiting *w = port->first;

    port->first = w->next;
    port->waiting--;
    port->link->received++;
    if (!port->first) {
        fake_link_set_fd(port->rx_fd, false);
    }
    return w;
}

/* Under the lock. */
static unsigned at_most(struct fake_port *port, unsigned count)
{
    unsigned most = port->link->recv_most;

    port->link->recv_calls++;
    port->link->by_tester += pthread_equal(pthread_self(), port->link->tester) != 0;
    port->link->after_close += !port->open;
    return most != 0 && most < count ? most : count;
}

static void fill(struct tenon_frame *frame, const struct fake_waiting *w)
{
    uint32_t done = 0;

    frame->result = w->bytes > frame->bytes ? -EMSGSIZE : 0;
    for (unsigned i = 0; i < frame->iov_count && done < w->bytes; i++) {
        uint32_t n = w->bytes - done;
        n = n < frame->iov[i].iov_len ? n : (uint32_t)frame->iov[i].iov_len;
        copy_shared(frame->iov[i].iov_base, w->data + done, n);
        done += n;
    }
    frame->bytes = w->bytes;
    frame->offload = w->offload;
}

static int link_recv(struct tenon_port *opaque, struct tenon_frame *const *frames, unsigned count)
{
    struct fake_port *port = of(opaque);
    unsigned n = 0;

    pthread_mutex_lock(&port->link->lock);
    count = at_most(port, count);
    while (n < count && port->first) {
        struct fake_waiting *w = fake_link_take_waiting(port);
        fill(frames[n++], w);
        free(w);
    }
    pthread_mutex_unlock(&port->link->lock);
    return (int)n;
}

static unsigned link_peek(struct tenon_port *opaque, struct tenon_frame **frames, unsigned count)
{
    struct fake_port *port = of(opaque);
    unsigned n = 0;

    pthread_mutex_lock(&port->link->lock);
    count = at_most(port, count);
    for (struct fake_waiting *w = port->first; w && n < count; w = w->next) {
        frames[n++] = &w->frame;
    }
    pthread_mutex_unlock(&port->link->lock);
    return n;
}

static void link_take(struct tenon_port *opaque, unsigned count)
{
    struct fake_port *port = of(opaque);

    pthread_mutex_lock(&port->link->lock);
    for (unsigned i = 0; i < count; i++) {
        struct fake_waiting *w = fake_link_take_waiting(port);
        port->link->dropped += w->frame.result != 0;
        free(w);
    }
    pthread_mutex_unlock(&port->link->lock);
}

/* ---- frames that are sent ---- */

/* What is in the frame now. Under the lock. */
static void record(struct fake_port *port, const struct tenon_frame *frame)
{
    struct fake_link *link = port->link;
    struct fake_frame *f = malloc(sizeof(*f) + frame->bytes + 1);
    uint32_t done = 0;

    f->next = NULL;
    f->bytes = frame->bytes;
    f->pair = port->pair;
    f->offload = frame->offload;
    for (unsigned i = 0; i < frame->iov_count && done < frame->bytes; i++) {
        uint32_t n = frame->bytes - done;
        n = n < frame->iov[i].iov_len ? n : (uint32_t)frame->iov[i].iov_len;
        copy_shared(f->data + done, frame->iov[i].iov_base, n);
        done += n;
    }
    *(link->sent_first ? &link->sent_last->next : &link->sent_first) = f;
    link->sent_last = f;
    link->sent++;
}

static unsigned link_send(struct tenon_port *opaque, struct tenon_frame *const *frames,
                          unsigned count, unsigned *kept)
{
    struct fake_port *port = of(opaque);
    struct fake_link *link = port->link;
    unsigned n = 0;

    pthread_mutex_lock(&link->lock);
    link->send_calls++;
    link->by_tester += pthread_equal(pthread_self(), link->tester) != 0;
    link->after_close += !port->open;
    *kept = UINT_MAX;
    for (; n < count && link->room != 0; n++) {
        frames[n]->result = link->send_error;
        /* Behind one that is kept, or they would change places. */
        if ((link->keep || port->kept_count != 0) && !link->send_error) {
            if (port->kept_count == FAKE_KEPT) {
                break;
            }
            port->kept[port->kept_count++] = frames[n];
            *kept = n < *kept ? n : *kept;
        } else if (!link->send_error) {
            record(port, frames[n]);
        }
        link->room -= link->room != UINT32_MAX;
    }
    link->refused += n < count;
    if (link->room == 0) {
        fake_link_set_fd(port->tx_fd, false);
    }
    *kept = n < *kept ? n : *kept;
    pthread_mutex_unlock(&link->lock);
    return n;
}

/* Those that were let go are recorded now, and their sender hears of it. */
void fake_link_tell_sent(struct tenon_post *post)
{
    struct fake_port *port =
        (struct fake_port *)(void *)((char *)post - offsetof(struct fake_port, sent_post));
    struct tenon_frame *first = NULL, **end = &first;

    pthread_mutex_lock(&port->link->lock);
    unsigned n = port->let_go < port->kept_count ? port->let_go : port->kept_count;
    n = port->link->keep || port->link->reading != 0 ? n : port->kept_count;
    for (unsigned i = 0; i < n; i++) {
        record(port, port->kept[i]);
        port->kept[i]->result = 0;
        port->kept[i]->next = NULL;
        *end = port->kept[i];
        end = &port->kept[i]->next;
    }
    port->kept_count -= n;
    memmove(port->kept, port->kept + n, port->kept_count * sizeof(*port->kept));
    port->let_go = 0;
    bool open = port->open;
    pthread_mutex_unlock(&port->link->lock);
    if (open && first) {
        port->events->sent(port->opaque, first);
    }
}

static unsigned link_cancel(struct tenon_port *opaque, unsigned count)
{
    struct fake_port *port = of(opaque);

    pthread_mutex_lock(&port->link->lock);
    unsigned busy = port->let_go > port->link->reading ? port->let_go : port->link->reading;
    unsigned free_ones = port->kept_count > busy ? port->kept_count - busy : 0;
    unsigned n = count < free_ones ? count : free_ones;
    port->kept_count -= n;
    port->link->cancelled += n;
    port->link->after_close += !port->open;
    pthread_mutex_unlock(&port->link->lock);
    return n;
}

/* ---- ports ---- */

/* A link that lends may give its frames without being asked. Whether all that it gave was taken. */
static bool give_at_once(struct fake_port *port)
{
    struct tenon_frame *frames[8];
    struct tenon_port *opaque = (struct tenon_port *)(void *)port;
    unsigned count = link_peek(opaque, frames, 8);
    unsigned done = count == 0 ? 0 : port->events->deliver(port->opaque, frames, count);

    assert_true(done <= count);
    link_take(opaque, done);
    return done == count;
}

static void on_rx(void *opaque, int fd, unsigned events)
{
    struct fake_port *port = opaque;
    (void)fd;
    (void)events;
    if (!port->link->lends || port->wakes++ % 2 != 0 || !give_at_once(port)) {
        port->events->ready(port->opaque, TENON_READABLE);
    }
}

static void on_tx(void *opaque, int fd, unsigned events)
{
    struct fake_port *port = opaque;
    (void)fd;
    (void)events;
    port->events->ready(port->opaque, TENON_WRITABLE);
}

static void link_watch(struct tenon_port *opaque, unsigned events)
{
    struct fake_port *port = of(opaque);

    pthread_mutex_lock(&port->link->lock);
    port->watched = events;
    pthread_mutex_unlock(&port->link->lock);
    tenon_watch_set(port->rx_watch, events & TENON_READABLE ? TENON_READABLE : 0);
    tenon_watch_set(port->tx_watch, events & TENON_WRITABLE ? TENON_READABLE : 0);
}

void fake_link_tell_changed(struct tenon_post *post)
{
    struct fake_port *port =
        (struct fake_port *)(void *)((char *)post - offsetof(struct fake_port, changed_post));
    if (port->open) {
        port->events->changed(port->opaque);
    }
}

static int link_open(void *opaque, unsigned pair, struct tenon_worker *worker,
                     const struct tenon_port_events *events, void *events_opaque,
                     struct tenon_port **out)
{
    struct fake_link *link = opaque;
    struct fake_port *port = &link->ports[pair];

    pthread_mutex_lock(&link->lock);
    bool busy = pair >= FAKE_PAIRS || port->open;
    pthread_mutex_unlock(&link->lock);
    if (busy) {
        return -EBUSY;
    }
    port->worker = worker;
    port->events = events;
    port->opaque = events_opaque;
    port->can = 0;
    int error = tenon_watch_add(worker, port->rx_fd, 0, on_rx, port, &port->rx_watch);
    if (!error) {
        error = tenon_watch_add(worker, port->tx_fd, 0, on_tx, port, &port->tx_watch);
    }
    if (error) {
        tenon_watch_remove(port->rx_watch);
        port->rx_watch = NULL;
        return error;
    }
    pthread_mutex_lock(&link->lock);
    port->open = true;
    link->opens++;
    pthread_mutex_unlock(&link->lock);
    *out = (struct tenon_port *)(void *)port;
    return 0;
}

static void link_close(struct tenon_port *opaque)
{
    struct fake_port *port = of(opaque);

    tenon_watch_remove(port->rx_watch);
    tenon_watch_remove(port->tx_watch);
    port->rx_watch = port->tx_watch = NULL;
    pthread_mutex_lock(&port->link->lock);
    port->link->after_close += !port->open || port->kept_count != 0;
    port->open = false;
    port->link->closes++;
    pthread_mutex_unlock(&port->link->lock);
}

static int link_recv_set(struct tenon_port *opaque, unsigned can)
{
    struct fake_port *port = of(opaque);

    pthread_mutex_lock(&port->link->lock);
    port->can = can;
    pthread_mutex_unlock(&port->link->lock);
    return 0;
}

static unsigned link_send_can(struct tenon_port *opaque)
{
    return __atomic_load_n(&of(opaque)->link->send_can_now, __ATOMIC_RELAXED);
}

static int link_use_pairs(void *opaque, unsigned count)
{
    struct fake_link *link = opaque;

    pthread_mutex_lock(&link->lock);
    link->used_pairs = count;
    pthread_mutex_unlock(&link->lock);
    return 0;
}

static int link_info(void *opaque, struct tenon_link_info *info)
{
    *info = ((struct fake_link *)opaque)->info;
    info->size = sizeof(*info);
    return 0;
}

static bool link_up(void *opaque)
{
    return !__atomic_load_n(&((struct fake_link *)opaque)->down, __ATOMIC_SEQ_CST);
}

static void link_free(void *opaque)
{
    ((struct fake_link *)opaque)->freed = true;
}

int fake_link_open(struct fake_link *link, struct tenon_link **out)
{
    const struct tenon_link_ops ops = { .size = sizeof(ops),
                                        .open = link_open,
                                        .recv = link->lends ? NULL : link_recv,
                                        .peek = link->lends ? link_peek : NULL,
                                        .take = link->lends ? link_take : NULL,
                                        .send = link_send,
                                        .cancel = link_cancel,
                                        .watch = link_watch,
                                        .recv_set = link_recv_set,
                                        .send_can = link_send_can,
                                        .use_pairs = link_use_pairs,
                                        .close = link_close,
                                        .info = link_info,
                                        .up = link_up,
                                        .free = link_free };
    link->send_can_now = link->info.send_can;
    return tenon_link_open_custom(&ops, link, out);
}
