/*
 * vhost_driver.h: the state of a vhost-user front-end, shared by driver_wire.c (messages) and
 * driver_vhost.c (what they are sent for, and when).
 */
#ifndef TND_VHOST_DRIVER_H
#define TND_VHOST_DRIVER_H

#include <unistd.h>

#include "spec/vhost_user.h"
#include "tenon_driver.h"

struct vhost_driver {
    struct tenon_driver base;
    int socket;
    bool greeted; /* the handshake of this connection is over */
    bool memory_told;
    uint64_t protocol_wanted;
    uint64_t protocol_offered, protocol; /* protocol: acknowledged */
    unsigned back_end_queues;
    int back_end_channel; /* our end of the back-end's channel; -1: none */
    uint64_t config_irqs;
    struct tn_vu_inflight inflight;
    int inflight_fd; /* -1: none yet */
    void *inflight_map;
};

static inline struct vhost_driver *tnd_vhost_of(struct tenon_driver *driver)
{
    return (struct vhost_driver *)driver;
}

/* A message that has an answer of its own. */
int tnd_vhost_query(struct tenon_driver *driver, uint32_t request, const void *payload,
                    uint32_t size, struct tnd_vhost_message *answer);

/* vhost_rings.c: for the table of operations. */
int tnd_vhost_queue_start(struct tenon_driver *driver, unsigned queue);
int tnd_vhost_queue_stop(struct tenon_driver *driver, unsigned queue, uint16_t *base);
void tnd_vhost_drop_inflight(struct vhost_driver *d);

/* Closes a descriptor, if there is one, and forgets it. */
static inline void tnd_close_fd(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

#endif
