/*
 * stream_rig.h: a stream link over one end of a pair of sockets, and the other end's view of it.
 */
#ifndef TESTS_UNIT_STREAM_RIG_H
#define TESTS_UNIT_STREAM_RIG_H

#include "link_rig.h"

/* `send_bytes`: of the link's socket, so that it is soon full; 0: as it is. */
static inline struct rig *stream_over_pair(int *other, int send_bytes)
{
    struct tenon_stream_opts opts = { .size = sizeof(opts) };
    struct tenon_link *link = NULL;
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    opts.fd = fds[0];
    assert_int_equal(tenon_link_open_stream(&opts, &link), 0);
    if (send_bytes != 0) { /* it is the same socket */
        assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &send_bytes, sizeof(send_bytes)),
                         0);
    }
    close(fds[0]);
    *other = fds[1];
    return rig_new(link);
}

/* Frame n behind its length: how many bytes that is. */
static inline size_t framed(uint8_t *to, unsigned n, size_t bytes)
{
    to[0] = (uint8_t)(bytes >> 24), to[1] = (uint8_t)(bytes >> 16);
    to[2] = (uint8_t)(bytes >> 8), to[3] = (uint8_t)bytes;
    rig_fill(to + 4, n, bytes);
    return bytes + 4;
}

static inline void put(int fd, const void *data, size_t bytes)
{
    assert_int_equal(send(fd, data, bytes, MSG_NOSIGNAL), bytes);
}

/* So many bytes of the stream that were not read yet. */
static inline void get(int fd, uint8_t *to, size_t bytes)
{
    assert_int_equal(recv(fd, to, bytes, MSG_WAITALL), bytes);
}

static inline void get_frame(int fd, unsigned n, size_t bytes)
{
    static uint8_t data[RIG_BYTES], head[4];

    get(fd, head, 4);
    assert_int_equal(head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3], bytes);
    get(fd, data, bytes);
    rig_check(data, n, bytes);
}

/* Of frame n, where they are of many lengths. */
static inline size_t stream_length(unsigned n)
{
    static const size_t lengths[] = { 14, 60, 1514, 9014, 65535, RIG_BYTES };

    return n % 17 == 0 ? lengths[n / 17 % 6] : 14 + n * 37 % 1500;
}

#endif
