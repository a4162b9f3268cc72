/*
 * driver_net.c: frames (VIRTIO 1.4 section 5.1.9) in any framing, over either transport.
 *
 *   receive:   writable  [header 12 or 20][frame]      one chain, or more with MRG_RXBUF
 *   transmit:  readable  [header 12 or 20][frame]      one chain
 *
 * Receive buffers begin as TND_NET_POISON, so that a byte which the device should have written and
 * did not is found out, and one which it should not have written too. The control queue is in
 * driver_net_ctrl.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pieces.h"
#include "spec/virtio.h"
#include "spec/virtio_net.h"
#include "tenon_driver_net.h"

/* One posted chain: the token of its ring entry. In the driver's list until it comes back. */
struct buffer {
    struct buffer *next, **link;
    unsigned queue;
    uint32_t room;
    uint64_t base;
    unsigned seg_count;
    struct tnd_seg segs[];
};

uint32_t tnd_net_header_bytes(const struct tenon_driver *driver)
{
    return tnd_has(driver, TN_NET_F_HASH_REPORT) ? TN_NET_HEADER_HASH_BYTES : TN_NET_HEADER_BYTES;
}

unsigned tnd_net_rx(unsigned pair)
{
    return 2 * pair;
}

unsigned tnd_net_tx(unsigned pair)
{
    return 2 * pair + 1;
}

static struct tnd_net_header from_wire(const struct tn_net_header *wire)
{
    return (struct tnd_net_header){ .flags = wire->flags,
                                    .gso_type = wire->gso_type,
                                    .hdr_len = tn_from_le16(wire->hdr_len),
                                    .gso_size = tn_from_le16(wire->gso_size),
                                    .csum_start = tn_from_le16(wire->csum_start),
                                    .csum_offset = tn_from_le16(wire->csum_offset),
                                    .num_buffers = tn_from_le16(wire->num_buffers),
                                    .hash_value = tn_from_le32(wire->hash_value),
                                    .hash_report = tn_from_le16(wire->hash_report) };
}

static struct tn_net_header to_wire(const struct tnd_net_header *header)
{
    return (struct tn_net_header){ .flags = header->flags,
                                   .gso_type = header->gso_type,
                                   .hdr_len = tn_to_le16(header->hdr_len),
                                   .gso_size = tn_to_le16(header->gso_size),
                                   .csum_start = tn_to_le16(header->csum_start),
                                   .csum_offset = tn_to_le16(header->csum_offset),
                                   .num_buffers = tn_to_le16(header->num_buffers),
                                   .hash_value = tn_to_le32(header->hash_value),
                                   .hash_report = tn_to_le16(header->hash_report) };
}

/* ---- receive ---- */

static void enlist(struct tenon_driver *driver, struct buffer *buffer, unsigned queue)
{
    struct buffer **first = (struct buffer **)(void *)&driver->net_buffers;

    buffer->queue = queue;
    buffer->next = *first;
    buffer->link = first;
    if (buffer->next) {
        buffer->next->link = &buffer->next;
    }
    *first = buffer;
}

static void free_buffer(struct tenon_driver *driver, struct buffer *buffer)
{
    if (buffer->link) {
        *buffer->link = buffer->next;
    }
    if (buffer->next) {
        buffer->next->link = buffer->link;
    }
    tnd_pieces_release(driver->ram, buffer->segs, buffer->seg_count, buffer->base, buffer->room);
    free(buffer);
}

int tnd_net_post(struct tenon_driver *driver, unsigned queue, uint32_t room,
                 const struct tnd_shape *shape)
{
    static const struct tnd_shape plain;
    const struct tnd_shape *s = shape ? shape : &plain;
    struct tnd_cuts cuts = { s->cuts, s->cut_count, s->scatter };
    unsigned most = tnd_pieces_count(room, &cuts);
    struct buffer *buffer = calloc(1, sizeof(*buffer) + most * sizeof(buffer->segs[0]));

    if (!buffer) {
        return -ENOMEM;
    }
    buffer->room = room;
    int n = tnd_pieces_place(driver->ram, room, &cuts, true, buffer->segs, &buffer->base);
    if (n < 0) {
        free(buffer);
        return n;
    }
    buffer->seg_count = (unsigned)n;
    int head = tnd_add(driver, queue, buffer->segs, buffer->seg_count, s->form, buffer);
    if (head < 0) {
        free_buffer(driver, buffer);
    } else {
        enlist(driver, buffer, queue);
    }
    return head;
}

