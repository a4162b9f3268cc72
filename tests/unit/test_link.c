/*
 * test_link.c: the handle of a link: what it says of itself is checked, it lives as long as anybody
 * has it, and what a link does not do is filled in.
 */
#include "fake_link.h"

static void refused(const struct tenon_link_info *info, const char *words)
{
    struct tenon_link *link = NULL;

    fake_reset();
    fake.info = *info;
    assert_int_equal(tn_link_make(&fake_ops, &fake, "link of glass", &link), -EINVAL);
    assert_null(link);
    assert_non_null(strstr(tenon_error(), "link of glass"));
    assert_non_null(strstr(tenon_error(), words));
    assert_int_equal(fake.frees, 0); /* it is still the caller's */
}

static void test_what_makes_no_sense_is_refused(void **state)
{
    (void)state;
    refused(&(struct tenon_link_info){ .pairs = 32769 }, "32769 pairs");
    refused(&(struct tenon_link_info){ .frame_bytes = 13 }, "13 bytes");
    refused(&(struct tenon_link_info){ .mtu = 67 }, "MTU of 67");
    refused(&(struct tenon_link_info){ .send_can = 64 | TENON_CAN_CSUM }, "0x41");
    refused(&(struct tenon_link_info){ .send_can = TENON_CAN_TSO4 }, "need CSUM");
    refused(&(struct tenon_link_info){ .recv_can = TENON_CAN_USO6 }, "need CSUM");
    refused(
        &(struct tenon_link_info){ .recv_can = TENON_CAN_CSUM | TENON_CAN_USO4 | TENON_CAN_ECN },
        "ECN needs TSO");
}

static void test_a_link_that_does_not_know_itself(void **state)
{
    struct tenon_link *link = NULL;

    (void)state;
    fake_reset();
    fake.info_result = -EIO;
    assert_int_equal(tn_link_make(&fake_ops, &fake, "link", &link), -EIO);
    assert_non_null(strstr(tenon_error(), "cannot be found out"));
    fake.info_result = 5; /* which means nothing */
    assert_int_equal(tn_link_make(&fake_ops, &fake, "link", &link), -EIO);
    assert_null(link);
}

static void test_zero_means_the_default(void **state)
{
    struct tenon_link_info info = { .size = sizeof(info) };
    struct tenon_link *link;

    (void)state;
    fake_reset();
    link = fake_open(&fake_ops);
    assert_int_equal(tenon_link_info(link, &info), 0);
    assert_int_equal(info.pairs, 1);
    assert_int_equal(info.recv_batch, 1);
    assert_int_equal(info.frame_bytes, TENON_FRAME_BYTES_MAX);
    fake.info.frame_bytes = 1000000; /* longer than frames are */
    fake.info.mtu = 9000;            /* has changed meanwhile */
    assert_int_equal(tenon_link_info(link, &info), 0);
    assert_int_equal(info.frame_bytes, TENON_FRAME_BYTES_MAX);
    assert_int_equal(info.mtu, 9000);
    tenon_link_close(link);
}

static void test_info_for_other_headers(void **state)
{
    struct tenon_link_info info = { .size = 0 };
    struct tenon_link *link;

    (void)state;
    fake_reset();
    fake.info.send_can = TENON_CAN_CSUM;
    link = fake_open(&fake_ops);
    assert_int_equal(tenon_link_info(link, &info), -EINVAL);
    info.size = offsetof(struct tenon_link_info, recv_can);
    info.recv_can = 12345;
    assert_int_equal(tenon_link_info(link, &info), 0);
    assert_int_equal(info.size, offsetof(struct tenon_link_info, recv_can));
    assert_int_equal(info.send_can, TENON_CAN_CSUM);
    assert_int_equal(info.recv_can, 12345); /* behind the caller's struct */
    tenon_link_close(link);
}

