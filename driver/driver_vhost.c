/*
 * driver_vhost.c: a vhost-user front-end, in the order of messages that QEMU uses.
 *
 *   connect: features, protocol features, queue number, back-end channel, owner
 *   start:   features, memory, then the rings (vhost_rings.c)
 *
 * Here also: notifications and config space. Not here: what a message looks like on the wire
 * (driver_wire.c).
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "spec/virtio.h"
#include "vhost_driver.h"

/* Every protocol feature that this front-end can play. */
static const uint64_t KNOWN_PROTOCOL = 1 << TN_VU_PF_MQ | 1 << TN_VU_PF_REPLY_ACK |
                                       1 << TN_VU_PF_BACKEND_REQ | 1 << TN_VU_PF_CONFIG |
                                       1 << TN_VU_PF_INFLIGHT_SHMFD | 1 << TN_VU_PF_RESET_DEVICE |
                                       1 << TN_VU_PF_CONFIGURE_MEM_SLOTS | 1 << TN_VU_PF_STATUS;

static const uint64_t TRANSPORT_BITS = 1ull << TN_VU_F_PROTOCOL_FEATURES | 1ull << TN_VU_F_LOG_ALL;

bool tnd_vhost_has_protocol(struct tenon_driver *driver, unsigned bit)
{
    return tnd_vhost_of(driver)->protocol >> bit & 1;
}

void tnd_vhost_protocol(struct tenon_driver *driver, uint64_t wanted)
{
    tnd_vhost_of(driver)->protocol_wanted = wanted;
}

int tnd_vhost_socket(struct tenon_driver *driver)
{
    return tnd_vhost_of(driver)->socket;
}

static int tell_u64(struct tenon_driver *driver, uint32_t request, uint64_t value)
{
    return tnd_vhost_tell(driver, request, &value, sizeof(value), NULL, 0);
}

/* ---- the handshake ---- */

static int open_channel(struct tenon_driver *driver)
{
    int ends[2];
    if (!tnd_vhost_has_protocol(driver, TN_VU_PF_BACKEND_REQ)) {
        return 0;
    }
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        return -errno;
    }
    int error = tnd_vhost_tell(driver, TN_VU_SET_BACKEND_REQ_FD, NULL, 0, &ends[1], 1);
    close(ends[1]);
    tnd_close_fd(&tnd_vhost_of(driver)->back_end_channel);
    tnd_vhost_of(driver)->back_end_channel = ends[0];
    return error;
}

static int protocol_handshake(struct tenon_driver *driver)
{
    struct vhost_driver *d = tnd_vhost_of(driver);
    uint64_t queues = 1;

    int error = tnd_vhost_ask(driver, TN_VU_GET_PROTOCOL_FEATURES, &d->protocol_offered);
    if (error) {
        return error;
    }
    uint64_t acked = d->protocol_offered & d->protocol_wanted;
    error = tell_u64(driver, TN_VU_SET_PROTOCOL_FEATURES, acked);
    if (error) {
        return error;
    }
    d->protocol = acked;
    if (tnd_vhost_has_protocol(driver, TN_VU_PF_MQ)) {
        error = tnd_vhost_ask(driver, TN_VU_GET_QUEUE_NUM, &queues);
    }
    d->back_end_queues = (unsigned)queues;
    return error ? error : open_channel(driver);
}

static int vhost_offered(struct tenon_driver *driver, uint64_t features[2])
{
    struct vhost_driver *d = tnd_vhost_of(driver);
    uint64_t offered = 0;

    int error = tnd_vhost_ask(driver, TN_VU_GET_FEATURES, &offered);
    if (!error && !d->greeted && offered >> TN_VU_F_PROTOCOL_FEATURES & 1) {
        error = protocol_handshake(driver);
    }
    if (!error && !d->greeted) {
        error = tnd_vhost_tell(driver, TN_VU_SET_OWNER, NULL, 0, NULL, 0);
    }
    if (!error) {
        d->greeted = true;
        features[0] = offered & ~TRANSPORT_BITS;
        features[1] = 0;
    }
    return error;
}

static int set_status(struct tenon_driver *driver, uint64_t status)
{
    return tnd_vhost_has_protocol(driver, TN_VU_PF_STATUS)
               ? tell_u64(driver, TN_VU_SET_STATUS, status)
               : 0;
}

static int tell_memory(struct tenon_driver *driver)
{
    struct vhost_driver *d = tnd_vhost_of(driver);
    int error = 0;

    if (d->memory_told) {
        return 0;
    }
    if (!tnd_vhost_has_protocol(driver, TN_VU_PF_CONFIGURE_MEM_SLOTS) || driver->setup.mem_table) {
        error = tnd_vhost_send_table(driver);
    } else {
        for (unsigned i = 0; i < driver->ram->count && !error; i++) {
            error = driver->ram->regions[i].guest ? tnd_vhost_add_region(driver, i) : 0;
        }
    }
    d->memory_told = !error;
    return error;
}

