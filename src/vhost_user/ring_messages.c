/*
 * ring_messages.c: the messages about one ring: its size, place, position, descriptors, and whether
 * it runs. Each checks all of the message before it changes anything. What follows from it is
 * vring.c's. On the server's worker.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/num.h"
#include "spec/vring.h"
#include "vhost_user/vhost_user.h"

static struct tn_vring *ring_of(struct tenon_vhost_user *server, uint32_t index)
{
    if (index >= server->queues) { /* VU-98: all 32 bits count */
        tn_vu_say(server, TN_VU_MALFORMED, "there is no ring %u, there are %u", index,
                  server->queues);
        return NULL;
    }
    return &server->rings[index];
}

static enum tn_vu_outcome while_running(struct tn_vring *ring)
{
    return tn_vu_say(ring->server, TN_VU_MALFORMED, "ring %u runs", ring->index);
}

enum tn_vu_outcome tn_vring_on_num(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    struct tn_vring *ring = ring_of(server, m->payload.state.index);
    uint32_t entries = m->payload.state.num;

    if (!ring) {
        return TN_VU_MALFORMED;
    }
    if (ring->running) {
        return while_running(ring);
    }
    uint32_t most = tenon_bus_queue_max(server->device, ring->index);
    if (!tn_is_power_of_2(entries) || entries > most) {
        return tn_vu_say(server, TN_VU_MALFORMED,
                         "%u is no ring size: it is a power of 2, and at most %u here", entries,
                         most);
    }
    ring->entries = entries;
    return TN_VU_DONE;
}

enum tn_vu_outcome tn_vring_on_base(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    struct tn_vring *ring = ring_of(server, m->payload.state.index);

    if (!ring) {
        return TN_VU_MALFORMED;
    }
    if (ring->running) {
        return while_running(ring);
    }
    if (m->payload.state.num > UINT16_MAX) {
        return tn_vu_say(server, TN_VU_MALFORMED, "a ring position has 16 bits");
    }
    ring->base = (uint16_t)m->payload.state.num;
    return TN_VU_DONE;
}

/*
 * May come before the memory that it speaks of, so places are only looked up when the ring starts.
 * Again on a running ring it may say the same places; its log flag means nothing without LOG_ALL
 * (VU-35, VU-36).
 */
enum tn_vu_outcome tn_vring_on_addr(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    const struct tn_vu_vring_addr *addr = &m->payload.addr;
    struct tn_vring *ring = ring_of(server, addr->index);

    if (!ring) {
        return TN_VU_MALFORMED;
    }
    if ((addr->flags & ~1u) != 0) {
        return tn_vu_say(server, TN_VU_MALFORMED, "unknown ring flags 0x%x", addr->flags);
    }
    if (!tn_is_aligned(addr->desc_user, TN_DESC_ALIGN) ||
        !tn_is_aligned(addr->avail_user, TN_AVAIL_ALIGN) ||
        !tn_is_aligned(addr->used_user, TN_USED_ALIGN)) {
        return tn_vu_say(server, TN_VU_MALFORMED, "ring %u is not aligned", ring->index);
    }
    if (ring->running &&
        (ring->desc_user != addr->desc_user || ring->avail_user != addr->avail_user ||
         ring->used_user != addr->used_user)) {
        return while_running(ring);
    }
    ring->desc_user = addr->desc_user;
    ring->avail_user = addr->avail_user;
    ring->used_user = addr->used_user;
    ring->have_addr = true;
    return TN_VU_DONE;
}

/* ---- GET_VRING_BASE ---- */

/* Stop is not reset: size, places and position stay (VU-39). */
static enum tn_vu_outcome base_known(struct tenon_vhost_user *server)
{
    struct tn_vu_vring_state state = server->wire.message.payload.state;
    struct tn_vring *ring = &server->rings[state.index];

    ring->started = false;
    if (ring->kick >= 0) {
        close(ring->kick);
        ring->kick = -1;
    }
    tn_vring_set_call(ring, -1);
    state.num = ring->base;
    return tn_vu_reply(server, &state, sizeof(state), -1);
}

/* Everything in flight is finished first, and all interrupts are delivered (VU-38). */
enum tn_vu_outcome tn_vring_on_get_base(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    struct tn_vring *ring = ring_of(server, m->payload.state.index);

    if (!ring) {
        return TN_VU_MALFORMED;
    }
    if (tn_vring_stop(ring) < 0) {
        return tn_vu_say(server, TN_VU_MALFORMED, "%s", tenon_error());
    }
    return tn_vu_wait(server, base_known);
}

/* ---- SET_VRING_KICK, SET_VRING_CALL, SET_VRING_ERR ---- */

/*
 * The ring and the descriptor of such a message; -1 with the no-fd flag. An eventfd, a pipe, or a
 * socket: what can be polled. It must not make us wait, whatever the front-end does (VU-52, VU-99).
 */
