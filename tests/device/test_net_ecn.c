/*
 * test_net_ecn.c: large TCP frames that say how congestion is told (ECN): sent only with HOST_ECN,
 * shown only with GUEST_ECN (NET-28, NET-43, NET-45), and cut here so that CWR stands in the first
 * segment alone (NET-27): the sender has slowed down once, not with each segment.
 */
#include "base/le.h"
#include "net_packet.h"
#include "net_rig.h"
#include "spec/inet.h"

enum {
    RX = 0,
    TX = 1,
    BIG = 9000,
    ROOM = TN_NET_HEADER_BYTES + 65550,
    SEGMENT = 1000,
    FLAGS_AT = 13,
    ACK = 0x10,
    ECE = 0x40,
    TSO = TENON_CAN_CSUM | TENON_CAN_TSO4 | TENON_CAN_TSO6,
    USO = TENON_CAN_USO4 | TENON_CAN_USO6
};

static const uint8_t congested = ACK | ECE | TN_TCP_CWR | TN_TCP_PSH | TN_TCP_FIN;

static uint8_t frame[BIG + 100];
static struct tnd_net_frame got;

/* A large frame, with ECN in its offload if `ecn`. Its length. */
static uint32_t make(struct net_packet *packet, bool ecn, struct tenon_offload *offload)
{
    packet->tcp_flags = congested;
    uint32_t bytes = net_packet_make(frame, packet);

    net_packet_leave(frame, packet, offload);
    offload->gso = packet->v6 ? TENON_GSO_TCPV6 : TENON_GSO_TCPV4;
    offload->gso |= ecn ? TENON_GSO_ECN : 0;
    offload->gso_bytes = SEGMENT;
    offload->header_bytes = (uint16_t)net_packet_headers(packet);
    return bytes;
}

/* This is the segment that begins at `at`; the next one's begin. */
static uint32_t check_segment(const uint8_t *data, uint32_t bytes, const struct net_packet *packet,
                              uint32_t at, bool ecn)
{
    uint32_t payload = 0;
    uint8_t flags = data[net_packet_transport(packet) + FLAGS_AT], want = congested;
    const char *wrong = net_packet_segment(data, bytes, packet, frame, at, &payload);

    if (wrong) {
        fail_msg("the segment at %u: %s", at, wrong);
    }
    want &= (uint8_t) ~(at + payload < packet->payload ? TN_TCP_PSH | TN_TCP_FIN : 0);
    want &= (uint8_t) ~(ecn && at > 0 ? TN_TCP_CWR : 0);
    if (flags != want) {
        fail_msg("the segment at %u has the flags %02x, not %02x", at, flags, want);
    }
    return at + payload;
}

static void send_large(struct rig *rig, uint32_t bytes, const struct tenon_offload *offload)
{
    struct tnd_net_packet packet = { .header = { .flags = offload->flags,
                                                 .gso_type = offload->gso,
                                                 .hdr_len = offload->header_bytes,
                                                 .gso_size = offload->gso_bytes,
                                                 .csum_start = offload->csum_start,
                                                 .csum_offset = offload->csum_offset },
                                     .frame = frame,
                                     .bytes = bytes };

    assert_int_equal(tnd_net_submit(rig->driver, TX, &packet), 0);
    assert_int_equal(tnd_net_wait(rig->driver, TX, &packet), 0);
    assert_int_equal(packet.used_bytes, 0);
}

static struct net_options options_of(unsigned can, unsigned without)
{
    struct net_options options = { .info = { .send_can = can, .recv_can = can } };

    options.setup.without[0] = without != 0 ? UINT64_C(1) << without : 0;
    return options;
}

/* ---- transmit ---- */

/*
 * Whether the driver says that CWR is for the first one, or not (accurate ECN counts with it, and
 * all have it then).
 */