static int vhost_negotiate(struct tenon_driver *driver, const uint64_t features[2])
{
    struct vhost_driver *d = tnd_vhost_of(driver);
    uint64_t bits = features[0] | (d->protocol ? 1ull << TN_VU_F_PROTOCOL_FEATURES : 0);
    uint64_t status = TN_STATUS_ACKNOWLEDGE | TN_STATUS_DRIVER;

    int error = set_status(driver, status);
    if (error) {
        return error;
    }
    error = tell_u64(driver, TN_VU_SET_FEATURES, bits);
    if (error) {
        return error == -EREMOTEIO ? -EOPNOTSUPP : error;
    }
    error = set_status(driver, status | TN_STATUS_FEATURES_OK);
    if (!error && tnd_vhost_has_protocol(driver, TN_VU_PF_STATUS)) {
        error = tnd_vhost_ask(driver, TN_VU_GET_STATUS, &status);
        if (!error && !(status & TN_STATUS_FEATURES_OK)) {
            return -EOPNOTSUPP;
        }
    }
    return error ? error : tell_memory(driver);
}

/* ---- memory ---- */

static struct tn_vu_region region_of(const struct tnd_region *r)
{
    return (struct tn_vu_region){ .gpa = r->gpa,
                                  .bytes = r->bytes,
                                  .user = (uint64_t)(uintptr_t)r->guest };
}

int tnd_vhost_add_region(struct tenon_driver *driver, unsigned region)
{
    const struct tnd_region *r = &driver->ram->regions[region];
    struct tn_vu_mem_reg message = { .region = region_of(r) };
    return tnd_vhost_tell(driver, TN_VU_ADD_MEM_REG, &message, sizeof(message), &r->fd, 1);
}

int tnd_vhost_remove_region(struct tenon_driver *driver, unsigned region)
{
    struct tn_vu_mem_reg message = { .region = region_of(&driver->ram->regions[region]) };
    return tnd_vhost_tell(driver, TN_VU_REM_MEM_REG, &message, sizeof(message), NULL, 0);
}

int tnd_vhost_send_table(struct tenon_driver *driver)
{
    struct tn_vu_mem_table table = { .count = 0 };
    int fds[TN_VU_MAX_REGIONS];

    for (unsigned i = 0; i < driver->ram->count && table.count < TN_VU_MAX_REGIONS; i++) {
        if (driver->ram->regions[i].guest) {
            table.regions[table.count] = region_of(&driver->ram->regions[i]);
            fds[table.count++] = driver->ram->regions[i].fd;
        }
    }
    uint32_t size = (uint32_t)(offsetof(struct tn_vu_mem_table, regions) +
                               table.count * sizeof(table.regions[0]));
    return tnd_vhost_tell(driver, TN_VU_SET_MEM_TABLE, &table, size, fds, table.count);
}

static int vhost_queue_max(struct tenon_driver *driver, unsigned queue)
{
    unsigned count = tnd_vhost_of(driver)->back_end_queues;

    return queue < (driver->setup.pairs ? 2 * count + 1 : count) ? 256 : 0;
}

static int vhost_live(struct tenon_driver *driver)
{
    return set_status(driver, TN_STATUS_ACKNOWLEDGE | TN_STATUS_DRIVER | TN_STATUS_FEATURES_OK |
                                  TN_STATUS_DRIVER_OK);
}

/* ---- notifications ---- */

