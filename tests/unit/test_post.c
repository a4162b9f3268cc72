/*
 * test_post.c: posts from the worker's own thread and from many others at once, over both bodies of
 * the loop. The stress tests are meant to run under the thread sanitizer, too.
 */
#include "loops.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/list.h"
#include "loop/parts.h"

enum { THREADS = 4, POSTS = 2000, ROUNDS = 300 };

static struct tenon_worker *worker;
static char order[32];

struct letter {
    struct tenon_post post;
    char c;
};

static void note(struct tenon_post *post)
{
    size_t n = strlen(order);

    assert_true(tenon_worker_here(worker));
    if (n < sizeof(order) - 1) {
        order[n] = TN_CONTAINER_OF(post, struct letter, post)->c;
    }
}

static void begin(void **state)
{
    memset(order, 0, sizeof(order));
    worker = new_worker(state);
}

static struct letter a = { { .fn = note }, 'a' }, b = { { .fn = note }, 'b' },
                     c = { { .fn = note }, 'c' };

static void queued_posts_run_once_in_order(void **state)
{
    begin(state);
    tenon_worker_post(worker, &b.post);
    tenon_worker_post(worker, &a.post);
    tenon_worker_post(worker, &b.post);
    tenon_worker_post(worker, &c.post);
    assert_string_equal(order, "");
    assert_int_equal(tenon_worker_run(worker, -1), 3);
    assert_string_equal(order, "bac");
    assert_int_equal(tenon_worker_run(worker, 0), 0);
    tenon_worker_post(worker, &b.post);
    assert_int_equal(tenon_worker_run(worker, -1), 1);
    tenon_worker_free(worker);
}

static void post_b(void *opaque)
{
    (void)opaque;
    tenon_worker_post(worker, &b.post);
}

/* What a thread posted before it entered the loop comes before what it posts within. */
static void order_holds_across_the_door_of_the_loop(void **state)
{
    struct tenon_timer *timer;

    begin(state);
    assert_int_equal(tenon_timer_new(worker, post_b, NULL, &timer), 0);
    tenon_timer_set(timer, 1);
    tenon_worker_post(worker, &a.post);
    assert_int_equal(tenon_worker_run(worker, 0), 3);
    assert_string_equal(order, "ab");
    tenon_timer_free(timer);
    tenon_worker_free(worker);
}

static unsigned chain_left;

static void post_itself(struct tenon_post *post)
{
    if (--chain_left != 0) {
        tenon_worker_post(worker, post);
    }
}

static void post_from_a_post_runs_without_a_sleep(void **state)
{
    struct tenon_post post = { .fn = post_itself };
    unsigned turns = 0;

    begin(state);
    chain_left = 5;
    tenon_worker_post(worker, &post);
    for (; chain_left != 0; turns++) {
        assert_true(tenon_worker_run(worker, -1) >= 1);
        assert_true(turns < 5);
    }
    assert_int_equal(tenon_worker_run(worker, 0), 0);
    tenon_worker_free(worker);
}

static void free_it(struct tenon_post *post)
{
    free(post);
}

static void post_may_be_freed_when_it_runs(void **state)
{
    begin(state);
    for (int i = 0; i < 3; i++) {
        struct tenon_post *post = calloc(1, sizeof(*post));
        assert_non_null(post);
        post->fn = free_it;
        tenon_worker_post(worker, post);
    }
    assert_int_equal(tenon_worker_run(worker, -1), 3);
    tenon_worker_free(worker);
}

static void run_posts_now(void *opaque)
{
    (void)opaque;
    tenon_worker_post(worker, &a.post);
    tn_worker_run_posts(worker);
    assert_string_equal(order, "a");
}

static void run_posts_within(struct tenon_post *post)
{
    tenon_worker_post(worker, &a.post);
    tn_worker_run_posts(worker);
    assert_string_equal(order, "");
    note(post);
}

