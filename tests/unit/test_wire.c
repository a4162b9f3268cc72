/*
 * test_wire.c: the socket of one connection: any pieces, any descriptors, any end.
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "needs.h"
#include "vu_rig.h"

struct pair {
    struct tn_wire wire;
    struct rig peer; /* only its socket and helpers */
    int fds_before;
};

static void pair_open(struct pair *pair)
{
    int ends[2];

    pair->fds_before = rig_count_fds();
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    memset(&pair->peer, 0, sizeof(pair->peer));
    pair->peer.socket = ends[1];
    tn_wire_open(&pair->wire, ends[0]);
}

static void pair_close(struct pair *pair)
{
    tn_wire_close(&pair->wire);
    if (pair->peer.socket >= 0) {
        close(pair->peer.socket);
    }
    assert_int_equal(rig_count_fds(), pair->fds_before);
}

static enum tn_wire_event take(struct pair *pair, const char **why)
{
    *why = NULL;
    return tn_wire_receive(&pair->wire, NULL, why);
}

static size_t put(uint8_t *to, uint32_t request, uint32_t flags, const void *payload,
                  uint32_t bytes)
{
    struct tn_vu_header header = { request, flags, bytes };

    memcpy(to, &header, sizeof(header));
    memcpy(to + sizeof(header), payload, bytes);
    return sizeof(header) + bytes;
}

static void test_vu01_one_byte_at_a_time(void **state)
{
    struct pair pair;
    uint8_t bytes[64], payload[24];
    const char *why;

    (void)state;
    pair_open(&pair);
    for (unsigned i = 0; i < sizeof(payload); i++) {
        payload[i] = (uint8_t)(i * 7);
    }
    size_t count = put(bytes, 3, 1, payload, sizeof(payload));
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(take(&pair, &why), TN_WIRE_AGAIN);
            assert_true(rig_send_bytes(&pair.peer, bytes + i, 1, NULL, 0));
        }
        assert_int_equal(take(&pair, &why), TN_WIRE_MESSAGE);
        assert_int_equal(pair.wire.message.header.request, 3);
        assert_int_equal(pair.wire.message.header.size, sizeof(payload));
        assert_memory_equal(pair.wire.message.payload.bytes, payload, sizeof(payload));
        tn_wire_next(&pair.wire);
    }
    pair_close(&pair);
}

static void test_many_messages_in_one_piece(void **state)
{
    struct pair pair;
    uint8_t bytes[512];
    size_t count = 0;
    const char *why;

    (void)state;
    pair_open(&pair);
    for (uint32_t i = 0; i < 10; i++) {
        uint64_t payload = i;
        count += put(bytes + count, i, 1, &payload, i % 2 ? sizeof(payload) : 0);
    }
    assert_true(rig_send_bytes(&pair.peer, bytes, count, NULL, 0));
    for (uint32_t i = 0; i < 10; i++) {
        assert_int_equal(take(&pair, &why), TN_WIRE_MESSAGE);
        assert_int_equal(pair.wire.message.header.request, i);
        /* nothing of the message before is left in what this one does not fill */
        assert_int_equal(pair.wire.message.payload.u64, i % 2 ? i : 0);
        tn_wire_next(&pair.wire);
    }
    assert_int_equal(take(&pair, &why), TN_WIRE_AGAIN);
    pair_close(&pair);
}

static void expect_broken(uint32_t flags, uint32_t size, const char *says)
{
    struct pair pair;
    struct tn_vu_header header = { 1, flags, size };
    const char *why;

    pair_open(&pair);
    assert_true(rig_send_bytes(&pair.peer, &header, sizeof(header), NULL, 0));
    assert_int_equal(take(&pair, &why), TN_WIRE_BROKEN);
    assert_non_null(strstr(why, says));
    pair_close(&pair);
}

static void test_vu02_versions(void **state)
{
    (void)state;
    expect_broken(0, 0, "version");
    expect_broken(2, 0, "version");
    expect_broken(3, 0, "version");
    expect_broken(0x8, 0, "version");
}

static void test_vu100_reply_bit(void **state)
{
    (void)state;
    expect_broken(0x5, 0, "reply");
}

static void test_vu96_sizes_that_no_message_has(void **state)
{
    (void)state;
    expect_broken(1, TN_VU_PAYLOAD_ROOM + 1, "payload");
    expect_broken(1, UINT32_MAX, "payload");
}

