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

static struct net_words read_header(const struct iovec *iov, unsigned count)
{
    const le32 *at = iov->iov_base;
    le32 copy[3];

    if (iov->iov_len < sizeof(copy) || (uintptr_t)at % sizeof(*at) != 0) {
        tn_iov_copy_from(copy, iov, count, 0, sizeof(copy));
        return (struct net_words){ tn_from_le32(copy[0]), tn_from_le32(copy[1]),
                                   tn_from_le32(copy[2]) };
    }
    return net_frame_words(at);
}

/*
 * Unknown flags mean nothing (NET-22), and what the driver found valid is no news to anybody. Where
 * nothing is asked for, the other fields mean nothing.
 */
static struct tenon_offload decode(struct net_words header)
{
    if ((header.what & NET_WORD_ASKS) == 0) {
        return (struct tenon_offload){ 0 };
    }
    return (struct tenon_offload){
        .flags = header.what & TN_NET_HDR_F_NEEDS_CSUM,
        .gso = (uint8_t)(header.what >> 8),
        .header_bytes = (uint16_t)(header.what >> 16),
        .gso_bytes = (uint16_t)header.size,
        .csum_start = (uint16_t)(header.size >> 16),
        .csum_offset = (uint16_t)header.sum,
    };
}

unsigned net_frame_open_any(struct net_slot *slot, unsigned header_bytes, unsigned host_can,
                            const struct net_words *header)
{
    struct tn_chain *chain = &slot->slot.chain;
    struct tenon_frame *frame = &slot->frame;
    struct iovec *iov = chain->iov;
    unsigned count = chain->readable;
    uint64_t bytes = chain->readable_bytes;

    if (bytes < header_bytes + TENON_FRAME_HEADER_BYTES ||
        (chain->holes && tn_iov_has_hole(iov, count, 0, bytes))) {
        return NET_COUNT_MALFORMED;
    }
    if (bytes > header_bytes + TENON_FRAME_BYTES_MAX) {
        return NET_COUNT_TOO_LONG;
    }
    frame->offload = decode(header ? *header : read_header(iov, count));
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
    return net_offload_check(&frame->offload, frame->bytes, host_can) ? 0 : NET_COUNT_BAD_HEADER;
}

void net_frame_write_header(const struct iovec *iov, unsigned count, const le32 *header,
                            unsigned bytes)
{
    if (iov->iov_len >= bytes) {
        tn_shared_copy_to(iov->iov_base, header, bytes);
    } else {
        tn_iov_copy_to(iov, count, 0, header, bytes);
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

uint32_t net_frame_most(const struct net *net, unsigned can)
{
    uint32_t mtu = net->mtu ? net->mtu : net->info.mtu ? net->info.mtu : NET_MTU_DEFAULT;

    return can & TN_CAN_SEGMENTS ? TENON_FRAME_BYTES_MAX : mtu + TENON_FRAME_HEADER_BYTES;
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
