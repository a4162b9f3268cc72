/*
 * net_bare.c: what a link costs when there is no device at all: the same system calls in as large
 * batches, between the link and a ring of buffers. It stands in the device's place, on its
 * processor, before the same peer.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#include "net_load.h"

enum { LENGTH = 4, BIG = 4 << 20, LARGE = 8192 };

struct bare {
    const struct net_options *options;
    int fd;
    uint32_t head, stride; /* in front of a frame, and all of it */
    uint8_t *ring;         /* options->ring frames */
    unsigned next;
    bool out;
};

static void prepare(struct bare *bare, const uint8_t *frame)
{
    for (unsigned i = 0; i < bare->options->ring; i++) {
        uint8_t *at = bare->ring + (size_t)bare->stride * i;
        const uint32_t length = htonl(bare->options->bytes);
        if (bare->head == LENGTH) {
            memcpy(at, &length, LENGTH);
        } else {
            memcpy(at, frame, bare->head);
        }
        memcpy(at + bare->head, frame + NET_HEADER, bare->options->bytes);
    }
}

static int bind_unix(const struct net_options *options, int type, const char *path,
                     const char *peer)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0), big = BIG;

    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    unlink(path);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        return -errno;
    }
    if (options->bytes > LARGE) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
    }
    if (type == SOCK_STREAM) {
        int accepted = listen(fd, 1) == 0 ? accept(fd, NULL, NULL) : -1;
        close(fd);
        if (accepted >= 0 && options->bytes > LARGE) {
            setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &big, sizeof(big));
        }
        return accepted < 0 ? -errno : accepted;
    }
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", peer);
    while (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0) {
        usleep(5000);
    }
    return fd;
}

static int open_tap(const char *name)
{
    struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
    int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK), header = NET_HEADER;

    snprintf(request.ifr_name, sizeof(request.ifr_name), "%.15s", name);
    if (fd < 0 || ioctl(fd, TUNSETIFF, &request) != 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) != 0 ||
        ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6) != 0) {
        return -errno;
    }
    return fd;
}

static int open_link(struct bare *bare)
{
    char words[NET_PATH * 2], *colon;

    snprintf(words, sizeof(words), "%s", bare->options->peer);
    colon = strrchr(words, ':');
    if (!colon) {
        return -EINVAL;
    }
    *colon = '\0';
    if (strncmp(words, "dgram:", 6) == 0) {
        return bind_unix(bare->options, SOCK_DGRAM, colon + 1, words + 6);
    }
    if (strcmp(words, "stream") == 0) {
        bare->head = LENGTH;
        return bind_unix(bare->options, SOCK_STREAM, colon + 1, NULL);
    }
    bare->head = NET_HEADER;
    return open_tap(colon + 1);
}

static ssize_t move_datagrams(struct bare *bare, struct iovec *iov)
{
    struct mmsghdr messages[NET_BATCH];

    memset(messages, 0, sizeof(messages));
    for (unsigned i = 0; i < NET_BATCH; i++) {
        messages[i].msg_hdr.msg_iov = &iov[i];
        messages[i].msg_hdr.msg_iovlen = 1;
    }
    return bare->out ? sendmmsg(bare->fd, messages, NET_BATCH, MSG_DONTWAIT)
                     : recvmmsg(bare->fd, messages, NET_BATCH, MSG_DONTWAIT, NULL);
}

/* A tap takes and gives one frame by one call. */
static ssize_t move_one_by_one(struct bare *bare, struct iovec *iov)
{
    ssize_t done = 0;

    while (done < NET_BATCH) {
        ssize_t r = bare->out ? writev(bare->fd, &iov[done], 1) : readv(bare->fd, &iov[done], 1);
        if (r < 0) {
            return done != 0 ? done : r;
        }
        done++;
    }
    return done;
}

/* Of a stream a part of a frame may be left; it goes first then. Bytes in the place of frames. */
static ssize_t move_stream(struct bare *bare, struct iovec *iov, uint32_t *part)
{
    ssize_t r;

    iov[0].iov_base = (uint8_t *)iov[0].iov_base + *part;
    iov[0].iov_len -= *part;
    r = bare->out ? writev(bare->fd, iov, NET_BATCH) : readv(bare->fd, iov, NET_BATCH);
    if (r > 0) {
        size_t all = (size_t)r + *part;
        *part = (uint32_t)(all % bare->stride);
        return (ssize_t)(all / bare->stride);
    }
    return r;
}

static void loop(struct bare *bare)
{
    bool stream = bare->head == LENGTH, tap = bare->head == NET_HEADER;
    struct iovec iov[NET_BATCH];
    uint32_t part = 0;

    fcntl(bare->fd, F_SETFL, O_NONBLOCK);
    for (;;) {
        ssize_t moved;
        for (unsigned i = 0; i < NET_BATCH; i++) {
            unsigned at = (bare->next + i) % bare->options->ring;
            iov[i] = (struct iovec){ bare->ring + (size_t)bare->stride * at, bare->stride };
        }
        moved = stream ? move_stream(bare, iov, &part)
                : tap  ? move_one_by_one(bare, iov)
                       : move_datagrams(bare, iov);
        if (moved > 0) {
            bare->next = (bare->next + (unsigned)moved) % bare->options->ring;
        } else if (moved == 0 && stream && !part) {
            return;
        } else if (moved < 0) {
            struct pollfd wait = { .fd = bare->fd, .events = bare->out ? POLLOUT : POLLIN };
            if (errno == EIO || errno == ENETDOWN || errno == EBADFD) {
                usleep(1000); /* the tap is not up yet */
            } else if (errno != EAGAIN && errno != ENOBUFS) {
                return;
            }
            poll(&wait, 1, 1000);
        }
    }
}

pid_t net_bare_start(const struct net_options *options)
{
    pid_t child = fork();

    if (child != 0) {
        return child < 0 ? -errno : child;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    net_bind_cpu(options->cpu_of);
    struct bare bare = { .options = options, .out = options->kind == NET_OUT };
    uint8_t *frame = net_frame_make(options);
    bare.fd = open_link(&bare);
    bare.stride = bare.head + options->bytes;
    bare.ring = malloc((size_t)bare.stride * options->ring);
    if (bare.fd >= 0 && frame && bare.ring) {
        prepare(&bare, frame);
        loop(&bare);
    } else {
        fprintf(stderr, "net_load: the bare loop: %s\n", strerror(bare.fd < 0 ? -bare.fd : ENOMEM));
    }
    _exit(1);
}

int net_bare_memcpy(const struct net_options *options, struct net_result *result)
{
    size_t stride = (options->bytes + 63) & ~(size_t)63, all = stride * options->ring;
    uint8_t *from = aligned_alloc(4096, (all + 4095) & ~(size_t)4095);
    uint8_t *to = aligned_alloc(4096, (all + 4095) & ~(size_t)4095);
    uint64_t begin, end;

    if (!from || !to) {
        free(from);
        free(to);
        return -ENOMEM;
    }
    memset(from, 1, all);
    memset(to, 2, all);
    net_bind_cpu(options->cpu_of);
    begin = net_now();
    do {
        for (unsigned i = 0; i < options->ring; i++) {
            memcpy(to + stride * i, from + stride * i, options->bytes);
            __asm__ volatile("" ::: "memory");
        }
        result->frames += options->ring;
        end = net_now();
    } while (end - begin < options->run_ms * 1000000ull);
    result->ns = result->cpu_ns = end - begin;
    free(from);
    free(to);
    return 0;
}
