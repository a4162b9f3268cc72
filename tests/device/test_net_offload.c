/*
 * test_net_offload.c: what is left undone, and who does it: items 47 and 48 of the conformance
 * list, NET-05, NET-22..28 and NET-40..45.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>

#include "net_packet.h"
#include "net_rig.h"
#include "spec/virtio.h"

enum { TX = 1, BIG = 9000, ROOM = TN_NET_HEADER_BYTES + 65550 };

static uint8_t frame[BIG + 100], whole[BIG + 100];
static struct tnd_net_frame got;

static uint64_t bit(unsigned number)
{
    return (uint64_t)1 << number;
}

/* All that the link can, or nothing of it; and what the guest does not take. */
static struct net_options options_of(unsigned can, uint64_t without)
{
    return (struct net_options){ .info = { .send_can = can, .recv_can = can },
                                 .setup = { .without = { without } } };
}

static const uint64_t guest_bits =
    (uint64_t)1 << TN_NET_F_GUEST_CSUM | (uint64_t)1 << TN_NET_F_GUEST_TSO4 |
    (uint64_t)1 << TN_NET_F_GUEST_TSO6 | (uint64_t)1 << TN_NET_F_GUEST_ECN |
    (uint64_t)1 << TN_NET_F_GUEST_USO4 | (uint64_t)1 << TN_NET_F_GUEST_USO6;
static const uint64_t guest_gso_bits =
    (uint64_t)1 << TN_NET_F_GUEST_TSO4 | (uint64_t)1 << TN_NET_F_GUEST_TSO6 |
    (uint64_t)1 << TN_NET_F_GUEST_ECN | (uint64_t)1 << TN_NET_F_GUEST_USO4 |
    (uint64_t)1 << TN_NET_F_GUEST_USO6;
static const uint64_t host_gso_bits =
    (uint64_t)1 << TN_NET_F_HOST_TSO4 | (uint64_t)1 << TN_NET_F_HOST_TSO6 |
    (uint64_t)1 << TN_NET_F_HOST_ECN | (uint64_t)1 << TN_NET_F_HOST_USO;
static const uint64_t host_bits = (uint64_t)1 << TN_NET_F_CSUM | (uint64_t)1 << TN_NET_F_HOST_TSO4 |
                                  (uint64_t)1 << TN_NET_F_HOST_TSO6 |
                                  (uint64_t)1 << TN_NET_F_HOST_ECN |
                                  (uint64_t)1 << TN_NET_F_HOST_USO;

static struct tnd_net_header as_header(const struct tenon_offload *offload)
{
    return (struct tnd_net_header){ .flags = offload->flags,
                                    .gso_type = offload->gso,
                                    .hdr_len = offload->header_bytes,
                                    .gso_size = offload->gso_bytes,
                                    .csum_start = offload->csum_start,
                                    .csum_offset = offload->csum_offset };
}

/* Sends it, and fails unless it comes back with a used length of 0. */
static void send_with(struct rig *rig, const struct tnd_net_header *header, uint32_t bytes)
{
    struct tnd_net_packet packet = { .header = *header, .frame = frame, .bytes = bytes };

    assert_int_equal(tnd_net_submit(rig->driver, TX, &packet), 0);
    assert_int_equal(tnd_net_wait(rig->driver, TX, &packet), 0);
    assert_int_equal(packet.used_bytes, 0);
}

/* ---- what is offered ---- */

static void check_legal(uint64_t features)
{
    uint64_t guest_gso = features & guest_gso_bits, host_gso = features & host_gso_bits;

    assert_true(guest_gso == 0 || features & bit(TN_NET_F_GUEST_CSUM));
    assert_true(host_gso == 0 || features & bit(TN_NET_F_CSUM));
    assert_true(!(features & bit(TN_NET_F_GUEST_ECN)) ||
                features & (bit(TN_NET_F_GUEST_TSO4) | bit(TN_NET_F_GUEST_TSO6)));
    assert_true(!(features & bit(TN_NET_F_HOST_ECN)) ||
                features & (bit(TN_NET_F_HOST_TSO4) | bit(TN_NET_F_HOST_TSO6)));
    /* Nothing that nobody implements here. */
    assert_int_equal(features & (bit(TN_NET_F_GUEST_UFO) | bit(TN_NET_F_HOST_UFO)), 0);
}

