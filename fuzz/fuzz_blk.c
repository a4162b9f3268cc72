/*
 * fuzz_blk.c: block requests in any framing, valid by default, over a disk that ends its operations
 * late, in any order, and not always well.
 *
 *   input ──> request in guest memory ──> device ──> slow_disk ──(input: which, how)──> used
 *                └── blk_oracle: the status to come ───────── compared with ────────────┘
 *
 * Claims: every request gets exactly one used entry, with the status and length that the oracle
 * tells, and an interrupt; a read returns what a sector held at some time since it was made
 * available; when all is quiet the disk holds the writes that were answered OK, overlapping ones in
 * their order; a flush reaches the disk after the writes before it; writes carry FUA exactly when
 * they must; nothing else of a request's memory changes.
 */
#include <errno.h>
#include <string.h>

#include "blk_rig.h"
#include "spec/virtio.h"
#include "spec/virtio_blk.h"
#include "spec/virtio_mmio.h"
#include "spec/vring.h"

static void put16(struct blk_rig *rig, uint64_t gpa, uint16_t value)
{
    le16 wire = tn_to_le16(value);
    guest_put(&rig->guest, gpa, &wire, sizeof(wire));
}

/* ---- the driver ---- */

static void fill_ranges(struct blk_rig *rig, struct request *request)
{
    struct input *in = &rig->in;
    uint32_t count = input_below(in, 4);
    count = count == 3 && input_rare(in) ? 9 : count + 1;

    for (uint32_t i = 0; i < count; i++) {
        uint8_t place = input_u8(in);
        struct oracle_range range = {
            .sector = tn_to_le64(place == FUZZ_RARE ? input_u64(in) : place % SLOW_SECTORS),
            .sectors = tn_to_le32((place >> 4) % 4),
            .flags = tn_to_le32(request->type == TN_BLK_T_WRITE_ZEROES ? place >> 7 : 0),
        };
        if (place == FUZZ_RARE) {
            range.flags = tn_to_le32(input_u8(in));
        }
        memcpy(request->out + 16 + i * sizeof(range), &range, sizeof(range));
    }
    request->readable = 16 + count * (uint32_t)sizeof(struct oracle_range);
}

/* A request that is right, then perhaps spoilt in one place. */
static void fill(struct blk_rig *rig, struct request *request)
{
    static const uint8_t types[] = { TN_BLK_T_IN,           TN_BLK_T_OUT,    TN_BLK_T_OUT,
                                     TN_BLK_T_FLUSH,        TN_BLK_T_GET_ID, TN_BLK_T_DISCARD,
                                     TN_BLK_T_WRITE_ZEROES, TN_BLK_T_IN };
    struct input *in = &rig->in;
    uint8_t choice = input_u8(in), place = input_u8(in);
    uint32_t sectors = choice >> 3 & 3 ? 1u + (choice >> 4 & 1) : 0;

    memset(request, 0, sizeof(*request));
    request->busy = true;
    request->number = ++rig->number;
    request->type = types[choice & 7];
    request->sector = place % (SLOW_SECTORS - 1);
    request->readable = 16;
    request->writable = 1;
    memset(request->out, (uint8_t)request->number, sizeof(request->out));
    if (request->type == TN_BLK_T_IN) {
        request->writable += sectors * 512;
    } else if (request->type == TN_BLK_T_OUT) {
        request->readable += sectors * 512;
    } else if (request->type == TN_BLK_T_GET_ID) {
        request->writable += place % 8 == 0 ? place / 8u : 20;
    } else if (request->type != TN_BLK_T_FLUSH) {
        fill_ranges(rig, request);
    }
    if (input_rare(in)) {
        uint8_t kind = input_u8(in);
        switch (kind % 6) {
        case 0:
            request->type = input_u8(in);
            break;
        case 1:
            request->sector = kind & 128 ? input_u64(in) : SLOW_SECTORS - 1u + input_below(in, 3);
            break;
        case 2:
            request->readable = input_u16(in) % (REQUEST_STREAM - 4);
            break;
        case 3:
            request->writable = input_u16(in) % (REQUEST_STREAM - 4);
            break;
        case 4:
            request->out_hole.end = 1; /* the piece that holds this byte goes outside: see cut */
            request->out_hole.from = input_u16(in);
            break;
        default:
            request->in_hole.end = 1;
            request->in_hole.from = input_u16(in);
        }
    }
    struct tn_blk_header header = { .type = tn_to_le32(request->type),
                                    .sector = tn_to_le64(request->sector) };
    memcpy(request->out, &header, sizeof(header));
}

