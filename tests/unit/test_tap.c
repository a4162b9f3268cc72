/*
 * test_tap.c: frames through a real tap, in a network namespace of its own: both ways, whole and
 * unfinished, and what happens while the interface is down, or away.
 */
#include "tap_rig.h"

static struct rig *open_tap(const char *name, unsigned queues)
{
    struct tenon_tap_opts opts = { .size = sizeof(opts), .name = name, .queues = queues };
    struct tenon_link *link = NULL;

    assert_int_equal(tenon_link_open_tap(&opts, &link), 0);
    return rig_new(link);
}

static unsigned send_frames(struct rig *rig, unsigned from, unsigned count, size_t bytes)
{
    unsigned kept = 12345, taken;

    for (unsigned i = 0; i < count; i++) {
        rig_frame(rig, i, bytes);
        tap_fill(rig->data[i], from + i, bytes);
    }
    taken = rig->ops->send(rig->port, rig->list, count, &kept);
    assert_int_equal(kept, taken);
    return taken;
}

static void host_put(int fd, unsigned n, size_t bytes)
{
    static uint8_t data[RIG_BYTES];

    tap_fill(data, n, bytes);
    assert_int_equal(send(fd, data, bytes, 0), bytes);
}

/* The next frame of ours that the host gets. */
static void host_get(int fd, unsigned n, size_t bytes)
{
    static uint8_t data[RIG_BYTES + 100];
    struct pollfd poller = { .fd = fd, .events = POLLIN };

    do {
        assert_int_equal(poll(&poller, 1, RIG_SECONDS * 1000), 1);
        assert_int_equal(recv(fd, data, sizeof(data), 0), bytes);
    } while (data[12] != TAP_TYPE >> 8 || data[13] != (TAP_TYPE & 0xff));
    tap_check(data, n, bytes);
}

static unsigned expect(struct rig *rig, unsigned from, unsigned count, size_t bytes)
{
    unsigned n = rig_recv(rig, count, RIG_BYTES);

    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(rig->frames[i].result, 0);
        assert_int_equal(rig->frames[i].bytes, bytes);
        assert_int_equal(rig->frames[i].offload.gso, 0);
        tap_check(rig->data[i], from + i, bytes);
    }
    return n;
}

static void test_both_ways(void **state)
{
    static const size_t lengths[] = { 60, 1514, 9014, 65535 };
    struct tenon_link_info info = { .size = sizeof(info) };
    struct rig *rig;
    int host;

    (void)state;
    tap_need();
    rig = open_tap("tnt0", 0);
    assert_string_equal(tenon_link_name(rig->link), "tap tnt0");
    assert_false(tenon_link_up(rig->link));
    tap_set("tnt0", true, 65521);
    assert_true(tenon_link_up(rig->link));
    RIG_UNTIL(rig, rig->changes == 1);
    assert_int_equal(tenon_link_info(rig->link, &info), 0);
    assert_int_equal(info.mtu, 65521);
    assert_int_equal(info.pairs, 1);
    assert_int_equal(info.send_can & TENON_CAN_TSO4, TENON_CAN_TSO4);
    host = tap_host_side("tnt0", false);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        unsigned got = 0;

        assert_int_equal(send_frames(rig, 0, 20, lengths[i]), 20);
        for (unsigned n = 0; n < 20; n++) {
            assert_int_equal(rig->frames[n].result, 0);
            host_get(host, n, lengths[i]);
        }
        for (unsigned n = 0; n < 10; n++) {
            host_put(host, n, lengths[i]);
        }
        rig->ops->watch(rig->port, TENON_READABLE);
        rig->ready = 0;
        RIG_UNTIL(rig, rig->ready != 0);
        assert_int_equal(rig->ready, TENON_READABLE);
        RIG_UNTIL(rig, (got += expect(rig, got, 3, lengths[i])) == 10);
        rig->ready = 0;
        rig_turns(rig);
        assert_int_equal(rig->ready, 0);
    }
    close(host);
    rig_free(rig);
}