static struct tn_vring *ring_and_fd(struct tenon_vhost_user *server, struct tn_vu_message *m,
                                    int *fd)
{
    uint64_t word = m->payload.u64;
    bool no_fd = (word & TN_VU_VRING_NO_FD) != 0;
    struct stat stat;

    if ((word & ~(uint64_t)(TN_VU_VRING_INDEX_MASK | TN_VU_VRING_NO_FD)) != 0) {
        tn_vu_say(server, TN_VU_MALFORMED, "unknown bits beside the ring's number");
        return NULL;
    }
    struct tn_vring *ring = ring_of(server, (uint32_t)(word & TN_VU_VRING_INDEX_MASK));
    if (!ring) {
        return NULL;
    }
    if (no_fd != (m->fd_count == 0)) {
        tn_vu_say(server, TN_VU_MALFORMED,
                  no_fd ? "a descriptor that it says is not there" : "its descriptor is missing");
        return NULL;
    }
    *fd = -1;
    if (no_fd) {
        return ring;
    }
    int flags = fcntl(m->fds[0], F_GETFL);
    if (flags < 0 || fstat(m->fds[0], &stat) < 0 || S_ISREG(stat.st_mode) ||
        S_ISDIR(stat.st_mode) || S_ISBLK(stat.st_mode) || S_ISCHR(stat.st_mode) ||
        fcntl(m->fds[0], F_SETFL, flags | O_NONBLOCK) < 0) {
        tn_vu_say(server, TN_VU_MALFORMED, "its descriptor is neither an eventfd nor a pipe");
        return NULL;
    }
    *fd = tn_message_take_fd(m, 0);
    return ring;
}

static enum tn_vu_outcome kick_restart(struct tenon_vhost_user *server)
{
    return tn_vring_restart_all(server);
}

/* A ring that runs gets the new descriptor; between polling and not polling it is started anew. */
static enum tn_vu_outcome replace_kick(struct tn_vring *ring, bool polled_before)
{
    struct tenon_vhost_user *server = ring->server;

    if (ring->broken) {
        return TN_VU_DONE;
    }
    if (polled_before || ring->kick < 0) {
        ring->again = true;
        if (tn_vring_stop(ring) < 0) {
            return tn_vu_say(server, TN_VU_MALFORMED, "%s", tenon_error());
        }
        return tn_vu_wait(server, kick_restart);
    }
    int copy = fcntl(ring->kick, F_DUPFD_CLOEXEC, 0);
    if (copy < 0) {
        return tn_vu_say(server, TN_VU_REFUSED, "no descriptor is left for ring %u", ring->index);
    }
    if (tenon_bus_queue_set_kick(server->device, ring->index, copy) < 0) {
        return tn_vu_say(server, TN_VU_REFUSED, "%s", tenon_error());
    }
    return TN_VU_DONE;
}

enum tn_vu_outcome tn_vring_on_kick(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    int fd;
    struct tn_vring *ring = ring_and_fd(server, m, &fd);

    if (!ring) {
        return TN_VU_MALFORMED;
    }
    bool polled = ring->kick < 0;
    if (ring->kick >= 0) {
        close(ring->kick);
    }
    ring->kick = fd;
    ring->started = true;
    return ring->running ? replace_kick(ring, polled) : tn_vring_try_start(ring);
}

enum tn_vu_outcome tn_vring_on_call(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    int fd;
    struct tn_vring *ring = ring_and_fd(server, m, &fd);

    if (!ring) {
        return TN_VU_MALFORMED;
    }
    tn_vring_set_call(ring, fd);
    return TN_VU_DONE;
}

enum tn_vu_outcome tn_vring_on_err(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    int fd;
    struct tn_vring *ring = ring_and_fd(server, m, &fd);

    if (!ring) {
        return TN_VU_MALFORMED;
    }
    if (ring->err >= 0) {
        close(ring->err);
    }
    ring->err = fd;
    return TN_VU_DONE;
}

/* ---- SET_VRING_ENABLE ---- */

static enum tn_vu_outcome disabled(struct tenon_vhost_user *server)
{
    (void)server;
    return TN_VU_DONE;
}

enum tn_vu_outcome tn_vring_on_enable(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    struct tn_vring *ring = ring_of(server, m->payload.state.index);

    if (!ring) {
        return TN_VU_MALFORMED;
    }
    if (m->payload.state.num > 1) {
        return tn_vu_say(server, TN_VU_MALFORMED, "a ring is enabled by 1 and disabled by 0");
    }
    ring->enabled = m->payload.state.num == 1;
    if (ring->enabled) {
        return tn_vring_try_start(ring);
    }
    if (tn_vring_stop(ring) < 0) {
        return tn_vu_say(server, TN_VU_MALFORMED, "%s", tenon_error());
    }
    return tn_vu_wait(server, disabled);
}
