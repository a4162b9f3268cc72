/*
 * inline.c: the engine without threads: each operation runs at once, on the worker that submits it,
 * one after another.
 *
 *   submit --> body->run --> tenon_io_done --> (post) --> done
 *
 * Right for memory, and where everything has to be deterministic. A body that blocks holds up its
 * worker.
 */
#include "disk/body.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

/* There is nothing to keep for each worker: the disk itself is the channel. */
struct tenon_channel {
    const struct tn_body_ops *ops;
    void *body;
};

static int open_channel(void *disk, struct tenon_worker *worker, struct tenon_channel **out)
{
    (void)worker;
    *out = disk;
    return 0;
}

static int submit(struct tenon_channel *channel, struct tenon_io *io)
{
    tenon_io_done(io, channel->ops->run(channel->body, io));
    return 0;
}

static void close_channel(struct tenon_channel *channel, void (*done)(void *opaque), void *opaque)
{
    (void)channel;
    done(opaque);
}

static int info(void *disk, struct tenon_disk_info *out)
{
    struct tenon_channel *channel = disk;

    return channel->ops->info(channel->body, out);
}

static void free_disk(void *disk)
{
    struct tenon_channel *channel = disk;

    if (channel->ops->free) {
        channel->ops->free(channel->body);
    }
    free(channel);
}

int tn_inline_open(const struct tn_body_ops *ops, void *body, const struct tn_disk_label *label,
                   struct tenon_disk **out)
{
    static const struct tenon_disk_ops inline_ops = {
        .size = sizeof(inline_ops),
        .open = open_channel,
        .submit = submit,
        .close = close_channel,
        .info = info,
        .free = free_disk,
    };
    struct tenon_channel *channel = calloc(1, sizeof(*channel));
    int r;

    if (!channel) {
        return tn_error(-ENOMEM, "%s: no memory for the disk", label->name);
    }
    channel->ops = ops;
    channel->body = body;
    r = tn_disk_make(&inline_ops, channel, label, out);
    if (r != 0) {
        free(channel);
    }
    return r;
}
