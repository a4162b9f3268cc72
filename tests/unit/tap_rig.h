/*
 * tap_rig.h: a network namespace of the test's own, taps in it, and a packet socket as the host's
 * side of one. Where that is not permitted the tests are skipped, with the reason.
 */
#ifndef TESTS_UNIT_TAP_RIG_H
#define TESTS_UNIT_TAP_RIG_H

#include "link_rig.h"

#include <linux/if_packet.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>

enum { TAP_TYPE = 0x88b5 }; /* the Ethernet type for experiments: nobody else's frames */

static const char *tap_missing; /* why there is none */

static inline void tap_enter(void)
{
    static char text[128];
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC), quiet;

    if (fd < 0) {
        snprintf(text, sizeof(text), "/dev/net/tun: %s", strerror(errno));
    } else if (unshare(CLONE_NEWNET) != 0 && unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) {
        snprintf(text, sizeof(text), "a network namespace: %s", strerror(errno));
    } else {
        struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

        if (ioctl(fd, TUNSETIFF, &ifr) != 0) {
            snprintf(text, sizeof(text), "a tap: %s", strerror(errno));
        }
    }
    if (fd >= 0) {
        close(fd);
    }
    tap_missing = text[0] != '\0' ? text : NULL;
    quiet = open("/proc/sys/net/ipv6/conf/default/disable_ipv6", O_WRONLY | O_CLOEXEC);
    if (quiet >= 0 && !tap_missing) {
        assert_int_equal(write(quiet, "1", 1), 1);
    }
    if (quiet >= 0) {
        close(quiet);
    }
}

static inline void tap_need(void)
{
    if (tap_missing) {
        print_message("skipped: %s\n", tap_missing);
        skip();
    }
}

/* A descriptor of an interface that is made with these flags; -errno. */
static inline int tap_make(const char *name, int flags)
{
    struct ifreq ifr = { .ifr_flags = (short)flags };
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), error;

    assert_true(fd >= 0);
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    if (ioctl(fd, TUNSETIFF, &ifr) != 0) {
        error = errno;
        close(fd);
        return -error;
    }
    return fd;
}

static inline void tap_set(const char *name, bool up, int mtu)
{
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct ifreq ifr = { 0 };

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    if (mtu != 0) {
        ifr.ifr_mtu = mtu;
        assert_int_equal(ioctl(fd, SIOCSIFMTU, &ifr), 0);
    }
    assert_int_equal(ioctl(fd, SIOCGIFFLAGS, &ifr), 0);
    ifr.ifr_flags = (short)(up ? ifr.ifr_flags | IFF_UP : ifr.ifr_flags & ~IFF_UP);
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &ifr), 0);
    close(fd);
}

/* The host's side. `vnet`: with a header of 10 bytes in front of each frame. */
static inline int tap_host_side(const char *name, bool vnet)
{
    struct sockaddr_ll address = { .sll_family = AF_PACKET,
                                   .sll_protocol = __builtin_bswap16(0x0003),
                                   .sll_ifindex = (int)if_nametoindex(name) };
    int fd, on = 1, bytes = 4 << 20;

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    address.sll_protocol = 0x0003;
#endif
    fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, address.sll_protocol);
    assert_true(fd >= 0);
    if (vnet) {
        need(setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) == 0,
             "this kernel's packet sockets know no offloads");
    }
    setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on));
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

/* Frame n: addresses, our type, and bytes that say which it is. */
static inline void tap_fill(uint8_t *data, unsigned n, size_t bytes)
{
    rig_fill(data, n, bytes);
    memset(data, 0xff, 6);
    memcpy(data + 6, "\2tenon", 6);
    data[12] = TAP_TYPE >> 8, data[13] = TAP_TYPE & 0xff;
}

static inline void tap_check(const uint8_t *data, unsigned n, size_t bytes)
{
    static uint8_t expected[RIG_BYTES];

    tap_fill(expected, n, bytes);
    assert_memory_equal(data, expected, bytes);
}

/* ---- a link over one ---- */

static inline struct rig *tap_open(const char *name, unsigned queues)
{
    struct tenon_tap_opts opts = { .size = sizeof(opts), .name = name, .queues = queues };
    struct tenon_link *link = NULL;

    assert_int_equal(tenon_link_open_tap(&opts, &link), 0);
    return rig_new(link);
}

static inline unsigned tap_send(struct rig *rig, unsigned from, unsigned count, size_t bytes)
{
    unsigned kept = 12345, taken;

    for (unsigned i = 0; i < count; i++) {
        rig_frame(rig, i, bytes);
        tap_fill(rig->data[i], from + i, bytes);
    }
    taken = rig->ops->send(rig->port, rig->list, count, &kept);
    assert_int_equal(kept, taken);
    return taken;
}

static inline void host_put(int fd, unsigned n, size_t bytes)
{
    static uint8_t data[RIG_BYTES];

    tap_fill(data, n, bytes);
    assert_int_equal(send(fd, data, bytes, 0), bytes);
}

/* The next frame of ours that the host gets. */
static inline void host_get(int fd, unsigned n, size_t bytes)
{
    static uint8_t data[RIG_BYTES + 100];
    struct pollfd poller = { .fd = fd, .events = POLLIN };

    do {
        assert_int_equal(poll(&poller, 1, RIG_SECONDS * 1000), 1);
        assert_int_equal(recv(fd, data, sizeof(data), 0), bytes);
    } while (data[12] != TAP_TYPE >> 8 || data[13] != (TAP_TYPE & 0xff));
    tap_check(data, n, bytes);
}

static inline unsigned tap_expect(struct rig *rig, unsigned from, unsigned count, size_t bytes)
{
    unsigned n = rig_recv(rig, count, RIG_BYTES);

    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(rig->frames[i].result, 0);
        assert_int_equal(rig->frames[i].bytes, bytes);
        assert_int_equal(rig->frames[i].offload.gso, 0);
        tap_check(rig->data[i], from + i, bytes);
    }
    return n;
}

#endif
