/*
 * test_vhost_rings.c: rings of a vhost-user session in motion: start, stop, drain, kicks and
 * interrupts by every kind of descriptor, errors, and memory that changes while requests are under
 * way. VU-12, VU-23, VU-30, VU-35..45, VU-47, VU-48, VU-52, VU-102.
 *
 * Long because: a list of short cases that have nothing to do with each other.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "needs.h"
#include "vhost_tools.h"

static struct rig *queues_rig(void **state, unsigned queues, enum rig_disk disk)
{
    struct rig_options o = { .disk = disk,
                             .blk = { .queues = queues },
                             .setup = { .queues = queues } };
    return rig_new(state, &o);
}

/* Negotiated, memory told, and one ring made that the back-end has not heard of. */
static struct rig *ring_rig(void **state, uint16_t start)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);

    assert_int_equal(tnd_negotiate(rig->driver, NULL), 0);
    make_ring(rig, 0, 64, start);
    return rig;
}

static void await_held(struct rig *rig, unsigned count)
{
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (fake_held(rig->fake) < count && tnd_now_ms() < end) {
        tnd_pass(rig->driver);
    }
    assert_int_equal(fake_held(rig->fake), count);
}

static void take_all_irqs(struct rig *rig, unsigned queue)
{
    tnd_settle(rig->driver, 20);
    tnd_irq_take(rig->driver, queue);
}

/* ---- stop and drain ---- */

/* VU-38: the answer comes behind the last used entry and the last interrupt; nobody else waits. */
static void get_base_drains_a_slow_disk_VU_38(void **state)
{
    struct rig *rig = queues_rig(state, 2, RIG_DISK_FAKE);
    struct tenon_driver *d = rig->driver;
    struct tn_vu_vring_state s = { .index = 0 };
    struct tnd_vhost_message m;

    take_all_irqs(rig, 0);
    fake_hold(rig->fake, true);
    struct chain c[3];
    for (unsigned i = 0; i < 3; i++) {
        c[i] = put_chain(rig, 0, 1, TN_BLK_T_IN, 2 * i);
    }
    await_held(rig, 3);
    send_only(d, TN_VU_GET_VRING_BASE, TN_VU_VERSION, &s, sizeof(s), -1);
    expect_silence(d);
    /* The other ring has no part in that. */
    struct chain other = put_chain(rig, 1, 1, TN_BLK_T_IN, 9);
    await_held(rig, 4);
    assert_true(fake_release(rig->fake, 3));
    struct tnd_used used;
    assert_int_equal(tnd_wait_used(d, 1, &used), 0);
    assert_int_equal(chain_status(rig, &other), TN_BLK_S_OK);
    expect_silence(d);

    fake_release(rig->fake, 1);
    fake_release(rig->fake, 0);
    expect_silence(d);
    fake_release(rig->fake, 2);
    assert_int_equal(tnd_vhost_receive(d, &m, d->timeout_ms), 0);
    memcpy(&s, m.payload, sizeof(s));
    assert_int_equal(s.num, 3);
    assert_int_equal(tnd_raw_used_idx(d->queues[0].ring), 3);
    assert_true(tnd_irq_take(d, 0));
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(chain_status(rig, &c[i]), TN_BLK_S_OK);
    }
}

/* VU-39: it is no reset: again, of a ring that never ran, and back with nothing but a kick. */
static void get_base_is_no_reset_VU_39(void **state)
{
    struct rig *rig = queues_rig(state, 1, RIG_DISK_FILE);
    struct tenon_driver *d = rig->driver;
    uint16_t base = 77;

    rig_check_alive(rig, 0);
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(d->ops->queue_stop(d, 0, &base), 0);
        assert_int_equal(base, 2);
    }
    tnd_irq_take(d, 0);
    assert_int_equal(tell_kick(rig, 0), 0);
    assert_int_equal(tell_call(rig, 0), 0);
    rig_check_alive(rig, 0);
    assert_int_equal(d->ops->queue_stop(d, 0, &base), 0);
    assert_int_equal(base, 4);
}

