/*
 * test_net_life.c: pause, resume, reset and stop of a network device, idle and under a flood: items
 * 51, 52 and 54 of the conformance list; and that receiving never stalls (CVE-2020-16843).
 *
 * Long because: all of it goes over the same flood, and each case is short.
 */
#include <errno.h>
#include <pthread.h>
#include <unistd.h>

#include "net_rig.h"
#include "spec/virtio.h"
#include "untouched.h"

enum { RX = 0, TX = 1, BOUND_MS = 10000, RING = 256 };

/* ---- a flood, both ways ---- */

struct flood {
    struct rig *rig;
    unsigned delivered, received, submitted;
    struct tnd_net_packet packets[64];
    uint8_t frames[64][NET_FULL];
    bool busy[64];
};

static struct flood flood;

static void flood_begin(struct rig *rig)
{
    memset(&flood, 0, sizeof(flood));
    flood.rig = rig;
}

/* What has come is checked: in order, with gaps only where `may_lose` says so. */
static void flood_receive(bool may_lose)
{
    static struct tnd_net_frame got;
    int taken;

    while ((taken = tnd_net_take(flood.rig->driver, RX, &got)) != 0) {
        if (taken < 0) {
            fail_msg("frame %u: %s", flood.received, got.wrong);
        }
        assert_false(got.unused);
        uint32_t number = net_number(got.data);
        assert_true(may_lose ? number >= flood.received : number == flood.received);
        net_check_frame(got.data, got.bytes, NET_PLAIN + number % 1400, number, true);
        flood.received = number + 1;
    }
}

static void flood_send(void)
{
    tnd_net_reap(flood.rig->driver, TX);
    for (unsigned i = 0; i < 64; i++) {
        struct tnd_net_packet *packet = &flood.packets[i];
        if (flood.busy[i] && !packet->done) {
            continue;
        }
        assert_true(!flood.busy[i] || packet->used_bytes == 0);
        net_frame(flood.frames[i], NET_FULL, flood.submitted, false);
        *packet = (struct tnd_net_packet){ .frame = flood.frames[i], .bytes = NET_FULL };
        flood.busy[i] = tnd_net_add(flood.rig->driver, TX, packet) == 0;
        flood.submitted += flood.busy[i];
    }
    tnd_kick(flood.rig->driver, TX);
}

static void flood_step(bool may_lose)
{
    struct tnd_ring *ring = flood.rig->driver->queues[RX].ring;

    while (flood.delivered - flood.received < 100) {
        net_deliver(flood.rig, 0, NET_PLAIN + flood.delivered % 1400, flood.delivered);
        flood.delivered++;
    }
    flood_receive(may_lose);
    while (ring->in_flight < RING / 2) {
        assert_true(tnd_net_post(flood.rig->driver, RX, NET_ROOM, NULL) >= 0);
    }
    tnd_kick(flood.rig->driver, RX);
    flood_send();
    tnd_pass(flood.rig->driver);
}

static void flood_run(unsigned frames)
{
    uint64_t end = tnd_now_ms() + flood.rig->driver->timeout_ms;
    unsigned until = flood.received + frames;

    while (flood.received < until) {
        flood_step(false);
        assert_true(tnd_now_ms() < end);
    }
}

/* Packets that were sent are in order and whole; the numbers go on but where a reset was. */
static void check_sent(bool may_lose)
{
    uint32_t next = 0;

    for (struct fake_frame *f; (f = fake_link_take_sent(flood.rig->link)); free(f)) {
        uint32_t number = net_number(f->data);
        assert_true(may_lose ? number >= next : number == next);
        net_check_frame(f->data, f->bytes, NET_FULL, number, false);
        next = number + 1;
    }
}

static void flood_end(bool may_lose)
{
    for (unsigned i = 0; i < 64; i++) {
        if (flood.busy[i]) {
            assert_int_equal(tnd_net_wait(flood.rig->driver, TX, &flood.packets[i]), 0);
        }
    }
    check_sent(may_lose);
}

