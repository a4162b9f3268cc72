/*
 * blk_watch.c: what fuzz_blk sees at the disk: which request an operation belongs to, whether it
 * came in an allowed order and with the right flags, and what the disk must hold in the end.
 */
#include <string.h>

#include "blk_rig.h"
#include "spec/virtio_blk.h"

/* ---- what the disk sees ---- */

/*
 * The request whose data buffer this is. Without one: the oldest that waits for such an operation
 * (a flush, or this range), since none of those may overtake another of its kind.
 */
static struct request *owner_of(struct blk_rig *rig, const struct tenon_io *io)
{
    struct request *found = NULL;
    uint64_t follow;

    for (unsigned slot = 0; slot < SLOTS; slot++) {
        struct request *request = &rig->requests[slot];
        if (!request->busy || request->ended || request->io) {
            continue;
        }
        if (io->iov_count != 0) {
            for (uint32_t i = 0; i < SLOT_BYTES; i++) {
                if (guest_at(&rig->guest, blk_slot_gpa(slot) + i, &follow) == io->iov[0].iov_base) {
                    return request;
                }
            }
            continue;
        }
        uint32_t wanted = io->op == TENON_IO_FLUSH     ? TN_BLK_T_FLUSH
                          : io->op == TENON_IO_DISCARD ? TN_BLK_T_DISCARD
                                                       : TN_BLK_T_WRITE_ZEROES;
        if (request->type != wanted || (found && found->number < request->number)) {
            continue;
        }
        if (io->op != TENON_IO_FLUSH) {
            uint32_t next = request->ranges_done;
            while (tn_from_le32(blk_oracle_range(request, next).sectors) == 0) {
                next++;
            }
            struct oracle_range range = blk_oracle_range(request, next);
            if (tn_from_le64(range.sector) * 512 != io->offset ||
                tn_from_le32(range.sectors) * 512ull != io->bytes) {
                continue;
            }
        }
        found = request;
    }
    FUZZ_CHECK(found != NULL);
    return found;
}

void blk_watch_submitted(void *opaque, const struct tenon_io *io)
{
    struct blk_rig *rig = opaque;
    struct request *request = owner_of(rig, io);

    FUZZ_CHECK(request->disk);
    request->io = io;
    if (io->op == TENON_IO_WRITE || io->op == TENON_IO_DISCARD || io->op == TENON_IO_ZEROES) {
        FUZZ_CHECK(((io->flags & TENON_IO_FUA) != 0) == request->stable);
    }
    if (io->op != TENON_IO_FLUSH) {
        return;
    }
    /* Everything that was popped before the flush and writes has ended (BLK-41). */
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        struct request *other = &rig->requests[slot];
        FUZZ_CHECK(!other->busy || other->ended || other->number >= request->number ||
                   other->type == TN_BLK_T_IN || other->type == TN_BLK_T_FLUSH);
    }
}

void blk_watch_finished(void *opaque, const struct tenon_io *io, int result)
{
    struct blk_rig *rig = opaque;
    struct request *request = rig->requests;

    while (request->io != io) {
        request++;
        FUZZ_CHECK(request < rig->requests + SLOTS);
    }
    request->io = NULL;
    request->failed = request->failed || result != 0;
    if (io->op != TENON_IO_DISCARD && io->op != TENON_IO_ZEROES) {
        request->ended = true;
        return;
    }
    uint32_t count = blk_oracle_ranges(request);
    while (tn_from_le32(blk_oracle_range(request, request->ranges_done).sectors) == 0) {
        request->ranges_done++;
    }
    request->ranges_done++;
    uint32_t next = request->ranges_done;
    while (next < count && tn_from_le32(blk_oracle_range(request, next).sectors) == 0) {
        next++;
    }
    request->ended = request->failed || next == count;
}

/* ---- the model of the disk ---- */