static bool take_event(int fd)
{
    uint64_t count;
    return fd >= 0 && read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

static void vhost_notify(struct tenon_driver *driver, unsigned queue)
{
    uint64_t one = 1;
    if (write(driver->queues[queue].kick_fd, &one, sizeof(one)) < 0) {
        return; /* full: the back-end has not yet looked, and will */
    }
}

static bool vhost_irq_take(struct tenon_driver *driver, unsigned queue)
{
    return take_event(driver->queues[queue].call_fd);
}

static void vhost_irq_wait(struct tenon_driver *driver, unsigned queue, int timeout_ms)
{
    struct pollfd fd = { .fd = driver->queues[queue].call_fd, .events = POLLIN };
    poll(&fd, 1, timeout_ms);
}

static bool vhost_broken(struct tenon_driver *driver, unsigned queue)
{
    struct tnd_queue *q = &driver->queues[queue];
    q->broken = take_event(q->err_fd) || q->broken;
    return q->broken;
}

static uint64_t vhost_config_irqs(struct tenon_driver *driver)
{
    struct vhost_driver *d = tnd_vhost_of(driver);
    struct tn_vu_header header;

    while (d->back_end_channel >= 0 &&
           recv(d->back_end_channel, &header, sizeof(header), MSG_DONTWAIT) == sizeof(header)) {
        d->config_irqs += header.request == TN_VU_BACKEND_CONFIG_CHANGE;
        if (header.flags & TN_VU_NEED_REPLY) {
            struct {
                struct tn_vu_header header;
                uint32_t result[2];
            } answer = { { header.request, TN_VU_VERSION | TN_VU_REPLY, 8 }, { 0, 0 } };
            send(d->back_end_channel, &answer, sizeof(answer), MSG_NOSIGNAL);
        }
    }
    return d->config_irqs;
}

/* ---- config space ---- */

enum { CONFIG_HEADER = 12 };

static int vhost_config_read(struct tenon_driver *driver, uint32_t offset, void *to, uint32_t bytes)
{
    uint8_t payload[CONFIG_HEADER + TN_VU_CONFIG_MAX] = { 0 };
    struct tn_vu_config head = { .offset = offset, .size = bytes };
    struct tnd_vhost_message answer;

    if (bytes > TN_VU_CONFIG_MAX) {
        return -EINVAL;
    }
    memcpy(payload, &head, sizeof(head));
    int error = tnd_vhost_query(driver, TN_VU_GET_CONFIG, payload, CONFIG_HEADER + bytes, &answer);
    if (error) {
        return error;
    }
    if (answer.size != CONFIG_HEADER + bytes) {
        return -EREMOTEIO;
    }
    memcpy(to, answer.payload + CONFIG_HEADER, bytes);
    return 0;
}

static int vhost_config_write(struct tenon_driver *driver, uint32_t offset, const void *from,
                              uint32_t bytes)
{
    uint8_t payload[CONFIG_HEADER + TN_VU_CONFIG_MAX];
    struct tn_vu_config head = { .offset = offset, .size = bytes };

    if (bytes > TN_VU_CONFIG_MAX) {
        return -EINVAL;
    }
    memcpy(payload, &head, sizeof(head));
    memcpy(payload + CONFIG_HEADER, from, bytes);
    return tnd_vhost_tell(driver, TN_VU_SET_CONFIG, payload, CONFIG_HEADER + bytes, NULL, 0);
}

/* ---- the end, and a new beginning ---- */

static int vhost_reset(struct tenon_driver *driver)
{
    uint16_t base;
    int error = 0;

    if (tnd_vhost_has_protocol(driver, TN_VU_PF_RESET_DEVICE)) {
        error = tnd_vhost_tell(driver, TN_VU_RESET_DEVICE, NULL, 0, NULL, 0);
    } else {
        for (unsigned i = 0; i < driver->queue_count && !error; i++) {
            error = tnd_vhost_queue_stop(driver, i, &base);
        }
    }
    if (!error) {
        error = set_status(driver, 0);
    }
    for (unsigned i = 0; i < driver->queue_count; i++) {
        take_event(driver->queues[i].call_fd);
        take_event(driver->queues[i].err_fd);
        take_event(driver->queues[i].kick_fd);
    }
    tnd_vhost_drop_inflight(tnd_vhost_of(driver));
    return error;
}

static void vhost_free(struct tenon_driver *driver)
{
    struct vhost_driver *d = tnd_vhost_of(driver);
    tnd_close_fd(&d->socket);
    tnd_close_fd(&d->back_end_channel);
    tnd_vhost_drop_inflight(d);
    for (unsigned i = 0; i < TND_MAX_QUEUES; i++) {
        tnd_close_fd(&driver->queues[i].kick_fd);
        tnd_close_fd(&driver->queues[i].call_fd);
        tnd_close_fd(&driver->queues[i].err_fd);
    }
}

static const struct tenon_driver_ops vhost_ops = {
    .name = "vhost-user",
    .offered = vhost_offered,
    .negotiate = vhost_negotiate,
    .queue_max = vhost_queue_max,
    .queue_start = tnd_vhost_queue_start,
    .live = vhost_live,
    .queue_stop = tnd_vhost_queue_stop,
    .notify = vhost_notify,
    .irq_take = vhost_irq_take,
    .irq_wait = vhost_irq_wait,
    .config_read = vhost_config_read,
    .config_write = vhost_config_write,
    .config_irqs = vhost_config_irqs,
    .broken = vhost_broken,
    .reset = vhost_reset,
    .free = vhost_free,
};

int tnd_vhost_new(struct tnd_ram *ram, int socket, struct tenon_driver **out)
{
    int error = tnd_new(&vhost_ops, ram, sizeof(struct vhost_driver), out);
    if (error) {
        return error;
    }
    struct vhost_driver *d = (struct vhost_driver *)*out;
    d->socket = socket;
    d->protocol_wanted = KNOWN_PROTOCOL;
    d->back_end_queues = 1;
    d->back_end_channel = -1;
    d->inflight_fd = -1;
    return 0;
}
