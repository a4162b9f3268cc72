/*
 * test_split_threads.c: a driver thread and a device thread, each asleep on an eventfd whenever the
 * notification rules let it be (SPLIT-36, SPLIT-41, conformance 18 and 20). A lost wake shows as a
 * sleep that does not end.
 *
 *   driver: offer ──(kick wanted?)──> kick fd ──> device: pop, write the buffer, push, publish
 *      irq fd <──(interrupt wanted?)──────────────────────────────┘
 *
 * Each buffer carries a number that the device doubles: the driver checks it when the used entry
 * comes back (SPLIT-26, 27).
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ring_model.h"
#include "virtqueue/notify.h"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { BUFFERS = 100000 };
#else
enum { BUFFERS = 1000000 }; /* for each of the two kinds of notification, in sum over the sizes */
#endif

enum { LOST_MS = 30000 };

struct pair {
    struct model m;
    int kick, irq;
    uint64_t total;
    bool event_idx;
    uint64_t kicks, irqs;
    const char *failed;
};

static void ring_fd(int fd)
{
    uint64_t one = 1;

    while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR) {
    }
}

/* False: nobody woke us. */
static bool sleep_on(int fd)
{
    struct pollfd wait = { .fd = fd, .events = POLLIN };
    uint64_t count;

    return poll(&wait, 1, LOST_MS) == 1 && read(fd, &count, sizeof(count)) == sizeof(count);
}

static void *device_main(void *opaque)
{
    struct pair *pair = opaque;
    struct tn_vq *vq = pair->m.vq;
    uint64_t served = 0;
    uint64_t batch = 0;
    struct tn_chain chain;

    while (served < pair->total) {
        enum tn_pop got = tn_vq_pop(vq, &chain);
        if (got == TN_POP_CHAIN) {
            *(uint64_t *)chain.iov[1].iov_base = 2 * *(uint64_t *)chain.iov[0].iov_base;
            tn_vq_push(vq, chain.head, 8);
            served++;
            batch++;
        }
        if ((got != TN_POP_CHAIN || batch == 3 || served == pair->total)) {
            batch = 0;
            if (tn_vq_publish(vq)) {
                pair->irqs++;
                ring_fd(pair->irq);
            }
        }
        if (got == TN_POP_BROKEN) {
            pair->failed = tn_vq_broken(vq);
            return NULL;
        }
        if (got == TN_POP_EMPTY && !tn_vq_kicks_on(vq)) {
            if (!sleep_on(pair->kick)) {
                pair->failed = "the device was not woken";
                return NULL;
            }
            tn_vq_kicks_off(vq);
        }
    }
    return NULL;
}

/* The driver's half of pair D. */
static void show_and_kick(struct pair *pair, uint16_t before)
{
    struct model *m = &pair->m;
    bool wanted;

    model_show(m);
    tn_full_barrier();
    if (pair->event_idx) {
        wanted = tn_event_passed(tn_shared_load16(model_avail_event(m)), m->avail_idx, before);
    } else {
        wanted = (tn_shared_load16(&m->used->flags) & TN_USED_F_NO_NOTIFY) == 0;
    }
    if (wanted) {
        pair->kicks++;
        ring_fd(pair->kick);
    }
}

/* The driver's half of pair C. True: something came meanwhile. */
static bool irqs_on(struct pair *pair)
{
    struct model *m = &pair->m;

    if (pair->event_idx) {
        tn_shared_store16(model_used_event(m), m->used_seen);
    } else {
        tn_shared_store16(&m->avail->flags, 0);
    }
    tn_full_barrier();
    return tn_shared_load16(&m->used->idx) != m->used_seen;
}

static void irqs_off(struct pair *pair)
{
    if (!pair->event_idx) {
        tn_shared_store16(&pair->m.avail->flags, TN_AVAIL_F_NO_INTERRUPT);
    }
}

static uint64_t *word_of(struct pair *pair, uint32_t head, bool answer)
{
    uint64_t gpa = pair->m.data_gpa + 16 * (uint64_t)head + (answer ? 8 : 0);

    return model_host(&pair->m, gpa);
}

