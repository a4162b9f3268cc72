/*
 * net_ctrl_oracle.h: a second reading of what the commands of the control queue do (section
 * 5.1.9.5), for fuzz_net_ctrl: from the bytes of a command to its answer, and to what is in force
 * then.
 */
#ifndef TN_FUZZ_NET_CTRL_ORACLE_H
#define TN_FUZZ_NET_CTRL_ORACLE_H

#include <stdbool.h>
#include <stdint.h>

#include "net/net.h"

enum { ORACLE_PAIRS = 3, ORACLE_QUEUES = 2 * ORACLE_PAIRS + 1 };

struct ctrl_oracle {
    uint64_t features;
    bool enabled[ORACLE_QUEUES]; /* queues that run */
    /* what the driver has set */
    uint8_t modes[6], mac[6], offloads; /* offloads: csum, tso4, tso6, ecn, uso4, uso6 */
    uint32_t macs[2];                   /* how many in each table */
    uint8_t last_mac[2][6];             /* of each table, if it was short enough */
    bool vlans[4096];
    unsigned pairs;
    bool rss;
    uint32_t types, mask, unclassified;
    uint16_t table[128];
    uint8_t key[40];
    uint32_t frames[ORACLE_QUEUES], us[ORACLE_QUEUES];
    uint32_t all_frames[2], all_us[2];
};

void ctrl_oracle_begin(struct ctrl_oracle *oracle, uint64_t features, const uint8_t mac[6]);
/* A queue starts, or stops. */
void ctrl_oracle_enable(struct ctrl_oracle *oracle, unsigned queue, bool enable);
/* 0 and what has changed, or 1; `result` (8 bytes) and its length. */
uint8_t ctrl_oracle_do(struct ctrl_oracle *oracle, const uint8_t *bytes, uint32_t count,
                       uint32_t room, uint8_t *result, uint32_t *result_bytes);
/* Aborts where the device has something else in force. */
void ctrl_oracle_check(const struct ctrl_oracle *oracle, const struct net *net);

#endif