static const char *judge_no(const struct tn_vu_header *header)
{
    return header->size == 5 ? "judged" : NULL;
}

/* The judge speaks before the payload has come, so nobody has to wait for it. */
static void test_vu96_judged_by_the_header(void **state)
{
    struct pair pair;
    struct tn_vu_header header = { 1, 1, 5 };
    const char *why = NULL;

    (void)state;
    pair_open(&pair);
    assert_true(rig_send_bytes(&pair.peer, &header, sizeof(header), NULL, 0));
    assert_int_equal(tn_wire_receive(&pair.wire, judge_no, &why), TN_WIRE_BROKEN);
    assert_string_equal(why, "judged");
    pair_close(&pair);
}

/* A descriptor that can be told from others. */
static int numbered_fd(uint8_t number)
{
    int fd = memfd_create("numbered", MFD_CLOEXEC);

    assert_int_equal(pwrite(fd, &number, 1, 0), 1);
    return fd;
}

static void take_descriptors(unsigned least, unsigned most)
{
    for (unsigned n = least; n <= most; n++) {
        struct pair pair;
        struct tn_vu_header header = { 1, 1, 0 };
        int fds[10];
        const char *why;

        pair_open(&pair);
        for (unsigned i = 0; i < n; i++) {
            fds[i] = numbered_fd((uint8_t)i);
        }
        assert_true(rig_send_bytes(&pair.peer, &header, sizeof(header), fds, n));
        for (unsigned i = 0; i < n; i++) {
            close(fds[i]);
        }
        enum tn_wire_event event = take(&pair, &why);
        assert_int_equal(event, n <= TN_VU_MAX_FDS ? TN_WIRE_MESSAGE : TN_WIRE_BROKEN);
        if (event == TN_WIRE_MESSAGE) {
            assert_int_equal(pair.wire.message.fd_count, n);
            for (unsigned i = 0; i < n; i++) {
                assert_true(fcntl(pair.wire.message.fds[i], F_GETFD) & FD_CLOEXEC);
            }
        }
        if (event == TN_WIRE_MESSAGE && n > 1) { /* one is taken, the others are closed unused */
            int mine = tn_message_take_fd(&pair.wire.message, 1);
            uint8_t number = 0;
            assert_int_equal(pread(mine, &number, 1, 0), 1);
            assert_int_equal(number, 1);
            tn_wire_next(&pair.wire);
            assert_true(fcntl(mine, F_GETFD) >= 0);
            close(mine);
        }
        pair_close(&pair);
    }
}

static void test_vu04_descriptors(void **state)
{
    (void)state;
    take_descriptors(0, TN_VU_MAX_FDS);
}

static void test_vu04_more_descriptors_than_fit(void **state)
{
    (void)state;
    need_lost_fds();
    take_descriptors(TN_VU_MAX_FDS + 1, 10);
}

static void test_vu04_descriptors_belong_to_the_first_byte(void **state)
{
    struct pair pair;
    struct tn_vu_header header = { 1, 1, 0 };
    int fd = eventfd(0, EFD_CLOEXEC);
    const char *why;

    (void)state;
    pair_open(&pair);
    assert_true(rig_send_bytes(&pair.peer, &header, 1, &fd, 1));
    assert_int_equal(take(&pair, &why), TN_WIRE_AGAIN);
    assert_true(rig_send_bytes(&pair.peer, (uint8_t *)&header + 1, 11, NULL, 0));
    assert_int_equal(take(&pair, &why), TN_WIRE_MESSAGE);
    assert_int_equal(pair.wire.message.fd_count, 1);
    tn_wire_next(&pair.wire);
    assert_true(rig_send_bytes(&pair.peer, &header, 4, NULL, 0));
    assert_int_equal(take(&pair, &why), TN_WIRE_AGAIN);
    assert_true(rig_send_bytes(&pair.peer, (uint8_t *)&header + 4, 8, &fd, 1));
    assert_int_equal(take(&pair, &why), TN_WIRE_BROKEN);
    pair_close(&pair);
    close(fd);
}