/* Cuts one stream into at most `most` descriptors; a hole is one of them. Returns how many. */
static uint32_t cut(struct blk_rig *rig, struct tn_desc *descs, uint32_t most, uint64_t gpa,
                    uint32_t bytes, bool write, struct hole *hole)
{
    uint32_t count = 0, at = 0, lost = hole->end != 0 && bytes != 0 ? hole->from % bytes : bytes;

    *hole = (struct hole){ 0, 0 };
    while (at < bytes) {
        uint32_t part = bytes - at;
        uint8_t choice = input_u8(&rig->in);
        if (count + 1 < most && choice != 0) {
            part = choice < 32 ? choice : choice * 5u;
            part = part < bytes - at ? part : bytes - at;
        }
        bool outside = lost >= at && lost < at + part;
        if (outside) {
            *hole = (struct hole){ at, at + part };
        }
        descs[count++] = (struct tn_desc){
            .addr = tn_to_le64(outside ? GUEST_BASE + GUEST_BYTES - 1 + (lost & 1) : gpa + at),
            .len = tn_to_le32(part),
            .flags = tn_to_le16(write ? TN_DESC_F_WRITE : 0),
        };
        at += part;
        if (outside && part == 1 && (lost & 1) == 0) {
            *hole = (struct hole){ 0, 0 }; /* the last byte of memory is no hole */
            descs[count - 1].addr = tn_to_le64(gpa + at - 1);
        }
    }
    return count;
}

static void link_descs(struct tn_desc *descs, uint32_t count, uint16_t first)
{
    for (uint32_t i = 0; i + 1 < count; i++) {
        descs[i].flags = tn_to_le16(tn_from_le16(descs[i].flags) | TN_DESC_F_NEXT);
        descs[i].next = tn_to_le16((uint16_t)(first + i + 1));
    }
}

static void offer(struct blk_rig *rig)
{
    unsigned slot = input_below(&rig->in, SLOTS);
    struct request *request = &rig->requests[slot];
    struct tn_desc descs[TABLE_DESCS];
    uint16_t head = (uint16_t)(slot * SLOT_DESCS);
    uint8_t untouched[REQUEST_STREAM];

    if (request->busy) {
        return;
    }
    fill(rig, request);
    bool table = rig->indirect && input_u8(&rig->in) & 1;
    uint32_t most = table ? TABLE_DESCS : SLOT_DESCS;
    uint32_t gpa = blk_slot_gpa(slot), in_gpa = gpa + REQUEST_STREAM;
    uint32_t out = cut(rig, descs, most / 2, gpa, request->readable, false, &request->out_hole);
    uint32_t count =
        out + cut(rig, descs + out, most - out, in_gpa, request->writable, true, &request->in_hole);
    if (count == 0) { /* nothing at all: one empty descriptor */
        descs[count++] = (struct tn_desc){ .addr = tn_to_le64(gpa) };
    }
    memset(untouched, UNTOUCHED, sizeof(untouched));
    guest_put(&rig->guest, gpa, request->out, REQUEST_STREAM);
    guest_put(&rig->guest, in_gpa, untouched, REQUEST_STREAM);
    link_descs(descs, count, table ? 0 : head);
    if (table) {
        uint32_t at = TABLES_GPA + slot * (uint32_t)sizeof(descs);
        struct tn_desc whole = { .addr = tn_to_le64(at),
                                 .len = tn_to_le32(count * 16),
                                 .flags = tn_to_le16(TN_DESC_F_INDIRECT) };
        guest_put(&rig->guest, at, descs, count * 16);
        guest_put(&rig->guest, DESC_GPA + head * 16u, &whole, sizeof(whole));
    } else {
        guest_put(&rig->guest, DESC_GPA + head * 16u, descs, count * 16);
    }
    blk_oracle(&rig->device, request);
    request->since = rig->slow.moved;
    rig->broken = rig->broken || request->status == ORACLE_BROKEN;
    put16(rig, AVAIL_GPA + 4 + 2u * (rig->avail_idx++ % SIZE), head);
    put16(rig, AVAIL_GPA + 2, rig->avail_idx);
    guest_set(&rig->guest, TN_MMIO_QUEUE_NOTIFY, 0);
}

