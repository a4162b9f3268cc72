/*
 * fuzz_net.c: receive and transmit chains in any framing, valid by default, over a link that fills
 * or lends, is full at times, and keeps what it is given.
 *
 *   input ──> chain in guest memory ──> device ──> net_link ──> is it the next one, and whole?
 *         └──> frame in net_link ──────> device ──> used entries ──> the same
 *
 * Claims: each chain comes back once, a transmit chain with a used length of 0; frames arrive
 * whole, once, in order, and those that do not are as many as the counters say; num_buffers, full
 * buffers and used lengths are as the standard has them; every used entry is told; a broken queue
 * is told of, and nothing else is.
 */
#include <string.h>

#include <tenon/net.h>

#include "guest.h"
#include "input.h"
#include "net_link.h"
#include "spec/virtio.h"
#include "spec/virtio_mmio.h"
#include "spec/virtio_net.h"
#include "spec/vring.h"

enum {
    RX,
    TX,
    QUEUES,
    SIZE = 64,
    SLOTS = 7,
    SLOT_DESCS = 8,
    SLOT_BYTES = 0x600,
    HEADER = TN_NET_HEADER_BYTES,
    RING_BYTES = 0x800, /* descriptors 0x400, then avail, then used */
    TABLES_GPA = GUEST_BASE + QUEUES * RING_BYTES,
    SLOTS_GPA = TABLES_GPA + QUEUES * SLOTS * SLOT_DESCS * 16,
    EXPECTED = 256,
    INPUT_MAX = 4096,
    TURNS_MAX = 200
};
_Static_assert(SLOTS_GPA + QUEUES * SLOTS * SLOT_BYTES <= GUEST_BASE + GUEST_BYTES, "all fits");

struct chain {
    bool busy, usable;
    struct {
        uint32_t gpa, bytes;
    } pieces[SLOT_DESCS]; /* in the direction of its queue */
    unsigned count;
    uint32_t room;
};

struct expected {
    uint32_t bytes;
    uint8_t data[SLOT_BYTES];
};

struct rig {
    struct guest guest;
    struct net_link link;
    struct input in;
    bool event_idx, indirect, mergeable, broken, paused_once;
    struct chain chains[QUEUES][SLOTS];
    uint16_t avail_idx[QUEUES], used_seen[QUEUES];
    unsigned irqs_seen;
    uint32_t delivered, received, missed;
    uint32_t lengths[INPUT_MAX];        /* of delivered frames, by number */
    uint64_t dropped_rx, dropped_tx;    /* counters at the last reset */
    struct expected expected[EXPECTED]; /* a ring: good transmit chains that were not sent yet */
    unsigned expected_first, expected_count;
    uint32_t skipped;
};

static struct rig rig;

static uint32_t desc_gpa(unsigned queue)
{
    return GUEST_BASE + queue * (uint32_t)RING_BYTES;
}

static uint32_t avail_gpa(unsigned queue)
{
    return desc_gpa(queue) + SIZE * 16;
}

static uint32_t used_gpa(unsigned queue)
{
    return avail_gpa(queue) + 0x100;
}

static uint32_t slot_gpa(unsigned queue, unsigned slot)
{
    return SLOTS_GPA + (queue * SLOTS + slot) * (uint32_t)SLOT_BYTES;
}

static void put16(uint64_t gpa, uint16_t value)
{
    le16 wire = tn_to_le16(value);
    guest_put(&rig.guest, gpa, &wire, sizeof(wire));
}

struct count {
    const char *name;
    int queue;
    uint64_t value;
};

static void take_count(void *opaque, const char *name, int queue, uint64_t value)
{
    struct count *count = opaque;
    if (queue == count->queue && strcmp(name, count->name) == 0) {
        count->value = value;
    }
}

static uint64_t counted(const char *name, int queue)
{
    struct count count = { name, queue, 0 };
    tenon_device_stats(rig.guest.device, take_count, &count);
    return count.value;
}

/* ---- chains ---- */

