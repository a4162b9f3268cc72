/*
 * test_stream_open.c: stream links by path: peers that are not there yet, go in the middle of a
 * frame, and come back, on either side of the socket; and what is refused.
 */
#include "link_rig.h"

static struct rig *by_path(const char *path, bool listens)
{
    struct tenon_stream_opts opts = { .size = sizeof(opts), .path = path, .listen = listens };
    struct tenon_link *link = NULL;

    assert_int_equal(tenon_link_open_stream(&opts, &link), 0);
    return rig_new(link);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return address;
}

static int listening(const char *path)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 5), 0);
    return fd;
}

static int connected(const char *path)
{
    struct sockaddr_un address = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void put(int fd, unsigned n)
{
    uint8_t data[104] = { 0, 0, 0, 100 };

    rig_fill(data + 4, n, 100);
    assert_int_equal(send(fd, data, sizeof(data), MSG_NOSIGNAL), sizeof(data));
}

static void get(int fd, unsigned n)
{
    const struct timeval limit = { .tv_sec = RIG_SECONDS };
    uint8_t data[104];

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    assert_int_equal(fcntl(fd, F_SETFL, 0), 0);
    assert_int_equal(recv(fd, data, sizeof(data), MSG_WAITALL), sizeof(data));
    assert_int_equal(data[3], 100);
    rig_check(data + 4, n, 100);
}

static void test_it_connects_again_and_again(void **state)
{
    char *path = rig_path("server");
    struct rig *rig = by_path(path, false);
    int server, peer = -1;

    (void)state;
    assert_false(tenon_link_up(rig->link));
    assert_int_equal(rig_send(rig, 0, 2, 100), 2);
    assert_int_equal(rig->frames[1].result, -ENETDOWN);
    rig->ops->watch(rig->port, TENON_READABLE);
    for (unsigned round = 1; round < 4; round++) {
        server = listening(path);
        RIG_UNTIL(rig, (peer = accept(server, NULL, NULL)) >= 0);
        assert_true(tenon_link_up(rig->link));
        RIG_UNTIL(rig, rig->changes == 2 * round - 1);
        assert_int_equal(rig_send(rig, round, 1, 100), 1);
        get(peer, round);
        put(peer, round);
        /* Half a frame, and the peer is gone: what was whole is delivered. */
        assert_int_equal(send(peer, "\0\0\0\100abcdef", 10, 0), 10);
        close(peer);
        close(server);
        rig->readable = 0;
        RIG_UNTIL(rig, rig->readable != 0);
        assert_int_equal(rig_expect(rig, round, 5, 100), 1);
        RIG_UNTIL(rig, rig_recv(rig, 1, RIG_BYTES) == 0 && !tenon_link_up(rig->link));
        assert_int_equal(rig_count(rig, "frames_cut"), round);
        RIG_UNTIL(rig, rig->changes == 2 * round);
    }
    assert_int_equal(rig_count(rig, "peers_lost"), 3);
    rig_free(rig);
    unlink(path);
}

/* Seen first by a write: what the peer had sent is not lost, half a frame of ours goes nowhere. */
static void test_a_peer_that_has_gone_is_noticed_by_sending(void **state)
{
    char *path = rig_path("server");
    int server = listening(path), peer = -1;
    struct rig *rig = by_path(path, false);
    struct tenon_frame *shown[5];

    (void)state;
    assert_true(tenon_link_up(rig->link));
    peer = accept(server, NULL, NULL);
    put(peer, 1);
    assert_int_equal(rig->ops->peek(rig->port, shown, 5), 1); /* which stays where it is */
    put(peer, 2);
    assert_int_equal(send(peer, "\0\0\0\1x", 5, 0), 5);
    put(peer, 3);
    while (rig_send(rig, 0, 64, 60000) == 64) { /* until a frame is begun, and not at its end */
    }
    close(peer);
    RIG_UNTIL(rig, rig_send(rig, 5, 3, 100) == 3);
    assert_int_equal(rig->frames[2].result, -ENETDOWN);
    rig_check(shown[0]->iov[0].iov_base, 1, 100);
    assert_int_equal(rig_expect(rig, 1, 5, 100), 3);
    assert_int_equal(rig_count(rig, "too_short"), 1);
    RIG_UNTIL(rig, (peer = accept(server, NULL, NULL)) >= 0);
    RIG_UNTIL(rig, tenon_link_up(rig->link));
    assert_int_equal(rig_send(rig, 6, 1, 100), 1);
    get(peer, 6); /* from a frame's beginning on */
    put(peer, 7);
    assert_int_equal(rig_expect(rig, 7, 5, 100), 1);
    close(peer);
    close(server);
    rig_free(rig);
    unlink(path);
}

static void test_it_listens_for_one_at_a_time(void **state)
{
    char *path = rig_path("ours");
    struct rig *rig = by_path(path, true);
    int first, second;

    (void)state;
    assert_false(tenon_link_up(rig->link));
    first = connected(path);
    second = connected(path);
    put(first, 1);
    put(second, 2);
    rig->ops->watch(rig->port, TENON_READABLE);
    RIG_UNTIL(rig, tenon_link_up(rig->link) && rig->readable != 0);
    assert_int_equal(rig_expect(rig, 1, 5, 100), 1);
    rig->readable = 0;
    rig_turns(rig);
    assert_int_equal(rig->readable, 0); /* the second one waits */
    assert_int_equal(rig_send(rig, 3, 1, 100), 1);
    get(first, 3);
    close(first);
    RIG_UNTIL(rig, rig_expect(rig, 2, 1, 100) == 1);
    assert_true(tenon_link_up(rig->link));
    assert_int_equal(rig_send(rig, 4, 1, 100), 1);
    get(second, 4);
    assert_int_equal(rig_count(rig, "connects"), 2);
    close(second);
    rig_free(rig);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_a_port_that_is_closed_meanwhile(void **state)
{
    char *path = rig_path("server");
    struct rig *rig = by_path(path, false);
    int server, peer = -1;

    (void)state;
    rig->ops->close(rig->port);
    server = listening(path);
    rig_turns(rig);
    rig_reopen(rig);
    RIG_UNTIL(rig, (peer = accept(server, NULL, NULL)) >= 0);
    put(peer, 1);
    close(peer);
    rig->ops->close(rig->port);
    rig_reopen(rig);
    assert_int_equal(rig_expect(rig, 1, 5, 100), 1);
    RIG_UNTIL(rig, rig_recv(rig, 1, RIG_BYTES) == 0 && !tenon_link_up(rig->link));
    rig->ops->close(rig->port); /* with a retry and a change pending */
    rig_reopen(rig);
    RIG_UNTIL(rig, (peer = accept(server, NULL, NULL)) >= 0);
    close(peer);
    close(server);
    rig_free(rig);
    unlink(path);
}

static void refused(const struct tenon_stream_opts *opts, int error, const char *words)
{
    struct tenon_link *link = NULL;

    assert_int_equal(tenon_link_open_stream(opts, &link), error);
    assert_null(link);
    if (!strstr(tenon_error(), words)) {
        fail_msg("\"%s\" does not say \"%s\"", tenon_error(), words);
    }
}

static void test_what_is_refused(void **state)
{
    char *path = rig_path("ours");
    struct tenon_stream_opts opts = { .size = sizeof(opts) };
    int server = listening(path), fds[2];

    (void)state;
    refused(&opts, -EINVAL, "give one of them");
    opts.fd = -1;
    refused(&opts, -EINVAL, "-1 is no descriptor");
    opts.fd = server;
    refused(&opts, -EINVAL, "listens");
    opts.path = path;
    refused(&opts, -EINVAL, "remove one of them");
    opts.path = NULL, opts.listen = true;
    refused(&opts, -EINVAL, "listen means nothing");
    opts.listen = false, opts.fd = 999;
    refused(&opts, -EBADF, "not open");
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    opts.fd = fds[0];
    refused(&opts, -EINVAL, "for a dgram link");
    opts.fd = 0, opts.path = "/dev/null/x";
    refused(&opts, -ENOTDIR, "cannot be connected to");
    opts.path = path, opts.listen = true;
    refused(&opts, -EADDRINUSE, "somebody serves");
    close(server);
    rig_free(by_path(path, true)); /* stale: replaced */
    opts.path = "/nowhere/at/all";
    refused(&opts, -ENOENT, "directory that exists");
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_connects_again_and_again),
        cmocka_unit_test(test_a_peer_that_has_gone_is_noticed_by_sending),
        cmocka_unit_test(test_it_listens_for_one_at_a_time),
        cmocka_unit_test(test_a_port_that_is_closed_meanwhile),
        cmocka_unit_test(test_what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
