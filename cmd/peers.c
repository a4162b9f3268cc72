/*
 * peers.c: who is connected to a socket. A peer that sends without an end, or that does not read,
 * is dropped; when all places are taken, the one who has been there longest makes room.
 */
#include "peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "report.h"

static void drop(struct peer *peer)
{
    tenon_watch_remove(peer->watch);
    close(peer->fd);
    free(peer->in);
    free(peer->out);
    *peer = (struct peer){ .peers = peer->peers, .fd = -1, .generation = peer->generation + 1 };
}

/* False: the peer is gone. */
static bool send_out(struct peer *peer)
{
    while (peer->out_bytes > 0) {
        ssize_t n = send(peer->fd, peer->out, peer->out_bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0 && errno == EAGAIN) {
            break;
        }
        if (n < 0) {
            drop(peer);
            return false;
        }
        peer->out_bytes -= (size_t)n;
        memmove(peer->out, peer->out + n, peer->out_bytes);
    }
    if (peer->closing && peer->out_bytes == 0 && peer->owed == 0) {
        drop(peer);
        return false;
    }
    unsigned events = peer->closing ? 0 : TENON_READABLE;
    tenon_watch_set(peer->watch, events | (peer->out_bytes > 0 ? TENON_WRITABLE : 0));
    return true;
}

void peer_take(struct peer *peer, size_t bytes)
{
    peer->in_bytes -= bytes;
    memmove(peer->in, peer->in + bytes, peer->in_bytes);
}

void peer_put(struct peer *peer, const char *text, size_t bytes)
{
    char *grown = peer->out_bytes + bytes <= PEER_BACKLOG
                      ? realloc(peer->out, peer->out_bytes + bytes)
                      : NULL;
    if (!grown) {
        drop(peer); /* it does not read, or there is no memory: it may ask again */
        return;
    }
    peer->out = grown;
    memcpy(grown + peer->out_bytes, text, bytes);
    peer->out_bytes += bytes;
    send_out(peer);
}

void peer_put_line(struct peer *peer, const char *text)
{
    char *line;
    int bytes = asprintf(&line, "%s\n", text);
    if (bytes < 0) {
        drop(peer);
        return;
    }
    peer_put(peer, line, (size_t)bytes);
    free(line);
}

static void peer_ready(void *opaque, int fd, unsigned events)
{
    struct peer *peer = opaque;
    unsigned long generation = peer->generation;
    if ((events & TENON_WRITABLE) && !send_out(peer)) {
        return;
    }
    if (!(events & TENON_READABLE) || peer->closing) {
        return;
    }
    ssize_t n = recv(fd, peer->in + peer->in_bytes, PEER_INPUT - peer->in_bytes, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (n < 0) {
        drop(peer);
        return;
    }
    peer->closing = n == 0;
    peer->in_bytes += (size_t)n;
    peer->peers->input(peer->peers->opaque, peer);
    if (peer->fd < 0 || peer->generation != generation) {
        return;
    }
    if (peer->in_bytes == PEER_INPUT) {
        drop(peer);
        return;
    }
    send_out(peer);
}

static struct peer *make_place(struct peers *peers)
{
    struct peer *oldest = &peers->all[0];
    for (unsigned i = 0; i < PEERS_MAX; i++) {
        if (peers->all[i].fd < 0) {
            return &peers->all[i];
        }
        if (peers->all[i].arrival < oldest->arrival) {
            oldest = &peers->all[i];
        }
    }
    drop(oldest);
    return oldest;
}

static void peer_came(void *opaque, int fd, unsigned events)
{
    struct peers *peers = opaque;
    (void)events;
    int made = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (made < 0) {
        return;
    }
    struct peer *peer = make_place(peers);
    peer->in = malloc(PEER_INPUT);
    peer->fd = made;
    peer->arrival = ++peers->arrivals;
    if (!peer->in ||
        tenon_watch_add(peers->worker, made, TENON_READABLE, peer_ready, peer, &peer->watch) < 0) {
        drop(peer);
    }
}

bool peers_open(struct peers *peers, int listen_fd, struct tenon_worker *worker,
                void (*input)(void *opaque, struct peer *peer), void *opaque)
{
    *peers = (struct peers){ .worker = worker, .input = input, .opaque = opaque };
    for (unsigned i = 0; i < PEERS_MAX; i++) {
        peers->all[i] = (struct peer){ .peers = peers, .fd = -1 };
    }
    if (tenon_watch_add(worker, listen_fd, TENON_READABLE, peer_came, peers, &peers->watch) < 0) {
        report_error("cannot watch a socket: %s", tenon_error());
        return false;
    }
    return true;
}

void peers_close(struct peers *peers)
{
    for (unsigned i = 0; i < PEERS_MAX; i++) {
        if (peers->all[i].peers && peers->all[i].fd >= 0) {
            drop(&peers->all[i]);
        }
    }
    tenon_watch_remove(peers->watch);
    peers->watch = NULL;
}
