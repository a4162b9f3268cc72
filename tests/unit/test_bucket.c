/*
 * test_bucket.c: the token bucket under a moved clock: exact over rates, polling patterns and
 * users, against a model in 128 bits; bursts, debts, changes of the rate, odd clocks.
 *
 * Long because: one function, and many ways in which buckets are known to go wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <pthread.h>
#include <sched.h>

#include "base/bucket.h"

#define S INT64_C(1000000000)
#define MS INT64_C(1000000)
#define US INT64_C(1000)
#define BEGIN (50 * S)

__extension__ typedef __int128 wide;

static uint64_t seed;

static uint64_t some(uint64_t below)
{
    seed = seed * 6364136223846793005u + 1442695040888963407u;
    return (seed >> 20) % below;
}

/* One user of one bucket. */
struct user {
    struct tn_rate rate;
    struct tn_bucket bucket;
    struct tn_purse purse;
    bool waits;  /* something was charged and has not passed */
    int64_t due; /* when to ask again; a tenth of a second ago at most */
    uint64_t passed;
};

static struct user user_of(uint64_t tokens, uint64_t burst, uint64_t once)
{
    struct user u = { .rate = tn_rate_make(tokens, burst) };

    tn_bucket_fill(&u.bucket, &u.rate, once, BEGIN);
    return u;
}

/* As many requests as go at this time, of a guest that always has one more. */
static void press_with(struct user *u, uint64_t cost, uint64_t more, int64_t now)
{
    for (;;) {
        if (!u->waits) {
            bool late = u->due != 0 && u->due < now;
            int64_t due = !late ? now : u->due < now - 100 * MS ? now - 100 * MS : u->due;
            tn_purse_charge(&u->purse, &u->rate, cost, due, now);
            u->waits = true;
        }
        if (!tn_purse_pays(&u->purse, &u->bucket, &u->rate, more, now)) {
            bool last;
            u->due = tn_purse_when(&u->purse, &u->rate, &last);
            return;
        }
        u->passed += cost;
        u->waits = false;
    }
}

static void press(struct user *u, uint64_t cost, int64_t now)
{
    press_with(u, cost, 0, now);
}

/* What a bucket without fractions lost has let pass: the burst, and all of the time since. */
static uint64_t ideal(const struct user *u, int64_t elapsed)
{
    return (uint64_t)((wide)u->rate.tokens * (u->rate.burst_ns + elapsed) / S);
}

static void check_exact(struct user *u, uint64_t cost, int64_t elapsed)
{
    uint64_t most = ideal(u, elapsed);

    assert_true(u->passed <= most);
    assert_true(u->passed + cost > most); /* no more is missing than one that is not whole yet */
}

static void steady(uint64_t tokens, uint64_t burst, uint64_t cost, int64_t poll, int64_t elapsed)
{
    struct user u = user_of(tokens, burst, 0);

    if (tokens > 100000) { /* every pass is a step of this loop: fewer seconds do */
        elapsed = elapsed < S ? elapsed : S;
    }

    for (int64_t t = 0; t <= elapsed; t += poll) {
        press(&u, cost, BEGIN + t);
        if (t % (elapsed / 4 / poll * poll) == 0) {
            check_exact(&u, cost, t);
        }
    }
}

/* Conformance item 36; faults B11, K3: whatever the pattern, no fraction is lost. */
static void item36_exact_whatever_the_polling(void **state)
{
    static const uint64_t rates[] = { 1, 7, 1000, 999983, 1000000 };

    (void)state;
    for (unsigned i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        steady(rates[i], 0, 1, US, 2 * S);
        steady(rates[i], 0, 1, MS, 100 * S);
        steady(rates[i], 0, 1, 100 * MS, 2000 * S);
        steady(rates[i], 0, 1, 333333, 100 * S);
    }
    steady(UINT64_C(5) << 30, 0, 4096, US, S / 4); /* 5 GiB/s */
    steady(TN_RATE_MAX, 0, 1 << 20, 10 * US, S);
    steady(10, 0, 512, MS, 2000 * S); /* ten bytes a second */
}