static uint16_t place(unsigned queue, unsigned slot, const struct tn_desc *descs, unsigned count)
{
    uint16_t head = (uint16_t)(slot * SLOT_DESCS);
    bool table = rig.indirect && input_u8(&rig.in) & 1;
    uint32_t at = table ? TABLES_GPA + (queue * SLOTS + slot) * SLOT_DESCS * 16u
                        : desc_gpa(queue) + head * 16u;
    struct tn_desc wire[SLOT_DESCS];

    for (unsigned i = 0; i < count; i++) {
        wire[i] = descs[i];
        if (i + 1 < count) {
            wire[i].flags = tn_to_le16(tn_from_le16(wire[i].flags) | TN_DESC_F_NEXT);
            wire[i].next = tn_to_le16((uint16_t)((table ? 0 : head) + i + 1));
        }
    }
    guest_put(&rig.guest, at, wire, count * 16);
    if (table) {
        struct tn_desc whole = { .addr = tn_to_le64(at),
                                 .len = tn_to_le32(count * 16),
                                 .flags = tn_to_le16(TN_DESC_F_INDIRECT) };
        guest_put(&rig.guest, desc_gpa(queue) + head * 16u, &whole, sizeof(whole));
    }
    return head;
}

/* Cuts `bytes` at the slot's memory into pieces; one of them may be nowhere, one the wrong way. */
static unsigned cut(unsigned queue, unsigned slot, uint32_t bytes, struct tn_desc *descs)
{
    struct chain *chain = &rig.chains[queue][slot];
    uint16_t write = queue == RX ? TN_DESC_F_WRITE : 0;
    bool stranger = input_u8(&rig.in) % 16 == 1, hole = input_rare(&rig.in);
    struct tn_desc wrong = { .addr = tn_to_le64(GUEST_BASE),
                             .len = tn_to_le32(9),
                             .flags = tn_to_le16(write ^ TN_DESC_F_WRITE) };
    unsigned count = 0, most = SLOT_DESCS - (stranger ? 1 : 0);
    uint32_t at = 0;

    if (stranger && queue == RX) {
        descs[count++] = wrong; /* what is readable comes first */
    }
    do {
        uint8_t choice = input_u8(&rig.in);
        uint32_t part = bytes - at;
        if (chain->count + 1 < most && choice != 0) {
            part = choice == 1 ? 0 : choice < 64 ? choice - 1u : choice * 6u;
            part = part < bytes - at ? part : bytes - at;
        }
        chain->pieces[chain->count].gpa = slot_gpa(queue, slot) + at;
        chain->pieces[chain->count++].bytes = part;
        bool outside = hole && part != 0 && chain->usable;
        chain->usable = chain->usable && !outside;
        descs[count++] = (struct tn_desc){ .addr = tn_to_le64(outside ? GUEST_BASE + GUEST_BYTES -
                                                                            1 + (part == 1)
                                                                      : slot_gpa(queue, slot) + at),
                                           .len = tn_to_le32(part),
                                           .flags = tn_to_le16(write) };
        at += part;
    } while (at < bytes);
    if (stranger && queue == TX) {
        descs[count++] = wrong;
    }
    return count;
}

static void offer(unsigned queue)
{
    unsigned slot = input_below(&rig.in, SLOTS);
    struct chain *chain = &rig.chains[queue][slot];
    struct tn_desc descs[SLOT_DESCS];
    uint8_t data[SLOT_BYTES] = { 0 };

    if (chain->busy || (queue == TX && rig.expected_count == EXPECTED)) {
        return;
    }
    uint8_t size = input_u8(&rig.in);
    uint32_t bytes = size == FUZZ_RARE ? input_u8(&rig.in) % 40u : 30u + size * 5u;
    *chain = (struct chain){ .busy = true, .usable = true, .room = bytes };
    memset(data, 0xa5, sizeof(data));
    if (queue == TX) {
        memset(data, 0, HEADER);
        if (input_rare(&rig.in)) {
            data[input_below(&rig.in, HEADER)] = input_u8(&rig.in);
        }
        for (uint32_t i = HEADER; i < bytes; i++) {
            data[i] = (uint8_t)(i * 7 + size);
        }
    }
    guest_put(&rig.guest, slot_gpa(queue, slot), data, sizeof(data));
    uint16_t head = place(queue, slot, descs, cut(queue, slot, bytes, descs));
    if (queue == RX) {
        chain->usable = chain->usable && bytes >= HEADER;
    } else if (chain->usable && bytes >= HEADER + 14u && !(data[0] & 1) && data[1] == 0) {
        unsigned last = (rig.expected_first + rig.expected_count++) % EXPECTED;
        rig.expected[last].bytes = bytes - HEADER;
        memcpy(rig.expected[last].data, data + HEADER, bytes - HEADER);
    }
    put16(avail_gpa(queue) + 4 + 2u * (rig.avail_idx[queue]++ % SIZE), head);
    put16(avail_gpa(queue) + 2, rig.avail_idx[queue]);
    guest_set(&rig.guest, TN_MMIO_QUEUE_NOTIFY, queue);
}

