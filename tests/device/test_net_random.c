/*
 * test_net_random.c: a property: random chains, random frames, a link that is at times full, slow
 * or keeps what it has, a device that is paused now and then.
 *
 *   every frame arrives whole, once, in order; or is counted as dropped, with a cause
 *   every chain comes back once, with a used length that is true
 *
 * The model: frames have numbers. What arrives has rising numbers; the numbers that are left out
 * are as many as the counters say.
 */
#include <errno.h>

#include "net_rig.h"
#include "spec/virtio.h"

enum { RX = 0, TX = 1, STEPS = 2500, PACKETS = 40, HEADER = TN_NET_HEADER_BYTES, BOUND_MS = 10000 };

struct model {
    struct rig *rig;
    uint32_t random;
    bool keeps;                           /* the link */
    uint32_t delivered, received, missed; /* missed: numbers that were left out */
    uint32_t lengths[1 << 14];            /* of delivered frames, by number */
    uint32_t submitted, sent, left_out;
    uint32_t sent_lengths[1 << 14];
    struct tnd_net_packet packets[PACKETS];
    uint8_t frames[PACKETS][4096];
    uint32_t cuts[PACKETS][8];
    bool busy[PACKETS];
};

static struct model model;

static uint32_t dice(uint32_t sides)
{
    model.random = model.random * 1664525u + 1013904223u;
    return (model.random >> 8) % sides;
}

static uint32_t some_length(void)
{
    static const uint32_t edges[] = { 14, 15, 17, 18, 60, 88, 1500, 1514, 1515, 3000 };
    return dice(3) == 0 ? edges[dice(10)] : NET_SMALLEST + dice(1501);
}

static unsigned some_cuts(uint32_t cuts[8])
{
    unsigned count = dice(3) ? 0 : dice(8);

    for (unsigned i = 0; i < count; i++) {
        cuts[i] = dice(4) == 0 ? 0 : dice(2) ? dice(20) : dice(800);
    }
    return count;
}

static enum tnd_form some_form(void)
{
    return dice(3) ? TND_DIRECT : dice(2) ? TND_INDIRECT : TND_MIXED;
}

/* ---- receive ---- */

static void deliver(void)
{
    uint32_t bytes = some_length(), number = model.delivered;

    if (number - model.received > 200 || number == 1 << 14) {
        return;
    }
    model.lengths[number] = bytes;
    net_deliver(model.rig, 0, bytes, number);
    model.delivered++;
}

static void post(void)
{
    uint32_t cuts[8], room = dice(3) ? NET_ROOM : dice(2) ? 3100 : HEADER + dice(400);
    struct tnd_shape shape = { .form = some_form(), .cuts = cuts, .scatter = dice(4) == 0 };

    shape.cut_count = some_cuts(cuts);
    int head = tnd_net_post(model.rig->driver, RX, room, &shape);
    assert_true(head >= 0 || head == -ENOSPC);
    if (dice(2)) {
        tnd_kick(model.rig->driver, RX);
    }
}

/* Short ones have room for the low bytes of their number at most. */
static bool may_be(const uint8_t *frame, uint32_t bytes, uint32_t number, uint32_t length)
{
    for (uint32_t i = 14; i < bytes; i++) {
        if (frame[i] != (uint8_t)(number >> 8 * (i - 14))) {
            return false;
        }
    }
    return length == bytes;
}

/* Which frame this is, not before `from`; the first that it may be. */
static uint32_t number_of(const uint8_t *frame, uint32_t bytes, const uint32_t *lengths,
                          uint32_t from, uint32_t until)
{
    uint32_t number = bytes >= 18 ? net_number(frame) : from;

    while (bytes < 18 && number < until && !may_be(frame, bytes, number, lengths[number])) {
        number++;
    }
    if (number < from || number >= until) {
        fail_msg("frame %u is not one of %u to %u", number, from, until);
    }
    return number;
}

static void receive(void)
{
    static struct tnd_net_frame got;
    int taken;

    while ((taken = tnd_net_take(model.rig->driver, RX, &got)) != 0) {
        if (taken < 0) {
            fail_msg("after frame %u: %s", model.received, got.wrong);
        }
        assert_false(got.unused);
        uint32_t number =
            number_of(got.data, got.bytes, model.lengths, model.received, model.delivered);
        net_check_frame(got.data, got.bytes, model.lengths[number], number, true);
        model.missed += number - model.received;
        model.received = number + 1;
    }
}

/* ---- transmit ---- */

static void submit(void)
{
    unsigned i = dice(PACKETS);
    struct tnd_net_packet *packet = &model.packets[i];
    uint32_t number = model.submitted, bytes = some_length();

    if (model.busy[i] || number == 1 << 14) {
        return;
    }
    net_frame(model.frames[i], bytes, number, false);
    *packet = (struct tnd_net_packet){
        .frame = model.frames[i],
        .bytes = bytes,
        .shape = { .form = some_form(), .cuts = model.cuts[i], .scatter = dice(4) == 0 },
        .only = dice(10) == 0 ? 1 + dice(HEADER + 13) : 0
    };
    packet->shape.cut_count = some_cuts(model.cuts[i]);
    if (tnd_net_add(model.rig->driver, TX, packet) != 0) {
        return;
    }
    model.busy[i] = true;
    model.sent_lengths[number] = packet->only ? 0 : bytes;
    model.submitted++;
    if (dice(2)) {
        tnd_kick(model.rig->driver, TX);
    }
}