/* A burst smaller than we are late is no reason to stay below the rate. */
static void item36_exact_with_a_burst_of_one(void **state)
{
    (void)state;
    steady(1000, 1, 1, 7 * MS, 100 * S);
    steady(1000000, 1, 1, 50 * US, S);
    steady(1000000, 1, 1, 90 * MS, 100 * S);
    steady(3000, 1, 1, 3 * MS, 100 * S);
}

static void item36_random_polling(void **state)
{
    (void)state;
    for (seed = 1; seed < 60; seed++) {
        uint64_t kept = seed;
        uint64_t tokens = 1 + some(some(2) ? 50 : 1000000);
        uint64_t cost = 1 + some(some(2) ? 1 : 10000);
        struct user u = user_of(tokens, some(2) ? 0 : 1 + some(10 * tokens), 0);
        int64_t t = 0;
        for (unsigned i = 0; i < 3000; i++) {
            press(&u, cost, BEGIN + t);
            check_exact(&u, cost, t);
            t += (int64_t)some(some(3) ? 100 * US : some(2) ? US : 100 * MS);
        }
        seed = kept;
    }
}

/*
 * Guests that come and go, on several purses of one bucket. Whatever they do, between any two
 * moments no more passes than the burst, the time between, and what those who waited at the first
 * moment may have paid for already. A nanosecond's worth for each purse is what rounding may be.
 */
static void never_more_than_the_rate(void **state)
{
    enum { USERS = 5, MARKS = 64, STEPS = 4000 };
    struct mark {
        int64_t at;
        uint64_t passed, waiting;
    } marks[MARKS];

    (void)state;
    for (seed = 1000; seed < 1050; seed++) {
        uint64_t kept = seed;
        uint64_t tokens = 1 + some(some(2) ? 100 : 2000000000);
        struct tn_rate rate = tn_rate_make(tokens, some(2) ? 0 : 1 + some(tokens));
        struct tn_bucket bucket;
        struct tn_purse purses[USERS] = { 0 };
        uint64_t waits[USERS] = { 0 }, waiting = 0, passed = 0;
        int64_t now = BEGIN;

        tn_bucket_fill(&bucket, &rate, 0, now);
        for (unsigned i = 0; i < STEPS; i++) {
            unsigned k = (unsigned)some(USERS);
            now += (int64_t)some(some(20) ? 200 * US : S);
            if (i % (STEPS / MARKS) == 0) {
                marks[i / (STEPS / MARKS) % MARKS] = (struct mark){ now, passed, waiting };
            }
            if (waits[k] == 0) {
                waits[k] = 1 + some(1 + tokens / 50);
                waiting += waits[k];
                tn_purse_charge(&purses[k], &rate, waits[k], now, now);
            }
            if (tn_purse_pays(&purses[k], &bucket, &rate, 0, now)) {
                passed += waits[k];
                waiting -= waits[k];
                waits[k] = 0;
            }
            for (unsigned j = 0; j <= i / (STEPS / MARKS) && j < MARKS; j++) {
                wide most = (wide)tokens * (rate.burst_ns + USERS + now - marks[j].at) / S + 1;
                assert_true(passed - marks[j].passed <= marks[j].waiting + (uint64_t)most);
            }
        }
        seed = kept;
    }
}

/* All have something to do all the time: together they get the rate, each a fair share of it. */
static void users_share_in_steps(void **state)
{
    enum { USERS = 4 };
    struct user first = user_of(100000, 0, 0);
    struct user users[USERS];

    (void)state;
    for (unsigned i = 0; i < USERS; i++) {
        users[i] = first;
    }
    for (int64_t t = 0; t <= 20 * S; t += 250 * US) {
        for (unsigned i = 0; i < USERS; i++) {
            users[i].bucket = first.bucket;
            /* One of them wants much at once, the others have many that wait. */
            press_with(&users[i], i == 0 ? 10000 : 10, i == 0 ? 0 : 1000, BEGIN + t);
            first.bucket = users[i].bucket;
        }
    }
    uint64_t all = 0;
    for (unsigned i = 0; i < USERS; i++) {
        all += users[i].passed;
        assert_true(users[i].passed > 100000 * 20 / USERS / 2);
    }
    assert_true(all <= ideal(&first, 20 * S));
    assert_true(all + 10000 + (USERS + 1) * 100 > ideal(&first, 20 * S));
}