static void test_the_last_user_closes(void **state)
{
    struct tenon_link *link;

    (void)state;
    fake_reset();
    link = fake_open(&fake_ops);
    assert_ptr_equal(tenon_link_get(link), link);
    tenon_link_close(link);
    assert_int_equal(fake.frees, 0);
    assert_string_equal(tenon_link_name(link), "custom link");
    tenon_link_close(link);
    assert_int_equal(fake.frees, 1);
    tenon_link_close(NULL);
}

static void test_carrier(void **state)
{
    struct tenon_link_ops ops = fake_ops;
    struct tenon_link *link;

    (void)state;
    fake_reset();
    link = fake_open(&fake_ops);
    assert_true(tenon_link_up(link));
    fake.info.down = true;
    assert_false(tenon_link_up(link));
    tenon_link_close(link);

    ops.up = fake_up; /* knows better than info */
    link = fake_open(&ops);
    assert_false(tenon_link_up(link));
    fake.is_up = true;
    assert_true(tenon_link_up(link));
    tenon_link_close(link);
}

static void keep_stat(void *opaque, const char *name, uint64_t value)
{
    assert_string_equal(name, "troubles");
    *(uint64_t *)opaque += value;
}

static void test_stats(void **state)
{
    struct tenon_link_ops ops = fake_ops;
    struct tenon_link *link;
    uint64_t sum = 0;

    (void)state;
    fake_reset();
    link = fake_open(&ops);
    tenon_link_stats(link, keep_stat, &sum);
    assert_int_equal(sum, 0);
    tenon_link_close(link);
    ops.stats = fake_stats;
    link = fake_open(&ops);
    tenon_link_stats(link, keep_stat, &sum);
    assert_int_equal(sum, 7);
    tenon_link_close(link);
}

static void test_ports(void **state)
{
    struct tenon_port_events events = { 0 };
    struct tenon_port *port = NULL;
    struct tenon_link *link;

    (void)state;
    fake_reset();
    fake.info.pairs = 4;
    link = fake_open(&fake_ops);
    assert_int_equal(tn_port_open(link, 4, NULL, &events, NULL, &port), -EINVAL);
    assert_non_null(strstr(tenon_error(), "has 4 queue pairs"));
    assert_int_equal(tn_port_open(link, 3, NULL, &events, NULL, &port), 0);
    fake.open_result = -EBUSY;
    assert_int_equal(tn_port_open(link, 3, NULL, &events, NULL, &port), -EBUSY);
    assert_non_null(strstr(tenon_error(), "in use"));
    fake.open_result = 1;
    assert_int_equal(tn_port_open(link, 3, NULL, &events, NULL, &port), -EIO);
    assert_non_null(strstr(tenon_error(), "pair 3 cannot be opened"));
    tenon_link_close(link);
}

static void test_pairs_in_use(void **state)
{
    struct tenon_link_ops ops = fake_ops;
    struct tenon_link *link;

    (void)state;
    fake_reset();
    fake.info.pairs = 4;
    link = fake_open(&ops);
    assert_int_equal(tn_link_use_pairs(link, 4), 0); /* nothing to do */
    assert_int_equal(tn_link_use_pairs(link, 5), -EINVAL);
    tenon_link_close(link);
    ops.use_pairs = fake_use_pairs;
    link = fake_open(&ops);
    assert_int_equal(tn_link_use_pairs(link, 0), -EINVAL);
    assert_int_equal(tn_link_use_pairs(link, 5), -EINVAL);
    assert_int_equal(fake.pairs_used, 0);
    assert_int_equal(tn_link_use_pairs(link, 2), 0);
    assert_int_equal(fake.pairs_used, 2);
    tenon_link_close(link);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_makes_no_sense_is_refused),
        cmocka_unit_test(test_a_link_that_does_not_know_itself),
        cmocka_unit_test(test_zero_means_the_default),
        cmocka_unit_test(test_info_for_other_headers),
        cmocka_unit_test(test_the_last_user_closes),
        cmocka_unit_test(test_carrier),
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_pairs_in_use),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
