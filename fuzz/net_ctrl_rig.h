/*
 * net_ctrl_rig.h: a network device without a transport, over a link that carries nothing, and a
 * driver of its control queue that builds one chain at a time, for fuzz_net_ctrl. Workers have no
 * thread; the target turns them.
 */
#ifndef TN_FUZZ_NET_CTRL_RIG_H
#define TN_FUZZ_NET_CTRL_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "net/net.h"
#include "net_ctrl_oracle.h"

enum {
    CTRL_ENTRIES = 256,
    CTRL_PAGE = 0x2000,
    CTRL_RAM_GPA = 0x100000,
    CTRL_OUT_GPA = CTRL_RAM_GPA + ORACLE_QUEUES * CTRL_PAGE,
    CTRL_IN_GPA = CTRL_OUT_GPA + CTRL_PAGE,
    CTRL_RAM_BYTES = (ORACLE_QUEUES + 2) * CTRL_PAGE,
    CTRL_NOWHERE = 0x10000000,
    CTRL_UNTOUCHED = 0xee,
    CTRL_WORKERS_MAX = ORACLE_PAIRS + 1
};

struct ctrl_rig {
    struct tenon_device *device;
    struct net *net;
    struct tenon_link *link;
    struct tenon_mem *mem;
    uint8_t *ram;
    struct tenon_worker *workers[CTRL_WORKERS_MAX];
    unsigned worker_count, ctrl, broken;
    uint16_t descs, avail, used;
};

void ctrl_rig_open(struct ctrl_rig *rig, unsigned workers, const uint8_t mac[6]);
void ctrl_rig_close(struct ctrl_rig *rig);
/* Those of the offered features that are wanted, and the control queue; what was agreed. */
uint64_t ctrl_rig_negotiate(struct ctrl_rig *rig, uint64_t wanted);
void ctrl_rig_start(struct ctrl_rig *rig, unsigned queue);
void ctrl_rig_stop(struct ctrl_rig *rig, unsigned queue, bool drop);
void ctrl_rig_quiet(struct ctrl_rig *rig);
/* Queues 2i and 2i + 1 are on worker i, as far as there are workers. */
void ctrl_rig_turn(struct ctrl_rig *rig, unsigned worker);
/* Turns all until they have nothing to do. False: they never end. */
bool ctrl_rig_settle(struct ctrl_rig *rig);
uint8_t *ctrl_rig_at(struct ctrl_rig *rig, uint64_t gpa);

/* A command: its bytes; its descriptors, one after another; it is offered; whether it came back. */
void ctrl_rig_put(struct ctrl_rig *rig, const uint8_t *bytes, uint32_t count, uint32_t room);
void ctrl_rig_desc(struct ctrl_rig *rig, uint64_t gpa, uint32_t bytes, bool write);
void ctrl_rig_offer(struct ctrl_rig *rig);
bool ctrl_rig_answered(struct ctrl_rig *rig, uint32_t *used);

#endif
