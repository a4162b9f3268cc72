/*
 * ranges.c: the segments of DISCARD and WRITE_ZEROES (BLK-49). All of them are copied and checked
 * before the first is acted on; then they go to the disk one after another, as one request.
 */
#include "blk/blk.h"

#include "base/iov.h"
#include "base/num.h"

/*
 * Flags first, over all segments (BLK-51, BLK-52): an unknown one makes the whole command
 * unsupported.
 */
static bool check_flags(struct blk_request *request, const struct tn_blk_range *wire,
                        unsigned count)
{
    uint32_t known = request->type == TN_BLK_T_WRITE_ZEROES ? TN_BLK_RANGE_F_UNMAP : 0;

    for (unsigned i = 0; i < count; i++) {
        if ((tn_from_le32(wire[i].flags) & ~known) != 0) {
            return blk_unsupported(request);
        }
    }
    return true;
}

bool blk_ranges_read(const struct blk *blk, struct blk_request *request)
{
    struct tn_blk_range wire[BLK_RANGES_MAX];
    uint64_t count = request->data_bytes / sizeof(wire[0]);

    if (count == 0 || count > BLK_RANGES_MAX ||
        request->data_bytes % sizeof(wire[0]) != 0 || /* BLK-50 */
        !tn_iov_copy_from(wire, request->data, request->data_iovecs, 0, request->data_bytes)) {
        return blk_refuse(request, BLK_COUNT_REFUSED_MALFORMED);
    }
    if (!check_flags(request, wire, (unsigned)count)) {
        return false;
    }
    request->unmap = true;
    request->range_count = request->range_next = 0;
    for (unsigned i = 0; i < count; i++) {
        uint64_t sector = tn_from_le64(wire[i].sector);
        uint32_t sectors = tn_from_le32(wire[i].sectors);
        if (sectors > BLK_RANGE_SECTORS_MAX ||
            !tn_range_within(sector, sectors, blk_capacity(blk))) {
            return blk_refuse(request, BLK_COUNT_REFUSED_RANGE); /* BLK-57 */
        }
        /*
         * One segment that must stay allocated keeps all of them so: always correct, and drivers do
         * not mix.
         */
        request->unmap &= (tn_from_le32(wire[i].flags) & TN_BLK_RANGE_F_UNMAP) != 0;
        if (sectors != 0) {
            struct blk_range *range = &request->ranges[request->range_count++];
            range->offset = sector * TN_BLK_SECTOR_BYTES;
            range->bytes = (uint64_t)sectors * TN_BLK_SECTOR_BYTES;
        }
    }
    return true;
}

void blk_ranges_next(struct blk_request *request)
{
    const struct blk_range *range = &request->ranges[request->range_next++];
    struct tenon_io *io = &request->io;

    io->op = request->type == TN_BLK_T_DISCARD ? TENON_IO_DISCARD : TENON_IO_ZEROES;
    io->flags |= request->unmap && io->op == TENON_IO_ZEROES ? TENON_IO_UNMAP : 0;
    io->offset = range->offset;
    io->bytes = range->bytes;
    io->iov_count = 0;
}

void blk_ranges_again(struct blk_request *request)
{
    bool ranged = request->type == TN_BLK_T_DISCARD || request->type == TN_BLK_T_WRITE_ZEROES;

    request->range_next -= ranged && request->range_next != 0;
}
