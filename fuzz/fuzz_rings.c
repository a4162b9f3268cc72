/*
 * fuzz_rings.c: a driver and a device over one split ring, driven by the input, with everything
 * foretold.
 *
 *   input ──> build chains, show, pop, push, publish, unpop, kill, remap ...  ──> src/virtqueue
 *                                    └── the same to ring_oracle.c ──> compared after every action
 *
 * Claims: the results of pop are the oracle's, to the byte; each popped head is in the used ring at
 * most once; no byte of guest memory changes but those of the used ring that are due, and what we,
 * as the device, write to writable buffers; memory that was removed lives as long as a chain pins
 * it, and not longer.
 */
#include <string.h>

#include "ring_rig.h"
#include "spec/vring.h"

/* ---- start and end of a queue ---- */

static void start(struct ring_rig *ring, bool from_ring)
{
    struct oracle *oracle = &ring->oracle;
    struct tn_vq_config config = {
        .size = oracle->size,
        .desc_gpa = ring_gpa(ring, AREA_DESC),
        .driver_gpa = ring_gpa(ring, AREA_AVAIL),
        .device_gpa = ring_gpa(ring, AREA_USED),
        .event_idx = oracle->event_idx,
        .indirect = oracle->indirect,
        .next_avail = oracle->next_avail,
        .used_from_ring = from_ring,
        .inflight = ring->record,
        .inflight_bytes = tn_inflight_bytes((uint16_t)oracle->size),
    };

    FUZZ_CHECK(tn_vq_check(&config, ring->world.mem) == 0);
    FUZZ_CHECK(tn_vq_new(&config, &ring->world.view, &ring->vq) == 0);
    FUZZ_CHECK(tn_vq_next_avail(ring->vq) == oracle->next_avail);
}

static void drop_held(struct ring_rig *ring, bool forget)
{
    for (uint32_t i = 0; i < ring->held_count; i++) {
        if (forget) {
            tn_vq_forget(ring->vq, ring->held[i].head);
        }
        tn_view_unpin(&ring->world.view, ring->held[i].table);
    }
    ring->held_count = 0;
    FUZZ_CHECK(!forget || tn_vq_in_flight(ring->vq) == 0);
}

/* Rings in new memory, a queue at any position. */
static void start_clean(struct ring_rig *ring)
{
    static const uint16_t positions[] = { 0, 0, 1, 77, 32767, 65500, 65534, 65535 };
    struct oracle *oracle = &ring->oracle;
    uint8_t shape = input_u8(&ring->in), kind = input_u8(&ring->in);
    uint16_t position = positions[kind >> 3 & 7];

    oracle->size = 1u << shape % 7;
    oracle->event_idx = kind & 1;
    oracle->indirect = kind & 2;
    world_rings(&ring->world, oracle->size);
    free(ring->record);
    ring->record = NULL;
    if (kind & 4) {
        ring->record = calloc(1, tn_inflight_bytes((uint16_t)oracle->size));
    }
    ring->avail_idx = position;
    ring_write16(ring, AREA_AVAIL, 2, position);
    ring_write16(ring, AREA_USED, 2, position);
    memset(ring->owner, 0, sizeof(ring->owner));
    oracle_start(oracle, position);
    start(ring, kind & 64);
}

static void reset(struct ring_rig *ring)
{
    drop_held(ring, true);
    tn_vq_free(ring->vq);
    start_clean(ring);
}

/*
 * The back-end is killed; the next one goes on from the record, exactly. A driver that overwrote
 * the used index meanwhile has put it back: the record cannot make sense of another one.
 */
static void kill_and_recover(struct ring_rig *ring)
{
    if (!ring->record || ring->oracle.blurred || !ring->world.areas[AREA_DESC].block ||
        !ring->world.areas[AREA_AVAIL].block || !ring->world.areas[AREA_USED].block) {
        return;
    }
    drop_held(ring, false);
    tn_vq_free(ring->vq);
    ring_write16(ring, AREA_USED, 2, ring->oracle.published);
    oracle_recover(&ring->oracle);
    start(ring, false);
}

