/*
 * test_session.c: the life of connections: accept, hang up, close, at any moment and many times.
 */
#include "vu_rig.h"

#include "loop/loop.h"

static const struct tn_vu_header get_features = { TN_VU_GET_FEATURES, 1, 0 };

/* A thousand front-ends, each with memory, rings and descriptors of every kind (VU-79). */
static void test_vu79_thousand_connections(void **state)
{
    struct rig rig;
    int before = 0;

    (void)state;
    rig_open(&rig);
    for (int i = 0; i < 1000; i++) {
        rig_protocol(&rig);
        rig_features(&rig);
        rig_memory(&rig);
        rig_start(&rig, (uint32_t)i % FAKE_QUEUES);
        assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_CALL, 0, eventfd(0, EFD_CLOEXEC)), 0);
        assert_int_equal(rig_give_fd(&rig, TN_VU_SET_VRING_ERR, 1, eventfd(0, EFD_CLOEXEC)), 0);
        struct tn_vu_inflight ask = { .queues = 1, .queue_size = 64 };
        if (i % 2) { /* else it is an error, which is one more way to end */
            rig_state(&rig, TN_VU_SET_VRING_ENABLE, (uint32_t)i % FAKE_QUEUES, 0);
        }
        rig_send(&rig, TN_VU_GET_INFLIGHT_FD, 1, &ask, sizeof(ask), NULL, 0);
        rig_hang_up(&rig);
        assert_int_equal(rig.server->state, TN_VU_IDLE);
        assert_int_equal(rig_count_maps(), 0);
        if (i == 0) {
            before = rig_count_fds();
        } else if (i % 100 == 0) {
            assert_int_equal(rig_count_fds(), before);
        }
        rig_connect(&rig);
    }
    assert_int_equal(rig.connected, 1001);
    assert_int_equal(rig.disconnected, 1000);
    rig_close(&rig);
}

/* Byte by byte, a whole handshake (VU-01). */
static void test_vu01_a_session_in_single_bytes(void **state)
{
    struct rig rig;
    struct answer answer;

    (void)state;
    rig_open(&rig);
    for (int round = 0; round < 5; round++) {
        for (size_t i = 0; i < sizeof(get_features); i++) {
            assert_int_equal(rig_receive(&rig, &answer), 0);
            assert_true(rig_send_bytes(&rig, (const uint8_t *)&get_features + i, 1, NULL, 0));
            rig_crank(&rig);
        }
        rig_expect(&rig, TN_VU_GET_FEATURES, &answer);
    }
    rig_close(&rig);
}

/* A hundred questions in one piece, answered in order, with turns between (VU-10). */
static void test_vu10_in_order(void **state)
{
    struct rig rig;
    uint8_t bytes[100 * sizeof(get_features)];
    struct answer answer;

    (void)state;
    rig_open(&rig);
    for (unsigned i = 0; i < 100; i++) {
        struct tn_vu_header header = { i % 2 ? TN_VU_GET_FEATURES : TN_VU_GET_PROTOCOL_FEATURES, 1,
                                       0 };
        memcpy(bytes + i * sizeof(header), &header, sizeof(header));
    }
    assert_true(rig_send_bytes(&rig, bytes, sizeof(bytes), NULL, 0));
    rig_crank(&rig);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(rig_receive(&rig, &answer), 1);
        assert_int_equal(answer.header.request,
                         i % 2 ? TN_VU_GET_FEATURES : TN_VU_GET_PROTOCOL_FEATURES);
    }
    rig_close(&rig);
}

/* Hung up in the middle of a message, with a descriptor in it (VU-103). */
static void test_vu103_hang_up_in_the_middle(void **state)
{
    struct rig rig;
    const struct tn_vu_header header = { TN_VU_SET_VRING_KICK, 1, 8 };
    uint8_t bytes[32] = { 0 };

    (void)state;
    memcpy(bytes, &header, sizeof(header));
    rig_open(&rig);
    for (size_t cut = 1; cut < 20; cut++) {
        int fd = eventfd(0, EFD_CLOEXEC);
        assert_true(rig_send_bytes(&rig, bytes, cut, &fd, 1));
        close(fd);
        rig_crank(&rig);
        assert_true(rig_alive(&rig)); /* it may still come */
        rig_hang_up(&rig);
        assert_int_equal(rig.server->state, TN_VU_IDLE);
        assert_non_null(strstr(rig.detail, "middle"));
        rig_connect(&rig);
    }
    rig_close(&rig);
}