/* ---- answers ---- */

static void answer(struct blk_rig *rig, const struct tn_used_elem *used)
{
    uint32_t head = tn_from_le32(used->id), slot = head / SLOT_DESCS;

    FUZZ_CHECK(head % SLOT_DESCS == 0 && slot < SLOTS);
    struct request *request = &rig->requests[slot];
    FUZZ_CHECK(request->busy && request->ended);
    unsigned status = request->failed ? TN_BLK_S_IOERR : request->status;
    FUZZ_CHECK(status <= TN_BLK_S_UNSUPP);
    FUZZ_CHECK(tn_from_le32(used->len) == blk_oracle_used(request, status));
    blk_watch_memory(rig, request, slot, status);
    blk_watch_answered(rig, request);
    request->busy = false;
}

static void turn(struct blk_rig *rig)
{
    unsigned answers = 0;
    le16 idx;

    FUZZ_CHECK(guest_crank(&rig->guest));
    guest_take(&rig->guest, USED_GPA + 2, &idx, sizeof(idx));
    while (rig->used_seen != tn_from_le16(idx)) {
        struct tn_used_elem used;
        guest_take(&rig->guest, USED_GPA + 4 + 8u * (rig->used_seen++ % SIZE), &used, sizeof(used));
        answer(rig, &used);
        answers++;
    }
    FUZZ_CHECK(answers == 0 || rig->guest.irqs > rig->irqs_seen);
    rig->irqs_seen = rig->guest.irqs;
    if (rig->event_idx) {
        put16(rig, AVAIL_GPA + 4 + 2 * SIZE, rig->used_seen);
    }
    guest_set(&rig->guest, TN_MMIO_INTERRUPT_ACK, TN_MMIO_INT_USED_BUFFER);
    uint32_t status = guest_get(&rig->guest, TN_MMIO_STATUS);
    FUZZ_CHECK(((status & TN_STATUS_NEEDS_RESET) != 0) == rig->broken);
}

static void finish(struct blk_rig *rig, int result)
{
    if (rig->slow.count != 0) {
        slow_finish(&rig->slow, input_u8(&rig->in) % rig->slow.count, result);
    }
}

static bool is_busy(const struct blk_rig *rig)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (rig->requests[slot].busy) {
            return true;
        }
    }
    return false;
}

/* No chain is lost: every request is answered, the last ones perhaps after a full disk was asked
 * again. */
static void finish_all(struct blk_rig *rig)
{
    for (unsigned waits = 0; rig->slow.count != 0 || (is_busy(rig) && !rig->broken);) {
        if (rig->slow.count != 0) {
            slow_finish(&rig->slow, rig->slow.count - 1, 0);
        } else {
            FUZZ_CHECK(waits++ < WAITS_MAX);
            tenon_worker_run(rig->guest.worker, 1);
        }
        turn(rig);
    }
    if (!rig->broken) {
        blk_watch_quiet(rig);
    }
}

/* ---- the device ---- */