struct shared {
    struct tn_rate rate;
    struct tn_bucket bucket;
    int64_t now;     /* atomic */
    uint64_t passed; /* atomic */
    bool stop;       /* atomic */
};

static void *draw_all(void *opaque)
{
    struct shared *shared = opaque;
    struct tn_purse purse = { 0 };
    bool waits = false;

    while (!__atomic_load_n(&shared->stop, __ATOMIC_RELAXED)) {
        int64_t now = __atomic_load_n(&shared->now, __ATOMIC_RELAXED);
        if (!waits) {
            tn_purse_charge(&purse, &shared->rate, 3, now, now);
        }
        waits = !tn_purse_pays(&purse, &shared->bucket, &shared->rate, 0, now);
        if (!waits) {
            __atomic_fetch_add(&shared->passed, 3, __ATOMIC_RELAXED);
        } else {
            sched_yield();
        }
    }
    return NULL;
}

/* No lock, nothing given twice, and nothing lost. */
static void threads_draw_at_once(void **state)
{
    enum { THREADS = 4, STEPS = 2000, STEP_US = 100 };
    struct shared shared = { .rate = tn_rate_make(1000000, 0), .now = BEGIN };
    const uint64_t most = 100000 + 500 + STEPS * STEP_US;
    const uint64_t left = THREADS * (3 + TN_LEASE_NS / 1000); /* what may be in the purses */
    pthread_t threads[THREADS];

    (void)state;
    tn_bucket_fill(&shared.bucket, &shared.rate, 500, BEGIN);
    for (unsigned i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, draw_all, &shared), 0);
    }
    for (uint64_t i = 0; i < STEPS; i++) {
        /* Nothing is forgone: no step is made before most of the last one was taken. */
        while (__atomic_load_n(&shared.passed, __ATOMIC_RELAXED) + left < 100000 + i * STEP_US) {
            sched_yield();
        }
        __atomic_fetch_add(&shared.now, STEP_US * US, __ATOMIC_RELAXED);
    }
    while (__atomic_load_n(&shared.passed, __ATOMIC_RELAXED) + left < most ||
           __atomic_load_n(&shared.bucket.once, __ATOMIC_RELAXED) != 0) { /* who waits takes it */
        sched_yield();
    }
    __atomic_store_n(&shared.stop, true, __ATOMIC_RELAXED);
    for (unsigned i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    assert_true(shared.passed <= most);
    assert_int_equal(shared.bucket.once, 0);
}

/* Conformance item 37. */
static void item37_bursts(void **state)
{
    struct user u = user_of(1000, 250, 0), once = user_of(1000, 10, 5000),
                tenth = user_of(1000, 0, 0);

    (void)state;
    press(&u, 1, BEGIN);
    assert_int_equal(u.passed, 250);
    u.waits = false;
    u.due = 0;
    tn_purse_forget(&u.purse, 1);
    press(&u, 1, BEGIN + 3600 * S); /* refilled, and no further */
    assert_int_equal(u.passed, 500);
    press(&once, 1, BEGIN);
    assert_int_equal(once.passed, 5010);
    tn_purse_forget(&once.purse, 1);
    once.waits = false;
    once.due = 0;
    press(&once, 1, BEGIN + 3600 * S); /* once is once */
    assert_int_equal(once.passed, 5020);
    press(&tenth, 1, BEGIN);
    assert_int_equal(tenth.passed, 100);
}

/* Fault K5: who wants more than the bucket holds pays first, and the others go on meanwhile. */
/* To the token, but for fractions of one that only together are one. */
static void what_it_has_is_what_passes(void **state)
{
    (void)state;
    seed = 11;
    for (unsigned i = 0; i < 300; i++) {
        struct user u = user_of(1 + some(5000), some(300), some(3) == 0 ? some(50) : 0);
        int64_t now = BEGIN;

        for (unsigned j = 0; j < 10; j++) {
            now += (int64_t)some(some(2) ? 10 * MS : 2 * S);
            u.due = 0;
            if (u.waits && !tn_purse_pays(&u.purse, &u.bucket, &u.rate, 0, now)) {
                assert_true(tn_purse_has(&u.purse, &u.bucket, &u.rate, now) == 0);
                continue;
            }
            u.passed += u.waits;
            u.waits = false;
            uint64_t has = tn_purse_has(&u.purse, &u.bucket, &u.rate, now), before = u.passed;
            press(&u, 1, now);
            assert_true(u.passed - before == has || u.passed - before == has + 1);
        }
    }
}