/*
 * The device has operations in the kernel's hands when the front-end goes: they are finished, not
 * dropped, and the next front-end waits in the backlog until then.
 */
static void test_next_connection_waits_for_the_drain(void **state)
{
    struct rig rig;
    struct answer answer;

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    rig.device.hold_stops = true;
    rig_hang_up(&rig);
    assert_int_equal(rig.server->state, TN_VU_ENDING);
    assert_int_equal(rig.device.quiets, 0); /* which would drop them */
    rig_connect(&rig);
    assert_true(rig_send_bytes(&rig, &get_features, sizeof(get_features), NULL, 0));
    rig_crank(&rig);
    assert_int_equal(rig_receive(&rig, &answer), 0);
    assert_int_equal(rig.connected, 1);
    fake_let_go(&rig.device); /* the stop */
    rig_crank(&rig);
    assert_int_equal(rig.connected, 1);
    assert_int_equal(rig.device.quiets, 1);
    assert_int_equal(rig_count_maps(), 1);
    fake_let_go(&rig.device); /* the reset */
    rig_crank(&rig);
    assert_int_equal(rig.connected, 2);
    rig_expect(&rig, TN_VU_GET_FEATURES, &answer);
    assert_int_equal(rig_count_maps(), 0);
    rig.device.hold_stops = false;
    rig_close(&rig);
}

/*
 * When we hang up, the front-end sees it only after the drain: then the rings are really left
 * alone.
 */
static void test_we_hang_up_after_the_drain(void **state)
{
    struct rig rig;
    struct answer answer;
    const struct tn_vu_header bad = { 1, 2, 0 };

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    rig.device.hold_stops = true;
    assert_true(rig_send_bytes(&rig, &bad, sizeof(bad), NULL, 0));
    rig_crank(&rig);
    assert_int_equal(rig.server->state, TN_VU_ENDING);
    assert_int_equal(rig_receive(&rig, &answer), 0);
    rig.device.hold_stops = false;
    fake_let_go(&rig.device);
    rig_crank(&rig);
    assert_int_equal(rig_receive(&rig, &answer), -1);
    rig_expect_end(&rig, "version");
    rig_close(&rig);
}

/* The front-end goes while it waits for an answer. */
static void test_hang_up_while_an_answer_is_owed(void **state)
{
    struct rig rig;
    const struct tn_vu_vring_state ask = { 0, 0 };

    (void)state;
    rig_ready(&rig);
    rig_start(&rig, 0);
    rig.device.hold_stops = true;
    rig_send(&rig, TN_VU_GET_VRING_BASE, 1, &ask, sizeof(ask), NULL, 0);
    rig_hang_up(&rig);
    assert_int_equal(rig.server->state, TN_VU_OPEN); /* not read, so not noticed yet */
    rig.device.hold_stops = false;
    fake_let_go(&rig.device);
    rig_crank(&rig);
    assert_int_equal(rig.server->state, TN_VU_IDLE);
    rig_close(&rig);
}

/* Closed at each stage of a connection; rig_close checks that nothing is left. */
static void test_close_at_any_moment(void **state)
{
    (void)state;
    for (int stage = 0; stage < 6; stage++) {
        struct rig rig;
        const struct tn_vu_vring_state ask = { 0, 0 };

        rig_open(&rig);
        if (stage == 0) {
            rig_hang_up(&rig); /* nobody there */
        }
        if (stage >= 2) {
            rig_protocol(&rig);
            rig_features(&rig);
            rig_memory(&rig);
            rig_start(&rig, 0);
        }
        if (stage >= 3) {
            rig.device.hold_stops = true;
            rig_send(&rig, TN_VU_GET_VRING_BASE, 1, &ask, sizeof(ask), NULL, 0);
        }
        if (stage == 4) {
            rig_hang_up(&rig);
        }
        if (stage >= 3) {
            tenon_vhost_user_close(rig.server, rig_closed, &rig);
            rig_crank(&rig);
            assert_false(rig.closed);
            rig.device.hold_stops = false;
            fake_let_go(&rig.device);
        }
        rig_close(&rig);
    }
}

