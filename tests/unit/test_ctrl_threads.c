/*
 * test_ctrl_threads.c: commands while pairs stop and start on threads of their own: each is
 * answered, and at the end all follow the last one. For the thread sanitizer above all.
 */
#include "ctrl_rig.h"

#include <pthread.h>
#include <sched.h>

enum { COMMANDS = 1000 };
static const uint64_t LONGEST_NS = 60ull * 1000 * 1000 * 1000;

struct toggler {
    struct rig *rig;
    unsigned first; /* of its two queues */
    bool over;      /* atomic */
    unsigned stops, rounds;
};

static void stopped(void *opaque, unsigned queue, uint16_t next_avail)
{
    (void)queue;
    (void)next_avail;
    __atomic_fetch_add((unsigned *)opaque, 1, __ATOMIC_RELEASE);
}

/* A pair stops and starts, again and again. */
static void *toggle(void *opaque)
{
    struct toggler *toggler = opaque;
    struct rig *rig = toggler->rig;

    while (!__atomic_load_n(&toggler->over, __ATOMIC_ACQUIRE)) {
        unsigned before = __atomic_load_n(&toggler->stops, __ATOMIC_ACQUIRE);
        for (unsigned i = 0; i < 2; i++) {
            if (tenon_bus_queue_stop(rig->device, toggler->first + i, i, stopped,
                                     &toggler->stops)) {
                return NULL;
            }
        }
        while (__atomic_load_n(&toggler->stops, __ATOMIC_ACQUIRE) != before + 2) {
            sched_yield();
        }
        for (unsigned i = 0; i < 2; i++) {
            while (rig_start(rig, toggler->first + i) == -EBUSY) {
                sched_yield(); /* the stop was told, and is just about to be over */
            }
        }
        toggler->rounds++;
    }
    return NULL;
}

static void wait_for_answer(struct rig *rig)
{
    uint8_t *page = rig_at(rig, RAM_GPA + rig->ctrl * (uint64_t)PAGE);
    const struct tn_used *used = (void *)(page + USED);
    uint64_t until = tenon_now() + LONGEST_NS;

    while (TN_LE16(__atomic_load_n(&used->idx.raw, __ATOMIC_ACQUIRE)) == rig->used) {
        assert_true(tenon_now() < until);
        sched_yield();
    }
    assert_true(rig_answered(rig));
    assert_int_equal(*rig_at(rig, IN_GPA), TN_NET_OK);
}

static void commands_while_pairs_come_and_go(void **state)
{
    struct rig *rig = rig_live(WORKERS_MAX);
    struct toggler togglers[2] = { { .rig = rig, .first = 2 }, { .rig = rig, .first = 6 } };
    pthread_t threads[2];
    (void)state;

    for (unsigned i = 0; i < WORKERS_MAX; i++) {
        assert_int_equal(tenon_worker_start(rig->workers[i]), 0);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, toggle, &togglers[i]), 0);
    }
    for (unsigned i = 0; i < COMMANDS; i++) {
        const uint8_t mode[] = { 0, 0, i % 2 }, pairs[] = { 4, 0, (uint8_t)(1 + i / 2 % PAIRS), 0 };
        if (i % 2) {
            rig_send_command(rig, mode, sizeof(mode));
        } else {
            rig_send_command(rig, pairs, sizeof(pairs));
        }
        wait_for_answer(rig);
    }
    for (unsigned i = 0; i < 2; i++) {
        __atomic_store_n(&togglers[i].over, true, __ATOMIC_RELEASE);
        pthread_join(threads[i], NULL);
        assert_true(togglers[i].rounds > 0);
    }
    const uint8_t last[] = { 4, 0, 3, 0 };
    rig_send_command(rig, last, sizeof(last));
    wait_for_answer(rig);
    for (unsigned i = 0; i < PAIRS; i++) {
        pthread_mutex_lock(&rig->net->lock);
        const struct net_pair *pair = rig->net->open[i];
        pthread_mutex_unlock(&rig->net->lock);
        assert_true(!pair || pair->rules.pairs == 3);
    }
    rig_end(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_while_pairs_come_and_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
