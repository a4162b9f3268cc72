/*
 * ring_oracle.c: see ring_oracle.h. The choices that the standard leaves open are those that
 * src/virtqueue documents: an empty descriptor is no buffer, a chain may have as many direct
 * descriptors as the queue and TN_CHAIN_MAX in all, 2^32 bytes at most.
 */
#include "ring_oracle.h"

#include <string.h>

#include "input.h"
#include "spec/vring.h"

static uint16_t get16(struct oracle *oracle, enum area_name name, uint32_t byte)
{
    le16 value = { 0 };
    FUZZ_CHECK(world_read(oracle->world, oracle->world->areas[name].gpa + byte, &value, 2));
    return tn_from_le16(value);
}

static void expect_used(struct oracle *oracle, uint32_t byte, const void *value, uint32_t bytes)
{
    world_expect(oracle->world, oracle->world->areas[AREA_USED].gpa + byte, value, bytes);
}

static void expect_flags(struct oracle *oracle, uint16_t value)
{
    le16 flags = tn_to_le16(value);
    expect_used(oracle, 0, &flags, sizeof(flags));
}

void oracle_start(struct oracle *oracle, uint16_t position)
{
    oracle->next_avail = oracle->avail_seen = oracle->used_idx = oracle->published = position;
    memset(oracle->in_flight, 0, sizeof(oracle->in_flight));
    oracle->in_flight_count = oracle->pushed_count = 0;
    oracle->order_count = oracle->again = oracle->again_next = 0;
    oracle->broken = oracle->blurred = false;
    expect_flags(oracle, 0);
}

void oracle_recover(struct oracle *oracle)
{
    uint32_t order_count = oracle->order_count;

    oracle_start(oracle, oracle->published);
    oracle->order_count = oracle->again = order_count;
    oracle->next_avail = oracle->avail_seen = (uint16_t)(oracle->published + order_count);
}

/* ---- pop ---- */

static bool add_seg(struct oracle *oracle, const struct tn_desc *desc)
{
    struct seg seg = { tn_from_le64(desc->addr), tn_from_le32(desc->len),
                       (tn_from_le16(desc->flags) & TN_DESC_F_WRITE) != 0 };
    uint64_t total = seg.bytes;

    if (seg.bytes == 0) {
        return true;
    }
    for (uint32_t i = 0; i < oracle->seg_count; i++) {
        total += oracle->segs[i].bytes;
        if (oracle->segs[i].write && !seg.write) {
            return false;
        }
    }
    if (total > (uint64_t)1 << 32) {
        return false;
    }
    oracle->segs[oracle->seg_count++] = seg;
    return true;
}

static bool walk_table(struct oracle *oracle, const struct tn_desc *at, uint32_t direct)
{
    static struct tn_desc table[TN_CHAIN_MAX];
    uint32_t bytes = tn_from_le32(at->len), entries = bytes / 16, i = 0;

    if (!oracle->indirect || (tn_from_le16(at->flags) & TN_DESC_F_NEXT) || bytes == 0 ||
        bytes % 16 != 0 || entries > TN_CHAIN_MAX ||
        !world_read(oracle->world, tn_from_le64(at->addr), table, bytes)) {
        return false;
    }
    for (uint32_t visited = 1;; visited++) {
        uint16_t flags = tn_from_le16(table[i].flags);
        if ((flags & TN_DESC_F_INDIRECT) || !add_seg(oracle, &table[i])) {
            return false;
        }
        if (!(flags & TN_DESC_F_NEXT)) {
            return true;
        }
        i = tn_from_le16(table[i].next);
        if (i >= entries || visited == entries || direct + visited == TN_CHAIN_MAX) {
            return false;
        }
    }
}

static bool walk(struct oracle *oracle, uint16_t head)
{
    uint32_t i = head;

    oracle->seg_count = 0;
    for (uint32_t direct = 0; direct < oracle->size; direct++) {
        struct tn_desc desc;
        FUZZ_CHECK(world_read(oracle->world, oracle->world->areas[AREA_DESC].gpa + 16 * i, &desc,
                              sizeof(desc)));
        uint16_t flags = tn_from_le16(desc.flags);
        if (flags & TN_DESC_F_INDIRECT) {
            return walk_table(oracle, &desc, direct);
        }
        if (!add_seg(oracle, &desc)) {
            return false;
        }
        if (!(flags & TN_DESC_F_NEXT)) {
            return true;
        }
        i = tn_from_le16(desc.next);
        if (i >= oracle->size) {
            return false;
        }
    }
    return false;
}

