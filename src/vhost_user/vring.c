/*
 * vring.c: the rings as the front-end sees them, and when the device runs them.
 *
 *   runs  =  started (SET_VRING_KICK came) and enabled (SET_VRING_ENABLE, or no bit 30: VU-50)
 *
 * A ring starts at SET_VRING_KICK, not at the first kick, and is looked at once (VU-42). Started
 * but disabled: for a disk nothing can be processed without effect, so such a ring waits. Addresses
 * are looked up in the memory table each time it starts (VU-36). Messages about rings are in
 * ring_messages.c.
 *
 * On the server's worker, but for what is marked: on the queue's. The call descriptor is the
 * queue's worker's alone, and is replaced by a word that both exchange; so an interrupt takes no
 * lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/list.h"
#include "base/log.h"
#include "loop/loop.h"
#include "spec/vring.h"
#include "vhost_user/vhost_user.h"
#include "virtqueue/virtqueue.h"

static void close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
        *fd = -1;
    }
}

/* ---- interrupts: on the queue's worker (or on ours, when the queue has none) ---- */

static void take_call(struct tn_vring *ring)
{
    int next = __atomic_exchange_n(&ring->call_next, TN_CALL_UNCHANGED, __ATOMIC_ACQ_REL);

    if (next != TN_CALL_UNCHANGED) {
        close_fd(&ring->call);
        ring->call = next;
    }
}

static void ring_call(struct tn_vring *ring)
{
    if (ring->call >= 0) {
        (void)tn_notify_fd(ring->call); /* the front-end may be gone: its socket says so */
    }
}

static void queue_irq(void *bus, unsigned queue)
{
    struct tn_vring *ring = &((struct tenon_vhost_user *)bus)->rings[queue];

    if (__atomic_load_n(&ring->call_next, __ATOMIC_RELAXED) != TN_CALL_UNCHANGED) {
        take_call(ring);
    }
    ring_call(ring);
}

/*
 * An interrupt may have gone to the descriptor that was replaced just now: the new one is rung once
 * (VU-44).
 */
static void on_call_post(struct tenon_post *post)
{
    struct tn_vring *ring = TN_CONTAINER_OF(post, struct tn_vring, call_post);

    take_call(ring);
    if (__atomic_load_n(&ring->live, __ATOMIC_RELAXED)) {
        ring_call(ring);
    }
}

static void on_fence_post(struct tenon_post *post)
{
    struct tn_vring *ring = TN_CONTAINER_OF(post, struct tn_vring, fence_post);

    take_call(ring);
    close_fd(&ring->call);
    tenon_worker_post(ring->server->worker, &ring->fenced_post);
}

static void broken(void *bus, unsigned queue, const char *why)
{
    struct tenon_vhost_user *server = bus;

    (void)why; /* the device has logged it */
    tenon_worker_post(server->worker, &server->rings[queue].broken_post);
}

/* On any thread. */
static void config_irq(void *bus)
{
    struct tenon_vhost_user *server = bus;

    tenon_worker_post(server->worker, &server->config_post);
}

const struct tenon_bus_ops tn_vring_bus_ops = {
    .size = sizeof(struct tenon_bus_ops),
    .queue_irq = queue_irq,
    .config_irq = config_irq,
    .broken = broken,
};

void tn_vring_set_call(struct tn_vring *ring, int fd)
{
    struct tenon_worker *worker = tenon_bus_queue_worker(ring->server->device, ring->index);
    int unused = __atomic_exchange_n(&ring->call_next, fd, __ATOMIC_ACQ_REL);

    close_fd(&unused);
    if (worker) {
        ring->posted = true;
        tenon_worker_post(worker, &ring->call_post);
    } else {
        take_call(ring);
    }
}

/* ---- news from the queue's worker ---- */

bool tn_vring_has_news(const struct tn_vring *ring)
{
    return __atomic_load_n(&ring->broken_post.queued, __ATOMIC_ACQUIRE) != 0;
}

/*
 * Other front-ends are served on this worker, too, and this one can make its descriptor blocking
 * and full again. A full one says all that there is to say.
 */