/* ---- what comes back ---- */

/* The link got a frame: the next one that is good, or one behind those that were dropped. */
static void on_sent(void *opaque, const uint8_t *data, uint32_t bytes)
{
    (void)opaque;
    for (;;) {
        FUZZ_CHECK(rig.expected_count != 0);
        const struct expected *e = &rig.expected[rig.expected_first];
        rig.expected_first = (rig.expected_first + 1) % EXPECTED;
        rig.expected_count--;
        if (e->bytes == bytes && memcmp(e->data, data, bytes) == 0) {
            return;
        }
        rig.skipped++;
    }
}

static bool next_used(unsigned queue, struct tn_used_elem *used)
{
    le16 idx;

    guest_take(&rig.guest, used_gpa(queue) + 2, &idx, sizeof(idx));
    if (rig.used_seen[queue] == tn_from_le16(idx)) {
        return false;
    }
    guest_take(&rig.guest, used_gpa(queue) + 4 + 8u * (rig.used_seen[queue]++ % SIZE), used,
               sizeof(*used));
    return true;
}

static struct chain *used_chain(unsigned queue, const struct tn_used_elem *used)
{
    uint32_t head = tn_from_le32(used->id);

    FUZZ_CHECK(head % SLOT_DESCS == 0 && head / SLOT_DESCS < SLOTS);
    struct chain *chain = &rig.chains[queue][head / SLOT_DESCS];
    FUZZ_CHECK(chain->busy);
    chain->busy = false;
    return chain;
}

static uint32_t gather(const struct chain *chain, uint32_t bytes, uint8_t *to)
{
    uint32_t done = 0;

    for (unsigned i = 0; i < chain->count && done < bytes; i++) {
        uint32_t part =
            chain->pieces[i].bytes < bytes - done ? chain->pieces[i].bytes : bytes - done;
        guest_take(&rig.guest, chain->pieces[i].gpa, to + done, part);
        done += part;
    }
    FUZZ_CHECK(done == bytes);
    return done;
}

static void check_frame(const uint8_t *data, uint32_t bytes)
{
    uint8_t want[LINK_FRAME_MAX];
    uint32_t number = 0;

    FUZZ_CHECK(bytes >= LINK_FRAME_MIN && bytes <= LINK_FRAME_MAX);
    for (unsigned i = 0; i < 4; i++) {
        number |= (uint32_t)data[14 + i] << 8 * i;
    }
    FUZZ_CHECK(number >= rig.received && number < rig.delivered);
    FUZZ_CHECK(bytes == rig.lengths[number]);
    net_link_frame(want, bytes, number);
    FUZZ_CHECK(memcmp(data, want, bytes) == 0);
    rig.missed += number - rig.received;
    rig.received = number + 1;
}

/* A frame in as many chains as its header says. */
static unsigned take_frame(struct tn_used_elem used)
{
    static uint8_t data[SLOTS * SLOT_BYTES];
    struct chain *chain = used_chain(RX, &used);
    uint32_t bytes = tn_from_le32(used.len), total;
    unsigned buffers;

    if (bytes == 0) {
        FUZZ_CHECK(!chain->usable || rig.paused_once); /* see tn_queue_untake */
        return 1;
    }
    FUZZ_CHECK(chain->usable && bytes >= HEADER && bytes <= chain->room);
    total = gather(chain, bytes, data);
    buffers = data[10] | (unsigned)data[11] << 8;
    FUZZ_CHECK(buffers >= 1 && (buffers == 1 || rig.mergeable));
    for (unsigned i = 1; i < buffers; i++) {
        FUZZ_CHECK(bytes == chain->room);
        FUZZ_CHECK(next_used(RX, &used));
        chain = used_chain(RX, &used);
        bytes = tn_from_le32(used.len);
        FUZZ_CHECK(chain->usable && bytes != 0 && bytes <= chain->room);
        total += gather(chain, bytes, data + total);
    }
    for (unsigned i = 0; i < 10; i++) {
        FUZZ_CHECK(data[i] == 0);
    }
    check_frame(data + HEADER, total - HEADER);
    return buffers;
}