/* The device has been reset: what was in flight is lost. */
static void flood_lose(void)
{
    tnd_net_forget(flood.rig->driver, RX);
    for (unsigned i = 0; i < 64; i++) {
        if (flood.busy[i]) {
            tnd_net_forget_packet(flood.rig->driver, &flood.packets[i]);
            flood.busy[i] = false;
        }
    }
}

static void kick_all(struct rig *rig)
{
    for (unsigned i = 0; i < rig->driver->queue_count; i++) {
        tnd_notify(rig->driver, i);
    }
    tnd_settle(rig->driver, 5);
}

/* ---- item 52: pause and resume ---- */

/* Nothing is touched while it is paused, and nothing lost: frames wait in the link. */
static void item52_pause_and_resume_under_a_flood(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    flood_begin(rig);
    for (unsigned i = 0; i < 12; i++) {
        flood_run(100 + i * 7);
        flood_send();
        assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
        struct untouched check = untouched_from_here(rig);
        for (unsigned j = 0; j < 20; j++) {
            net_deliver(rig, 0, NET_PLAIN + flood.delivered % 1400, flood.delivered);
            flood.delivered++;
        }
        kick_all(rig);
        untouched_till_here(&check);
        assert_int_equal(tenon_device_resume(rig->device), 0);
    }
    flood_run(200);
    flood_end(false);
    assert_int_equal(fake_link_count(rig->link, &rig->link->dropped), 0);
}

static void item52_pause_before_start_and_start_while_paused(void **state)
{
    struct net_options options = { .no_start = true };
    struct rig *rig = net_rig_new(state, &options);

    assert_int_equal(tenon_device_resume(rig->device), 0);
    assert_int_equal(tenon_device_pause(rig->device, 0), 0);
    assert_int_equal(tenon_device_pause(rig->device, 0), 0);
    net_rig_start(rig, NULL);
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, 8), 0);
    net_deliver(rig, 0, NET_PLAIN, 1);
    struct untouched check = untouched_from_here(rig);
    kick_all(rig);
    untouched_till_here(&check);
    assert_int_equal(fake_link_waiting(rig->link, 0), 1);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    net_expect(rig, 0, NET_PLAIN, 1);
    net_check_alive(rig, 0);
}

/* While the link is full, or keeps what it has, a pause is bounded and says the truth. */
static void item52_pause_with_a_full_link(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    unsigned sent = 0;

    flood_begin(rig);
    fake_link_set_room(rig->link, 10);
    flood_send();
    net_await_sent(rig, 10);
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    sent = fake_link_sent(rig->link);
    struct untouched check = untouched_from_here(rig);
    fake_link_set_room(rig->link, UINT32_MAX);
    kick_all(rig);
    untouched_till_here(&check);
    assert_int_equal(fake_link_sent(rig->link), sent);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    flood_end(false);
    assert_int_equal(fake_link_sent(rig->link), 64);
}

static bool keeps_all(void *opaque)
{
    return fake_link_kept(((struct rig *)opaque)->link, 0) == 64;
}

static void item52_pause_with_kept_frames(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    flood_begin(rig);
    fake_link_set_keep(rig->link, true);
    flood_send();
    assert_true(tnd_until(rig->driver, keeps_all, rig));
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0); /* all can be taken back */
    assert_int_equal(fake_link_kept(rig->link, 0), 0);
    assert_int_equal(fake_link_sent(rig->link), 0);
    fake_link_set_keep(rig->link, false);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    flood_end(false);
    assert_int_equal(fake_link_sent(rig->link), 64);
}

/* Those that are being read are waited for: never a false yes. */
static void item52_pause_while_frames_are_read(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    flood_begin(rig);
    fake_link_set_keep(rig->link, true);
    pthread_mutex_lock(&rig->link->lock);
    rig->link->reading = 5;
    pthread_mutex_unlock(&rig->link->lock);
    flood_send();
    assert_true(tnd_until(rig->driver, keeps_all, rig));
    assert_int_equal(tenon_device_pause(rig->device, 50), -ETIMEDOUT);
    pthread_mutex_lock(&rig->link->lock);
    rig->link->reading = 0;
    rig->link->keep = false;
    pthread_mutex_unlock(&rig->link->lock);
    fake_link_let_go(rig->link, 0, 5);
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    flood_end(false);
    assert_int_equal(fake_link_sent(rig->link), 64);
}

