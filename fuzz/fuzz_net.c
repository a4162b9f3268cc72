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

#include "net_fuzz.h"
#include "spec/virtio.h"

struct rig rig;

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

void net_put16(uint64_t gpa, uint16_t value)
{
    le16 wire = tn_to_le16(value);
    guest_put(&rig.guest, gpa, &wire, sizeof(wire));
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
    net_put16(avail_gpa(queue) + 4 + 2u * (rig.avail_idx[queue]++ % SIZE), head);
    net_put16(avail_gpa(queue) + 2, rig.avail_idx[queue]);
    guest_set(&rig.guest, TN_MMIO_QUEUE_NOTIFY, queue);
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
    net_watch_turn();
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

    net_put16(avail_gpa(queue) + 4 + 2u * (rig.avail_idx[queue]++ % SIZE), SIZE);
    net_put16(avail_gpa(queue) + 2, rig.avail_idx[queue]);
    guest_set(&rig.guest, TN_MMIO_QUEUE_NOTIFY, queue);
    rig.broken = true;
    net_watch_turn();
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
        net_watch_turn();
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
    net_watch_turn();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    memset(&rig, 0, sizeof(rig));
    rig.in = (struct input){ data, bytes < INPUT_MAX ? bytes : INPUT_MAX };
    rig.link.lends = input_u8(&rig.in) & 1;
    rig.link.room = UINT32_MAX;
    rig.link.sent = net_watch_sent;
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
