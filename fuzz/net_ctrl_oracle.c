/*
 * net_ctrl_oracle.c: see net_ctrl_oracle.h. Written from the standard and not from src/net: a
 * command is a flat array of bytes here, its numbers are picked by hand.
 */
#include "net_ctrl_oracle.h"

#include <string.h>

#include "input.h"

static const uint8_t offload_bits[6] = { 1, 7, 8, 9, 54, 55 };

static uint32_t number(const uint8_t *at, unsigned bytes)
{
    uint32_t value = 0;

    while (bytes-- > 0) {
        value = value << 8 | at[bytes];
    }
    return value;
}

static bool has(const struct ctrl_oracle *oracle, unsigned bit)
{
    return oracle->features >> bit & 1;
}

/* Which of a set of offloads can be in force: segments need checksums, and ECN needs segments. */
static uint8_t legal_offloads(uint64_t bits)
{
    uint8_t set = 0;

    for (unsigned i = 0; i < 6; i++) {
        set |= (uint8_t)((bits >> offload_bits[i] & 1) << i);
    }
    set &= set & 1 ? 0x3f : 0;
    return set & 6 ? set : set & (uint8_t)~8u;
}

void ctrl_oracle_begin(struct ctrl_oracle *oracle, uint64_t features, const uint8_t mac[6])
{
    memset(oracle, 0, sizeof(*oracle));
    oracle->features = features;
    memcpy(oracle->mac, mac, 6);
    oracle->pairs = has(oracle, 17) ? 1 : ORACLE_PAIRS;
    oracle->modes[1] = oracle->modes[2] = !has(oracle, 18);
    oracle->offloads = legal_offloads(features);
}

void ctrl_oracle_enable(struct ctrl_oracle *oracle, unsigned queue, bool enable)
{
    oracle->enabled[queue] = enable;
    oracle->frames[queue] = oracle->all_frames[queue % 2];
    oracle->us[queue] = oracle->all_us[queue % 2];
}

static bool rx(struct ctrl_oracle *oracle, const uint8_t *bytes, uint32_t count)
{
    if (bytes[1] > 5 || !has(oracle, bytes[1] < 2 ? 18 : 20) || count != 3 || bytes[2] > 1) {
        return false;
    }
    oracle->modes[bytes[1]] = bytes[2];
    return true;
}

static bool mac(struct ctrl_oracle *oracle, const uint8_t *bytes, uint32_t count)
{
    uint64_t at = 2;

    if (bytes[1] == 1) {
        if (count != 8 || !(has(oracle, 18) || has(oracle, 23))) {
            return false;
        }
        memcpy(oracle->mac, bytes + 2, 6);
        return true;
    }
    if (bytes[1] != 0 || !has(oracle, 18)) {
        return false;
    }
    uint64_t begin[2];
    for (unsigned table = 0; table < 2; table++) {
        if (at + 4 > count) {
            return false;
        }
        begin[table] = at;
        at += 4 + 6 * (uint64_t)number(bytes + at, 4);
    }
    if (at != count) {
        return false;
    }
    for (unsigned table = 0; table < 2; table++) {
        oracle->macs[table] = number(bytes + begin[table], 4);
        if (oracle->macs[table] != 0) {
            memcpy(oracle->last_mac[table],
                   bytes + begin[table] + 4 + 6 * (uint64_t)(oracle->macs[table] - 1), 6);
        }
    }
    return true;
}

static bool vlan(struct ctrl_oracle *oracle, const uint8_t *bytes, uint32_t count)
{
    if (bytes[1] > 1 || !has(oracle, 19) || count != 4 || number(bytes + 2, 2) > 4095) {
        return false;
    }
    oracle->vlans[number(bytes + 2, 2)] = bytes[1] == 0;
    return true;
}

static bool key(struct ctrl_oracle *oracle, const uint8_t *at, uint64_t left, uint32_t types)
{
    if (left < 1 || at[0] > 40 || left != 1u + at[0] || (types != 0 && at[0] == 0)) {
        return false;
    }
    memset(oracle->key, 0, sizeof(oracle->key));
    memcpy(oracle->key, at + 1, at[0]);
    return true;
}