static void turn(void)
{
    struct tn_used_elem used;
    unsigned answers = 0;

    net_link_ready(&rig.link);
    FUZZ_CHECK(guest_crank(&rig.guest));
    while (next_used(RX, &used)) {
        answers += take_frame(used);
    }
    while (next_used(TX, &used)) {
        used_chain(TX, &used);
        FUZZ_CHECK(tn_from_le32(used.len) == 0);
        answers++;
    }
    FUZZ_CHECK(answers == 0 || rig.guest.irqs > rig.irqs_seen);
    rig.irqs_seen = rig.guest.irqs;
    for (unsigned queue = 0; rig.event_idx && queue < QUEUES; queue++) {
        put16(avail_gpa(queue) + 4 + 2 * SIZE, rig.used_seen[queue]);
    }
    guest_set(&rig.guest, TN_MMIO_INTERRUPT_ACK, TN_MMIO_INT_USED_BUFFER);
    uint32_t status = guest_get(&rig.guest, TN_MMIO_STATUS);
    FUZZ_CHECK(rig.broken || (status & TN_STATUS_NEEDS_RESET) == 0);
}

/* ---- the device ---- */

static uint64_t dropped(int queue)
{
    return counted("too_long", queue) + counted("filtered", queue) + counted("dropped_full", queue);
}

static void start(void)
{
    uint8_t zeroes[QUEUES * RING_BYTES] = { 0 };
    uint8_t choice = input_u8(&rig.in);
    uint64_t wanted = (uint64_t)1 << TN_F_VERSION_1 | (uint64_t)1 << TN_NET_F_MAC;

    wanted |= (uint64_t)(choice & 1) << TN_F_EVENT_IDX;
    wanted |= (uint64_t)(choice >> 1 & 1) << TN_F_INDIRECT_DESC;
    wanted |= (uint64_t)(choice >> 2 & 1) << TN_NET_F_MRG_RXBUF;
    guest_put(&rig.guest, GUEST_BASE, zeroes, sizeof(zeroes));
    memset(rig.chains, 0, sizeof(rig.chains));
    memset(rig.avail_idx, 0, sizeof(rig.avail_idx));
    memset(rig.used_seen, 0, sizeof(rig.used_seen));
    uint64_t agreed = guest_negotiate(&rig.guest, wanted);
    rig.event_idx = agreed >> TN_F_EVENT_IDX & 1;
    rig.indirect = agreed >> TN_F_INDIRECT_DESC & 1;
    rig.mergeable = agreed >> TN_NET_F_MRG_RXBUF & 1;
    for (unsigned queue = 0; queue < QUEUES; queue++) {
        guest_queue(&rig.guest, queue, SIZE, desc_gpa(queue), avail_gpa(queue), used_gpa(queue));
    }
    guest_live(&rig.guest);
    turn();
}

/* What was in flight is lost, what waits in the link too. */
static void reset(void)
{
    guest_set(&rig.guest, TN_MMIO_STATUS, 0);
    FUZZ_CHECK(guest_get(&rig.guest, TN_MMIO_STATUS) == 0);
    FUZZ_CHECK(!rig.link.open && rig.link.kept_count == 0);
    uint64_t sum = guest_sum(&rig.guest);
    guest_crank(&rig.guest);
    FUZZ_CHECK(guest_sum(&rig.guest) == sum);
    rig.link.count = 0;
    rig.received = rig.delivered;
    rig.missed = rig.skipped = 0;
    rig.dropped_rx = dropped(RX);
    rig.dropped_tx = dropped(TX);
    rig.expected_count = 0;
    rig.broken = rig.paused_once = false;
    rig.irqs_seen = rig.guest.irqs;
    start();
}