/*
 * A bad chain is given back at once though good ones before it wait: those have no way back into
 * the ring. They are dropped and counted; nothing is sent twice, no chain comes back twice.
 */
static void bad_chains_between_those_that_wait(void **state, bool keep)
{
    enum { GOOD = 3, CHAINS = 5 };
    struct rig *rig = net_rig_new(state, NULL);
    struct tnd_net_packet packets[CHAINS];
    uint8_t frames[CHAINS][NET_FULL];

    fake_link_set_room(rig->link, keep ? 3 : 0);
    fake_link_set_keep(rig->link, keep);
    for (unsigned i = 0; i < CHAINS; i++) {
        net_frame(frames[i], NET_FULL, i, false);
        packets[i] =
            (struct tnd_net_packet){ .frame = frames[i], .bytes = NET_FULL, .only = i % 2 ? 5 : 0 };
        assert_int_equal(tnd_net_add(rig->driver, TX, &packets[i]), 0);
    }
    tnd_kick(rig->driver, TX);
    net_await_stat(rig, "malformed", TX, CHAINS - GOOD);
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    fake_link_set_keep(rig->link, false);
    fake_link_set_room(rig->link, UINT32_MAX);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    for (unsigned i = 0; i < CHAINS; i++) {
        assert_int_equal(tnd_net_wait(rig->driver, TX, &packets[i]), 0);
    }
    assert_int_equal(rig->driver->queues[TX].ring->bad_used, 0);
    assert_int_equal(rig_stat(rig, "frames", TX) + rig_stat(rig, "dropped_full", TX), GOOD);
    assert_int_equal(fake_link_sent(rig->link), rig_stat(rig, "frames", TX));
    uint32_t next = 0;
    for (struct fake_frame *f; (f = fake_link_take_sent(rig->link)); free(f)) {
        uint32_t number = net_number(f->data);
        assert_true(number >= next && number % 2 == 0);
        net_check_frame(f->data, f->bytes, NET_FULL, number, false);
        next = number + 1;
    }
    net_check_alive(rig, 0);
}

static void item52_pause_with_bad_chains_between_those_that_wait(void **state)
{
    bad_chains_between_those_that_wait(state, false);
    rig_end(state);
    bad_chains_between_those_that_wait(state, true);
}

/* The same of receive chains. */
static void item52_pause_with_bad_chains_between_buffers(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    unsigned got = 0;

    for (unsigned i = 0; i < 20; i++) { /* no chain holds the frame by itself */
        assert_true(tnd_net_post(rig->driver, RX, i % 3 == 1 ? 7 : 60, NULL) >= 0);
    }
    tnd_kick(rig->driver, RX);
    net_deliver(rig, 0, NET_FULL, 0);
    tnd_settle(rig->driver, 5);
    assert_int_equal(tenon_device_pause(rig->device, BOUND_MS), 0);
    assert_int_equal(tenon_device_resume(rig->device), 0);
    for (unsigned i = 0; i < 40; i++) {
        assert_true(tnd_net_post(rig->driver, RX, NET_ROOM, NULL) >= 0);
    }
    tnd_kick(rig->driver, RX);
    static struct tnd_net_frame frame;
    while (got == 0) { /* what is bad comes back with nothing in it */
        int error = tnd_net_receive(rig->driver, RX, &frame);
        if (error) {
            fail_msg("%s (%s)", strerror(-error), frame.wrong ? frame.wrong : "");
        }
        got += !frame.unused;
    }
    net_check_frame(frame.data, frame.bytes, NET_FULL, 0, true);
    assert_int_equal(rig->driver->queues[RX].ring->bad_used, 0);
}

