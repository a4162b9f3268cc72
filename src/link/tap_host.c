/*
 * tap_host.c: see tap_host.h: opening, ioctls, and why the kernel says no.
 *
 * Its EINVAL has many reasons. The flags that an interface was made with are what users stumble
 * over, so the one that does not match is found out, by asking with others, and named.
 */
#include "link/tap_host.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "link/link.h"

#ifndef TUN_F_USO4 /* Linux 6.2 */
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif

static const char device[] = "/dev/net/tun";

/* ---- flags ---- */

static struct ifreq request(const char *name, bool multi)
{
    struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI | IFF_VNET_HDR |
                                              (multi ? IFF_MULTI_QUEUE : 0)) };

    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    return ifr;
}

/* Whether the kernel refuses the interface for other reasons than these flags, or not at all. */
static bool would_match(const char *name, int flags)
{
    struct ifreq ifr = { .ifr_flags = (short)(flags | IFF_NO_PI | IFF_VNET_HDR) };
    int fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    bool match;

    if (fd < 0) {
        return false;
    }
    snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
    match = ioctl(fd, TUNSETIFF, &ifr) == 0 || errno != EINVAL;
    close(fd);
    return match;
}

static int wrong_interface(const char *name, bool multi)
{
    if (if_nametoindex(name) == 0) {
        return tn_error(-EINVAL, "tap %s: no interface can be made of this name; choose another",
                        name);
    }
    if (multi && would_match(name, IFF_TAP)) {
        return tn_error(-EINVAL,
                        "tap %s: flag IFF_MULTI_QUEUE does not match: the interface was made for "
                        "one queue; make it with: ip tuntap add dev %s mode tap multi_queue, or "
                        "ask for one queue",
                        name, name);
    }
    if (would_match(name, IFF_TUN) || would_match(name, IFF_TUN | IFF_MULTI_QUEUE)) {
        return tn_error(-EINVAL,
                        "tap %s: flag IFF_TAP does not match: the interface is a tun, without "
                        "Ethernet; make it with: ip tuntap add dev %s mode tap",
                        name, name);
    }
    return tn_error(-EINVAL, "tap %s: this interface exists and is no tap; choose another name",
                    name);
}

static int explain(const char *name, bool multi, int error)
{
    switch (error) {
    case EINVAL:
    case ENODEV:
        return wrong_interface(name, multi);
    case EPERM:
        return tn_error(-EPERM,
                        "tap %s: not permitted: to make an interface takes CAP_NET_ADMIN; or let "
                        "an administrator make it for this user: ip tuntap add dev %s mode tap "
                        "user NAME",
                        name, name);
    case EBUSY:
        return tn_error(-EBUSY,
                        "tap %s: another program has it open; stop that one, or use "
                        "another interface",
                        name);
    case E2BIG:
        return tn_error(-E2BIG, "tap %s: the kernel has no more queues for it; ask for fewer",
                        name);
    default:
        return tn_error(-error, "tap %s: it cannot be opened: %s", name, strerror(error));
    }
}

/* ---- opening ---- */

/* An interface that was made for many queues takes one, too, but it has to be asked as for many. */
static int set_interface(int fd, const char *name, bool multi, struct ifreq *ifr)
{
    *ifr = request(name, multi);
    if (ioctl(fd, TUNSETIFF, ifr) == 0) {
        return 0;
    }
    if (errno == EINVAL && !multi && if_nametoindex(name) != 0) {
        *ifr = request(name, true);
        return ioctl(fd, TUNSETIFF, ifr) == 0 ? 0 : -errno;
    }
    return -errno;
}

int tn_tap_attach(int fd, const char *name, bool multi)
{
    struct ifreq ifr;

    return set_interface(fd, name, multi, &ifr);
}

int tn_tap_open(char name[TN_TAP_NAME_BYTES], bool multi)
{
    struct ifreq ifr;
    int fd = open(device, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    int r;

    if (fd < 0) {
        return tn_error(-errno, "tap %s: %s cannot be opened: %s; %s", name, device,
                        strerror(errno),
                        errno == ENOENT ? "load the kernel's module: modprobe tun"
                                        : "let this user read and write it");
    }
    r = set_interface(fd, name, multi, &ifr);
    if (r != 0) {
        r = explain(name, multi, -r);
        close(fd);
        return r;
    }
    memcpy(name, ifr.ifr_name, TN_TAP_NAME_BYTES - 1);
    return fd;
}

/*
 * The kernel says in the same bit that a queue has no filter (IFF_NOFILTER), so it tells the truth
 * only of a queue that has one: for a moment, one that lets everything through.
 */
static void find_no_pi(int fd, struct ifreq *ifr)
{
    struct sock_filter all = { .code = BPF_RET | BPF_K, .k = UINT32_MAX };
    struct sock_fprog filter = { .len = 0 };

    if ((ifr->ifr_flags & IFF_NO_PI) == 0 || (ifr->ifr_flags & IFF_TAP) == 0 ||
        ioctl(fd, TUNGETFILTER, &filter) != 0 || filter.len != 0) {
        return;
    }
    filter = (struct sock_fprog){ .len = 1, .filter = &all };
    if (ioctl(fd, TUNATTACHFILTER, &filter) == 0) {
        ioctl(fd, TUNGETIFF, ifr);
        ioctl(fd, TUNDETACHFILTER, &filter);
    }
}

static int check_given(int fd, bool multi, struct ifreq *ifr)
{
    static const struct {
        short flag;
        const char *name;
    } needed[] = {
        { IFF_TAP, "IFF_TAP" },
        { IFF_NO_PI, "IFF_NO_PI" },
        { IFF_VNET_HDR, "IFF_VNET_HDR" },
        { IFF_MULTI_QUEUE, "IFF_MULTI_QUEUE" },
    };

    memset(ifr, 0, sizeof(*ifr));
    if (ioctl(fd, TUNGETIFF, ifr) != 0) {
        return tn_error(errno == EBADF ? -EBADF : -EINVAL, "tap fd %d: it is no %s", fd,
                        errno == EBADF    ? "open descriptor; pass it to this process"
                        : errno == EBADFD ? "interface's: TUNSETIFF comes first"
                                          : "tap; open /dev/net/tun and set its interface");
    }
    find_no_pi(fd, ifr);
    for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
        bool optional = needed[i].flag == IFF_MULTI_QUEUE && !multi;

        if (!optional && (ifr->ifr_flags & needed[i].flag) == 0) {
            return tn_error(-EINVAL,
                            "tap fd %d (%s): flag %s does not match: it is not set and has to be; "
                            "set it in TUNSETIFF",
                            fd, ifr->ifr_name, needed[i].name);
        }
    }
    return 0;
}

