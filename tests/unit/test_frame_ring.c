/*
 * test_frame_ring.c: frames between two threads: each is done once, in order, or taken back, before
 * anybody looked. The last test runs two threads, and is meant for the thread sanitizer, too.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "link/frame_ring.h"

enum { SLOTS = TN_FRAME_RING_SLOTS, FRAMES = SLOTS + 8, MANY = 300000, SHOW_MOST = 64 };

static struct tn_frame_ring ring;
static struct tenon_frame frames[FRAMES];
static struct tenon_frame *pointers[FRAMES], *shown[FRAMES];
static bool wake;

static int set_up(void **state)
{
    (void)state;
    memset(frames, 0, sizeof(frames));
    for (unsigned i = 0; i < FRAMES; i++) {
        pointers[i] = &frames[i];
    }
    tn_frame_ring_init(&ring);
    tn_frame_ring_up(&ring);
    wake = false;
    return 0;
}

static void push(unsigned from, unsigned count)
{
    assert_int_equal(tn_frame_ring_push(&ring, pointers + from, count, &wake), count);
}

/* Frames from..to come back with this result, and no others. */
static void expect_list(struct tenon_frame *list, unsigned from, unsigned to, int result)
{
    for (unsigned i = from; i < to; i++, list = list->next) {
        assert_ptr_equal(list, &frames[i]);
        assert_int_equal(list->result, result);
    }
    assert_null(list);
}

static void test_there_and_back(void **state)
{
    (void)state;
    assert_int_equal(tn_frame_ring_show(&ring, shown, 8), 0);
    push(0, 3);
    assert_int_equal(tn_frame_ring_show(&ring, shown, 2), 2);
    assert_ptr_equal(shown[1], &frames[1]);
    assert_int_equal(tn_frame_ring_show(&ring, shown, 8), 3); /* again, and more */
    assert_null(tn_frame_ring_reap(&ring));
    assert_false(tn_frame_ring_done(&ring, 0));
    assert_true(tn_frame_ring_done(&ring, 2));
    expect_list(tn_frame_ring_reap(&ring), 0, 2, 0);
    assert_int_equal(tn_frame_ring_show(&ring, shown, 8), 1);
    assert_ptr_equal(shown[0], &frames[2]);
    assert_true(tn_frame_ring_done(&ring, 1));
    expect_list(tn_frame_ring_reap(&ring), 2, 3, 0);
}

/* A slot is free when its frame was reaped, not when it is done. */
static void test_full(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 200; round++) { /* indexes run over their end */
        assert_int_equal(tn_frame_ring_push(&ring, pointers, FRAMES, &wake), SLOTS);
        assert_false(tn_frame_ring_room(&ring));
        assert_int_equal(tn_frame_ring_push(&ring, pointers, 1, &wake), 0);
        assert_int_equal(tn_frame_ring_show(&ring, shown, FRAMES), SLOTS);
        assert_ptr_equal(shown[SLOTS - 1], &frames[SLOTS - 1]);
        assert_true(tn_frame_ring_done(&ring, SLOTS));
        assert_int_equal(tn_frame_ring_push(&ring, pointers, 1, &wake), 0);
        expect_list(tn_frame_ring_reap(&ring), 0, SLOTS, 0);
        assert_true(tn_frame_ring_room(&ring));
        push(0, 1);
        assert_int_equal(tn_frame_ring_pull(&ring, 1, &wake), 1);
    }
}

static void test_wake(void **state)
{
    (void)state;
    assert_true(tn_frame_ring_sleep(&ring));
    assert_true(tn_frame_ring_sleep(&ring));
    push(0, 1);
    assert_true(wake);
    push(1, 1);
    assert_false(wake); /* it has been told once */
    assert_false(tn_frame_ring_sleep(&ring));
    push(2, 1);
    assert_false(wake);
}

static void test_pull_what_nobody_looked_at(void **state)
{
    (void)state;
    assert_int_equal(tn_frame_ring_pull(&ring, 5, &wake), 0);
    push(0, 10);
    assert_int_equal(tn_frame_ring_pull(&ring, 3, &wake), 3);
    assert_int_equal(tn_frame_ring_show(&ring, shown, FRAMES), 7);
    assert_true(tn_frame_ring_done(&ring, 4));
    /* three are left, and four are done but not told: nobody reads, so nothing follows */
    assert_int_equal(tn_frame_ring_pull(&ring, 7, &wake), 3);
    assert_false(wake);
    expect_list(tn_frame_ring_reap(&ring), 0, 4, 0);
    assert_null(tn_frame_ring_recalled(&ring, &wake));
    push(0, 2);
    assert_int_equal(tn_frame_ring_show(&ring, shown, FRAMES), 2);
}

