/*
 * check.c: what is legal. Every check stands here and comes before any I/O; what passed need not be
 * looked at again.
 *
 * Refused requests get IOERR or, where the standard says so, UNSUPP, and touch nothing.
 */
#include "blk/blk.h"

#include "base/iov.h"
#include "base/num.h"

bool blk_refuse(struct blk_request *request, unsigned cause)
{
    request->verdict = TN_BLK_S_IOERR;
    tn_queue_count(request->slot.queue, BLK_COUNT_REFUSED, 1);
    tn_queue_count(request->slot.queue, cause, 1);
    return false;
}

bool blk_unsupported(struct blk_request *request)
{
    request->verdict = TN_BLK_S_UNSUPP;
    tn_queue_count(request->slot.queue, BLK_COUNT_UNSUPPORTED, 1);
    return false;
}

static bool data_in_memory(const struct blk_request *request)
{
    return !request->slot.chain.holes ||
           !tn_iov_has_hole(request->data, request->data_iovecs, 0, request->data_bytes);
}

/*
 * The whole request, not each of its segments, lies within the disk; nothing is multiplied before
 * it is known to fit (BLK-33).
 */
static bool check_data(const struct blk *blk, struct blk_request *request)
{
    if (request->data_bytes % TN_BLK_SECTOR_BYTES != 0) {
        return blk_refuse(request, BLK_COUNT_REFUSED_MALFORMED);
    }
    if (!tn_range_within(request->sector, request->data_bytes / TN_BLK_SECTOR_BYTES,
                         blk_capacity(blk))) {
        return blk_refuse(request, BLK_COUNT_REFUSED_RANGE);
    }
    return data_in_memory(request) || blk_refuse(request, BLK_COUNT_REFUSED_MEMORY);
}

/* Whether a write is on stable storage before it is answered (BLK-19, BLK-20). */
static bool write_through(const struct blk *blk)
{
    const struct tenon_device *device = &blk->device;
    bool can_ask =
        tn_device_has(device, TN_BLK_F_FLUSH) || tn_device_has(device, TN_BLK_F_CONFIG_WCE);

    if (blk->cache == TENON_CACHE_UNSAFE) {
        return false;
    }
    return !can_ask || __atomic_load_n(&blk->writeback, __ATOMIC_RELAXED) == 0;
}

static bool check_read(const struct blk *blk, struct blk_request *request)
{
    if (request->slot.chain.readable_bytes != sizeof(struct tn_blk_header)) { /* BLK-35 */
        return blk_refuse(request, BLK_COUNT_REFUSED_MALFORMED);
    }
    return check_data(blk, request);
}

static bool check_write(const struct blk *blk, struct blk_request *request)
{
    if (request->slot.chain.writable_bytes != 1) { /* BLK-35 */
        return blk_refuse(request, BLK_COUNT_REFUSED_MALFORMED);
    }
    if (blk->read_only) { /* BLK-38: also when the driver did not accept RO */
        return blk_refuse(request, BLK_COUNT_REFUSED_READ_ONLY);
    }
    if (!check_data(blk, request)) {
        return false;
    }
    request->stable = write_through(blk);
    request->range_count = request->range_next = 1;
    request->ranges[0].offset = request->sector * TN_BLK_SECTOR_BYTES;
    request->ranges[0].bytes = request->data_bytes;
    return true;
}

static bool check_flush(const struct blk *blk, struct blk_request *request)
{
    if (!tn_device_has(&blk->device, TN_BLK_F_FLUSH)) { /* BLK-27 */
        return blk_unsupported(request);
    }
    return true; /* sector and data are ignored (BLK-42) */
}

static bool check_id(struct blk_request *request)
{
    uint64_t wanted = tn_min_u64(request->data_bytes, TN_BLK_ID_BYTES + 1);

    if (request->slot.chain.readable_bytes != sizeof(struct tn_blk_header)) {
        return blk_refuse(request, BLK_COUNT_REFUSED_MALFORMED);
    }
    return !tn_iov_has_hole(request->data, request->data_iovecs, 0, wanted) ||
           blk_refuse(request, BLK_COUNT_REFUSED_MEMORY);
}

static bool check_ranges(const struct blk *blk, struct blk_request *request, unsigned feature)
{
    if (blk->read_only) { /* BLK-39 */
        return blk_refuse(request, BLK_COUNT_REFUSED_READ_ONLY);
    }
    if (!tn_device_has(&blk->device, feature)) { /* BLK-27 */
        return blk_unsupported(request);
    }
    if (request->slot.chain.writable_bytes != 1) {
        return blk_refuse(request, BLK_COUNT_REFUSED_MALFORMED);
    }
    if (!data_in_memory(request)) {
        return blk_refuse(request, BLK_COUNT_REFUSED_MEMORY);
    }
    if (!blk_ranges_read(blk, request)) {
        return false;
    }
    request->stable = write_through(blk); /* BLK-61 */
    return true;
}

bool blk_check(const struct blk *blk, struct blk_request *request)
{
    if (!request->header_ok) { /* BLK-36 */
        return blk_refuse(request, BLK_COUNT_REFUSED_MALFORMED);
    }
    switch (request->type) {
    case TN_BLK_T_IN:
        return check_read(blk, request);
    case TN_BLK_T_OUT:
        return check_write(blk, request);
    case TN_BLK_T_FLUSH:
        return check_flush(blk, request);
    case TN_BLK_T_GET_ID:
        return check_id(request);
    case TN_BLK_T_DISCARD:
        return check_ranges(blk, request, TN_BLK_F_DISCARD);
    case TN_BLK_T_WRITE_ZEROES:
        return check_ranges(blk, request, TN_BLK_F_WRITE_ZEROES);
    default:
        return blk_unsupported(request); /* BLK-27: never executed as something else */
    }
}

bool blk_needs_disk(const struct blk *blk, const struct blk_request *request)
{
    switch (request->type) {
    case TN_BLK_T_IN:
    case TN_BLK_T_OUT:
        return request->data_bytes != 0; /* BLK-34: nothing to move is done already */
    case TN_BLK_T_FLUSH:
        return blk->cache != TENON_CACHE_UNSAFE;
    case TN_BLK_T_GET_ID:
        return false;
    default:
        return request->range_count != 0;
    }
}
