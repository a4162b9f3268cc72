/*
 * test_dgram_peer.c: datagram links by path: peers that are not there yet, go, come back, and are
 * replaced behind our back; answers to whoever sent last; and what is refused.
 */
#include "link_rig.h"

static int bound(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static int to(int fd, const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    return connect(fd, (struct sockaddr *)&address, sizeof(address));
}

static struct rig *by_path(const char *path, const char *peer)
{
    struct tenon_dgram_opts opts = { .size = sizeof(opts), .path = path, .peer = peer };
    struct tenon_link *link = NULL;

    assert_int_equal(tenon_link_open_dgram(&opts, &link), 0);
    return rig_new(link);
}

static void put(int fd, unsigned n)
{
    uint8_t data[100];

    rig_fill(data, n, sizeof(data));
    assert_int_equal(send(fd, data, sizeof(data), 0), sizeof(data));
}

static void get(int fd, unsigned n)
{
    uint8_t data[200];

    assert_int_equal(recv(fd, data, sizeof(data), 0), 100);
    rig_check(data, n, 100);
}

static void test_a_peer_comes_goes_and_comes_back(void **state)
{
    char *ours = rig_path("ours"), *theirs = rig_path("theirs");
    struct rig *rig = by_path(ours, theirs);
    int other;

    (void)state;
    assert_false(tenon_link_up(rig->link));
    assert_int_equal(rig_send(rig, 0, 2, 100), 2);
    assert_int_equal(rig->frames[1].result, -ENETDOWN);

    other = bound(theirs);
    RIG_UNTIL(rig, tenon_link_up(rig->link) && rig->changes == 1);
    assert_int_equal(rig_send(rig, 1, 1, 100), 1);
    get(other, 1);
    assert_int_equal(to(other, ours), 0);
    put(other, 2);
    assert_int_equal(rig_expect(rig, 2, 5, 100), 1);

    close(other); /* its name stays, and nobody is there */
    assert_int_equal(rig_send(rig, 3, 3, 100), 3);
    assert_int_equal(rig->frames[0].result, -ENETDOWN);
    assert_int_equal(rig->frames[2].result, -ENETDOWN);
    RIG_UNTIL(rig, rig->changes == 2);
    assert_false(tenon_link_up(rig->link));

    other = bound(theirs);
    RIG_UNTIL(rig, tenon_link_up(rig->link));
    assert_int_equal(rig_send(rig, 4, 1, 100), 1);
    get(other, 4);

    /* One that was started anew between two frames loses none. */
    close(other);
    other = bound(theirs);
    assert_int_equal(rig_send(rig, 5, 1, 100), 1);
    assert_int_equal(rig->frames[0].result, 0);
    get(other, 5);
    assert_true(tenon_link_up(rig->link));
    close(other);
    rig_free(rig);
    assert_int_equal(access(ours, F_OK), -1); /* it was ours */
    unlink(theirs);
}

/* It listens to nobody else while it is connected; so it has to look who has the path. */
static void test_a_peer_that_is_replaced_is_heard(void **state)
{
    char *ours = rig_path("ours"), *theirs = rig_path("theirs");
    int before = bound(theirs), after;
    struct rig *rig = by_path(ours, theirs);

    (void)state;
    assert_true(tenon_link_up(rig->link));
    after = bound(theirs); /* before is still open */
    assert_int_equal(to(after, ours), -1);
    assert_int_equal(errno, EPERM);
    RIG_UNTIL(rig, to(after, ours) == 0);
    put(after, 7);
    assert_int_equal(rig_expect(rig, 7, 5, 100), 1);
    close(before);
    close(after);
    rig_free(rig);
    unlink(theirs);
}

static void test_a_peer_that_speaks_first_is_connected(void **state)
{
    char *ours = rig_path("ours"), *theirs = rig_path("theirs");
    struct rig *rig = by_path(ours, theirs);
    int other = bound(theirs);

    (void)state;
    assert_int_equal(to(other, ours), 0);
    put(other, 1);
    assert_int_equal(rig_expect(rig, 1, 5, 100), 1);
    assert_true(tenon_link_up(rig->link));
    assert_int_equal(rig_send(rig, 2, 1, 100), 1);
    get(other, 2);
    close(other);
    rig_free(rig);
    unlink(theirs);
}

static void test_whoever_sent_last_is_answered(void **state)
{
    char *ours = rig_path("ours"), *a = rig_path("a"), *b = rig_path("b");
    struct rig *rig = by_path(ours, NULL);
    int fd_a = bound(a), fd_b = bound(b), nameless = socket(AF_UNIX, SOCK_DGRAM, 0);

    (void)state;
    assert_false(tenon_link_up(rig->link)); /* nobody has sent yet */
    assert_int_equal(to(fd_a, ours), 0);
    assert_int_equal(to(fd_b, ours), 0);
    assert_int_equal(to(nameless, ours), 0);
    put(fd_a, 0);
    assert_int_equal(rig_expect(rig, 0, 64, 100), 1);
    RIG_UNTIL(rig, rig->changes == 1);
    assert_true(tenon_link_up(rig->link));
    assert_int_equal(rig_send(rig, 1, 1, 100), 1);
    get(fd_a, 1);
    put(fd_a, 2);
    put(fd_b, 3);
    assert_int_equal(rig_expect(rig, 2, 64, 100), 2);
    assert_int_equal(rig_send(rig, 4, 1, 100), 1);
    get(fd_b, 4);
    put(nameless, 5); /* cannot be answered */
    assert_int_equal(rig_expect(rig, 5, 64, 100), 1);
    assert_int_equal(rig_send(rig, 6, 1, 100), 1);
    get(fd_b, 6);
    close(fd_b);
    assert_int_equal(rig_send(rig, 7, 1, 100), 1);
    assert_int_equal(rig->frames[0].result, -ENETDOWN);
    assert_false(tenon_link_up(rig->link));
    put(fd_a, 8);
    assert_int_equal(rig_expect(rig, 8, 64, 100), 1);
    assert_true(tenon_link_up(rig->link));
    fd_b = bound(b);
    assert_int_equal(to(fd_a, b), 0); /* from now on it hears somebody else */
    assert_int_equal(rig_send(rig, 9, 2, 100), 2);
    assert_int_equal(rig->frames[1].result, -ENETDOWN);
    assert_false(tenon_link_up(rig->link));
    assert_int_equal(to(fd_b, ours), 0);
    put(fd_b, 10);
    assert_int_equal(rig_expect(rig, 10, 64, 100), 1);
    assert_true(tenon_link_up(rig->link));
    close(fd_b);
    unlink(b); /* not even its name is left */
    assert_int_equal(rig_send(rig, 11, 1, 100), 1);
    assert_int_equal(rig->frames[0].result, -ENETDOWN);
    assert_false(tenon_link_up(rig->link));
    close(fd_a);
    close(nameless);
    rig_free(rig);
    unlink(a);
    unlink(b);
}

/* A queue that is not connected to us has room for a few, and nobody tells when it has more. */
static void test_a_full_queue_of_somebody_else(void **state)
{
    char *ours = rig_path("ours"), *a = rig_path("a");
    struct rig *rig = by_path(ours, NULL);
    int fd = bound(a);
    enum { TURNS = 1000 };
    const struct sockaddr nobody = { .sa_family = AF_UNSPEC };
    unsigned sent = 0, got = 0;
    uint8_t data[200];

    (void)state;
    assert_int_equal(to(fd, ours), 0);
    put(fd, 0);
    assert_int_equal(rig_expect(rig, 0, 64, 100), 1);
    assert_int_equal(connect(fd, &nobody, sizeof(nobody)), 0); /* its queue has few places now */
    while (got < 3000) {
        sent += sent < 3000 ? rig_send(rig, sent, 40, 100) : 0;
        while (recv(fd, data, sizeof(data), MSG_DONTWAIT) == 100) {
            rig_check(data, got++, 100);
        }
        rig->ops->watch(rig->port, TENON_WRITABLE);
        rig->ready = 0;
        RIG_UNTIL(rig, rig->ready != 0);
        rig->ops->watch(rig->port, 0);
        if (sent >= 3000 && got == sent) {
            break;
        }
    }
    assert_int_equal(got, sent);

    while (rig_send(rig, sent, 40, 100) != 0) {
    }
    rig->ops->watch(rig->port, TENON_WRITABLE);
    rig->writable = 0;
    for (unsigned i = 0; i < TURNS; i++) { /* now and then, and not in each turn */
        rig->ready = 0;
        tenon_worker_run(rig->worker, 0);
        assert_true(rig->ready == 0 || rig_send(rig, sent, 1, 100) == 0);
    }
    assert_true(rig->writable < TURNS);
    close(fd);
    rig_free(rig);
    unlink(a);
}

static void refused(const struct tenon_dgram_opts *opts, int error, const char *words)
{
    struct tenon_link *link = NULL;

    assert_int_equal(tenon_link_open_dgram(opts, &link), error);
    assert_null(link);
    if (!strstr(tenon_error(), words)) {
        fail_msg("\"%s\" does not say \"%s\"", tenon_error(), words);
    }
}

static void test_what_is_refused(void **state)
{
    char *ours = rig_path("ours"), *file = rig_path("file"), *file_socket = rig_path("third");
    struct tenon_dgram_opts opts = { .size = sizeof(opts) };
    char longest[200];
    int fds[2], alone = socket(AF_UNIX, SOCK_DGRAM, 0), fd, third;

    (void)state;
    refused(&opts, -EINVAL, "needs a path");
    opts.fd = -3;
    refused(&opts, -EINVAL, "-3 is no descriptor");
    opts.fd = 999;
    refused(&opts, -EBADF, "not open");
    opts.fd = alone;
    refused(&opts, -EINVAL, "not connected");
    opts.path = ours;
    refused(&opts, -EINVAL, "leave path and peer out");
    opts.path = NULL;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    opts.fd = fds[0];
    refused(&opts, -EINVAL, "for a stream link");
    opts.fd = 0;

    memset(longest, 'x', sizeof(longest));
    longest[sizeof(longest) - 1] = '\0';
    opts.path = longest;
    refused(&opts, -EINVAL, "at most 107");
    opts.path = "";
    refused(&opts, -EINVAL, "empty");
    opts.path = "/nowhere/at/all";
    refused(&opts, -ENOENT, "directory that exists");
    fd = open(file, O_CREAT | O_WRONLY, 0600);
    opts.path = file;
    refused(&opts, -EEXIST, "no socket");
    assert_int_equal(access(file, F_OK), 0);
    close(fd);
    unlink(file);

    third = bound(file_socket);
    fd = bound(ours); /* somebody's */
    opts.path = ours;
    refused(&opts, -EADDRINUSE, "somebody serves");
    assert_int_equal(access(ours, F_OK), 0);
    assert_int_equal(to(fd, file_socket), 0); /* who is busy with somebody else is there, too */
    refused(&opts, -EADDRINUSE, "somebody serves");
    close(fd); /* and now nobody's */
    close(third);
    unlink(file_socket);
    rig_free(by_path(ours, NULL));

    opts.path = NULL, opts.peer = "/dev/null/x"; /* what can never be a socket */
    refused(&opts, -ENOTDIR, "cannot be connected to");
    close(alone);
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_peer_comes_goes_and_comes_back),
        cmocka_unit_test(test_a_peer_that_is_replaced_is_heard),
        cmocka_unit_test(test_a_peer_that_speaks_first_is_connected),
        cmocka_unit_test(test_whoever_sent_last_is_answered),
        cmocka_unit_test(test_a_full_queue_of_somebody_else),
        cmocka_unit_test(test_what_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
