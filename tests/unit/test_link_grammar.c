/*
 * test_link_grammar.c: what --link may say: each key reaches its link, and each wrong word is
 * named, with the one that was meant.
 */
#include "link_rig.h"

static void refused(const char *spec, const char *words)
{
    struct tenon_link *link = NULL;
    int r = tenon_link_open(spec, &link);

    if (r != -EINVAL || link || !strstr(tenon_error(), words)) {
        fail_msg("%s: %d, \"%s\", where \"%s\" is due", spec, r, tenon_error(), words);
    }
}

static struct tenon_link *opened(const char *spec)
{
    struct tenon_link *link = NULL;

    if (tenon_link_open(spec, &link) != 0) {
        fail_msg("%s: %s", spec, tenon_error());
    }
    assert_non_null(link);
    return link;
}

static void test_kinds(void **state)
{
    (void)state;
    refused("", "there is no link \"\"; take tap, dgram or stream");
    refused("tab", "did you mean \"tap\"?");
    refused("datagram,path=/tmp/x", "there is no link \"datagram\"");
    refused("strem,path=/tmp/x", "did you mean \"stream\"?");
    refused("path=/tmp/x", "comes before the kind");
    refused("vde,sock=/tmp/x", "take tap, dgram or stream");
    refused("tap", "tap: it needs");
    refused("dgram", "dgram: it needs");
    refused("stream", "stream: it needs");
    refused("dgram,", "dgram: it needs");
    refused("an-endless-word-that-is-no-kind-of-link-at-all-whatever-one-may-think", "an-endless");
}

static void test_keys(void **state)
{
    (void)state;
    refused("tap,nam=tap0", "a tap link has no key \"nam\"; did you mean \"name\"?");
    refused("tap,peer=x", "a tap link has no key \"peer\"");
    refused("tap,xyzzy=x", "its keys are name, fd, queues, capture");
    refused("dgram,listen=on", "a dgram link has no key");
    refused("dgram,pear=x", "did you mean \"peer\"?");
    refused("dgram,xyzzy=x", "its keys are fd, path, peer, capture");
    refused("stream,peer=x", "a stream link has no key");
    refused("stream,lisen=on", "did you mean \"listen\"?");
    refused("stream,xyzzy=x", "its keys are fd, path, listen, capture");
    refused("dgram,path=/tmp/x,path=/tmp/y", "path is given twice");
    refused("dgram,path", "has no value");
    refused("dgram,,path=x", "empty");
    refused("dgram,path=x,", "ends in a comma");
}

static void test_values(void **state)
{
    (void)state;
    refused("tap,name=", "name= is empty");
    refused("stream,path=", "path= is empty");
    refused("dgram,peer=", "peer= is empty");
    refused("dgram,fd=7,capture=", "capture= is empty");
    refused("tap,fd=x", "\"x\" is no size");
    refused("tap,fd=0", "fd=0 is not possible");
    refused("tap,fd=3:", "is not possible");
    refused("tap,fd=3::4", "is not possible");
    refused("tap,fd=99999999999", "fd=99999999999 is not possible");
    refused("stream,fd=3:4", "at most 1");
    refused("tap,name=x,queues=0", "queues=0 is not possible");
    refused("tap,name=x,queues=257", "1 to 256");
    refused("tap,fd=3,queues=2", "1 descriptors are not 2 queues");
    refused("tap,fd=3,name=x", "remove one of them");
    refused("stream,path=/tmp/x,listen=perhaps", "listen=on or listen=off");
    refused("stream,fd=3,listen=on", "listen means nothing");
}

static void test_it_opens(void **state)
{
    char spec[400], *a = rig_path("a,b"), *peer = rig_path("peer"), *file = rig_path("pcap");
    struct tenon_link *link;
    struct stat found;
    int fds[2];

    (void)state;
    snprintf(spec, sizeof(spec), "dgram,path=/tmp/tenon-link-%d-a,,b,peer=%s", (int)getpid(), peer);
    link = opened(spec);
    assert_int_equal(stat(a, &found), 0);
    assert_true(S_ISSOCK(found.st_mode));
    assert_false(tenon_link_up(link)); /* the peer is not there */
    tenon_link_close(link);
    assert_int_equal(stat(a, &found), -1);

    snprintf(spec, sizeof(spec), "stream,path=%s,listen=on", peer);
    link = opened(spec);
    assert_int_equal(stat(peer, &found), 0);
    tenon_link_close(link);
    snprintf(spec, sizeof(spec), "stream,listen=off,path=%s", peer);
    tenon_link_close(opened(spec));
    assert_int_equal(stat(peer, &found), -1);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    snprintf(spec, sizeof(spec), "stream,fd=%d,capture=%s", fds[0], file);
    link = opened(spec);
    assert_true(tenon_link_up(link));
    assert_int_equal(stat(file, &found), 0);
    tenon_link_close(link);
    snprintf(spec, sizeof(spec), "stream,fd=%d,capture=/nowhere/at/all", fds[0]);
    link = NULL;
    assert_true(tenon_link_open(spec, &link) < 0); /* and nothing is left behind */
    assert_null(link);
    close(fds[0]);
    assert_int_equal(read(fds[1], spec, 1), 0);
    close(fds[1]);
    unlink(file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_it_opens),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