/* Takes what came back; the free heads are a stack in `free`. NULL, or what is wrong. */
static const char *take_back(struct pair *pair, uint16_t *free, uint32_t *free_count,
                             bool *outstanding, uint64_t *done)
{
    uint32_t id, len;

    while (model_take(&pair->m, &id, &len)) {
        if (id >= pair->m.size || len != 8 || !outstanding[id]) {
            return "a head came back that was not outstanding";
        }
        if (*word_of(pair, id, true) != 2 * *word_of(pair, id, false)) {
            return "a buffer was not written before its used entry was seen";
        }
        outstanding[id] = false;
        free[(*free_count)++] = (uint16_t)id;
        (*done)++;
    }
    return NULL;
}

static const char *drive(struct pair *pair, uint16_t *free, bool *outstanding)
{
    uint32_t free_count = 0;
    uint64_t sent = 0;
    uint64_t done = 0;
    uint32_t burst = 1;
    const char *why = NULL;

    for (uint32_t i = 0; i + 1 < pair->m.size; i += 2) {
        free[free_count++] = (uint16_t)i;
    }
    while (why == NULL && done < pair->total) {
        uint16_t before = pair->m.avail_idx;
        burst = burst * 5 % 23 + 1;
        for (uint32_t i = 0; i < burst && free_count != 0 && sent < pair->total; i++) {
            uint16_t head = free[--free_count];
            *word_of(pair, head, false) = ++sent;
            outstanding[head] = true;
            model_entry(&pair->m, head);
        }
        if (pair->m.avail_idx != before) {
            show_and_kick(pair, before);
        }
        why = take_back(pair, free, &free_count, outstanding, &done);
        if (why == NULL && done < pair->total && (free_count == 0 || sent == pair->total) &&
            !irqs_on(pair)) {
            why = sleep_on(pair->irq) ? NULL : "the driver was not woken";
            irqs_off(pair);
        }
    }
    return why;
}

static void run_pair(uint32_t size, bool event_idx, uint64_t total)
{
    static struct pair pair;
    pthread_t device;
    uint16_t *free_heads = test_calloc(size, sizeof(*free_heads));
    bool *outstanding = test_calloc(size, sizeof(*outstanding));
    const char *why;

    memset(&pair, 0, sizeof(pair));
    model_open(&pair.m, size, 0x1000);
    pair.m.config.event_idx = event_idx;
    model_begin_at(&pair.m, 65000);
    model_start(&pair.m);
    for (uint32_t i = 0; i + 1 < size; i += 2) {
        uint64_t gpa = pair.m.data_gpa + 16 * (uint64_t)i;
        model_desc(&pair.m, i, gpa, 8, TN_DESC_F_NEXT, i + 1);
        model_desc(&pair.m, i + 1, gpa + 8, 8, TN_DESC_F_WRITE, 0);
    }
    pair.event_idx = event_idx;
    pair.total = total;
    pair.kick = eventfd(0, 0);
    pair.irq = eventfd(0, 0);
    assert_true(pair.kick >= 0 && pair.irq >= 0);
    assert_int_equal(pthread_create(&device, NULL, device_main, &pair), 0);
    why = drive(&pair, free_heads, outstanding);
    pthread_join(device, NULL);
    if (why != NULL || pair.failed != NULL) {
        fail_msg("size %u, event_idx %d: driver: %s; device: %s", size, event_idx,
                 why != NULL ? why : "fine", pair.failed != NULL ? pair.failed : "fine");
    }
    print_message("size %u, event_idx %d: %llu buffers, %llu kicks, %llu interrupts\n", size,
                  event_idx, (unsigned long long)total, (unsigned long long)pair.kicks,
                  (unsigned long long)pair.irqs);
    close(pair.kick);
    close(pair.irq);
    model_close(&pair.m);
    test_free(free_heads);
    test_free(outstanding);
}

static void test_no_lost_wake_with_event_idx(void **state)
{
    (void)state;
    run_pair(2, true, BUFFERS / 20);
    run_pair(8, true, BUFFERS / 4);
    run_pair(256, true, BUFFERS / 10 * 7);
}

static void test_no_lost_wake_with_flags(void **state)
{
    (void)state;
    run_pair(2, false, BUFFERS / 20);
    run_pair(8, false, BUFFERS / 4);
    run_pair(256, false, BUFFERS / 10 * 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_lost_wake_with_event_idx),
        cmocka_unit_test(test_no_lost_wake_with_flags),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