static bool rss(struct ctrl_oracle *oracle, const uint8_t *bytes, uint32_t count)
{
    uint32_t types, length, receivers = 1;

    if (!has(oracle, 60) || count < 10) {
        return false;
    }
    types = number(bytes + 2, 4);
    length = number(bytes + 6, 2) + 1;
    if (types > 0x1ff || length > 128 || (length & (length - 1)) != 0 ||
        count < 10 + 2 * length + 3) {
        return false;
    }
    for (uint32_t i = 0; i <= length; i++) { /* the one for what has no hash, and the table */
        uint32_t target = number(bytes + 8 + 2 * (uint64_t)i, 2);
        if (target >= ORACLE_PAIRS || !oracle->enabled[2 * target]) {
            return false;
        }
        receivers = target + 1 > receivers ? target + 1 : receivers;
    }
    const uint8_t *behind = bytes + 10 + 2 * (uint64_t)length;
    uint32_t transmitters = number(behind, 2);
    if (transmitters < 1 || transmitters > ORACLE_PAIRS ||
        !key(oracle, behind + 2, count - 12 - 2 * length, types)) {
        return false;
    }
    for (uint32_t i = 0; i < length; i++) {
        oracle->table[i] = (uint16_t)number(bytes + 10 + 2 * (uint64_t)i, 2);
    }
    oracle->types = types;
    oracle->mask = length - 1;
    oracle->unclassified = number(bytes + 8, 2);
    oracle->pairs = receivers;
    return oracle->rss = true;
}

static bool mq(struct ctrl_oracle *oracle, const uint8_t *bytes, uint32_t count)
{
    if (bytes[1] == 0) {
        uint32_t pairs = count == 4 ? number(bytes + 2, 2) : 0;
        if (!has(oracle, 22) || pairs == 0 || pairs > ORACLE_PAIRS) {
            return false;
        }
        oracle->pairs = pairs;
        oracle->rss = false;
        return true;
    }
    if (bytes[1] == 1) {
        return rss(oracle, bytes, count);
    }
    if (bytes[1] != 2 || !has(oracle, 57) || count < 15 || number(bytes + 2, 4) > 0x1ff ||
        !key(oracle, bytes + 14, count - 14, number(bytes + 2, 4))) {
        return false;
    }
    oracle->types = number(bytes + 2, 4);
    return true;
}

static bool offloads(struct ctrl_oracle *oracle, const uint8_t *bytes, uint32_t count)
{
    uint64_t known = 0, bits;

    if (bytes[1] != 0 || !has(oracle, 2) || count != 10) {
        return false;
    }
    bits = number(bytes + 2, 4) | (uint64_t)number(bytes + 6, 4) << 32;
    for (unsigned i = 0; i < 6; i++) {
        known |= oracle->features & (uint64_t)1 << offload_bits[i];
    }
    if ((bits & ~known) != 0) {
        return false;
    }
    oracle->offloads = legal_offloads(bits);
    return true;
}

static bool coalesce(struct ctrl_oracle *oracle, const uint8_t *bytes, uint32_t count,
                     uint32_t room, uint8_t *result, uint32_t *result_bytes)
{
    uint32_t data = 2u * ORACLE_PAIRS; /* where the control queue is, or would be */

    if (bytes[1] < 2) { /* TX_SET, RX_SET */
        unsigned direction = bytes[1] == 0;
        if (!has(oracle, 53) || count != 10) {
            return false;
        }
        oracle->all_frames[direction] = number(bytes + 2, 4);
        oracle->all_us[direction] = number(bytes + 6, 4);
        for (unsigned i = direction; i < data; i += 2) {
            oracle->frames[i] = oracle->all_frames[direction];
            oracle->us[i] = oracle->all_us[direction];
        }
        return true;
    }
    if (bytes[1] > 3 || !has(oracle, 52) || count != (bytes[1] == 2 ? 14 : 6)) {
        return false;
    }
    data = has(oracle, 22) || has(oracle, 60) ? data : 2;
    uint32_t index = number(bytes + 2, 2);
    if (index >= data || !oracle->enabled[index]) {
        return false;
    }
    if (bytes[1] == 2) {
        oracle->frames[index] = number(bytes + 6, 4);
        oracle->us[index] = number(bytes + 10, 4);
        return true;
    }
    if (room < 9) {
        return false;
    }
    for (unsigned i = 0; i < 4; i++) {
        result[i] = (uint8_t)(oracle->frames[index] >> 8 * i);
        result[4 + i] = (uint8_t)(oracle->us[index] >> 8 * i);
    }
    *result_bytes = 8;
    return true;
}