static void posts_can_be_run_in_the_middle_of_a_turn_but_not_within_posts(void **state)
{
    struct letter within = { { .fn = run_posts_within }, 'w' };
    struct tenon_timer *timer;

    begin(state);
    assert_int_equal(tenon_timer_new(worker, run_posts_now, NULL, &timer), 0);
    tenon_timer_set(timer, 1);
    assert_int_equal(tenon_worker_run(worker, 0), 1);
    memset(order, 0, sizeof(order));
    tenon_worker_post(worker, &within.post);
    assert_int_equal(tenon_worker_run(worker, 0), 1);
    assert_int_equal(tenon_worker_run(worker, 0), 1);
    assert_string_equal(order, "wa");
    tenon_timer_free(timer);
    tenon_worker_free(worker);
}

static void free_runs_what_is_left(void **state)
{
    begin(state);
    tenon_worker_post(worker, &a.post);
    tenon_worker_post(worker, &b.post);
    tenon_worker_free(worker);
    assert_string_equal(order, "ab");

    begin(state);
    assert_int_equal(tenon_worker_start(worker), 0);
    tenon_worker_post(worker, &a.post);
    tenon_worker_post(worker, &b.post);
    tenon_worker_free(worker);
    assert_string_equal(order, "ab");
}

struct numbered {
    struct tenon_post post;
    unsigned thread, number;
};

static struct numbered numbered[THREADS][POSTS];
static unsigned next_number[THREADS], out_of_order; /* the worker's; read when it is gone */

static void in_order(struct tenon_post *post)
{
    struct numbered *n = TN_CONTAINER_OF(post, struct numbered, post);

    out_of_order += next_number[n->thread]++ != n->number;
}

static void *post_many(void *opaque)
{
    struct numbered *mine = opaque;

    for (unsigned i = 0; i < POSTS; i++) {
        tenon_worker_post(worker, &mine[i].post);
    }
    return NULL;
}

static void many_threads_post_in_their_own_order(void **state)
{
    pthread_t threads[THREADS];

    begin(state);
    memset(next_number, 0, sizeof(next_number));
    out_of_order = 0;
    assert_int_equal(tenon_worker_start(worker), 0);
    for (unsigned t = 0; t < THREADS; t++) {
        for (unsigned i = 0; i < POSTS; i++) {
            numbered[t][i] = (struct numbered){ { .fn = in_order }, t, i };
        }
        assert_int_equal(pthread_create(&threads[t], NULL, post_many, numbered[t]), 0);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    }
    tenon_worker_free(worker);
    for (unsigned t = 0; t < THREADS; t++) {
        assert_int_equal(next_number[t], POSTS);
    }
    assert_int_equal(out_of_order, 0);
}

/* Several threads post one and the same post: each change that was made before a post is seen by a
 * run after it. */
static atomic_uint stated;
static unsigned seen; /* the worker's */

static void see(struct tenon_post *post)
{
    (void)post;
    seen = atomic_load_explicit(&stated, memory_order_relaxed);
}

static struct tenon_post shared_post = { .fn = see };

static void *state_and_post(void *opaque)
{
    (void)opaque;
    for (unsigned i = 0; i < POSTS; i++) {
        atomic_fetch_add_explicit(&stated, 1, memory_order_relaxed);
        tenon_worker_post(worker, &shared_post);
    }
    return NULL;
}

static void shared_post_loses_nothing(void **state)
{
    pthread_t threads[THREADS];

    begin(state);
    atomic_store(&stated, 0);
    seen = 0;
    assert_int_equal(tenon_worker_start(worker), 0);
    for (unsigned t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_create(&threads[t], NULL, state_and_post, NULL), 0);
    }
    for (unsigned t = 0; t < THREADS; t++) {
        assert_int_equal(pthread_join(threads[t], NULL), 0);
    }
    tenon_worker_free(worker);
    assert_int_equal(seen, THREADS * POSTS);
}

/*
 * The post itself tells that the worker may be freed, while the thread that posted is perhaps still
 * about to ring: it must not ring a bell that is gone.
 */
