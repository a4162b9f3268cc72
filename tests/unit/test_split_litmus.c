/*
 * test_split_litmus.c: the two full barriers of the notification rules, pairs C and D of
 * base/shared.h, each in the moment that needs it (SPLIT-36, SPLIT-41).
 *
 *            device                                  driver
 *   pair D   asks for kicks, looks at the ring       fills the ring, looks whether to kick
 *   pair C   publishes, looks whether to interrupt   asks for interrupts, looks at the ring
 *
 * Both at the same instant, many times over: at least one of the two has to see the other.
 * test_split_threads.c would notice as well, but meets that instant seldom.
 */
#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "ring_model.h"
#include "virtqueue/notify.h"

enum { ROUNDS = 300000, SPINS = 2000, SWEEP = 64, SECONDS = 3 };

struct meeting {
    struct model m;
    bool event_idx;
    bool (*device)(struct tn_vq *vq);
    bool seen; /* what the device's half said */
    uint32_t ready, go, done;
    uint32_t warm, warmth;
    bool stop;
};

static void wait_for(const uint32_t *counter, uint32_t value)
{
    uint32_t spins = 0;

    while (__atomic_load_n(counter, __ATOMIC_ACQUIRE) != value) {
        if (++spins > SPINS) {
            sched_yield();
        }
    }
}

/*
 * Brings into this CPU's cache what its half will load. Its stores then wait for the other CPU's
 * copies to go, and a load that may overtake them does.
 */
static uint32_t warm_up(struct meeting *meeting)
{
    struct model *m = &meeting->m;

    return tn_shared_load16(&m->avail->flags) + tn_shared_load16(&m->avail->idx) +
           tn_shared_load16(model_used_event(m)) + tn_shared_load16(&m->used->flags) +
           tn_shared_load16(&m->used->idx) + tn_shared_load16(model_avail_event(m)) +
           tn_vq_next_avail(m->vq) + tn_vq_max_iovecs(m->vq);
}

static void *device_main(void *opaque)
{
    struct meeting *meeting = opaque;

    for (uint32_t round = 1;; round++) {
        wait_for(&meeting->ready, round);
        meeting->warmth = warm_up(meeting);
        __atomic_store_n(&meeting->warm, round, __ATOMIC_RELEASE);
        wait_for(&meeting->go, round);
        if (meeting->stop) {
            return NULL;
        }
        meeting->seen = meeting->device(meeting->m.vq);
        __atomic_store_n(&meeting->done, round, __ATOMIC_RELEASE);
    }
}

/* The driver's halves. */
static bool fill_and_look(struct meeting *meeting)
{
    struct model *m = &meeting->m;
    uint16_t before = m->avail_idx;

    m->avail_idx++;
    model_show(m);
    tn_full_barrier();
    if (meeting->event_idx) {
        return tn_event_passed(tn_shared_load16(model_avail_event(m)), m->avail_idx, before);
    }
    return (tn_shared_load16(&m->used->flags) & TN_USED_F_NO_NOTIFY) == 0;
}

static bool ask_and_look(struct meeting *meeting)
{
    struct model *m = &meeting->m;

    if (meeting->event_idx) {
        tn_shared_store16(model_used_event(m), m->used_seen);
    } else {
        tn_shared_store16(&m->avail->flags, 0);
    }
    tn_full_barrier();
    return tn_shared_load16(&m->used->idx) != m->used_seen;
}

/* Both halves at once; true when one of them saw the other. */
static bool meet(struct meeting *meeting, uint32_t round, bool (*driver)(struct meeting *))
{
    bool saw;

    __atomic_store_n(&meeting->ready, round, __ATOMIC_RELEASE);
    wait_for(&meeting->warm, round);
    warm_up(meeting);
    __atomic_store_n(&meeting->go, round, __ATOMIC_RELEASE);
    for (volatile uint32_t delay = round * 7 % SWEEP; delay != 0; delay--) {
    }
    saw = driver(meeting);
    wait_for(&meeting->done, round);
    return saw || meeting->seen;
}

