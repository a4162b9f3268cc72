/*
 * driver_net_ctrl.c: a network device's config space and control queue (VIRTIO 1.4 sections 5.1.4
 * and 5.1.9.5), as a driver sees them.
 *
 *   readable  [class 1][command 1][data]        writable  [ack 1][result]
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pieces.h"
#include "spec/virtio_net.h"
#include "tenon_driver_net.h"

int tnd_net_config(struct tenon_driver *driver, struct tnd_net_config *config)
{
    struct tn_net_config wire;
    int error = tnd_config_read(driver, 0, &wire, sizeof(wire));

    if (error) {
        return error;
    }
    *config = (struct tnd_net_config){
        .status = tn_from_le16(wire.status),
        .pairs = tn_from_le16(wire.max_virtqueue_pairs),
        .mtu = tn_from_le16(wire.mtu),
        .speed = tn_from_le32(wire.speed),
        .duplex = wire.duplex,
        .rss_key_bytes = wire.rss_max_key_size,
        .rss_table = tn_from_le16(wire.rss_max_indirection_table_length),
        .hash_types = tn_from_le32(wire.supported_hash_types),
        .tunnel_types = tn_from_le32(wire.supported_tunnel_types),
    };
    memcpy(config->mac, wire.mac, sizeof(config->mac));
    return 0;
}

unsigned tnd_net_control(struct tenon_driver *driver)
{
    struct tnd_net_config config = { .pairs = 1 };

    if (tnd_has(driver, TN_NET_F_MQ) || tnd_has(driver, TN_NET_F_RSS)) {
        tnd_net_config(driver, &config);
    }
    return 2u * config.pairs;
}

/* A request on its way: the token of its ring entry. */
struct flight {
    struct tnd_net_request *request;
    struct tnd_seg *segs;
    unsigned out_segs, in_segs;
    uint64_t out_gpa, in_gpa;
    uint32_t out_bytes, in_bytes;
};

static int place(struct tenon_driver *driver, struct flight *flight)
{
    struct tnd_net_request *r = flight->request;
    struct tnd_cuts out = { r->out.cuts, r->out.cut_count, r->out.scatter };
    struct tnd_cuts in = { r->in.cuts, r->in.cut_count, r->in.scatter };

    flight->out_bytes = (uint32_t)sizeof(struct tn_net_ctrl_header) + r->bytes;
    flight->in_bytes = 1 + r->result_bytes;
    flight->segs =
        calloc(tnd_pieces_count(flight->out_bytes, &out) + tnd_pieces_count(flight->in_bytes, &in),
               sizeof(*flight->segs));
    if (!flight->segs) {
        return -ENOMEM;
    }
    int n = tnd_pieces_place(driver->ram, flight->out_bytes, &out, false, flight->segs,
                             &flight->out_gpa);
    if (n < 0) {
        return n;
    }
    flight->out_segs = (unsigned)n;
    n = tnd_pieces_place(driver->ram, flight->in_bytes, &in, true, flight->segs + n,
                         &flight->in_gpa);
    if (n < 0) {
        return n;
    }
    flight->in_segs = (unsigned)n;
    return 0;
}

static void write_request(struct tenon_driver *driver, struct flight *flight)
{
    struct tnd_net_request *r = flight->request;
    struct tn_net_ctrl_header header = { r->class_, r->command };
    uint8_t no_ack = TND_NET_NO_ACK;

    tnd_pieces_move(driver->ram, flight->segs, flight->out_segs, 0, &header, sizeof(header), true);
    tnd_pieces_move(driver->ram, flight->segs, flight->out_segs, sizeof(header),
                    (void *)(uintptr_t)r->data, r->bytes, true);
    tnd_pieces_move(driver->ram, flight->segs + flight->out_segs, flight->in_segs, 0, &no_ack, 1,
                    true);
}

static void read_answer(struct tenon_driver *driver, struct flight *flight)
{
    struct tnd_net_request *r = flight->request;
    const struct tnd_seg *in = flight->segs + flight->out_segs;

    tnd_pieces_move(driver->ram, in, flight->in_segs, 0, &r->ack, 1, false);
    if (r->result) {
        tnd_pieces_move(driver->ram, in, flight->in_segs, 1, r->result, r->result_bytes, false);
    }
    tnd_pieces_release(driver->ram, flight->segs, flight->out_segs, flight->out_gpa,
                       flight->out_bytes);
    tnd_pieces_release(driver->ram, in, flight->in_segs, flight->in_gpa, flight->in_bytes);
    r->done = true;
}

int tnd_net_request(struct tenon_driver *driver, struct tnd_net_request *request)
{
    unsigned queue = tnd_net_control(driver);
    struct flight flight = { .request = request };
    struct tnd_used used;

    request->done = false;
    request->ack = TND_NET_NO_ACK;
    int error = place(driver, &flight);
    if (!error) {
        write_request(driver, &flight);
        int head = tnd_add(driver, queue, flight.segs, flight.out_segs + flight.in_segs,
                           request->out.form, &flight);
        error = head < 0 ? head : 0;
    }
    if (!error) {
        tnd_kick(driver, queue);
        error = tnd_wait_used(driver, queue, &used);
        if (error) { /* the device may still write its memory, which stays taken */
            tnd_ring_forget(driver->queues[queue].ring, &flight);
        } else if (used.token != &flight) {
            error = -EBADMSG;
        } else {
            request->used_bytes = used.bytes;
            read_answer(driver, &flight);
        }
    }
    free(flight.segs);
    return error ? error : request->ack;
}

int tnd_net_command(struct tenon_driver *driver, uint8_t class_, uint8_t command, const void *data,
                    uint32_t bytes)
{
    struct tnd_net_request request = {
        .class_ = class_, .command = command, .data = data, .bytes = bytes
    };
    return tnd_net_request(driver, &request);
}