static void pause_and_resume(void)
{
    rig.paused_once = true;
    FUZZ_CHECK(tenon_device_pause(rig.guest.device, 1000) == 0);
    uint64_t sum = guest_sum(&rig.guest);
    guest_crank(&rig.guest);
    FUZZ_CHECK(guest_sum(&rig.guest) == sum);
    FUZZ_CHECK(tenon_device_resume(rig.guest.device) == 0);
}

static void break_queue(void)
{
    unsigned queue = input_below(&rig.in, QUEUES);

    put16(avail_gpa(queue) + 4 + 2u * (rig.avail_idx[queue]++ % SIZE), SIZE);
    put16(avail_gpa(queue) + 2, rig.avail_idx[queue]);
    guest_set(&rig.guest, TN_MMIO_QUEUE_NOTIFY, queue);
    rig.broken = true;
    turn();
    reset();
}

static bool is_busy(unsigned queue)
{
    for (unsigned slot = 0; slot < SLOTS; slot++) {
        if (rig.chains[queue][slot].busy) {
            return true;
        }
    }
    return false;
}

/* Everything that can end does, and the books are right. */
static void finish_all(void)
{
    rig.link.keep = false;
    rig.link.room = UINT32_MAX;
    for (unsigned turns = 0; is_busy(TX) || rig.link.kept_count != 0; turns++) {
        FUZZ_CHECK(turns < TURNS_MAX);
        net_link_let_go(&rig.link, LINK_KEPT);
        turn();
    }
    rig.skipped += rig.expected_count;
    rig.expected_count = 0;
    FUZZ_CHECK(rig.skipped == dropped(TX) - rig.dropped_tx);
    FUZZ_CHECK(rig.missed <= dropped(RX) - rig.dropped_rx);
}

static void act(void)
{
    uint8_t action = input_u8(&rig.in) % 16;

    if (action < 4) {
        offer(RX);
    } else if (action < 7) {
        offer(TX);
    } else if (action < 10) {
        uint32_t bytes = LINK_FRAME_MIN + input_u8(&rig.in) * 5u;
        rig.lengths[rig.delivered] = bytes;
        rig.delivered += net_link_deliver(&rig.link, bytes, rig.delivered);
    } else if (action == 10) {
        rig.link.room = input_below(&rig.in, 5);
    } else if (action == 11) {
        rig.link.keep = !rig.link.keep;
    } else if (action == 12) {
        net_link_let_go(&rig.link, 1 + input_below(&rig.in, 4));
    } else if (action == 13) {
        pause_and_resume();
    } else if (action == 14) {
        finish_all();
    } else if (input_rare(&rig.in)) {
        reset();
    } else if (input_rare(&rig.in)) {
        break_queue();
    }
    turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    memset(&rig, 0, sizeof(rig));
    rig.in = (struct input){ data, bytes < INPUT_MAX ? bytes : INPUT_MAX };
    rig.link.lends = input_u8(&rig.in) & 1;
    rig.link.room = UINT32_MAX;
    rig.link.sent = on_sent;
    struct tenon_link *link = net_link_open(&rig.link);
    guest_prepare(&rig.guest);
    struct tenon_net_opts opts = { .size = sizeof(opts),
                                   .name = "fuzz",
                                   .link = link,
                                   .queue_size = SIZE,
                                   .mac = { 2, 0, 0, 0, 0, 1 },
                                   .offload = TENON_NET_OFFLOAD_OFF,
                                   .coalesce_frames = TENON_NET_COALESCE_OFF,
                                   .coalesce_us = TENON_NET_COALESCE_OFF,
                                   .poll_us = TENON_POLL_OFF,
                                   .workers = &rig.guest.worker,
                                   .worker_count = 1 };
    FUZZ_CHECK(tenon_net_new(&opts, &rig.guest.device) == 0);
    guest_attach(&rig.guest);
    start();
    while (rig.in.left != 0) {
        act();
    }
    finish_all();
    guest_close(&rig.guest);
    tenon_link_close(link);
    FUZZ_CHECK(rig.link.freed && !rig.link.open);
    return 0;
}
