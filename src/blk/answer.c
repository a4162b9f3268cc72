/*
 * answer.c: the one place that turns a result into a status byte and a used length, and gives the
 * request back. The status and the data are written before the used entry is published (BLK-43).
 *
 *   used length   IN, GET_ID that succeeded: the data and the status byte; everything else: 1
 */
#include "blk/blk.h"

#include "base/iov.h"
#include "base/num.h"
#include "base/shared.h"

/*
 * BLK-44, BLK-45: 20 bytes, or what fits; a longer buffer gets one NUL more, so that the used
 * length is true for it too.
 */
static uint32_t answer_id(struct blk_request *request)
{
    const struct blk *blk = blk_of(request->slot.queue);
    char id[TN_BLK_ID_BYTES + 1] = { 0 };
    uint64_t bytes = tn_min_u64(request->data_bytes, sizeof(id));

    for (unsigned i = 0; i < TN_BLK_ID_BYTES; i++) {
        id[i] = blk->serial[i];
    }
    tn_iov_copy_to(request->data, request->data_iovecs, 0, id, bytes);
    return (uint32_t)tn_min_u64(bytes, TN_BLK_ID_BYTES) + 1;
}

/*
 * A failed read reports one byte, and that byte is the first of the buffer, not the status at its
 * end: so it has to be written (SPLIT-28: the used length never says more than what was written).
 */
static void own_first_byte(struct blk_request *request)
{
    const struct tn_chain *chain = &request->slot.chain;
    const uint8_t zero = 0;

    if (chain->writable_bytes > 1) {
        tn_iov_copy_to(chain->iov + chain->readable, chain->writable, 0, &zero, 1);
    }
}

static void count(const struct blk_request *request)
{
    struct tn_queue *queue = request->slot.queue;

    switch (request->type) {
    case TN_BLK_T_IN:
        tn_queue_count(queue, BLK_COUNT_READS, 1);
        tn_queue_count(queue, BLK_COUNT_READ_BYTES, request->data_bytes);
        break;
    case TN_BLK_T_OUT:
        tn_queue_count(queue, BLK_COUNT_WRITES, 1);
        tn_queue_count(queue, BLK_COUNT_WRITTEN_BYTES, request->data_bytes);
        break;
    case TN_BLK_T_FLUSH:
        tn_queue_count(queue, BLK_COUNT_FLUSHES, 1);
        break;
    case TN_BLK_T_DISCARD:
        tn_queue_count(queue, BLK_COUNT_DISCARDS, 1);
        break;
    case TN_BLK_T_WRITE_ZEROES:
        tn_queue_count(queue, BLK_COUNT_WRITE_ZEROES, 1);
        break;
    default:
        break;
    }
}

void blk_answer(struct blk_request *request)
{
    uint32_t written = 1;

    if (request->slot
            .queue
            /* reset: the request ends, and nobody is to hear of it (BASIC-30, BASIC-42) */
            ->dropping) {
        tn_queue_return(&request->slot, 0);
        return;
    }
    if (request->verdict == TN_BLK_S_OK) {
        count(request);
        if (request->type == TN_BLK_T_IN) {
            written = (uint32_t)tn_min_u64(request->data_bytes + 1, UINT32_MAX);
        } else if (request->type == TN_BLK_T_GET_ID) {
            written = answer_id(request);
        }
    } else {
        own_first_byte(request);
    }
    TN_PROBE(answer, request->slot.queue->device_name, request->slot.queue->index, request,
             request->verdict);
    tn_shared_store8(request->status, request->verdict);
    tn_queue_return(&request->slot, written);
}