uint8_t ctrl_oracle_do(struct ctrl_oracle *oracle, const uint8_t *bytes, uint32_t count,
                       uint32_t room, uint8_t *result, uint32_t *result_bytes)
{
    struct ctrl_oracle before = *oracle;
    bool ok = false;

    *result_bytes = 0;
    if (count >= 2) {
        switch (bytes[0]) {
        case 0:
            ok = rx(oracle, bytes, count);
            break;
        case 1:
            ok = mac(oracle, bytes, count);
            break;
        case 2:
            ok = vlan(oracle, bytes, count);
            break;
        case 3:
            ok = bytes[1] == 0 && has(oracle, 21) && count == 2;
            break;
        case 4:
            ok = mq(oracle, bytes, count);
            break;
        case 5:
            ok = offloads(oracle, bytes, count);
            break;
        case 6:
            ok = coalesce(oracle, bytes, count, room, result, result_bytes);
            break;
        default:
            break;
        }
    }
    if (!ok) {
        *oracle = before;
    }
    return !ok;
}

static void check_table(const struct ctrl_oracle *oracle, unsigned which,
                        const struct net_macs *macs)
{
    uint32_t count = oracle->macs[which];

    FUZZ_CHECK(macs->all == (count > NET_FILTER_MACS));
    FUZZ_CHECK(macs->all || macs->count == count);
    FUZZ_CHECK(macs->all || count == 0 ||
               memcmp(macs->macs[count - 1], oracle->last_mac[which], 6) == 0);
}

void ctrl_oracle_check(const struct ctrl_oracle *oracle, const struct net *net)
{
    const struct net_filter *filter = &net->rules.filter;
    const struct net_rss *hash = &net->rules.rss;
    const bool modes[] = { filter->promiscuous, filter->all_multi, filter->all_uni,
                           filter->no_multi,    filter->no_uni,    filter->no_broadcast };

    for (unsigned i = 0; i < 6; i++) {
        FUZZ_CHECK(modes[i] == oracle->modes[i]);
    }
    FUZZ_CHECK(memcmp(filter->mac, oracle->mac, 6) == 0);
    check_table(oracle, 0, &filter->unicast);
    check_table(oracle, 1, &filter->multicast);
    for (unsigned id = 0; id < 4096; id++) {
        FUZZ_CHECK((filter->vlans[id / 64] >> id % 64 & 1) == oracle->vlans[id]);
    }
    FUZZ_CHECK(net->rules.pairs == oracle->pairs && net->rules.guest_can == oracle->offloads);
    FUZZ_CHECK(hash->on == oracle->rss && hash->types == oracle->types);
    FUZZ_CHECK(!hash->on ||
               (hash->mask == oracle->mask && hash->unclassified == oracle->unclassified &&
                memcmp(hash->table, oracle->table, 2u * (oracle->mask + 1)) == 0));
    FUZZ_CHECK(memcmp(hash->key, oracle->key, sizeof(hash->key)) == 0);
    for (unsigned i = 0; i < 2 * ORACLE_PAIRS; i++) {
        const struct net_coalesce *now = &net->coalesce_queue[i];
        if (!oracle->enabled[i]) {
            continue;
        }
        FUZZ_CHECK(now->adaptive || (now->frames == oracle->frames[i] && now->us == oracle->us[i]));
        FUZZ_CHECK(!now->adaptive || (oracle->frames[i] == 0 && oracle->us[i] == 0));
    }
}
