/*
 * parse.c: what a request looks like in guest memory (section 5.2.6), whatever the framing:
 *
 *   readable  [ header 16 ][ data of OUT, DISCARD, WRITE_ZEROES ... ]
 *   writable  [ data of IN, GET_ID ... ][ status 1 ]
 *
 * Everything is copied once; from here on the request is a private value. No assumption on how it
 * is cut into descriptors (SPLIT-07). Nothing here decides what is legal.
 */
#include "blk/blk.h"

#include "base/iov.h"

/*
 * Where the status byte is: the last byte of the writable part (BLK-24). NULL when there is none,
 * or it is outside memory.
 */
static uint8_t *find_status(const struct tn_chain *chain)
{
    if (chain->writable == 0) {
        return NULL;
    }
    const struct iovec *last = &chain->iov[chain->readable + chain->writable - 1];

    return last->iov_base ? (uint8_t *)last->iov_base + last->iov_len - 1 : NULL;
}

bool blk_parse(struct blk_request *request)
{
    struct tn_chain *chain = &request->slot.chain;
    struct tn_blk_header header;

    request->status = find_status(chain);
    if (!request->status) {
        return false;
    }
    request->verdict = TN_BLK_S_OK;
    request->stable = request->ordered = request->unmap = request->in_disk = false;
    request->alone = false;
    request->merge = NULL;
    request->parked = request->dormant = false;
    request->blockers = 0;
    request->range_count = request->range_next = 0;
    request->data_bytes = 0;
    request->data_iovecs = 0;
    tn_list_init(&request->link);
    tn_list_init(&request->order);

    request->header_ok = chain->readable_bytes >= sizeof(header) &&
                         tn_iov_copy_from(&header, chain->iov, chain->readable, 0, sizeof(header));
    if (!request->header_ok) {
        return true;
    }
    request->type = tn_from_le32(header.type);
    request->sector = tn_from_le64(header.sector);
    if (request->type == TN_BLK_T_IN || request->type == TN_BLK_T_GET_ID) {
        request->data = chain->iov + chain->readable;
        request->data_iovecs = chain->writable;
        request->data_bytes = chain->writable_bytes - 1;
        tn_iov_cut(&request->data, &request->data_iovecs, 0, request->data_bytes);
    } else {
        request->data = chain->iov;
        request->data_iovecs = chain->readable;
        request->data_bytes = chain->readable_bytes - sizeof(header);
        tn_iov_cut(&request->data, &request->data_iovecs, sizeof(header), request->data_bytes);
    }
    return true;
}