static void close_in_event(void *opaque, struct tenon_vhost_user *server,
                           enum tenon_vhost_user_event event, const char *detail)
{
    struct rig *rig = opaque;

    rig_event(opaque, server, event, detail);
    if (event == TENON_VHOST_USER_DISCONNECTED) {
        tenon_vhost_user_close(server, rig_closed, rig);
    }
}

static void test_close_from_the_event(void **state)
{
    struct rig rig;

    (void)state;
    rig_ready(&rig);
    rig.server->event = close_in_event;
    rig_hang_up(&rig);
    assert_true(rig.closed);
    close(rig.ram_fd);
    tenon_worker_free(rig.worker);
    tenon_set_log(NULL, NULL);
    assert_int_equal(rig_count_fds(), rig.fds_before);
}

/* A connected socket: one front-end, and then nothing more. */
static void test_vu05_a_connected_socket(void **state)
{
    struct rig rig;
    int ends[2];
    struct answer answer;

    (void)state;
    rig_open(&rig);
    tenon_vhost_user_close(rig.server, rig_closed, &rig);
    rig_crank(&rig);
    assert_true(rig.closed);
    rig.closed = false;
    close(rig.socket);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    rig.socket = ends[1];
    struct tenon_vhost_user_opts opts = { .size = sizeof(opts),
                                          .device = &rig.device,
                                          .worker = rig.worker,
                                          .listen_fd = -1,
                                          .connected_fd = ends[0],
                                          .event = rig_event,
                                          .opaque = &rig };
    assert_int_equal(tenon_vhost_user_new(&opts, &rig.server), 0);
    rig_crank(&rig);
    rig_send(&rig, TN_VU_GET_FEATURES, 1, NULL, 0, NULL, 0);
    rig_expect(&rig, TN_VU_GET_FEATURES, &answer);
    rig_hang_up(&rig);
    assert_int_equal(rig.disconnected, 2);
    rig_close(&rig);
}

static void test_options(void **state)
{
    struct rig rig;
    struct tenon_vhost_user *server = NULL;

    (void)state;
    rig_open(&rig);
    struct tenon_vhost_user_opts opts = { .size = sizeof(opts),
                                          .device = &rig.device,
                                          .worker = rig.worker,
                                          .listen_fd = -1,
                                          .connected_fd = -1 };
    assert_int_equal(tenon_vhost_user_new(&opts, &server), -EINVAL);
    opts.listen_fd = opts.connected_fd = 0;
    assert_int_equal(tenon_vhost_user_new(&opts, &server), -EINVAL);
    opts.connected_fd = -1;
    assert_int_equal(tenon_vhost_user_new(&opts, &server), -EBUSY); /* it has a transport */
    opts.worker = NULL;
    assert_int_equal(tenon_vhost_user_new(&opts, &server), -EINVAL);
    assert_null(server);
    tenon_vhost_user_close(NULL, NULL, NULL);
    rig_close(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vu79_thousand_connections),
        cmocka_unit_test(test_vu01_a_session_in_single_bytes),
        cmocka_unit_test(test_vu10_in_order),
        cmocka_unit_test(test_vu103_hang_up_in_the_middle),
        cmocka_unit_test(test_next_connection_waits_for_the_drain),
        cmocka_unit_test(test_we_hang_up_after_the_drain),
        cmocka_unit_test(test_hang_up_while_an_answer_is_owed),
        cmocka_unit_test(test_close_at_any_moment),
        cmocka_unit_test(test_close_from_the_event),
        cmocka_unit_test(test_vu05_a_connected_socket),
        cmocka_unit_test(test_options),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