/* Every piece of a message that ends there, with a descriptor in it (VU-103). */
static void test_vu103_hang_up_anywhere(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= 20; cut++) {
        struct pair pair;
        uint64_t payload = 5;
        uint8_t bytes[32];
        int fd = eventfd(0, EFD_CLOEXEC);
        const char *why;

        pair_open(&pair);
        size_t count = put(bytes, 2, 1, &payload, sizeof(payload));
        assert_int_equal(count, 20);
        if (cut > 0) {
            assert_true(rig_send_bytes(&pair.peer, bytes, cut, &fd, 1));
        }
        close(pair.peer.socket);
        pair.peer.socket = -1;
        enum tn_wire_event event = take(&pair, &why);
        if (cut == 20) {
            assert_int_equal(event, TN_WIRE_MESSAGE);
            tn_wire_next(&pair.wire);
            event = take(&pair, &why);
        }
        assert_int_equal(event, TN_WIRE_CLOSED);
        assert_true((strstr(why, "middle") != NULL) == (cut > 0 && cut < 20));
        close(fd);
        pair.fds_before--;
        pair_close(&pair);
    }
}

static void test_vu03_reply_is_byte_exact(void **state)
{
    struct pair pair;
    uint8_t got[64];
    uint64_t value = 0x1122334455667788;
    const uint32_t head[3] = { 15, 5, 8 };

    (void)state;
    pair_open(&pair);
    assert_int_equal(tn_wire_reply(&pair.wire, 15, &value, sizeof(value), -1), 0);
    assert_int_equal(recv(pair.peer.socket, got, sizeof(got), MSG_DONTWAIT), 20);
    assert_memory_equal(got, head, sizeof(head));
    assert_memory_equal(got + 12, &value, sizeof(value));
    assert_false(tn_wire_sending(&pair.wire));
    pair_close(&pair);
}

/* A front-end that does not read: the reply waits, whole, with its descriptor. */
static void test_reply_that_does_not_fit_waits(void **state)
{
    struct pair pair;
    uint8_t noise[4096] = { 0 };
    struct answer answer;
    uint64_t value = 42;
    int small = 1, fd = eventfd(9, EFD_CLOEXEC);

    (void)state;
    pair_open(&pair);
    pair.fds_before--; /* the reply takes `fd` with it */
    setsockopt(pair.wire.fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
    size_t filled = 0;
    ssize_t n;
    while ((n = send(pair.wire.fd, noise, sizeof(noise), MSG_DONTWAIT)) > 0) {
        filled += (size_t)n;
    }
    assert_int_equal(tn_wire_reply(&pair.wire, 31, &value, sizeof(value), fd), 0);
    assert_true(tn_wire_sending(&pair.wire));
    /* one reply at a time */
    assert_int_equal(tn_wire_reply(&pair.wire, 1, &value, sizeof(value), -1), -ENOBUFS);
    while (filled > 0) {
        n = recv(pair.peer.socket, noise, filled < sizeof(noise) ? filled : sizeof(noise), 0);
        assert_true(n > 0);
        filled -= (size_t)n;
    }
    assert_int_equal(tn_wire_flush(&pair.wire), 0);
    assert_false(tn_wire_sending(&pair.wire));
    assert_int_equal(rig_receive(&pair.peer, &answer), 1);
    assert_int_equal(answer.payload.u64, 42);
    assert_true(answer.fd >= 0);
    close(answer.fd);
    pair_close(&pair);
}

/* This program does not ignore SIGPIPE, so it would end here (VU-103). */
static void test_vu103_reply_to_nobody(void **state)
{
    struct pair pair;
    uint64_t value = 0;

    (void)state;
    pair_open(&pair);
    close(pair.peer.socket);
    pair.peer.socket = -1;
    assert_int_equal(tn_wire_reply(&pair.wire, 1, &value, sizeof(value), -1), -EPIPE);
    tn_wire_close(&pair.wire);
    assert_int_equal(rig_count_fds(), pair.fds_before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vu01_one_byte_at_a_time),
        cmocka_unit_test(test_many_messages_in_one_piece),
        cmocka_unit_test(test_vu02_versions),
        cmocka_unit_test(test_vu100_reply_bit),
        cmocka_unit_test(test_vu96_sizes_that_no_message_has),
        cmocka_unit_test(test_vu96_judged_by_the_header),
        cmocka_unit_test(test_vu04_descriptors),
        cmocka_unit_test(test_vu04_more_descriptors_than_fit),
        cmocka_unit_test(test_vu04_descriptors_belong_to_the_first_byte),
        cmocka_unit_test(test_vu103_hang_up_anywhere),
        cmocka_unit_test(test_vu03_reply_is_byte_exact),
        cmocka_unit_test(test_reply_that_does_not_fit_waits),
        cmocka_unit_test(test_vu103_reply_to_nobody),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