/* What is being looked at stays the receiver's; what it did not read comes when it lets go. */
static void test_recall(void **state)
{
    (void)state;
    push(0, 10);
    assert_int_equal(tn_frame_ring_show(&ring, shown, 6), 6);
    assert_int_equal(tn_frame_ring_pull(&ring, 8, &wake), 4);
    assert_true(wake);
    assert_null(tn_frame_ring_recalled(&ring, &wake));
    assert_int_equal(tn_frame_ring_push(&ring, pointers, 1, &wake), 0); /* not in between */
    assert_false(tn_frame_ring_room(&ring));
    assert_int_equal(tn_frame_ring_show(&ring, shown, FRAMES), 6);
    assert_true(tn_frame_ring_done(&ring, 1));
    assert_int_equal(tn_frame_ring_show(&ring, shown, FRAMES), 0); /* the sender comes first */
    assert_true(tn_frame_ring_sleep(&ring));
    assert_null(tn_frame_ring_recalled(&ring, &wake)); /* what was read comes first */
    expect_list(tn_frame_ring_reap(&ring), 0, 1, 0);
    expect_list(tn_frame_ring_recalled(&ring, &wake), 2, 6, -ECANCELED);
    assert_true(wake); /* for frame 1, which nobody wanted back */
    assert_int_equal(tn_frame_ring_show(&ring, shown, FRAMES), 1);
    assert_true(tn_frame_ring_done(&ring, 1));
    expect_list(tn_frame_ring_reap(&ring), 1, 2, 0);
    assert_null(tn_frame_ring_recalled(&ring, &wake));
    push(0, 1);
}

/* A receiver that only looked lets go when it is told, and all that was read stays read. */
static void test_yield(void **state)
{
    (void)state;
    push(0, 4);
    assert_int_equal(tn_frame_ring_show(&ring, shown, 2), 2);
    assert_false(tn_frame_ring_yield(&ring));
    assert_int_equal(tn_frame_ring_pull(&ring, 4, &wake), 2);
    assert_int_equal(tn_frame_ring_pull(&ring, 1, &wake), 0); /* wanted already */
    assert_true(tn_frame_ring_yield(&ring));
    expect_list(tn_frame_ring_recalled(&ring, &wake), 0, 2, -ECANCELED);
    assert_false(wake);

    frames[0].result = frames[1].result = 0;
    push(0, 4);
    assert_int_equal(tn_frame_ring_show(&ring, shown, 4), 4);
    assert_int_equal(tn_frame_ring_pull(&ring, 4, &wake), 0);
    assert_true(tn_frame_ring_done(&ring, 4));
    expect_list(tn_frame_ring_reap(&ring), 0, 4, 0);
    assert_null(tn_frame_ring_recalled(&ring, &wake));
    assert_true(tn_frame_ring_room(&ring));
}

static void test_down(void **state)
{
    (void)state;
    push(0, 5);
    assert_int_equal(tn_frame_ring_show(&ring, shown, 3), 3);
    assert_true(tn_frame_ring_done(&ring, 1));
    assert_true(tn_frame_ring_down(&ring, -ENETDOWN));
    assert_int_equal(tn_frame_ring_push(&ring, pointers, 1, &wake), -ENETDOWN);
    assert_int_equal(frames[0].result, 0);
    frames[0].result = -ENETDOWN; /* so that one list has all */
    expect_list(tn_frame_ring_reap(&ring), 0, 5, -ENETDOWN);
    assert_false(tn_frame_ring_down(&ring, -ENETDOWN));
    tn_frame_ring_up(&ring);
    push(0, 1);
    assert_int_equal(tn_frame_ring_show(&ring, shown, FRAMES), 1);
}

/* ---- two threads ---- */

/*
 * The sender numbers frames in `csum_start`..`gso_bytes`, and the receiver marks those that it has
 * read. Lives of a frame: ours, pushed; then read (marked) or taken back (not marked).
 */
static uint32_t number_of(const struct tenon_frame *frame)
{
    return frame->bytes;
}

static atomic_bool over;
static atomic_uint received;