static void ring_err(const struct tn_vring *ring)
{
    struct pollfd room = { .fd = ring->err, .events = POLLOUT };

    if (ring->err >= 0 && poll(&room, 1, 0) == 1 && (room.revents & POLLOUT)) {
        (void)tn_notify_fd(ring->err);
    }
}

static void on_broken_post(struct tenon_post *post)
{
    struct tn_vring *ring = TN_CONTAINER_OF(post, struct tn_vring, broken_post);
    struct tenon_vhost_user *server = ring->server;

    ring->broken = true;
    ring_err(ring);
    if (tn_memtable_poisoned(&server->memory) || tn_inflight_gone(&server->inflight)) {
        tn_vu_end(server, "the front-end cut off memory that it had shared");
    }
}

static void on_fenced_post(struct tenon_post *post)
{
    tn_vu_arrived(TN_CONTAINER_OF(post, struct tn_vring, fenced_post)->server);
}

static void on_stopped_post(struct tenon_post *post)
{
    struct tn_vring *ring = TN_CONTAINER_OF(post, struct tn_vring, stopped_post);

    ring->running = ring->stopping = false;
    ring->base = ring->stopped_at;
    tn_vu_arrived(ring->server);
}

static void on_stopped(void *opaque, unsigned queue, uint16_t next_avail)
{
    struct tn_vring *ring = opaque;

    (void)queue;
    ring->stopped_at = next_avail;
    tenon_worker_post(ring->server->worker, &ring->stopped_post);
}

/* ---- start and stop ---- */

void tn_vring_init(struct tn_vring *ring, struct tenon_vhost_user *server, unsigned index)
{
    ring->server = server;
    ring->index = index;
    ring->kick = ring->err = ring->call = -1;
    ring->call_next = TN_CALL_UNCHANGED;
    ring->call_post.fn = on_call_post;
    ring->fence_post.fn = on_fence_post;
    ring->stopped_post.fn = on_stopped_post;
    ring->broken_post.fn = on_broken_post;
    ring->fenced_post.fn = on_fenced_post;
}

static bool find_areas(const struct tn_vring *ring, struct tenon_ring *to)
{
    const struct tn_memtable *memory = &ring->server->memory;
    uint32_t n = ring->entries;

    return tn_memtable_find(memory, ring->desc_user, TN_DESC_BYTES(n), &to->desc_gpa) &&
           tn_memtable_find(memory, ring->avail_user, TN_AVAIL_BYTES(n), &to->driver_gpa) &&
           tn_memtable_find(memory, ring->used_user, TN_USED_BYTES(n), &to->device_gpa);
}

static const char *what_is_missing(const struct tn_vring *ring)
{
    if (!ring->server->features_ok) {
        return "SET_FEATURES";
    }
    if (ring->entries == 0) {
        return "SET_VRING_NUM";
    }
    return ring->have_addr ? NULL : "SET_VRING_ADDR";
}

/*
 * A region of our making has room for every ring. One that another back-end made may not: QEMU asks
 * for its queue-size, and its virtio-mmio machines make rings of 1024 all the same.
 */
static void give_inflight(const struct tn_vring *ring, struct tenon_ring *to)
{
    struct tenon_vhost_user *server = ring->server;

    to->inflight = tn_inflight_part(&server->inflight, ring->index, &to->inflight_bytes);
    if (!to->inflight || to->inflight_bytes >= tn_inflight_bytes((uint16_t)ring->entries)) {
        return;
    }
    tn_log(TENON_LOG_WARNING,
           "%s: vhost-user: ring %u has %u entries, and its inflight record has no room for them: "
           "if this process is killed, requests may be lost; with QEMU, set queue-size=%u on the "
           "device",
           tenon_device_name(server->device), ring->index, ring->entries, ring->entries);
    to->inflight = NULL;
    to->inflight_bytes = 0;
}