int tnd_net_fill(struct tenon_driver *driver, unsigned queue, uint32_t room, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        int head = tnd_net_post(driver, queue, room, NULL);
        if (head < 0) {
            return head;
        }
    }
    tnd_kick(driver, queue);
    return 0;
}

/* Bytes at the end of a buffer that are not as they were. */
static uint32_t stray_bytes(struct tenon_driver *driver, const struct buffer *buffer, uint32_t used)
{
    uint8_t some[4096];
    uint32_t stray = 0;

    for (uint32_t at = used; at < buffer->room; at += (uint32_t)sizeof(some)) {
        uint32_t n = buffer->room - at;
        n = n < sizeof(some) ? n : (uint32_t)sizeof(some);
        tnd_pieces_move(driver->ram, buffer->segs, buffer->seg_count, at, some, n, false);
        for (uint32_t i = 0; i < n; i++) {
            stray += some[i] != TND_NET_POISON;
        }
    }
    return stray;
}

static int broke(struct tnd_net_frame *frame, const char *wrong)
{
    frame->wrong = wrong;
    return -EBADMSG;
}

/* Moves [from, used) of one chain behind the frame. */
static int append(struct tenon_driver *driver, struct tnd_net_frame *frame,
                  const struct tnd_used *used, uint32_t from)
{
    struct buffer *buffer = used->token;
    uint32_t n = used->bytes - from;

    if (used->bytes > buffer->room) {
        return broke(frame, "a used length is larger than its buffer");
    }
    if (n > sizeof(frame->data) - frame->bytes) {
        return broke(frame, "a frame is longer than any may be");
    }
    tnd_pieces_move(driver->ram, buffer->segs, buffer->seg_count, from, frame->data + frame->bytes,
                    n, false);
    frame->bytes += n;
    frame->stray += stray_bytes(driver, buffer, used->bytes);
    frame->buffers++;
    return 0;
}

/* The first chain: its header, and what of the frame is in it. */
static int take_first(struct tenon_driver *driver, struct tnd_net_frame *frame,
                      const struct tnd_used *used)
{
    struct buffer *buffer = used->token;
    uint32_t header_bytes = tnd_net_header_bytes(driver);
    struct tn_net_header wire = { .flags = 0 };

    if (used->bytes == 0) {
        frame->unused = true;
        frame->buffers = 1;
        frame->stray = stray_bytes(driver, buffer, 0);
        return 0;
    }
    if (used->bytes < header_bytes) {
        return broke(frame, "a used length is shorter than the header");
    }
    tnd_pieces_move(driver->ram, buffer->segs, buffer->seg_count, 0, &wire, header_bytes, false);
    frame->header = from_wire(&wire);
    if (frame->header.num_buffers == 0) {
        return broke(frame, "num_buffers is 0");
    }
    if (frame->header.num_buffers != 1 && !tnd_has(driver, TN_NET_F_MRG_RXBUF)) {
        return broke(frame, "num_buffers is not 1, without MRG_RXBUF");
    }
    return append(driver, frame, used, header_bytes);
}

int tnd_net_take(struct tenon_driver *driver, unsigned queue, struct tnd_net_frame *frame)
{
    struct tnd_ring *ring = driver->queues[queue].ring;
    struct tnd_used used;
    unsigned buffers = 1;
    int error = 0;
    bool full = true;

    memset(frame, 0, offsetof(struct tnd_net_frame, data));
    if (!tnd_ring_take(ring, &used)) {
        return 0;
    }
    for (unsigned i = 0; i < buffers && !error; i++) {
        if (i != 0 && !tnd_ring_take(ring, &used)) {
            return broke(frame, "not all buffers of a frame came together");
        }
        if (!used.token) {
            return broke(frame, "a used entry names a chain that is not posted");
        }
        if (!full) {
            error = broke(frame, "a buffer that is not a frame's last is not full");
        } else {
            error = i == 0 ? take_first(driver, frame, &used) : append(driver, frame, &used, 0);
        }
        full = used.bytes == ((struct buffer *)used.token)->room;
        buffers = frame->header.num_buffers;
        free_buffer(driver, used.token);
    }
    return error ? error : 1;
}

int tnd_net_receive(struct tenon_driver *driver, unsigned queue, struct tnd_net_frame *frame)
{
    uint64_t end = tnd_now_ms() + driver->timeout_ms;

    for (;;) {
        int taken = tnd_net_take(driver, queue, frame);
        if (taken != 0) {
            return taken < 0 ? taken : 0;
        }
        if (tnd_ring_irq_on(driver->queues[queue].ring)) {
            continue;
        }
        int error = tnd_await_irq(driver, queue, end);
        if (error) {
            return error;
        }
    }
}