static void get_base_of_a_ring_that_never_ran_VU_39(void **state)
{
    struct rig *rig = ring_rig(state, 0);
    uint16_t base = 77;

    assert_int_equal(rig->driver->ops->queue_stop(rig->driver, 0, &base), 0);
    assert_int_equal(base, 0);
    assert_int_equal(tell_base(rig, 0, 65535), 0);
    assert_int_equal(rig->driver->ops->queue_stop(rig->driver, 0, &base), 0);
    assert_int_equal(base, 65535);
}

static void a_stopped_ring_does_nothing_VU_48(void **state)
{
    struct rig *rig = queues_rig(state, 1, RIG_DISK_FILE);
    struct tenon_driver *d = rig->driver;
    uint16_t base;

    assert_int_equal(d->ops->queue_stop(d, 0, &base), 0);
    take_all_irqs(rig, 0);
    struct tnd_snapshot *before = tnd_ram_snapshot(rig->ram);
    tnd_notify(d, 0);
    tnd_settle(d, 20);
    uint64_t gpa;
    assert_true(tnd_snapshot_holds(before, &gpa));
    tnd_snapshot_free(before);
    struct chain c = put_chain(rig, 0, 1, TN_BLK_T_IN, 0);
    tnd_notify(d, 0);
    tnd_settle(d, 20);
    assert_int_equal(chain_status(rig, &c), TND_BLK_UNTOUCHED);
    assert_false(tnd_irq_take(d, 0));
}

static void resume_at_65535_VU_37(void **state)
{
    struct rig_options o = { .setup = { .start = 65535 } };
    struct rig *rig = rig_new(state, &o);
    uint16_t base = 0;

    for (unsigned i = 0; i < 4; i++) {
        rig_check_alive(rig, 0); /* two requests */
        assert_int_equal(rig->driver->ops->queue_stop(rig->driver, 0, &base), 0);
        assert_int_equal(base, (uint16_t)(65535 + 2 * (i + 1)));
        assert_int_equal(tell_base(rig, 0, base), 0);
        assert_int_equal(tell_call(rig, 0), 0);
        assert_int_equal(tell_kick(rig, 0), 0);
    }
    rig_check_alive(rig, 0);
}

/* ---- the order of messages: VU-42, VU-102 ---- */

static void kick_before_everything_VU_42(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);

    rig->driver->queues[0].kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_int_equal(rig->driver->ops->offered(rig->driver, rig->driver->offered), 0);
    assert_int_equal(tell_kick(rig, 0), 0);
    assert_int_equal(tnd_negotiate(rig->driver, NULL), 0);
    make_ring(rig, 0, 64, 0);
    assert_int_equal(tell_addr(rig, 0), 0);
    assert_int_equal(tell_num(rig, 0), 0);
    assert_int_equal(tell_base(rig, 0, 0), 0);
    assert_int_equal(tell_call(rig, 0), 0);
    assert_int_equal(tell_enable(rig, 0, true), 0);
    rig_check_alive(rig, 0);
}

/* VU-36: the places are looked up when the ring starts, not when they are told. */
static void addresses_before_memory_VU_36(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct tenon_driver *d = rig->driver;

    assert_int_equal(d->ops->offered(d, d->offered), 0);
    d->features[0] = d->offered[0];
    assert_int_equal(
        say_u64(d, TN_VU_SET_FEATURES, d->features[0] | 1ull << TN_VU_F_PROTOCOL_FEATURES), 0);
    make_ring(rig, 0, 64, 0);
    assert_int_equal(tell_num(rig, 0), 0);
    assert_int_equal(tell_addr(rig, 0), 0);
    assert_int_equal(tell_call(rig, 0), 0);
    assert_int_equal(tell_enable(rig, 0, true), 0);
    for (unsigned i = 0; i < rig->ram->count; i++) {
        assert_int_equal(tnd_vhost_add_region(d, i), 0);
    }
    assert_int_equal(tell_kick(rig, 0), 0);
    rig_check_alive(rig, 0);
}

