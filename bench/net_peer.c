/*
 * net_peer.c: what is behind the link of a measured device: the other end of a UNIX socket, or a
 * raw socket on a tap. Many frames go by one system call.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "net_load.h"

enum { LENGTH = 4, ROUNDS_OF_OPEN = 400, BIG = 4 << 20, LARGE = 8192 };

/* ---- frames ---- */

static void put16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)(value >> 8);
    to[1] = (uint8_t)value;
}

/* IPv4 and TCP, with the checksum of the pseudo header, as a driver leaves it. */
static void make_tcp(uint8_t *header, uint8_t *frame, uint32_t bytes)
{
    uint8_t *ip = frame + 14, *tcp = ip + 20;
    uint32_t sum = 0, length = bytes - 34;

    header[0] = 1;            /* NEEDS_CSUM */
    header[1] = bytes > 1514; /* TCPv4 */
    header[2] = 54;           /* little-endian: headers, segment, start and offset */
    header[4] = bytes > 1514 ? 1448 & 0xff : 0;
    header[5] = bytes > 1514 ? 1448 >> 8 : 0;
    header[6] = 34;
    header[8] = 16;
    put16(frame + 12, 0x0800);
    ip[0] = 0x45;
    put16(ip + 2, bytes - 14);
    ip[8] = 64;
    ip[9] = 6;
    ip[12] = ip[16] = 10;
    ip[15] = 1;
    ip[19] = 2;
    for (unsigned i = 0; i < 20; i += 2) {
        sum += (unsigned)ip[i] << 8 | ip[i + 1];
    }
    sum = (sum & 0xffff) + (sum >> 16);
    put16(ip + 10, ~(sum + (sum >> 16)) & 0xffff);
    put16(tcp, 1000);
    put16(tcp + 2, 2000);
    tcp[12] = 0x50;
    tcp[13] = 0x10;
    sum = 0x0a00 + 0x0001 + 0x0a00 + 0x0002 + 6 + length;
    sum = (sum & 0xffff) + (sum >> 16);
    put16(tcp + 16, sum & 0xffff);
}

uint8_t *net_frame_make(const struct net_options *options)
{
    uint8_t *memory = calloc(1, NET_HEADER + options->bytes);

    if (memory) {
        uint8_t *frame = memory + NET_HEADER;
        memset(frame + 14, 0x5a, options->bytes - 14);
        frame[0] = 0x02;
        frame[5] = 0x01;
        frame[6] = 0x02;
        frame[11] = 0x02;
        put16(frame + 12, 0x88b5); /* for experiments: nobody listens */
        if (options->tso) {
            memset(frame + 14, 0, 40);
            make_tcp(memory, frame, options->bytes);
        }
    }
    return memory;
}

/* ---- opening ---- */

static int unix_address(struct sockaddr_un *address, const char *path)
{
    *address = (struct sockaddr_un){ .sun_family = AF_UNIX };
    if (strlen(path) >= sizeof(address->sun_path)) {
        return -ENAMETOOLONG;
    }
    memcpy(address->sun_path, path, strlen(path) + 1);
    return 0;
}

/* The other side may not be there yet. */
static int connect_to(int fd, const char *path)
{
    struct sockaddr_un address;
    int r = unix_address(&address, path);

    for (unsigned i = 0; r == 0 && i < ROUNDS_OF_OPEN; i++) {
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
            return 0;
        }
        usleep(5000);
    }
    return r == 0 ? -errno : r;
}

static int open_dgram(struct net_peer *peer, char *ours)
{
    char *theirs = strchr(ours, ':');
    struct sockaddr_un address;
    int r;

    if (!theirs) {
        return -EINVAL;
    }
    *theirs++ = '\0';
    peer->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    r = unix_address(&address, ours);
    unlink(ours);
    if (r == 0 && bind(peer->fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        r = -errno;
    }
    return r == 0 ? connect_to(peer->fd, theirs) : r;
}

static int open_stream(struct net_peer *peer, const char *path)
{
    int r;

    peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    r = connect_to(peer->fd, path);
    return r == 0 && fcntl(peer->fd, F_SETFL, O_NONBLOCK) != 0 ? -errno : r;
}

static uint64_t count_of_tap(const struct net_peer *peer)
{
    char path[NET_PATH + 64], digits[32] = "";
    FILE *from;

    snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/rx_packets", peer->name);
    from = fopen(path, "r");
    if (from) {
        if (!fgets(digits, sizeof(digits), from)) {
            digits[0] = '\0';
        }
        fclose(from);
    }
    return strtoull(digits, NULL, 10);
}

static void no_ipv6(const char *name)
{
    char path[NET_PATH + 64];
    FILE *to;

    snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%.15s/disable_ipv6", name);
    to = fopen(path, "w");
    if (to) {
        fputs("1", to);
        fclose(to);
    }
}

static int open_tap(struct net_peer *peer, const char *name, const struct net_options *options)
{
    struct ifreq request = { 0 };
    struct sockaddr_ll address = { .sll_family = AF_PACKET };
    int on = 1, loud = options->kind == NET_LONE ? htons(ETH_P_ALL) : 0;

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", name);
    snprintf(peer->name, sizeof(peer->name), "%.15s", name);
    peer->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (peer->fd < 0) {
        return -errno;
    }
    for (unsigned i = 0; (address.sll_ifindex = (int)if_nametoindex(name)) == 0; i++) {
        if (i == ROUNDS_OF_OPEN) {
            return -ENODEV;
        }
        usleep(5000);
    }
    no_ipv6(name);
    if (ioctl(peer->fd, SIOCGIFFLAGS, &request) != 0) {
        return -errno;
    }
    request.ifr_flags |= IFF_UP;
    address.sll_protocol = (unsigned short)loud;
    if (ioctl(peer->fd, SIOCSIFFLAGS, &request) != 0 ||
        bind(peer->fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        (options->tso && setsockopt(peer->fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) != 0) ||
        setsockopt(peer->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof(on)) != 0 ||
        setsockopt(peer->fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on)) != 0) {
        return -errno;
    }
    peer->counted = options->kind == NET_LONE ? UINT64_MAX : count_of_tap(peer);
    return 0;
}

/* Each of the frames with what goes in front of it on this link. */
static int fill(struct net_peer *peer, const struct net_options *options, const uint8_t *frame)
{
    uint32_t stride;

    peer->bytes = options->bytes;
    peer->head = peer->kind == NET_PEER_STREAM                ? LENGTH
                 : peer->kind == NET_PEER_TAP && options->tso ? 10
                                                              : 0;
    stride = peer->head + peer->bytes;
    peer->memory = malloc((size_t)stride * NET_BATCH);
    peer->into = malloc((size_t)stride * NET_BATCH);
    if (!peer->memory || !peer->into) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < NET_BATCH; i++) {
        uint8_t *at = peer->memory + (size_t)stride * i;
        if (peer->kind == NET_PEER_STREAM) {
            const uint32_t length = htonl(peer->bytes);
            memcpy(at, &length, LENGTH);
        } else {
            memcpy(at, frame, peer->head);
        }
        memcpy(at + peer->head, frame + NET_HEADER, peer->bytes);
    }
    memset(peer->into, 0, (size_t)stride * NET_BATCH);
    return 0;
}