static void only_legal_sets_are_offered_NET_05(void **state)
{
    static const unsigned cans[] = { 0,
                                     TENON_CAN_CSUM,
                                     TENON_CAN_ALL,
                                     TENON_CAN_CSUM | TENON_CAN_TSO4,
                                     TENON_CAN_CSUM | TENON_CAN_TSO6 | TENON_CAN_ECN,
                                     TENON_CAN_CSUM | TENON_CAN_USO4 };

    for (unsigned i = 0; i < sizeof(cans) / sizeof(cans[0]); i++) {
        for (unsigned j = 0; j < sizeof(cans) / sizeof(cans[0]); j++) {
            struct net_options options = options_of(cans[i], 0);
            uint64_t features[2] = { 0 };
            options.net.offload = j == 0 ? TENON_NET_OFFLOAD_OFF : cans[j];
            options.no_start = true;
            struct rig *rig = net_rig_new(state, &options);
            assert_int_equal(rig->driver->ops->offered(rig->driver, features), 0);
            check_legal(features[0]);
            if (j == 0) {
                assert_int_equal(features[0] & (host_bits | guest_bits), 0);
            }
            rig_end(state);
        }
    }
}

/* A driver that takes what needs another bit without it is refused (mmio shows it). */
static void broken_sets_are_refused_NET_05(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, 0);
    options.no_start = true;
    struct rig *rig = net_rig_new(state, &options);
    uint64_t features[2] = { 0 }, base = bit(TN_F_VERSION_1);
    const uint64_t broken[] = { base | bit(TN_NET_F_GUEST_TSO4),
                                base | bit(TN_NET_F_HOST_TSO6),
                                base | bit(TN_NET_F_HOST_USO),
                                base | bit(TN_NET_F_GUEST_USO4),
                                base | bit(TN_NET_F_CSUM) | bit(TN_NET_F_HOST_ECN),
                                base | bit(TN_NET_F_GUEST_CSUM) | bit(TN_NET_F_GUEST_ECN),
                                base | bit(TN_NET_F_CTRL_RX),
                                base | bit(TN_NET_F_CTRL_VLAN),
                                base | bit(TN_NET_F_CTRL_MAC_ADDR),
                                base | bit(TN_NET_F_NOTF_COAL) };

    assert_int_equal(rig->driver->ops->offered(rig->driver, features), 0);
    for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
        uint64_t wanted[2] = { broken[i], 0 };
        assert_int_equal(broken[i] & ~features[0], 0);
        assert_int_equal(rig->driver->ops->negotiate(rig->driver, wanted), -EOPNOTSUPP);
        assert_int_equal(rig->driver->ops->reset(rig->driver), 0);
    }
    uint64_t good[2] = { base, 0 };
    assert_int_equal(rig->driver->ops->negotiate(rig->driver, good), 0);
}

/* QEMU answers the control queue itself, and passes these on without it. */
static void what_qemu_leaves_of_control_is_accepted(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, 0);
    options.net.pairs = 2;
    options.no_start = true;
    struct rig *rig = net_rig_new(state, &options);
    uint64_t features[2] = { 0 };
    uint64_t wanted[2] = { bit(TN_F_VERSION_1) | bit(TN_NET_F_GUEST_ANNOUNCE) | bit(TN_NET_F_MQ) };

    assert_int_equal(rig->driver->ops->offered(rig->driver, features), 0);
    assert_int_equal(wanted[0] & ~features[0], 0);
    assert_int_equal(rig->driver->ops->negotiate(rig->driver, wanted), 0);
}

/* ---- item 47: headers that ask for what cannot be ---- */

struct header_case {
    const char *what;
    struct tnd_net_header header;
    bool passes;
};

enum { TCP_AT = 34, TCP_SUM = 16, CSUM = TN_NET_HDR_F_NEEDS_CSUM };

