/*
 * test_back_to_back.c: two links that stand back to back, on one worker without a thread: what
 * arrives, what comes back and when, the carrier, and which port reads what. With threads:
 * test_pair_threads.c.
 */
#include "link_ends.h"

enum { SLOTS = 1024 };

static struct tenon_worker *worker;
static struct tenon_link *links[2];
static struct end a, b;

static void begin(unsigned pairs)
{
    memset(&a, 0, sizeof(a));
    memset(&b, 0, sizeof(b));
    assert_int_equal(tenon_worker_new(NULL, &worker), 0);
    assert_int_equal(tenon_link_open_pair(pairs, links), 0);
    a.link = links[0];
    b.link = links[1];
}

static void run(void)
{
    while (tenon_worker_run(worker, 0) > 0) {
    }
}

/* For what goes on as long as it is so. */
static void run_some(void)
{
    for (unsigned i = 0; i < 5; i++) {
        assert_true(tenon_worker_run(worker, 0) >= 0);
    }
}

static void finish(void)
{
    end_drop(&a);
    end_drop(&b);
    tenon_link_close(links[0]);
    tenon_link_close(links[1]);
    tenon_worker_free(worker);
}

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

/* ---- several pairs ---- */

static struct end many[4];

static void open_many(unsigned count)
{
    memset(many, 0, sizeof(many));
    for (unsigned i = 0; i < count; i++) {
        many[i].link = links[1];
        end_open(&many[i], i, worker);
    }
}

/* What arrives where, of ten frames that are sent on pair 0 and on pair 3. */
static void expect_on(unsigned for_a, unsigned for_b)
{
    for (unsigned i = 0; i < 4; i++) {
        unsigned expected = (i == for_a ? 10 : 0) + (i == for_b ? 10 : 0);
        if (many[i].port) {
            many[i].last_here = 0;
            assert_int_equal(end_read(&many[i], 100), expected);
        }
    }
}

static void test_pairs(void **state)
{
    (void)state;
    begin(4);
    end_open(&a, 0, worker);
    b.link = links[0];
    end_open(&b, 3, worker);
    b.number = 1000; /* where one reads both, they arrive one after the other */
    open_many(4);
    run();
    end_send(&a, 10);
    end_send(&b, 10);
    expect_on(0, 3);

    assert_int_equal(tn_link_use_pairs(links[1], 2), 0);
    run();
    end_send(&a, 10);
    end_send(&b, 10);
    expect_on(0, 1);

    end_send(&b, 10);
    end_close(&many[1]); /* what it has not read the next one reads */
    run();
    end_send(&a, 10);
    expect_on(0, 0);

    end_close(&many[0]); /* two are open, and may not receive */
    assert_false(tenon_link_up(links[0]));
    run();
    end_send(&a, 1);
    assert_int_equal(a.dropped, 1);
    assert_int_equal(tn_link_use_pairs(links[1], 4), 0);
    assert_true(tenon_link_up(links[0]));
    end_send(&a, 10);
    end_send(&b, 10);
    run();
    expect_on(2, 3);
    run();
    for (unsigned i = 0; i < 4; i++) {
        end_drop(&many[i]);
    }
    finish();
}

/* Whoever has a wire from now on, and sleeps, is told of what is on it. */
static void test_what_waits_finds_its_new_reader(void **state)
{
    (void)state;
    begin(4);
    b.link = links[0];
    end_open(&b, 3, worker);
    open_many(4);
    run();
    many[1].reads = true;
    end_watch(&many[1], TENON_READABLE);
    run();
    end_send(&b, 10);
    run();
    assert_int_equal(many[1].received, 0);
    assert_int_equal(tn_link_use_pairs(links[1], 2), 0);
    run();
    assert_int_equal(many[1].received, 10);
    for (unsigned i = 0; i < 4; i++) {
        end_close(&many[i]);
    }
    run();
    for (unsigned i = 0; i < 4; i++) {
        end_drop(&many[i]);
    }
    finish();
}

static void test_one_reads_all_fairly(void **state)
{
    (void)state;
    begin(4);
    end_open(&a, 0, worker);
    b.link = links[0];
    end_open(&b, 3, worker);
    open_many(1);
    run();
    end_send(&a, 600);
    end_send(&b, 600);
    for (unsigned i = 0; i < 40; i++) {
        struct tenon_frame *some[16];
        unsigned shown = many[0].ops->peek(many[0].port, some, 16);
        for (unsigned n = 0; n < shown; n++) {
            some[n]->result = 0;
        }
        many[0].ops->take(many[0].port, shown);
    }
    run();
    assert_true(a.arrived_there >= 100 && b.arrived_there >= 100);
    assert_int_equal(a.arrived_there + b.arrived_there, 640);
    end_close(&many[0]);
    run();
    end_drop(&many[0]);
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
        cmocka_unit_test(test_ready_while_it_is_so),
        cmocka_unit_test(test_full_and_writable),
        cmocka_unit_test(test_carrier),
        cmocka_unit_test(test_offloads),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_what_waits_finds_its_new_reader),
        cmocka_unit_test(test_one_reads_all_fairly),
        cmocka_unit_test(test_close_within_events),
        cmocka_unit_test(test_close_with_a_post_under_way),
        cmocka_unit_test(test_wrong_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