void tnd_net_forget(struct tenon_driver *driver, unsigned queue)
{
    struct buffer *next;

    for (struct buffer *b = driver->net_buffers; b; b = next) {
        next = b->next;
        if (b->queue == queue || queue == TND_NET_ALL) {
            tnd_ring_forget(driver->queues[b->queue].ring, b);
            free_buffer(driver, b);
        }
    }
}

/* ---- transmit ---- */

void tnd_net_forget_packet(struct tenon_driver *driver, struct tnd_net_packet *packet)
{
    if (packet->segs) {
        tnd_pieces_release(driver->ram, packet->segs, packet->seg_count, packet->gpa,
                           packet->total);
    }
    free(packet->segs);
    packet->segs = NULL;
}

/* Header and frame, as far as they are to go, into guest memory. */
static int place_packet(struct tenon_driver *driver, struct tnd_net_packet *packet)
{
    uint32_t header_bytes = tnd_net_header_bytes(driver);
    struct tn_net_header wire = to_wire(&packet->header);
    struct tnd_cuts cuts = { packet->shape.cuts, packet->shape.cut_count, packet->shape.scatter };

    packet->total = header_bytes + packet->bytes;
    if (packet->only != 0 && packet->only < packet->total) {
        packet->total = packet->only;
    }
    packet->seg_count = 0;
    packet->segs = calloc(tnd_pieces_count(packet->total, &cuts), sizeof(*packet->segs));
    if (!packet->segs) {
        return -ENOMEM;
    }
    int n = tnd_pieces_place(driver->ram, packet->total, &cuts, false, packet->segs, &packet->gpa);
    if (n < 0) {
        free(packet->segs);
        packet->segs = NULL;
        return n;
    }
    packet->seg_count = (unsigned)n;
    uint32_t head = packet->total < header_bytes ? packet->total : header_bytes;
    tnd_pieces_move(driver->ram, packet->segs, packet->seg_count, 0, &wire, head, true);
    tnd_pieces_move(driver->ram, packet->segs, packet->seg_count, head,
                    (void *)(uintptr_t)packet->frame, packet->total - head, true);
    return 0;
}

int tnd_net_add(struct tenon_driver *driver, unsigned queue, struct tnd_net_packet *packet)
{
    packet->done = false;
    packet->segs = NULL;
    int error = place_packet(driver, packet);
    if (!error) {
        error = tnd_add(driver, queue, packet->segs, packet->seg_count, packet->shape.form, packet);
    }
    if (error < 0) {
        tnd_net_forget_packet(driver, packet);
        return error;
    }
    return 0;
}

int tnd_net_submit(struct tenon_driver *driver, unsigned queue, struct tnd_net_packet *packet)
{
    int error = tnd_net_add(driver, queue, packet);
    if (!error) {
        tnd_kick(driver, queue);
    }
    return error;
}

static void finish(struct tenon_driver *driver, unsigned queue, const struct tnd_used *used)
{
    struct tnd_net_packet *packet = used->token;
    if (!packet) {
        return;
    }
    packet->used_bytes = used->bytes;
    packet->order = driver->queues[queue].ring->next_used;
    tnd_net_forget_packet(driver, packet);
    packet->done = true;
}

unsigned tnd_net_reap(struct tenon_driver *driver, unsigned queue)
{
    struct tnd_used used;
    unsigned n = 0;
    while (tnd_ring_take(driver->queues[queue].ring, &used)) {
        finish(driver, queue, &used);
        n++;
    }
    return n;
}

int tnd_net_wait(struct tenon_driver *driver, unsigned queue, struct tnd_net_packet *packet)
{
    struct tnd_used used;
    while (!packet->done) {
        int error = tnd_wait_used(driver, queue, &used);
        if (error) {
            return error;
        }
        finish(driver, queue, &used);
    }
    return 0;
}

int tnd_net_send(struct tenon_driver *driver, unsigned queue, const void *frame, uint32_t bytes)
{
    struct tnd_net_packet packet = { .frame = frame, .bytes = bytes };
    int error = tnd_net_submit(driver, queue, &packet);

    error = error ? error : tnd_net_wait(driver, queue, &packet);
    if (error) { /* it goes away; its guest memory stays taken, for the device may still read it */
        if (packet.segs) {
            tnd_ring_forget(driver->queues[queue].ring, &packet);
        }
        free(packet.segs);
        return error;
    }
    return packet.used_bytes == 0 ? 0 : -EBADMSG;
}
