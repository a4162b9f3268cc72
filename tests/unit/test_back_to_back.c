/*
 * test_back_to_back.c: two links that stand back to back, on one worker without a thread: what
 * arrives, what comes back and when, and the carrier. Several ports of one side: test_pair_wires.c;
 * with threads: test_pair_threads.c.
 */
#include "pair_rig.h"

#include "loop/loop.h"

enum { SLOTS = 1024 };

static void test_there_and_back(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    b.reads = a.reads = true;
    end_watch(&a, TENON_READABLE);
    end_watch(&b, TENON_READABLE);
    assert_int_equal(end_send(&a, 10), 10);
    assert_int_equal(b.received, 0); /* nothing happens within send */
    run();
    assert_int_equal(b.received, 10);
    assert_int_equal(a.arrived_there, 10);
    assert_int_equal(end_send(&b, 300), 300);
    run();
    assert_int_equal(a.received, 300);
    assert_int_equal(b.arrived_there, 300);
    finish();
}

/* Both on one worker: within send. */
static void test_delivered_at_once(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    b.at_once = 64;
    assert_int_equal(end_send(&a, 300), 300);
    assert_int_equal(b.received, 300);
    assert_int_equal(a.given, 300);
    assert_int_equal(a.accepted, 0);
    run();
    assert_int_equal(b.readable, 0);
    finish();
}

/* What finds no room waits on the wire, and nothing overtakes it. */
static void test_delivered_in_order(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    b.at_once = 3;
    assert_int_equal(end_send(&a, 5), 5);
    assert_int_equal(a.given, 3);
    assert_int_equal(a.accepted, 2);
    assert_int_equal(end_send(&a, 2), 2);
    assert_int_equal(b.received, 3);
    assert_int_equal(end_read(&b, 3), 3);
    assert_int_equal(end_send(&a, 1), 1); /* one is left */
    assert_int_equal(b.received, 6);
    assert_int_equal(end_read(&b, 10), 2);
    assert_int_equal(end_send(&a, 2), 2);
    assert_int_equal(b.received, 10);
    assert_int_equal(a.given, 5);
    run();
    finish();
}

static void send_back(struct end *end, unsigned events)
{
    (void)events;
    end_send(end == &a ? &b : &a, 1); /* a port is not called from within its own event */
}

static void test_not_delivered_from_within_an_event(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    end_send(&a, 1);
    b.at_once = 64;
    b.on_ready = send_back;
    end_watch(&b, TENON_READABLE);
    run_some();
    assert_int_equal(b.received, 0);
    assert_true(a.accepted > 1);
    b.on_ready = NULL;
    end_watch(&b, 0);
    assert_true(end_read(&b, END_FRAMES) > 1);
    run();
    assert_int_equal(end_send(&a, 1), 1);
    assert_int_equal(a.given, 1);
    finish();
}

static void test_not_delivered_to_another_worker(void **state)
{
    struct tenon_worker *other;

    (void)state;
    begin(1);
    assert_int_equal(tenon_worker_new(NULL, &other), 0);
    end_open(&a, 0, worker);
    end_open(&b, 0, other);
    b.at_once = 64;
    assert_int_equal(end_send(&a, 5), 5);
    assert_int_equal(a.accepted, 5);
    end_watch(&b, 0);
    assert_int_equal(end_read(&b, 5), 5);
    run();
    end_drop(&a);
    end_drop(&b);
    while (tenon_worker_run(other, 0) > 0) {
    }
    tenon_link_close(links[0]);
    tenon_link_close(links[1]);
    while (tenon_worker_run(other, 0) > 0) {
    }
    tenon_worker_free(other);
    tenon_worker_free(worker);
}

/* Level, as descriptors are: told as long as something is there, and the worker does not sleep. */
static void test_ready_while_it_is_so(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    end_send(&a, 2);
    run();
    assert_int_equal(b.readable, 0); /* nobody watches */
    end_watch(&b, TENON_READABLE);
    run_some();
    assert_true(b.readable >= 3);
    end_read(&b, 1);
    b.readable = 0;
    run_some();
    assert_true(b.readable >= 3);
    end_read(&b, 1);
    run();
    b.readable = 0;
    run_some();
    assert_int_equal(b.readable, 0);
    end_send(&a, 1);
    run_some();
    assert_true(b.readable >= 1);
    end_watch(&b, 0);
    end_read(&b, 1);
    run();
    finish();
}

static void test_full_and_writable(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    assert_int_equal(end_send(&a, END_FRAMES), SLOTS);
    end_watch(&a, TENON_WRITABLE);
    run();
    assert_int_equal(a.writable, 0);
    assert_int_equal(end_read(&b, 3), 3);
    run_some();
    assert_true(a.writable >= 3);
    assert_int_equal(a.arrived_there, 3);
    assert_int_equal(end_send(&a, END_FRAMES), 3);
    end_watch(&a, 0);
    assert_int_equal(end_read(&b, END_FRAMES), SLOTS);
    run();
    finish();
}