static void test_what_does_not_fit_or_is_no_frame(void **state)
{
    struct rig *rig;
    int host;

    (void)state;
    tap_need();
    rig = open_tap("tnt1", 0);
    tap_set("tnt1", true, 0);
    RIG_UNTIL(rig, rig->changes == 1);
    host = tap_host_side("tnt1", false);
    host_put(host, 0, 1000);
    host_put(host, 1, 1001);
    host_put(host, 2, 1500);
    host_put(host, 3, 500);
    assert_int_equal(rig_recv(rig, 8, 1000), 4);
    assert_int_equal(rig->frames[0].result, 0);
    assert_int_equal(rig->frames[0].bytes, 1000);
    tap_check(rig->data[0], 0, 1000);
    assert_int_equal(rig->frames[1].result, -EMSGSIZE);
    assert_int_equal(rig->frames[2].result, -EMSGSIZE);
    assert_int_equal(rig->frames[3].result, 0);
    tap_check(rig->data[3], 3, 500);
    assert_int_equal(rig_count(rig, "too_long"), 2);

    for (unsigned i = 0; i < 4; i++) {
        rig_frame(rig, i, i == 1 ? 5 : 100);
        tap_fill(rig->data[i], i, 100);
    }
    rig->frames[2].offload = (struct tenon_offload){ .gso = 77 };
    assert_int_equal(rig->ops->send(rig->port, rig->list, 4, &(unsigned){ 0 }), 4);
    assert_int_equal(rig->frames[0].result, 0);
    assert_int_equal(rig->frames[1].result, -EINVAL);
    assert_int_equal(rig->frames[2].result, -EINVAL);
    assert_int_equal(rig->frames[3].result, 0);
    host_get(host, 0, 100);
    host_get(host, 3, 100);
    assert_int_equal(rig_count(rig, "send_errors"), 2);
    close(host);
    rig_free(rig);
}

static void test_many_pieces(void **state)
{
    enum { PIECES = 1300 };
    static struct iovec iov[PIECES];
    static uint8_t data[PIECES];
    struct tenon_frame frame = { .iov = iov, .iov_count = PIECES, .bytes = PIECES };
    struct tenon_frame *list[1] = { &frame };
    struct rig *rig;
    int host;

    (void)state;
    tap_need();
    rig = open_tap("tnt2", 0);
    tap_set("tnt2", true, 0);
    RIG_UNTIL(rig, rig->changes == 1);
    host = tap_host_side("tnt2", false);
    for (unsigned i = 0; i < PIECES; i++) {
        iov[i] = (struct iovec){ &data[i], 1 };
    }
    tap_fill(data, 1, PIECES);
    assert_int_equal(rig->ops->send(rig->port, list, 1, &(unsigned){ 0 }), 1);
    assert_int_equal(frame.result, 0);
    host_get(host, 1, PIECES);
    host_put(host, 2, 900);
    assert_int_equal(rig->ops->recv(rig->port, list, 1), 1);
    assert_int_equal(frame.bytes, 900);
    tap_check(data, 2, 900);
    close(host);
    rig_free(rig);
}

/* An IPv4 TCP segment of `payload` bytes, its checksum to be finished. */
static size_t tcp_frame(uint8_t *data, size_t payload)
{
    size_t bytes = 14 + 20 + 20 + payload, ip = bytes - 14;
    uint32_t sum = 0;

    memset(data, 0, bytes);
    tap_fill(data, 0, 14);
    data[12] = 0x08, data[13] = 0x00;
    data[14] = 0x45, data[16] = (uint8_t)(ip >> 8), data[17] = (uint8_t)ip;
    data[22] = 64, data[23] = 6;
    memcpy(data + 26, "\12\0\0\1\12\0\0\2", 8);
    for (unsigned i = 14; i < 34; i += 2) {
        sum += (uint32_t)data[i] << 8 | data[i + 1];
    }
    sum = ~((sum & 0xffff) + (sum >> 16)) & 0xffff;
    data[24] = (uint8_t)(sum >> 8), data[25] = (uint8_t)sum;
    data[34] = 0x30, data[36] = 0x40; /* ports */
    data[46] = 0x50, data[47] = 0x10; /* 20 bytes, ACK */
    for (size_t i = 54; i < bytes; i++) {
        data[i] = (uint8_t)i;
    }
    return bytes;
}