/* False: `result` is what the pop must say. */
static bool next_head(struct oracle *oracle, uint16_t *head, enum tn_pop *result)
{
    if (oracle->again_next != oracle->again) {
        *head = oracle->order[oracle->again_next];
        return true;
    }
    if (oracle->next_avail == oracle->avail_seen) {
        uint16_t idx = get16(oracle, AREA_AVAIL, 2);
        uint16_t fresh = (uint16_t)(idx - oracle->next_avail);
        uint16_t unpublished = (uint16_t)(oracle->used_idx - oracle->published);
        if (fresh == 0) {
            *result = TN_POP_EMPTY;
            return false;
        }
        if (fresh + oracle->in_flight_count + unpublished > oracle->size) {
            *result = TN_POP_BROKEN;
            return false;
        }
        oracle->avail_seen = idx;
    }
    *head = get16(oracle, AREA_AVAIL, 4 + 2 * (oracle->next_avail % oracle->size));
    return true;
}

enum tn_pop oracle_pop(struct oracle *oracle)
{
    enum tn_pop result = TN_POP_BROKEN;
    uint16_t head = 0;

    if (oracle->broken) {
        return TN_POP_BROKEN;
    }
    if (!next_head(oracle, &head, &result)) {
        oracle->broken = result == TN_POP_BROKEN;
        return result;
    }
    if (head >= oracle->size || oracle->in_flight[head] || !walk(oracle, head)) {
        oracle->broken = true;
        return TN_POP_BROKEN;
    }
    oracle->head = head;
    oracle->in_flight[head] = true;
    oracle->in_flight_count++;
    oracle->popped_again = oracle->again_next != oracle->again;
    if (oracle->popped_again) {
        oracle->again_next++;
    } else {
        oracle->next_avail++;
        for (uint32_t i = 0; i < oracle->order_count; i++) {
            oracle->blurred = oracle->blurred || oracle->order[i] == head;
        }
        FUZZ_CHECK(oracle->order_count < sizeof(oracle->order) / sizeof(oracle->order[0]));
        oracle->order[oracle->order_count++] = head;
    }
    return TN_POP_CHAIN;
}

void oracle_unpop(struct oracle *oracle)
{
    oracle->in_flight[oracle->head] = false;
    oracle->in_flight_count--;
    if (oracle->popped_again) {
        oracle->again_next--;
    } else {
        oracle->next_avail--;
        oracle->order_count--;
    }
}

/* ---- the chain ---- */

/* Takes `bytes` at `host` (NULL: a hole) off the front of what is left of the chain's iovecs. */
static void take(struct iovec **iov, struct iovec *end, const uint8_t *host, uint64_t bytes)
{
    while (bytes != 0) {
        while (*iov != end && (*iov)->iov_len == 0) {
            (*iov)++;
        }
        FUZZ_CHECK(*iov != end);
        FUZZ_CHECK((*iov)->iov_base == host);
        uint64_t part = (*iov)->iov_len < bytes ? (*iov)->iov_len : bytes;
        (*iov)->iov_base = host ? (uint8_t *)(*iov)->iov_base + part : NULL;
        (*iov)->iov_len -= part;
        host = host ? host + part : NULL;
        bytes -= part;
    }
}

/* Bytes of the block from this guest byte on that the buffer may use; 0: it may not. */
static uint32_t reach(struct oracle *oracle, uint64_t gpa, uint64_t bytes, bool write,
                      uint8_t **host)
{
    uint32_t offset;
    struct block *block = world_find(oracle->world, gpa, &offset);

    if (!block || (write && block->rom)) {
        return 0;
    }
    *host = block->host + offset;
    return block->bytes - offset < bytes ? block->bytes - offset : (uint32_t)bytes;
}

/* A buffer with one byte outside memory is a hole as a whole. */
static bool is_hole(struct oracle *oracle, const struct seg *seg, uint32_t *pieces)
{
    uint64_t gpa = seg->gpa, left = seg->bytes;
    uint8_t *host;

    *pieces = 0;
    while (left != 0) {
        uint32_t part = reach(oracle, gpa, left, seg->write, &host);
        if (part == 0) {
            return true;
        }
        gpa += part;
        left -= part;
        ++*pieces;
    }
    return false;
}

