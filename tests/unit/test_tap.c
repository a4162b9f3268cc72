/*
 * test_tap.c: frames through a real tap, in a network namespace of its own: both ways, whole and
 * unfinished.
 */
#include "tap_rig.h"

static void test_both_ways(void **state)
{
    static const size_t lengths[] = { 60, 1514, 9014, 65535 };
    struct tenon_link_info info = { .size = sizeof(info) };
    struct rig *rig;
    int host;

    (void)state;
    tap_need();
    rig = tap_open("tnt0", 0);
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

        assert_int_equal(tap_send(rig, 0, 20, lengths[i]), 20);
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
        RIG_UNTIL(rig, (got += tap_expect(rig, got, 3, lengths[i])) == 10);
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
    rig = tap_open("tnt1", 0);
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
    rig = tap_open("tnt2", 0);
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

/* After many short ones a long one, and one that does not fit, are what they were. */
static void test_long_ones_among_short_ones(void **state)
{
    enum { ROUND = 75, ROUNDS = 4 };
    unsigned got = 0;
    struct rig *rig;
    int host;

    (void)state;
    tap_need();
    rig = tap_open("tnt7", 0);
    tap_set("tnt7", true, 65521);
    RIG_UNTIL(rig, rig->changes == 1);
    host = tap_host_side("tnt7", false);
    for (unsigned n = 0; n < ROUND * ROUNDS; n++) {
        host_put(host, n, n % ROUND == ROUND - 2 ? 1001 : n % ROUND == ROUND - 1 ? 65535 : 60 + n);
    }
    while (got < ROUND * ROUNDS) {
        unsigned last = got % ROUND;
        size_t bytes = last == ROUND - 1 ? 65535 : 60 + got;

        assert_int_equal(rig_recv(rig, 1, last == ROUND - 2 ? 1000 : bytes), 1);
        if (last == ROUND - 2) {
            assert_int_equal(rig->frames[0].result, -EMSGSIZE);
        } else {
            assert_int_equal(rig->frames[0].result, 0);
            assert_int_equal(rig->frames[0].bytes, bytes);
            tap_check(rig->data[0], got, bytes);
        }
        got++;
    }
    assert_int_equal(rig_recv(rig, 1, 1000), 0);
    assert_int_equal(rig_count(rig, "too_long"), ROUNDS);
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

enum { LONG = 4000, SHORT = 1500, SEGMENT = 500, HEADERS = 54 };

static struct rig *for_tso(const char *name, int *host)
{
    struct rig *rig = tap_open(name, 0);

    tap_set(name, true, 0);
    RIG_UNTIL(rig, rig->changes == 1);
    *host = tap_host_side(name, true);
    return rig;
}

/* Ours, as it leaves: the host sees what is left to be done. */
static void unfinished_out(size_t payload)
{
    struct rig *rig;
    struct vnet got;
    int host;

    rig = for_tso("tnt3", &host);
    rig_frame(rig, 0, HEADERS + payload);
    assert_int_equal(tcp_frame(rig->data[0], payload), HEADERS + payload);
    rig->frames[0].offload =
        (struct tenon_offload){ TENON_OFFLOAD_NEEDS_CSUM, TENON_GSO_TCPV4, 54, SEGMENT, 34, 16 };
    assert_int_equal(rig->ops->send(rig->port, rig->list, 1, &(unsigned){ 0 }), 1);
    assert_int_equal(rig->frames[0].result, 0);
    assert_int_equal(recv(host, rig->data[1], RIG_BYTES, 0), HEADERS + payload + 10);
    memcpy(&got, rig->data[1], sizeof(got));
    assert_int_equal(got.gso, 1);
    assert_int_equal(got.gso_bytes, SEGMENT);
    assert_int_equal(got.flags, 1);
    assert_int_equal(got.csum_start, 34);
    close(host);
    rig_free(rig);
}

static void test_unfinished_frames_out(void **state)
{
    (void)state;
    tap_need();
    unfinished_out(LONG);
    unfinished_out(SHORT);
}

/* The host's: as one frame where we may have it so, else as finished segments. */
static void unfinished_in(struct rig *rig, int host, size_t payload)
{
    const struct vnet tso = { 1, 1, 54, SEGMENT, 34, 16 };
    static uint8_t data[10 + HEADERS + LONG];
    const size_t bytes = 10 + HEADERS + payload;
    struct tenon_link_info info = { .size = sizeof(info) };
    unsigned n = 0;

    assert_int_equal(tenon_link_info(rig->link, &info), 0);
    assert_int_equal(rig->ops->recv_set(rig->port, 0), 0);
    memcpy(data, &tso, 10);
    tcp_frame(data + 10, payload);
    assert_int_equal(send(host, data, bytes, 0), bytes);
    RIG_UNTIL(rig, (n += rig_recv(rig, 1, RIG_BYTES)) == payload / SEGMENT);
    assert_int_equal(rig->frames[0].bytes, HEADERS + SEGMENT);
    assert_int_equal(rig->frames[0].offload.flags & TENON_OFFLOAD_NEEDS_CSUM, 0);
    assert_int_equal(rig->frames[0].offload.gso, 0);

    assert_int_equal(rig->ops->recv_set(rig->port, info.recv_can), 0);
    assert_int_equal(send(host, data, bytes, 0), bytes);
    RIG_UNTIL(rig, rig_recv(rig, 1, RIG_BYTES) == 1);
    assert_int_equal(rig->frames[0].bytes, HEADERS + payload);
    assert_int_equal(rig->frames[0].offload.gso, TENON_GSO_TCPV4);
    assert_int_equal(rig->frames[0].offload.gso_bytes, SEGMENT);
    assert_int_equal(rig->frames[0].offload.flags, TENON_OFFLOAD_NEEDS_CSUM);
    assert_int_equal(rig->frames[0].offload.csum_start, 34);
    assert_int_equal(rig->frames[0].offload.csum_offset, 16);

    /* TSO for IPv6 alone does not make this one pass. */
    assert_int_equal(rig->ops->recv_set(rig->port, TENON_CAN_CSUM | TENON_CAN_TSO6), 0);
    assert_int_equal(send(host, data, bytes, 0), bytes);
    for (n = 0; n < payload / SEGMENT; n++) {
        RIG_UNTIL(rig, rig_recv(rig, 1, RIG_BYTES) == 1);
        assert_int_equal(rig->frames[0].bytes, HEADERS + SEGMENT);
    }
}

static void test_unfinished_frames_in(void **state)
{
    static const uint8_t finished[10 + 100];
    struct rig *rig;
    int host;

    (void)state;
    tap_need();
    rig = for_tso("tnt6", &host);
    unfinished_in(rig, host, LONG);
    for (unsigned n = 0; n < 100; n++) { /* so many that it expects short ones */
        assert_int_equal(send(host, finished, sizeof(finished), 0), sizeof(finished));
        RIG_UNTIL(rig, rig_recv(rig, 1, RIG_BYTES) == 1);
    }
    unfinished_in(rig, host, SHORT);
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
    rig = tap_open("tnt4", 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_what_does_not_fit_or_is_no_frame),
        cmocka_unit_test(test_many_pieces),
        cmocka_unit_test(test_long_ones_among_short_ones),
        cmocka_unit_test(test_unfinished_frames_out),
        cmocka_unit_test(test_unfinished_frames_in),
        cmocka_unit_test(test_a_hint_too_large),
    };

    tap_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