static void check_cut(struct rig *rig, bool v6, bool ecn)
{
    struct net_packet packet = { .payload = 4500, .sequence = 77, .v6 = v6 };
    struct tenon_offload offload;
    uint32_t bytes = make(&packet, ecn, &offload), at = 0;
    unsigned sent = fake_link_sent(rig->link);

    send_large(rig, bytes, &offload);
    net_await_sent(rig, sent + 5);
    while (at < packet.payload) {
        struct fake_frame *f = fake_link_take_sent(rig->link);
        assert_non_null(f);
        assert_int_equal(f->offload.gso, 0);
        at = check_segment(f->data, f->bytes, &packet, at, ecn);
        free(f);
    }
}

static void cwr_is_in_the_first_segment_NET_27(void **state)
{
    struct net_options options = options_of(0, 0);
    struct rig *rig = net_rig_new(state, &options);

    assert_true(tnd_has(rig->driver, TN_NET_F_HOST_ECN));
    for (unsigned i = 0; i < 4; i++) {
        check_cut(rig, i & 1, i & 2);
    }
    assert_int_equal(rig_stat(rig, "segmented", TX), 4);
}

static void check_whole(struct rig *rig, bool ecn)
{
    struct net_packet packet = { .payload = 4500 };
    struct tenon_offload offload;
    uint32_t bytes = make(&packet, ecn, &offload);
    unsigned sent = fake_link_sent(rig->link);

    send_large(rig, bytes, &offload);
    net_await_sent(rig, sent + 1);
    struct fake_frame *f = fake_link_take_sent(rig->link);
    assert_non_null(f);
    assert_int_equal(f->bytes, bytes);
    assert_memory_equal(f->data, frame, bytes);
    assert_int_equal(f->offload.gso, offload.gso);
    free(f);
}

static void a_link_that_can_has_it_as_it_is(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, 0);
    struct rig *rig = net_rig_new(state, &options);

    check_whole(rig, true);
    check_whole(rig, false);
}

/* One that knows TSO and no ECN: only what has ECN is cut for it. */
static void a_link_that_knows_no_ecn(void **state)
{
    struct net_options options = options_of(TSO, 0);
    struct rig *rig = net_rig_new(state, &options);

    assert_true(tnd_has(rig->driver, TN_NET_F_HOST_ECN));
    check_whole(rig, false);
    check_cut(rig, false, true);
    check_cut(rig, true, true);
    check_whole(rig, false);
    assert_int_equal(rig_stat(rig, "segmented", TX), 2);
}

static void refused_without_host_ecn_NET_28(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, TN_NET_F_HOST_ECN);
    struct rig *rig = net_rig_new(state, &options);

    for (unsigned v6 = 0; v6 < 2; v6++) {
        struct net_packet packet = { .payload = 4500, .v6 = v6 };
        struct tenon_offload offload;
        send_large(rig, make(&packet, true, &offload), &offload);
        assert_int_equal(rig_stat(rig, "bad_header", TX), v6 + 1);
    }
    check_whole(rig, false);
    assert_int_equal(fake_link_sent(rig->link), 1);
}

/* ---- receive ---- */

static void receive(struct rig *rig)
{
    int error = tnd_net_receive(rig->driver, RX, &got);

    if (error) {
        fail_msg("%s", got.wrong ? got.wrong : "nothing came");
    }
}

/* Comes as the link has it. */
static void check_shown(struct rig *rig, bool v6, bool ecn)
{
    struct net_packet packet = { .payload = 4500, .v6 = v6, .to_device = true };
    struct tenon_offload offload;
    uint32_t bytes = make(&packet, ecn, &offload);

    fake_link_deliver(rig->link, 0, frame, bytes, &offload);
    receive(rig);
    assert_int_equal(got.header.gso_type, offload.gso);
    assert_int_equal(got.header.gso_size, SEGMENT);
    assert_int_equal(got.header.flags, TN_NET_HDR_F_NEEDS_CSUM);
    assert_int_equal(got.bytes, bytes);
    assert_memory_equal(got.data, frame, bytes);
}

