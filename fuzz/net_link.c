/*
 * net_link.c: see net_link.h. All on one thread.
 */
#include "net_link.h"

#include <errno.h>
#include <string.h>

#include "input.h"

static struct net_link *of(struct tenon_port *port)
{
    return (struct net_link *)(void *)port;
}

void net_link_frame(uint8_t *data, uint32_t bytes, uint32_t number)
{
    static const uint8_t head[14] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5 };

    memcpy(data, head, sizeof(head));
    for (uint32_t i = 0; i < 4; i++) {
        data[14 + i] = (uint8_t)(number >> 8 * i);
    }
    for (uint32_t i = 18; i < bytes; i++) {
        data[i] = (uint8_t)(number * 31 + i);
    }
}

static struct link_frame *at(struct net_link *link, unsigned i)
{
    return &link->waiting[(link->first + i) % LINK_FRAMES];
}

bool net_link_deliver(struct net_link *link, uint32_t bytes, uint32_t number)
{
    if (link->count == LINK_FRAMES) {
        return false;
    }
    struct link_frame *f = at(link, link->count++);
    net_link_frame(f->data, bytes, number);
    f->number = number;
    f->bytes = bytes;
    f->iov = (struct iovec){ f->data, bytes };
    f->frame = (struct tenon_frame){ .iov = &f->iov, .iov_count = 1, .bytes = bytes };
    return true;
}

static void gone(struct net_link *link)
{
    link->first = (link->first + 1) % LINK_FRAMES;
    link->count--;
}

static int link_recv(struct tenon_port *port, struct tenon_frame *const *frames, unsigned count)
{
    struct net_link *link = of(port);
    unsigned n = 0;

    for (; n < count && link->count != 0; n++, gone(link)) {
        const struct link_frame *f = at(link, 0);
        uint32_t done = 0, room = 0;
        for (unsigned i = 0; i < frames[n]->iov_count; i++) {
            uint32_t part = f->bytes - done;
            part = part < frames[n]->iov[i].iov_len ? part : (uint32_t)frames[n]->iov[i].iov_len;
            memcpy(frames[n]->iov[i].iov_base, f->data + done, part);
            done += part;
            room += (uint32_t)frames[n]->iov[i].iov_len;
        }
        FUZZ_CHECK(frames[n]->bytes <= room);
        frames[n]->result = f->bytes > frames[n]->bytes ? -EMSGSIZE : 0;
        frames[n]->bytes = f->bytes;
        frames[n]->offload = (struct tenon_offload){ .flags = 0 };
    }
    return (int)n;
}

static unsigned link_peek(struct tenon_port *port, struct tenon_frame **frames, unsigned count)
{
    unsigned n = 0;

    for (; n < count && n < of(port)->count; n++) {
        frames[n] = &at(of(port), n)->frame;
    }
    return n;
}

static void link_take(struct tenon_port *port, unsigned count)
{
    FUZZ_CHECK(count <= of(port)->count);
    while (count-- != 0) {
        gone(of(port));
    }
}

static void tell(struct net_link *link, const struct tenon_frame *frame)
{
    uint8_t data[0x1000];
    uint32_t done = 0;

    for (unsigned i = 0; i < frame->iov_count; i++) {
        FUZZ_CHECK(frame->iov[i].iov_len <= sizeof(data) - done);
        memcpy(data + done, frame->iov[i].iov_base, frame->iov[i].iov_len);
        done += (uint32_t)frame->iov[i].iov_len;
    }
    FUZZ_CHECK(done == frame->bytes);
    link->sent(link->opaque, data, done);
}

static unsigned link_send(struct tenon_port *port, struct tenon_frame *const *frames,
                          unsigned count, unsigned *kept)
{
    struct net_link *link = of(port);
    bool keep = link->keep || link->kept_count != 0;
    unsigned n = 0;

    for (; n < count && link->room != 0 && link->kept_count < LINK_KEPT; n++, link->room--) {
        frames[n]->result = 0;
        if (keep) {
            link->kept[link->kept_count++] = frames[n];
        } else {
            tell(link, frames[n]);
        }
    }
    *kept = keep ? 0 : n;
    return n;
}

void net_link_let_go(struct net_link *link, unsigned count)
{
    struct tenon_frame *first = NULL, **end = &first;

    count = count < link->kept_count ? count : link->kept_count;
    for (unsigned i = 0; i < count; i++) {
        tell(link, link->kept[i]);
        link->kept[i]->result = 0;
        link->kept[i]->next = NULL;
        *end = link->kept[i];
        end = &link->kept[i]->next;
    }
    link->kept_count -= count;
    memmove(link->kept, link->kept + count, link->kept_count * sizeof(*link->kept));
    if (first) {
        link->events->sent(link->events_opaque, first);
    }
}

static unsigned link_cancel(struct tenon_port *port, unsigned count)
{
    struct net_link *link = of(port);

    count = count < link->kept_count ? count : link->kept_count;
    link->kept_count -= count;
    return count;
}

static void link_watch(struct tenon_port *port, unsigned events)
{
    of(port)->watched = events;
}

void net_link_ready(struct net_link *link)
{
    unsigned ready =
        (link->count != 0 ? (unsigned)TENON_READABLE : 0) |
        (link->room != 0 && link->kept_count < LINK_KEPT ? (unsigned)TENON_WRITABLE : 0);
    if (link->open && (ready & link->watched) != 0) {
        link->events->ready(link->events_opaque, ready & link->watched);
    }
}

static int link_open(void *opaque, unsigned pair, struct tenon_worker *worker,
                     const struct tenon_port_events *events, void *events_opaque,
                     struct tenon_port **out)
{
    struct net_link *link = opaque;

    (void)worker;
    FUZZ_CHECK(pair == 0 && !link->open && link->kept_count == 0);
    link->open = true;
    link->events = events;
    link->events_opaque = events_opaque;
    link->watched = 0;
    *out = (struct tenon_port *)(void *)link;
    return 0;
}

static void link_close(struct tenon_port *port)
{
    FUZZ_CHECK(of(port)->open && of(port)->kept_count == 0);
    of(port)->open = false;
}

static int link_info(void *opaque, struct tenon_link_info *info)
{
    (void)opaque;
    *info = (struct tenon_link_info){ .size = sizeof(*info), .recv_batch = 8 };
    return 0;
}

static void link_free(void *opaque)
{
    ((struct net_link *)opaque)->freed = true;
}

struct tenon_link *net_link_open(struct net_link *link)
{
    const struct tenon_link_ops ops = { .size = sizeof(ops),
                                        .open = link_open,
                                        .recv = link->lends ? NULL : link_recv,
                                        .peek = link->lends ? link_peek : NULL,
                                        .take = link->lends ? link_take : NULL,
                                        .send = link_send,
                                        .cancel = link_cancel,
                                        .watch = link_watch,
                                        .close = link_close,
                                        .info = link_info,
                                        .free = link_free };
    struct tenon_link *out = NULL;
    FUZZ_CHECK(tenon_link_open_custom(&ops, link, &out) == 0);
    return out;
}
