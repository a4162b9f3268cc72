/*
 * link_rig.h: the one port of a link on a worker without a thread, and frames to send through it,
 * for the tests of links over descriptors. Included before any other header.
 *
 * Frame n of a length says so in its bytes (rig_fill), so that what arrives can be checked alone.
 */
#ifndef TESTS_UNIT_LINK_RIG_H
#define TESTS_UNIT_LINK_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "link/link.h"
#include "needs.h"

enum { RIG_FRAMES = 64, RIG_BYTES = TENON_FRAME_BYTES_MAX, RIG_SECONDS = 30 };

struct rig {
    struct tenon_worker *worker;
    struct tenon_link *link;
    const struct tenon_link_ops *ops;
    struct tenon_port *port;
    unsigned ready, readable, writable, changes; /* what was told, and how often */
    struct tenon_frame frames[RIG_FRAMES], *list[RIG_FRAMES];
    struct iovec iov[RIG_FRAMES][3];
    uint8_t data[RIG_FRAMES][RIG_BYTES];
};

static inline void rig_on_ready(void *opaque, unsigned events)
{
    struct rig *rig = opaque;

    rig->ready |= events;
    rig->readable += (events & TENON_READABLE) != 0;
    rig->writable += (events & TENON_WRITABLE) != 0;
}

static inline void rig_on_changed(void *opaque)
{
    ((struct rig *)opaque)->changes++;
}

static inline void rig_reopen(struct rig *rig)
{
    static const struct tenon_port_events events = { .ready = rig_on_ready,
                                                     .changed = rig_on_changed };

    assert_int_equal(tn_port_open(rig->link, 0, rig->worker, &events, rig, &rig->port), 0);
}

static inline struct rig *rig_new(struct tenon_link *link)
{
    struct rig *rig = calloc(1, sizeof(*rig));

    assert_non_null(rig);
    rig->link = link;
    rig->ops = tn_link_ops(link);
    assert_int_equal(tenon_worker_new(NULL, &rig->worker), 0);
    rig_reopen(rig);
    return rig;
}

static inline void rig_free(struct rig *rig)
{
    rig->ops->close(rig->port);
    tenon_link_close(rig->link);
    tenon_worker_free(rig->worker);
    free(rig);
}

/* What there is to do now. */
static inline void rig_turns(struct rig *rig)
{
    for (int i = 0; i < 4; i++) {
        assert_true(tenon_worker_run(rig->worker, 0) >= 0);
    }
}

/* Turns until the condition holds. A macro, because it takes an expression again and again. */
#define RIG_UNTIL(rig, condition)                                                                  \
    do {                                                                                           \
        uint64_t rig_end = tenon_now() + RIG_SECONDS * UINT64_C(1000000000);                       \
        while (!(condition)) {                                                                     \
            assert_true(tenon_now() < rig_end);                                                    \
            assert_true(tenon_worker_run((rig)->worker, 5) >= 0);                                  \
        }                                                                                          \
    } while (0)

static inline uint64_t rig_count(struct rig *rig, const char *name);

struct rig_found {
    const char *name;
    uint64_t value;
    bool found;
};

static inline void rig_find(void *opaque, const char *name, uint64_t value)
{
    struct rig_found *found = opaque;

    if (strcmp(name, found->name) == 0) {
        found->value = value;
        found->found = true;
    }
}

static inline uint64_t rig_count(struct rig *rig, const char *name)
{
    struct rig_found found = { .name = name };

    tenon_link_stats(rig->link, rig_find, &found);
    assert_true(found.found);
    return found.value;
}

/* ---- frames ---- */

static inline void rig_fill(uint8_t *data, unsigned n, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        data[i] = (uint8_t)(n * 7 + i + (i >> 8));
    }
}

static inline void rig_check(const uint8_t *data, unsigned n, size_t bytes)
{
    static uint8_t expected[RIG_BYTES];

    rig_fill(expected, n, bytes);
    assert_memory_equal(data, expected, bytes);
}

/* Frame `at` of the list, in three pieces, of which one is empty. */
static inline void rig_frame(struct rig *rig, unsigned at, size_t bytes)
{
    struct tenon_frame *frame = &rig->frames[at];
    size_t first = bytes / 3;

    rig->iov[at][0] = (struct iovec){ rig->data[at], first };
    rig->iov[at][1] = (struct iovec){ rig->data[at] + first, 0 };
    rig->iov[at][2] = (struct iovec){ rig->data[at] + first, bytes - first };
    *frame = (struct tenon_frame){
        .iov = rig->iov[at], .iov_count = 3, .bytes = (uint32_t)bytes, .result = 1
    };
    rig->list[at] = frame;
}

/* Sends frames number `from` and so on, of this length: how many were taken. */
static inline unsigned rig_send(struct rig *rig, unsigned from, unsigned count, size_t bytes)
{
    unsigned kept = 12345, taken;

    assert_true(count <= RIG_FRAMES);
    for (unsigned i = 0; i < count; i++) {
        rig_frame(rig, i, bytes);
        rig_fill(rig->data[i], from + i, bytes);
    }
    taken = rig->ops->send(rig->port, rig->list, count, &kept);
    assert_true(taken <= count);
    assert_int_equal(kept, taken); /* nothing is kept */
    return taken;
}

/* Receives at most `count` frames into rooms of `room` bytes: how many. rig->frames has them. */
static inline unsigned rig_recv(struct rig *rig, unsigned count, size_t room)
{
    unsigned n;

    if (rig->ops->recv) {
        for (unsigned i = 0; i < count; i++) {
            rig_frame(rig, i, room);
        }
        return (unsigned)rig->ops->recv(rig->port, rig->list, count);
    }
    n = rig->ops->peek(rig->port, rig->list, count);
    for (unsigned i = 0; i < n; i++) {
        struct tenon_frame *frame = rig->list[i];

        assert_int_equal(frame->iov_count, 1);
        assert_true(frame->bytes <= room);
        memcpy(rig->data[i], frame->iov[0].iov_base, frame->bytes);
        rig->frames[i] = *frame;
    }
    rig->ops->take(rig->port, n);
    return n;
}

/* All that comes is frames number `from` and so on of this length. */
static inline unsigned rig_expect(struct rig *rig, unsigned from, unsigned count, size_t bytes)
{
    unsigned n = rig_recv(rig, count, RIG_BYTES);

    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(rig->frames[i].result, 0);
        assert_int_equal(rig->frames[i].bytes, bytes);
        rig_check(rig->data[i], from + i, bytes);
    }
    return n;
}

/* That a frame in memory which is not there fails. */
static inline void rig_need_faults(void)
{
    struct iovec iov[2] = { { (void *)"x", 1 }, { (void *)16, 100 } };
    int fds[2], r;

    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds), 0);
    r = (int)sendmsg(fds[0], &(struct msghdr){ .msg_iov = iov, .msg_iovlen = 2 }, 0);
    close(fds[0]);
    close(fds[1]);
    need(r < 0, "this kernel sends less where memory is not there");
}

static inline char *rig_path(const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];

    snprintf(path, sizeof(paths[0]), "/tmp/tenon-link-%d-%s", (int)getpid(), name);
    return path;
}

#endif
