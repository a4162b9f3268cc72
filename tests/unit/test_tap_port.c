/*
 * test_tap_port.c: a tap whose interface goes down, is taken away and made again, and one with many
 * pairs. In a network namespace of its own.
 */
#include "tap_rig.h"

static void test_down_and_up(void **state)
{
    struct rig *rig;
    int host;

    (void)state;
    tap_need();
    rig = tap_open("tnt5", 0);
    tap_set("tnt5", true, 0);
    RIG_UNTIL(rig, rig->changes == 1);
    host = tap_host_side("tnt5", false);

    tap_set("tnt5", false, 0); /* noticed although nothing is sent */
    assert_false(tenon_link_up(rig->link));
    RIG_UNTIL(rig, rig->changes == 2);
    assert_int_equal(tap_send(rig, 0, 3, 100), 3);
    assert_int_equal(rig->frames[2].result, -ENETDOWN);
    tap_set("tnt5", true, 0);
    RIG_UNTIL(rig, rig->changes == 3);
    assert_int_equal(tap_send(rig, 1, 1, 100), 1);
    assert_int_equal(rig->frames[0].result, 0);
    close(host); /* it has had an error of its own meanwhile */
    host = tap_host_side("tnt5", false);
    assert_int_equal(tap_send(rig, 2, 1, 100), 1);
    host_get(host, 2, 100);

    tap_set("tnt5", false, 0); /* noticed by sending, before a turn */
    assert_int_equal(tap_send(rig, 3, 2, 100), 2);
    assert_int_equal(rig->frames[0].result, -ENETDOWN);
    assert_int_equal(rig->changes, 3);
    RIG_UNTIL(rig, rig->changes == 4);
    assert_int_equal(rig_count(rig, "down"), 3); /* and as it was made */
    close(host);
    rig_free(rig);
}

static void delete_interface(const char *name)
{
    char command[64];

    snprintf(command, sizeof(command), "ip link del %s", name);
    if (system(command) != 0) {
        print_message("skipped: no ip(8) to delete an interface with\n");
        skip();
    }
}

static void test_an_interface_that_is_made_anew(void **state)
{
    struct rig *rig;
    int host, other;

    (void)state;
    tap_need();
    rig = tap_open("tnt6", 0);
    tap_set("tnt6", true, 0);
    RIG_UNTIL(rig, rig->changes == 1);
    assert_int_equal(rig->ops->recv_set(rig->port, TENON_CAN_CSUM), 0);
    rig->ops->watch(rig->port, TENON_READABLE);
    delete_interface("tnt6");
    assert_false(tenon_link_up(rig->link));
    assert_int_equal(tap_send(rig, 0, 2, 100), 2);
    assert_int_equal(rig->frames[1].result, -ENETDOWN);
    RIG_UNTIL(rig, rig->changes == 2);
    rig->ready = 0;
    rig_turns(rig);
    assert_int_equal(rig->ready, 0); /* silence, not errors without end */
    assert_int_equal(rig_recv(rig, 1, RIG_BYTES), 0);

    for (uint64_t end = tenon_now() + UINT64_C(100000000); tenon_now() < end;) {
        tenon_worker_run(rig->worker, 10); /* it has looked in vain */
    }
    other = tap_make("tnt6", IFF_TAP | IFF_NO_PI);
    assert_int_equal(ioctl(other, TUNSETPERSIST, 1), 0);
    close(other);
    tap_set("tnt6", true, 0);
    RIG_UNTIL(rig, tenon_link_up(rig->link) && rig->changes >= 3);
    host = tap_host_side("tnt6", false);
    assert_int_equal(tap_send(rig, 1, 1, 100), 1);
    assert_int_equal(rig->frames[0].result, 0);
    host_get(host, 1, 100);
    host_put(host, 2, 100);
    rig->ready = 0;
    RIG_UNTIL(rig, rig->ready != 0);
    assert_int_equal(tap_expect(rig, 2, 5, 100), 1);
    close(host);
    rig_free(rig);
    delete_interface("tnt6");
}

/*
 * Of an interface in another network namespace nobody has news: that it is down is noticed by
 * sending, and that it is up by waiting for it.
 */
static void test_in_another_namespace(void **state)
{
    struct tenon_link_info info = { .size = sizeof(info) };
    int ours, theirs, host;
    struct rig *rig;

    (void)state;
    tap_need();
    rig = tap_open("tnt8", 0);
    tap_set("tnt8", true, 0);
    RIG_UNTIL(rig, rig->changes == 1);
    host = tap_host_side("tnt8", false);
    rig->ops->close(rig->port);
    theirs = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    assert_int_equal(unshare(CLONE_NEWNET), 0);
    ours = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
    rig_reopen(rig);
    assert_true(tenon_link_up(rig->link));
    assert_int_equal(tenon_link_info(rig->link, &info), 0);
    assert_int_equal(info.mtu, 0);
    assert_int_equal(tap_send(rig, 1, 1, 100), 1);
    host_get(host, 1, 100);

    assert_int_equal(setns(theirs, CLONE_NEWNET), 0);
    tap_set("tnt8", false, 0);
    assert_int_equal(tap_send(rig, 2, 1, 100), 1);
    assert_int_equal(rig->frames[0].result, -ENETDOWN);
    RIG_UNTIL(rig, rig->changes == 2);
    assert_false(tenon_link_up(rig->link));
    tap_set("tnt8", true, 0);
    RIG_UNTIL(rig, rig->changes == 3);
    assert_true(tenon_link_up(rig->link));
    assert_int_equal(tap_send(rig, 3, 1, 100), 1);
    assert_int_equal(rig->frames[0].result, 0);
    close(ours);
    close(theirs);
    close(host);
    rig_free(rig);
}

