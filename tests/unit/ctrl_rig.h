/*
 * ctrl_rig.h: a network device with four pairs behind a bus that only counts, a link that carries
 * nothing but remembers what it was told, and a driver of its control queue that cuts chains as the
 * test likes. Workers have no thread: the test decides when each of them turns.
 *
 *   rig_command ──chain──> control queue ──> rules of the device and of its pairs ··· ack
 *
 * Rings lie in guest memory, one page for each queue; the command at OUT_GPA, what is written for
 * it at IN_GPA. Behind RAM_BYTES there is nothing.
 */
#ifndef TESTS_UNIT_CTRL_RIG_H
#define TESTS_UNIT_CTRL_RIG_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "net/net.h"
#include "spec/virtio.h"
#include "spec/vring.h"

enum {
    PAIRS = 4,
    QUEUES = 2 * PAIRS + 1,
    ENTRIES = 64,
    PAGE = 4096,
    RAM_GPA = 0x100000,
    OUT_GPA = RAM_GPA + QUEUES * PAGE,
    OUT_BYTES = 0x20000,
    IN_GPA = OUT_GPA + OUT_BYTES,
    RAM_BYTES = IN_GPA + PAGE - RAM_GPA,
    ROM_GPA = RAM_GPA + 2 * RAM_BYTES,
    NOWHERE = 0x10000000,
    AVAIL = ENTRIES * 16,
    USED = AVAIL + 512,
    UNTOUCHED = 0xee,
    WORKERS_MAX = 5
};

struct rig {
    struct tenon_device *device;
    struct net *net;
    struct tenon_link *link;
    struct tenon_mem *mem;
    uint8_t *ram, rom[16];
    struct tenon_worker *workers[WORKERS_MAX];
    unsigned worker_count;
    unsigned ctrl; /* the control queue's index */
    uint16_t descs, avail, used;
    uint32_t used_bytes; /* of the last answer */
    unsigned config_irqs, irqs[QUEUES], broken;
    /* what the link was told */
    unsigned use_pairs, use_pairs_calls, recv_can[PAIRS], opened;
    int use_pairs_error, recv_error;
};

static inline uint64_t rig_bit(unsigned feature)
{
    return (uint64_t)1 << feature;
}

/* ---- the link ---- */

struct tenon_port {
    struct rig *rig;
    unsigned pair;
};

static inline int rig_port_open(void *link, unsigned pair, struct tenon_worker *worker,
                                const struct tenon_port_events *events, void *opaque,
                                struct tenon_port **out)
{
    struct tenon_port *port = calloc(1, sizeof(*port));

    (void)worker;
    (void)events;
    (void)opaque;
    assert_non_null(port);
    *port = (struct tenon_port){ link, pair };
    __atomic_fetch_add(&port->rig->opened, 1, __ATOMIC_RELAXED);
    *out = port;
    return 0;
}

static inline void rig_port_close(struct tenon_port *port)
{
    __atomic_fetch_sub(&port->rig->opened, 1, __ATOMIC_RELAXED);
    free(port);
}

static inline int rig_recv(struct tenon_port *port, struct tenon_frame *const *frames,
                           unsigned count)
{
    (void)port;
    (void)frames;
    (void)count;
    return 0;
}

static inline unsigned rig_send(struct tenon_port *port, struct tenon_frame *const *frames,
                                unsigned count, unsigned *kept)
{
    (void)port;
    (void)frames;
    (void)count;
    *kept = 0;
    return 0;
}

static inline void rig_watch(struct tenon_port *port, unsigned events)
{
    (void)port;
    (void)events;
}

static inline int rig_recv_set(struct tenon_port *port, unsigned can)
{
    port->rig->recv_can[port->pair] = can;
    return port->rig->recv_error;
}

static inline int rig_use_pairs(void *link, unsigned count)
{
    struct rig *rig = link;

    __atomic_store_n(&rig->use_pairs, count, __ATOMIC_RELAXED);
    __atomic_fetch_add(&rig->use_pairs_calls, 1, __ATOMIC_RELAXED);
    return rig->use_pairs_error;
}

static inline int rig_info(void *link, struct tenon_link_info *info)
{
    (void)link;
    info->pairs = PAIRS;
    info->send_can = info->recv_can = TENON_CAN_ALL;
    return 0;
}

static inline void rig_link_free(void *link)
{
    (void)link;
}

/* ---- the bus ---- */

static inline void rig_queue_irq(void *bus, unsigned queue)
{
    __atomic_fetch_add(&((struct rig *)bus)->irqs[queue], 1, __ATOMIC_RELAXED);
}