static const struct header_case header_cases[] = {
    { "plain", { .flags = 0 }, true },
    { "unknown flags are passed over (NET-22)", { .flags = 0xf8 }, true },
    { "places without NEEDS_CSUM (NET-23)", { .csum_start = 60000, .csum_offset = 60000 }, true },
    { "hdr_len is a hint (NET-26)", { .hdr_len = 0xffff }, true },
    { "num_buffers means nothing (NET-31)", { .num_buffers = 77 }, true },
    { "a checksum", { .flags = CSUM, .csum_start = TCP_AT, .csum_offset = TCP_SUM }, true },
    { "csum_start at the end", { .flags = CSUM, .csum_start = 1054, .csum_offset = 16 }, false },
    { "csum_start beyond", { .flags = CSUM, .csum_start = 0xffff, .csum_offset = 16 }, false },
    { "csum_offset beyond", { .flags = CSUM, .csum_start = 34, .csum_offset = 0xffff }, false },
    { "half of it beyond", { .flags = CSUM, .csum_start = 34, .csum_offset = 1019 }, false },
    { "gso_size 0",
      { .flags = CSUM, .gso_type = 1, .csum_start = TCP_AT, .csum_offset = TCP_SUM },
      false },
    { "gso without NEEDS_CSUM", { .gso_type = 1, .gso_size = 500, .hdr_len = 54 }, false },
    { "an unknown kind",
      { .flags = CSUM, .gso_type = 2, .gso_size = 500, .csum_start = 34, .csum_offset = 16 },
      false },
    { "UFO, which is not offered",
      { .flags = CSUM, .gso_type = 3, .gso_size = 500, .csum_start = 34, .csum_offset = 16 },
      false },
    { "77",
      { .flags = CSUM, .gso_type = 77, .gso_size = 500, .csum_start = 34, .csum_offset = 16 },
      false },
    { "ECN alone",
      { .flags = CSUM, .gso_type = 0x80, .gso_size = 500, .csum_start = 34, .csum_offset = 16 },
      false },
};

static void run_header_case(struct rig *rig, const struct header_case *c, bool passes)
{
    uint64_t before = rig_stat(rig, "bad_header", TX);
    unsigned sent = fake_link_sent(rig->link);

    send_with(rig, &c->header, 1054);
    tnd_settle(rig->driver, 1);
    if (rig_stat(rig, "bad_header", TX) - before != (passes ? 0 : 1) ||
        (fake_link_sent(rig->link) != sent) != passes) {
        fail_msg("%s: %llu counted, %u sent", c->what,
                 (unsigned long long)(rig_stat(rig, "bad_header", TX) - before),
                 fake_link_sent(rig->link) - sent);
    }
    for (struct fake_frame *f; (f = fake_link_take_sent(rig->link)); free(f)) {
        assert_int_equal(f->offload.gso, 0);
    }
}

static void check_headers(struct rig *rig)
{
    const struct net_packet packet = { .payload = 1000, .sequence = 5 };

    assert_int_equal(net_packet_make(frame, &packet), 1054);
    for (unsigned i = 0; i < sizeof(header_cases) / sizeof(header_cases[0]); i++) {
        run_header_case(rig, &header_cases[i], header_cases[i].passes);
    }
    net_check_alive(rig, 0);
    assert_int_equal(rig_event(&rig->broken), 0);
}

static void item47_hostile_headers(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, 0);
    check_headers(net_rig_new(state, &options));
}

static void item47_hostile_headers_finished_here(void **state)
{
    check_headers(net_rig_new(state, NULL));
}

/* What was not negotiated is refused, however the link can it (NET-28). */
static void item47_not_negotiated(void **state)
{
    static const struct header_case tso = {
        "TSO",
        { .flags = CSUM, .gso_type = 1, .gso_size = 500, .csum_start = 34, .csum_offset = 16 },
        false
    };
    const struct net_packet packet = { .payload = 1000, .sequence = 5 };
    struct net_options options = options_of(TENON_CAN_ALL, host_gso_bits);
    struct rig *rig = net_rig_new(state, &options);

    assert_int_equal(net_packet_make(frame, &packet), 1054);
    run_header_case(rig, &tso, false);
    run_header_case(rig, &header_cases[5], true); /* a checksum was */
    rig_end(state);
    options = options_of(TENON_CAN_ALL, host_bits);
    rig = net_rig_new(state, &options);
    run_header_case(rig, &tso, false);
    run_header_case(rig, &header_cases[0], true);
}

