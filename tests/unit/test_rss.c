/*
 * test_rss.c: hashes as Microsoft's published vectors have them, types in their order (NET-71,
 * NET-72), tags, fragments, extension headers, frames that end too soon, and the table (NET-70).
 */
#include "rss_frames.h"

#include <stdlib.h>

enum { ALL = 0x1ff };

static struct net_rss *rss_new(uint32_t types)
{
    struct net_rss *rss = calloc(1, sizeof(*rss));

    assert_non_null(rss);
    rss->types = types;
    net_rss_set_key(rss, key, sizeof(key));
    return rss;
}

static void check(uint32_t types, const struct frame *frame, uint16_t report, uint32_t expected)
{
    struct net_rss *rss = rss_new(types);
    uint32_t hash = 0x55;

    assert_int_equal(net_rss_hash(rss, frame->bytes, frame->count, &hash), report);
    assert_int_equal(hash, expected);
    free(rss);
}

static void published_vectors(void **state)
{
    struct frame frame;
    (void)state;

    for (unsigned i = 0; i < VECTORS; i++) {
        const struct vector *v = &vectors[i];
        bool four = v->family == AF_INET;
        for (unsigned tags = 0; tags <= 2; tags++) {
            make(&frame, v, TCP, tags);
            check(ALL, &frame, four ? TN_NET_HASH_REPORT_TCPV4 : TN_NET_HASH_REPORT_TCPV6,
                  v->ports);
            check(TN_NET_HASH_IPV4 | TN_NET_HASH_IPV6, &frame,
                  four ? TN_NET_HASH_REPORT_IPV4 : TN_NET_HASH_REPORT_IPV6, v->addresses);
            make(&frame, v, UDP, tags);
            check(ALL, &frame, four ? TN_NET_HASH_REPORT_UDPV4 : TN_NET_HASH_REPORT_UDPV6,
                  v->ports);
            make(&frame, v, 47, tags); /* ports of what has none */
            check(ALL, &frame, four ? TN_NET_HASH_REPORT_IPV4 : TN_NET_HASH_REPORT_IPV6,
                  v->addresses);
        }
    }
}

/* Each of 512 sets of types, with each kind of packet that has no extension headers. */
static void what_was_not_asked_for(void **state)
{
    struct frame frame;
    (void)state;

    for (uint32_t types = 0; types <= ALL; types++) {
        for (unsigned i = 0; i < VECTORS; i += FIRST_V6) {
            const struct vector *v = &vectors[i];
            unsigned shift = i == 0 ? 0 : 3;
            for (unsigned udp = 0; udp < 2; udp++) {
                make(&frame, v, udp ? UDP : TCP, 0);
                if (types >> shift & 2u << udp) {
                    check(types, &frame, (uint16_t)(shift + 2 + udp), v->ports);
                } else if (types >> shift & 1) {
                    check(types, &frame, (uint16_t)(shift + 1), v->addresses);
                } else {
                    check(types, &frame, TN_NET_HASH_REPORT_NONE, 0);
                }
            }
        }
    }
}

static void options_and_fragments_of_ipv4(void **state)
{
    const struct vector *v = &vectors[0];
    struct frame frame;
    (void)state;

    for (unsigned words = 0; words <= 10; words++) {
        begin(&frame, v, 0);
        add_ipv4(&frame, v, TCP, words, 0);
        add_ports(&frame, v);
        check(ALL, &frame, TN_NET_HASH_REPORT_TCPV4, v->ports);
        check(TN_NET_HASH_TCPV4 | TN_NET_HASH_UDPV4, &frame, TN_NET_HASH_REPORT_TCPV4, v->ports);
    }
    static const uint16_t fragments[] = { 0x2000, 0x0001, 0x1fff, 0x2010 };
    for (unsigned i = 0; i < 4; i++) {
        begin(&frame, v, 0);
        add_ipv4(&frame, v, TCP, 0, fragments[i]);
        add_ports(&frame, v);
        check(ALL, &frame, TN_NET_HASH_REPORT_IPV4, v->addresses);
        check(TN_NET_HASH_TCPV4, &frame, TN_NET_HASH_REPORT_NONE, 0);
    }
    begin(&frame, v, 0);
    add_ipv4(&frame, v, TCP, 0, 0);
    add_ports(&frame, v);
    frame.bytes[14] = 0x44; /* a header of 16 bytes: the addresses are there, ports nowhere */
    check(ALL, &frame, TN_NET_HASH_REPORT_IPV4, v->addresses);
    frame.bytes[14] = 0x65; /* another version than the frame's type says */
    check(ALL, &frame, TN_NET_HASH_REPORT_NONE, 0);
}