static inline void rig_config_irq(void *bus)
{
    ((struct rig *)bus)->config_irqs++;
}

static inline void rig_broken(void *bus, unsigned queue, const char *why)
{
    (void)queue;
    assert_non_null(why);
    ((struct rig *)bus)->broken++;
}

/* ---- what tests do ---- */

/* One worker, one turn: whether it did anything. */
static inline bool rig_turn(struct rig *rig, unsigned worker)
{
    return tenon_worker_run(rig->workers[worker], 0) > 0;
}

static inline void rig_run(struct rig *rig)
{
    for (bool busy = true; busy;) {
        busy = false;
        for (unsigned i = 0; i < rig->worker_count; i++) {
            busy |= rig_turn(rig, i);
        }
    }
}

static inline uint8_t *rig_at(struct rig *rig, uint64_t gpa)
{
    return rig->ram + (gpa - RAM_GPA);
}

static inline int rig_start(struct rig *rig, unsigned queue)
{
    uint64_t gpa = RAM_GPA + queue * (uint64_t)PAGE;
    struct tenon_ring ring = { .size = sizeof(ring),
                               .entries = ENTRIES,
                               .desc_gpa = gpa,
                               .driver_gpa = gpa + AVAIL,
                               .device_gpa = gpa + USED,
                               .kick_fd = -1 };

    memset(rig_at(rig, gpa), 0, PAGE);
    if (queue == rig->ctrl) {
        rig->descs = rig->avail = rig->used = 0;
    }
    return tenon_bus_queue_start(rig->device, queue, &ring);
}

static inline void rig_negotiate(struct rig *rig, uint64_t features)
{
    const uint64_t both[2] = { features | rig_bit(TN_F_VERSION_1), 0 };

    assert_int_equal(tenon_bus_negotiate(rig->device, both), 0);
    rig->ctrl = net_ctrl_index(rig->net);
}

static inline struct rig *rig_new(unsigned workers)
{
    struct tenon_bus_ops bus = { .size = sizeof(bus),
                                 .queue_irq = rig_queue_irq,
                                 .config_irq = rig_config_irq,
                                 .broken = rig_broken };
    struct tenon_link_ops link = { .size = sizeof(link),
                                   .open = rig_port_open,
                                   .recv = rig_recv,
                                   .send = rig_send,
                                   .watch = rig_watch,
                                   .recv_set = rig_recv_set,
                                   .use_pairs = rig_use_pairs,
                                   .close = rig_port_close,
                                   .info = rig_info,
                                   .free = rig_link_free };
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    rig->ram = aligned_alloc(PAGE, RAM_BYTES);
    memset(rig->ram, 0, RAM_BYTES);
    struct tenon_region ram = {
        .size = sizeof(ram), .gpa = RAM_GPA, .bytes = RAM_BYTES, .host = rig->ram
    };
    struct tenon_region rom = { .size = sizeof(rom),
                                .gpa = ROM_GPA,
                                .bytes = sizeof(rig->rom),
                                .host = rig->rom,
                                .flags = TENON_REGION_READ_ONLY };
    assert_int_equal(tenon_mem_new(&rig->mem), 0);
    assert_int_equal(tenon_mem_add(rig->mem, &ram), 0);
    assert_int_equal(tenon_mem_add(rig->mem, &rom), 0);
    assert_int_equal(tenon_link_open_custom(&link, rig, &rig->link), 0);
    for (rig->worker_count = 0; rig->worker_count < workers; rig->worker_count++) {
        assert_int_equal(tenon_worker_new(NULL, &rig->workers[rig->worker_count]), 0);
    }
    struct tenon_net_opts opts = { .size = sizeof(opts),
                                   .link = rig->link,
                                   .pairs = PAIRS,
                                   .queue_size = ENTRIES,
                                   .mac = { 0x52, 0x54, 0, 1, 2, 3 },
                                   .rss = workers == 1,
                                   .workers = rig->workers,
                                   .worker_count = workers,
                                   .poll_us = TENON_POLL_OFF };
    assert_int_equal(tenon_net_new(&opts, &rig->device), 0);
    rig->net = net_of_device(rig->device);
    assert_int_equal(tenon_bus_attach(rig->device, rig->mem, &bus, rig), 0);
    return rig;
}

