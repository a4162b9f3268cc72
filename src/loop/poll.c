/*
 * poll.c: looking for work before going to sleep.
 *
 *   work runs out --begin--> polls, for a learned while --look: found--> end (learns)
 *                               \--the while is over--> asks to be told, sleeps --told--> end
 *
 * To be woken costs some ten microseconds on either side; a look costs a few nanoseconds, and a
 * processor. So it is worth it where the next request comes soon, and how soon the last ones came
 * is what is known: the window is twice the gaps that were seen, and nothing at all after one that
 * was longer than the longest that may be polled. So an idle worker polls once and sleeps then.
 *
 * A jump of the clock between two looks means that somebody else had the processor: then it is not
 * ours to burn, and nobody polls for a while. Runs on the worker; no lock, no allocation.
 */
#include "loop/parts.h"

#include "base/num.h"

enum {
    LOOKS = 64,                /* between two looks at the clock and the descriptors */
    FORGETS = 8,               /* how slowly longer gaps are forgotten */
    SHORTEST_SHARE = 8,        /* the shortest window, but for none, as a part of the longest */
    PREEMPTED_NS = 500 * 1000, /* more than interrupts take */
    BARRED_NS = 20 * 1000 * 1000
};

void tn_poller_init(struct tn_poller *poller, bool (*look)(struct tn_poller *poller),
                    void (*over)(struct tn_poller *poller), void *opaque)
{
    tn_list_init(&poller->link);
    poller->look = look;
    poller->over = over;
    poller->opaque = opaque;
}

/* A gap of so many nanoseconds was seen. */
static void learn(struct tn_poller *poller, uint64_t gap)
{
    uint64_t shortest = poller->longest_ns / SHORTEST_SHARE;
    uint64_t enough = tn_min_u64(tn_max_u64(2 * gap, shortest), poller->longest_ns);

    if (gap >= poller->longest_ns) {
        poller->window_ns = 0;
    } else if (enough >= poller->window_ns) {
        poller->window_ns = enough;
    } else {
        poller->window_ns -= (poller->window_ns - enough) / FORGETS;
    }
}

bool tn_poll_begin(struct tenon_worker *worker, struct tn_poller *poller)
{
    if (poller->longest_ns == 0 || !worker->may_poll) {
        return false;
    }
    poller->since = worker->turn_time;
    if (poller->window_ns == 0 || worker->turn_time < worker->polls_from) {
        return false;
    }
    if (tn_list_unlinked(&poller->link)) {
        tn_list_append(&worker->pollers, &poller->link);
    }
    return true;
}

void tn_poll_end(struct tenon_worker *worker, struct tn_poller *poller)
{
    tn_list_remove(&poller->link);
    if (poller->since != 0) {
        learn(poller, worker->turn_time - poller->since);
        poller->since = 0;
    }
}

void tn_poll_cancel(struct tn_poller *poller)
{
    tn_list_remove(&poller->link);
    poller->since = poller->window_ns = 0;
}

static bool look(struct tenon_worker *worker)
{
    struct tn_list *following;
    bool found = false;

    for (struct tn_list *at = worker->pollers.next; at != &worker->pollers; at = following) {
        struct tn_poller *poller = TN_CONTAINER_OF(at, struct tn_poller, link);
        following = at->next;
        found |= poller->look(poller);
    }
    return found;
}

/* Those whose while is over ask to be told from now on. */
static void expire(struct tenon_worker *worker, uint64_t now)
{
    struct tn_list *following;

    for (struct tn_list *at = worker->pollers.next; at != &worker->pollers; at = following) {
        struct tn_poller *poller = TN_CONTAINER_OF(at, struct tn_poller, link);
        following = at->next;
        if (now - poller->since >= poller->window_ns || now < worker->polls_from) {
            tn_list_remove(at);
            poller->over(poller);
        }
    }
}

void tn_pollers_look(struct tenon_worker *worker)
{
    look(worker);
    expire(worker, worker->turn_time);
}

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

int tn_pollers_spin(struct tenon_worker *worker)
{
    uint64_t until = tn_timers_next(&worker->timers);
    uint64_t last = UINT64_MAX; /* the first time is read after some looks: most find something */
    int ready = 0;

    while (ready == 0 && !tn_list_empty(&worker->pollers)) {
        for (int i = 0; i < LOOKS; i++) {
            if (look(worker) || tn_worker_pending(worker) ||
                atomic_load_explicit(&worker->inbox, memory_order_relaxed)) {
                return 0;
            }
            relax();
        }
        ready = worker->ops->wait(worker->os, 0, worker->events, TN_READY_ROOM);
        uint64_t now = tenon_now();
        if (now > last && now - last > PREEMPTED_NS) {
            worker->polls_from = now + BARRED_NS;
        }
        expire(worker, now);
        last = now;
        if (now >= until) {
            break;
        }
    }
    return ready;
}
