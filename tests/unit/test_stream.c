/*
 * test_stream.c: frames in a stream: many in one piece, one in many, in order, and what the other
 * side may do wrong. Full sockets are test_framing.c's, peers that go and come are
 * test_stream_open.c's.
 */
#include "stream_rig.h"

static void test_many_in_one_piece(void **state)
{
    static uint8_t data[100 * 1000];
    size_t bytes = 0;
    struct rig *rig;
    unsigned got;
    int other;

    (void)state;
    rig = stream_over_pair(&other, 0);
    assert_int_equal(rig_send(rig, 0, 64, 700), 64);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(rig->frames[i].result, 0);
        get_frame(other, i, 700);
    }
    for (unsigned i = 0; i < 100; i++) {
        bytes += framed(data + bytes, i, 700);
    }
    put(other, data, bytes);
    got = rig_expect(rig, 0, 10, 700);
    assert_int_equal(got, 10);
    got += rig_expect(rig, got, 64, 700);
    got += rig_expect(rig, got, 64, 700);
    assert_int_equal(got, 100);
    assert_int_equal(rig_recv(rig, 64, RIG_BYTES), 0);
    close(other);
    rig_free(rig);
}

/* Cut anywhere, the same frames come: the stream in pieces of each of many sizes. */
static void test_pieces_of_any_size(void **state)
{
    enum { FRAMES = 120 };
    static uint8_t data[FRAMES * (RIG_BYTES + 4)];
    static const size_t pieces[] = { 1, 3, 4, 5, 17, 1000, 4096, 65536, 100000 };
    size_t bytes = 0;
    struct rig *rig;
    int other;

    (void)state;
    rig = stream_over_pair(&other, 0);
    for (unsigned i = 0; i < FRAMES; i++) {
        bytes += framed(data + bytes, i, stream_length(i));
    }
    for (size_t k = 0; k < sizeof(pieces) / sizeof(pieces[0]); k++) {
        unsigned got = 0;

        for (size_t at = 0, stop = pieces[k] < 10 ? 20000 : bytes; at < stop;) {
            size_t part = pieces[k] < bytes - at ? pieces[k] : bytes - at;

            put(other, data + at, part);
            at += part;
            for (unsigned n = 1; n != 0; got += n) {
                n = rig_recv(rig, 1, RIG_BYTES);
                if (n != 0) {
                    assert_int_equal(rig->frames[0].bytes, stream_length(got));
                    rig_check(rig->data[0], got, stream_length(got));
                }
            }
        }
        if (pieces[k] < 10) { /* the rest at once, which is quicker */
            size_t at = 20000 + (20000 % pieces[k] != 0 ? pieces[k] - 20000 % pieces[k] : 0);

            while (got < FRAMES) {
                size_t part = bytes - at < 50000 ? bytes - at : 50000;

                put(other, data + at, part);
                at += part;
                while (got < FRAMES && rig_recv(rig, 1, RIG_BYTES) == 1) {
                    rig_check(rig->data[0], got, stream_length(got));
                    got++;
                }
            }
        }
        assert_int_equal(got, FRAMES);
    }
    close(other);
    rig_free(rig);
}

/* What is shown stays until it is taken, and is shown again. */
static void test_frames_are_lent(void **state)
{
    static uint8_t data[70 * 104];
    struct tenon_frame *again[64];
    size_t bytes = 0;
    struct rig *rig;
    int other;

    (void)state;
    rig = stream_over_pair(&other, 0);
    for (unsigned i = 0; i < 70; i++) {
        bytes += framed(data + bytes, i, 100);
    }
    put(other, data, bytes);
    assert_int_equal(rig->ops->peek(rig->port, rig->list, 5), 5);
    assert_int_equal(rig->ops->peek(rig->port, again, 64), 64);
    assert_memory_equal(rig->list, again, 5 * sizeof(again[0]));
    rig->ops->take(rig->port, 3);
    put(other, data, 104); /* is not read as long as anything is shown */
    assert_int_equal(rig->ops->peek(rig->port, rig->list, 64), 64);
    assert_ptr_equal(rig->list[0], again[3]);
    for (unsigned i = 0; i < 64; i++) {
        rig_check(rig->list[i]->iov[0].iov_base, i + 3, 100);
    }
    rig->ops->take(rig->port, 64);
    assert_int_equal(rig_expect(rig, 67, 64, 100), 3);
    assert_int_equal(rig_expect(rig, 0, 64, 100), 1);
    close(other);
    rig_free(rig);
}

