/*
 * aside.c: see aside.h. Opening is on any thread, all else on the channel's worker.
 */
#include "disk/aside.h"

#include "base/err.h"
#include "base/log.h"
#include "base/num.h"

static int run(void *body, struct tenon_io *io)
{
    const struct tn_aside *aside = body;

    return aside->ops->run(aside->body, io);
}

/* That a tail is not served is for the engine's disk to say. */
static int info(void *body, struct tenon_disk_info *out)
{
    const struct tn_aside *aside = body;
    int r = aside->ops->info(aside->body, out);

    out->bytes = tn_round_down(out->bytes, 512);
    return r;
}

int tn_aside_open(struct tn_aside *aside, const struct tn_body_ops *ops, void *body,
                  unsigned threads, const struct tn_disk_label *label)
{
    static const struct tn_body_ops lent = { .run = run, .info = info };
    int r;

    aside->ops = ops;
    aside->body = body;
    r = tn_threads_open(&lent, aside, threads, label, &aside->pool);
    if (r == 0) {
        aside->io_bytes = tn_round_up(tn_disk_io_bytes(aside->pool), 16);
    }
    return r;
}

void tn_aside_close(struct tn_aside *aside)
{
    tenon_disk_close(aside->pool);
}

int tn_aside_submit(struct tn_aside_channel *channel, struct tenon_io *io)
{
    int r = 0;

    if (!channel->channel) {
        r = tn_channel_open(channel->aside->pool, channel->worker, &channel->channel);
    }
    if (r != 0 && !channel->missed) {
        channel->missed = true;
        tn_log(TENON_LOG_WARNING, "requests that may block wait for a thread: %s", tenon_error());
    }
    if (r == 0) {
        r = tn_channel_submit(channel->aside->pool, channel->channel, io);
        channel->batch = true;
    }
    return r;
}

void tn_aside_commit(struct tn_aside_channel *channel)
{
    if (channel->batch) {
        channel->batch = false;
        tn_channel_commit(channel->aside->pool, channel->channel);
    }
}

int tn_aside_cancel(struct tn_aside_channel *channel, struct tenon_io *io)
{
    return tn_channel_cancel(channel->aside->pool, channel->channel, io);
}

void tn_aside_leave(const struct tn_aside_channel *channel, void (*done)(void *opaque),
                    void *opaque)
{
    if (channel->channel) {
        tn_channel_close(channel->aside->pool, channel->channel, done, opaque);
    } else {
        done(opaque);
    }
}