/* ---- reset ---- */

static void reset_under_a_flood(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    flood_begin(rig);
    for (unsigned i = 0; i < 12; i++) {
        unsigned until = flood.received + 50 + i;
        while (flood.received < until) {
            flood_step(true);
        }
        flood_send();
        assert_int_equal(tnd_reset(rig->driver), 0);
        struct untouched check = untouched_from_here(rig);
        net_deliver(rig, 0, NET_PLAIN + flood.delivered % 1400, flood.delivered);
        flood.delivered++;
        tnd_settle(rig->driver, 2);
        untouched_till_here(&check);
        assert_int_equal(fake_link_count(rig->link, &rig->link->opens),
                         fake_link_count(rig->link, &rig->link->closes));
        flood_lose();
        net_rig_start(rig, NULL);
    }
    check_sent(true);
    flood_lose();
}

static void reset_with_a_full_link(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    for (unsigned round = 0; round < 4; round++) {
        flood_begin(rig);
        fake_link_set_room(rig->link, 0);
        fake_link_set_keep(rig->link, round % 2);
        flood_send();
        if (round % 2) {
            fake_link_set_room(rig->link, 40);
        }
        tnd_settle(rig->driver, 5);
        uint64_t begin = tnd_now_ms();
        assert_int_equal(tnd_reset(rig->driver), 0);
        assert_true(tnd_now_ms() - begin < BOUND_MS);
        assert_int_equal(fake_link_kept(rig->link, 0), 0);
        flood_lose();
        fake_link_release_all(rig->link);
        net_rig_start(rig, NULL);
        net_check_alive(rig, 0);
        assert_int_equal(tnd_reset(rig->driver), 0);
        net_rig_start(rig, NULL);
    }
}

/* ---- single queues ---- */

/* One queue stops and comes back, the other one goes on meanwhile. */
static void stop_of_the_receive_queue(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint16_t base;

    flood_begin(rig);
    for (unsigned i = 0; i < 6; i++) {
        flood_run(100);
        assert_int_equal(rig->driver->ops->queue_stop(rig->driver, RX, &base), 0);
        unsigned sent = fake_link_sent(rig->link);
        flood_send();
        net_deliver(rig, 0, NET_PLAIN + flood.delivered % 1400, flood.delivered);
        flood.delivered++;
        uint64_t end = tnd_now_ms() + BOUND_MS;
        while (fake_link_sent(rig->link) == sent && tnd_now_ms() < end) {
            flood_send();
            tnd_pass(rig->driver);
        }
        assert_true(fake_link_sent(rig->link) > sent);
        flood_receive(false); /* frames that came before are whole */
        struct tnd_ring *ring = rig->driver->queues[RX].ring;
        if (rig->mmio) {
            tnd_net_forget(rig->driver, RX);
            ring->start = 0;
            tnd_ring_clear(ring);
        } else {
            ring->start = base;
        }
        assert_int_equal(rig->driver->ops->queue_start(rig->driver, RX), 0);
    }
    flood_run(200);
    flood_end(false);
}

static void stop_of_the_transmit_queue(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint16_t base;

    for (unsigned i = 0; i < 6; i++) {
        flood_begin(rig);
        fake_link_set_room(rig->link, i % 2 ? 10 : UINT32_MAX);
        flood_send();
        tnd_settle(rig->driver, 2);
        assert_int_equal(rig->driver->ops->queue_stop(rig->driver, TX, &base), 0);
        assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, 1), 0);
        net_deliver(rig, 0, NET_PLAIN, i);
        net_expect(rig, 0, NET_PLAIN, i);
        fake_link_set_room(rig->link, UINT32_MAX);
        struct tnd_ring *ring = rig->driver->queues[TX].ring;
        if (rig->mmio) {
            tnd_net_reap(rig->driver, TX);
            for (unsigned j = 0; j < 64; j++) {
                if (!flood.packets[j].done) {
                    tnd_net_forget_packet(rig->driver, &flood.packets[j]);
                }
            }
            ring->start = 0;
            tnd_ring_clear(ring);
            assert_int_equal(rig->driver->ops->queue_start(rig->driver, TX), 0);
            check_sent(true);
        } else { /* it goes on where it was: all of them are sent once, in their order */
            ring->start = base;
            assert_int_equal(rig->driver->ops->queue_start(rig->driver, TX), 0);
            flood_end(false);
            assert_int_equal(flood.submitted, 64);
        }
    }
    net_check_alive(rig, 0);
}