static void look_at_sent(void)
{
    tnd_net_reap(model.rig->driver, TX);
    for (unsigned i = 0; i < PACKETS; i++) {
        if (model.busy[i] && model.packets[i].done) {
            assert_int_equal(model.packets[i].used_bytes, 0);
            model.busy[i] = false;
        }
    }
    for (struct fake_frame *f; (f = fake_link_take_sent(model.rig->link)); free(f)) {
        uint32_t number =
            number_of(f->data, f->bytes, model.sent_lengths, model.sent, model.submitted);
        net_check_frame(f->data, f->bytes, model.sent_lengths[number], number, false);
        model.left_out += number - model.sent;
        model.sent = number + 1;
    }
}

/* ---- the link and the host ---- */

static void change_link(void)
{
    struct fake_link *link = model.rig->link;

    switch (dice(6)) {
    case 0:
        fake_link_set_room(link, dice(8));
        break;
    case 1:
        fake_link_set_keep(link, true);
        break;
    case 2:
        fake_link_set_keep(link, false);
        fake_link_let_go(link, 0, 1 + dice(20));
        break;
    case 3:
        fake_link_set_recv_most(link, dice(4));
        break;
    default:
        fake_link_release_all(link);
        break;
    }
}

static void pause_and_resume(void)
{
    fake_link_release_all(model.rig->link);
    assert_int_equal(tenon_device_pause(model.rig->device, BOUND_MS), 0);
    receive();
    look_at_sent();
    assert_int_equal(tenon_device_resume(model.rig->device), 0);
}

static void step(void)
{
    uint32_t what = dice(40);

    if (what < 10) {
        deliver();
    } else if (what < 19) {
        post();
    } else if (what < 28) {
        submit();
    } else if (what < 31) {
        receive();
        look_at_sent();
    } else if (what < 34) {
        change_link();
    } else if (what == 34 && dice(6) == 0) {
        pause_and_resume();
    } else {
        tnd_kick(model.rig->driver, RX);
        tnd_kick(model.rig->driver, TX);
        tnd_pass(model.rig->driver);
    }
}

/* ---- the end ---- */

static uint64_t dropped(int queue)
{
    static const char *const causes[] = { "too_long",  "malformed",  "bad_header",  "filtered",
                                          "link_down", "link_error", "dropped_full" };
    uint64_t sum = 0;

    for (unsigned i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
        sum += rig_stat(model.rig, causes[i], queue);
    }
    return sum;
}

static void finish(void)
{
    uint64_t end = tnd_now_ms() + model.rig->driver->timeout_ms;
    struct tnd_ring *ring = model.rig->driver->queues[RX].ring;
    bool busy = true;

    fake_link_release_all(model.rig->link);
    fake_link_set_recv_most(model.rig->link, 0);
    while (busy && tnd_now_ms() < end) {
        if (ring->free_count != 0) {
            assert_int_equal(tnd_net_fill(model.rig->driver, RX, 3100, 1), 0);
        }
        tnd_kick(model.rig->driver, TX);
        tnd_pass(model.rig->driver);
        receive();
        look_at_sent();
        busy = model.received + dropped(RX) - model.missed < model.delivered;
        for (unsigned i = 0; i < PACKETS; i++) {
            busy = busy || model.busy[i];
        }
    }
    look_at_sent();
    /* The last ones may be missing. */
    model.left_out += model.submitted - model.sent;
    model.missed += model.delivered - model.received;
    assert_int_equal(fake_link_waiting(model.rig->link, 0), 0);
    assert_int_equal(model.missed, dropped(RX));
    assert_int_equal(model.left_out, dropped(TX));
    assert_int_equal(rig_stat(model.rig, "frames", TX), model.submitted - model.left_out);
    assert_int_equal(rig_stat(model.rig, "frames", RX), model.delivered - model.missed);
    assert_int_equal(rig_event(&model.rig->broken), 0);
}

static void run(void **state, uint32_t seed, uint64_t without)
{
    struct net_options options = { .setup = { .without = { without }, .queue_size = 64 } };

    memset(&model, 0, sizeof(model));
    model.random = seed;
    model.rig = net_rig_new(state, &options);
    for (const char *c = model.rig->combination; *c; c++) { /* each its own */
        model.random = model.random * 31 + (uint32_t)*c;
    }
    for (unsigned i = 0; i < STEPS; i++) {
        step();
    }
    finish();
    rig_end(state);
}

static void every_frame_once_in_order_or_counted(void **state)
{
    run(state, 1, 0);
    run(state, 2, 0);
}

static void the_same_in_one_buffer_each(void **state)
{
    run(state, 3, (uint64_t)1 << TN_NET_F_MRG_RXBUF);
    run(state, 4, (uint64_t)1 << TN_NET_F_MRG_RXBUF | (uint64_t)1 << TN_F_EVENT_IDX);
}

static const struct rig_case cases[] = {
    RIG_TEST(every_frame_once_in_order_or_counted),
    RIG_TEST(the_same_in_one_buffer_each),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