static void item37_larger_than_the_bucket(void **state)
{
    struct tn_rate rate = tn_rate_make(1000, 100);
    struct tn_bucket bucket;
    struct tn_purse big = { 0 }, small = { 0 };
    int64_t passed_at = 0, now = BEGIN;
    unsigned others = 0;
    bool waits = false;

    (void)state;
    tn_bucket_fill(&bucket, &rate, 0, now);
    tn_purse_charge(&big, &rate, 10000, now, now);
    for (; passed_at == 0; now += MS) {
        if (tn_purse_pays(&big, &bucket, &rate, 0, now)) {
            passed_at = now - BEGIN;
        }
        if (!waits) {
            tn_purse_charge(&small, &rate, 1, now, now);
        }
        waits = !tn_purse_pays(&small, &bucket, &rate, 0, now);
        others += !waits;
    }
    assert_true(passed_at > 9900 * MS); /* not before it has paid */
    assert_true(passed_at < 30 * S);
    assert_true(others > 3000); /* nobody stood behind it */
    assert_true(others + 10000 <= 100 + (uint64_t)passed_at / MS + 1);
}

/* What was let through without waiting is paid for by those that come later, also by idle time. */
static void debts_are_paid(void **state)
{
    struct user u = user_of(100, 10, 0), idle;

    (void)state;
    press(&u, 1, BEGIN);
    assert_int_equal(u.passed, 10);
    for (unsigned i = 0; i < 500; i++) {
        tn_purse_charge(&u.purse, &u.rate, 1, BEGIN, BEGIN);
    }
    u.waits = false;
    u.passed = 0;
    idle = u;
    for (int64_t t = 0; t < 501 * S / 100; t += MS) {
        press(&u, 1, BEGIN + t);
        assert_int_equal(u.passed, 0);
    }
    for (int64_t t = 501 * S / 100; t <= 6 * S; t += MS) {
        press(&u, 1, BEGIN + t);
    }
    assert_int_equal(u.passed, 100 - 1); /* 501 were owed, the one that waited among them */
    press(&idle, 1, BEGIN + 7 * S);      /* nothing has asked, and no time was lost */
    assert_true(idle.passed >= 10 && idle.passed <= 7 * 100 - 501 + 10);
}

static void forgotten_is_not_refunded(void **state)
{
    struct user u = user_of(10, 1, 0);

    (void)state;
    press(&u, 1, BEGIN); /* one passes, one waits */
    assert_int_equal(u.passed, 1);
    press(&u, 1, BEGIN + 99 * MS);
    assert_int_equal(u.passed, 1);
    tn_purse_forget(&u.purse, 1); /* what it had paid so far is lost, what it had not is not owed */
    u.waits = false;
    u.due = 0;
    press(&u, 1, BEGIN + 101 * MS);
    assert_int_equal(u.passed, 1);
    press(&u, 1, BEGIN + 201 * MS);
    assert_int_equal(u.passed, 2);
    u = user_of(10, 1, 0);
    tn_purse_charge(&u.purse, &u.rate, 1, BEGIN, BEGIN);
    tn_purse_charge(&u.purse, &u.rate, 50, BEGIN, BEGIN); /* let through: owed */
    tn_purse_charge(&u.purse, &u.rate, 1000, BEGIN, BEGIN);
    tn_purse_forget(&u.purse, 1000);
    assert_false(tn_purse_pays(&u.purse, &u.bucket, &u.rate, 0, BEGIN + 4900 * MS));
    assert_true(tn_purse_pays(&u.purse, &u.bucket, &u.rate, 0, BEGIN + 5001 * MS));
}