/* A record full of nonsense, from a front-end: refused or not, and nothing more is claimed. */
static void recover_nonsense(struct ring_rig *ring)
{
    size_t bytes = tn_inflight_bytes((uint16_t)ring->oracle.size);
    uint8_t *nonsense = malloc(bytes);
    struct tn_vq_config config = { .size = ring->oracle.size,
                                   .desc_gpa = ring_gpa(ring, AREA_DESC),
                                   .driver_gpa = ring_gpa(ring, AREA_AVAIL),
                                   .device_gpa = ring_gpa(ring, AREA_USED),
                                   .inflight = nonsense,
                                   .inflight_bytes = bytes };
    struct tn_vq *vq;
    struct tn_chain chain;

    if (ring->record && input_u8(&ring->in) & 1) {
        memcpy(nonsense, ring->record, bytes);
        nonsense[input_u16(&ring->in) % bytes] = input_u8(&ring->in);
    } else {
        memset(nonsense, 0, bytes);
        for (unsigned i = 8; i < bytes; i++) {
            nonsense[i] = input_u8(&ring->in);
        }
    }
    /* Not beside the queue that runs: it would write to the same used ring. */
    drop_held(ring, true);
    tn_vq_free(ring->vq);
    if (tn_vq_new(&config, &ring->world.view, &vq) == 0) {
        for (unsigned i = 0; i < 4 && tn_vq_pop(vq, &chain) == TN_POP_CHAIN; i++) {
            FUZZ_CHECK(chain.head < ring->oracle.size);
            tn_vq_push(vq, chain.head, 0);
        }
        tn_vq_publish(vq);
        tn_vq_free(vq);
    }
    free(nonsense);
    world_accept(&ring->world, AREA_USED);
    start_clean(ring);
}

/* ---- the device ---- */

static void hold(struct ring_rig *ring, const struct tn_chain *chain)
{
    struct held *held = &ring->held[ring->held_count++];

    *held = (struct held){ .head = chain->head, .table = tn_view_pin(&ring->world.view) };
    for (uint32_t i = 0; i < chain->writable && held->piece_count < HELD_PIECES; i++) {
        if (chain->iov[chain->readable + i].iov_base) {
            held->pieces[held->piece_count++] = chain->iov[chain->readable + i];
        }
    }
}

static void pop(struct ring_rig *ring, bool put_back)
{
    struct tn_chain chain;
    enum tn_pop wanted = oracle_pop(&ring->oracle);

    FUZZ_CHECK(tn_vq_pop(ring->vq, &chain) == wanted);
    FUZZ_CHECK((tn_vq_broken(ring->vq) != NULL) == ring->oracle.broken);
    if (wanted != TN_POP_CHAIN) {
        return;
    }
    oracle_check_chain(&ring->oracle, &chain);
    FUZZ_CHECK(chain.readable + chain.writable <= tn_vq_max_iovecs(ring->vq));
    if (put_back) {
        tn_vq_unpop(ring->vq, &chain);
        oracle_unpop(&ring->oracle);
    } else {
        hold(ring, &chain);
    }
}

/* As the device would: fills a part of the buffers, then gives the chain back. */
static void push(struct ring_rig *ring)
{
    uint32_t which = input_u8(&ring->in), written = 0;

    if (ring->held_count == 0) {
        return;
    }
    struct held *held = &ring->held[which % ring->held_count];
    for (uint32_t i = 0; i < held->piece_count; i++) {
        uint32_t bytes = held->pieces[i].iov_len < 64 ? (uint32_t)held->pieces[i].iov_len : 64;
        struct block *block = world_block(&ring->world, held->pieces[i].iov_base, bytes);
        FUZZ_CHECK(block != NULL && !block->rom);
        uint32_t offset = (uint32_t)((uint8_t *)held->pieces[i].iov_base - block->host);
        memset(block->host + offset, which, bytes);
        memset(block->shadow + offset, which, bytes);
        written += bytes;
    }
    oracle_push(&ring->oracle, held->head, written);
    tn_vq_push(ring->vq, held->head, written);
    tn_view_unpin(&ring->world.view, held->table);
    *held = ring->held[--ring->held_count];
}

