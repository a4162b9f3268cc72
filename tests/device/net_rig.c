/*
 * net_rig.c: the rig of a network device: a fake link under it, rig.c around it; and frames that
 * say who they are.
 */
#include "net_rig.h"

#include <errno.h>

#include "rig_parts.h"

const uint8_t net_mac[6] = { 0x52, 0x54, 0x00, 0x12, 0x34, 0x56 };
static const uint8_t peer_mac[6] = { 0x52, 0x54, 0x00, 0xaa, 0xbb, 0xcc };

enum { ETHER_TYPE = 0x88b5, NUMBER_AT = 14, CONTENT_AT = 18 };

/* ---- the rig ---- */

static void let_go(struct rig *rig)
{
    if (rig->link) {
        fake_link_release_all(rig->link);
    }
}

static void close_link(struct rig *rig)
{
    tenon_link_close(rig->opened_link);
}

static void dispose(struct rig *rig)
{
    if (rig->link) {
        assert_int_equal(rig->link->after_close, 0);
        assert_int_equal(rig->link->opens, rig->link->closes);
        fake_link_free(rig->link);
    }
}

void net_rig_start(struct rig *rig, const struct net_options *options)
{
    struct tnd_setup setup = options ? options->setup : (struct tnd_setup){ .queues = 0 };

    rig_must(tnd_negotiate(rig->driver, &setup), "tnd_negotiate");
    if (setup.queues == 0) {
        setup.queues =
            tnd_net_control(rig->driver) + (tnd_has(rig->driver, TN_NET_F_CTRL_VQ) ? 1 : 0);
    }
    setup.pairs = true;
    rig_must(tnd_queues(rig->driver, &setup), "tnd_queues");
}

struct rig *net_rig_new(void **state, const struct net_options *options)
{
    static const struct net_options defaults;
    const struct net_options *o = options ? options : &defaults;
    struct rig_combination *combination = *state;
    struct rig *rig = calloc(1, sizeof(*rig));
    struct tenon_net_opts net = o->net;

    assert_non_null(rig);
    rig->release = let_go;
    rig->close = close_link;
    rig->dispose = dispose;
    rig_begin(rig, combination, net.pairs > 1 && !net.rss ? 2 : 1);
    rig->link = fake_link_new(combination->bits & RIG_LEND);
    unsigned pairs = net.pairs > 1 ? net.pairs : 1;
    unsigned recv_batch = rig->link->info.recv_batch;
    rig->link->info = o->info;
    rig->link->info.pairs = o->info.pairs ? o->info.pairs : pairs;
    rig->link->info.recv_batch = o->info.recv_batch ? o->info.recv_batch : recv_batch;
    rig->link->down = o->info.down;
    rig_must(fake_link_open(rig->link, &rig->opened_link), "tenon_link_open_custom");
    net.size = sizeof(net);
    net.link = rig->opened_link;
    memcpy(net.mac, net_mac, sizeof(net.mac));
    net.workers = rig->workers;
    net.worker_count = rig->queue_workers;
    net.event = rig_on_event;
    net.opaque = rig;
    rig_must(tenon_net_new(&net, &rig->device), "tenon_net_new");
    rig_attach(rig, o->irq);
    if (!o->no_start) {
        net_rig_start(rig, options);
    }
    return rig;
}

int net_rig_main(int argc, char **argv, const struct rig_case *cases, unsigned count)
{
    static const struct rig_engine engines[] = {
        { "inline-fill", RIG_INLINE | RIG_FILL, false },
        { "inline-lend", RIG_INLINE | RIG_LEND, false },
        { "threads-fill", RIG_THREADS | RIG_FILL, false },
        { "threads-lend", RIG_THREADS | RIG_LEND, false },
    };
    return rig_main_over(argc, argv, cases, count, engines, sizeof(engines) / sizeof(engines[0]));
}

/* ---- frames ---- */

void net_frame(uint8_t *frame, uint32_t bytes, uint32_t number, bool to_device)
{
    assert_true(bytes >= NET_SMALLEST);
    memcpy(frame, to_device ? net_mac : peer_mac, 6);
    memcpy(frame + 6, to_device ? peer_mac : net_mac, 6);
    frame[12] = ETHER_TYPE >> 8;
    frame[13] = ETHER_TYPE & 0xff;
    for (uint32_t i = NUMBER_AT; i < bytes && i < CONTENT_AT; i++) {
        frame[i] = (uint8_t)(number >> 8 * (i - NUMBER_AT));
    }
    if (bytes > CONTENT_AT) {
        rig_pattern(frame + CONTENT_AT, bytes - CONTENT_AT, number);
    }
}

void net_check_frame(const uint8_t *frame, uint32_t bytes, uint32_t want_bytes, uint32_t number,
                     bool to_device)
{
    static uint8_t want[TND_NET_FRAME_MAX + 64];

    assert_int_equal(bytes, want_bytes);
    net_frame(want, bytes, number, to_device);
    assert_memory_equal(frame, want, bytes);
}

