/*
 * net_watch.c: inside fuzz_net: what the device gives back, held against what it was given: used
 * entries, frames that it sends, frames that it delivers.
 */
#include <string.h>

#include "net_fuzz.h"
#include "spec/virtio.h"

void net_watch_sent(void *opaque, const uint8_t *data, uint32_t bytes)
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

void net_watch_turn(void)
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
        net_put16(avail_gpa(queue) + 4 + 2 * SIZE, rig.used_seen[queue]);
    }
    guest_set(&rig.guest, TN_MMIO_INTERRUPT_ACK, TN_MMIO_INT_USED_BUFFER);
    uint32_t status = guest_get(&rig.guest, TN_MMIO_STATUS);
    FUZZ_CHECK(rig.broken || (status & TN_STATUS_NEEDS_RESET) == 0);
}
