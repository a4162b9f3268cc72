/*
 * test_tap_open.c: opening taps that exist, or not, or not with these flags: each refusal says
 * which one. In a network namespace of its own.
 */
#include "tap_rig.h"

#include <linux/filter.h>

static void refused(const struct tenon_tap_opts *opts, int error, const char *words)
{
    struct tenon_link *link = NULL;

    int r = tenon_link_open_tap(opts, &link);

    if (r != error) {
        fail_msg("%d instead of %d, \"%s\", where \"%s\" is due", r, error, tenon_error(), words);
    }
    assert_null(link);
    if (!strstr(tenon_error(), words)) {
        fail_msg("\"%s\" does not say \"%s\"", tenon_error(), words);
    }
}

static void opens(const struct tenon_tap_opts *opts, unsigned pairs)
{
    struct tenon_link_info info = { .size = sizeof(info) };
    struct tenon_link *link = NULL;

    assert_int_equal(tenon_link_open_tap(opts, &link), 0);
    assert_int_equal(tenon_link_info(link, &info), 0);
    assert_int_equal(info.pairs, pairs);
    tenon_link_close(link);
}

static void test_words(void **state)
{
    struct tenon_tap_opts opts = { .size = sizeof(opts) };
    const int null = open("/dev/null", O_RDWR);

    (void)state;
    refused(&opts, -EINVAL, "give one of them");
    opts.name = "x", opts.fd_count = 1;
    refused(&opts, -EINVAL, "remove one of them");
    opts.name = NULL;
    refused(&opts, -EINVAL, "fds is NULL");
    opts.fds = &null;
    refused(&opts, -EINVAL, "is no tap");
    opts.fds = (const int[]){ 999 };
    refused(&opts, -EBADF, "no open descriptor");
    opts.queues = 2;
    refused(&opts, -EINVAL, "1 descriptors are not 2 queues");
    opts.fd_count = 0, opts.fds = NULL;
    opts.name = "a-name-too-long-for-one";
    refused(&opts, -EINVAL, "1 to 15 characters");
    opts.name = "";
    refused(&opts, -EINVAL, "1 to 15 characters");
    opts.name = "a/b";
    refused(&opts, -EINVAL, "no /");
    opts.name = "x", opts.queues = 257;
    refused(&opts, -EINVAL, "at most 256");
    close(null);
}

static void test_flags_of_an_interface(void **state)
{
    struct tenon_tap_opts opts = { .size = sizeof(opts), .name = "tno0" };
    int fd;

    (void)state;
    tap_need();
    fd = tap_make("tno0", IFF_TUN | IFF_NO_PI);
    assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
    refused(&opts, -EINVAL, "flag IFF_TAP does not match");
    opts.queues = 2;
    refused(&opts, -EINVAL, "flag IFF_TAP does not match");
    assert_int_equal(ioctl(fd, TUNSETPERSIST, 0), 0);
    close(fd);

    fd = tap_make("tno0", IFF_TAP | IFF_NO_PI);
    assert_int_equal(ioctl(fd, TUNSETPERSIST, 1), 0);
    refused(&opts, -EINVAL, "flag IFF_MULTI_QUEUE does not match");
    opts.queues = 1;
    refused(&opts, -EBUSY, "another program");
    close(fd);
    opens(&opts, 1);
    fd = tap_make("tno0", IFF_TAP);
    assert_int_equal(ioctl(fd, TUNSETPERSIST, 0), 0);
    close(fd);

    /* One that was made for many queues takes one, too. */
    fd = tap_make("tno0", IFF_TAP | IFF_NO_PI | IFF_MULTI_QUEUE);
    opens(&opts, 1);
    opts.queues = 3;
    opens(&opts, 3);
    close(fd);

    opts.queues = 0, opts.name = "lo";
    refused(&opts, -EINVAL, "exists and is no tap");
    opts.name = "a b";
    refused(&opts, -EINVAL, "choose another");
    opts.name = "tno%d"; /* the kernel chooses */
    opens(&opts, 1);
}

static void test_descriptors(void **state)
{
    struct tenon_tap_opts opts = { .size = sizeof(opts), .fd_count = 1 };
    const int good = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
    struct sock_fprog filter;
    int fds[2];

    (void)state;
    tap_need();
    opts.fds = fds;
    fds[0] = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
    refused(&opts, -EINVAL, "TUNSETIFF comes first");
    close(fds[0]);
    fds[0] = tap_make("tno1", IFF_TUN | IFF_NO_PI | IFF_VNET_HDR);
    refused(&opts, -EINVAL, "(tno1): flag IFF_TAP");
    close(fds[0]);
    fds[0] = tap_make("tno1", IFF_TAP | IFF_VNET_HDR);
    if (ioctl(fds[0], TUNGETFILTER, &filter) == 0) { /* as under qemu-user it does not */
        refused(&opts, -EINVAL, "flag IFF_NO_PI");
    }
    close(fds[0]);
    fds[0] = tap_make("tno1", IFF_TAP | IFF_NO_PI);
    refused(&opts, -EINVAL, "flag IFF_VNET_HDR");
    close(fds[0]);
    fds[0] = tap_make("tno1", good);
    opens(&opts, 1);
    opens(&opts, 1); /* it is still the caller's */
    opts.fd_count = 2;
    fds[1] = fds[0];
    refused(&opts, -EINVAL, "flag IFF_MULTI_QUEUE");
    close(fds[0]);
    fds[0] = tap_make("tno1", good | IFF_MULTI_QUEUE);
    fds[1] = tap_make("tno2", good | IFF_MULTI_QUEUE);
    refused(&opts, -EINVAL, "belongs to tno2");
    close(fds[1]);
    fds[1] = tap_make("tno1", good | IFF_MULTI_QUEUE);
    opens(&opts, 2);
    close(fds[0]);
    close(fds[1]);
}

/* A port is told by name whose it is. */
static void test_name(void **state)
{
    struct tenon_tap_opts opts = { .size = sizeof(opts), .fd_count = 1 };
    struct tenon_link *link = NULL;
    int fd;

    (void)state;
    tap_need();
    fd = tap_make("tno3", IFF_TAP | IFF_NO_PI | IFF_VNET_HDR);
    opts.fds = &fd;
    assert_int_equal(tenon_link_open_tap(&opts, &link), 0);
    assert_string_equal(tenon_link_name(link), "tap tno3");
    tenon_link_close(link);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_flags_of_an_interface),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_name),
    };

    tap_enter();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