/* Extension headers that carry the vector's addresses; the packet's own are others. */
static void mobile(struct frame *frame, const struct vector *v, bool home, bool routed)
{
    /* padding of three bytes, of one, the option */
    uint8_t options[24] = { 43, 2, 1, 1, 0, 0, 0xc9, 16 };
    uint8_t routing[24] = { TCP, 2, 2, 1 };

    options[6] = home ? 0xc9 : 0x1e;
    inet_pton(AF_INET6, home ? v->source : "fe80::3", options + 8);
    routing[2] = routed ? 2 : 0;
    inet_pton(AF_INET6, routed ? v->target : "fe80::4", routing + 8);
    begin(frame, v, 0);
    add_ipv6(frame, home ? "fe80::1" : v->source, routed ? "fe80::2" : v->target, 60);
    add(frame, options, sizeof(options));
    add(frame, routing, sizeof(routing));
    add_ports(frame, v);
}

static void extension_headers(void **state)
{
    const struct vector *v = &vectors[FIRST_V6];
    struct frame frame;
    (void)state;

    for (unsigned which = 0; which < 4; which++) {
        mobile(&frame, v, which & 1, which & 2);
        check(ALL, &frame, TN_NET_HASH_REPORT_TCPV6_EX, v->ports);
        check(TN_NET_HASH_TCP_EX | TN_NET_HASH_TCPV6, &frame, TN_NET_HASH_REPORT_TCPV6_EX,
              v->ports);
        check(TN_NET_HASH_IP_EX | TN_NET_HASH_UDP_EX, &frame, TN_NET_HASH_REPORT_IPV6_EX,
              v->addresses);
        check(TN_NET_HASH_IP_EX | TN_NET_HASH_TCPV6, &frame, TN_NET_HASH_REPORT_IPV6_EX,
              v->addresses);
    }
    /* without types of EX they are skipped; and these are the packet's own addresses */
    mobile(&frame, v, false, false);
    check(0x3f, &frame, TN_NET_HASH_REPORT_TCPV6, v->ports);
    check(TN_NET_HASH_IPV6, &frame, TN_NET_HASH_REPORT_IPV6, v->addresses);
    check(TN_NET_HASH_UDP_EX | TN_NET_HASH_UDPV6, &frame, TN_NET_HASH_REPORT_NONE, 0);
    /* and where there are none, EX does not fit */
    make(&frame, v, TCP, 0);
    check(TN_NET_HASH_IP_EX | TN_NET_HASH_TCP_EX, &frame, TN_NET_HASH_REPORT_NONE, 0);
}

static void fragments_of_ipv6(void **state)
{
    static const struct {
        uint16_t offset;
        bool whole;
    } cases[] = { { 0, true }, { 6, true }, { 1, false }, { 8, false }, { 0xfff9, false } };
    const struct vector *v = &vectors[FIRST_V6];
    struct frame frame;
    (void)state;

    for (unsigned i = 0; i < 5; i++) {
        uint8_t fragment[8] = { UDP, 0xff }; /* what looks like its length is reserved */
        fragment[2] = (uint8_t)(cases[i].offset >> 8);
        fragment[3] = (uint8_t)cases[i].offset;
        begin(&frame, v, 0);
        add_ipv6(&frame, v->source, v->target, 44);
        add(&frame, fragment, sizeof(fragment));
        add_ports(&frame, v);
        if (cases[i].whole) {
            check(ALL, &frame, TN_NET_HASH_REPORT_UDPV6_EX, v->ports);
            check(0x3f, &frame, TN_NET_HASH_REPORT_UDPV6, v->ports);
        } else {
            check(ALL, &frame, TN_NET_HASH_REPORT_IPV6_EX, v->addresses);
            check(0x3f, &frame, TN_NET_HASH_REPORT_IPV6, v->addresses);
        }
    }
}

