/*
 * net_bare.c: what a link costs when there is no device at all: many frames by one system call,
 * between the link and a ring of buffers of one frame each. It stands in the device's place, on its
 * processor, before the same peer.
 *
 * A stream is read into one piece of memory, as much as 64 frames, and split by the lengths that
 * are in it; a frame that is cut off is completed by the next read. It is written as QEMU does,
 * each length an iovec in front of its frame.
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

enum { LENGTH = 4, BIG = 4 << 20, LARGE = 8192, LOOK_NS = 50000, LOOK_EACH_NS = 1000 };

struct bare {
    const struct net_options *options;
    int fd;
    bool out, stream;
    uint32_t head, stride; /* what is in a buffer in front of a frame, and all of it */
    uint8_t *ring;         /* options->ring buffers of a frame each */
    unsigned next;
    /* stream */
    uint8_t *bytes; /* what was read: NET_BATCH frames behind their lengths */
    size_t have;    /* of them, in part of one that was cut off */
    size_t part;    /* of the next frame and its length that was written already */
};

static void prepare(struct bare *bare, const uint8_t *frame)
{
    for (unsigned i = 0; i < bare->options->ring; i++) {
        uint8_t *at = bare->ring + (size_t)bare->stride * i;
        memcpy(at, frame, bare->head);
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
        bare->stream = true;
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

/* As QEMU does: the length is an iovec of its own. */
static ssize_t write_stream(struct bare *bare, const struct iovec *frames)
{
    const uint32_t length = htonl(bare->options->bytes);
    const size_t all = LENGTH + bare->options->bytes;
    struct iovec iov[2 * NET_BATCH], *first = iov;
    size_t cut = bare->part;
    ssize_t r;

    for (unsigned i = 0; i < NET_BATCH; i++) {
        iov[2 * i] = (struct iovec){ (void *)&length, LENGTH };
        iov[2 * i + 1] = frames[i];
    }
    if (cut >= LENGTH) {
        first++;
        cut -= LENGTH;
    }
    first->iov_base = (uint8_t *)first->iov_base + cut;
    first->iov_len -= cut;
    r = writev(bare->fd, first, (int)(iov + 2 * NET_BATCH - first));
    if (r < 0) {
        return r;
    }
    bare->part += (size_t)r;
    r = (ssize_t)(bare->part / all);
    bare->part %= all;
    return r;
}

/* Nobody knows where a frame ends before its length is here. */
static ssize_t read_stream(struct bare *bare, const struct iovec *frames)
{
    const size_t room = (size_t)NET_BATCH * (LENGTH + bare->options->bytes);
    ssize_t r = read(bare->fd, bare->bytes + bare->have, room - bare->have), count = 0;
    size_t at = 0;

    if (r <= 0) {
        errno = r == 0 ? EPIPE : errno;
        return -1;
    }
    bare->have += (size_t)r;
    while (count < NET_BATCH && bare->have - at >= LENGTH) {
        uint32_t length;
        memcpy(&length, bare->bytes + at, LENGTH);
        length = ntohl(length);
        if (length > bare->options->bytes || length == 0) {
            errno = EPROTO;
            return -1;
        }
        if (bare->have - at - LENGTH < length) {
            break;
        }
        memcpy(frames[count++].iov_base, bare->bytes + at + LENGTH, length);
        at += LENGTH + length;
    }
    bare->have -= at;
    memmove(bare->bytes, bare->bytes + at, bare->have);
    return count;
}

static ssize_t move(struct bare *bare, struct iovec *frames)
{
    if (bare->stream) {
        return bare->out ? write_stream(bare, frames) : read_stream(bare, frames);
    }
    return bare->head == NET_HEADER ? move_one_by_one(bare, frames) : move_datagrams(bare, frames);
}

/*
 * For as long as the device does; else the one who reads and the one who writes may fall into step,
 * asleep in turns, and it is their wakes that are measured.
 */
static bool looks_again(uint64_t *since)
{
    uint64_t now = net_now();

    *since = *since == 0 ? now : *since;
    while (net_now() - now < LOOK_EACH_NS) {
    }
    return now - *since < LOOK_NS;
}

static void loop(struct bare *bare)
{
    struct iovec iov[NET_BATCH];
    uint64_t since = 0;

    fcntl(bare->fd, F_SETFL, O_NONBLOCK);
    for (;;) {
        ssize_t moved;
        for (unsigned i = 0; i < NET_BATCH; i++) {
            unsigned at = (bare->next + i) % bare->options->ring;
            iov[i] = (struct iovec){ bare->ring + (size_t)bare->stride * at, bare->stride };
        }
        moved = move(bare, iov);
        if (moved >= 0) {
            bare->next = (bare->next + (unsigned)moved) % bare->options->ring;
            since = 0;
        } else if (bare->out || errno != EAGAIN || !looks_again(&since)) {
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
    bare.bytes = malloc((size_t)NET_BATCH * (LENGTH + options->bytes));
    if (bare.fd >= 0 && frame && bare.ring && bare.bytes) {
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