static void publish(struct ring_rig *ring)
{
    uint16_t pushed[ORACLE_SIZE_MAX];
    uint32_t count = ring->oracle.pushed_count;

    memcpy(pushed, ring->oracle.pushed, sizeof(pushed));
    FUZZ_CHECK(tn_vq_unpublished(ring->vq) == count);
    bool wanted = oracle_publish(&ring->oracle);
    FUZZ_CHECK(tn_vq_publish(ring->vq) == wanted);
    if (ring->oracle.broken) {
        return;
    }
    /* The driver takes them. */
    for (uint32_t i = 0; i < count; i++) {
        for (uint32_t j = 0; j < ring->oracle.size; j++) {
            ring->owner[j] = ring->owner[j] == pushed[i] + 1 ? 0 : ring->owner[j];
        }
    }
}

/* Guest memory changes: an area goes, or comes (back) in new memory. */
static void remap(struct ring_rig *ring)
{
    uint8_t choice = input_u8(&ring->in);
    enum area_name name = choice & 7;
    bool rings = name <= AREA_USED;

    if (ring->world.areas[name].block && (!rings || input_rare(&ring->in)) && choice & 8) {
        world_remove(&ring->world, name);
    } else {
        world_add(&ring->world, name);
    }
    bool found = ring->world.areas[AREA_DESC].block && ring->world.areas[AREA_AVAIL].block &&
                 ring->world.areas[AREA_USED].block;
    FUZZ_CHECK(tn_view_refresh(&ring->world.view));
    FUZZ_CHECK(tn_vq_remap(ring->vq) == found);
    ring->oracle.broken = ring->oracle.broken || !found;
}

static void act(struct ring_rig *ring)
{
    uint8_t action = input_u8(&ring->in);

    if (action == FUZZ_RARE) {
        ring_spoil(ring);
        return;
    }
    switch (action % 16) {
    case 0:
    case 1:
        ring_offer(ring, false);
        break;
    case 2:
        ring_offer(ring, true);
        break;
    case 3:
    case 4:
        ring_write16(ring, AREA_AVAIL, 2, ring->avail_idx);
        break;
    case 5:
    case 6:
        pop(ring, false);
        break;
    case 7:
        pop(ring, true);
        break;
    case 8:
    case 9:
        push(ring);
        break;
    case 10:
        publish(ring);
        break;
    case 11:
        remap(ring);
        break;
    case 12:
        FUZZ_CHECK(tn_vq_kicks_on(ring->vq) == oracle_kicks_on(&ring->oracle));
        break;
    case 13:
        oracle_kicks_off(&ring->oracle);
        tn_vq_kicks_off(ring->vq);
        break;
    case 14:
        ring_write16(ring, AREA_AVAIL, ring->oracle.event_idx ? 4 + 2 * ring->oracle.size : 0,
                     (uint16_t)(ring->oracle.published + input_u8(&ring->in) % 8));
        break;
    default:
        if (action < 160) {
            kill_and_recover(ring);
        } else if (action < 240) {
            reset(ring);
        } else {
            recover_nonsense(ring);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    static struct ring_rig ring;

    memset(&ring, 0, sizeof(ring));
    ring.in = (struct input){ data, bytes < INPUT_MAX ? bytes : INPUT_MAX };
    ring.oracle.world = &ring.world;
    world_open(&ring.world);
    start_clean(&ring);
    while (ring.in.left != 0) {
        act(&ring);
        world_check(&ring.world);
        FUZZ_CHECK(tn_vq_in_flight(ring.vq) == ring.oracle.in_flight_count);
        FUZZ_CHECK(tn_vq_next_avail(ring.vq) == ring.oracle.next_avail);
    }
    drop_held(&ring, false);
    tn_vq_free(ring.vq);
    free(ring.record);
    world_close(&ring.world);
    return 0;
}