/* ---- item 51 ---- */

static void break_queue(struct rig *rig, unsigned queue)
{
    struct tnd_ring *ring = rig->driver->queues[queue].ring;

    if (queue == RX) {
        net_deliver(rig, 0, NET_PLAIN, 0); /* or nobody would look for buffers */
    }
    tnd_raw_offer(ring, (uint16_t)ring->size);
    tnd_notify(rig->driver, queue);
    assert_true(tnd_wait_broken(rig->driver, queue));
}

static struct tnd_net_packet lone;

static bool lone_is_done(void *opaque)
{
    tnd_net_reap(opaque, TX);
    return lone.done;
}

static void item51_a_broken_receive_queue_leaves_transmit_alive(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint8_t frame[NET_PLAIN];

    break_queue(rig, RX);
    for (unsigned i = 0; i < 20; i++) {
        net_frame(frame, NET_PLAIN, i, false);
        lone = (struct tnd_net_packet){ .frame = frame, .bytes = NET_PLAIN };
        assert_int_equal(tnd_net_submit(rig->driver, TX, &lone), 0);
        assert_true(tnd_until(rig->driver, lone_is_done, rig->driver));
        net_expect_sent(rig, NET_PLAIN, i);
        net_deliver(rig, 0, NET_PLAIN, i);
    }
    assert_int_equal(rig_stat(rig, "broken", RX), 1);
    assert_int_equal(rig_stat(rig, "broken", TX), 0);
    tnd_settle(rig->driver, 10); /* without a thread: it ends */
    assert_int_equal(tnd_reset(rig->driver), 0);
    net_rig_start(rig, NULL);
    assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, 30), 0);
    net_expect(rig, 0, NET_PLAIN, 0);
    for (unsigned i = 0; i < 20; i++) {
        net_expect(rig, 0, NET_PLAIN, i); /* they have waited */
    }
    net_check_alive(rig, 0);
}

static struct tnd_net_frame received;

static bool has_received(void *opaque)
{
    return tnd_net_take(opaque, RX, &received) != 0;
}

static void item51_a_broken_transmit_queue_leaves_receive_alive(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    break_queue(rig, TX);
    assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, 20), 0);
    for (unsigned i = 0; i < 20; i++) {
        net_deliver(rig, 0, NET_PLAIN, i);
        assert_true(tnd_until(rig->driver, has_received, rig->driver));
        net_check_frame(received.data, received.bytes, NET_PLAIN, i, true);
    }
}

/* ---- no stall ---- */

/*
 * CVE-2020-16843: traffic both ways, buffers that run out again and again, and in the end it is
 * quiet: whatever came last is there.
 */
static void receiving_never_stalls(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    uint32_t random = 7;

    flood_begin(rig);
    for (unsigned i = 0; i < 400; i++) {
        random = random * 1664525u + 1013904223u;
        unsigned frames = random >> 28, buffers = random >> 24 & 15;
        for (unsigned j = 0; j < frames; j++) {
            net_deliver(rig, 0, NET_PLAIN + flood.delivered % 1400, flood.delivered);
            flood.delivered++;
        }
        if (i % 8 == 0) {
            flood_send();
        }
        unsigned posted = rig->driver->queues[RX].ring->in_flight;
        for (unsigned j = 0; j < buffers && posted + j < RING; j++) {
            assert_true(tnd_net_post(rig->driver, RX, NET_ROOM, NULL) >= 0);
        }
        tnd_kick(rig->driver, RX);
        if (random >> 20 & 1) {
            tnd_pass(rig->driver);
        }
        flood_receive(false);
    }
    while (flood.received < flood.delivered) {
        unsigned missing = flood.delivered - flood.received;
        if (rig->driver->queues[RX].ring->in_flight == 0) {
            assert_int_equal(
                tnd_net_fill(rig->driver, RX, NET_ROOM, missing < RING ? missing : 100), 0);
        }
        assert_int_equal(tnd_net_receive(rig->driver, RX, &received), 0);
        net_check_frame(received.data, received.bytes, NET_PLAIN + flood.received % 1400,
                        flood.received, true);
        flood.received++;
    }
    flood_end(false);
}

