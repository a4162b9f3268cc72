/*
 * test_framing.c: streams that are full: frames are cut anywhere on their way, and what was taken
 * arrives whole and in order.
 */
#include "stream_rig.h"

#include "link/stream.h"

/* A peer that reads slowly, and in odd pieces: what was taken arrives whole, and in order. */
static void flood(size_t (*length)(unsigned n), int send_bytes, unsigned most)
{
    enum { FRAMES = 4000 };
    static uint8_t stream[1 << 20];
    unsigned sent = 0, got = 0, pushed_back = 0, random = 1;
    size_t have = 0;
    struct rig *rig;
    int other;

    rig = stream_over_pair(&other, send_bytes);
    while (got < FRAMES) {
        ssize_t n;
        size_t at = 0;

        if (sent < FRAMES) {
            unsigned count = random % 64 + 1, taken, kept;

            count = count < FRAMES - sent ? count : FRAMES - sent;
            for (unsigned i = 0; i < count; i++) {
                rig_frame(rig, i, length(sent + i));
                rig_fill(rig->data[i], sent + i, length(sent + i));
            }
            taken = rig->ops->send(rig->port, rig->list, count, &kept);
            for (unsigned i = 0; i < count; i++) {
                memset(rig->data[i], 0xee, 100); /* those that are done are ours again */
                assert_int_equal(rig->frames[i].result, i < taken ? 0 : 1);
            }
            assert_true(rig->port->outbox.end <= TN_OUTBOX_BYTES);
            sent += taken;
            pushed_back += taken < count;
        }
        random = random * 1103515245 + 12345;
        if (random % 3 == 0 || sent == FRAMES) {
            rig_turns(rig);
            n = recv(other, stream + have, random % most + 1, MSG_DONTWAIT);
            have += n > 0 ? (size_t)n : 0;
        }
        while (have - at >= 4) {
            size_t bytes = (size_t)stream[at] << 24 | (size_t)stream[at + 1] << 16 |
                           (size_t)stream[at + 2] << 8 | stream[at + 3];

            assert_int_equal(bytes, length(got));
            if (have - at < bytes + 4) {
                break;
            }
            rig_check(stream + at + 4, got++, bytes);
            at += bytes + 4;
        }
        memmove(stream, stream + at, have - at);
        have -= at;
    }
    assert_true(pushed_back > 0);
    assert_int_equal(rig->ready, 0); /* the rest of a frame is the link's own business */
    close(other);
    rig_free(rig);
}

static void test_full(void **state)
{
    (void)state;
    flood(stream_length, 200000, 60000);
}

/* So short that many are cut within their lengths: a socket takes some thousand bytes at a time. */
static size_t short_length(unsigned n)
{
    return 100 + n % 23;
}

static void test_full_of_short_ones(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        flood(short_length, 4608 + (int)i * 100, 3000);
    }
}

/* Sends until a frame is begun and not finished: how many bytes the peer can look forward to. */
static size_t begin_one(struct rig *rig, int other)
{
    static uint8_t data[1 << 20];
    size_t sent = 0;

    for (size_t bytes = RIG_BYTES; !tn_outbox_pending(&rig->port->outbox); bytes -= 100) {
        assert_true(bytes > 30000);
        while (rig_send(rig, 0, 1, bytes) == 1) {
            sent += bytes + 4;
        }
        if (!tn_outbox_pending(&rig->port->outbox)) {
            for (sent = 0; recv(other, data, sizeof(data), MSG_DONTWAIT) > 0;) {
            }
        }
    }
    return sent;
}

/* A frame that was begun is finished by the link, whether anything is watched and sent or not. */
static void test_the_rest_goes_by_itself(void **state)
{
    const uint64_t end = tenon_now() + RIG_SECONDS * UINT64_C(1000000000);
    static uint8_t data[1 << 20];
    size_t sent = 0, got = 0;
    struct rig *rig;
    int other;

    (void)state;
    rig = stream_over_pair(&other, 200000);
    sent = begin_one(rig, other);
    while (got < sent) {
        ssize_t n = recv(other, data, sizeof(data), MSG_DONTWAIT);

        got += n > 0 ? (size_t)n : 0;
        tenon_worker_run(rig->worker, 0);
        assert_true(tenon_now() < end);
    }
    assert_int_equal(got, sent);
    begin_one(rig, other);
    close(other); /* noticed by the link alone, and told as a change alone */
    RIG_UNTIL(rig, rig->changes == 1);
    assert_false(tenon_link_up(rig->link));
    assert_int_equal(rig->ready, 0);
    rig_free(rig);
}

static void test_writable_is_told_when_there_is_room(void **state)
{
    static uint8_t data[1 << 20];
    struct rig *rig;
    int other;

    (void)state;
    rig = stream_over_pair(&other, 200000);
    while (rig_send(rig, 0, 64, 60000) == 64) {
    }
    rig->ops->watch(rig->port, TENON_WRITABLE);
    rig_turns(rig);
    assert_int_equal(rig->writable, 0);
    for (uint64_t end = tenon_now() + RIG_SECONDS * UINT64_C(1000000000); rig->writable == 0;) {
        assert_true(tenon_now() < end);
        recv(other, data, sizeof(data), MSG_DONTWAIT);
        tenon_worker_run(rig->worker, 0);
    }
    assert_true(rig_send(rig, 0, 1, 60000) == 1);
    close(other);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_full_of_short_ones),
        cmocka_unit_test(test_the_rest_goes_by_itself),
        cmocka_unit_test(test_writable_is_told_when_there_is_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
