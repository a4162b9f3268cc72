/*
 * messages.c: the table of messages: what each may look like, what it needs, and who handles it.
 * Checks of form are made here, from the table, before a handler sees the message. The handlers of
 * rings, memory, inflight region and status are in the files of those names; here are features and
 * configuration.
 *
 * A message that is not in the table is drained; its descriptors are closed, its sender hears "no"
 * if it asks, and the connection goes on (VU-97). On the server's worker.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/num.h"
#include "spec/virtio.h"
#include "vhost_user/vhost_user.h"

enum { ALWAYS = -1, CONFIG_HEAD = sizeof(struct tn_vu_config) };

struct kind {
    const char *name;
    uint16_t least, most; /* bytes of payload */
    uint8_t fds_least, fds_most;
    int8_t needs; /* protocol feature */
    tn_message_fn *handle;
};

/* ---- features ---- */

static const uint64_t protocol_offered =
    UINT64_C(1) << TN_VU_PF_MQ | UINT64_C(1) << TN_VU_PF_REPLY_ACK |
    UINT64_C(1) << TN_VU_PF_BACKEND_REQ | UINT64_C(1) << TN_VU_PF_CONFIG |
    UINT64_C(1) << TN_VU_PF_INFLIGHT_SHMFD | UINT64_C(1) << TN_VU_PF_RESET_DEVICE |
    UINT64_C(1) << TN_VU_PF_CONFIGURE_MEM_SLOTS | UINT64_C(1) << TN_VU_PF_STATUS;

static const uint64_t bit_30 = UINT64_C(1) << TN_VU_F_PROTOCOL_FEATURES;

bool tn_vu_has_protocol(const struct tenon_vhost_user *server, unsigned bit)
{
    return (server->protocol >> bit & 1) != 0;
}

/*
 * What the wire can carry. Not RING_RESET: a ring is reset by GET_VRING_BASE here, and front-ends
 * that pass the bit on to the guest do not send that when the guest resets a queue.
 */
uint64_t tn_vu_features(const struct tenon_vhost_user *server)
{
    uint64_t features[2];

    tenon_bus_features(server->device, features);
    return (features[0] & ~(UINT64_C(1) << TN_F_RING_RESET | UINT64_C(1) << TN_VU_F_LOG_ALL)) |
           bit_30;
}

static enum tn_vu_outcome get_features(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    uint64_t features = tn_vu_features(server);

    (void)m;
    return tn_vu_reply(server, &features, sizeof(features), -1);
}

/* A front-end with STATUS finds FEATURES_OK missing, and goes on from there (VU-13, VU-60). */
static enum tn_vu_outcome refuse_features(struct tenon_vhost_user *server, const char *why)
{
    server->features_ok = false;
    return tn_vu_say(server,
                     tn_vu_has_protocol(server, TN_VU_PF_STATUS) ? TN_VU_IGNORED : TN_VU_REFUSED,
                     "%s", why);
}

/* Without bit 30 there is nothing to enable rings with, so all of them are (VU-50). */
static enum tn_vu_outcome enable_all(struct tenon_vhost_user *server)
{
    enum tn_vu_outcome outcome = TN_VU_DONE;

    for (unsigned i = 0; i < server->queues && outcome == TN_VU_DONE; i++) {
        server->rings[i].enabled = true;
        outcome = tn_vring_try_start(&server->rings[i]);
    }
    return outcome;
}

/*
 * Again while rings run is usual, and disturbs nothing; but they keep what they began with (VU-12).
 */
static enum tn_vu_outcome set_features(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    uint64_t accepted = m->payload.u64;
    uint64_t features[2] = { accepted & ~bit_30, 0 };

    if (tn_vring_any_running(server) && accepted != server->features) {
        return tn_vu_say(server, TN_VU_MALFORMED, "other features while rings run");
    }
    if ((accepted & ~tn_vu_features(server)) != 0) {
        return refuse_features(server, "features that were not offered");
    }
    if (tenon_bus_negotiate(server->device, features) < 0) {
        return refuse_features(server, tenon_error());
    }
    server->features = accepted;
    server->features_ok = true;
    return accepted & bit_30 ? TN_VU_DONE : enable_all(server);
}

static enum tn_vu_outcome get_protocol(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    (void)m;
    return tn_vu_reply(server, &protocol_offered, sizeof(protocol_offered), -1);
}

static enum tn_vu_outcome set_protocol(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    if ((m->payload.u64 & ~protocol_offered) != 0) {
        return tn_vu_say(server, TN_VU_REFUSED, "protocol features that were not offered: 0x%llx",
                         (unsigned long long)(m->payload.u64 & ~protocol_offered));
    }
    server->protocol = m->payload.u64;
    return TN_VU_DONE;
}

/*
 * SET_OWNER marks a beginning, RESET_OWNER is deprecated: neither changes anything (VU-19, VU-20).
 */
