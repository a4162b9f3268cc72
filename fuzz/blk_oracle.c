/*
 * blk_oracle.c: see blk_oracle.h.
 */
#include "blk_oracle.h"

#include <string.h>

#include "spec/virtio_blk.h"

enum { HEADER = 16, RANGES_MAX = 8, RANGE_SECTORS_MAX = 1 << 22 };

static bool touches(const struct hole *hole, uint32_t from, uint32_t end)
{
    return from < end && hole->from < end && from < hole->end;
}

static bool has(const struct oracle_device *device, unsigned feature)
{
    return device->features >> feature & 1;
}

static bool in_range(const struct oracle_device *device, uint64_t sector, uint32_t bytes)
{
    return bytes % 512 == 0 && sector <= device->sectors && bytes / 512 <= device->sectors - sector;
}

uint32_t blk_oracle_ranges(const struct request *request)
{
    return (request->readable - HEADER) / (uint32_t)sizeof(struct oracle_range);
}

struct oracle_range blk_oracle_range(const struct request *request, uint32_t which)
{
    struct oracle_range range;
    memcpy(&range, request->out + HEADER + which * sizeof(range), sizeof(range));
    return range;
}

static unsigned ranges_status(const struct oracle_device *device, struct request *request)
{
    uint32_t data = request->readable - HEADER, count = blk_oracle_ranges(request);
    uint32_t known = request->type == TN_BLK_T_WRITE_ZEROES ? 1 : 0;

    if (request->writable != 1 || touches(&request->out_hole, HEADER, request->readable) ||
        count == 0 || count > RANGES_MAX || data % sizeof(struct oracle_range) != 0) {
        return TN_BLK_S_IOERR;
    }
    for (uint32_t i = 0; i < count; i++) {
        if (tn_from_le32(blk_oracle_range(request, i).flags) & ~known) {
            return TN_BLK_S_UNSUPP;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        struct oracle_range range = blk_oracle_range(request, i);
        uint64_t sector = tn_from_le64(range.sector), sectors = tn_from_le32(range.sectors);
        if (sectors > RANGE_SECTORS_MAX || sector > device->sectors ||
            sectors > device->sectors - sector) {
            return TN_BLK_S_IOERR;
        }
        request->disk = request->disk || sectors != 0;
    }
    return TN_BLK_S_OK;
}

static unsigned status_of(const struct oracle_device *device, struct request *request)
{
    uint32_t out = request->readable - HEADER, in = request->writable - 1;
    unsigned feature = request->type == TN_BLK_T_DISCARD ? TN_BLK_F_DISCARD : TN_BLK_F_WRITE_ZEROES;

    switch (request->type) {
    case TN_BLK_T_IN:
        request->disk = in != 0;
        return out == 0 && in_range(device, request->sector, in) &&
                       !touches(&request->in_hole, 0, in)
                   ? TN_BLK_S_OK
                   : TN_BLK_S_IOERR;
    case TN_BLK_T_OUT:
        request->disk = out != 0;
        return in == 0 && !device->read_only && in_range(device, request->sector, out) &&
                       !touches(&request->out_hole, HEADER, request->readable)
                   ? TN_BLK_S_OK
                   : TN_BLK_S_IOERR;
    case TN_BLK_T_FLUSH:
        request->disk = !device->unsafe;
        return has(device, TN_BLK_F_FLUSH) ? TN_BLK_S_OK : TN_BLK_S_UNSUPP;
    case TN_BLK_T_GET_ID:
        return out == 0 && !touches(&request->in_hole, 0, in < 21 ? in : 21) ? TN_BLK_S_OK
                                                                             : TN_BLK_S_IOERR;
    case TN_BLK_T_DISCARD:
    case TN_BLK_T_WRITE_ZEROES:
        if (device->read_only) {
            return TN_BLK_S_IOERR;
        }
        return has(device, feature) ? ranges_status(device, request) : TN_BLK_S_UNSUPP;
    default:
        return TN_BLK_S_UNSUPP;
    }
}

void blk_oracle(const struct oracle_device *device, struct request *request)
{
    bool can_ask = has(device, TN_BLK_F_FLUSH) || has(device, TN_BLK_F_CONFIG_WCE);

    request->disk = false;
    request->stable = !device->unsafe && (!can_ask || !device->writeback);
    if (request->writable == 0 ||
        touches(&request->in_hole, request->writable - 1, request->writable)) {
        request->status = ORACLE_BROKEN;
    } else if (request->readable < HEADER || touches(&request->out_hole, 0, HEADER)) {
        request->status = TN_BLK_S_IOERR;
    } else {
        request->status = status_of(device, request);
    }
    request->disk = request->disk && request->status == TN_BLK_S_OK;
    request->ended = !request->disk;
}

uint32_t blk_oracle_used(const struct request *request, unsigned status)
{
    uint32_t in = request->writable - 1;

    if (status == TN_BLK_S_OK && request->type == TN_BLK_T_IN) {
        return in + 1;
    }
    if (status == TN_BLK_S_OK && request->type == TN_BLK_T_GET_ID) {
        return (in < TN_BLK_ID_BYTES ? in : TN_BLK_ID_BYTES) + 1;
    }
    return 1;
}