static void model_write(struct blk_rig *rig, const struct request *request, uint64_t sector,
                        const uint8_t *bytes)
{
    if (request->number >= rig->owner[sector]) {
        rig->owner[sector] = request->number;
        memcpy(rig->model[sector], bytes, SLOW_SECTOR);
        if (rig->unclear[sector] < request->number) {
            rig->unclear[sector] = 0;
        }
    }
}

static void model_ranges(struct blk_rig *rig, const struct request *request)
{
    uint8_t bytes[SLOW_SECTOR];

    memset(bytes, request->type == TN_BLK_T_DISCARD ? SLOW_DISCARDED : 0, sizeof(bytes));
    for (uint32_t i = 0; i < blk_oracle_ranges(request); i++) {
        struct oracle_range range = blk_oracle_range(request, i);
        uint64_t first = tn_from_le64(range.sector), count = tn_from_le32(range.sectors);
        for (uint64_t sector = first; sector < first + count; sector++) {
            if (!request->failed) {
                model_write(rig, request, sector, bytes);
            } else if (request->number > rig->unclear[sector] &&
                       request->number > rig->owner[sector]) {
                rig->unclear[sector] = request->number;
            }
        }
    }
}

void blk_watch_answered(struct blk_rig *rig, const struct request *request)
{
    if (!request->disk) {
        return;
    }
    if (request->type == TN_BLK_T_OUT && !request->failed) {
        for (uint32_t i = 0; i < (request->readable - 16) / SLOW_SECTOR; i++) {
            model_write(rig, request, request->sector + i, request->out + 16 + i * SLOW_SECTOR);
        }
    } else if (request->type == TN_BLK_T_DISCARD || request->type == TN_BLK_T_WRITE_ZEROES) {
        model_ranges(rig, request);
    }
}

void blk_watch_quiet(struct blk_rig *rig)
{
    for (unsigned sector = 0; sector < SLOW_SECTORS; sector++) {
        uint8_t *held = rig->slow.bytes + sector * SLOW_SECTOR;
        if (rig->unclear[sector] != 0) {
            memcpy(rig->model[sector], held, SLOW_SECTOR);
            rig->unclear[sector] = 0;
        }
        FUZZ_CHECK(memcmp(rig->model[sector], held, SLOW_SECTOR) == 0);
    }
}

/* ---- guest memory ---- */

/* Both streams as they must be now, but for what a read got, which is checked here. */
void blk_watch_memory(struct blk_rig *rig, const struct request *request, unsigned slot,
                      unsigned status)
{
    uint8_t now[REQUEST_STREAM], want[REQUEST_STREAM];
    uint32_t data = request->writable - 1;

    guest_take(&rig->guest, blk_slot_gpa(slot), now, sizeof(now));
    FUZZ_CHECK(memcmp(now, request->out, sizeof(now)) == 0);
    guest_take(&rig->guest, blk_slot_gpa(slot) + REQUEST_STREAM, now, sizeof(now));
    memset(want, UNTOUCHED, sizeof(want));
    if (status != TN_BLK_S_OK && data != 0 &&
        (request->in_hole.from != 0 || request->in_hole.end == 0)) {
        want[0] = 0; /* the one byte that the used length speaks of */
    }
    if (status == TN_BLK_S_OK && request->type == TN_BLK_T_IN) {
        for (uint32_t i = 0; i < data / SLOW_SECTOR; i++) {
            FUZZ_CHECK(slow_was(&rig->slow, (uint32_t)request->sector + i, now + i * SLOW_SECTOR,
                                request->since));
        }
        memcpy(want, now, data);
    } else if (status == TN_BLK_S_OK && request->type == TN_BLK_T_GET_ID) {
        char id[21] = "fuzz";
        memcpy(want, id, data < sizeof(id) ? data : sizeof(id));
    }
    want[data] = (uint8_t)status;
    if (request->in_hole.end != 0) { /* what was to go there went nowhere */
        memset(want + request->in_hole.from, UNTOUCHED,
               request->in_hole.end - request->in_hole.from);
    }
    FUZZ_CHECK(memcmp(now, want, sizeof(now)) == 0);
}