static enum tn_vu_outcome owner(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    (void)server;
    (void)m;
    return TN_VU_DONE;
}

static enum tn_vu_outcome get_queue_num(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    uint64_t queues = tenon_bus_queue_groups(server->device);

    (void)m;
    return tn_vu_reply(server, &queues, sizeof(queues), -1);
}

static enum tn_vu_outcome get_slots(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    uint64_t slots = TN_VU_SLOTS;

    (void)m;
    return tn_vu_reply(server, &slots, sizeof(slots), -1);
}

/* ---- configuration ---- */

static bool config_fits(const struct tn_vu_config *config)
{
    return tn_range_within(config->offset, config->size, TN_VU_CONFIG_MAX);
}

/*
 * Some send the bytes to be filled, some only the head. A range that cannot be gets an empty reply
 * (VU-55).
 */
static enum tn_vu_outcome get_config(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    struct {
        struct tn_vu_config head;
        uint8_t bytes[TN_VU_CONFIG_MAX];
    } reply = { .head = m->payload.config };
    uint32_t size = reply.head.size;

    if (!config_fits(&reply.head)) {
        return tn_vu_reply(server, NULL, 0, -1);
    }
    if (m->header.size != CONFIG_HEAD && m->header.size != CONFIG_HEAD + size) {
        return tn_vu_say(server, TN_VU_MALFORMED, "its size does not fit the range that it names");
    }
    tenon_bus_config_read(server->device, reply.head.offset, reply.bytes, size);
    return tn_vu_reply(server, &reply, CONFIG_HEAD + size, -1);
}

/*
 * Flags 0: the driver writes; what is not writable is refused. Flags 1: a migrated device comes
 * with its whole configuration, and what is not writable is as it is (VU-56).
 */
static enum tn_vu_outcome set_config(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    const struct tn_vu_config *config = &m->payload.config;

    if (!config_fits(config) || m->header.size != CONFIG_HEAD + config->size) {
        return tn_vu_say(server, TN_VU_MALFORMED, "its size does not fit the range that it names");
    }
    if (config->flags > 1) {
        return tn_vu_say(server, TN_VU_MALFORMED, "unknown flags 0x%x", config->flags);
    }
    bool taken = tenon_bus_config_write(server->device, config->offset,
                                        m->payload.bytes + CONFIG_HEAD, config->size);
    if (!taken && config->flags == 0) {
        return tn_vu_say(server, TN_VU_IGNORED, "%u bytes at %u are not a writable field",
                         config->size, config->offset);
    }
    return TN_VU_DONE;
}

/* ---- the table ---- */

#define U64 sizeof(uint64_t), sizeof(uint64_t)
#define STATE sizeof(struct tn_vu_vring_state), sizeof(struct tn_vu_vring_state)
#define CONFIG CONFIG_HEAD, CONFIG_HEAD + TN_VU_CONFIG_MAX
#define REGION sizeof(struct tn_vu_mem_reg), sizeof(struct tn_vu_mem_reg)
/* 20 bytes of content, and 4 of padding that some send (VU-73) */
#define INFLIGHT offsetof(struct tn_vu_inflight, padding), sizeof(struct tn_vu_inflight)
#define TABLE offsetof(struct tn_vu_mem_table, regions), sizeof(struct tn_vu_mem_table)
#define ADDR sizeof(struct tn_vu_vring_addr), sizeof(struct tn_vu_vring_addr)