int tn_tap_dup(int fd, bool multi, char name[TN_TAP_NAME_BYTES])
{
    struct ifreq ifr;
    int r = check_given(fd, multi, &ifr);
    int copy, flags;

    if (r != 0) {
        return r;
    }
    copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    flags = copy >= 0 ? fcntl(copy, F_GETFL) : -1;
    if (flags < 0 || fcntl(copy, F_SETFL, flags | O_NONBLOCK) != 0) {
        r = tn_error(-errno, "tap fd %d: it cannot be duplicated: %s", fd, strerror(errno));
        if (copy >= 0) {
            close(copy);
        }
        return r;
    }
    memcpy(name, ifr.ifr_name, TN_TAP_NAME_BYTES - 1);
    return copy;
}

/* ---- a descriptor that is open ---- */

int tn_tap_set_up(int fd)
{
    int bytes = TN_TAP_HEADER_BYTES, on = 1;

    if (ioctl(fd, TUNSETVNETHDRSZ, &bytes) != 0 || ioctl(fd, TUNSETVNETLE, &on) != 0) {
        return -errno;
    }
    return tn_tap_offload(fd, 0);
}

int tn_tap_offload(int fd, unsigned can)
{
    const unsigned uso = TENON_CAN_USO4 | TENON_CAN_USO6;
    unsigned long flags = 0;

    flags |= (can & TENON_CAN_CSUM) != 0 ? TUN_F_CSUM : 0;
    flags |= (can & TENON_CAN_TSO4) != 0 ? TUN_F_TSO4 : 0;
    flags |= (can & TENON_CAN_TSO6) != 0 ? TUN_F_TSO6 : 0;
    flags |= (can & TENON_CAN_ECN) != 0 ? TUN_F_TSO_ECN : 0;
    /* The kernel knows the two only together. */
    flags |= (can & uso) == uso ? TUN_F_USO4 | TUN_F_USO6 : 0;
    return ioctl(fd, TUNSETOFFLOAD, flags) == 0 ? 0 : -errno;
}

unsigned tn_tap_can(int fd)
{
    const unsigned uso = TENON_CAN_USO4 | TENON_CAN_USO6;
    unsigned can = TENON_CAN_ALL;

    if (tn_tap_offload(fd, can) != 0) {
        can &= ~uso;
        can = tn_tap_offload(fd, can) == 0 ? can : 0;
    }
    tn_tap_offload(fd, 0);
    return can;
}

int tn_tap_use(int fd, bool on)
{
    struct ifreq ifr = { .ifr_flags = (short)(on ? IFF_ATTACH_QUEUE : IFF_DETACH_QUEUE) };

    return ioctl(fd, TUNSETQUEUE, &ifr) == 0 ? 0 : -errno;
}

/*
 * A tap says that it is writable when it is up, and tells when that comes, in whichever network
 * namespace it is.
 */
enum tn_tap_state tn_tap_state(int fd)
{
    struct pollfd tap = { .fd = fd, .events = POLLOUT };

    if (poll(&tap, 1, 0) < 0 || (tap.revents & (POLLERR | POLLNVAL)) != 0) {
        return TN_TAP_AWAY;
    }
    return (tap.revents & POLLOUT) != 0 ? TN_TAP_UP : TN_TAP_DOWN;
}

uint16_t tn_tap_mtu(int fd, const char *name)
{
    struct ifreq ours = { 0 }, named = { 0 };
    int any = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    uint16_t mtu = 0;

    if (any < 0) {
        return 0;
    }
    snprintf(named.ifr_name, sizeof(named.ifr_name), "%s", name);
    /* Of the same name, and the same address: then it is this one. */
    if (ioctl(fd, SIOCGIFHWADDR, &ours) == 0 && ioctl(any, SIOCGIFHWADDR, &named) == 0 &&
        memcmp(ours.ifr_hwaddr.sa_data, named.ifr_hwaddr.sa_data, 6) == 0 &&
        ioctl(any, SIOCGIFMTU, &named) == 0 && named.ifr_mtu > 0 && named.ifr_mtu <= UINT16_MAX) {
        mtu = (uint16_t)named.ifr_mtu;
    }
    close(any);
    return mtu;
}

int tn_tap_news(void)
{
    struct sockaddr_nl address = { .nl_family = AF_NETLINK, .nl_groups = RTMGRP_LINK };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    int r;

    if (fd < 0) {
        return -errno;
    }
    if (bind(fd, (const struct sockaddr *)&address, sizeof(address)) != 0) {
        r = -errno;
        close(fd);
        return r;
    }
    return fd;
}