/* As the kernel's packet sockets have them: struct virtio_net_hdr, in the machine's order. */
struct vnet {
    uint8_t flags, gso;
    uint16_t header_bytes, gso_bytes, csum_start, csum_offset;
};

static void test_unfinished_frames(void **state)
{
    const struct vnet tso = { 1, 1, 54, 1000, 34, 16 };
    static uint8_t data[10 + 20000];
    struct tenon_link_info info = { .size = sizeof(info) };
    struct rig *rig;
    struct vnet got;
    size_t bytes;
    unsigned n = 0;
    int host;

    (void)state;
    tap_need();
    rig = open_tap("tnt3", 0);
    tap_set("tnt3", true, 0);
    RIG_UNTIL(rig, rig->changes == 1);
    host = tap_host_side("tnt3", true);
    assert_int_equal(tenon_link_info(rig->link, &info), 0);

    /* Ours, as it leaves: the host sees what is left to be done. */
    bytes = tcp_frame(data, 4000);
    rig_frame(rig, 0, bytes);
    memcpy(rig->data[0], data, bytes);
    rig->frames[0].offload =
        (struct tenon_offload){ TENON_OFFLOAD_NEEDS_CSUM, TENON_GSO_TCPV4, 54, 1000, 34, 16 };
    assert_int_equal(rig->ops->send(rig->port, rig->list, 1, &(unsigned){ 0 }), 1);
    assert_int_equal(rig->frames[0].result, 0);
    assert_int_equal(recv(host, rig->data[1], RIG_BYTES, 0), bytes + 10);
    memcpy(&got, rig->data[1], sizeof(got));
    assert_int_equal(got.gso, 1);
    assert_int_equal(got.gso_bytes, 1000);
    assert_int_equal(got.flags, 1);
    assert_int_equal(got.csum_start, 34);

    /* The host's, before we may have it unfinished: four frames, each with its checksum. */
    memcpy(data, &tso, 10);
    tcp_frame(data + 10, 4000);
    assert_int_equal(send(host, data, bytes + 10, 0), bytes + 10);
    RIG_UNTIL(rig, (n += rig_recv(rig, 1, RIG_BYTES)) == 4);
    assert_int_equal(rig->frames[0].bytes, 1054);
    assert_int_equal(rig->frames[0].offload.flags & TENON_OFFLOAD_NEEDS_CSUM, 0);
    assert_int_equal(rig->frames[0].offload.gso, 0);

    /* And then: one. */
    assert_int_equal(rig->ops->recv_set(rig->port, info.recv_can), 0);
    assert_int_equal(send(host, data, bytes + 10, 0), bytes + 10);
    RIG_UNTIL(rig, rig_recv(rig, 1, RIG_BYTES) == 1);
    assert_int_equal(rig->frames[0].bytes, bytes);
    assert_int_equal(rig->frames[0].offload.gso, TENON_GSO_TCPV4);
    assert_int_equal(rig->frames[0].offload.gso_bytes, 1000);
    assert_int_equal(rig->frames[0].offload.flags, TENON_OFFLOAD_NEEDS_CSUM);
    assert_int_equal(rig->frames[0].offload.csum_start, 34);
    assert_int_equal(rig->frames[0].offload.csum_offset, 16);

    /* TSO for IPv6 alone does not make this one pass. */
    assert_int_equal(rig->ops->recv_set(rig->port, TENON_CAN_CSUM | TENON_CAN_TSO6), 0);
    assert_int_equal(send(host, data, bytes + 10, 0), bytes + 10);
    RIG_UNTIL(rig, rig_recv(rig, 1, RIG_BYTES) == 1);
    assert_int_equal(rig->frames[0].bytes, 1054);
    assert_int_equal(rig->ops->recv_set(rig->port, 1U << 20), -EINVAL);
    close(host);
    rig_free(rig);
}

