/*
 * test_pair_wires.c: which port of a side reads what the other one sends: as ports are open and may
 * receive, fairly, and with nothing left behind when a wire moves.
 */
#include "pair_rig.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_what_waits_finds_its_new_reader),
        cmocka_unit_test(test_one_reads_all_fairly),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