/* ---- transmit: the link does it, or we do ---- */

static const struct net_packet kinds[] = {
    { .payload = 0, .sequence = 1 },
    { .payload = 1, .sequence = 2 },
    { .payload = 1001, .sequence = 3 },
    { .payload = 777, .sequence = 4, .udp = true },
    { .payload = 778, .sequence = 5, .v6 = true }, /* A25 */
    { .payload = 3, .sequence = 6, .v6 = true, .udp = true },
};
enum { KINDS = sizeof(kinds) / sizeof(kinds[0]) };

static void checksums_are_finished_NET_24(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    assert_true(tnd_has(rig->driver, TN_NET_F_CSUM));
    for (unsigned i = 0; i < KINDS; i++) {
        struct tenon_offload offload;
        uint32_t bytes = net_packet_make(whole, &kinds[i]);
        memcpy(frame, whole, bytes);
        net_packet_leave(frame, &kinds[i], &offload);
        struct tnd_net_header header = as_header(&offload);
        send_with(rig, &header, bytes);
        net_await_sent(rig, i + 1);
        struct fake_frame *f = fake_link_take_sent(rig->link);
        assert_int_equal(f->bytes, bytes);
        assert_memory_equal(f->data, whole, bytes);
        assert_int_equal(f->offload.flags & TENON_OFFLOAD_NEEDS_CSUM, 0);
        free(f);
    }
    assert_int_equal(rig_stat(rig, "summed", TX), KINDS);
}

static void checksums_are_left_to_a_link_that_can(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, 0);
    struct rig *rig = net_rig_new(state, &options);

    for (unsigned i = 0; i < KINDS; i++) {
        struct tenon_offload offload;
        uint32_t bytes = net_packet_make(frame, &kinds[i]);
        net_packet_leave(frame, &kinds[i], &offload);
        struct tnd_net_header header = as_header(&offload);
        send_with(rig, &header, bytes);
        net_await_sent(rig, i + 1);
        struct fake_frame *f = fake_link_take_sent(rig->link);
        assert_int_equal(f->bytes, bytes);
        assert_memory_equal(f->data, frame, bytes);
        assert_int_equal(f->offload.flags, TENON_OFFLOAD_NEEDS_CSUM);
        assert_int_equal(f->offload.csum_start, offload.csum_start);
        assert_int_equal(f->offload.csum_offset, offload.csum_offset);
        free(f);
    }
    assert_int_equal(rig_stat(rig, "summed", TX), 0);
}

static uint8_t gso_of(const struct net_packet *packet)
{
    return packet->udp ? TENON_GSO_UDP_L4 : packet->v6 ? TENON_GSO_TCPV6 : TENON_GSO_TCPV4;
}

static uint32_t make_large(const struct net_packet *packet, struct tenon_offload *offload)
{
    uint32_t bytes = net_packet_make(frame, packet);

    net_packet_leave(frame, packet, offload);
    offload->gso = gso_of(packet);
    offload->gso_bytes = 1000;
    offload->header_bytes = (uint16_t)net_packet_headers(packet);
    return bytes;
}

static const struct net_packet larges[] = {
    { .payload = 4000, .sequence = 100000 },
    { .payload = 4001, .sequence = 0xfffff000 },
    { .payload = 8500, .sequence = 3, .v6 = true },
    { .payload = 2999, .sequence = 4, .udp = true },
    { .payload = 1000, .sequence = 5 },
    { .payload = 5000, .sequence = 6, .v6 = true, .udp = true },
};
enum { LARGES = sizeof(larges) / sizeof(larges[0]) };