/* A header that promises more than there is of the frame is a hint, and no reason to drop it. */
static void test_a_hint_too_large(void **state)
{
    struct rig *rig;
    int host;

    (void)state;
    tap_need();
    rig = open_tap("tnt4", 0);
    tap_set("tnt4", true, 0);
    RIG_UNTIL(rig, rig->changes == 1);
    host = tap_host_side("tnt4", false);
    rig_frame(rig, 0, 100);
    tap_fill(rig->data[0], 0, 100);
    rig->frames[0].offload.header_bytes = 60000;
    assert_int_equal(rig->ops->send(rig->port, rig->list, 1, &(unsigned){ 0 }), 1);
    assert_int_equal(rig->frames[0].result, 0);
    host_get(host, 0, 100);
    close(host);
    rig_free(rig);
}

static void test_down_and_up(void **state)
{
    struct rig *rig;
    int host;

    (void)state;
    tap_need();
    rig = open_tap("tnt5", 0);
    tap_set("tnt5", true, 0);
    RIG_UNTIL(rig, rig->changes == 1);
    host = tap_host_side("tnt5", false);

    tap_set("tnt5", false, 0); /* noticed although nothing is sent */
    assert_false(tenon_link_up(rig->link));
    RIG_UNTIL(rig, rig->changes == 2);
    assert_int_equal(send_frames(rig, 0, 3, 100), 3);
    assert_int_equal(rig->frames[2].result, -ENETDOWN);
    tap_set("tnt5", true, 0);
    RIG_UNTIL(rig, rig->changes == 3);
    assert_int_equal(send_frames(rig, 1, 1, 100), 1);
    assert_int_equal(rig->frames[0].result, 0);
    close(host); /* it has had an error of its own meanwhile */
    host = tap_host_side("tnt5", false);
    assert_int_equal(send_frames(rig, 2, 1, 100), 1);
    host_get(host, 2, 100);

    tap_set("tnt5", false, 0); /* noticed by sending, before a turn */
    assert_int_equal(send_frames(rig, 3, 2, 100), 2);
    assert_int_equal(rig->frames[0].result, -ENETDOWN);
    assert_int_equal(rig->changes, 3);
    RIG_UNTIL(rig, rig->changes == 4);
    assert_int_equal(rig_count(rig, "down"), 3); /* and as it was made */
    close(host);
    rig_free(rig);
}

static void delete_interface(const char *name)
{
    char command[64];

    snprintf(command, sizeof(command), "ip link del %s", name);
    if (system(command) != 0) {
        print_message("skipped: no ip(8) to delete an interface with\n");
        skip();
    }
}