static void *receive(void *opaque)
{
    uint32_t state = 7, last = 0;
    bool right = true;

    (void)opaque;
    while (!atomic_load(&over)) {
        struct tenon_frame *some[SHOW_MOST];
        unsigned count, reads;

        state = state * 1103515245 + 12345;
        count = tn_frame_ring_show(&ring, some, 1 + (state >> 16) % SHOW_MOST);
        reads = count == 0 ? 0 : (state >> 8) % (count + 1);
        if ((state >> 3) % 32 == 0) {
            sched_yield(); /* so that, on one processor, too, something is being looked at */
        }
        for (unsigned i = 0; i < reads; i++) {
            right &= number_of(some[i]) > last && some[i]->result == 1;
            last = number_of(some[i]);
            some[i]->result = 2;
        }
        if (reads != 0) {
            atomic_fetch_add(&received, reads);
        }
        if (count != 0) {
            tn_frame_ring_done(&ring, reads);
        }
        if ((state >> 5) % 64 == 0) {
            tn_frame_ring_down(&ring, 3);
            tn_frame_ring_up(&ring);
        }
        if (count == 0) {
            sched_yield();
        }
    }
    return right ? &over : NULL;
}

struct counts {
    unsigned read, recalled, down, pulled, pushed;
};

static void settle(struct tenon_frame *list, struct counts *counts, uint32_t *last,
                   struct tenon_frame **stock, unsigned *left)
{
    while (list) {
        struct tenon_frame *next = list->next;
        assert_true(number_of(list) > *last);
        *last = number_of(list);
        counts->read += list->result == 2;
        counts->recalled += list->result == -ECANCELED;
        counts->down += list->result == 3;
        stock[(*left)++] = list;
        list = next;
    }
}

static unsigned take_back(unsigned count, struct tenon_frame **stock, unsigned *left)
{
    unsigned pulled = tn_frame_ring_pull(&ring, count, &wake);

    for (unsigned i = 0; i < pulled; i++) { /* they are where they were: the last ones */
        struct tenon_frame *frame = ring.slots[(uint16_t)(ring.head + i) % TN_FRAME_RING_SLOTS];
        assert_int_equal(frame->result, 1);
        stock[(*left)++] = frame;
    }
    return pulled;
}

static void test_two_threads(void **state)
{
    struct tenon_frame *stock[FRAMES];
    unsigned left = FRAMES;
    uint32_t random = 1, number = 0, last = 0, recalled;
    struct counts counts = { 0 };
    pthread_t thread;
    void *right;

    (void)state;
    memcpy(stock, pointers, sizeof(stock));
    atomic_store(&over, false);
    atomic_store(&received, 0);
    assert_int_equal(pthread_create(&thread, NULL, receive, NULL), 0);
    while (counts.pushed < MANY || counts.recalled == 0 || counts.pulled == 0 || left != FRAMES) {
        struct tenon_frame *batch[32];
        unsigned count;
        int taken = 0;

        random = random * 1103515245 + 12345;
        count = (random >> 16) % 32;
        count = count < left ? count : left;
        if (counts.pushed >= MANY && counts.recalled != 0 && counts.pulled != 0) {
            count = 0; /* only what is under way is waited for */
        }
        for (unsigned i = 0; i < count; i++) {
            batch[i] = stock[left - 1 - i];
            batch[i]->bytes = ++number;
            batch[i]->result = 1;
        }
        if (count != 0) {
            taken = tn_frame_ring_push(&ring, batch, count, &wake);
        }
        if (taken > 0) {
            left -= (unsigned)taken;
            counts.pushed += (unsigned)taken;
        }
        if ((random >> 8) % 16 == 0) {
            counts.pulled += take_back((random >> 4) % 64, stock, &left);
        }
        settle(tn_frame_ring_reap(&ring), &counts, &last, stock, &left);
        recalled = last; /* what was sent before them may come later */
        settle(tn_frame_ring_recalled(&ring, &wake), &counts, &recalled, stock, &left);
        if (left == 0 || counts.pushed >= MANY) {
            sched_yield();
        }
    }
    atomic_store(&over, true);
    pthread_join(thread, &right);
    assert_ptr_equal(right, &over);
    assert_int_equal(counts.read, atomic_load(&received));
    assert_int_equal(counts.pushed, counts.read + counts.recalled + counts.down + counts.pulled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_there_and_back, set_up),
        cmocka_unit_test_setup(test_full, set_up),
        cmocka_unit_test_setup(test_wake, set_up),
        cmocka_unit_test_setup(test_pull_what_nobody_looked_at, set_up),
        cmocka_unit_test_setup(test_recall, set_up),
        cmocka_unit_test_setup(test_yield, set_up),
        cmocka_unit_test_setup(test_down, set_up),
        cmocka_unit_test_setup(test_two_threads, set_up),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