/* For a link that cannot: whole segments, in order, nothing lost (NET-27). */
static void large_frames_are_cut(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);

    for (unsigned i = 0; i < LARGES; i++) {
        struct tenon_offload offload;
        uint32_t bytes = make_large(&larges[i], &offload), at = 0;
        struct tnd_net_header header = as_header(&offload);
        unsigned before = fake_link_sent(rig->link);
        send_with(rig, &header, bytes);
        net_await_sent(rig, before + (larges[i].payload + 999) / 1000);
        while (at < larges[i].payload) {
            struct fake_frame *f = fake_link_take_sent(rig->link);
            uint32_t payload = 0;
            assert_non_null(f);
            const char *wrong =
                net_packet_segment(f->data, f->bytes, &larges[i], frame, at, &payload);
            if (wrong) {
                fail_msg("packet %u at %u: %s", i, at, wrong);
            }
            assert_true(payload == 1000 || at + payload == larges[i].payload);
            assert_int_equal(f->offload.gso, 0);
            at += payload;
            free(f);
        }
    }
    assert_true(rig_stat(rig, "segmented", TX) >= LARGES - 1);
}

/* Segments when the link is full in the middle of them: none is lost, none comes twice. */
static void a_large_frame_over_a_full_link(void **state)
{
    struct rig *rig = net_rig_new(state, NULL);
    struct tenon_offload offload;
    uint32_t bytes = make_large(&larges[2], &offload), at = 0;
    struct tnd_net_packet packet = { .header = as_header(&offload),
                                     .frame = frame,
                                     .bytes = bytes };

    fake_link_set_room(rig->link, 3);
    assert_int_equal(tnd_net_submit(rig->driver, TX, &packet), 0);
    net_await_sent(rig, 3);
    tnd_settle(rig->driver, 10);
    fake_link_set_room(rig->link, 1);
    net_await_sent(rig, 4);
    fake_link_set_room(rig->link, UINT32_MAX);
    assert_int_equal(tnd_net_wait(rig->driver, TX, &packet), 0);
    net_await_sent(rig, 9);
    while (at < larges[2].payload) {
        struct fake_frame *f = fake_link_take_sent(rig->link);
        uint32_t payload = 0;
        assert_non_null(f);
        assert_null(net_packet_segment(f->data, f->bytes, &larges[2], frame, at, &payload));
        at += payload;
        free(f);
    }
}

static void large_frames_are_left_to_a_link_that_can(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, 0);
    struct rig *rig = net_rig_new(state, &options);

    for (unsigned i = 0; i < LARGES; i++) {
        struct tenon_offload offload;
        uint32_t bytes = make_large(&larges[i], &offload);
        struct tnd_net_header header = as_header(&offload);
        send_with(rig, &header, bytes);
        net_await_sent(rig, i + 1);
        struct fake_frame *f = fake_link_take_sent(rig->link);
        assert_int_equal(f->bytes, bytes);
        assert_memory_equal(f->data, frame, bytes);
        assert_int_equal(f->offload.gso, offload.gso);
        assert_int_equal(f->offload.gso_bytes, offload.gso_bytes);
        free(f);
    }
    assert_int_equal(rig_stat(rig, "segmented", TX), 0);
}

/* ---- item 48: receive ---- */

/* The link is told what the guest has taken, and again after a reset. */
static void item48_the_link_is_told(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, guest_gso_bits);
    struct rig *rig = net_rig_new(state, &options);

    assert_int_equal(tnd_net_fill(rig->driver, 0, ROOM, 2), 0);
    net_deliver(rig, 0, NET_PLAIN, 1);
    net_expect(rig, 0, NET_PLAIN, 1);
    assert_int_equal(fake_link_count(rig->link, &rig->link->ports[0].can), TENON_CAN_CSUM);
    assert_int_equal(tnd_reset(rig->driver), 0);
    options.setup.without[0] = 0;
    net_rig_start(rig, &options);
    assert_int_equal(tnd_net_fill(rig->driver, 0, ROOM, 2), 0);
    net_deliver(rig, 0, NET_PLAIN, 2);
    net_expect(rig, 0, NET_PLAIN, 2);
    assert_int_equal(fake_link_count(rig->link, &rig->link->ports[0].can), TENON_CAN_ALL);
    assert_int_equal(tnd_reset(rig->driver), 0);
    options.setup.without[0] = guest_bits;
    net_rig_start(rig, &options);
    net_check_alive(rig, 0);
    assert_int_equal(fake_link_count(rig->link, &rig->link->ports[0].can), 0);
}