static void test_carrier(void **state)
{
    (void)state;
    begin(1);
    assert_false(tenon_link_up(a.link));
    end_open(&a, 0, worker);
    assert_false(tenon_link_up(a.link));
    assert_true(tenon_link_up(b.link));
    assert_int_equal(end_send(&a, 5), 5);
    assert_int_equal(a.dropped, 5);
    end_open(&b, 0, worker);
    assert_true(tenon_link_up(a.link));
    run();
    assert_int_equal(a.changes, 1);
    end_send(&a, 5);
    run();
    end_read(&b, 2);
    end_close(&b);
    assert_false(tenon_link_up(a.link));
    assert_int_equal(a.down, 0); /* nothing happens within close */
    run();
    assert_int_equal(a.changes, 2);
    assert_int_equal(a.arrived_there, 2);
    assert_int_equal(a.down, 3);
    end_send(&a, 1);
    assert_int_equal(a.dropped, 6);
    end_open(&b, 0, worker);
    end_send(&a, 1);
    assert_int_equal(end_read(&b, 9), 1);
    run();
    finish();
}

static void test_offloads(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    a.changes = 0;
    assert_int_equal(a.ops->send_can(a.port), 0);
    assert_int_equal(b.ops->recv_set(b.port, TENON_CAN_CSUM | TENON_CAN_TSO4), 0);
    run();
    assert_int_equal(a.ops->send_can(a.port), TENON_CAN_CSUM | TENON_CAN_TSO4);
    assert_int_equal(b.ops->send_can(b.port), 0);
    assert_int_equal(a.changes, 1);
    assert_int_equal(b.ops->recv_set(b.port, TENON_CAN_CSUM | TENON_CAN_TSO4), 0);
    run();
    assert_int_equal(a.changes, 1); /* nothing has changed */
    finish();
}

static void test_cancel(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    end_send(&a, 20);
    assert_int_equal(end_read(&b, 5), 5);
    assert_int_equal(end_cancel(&a, 4), 4);
    assert_int_equal(end_cancel(&a, 100), 11);
    run();
    assert_int_equal(a.arrived_there, 5);
    assert_int_equal(end_read(&b, 5), 0);
    end_send(&a, 2);
    assert_int_equal(end_read(&b, 5), 2);
    run();
    finish();
}

/* A receiver that has looked, and cannot read: it is asked to let go, and what it has not read
 * comes back. */
static void test_recall(void **state)
{
    struct tenon_frame *some[8];

    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    end_send(&a, 20);
    assert_int_equal(b.ops->peek(b.port, some, 8), 8);
    assert_int_equal(end_cancel(&a, 20), 12);
    assert_int_equal(end_send(&a, 1), 0);
    run();
    assert_int_equal(a.canceled, 8);
    assert_int_equal(end_read(&b, 1), 0);
    end_send(&a, 1);
    assert_int_equal(end_read(&b, 2), 1);
    run();
    finish();
}

/* ---- closing at odd moments ---- */

static void close_it(struct end *end, unsigned events)
{
    (void)events;
    end_close(end);
}

static void close_when_sent(struct end *end)
{
    if (end->came_back == end->accepted) {
        end_close(end);
    }
}

static void test_close_within_events(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    a.on_sent = close_when_sent;
    b.on_ready = close_it;
    end_watch(&b, TENON_READABLE);
    end_send(&a, 4);
    run();
    assert_null(a.port);
    assert_null(b.port);
    assert_int_equal(a.down, 4);
    finish();
}

static unsigned deep, deepest;

static void run_posts_within(struct end *end, unsigned events)
{
    (void)events;
    deepest = ++deep > deepest ? deep : deepest;
    tn_link_use_pairs(end->link, 1); /* tells every port of this side */
    assert_true(tn_worker_run_posts(worker));
    deep--;
}

/* A queue may run posts in the middle of its slice; events come one after another all the same. */
static void test_events_do_not_nest(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    run();
    end_send(&a, 1);
    deep = deepest = 0;
    b.on_ready = run_posts_within;
    end_watch(&b, TENON_READABLE); /* the turn comes by a task, so posts may run in it */
    run_some();
    assert_true(b.readable >= 2);
    assert_int_equal(deepest, 1);
    end_watch(&b, 0);
    end_read(&b, 1);
    run();
    finish();
}

/* A post that is under way when port, link and worker go. */
static void test_close_with_a_post_under_way(void **state)
{
    (void)state;
    begin(1);
    end_open(&a, 0, worker);
    end_open(&b, 0, worker);
    end_watch(&b, TENON_READABLE);
    end_send(&a, 4);
    assert_int_equal(end_cancel(&a, 4), 4);
    finish();
}

static void test_wrong_use(void **state)
{
    struct tenon_link *none[2];
    struct tenon_port *port;

    (void)state;
    assert_int_equal(tenon_link_open_pair(1000, none), -EINVAL);
    begin(0);
    end_open(&a, 0, worker);
    assert_int_equal(tn_port_open(a.link, 0, worker, &end_events, &a, &port), -EBUSY);
    finish();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_and_back),
        cmocka_unit_test(test_delivered_at_once),
        cmocka_unit_test(test_delivered_in_order),
        cmocka_unit_test(test_not_delivered_from_within_an_event),
        cmocka_unit_test(test_not_delivered_to_another_worker),
        cmocka_unit_test(test_ready_while_it_is_so),
        cmocka_unit_test(test_full_and_writable),
        cmocka_unit_test(test_carrier),
        cmocka_unit_test(test_offloads),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_close_within_events),
        cmocka_unit_test(test_events_do_not_nest),
        cmocka_unit_test(test_close_with_a_post_under_way),
        cmocka_unit_test(test_wrong_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