/* Each frame cut at every length, in memory that ends there: what is not there was not hashed. */
static void frames_that_end_too_soon(void **state)
{
    (void)state;
    for (unsigned kind = 0; kind < 4; kind++) {
        const struct vector *v = &vectors[kind == 0 ? 0 : FIRST_V6];
        struct net_rss *rss = rss_new(ALL);
        unsigned reports = 0;
        struct frame frame;

        if (kind == 3) {
            mobile(&frame, v, true, true);
        } else {
            make(&frame, v, TCP, kind);
        }
        for (uint32_t bytes = 0; bytes <= frame.count; bytes++) {
            uint8_t *cut = malloc(bytes + 1);
            uint32_t hash;
            memcpy(cut, frame.bytes, bytes);
            cut = realloc(cut, bytes ? bytes : 1);
            uint16_t report = net_rss_hash(rss, cut, bytes, &hash);
            assert_true(report != TN_NET_HASH_REPORT_NONE || hash == 0);
            reports |= 1u << report;
            free(cut);
        }
        /* nothing, then the addresses, then the ports */
        assert_int_equal(reports, kind == 0   ? 1 | 1 << 1 | 1 << 2
                                  : kind == 3 ? 1 | 1 << 7 | 1 << 8
                                              : 1 | 1 << 4 | 1 << 5);
        free(rss);
    }
}

/* Whatever the bytes are, it comes back, and does not read beyond them. */
static void bytes_that_are_no_frame(void **state)
{
    static const uint8_t next[] = { 0, 6, 17, 43, 44, 51, 60, 135 };
    struct net_rss *rss = rss_new(ALL);
    (void)state;

    srand(7);
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t bytes = (uint32_t)rand() % (NET_LOOK_BYTES + 1), hash;
        uint8_t *frame = malloc(bytes ? bytes : 1);
        for (uint32_t at = 0; at < bytes; at++) {
            frame[at] = (uint8_t)(rand() % 4 ? next[rand() % 8] : rand());
        }
        if (bytes > 20) {
            frame[12] = 0x86;
            frame[13] = 0xdd;
            frame[14] = 0x60;
        }
        net_rss_hash(rss, frame, bytes, &hash);
        free(frame);
    }
    free(rss);
}

/* One bit after another, as the definition has it. */
static uint32_t by_definition(const uint8_t *k, const uint8_t *input, unsigned bits)
{
    uint32_t hash = 0;

    for (unsigned bit = 0; bit < bits; bit++) {
        if (input[bit / 8] & 0x80 >> bit % 8) {
            for (unsigned i = 0; i < 32; i++) {
                unsigned at = bit + i;
                hash ^= (uint32_t)(k[at / 8] >> (7 - at % 8) & 1) << (31 - i);
            }
        }
    }
    return hash;
}

static void any_key(void **state)
{
    const struct vector *v = &vectors[FIRST_V6];
    struct net_rss *rss = rss_new(ALL);
    struct frame frame;
    (void)state;

    srand(9);
    for (unsigned i = 0; i < 500; i++) {
        uint8_t random[TN_NET_RSS_KEY_BYTES] = { 0 };
        unsigned bytes = i % 41;
        uint32_t hash;
        for (unsigned at = 0; at < bytes; at++) {
            random[at] = (uint8_t)rand();
        }
        net_rss_set_key(rss, random, bytes); /* a short one goes on with zeroes */
        assert_int_equal(rss->key_bytes, bytes);
        make(&frame, v, TCP, 0);
        for (unsigned at = 22; at < 58; at++) {
            frame.bytes[at] = (uint8_t)rand();
        }
        assert_int_equal(net_rss_hash(rss, frame.bytes, frame.count, &hash),
                         TN_NET_HASH_REPORT_TCPV6);
        assert_int_equal(hash, by_definition(random, frame.bytes + 22, 36 * 8));
    }
    free(rss);
}

static void where_frames_go(void **state)
{
    struct net_rss *rss = rss_new(ALL);
    (void)state;

    rss->unclassified = 9;
    rss->mask = 127;
    for (unsigned i = 0; i < 128; i++) {
        rss->table[i] = (uint16_t)(200 - i);
    }
    assert_int_equal(net_rss_queue(rss, TN_NET_HASH_REPORT_NONE, 5), 9);
    assert_int_equal(net_rss_queue(rss, TN_NET_HASH_REPORT_IPV4, 0xffffff00), 200);
    assert_int_equal(net_rss_queue(rss, TN_NET_HASH_REPORT_UDPV6_EX, 0x1234567f), 200 - 127);
    rss->mask = 0;
    assert_int_equal(net_rss_queue(rss, TN_NET_HASH_REPORT_TCPV4, 0xffffffff), 200);
    free(rss);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors),
        cmocka_unit_test(what_was_not_asked_for),
        cmocka_unit_test(options_and_fragments_of_ipv4),
        cmocka_unit_test(extension_headers),
        cmocka_unit_test(fragments_of_ipv6),
        cmocka_unit_test(frames_that_end_too_soon),
        cmocka_unit_test(bytes_that_are_no_frame),
        cmocka_unit_test(any_key),
        cmocka_unit_test(where_frames_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
