/*
 * fake_link_hand.c: see fake_link.h: the test's side. Any thread.
 */
#include "fake_link_parts.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* Every other frame lies in one piece. */
static void lend_view(struct fake_link *link, struct fake_waiting *w)
{
    uint32_t first = w->bytes < 9 ? w->bytes : 9; /* in the middle of an address */
    uint32_t second = w->bytes - first < 700 ? w->bytes - first : 700;

    w->iov[0] = (struct iovec){ w->data, first };
    w->iov[1] = (struct iovec){ w->data + first, second };
    w->iov[2] = (struct iovec){ w->data + first + second, w->bytes - first - second };
    w->frame = (struct tenon_frame){ .iov = w->iov,
                                     .iov_count = w->iov[2].iov_len != 0   ? 3
                                                  : w->iov[1].iov_len != 0 ? 2
                                                                           : 1,
                                     .bytes = w->bytes,
                                     .offload = w->offload };
    if (link->lent++ % 2 == 0) {
        w->iov[0].iov_len = w->bytes;
        w->frame.iov_count = 1;
    }
}

void fake_link_deliver(struct fake_link *link, unsigned pair, const void *frame, uint32_t bytes,
                       const struct tenon_offload *offload)
{
    struct fake_waiting *w = malloc(sizeof(*w) + bytes + 1);

    assert_non_null(w);
    memset(w, 0, sizeof(*w));
    w->bytes = bytes;
    w->offload = offload ? *offload : (struct tenon_offload){ .flags = 0 };
    memcpy(w->data, frame, bytes);
    pthread_mutex_lock(&link->lock);
    lend_view(link, w);
    struct fake_port *port = &link->ports[pair];
    *(port->first ? &port->last->next : &port->first) = w;
    port->last = w;
    port->waiting++;
    fake_link_set_fd(port->rx_fd, true);
    pthread_mutex_unlock(&link->lock);
}

struct fake_link *fake_link_new(bool lends)
{
    struct fake_link *link = calloc(1, sizeof(*link));

    assert_non_null(link);
    pthread_mutex_init(&link->lock, NULL);
    link->lends = lends;
    link->tester = pthread_self();
    link->room = UINT32_MAX;
    link->info.pairs = 1;
    link->info.recv_batch = 64;
    for (unsigned i = 0; i < FAKE_PAIRS; i++) {
        struct fake_port *port = &link->ports[i];
        port->link = link;
        port->pair = i;
        port->rx_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        port->tx_fd = eventfd(1, EFD_CLOEXEC | EFD_NONBLOCK);
        port->changed_post.fn = fake_link_tell_changed;
        port->sent_post.fn = fake_link_tell_sent;
    }
    return link;
}

void fake_link_free(struct fake_link *link)
{
    for (unsigned i = 0; i < FAKE_PAIRS; i++) {
        while (link->ports[i].first) {
            free(fake_link_take_waiting(&link->ports[i]));
        }
        close(link->ports[i].rx_fd);
        close(link->ports[i].tx_fd);
    }
    while (link->sent_first) {
        free(fake_link_take_sent(link));
    }
    pthread_mutex_destroy(&link->lock);
    free(link);
}

unsigned fake_link_count(struct fake_link *link, const unsigned *counter)
{
    pthread_mutex_lock(&link->lock);
    unsigned n = *counter;
    pthread_mutex_unlock(&link->lock);
    return n;
}

unsigned fake_link_waiting(struct fake_link *link, unsigned pair)
{
    return fake_link_count(link, &link->ports[pair].waiting);
}

unsigned fake_link_sent(struct fake_link *link)
{
    return fake_link_count(link, &link->sent);
}

unsigned fake_link_kept(struct fake_link *link, unsigned pair)
{
    return fake_link_count(link, &link->ports[pair].kept_count);
}

struct fake_frame *fake_link_take_sent(struct fake_link *link)
{
    pthread_mutex_lock(&link->lock);
    struct fake_frame *f = link->sent_first;
    link->sent_first = f ? f->next : NULL;
    pthread_mutex_unlock(&link->lock);
    return f;
}

void fake_link_set_room(struct fake_link *link, uint32_t frames)
{
    pthread_mutex_lock(&link->lock);
    link->room = frames;
    for (unsigned i = 0; i < FAKE_PAIRS; i++) {
        fake_link_set_fd(link->ports[i].tx_fd, frames != 0);
    }
    pthread_mutex_unlock(&link->lock);
}

void fake_link_set_down(struct fake_link *link, bool down)
{
    __atomic_store_n(&link->down, down, __ATOMIC_SEQ_CST);
    for (unsigned i = 0; i < FAKE_PAIRS; i++) {
        pthread_mutex_lock(&link->lock);
        struct tenon_worker *worker = link->ports[i].open ? link->ports[i].worker : NULL;
        pthread_mutex_unlock(&link->lock);
        if (worker) {
            tenon_worker_post(worker, &link->ports[i].changed_post);
        }
    }
}

void fake_link_set_error(struct fake_link *link, int error)
{
    pthread_mutex_lock(&link->lock);
    link->send_error = error;
    pthread_mutex_unlock(&link->lock);
}

void fake_link_set_keep(struct fake_link *link, bool keep)
{
    pthread_mutex_lock(&link->lock);
    link->keep = keep;
    pthread_mutex_unlock(&link->lock);
}

void fake_link_set_recv_most(struct fake_link *link, unsigned frames)
{
    pthread_mutex_lock(&link->lock);
    link->recv_most = frames;
    pthread_mutex_unlock(&link->lock);
}

void fake_link_let_go(struct fake_link *link, unsigned pair, unsigned frames)
{
    struct fake_port *port = &link->ports[pair];

    pthread_mutex_lock(&link->lock);
    unsigned held = port->kept_count - port->let_go;
    port->let_go += frames < held ? frames : held;
    struct tenon_worker *worker = port->open ? port->worker : NULL;
    pthread_mutex_unlock(&link->lock);
    if (worker) {
        tenon_worker_post(worker, &port->sent_post);
    }
}

void fake_link_forget(struct fake_link *link, unsigned pair)
{
    pthread_mutex_lock(&link->lock);
    while (link->ports[pair].first) {
        free(fake_link_take_waiting(&link->ports[pair]));
    }
    pthread_mutex_unlock(&link->lock);
}

void fake_link_release_all(struct fake_link *link)
{
    fake_link_set_keep(link, false);
    pthread_mutex_lock(&link->lock);
    link->reading = 0;
    pthread_mutex_unlock(&link->lock);
    fake_link_set_room(link, UINT32_MAX);
    for (unsigned i = 0; i < FAKE_PAIRS; i++) {
        fake_link_let_go(link, i, FAKE_KEPT);
    }
}