static void changes_of_the_rate(void **state)
{
    struct user u = user_of(1, 10, 0);
    struct tn_rate fast = tn_rate_make(1000, 0), slow = tn_rate_make(1, 10);

    (void)state;
    press(&u, 1, BEGIN);
    assert_int_equal(u.passed, 10);
    /* One waits for a second; by the new rate it is a thousandth of it. */
    tn_bucket_change(&u.bucket, &u.rate, &fast, BEGIN + 100 * MS);
    tn_purse_unreserve(&u.purse, &u.rate, BEGIN + 100 * MS);
    u.rate = fast;
    press(&u, 1, BEGIN + 102 * MS);
    assert_true(u.passed >= 11 && u.passed <= 12);
    /* And back: what was saved is tokens, not time. */
    u = user_of(1000, 1000, 0);
    tn_bucket_change(&u.bucket, &u.rate, &slow, BEGIN);
    u.rate = slow;
    press(&u, 1, BEGIN);
    assert_int_equal(u.passed, 10);
    tn_bucket_change(&u.bucket, &slow, &u.rate, BEGIN + MS); /* the same again refills nothing */
    press(&u, 1, BEGIN + MS);
    assert_int_equal(u.passed, 10);
}

static void odd_clocks(void **state)
{
    struct user u = user_of(1000, 10, 0);

    (void)state;
    for (unsigned i = 0; i < 100; i++) {
        press(&u, 1, BEGIN); /* does not move */
    }
    assert_int_equal(u.passed, 10);
    press(&u, 1, BEGIN - 40 * S); /* moves back */
    assert_int_equal(u.passed, 10);
    press(&u, 1, BEGIN + MS);
    assert_int_equal(u.passed, 11);
    /* A thread that slept for a year is late by a tenth of a second at most. */
    press(&u, 1, BEGIN + 365 * 86400 * S);
    assert_true(u.passed >= 11 + 10 && u.passed <= 11 + 10 + 101);
    u.waits = false;
    u.due = 0;
    tn_purse_forget(&u.purse, 1);
    u.passed = 0;
    press(&u, 1, BEGIN + 290 * INT64_C(365) * 86400 * S / 2);
    assert_int_equal(u.passed, 10);
    /* Just after the machine has started, with a burst that is older than it. */
    struct user young = { .rate = tn_rate_make(1, 1000000) };
    tn_bucket_fill(&young.bucket, &young.rate, 0, 5);
    press(&young, 1, 5);
    assert_int_equal(young.passed, 1000000);
}

static void extremes(void **state)
{
    struct tn_rate rate = tn_rate_make(TN_RATE_MAX, UINT64_MAX);
    struct user u = user_of(1, 0, 0);
    uint64_t huge = UINT64_C(1) << 42; /* bytes of one request */

    (void)state;
    assert_true(rate.burst_ns > 0);
    assert_true(tn_rate_make(1, UINT64_MAX).burst_ns > 0);
    assert_int_equal(tn_rate_make(3, 1).burst_ns, 333333333);
    assert_int_equal(tn_rate_make(0, 0).tokens, 0);
    tn_purse_charge(&u.purse, &u.rate, huge, BEGIN, BEGIN);
    assert_false(tn_purse_pays(&u.purse, &u.bucket, &u.rate, 0, BEGIN + 1000 * S));
    assert_true(u.purse.end <= BEGIN + 1002 * S);
    u = user_of(TN_RATE_MAX, 0, 0);
    tn_purse_charge(&u.purse, &u.rate, huge, BEGIN, BEGIN);
    for (int64_t t = 0; t < 899 * MS; t += MS) {
        assert_false(tn_purse_pays(&u.purse, &u.bucket, &u.rate, 0, BEGIN + t));
    }
    assert_true(tn_purse_pays(&u.purse, &u.bucket, &u.rate, 0, BEGIN + 900 * MS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(item36_exact_whatever_the_polling),
        cmocka_unit_test(item36_exact_with_a_burst_of_one),
        cmocka_unit_test(item36_random_polling),
        cmocka_unit_test(never_more_than_the_rate),
        cmocka_unit_test(users_share_in_steps),
        cmocka_unit_test(threads_draw_at_once),
        cmocka_unit_test(item37_bursts),
        cmocka_unit_test(what_it_has_is_what_passes),
        cmocka_unit_test(item37_larger_than_the_bucket),
        cmocka_unit_test(debts_are_paid),
        cmocka_unit_test(forgotten_is_not_refunded),
        cmocka_unit_test(changes_of_the_rate),
        cmocka_unit_test(odd_clocks),
        cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
