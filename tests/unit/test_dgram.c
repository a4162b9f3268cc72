/*
 * test_dgram.c: frames over datagrams: whole, in order, one for each; full sockets, too long ones,
 * and peers that go. Finding peers by their paths is test_dgram_peer.c's.
 */
#include "link_rig.h"

static struct rig *over_pair(int *other)
{
    struct tenon_dgram_opts opts = { .size = sizeof(opts) };
    struct tenon_link *link = NULL;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    opts.fd = fds[0];
    assert_int_equal(tenon_link_open_dgram(&opts, &link), 0);
    close(fds[0]); /* the link has its own */
    *other = fds[1];
    return rig_new(link);
}

static void put(int fd, unsigned n, size_t bytes)
{
    static uint8_t data[RIG_BYTES + 100];

    rig_fill(data, n, bytes);
    assert_int_equal(send(fd, data, bytes, 0), bytes);
}

static void test_batches_keep_their_order(void **state)
{
    struct tenon_link_info info = { .size = sizeof(info) };
    static uint8_t data[RIG_BYTES];
    struct rig *rig;
    int other;

    (void)state;
    rig = over_pair(&other);
    assert_int_equal(tenon_link_info(rig->link, &info), 0);
    assert_int_equal(info.recv_batch, 64);
    assert_int_equal(info.send_can | info.recv_can, 0);
    assert_true(tenon_link_up(rig->link));
    for (unsigned round = 0; round < 5; round++) {
        size_t bytes = 60 + 350 * round;

        assert_int_equal(rig_send(rig, round, 64, bytes), 64);
        for (unsigned i = 0; i < 64; i++) {
            assert_int_equal(rig->frames[i].result, 0);
            assert_int_equal(recv(other, data, sizeof(data), 0), bytes);
            rig_check(data, round + i, bytes);
        }
        for (unsigned i = 0; i < 50; i++) {
            put(other, i, bytes);
        }
        assert_int_equal(rig_expect(rig, 0, 20, bytes), 20);
        assert_int_equal(rig_expect(rig, 20, 64, bytes), 30);
        assert_int_equal(rig_recv(rig, 64, RIG_BYTES), 0);
    }
    close(other);
    rig_free(rig);
}

static void test_lengths(void **state)
{
    static const size_t lengths[] = { 14, 60, 1514, 9014, 65535, RIG_BYTES };
    static uint8_t data[RIG_BYTES];
    struct rig *rig;
    int other;

    (void)state;
    rig = over_pair(&other);
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        assert_int_equal(rig_send(rig, 3, 1, lengths[i]), 1);
        assert_int_equal(rig->frames[0].result, 0);
        assert_int_equal(recv(other, data, sizeof(data), 0), lengths[i]);
        rig_check(data, 3, lengths[i]);
        put(other, 5, lengths[i]);
        assert_int_equal(rig_expect(rig, 5, 1, lengths[i]), 1);
    }
    close(other);
    rig_free(rig);
}

static void test_what_does_not_fit_is_gone_whole(void **state)
{
    struct rig *rig;
    int other;

    (void)state;
    rig = over_pair(&other);
    put(other, 0, 1000);
    put(other, 1, 1001);
    put(other, 2, 13);
    assert_int_equal(send(other, "", 0, 0), 0);
    put(other, 3, 500);
    assert_int_equal(rig_recv(rig, 8, 1000), 5);
    assert_int_equal(rig->frames[0].result, 0);
    rig_check(rig->data[0], 0, 1000);
    assert_int_equal(rig->frames[1].result, -EMSGSIZE);
    assert_int_equal(rig->frames[2].result, -EINVAL);
    assert_int_equal(rig->frames[3].result, -EINVAL);
    assert_int_equal(rig->frames[4].result, 0);
    assert_int_equal(rig->frames[4].bytes, 500);
    rig_check(rig->data[4], 3, 500);
    assert_int_equal(rig_count(rig, "too_long"), 1);
    assert_int_equal(rig_count(rig, "too_short"), 2);
    close(other);
    rig_free(rig);
}

/* One bad frame among good ones: the others go, in order. */
static void test_a_bad_frame_stops_no_other(void **state)
{
    static uint8_t data[RIG_BYTES];
    struct rig *rig;
    unsigned kept = 0, taken;
    int other;

    (void)state;
    rig_need_faults();
    rig = over_pair(&other);
    for (unsigned i = 0; i < 5; i++) {
        rig_frame(rig, i, 100);
        rig_fill(rig->data[i], i, 100);
    }
    rig->iov[2][2].iov_base = (void *)16; /* memory that is not there */
    taken = rig->ops->send(rig->port, rig->list, 5, &kept);
    if (taken == 2) { /* it may stop in front of it, and is asked again when it is writable */
        taken += rig->ops->send(rig->port, rig->list + 2, 3, &kept);
    }
    assert_int_equal(taken, 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(rig->frames[i].result, i == 2 ? -EFAULT : 0);
        if (i != 2) {
            assert_int_equal(recv(other, data, sizeof(data), MSG_DONTWAIT), 100);
            rig_check(data, i, 100);
        }
    }
    assert_int_equal(rig_count(rig, "send_errors"), 1);
    close(other);
    rig_free(rig);
}