static void test_many_pieces_and_no_frames(void **state)
{
    enum { PIECES = 3000, LESS = 1500 };
    static struct iovec iov[PIECES];
    static uint8_t data[PIECES];
    struct tenon_frame many = { .iov = iov, .iov_count = PIECES, .bytes = PIECES };
    struct tenon_frame less = { .iov = iov, .iov_count = LESS, .bytes = LESS };
    struct tenon_frame too_long = { .iov = iov, .iov_count = 1, .bytes = RIG_BYTES + 1 };
    struct tenon_frame too_short = { .iov = iov, .iov_count = 13, .bytes = 13 };
    struct tenon_frame gone, *list[8];
    struct iovec nowhere = { (void *)16, 3000 }; /* short ones are not for the kernel to find */
    struct rig *rig;
    unsigned kept = 0;
    int other;

    (void)state;
    rig_need_faults();
    rig = stream_over_pair(&other, 0);
    for (unsigned i = 0; i < PIECES; i++) {
        iov[i] = (struct iovec){ &data[i], 1 };
    }
    rig_fill(data, 9, PIECES);
    for (unsigned i = 0; i < 3; i++) {
        rig_frame(rig, i, 100);
        rig_fill(rig->data[i], i, 100);
    }
    gone = (struct tenon_frame){ .iov = &nowhere, .iov_count = 1, .bytes = 3000 };
    list[0] = rig->list[0], list[1] = &too_long, list[2] = &many, list[3] = &gone;
    list[4] = rig->list[1], list[5] = &too_short, list[6] = rig->list[2], list[7] = &less;
    assert_int_equal(rig->ops->send(rig->port, list, 8, &kept), 8);
    assert_int_equal(too_long.result, -EMSGSIZE);
    assert_int_equal(too_short.result, -EINVAL);
    assert_int_equal(gone.result, -EFAULT);
    assert_int_equal(many.result, 0);
    assert_int_equal(less.result, 0);
    get_frame(other, 0, 100);
    get_frame(other, 9, PIECES);
    get_frame(other, 1, 100);
    get_frame(other, 2, 100);
    get_frame(other, 9, LESS);
    close(other);
    rig_free(rig);
}

/* Those before it are delivered; it ends the connection, and the link says so. */
static void garbage(const uint8_t length[4])
{
    uint8_t data[1000];
    size_t bytes = framed(data, 1, 100);
    struct rig *rig;
    int other;

    rig = stream_over_pair(&other, 0);
    bytes += framed(data + bytes, 0, 5); /* too short to be a frame: passed over */
    bytes += framed(data + bytes, 2, 100);
    memcpy(data + bytes, length, 4);
    put(other, data, bytes + 4);
    rig->ops->watch(rig->port, TENON_READABLE);
    RIG_UNTIL(rig, rig->readable != 0);
    assert_int_equal(rig_recv(rig, 1, RIG_BYTES), 1);
    rig_check(rig->data[0], 1, 100);
    assert_int_equal(rig_expect(rig, 2, 5, 100), 1);
    assert_true(tenon_link_up(rig->link));
    rig->readable = 0;
    RIG_UNTIL(rig, rig->readable != 0);
    assert_int_equal(rig_recv(rig, 5, RIG_BYTES), 0);
    assert_false(tenon_link_up(rig->link));
    RIG_UNTIL(rig, rig->changes == 1);
    assert_int_equal(rig_count(rig, "garbage"), 1);
    assert_int_equal(rig_count(rig, "too_short"), 1);
    assert_int_equal(recv(other, data, 1, 0), 0); /* closed */
    rig->readable = 0;
    rig_turns(rig);
    assert_int_equal(rig->readable, 0); /* and no more is said of it */
    close(other);
    rig_free(rig);
}

static void test_garbage(void **state)
{
    (void)state;
    garbage((const uint8_t[4]){ 0, 0, 0, 0 });
    garbage((const uint8_t[4]){ 0, 1, 0, 15 }); /* 65551 */
    garbage((const uint8_t[4]){ 'G', 'E', 'T', ' ' });
    garbage((const uint8_t[4]){ 0xff, 0xff, 0xff, 0xff });
}

static void test_ready_is_told_as_long_as_frames_wait(void **state)
{
    uint8_t data[1000];
    size_t bytes = 0;
    struct rig *rig;
    int other;

    (void)state;
    rig = stream_over_pair(&other, 0);
    for (unsigned i = 0; i < 3; i++) {
        bytes += framed(data + bytes, i, 100);
    }
    put(other, data, bytes);
    assert_int_equal(rig_expect(rig, 0, 1, 100), 1); /* all are read, and two wait */
    rig_turns(rig);
    assert_int_equal(rig->ready, 0);
    rig->ops->watch(rig->port, TENON_READABLE);
    RIG_UNTIL(rig, rig->readable >= 3);
    assert_int_equal(rig_expect(rig, 1, 1, 100), 1);
    assert_int_equal(rig->ops->peek(rig->port, rig->list, 1), 1);
    rig->readable = 0;
    RIG_UNTIL(rig, rig->readable >= 3);
    rig->ops->watch(rig->port, 0);
    rig->readable = 0;
    rig_turns(rig);
    assert_int_equal(rig->readable, 0);
    rig->ops->close(rig->port); /* they outlive it */
    rig_reopen(rig);
    rig->ops->watch(rig->port, TENON_READABLE);
    RIG_UNTIL(rig, rig->readable != 0);
    assert_int_equal(rig_expect(rig, 2, 5, 100), 1);
    rig->readable = 0;
    rig_turns(rig);
    assert_int_equal(rig->readable, 0);
    put(other, data, 104); /* read, and not taken: told again */
    RIG_UNTIL(rig, rig->readable != 0);
    assert_int_equal(rig->ops->peek(rig->port, rig->list, 1), 1);
    rig->readable = 0;
    RIG_UNTIL(rig, rig->readable >= 3);
    close(other);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_many_in_one_piece),
        cmocka_unit_test(test_pieces_of_any_size),
        cmocka_unit_test(test_frames_are_lent),
        cmocka_unit_test(test_many_pieces_and_no_frames),
        cmocka_unit_test(test_garbage),
        cmocka_unit_test(test_ready_is_told_as_long_as_frames_wait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