/* Negotiated: as the link says, with all that goes with it (NET-41, NET-43, NET-44). */
static void item48_unfinished_frames_if_negotiated(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, 0);
    struct rig *rig = net_rig_new(state, &options);

    for (unsigned i = 0; i < LARGES; i++) {
        struct net_packet packet = larges[i];
        struct tenon_offload offload;
        packet.to_device = true;
        uint32_t bytes = make_large(&packet, &offload);
        assert_int_equal(tnd_net_fill(rig->driver, 0, ROOM, 1), 0);
        fake_link_deliver(rig->link, 0, frame, bytes, &offload);
        assert_int_equal(tnd_net_receive(rig->driver, 0, &got), 0);
        assert_int_equal(got.bytes, bytes);
        assert_memory_equal(got.data, frame, bytes);
        assert_int_equal(got.header.flags, TN_NET_HDR_F_NEEDS_CSUM);
        assert_int_equal(got.header.gso_type, offload.gso);
        assert_int_equal(got.header.gso_size, 1000);
        assert_int_equal(got.header.csum_start, offload.csum_start);
        assert_int_equal(got.header.csum_offset, offload.csum_offset);
        assert_true(got.header.hdr_len >= offload.header_bytes);
    }
}

/*
 * Not negotiated: whatever a link says, no flag, no kind, and the checksum is right (NET-40,
 * NET-43, A23); or the frame is dropped, which a large one may be.
 */
static void item48_nothing_that_was_not_negotiated(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, guest_bits);
    struct rig *rig = net_rig_new(state, &options);

    for (unsigned i = 0; i < KINDS; i++) {
        struct net_packet packet = kinds[i];
        struct tenon_offload offload;
        packet.to_device = true;
        uint32_t bytes = net_packet_make(whole, &packet);
        memcpy(frame, whole, bytes);
        net_packet_leave(frame, &packet, &offload);
        assert_int_equal(tnd_net_fill(rig->driver, 0, ROOM, 1), 0);
        fake_link_deliver(rig->link, 0, frame, bytes, &offload);
        assert_int_equal(tnd_net_receive(rig->driver, 0, &got), 0);
        assert_int_equal(got.bytes, bytes);
        assert_memory_equal(got.data, whole, bytes);
        assert_int_equal(got.header.flags, 0);
        assert_int_equal(got.header.gso_type, 0);
    }
    for (unsigned i = 0; i < KINDS;
         i++) { /* found to be good, but that was not negotiated (NET-40) */
        struct net_packet packet = kinds[i];
        struct tenon_offload offload = { .flags = TENON_OFFLOAD_DATA_VALID };
        packet.to_device = true;
        uint32_t bytes = net_packet_make(frame, &packet);
        assert_int_equal(tnd_net_fill(rig->driver, 0, ROOM, 1), 0);
        fake_link_deliver(rig->link, 0, frame, bytes, &offload);
        assert_int_equal(tnd_net_receive(rig->driver, 0, &got), 0);
        assert_int_equal(got.header.flags, 0);
    }
}

static void item48_data_valid_if_negotiated_NET_42(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, 0);
    struct rig *rig = net_rig_new(state, &options);
    struct net_packet packet = { .payload = 500, .to_device = true };
    struct tenon_offload valid = { .flags = TENON_OFFLOAD_DATA_VALID };
    uint32_t bytes = net_packet_make(frame, &packet);

    assert_int_equal(tnd_net_fill(rig->driver, 0, ROOM, 2), 0);
    fake_link_deliver(rig->link, 0, frame, bytes, &valid);
    assert_int_equal(tnd_net_receive(rig->driver, 0, &got), 0);
    assert_int_equal(got.header.flags, TN_NET_HDR_F_DATA_VALID);
    fake_link_deliver(rig->link, 0, frame, bytes, NULL); /* nobody has looked */
    assert_int_equal(tnd_net_receive(rig->driver, 0, &got), 0);
    assert_int_equal(got.header.flags, 0);
}