/* All queues run, and everything is negotiated. */
static inline struct rig *rig_live(unsigned workers)
{
    struct rig *rig = rig_new(workers);
    uint64_t features[2];

    tenon_bus_features(rig->device, features);
    rig_negotiate(rig, features[0] & ~(rig_bit(TN_F_EVENT_IDX)));
    for (unsigned i = 0; i < QUEUES; i++) {
        assert_int_equal(rig_start(rig, i), 0);
    }
    rig_run(rig);
    return rig;
}

static inline void rig_quiet(struct rig *rig)
{
    tenon_bus_quiet(rig->device, NULL, NULL);
    assert_int_equal(tenon_bus_wait_quiet(rig->device, 10000), 0);
}

static inline void rig_end(struct rig *rig)
{
    rig_quiet(rig);
    assert_int_equal(rig->opened, 0);
    tenon_bus_detach(rig->device);
    tenon_device_free(rig->device);
    tenon_link_close(rig->link);
    for (unsigned i = 0; i < rig->worker_count; i++) {
        tenon_worker_free(rig->workers[i]);
    }
    tenon_mem_free(rig->mem);
    free(rig->ram);
    free(rig);
}

/* ---- commands ---- */

/* One more descriptor of the chain that is being made. */
static inline void rig_desc(struct rig *rig, uint64_t gpa, uint32_t bytes, bool write)
{
    struct tn_desc *descs = (void *)rig_at(rig, RAM_GPA + rig->ctrl * (uint64_t)PAGE);

    assert_true(rig->descs < ENTRIES);
    descs[rig->descs] =
        (struct tn_desc){ tn_to_le64(gpa), tn_to_le32(bytes),
                          tn_to_le16((uint16_t)((write ? TN_DESC_F_WRITE : 0) | TN_DESC_F_NEXT)),
                          tn_to_le16((uint16_t)(rig->descs + 1)) };
    rig->descs++;
}

/* The chain is made: it is offered, without turning any worker. Its memory may be used again. */
static inline void rig_offer(struct rig *rig)
{
    uint8_t *page = rig_at(rig, RAM_GPA + rig->ctrl * (uint64_t)PAGE);
    struct tn_desc *last = (struct tn_desc *)(void *)page + (rig->descs - 1);
    struct tn_avail *avail = (void *)(page + AVAIL);

    last->flags = tn_to_le16(tn_from_le16(last->flags) & (uint16_t)~TN_DESC_F_NEXT);
    avail->ring[rig->avail % ENTRIES] = tn_to_le16(0);
    rig->avail++;
    avail->idx = tn_to_le16(rig->avail);
    rig->descs = 0;
    tenon_bus_queue_kick(rig->device, rig->ctrl);
}

/* Whether the last command was answered; its used length. */
static inline bool rig_answered(struct rig *rig)
{
    uint8_t *page = rig_at(rig, RAM_GPA + rig->ctrl * (uint64_t)PAGE);
    const struct tn_used *used = (void *)(page + USED);

    if (tn_from_le16(used->idx) == rig->used) {
        return false;
    }
    rig->used_bytes = tn_from_le32(used->ring[rig->used % ENTRIES].len);
    rig->used++;
    assert_int_equal(rig->used, tn_from_le16(used->idx));
    return true;
}

static inline void rig_put(struct rig *rig, const void *bytes, uint32_t count)
{
    assert_true(count <= OUT_BYTES);
    memcpy(rig_at(rig, OUT_GPA), bytes, count);
    memset(rig_at(rig, IN_GPA), UNTOUCHED, PAGE);
}

/* An ordinary chain: the command, and room for the ack and 15 bytes more. */
static inline void rig_send_command(struct rig *rig, const void *bytes, uint32_t count)
{
    rig_put(rig, bytes, count);
    rig_desc(rig, OUT_GPA, count, false);
    rig_desc(rig, IN_GPA, 16, true);
    rig_offer(rig);
}

/* What it is answered. */
static inline uint8_t rig_command(struct rig *rig, const void *bytes, uint32_t count)
{
    rig_send_command(rig, bytes, count);
    rig_run(rig);
    assert_true(rig_answered(rig));
    assert_int_equal(rig->broken, 0);
    uint8_t ack = *rig_at(rig, IN_GPA);
    assert_true(ack == TN_NET_OK || ack == TN_NET_ERR);
    if (ack == TN_NET_ERR) {
        assert_int_equal(rig->used_bytes, 1);
    }
    for (uint32_t i = rig->used_bytes; i < 16; i++) {
        assert_int_equal(*rig_at(rig, IN_GPA + i), UNTOUCHED);
    }
    return ack;
}

#define RIG_COMMAND(rig, ...)                                                                      \
    rig_command(rig, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

#endif