static atomic_bool told;

static void tell(struct tenon_post *post)
{
    (void)post;
    atomic_store(&told, true);
}

static void *post_once(void *opaque)
{
    tenon_worker_post(worker, opaque);
    return NULL;
}

static void worker_may_go_when_the_last_post_has_run(void **state)
{
    for (int i = 0; i < ROUNDS; i++) {
        struct tenon_post post = { .fn = tell };
        pthread_t thread;

        begin(state);
        atomic_store(&told, false);
        if (i % 2 == 0) {
            assert_int_equal(tenon_worker_start(worker), 0);
        }
        assert_int_equal(pthread_create(&thread, NULL, post_once, &post), 0);
        while (!atomic_load(&told)) {
            if (i % 2 != 0) {
                tenon_worker_run(worker, -1);
            }
        }
        tenon_worker_free(worker);
        assert_int_equal(pthread_join(thread, NULL), 0);
    }
}

/* The same with the unlucky moment made long: the ring comes when the post has run already. */
static struct tn_os_ops slow_ops;
static void (*real_ring)(struct tn_os *os);
static atomic_bool rang;

static void ring_late(struct tn_os *os)
{
    while (!atomic_load(&told)) {
        usleep(100);
    }
    usleep(20000);
    atomic_store(&rang, true);
    real_ring(os);
}

static void free_waits_for_a_late_ring(void **state)
{
    struct tenon_post post = { .fn = tell };
    pthread_t thread;

    begin(state);
    slow_ops = *worker->ops;
    real_ring = slow_ops.ring;
    slow_ops.ring = ring_late;
    worker->ops = &slow_ops;
    atomic_store(&told, false);
    atomic_store(&rang, false);
    assert_true(tn_posts_may_sleep(worker));
    assert_int_equal(pthread_create(&thread, NULL, post_once, &post), 0);
    while (tn_posts_may_sleep(worker)) {
        usleep(100);
    }
    assert_int_equal(tenon_worker_run(worker, 0), 1);
    tenon_worker_free(worker);
    assert_true(atomic_load(&rang));
    assert_int_equal(pthread_join(thread, NULL), 0);
}

/* Two workers throw a post to and fro; each sleeps before it comes, so a lost wake-up stops the
 * game. */
static struct tenon_worker *sides[2];
static atomic_uint throws;

static void throw_back(struct tenon_post *post)
{
    if (atomic_fetch_add(&throws, 1) < 2 * ROUNDS) {
        tenon_worker_post(sides[tenon_worker_here(sides[0]) ? 1 : 0], post);
    }
}

static bool game_over(void *opaque)
{
    (void)opaque;
    return atomic_load(&throws) > 2 * ROUNDS;
}

static void no_wake_up_is_lost(void **state)
{
    struct tenon_post ball = { .fn = throw_back };

    atomic_store(&throws, 0);
    for (int i = 0; i < 2; i++) {
        sides[i] = new_worker(state);
        assert_int_equal(tenon_worker_start(sides[i]), 0);
    }
    tenon_worker_post(sides[0], &ball);
    assert_true(tn_worker_wait(sides[0], game_over, NULL, 60000));
    tenon_worker_free(sides[0]);
    tenon_worker_free(sides[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        OVER_BOTH(queued_posts_run_once_in_order),
        OVER_BOTH(order_holds_across_the_door_of_the_loop),
        OVER_BOTH(post_from_a_post_runs_without_a_sleep),
        OVER_BOTH(post_may_be_freed_when_it_runs),
        OVER_BOTH(posts_can_be_run_in_the_middle_of_a_turn_but_not_within_posts),
        OVER_BOTH(free_runs_what_is_left),
        OVER_BOTH(many_threads_post_in_their_own_order),
        OVER_BOTH(shared_post_loses_nothing),
        OVER_BOTH(worker_may_go_when_the_last_post_has_run),
        OVER_BOTH(free_waits_for_a_late_ring),
        OVER_BOTH(no_wake_up_is_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
