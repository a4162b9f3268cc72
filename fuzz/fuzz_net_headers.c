/*
 * fuzz_net_headers.c: the header of a transmitted frame and the frame, from a guest that may write
 * anything into both.
 *
 *   input: a shape, its edits, cuts ──> frame in iovecs ──> check ──> checksum, segments
 *
 * Claims: nothing outside of the iovecs is read, nothing outside of a segment's room is written;
 * what passes the check lies within the frame and was negotiated; the checksum is what adding byte
 * by byte gives; segments are as many and as long as the frame and gso_bytes say, have the frame's
 * headers but for what is each one's own, and together the frame's payload; frames that nobody
 * edited are not refused, and their segments are good packets to a reader of its own.
 */
#include <string.h>

#include "frame_model.h"
#include "input.h"
#include "net/net.h"

enum { PIECES = 12, PAYLOAD_MAX = 20000 };

struct run {
    struct tenon_offload offload;
    struct frame_shape shape;
    uint8_t frame[FRAME_MAX];
    uint32_t bytes;
    unsigned can;
    bool edited;
    struct iovec iov[PIECES + 1]; /* each its own memory, of its length */
    unsigned pieces;
};

/* ---- the input ---- */

static void take_shape(struct input *in, struct run *run)
{
    unsigned kind = input_u8(in);
    struct frame_shape *shape = &run->shape;

    *shape = (struct frame_shape){ .v6 = kind & 1,
                                   .udp = kind & 2,
                                   .ecn = (kind & 6) == 4,
                                   .dont_fragment = kind & 8,
                                   .tags = (kind >> 4 & 3) % 3,
                                   .ip_words = input_below(in, 11),
                                   .tcp_words = input_below(in, 11),
                                   .extensions = input_below(in, 16),
                                   .flags = input_u8(in),
                                   .id = input_u16(in),
                                   .sequence = (uint32_t)input_u16(in) << 16,
                                   .payload = input_u16(in) % PAYLOAD_MAX };
    /* Mostly between a piece of a byte and one of all; few enough pieces for many runs a second. */
    shape->segment = (uint16_t)(1 + shape->payload / (1 + input_below(in, 40)));
    run->bytes = frame_make(shape, run->frame, &run->offload);
    if (kind & 64) {
        run->offload.gso = TENON_GSO_NONE;
    }
}

static void take_edits(struct input *in, struct run *run)
{
    run->can = input_rare(in) ? input_u8(in) & TENON_CAN_ALL : TENON_CAN_ALL;
    run->edited = run->can != TENON_CAN_ALL;
    while (input_rare(in)) {
        run->edited = true;
        switch (input_below(in, 8)) {
        case 0:
            run->offload.csum_start = input_u16(in);
            break;
        case 1:
            run->offload.csum_offset = input_u16(in);
            break;
        case 2:
            run->offload.gso_bytes = input_u16(in);
            break;
        case 3:
            run->offload.gso = input_u8(in);
            break;
        case 4:
            run->offload.flags = input_u8(in);
            break;
        case 5:
            run->bytes = input_u16(in) % run->bytes;
            run->bytes += run->bytes == 0;
            break;
        default:
            run->frame[input_u8(in)] = input_u8(in);
            break;
        }
    }
    run->offload.header_bytes = input_u16(in);
}

static void take_cuts(struct input *in, struct run *run)
{
    uint32_t at = 0;

    for (run->pieces = 0; at < run->bytes; run->pieces++) {
        uint32_t part = input_u8(in);
        part = part >= 128 ? (part - 127) * 100 : part;
        if (run->pieces == PIECES || part > run->bytes - at || in->left == 0) {
            part = run->bytes - at;
        }
        uint8_t *piece = malloc(part != 0 ? part : 1);
        FUZZ_CHECK(piece);
        memcpy(piece, run->frame + at, part);
        run->iov[run->pieces] = (struct iovec){ piece, part };
        at += part;
    }
}

/* ---- the claims ---- */

/* Without what is each segment's own: lengths, ID, checksums, sequence number, flags. */
static void blank(const struct net_segments *segments, uint8_t *headers)
{
    uint8_t *ip = headers + segments->network, *transport = headers + segments->transport;

    memset(ip + (ip[0] >> 4 == 4 ? 2 : 4), 0, 2);
    if (ip[0] >> 4 == 4) {
        memset(ip + 4, 0, 2);
        memset(ip + 10, 0, 2);
    }
    if (segments->offload.csum_offset == 6) {
        memset(transport + 4, 0, 4);
    } else {
        memset(transport + 4, 0, 4);
        transport[13] &= (uint8_t) ~(FRAME_FIN | FRAME_PSH | FRAME_CWR);
        memset(transport + 16, 0, 2);
    }
}

