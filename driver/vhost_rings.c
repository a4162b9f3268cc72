/*
 * vhost_rings.c: the rings of a vhost-user front-end: started, stopped, and carried over to a
 * back-end that came back.
 *
 *   start:     inflight region, then for each ring: size, base, addresses, error, kick, call,
 *   enable
 *   stop:      GET_VRING_BASE
 *   reconnect: all again, with the inflight region that was kept (VU-73..77)
 *
 * Ring addresses are this process's own (`guest` view), buffer addresses are the guest's, as in a
 * real front-end (VU-25).
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vhost_driver.h"

/* ---- rings ---- */

static int tell_fd(struct tenon_driver *driver, uint32_t request, unsigned queue, int *fd)
{
    if (*fd < 0) {
        *fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    if (*fd < 0) {
        return -errno;
    }
    uint64_t value = queue;
    return tnd_vhost_tell(driver, request, &value, sizeof(value), fd, 1);
}

static int tell_ring(struct tenon_driver *driver, unsigned queue, uint16_t base)
{
    const struct tnd_ring *ring = driver->queues[queue].ring;
    struct tnd_ram *ram = driver->ram;
    struct tn_vu_vring_state size = { .index = queue, .num = ring->size };
    struct tn_vu_vring_state at = { .index = queue, .num = base };
    struct tn_vu_vring_addr addr = {
        .index = queue,
        .desc_user = (uint64_t)(uintptr_t)tnd_ram_at(ram, ring->desc_gpa, 1),
        .used_user = (uint64_t)(uintptr_t)tnd_ram_at(ram, ring->used_gpa, 1),
        .avail_user = (uint64_t)(uintptr_t)tnd_ram_at(ram, ring->avail_gpa, 1),
    };

    int error = tnd_vhost_tell(driver, TN_VU_SET_VRING_NUM, &size, sizeof(size), NULL, 0);
    if (!error) {
        error = tnd_vhost_tell(driver, TN_VU_SET_VRING_BASE, &at, sizeof(at), NULL, 0);
    }
    if (!error) {
        error = tnd_vhost_tell(driver, TN_VU_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
    }
    return error;
}

static int start_ring(struct tenon_driver *driver, unsigned queue, uint16_t base)
{
    struct tnd_queue *q = &driver->queues[queue];
    struct tn_vu_vring_state on = { .index = queue, .num = 1 };

    int error = tell_ring(driver, queue, base);
    if (!error) {
        error = tell_fd(driver, TN_VU_SET_VRING_ERR, queue, &q->err_fd);
    }
    if (!error) {
        error = tell_fd(driver, TN_VU_SET_VRING_KICK, queue, &q->kick_fd);
    }
    if (!error) {
        error = tell_fd(driver, TN_VU_SET_VRING_CALL, queue, &q->call_fd);
    }
    if (!error && tnd_vhost_of(driver)->protocol) {
        error = tnd_vhost_tell(driver, TN_VU_SET_VRING_ENABLE, &on, sizeof(on), NULL, 0);
    }
    return error;
}

/* ---- the inflight region ---- */

static int get_inflight(struct tenon_driver *driver)
{
    struct vhost_driver *d = tnd_vhost_of(driver);
    struct tn_vu_inflight ask = { .queues = (uint16_t)driver->setup.queues,
                                  .queue_size = (uint16_t)driver->queues[0].ring->size };
    struct tnd_vhost_message answer;

    int error = tnd_vhost_query(driver, TN_VU_GET_INFLIGHT_FD, &ask, sizeof(ask), &answer);
    if (error) {
        return error;
    }
    if (answer.fd_count != 1 || answer.size < 20) {
        return -EPROTO;
    }
    memcpy(&d->inflight, answer.payload, answer.size < sizeof(ask) ? answer.size : sizeof(ask));
    d->inflight_fd = answer.fds[0];
    d->inflight_map = mmap(NULL, d->inflight.mmap_size, PROT_READ | PROT_WRITE, MAP_SHARED,
                           d->inflight_fd, (off_t)d->inflight.mmap_offset);
    if (d->inflight_map == MAP_FAILED) {
        d->inflight_map = NULL;
        return -errno;
    }
    return 0;
}

static int tell_inflight(struct tenon_driver *driver)
{
    struct vhost_driver *d = tnd_vhost_of(driver);
    int error = 0;

    if (!tnd_vhost_has_protocol(driver, TN_VU_PF_INFLIGHT_SHMFD)) {
        return 0;
    }
    if (d->inflight_fd < 0) {
        error = get_inflight(driver);
    }
    return error ? error
                 : tnd_vhost_tell(driver, TN_VU_SET_INFLIGHT_FD, &d->inflight, sizeof(d->inflight),
                                  &d->inflight_fd, 1);
}

void tnd_vhost_drop_inflight(struct vhost_driver *d)
{
    if (d->inflight_map) {
        munmap(d->inflight_map, d->inflight.mmap_size);
    }
    d->inflight_map = NULL;
    tnd_close_fd(&d->inflight_fd);
}

void *tnd_vhost_inflight(struct tenon_driver *driver, size_t *bytes)
{
    *bytes = tnd_vhost_of(driver)->inflight.mmap_size;
    return tnd_vhost_of(driver)->inflight_map;
}

int tnd_vhost_queue_start(struct tenon_driver *driver, unsigned queue)
{
    int error = queue == 0 && driver->queue_count == 0 ? tell_inflight(driver) : 0;
    return error ? error : start_ring(driver, queue, driver->queues[queue].ring->start);
}

int tnd_vhost_queue_stop(struct tenon_driver *driver, unsigned queue, uint16_t *base)
{
    struct tn_vu_vring_state state = { .index = queue };
    struct tnd_vhost_message answer;

    int error = tnd_vhost_query(driver, TN_VU_GET_VRING_BASE, &state, sizeof(state), &answer);
    if (error) {
        return error;
    }
    memcpy(&state, answer.payload, sizeof(state));
    if (answer.size != sizeof(state) || state.index != queue) {
        return -EPROTO;
    }
    *base = (uint16_t)state.num;
    return 0;
}

/* ---- a back-end that came back ---- */

void tnd_vhost_reconnect(struct tenon_driver *driver, int socket)
{
    struct vhost_driver *d = tnd_vhost_of(driver);
    tnd_close_fd(&d->socket);
    tnd_close_fd(&d->back_end_channel);
    d->socket = socket;
    d->greeted = false;
    d->memory_told = false;
    d->protocol = 0;
}

int tnd_vhost_resume(struct tenon_driver *driver)
{
    int error = driver->ops->offered(driver, driver->offered);
    if (!error) {
        error = driver->ops->negotiate(driver, driver->features);
    }
    if (!error && driver->queue_count > 0) {
        error = tell_inflight(driver);
    }
    for (unsigned i = 0; i < driver->queue_count && !error; i++) {
        /*
         * QEMU tells a back-end that came back the used index: the inflight region knows the rest.
         */
        error = start_ring(driver, i, tnd_raw_used_idx(driver->queues[i].ring));
    }
    return error ? error : driver->ops->live(driver);
}