static void pop_and_push(struct meeting *meeting)
{
    struct tn_chain chain;

    assert_int_equal(tn_vq_pop(meeting->m.vq, &chain), TN_POP_CHAIN);
    tn_vq_push(meeting->m.vq, chain.head, 0);
}

static void take_one(struct meeting *meeting)
{
    uint32_t id, len;

    assert_true(model_take(&meeting->m, &id, &len));
    assert_int_equal(id, 0);
}

/*
 * One round of pair D: the ring is empty and kicks are off before it, and everything is taken after
 * it.
 */
static bool round_d(struct meeting *meeting, uint32_t round)
{
    bool good;

    tn_vq_kicks_off(meeting->m.vq);
    good = meet(meeting, round, fill_and_look);
    pop_and_push(meeting);
    tn_vq_publish(meeting->m.vq);
    take_one(meeting);
    return good;
}

/* One round of pair C: a chain is pushed and not published, and interrupts are off, before it. */
static bool round_c(struct meeting *meeting, uint32_t round)
{
    bool good;

    meeting->m.avail_idx++;
    model_show(&meeting->m);
    pop_and_push(meeting);
    if (!meeting->event_idx) {
        tn_shared_store16(&meeting->m.avail->flags, TN_AVAIL_F_NO_INTERRUPT);
    }
    good = meet(meeting, round, ask_and_look);
    take_one(meeting);
    return good;
}

static double seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec * 1e-9;
}

/*
 * On a busy machine fewer rounds have to do. Who put a fault in waits for longer: so many seconds
 * in TENON_PATIENCE, until the first round in which neither saw the other.
 */
static double patience(void)
{
    const char *given = getenv("TENON_PATIENCE");

    return given ? atof(given) : 0;
}

static void run(bool event_idx, bool (*device)(struct tn_vq *),
                bool (*one_round)(struct meeting *, uint32_t))
{
    static struct meeting meeting;
    pthread_t thread;
    bool patient = patience() > 0;
    double end = seconds() + (patient ? patience() : SECONDS);
    uint32_t lost = 0;
    uint32_t round = 1;

    memset(&meeting, 0, sizeof(meeting));
    meeting.event_idx = event_idx;
    meeting.device = device;
    model_new(&meeting.m, 1, event_idx);
    model_desc(&meeting.m, 0, meeting.m.data_gpa, 1, 0, 0);
    tn_shared_store16(model_avail_event(&meeting.m), 0xffff); /* both behind */
    tn_shared_store16(model_used_event(&meeting.m), 0xffff);
    assert_int_equal(pthread_create(&thread, NULL, device_main, &meeting), 0);
    for (; patient ? lost == 0 : round <= ROUNDS; round++) {
        if (round % 256 == 0 && seconds() >= end) {
            break;
        }
        lost += !one_round(&meeting, round);
    }
    meeting.stop = true;
    __atomic_store_n(&meeting.ready, round, __ATOMIC_RELEASE);
    __atomic_store_n(&meeting.go, round, __ATOMIC_RELEASE);
    pthread_join(thread, NULL);
    model_close(&meeting.m);
    if (lost != 0) {
        fail_msg("%u of %u times neither side saw the other", lost, round - 1);
    }
}

static void test_pair_c_with_event_idx(void **state)
{
    (void)state;
    run(true, tn_vq_publish, round_c);
}

static void test_pair_c_with_flags(void **state)
{
    (void)state;
    run(false, tn_vq_publish, round_c);
}

static void test_pair_d_with_event_idx(void **state)
{
    (void)state;
    run(true, tn_vq_kicks_on, round_d);
}

static void test_pair_d_with_flags(void **state)
{
    (void)state;
    run(false, tn_vq_kicks_on, round_d);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pair_c_with_event_idx),
        cmocka_unit_test(test_pair_c_with_flags),
        cmocka_unit_test(test_pair_d_with_event_idx),
        cmocka_unit_test(test_pair_d_with_flags),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