static void start(struct blk_rig *rig)
{
    uint8_t zeroes[0x800] = { 0 };
    uint64_t wanted = (uint64_t)1 << TN_F_VERSION_1 | (uint64_t)input_u8(&rig->in) << 28;
    uint8_t choice = input_u8(&rig->in);

    wanted |= (uint64_t)(choice & 1) << TN_BLK_F_FLUSH | (uint64_t)(choice >> 1 & 1)
                                                             << TN_BLK_F_CONFIG_WCE;
    wanted |= (uint64_t)(choice >> 2 & 1) << TN_BLK_F_DISCARD | (uint64_t)(choice >> 3 & 1)
                                                                    << TN_BLK_F_WRITE_ZEROES;
    guest_put(&rig->guest, DESC_GPA, zeroes, sizeof(zeroes));
    rig->avail_idx = rig->used_seen = 0;
    rig->device.features = guest_negotiate(&rig->guest, wanted);
    rig->event_idx = rig->device.features >> TN_F_EVENT_IDX & 1;
    rig->indirect = rig->device.features >> TN_F_INDIRECT_DESC & 1;
    guest_start(&rig->guest, SIZE, DESC_GPA, AVAIL_GPA, USED_GPA);
    rig->device.writeback = guest_get(&rig->guest, TN_MMIO_CONFIG + 0x20) & 1;
    turn(rig);
}

/* With requests in flight: they end without an answer, and what the disk did is what it is. */
static void reset(struct blk_rig *rig)
{
    unsigned irqs = rig->guest.irqs;

    guest_set(&rig->guest, TN_MMIO_STATUS, 0);
    FUZZ_CHECK(guest_get(&rig->guest, TN_MMIO_STATUS) == 0);
    FUZZ_CHECK(rig->slow.count == 0);
    uint64_t sum = guest_sum(&rig->guest);
    guest_crank(&rig->guest);
    FUZZ_CHECK(guest_sum(&rig->guest) == sum);
    FUZZ_CHECK(rig->guest.irqs == irqs);
    memset(rig->requests, 0, sizeof(rig->requests));
    memcpy(rig->model, rig->slow.bytes, sizeof(rig->model));
    memset(rig->owner, 0, sizeof(rig->owner));
    memset(rig->unclear, 0, sizeof(rig->unclear));
    rig->broken = false;
    start(rig);
}

static void switch_cache(struct blk_rig *rig)
{
    uint8_t value = input_u8(&rig->in);

    tenon_mmio_write(rig->guest.mmio, TN_MMIO_CONFIG + 0x20, &value, 1);
    if (value <= 1 && rig->device.features >> TN_BLK_F_CONFIG_WCE & 1 && !rig->broken) {
        rig->device.writeback = value;
    }
}

static void act(struct blk_rig *rig)
{
    uint8_t action = input_u8(&rig->in) % 16;

    if (rig->broken) {
        finish_all(rig);
        reset(rig);
    }
    if (action < 6) {
        offer(rig);
    } else if (action < 10) {
        finish(rig, 0);
    } else if (action == 10) {
        finish(rig, input_u8(&rig->in) & 1 ? -EIO : -ENOSPC);
    } else if (action == 11) {
        rig->slow.full = !rig->slow.full;
    } else if (action == 12) {
        finish_all(rig);
    } else if (action == 13) {
        switch_cache(rig);
    } else if (action == 14 && input_rare(&rig->in)) {
        reset(rig);
    } else if (action == 15) {
        rig->slow.refuse = input_rare(&rig->in) ? -EIO : 0;
    }
    turn(rig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct blk_rig rig;

    memset(&rig, 0, sizeof(rig));
    rig.in = (struct input){ data, bytes < INPUT_MAX ? bytes : INPUT_MAX };
    rig.slow.submitted = blk_watch_submitted;
    rig.slow.finished = blk_watch_finished;
    rig.slow.opaque = &rig;
    uint8_t choice = input_u8(&rig.in);
    struct tenon_disk *disk = slow_disk_open(&rig.slow);
    struct tenon_blk_opts opts = { .name = "fuzz",
                                   .disk = disk,
                                   .queue_size = SIZE,
                                   .cache = choice % 3,
                                   .read_only = (choice & 0x38) == 0x38 };
    rig.device = (struct oracle_device){ .sectors = SLOW_SECTORS,
                                         .read_only = opts.read_only,
                                         .unsafe = opts.cache == TENON_CACHE_UNSAFE };
    guest_open(&rig.guest, &opts);
    tenon_disk_close(disk);
    start(&rig);
    while (rig.in.left != 0) {
        act(&rig);
    }
    rig.slow.full = false;
    finish_all(&rig);
    guest_close(&rig.guest);
    FUZZ_CHECK(!rig.slow.open);
    return 0;
}
