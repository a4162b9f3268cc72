/*
 * driver_blk.c: block requests (VIRTIO 1.4 section 5.2.6) in any framing, over either transport.
 *
 *   readable:  [header 16][data to the device]        cut anywhere (SPLIT-07)
 *   writable:  [data from the device][status 1]       cut anywhere
 *
 * The status byte begins as TND_BLK_UNTOUCHED, so that a device which does not write it is found
 * out. A request owns its guest memory until it is done.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "pieces.h"
#include "spec/virtio_blk.h"

static struct tnd_cuts out_cuts(const struct tnd_blk_request *request)
{
    return (struct tnd_cuts){ request->out_cuts, request->out_cut_count, request->scatter };
}

static struct tnd_cuts in_cuts(const struct tnd_blk_request *request)
{
    return (struct tnd_cuts){ request->in_cuts, request->in_cut_count, request->scatter };
}

void tnd_blk_forget(struct tenon_driver *driver, struct tnd_blk_request *request)
{
    if (request->scatter) {
        for (unsigned i = 0; i < request->seg_count; i++) {
            tnd_ram_release(driver->ram, request->segs[i].gpa, request->segs[i].bytes);
        }
    } else {
        if (request->out_gpa != (uint64_t)TND_NO_GPA) {
            tnd_ram_release(driver->ram, request->out_gpa,
                            sizeof(struct tn_blk_header) + request->out_bytes);
        }
        if (request->in_gpa != (uint64_t)TND_NO_GPA) {
            tnd_ram_release(driver->ram, request->in_gpa, (uint64_t)request->in_bytes + 1);
        }
    }
    free(request->segs);
    request->segs = NULL;
}

static int place(struct tenon_driver *driver, struct tnd_blk_request *request)
{
    uint32_t out_total = (uint32_t)sizeof(struct tn_blk_header) + request->out_bytes;
    struct tnd_cuts out = out_cuts(request), in = in_cuts(request);
    unsigned most =
        tnd_pieces_count(out_total, &out) + tnd_pieces_count(request->in_bytes + 1, &in);

    request->seg_count = 0;
    request->out_gpa = request->in_gpa = (uint64_t)TND_NO_GPA;
    request->segs = calloc(most, sizeof(*request->segs));
    if (!request->segs) {
        return -ENOMEM;
    }
    int n = tnd_pieces_place(driver->ram, out_total, &out, false, request->segs, &request->out_gpa);
    if (n < 0) {
        return n;
    }
    request->out_segs = (unsigned)n;
    request->seg_count = (unsigned)n;
    n = tnd_pieces_place(driver->ram, request->in_bytes + 1, &in, true, request->segs + n,
                         &request->in_gpa);
    if (n < 0) {
        return n;
    }
    request->seg_count += (unsigned)n;
    return 0;
}

int tnd_blk_add(struct tenon_driver *driver, unsigned queue, struct tnd_blk_request *request)
{
    struct tn_blk_header header = { .type = tn_to_le32(request->type),
                                    .reserved = tn_to_le32(request->reserved),
                                    .sector = tn_to_le64(request->sector) };
    uint8_t untouched = TND_BLK_UNTOUCHED;

    request->done = false;
    request->status = TND_BLK_UNTOUCHED;
    request->queue = queue;
    int error = place(driver, request);
    if (!error) {
        tnd_pieces_move(driver->ram, request->segs, request->out_segs, 0, &header, sizeof(header),
                        true);
        tnd_pieces_move(driver->ram, request->segs, request->out_segs, sizeof(header),
                        (void *)(uintptr_t)request->out, request->out_bytes, true);
        tnd_pieces_move(driver->ram, request->segs + request->out_segs,
                        request->seg_count - request->out_segs, request->in_bytes, &untouched, 1,
                        true);
        error = tnd_add(driver, queue, request->segs, request->seg_count, request->form, request);
    }
    if (error < 0) {
        tnd_blk_forget(driver, request);
        return error;
    }
    return 0;
}

int tnd_blk_submit(struct tenon_driver *driver, unsigned queue, struct tnd_blk_request *request)
{
    int error = tnd_blk_add(driver, queue, request);
    if (!error) {
        tnd_kick(driver, queue);
    }
    return error;
}

static void finish(struct tenon_driver *driver, const struct tnd_used *used)
{
    struct tnd_blk_request *request = used->token;
    if (!request) {
        return;
    }
    const struct tnd_seg *in = request->segs + request->out_segs;
    unsigned in_segs = request->seg_count - request->out_segs;

    request->used_bytes = used->bytes;
    request->order = __atomic_fetch_add(&driver->blk_done, 1, __ATOMIC_RELAXED);
    tnd_pieces_move(driver->ram, in, in_segs, request->in_bytes, &request->status, 1, false);
    if (request->in) {
        tnd_pieces_move(driver->ram, in, in_segs, 0, request->in, request->in_bytes, false);
    }
    tnd_blk_forget(driver, request);
    request->done = true;
}

unsigned tnd_blk_reap(struct tenon_driver *driver, unsigned queue)
{
    struct tnd_used used;
    unsigned n = 0;
    while (tnd_ring_take(driver->queues[queue].ring, &used)) {
        finish(driver, &used);
        n++;
    }
    return n;
}

int tnd_blk_wait(struct tenon_driver *driver, unsigned queue, struct tnd_blk_request *request)
{
    struct tnd_used used;
    while (!request->done) {
        int error = tnd_wait_used(driver, queue, &used);
        if (error) {
            return error;
        }
        finish(driver, &used);
    }
    return 0;
}

int tnd_blk_run(struct tenon_driver *driver, unsigned queue, struct tnd_blk_request *request)
{
    int error = tnd_blk_submit(driver, queue, request);
    if (error) {
        return error;
    }
    error = tnd_blk_wait(driver, queue, request);
    if (error) {
        /*
         * The caller's request goes away; its guest memory stays taken, for the device may still
         * write there.
         */
        tnd_ring_forget(driver->queues[queue].ring, request);
        free(request->segs);
        request->segs = NULL;
        return error;
    }
    return request->status;
}