uint32_t net_number(const uint8_t *frame)
{
    uint32_t number = 0;
    for (unsigned i = 0; i < 4; i++) {
        number |= (uint32_t)frame[NUMBER_AT + i] << 8 * i;
    }
    return number;
}

void net_deliver(struct rig *rig, unsigned pair, uint32_t bytes, uint32_t number)
{
    static uint8_t frame[TND_NET_FRAME_MAX + 64];

    net_frame(frame, bytes, number, true);
    fake_link_deliver(rig->link, pair, frame, bytes, NULL);
}

void net_expect(struct rig *rig, unsigned pair, uint32_t bytes, uint32_t number)
{
    static struct tnd_net_frame frame;
    int error = tnd_net_receive(rig->driver, tnd_net_rx(pair), &frame);

    if (error) {
        fail_msg("frame %u did not come: %s (%s)", number, strerror(-error),
                 frame.wrong ? frame.wrong : "");
    }
    assert_false(frame.unused);
    net_check_frame(frame.data, frame.bytes, bytes, number, true);
    assert_int_equal(frame.header.flags, 0);
    assert_int_equal(frame.header.gso_type, 0);
    assert_int_equal(frame.header.hdr_len, 0);
    assert_int_equal(frame.header.gso_size, 0);
    assert_int_equal(frame.header.csum_start, 0);
    assert_int_equal(frame.header.csum_offset, 0);
}

void net_transmit(struct rig *rig, unsigned pair, uint32_t bytes, uint32_t number)
{
    static uint8_t frame[TND_NET_FRAME_MAX + 64];

    net_frame(frame, bytes, number, false);
    assert_int_equal(tnd_net_send(rig->driver, tnd_net_tx(pair), frame, bytes), 0);
}

struct wanted {
    struct rig *rig;
    unsigned count;
};

static bool has_sent(void *opaque)
{
    struct wanted *wanted = opaque;
    return fake_link_sent(wanted->rig->link) >= wanted->count;
}

void net_await_sent(struct rig *rig, unsigned count)
{
    struct wanted wanted = { rig, count };

    (void)tnd_until(rig->driver, has_sent, &wanted);
    assert_int_equal(fake_link_sent(rig->link), count);
}

void net_expect_sent(struct rig *rig, uint32_t bytes, uint32_t number)
{
    struct fake_frame *f = fake_link_take_sent(rig->link);

    assert_non_null(f);
    net_check_frame(f->data, f->bytes, bytes, number, false);
    free(f);
}

static bool has_received(void *opaque)
{
    struct wanted *wanted = opaque;
    return fake_link_waiting(wanted->rig->link, wanted->count) == 0;
}

void net_await_received(struct rig *rig, unsigned pair)
{
    struct wanted wanted = { rig, pair };
    assert_true(tnd_until(rig->driver, has_received, &wanted));
}

struct wanted_stat {
    struct rig *rig;
    const char *name;
    int queue;
    uint64_t value;
};

static bool has_counted(void *opaque)
{
    struct wanted_stat *w = opaque;
    return rig_stat(w->rig, w->name, w->queue) >= w->value;
}

void net_await_stat(struct rig *rig, const char *name, int queue, uint64_t value)
{
    struct wanted_stat wanted = { rig, name, queue, value };

    (void)tnd_until(rig->driver, has_counted, &wanted);
    assert_int_equal(rig_stat(rig, name, queue), value);
}

void net_check_alive(struct rig *rig, unsigned pair)
{
    static uint32_t number = 0x1000000;
    struct tnd_ring *ring = rig->driver->queues[tnd_net_rx(pair)].ring;
    unsigned sent = fake_link_sent(rig->link);

    /* Room for the longest frame that there is. */
    while (ring->in_flight < 48 && ring->free_count != 0) {
        assert_int_equal(tnd_net_fill(rig->driver, tnd_net_rx(pair), NET_ROOM, 1), 0);
    }
    net_deliver(rig, pair, NET_PLAIN, ++number);
    net_expect(rig, pair, NET_PLAIN, number);
    net_transmit(rig, pair, NET_FULL, ++number);
    net_await_sent(rig, sent + 1);
    struct fake_frame *f = NULL;
    while (true) { /* what went before it is not asked for */
        f = fake_link_take_sent(rig->link);
        assert_non_null(f);
        if (f->bytes == NET_FULL && net_number(f->data) == number) {
            break;
        }
        free(f);
    }
    net_check_frame(f->data, f->bytes, NET_FULL, number, false);
    free(f);
}

uint32_t net_await_used(struct rig *rig, unsigned queue, int head)
{
    struct tnd_used used;

    assert_true(head >= 0);
    assert_int_equal(tnd_wait_used(rig->driver, queue, &used), 0);
    assert_int_equal(used.head, head);
    return used.bytes;
}
