/*
 * reset.c: making the device as new, and the device status of the STATUS protocol feature. The
 * connection, its memory table and its back-end channel survive a reset (VU-58). On the server's
 * worker.
 */
#include "base/list.h"
#include "spec/virtio.h"
#include "vhost_user/vhost_user.h"

/*
 * A queue's last news was posted before the device became quiet, but maybe from another thread: let
 * it come first, so that it does not speak of the rings to come.
 */
void tn_vu_quiet_heard(struct tenon_post *post)
{
    struct tenon_vhost_user *server = TN_CONTAINER_OF(post, struct tenon_vhost_user, quiet_post);

    for (unsigned i = 0; i < server->queues; i++) {
        if (tn_vring_has_news(&server->rings[i])) {
            tenon_worker_post(server->worker, post);
            return;
        }
    }
    tn_vu_arrived(server);
}

/* On any thread. */
static void on_quiet(void *opaque)
{
    struct tenon_vhost_user *server = opaque;

    tenon_worker_post(server->worker, &server->quiet_post);
}

void tn_vu_quiet(struct tenon_vhost_user *server)
{
    server->pending++;
    tenon_bus_quiet(server->device, on_quiet, server);
}

static enum tn_vu_outcome reset_over(struct tenon_vhost_user *server)
{
    for (unsigned i = 0; i < server->queues; i++) {
        tn_vring_reset(&server->rings[i]);
    }
    /* What it records was dropped just now, and must not be done again on the next ring. */
    tn_inflight_drop(&server->inflight);
    server->features_ok = false;
    server->features = 0;
    server->status = 0;
    return TN_VU_DONE;
}

/* The standard's reset: what is in flight ends without a used entry. */
static enum tn_vu_outcome reset(struct tenon_vhost_user *server)
{
    tn_vu_quiet(server);
    return tn_vu_wait(server, reset_over);
}

enum tn_vu_outcome tn_reset_on_reset_device(struct tenon_vhost_user *server,
                                            struct tn_vu_message *m)
{
    (void)m;
    return reset(server);
}

enum tn_vu_outcome tn_reset_on_set_status(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    if (m->payload.u64 > UINT8_MAX) {
        return tn_vu_say(server, TN_VU_MALFORMED, "a status has 8 bits");
    }
    if (m->payload.u64 == 0) {
        return reset(server);
    }
    server->status = (uint8_t)m->payload.u64;
    return TN_VU_DONE;
}

/* FEATURES_OK and NEEDS_RESET are ours to tell (VU-60). */
enum tn_vu_outcome tn_reset_on_get_status(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    uint64_t status = server->status & ~(unsigned)TN_STATUS_NEEDS_RESET;

    (void)m;
    if (!server->features_ok) {
        status &= ~(uint64_t)TN_STATUS_FEATURES_OK;
    }
    for (unsigned i = 0; i < server->queues; i++) {
        if (server->rings[i].broken) {
            status |= TN_STATUS_NEEDS_RESET;
        }
    }
    return tn_vu_reply(server, &status, sizeof(status), -1);
}