/* More pieces than a system call takes, both ways. */
static void test_many_pieces(void **state)
{
    enum { PIECES = 3000 };
    static struct iovec iov[PIECES];
    static uint8_t data[PIECES];
    struct tenon_frame frame = { .iov = iov, .iov_count = PIECES, .bytes = PIECES };
    struct tenon_frame *list[3] = { NULL, &frame, NULL };
    struct rig *rig;
    unsigned kept = 0;
    int other;

    (void)state;
    rig = over_pair(&other);
    for (unsigned i = 0; i < PIECES; i++) {
        iov[i] = (struct iovec){ &data[i], 1 };
    }
    rig_fill(data, 9, PIECES);
    rig_frame(rig, 0, 100);
    rig_frame(rig, 1, 100);
    list[0] = rig->list[0], list[2] = rig->list[1];
    assert_int_equal(rig->ops->send(rig->port, list, 3, &kept), 3);
    assert_int_equal(recv(other, rig->data[5], RIG_BYTES, 0), 100);
    assert_int_equal(recv(other, rig->data[5], RIG_BYTES, 0), PIECES);
    rig_check(rig->data[5], 9, PIECES);
    assert_int_equal(recv(other, rig->data[5], RIG_BYTES, 0), 100);

    memset(data, 0, sizeof(data));
    put(other, 1, 50);
    put(other, 2, PIECES);
    put(other, 3, 50);
    assert_int_equal(rig->ops->recv(rig->port, list, 3), 3);
    assert_int_equal(frame.bytes, PIECES);
    rig_check(data, 2, PIECES);
    rig_check(rig->data[1], 3, 50);
    close(other);
    rig_free(rig);
}

/* Nothing is lost when nobody reads: send takes less, and WRITABLE tells when it takes more. */
static void test_full(void **state)
{
    static uint8_t data[RIG_BYTES];
    unsigned sent = 0, got = 0, pushed_back = 0;
    struct rig *rig;
    int other;

    (void)state;
    rig = over_pair(&other);
    while (got < 5000) {
        unsigned n = sent < 5000 ? rig_send(rig, sent, 64, 1514) : 0;

        sent += n;
        if (sent < 5000 && n == 64) {
            continue;
        }
        pushed_back += n < 64;
        rig->ops->watch(rig->port, TENON_WRITABLE);
        while (recv(other, data, sizeof(data), MSG_DONTWAIT) == 1514) {
            rig_check(data, got++, 1514);
        }
        rig->ready = 0;
        RIG_UNTIL(rig, (rig->ready & TENON_WRITABLE) != 0);
        rig->ops->watch(rig->port, 0);
    }
    assert_int_equal(got, sent);
    assert_true(pushed_back > 0);
    close(other);
    rig_free(rig);
}

static void test_ready_is_told_for_what_is_watched(void **state)
{
    struct rig *rig;
    int other;

    (void)state;
    rig = over_pair(&other);
    put(other, 0, 100);
    rig_turns(rig);
    assert_int_equal(rig->ready, 0);
    rig->ops->watch(rig->port, TENON_READABLE);
    RIG_UNTIL(rig, rig->readable >= 3); /* again and again */
    assert_int_equal(rig->writable, 0);
    assert_int_equal(rig_recv(rig, 1, 200), 1);
    rig->readable = 0;
    rig_turns(rig);
    assert_int_equal(rig->readable, 0);
    put(other, 0, 100);
    RIG_UNTIL(rig, rig->readable != 0);
    rig->ops->watch(rig->port, 0);
    rig->readable = 0;
    rig_turns(rig);
    assert_int_equal(rig->readable, 0);
    close(other);
    rig_free(rig);
}

static void test_a_peer_of_a_descriptor_that_has_gone(void **state)
{
    struct rig *rig;
    int other;

    (void)state;
    rig = over_pair(&other);
    put(other, 4, 99);
    close(other);
    assert_int_equal(rig_expect(rig, 4, 3, 99), 1); /* what it had sent is there */
    assert_true(tenon_link_up(rig->link));
    assert_int_equal(rig_send(rig, 0, 10, 60), 10);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(rig->frames[i].result, -ENETDOWN);
    }
    assert_false(tenon_link_up(rig->link));
    assert_int_equal(rig->changes, 0); /* never from within a call */
    RIG_UNTIL(rig, rig->changes == 1);
    assert_int_equal(rig_count(rig, "peers_lost"), 1);
    assert_int_equal(rig_count(rig, "no_peer"), 10);
    rig_free(rig);
}

static void test_what_waits_outlives_the_port(void **state)
{
    struct tenon_port_events events = { 0 };
    struct tenon_port *second = NULL;
    struct rig *rig;
    int other;

    (void)state;
    rig = over_pair(&other);
    assert_int_equal(tn_port_open(rig->link, 0, rig->worker, &events, NULL, &second), -EBUSY);
    assert_int_equal(tn_port_open(rig->link, 1, rig->worker, &events, NULL, &second), -EINVAL);
    put(other, 1, 100);
    rig->ops->watch(rig->port, TENON_READABLE);
    rig->ops->close(rig->port);
    rig_turns(rig);
    assert_int_equal(rig->ready, 0);
    rig_reopen(rig);
    rig_turns(rig);
    assert_int_equal(rig->ready, 0); /* nothing is watched yet */
    assert_int_equal(rig_expect(rig, 1, 5, 100), 1);
    close(other);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_keep_their_order),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_what_does_not_fit_is_gone_whole),
        cmocka_unit_test(test_a_bad_frame_stops_no_other),
        cmocka_unit_test(test_many_pieces),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_ready_is_told_for_what_is_watched),
        cmocka_unit_test(test_a_peer_of_a_descriptor_that_has_gone),
        cmocka_unit_test(test_what_waits_outlives_the_port),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