/* Crossing regions is served up to a bound of extra iovecs; a chain beyond it is not compared. */
static bool crosses_too_often(struct oracle *oracle)
{
    uint32_t extra = 0, pieces;

    for (uint32_t i = 0; i < oracle->seg_count; i++) {
        if (!is_hole(oracle, &oracle->segs[i], &pieces)) {
            extra += pieces - 1;
        }
    }
    return extra >= TN_CHAIN_MAX;
}

void oracle_check_chain(struct oracle *oracle, const struct tn_chain *chain)
{
    uint32_t count = chain->readable + chain->writable;
    static struct iovec copy[2 * ORACLE_SEGS_MAX];
    struct iovec *iov = copy, *end = copy + count;
    uint64_t bytes[2] = { 0, 0 };
    bool holes = false;

    FUZZ_CHECK(count <= sizeof(copy) / sizeof(copy[0]));
    FUZZ_CHECK(chain->head == oracle->head);
    memcpy(copy, chain->iov, count * sizeof(*copy));
    if (crosses_too_often(oracle)) {
        return;
    }
    for (uint32_t i = 0; i < oracle->seg_count; i++) {
        const struct seg *seg = &oracle->segs[i];
        uint64_t gpa = seg->gpa, left = seg->bytes;
        uint32_t pieces;
        bool hole = is_hole(oracle, seg, &pieces);
        bytes[seg->write] += seg->bytes;
        holes = holes || hole;
        if (hole) {
            take(&iov, end, NULL, left);
            continue;
        }
        while (left != 0) {
            uint8_t *host = NULL;
            uint32_t part = reach(oracle, gpa, left, seg->write, &host);
            take(&iov, end, host, part);
            gpa += part;
            left -= part;
        }
    }
    while (iov != end && iov->iov_len == 0) {
        iov++;
    }
    FUZZ_CHECK(iov == end);
    FUZZ_CHECK(bytes[0] == chain->readable_bytes && bytes[1] == chain->writable_bytes);
    FUZZ_CHECK(holes == chain->holes);
}

/* ---- push, publish, kicks ---- */

void oracle_push(struct oracle *oracle, uint16_t head, uint32_t written)
{
    struct tn_used_elem elem = { tn_to_le32(head), tn_to_le32(written) };

    oracle->in_flight[head] = false;
    oracle->in_flight_count--;
    if (!oracle->broken) {
        expect_used(oracle, 4 + 8 * (oracle->used_idx % oracle->size), &elem, sizeof(elem));
        oracle->used_idx++;
        oracle->pushed[oracle->pushed_count++] = head;
    }
}

/* What is published leaves the record. */
static void order_leave(struct oracle *oracle, uint16_t head)
{
    uint32_t i = 0;

    while (i < oracle->order_count && oracle->order[i] != head) {
        i++;
    }
    FUZZ_CHECK(i < oracle->order_count);
    if (i < oracle->again) {
        oracle->again--;
        oracle->again_next--;
    }
    oracle->order_count--;
    memmove(&oracle->order[i], &oracle->order[i + 1],
            (oracle->order_count - i) * sizeof(oracle->order[0]));
}

bool oracle_publish(struct oracle *oracle)
{
    uint16_t before = oracle->published, now = oracle->used_idx;
    le16 idx = tn_to_le16(now);

    if (oracle->broken || now == before) {
        return false;
    }
    expect_used(oracle, 2, &idx, sizeof(idx));
    oracle->published = now;
    for (uint32_t i = 0; i < oracle->pushed_count; i++) {
        order_leave(oracle, oracle->pushed[i]);
    }
    oracle->pushed_count = 0;
    if (!oracle->event_idx) {
        return (get16(oracle, AREA_AVAIL, 0) & TN_AVAIL_F_NO_INTERRUPT) == 0;
    }
    uint16_t event = get16(oracle, AREA_AVAIL, 4 + 2 * oracle->size);
    for (uint16_t passed = before; passed != now; passed++) {
        if (passed == event) {
            return true;
        }
    }
    return false;
}

void oracle_kicks_off(struct oracle *oracle)
{
    if (!oracle->broken && !oracle->event_idx) {
        expect_flags(oracle, TN_USED_F_NO_NOTIFY);
    }
}

bool oracle_kicks_on(struct oracle *oracle)
{
    le16 event = tn_to_le16(oracle->next_avail);

    if (oracle->broken) {
        return false;
    }
    if (oracle->event_idx) {
        expect_used(oracle, 4 + 8 * oracle->size, &event, sizeof(event));
    } else {
        expect_flags(oracle, 0);
    }
    return oracle->again_next != oracle->again ||
           get16(oracle, AREA_AVAIL, 2) != oracle->next_avail;
}