/* A large frame for a guest that takes none: cut, or dropped and counted; never as it is. */
static void item48_large_frames_not_negotiated(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, guest_gso_bits);
    struct rig *rig = net_rig_new(state, &options);
    struct net_packet packet = { .payload = 4000, .to_device = true, .sequence = 9 };
    struct tenon_offload offload;
    uint32_t bytes = make_large(&packet, &offload), at = 0;

    assert_int_equal(tnd_net_fill(rig->driver, 0, NET_ROOM, 40), 0);
    fake_link_deliver(rig->link, 0, frame, bytes, &offload);
    net_deliver(rig, 0, NET_PLAIN, 1);
    for (;;) {
        uint32_t payload = 0;
        assert_int_equal(tnd_net_receive(rig->driver, 0, &got), 0);
        assert_int_equal(got.header.gso_type, 0);
        if (got.bytes == NET_PLAIN && net_number(got.data) == 1) {
            break;
        }
        assert_null(net_packet_segment(got.data, got.bytes, &packet, frame, at, &payload));
        at += payload;
    }
    if (at == 0) {
        uint64_t dropped = rig_stat(rig, "bad_header", 0) + rig_stat(rig, "too_long", 0) +
                           rig_stat(rig, "link_error", 0) + rig_stat(rig, "malformed", 0);
        assert_int_equal(dropped, 1);
    } else {
        assert_int_equal(at, packet.payload);
    }
}

/*
 * Its sender may take back what is not taken, so the device does not come back to such a frame:
 * what finds no room it has kept.
 */
static void a_large_frame_is_let_go_of_before_there_is_room(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, guest_gso_bits);
    struct rig *rig = net_rig_new(state, &options);
    const struct net_packet packet = { .payload = 8500, .to_device = true, .sequence = 7 };
    struct tenon_offload offload;
    uint32_t bytes = make_large(&packet, &offload), at = 0;

    assert_int_equal(tnd_net_fill(rig->driver, 0, NET_ROOM, 3), 0);
    fake_link_deliver(rig->link, 0, frame, bytes, &offload);
    net_await_received(rig, 0);
    net_deliver(rig, 0, NET_PLAIN, 1);
    assert_int_equal(tnd_net_fill(rig->driver, 0, NET_ROOM, 20), 0);
    while (at < packet.payload) {
        uint32_t payload = 0;
        assert_int_equal(tnd_net_receive(rig->driver, 0, &got), 0);
        assert_null(net_packet_segment(got.data, got.bytes, &packet, frame, at, &payload));
        at += payload;
    }
    net_expect(rig, 0, NET_PLAIN, 1);
}

static const struct rig_case cases[] = {
    RIG_TEST_ON(only_legal_sets_are_offered_NET_05, RIG_INLINE | RIG_FILL | RIG_EPOLL),
    RIG_TEST_ON(broken_sets_are_refused_NET_05, RIG_MMIO),
    RIG_TEST_ON(what_qemu_leaves_of_control_is_accepted, RIG_MMIO),
    RIG_TEST(item47_hostile_headers),
    RIG_TEST(item47_hostile_headers_finished_here),
    RIG_TEST(item47_not_negotiated),
    RIG_TEST(checksums_are_finished_NET_24),
    RIG_TEST(checksums_are_left_to_a_link_that_can),
    RIG_TEST(large_frames_are_cut),
    RIG_TEST(a_large_frame_over_a_full_link),
    RIG_TEST(large_frames_are_left_to_a_link_that_can),
    RIG_TEST(item48_the_link_is_told),
    RIG_TEST(item48_unfinished_frames_if_negotiated),
    RIG_TEST(item48_nothing_that_was_not_negotiated),
    RIG_TEST(item48_data_valid_if_negotiated_NET_42),
    RIG_TEST(item48_large_frames_not_negotiated),
    RIG_TEST_ON(a_large_frame_is_let_go_of_before_there_is_room, RIG_LEND),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
