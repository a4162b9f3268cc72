/*
 * capture.c: a link in front of another, which puts a copy of each frame that passes into a file
 * (pcapng.c).
 *
 *   device --send--> [those that were taken: copied] --> the link
 *   device <--recv-- or <--take-- [copied] <------------ the link
 *
 * A frame that the link keeps is copied when send has taken it: its memory is unchanged until it is
 * done. Events go past this file, straight to the device, but for `deliver`: the link shall show
 * its frames. What the link cannot do the capture cannot either. On the worker of each port.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/err.h"
#include "link/link.h"
#include "link/pcapng.h"

enum { BATCH = 64 };

struct capture {
    struct tenon_link *link;
    const struct tenon_link_ops *ops; /* the link's */
    struct tn_pcapng *file;
};

struct tenon_port {
    struct capture *capture;
    struct tenon_port *port; /* the link's */
    struct tenon_port_events events;
    struct tenon_frame *shown[BATCH];
    unsigned shown_count;
};

static uint64_t real_time(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

static int open_port(void *link, unsigned pair, struct tenon_worker *worker,
                     const struct tenon_port_events *events, void *opaque, struct tenon_port **out)
{
    struct capture *capture = link;
    struct tenon_port *port = calloc(1, sizeof(*port));
    int r;

    if (!port) {
        return -ENOMEM;
    }
    port->capture = capture;
    port->events = *events;
    port->events.deliver = NULL;
    r = tn_port_open(capture->link, pair, worker, &port->events, opaque, &port->port);
    if (r != 0) {
        free(port);
        return r;
    }
    *out = port;
    return 0;
}

static void close_port(struct tenon_port *port)
{
    port->capture->ops->close(port->port);
    free(port);
}

static int recv_frames(struct tenon_port *port, struct tenon_frame *const *frames, unsigned count)
{
    struct capture *capture = port->capture;
    int got = capture->ops->recv(port->port, frames, count);

    if (got > 0) {
        tn_pcapng_write(capture->file, frames, (unsigned)got, (unsigned)got, TN_PCAPNG_IN,
                        real_time());
    }
    return got;
}

static unsigned peek(struct tenon_port *port, struct tenon_frame **frames, unsigned count)
{
    count = count < BATCH ? count : BATCH;
    port->shown_count = port->capture->ops->peek(port->port, frames, count);
    memcpy(port->shown, frames, port->shown_count * sizeof(struct tenon_frame *));
    return port->shown_count;
}

static void take(struct tenon_port *port, unsigned count)
{
    struct capture *capture = port->capture;

    count = count < port->shown_count ? count : port->shown_count;
    /* Whatever became of them, they have come. */
    tn_pcapng_write(capture->file, port->shown, count, 0, TN_PCAPNG_IN, real_time());
    port->shown_count = 0;
    capture->ops->take(port->port, count);
}

static unsigned send_frames(struct tenon_port *port, struct tenon_frame *const *frames,
                            unsigned count, unsigned *kept)
{
    struct capture *capture = port->capture;
    uint64_t before = real_time();
    unsigned taken = capture->ops->send(port->port, frames, count, kept);

    tn_pcapng_write(capture->file, frames, taken, *kept, TN_PCAPNG_OUT, before);
    return taken;
}

static unsigned cancel(struct tenon_port *port, unsigned count)
{
    return port->capture->ops->cancel(port->port, count);
}

static void watch(struct tenon_port *port, unsigned events)
{
    port->capture->ops->watch(port->port, events);
}

static int recv_set(struct tenon_port *port, unsigned can)
{
    return port->capture->ops->recv_set(port->port, can);
}

static unsigned send_can(struct tenon_port *port)
{
    return port->capture->ops->send_can(port->port);
}

static int use_pairs(void *link, unsigned count)
{
    return tn_link_use_pairs(((struct capture *)link)->link, count);
}

static int info(void *link, struct tenon_link_info *out)
{
    return tenon_link_info(((struct capture *)link)->link, out);
}

static bool up(void *link)
{
    return tenon_link_up(((struct capture *)link)->link);
}

static void stats(void *link, void (*fn)(void *opaque, const char *name, uint64_t value),
                  void *opaque)
{
    struct capture *capture = link;

    tenon_link_stats(capture->link, fn, opaque);
    fn(opaque, "captured", tn_pcapng_frames(capture->file));
}

static void free_capture(void *link)
{
    struct capture *capture = link;

    tenon_link_close(capture->link);
    tn_pcapng_close(capture->file);
    free(capture);
}

/* What the link does not do the capture does not either. */
static struct tenon_link_ops ops_over(const struct tenon_link_ops *inner)
{
    return (struct tenon_link_ops){
        .size = sizeof(struct tenon_link_ops),
        .open = open_port,
        .recv = inner->recv ? recv_frames : NULL,
        .peek = inner->peek ? peek : NULL,
        .take = inner->take ? take : NULL,
        .send = send_frames,
        .cancel = inner->cancel ? cancel : NULL,
        .watch = watch,
        .recv_set = inner->recv_set ? recv_set : NULL,
        .send_can = inner->send_can ? send_can : NULL,
        .use_pairs = inner->use_pairs ? use_pairs : NULL,
        .close = close_port,
        .info = info,
        .up = up,
        .stats = stats,
        .free = free_capture,
    };
}

int tenon_link_open_capture(struct tenon_link *link, const char *path, struct tenon_link **out)
{
    struct capture *capture = calloc(1, sizeof(*capture));
    struct tenon_link_ops ops;
    int r;

    if (!capture) {
        return tn_error(-ENOMEM, "capture: no memory");
    }
    capture->link = link;
    capture->ops = tn_link_ops(link);
    r = tn_pcapng_open(path, tenon_link_name(link), &capture->file);
    if (r == 0) {
        ops = ops_over(capture->ops);
        r = tn_link_make(&ops, capture, tenon_link_name(link), out);
        if (r != 0) {
            tn_pcapng_close(capture->file);
        }
    }
    if (r != 0) {
        free(capture);
    }
    return r;
}
