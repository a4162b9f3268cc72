/*
 * load.c: the busy guest of load.h.
 */
#include "load.h"

#include <errno.h>

enum { SECTORS = LOAD_BYTES / 512, START_ATTEMPTS = 50 };

uint32_t load_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

struct load *load_new(struct rig *rig, unsigned queues, unsigned depth, unsigned seed)
{
    struct load *load = calloc(1, sizeof(*load));

    assert_non_null(load);
    assert_true(queues * depth <= LOAD_SLOTS);
    load->rig = rig;
    load->queues = queues;
    load->slots = queues * depth;
    load->random = seed;
    for (unsigned i = 0; i < load->slots; i++) {
        load->slot[i].queue = i % queues;
        load->slot[i].sector = LOAD_FIRST_SECTOR + (uint64_t)i * SECTORS;
    }
    return load;
}

void load_free(struct load *load)
{
    for (unsigned i = 0; i < load->queues; i++) {
        load_lose(load, i);
    }
    free(load);
}

void load_lose(struct load *load, unsigned queue)
{
    for (unsigned i = 0; i < load->slots; i++) {
        struct load_slot *slot = &load->slot[i];
        if (slot->queue == queue && slot->busy) {
            slot->known = slot->known && slot->request.type != TN_BLK_T_OUT;
            slot->busy = false;
            if (slot->request.segs) {
                tnd_blk_forget(load->rig->driver, &slot->request);
            }
        }
    }
}

static void check_done(struct load_slot *slot)
{
    struct tnd_blk_request *r = &slot->request;

    slot->busy = false;
    assert_int_equal(r->status, TN_BLK_S_OK);
    assert_int_equal(r->used_bytes, r->type == TN_BLK_T_IN ? LOAD_BYTES + 1 : 1);
    if (r->type == TN_BLK_T_OUT) {
        slot->content = slot->writing;
        slot->known = true;
    } else if (r->type == TN_BLK_T_IN) {
        rig_pattern(slot->out, LOAD_BYTES, slot->content);
        assert_memory_equal(slot->in, slot->out, LOAD_BYTES);
    }
}

static void send_next(struct load *load, struct load_slot *slot)
{
    uint32_t dice = load_random(&load->random);
    struct tnd_blk_request *r = &slot->request;

    memset(r, 0, sizeof(*r));
    r->sector = slot->sector;
    if (!slot->known || dice % 5 < 2) {
        slot->writing = load_random(&load->random);
        rig_pattern(slot->out, LOAD_BYTES, slot->writing);
        r->type = TN_BLK_T_OUT;
        r->out = slot->out;
        r->out_bytes = LOAD_BYTES;
    } else if (dice % 5 < 4) {
        r->type = TN_BLK_T_IN;
        r->in = slot->in;
        r->in_bytes = LOAD_BYTES;
    } else {
        r->type = TN_BLK_T_FLUSH;
        r->sector = 0;
    }
    slot->busy = true;
    assert_int_equal(tnd_blk_add(load->rig->driver, slot->queue, r), 0);
}

static unsigned take_done(struct load *load)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < load->queues; i++) {
        taken += tnd_blk_reap(load->rig->driver, i);
        assert_int_equal(load->rig->driver->queues[i].ring->bad_used, 0);
    }
    for (unsigned i = 0; i < load->slots; i++) {
        if (load->slot[i].busy && load->slot[i].request.done) {
            check_done(&load->slot[i]);
        }
    }
    load->done += taken;
    return taken;
}

unsigned load_pump(struct load *load)
{
    unsigned taken = take_done(load);

    for (unsigned i = 0; i < load->slots; i++) {
        if (!load->slot[i].busy) {
            send_next(load, &load->slot[i]);
        }
    }
    for (unsigned i = 0; i < load->queues; i++) {
        tnd_kick(load->rig->driver, i);
    }
    return taken;
}

void load_run(struct load *load, unsigned more)
{
    uint64_t until = load->done + more;
    uint64_t end = tnd_now_ms() + load->rig->driver->timeout_ms;

    while (load->done < until) {
        if (load_pump(load) == 0) {
            tnd_pass(load->rig->driver);
        }
        assert_true(tnd_now_ms() < end);
    }
}

static bool none_busy(void *opaque)
{
    struct load *load = opaque;

    take_done(load);
    for (unsigned i = 0; i < load->slots; i++) {
        if (load->slot[i].busy) {
            return false;
        }
    }
    return true;
}

void load_drain(struct load *load)
{
    assert_true(tnd_until(load->rig->driver, none_busy, load));
}

void load_reset(struct load *load)
{
    struct tenon_driver *driver = load->rig->driver;
    struct tnd_setup setup = driver->setup;
    int error = -EIO;

    /* Another reset may come in the middle of the way, and it begins anew. */
    for (unsigned i = 0; i < START_ATTEMPTS && error; i++) {
        assert_int_equal(tnd_reset(driver), 0);
        for (unsigned q = 0; q < load->queues; q++) {
            load_lose(load, q);
        }
        error = tnd_start(driver, &setup);
    }
    assert_int_equal(error, 0);
}

bool load_is_broken(struct load *load)
{
    for (unsigned i = 0; i < load->queues; i++) {
        if (tnd_broken(load->rig->driver, i)) {
            return true;
        }
    }
    return false;
}
