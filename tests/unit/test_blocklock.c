/*
 * test_blocklock.c: who waits for whom when parts of disk blocks are changed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "disk/blocklock.h"

static struct tn_blocklock lock;

static void test_those_that_do_not_collide_go_on(void **state)
{
    struct tn_blocklock_entry a, b, c, d;

    (void)state;
    tn_blocklock_init(&lock);
    tn_blocklock_take(&lock, &a, 0, 4096, false);
    tn_blocklock_take(&lock, &b, 0, 8192, false); /* whole blocks: together */
    tn_blocklock_take(&lock, &c, 8192, 4096, true);
    tn_blocklock_take(&lock, &d, 12288, 4096, true);
    tn_blocklock_give(&lock, &b);
    tn_blocklock_give(&lock, &a);
    tn_blocklock_give(&lock, &d);
    tn_blocklock_give(&lock, &c);
    tn_blocklock_destroy(&lock);
}

/*
 * Read-modify-write of four counters in four blocks, by threads: none is lost when nobody comes in
 * between.
 */
enum { THREADS = 4, ROUNDS = 5000, BLOCKS = 4 };
static unsigned long counters[BLOCKS];
static atomic_uint inside[BLOCKS], collisions;

static void *count_up(void *opaque)
{
    unsigned seed = (unsigned)(uintptr_t)opaque;

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned first = (seed + i) % BLOCKS, count = i % 3 == 0 && first + 1 < BLOCKS ? 2 : 1;
        struct tn_blocklock_entry entry;

        tn_blocklock_take(&lock, &entry, first * 4096, count * 4096, true);
        for (unsigned block = first; block < first + count; block++) {
            atomic_fetch_add(&collisions, atomic_fetch_add(&inside[block], 1) == 0 ? 0 : 1);
            counters[block]++;
        }
        for (unsigned block = first; block < first + count; block++) {
            atomic_fetch_sub(&inside[block], 1);
        }
        tn_blocklock_give(&lock, &entry);
    }
    return NULL;
}

static void test_nobody_comes_in_between(void **state)
{
    unsigned long expected = 0, got = 0;
    pthread_t threads[THREADS];

    (void)state;
    tn_blocklock_init(&lock);
    for (uintptr_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, count_up, (void *)i), 0);
    }
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        for (unsigned n = 0; n < ROUNDS; n++) {
            expected += n % 3 == 0 && (i + n) % BLOCKS + 1 < BLOCKS ? 2 : 1;
        }
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        got += counters[i];
    }
    assert_int_equal(got, expected);
    assert_int_equal(atomic_load(&collisions), 0);
    tn_blocklock_destroy(&lock);
}

struct follower {
    bool alone;
    atomic_bool has_it;
};

static void *follow(void *opaque)
{
    struct follower *follower = opaque;
    struct tn_blocklock_entry entry;

    tn_blocklock_take(&lock, &entry, 4096, 4096, follower->alone);
    atomic_store(&follower->has_it, true);
    tn_blocklock_give(&lock, &entry);
    return NULL;
}

/* A whole-block write waits for a part-of-a-block write, and the other way round. */
static void test_the_two_kinds_wait_for_each_other(void **state)
{
    (void)state;
    for (unsigned alone = 0; alone < 2; alone++) {
        struct follower follower = { .alone = alone == 0 };
        struct tn_blocklock_entry entry;
        pthread_t thread;
        bool waiting = false;

        tn_blocklock_init(&lock);
        tn_blocklock_take(&lock, &entry, 0, 8192, alone != 0);
        assert_int_equal(pthread_create(&thread, NULL, follow, &follower), 0);
        while (!waiting) { /* until it stands in the list behind us */
            pthread_mutex_lock(&lock.mutex);
            waiting = lock.entries.prev != &entry.link;
            pthread_mutex_unlock(&lock.mutex);
        }
        assert_false(atomic_load(&follower.has_it));
        tn_blocklock_give(&lock, &entry);
        pthread_join(thread, NULL);
        assert_true(atomic_load(&follower.has_it));
        tn_blocklock_destroy(&lock);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_those_that_do_not_collide_go_on),
        cmocka_unit_test(test_nobody_comes_in_between),
        cmocka_unit_test(test_the_two_kinds_wait_for_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