static void test_an_interface_that_is_made_anew(void **state)
{
    struct rig *rig;
    int host, other;

    (void)state;
    tap_need();
    rig = open_tap("tnt6", 0);
    tap_set("tnt6", true, 0);
    RIG_UNTIL(rig, rig->changes == 1);
    assert_int_equal(rig->ops->recv_set(rig->port, TENON_CAN_CSUM), 0);
    rig->ops->watch(rig->port, TENON_READABLE);
    delete_interface("tnt6");
    assert_false(tenon_link_up(rig->link));
    assert_int_equal(send_frames(rig, 0, 2, 100), 2);
    assert_int_equal(rig->frames[1].result, -ENETDOWN);
    RIG_UNTIL(rig, rig->changes == 2);
    rig->ready = 0;
    rig_turns(rig);
    assert_int_equal(rig->ready, 0); /* silence, not errors without end */
    assert_int_equal(rig_recv(rig, 1, RIG_BYTES), 0);

    other = tap_make("tnt6", IFF_TAP | IFF_NO_PI);
    assert_int_equal(ioctl(other, TUNSETPERSIST, 1), 0);
    close(other);
    tap_set("tnt6", true, 0);
    RIG_UNTIL(rig, tenon_link_up(rig->link) && rig->changes >= 3);
    host = tap_host_side("tnt6", false);
    assert_int_equal(send_frames(rig, 1, 1, 100), 1);
    assert_int_equal(rig->frames[0].result, 0);
    host_get(host, 1, 100);
    host_put(host, 2, 100);
    rig->ready = 0;
    RIG_UNTIL(rig, rig->ready != 0);
    assert_int_equal(expect(rig, 2, 5, 100), 1);
    close(host);
    rig_free(rig);
    delete_interface("tnt6");
}

static void test_pairs(void **state)
{
    static const struct tenon_port_events events = { .ready = rig_on_ready,
                                                     .changed = rig_on_changed };
    struct tenon_link_info info = { .size = sizeof(info) };
    struct tenon_port *first, *second = NULL, *again = NULL;
    const uint64_t end = tenon_now() + RIG_SECONDS * UINT64_C(1000000000);
    struct rig *rig;
    unsigned got = 0;
    int host;

    (void)state;
    tap_need();
    rig = open_tap("tnt7", 2);
    tap_set("tnt7", true, 0);
    assert_int_equal(tenon_link_info(rig->link, &info), 0);
    assert_int_equal(info.pairs, 2);
    first = rig->port;
    assert_int_equal(tn_port_open(rig->link, 1, rig->worker, &events, rig, &second), 0);
    assert_int_equal(tn_port_open(rig->link, 1, rig->worker, &events, rig, &again), -EBUSY);
    RIG_UNTIL(rig, rig->changes >= 1 && tenon_link_up(rig->link));
    host = tap_host_side("tnt7", false);

    rig->ops->watch(second, TENON_READABLE);
    assert_int_equal(tn_link_use_pairs(rig->link, 1), 0);
    for (unsigned i = 0; i < 50; i++) { /* all of it comes to the first pair */
        host_put(host, i, 100);
    }
    rig->port = first;
    assert_int_equal(expect(rig, 0, 64, 100), 50);

    rig_turns(rig);
    assert_int_equal(rig->readable, 0);
    rig->port = second; /* which may send all the same */
    assert_int_equal(send_frames(rig, 5, 1, 100), 1);
    host_get(host, 5, 100);

    assert_int_equal(tn_link_use_pairs(rig->link, 2), 0);
    assert_int_equal(send_frames(rig, 6, 1, 100), 1);
    host_get(host, 6, 100);
    for (unsigned i = 0; i < 50; i++) { /* to either of them, and none is lost */
        host_put(host, i, 100);
    }
    while (got < 50) {
        rig->port = got % 2 == 0 ? first : second;
        got += rig_recv(rig, 1, 200);
        rig->port = got % 2 == 0 ? second : first;
        got += rig_recv(rig, 1, 200);
        assert_true(tenon_now() < end);
    }
    rig->ops->close(second);
    assert_int_equal(tn_link_use_pairs(rig->link, 1), 0);
    rig->port = first;
    close(host);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_what_does_not_fit_or_is_no_frame),
        cmocka_unit_test(test_many_pieces),
        cmocka_unit_test(test_unfinished_frames),
        cmocka_unit_test(test_a_hint_too_large),
        cmocka_unit_test(test_down_and_up),
        cmocka_unit_test(test_an_interface_that_is_made_anew),
        cmocka_unit_test(test_pairs),
    };

    tap_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
