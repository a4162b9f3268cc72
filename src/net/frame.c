/*
 * frame.c: a frame in guest memory: the header in front of it, whatever the framing, and moving its
 * bytes.
 *
 *   transmit  [header|frame] readable      ──open──> tenon_offload, and iovecs of the frame alone
 *   receive   [header|frame] writable      <──put──  tenon_offload, how many buffers, hash
 *
 * The header is read once, into private memory. On the queue's worker.
 */
#include "net/net.h"

#include <string.h>

#include "base/iov.h"
#include "base/num.h"
#include "base/shared.h"

/* The header as three words: most of them say nothing, and that is seen at one. */
struct words {
    uint32_t what; /* flags, gso_type, hdr_len */
    uint32_t size; /* gso_size, csum_start */
    uint32_t sum;  /* csum_offset, num_buffers */
};

static inline struct words read_header(const struct iovec *iov, unsigned count)
{
    const le32 *at = iov->iov_base;
    le32 copy[3];

    if (iov->iov_len < sizeof(copy) || (uintptr_t)at % sizeof(*at) != 0) {
        tn_iov_copy_from(copy, iov, count, 0, sizeof(copy));
        return (struct words){ tn_from_le32(copy[0]), tn_from_le32(copy[1]),
                               tn_from_le32(copy[2]) };
    }
    return (struct words){ tn_shared_load32_once(&at[0]), tn_shared_load32_once(&at[1]),
                           tn_shared_load32_once(&at[2]) };
}

/*
 * Unknown flags mean nothing (NET-22), and what the driver found valid is no news to anybody. Where
 * nothing is asked for, the other fields mean nothing.
 */
static inline struct tenon_offload decode(struct words header)
{
    struct tenon_offload offload = {
        .flags = header.what & TN_NET_HDR_F_NEEDS_CSUM,
        .gso = (uint8_t)(header.what >> 8),
    };

    if (!net_offload_is_none(&offload)) {
        offload.header_bytes = (uint16_t)(header.what >> 16);
        offload.gso_bytes = (uint16_t)header.size;
        offload.csum_start = (uint16_t)(header.size >> 16);
        offload.csum_offset = (uint16_t)header.sum;
    }
    return offload;
}

bool net_frame_open(struct net_slot *slot, unsigned header_bytes, unsigned host_can, unsigned *why)
{
    struct tn_chain *chain = &slot->slot.chain;
    struct tenon_frame *frame = &slot->frame;
    struct iovec *iov = chain->iov;
    unsigned count = chain->readable;
    uint64_t bytes = chain->readable_bytes;

    *why = NET_COUNT_MALFORMED;
    if (bytes < header_bytes + TENON_FRAME_HEADER_BYTES ||
        (chain->holes && tn_iov_has_hole(iov, count, 0, bytes))) {
        return false;
    }
    *why = NET_COUNT_TOO_LONG;
    if (bytes > header_bytes + TENON_FRAME_BYTES_MAX) {
        return false;
    }
    frame->offload = decode(read_header(iov, count));
    if (iov->iov_len == header_bytes) {
        iov++;
        count--;
    } else if (iov->iov_len > header_bytes) {
        iov->iov_base = (uint8_t *)iov->iov_base + header_bytes;
        iov->iov_len -= header_bytes;
    } else {
        tn_iov_cut(&iov, &count, header_bytes, bytes - header_bytes);
    }
    frame->iov = iov;
    frame->iov_count = count;
    frame->bytes = (uint32_t)bytes - header_bytes;
    frame->result = 0;
    *why = NET_COUNT_BAD_HEADER;
    return net_offload_is_none(&frame->offload) ||
           net_offload_check(&frame->offload, frame->bytes, host_can);
}

void net_frame_put_header(const struct iovec *iov, unsigned count, unsigned header_bytes,
                          const struct tenon_offload *offload, unsigned buffers, uint32_t hash,
                          uint16_t report)
{
    struct tn_net_header header = {
        .flags = offload->flags,
        .gso_type = offload->gso,
        .hdr_len = tn_to_le16(offload->header_bytes),
        .gso_size = tn_to_le16(offload->gso_bytes),
        .csum_start = tn_to_le16(offload->csum_start),
        .csum_offset = tn_to_le16(offload->csum_offset),
        .num_buffers = tn_to_le16((uint16_t)buffers),
        .hash_value = tn_to_le32(hash),
        .hash_report = tn_to_le16(report),
    };

    if (iov->iov_len >= TN_NET_HEADER_BYTES && header_bytes == TN_NET_HEADER_BYTES) {
        memcpy(iov->iov_base, &header, TN_NET_HEADER_BYTES);
    } else if (iov->iov_len >= header_bytes) {
        tn_shared_copy_to(iov->iov_base, &header, header_bytes);
    } else {
        tn_iov_copy_to(iov, count, 0, &header, header_bytes);
    }
}

static inline void step(struct net_cursor *cursor, uint64_t bytes)
{
    cursor->skip += bytes;
    if (cursor->skip == cursor->iov->iov_len) {
        cursor->skip = 0;
        cursor->iov++;
    }
}

void net_frame_skip(struct net_cursor *cursor, uint64_t bytes)
{
    while (bytes > 0) {
        uint64_t part = tn_min_u64(bytes, cursor->iov->iov_len - cursor->skip);
        step(cursor, part);
        bytes -= part;
    }
}

void net_frame_copy(struct net_cursor *to, struct net_cursor *from, uint64_t bytes)
{
    while (bytes > 0) {
        uint64_t room = tn_min_u64(to->iov->iov_len - to->skip, from->iov->iov_len - from->skip);
        uint64_t part = tn_min_u64(bytes, room);

        tn_shared_move((uint8_t *)to->iov->iov_base + to->skip,
                       (const uint8_t *)from->iov->iov_base + from->skip, part);
        step(to, part);
        step(from, part);
        bytes -= part;
    }
}

uint32_t net_frame_look(const struct tenon_frame *frame, uint8_t *to, uint32_t room)
{
    uint32_t done = 0, bytes = (uint32_t)tn_min_u64(frame->bytes, room);

    for (unsigned i = 0; done < bytes && i < frame->iov_count; i++) {
        size_t part = (size_t)tn_min_u64(frame->iov[i].iov_len, bytes - done);

        tn_shared_move(to + done, frame->iov[i].iov_base, part);
        done += (uint32_t)part;
    }
    return done;
}
