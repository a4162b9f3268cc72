/*
 * fake_link.h: a link that carries nothing and counts what it is asked, for the tests of link.c and
 * custom_link.c. Included before any other header.
 */
#ifndef TESTS_UNIT_FAKE_LINK_H
#define TESTS_UNIT_FAKE_LINK_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "link/link.h"

struct tenon_port {
    int any;
};

struct fake {
    struct tenon_link_info info; /* what it says */
    int info_result, open_result;
    bool is_up;
    unsigned frees, sent, pairs_used;
    struct tenon_port port;
    struct tenon_worker *worker;
    const struct tenon_port_events *events;
    void *opaque;
};

static struct fake fake;

static inline void fake_reset(void)
{
    memset(&fake, 0, sizeof(fake));
}

static inline int fake_open_port(void *link, unsigned pair, struct tenon_worker *worker,
                                 const struct tenon_port_events *events, void *opaque,
                                 struct tenon_port **out)
{
    (void)link, (void)pair;
    fake.worker = worker;
    fake.events = events;
    fake.opaque = opaque;
    *out = &fake.port;
    return fake.open_result;
}

static inline int fake_recv(struct tenon_port *port, struct tenon_frame *const *frames,
                            unsigned count)
{
    (void)port, (void)frames, (void)count;
    return 0;
}

static inline unsigned fake_peek(struct tenon_port *port, struct tenon_frame **frames,
                                 unsigned count)
{
    (void)port, (void)frames, (void)count;
    return 0;
}

static inline void fake_take(struct tenon_port *port, unsigned count)
{
    (void)port, (void)count;
}

static inline unsigned fake_send(struct tenon_port *port, struct tenon_frame *const *frames,
                                 unsigned count, unsigned *kept)
{
    (void)port, (void)frames;
    fake.sent += count;
    *kept = count;
    return count;
}

static inline void fake_watch(struct tenon_port *port, unsigned events)
{
    (void)port, (void)events;
}

static inline void fake_close(struct tenon_port *port)
{
    (void)port;
}

static inline int fake_info(void *link, struct tenon_link_info *info)
{
    (void)link;
    if (info->size != sizeof(*info)) {
        return -EINVAL;
    }
    *info = fake.info;
    return fake.info_result;
}

static inline bool fake_up(void *link)
{
    (void)link;
    return fake.is_up;
}

static inline int fake_use_pairs(void *link, unsigned count)
{
    (void)link;
    fake.pairs_used = count;
    return 0;
}

static inline void fake_stats(void *link, void (*fn)(void *opaque, const char *, uint64_t),
                              void *opaque)
{
    (void)link;
    fn(opaque, "troubles", 7);
}

static inline void fake_free(void *link)
{
    (void)link;
    fake.frees++;
}

static inline void fake_later(void) {}

static const struct tenon_link_ops fake_ops = {
    .size = sizeof(fake_ops),
    .open = fake_open_port,
    .recv = fake_recv,
    .send = fake_send,
    .watch = fake_watch,
    .close = fake_close,
    .info = fake_info,
    .free = fake_free,
};

static inline struct tenon_link *fake_open(const struct tenon_link_ops *ops)
{
    struct tenon_link *link = NULL;

    assert_int_equal(tenon_link_open_custom(ops, &fake, &link), 0);
    assert_non_null(link);
    return link;
}

#endif