/* All orders of six messages: either the ring works in the end, or the session ended. */
static void any_order_is_safe_VU_102(void **state)
{
    struct rig_options o = { .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct tenon_driver *d = rig->driver;
    unsigned worked = 0;

    for (unsigned n = 0; n < 720; n += rig->inline_ ? 1 : 7) {
        unsigned order[6] = { 0, 1, 2, 3, 4, 5 }, rest = n;
        int error = 0;
        assert_int_equal(tnd_negotiate(d, NULL), 0);
        make_ring(rig, 0, 64, 0);
        for (unsigned i = 0; i < 6 && !error; i++) {
            unsigned k = i + rest % (6 - i), step = order[k];
            rest /= 6 - i;
            order[k] = order[i];
            error = step == 0   ? tell_num(rig, 0)
                    : step == 1 ? tell_base(rig, 0, 0)
                    : step == 2 ? tell_addr(rig, 0)
                    : step == 3 ? tell_kick(rig, 0)
                    : step == 4 ? tell_call(rig, 0)
                                : tell_enable(rig, 0, true);
        }
        if (!error) {
            rig_check_alive(rig, 0);
            worked++;
        }
        tnd_vhost_reconnect(d, rig_connect(rig));
        tnd_ring_free(d->queues[0].ring);
        d->queues[0].ring = NULL;
        d->queue_count = 0;
        d->queues[0].irq_pending = false;
        close(d->queues[0].kick_fd);
        close(d->queues[0].call_fd);
        d->queues[0].kick_fd = d->queues[0].call_fd = -1;
    }
    /* Size and addresses before the later of kick and enable; the rest does not matter. */
    assert_true(worked >= (rig->inline_ ? 720 : 103) / 4);
}

/* VU-42: a ring is looked at when it starts; the front-end need not kick. */
static void started_without_a_kick_VU_42(void **state)
{
    struct rig *rig = ring_rig(state, 0);
    struct tnd_blk_request r = { .type = TN_BLK_T_FLUSH };

    assert_int_equal(tnd_blk_add(rig->driver, 0, &r), 0);
    tnd_ring_publish(rig->driver->queues[0].ring);
    assert_int_equal(rig->driver->ops->queue_start(rig->driver, 0), 0);
    assert_int_equal(tnd_blk_wait(rig->driver, 0, &r), 0);
    assert_int_equal(r.status, TN_BLK_S_OK);
}

/* ---- kicks and interrupts ---- */

static void poll_for(struct rig *rig, struct tnd_blk_request *r)
{
    uint64_t end = tnd_now_ms() + rig->driver->timeout_ms;
    while (!r->done) {
        tnd_blk_reap(rig->driver, 0);
        assert_true(tnd_now_ms() < end);
        tnd_pass(rig->driver);
    }
    assert_int_equal(r->status, TN_BLK_S_OK);
}

static void call_never_set_VU_44(void **state)
{
    struct rig *rig = ring_rig(state, 0);

    assert_int_equal(tell_num(rig, 0), 0);
    assert_int_equal(tell_addr(rig, 0), 0);
    assert_int_equal(tell_kick(rig, 0), 0);
    assert_int_equal(tell_enable(rig, 0, true), 0);
    for (unsigned i = 0; i < 20; i++) {
        struct tnd_blk_request r = { .type = TN_BLK_T_FLUSH };
        assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
        poll_for(rig, &r);
    }
}

/* VU-43: bit 8 and no descriptor: the back-end looks by itself; and back to kicks, and again. */
static void no_kick_descriptor_means_polling_VU_43(void **state)
{
    struct rig *rig = queues_rig(state, 1, RIG_DISK_FILE);

    for (unsigned i = 0; i < 6; i++) {
        bool polled = i % 2 == 0;
        if (polled) {
            assert_int_equal(say_fd(rig->driver, TN_VU_SET_VRING_KICK, 0, -1), 0);
        } else {
            assert_int_equal(tell_kick(rig, 0), 0);
        }
        for (unsigned k = 0; k < 5; k++) {
            struct tnd_blk_request r = { .type = TN_BLK_T_FLUSH };
            assert_int_equal(tnd_blk_add(rig->driver, 0, &r), 0);
            if (polled) {
                tnd_ring_publish(rig->driver->queues[0].ring);
            } else {
                tnd_kick(rig->driver, 0);
            }
            assert_int_equal(tnd_blk_wait(rig->driver, 0, &r), 0);
        }
    }
}

/* VU-52: pipes instead of eventfds; a full one, and spurious wakes, do not matter. */
static void pipes_for_kick_and_call_VU_52(void **state)
{
    struct rig *rig = ring_rig(state, 0);
    struct tnd_queue *q = &rig->driver->queues[0];
    int kick[2], call[2];

    assert_int_equal(pipe2(kick, O_CLOEXEC), 0); /* the back-end has to see to it that none waits */
    assert_int_equal(pipe2(call, O_CLOEXEC), 0);
    fcntl(call[0], F_SETFL, O_NONBLOCK);
    fcntl(kick[1], F_SETFL, O_NONBLOCK);
    assert_int_equal(tell_num(rig, 0), 0);
    assert_int_equal(tell_addr(rig, 0), 0);
    assert_int_equal(say_fd(rig->driver, TN_VU_SET_VRING_KICK, 0, kick[0]), 0);
    assert_int_equal(say_fd(rig->driver, TN_VU_SET_VRING_CALL, 0, call[1]), 0);
    assert_int_equal(tell_enable(rig, 0, true), 0);
    q->kick_fd = kick[1];
    q->call_fd = call[0];
    close(kick[0]);
    for (unsigned i = 0; i < 20; i++) {
        rig_check_alive(rig, 0);
        tnd_notify(rig->driver, 0);
    }
    uint64_t one = 1;
    while (write(call[1], &one, sizeof(one)) == sizeof(one)) {
        /* full; it does not wait any more since the back-end has it */
    }
    for (unsigned i = 0; i < 20; i++) {
        struct tnd_blk_request r = { .type = TN_BLK_T_FLUSH };
        tnd_ring_irq_on(q->ring);
        assert_int_equal(tnd_blk_submit(rig->driver, 0, &r), 0);
        poll_for(rig, &r);
    }
    close(call[1]);
}

/* The front-end closes its end of the kick pipe: no busy loop, and the session goes on. */
static void kick_pipe_closed_VU_52(void **state)
{
    struct rig *rig = queues_rig(state, 1, RIG_DISK_FILE);
    int kick[2];

    assert_int_equal(pipe2(kick, O_CLOEXEC), 0);
    assert_int_equal(say_fd(rig->driver, TN_VU_SET_VRING_KICK, 0, kick[0]), 0);
    close(kick[0]);
    close(kick[1]);
    tnd_settle(rig->driver, 30);
    uint64_t turns = rig_stat(rig, "turns", 0);
    tnd_settle(rig->driver, 30);
    assert_true(rig_stat(rig, "turns", 0) - turns < 10);
    assert_int_equal(tell_kick(rig, 0), 0);
    rig_check_alive(rig, 0);
}

/* VU-44: no interrupt is lost between the old descriptor and the new one. */
static void call_replaced_under_load_VU_44(void **state)
{
    struct rig *rig = queues_rig(state, 2, RIG_DISK_FILE);
    struct batch *batch = calloc(2, sizeof(*batch));

    for (unsigned i = 0; i < 100; i++) {
        for (unsigned q = 0; q < 2; q++) {
            int old = rig->driver->queues[q].call_fd;
            batch_begin(rig, &batch[q], q, i);
            rig->driver->queues[q].call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
            assert_int_equal(tell_call(rig, q), 0);
            close(old);
        }
        batch_end(rig, &batch[0]);
        batch_end(rig, &batch[1]);
    }
    free(batch);
}

/* The driver sleeps, as a guest does: only an interrupt makes it look. */
static void an_interrupt_in_the_old_descriptor_is_not_lost_VU_44(void **state)
{
    struct rig *rig = queues_rig(state, 1, RIG_DISK_FILE);
    struct tnd_queue *q = &rig->driver->queues[0];
    struct tnd_used used;

    for (unsigned i = 0; i < 200; i++) {
        int old = q->call_fd;
        assert_false(tnd_ring_irq_on(q->ring));
        put_chain(rig, 0, 1, TN_BLK_T_IN, i);
        for (unsigned k = 0; k < i % 8; k++) {
            tnd_pass(rig->driver);
        }
        q->call_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        assert_int_equal(tell_call(rig, 0), 0);
        close(old);
        do {
            assert_true(tnd_wait_irq(rig->driver, 0));
        } while (!tnd_ring_take(q->ring, &used));
    }
}

struct busy {
    struct tenon_post post;
    bool here, go;
};

static void be_busy(struct tenon_post *post)
{
    struct busy *busy = (struct busy *)(void *)post;
    __atomic_store_n(&busy->here, true, __ATOMIC_RELEASE);
    while (!__atomic_load_n(&busy->go, __ATOMIC_ACQUIRE)) {
        usleep(100);
    }
}

static void await_busy(struct busy *busy)
{
    while (!__atomic_load_n(&busy->here, __ATOMIC_ACQUIRE)) {
        usleep(100);
    }
}

/*
 * Kicked by the old descriptor, after the message was sent and before it is acknowledged, at the
 * moment when the queue's worker is about to take the new one.
 */
static void a_kick_in_the_old_descriptor_is_not_lost_VU_41(void **state)
{
    struct rig *rig = queues_rig(state, 1, RIG_DISK_FILE);
    struct tnd_queue *q = &rig->driver->queues[0];
    struct pollfd answer = { .fd = tnd_vhost_socket(rig->driver), .events = POLLIN };
    struct tnd_used used;
    struct busy *busy = calloc(60, sizeof(*busy));
    uint64_t word = 0;

    for (unsigned i = 0; i < 30; i++) {
        struct busy *first = &busy[2 * i], *second = first + 1;
        first->post.fn = second->post.fn = be_busy;
        int next = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        tenon_worker_post(rig->workers[0], &first->post);
        await_busy(first);
        tenon_worker_post(rig->workers[0], &second->post);
        send_only(rig->driver, TN_VU_SET_VRING_KICK, TN_VU_VERSION | TN_VU_NEED_REPLY, &word,
                  sizeof(word), next);
        assert_int_equal(poll(&answer, 1, (int)rig->driver->timeout_ms), 1);
        __atomic_store_n(&first->go, true, __ATOMIC_RELEASE);
        await_busy(second);
        put_chain(rig, 0, 1, TN_BLK_T_IN, i);
        __atomic_store_n(&second->go, true, __ATOMIC_RELEASE);
        expect_ack(rig->driver);
        close(q->kick_fd);
        q->kick_fd = next;
        assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
    }
    rig_end(state); /* the worker has left them */
    free(busy);
}

static void kick_replaced_under_load_VU_41(void **state)
{
    struct rig *rig = queues_rig(state, 1, RIG_DISK_FILE);
    struct batch *batch = calloc(1, sizeof(*batch));

    for (unsigned i = 0; i < 100; i++) {
        int old = rig->driver->queues[0].kick_fd;
        batch_begin(rig, batch, 0, i); /* the kick is in the old one */
        rig->driver->queues[0].kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        assert_int_equal(tell_kick(rig, 0), 0);
        close(old);
        batch_end(rig, batch);
    }
    free(batch);
}

static void one_interrupt_after_each_start(void **state)
{
    need_passed_eventfds();
    struct rig *rig = queues_rig(state, 1, RIG_DISK_FILE);
    struct tenon_driver *d = rig->driver;
    uint16_t base;

    for (unsigned i = 0; i < 3; i++) {
        struct pollfd call = { .fd = d->queues[0].call_fd, .events = POLLIN };
        uint64_t count = 0, end = tnd_now_ms() + d->timeout_ms;
        while (poll(&call, 1, 0) == 0 && tnd_now_ms() < end) {
            tnd_pass(d);
        }
        tnd_settle(d, 20);
        assert_int_equal(read(d->queues[0].call_fd, &count, sizeof(count)), sizeof(count));
        assert_true(count >= 1 && count <= 2); /* a replaced call descriptor is rung once, too */
        assert_int_equal(d->ops->queue_stop(d, 0, &base), 0);
        assert_int_equal(tell_call(rig, 0), 0);
        tnd_settle(d, 10);
        assert_false(tnd_irq_take(d, 0)); /* not while it is stopped */
        assert_int_equal(tell_kick(rig, 0), 0);
    }
}

/* ---- errors ---- */

/* VU-45: told once, by the error descriptor; the others go on; a new start heals. */
static void a_broken_ring_rings_the_error_descriptor_VU_45(void **state)
{
    struct rig *rig = queues_rig(state, 2, RIG_DISK_FILE);
    struct tenon_driver *d = rig->driver;
    uint64_t status = 0;
    uint16_t base;

    log_begin();
    tnd_raw_offer(d->queues[0].ring, 60000);
    tnd_notify(d, 0);
    assert_true(tnd_wait_broken(d, 0));
    assert_int_equal(tnd_vhost_ask(d, TN_VU_GET_STATUS, &status), 0);
    assert_true(status & TN_STATUS_NEEDS_RESET);
    tnd_notify(d, 0);
    tnd_settle(d, 20);
    uint64_t count;
    assert_true(read(d->queues[0].err_fd, &count, sizeof(count)) < 0); /* once */
    assert_int_equal(log_lines(), 1);
    assert_false(tnd_broken(d, 1));
    rig_check_alive(rig, 1);

    assert_int_equal(d->ops->queue_stop(d, 0, &base), 0);
    tnd_ring_clear(d->queues[0].ring);
    d->queues[0].broken = false;
    assert_int_equal(d->ops->queue_start(d, 0), 0);
    rig_check_alive(rig, 0);
    assert_int_equal(tnd_vhost_ask(d, TN_VU_GET_STATUS, &status), 0);
    assert_false(status & TN_STATUS_NEEDS_RESET);
}

/* ---- messages while requests are under way ---- */

/* VU-12, VU-35: said again, they change nothing. */
static void features_and_addresses_repeated_VU_12_35(void **state)
{
    struct rig *rig = queues_rig(state, 2, RIG_DISK_FILE);
    struct batch *batch = calloc(2, sizeof(*batch));
    uint64_t features = rig->driver->features[0] | 1ull << TN_VU_F_PROTOCOL_FEATURES;

    for (unsigned i = 0; i < 50; i++) {
        batch_begin(rig, &batch[0], 0, i);
        batch_begin(rig, &batch[1], 1, i);
        assert_int_equal(say_u64(rig->driver, TN_VU_SET_FEATURES, features), 0);
        assert_int_equal(tell_addr(rig, i % 2), 0);
        assert_int_equal(tell_enable(rig, i % 2, true), 0);
        batch_end(rig, &batch[0]);
        batch_end(rig, &batch[1]);
    }
    free(batch);
}

/* VU-23: the same table, a smaller one, and one with another region in the place of an old one. */
static void table_replaced_under_load_VU_23(void **state)
{
    struct rig_options o = { .blk = { .queues = 2 }, .setup = { .queues = 2, .mem_table = true } };
    struct rig *rig = rig_new(state, &o);
    struct batch *batch = calloc(2, sizeof(*batch));
    unsigned extra = 0;
    bool there = false;

    for (unsigned i = 0; i < 60; i++) {
        batch_begin(rig, &batch[0], 0, i);
        batch_begin(rig, &batch[1], 1, i);
        if (i % 3 == 1 && !there) {
            extra = (unsigned)tnd_ram_add(rig->ram, 0x10000000 + i * 0x10000ull, 0x8000);
            there = true;
        } else if (i % 3 == 2) {
            /* One goes and another comes: in the table, the two at once. */
            tnd_ram_drop(rig->ram, extra);
            extra = (unsigned)tnd_ram_add(rig->ram, 0x10000000 + i * 0x10000ull, 0x8000);
        }
        assert_int_equal(tnd_vhost_send_table(rig->driver), 0);
        if (there) {
            struct tnd_used used;
            batch_end(rig, &batch[0]);
            struct chain c = put_chain(rig, 0, extra, TN_BLK_T_IN, 0);
            assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
            assert_int_equal(chain_status(rig, &c), TN_BLK_S_OK);
        } else {
            batch_end(rig, &batch[0]);
        }
        batch_end(rig, &batch[1]);
    }
    free(batch);
}

static void regions_come_and_go_under_load_VU_27_28(void **state)
{
    struct rig *rig = queues_rig(state, 2, RIG_DISK_FILE);
    struct batch *batch = calloc(2, sizeof(*batch));

    for (unsigned i = 0; i < 60; i++) {
        int r = tnd_ram_add(rig->ram, 0x10000000, 0x4000);
        batch_begin(rig, &batch[0], 0, i);
        assert_int_equal(tnd_vhost_add_region(rig->driver, (unsigned)r), 0);
        batch_begin(rig, &batch[1], 1, i);
        batch_end(rig, &batch[0]);
        struct chain c = put_chain(rig, 0, (unsigned)r, TN_BLK_T_IN, 0);
        assert_int_equal(tnd_vhost_remove_region(rig->driver, (unsigned)r), 0);
        /* Taken before, it was done; taken after, it cannot even be answered. */
        uint8_t status = chain_status(rig, &c);
        struct tnd_used used;
        if (status == TN_BLK_S_OK) {
            assert_int_equal(tnd_wait_used(rig->driver, 0, &used), 0);
        } else {
            assert_true(tnd_wait_broken(rig->driver, 0));
            uint16_t base;
            assert_int_equal(rig->driver->ops->queue_stop(rig->driver, 0, &base), 0);
            rig->driver->queues[0].ring->start = 0;
            tnd_ring_clear(rig->driver->queues[0].ring);
            rig->driver->queues[0].broken = false;
            assert_int_equal(rig->driver->ops->queue_start(rig->driver, 0), 0);
        }
        batch_end(rig, &batch[1]);
        tnd_ram_drop(rig->ram, (unsigned)r);
    }
    free(batch);
}

/* VU-10, VU-30: the answer comes when no request can write there any more, and not before. */
static void removal_is_answered_after_the_release_VU_30(void **state)
{
    struct rig *rig = queues_rig(state, 1, RIG_DISK_FAKE);
    struct tenon_driver *d = rig->driver;
    int r = tnd_ram_add(rig->ram, 0x10000000, 0x4000);

    memset(rig->fake->bytes, 0x5b, 512);
    assert_int_equal(tnd_vhost_add_region(d, (unsigned)r), 0);
    fake_hold(rig->fake, true);
    struct chain c = put_chain(rig, 0, (unsigned)r, TN_BLK_T_IN, 0);
    await_held(rig, 1);
    const struct tnd_region *region = &rig->ram->regions[r];
    struct tn_vu_mem_reg m = {
        .region = { .gpa = region->gpa, .bytes = region->bytes, .user = (uintptr_t)region->guest }
    };
    send_only(d, TN_VU_REM_MEM_REG, TN_VU_VERSION | TN_VU_NEED_REPLY, &m, sizeof(m), -1);
    expect_silence(d);
    fake_release_all(rig->fake);
    expect_ack(d);
    /* It was done, into the memory that was there when it was taken. */
    assert_true(tnd_ram_is(rig->ram, c.data, 0x5b, 512));
    assert_int_equal(chain_status(rig, &c), TN_BLK_S_OK);
    struct tnd_used used;
    assert_int_equal(tnd_wait_used(d, 0, &used), 0);
    tnd_ram_drop(rig->ram, (unsigned)r);
    rig_check_alive(rig, 0);
}

/* The memory of a ring that runs: that ring breaks, the answer comes, the rest goes on. */
static void removal_of_a_ring_s_memory(void **state)
{
    struct rig_options o = { .blk = { .queues = 2 }, .setup = { .queues = 2 }, .no_start = true };
    struct rig *rig = rig_new(state, &o);
    struct tenon_driver *d = rig->driver;
    int r = tnd_ram_add(rig->ram, 0x10000000, 0x4000);

    assert_int_equal(tnd_negotiate(d, NULL), 0);
    assert_int_equal(tnd_ring_new(rig->ram, (unsigned)r, 64, 0, &d->queues[1].ring), 0);
    assert_int_equal(tnd_queues(d, &o.setup), 0);
    rig_check_alive(rig, 1);
    assert_int_equal(tnd_vhost_remove_region(d, (unsigned)r), 0);
    assert_true(tnd_wait_broken(d, 1));
    rig_check_alive(rig, 0);
    tnd_ring_free(d->queues[1].ring);
    d->queues[1].ring = NULL;
    d->queue_count = 1;
}

static const struct rig_case cases[] = {
    VHOST_TEST(get_base_drains_a_slow_disk_VU_38),
    VHOST_TEST(get_base_is_no_reset_VU_39),
    VHOST_TEST(get_base_of_a_ring_that_never_ran_VU_39),
    VHOST_TEST(a_stopped_ring_does_nothing_VU_48),
    VHOST_TEST(resume_at_65535_VU_37),
    VHOST_TEST(kick_before_everything_VU_42),
    VHOST_TEST(addresses_before_memory_VU_36),
    VHOST_TEST(any_order_is_safe_VU_102),
    VHOST_TEST(started_without_a_kick_VU_42),
    VHOST_TEST(call_never_set_VU_44),
    VHOST_TEST(no_kick_descriptor_means_polling_VU_43),
    VHOST_TEST(pipes_for_kick_and_call_VU_52),
    VHOST_TEST(kick_pipe_closed_VU_52),
    VHOST_TEST(call_replaced_under_load_VU_44),
    VHOST_TEST(an_interrupt_in_the_old_descriptor_is_not_lost_VU_44),
    VHOST_TEST(kick_replaced_under_load_VU_41),
    RIG_TEST_ON(a_kick_in_the_old_descriptor_is_not_lost_VU_41,
                RIG_VHOST | RIG_THREADS | RIG_URING),
    VHOST_TEST(one_interrupt_after_each_start),
    VHOST_TEST(a_broken_ring_rings_the_error_descriptor_VU_45),
    VHOST_TEST(features_and_addresses_repeated_VU_12_35),
    VHOST_TEST(table_replaced_under_load_VU_23),
    VHOST_TEST(regions_come_and_go_under_load_VU_27_28),
    VHOST_TEST(removal_is_answered_after_the_release_VU_30),
    VHOST_TEST(removal_of_a_ring_s_memory),
};

int main(int argc, char **argv)
{
    return vhost_main(argc, argv, cases, sizeof(cases) / sizeof(cases[0]));
}
