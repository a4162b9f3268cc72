/*
 * test_custom_link.c: links of the embedder's own: which functions are needed, and that the
 * contract is handed through as it is.
 */
#include "fake_link.h"

static int refused(const struct tenon_link_ops *ops, const char *words)
{
    struct tenon_link *link = NULL;
    int r = tenon_link_open_custom(ops, NULL, &link);

    assert_null(link);
    assert_non_null(strstr(tenon_error(), words));
    return r;
}

static void test_each_needed_function_is_missed(void **state)
{
    struct tenon_link_ops ops;

    (void)state;
    ops = fake_ops, ops.open = NULL;
    assert_int_equal(refused(&ops, "all five"), -EINVAL);
    ops = fake_ops, ops.send = NULL;
    assert_int_equal(refused(&ops, "all five"), -EINVAL);
    ops = fake_ops, ops.watch = NULL;
    assert_int_equal(refused(&ops, "all five"), -EINVAL);
    ops = fake_ops, ops.close = NULL;
    assert_int_equal(refused(&ops, "all five"), -EINVAL);
    ops = fake_ops, ops.info = NULL;
    assert_int_equal(refused(&ops, "all five"), -EINVAL);
}

static void test_it_fills_or_lends(void **state)
{
    struct tenon_link_ops ops = fake_ops;

    (void)state;
    ops.recv = NULL;
    assert_int_equal(refused(&ops, "one of the two"), -EINVAL);
    ops.peek = fake_peek;
    assert_int_equal(refused(&ops, "one of the two"), -EINVAL);
    ops.peek = NULL, ops.take = fake_take;
    assert_int_equal(refused(&ops, "one of the two"), -EINVAL);
    ops = fake_ops;
    ops.peek = fake_peek, ops.take = fake_take;
    assert_int_equal(refused(&ops, "one of the two"), -EINVAL);
    ops.recv = NULL;
    fake_reset();
    tenon_link_close(fake_open(&ops));
}

static void test_sizes_of_other_headers(void **state)
{
    struct {
        struct tenon_link_ops ops;
        void (*later)(void);
    } newer = { .ops = fake_ops };
    struct tenon_link_ops ops = fake_ops;

    (void)state;
    fake_reset();
    ops.size = 0;
    assert_int_equal(refused(&ops, "`size`"), -EINVAL);
    newer.ops.size = sizeof(newer);
    tenon_link_close(fake_open(&newer.ops));
    newer.later = fake_later;
    assert_int_equal(refused(&newer.ops, "newer library"), -EINVAL);
    /* One that was built before there was `free`: it is never called. */
    fake_reset();
    ops.size = offsetof(struct tenon_link_ops, free);
    tenon_link_close(fake_open(&ops));
    assert_int_equal(fake.frees, 0);
}

static void test_the_contract_goes_through(void **state)
{
    struct tenon_worker *worker = NULL;
    struct tenon_frame frame = { .bytes = 60 }, *frames[1] = { &frame };
    struct tenon_port_events events = { 0 };
    struct tenon_port *port = NULL;
    struct tenon_link *link;
    unsigned kept = 0;

    (void)state;
    fake_reset();
    link = fake_open(&fake_ops);
    assert_int_equal(tenon_worker_new(NULL, &worker), 0);
    assert_int_equal(tn_port_open(link, 0, worker, &events, &frame, &port), 0);
    assert_ptr_equal(port, &fake.port);
    assert_ptr_equal(fake.worker, worker);
    assert_ptr_equal(fake.events, &events);
    assert_ptr_equal(fake.opaque, &frame);
    assert_int_equal(tn_link_ops(link)->send(port, frames, 1, &kept), 1);
    assert_int_equal(fake.sent, 1);
    tn_link_ops(link)->close(port);
    tenon_link_close(link);
    assert_int_equal(fake.frees, 1);
    tenon_worker_free(worker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_needed_function_is_missed),
        cmocka_unit_test(test_it_fills_or_lends),
        cmocka_unit_test(test_sizes_of_other_headers),
        cmocka_unit_test(test_the_contract_goes_through),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