/* ---- K18 ---- */

/* Nobody who kicks does the work, and a turn is bounded: others have theirs. */
static void k18_a_turn_is_bounded(void **state)
{
    enum { FRAMES = 200, TURN = 64 };
    struct rig *rig = net_rig_new(state, NULL);
    static struct tnd_net_packet packets[FRAMES];
    uint8_t frame[NET_PLAIN];

    assert_int_equal(tnd_net_fill(rig->driver, RX, NET_ROOM, FRAMES), 0);
    tnd_settle(rig->driver, 5);
    net_frame(frame, NET_PLAIN, 0, false);
    for (unsigned i = 0; i < FRAMES; i++) {
        net_deliver(rig, 0, NET_PLAIN, i);
        packets[i] = (struct tnd_net_packet){ .frame = frame, .bytes = NET_PLAIN };
        assert_int_equal(tnd_net_add(rig->driver, TX, &packets[i]), 0);
    }
    tnd_kick(rig->driver, TX);
    for (unsigned turns = 1; rig->inline_ && turns <= 3; turns++) {
        rig_crank(rig);
        assert_in_range(fake_link_sent(rig->link), 0, turns * TURN);
        assert_in_range(FRAMES - fake_link_waiting(rig->link, 0), 0, turns * TURN);
    }
    for (unsigned i = 0; i < FRAMES; i++) {
        net_expect(rig, 0, NET_PLAIN, i);
        assert_int_equal(tnd_net_wait(rig->driver, TX, &packets[i]), 0);
    }
    assert_true(rig->inline_ || fake_link_count(rig->link, &rig->link->by_tester) == 0);
}

/* ---- item 54 ---- */

static void item54_free_under_a_flood(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    flood_begin(rig);
    flood_run(100);
    fake_link_set_room(rig->link, 3);
    flood_send();
    tenon_mmio_free(rig->window);
    rig->window = NULL;
    tenon_device_free(rig->device);
    rig->device = NULL;
    struct untouched check = untouched_from_here(rig);
    net_deliver(rig, 0, NET_PLAIN, 1);
    fake_link_set_room(rig->link, UINT32_MAX);
    tnd_settle(rig->driver, 5);
    untouched_till_here(&check);
    flood_lose();
}

static const struct rig_case cases[] = {
    RIG_TEST(item52_pause_and_resume_under_a_flood),
    RIG_TEST(item52_pause_before_start_and_start_while_paused),
    RIG_TEST(item52_pause_with_a_full_link),
    RIG_TEST(item52_pause_with_kept_frames),
    RIG_TEST(item52_pause_while_frames_are_read),
    RIG_TEST(item52_pause_with_bad_chains_between_those_that_wait),
    RIG_TEST(item52_pause_with_bad_chains_between_buffers),
    RIG_TEST(reset_under_a_flood),
    RIG_TEST(reset_with_a_full_link),
    RIG_TEST(stop_of_the_receive_queue),
    RIG_TEST(stop_of_the_transmit_queue),
    RIG_TEST(item51_a_broken_receive_queue_leaves_transmit_alive),
    RIG_TEST(item51_a_broken_transmit_queue_leaves_receive_alive),
    RIG_TEST(receiving_never_stalls),
    RIG_TEST(k18_a_turn_is_bounded),
    RIG_TEST_ON(item54_free_under_a_flood, RIG_MMIO),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