static void test_pairs(void **state)
{
    static const struct tenon_port_events events = { .ready = rig_on_ready,
                                                     .changed = rig_on_changed };
    struct tenon_link_info info = { .size = sizeof(info) };
    struct tenon_port *first, *second = NULL, *again = NULL;
    const uint64_t end = tenon_now() + RIG_SECONDS * UINT64_C(1000000000);
    struct rig *rig;
    unsigned got = 0;
    int host;

    (void)state;
    tap_need();
    rig = tap_open("tnt7", 2);
    tap_set("tnt7", true, 0);
    assert_int_equal(tenon_link_info(rig->link, &info), 0);
    assert_int_equal(info.pairs, 2);
    first = rig->port;
    assert_int_equal(tn_port_open(rig->link, 1, rig->worker, &events, rig, &second), 0);
    assert_int_equal(tn_port_open(rig->link, 1, rig->worker, &events, rig, &again), -EBUSY);
    RIG_UNTIL(rig, rig->changes >= 1 && tenon_link_up(rig->link));
    host = tap_host_side("tnt7", false);

    rig->ops->watch(second, TENON_READABLE);
    assert_int_equal(tn_link_use_pairs(rig->link, 1), 0);
    for (unsigned i = 0; i < 50; i++) { /* all of it comes to the first pair */
        host_put(host, i, 100);
    }
    rig->port = first;
    assert_int_equal(tap_expect(rig, 0, 64, 100), 50);

    rig_turns(rig);
    assert_int_equal(rig->readable, 0);
    rig->port = second; /* which may send all the same */
    assert_int_equal(tap_send(rig, 5, 1, 100), 1);
    host_get(host, 5, 100);

    assert_int_equal(tn_link_use_pairs(rig->link, 2), 0);
    assert_int_equal(tap_send(rig, 6, 1, 100), 1);
    host_get(host, 6, 100);
    for (unsigned i = 0; i < 50; i++) { /* to either of them, and none is lost */
        host_put(host, i, 100);
    }
    while (got < 50) {
        rig->port = got % 2 == 0 ? first : second;
        got += rig_recv(rig, 1, 200);
        rig->port = got % 2 == 0 ? second : first;
        got += rig_recv(rig, 1, 200);
        assert_true(tenon_now() < end);
    }
    rig->ops->close(second);
    assert_int_equal(tn_link_use_pairs(rig->link, 1), 0);
    rig->port = first;
    close(host);
    rig_free(rig);
}

/* One frame of UDP over IPv4 of a flow, away from the guest or back to it. */
static void flow_fill(uint8_t *data, unsigned flow, bool back)
{
    static const uint8_t head[] = { 0x08, 0x00, 0x45, 0, 0, 86, 0, 0, 0, 0, 64, 17, 0, 0 };
    uint8_t *ip = data + 14, *udp = data + 34;

    tap_fill(data, flow, 100);
    memcpy(data + 12, head, sizeof(head));
    memcpy(ip + 12, (uint8_t[]){ 10, 0, 0, back ? 2 : 1, 10, 0, 0, back ? 1 : 2 }, 8);
    memcpy(udp, (uint8_t[]){ 0, back ? 7 : (uint8_t)flow, 0, back ? (uint8_t)flow : 7, 0, 66 }, 6);
}

/* What comes back of a flow comes to the pair that sent of it last: the kernel knows (NET-65). */
static void test_flows_come_back_to_their_pair_NET_65(void **state)
{
    enum { FLOWS = 16 };
    static const struct tenon_port_events events = { .ready = rig_on_ready,
                                                     .changed = rig_on_changed };
    struct tenon_port *pairs[2] = { NULL };
    uint8_t want[100];

    (void)state;
    tap_need();
    struct rig *rig = tap_open("tnt9", 2);
    tap_set("tnt9", true, 0);
    pairs[0] = rig->port;
    assert_int_equal(tn_port_open(rig->link, 1, rig->worker, &events, rig, &pairs[1]), 0);
    assert_int_equal(tn_link_use_pairs(rig->link, 2), 0);
    RIG_UNTIL(rig, rig->changes >= 1 && tenon_link_up(rig->link));
    int host = tap_host_side("tnt9", false);
    for (unsigned round = 0; round < 2; round++) { /* the second one by the other pair */
        for (unsigned flow = 0; flow < FLOWS; flow++) {
            unsigned kept;
            rig->port = pairs[(flow + round) % 2];
            rig_frame(rig, 0, 100);
            flow_fill(rig->data[0], 20 + flow, false);
            assert_int_equal(rig->ops->send(rig->port, rig->list, 1, &kept), 1);
        }
        for (unsigned flow = 0; flow < FLOWS; flow++) {
            flow_fill(want, 20 + flow, true);
            assert_int_equal(send(host, want, sizeof(want), 0), sizeof(want));
        }
        for (unsigned flow = 0; flow < FLOWS; flow++) {
            rig->port = pairs[(flow + round) % 2];
            assert_int_equal(rig_recv(rig, 1, RIG_BYTES), 1);
            flow_fill(want, 20 + flow, true);
            assert_memory_equal(rig->data[0], want, sizeof(want));
        }
    }
    rig->ops->close(pairs[1]);
    rig->port = pairs[0];
    close(host);
    rig_free(rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_down_and_up),
        cmocka_unit_test(test_an_interface_that_is_made_anew),
        cmocka_unit_test(test_in_another_namespace),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_flows_come_back_to_their_pair_NET_65),
    };

    tap_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