int tnd_blk_read(struct tenon_driver *driver, unsigned queue, uint64_t sector, void *to,
                 uint32_t bytes)
{
    struct tnd_blk_request r = {
        .type = TN_BLK_T_IN, .sector = sector, .in = to, .in_bytes = bytes
    };
    return tnd_blk_run(driver, queue, &r);
}

int tnd_blk_write(struct tenon_driver *driver, unsigned queue, uint64_t sector, const void *from,
                  uint32_t bytes)
{
    struct tnd_blk_request r = {
        .type = TN_BLK_T_OUT, .sector = sector, .out = from, .out_bytes = bytes
    };
    return tnd_blk_run(driver, queue, &r);
}

int tnd_blk_flush(struct tenon_driver *driver, unsigned queue)
{
    struct tnd_blk_request r = { .type = TN_BLK_T_FLUSH };
    return tnd_blk_run(driver, queue, &r);
}

static int run_ranges(struct tenon_driver *driver, unsigned queue, uint32_t type,
                      const struct tnd_range *ranges, unsigned count)
{
    struct tn_blk_range *wire = calloc(count ? count : 1, sizeof(*wire));
    if (!wire) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < count; i++) {
        wire[i] = (struct tn_blk_range){ .sector = tn_to_le64(ranges[i].sector),
                                         .sectors = tn_to_le32(ranges[i].sectors),
                                         .flags = tn_to_le32(ranges[i].flags) };
    }
    struct tnd_blk_request r = { .type = type,
                                 .out = wire,
                                 .out_bytes = count * (uint32_t)sizeof(*wire) };
    int result = tnd_blk_run(driver, queue, &r);
    free(wire);
    return result;
}

int tnd_blk_discard(struct tenon_driver *driver, unsigned queue, const struct tnd_range *ranges,
                    unsigned count)
{
    return run_ranges(driver, queue, TN_BLK_T_DISCARD, ranges, count);
}

int tnd_blk_write_zeroes(struct tenon_driver *driver, unsigned queue,
                         const struct tnd_range *ranges, unsigned count)
{
    return run_ranges(driver, queue, TN_BLK_T_WRITE_ZEROES, ranges, count);
}

int tnd_blk_get_id(struct tenon_driver *driver, unsigned queue, char id[20])
{
    struct tnd_blk_request r = { .type = TN_BLK_T_GET_ID, .in = id, .in_bytes = TN_BLK_ID_BYTES };
    return tnd_blk_run(driver, queue, &r);
}

uint64_t tnd_blk_capacity(struct tenon_driver *driver)
{
    le64 sectors = { 0 };
    tnd_config_read(driver, 0, &sectors, sizeof(sectors));
    return tn_from_le64(sectors);
}

uint64_t tnd_blk_header(struct tenon_driver *driver, uint32_t type, uint64_t sector)
{
    struct tn_blk_header header = { .type = tn_to_le32(type), .sector = tn_to_le64(sector) };
    uint64_t gpa = tnd_ram_alloc(driver->ram, sizeof(header));
    tnd_ram_put(driver->ram, gpa, &header, sizeof(header));
    return gpa;
}