static void check_headers(const struct run *run, const struct net_segments *segments,
                          const uint8_t *segment, uint32_t bytes, uint32_t number)
{
    uint8_t want[NET_HEADERS_MAX], seen[NET_HEADERS_MAX];
    unsigned network = segments->network, transport = segments->transport;
    bool v4 = segment[network] >> 4 == 4;

    memcpy(want, run->frame, segments->header_bytes);
    memcpy(seen, segment, segments->header_bytes);
    blank(segments, want);
    blank(segments, seen);
    FUZZ_CHECK(memcmp(want, seen, segments->header_bytes) == 0);
    if (v4) {
        unsigned id = frame_be16(run->frame + network + 4) + number;
        FUZZ_CHECK(frame_be16(segment + network + 4) == (id & 0xffff));
        FUZZ_CHECK(frame_sum(0, segment + network, transport - network) == 0xffff);
    }
    FUZZ_CHECK(frame_be16(segment + network + (v4 ? 2 : 4)) == bytes - network - (v4 ? 0 : 40));
    /* What the guest put for the pseudo header of the whole, with this one's length instead. */
    uint8_t parts[6];
    unsigned whole = run->bytes - transport, field = run->offload.csum_offset;
    memcpy(parts, run->frame + transport + field, 2);
    frame_put16(parts + 2, 0xffff - whole);
    frame_put16(parts + 4, bytes - transport);
    unsigned sum = frame_sum(frame_sum(0, parts, 6), segment + transport, bytes - transport);
    FUZZ_CHECK(sum == 0xffff);
}

static void check_segments(const struct run *run)
{
    uint32_t done = 0, number = 0, bytes, most = run->offload.gso_bytes;
    size_t room = NET_HEADERS_MAX + (size_t)most;
    struct net_segments segments;
    struct frame_seen seen;
    int r = net_segments_begin(&segments, run->iov, run->pieces, run->bytes, &run->offload);

    FUZZ_CHECK(r == 0 || (r == -22 && (run->edited || run->shape.payload > most * 2048)));
    if (r != 0) {
        return;
    }
    uint32_t headers = segments.header_bytes, payload = run->bytes - headers;
    FUZZ_CHECK(segments.transport == run->offload.csum_start && headers <= NET_HEADERS_MAX);
    FUZZ_CHECK(segments.network < segments.transport && segments.transport < headers);
    uint8_t *to = malloc(room);
    FUZZ_CHECK(to);
    while ((bytes = net_segments_next(&segments, to)) != 0) {
        uint32_t part = bytes - headers, left = payload - done;

        FUZZ_CHECK(bytes >= headers && part == (left < most ? left : most));
        FUZZ_CHECK(memcmp(to + headers, run->frame + headers + done, part) == 0);
        check_headers(run, &segments, to, bytes, number);
        FUZZ_CHECK(run->edited || !frame_read(to, bytes, &seen));
        done += part;
        number++;
        FUZZ_CHECK(number <= NET_SEGMENTS_MAX);
    }
    FUZZ_CHECK(done == payload && number >= 1);
    FUZZ_CHECK(net_segments_next(&segments, to) == 0);
    free(to);
}

static void check_checksum(struct run *run)
{
    const struct tenon_offload *offload = &run->offload;
    uint32_t start = offload->csum_start, field = start + offload->csum_offset, at = 0;
    struct tenon_offload done = *offload;
    unsigned want = 0xffff - frame_sum(0, run->frame + start, run->bytes - start);

    FUZZ_CHECK(field + 2 <= run->bytes);
    want = want == 0 && offload->csum_offset == 6 ? 0xffff : want;
    FUZZ_CHECK(net_checksum(run->iov, run->pieces, run->bytes, offload) == want);
    FUZZ_CHECK(net_checksum_finish(run->iov, run->pieces, run->bytes, &done));
    FUZZ_CHECK(done.flags == 0 && net_offload_needs(&done) == (net_offload_needs(offload) & ~1U));
    frame_put16(run->frame + field, want);
    for (unsigned i = 0; i < run->pieces; i++) {
        FUZZ_CHECK(memcmp(run->iov[i].iov_base, run->frame + at, run->iov[i].iov_len) == 0);
        at += (uint32_t)run->iov[i].iov_len;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct run run;
    struct input in = { .data = data, .left = bytes };

    take_shape(&in, &run);
    take_edits(&in, &run);
    take_cuts(&in, &run);
    bool needs = run.offload.flags & TENON_OFFLOAD_NEEDS_CSUM;
    bool good = net_offload_check(&run.offload, run.bytes, run.can);
    FUZZ_CHECK(good || run.edited);
    FUZZ_CHECK(!good || (net_offload_needs(&run.offload) & ~run.can &
                         ~(TENON_CAN_USO4 | TENON_CAN_USO6)) == 0);
    FUZZ_CHECK(!good || run.offload.gso == 0 || (needs && run.offload.gso_bytes != 0));
    /* Nothing may go wrong in begin, either, when nobody has checked. */
    if (run.offload.gso != 0) {
        check_segments(&run);
    }
    /* The last, for it writes. */
    if (good && needs) {
        check_checksum(&run);
    } else {
        net_checksum(run.iov, run.pieces, run.bytes, &run.offload);
    }
    for (unsigned i = 0; i < run.pieces; i++) {
        free(run.iov[i].iov_base);
    }
    return 0;
}