static void shown_with_guest_ecn_NET_45(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, 0);
    struct rig *rig = net_rig_new(state, &options);

    assert_int_equal(tnd_net_fill(rig->driver, RX, ROOM, 4), 0);
    for (unsigned i = 0; i < 4; i++) {
        check_shown(rig, i & 1, i & 2);
    }
    assert_int_equal(fake_link_count(rig->link, &rig->link->ports[0].can), TENON_CAN_ALL);
}

/*
 * A link that lends brings frames as somebody sent them: cut. One that fills was told not to bring
 * them, and what comes all the same is dropped and counted.
 */
static void check_not_shown(struct rig *rig)
{
    struct net_packet packet = { .payload = 4500, .sequence = 5, .to_device = true };
    struct tenon_offload offload;
    uint32_t bytes = make(&packet, true, &offload), at = 0;
    uint64_t refused = rig_stat(rig, "bad_header", RX);

    assert_int_equal(fake_link_count(rig->link, &rig->link->ports[0].can), TSO);
    fake_link_deliver(rig->link, 0, frame, bytes, &offload);
    if (rig->link->lends) {
        while (at < packet.payload) {
            receive(rig);
            assert_int_equal(got.header.gso_type, 0);
            assert_int_equal(got.header.flags, 0);
            at = check_segment(got.data, got.bytes, &packet, at, true);
        }
    } else {
        net_await_stat(rig, "bad_header", RX, refused + 1);
    }
    check_shown(rig, false, false); /* TSO is another thing */
}

static void not_shown_without_guest_ecn_NET_45(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL & ~USO, TN_NET_F_GUEST_ECN);
    struct rig *rig = net_rig_new(state, &options);

    assert_int_equal(tnd_net_fill(rig->driver, RX, ROOM, 20), 0);
    net_deliver(rig, 0, NET_PLAIN, 1);
    net_expect(rig, 0, NET_PLAIN, 1);
    check_not_shown(rig);
    check_not_shown(rig);
}

static void set_offloads(struct rig *rig, bool ecn)
{
    uint64_t bits = UINT64_C(1) << TN_NET_F_GUEST_CSUM | UINT64_C(1) << TN_NET_F_GUEST_TSO4 |
                    UINT64_C(1) << TN_NET_F_GUEST_TSO6 | (uint64_t)ecn << TN_NET_F_GUEST_ECN;
    le64 wanted = tn_to_le64(bits);

    assert_int_equal(tnd_net_command(rig->driver, TN_NET_CTRL_GUEST_OFFLOADS,
                                     TN_NET_CTRL_GUEST_OFFLOADS_SET, &wanted, sizeof(wanted)),
                     TN_NET_OK);
}

/* The driver no longer wants it, and then again (GUEST_OFFLOADS, NET-75). */
static void not_shown_while_it_is_switched_off(void **state)
{
    struct net_options options = options_of(TENON_CAN_ALL, 0);
    struct rig *rig = net_rig_new(state, &options);

    assert_int_equal(tnd_net_fill(rig->driver, RX, ROOM, 40), 0);
    for (unsigned i = 0; i < 2; i++) {
        set_offloads(rig, false);
        check_not_shown(rig);
        set_offloads(rig, true);
        check_shown(rig, false, true);
    }
}

static const struct rig_case cases[] = {
    RIG_TEST(cwr_is_in_the_first_segment_NET_27), RIG_TEST(a_link_that_can_has_it_as_it_is),
    RIG_TEST(a_link_that_knows_no_ecn),           RIG_TEST(refused_without_host_ecn_NET_28),
    RIG_TEST(shown_with_guest_ecn_NET_45),        RIG_TEST(not_shown_without_guest_ecn_NET_45),
    RIG_TEST(not_shown_while_it_is_switched_off),
};

int main(int argc, char **argv)
{
    return net_rig_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