static enum tn_vu_outcome start(struct tn_vring *ring)
{
    struct tenon_vhost_user *server = ring->server;
    struct tenon_ring how = {
        .size = sizeof(how),
        .entries = ring->entries,
        .next_avail = ring->base,
        .used_from_ring = true, /* VU-37 */
        .irq_on_start = true,
        .kick_fd = -1,
        .poll_without_kick = ring->kick < 0,
    };

    if (!find_areas(ring, &how)) {
        return tn_vu_say(server, TN_VU_MALFORMED, "ring %u does not lie in the shared memory",
                         ring->index);
    }
    if (ring->kick >= 0) {
        how.kick_fd = fcntl(ring->kick, F_DUPFD_CLOEXEC, 0);
        if (how.kick_fd < 0) {
            return tn_vu_say(server, TN_VU_REFUSED, "ring %u: no descriptor is left: %s",
                             ring->index, strerror(errno));
        }
    }
    give_inflight(ring, &how);
    int error = tenon_bus_queue_start(server->device, ring->index, &how);
    if (error < 0) {
        close_fd(&how.kick_fd);
        return tn_vu_say(server, TN_VU_REFUSED, "%s", tenon_error());
    }
    ring->running = true;
    ring->broken = false;
    __atomic_store_n(&ring->live, true, __ATOMIC_RELAXED);
    tn_notice_try(server);
    return TN_VU_DONE;
}

enum tn_vu_outcome tn_vring_try_start(struct tn_vring *ring)
{
    const char *missing = what_is_missing(ring);

    if (!ring->started || !ring->enabled || ring->running) {
        return TN_VU_DONE;
    }
    if (missing) {
        return tn_vu_say(ring->server, TN_VU_MALFORMED, "ring %u is started before %s", ring->index,
                         missing);
    }
    return start(ring);
}

int tn_vring_stop(struct tn_vring *ring)
{
    struct tenon_vhost_user *server = ring->server;

    if (!ring->running || ring->stopping) {
        return 0;
    }
    __atomic_store_n(&ring->live, false, __ATOMIC_RELAXED);
    int error = tenon_bus_queue_stop(server->device, ring->index, false, on_stopped, ring);
    if (error < 0) {
        return error;
    }
    ring->stopping = true;
    server->pending++;
    return 0;
}

int tn_vring_hold_all(struct tenon_vhost_user *server)
{
    for (unsigned i = 0; i < server->queues; i++) {
        struct tn_vring *ring = &server->rings[i];
        ring->again = ring->running && !ring->broken;
        if (ring->again && tn_vring_stop(ring) < 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

enum tn_vu_outcome tn_vring_restart_all(struct tenon_vhost_user *server)
{
    enum tn_vu_outcome outcome = TN_VU_DONE;

    for (unsigned i = 0; i < server->queues && outcome == TN_VU_DONE; i++) {
        struct tn_vring *ring = &server->rings[i];
        /*
         * One that broke while it stopped stays as it is until the front-end restarts or resets it.
         */
        if (ring->again && !ring->broken) {
            outcome = tn_vring_try_start(ring);
        }
        ring->again = false;
    }
    return outcome;
}

bool tn_vring_any_running(const struct tenon_vhost_user *server)
{
    for (unsigned i = 0; i < server->queues; i++) {
        if (server->rings[i].running) {
            return true;
        }
    }
    return false;
}

/* ---- the end ---- */

void tn_vring_reset(struct tn_vring *ring)
{
    ring->started = ring->enabled = ring->running = ring->stopping = ring->again = false;
    __atomic_store_n(&ring->live, false, __ATOMIC_RELAXED);
    ring->broken = ring->have_addr = false;
    ring->entries = 0;
    ring->base = 0;
    close_fd(&ring->kick);
}

void tn_vring_release(struct tn_vring *ring)
{
    struct tenon_worker *worker = tenon_bus_queue_worker(ring->server->device, ring->index);

    close_fd(&ring->kick);
    close_fd(&ring->err);
    if (worker && (ring->posted || ring->call >= 0)) {
        ring->posted = false;
        ring->server->pending++;
        tenon_worker_post(worker, &ring->fence_post);
        return;
    }
    take_call(ring);
    close_fd(&ring->call);
}
