/*
 * net_ctrl_rig.c: see net_ctrl_rig.h.
 */
#include "net_ctrl_rig.h"

#include <stdlib.h>
#include <string.h>

#include "input.h"
#include "spec/virtio.h"
#include "spec/vring.h"

enum { AVAIL = CTRL_ENTRIES * 16, USED = AVAIL + 1024, ROUNDS_MAX = 1000 };

/* ---- the link, the bus ---- */

struct tenon_port {
    uint8_t nothing;
};

static int port_open(void *link, unsigned pair, struct tenon_worker *worker,
                     const struct tenon_port_events *events, void *opaque, struct tenon_port **out)
{
    (void)link;
    (void)pair;
    (void)worker;
    (void)events;
    (void)opaque;
    *out = malloc(sizeof(**out));
    return 0;
}

static int port_recv(struct tenon_port *port, struct tenon_frame *const *frames, unsigned count)
{
    (void)port;
    (void)frames;
    (void)count;
    return 0;
}

static unsigned port_send(struct tenon_port *port, struct tenon_frame *const *frames,
                          unsigned count, unsigned *kept)
{
    (void)port;
    (void)frames;
    (void)count;
    *kept = 0;
    return 0;
}

static void port_watch(struct tenon_port *port, unsigned events)
{
    (void)port;
    (void)events;
}

static void port_close(struct tenon_port *port)
{
    free(port);
}

static int use_pairs(void *link, unsigned count)
{
    (void)link;
    FUZZ_CHECK(count >= 1 && count <= ORACLE_PAIRS);
    return 0;
}

static int info(void *link, struct tenon_link_info *out)
{
    (void)link;
    out->pairs = ORACLE_PAIRS;
    out->send_can = out->recv_can = TENON_CAN_ALL;
    return 0;
}

static void queue_irq(void *bus, unsigned queue)
{
    (void)bus;
    FUZZ_CHECK(queue < ORACLE_QUEUES);
}

static void config_irq(void *bus)
{
    (void)bus;
}

static void broken(void *bus, unsigned queue, const char *why)
{
    (void)queue;
    (void)why;
    ((struct ctrl_rig *)bus)->broken++;
}

/* ---- the device ---- */

void ctrl_rig_open(struct ctrl_rig *rig, unsigned workers, const uint8_t mac[6])
{
    struct tenon_bus_ops bus = {
        .size = sizeof(bus), .queue_irq = queue_irq, .config_irq = config_irq, .broken = broken
    };
    struct tenon_link_ops link = { .size = sizeof(link),
                                   .open = port_open,
                                   .recv = port_recv,
                                   .send = port_send,
                                   .watch = port_watch,
                                   .close = port_close,
                                   .use_pairs = use_pairs,
                                   .info = info };
    struct tenon_net_opts opts = { .size = sizeof(opts),
                                   .pairs = ORACLE_PAIRS,
                                   .queue_size = CTRL_ENTRIES,
                                   .rss = workers == 1,
                                   .workers = rig->workers,
                                   .worker_count = workers,
                                   .poll_us = TENON_POLL_OFF };

    memcpy(opts.mac, mac, sizeof(opts.mac));
    rig->ram = calloc(1, CTRL_RAM_BYTES);
    FUZZ_CHECK(rig->ram);
    struct tenon_region region = {
        .size = sizeof(region), .gpa = CTRL_RAM_GPA, .bytes = CTRL_RAM_BYTES, .host = rig->ram
    };
    FUZZ_CHECK(tenon_mem_new(&rig->mem) == 0);
    FUZZ_CHECK(tenon_mem_add(rig->mem, &region) == 0);
    FUZZ_CHECK(tenon_link_open_custom(&link, rig, &rig->link) == 0);
    for (rig->worker_count = 0; rig->worker_count < workers; rig->worker_count++) {
        FUZZ_CHECK(tenon_worker_new(NULL, &rig->workers[rig->worker_count]) == 0);
    }
    opts.link = rig->link;
    FUZZ_CHECK(tenon_net_new(&opts, &rig->device) == 0);
    rig->net = net_of_device(rig->device);
    FUZZ_CHECK(tenon_bus_attach(rig->device, rig->mem, &bus, rig) == 0);
}

void ctrl_rig_close(struct ctrl_rig *rig)
{
    ctrl_rig_quiet(rig);
    FUZZ_CHECK(ctrl_rig_settle(rig));
    FUZZ_CHECK(tenon_bus_is_quiet(rig->device));
    tenon_bus_detach(rig->device);
    tenon_device_free(rig->device);
    tenon_link_close(rig->link);
    for (unsigned i = 0; i < rig->worker_count; i++) {
        tenon_worker_free(rig->workers[i]);
    }
    tenon_mem_free(rig->mem);
    free(rig->ram);
}