int net_peer_open(struct net_peer *peer, const struct net_options *options, const uint8_t *frame)
{
    char words[NET_PATH * 2];
    int r = -EINVAL, big = BIG;

    *peer = (struct net_peer){ .fd = -1 };
    snprintf(words, sizeof(words), "%s", options->peer);
    if (strncmp(words, "dgram:", 6) == 0) {
        peer->kind = NET_PEER_DGRAM;
        r = open_dgram(peer, words + 6);
    } else if (strncmp(words, "stream:", 7) == 0) {
        peer->kind = NET_PEER_STREAM;
        r = open_stream(peer, words + 7);
    } else if (strncmp(words, "tap:", 4) == 0) {
        peer->kind = NET_PEER_TAP;
        r = open_tap(peer, words + 4, options);
    }
    /* Where it holds many small frames already, more only leave the cache. */
    if (r == 0 && peer->kind != NET_PEER_TAP && options->bytes > LARGE) {
        setsockopt(peer->fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
    }
    return r == 0 ? fill(peer, options, frame) : r;
}

void net_peer_close(struct net_peer *peer)
{
    if (peer->fd >= 0) {
        close(peer->fd);
    }
    free(peer->memory);
    free(peer->into);
}

/* ---- frames go and come ---- */

static bool is_busy(int error)
{
    return error == EAGAIN || error == ENOBUFS || error == EINTR || error == ECONNREFUSED ||
           error == ENETDOWN;
}

/* One datagram each. */
static int many(struct net_peer *peer, unsigned count, bool out)
{
    uint32_t stride = peer->head + peer->bytes;
    uint8_t *memory = out ? peer->memory : peer->into;
    struct mmsghdr messages[NET_BATCH];
    struct iovec iov[NET_BATCH];

    count = count < NET_BATCH ? count : NET_BATCH;
    memset(messages, 0, sizeof(messages[0]) * count);
    for (unsigned i = 0; i < count; i++) {
        iov[i] = (struct iovec){ memory + (size_t)stride * i, stride };
        messages[i].msg_hdr.msg_iov = &iov[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    int r = out ? sendmmsg(peer->fd, messages, count, MSG_DONTWAIT)
                : recvmmsg(peer->fd, messages, count, MSG_DONTWAIT, NULL);
    return r >= 0 ? r : is_busy(errno) ? 0 : -errno;
}

/* As many frames as are whole by now. */
static int stream_moved(uint32_t *part, uint32_t stride, ssize_t moved)
{
    uint64_t all;

    if (moved < 0) {
        return is_busy(errno) ? 0 : -errno;
    }
    all = *part + (uint64_t)moved;
    *part = (uint32_t)(all % stride);
    return (int)(all / stride);
}

int net_peer_send(struct net_peer *peer, unsigned count)
{
    uint32_t stride = peer->head + peer->bytes;
    size_t bytes;

    if (peer->kind != NET_PEER_STREAM) {
        return many(peer, count, true);
    }
    count = count < NET_BATCH ? count : NET_BATCH;
    bytes = (size_t)stride * count - peer->sent_of_some;
    return stream_moved(
        &peer->sent_of_some, stride,
        send(peer->fd, peer->memory + peer->sent_of_some, bytes, MSG_DONTWAIT | MSG_NOSIGNAL));
}

int net_peer_receive(struct net_peer *peer)
{
    uint32_t stride = peer->head + peer->bytes;
    ssize_t r;

    if (peer->kind == NET_PEER_TAP && peer->counted != UINT64_MAX) {
        uint64_t now = count_of_tap(peer), before = peer->counted;
        peer->counted = now;
        return (int)(now - before);
    }
    if (peer->kind != NET_PEER_STREAM) {
        return many(peer, NET_BATCH, false);
    }
    r = recv(peer->fd, peer->into, (size_t)stride * NET_BATCH, MSG_DONTWAIT);
    return r == 0 ? -EPIPE : stream_moved(&peer->got_of_some, stride, r);
}