/* clang-format off */
/* name, bytes of payload, descriptors (least and most of each), protocol feature, handler */
static const struct kind kinds[] = {
    [TN_VU_GET_FEATURES] = { "GET_FEATURES", 0, 0, 0, 0, ALWAYS, get_features },
    [TN_VU_SET_FEATURES] = { "SET_FEATURES", U64, 0, 0, ALWAYS, set_features },
    [TN_VU_SET_OWNER] = { "SET_OWNER", 0, 0, 0, 0, ALWAYS, owner },
    [TN_VU_RESET_OWNER] = { "RESET_OWNER", 0, 0, 0, 0, ALWAYS, owner },
    [TN_VU_SET_MEM_TABLE] = { "SET_MEM_TABLE", TABLE, 0, 8, ALWAYS, tn_memtable_set },
    [TN_VU_SET_VRING_NUM] = { "SET_VRING_NUM", STATE, 0, 0, ALWAYS, tn_vring_on_num },
    [TN_VU_SET_VRING_ADDR] = { "SET_VRING_ADDR", ADDR, 0, 0, ALWAYS, tn_vring_on_addr },
    [TN_VU_SET_VRING_BASE] = { "SET_VRING_BASE", STATE, 0, 0, ALWAYS, tn_vring_on_base },
    [TN_VU_GET_VRING_BASE] = { "GET_VRING_BASE", STATE, 0, 0, ALWAYS, tn_vring_on_get_base },
    [TN_VU_SET_VRING_KICK] = { "SET_VRING_KICK", U64, 0, 1, ALWAYS, tn_vring_on_kick },
    [TN_VU_SET_VRING_CALL] = { "SET_VRING_CALL", U64, 0, 1, ALWAYS, tn_vring_on_call },
    [TN_VU_SET_VRING_ERR] = { "SET_VRING_ERR", U64, 0, 1, ALWAYS, tn_vring_on_err },
    [TN_VU_GET_PROTOCOL_FEATURES] = { "GET_PROTOCOL_FEATURES", 0, 0, 0, 0, ALWAYS, get_protocol },
    [TN_VU_SET_PROTOCOL_FEATURES] = { "SET_PROTOCOL_FEATURES", U64, 0, 0, ALWAYS, set_protocol },
    [TN_VU_GET_QUEUE_NUM] = { "GET_QUEUE_NUM", 0, 0, 0, 0, TN_VU_PF_MQ, get_queue_num },
    [TN_VU_SET_VRING_ENABLE] = { "SET_VRING_ENABLE", STATE, 0, 0, ALWAYS, tn_vring_on_enable },
    [TN_VU_SET_BACKEND_REQ_FD] = { "SET_BACKEND_REQ_FD", 0, 0, 1, 1, TN_VU_PF_BACKEND_REQ,
        tn_notice_on_channel },
    [TN_VU_GET_CONFIG] = { "GET_CONFIG", CONFIG, 0, 0, TN_VU_PF_CONFIG, get_config },
    [TN_VU_SET_CONFIG] = { "SET_CONFIG", CONFIG, 0, 0, TN_VU_PF_CONFIG, set_config },
    [TN_VU_GET_INFLIGHT_FD] = { "GET_INFLIGHT_FD", INFLIGHT, 0, 0, TN_VU_PF_INFLIGHT_SHMFD,
        tn_inflight_get },
    [TN_VU_SET_INFLIGHT_FD] = { "SET_INFLIGHT_FD", INFLIGHT, 1, 1, TN_VU_PF_INFLIGHT_SHMFD,
        tn_inflight_set },
    [TN_VU_RESET_DEVICE] = { "RESET_DEVICE", 0, 0, 0, 0, TN_VU_PF_RESET_DEVICE,
        tn_reset_on_reset_device },
    [TN_VU_GET_MAX_MEM_SLOTS] = { "GET_MAX_MEM_SLOTS", 0, 0, 0, 0, TN_VU_PF_CONFIGURE_MEM_SLOTS,
        get_slots },
    [TN_VU_ADD_MEM_REG] = { "ADD_MEM_REG", REGION, 1, 1, TN_VU_PF_CONFIGURE_MEM_SLOTS,
        tn_memtable_add },
    [TN_VU_REM_MEM_REG] = { "REM_MEM_REG", REGION, 0, 1, TN_VU_PF_CONFIGURE_MEM_SLOTS,
        tn_memtable_remove },
    [TN_VU_SET_STATUS] = { "SET_STATUS", U64, 0, 0, TN_VU_PF_STATUS, tn_reset_on_set_status },
    [TN_VU_GET_STATUS] = { "GET_STATUS", 0, 0, 0, 0, TN_VU_PF_STATUS, tn_reset_on_get_status },
};
/* clang-format on */

static const struct kind *kind_of(uint32_t request)
{
    bool known = request < sizeof(kinds) / sizeof(kinds[0]) && kinds[request].handle;

    return known ? &kinds[request] : NULL;
}

const char *tn_message_name(uint32_t request, char *room, size_t room_bytes)
{
    const struct kind *kind = kind_of(request);

    if (kind) {
        return kind->name;
    }
    snprintf(room, room_bytes, "message %u", request);
    return room;
}

/* Before the payload is read: what follows a wrong size cannot be trusted (VU-96). */
const char *tn_message_judge(const struct tn_vu_header *header)
{
    const struct kind *kind = kind_of(header->request);

    if (kind && (header->size < kind->least || header->size > kind->most)) {
        return "its payload has a wrong size";
    }
    return NULL;
}

enum tn_vu_outcome tn_message_handle(struct tenon_vhost_user *server, struct tn_vu_message *m)
{
    const struct kind *kind = kind_of(m->header.request);

    if (!kind) {
        return tn_vu_say(server, TN_VU_IGNORED, "it is not offered, or unknown");
    }
    if (m->fd_count < kind->fds_least || m->fd_count > kind->fds_most) {
        return tn_vu_say(server, TN_VU_MALFORMED, "%u descriptors, which is not what it takes",
                         m->fd_count);
    }
    if (kind->needs != ALWAYS && !tn_vu_has_protocol(server, (unsigned)kind->needs)) {
        return tn_vu_say(server, TN_VU_MALFORMED,
                         "its protocol feature, bit %d, was not negotiated", kind->needs);
    }
    tn_notice_try(server);
    return kind->handle(server, m);
}