uint64_t ctrl_rig_negotiate(struct ctrl_rig *rig, uint64_t wanted)
{
    const uint64_t always = (uint64_t)1 << TN_F_VERSION_1 | (uint64_t)1 << TN_NET_F_CTRL_VQ;
    uint64_t offered[2], features[2] = { 0 };

    tenon_bus_features(rig->device, offered);
    offered[0] &= ~((uint64_t)1 << TN_F_EVENT_IDX);
    features[0] = offered[0] & (wanted | always);
    if (tenon_bus_negotiate(rig->device, features) != 0) { /* not a legal set */
        features[0] = offered[0];
        FUZZ_CHECK(tenon_bus_negotiate(rig->device, features) == 0);
    }
    rig->ctrl = net_ctrl_index(rig->net);
    return features[0];
}

void ctrl_rig_start(struct ctrl_rig *rig, unsigned queue)
{
    uint64_t gpa = CTRL_RAM_GPA + queue * (uint64_t)CTRL_PAGE;
    struct tenon_ring ring = { .size = sizeof(ring),
                               .entries = CTRL_ENTRIES,
                               .desc_gpa = gpa,
                               .driver_gpa = gpa + AVAIL,
                               .device_gpa = gpa + USED,
                               .kick_fd = -1 };

    memset(ctrl_rig_at(rig, gpa), 0, CTRL_PAGE);
    if (queue == rig->ctrl) {
        rig->descs = rig->avail = rig->used = 0;
    }
    FUZZ_CHECK(tenon_bus_queue_start(rig->device, queue, &ring) == 0);
}

static void stopped(void *opaque, unsigned queue, uint16_t next_avail)
{
    (void)opaque;
    (void)queue;
    (void)next_avail;
}

void ctrl_rig_stop(struct ctrl_rig *rig, unsigned queue, bool drop)
{
    FUZZ_CHECK(tenon_bus_queue_stop(rig->device, queue, drop, stopped, NULL) == 0);
}

void ctrl_rig_quiet(struct ctrl_rig *rig)
{
    tenon_bus_quiet(rig->device, NULL, NULL);
}

void ctrl_rig_turn(struct ctrl_rig *rig, unsigned worker)
{
    FUZZ_CHECK(tenon_worker_run(rig->workers[worker % rig->worker_count], 0) >= 0);
}

bool ctrl_rig_settle(struct ctrl_rig *rig)
{
    for (unsigned round = 0; round < ROUNDS_MAX; round++) {
        int did = 0;
        for (unsigned i = 0; i < rig->worker_count; i++) {
            did += tenon_worker_run(rig->workers[i], 0);
        }
        if (did == 0) {
            return true;
        }
    }
    return false;
}

uint8_t *ctrl_rig_at(struct ctrl_rig *rig, uint64_t gpa)
{
    return rig->ram + (gpa - CTRL_RAM_GPA);
}

/* ---- commands ---- */

static uint8_t *page_of(struct ctrl_rig *rig)
{
    return ctrl_rig_at(rig, CTRL_RAM_GPA + rig->ctrl * (uint64_t)CTRL_PAGE);
}

void ctrl_rig_put(struct ctrl_rig *rig, const uint8_t *bytes, uint32_t count, uint32_t room)
{
    memcpy(ctrl_rig_at(rig, CTRL_OUT_GPA), bytes, count);
    memset(ctrl_rig_at(rig, CTRL_IN_GPA), CTRL_UNTOUCHED, room);
    rig->descs = 0;
}

void ctrl_rig_desc(struct ctrl_rig *rig, uint64_t gpa, uint32_t bytes, bool write)
{
    struct tn_desc *descs = (void *)page_of(rig);
    unsigned flags = TN_DESC_F_NEXT | (write ? TN_DESC_F_WRITE : 0);

    FUZZ_CHECK(rig->descs < CTRL_ENTRIES);
    descs[rig->descs] =
        (struct tn_desc){ tn_to_le64(gpa), tn_to_le32(bytes), tn_to_le16((uint16_t)flags),
                          tn_to_le16((uint16_t)(rig->descs + 1)) };
    rig->descs++;
}

void ctrl_rig_offer(struct ctrl_rig *rig)
{
    struct tn_desc *last = (struct tn_desc *)(void *)page_of(rig) + (rig->descs - 1);
    struct tn_avail *avail = (void *)(page_of(rig) + AVAIL);

    last->flags = tn_to_le16((uint16_t)(tn_from_le16(last->flags) & ~TN_DESC_F_NEXT));
    avail->ring[rig->avail % CTRL_ENTRIES] = tn_to_le16(0);
    avail->idx = tn_to_le16(++rig->avail);
    tenon_bus_queue_kick(rig->device, rig->ctrl);
}

bool ctrl_rig_answered(struct ctrl_rig *rig, uint32_t *used)
{
    const struct tn_used *ring = (void *)(page_of(rig) + USED);

    if (tn_from_le16(ring->idx) == rig->used) {
        return false;
    }
    *used = tn_from_le32(ring->ring[rig->used % CTRL_ENTRIES].len);
    FUZZ_CHECK(tn_from_le32(ring->ring[rig->used % CTRL_ENTRIES].id) == 0);
    FUZZ_CHECK(tn_from_le16(ring->idx) == ++rig->used);
    return true;
}
